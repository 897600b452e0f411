//! The arguments understood: a command, help, or one line that says what is wrong with them.

use argh::{FromArgs, SubCommands};

use super::account::AccountVerb;
use super::certificate_verb::CertVerb;
use super::globals::PASSWORD_ON_COMMAND_LINE;
use super::mail_verbs::{AliasVerb, DeviceVerb, QuotaVerb};
use super::outgoing_verbs::{DoctorVerb, ForwardVerb, QueueVerb, RouteVerb, ShareVerb};
use super::user_verbs::{Auth, Fails};
use super::verbs::{
    Add, Clock, Del, Get, Kick, List, LocalUsers, Lock, Passwd, Read, Serve, Set, Setup, Stat, Status,
    Undelete, Unlock, Who,
};
use crate::admin::{self, AdminError};
use crate::mail::{Address, printable};
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
    let arguments: Vec<&str> = with_long_names(arguments);
    let verb = arguments.iter().find(|word| **word != "help" || arguments.len() == 1);
    if let Some(unknown) = verb.filter(|word| !word.starts_with('-') && !is_verb(word)) {
        return Err(unknown_verb(unknown));
    }
    match Poppet::from_args(&["poppet"], &arguments) {
        Ok(Poppet { version: true, .. }) => {
            // A setup of another version reads the layout, too: whether this one can have the database.
            Ok(Parsed::Text(format!("poppet {} (layout {})\n", env!("CARGO_PKG_VERSION"), admin::LAYOUT)))
        }
        Ok(Poppet { verb: Some(Verb::Setup(setup)), .. }) => match setup.names.len() {
            1 if setup.names[0].contains('@') => Err(whole_address(&setup.names[0])),
            1 => Err(misused("Required positional arguments not provided: USER", Some("setup"))),
            0 | 2 => Ok(Parsed::Verb(Verb::Setup(setup))),
            _ => Err(AdminError::usage(format!(
                "too many names: give DOMAIN and one USER, \"poppet add ADDRESS\" makes the next; {PASSWORD_ON_COMMAND_LINE}"
            ))),
        },
        Ok(Poppet { verb: Some(verb), .. }) => Ok(Parsed::Verb(verb)),
        Ok(Poppet { verb: None, .. }) => Err(AdminError::usage(
            "say what to do, such as \"poppet list\"; \"poppet --help\" lists all commands",
        )),
        Err(exit) if exit.status.is_ok() => Ok(Parsed::Text(exit.output)),
        // Whatever stands there too much may be the password.
        Err(_) if is_about_a_password(&arguments) => Err(AdminError::usage(format!(
            "that can't be said of smarthost_password; {PASSWORD_ON_COMMAND_LINE}"
        ))),
        Err(exit) => Err(misused(&exit.output, arguments.iter().find(|word| is_verb(word)).copied())),
    }
}

/// setup takes an address in two words.
fn whole_address(word: &str) -> AdminError {
    let text = match word.parse::<Address>() {
        Ok(address) => format!("say \"poppet setup {} {}\"", address.domain(), address.local_part()),
        Err(_) => "say the domain and the name, as in \"poppet setup home.lan alice\"".into(),
    };
    AdminError::usage(format!("setup takes domain and name as two words: {text}"))
}

/// `-h` and `-V` are what many commands take; behind two dashes they are names.
fn with_long_names(arguments: &[String]) -> Vec<&str> {
    let options = arguments.iter().take_while(|word| *word != "--").count();
    let long = |(index, word): (usize, &'_ String)| match word.as_str() {
        "-h" if index < options => "--help",
        "-V" if index < options => "--version",
        _ => &arguments[index],
    };
    arguments.iter().enumerate().map(long).collect()
}

fn is_about_a_password(arguments: &[&str]) -> bool {
    arguments.first() == Some(&"set") && arguments.contains(&"smarthost_password")
}

fn is_verb(word: &str) -> bool {
    word == "help" || Verb::COMMANDS.iter().any(|command| command.name == word)
}

