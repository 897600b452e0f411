//! Passwords come from a terminal without echo, from standard input, or are generated; never from argv (S-321).

use std::io::{ErrorKind, IsTerminal, Read, Stdin, Write};

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};

use super::output;
use super::table::harmless;
use crate::admin::{AdminError, Failure};
use crate::mail::{Address, Secret};
use crate::{limits, net};

/// The password for a mailbox; none if one is to be generated.
pub(super) fn obtain(address: &Address, is_on_stdin: bool) -> Result<Option<Secret>, AdminError> {
    let stdin = std::io::stdin();
    match (is_on_stdin, stdin.is_terminal()) {
        (true, _) => first_line(stdin.lock()).map(Some),
        (false, true) => ask_twice(&stdin, address),
        (false, false) => Ok(None),
    }
}

/// The password of the directory's account: from standard input, or asked for if its name is given.
pub(super) fn of_directory(asked_for: Option<&str>) -> Result<Secret, AdminError> {
    let stdin = std::io::stdin();
    let Some(account) = asked_for else { return first_line(stdin.lock()) };
    ask_once(&stdin, &format!("Password of {} at the directory: ", harmless(account)))
}

/// The recovery words of a device key, in one line of standard input; a terminal doesn't show them.
pub(super) fn recovery_words() -> Result<Secret, AdminError> {
    let stdin = std::io::stdin();
    let words = match stdin.is_terminal() {
        true => {
            let _quiet = Quiet::begin(&stdin).map_err(|error| failed(&error))?;
            ask(&stdin, "Recovery words: ")?
        }
        false => line(stdin.lock())?,
    };
    match words.expose().is_empty() {
        true => Err(AdminError::new(
            Failure::Refused,
            "standard input has no recovery words in its first line: write all eleven groups there",
        )),
        false => Ok(words),
    }
}

/// The password for a smart host, `whose` behind the word if it is not that of all: from standard input, or asked for.
pub(super) fn of_smart_host(whose: &str, is_on_stdin: bool) -> Result<Secret, AdminError> {
    let stdin = std::io::stdin();
    match (is_on_stdin, stdin.is_terminal()) {
        (true, _) => first_line(stdin.lock()),
        (false, true) => ask_once(&stdin, &format!("Password for the smart host{whose}: ")),
        (false, false) => Err(AdminError::usage(
            "there is no terminal to ask at: pipe the password in, in one line, with --password-stdin",
        )),
    }
}

fn ask_once(stdin: &Stdin, question: &str) -> Result<Secret, AdminError> {
    let quiet = Quiet::begin(stdin).map_err(|error| failed(&error))?;
    let password = ask(stdin, question)?;
    drop(quiet);
    match password.expose().is_empty() {
        true => Err(AdminError::new(Failure::Refused, "a password is not empty; nothing was changed")),
        false => Ok(password),
    }
}

/// A user's old password and the one that he wants, from the terminal or from two lines of standard input.
pub(super) fn obtain_own(name: &str, is_on_stdin: bool) -> Result<(Secret, Secret), AdminError> {
    let stdin = std::io::stdin();
    match (is_on_stdin, stdin.is_terminal()) {
        (true, _) => two_lines(stdin.lock()),
        (false, true) => ask_for_own(&stdin, name),
        (false, false) => Err(AdminError::usage(
            "there is no terminal to ask at: pipe in the old password and the new one, each in a line, with \
             --password-stdin",
        )),
    }
}

fn two_lines(mut input: impl Read) -> Result<(Secret, Secret), AdminError> {
    let lines = (line(&mut input)?, line(&mut input)?);
    match lines.0.expose().is_empty() || lines.1.expose().is_empty() {
        true => Err(AdminError::new(
            Failure::Refused,
            "standard input has not two passwords: write the old one in its first line, the new one in its second",
        )),
        false => Ok(lines),
    }
}

fn ask_for_own(stdin: &Stdin, name: &str) -> Result<(Secret, Secret), AdminError> {
    let quiet = Quiet::begin(stdin).map_err(|error| failed(&error))?;
    let old = ask(stdin, &format!("Old password for {name}: "))?;
    let new = ask(stdin, "New password: ")?;
    let again = ask(stdin, "The same again: ")?;
    drop(quiet);
    if old.expose().is_empty() || new.expose().is_empty() {
        let text = "a password can't be empty; nothing was changed, try again";
        return Err(AdminError::new(Failure::Refused, text));
    }
    match new == again {
        true => Ok((old, new)),
        false => Err(differ()),
    }
}

/// The first line, which must hold something.
fn first_line(input: impl Read) -> Result<Secret, AdminError> {
    let secret = line(input)?;
    match secret.expose().is_empty() {
        true => Err(AdminError::new(
            Failure::Refused,
            "standard input has no password in its first line: write one there, or leave out --password-stdin",
        )),
        false => Ok(secret),
    }
}

