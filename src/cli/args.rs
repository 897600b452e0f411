//! The commands with their arguments; their help texts are the manual.

use argh::{FromArgs, SubCommands};

use super::globals::PASSWORD_ON_COMMAND_LINE;
use crate::admin::AdminError;
use crate::mail::printable;
use crate::settings;

/// What the arguments ask for.
pub(super) enum Parsed {
    /// A text to be shown: help, or the version.
    Text(String),
    /// A command.
    Verb(Verb),
}

/// Understands the arguments that are left when the global options are lifted out.
pub(super) fn parse(arguments: &[String]) -> Result<Parsed, AdminError> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(unknown) = arguments.first().filter(|word| !word.starts_with('-') && !is_verb(word)) {
        return Err(unknown_verb(unknown));
    }
    match Poppet::from_args(&["poppet"], &arguments) {
        Ok(Poppet { version: true, .. }) => {
            Ok(Parsed::Text(format!("poppet {}\n", env!("CARGO_PKG_VERSION"))))
        }
        Ok(Poppet { verb: Some(verb), .. }) => Ok(Parsed::Verb(verb)),
        Ok(Poppet { verb: None, .. }) => Err(AdminError::usage(
            "say what to do, such as \"poppet list\"; \"poppet --help\" lists all commands",
        )),
        Err(exit) if exit.status.is_ok() => Ok(Parsed::Text(exit.output)),
        Err(exit) => Err(misused(&exit.output, arguments.iter().find(|word| is_verb(word)).copied())),
    }
}

fn is_verb(word: &str) -> bool {
    word == "help" || Verb::COMMANDS.iter().any(|command| command.name == word)
}

fn unknown_verb(typed: &str) -> AdminError {
    let shown = printable(typed.as_bytes());
    let near =
        Verb::COMMANDS.iter().map(|command| command.name).find(|known| settings::is_near(known, typed));
    AdminError::usage(match near {
        Some(near) => format!("there is no command {shown:?}; did you mean {near}?"),
        None => format!("there is no command {shown:?}; \"poppet --help\" lists them all"),
    })
}

/// argh's complaint as one line. A surplus word is not repeated where it may be a password (S-321).
fn misused(complaint: &str, verb: Option<&str>) -> AdminError {
    let help = verb.map_or("poppet --help".into(), |verb| format!("poppet {verb} --help"));
    let surplus = complaint.strip_prefix("Unrecognized argument: ").map(str::trim_end);
    let text = match surplus {
        Some(surplus) if surplus.starts_with('-') => {
            format!("there is no option {}", printable(surplus.as_bytes()))
        }
        Some(_) if matches!(verb, Some("passwd" | "add" | "setup")) => {
            return AdminError::usage(format!("too many arguments; {PASSWORD_ON_COMMAND_LINE}"));
        }
        Some(surplus) => format!("one argument too many: {}", printable(surplus.as_bytes())),
        None => {
            let words: Vec<&str> = complaint.split_whitespace().collect();
            let line = words.join(" ").replace("Required positional arguments not provided:", "not given:");
            printable(
                line.replace("Error parsing", "can't understand").replace("No value", "no value").as_bytes(),
            )
        }
    };
    AdminError::usage(format!("{text}; \"{help}\" shows what is right"))
}

#[derive(FromArgs)]
#[argh(
    description = "poppet is a mail server in one small binary and one file: SMTP in, POP3 out.\n\n\
    TARGET is a domain such as home.lan, or an address such as alice@home.lan.\n\
    --db and --json may stand before or behind the command.",
    example = "{command_name} setup home.lan alice\n\
    {command_name} add bob@home.lan\n\
    {command_name} list home.lan --json",
    note = "Output is a table on a terminal, tab-separated without a heading elsewhere, one JSON document with --json.\n\
    While a server runs, the commands ask it; else they open the database themselves.\n\
    POPPET_DB names the database where --db doesn't; POPPET_LOG=debug makes serve tell more.",
    error_code(1, "it failed"),
    error_code(2, "the command was not understood"),
    error_code(3, "there is no such domain, mailbox, message or setting"),
    error_code(4, "it exists already"),
    error_code(5, "a rule refuses it"),
    error_code(6, "the database or the server can't be reached")
)]
struct Poppet {
    /// the database; default /var/lib/poppet/poppet.redb for root, else poppet/poppet.redb in the user's data folder
    #[argh(option, arg_name = "FILE")]
    #[allow(dead_code)] // Lifted out before; stands here for the help.
    db: Option<String>,
    /// one JSON document instead of a table
    #[argh(switch)]
    #[allow(dead_code)] // Lifted out before; stands here for the help.
    json: bool,
    /// show the version
    #[argh(switch)]
    version: bool,
    #[argh(subcommand)]
    verb: Option<Verb>,
}