fn unknown_verb(typed: &str) -> AdminError {
    let shown = admin::quoted(typed);
    let known = || Verb::COMMANDS.iter().map(|command| command.name);
    let near = known().find(|known| settings::is_near(known, typed));
    let elsewhere = OTHER_NAMES.iter().find(|(other, _)| *other == typed).map(|(_, name)| *name);
    AdminError::usage(match near.or(elsewhere) {
        Some(near) => format!("there is no command {shown}; did you mean {near}?"),
        None => format!("there is no command {shown}; \"poppet --help\" lists them all"),
    })
}

/// What other programs call it.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("delete", "del"),
    ("remove", "del"),
    ("rm", "del"),
    ("ls", "list"),
    ("undo", "undelete"),
    ("password", "passwd"),
    ("config", "get"),
    ("start", "serve"),
    ("run", "serve"),
    ("init", "setup"),
    ("sessions", "who"),
    ("aliases", "alias"),
    ("catchall", "alias"),
    ("printer", "device"),
    ("scanner", "device"),
    ("limit", "quota"),
    ("disable", "lock"),
    ("enable", "unlock"),
    ("method", "auth"),
    ("migrate", "auth"),
    ("certificate", "cert"),
    ("mailq", "queue"),
    ("flush", "queue"),
    ("routes", "route"),
    ("transport", "route"),
    ("relay", "route"),
    ("check", "doctor"),
    ("diagnose", "doctor"),
    ("time", "clock"),
    ("date", "clock"),
    ("forwards", "forward"),
    ("redirect", "forward"),
];

/// argh's complaint as one line. A surplus word is not repeated where it may be a password (S-321).
fn misused(complaint: &str, verb: Option<&str>) -> AdminError {
    let help = verb.map_or("poppet --help".into(), |verb| format!("poppet {verb} --help"));
    let surplus = complaint.strip_prefix("Unrecognized argument: ").map(str::trim_end);
    let text = match surplus {
        Some(surplus) if surplus.starts_with('-') => {
            let shown = printable(surplus.as_bytes());
            match near_option(surplus, verb) {
                Some(near) => format!("there is no option {shown}; did you mean {near}?"),
                None => format!("there is no option {shown}"),
            }
        }
        Some(_) if matches!(verb, Some("passwd" | "add" | "setup" | "auth")) => {
            return AdminError::usage(format!("too many arguments; {PASSWORD_ON_COMMAND_LINE}"));
        }
        Some(surplus) => format!("one argument too many: {}", printable(surplus.as_bytes())),
        None => not_given_or_no_number(complaint),
    };
    let gap = if text.ends_with('?') { "" } else { ";" };
    AdminError::usage(format!("{text}{gap} \"{help}\" shows what is right"))
}

/// The option of that command that looks like the typed one, as its help names it.
fn near_option(typed: &str, verb: Option<&str>) -> Option<String> {
    let help = Poppet::from_args(&["poppet"], &[verb?, "--help"]).err()?.output;
    let words = help.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words
        .filter(|word| word.starts_with("--"))
        .find(|known| settings::is_near(known, typed))
        .map(String::from)
}

