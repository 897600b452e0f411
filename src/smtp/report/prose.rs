//! What a person reads of a report: paragraphs, lists and quotations, in lines of a bearable length.

use super::put_type;
use super::words::{Text, say};
use crate::mail::Language;
use crate::smtp::letter::put_line;

/// A text under way.
#[derive(Debug)]
pub(super) struct Prose {
    language: Language,
    body: Vec<u8>,
}

impl Prose {
    /// Nothing is said yet.
    pub fn new(language: Language) -> Prose {
        Prose { language, body: Vec::new() }
    }

    /// A paragraph, with an empty line before it if it is not the first.
    pub fn paragraph(&mut self, text: Text<'_>) {
        if !self.body.is_empty() {
            self.gap();
        }
        self.go_on(text);
    }

    /// More of the paragraph, on a line of its own.
    pub fn go_on(&mut self, text: Text<'_>) {
        let text = say(self.language, text);
        self.wrap(&text, "");
    }

    /// An empty line.
    pub fn gap(&mut self) {
        put_line(&mut self.body, b"");
    }

    /// A line of a list, with a note if there is one.
    pub fn item(&mut self, address: &str, note: Option<Text<'_>>) {
        let note = note.map(|note| format!(" ({})", say(self.language, note))).unwrap_or_default();
        put_line(&mut self.body, format!("    {address}{note}").as_bytes());
    }

    /// What somebody else has said, who can't say it in our name (S-133).
    pub fn quotation(&mut self, text: &str) {
        self.wrap(text, "      > ");
    }

    /// The part.
    pub fn part(self) -> Vec<u8> {
        let mut out = Vec::new();
        put_type(&mut out, "text/plain; charset=utf-8", !self.body.is_ascii());
        out.extend_from_slice(&self.body);
        out
    }

    fn wrap(&mut self, text: &str, indent: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let letters = indent.len() + line.chars().count() + 1 + word.chars().count();
            if letters > LINE_LETTERS && !line.is_empty() {
                put_line(&mut self.body, format!("{indent}{line}").as_bytes());
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        if !line.is_empty() {
            put_line(&mut self.body, format!("{indent}{line}").as_bytes());
        }
    }
}

/// RFC 5322 §2.1.1 would have no more.
const LINE_LETTERS: usize = 78;

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        let mut prose = Prose::new(Language::English);
        prose.quotation(text);
        String::from_utf8(prose.body).unwrap()
    }

    #[test]
    fn lines_are_broken_between_words_and_each_is_quoted_s_133() {
        let front = "x".repeat(68);
        assert_eq!(quoted(&format!("{front} y")), format!("      > {front} y\r\n"));
        assert_eq!(quoted(&format!("{front} yz")), format!("      > {front}\r\n      > yz\r\n"));
        assert_eq!(quoted("a\r\nBcc: x\r\n\r\n--=_1"), "      > a Bcc: x --=_1\r\n");
        assert_eq!(quoted(""), "");
        let long = "y".repeat(500);
        assert_eq!(quoted(&format!("a {long} b")), format!("      > a\r\n      > {long}\r\n      > b\r\n"));
    }

    #[test]
    fn a_word_is_measured_in_letters() {
        let front = "ö".repeat(68);
        assert_eq!(quoted(&format!("{front} y")), format!("      > {front} y\r\n"));
    }
}
