//! The options that every command takes, lifted out of the arguments wherever they stand.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::admin::AdminError;
use crate::mail::printable;

/// What every command takes, and the arguments that are left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Globals {
    /// `--db FILE`.
    pub database: Option<PathBuf>,
    /// `--json`.
    pub is_json: bool,
    /// All other arguments, with `--name=value` taken apart.
    pub rest: Vec<String>,
}

impl Globals {
    /// Lifts the global options out of the arguments; what stands behind `--` is left alone (S-326).
    /// Refuses a password as an option, wherever it stands (S-321).
    pub fn lift(arguments: impl Iterator<Item = OsString>) -> Result<Globals, AdminError> {
        let mut globals = Globals { database: None, is_json: false, rest: Vec::new() };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let (name, value) = split(argument)?;
            match (name.as_str(), value) {
                ("--", _) => {
                    globals.rest.push(name);
                    for argument in arguments.by_ref() {
                        globals.rest.push(utf8(argument)?);
                    }
                }
                ("--db", value) => {
                    let value = value.or_else(|| arguments.next()).filter(|value| !value.is_empty());
                    let value = value.ok_or_else(|| AdminError::usage("--db needs the name of a file"))?;
                    if globals.database.replace(value.into()).is_some() {
                        return Err(AdminError::usage("--db stands twice: name one database"));
                    }
                }
                ("--json", None) => globals.is_json = true,
                ("--password" | "--passwd" | "--pass", _) => {
                    return Err(AdminError::usage(PASSWORD_ON_COMMAND_LINE));
                }
                (_, None) => globals.rest.push(name),
                (_, Some(value)) => globals.rest.extend([name, utf8(value)?]),
            }
        }
        Ok(globals)
    }
}

/// Why no password is taken from the command line, and what to do.
pub(super) const PASSWORD_ON_COMMAND_LINE: &str = "a password on the command line is seen by everyone on this \
    machine: leave it out to be asked for it, or pipe it in with --password-stdin";

/// Takes `--name=value` apart.
fn split(argument: OsString) -> Result<(String, Option<OsString>), AdminError> {
    use std::os::unix::ffi::OsStrExt;
    let octets = argument.as_encoded_bytes();
    let is_long = octets.starts_with(b"--") && !octets.starts_with(b"--=");
    let equals = octets.iter().position(|&octet| octet == b'=').filter(|_| is_long);
    match equals {
        None => Ok((utf8(argument)?, None)),
        Some(equals) => {
            let value = std::ffi::OsStr::from_bytes(&octets[equals + 1..]).to_owned();
            Ok((utf8(std::ffi::OsStr::from_bytes(&octets[..equals]).to_owned())?, Some(value)))
        }
    }
}

fn utf8(argument: OsString) -> Result<String, AdminError> {
    argument.into_string().map_err(|argument| {
        let shown = printable(argument.as_encoded_bytes());
        AdminError::usage(format!(
            "the argument {shown} is not UTF-8: write it with letters of this terminal"
        ))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;
    use crate::admin::Failure;

    fn lift(line: &str) -> Result<Globals, AdminError> {
        Globals::lift(line.split(' ').map(OsString::from))
    }

    #[test]
    fn global_options_stand_before_and_behind_the_verb_s_326() {
        let wanted = Globals {
            database: Some("x".into()),
            is_json: true,
            rest: vec!["list".into(), "home.lan".into()],
        };
        for line in [
            "--db x --json list home.lan",
            "list home.lan --db x --json",
            "list --json --db=x home.lan",
            "--json list --db x home.lan",
        ] {
            assert_eq!(lift(line).as_ref(), Ok(&wanted), "{line}");
        }
    }

    #[test]
    fn what_stands_behind_two_dashes_is_left_alone_s_326() {
        let globals = lift("add --db=x -- --json --db --password=x").unwrap();
        assert_eq!(globals.rest, ["add", "--", "--json", "--db", "--password=x"]);
        assert!(!globals.is_json);
    }

    #[test]
    fn values_behind_an_equals_sign_are_taken_apart() {
        assert_eq!(lift("serve --pop3=off").unwrap().rest, ["serve", "--pop3", "off"]);
        assert_eq!(lift("list --=x").unwrap().rest, ["list", "--=x"]);
        assert_eq!(lift("set x a=b").unwrap().rest, ["set", "x", "a=b"]);
        assert_eq!(lift("list --json=yes").unwrap().rest, ["list", "--json", "yes"]);
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_and_not_repeated_s_321() {
        for line in ["passwd a@b --password hunter2", "--password=hunter2 add a@b", "add a@b --pass hunter2"]
        {
            let error = lift(line).unwrap_err();
            assert_eq!(error.kind, Failure::Usage, "{line}");
            assert!(error.text.contains("--password-stdin") && !error.text.contains("hunter2"), "{line}");
        }
        assert!(lift("add a@b --password-stdin").is_ok());
    }

    #[test]
    fn a_database_is_named_once_and_has_a_name() {
        for line in ["list --db", "list --db=", "--db a list --db b"] {
            assert_eq!(lift(line).unwrap_err().kind, Failure::Usage, "{line}");
        }
    }

    #[test]
    fn octets_that_are_no_text_are_refused_except_in_a_file_name() {
        let octets = |octets: &[u8]| OsString::from_vec(octets.to_vec());
        let error = Globals::lift([octets(b"add"), octets(b"\xFF\x1B")].into_iter()).unwrap_err();
        assert!(error.text.contains("\\xFF\\x1B"), "{}", error.text);
        assert!(Globals::lift([octets(b"--db=\xFF")].into_iter()).is_ok());
    }
}