#[derive(FromArgs)]
#[argh(subcommand)]
pub(super) enum Verb {
    Setup(Setup),
    Serve(Serve),
    Add(Add),
    Del(Del),
    List(List),
    Stat(Stat),
    Lock(Lock),
    Unlock(Unlock),
    Passwd(Passwd),
    Get(Get),
    Set(Set),
    Read(Read),
    Status(Status),
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "setup",
    description = "make everything for a domain and its first mailbox, then serve",
    example = "{command_name} home.lan alice\n{command_name} home.lan bob --no-start",
    note = "Makes the folder, the database, the device key, a certificate authority and a server certificate, the\n\
    domain and the mailbox, as far as they are missing; prints a generated password and the recovery words of\n\
    the device key once, and the settings for a mail client. Then it serves until it is ended.\n\
    Root serves on the standard ports, everyone else on 1110, 1995, 2525, 1587 and 1465.\n\
    Running it again harms nothing: it makes what is missing and says what stands already."
)]
/// setup
pub(super) struct Setup {
    /// the domain, such as home.lan
    #[argh(positional, arg_name = "DOMAIN")]
    pub domain: String,
    /// the name of the first mailbox, such as alice
    #[argh(positional, arg_name = "USER")]
    pub user: String,
    /// only set up, don't serve
    #[argh(switch)]
    pub no_start: bool,
    /// take the mailbox's password from the first line of standard input
    #[argh(switch)]
    pub password_stdin: bool,
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
    ready pop3=127.0.0.1:1110 smtp=127.0.0.1:2525"
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
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "add",
    description = "add a domain or a mailbox",
    example = "{command_name} home.lan\n{command_name} bob@home.lan\n\
    printf '%s\\n' \"$secret\" | {command_name} bob@home.lan --password-stdin",
    note = "A mailbox's password is asked for on a terminal; elsewhere one is generated and printed once."
)]
/// add
pub(super) struct Add {
    /// a domain or an address
    #[argh(positional, arg_name = "TARGET")]
    pub target: String,
    /// take the mailbox's password from the first line of standard input
    #[argh(switch)]
    pub password_stdin: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "del",
    description = "remove a domain with its mailboxes, or a mailbox with its mail",
    example = "{command_name} bob@home.lan\n{command_name} home.lan --yes",
    note = "What would take mailboxes or mail with it is asked about on a terminal, and needs --yes elsewhere.\n\
    Nothing of it can be brought back."
)]
/// del
pub(super) struct Del {
    /// a domain or an address
    #[argh(positional, arg_name = "TARGET")]
    pub target: String,
    /// don't ask
    #[argh(switch)]
    pub yes: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "list",
    description = "list the domains, or the mailboxes of one",
    example = "{command_name}\n{command_name} home.lan",
    note = "Columns without DOMAIN: domain, state, mailboxes; with it: mailbox, state, created.\n\
    The state is open, locked, or domain-locked for a mailbox that only its domain locks."
)]
/// list
pub(super) struct List {
    /// a domain
    #[argh(positional, arg_name = "DOMAIN")]
    pub domain: Option<String>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "stat",
    description = "count messages and octets, or the wear of the disk",
    example = "{command_name}\n{command_name} home.lan\n{command_name} alice@home.lan\n{command_name} --wear",
    note = "Columns without TARGET: domain, mailboxes, messages, octets; with it: mailbox, messages, octets.\n\
    --wear tells what the server has written since it was started, in all and for each message."
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
    example = "{command_name} alice@home.lan\n{command_name} home.lan",
    note = "Mail still arrives and its users can still send. POP3 sessions end at once."
)]
/// lock
pub(super) struct Lock {
    /// a domain or an address
    #[argh(positional, arg_name = "TARGET")]
    pub target: String,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "unlock",
    description = "unlock a domain or a mailbox",
    example = "{command_name} alice@home.lan\n{command_name} home.lan",
    note = "A mailbox can't be unlocked while its domain is locked.\n\
    A mailbox that was locked by itself stays locked when its domain is unlocked."
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
    printf '%s\\n' \"$secret\" | {command_name} alice@home.lan --password-stdin",
    note = "The password is asked for on a terminal; elsewhere one is generated and printed once.\n\
    Sessions with the old password end at once."
)]
/// passwd
pub(super) struct Passwd {
    /// the mailbox
    #[argh(positional, arg_name = "ADDRESS")]
    pub address: String,
    /// take the password from the first line of standard input
    #[argh(switch)]
    pub password_stdin: bool,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "get",
    description = "show settings with their values and meanings",
    example = "{command_name}\n{command_name} plaintext",
    note = "Columns: setting, value, kind, meaning. The kind is set, default, or fixed for a limit that can't be set.\n\
    With KEY and no terminal, only the value is printed."
)]
/// get
pub(super) struct Get {
    /// a setting's name
    #[argh(positional, arg_name = "KEY")]
    pub key: Option<String>,
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "set",
    description = "change a setting",
    example = "{command_name} plaintext lan\n{command_name} pop3 0.0.0.0:110,[::]:110\n{command_name} message_mib --default",
    note = "\"poppet get\" lists the settings and what values they take.\n\
    It says so if the change counts only after a restart of the server."
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
}

