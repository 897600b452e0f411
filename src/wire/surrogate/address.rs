//! The addresses of a field: those beyond ASCII give way to one that is nobody's, with a name that tells the real one.
//! RFC 6858 §2.1.

use super::field::{Field, Scanner};

/// Nobody's address. RFC 2606 §2.
pub(super) const INVALID: &str = "<invalid@internationalized-address.invalid>";

/// The field with a list of addresses, groups among them. RFC 5322 §3.4.
pub(super) fn list(name: &str, value: &str) -> String {
    let mut field = Field::begin(name);
    let (mut rest, mut needs_comma, mut is_group) = (value, false, false);
    while !rest.is_empty() {
        let (item, mark) = Scanner::of_addresses().cut(rest, b",:;");
        rest = &rest[item.len() + usize::from(mark.is_some())..];
        let item = item.trim_ascii();
        if !item.is_empty() {
            if needs_comma {
                field.mark(",");
            }
            if mark == Some(b':') {
                phrase(&mut field, item)
            } else {
                mailbox(&mut field, item)
            }
            needs_comma = true;
        }
        match mark {
            Some(b':') => {
                field.mark(":");
                (needs_comma, is_group) = (false, true);
            }
            // Elsewhere it is a comma of some Windows clients.
            Some(b';') if is_group => {
                field.mark(";");
                (needs_comma, is_group) = (true, false);
            }
            _ => {}
        }
    }
    field.end()
}

fn phrase(field: &mut Field, text: &str) {
    if text.is_ascii() { field.word(text) } else { field.encoded(&Plain::of(text).text) }
}

fn mailbox(field: &mut Field, item: &str) {
    if item.is_ascii() {
        return field.word(item);
    }
    let (front, bracket) = Scanner::of_addresses().cut(item, b"<");
    let plain = Plain::of(front);
    let (name, address) = match bracket {
        Some(_) => {
            let inner = &item[front.len() + 1..];
            (plain.text, inner.rsplit_once('>').map_or(inner, |(inner, _)| inner).to_owned())
        }
        // `alice@home.lan (Alice)`: once that was how to tell a name.
        None => (plain.comments, plain.text),
    };
    if address.is_ascii() && !address.is_empty() {
        if !name.is_empty() {
            field.encoded(&name);
        }
        field.word(&format!("<{address}>"));
    } else {
        match (name.is_empty(), address.is_empty()) {
            (true, _) => field.encoded(&address),
            (false, true) => field.encoded(&name),
            (false, false) => field.encoded(&format!("{name} ({address})")),
        }
        field.word(INVALID);
    }
}

/// A phrase or an address without quotes, and its comments apart; blanks are one each.
struct Plain {
    text: String,
    comments: String,
}

impl Plain {
    fn of(text: &str) -> Plain {
        let mut scanner = Scanner::of_addresses();
        let (mut outside, mut comments) = (String::new(), String::new());
        for letter in text.chars() {
            let was_in_comment = scanner.is_in_comment();
            let was_escaped = scanner.is_escaping();
            scanner.is_outside(if letter.is_ascii() { letter as u8 } else { b'x' });
            let is_sign = matches!(letter, '"' | '(' | ')' | '\\') && !was_escaped;
            match (was_in_comment || scanner.is_in_comment(), is_sign) {
                (_, true) => {}
                (true, false) => comments.push(letter),
                (false, false) => outside.push(letter),
            }
        }
        Plain { text: single_blanks(&outside), comments: single_blanks(&comments) }
    }
}

fn single_blanks(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}
