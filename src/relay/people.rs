//! The people of an address field, and how they are written anew. RFC 5322 §3.4.

use base64ct::{Base64, Encoding};

use crate::mail::RemoteAddress;

/// Somebody whom a field names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Person {
    /// The words of his name, or of a comment in its place.
    words: Vec<Word>,
    /// His address; none if it is none.
    pub address: Option<RemoteAddress>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// It can stand as it is; a word that is encoded already among them. RFC 2047 §5.
    Atom(String),
    /// What stood in quotes, or should have.
    Text(String),
}

/// The people of a field's value, which is in one line. Groups give way to their members. RFC 5322 §3.4, §4.4.
pub(super) fn people(value: &str) -> Vec<Person> {
    let mut list = List::default();
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '(' => {
                list.comment = take_comment(&mut letters);
                list.end_word();
            }
            '"' => list.take_quoted(&take_quoted(&mut letters)),
            '<' => list.angle = Some(take_angle(&mut letters)),
            ',' | ';' => list.end_person(),
            ':' => list = List { people: list.people, ..List::default() },
            ' ' => list.end_word(),
            letter => list.take(letter),
        }
    }
    list.end_person();
    list.people
}

/// Somebody with his address, as a field has him; none without one.
pub(super) fn written(person: &Person) -> Option<String> {
    let address = person.address.as_ref()?;
    Some(match phrase(&person.words) {
        Some(name) => format!("{name}\r\n <{address}>"),
        None => format!("<{address}>"),
    })
}

impl Person {
    /// Somebody of whom no more is known.
    pub fn nameless(address: RemoteAddress) -> Person {
        Person { words: Vec::new(), address: Some(address) }
    }

    /// His name, or his address in its place, as a phrase.
    pub fn shown(&self) -> Option<String> {
        let address = || self.address.as_ref().map(|address| Word::Text(address.to_string()));
        phrase(&self.words).or_else(|| phrase(&[address()?]))
    }
}

/// A list under way.
#[derive(Default)]
struct List {
    people: Vec<Person>,
    words: Vec<Word>,
    /// The word under way.
    word: String,
    /// What an address without angle brackets would be.
    bare: Spec,
    angle: Option<String>,
    comment: String,
}

impl List {
    fn take(&mut self, letter: char) {
        self.word.push(letter);
        self.bare.take(letter);
    }

    fn take_quoted(&mut self, text: &str) {
        self.end_word();
        self.words.push(Word::Text(text.to_owned()));
        self.bare.take_quoted(text);
    }

    fn end_word(&mut self) {
        self.bare.has_blank = true;
        let word = std::mem::take(&mut self.word);
        if !word.is_empty() {
            let is_atom = word.chars().all(is_atom_letter);
            self.words.push(if is_atom { Word::Atom(word) } else { Word::Text(word) });
        }
    }

    fn end_person(&mut self) {
        self.end_word();
        let List { people, words, bare, angle, comment, .. } = std::mem::take(self);
        self.people = people;
        let (words, address) = match angle {
            Some(address) => (words, address),
            None if comment.is_empty() => (Vec::new(), bare.text),
            None => (vec![Word::Text(comment)], bare.text),
        };
        let address = RemoteAddress::parse(&address).ok();
        if address.is_some() || !words.is_empty() {
            self.people.push(Person { words, address });
        }
    }
}

/// An address under way: blanks and comments may stand beside its dots and its `@`. RFC 5322 §4.4.
#[derive(Default)]
struct Spec {
    text: String,
    has_blank: bool,
}

impl Spec {
    fn take(&mut self, letter: char) {
        let is_joint = matches!(letter, '.' | '@') || self.text.is_empty() || self.text.ends_with(['.', '@']);
        if std::mem::take(&mut self.has_blank) && !is_joint {
            // No address has a blank: two words are not one of another name.
            self.text.push(' ');
        }
        self.text.push(letter);
    }

    fn take_quoted(&mut self, text: &str) {
        quoted(text).chars().for_each(|letter| self.take(letter));
    }
}

/// What stands in brackets, without a route before it. RFC 5322 §4.4.
fn take_angle(letters: &mut std::str::Chars<'_>) -> String {
    let mut spec = Spec::default();
    while let Some(letter) = letters.next() {
        match letter {
            '>' => break,
            '"' => spec.take_quoted(&take_quoted(letters)),
            '(' => {
                take_comment(letters);
                spec.has_blank = true;
            }
            ' ' => spec.has_blank = true,
            letter => spec.take(letter),
        }
    }
    let address = spec.text;
    match address.strip_prefix('@').and_then(|route| route.split_once(':')) {
        Some((_, address)) => address.to_owned(),
        None => address,
    }
}

fn take_quoted(letters: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => text.extend(letters.next()),
            letter => text.push(letter),
        }
    }
    text
}

fn take_comment(letters: &mut std::str::Chars<'_>) -> String {
    let (mut text, mut depth) = (String::new(), 1_u32);
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next()),
            '(' => depth += 1,
            ')' if depth == 1 => break,
            ')' => depth -= 1,
            letter => text.push(letter),
        }
    }
    text
}

/// The words of a name as they may stand before an address; none if there are none. A name's letters beyond ASCII are
/// encoded, RFC 2047 §5, and so are the words beside them, whose blanks would be lost.
fn phrase(words: &[Word]) -> Option<String> {
    let text = |word: &Word| match word {
        Word::Atom(text) | Word::Text(text) => text.clone(),
    };
    let is_encoded = |word: &Word| matches!(word, Word::Atom(text) if text.starts_with("=?"));
    let mut lines: Vec<String> = Vec::new();
    let mut left = NAME_LETTERS;
    for run in words.chunk_by(|one, next| is_encoded(one) == is_encoded(next)) {
        if left == 0 {
            break;
        }
        let whole = run.iter().map(text).collect::<Vec<_>>().join(" ");
        let joined: String = whole.chars().take(left).collect();
        left -= joined.chars().count();
        let joined = joined.trim();
        match run.first().is_some_and(is_encoded) {
            _ if joined.is_empty() => {}
            // Cut, it would be none.
            true if joined.len() < whole.len() => break,
            true => lines.extend(joined.split(' ').map(str::to_owned)),
            false if !joined.is_ascii() => lines.extend(encoded(joined)),
            false if run.iter().all(|word| matches!(word, Word::Atom(_))) => lines.push(joined.to_owned()),
            false => lines.push(quoted(joined)),
        }
    }
    (!lines.is_empty()).then(|| lines.join("\r\n "))
}

/// A quoted string. RFC 5322 §3.2.4.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Encoded words, none of which cuts a letter in two. RFC 2047 §2.
fn encoded(text: &str) -> Vec<String> {
    let (mut words, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let end =
            (0..=rest.len().min(ENCODED_OCTETS)).rev().find(|&at| rest.is_char_boundary(at)).unwrap_or(0);
        let (front, behind) = rest.split_at(if end == 0 { rest.len() } else { end });
        words.push(format!("=?UTF-8?B?{}?=", Base64::encode_string(front.as_bytes())));
        rest = behind;
    }
    words
}

/// RFC 5322 §3.2.3.
fn is_atom_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter)
}

/// Letters of a name that are kept.
const NAME_LETTERS: usize = 200;
/// Octets of text in an encoded word, which has 75 octets at most itself.
const ENCODED_OCTETS: usize = 45;