#[derive(FromArgs)]
#[argh(
    subcommand,
    name = "read",
    description = "list the messages of a mailbox, or show one",
    example = "{command_name} alice@home.lan\n{command_name} alice@home.lan 3\n{command_name} alice@home.lan 3 > message.eml",
    note = "Columns without N: number, octets, received, from, subject. Nothing is marked as read or removed.\n\
    A message is printed octet for octet where no terminal is; a terminal gets its control characters escaped."
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
    example = "{command_name}\n{command_name} --json"
)]
/// status
pub(super) struct Status {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Failure;

    fn parse_line(line: &str) -> Result<Parsed, AdminError> {
        let words: Vec<String> = line.split_whitespace().map(String::from).collect();
        parse(&words)
    }

    fn complaint(line: &str) -> String {
        match parse_line(line) {
            Err(error) => {
                assert_eq!(error.kind, Failure::Usage, "{line}");
                assert_eq!(error.text.lines().count(), 1, "{line}: {}", error.text);
                error.text
            }
            Ok(_) => panic!("{line} was understood"),
        }
    }

    #[test]
    fn misuse_is_one_line_that_names_the_help() {
        for (line, wanted) in [
            ("", "poppet --help"),
            ("lsit", "did you mean list?"),
            ("frobnicate", "poppet --help"),
            ("add", "not given: TARGET; \"poppet add --help\""),
            ("setup home.lan", "not given: USER"),
            ("list home.lan surplus", "too many: surplus; \"poppet list --help\""),
            ("list --frob", "no option --frob; \"poppet list --help\""),
            ("read alice@home.lan three", "\"poppet read --help\""),
            ("read alice@home.lan -1", "\"poppet read --help\""),
            ("serve --pop3", "\"poppet serve --help\""),
            ("\u{1b}[2J", "\\x1B[2J"),
        ] {
            assert!(complaint(line).contains(wanted), "{line}: {}", complaint(line));
        }
    }

    #[test]
    fn a_password_as_a_surplus_word_is_not_repeated_s_321() {
        for line in ["passwd a@home.lan hunter2", "add a@home.lan hunter2", "setup home.lan a hunter2"] {
            let text = complaint(line);
            assert!(!text.contains("hunter2") && text.contains("--password-stdin"), "{text}");
        }
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        for command in Verb::COMMANDS {
            for line in [format!("{} --help", command.name), format!("help {}", command.name)] {
                let Ok(Parsed::Text(text)) = parse_line(&line) else { panic!("{line}") };
                assert!(text.contains(&format!("Usage: poppet {}", command.name)), "{text}");
                assert!(text.contains("Examples:"), "{text}");
            }
        }
    }

    #[test]
    fn version_and_help_are_texts() {
        for line in ["--version", "--help", "help"] {
            assert!(matches!(parse_line(line), Ok(Parsed::Text(_))), "{line}");
        }
    }

    #[test]
    fn two_dashes_end_the_options_s_326() {
        let Ok(Parsed::Verb(Verb::Add(add))) = parse_line("add -- --help") else { panic!() };
        assert_eq!(add.target, "--help");
    }
}
