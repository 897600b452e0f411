//! read: mail on the box itself.

use std::io::Write;

use serde_json::json;

use super::accounts::mailbox_address;
use super::desk::{Desk, stranger};
use super::output::Output;
use super::table::{Cell, Report, is_harmless};
use super::verbs::Read;
use crate::admin::{AdminError, Answer, Command, MessageSummary};
use crate::mail::{Address, Uid};

pub(super) fn read(verb: &Read, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let address = mailbox_address(&verb.address)?;
    match verb.number {
        None => output.report(&Report::Rows(COLUMNS, list(&address, desk)?)),
        Some(number) if output.is_json => {
            let mut message = Vec::new();
            pieces(&address, Uid(number), desk, |octets| {
                message.extend_from_slice(octets);
                Ok(())
            })?;
            output.json(&as_json(&address, number, &message))
        }
        Some(number) => {
            let mut screen = Screen::default();
            pieces(&address, Uid(number), desk, |octets| match output.is_terminal {
                true => output.octets(&screen.show(octets)),
                false => output.octets(octets),
            })?;
            if output.is_terminal { output.octets(&screen.end()) } else { Ok(()) }
        }
    }
}

fn list(address: &Address, desk: &Desk) -> Result<Vec<Vec<Cell>>, AdminError> {
    let mut cells = Vec::new();
    let mut after = None;
    loop {
        let command = Command::Messages { address: address.clone(), after };
        let Answer::Messages { rows, is_last } = desk.ask(command)? else { return Err(stranger()) };
        cells.extend(rows.iter().map(row));
        after = rows.last().map(|row| row.uid).or(after);
        if is_last || rows.is_empty() {
            return Ok(cells);
        }
    }
}

fn row(row: &MessageSummary) -> Vec<Cell> {
    vec![
        Cell::Number(row.uid.0.into()),
        Cell::Octets(row.octets.into()),
        Cell::Time(row.received),
        Cell::Text(String::from_utf8_lossy(&row.from).into_owned()),
        Cell::Text(String::from_utf8_lossy(&row.subject).into_owned()),
    ]
}

/// Hands a message on piece by piece: neither the server nor this side holds it whole.
fn pieces(
    address: &Address,
    uid: Uid,
    desk: &Desk,
    mut take: impl FnMut(&[u8]) -> Result<(), AdminError>,
) -> Result<(), AdminError> {
    for index in 0.. {
        let command = Command::Piece { address: address.clone(), uid, index };
        let Answer::Piece { octets, is_last } = desk.ask(command)? else { return Err(stranger()) };
        take(&octets)?;
        if is_last {
            break;
        }
    }
    Ok(())
}

/// JSON has letters only: octets that are no UTF-8 are replaced, and `exact` says so. RFC 8259 §8.1.
fn as_json(address: &Address, number: u32, message: &[u8]) -> serde_json::Value {
    let text = String::from_utf8_lossy(message);
    let is_exact = matches!(text, std::borrow::Cow::Borrowed(_));
    json!({
        "mailbox": address.as_str(), "number": number, "octets": message.len(), "text": text, "exact": is_exact
    })
}

/// Makes a message harmless for a terminal, piece by piece: a letter may be cut in two (S-317).
#[derive(Default)]
struct Screen {
    rest: Vec<u8>,
}

impl Screen {
    fn show(&mut self, octets: &[u8]) -> Vec<u8> {
        self.rest.extend_from_slice(octets);
        let begun = begun_letter(&self.rest);
        let rest = self.rest.split_off(self.rest.len() - begun);
        let octets = std::mem::replace(&mut self.rest, rest);
        shown(&octets)
    }

    fn end(&mut self) -> Vec<u8> {
        shown(&std::mem::take(&mut self.rest))
    }
}

/// How many octets at the end may be a letter's or a line end's beginning.
fn begun_letter(octets: &[u8]) -> usize {
    if octets.last() == Some(&b'\r') {
        return 1;
    }
    let tail = &octets[octets.len().saturating_sub(3)..];
    match std::str::from_utf8(tail) {
        Err(error) if error.error_len().is_none() => tail.len() - error.valid_up_to(),
        // A tail may itself begin within a letter.
        _ => tail.iter().rev().position(|&octet| octet >= 0xC0).map_or(0, |behind| {
            let wanted = match tail[tail.len() - 1 - behind] {
                0xC0..=0xDF => 2,
                0xE0..=0xEF => 3,
                _ => 4,
            };
            if behind + 1 < wanted { behind + 1 } else { 0 }
        }),
    }
}

fn shown(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len());
    for chunk in octets.utf8_chunks() {
        let mut letters = chunk.valid().chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\r' if letters.peek() == Some(&'\n') => {}
                '\n' | '\t' => out.push(letter as u8),
                letter if is_harmless(letter) => out.extend(letter.encode_utf8(&mut [0; 4]).bytes()),
                letter => out.extend(letter.escape_unicode().to_string().bytes()),
            }
        }
        for octet in chunk.invalid() {
            // Writing to memory does not fail.
            let _ = write!(out, "\\x{octet:02X}");
        }
    }
    out
}

const COLUMNS: &[&str] = &["number", "octets", "received", "from", "subject"];

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(octets: &[u8], piece: usize) -> String {
        let mut screen = Screen::default();
        let mut out: Vec<u8> = octets.chunks(piece).flat_map(|piece| screen.show(piece)).collect();
        out.extend(screen.end());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_terminal_is_not_commanded_by_mail_however_it_is_cut_s_317() {
        let mail = "Grüße\t你好 😀\r\n\x1b[2J\u{202e}\rX\u{9b}".as_bytes();
        let mail = [mail, b"\xFF\xC3(\xE2\x82\xF0\x9F\x98\r"].concat();
        let wanted =
            "Grüße\t你好 😀\n\\u{1b}[2J\\u{202e}\\u{d}X\\u{9b}\\xFF\\xC3(\\xE2\\x82\\xF0\\x9F\\x98\\u{d}";
        for piece in 1..=mail.len() {
            assert_eq!(screen(&mail, piece), wanted, "in pieces of {piece}");
        }
    }

    #[test]
    fn json_says_whether_mail_is_given_octet_for_octet() {
        let address: Address = "alice@home.lan".parse().unwrap();
        let text = as_json(&address, 1, "ä\u{0}".as_bytes());
        assert_eq!((text["text"].as_str(), text["exact"].as_bool()), (Some("ä\u{0}"), Some(true)));
        let binary = as_json(&address, 1, b"a\xFF");
        assert_eq!((binary["text"].as_str(), binary["exact"].as_bool()), (Some("a\u{fffd}"), Some(false)));
    }
}
