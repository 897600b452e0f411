//! The commands about how users are known, with their arguments; their help texts are the manual.

use argh::FromArgs;

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "auth",
    description = "show or choose how users are known",
    example = "{command_name}\n{command_name} local\n\
    {command_name} directory\n\
    {command_name} directory --migrate --dry-run\n{command_name} file --migrate --learn",
    note = "METHOD is file (passwords in the database), local (the system's accounts) or directory (LDAP or Active\n\
    Directory; its settings are set first, \"poppet auth\" says which).\n\
    Without METHOD, columns: kind, name, state, note. The kind is method (state chosen, ready or not ready),\n\
    mechanism (works, settable or never), or learn (mailboxes whose password is still to be learnt).\n\
    A method is chosen before the first domain, and before \"poppet setup\": the database is made then.\n\
    Later --migrate moves every mailbox at once, and keeps its mail, UIDLs, settings and aliases:\n\
    first every rule of the new method is checked for every mailbox. What fails is\n\
    printed in columns mailbox, rule, remedy; then nothing is changed and the exit code is 5.\n\
    Refused is an account that is not there; with local one with a uid below 1000, not in the group poppet-users, or\n\
    without a password that can be proved; in Active Directory a disabled one. One that is locked or expired, or\n\
    whose password is too old, moves: its mail arrives, and its user stays out until he is let in there.\n\
    With directory_bind upn or dn:TEMPLATE nobody looks unless directory_account is set, with upn directory_base too.\n\
    From file to local or directory the passwords kept here are dropped. Back to file each mailbox gets a new one,\n\
    printed once behind its address and a tab; with --learn it gets the one that its user proves at the old method\n\
    when he logs on next. All sessions end.\n\
    --force chooses a method that can't be used now, and moves mailboxes whose account is not found."
)]
/// auth
pub(super) struct Auth {
    /// file, local or directory
    #[argh(positional, arg_name = "METHOD")]
    pub method: Option<String>,
    /// move every mailbox to the method
    #[argh(switch)]
    pub migrate: bool,
    /// with --migrate: only say what would fail
    #[argh(switch)]
    pub dry_run: bool,
    /// with file --migrate: learn the passwords at the users' next logons
    #[argh(switch)]
    pub learn: bool,
    /// don't look whether it can be used
    #[argh(switch)]
    pub force: bool,
    /// take the password of the directory's account from the first line of standard input
    #[argh(switch)]
    pub password_stdin: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "fails",
    description = "show on which accounts logons have failed",
    example = "{command_name}\n{command_name} alice@home.lan\n{command_name} --json",
    note = "Columns: user, failures, last, networks, last_network, state, until. The latest failure comes first. Names\n\
    that are no mailbox are there too, and of what is no address only the beginning, for it may be a password. A\n\
    network that is called uid 1000 is that user of this machine, at \"poppet passwd --own\".\n\
    The state is locked (out, until then or until \"poppet unlock\"), slowed (the next refusal takes up to 15\n\
    seconds), or open. Failures are since the last logon, or those of the last day where it was from a network\n\
    that is known for the user; the same wrong password again is one more here, and no try for \"tries\" where it\n\
    is sent. SCRAM, CRAM-MD5, APOP and NTLM don't tell whether it is the same: each failure of theirs is a try.\n\
    \"poppet get\" shows tries, lock_minutes and window_minutes, by which accounts are locked out. Whoever has\n\
    logged on from a network in the last month is never locked out there, only slowed."
)]
/// fails
pub(super) struct Fails {
    /// only that address
    #[argh(positional, arg_name = "ADDRESS")]
    pub address: Option<String>,
}