/// A line without its end. Reads octet by octet: what follows belongs to somebody else.
fn line(mut input: impl Read) -> Result<Secret, AdminError> {
    let mut line = Vec::with_capacity(limits::PASSWORD_OCTETS + 2);
    while let Some(octet) = next_octet(&mut input)? {
        match octet {
            b'\n' => break,
            octet => line.push(octet),
        }
        if line.len() > limits::PASSWORD_OCTETS + 1 {
            break;
        }
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(Secret::new(line))
}

fn ask_twice(stdin: &Stdin, address: &Address) -> Result<Option<Secret>, AdminError> {
    let quiet = Quiet::begin(stdin).map_err(|error| failed(&error))?;
    let first = ask(stdin, &format!("Password for {address} (empty: one is generated): "))?;
    if first.expose().is_empty() {
        return Ok(None);
    }
    let second = ask(stdin, "The same again: ")?;
    drop(quiet);
    match first == second {
        true => Ok(Some(first)),
        false => Err(differ()),
    }
}

fn differ() -> AdminError {
    AdminError::new(Failure::Failed, "the two passwords differ; nothing was changed, try again")
}

fn ask(input: impl Read, question: &str) -> Result<Secret, AdminError> {
    // Without standard error there is nobody to ask, but the answer may still come.
    let _ = write!(std::io::stderr(), "{question}");
    let answer = typed_line(input);
    let _ = writeln!(std::io::stderr());
    answer
}

/// A line from a terminal that hands on every key as it is.
fn typed_line(mut input: impl Read) -> Result<Secret, AdminError> {
    let mut line = Vec::with_capacity(limits::PASSWORD_OCTETS + 1);
    while let Some(octet) = next_octet(&mut input)? {
        match octet {
            b'\r' | b'\n' => return Ok(Secret::new(line)),
            CONTROL_C => break,
            CONTROL_D if line.is_empty() => break,
            CONTROL_U => line.clear(),
            BACKSPACE | DELETE => rub_out(&mut line),
            _ if line.len() > limits::PASSWORD_OCTETS => {}
            octet => line.push(octet),
        }
    }
    drop(Secret::new(line));
    Err(AdminError::new(Failure::Failed, "no password was given; nothing was changed"))
}

fn next_octet(input: &mut impl Read) -> Result<Option<u8>, AdminError> {
    let mut octet = [0];
    match input.read_exact(&mut octet) {
        Ok(()) => Ok(Some(octet[0])),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

/// Takes the last letter away, which may be several octets of UTF-8.
fn rub_out(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|octet| octet & 0xC0 == 0x80) {}
}

/// A terminal without echo, as long as it lives. Signals of the keyboard are read as keys, so that an
/// interrupted question never leaves the terminal mute.
struct Quiet<'terminal> {
    terminal: &'terminal Stdin,
    before: Termios,
}

impl Quiet<'_> {
    fn begin(terminal: &Stdin) -> std::io::Result<Quiet<'_>> {
        let before = termios::tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        // It stands before the echo goes. What no signal can be heard of is worth no refusal.
        let _ = net::at_signal(restore_and_end(before.clone()));
        termios::tcsetattr(terminal, OptionalActions::Flush, &modes)?;
        Ok(Quiet { terminal, before })
    }
}

/// What is done if the process is to end while it asks.
fn restore_and_end(before: Termios) -> impl FnOnce() + Send + 'static {
    move || {
        let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, &before);
        let _ = writeln!(std::io::stderr());
        output::complain("ended by a signal before it was done; say it again");
        std::process::exit(1);
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

fn failed(error: &std::io::Error) -> AdminError {
    AdminError::new(
        Failure::Failed,
        format!("can't read the password: {error}; pipe it in with --password-stdin"),
    )
}

const CONTROL_C: u8 = 3;
const CONTROL_D: u8 = 4;
const BACKSPACE: u8 = 8;
const CONTROL_U: u8 = 21;
const DELETE: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_line_of_standard_input_is_the_password() {
        for (input, wanted) in [
            ("hunter2\nrest", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            ("hunter2", "hunter2"),
            (" two words \n", " two words "),
        ] {
            assert_eq!(first_line(input.as_bytes()).unwrap().expose(), wanted.as_bytes(), "{input:?}");
        }
        for input in ["", "\n", "\r\nhunter2"] {
            assert_eq!(first_line(input.as_bytes()).unwrap_err().kind, Failure::Refused, "{input:?}");
        }
    }

    #[test]
    fn two_lines_of_standard_input_are_the_old_password_and_the_new_one() {
        for input in ["old\nnew\nrest", "old\r\nnew\r\n", "old\nnew"] {
            let (old, new) = two_lines(input.as_bytes()).unwrap();
            assert_eq!((old.expose(), new.expose()), (&b"old"[..], &b"new"[..]), "{input:?}");
        }
        for input in ["", "old", "old\n", "old\n\nnew", "\nnew"] {
            assert_eq!(two_lines(input.as_bytes()).unwrap_err().kind, Failure::Refused, "{input:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_not_read_for_ever_s_159() {
        let line = first_line(std::io::repeat(b'x')).unwrap();
        assert!(line.expose().len() > limits::PASSWORD_OCTETS, "so that it is refused as too long");
        assert!(line.expose().len() <= limits::PASSWORD_OCTETS + 2);
    }

    #[test]
    fn typing_errors_can_be_rubbed_out() {
        for (keys, wanted) in [
            (b"abx\x7Fc\r".as_slice(), b"abc".as_slice()),
            ("a\u{e4}\u{8}b\n".as_bytes(), b"ab"),
            (b"wrong\x15right\n", b"right"),
            (b"\x7F\x7F\n", b""),
        ] {
            assert_eq!(typed_line(keys).unwrap().expose(), wanted);
        }
    }

    #[test]
    fn an_interrupted_question_changes_nothing() {
        for keys in [b"abc\x03\n".as_slice(), b"\x04", b"abc"] {
            assert_eq!(typed_line(keys).unwrap_err().kind, Failure::Failed);
        }
    }
}
