//! Templates of the administrator: what a user is called is filled in, and stays a value. RFC 4514 §2.4.

use std::fmt;

/// What `{address}`, `{user}` and `{domain}` stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// `alice@home.lan`.
    pub address: String,
    /// `alice`.
    pub user: String,
    /// `home.lan`.
    pub domain: String,
}

/// A name in the directory, with places where a user's names are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate(Vec<Piece>);

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateError {
    /// A brace is not closed.
    Open,
    /// Something else than `{address}`, `{user}` or `{domain}`.
    Unknown(String),
    /// Neither `{address}` nor `{user}` stands in it: it would be the same for everybody.
    NamesNobody,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands there.
    Text(String),
    /// To be filled in.
    Blank(Blank),
}

/// What is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    Address,
    User,
    Domain,
}

impl NameTemplate {
    /// Reads a template such as `uid={user},ou=people,dc=home,dc=lan`.
    pub fn parse(text: &str) -> Result<NameTemplate, TemplateError> {
        let pieces = pieces(text)?;
        if !pieces.iter().any(names_user) {
            return Err(TemplateError::NamesNobody);
        }
        Ok(NameTemplate(pieces))
    }

    /// The name of that user. Whatever could mean something in a name is written as its hexadecimal pair (S-193).
    pub fn fill(&self, names: &Names) -> String {
        let mut name = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => name.push_str(text),
                Piece::Blank(blank) => escape(names.of(*blank), &mut name),
            }
        }
        name
    }
}

impl Names {
    pub(super) fn of(&self, blank: Blank) -> &str {
        match blank {
            Blank::Address => &self.address,
            Blank::User => &self.user,
            Blank::Domain => &self.domain,
        }
    }
}

/// Cuts a text at its braces.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('{') {
        let (word, after) = behind.split_once('}').ok_or(TemplateError::Open)?;
        if !before.is_empty() {
            pieces.push(Piece::Text(before.into()));
        }
        pieces.push(Piece::Blank(match word {
            "address" => Blank::Address,
            "user" => Blank::User,
            "domain" => Blank::Domain,
            _ => return Err(TemplateError::Unknown(word.into())),
        }));
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.into()));
    }
    Ok(pieces)
}

/// Whether a piece differs from one user to the other.
pub(super) fn names_user(piece: &Piece) -> bool {
    matches!(piece, Piece::Blank(Blank::Address | Blank::User))
}

fn escape(value: &str, out: &mut String) {
    for letter in value.chars() {
        match letter {
            ' ' | '"' | '#' | '+' | ',' | ';' | '<' | '=' | '>' | '\\' | '/' | '\0'..='\x1F' | '\x7F' => {
                out.push_str(&format!("\\{:02X}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TemplateError::Open => out.write_str("a { in it has no }"),
            TemplateError::Unknown(word) => {
                write!(out, "it has {{{word}}}, and only {{address}}, {{user}} and {{domain}} are filled in")
            }
            TemplateError::NamesNobody => out.write_str("it has neither {address} nor {user}"),
        }
    }
}