/// What is missing behind the command or an option, there twice, or should have been a number.
fn not_given_or_no_number(complaint: &str) -> String {
    let line = complaint.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(option) = line.strip_prefix("No value provided for option '") {
        return format!("{} needs a value", option.trim_end_matches(['\'', '.']));
    }
    if line.ends_with("duplicate values provided") {
        let option = line.split('\'').nth(1).unwrap_or_default();
        return format!("{} is given twice", printable(option.as_bytes()));
    }
    if let Some((value, _)) = line.split_once(" with value '").and_then(|(_, value)| value.rsplit_once("': "))
    {
        return format!("{} is no number", admin::quoted(value));
    }
    printable(line.replace("Required positional arguments not provided:", "not given:").as_bytes())
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
    error_code(3, "there is no such domain, mailbox, alias, device, message, route, setting or session"),
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
    Undelete(Undelete),
    List(List),
    Stat(Stat),
    Lock(Lock),
    Unlock(Unlock),
    Passwd(Passwd),
    Account(AccountVerb),
    Alias(AliasVerb),
    Forward(ForwardVerb),
    Device(DeviceVerb),
    Quota(QuotaVerb),
    Get(Get),
    Set(Set),
    Read(Read),
    Queue(QueueVerb),
    Route(RouteVerb),
    Share(ShareVerb),
    Doctor(DoctorVerb),
    Status(Status),
    Clock(Clock),
    Who(Who),
    Kick(Kick),
    Fails(Fails),
    Auth(Auth),
    Cert(CertVerb),
    LocalUsers(LocalUsers),
}

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
            ("kcik", "did you mean kick?"),
            ("woh", "did you mean who?"),
            ("aliases", "did you mean alias?"),
            ("devices", "did you mean device?"),
            ("mailq", "did you mean queue?"),
            ("doctr", "did you mean doctor?"),
            ("queue del 1 --ye", "did you mean --yes? \"poppet queue --help\""),
            ("share home.lan x --tls", "--tls needs a value; \"poppet share --help\""),
            ("quotas", "did you mean quota?"),
            ("device add x 10.0.0.1 --perday", "did you mean --per-day? \"poppet device --help\""),
            ("device add x 10.0.0.1 --per-day many", "\"many\" is no number; \"poppet device --help\""),
            // The second of two was called no number, even where none was meant.
            (
                "device add x 10.0.0.1 --per-day 5 --per-day 6",
                "--per-day is given twice; \"poppet device --help\"",
            ),
            (
                "device add x 10.0.0.1 --from a@b --from c@d",
                "--from is given twice; \"poppet device --help\"",
            ),
            ("quota home.lan --messages", "--messages needs a value; \"poppet quota --help\""),
            ("frobnicate", "poppet --help"),
            ("help frobnicate", "no command \"frobnicate\""),
            ("help lsit", "did you mean list?"),
            ("add", "not given: TARGET; \"poppet add --help\""),
            ("setup home.lan", "not given: USER"),
            ("setup alice@home.lan", "\"poppet setup home.lan alice\""),
            ("setup alice@", "\"poppet setup home.lan alice\""),
            ("setup home.lan alice bob", "one USER"),
            ("list home.lan surplus", "too many: surplus; \"poppet list --help\""),
            ("list --frob", "no option --frob; \"poppet list --help\""),
            ("read alice@home.lan three", "\"three\" is no number; \"poppet read --help\""),
            ("undelete a@home.lan --dryrun", "did you mean --dry-run? \"poppet undelete --help\""),
            ("undelete a@home.lan --since", "--since needs a value; \"poppet undelete --help\""),
            ("delete a@home.lan", "did you mean del?"),
            ("undo a@home.lan", "did you mean undelete?"),
            ("read alice@home.lan -1", "\"poppet read --help\""),
            ("serve --pop3", "\"poppet serve --help\""),
            ("\u{1b}[2J", "\\u{1b}[2J"),
        ] {
            assert!(complaint(line).contains(wanted), "{line}: {}", complaint(line));
        }
    }

    #[test]
    fn a_password_as_a_surplus_word_is_not_repeated_s_321() {
        for line in [
            "passwd a@home.lan hunter2",
            "add a@home.lan hunter2",
            "setup home.lan a hunter2",
            "set smarthost_password x hunter2",
            "set smarthost_password -hunter2",
        ] {
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
        for line in ["--version", "-V", "--help", "-h", "help", "list -h"] {
            assert!(matches!(parse_line(line), Ok(Parsed::Text(_))), "{line}");
        }
    }

    #[test]
    fn two_dashes_end_the_options_s_326() {
        let Ok(Parsed::Verb(Verb::Add(add))) = parse_line("add -- --help") else { panic!() };
        assert_eq!(add.target, "--help");
        let Ok(Parsed::Verb(Verb::Add(add))) = parse_line("add -- -h") else { panic!() };
        assert_eq!(add.target, "-h");
    }
}
