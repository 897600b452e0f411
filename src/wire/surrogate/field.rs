//! A header field as it is written in ASCII, folded; and the cutting of its structured value.

/// A field under way.
pub(super) struct Field {
    text: String,
    column: usize,
    /// Nothing stands behind the name yet; some clients take a line with a name alone for an empty field.
    is_empty: bool,
}

impl Field {
    pub(super) fn begin(name: &str) -> Field {
        Field { text: format!("{name}:"), column: name.len() + 1, is_empty: true }
    }

    /// Puts a word behind a blank, on a new line if it is too long for this one.
    pub(super) fn word(&mut self, word: &str) {
        if self.column + 1 + word.len() > LINE_OCTETS && !self.is_empty {
            self.text.push_str("\r\n");
            self.column = 0;
        }
        self.text.push(' ');
        self.text.push_str(word);
        self.column += 1 + word.len();
        self.is_empty = false;
    }

    /// Puts a sign behind a word without a blank.
    pub(super) fn mark(&mut self, mark: &str) {
        self.text.push_str(mark);
        self.column += mark.len();
    }

    /// Puts a text as encoded words, none of which cuts a letter in two. RFC 2047 §2, §5. What fits in one is not
    /// cut, because some clients show a blank between two.
    pub(super) fn encoded(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let mut room = room(self.column);
            let wants_more = room < rest.len() && (rest.len() <= WORD_OCTETS || room < LEAST_OCTETS);
            if wants_more && !self.is_empty {
                room = WORD_OCTETS;
            }
            let octets = (0..=room.min(rest.len())).rev().find(|&at| rest.is_char_boundary(at));
            let (front, behind) = rest.split_at(octets.unwrap_or(rest.len()));
            self.word(&format!("{START}{}{END}", base64(front.as_bytes())));
            rest = behind;
        }
    }

    pub(super) fn end(mut self) -> String {
        self.text.push_str("\r\n");
        self.text
    }
}

/// Tells what stands in quotes, comments and brackets from what doesn't. RFC 5322 §3.2.
#[derive(Default)]
pub(super) struct Scanner {
    has_brackets: bool,
    is_quoted: bool,
    is_escaped: bool,
    comments: u32,
    bracket: Option<u8>,
}

impl Scanner {
    /// Of addresses, where `<` and `[` enclose.
    pub(super) fn of_addresses() -> Scanner {
        Scanner { has_brackets: true, ..Scanner::default() }
    }

    /// Of MIME parameters.
    pub(super) fn of_parameters() -> Scanner {
        Scanner::default()
    }

    /// What stands before the first of the marks outside, and the mark.
    pub(super) fn cut<'a>(mut self, text: &'a str, marks: &[u8]) -> (&'a str, Option<u8>) {
        let found = text.bytes().position(|octet| self.is_outside(octet) && marks.contains(&octet));
        match found {
            Some(at) => (&text[..at], text.as_bytes().get(at).copied()),
            None => (text, None),
        }
    }

    /// Whether this octet, the next one, stands outside of everything; an opening sign does, its closing one doesn't.
    pub(super) fn is_outside(&mut self, octet: u8) -> bool {
        let was_outside = !self.is_quoted && !self.is_escaped && self.comments == 0 && self.bracket.is_none();
        match octet {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.is_quoted || self.comments > 0 => self.is_escaped = true,
            b'"' if self.comments == 0 => self.is_quoted = !self.is_quoted,
            _ if self.is_quoted => {}
            b'(' => self.comments += 1,
            b')' => self.comments = self.comments.saturating_sub(1),
            _ if self.comments > 0 => {}
            _ if self.bracket == Some(octet) => self.bracket = None,
            b'<' if self.has_brackets && self.bracket.is_none() => self.bracket = Some(b'>'),
            b'[' if self.has_brackets && self.bracket.is_none() => self.bracket = Some(b']'),
            _ => {}
        }
        was_outside
    }

    /// Whether the octet before stands in a comment, or opened one.
    pub(super) fn is_in_comment(&self) -> bool {
        self.comments > 0
    }

    /// Whether the octet before escapes the next one.
    pub(super) fn is_escaping(&self) -> bool {
        self.is_escaped
    }
}

/// Octets of text that an encoded word behind this column can hold.
fn room(column: usize) -> usize {
    LINE_OCTETS.saturating_sub(column + 1 + START.len() + END.len()) / 4 * 3
}

/// RFC 4648 §4.
fn base64(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len().div_ceil(3) * 4);
    for group in octets.chunks(3) {
        let bits =
            group.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = bits >> (18 - 6 * place) & 63;
            text.push(if place <= group.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

const START: &str = "=?UTF-8?B?";
const END: &str = "?=";
/// A line with encoded words. RFC 2047 §2.
const LINE_OCTETS: usize = 76;
/// Octets of text that an encoded word on a new line can hold: it has 75 octets at most itself.
const WORD_OCTETS: usize = 45;
/// An encoded word with less text is not worth its signs; it goes to the next line.
const LEAST_OCTETS: usize = 12;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
