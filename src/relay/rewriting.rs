//! One account in whose name all mail leaves: From and Reply-To rewritten (O2).
//!
//! ```text
//! From: Alice <alice@home.lan>  -->  From: Alice <family@example.com>
//! Sender: ...                        Reply-To: Alice <alice@home.lan>
//! ```
//!
//! All else stays as it is, octet by octet: Resent fields too, and signatures, which no longer fit.

use super::people::{Person, people, written};
use crate::limits;
use crate::mail::{Address, RemoteAddress};

/// From whom a mail leaves in the name of `account`: a report of nobody stays nobody's. RFC 5321 §4.5.5.
pub fn envelope_sender<'a>(account: &'a Address, reverse_path: &'a str) -> &'a str {
    if reverse_path.is_empty() { "" } else { account.as_str() }
}

/// The header in the account's name, and how many octets of the message's front it replaces; none if it may stay as it
/// is, or is no header. The front is the message's up to the empty line, or up to [`limits::SCANNED_HEADER_OCTETS`] where
/// that is longer: then it is rewritten as far as that. Who wrote the mail stands in the name of From, and in Reply-To
/// unless there is one; without From he is who `reverse_path` names. RFC 5322 §3.6.2.
pub fn rewritten(front: &[u8], account: &Address, reverse_path: &str) -> Option<(Vec<u8>, usize)> {
    let fields = fields(front)?;
    let end = fields.last()?.end;
    let mut writers: Vec<Person> = Vec::new();
    for field in fields.iter().filter(|field| field.is("from")) {
        writers.extend(people(&plain(&front[field.colon + 1..field.end])));
    }
    if let [only] = &writers[..]
        && is_account(only, account)
        && fields.iter().filter(|field| field.is("from")).count() == 1
    {
        return None;
    }
    if writers.is_empty() {
        writers.extend(RemoteAddress::parse(reverse_path).ok().map(Person::nameless));
    }
    let has_reply_to = fields.iter().any(|field| field.is("reply-to"));
    let mut new = new_fields(&writers, account, has_reply_to);
    let mut header = Vec::with_capacity(end + new.len());
    for field in &fields {
        match field.is("from") || field.is("sender") {
            true if field.is("from") => header.append(&mut std::mem::take(&mut new)),
            true => {}
            false => header.extend_from_slice(&front[field.start..field.end]),
        }
    }
    if !new.is_empty() {
        if !header.is_empty() && !header.ends_with(b"\r\n") {
            header.extend_from_slice(b"\r\n");
        }
        header.append(&mut new);
    }
    Some((header, end))
}

/// A field, by the places of its octets; its end is behind its last line's.
struct Field {
    start: usize,
    colon: usize,
    end: usize,
    name: String,
}

impl Field {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// The whole fields of a header, up to what is none; none if it doesn't begin with one.
fn fields(front: &[u8]) -> Option<Vec<Field>> {
    let window = &front[..front.len().min(limits::SCANNED_HEADER_OCTETS)];
    let is_all = front.len() < limits::SCANNED_HEADER_OCTETS;
    let mut fields: Vec<Field> = Vec::new();
    let mut at = 0;
    // Whether what stands at `at` ends the last field, rather than the window.
    let mut is_ended = is_all;
    while at < window.len() {
        let is_folded = matches!(window[at], b' ' | b'\t');
        let Some(octets) = line_octets(&window[at..]).or(is_all.then_some(window.len() - at)) else {
            is_ended = !is_folded;
            break;
        };
        let line = &window[at..at + octets];
        if is_folded {
            fields.last_mut()?.end = at + octets;
        } else if let Some((colon, name)) = field_name(line) {
            fields.push(Field { start: at, colon: at + colon, end: at + octets, name });
        } else {
            is_ended = true;
            break;
        }
        at += octets;
    }
    if !is_ended {
        // It may go on behind the window.
        fields.pop();
    }
    (!fields.is_empty()).then_some(fields)
}

fn line_octets(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|&octet| octet == b'\n') {
        from += at + 1;
        if text[..from].ends_with(b"\r\n") {
            return Some(from);
        }
    }
    None
}

/// The place of the colon, and the name before it. RFC 5322 §2.2, §4.5.
fn field_name(line: &[u8]) -> Option<(usize, String)> {
    let colon = line.iter().position(|&octet| octet == b':')?;
    let name = line[..colon].trim_ascii_end();
    let is_good = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_good.then(|| (colon, String::from_utf8_lossy(name).into_owned()))
}

/// A value in one line: what is no text gives way to question marks, what could break a line to blanks.
fn plain(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let letter = |letter: char| match letter {
        char::REPLACEMENT_CHARACTER => '?',
        letter if letter.is_control() => ' ',
        letter => letter,
    };
    text.chars().map(letter).collect()
}

fn is_account(person: &Person, account: &Address) -> bool {
    person.address.as_ref().is_some_and(|address| address.as_str().eq_ignore_ascii_case(account.as_str()))
}

/// From in the account's name, and Reply-To with who can be answered.
fn new_fields(writers: &[Person], account: &Address, has_reply_to: bool) -> Vec<u8> {
    let name = writers.iter().find_map(Person::shown).map(|name| format!("{name}\r\n ")).unwrap_or_default();
    let mut text = format!("From: {name}<{account}>\r\n");
    let answered: Vec<String> =
        writers.iter().filter(|it| !is_account(it, account)).take(WRITERS).filter_map(written).collect();
    if !has_reply_to && !answered.is_empty() {
        text += &format!("Reply-To: {}\r\n", answered.join(",\r\n "));
    }
    text.into_bytes()
}

/// Writers that are answered.
const WRITERS: usize = 20;

#[cfg(test)]
mod tests;
