//! The commands about mail for the outside, with their arguments; their help texts are the manual.

use argh::FromArgs;

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "queue",
    description = "show mail that waits to leave, send it now, hold it or remove it",
    example = "{command_name}\n{command_name} show 17\n{command_name} retry all\n{command_name} hold smarthost\n\
    {command_name} release bob@example.com\n{command_name} del 17\n{command_name} del route:example.com --yes",
    note = "Say list [WHICH], show NUMBER, retry [WHICH], hold WHICH, release WHICH, or del WHICH. WHICH is a number\n\
    of the list, all, a way (smarthost, smarthost:alice@home.lan, route:example.com, mx:example.com, nowhere), or a\n\
    part of the sender's or the recipient's address. Each recipient has a number of his own.\n\
    retry makes mail due now and lets what is dead wait again; without WHICH it is all. What is held waits until\n\
    release. del is for good, and no sender is told: more than one number is asked about on a terminal, and needs\n\
    --yes elsewhere.\n\
    Columns: number, age_seconds, octets, from (empty for reports), to, way, tries, next, state, host, why. The state\n\
    is waiting, held, or dead: it can't be delivered and its sender is nobody, so it is kept to be looked at. Host and\n\
    why are what ended the last try; a terminal shows as much of them as it has room for.\n\
    show has also received, submitter (whose mail it is), came_from, delay_told, unsure_sends (how often a server may\n\
    have taken it without our hearing so), last_try, and the header of the message."
)]
/// queue
pub(super) struct QueueVerb {
    /// what is done, and with which
    #[argh(positional, arg_name = "list|show|retry|hold|release|del WHICH")]
    pub words: Vec<String>,
    /// with del: don't ask
    #[argh(switch)]
    pub yes: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "route",
    description = "show routes, or send the mail for a domain to a server of its own",
    example = "{command_name}\n{command_name} example.com mail.example.com\n\
    {command_name} '*.example.com' mx1.example.com mx2.example.com:26 --tls required\n\
    {command_name} alice@home.lan lmtp:dovecot.lan:24\n{command_name} '*' gateway.lan\n\
    {command_name} example.com --off",
    note = "SPACE is a domain, *.example.com for the domains below one, an address, or * for all else; the nearest\n\
    counts. Of several servers the first that answers takes the mail. A HOST is a name or an address, with a port\n\
    behind a colon if it is not the usual one ([2001:db8::1]:25 for IPv6), with smtps: before it for TLS from the\n\
    first octet on, with lmtp: for LMTP. What was set before is replaced.\n\
    A route for a domain or an address that is here takes its mail away from the mailbox: so a domain moves to another\n\
    server, at once or user by user. \"poppet share\" leaves the mailboxes here theirs.\n\
    Routes open nothing to strangers: they reach domains of this server only, whatever routes there are.\n\
    --tls is implicit, required or opportunistic; without it route_tls counts. \"poppet doctor --for SPACE\" tries a\n\
    route.\n\
    Without HOST it shows the route of that SPACE, without SPACE all. \"route del SPACE\" is the same as --off.\n\
    Columns: space, kind (route or share), hosts (with spaces between), tls (empty where route_tls counts), created."
)]
/// route
pub(super) struct RouteVerb {
    /// whose mail, and the servers that take it
    #[argh(positional, arg_name = "SPACE HOST")]
    pub words: Vec<String>,
    /// how the way there is secured
    #[argh(option, arg_name = "HOW")]
    pub tls: Option<String>,
    /// take the route away
    #[argh(switch)]
    pub off: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "share",
    description = "share a domain with another server: it gets the mail for users who are not here",
    example = "{command_name}\n{command_name} home.lan exchange.home.lan\n\
    {command_name} home.lan lmtp:cluster.lan:24\n{command_name} home.lan --off",
    note = "DOMAIN is one of this server. Mailboxes and aliases here stay as they are; mail for all other names of the\n\
    domain goes to HOST, which \"poppet route --help\" explains, and never back to the server that it came from. The\n\
    other server may share the domain with this one: mail for a user whom neither has is refused or returned once.\n\
    Without HOST it shows the share of DOMAIN, without DOMAIN all. Columns as in \"poppet route\"."
)]
/// share
pub(super) struct ShareVerb {
    /// the domain, and the servers that have its other users
    #[argh(positional, arg_name = "DOMAIN HOST")]
    pub words: Vec<String>,
    /// how the way there is secured: implicit, required or opportunistic
    #[argh(option, arg_name = "HOW")]
    pub tls: Option<String>,
    /// share the domain no more
    #[argh(switch)]
    pub off: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "doctor",
    description = "look whether all is well, and say what to do where it is not",
    example = "{command_name}\n{command_name} --for alice@home.lan\n{command_name} --for example.com\n{command_name} --json",
    note = "Looks at the server, its service and its sandbox, its listeners, the disk and how long it will last, the files\n\
    of database and key, the clock, the certificates, the ways to log on, what is open wider than usual, the name\n\
    service, the queue, and tries the smart host and the routes as far as the logon; no mail is sent. A server that doesn't answer takes a while.\n\
    With --for it tries only the way that mail takes: that of a user or a domain here who sends, or that to an address\n\
    or a domain elsewhere.\n\
    Columns: check, state (good, note or wrong), what. What is wrong says what to do. The exit code is 1 if anything\n\
    is wrong."
)]
/// doctor
pub(super) struct DoctorVerb {
    /// try only the way of mail from there, or to there
    #[argh(option, long = "for", arg_name = "TARGET")]
    pub target: Option<String>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "forward",
    description = "have a mailbox's mail go on to other addresses",
    example = "{command_name}\n{command_name} alice@home.lan alice@example.com\n\
    {command_name} alice@home.lan bob@home.lan alice@example.com --only\n{command_name} alice@home.lan --off",
    note = "ADDRESS is a mailbox, TO an address here or elsewhere. The mailbox keeps a copy; with --only it doesn't, but\n\
    while all that it forwards to has been removed. What was set before is replaced. Its user still logs on\n\
    and sends as before, and who gets the mail may not send in his name. A mailbox that is locked with --all forwards\n\
    nothing.\n\
    Mail for an address elsewhere needs a way there: \"poppet get smarthost\", \"poppet route\". From whom it seems to\n\
    come there, \"poppet get forward_sender\" tells.\n\
    Without TO it shows the forward of that mailbox, without ADDRESS all. Columns: mailbox, targets (with spaces\n\
    between), copy."
)]
/// forward
pub(super) struct ForwardVerb {
    /// the mailbox, and where its mail goes on to
    #[argh(positional, arg_name = "ADDRESS TO")]
    pub words: Vec<String>,
    /// keep no copy in the mailbox
    #[argh(switch)]
    pub only: bool,
    /// forward no more
    #[argh(switch)]
    pub off: bool,
}
