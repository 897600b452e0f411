//! The commands with their arguments; their help texts are the manual.

use argh::FromArgs;

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "setup",
    description = "make a domain and a first mailbox, then serve; as root, as a service",
    example = "{command_name} home.lan alice\n{command_name} home.lan bob --no-start\n{command_name} home.lan alice --dry-run\n\
    {command_name} --remove --dry-run",
    note = "Makes the folder, the database, the device key, a certificate authority and a server certificate, the\n\
    domain and the mailbox, as far as they are missing; prints a generated password and the recovery words of\n\
    the device key once, and the settings for a mail client.\n\
    Root gets a service of systemd, OpenRC or procd: this program is copied to /usr/local/bin, runs as the user\n\
    poppet, starts with the machine, and is tried as a mail client does. Running it again with a newer program\n\
    upgrades, also without DOMAIN and USER; if that does not come up, the former one serves again.\n\
    Everyone else, and root with --db or without a service manager, serves until it is ended: root on the\n\
    standard ports, everyone else on 1110, 1995, 2525, 1587 and 1465.\n\
    Running it again harms nothing: it makes what is missing and says what stands already. Beside a running\n\
    server it has that one do it, and ends.\n\
    With --json one JSON document comes first: mailbox, password, recovery_words, database, authority, server,\n\
    host_name, ports, new, pid, service. The ready line of serve follows it where this command itself serves."
)]
/// setup
pub(super) struct Setup {
    /// the domain, such as home.lan, and the name of the first mailbox, such as alice
    #[argh(positional, arg_name = "DOMAIN USER")]
    pub names: Vec<String>,
    /// only set up the database, don't serve, and make no service
    #[argh(switch)]
    pub no_start: bool,
    /// take the mailbox's password from the first line of standard input
    #[argh(switch)]
    pub password_stdin: bool,
    /// say what would be done, and do nothing
    #[argh(switch)]
    pub dry_run: bool,
    /// take the service away again; the mail stays
    #[argh(switch)]
    pub remove: bool,
    /// with --remove: don't ask
    #[argh(switch)]
    pub yes: bool,
    /// bring a lost device key back: its recovery words are the first line of standard input
    #[argh(switch)]
    pub recovery_words_stdin: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "serve",
    description = "serve in the foreground until SIGTERM or SIGINT",
    example = "{command_name}\n{command_name} --pop3 127.0.0.1:0 --smtp 127.0.0.1:0 --pop3s off",
    note = "ADDR is an address with a port such as 0.0.0.0:110 or [::]:110, several with commas between, or off;\n\
    port 0 takes any that is free. What is not given goes by the settings of the same names.\n\
    Once every listener is bound, one line on standard output names them:\n\
    ready pop3=127.0.0.1:1110 smtp=127.0.0.1:2525\n\
    Root with --user opens the ports below 1024 and is that user for good before it opens the database, which must be\n\
    the user's, as the folder and the key. systemd passes ports and names the user itself."
)]
/// serve
pub(super) struct Serve {
    /// where POP3 with STLS listens
    #[argh(option, arg_name = "ADDR")]
    pub pop3: Option<String>,
    /// where POP3 inside TLS listens
    #[argh(option, arg_name = "ADDR")]
    pub pop3s: Option<String>,
    /// where SMTP for incoming mail listens
    #[argh(option, arg_name = "ADDR")]
    pub smtp: Option<String>,
    /// where SMTP for users listens, with STARTTLS
    #[argh(option, arg_name = "ADDR")]
    pub submission: Option<String>,
    /// where SMTP for users listens, inside TLS
    #[argh(option, arg_name = "ADDR")]
    pub submissions: Option<String>,
    /// the user of the system who serves; only root can name another than himself
    #[argh(option, arg_name = "NAME")]
    pub user: Option<String>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "add",
    description = "add a domain or a mailbox",
    example = "{command_name} home.lan\n{command_name} bob@home.lan\n\
    printf '%s\\n' \"$secret\" | {command_name} bob@home.lan --password-stdin\n\
    {command_name} bob@home.lan --create-user\n{command_name} bob@home.lan --account bsmith",
    note = "A mailbox's password is asked for on a terminal; elsewhere one is generated and printed once, behind\n\
    the address and a tab. Where the system or a directory knows the users (\"poppet auth\"), the account must be\n\
    there, and has its password there.\n\
    Where users are known by local or directory, a mailbox has the password of its account, and none is asked for.\n\
    --create-user is root's: it makes the account with that password and in the group poppet-users, without home and\n\
    login shell. An account that is there already is only put in the group, and keeps its password.\n\
    The certificate gets a new domain's names within seconds."
)]
/// add
pub(super) struct Add {
    /// a domain or an address
    #[argh(positional, arg_name = "TARGET")]
    pub target: String,
    /// take the mailbox's password from the first line of standard input
    #[argh(switch)]
    pub password_stdin: bool,
    /// whose account it is, with users known by local or directory, if the address doesn't name it
    #[argh(option, arg_name = "NAME")]
    pub account: Option<String>,
    /// make the account too, with users known by local: without login shell, in the group poppet-users
    #[argh(switch)]
    pub create_user: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "del",
    description = "remove a domain, a mailbox or an alias",
    example = "{command_name} bob@home.lan\n{command_name} home.lan --yes\n{command_name} info@home.lan",
    note = "A domain goes with its mailboxes and aliases, a mailbox with its mail. What would take some with it is asked\n\
    about on a terminal, and needs --yes elsewhere.\n\
    So does the mailbox that gets the mail for postmaster: then the oldest one gets it until \"poppet set\n\
    postmaster\" names another.\n\
    \"poppet undelete\" brings mailboxes and mail back within undo_days, as long as the disk has room for them.\n\
    Aliases go for good; those that lead nowhere because of it are named, on standard error without a terminal.\n\
    --delete-user is root's: it removes the mailbox's account too, for good, if that is for mail alone: in the group\n\
    poppet-users, of a user, and without login shell. No file of it is removed."
)]
/// del
pub(super) struct Del {
    /// a domain, an address, or *@DOMAIN for its catch-all
    #[argh(positional, arg_name = "TARGET")]
    pub target: String,
    /// don't ask
    #[argh(switch)]
    pub yes: bool,
    /// remove the mailbox's account too, if it is for mail alone
    #[argh(switch)]
    pub delete_user: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "list",
    description = "list the domains, or the mailboxes of one",
    example = "{command_name}\n{command_name} home.lan\n{command_name} home.lan --ldif --base ou=contacts,dc=example,dc=com",
    note = "Columns without DOMAIN: domain, state, mailboxes, aliases; with it: mailbox, state, created, aliases,\n\
    then forwards where one of them forwards (\"poppet forward\"), and account where users are known by the system or a\n\
    directory.\n\
    The state is open, locked, or domain-locked for a mailbox that only its domain locks; \" all\" stands behind it\n\
    where no mail is taken either. The aliases are a number for a domain, and those that name the mailbox.\n\
    --ldif prints a mail contact for each mailbox and alias that has a name, as Active Directory and Exchange have them:\n\
    what the server beside this one needs to know where a shared domain is (\"poppet share\"). They stand below --base,\n\
    or else below ou=poppet,dc=home,dc=lan for home.lan."
)]
/// list
pub(super) struct List {
    /// a domain
    #[argh(positional, arg_name = "DOMAIN")]
    pub domain: Option<String>,
    /// contacts for another server's directory, as LDIF
    #[argh(switch)]
    pub ldif: bool,
    /// with --ldif: below which entry they shall stand
    #[argh(option, arg_name = "DN")]
    pub base: Option<String>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "stat",
    description = "count messages and octets, or the wear of the disk",
    example = "{command_name}\n{command_name} home.lan\n{command_name} alice@home.lan\n{command_name} --wear",
    note = "Columns without TARGET: domain, mailboxes, messages, octets, retrieved, recoverable,\n\
    recoverable_octets, recoverable_until, state; with it for each mailbox: mailbox, messages, octets, ..., state,\n\
    quota, quota_messages. The state is as in \"poppet list\", or removed.\n\
    Recoverable is what \"poppet undelete\" brings back; the first of it goes at recoverable_until, or earlier\n\
    where the disk runs short. What was removed, mailbox or domain, stands there with no messages but those.\n\
    --wear tells what the server has written since it was started, in all and for each message, in lines of\n\
    a name and a number. Without a server it has only this command's own cost to tell."
)]
/// stat
pub(super) struct Stat {
    /// a domain or an address
    #[argh(positional, arg_name = "TARGET")]
    pub target: Option<String>,
    /// count syncs and octets written instead
    #[argh(switch)]
    pub wear: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "lock",
    description = "lock a domain or a mailbox: it can't be read any more",
    example = "{command_name} alice@home.lan\n{command_name} home.lan\n{command_name} alice@home.lan --all",
    note = "Mail still arrives and its users can still send. POP3 sessions end at once.\n\
    With --all no mail is taken for it either: senders are told so. Saying it without\n\
    --all lets mail arrive again. Mail for postmaster and abuse, if it got that, goes to\n\
    the oldest mailbox that takes mail meanwhile."
)]
/// lock
pub(super) struct Lock {
    /// a domain or an address
    #[argh(positional, arg_name = "TARGET")]
    pub target: String,
    /// refuse incoming mail too
    #[argh(switch)]
    pub all: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "unlock",
    description = "unlock a domain or a mailbox",
    example = "{command_name} alice@home.lan\n{command_name} home.lan",
    note = "A mailbox can't be unlocked while its domain is locked.\n\
    A mailbox that was locked by itself stays locked when its domain is unlocked.\n\
    An address that is locked out for wrong passwords (\"poppet fails\") may log on again, and its failures are\n\
    forgotten. Unlocking a domain does not do that for its mailboxes."
)]
/// unlock
pub(super) struct Unlock {
    /// a domain or an address
    #[argh(positional, arg_name = "TARGET")]
    pub target: String,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "passwd",
    description = "give a mailbox a new password",
    example = "{command_name} alice@home.lan\n\
    printf '%s\\n' \"$secret\" | {command_name} alice@home.lan --password-stdin\n\
    {command_name} --own alice@home.lan",
    note = "The password is asked for on a terminal; elsewhere one is generated and printed once, behind the\n\
    address and a tab.\n\
    Sessions with the old password end at once.\n\
    --own is for every user of this machine: who knows the old password gives his mailbox a new one, through the\n\
    running server, which answers wrong ones as slowly as at a logon. ADDRESS is any name that logs on."
)]
/// passwd
pub(super) struct Passwd {
    /// the mailbox
    #[argh(positional, arg_name = "ADDRESS")]
    pub address: String,
    /// take the password from the first line of standard input; with --own the old one, and the new one from the second
    #[argh(switch)]
    pub password_stdin: bool,
    /// change your own: the old password proves that it is yours
    #[argh(switch)]
    pub own: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "get",
    description = "show settings with their values and meanings",
    example = "{command_name}\n{command_name} plaintext\n{command_name} --for alice@home.lan",
    note = "Columns: setting, value, kind, meaning; their order stays. The kind is set, default, or fixed for a limit\n\
    that can't be set; with --for it tells where the value comes from: mailbox, domain, all, or default. \"(final)\"\n\
    stands behind it where nothing below that can overrule it.\n\
    With KEY and no terminal, only the value is printed."
)]
/// get
pub(super) struct Get {
    /// a setting's name
    #[argh(positional, arg_name = "KEY")]
    pub key: Option<String>,
    /// as it counts for a domain or an address
    #[argh(option, long = "for", arg_name = "TARGET")]
    pub target: Option<String>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "set",
    description = "change a setting",
    example = "{command_name} plaintext lan\n{command_name} pop3 0.0.0.0:110,[::]:110\n{command_name} message_mib --default\n\
    {command_name} retain 365,retrieved:7 --for alice@home.lan\n{command_name} quota 1G --final\n\
    {command_name} challenge on\n{command_name} smarthost mail.example.com\n{command_name} smarthost_password",
    note = "\"poppet get\" lists the settings and what values they take, and which of them a domain or a mailbox can\n\
    have for itself: the mailbox's counts before its domain's, and that before the one of all. With --for,\n\
    --default takes back to what counts above. With --final nothing below counts, neither what is set there nor\n\
    what was; setting it again without --final ends that.\n\
    It says so if the change counts only after a restart of the server. challenge, sparequired, plaintext, retain,\n\
    undo_days and smarthost also say what the change means: whose passwords are kept or wiped, who must get a new\n\
    one, what is refused, which mail goes. Without a terminal these lines are on standard error; --json has them as\n\
    meaning.\n\
    smarthost_password is no setting but the password of smarthost_user: it is asked for without echo, kept sealed\n\
    and never shown; --default forgets it. With --for it is that of the smart host of a domain or an address: user,\n\
    password and pins count for the smart host that is set for the same ones, and for no other."
)]
/// set
pub(super) struct Set {
    /// a setting's name
    #[argh(positional, arg_name = "KEY")]
    pub key: String,
    /// its new value
    #[argh(positional, arg_name = "VALUE")]
    pub value: Option<String>,
    /// take it back to its default
    #[argh(switch)]
    pub default: bool,
    /// only for a domain or an address
    #[argh(option, long = "for", arg_name = "TARGET")]
    pub target: Option<String>,
    /// let no domain or mailbox below overrule it
    #[argh(switch, long = "final")]
    pub is_final: bool,
    /// take smarthost_password from the first line of standard input
    #[argh(switch)]
    pub password_stdin: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "undelete",
    description = "bring back removed mail, or a removed mailbox with its mail",
    example = "{command_name} alice@home.lan\n{command_name} alice@home.lan --since 2d --dry-run\n\
    {command_name} alice@home.lan --since 2026-11-20",
    note = "Brings back all that was removed and is still there: undo_days long (\"poppet get undo_days\"), or shorter\n\
    where the disk runs short. Messages have the numbers and UIDLs that they had; a client sees them at its next\n\
    logon. A mailbox has its password, lock and settings again.\n\
    MOMENT is so long ago, as in 2d, 12h or 30m, or a day in UTC; what was removed up to ten minutes before it may\n\
    come too. Saying it again harms nothing. Who gets the mail for postmaster stays as it is.\n\
    Without a terminal one line: mailbox, mailbox_back, messages, octets, purged (gone for good), dry_run."
)]
/// undelete
pub(super) struct Undelete {
    /// the mailbox
    #[argh(positional, arg_name = "ADDRESS")]
    pub address: String,
    /// only what was removed since then
    #[argh(option, arg_name = "MOMENT")]
    pub since: Option<String>,
    /// only say what would come back
    #[argh(switch)]
    pub dry_run: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "read",
    description = "list the messages of a mailbox, or show one",
    example = "{command_name} alice@home.lan\n{command_name} alice@home.lan 3\n{command_name} alice@home.lan 3 > message.eml",
    note = "Columns without N: number, octets, received, from, subject. Nothing is marked as read or removed.\n\
    A message is printed octet for octet where no terminal is; a terminal gets its control characters escaped.\n\
    With --json its exact is false where octets that are no UTF-8 had to be replaced."
)]
/// read
pub(super) struct Read {
    /// the mailbox
    #[argh(positional, arg_name = "ADDRESS")]
    pub address: String,
    /// the number of a message, as the list shows it
    #[argh(positional, arg_name = "N")]
    pub number: Option<u32>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "status",
    description = "show how the server and the database are",
    example = "{command_name}\n{command_name} --json",
    note = "Lines of a name and a value: server (running or not running), version, pid, uptime_seconds, listeners,\n\
    sessions, clock, database, domains, mailboxes, messages, octets, file_octets, free_octets, room, locked_out\n\
    (mailboxes that are locked out for wrong passwords), queue_waiting, queue_held, queue_dead, sent and unsure_sends\n\
    (since the start), connections_out, offline_since (no way out since then), troubles (ways out that rest, and why).\n\
    What only a running server knows is empty without one; the exit code is 0 either way."
)]
/// status
pub(super) struct Status {}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "clock",
    description = "show whether the clock is believed, or say that it is right",
    example = "{command_name}\n{command_name} trust\n{command_name} trust --yes",
    note = "Lines of a name and a value: now, newest (the last time that the database has seen), state (right, in the\n\
    past, older than the database, or not believed yet), advice.\n\
    While the clock is older than the database it is taken to be wrong: nothing is removed or given up for its age, and\n\
    the certificates of other servers are believed only where they are pinned. That never ends by itself where it\n\
    was the database that saw a time too late, from a clock that was ahead. trust says that the clock is right now: it\n\
    asks on a terminal, and needs --yes elsewhere. Nothing goes for its age for another day, or before the next start,\n\
    and before that an error can be mended by setting the clock. Mail that came while the clock was ahead keeps its\n\
    time, and stays until that has come.\n\
    A clock that is far ahead of the database is not believed yet: it is once the server has run by it for a day in all,\n\
    however often it was switched off meanwhile."
)]
/// clock
pub(super) struct Clock {
    /// trust, or nothing
    #[argh(positional, arg_name = "trust")]
    pub act: Option<String>,
    /// don't ask
    #[argh(switch)]
    pub yes: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "who",
    description = "show the sessions of the running server",
    example = "{command_name}\n{command_name} --json",
    note = "Columns: number, listener, user, peer, state, seconds, idle_seconds, octets_in, octets_out, tls. The oldest\n\
    session comes first. The user is empty before the logon, tls where there is none. The state is waiting,\n\
    handshake, logon, sending, receiving or storing; octets are counted as they are inside TLS."
)]
/// who
pub(super) struct Who {}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "kick",
    description = "end sessions of the running server now",
    example = "{command_name} 17\n{command_name} alice@home.lan\n{command_name} home.lan\n{command_name} --all",
    note = "WHOM is a number that \"poppet who\" shows, an address or a domain.\n\
    A POP3 session ends without removing what was marked for it, an SMTP session is told to try again later, and\n\
    a message that is just coming in is not taken. It says how many sessions were ended; the exit code is 3 if\n\
    there are none. They may come again at once: \"poppet lock\" keeps them out.\n\
    A client that is told [IN-USE] has lost a session that still stands: kick frees the mailbox at once."
)]
/// kick
pub(super) struct Kick {
    /// a session's number, an address or a domain
    #[argh(positional, arg_name = "WHOM")]
    pub whom: Option<String>,
    /// every session
    #[argh(switch)]
    pub all: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "local-users",
    description = "answer the server's questions about the system's accounts",
    example = "{command_name} --socket /run/poppet-local.sock --group poppet",
    note = "This is what poppet-local.socket starts where users are known by the system (\"poppet auth local\"), and\n\
    nobody needs to say by hand but where there is no systemd. It runs as root, because it reads shadow so that the\n\
    server can't; it tells whether a password is right and nothing else, has no network, and runs nothing.\n\
    Without --socket it takes the listening socket that stands as its standard input, and ends after a minute\n\
    without questions. With it, it answers until it is ended; root may ask, and the members of --group. Once it\n\
    listens, it says so on standard output: ready socket=/run/poppet-local.sock"
)]
/// local-users
pub(super) struct LocalUsers {
    /// where to listen
    #[argh(option, arg_name = "PATH")]
    pub socket: Option<String>,
    /// whose members may ask, such as the server's
    #[argh(option, arg_name = "NAME")]
    pub group: Option<String>,
}
