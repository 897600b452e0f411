//! Filters: the administrator's text becomes a tree, users' names become values in it. RFC 4515 §3.

use std::fmt;

use super::template::{self, Names, Piece, TemplateError};
use crate::limits;
use crate::wire::ber::{Tag, Writer};

/// What finds a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Node);

/// Why a text is no filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterError {
    /// What should stand there, and what stands there instead.
    Expected(&'static str, String),
    /// Something that follows the filter.
    Behind(String),
    /// A `\` that two hexadecimal digits don't follow.
    BadEscape,
    /// Parts in parts, too many of them.
    TooDeep,
    /// What is wrong with its blanks.
    Template(TemplateError),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    /// Equality, order or likeness, as its tag says.
    Compare(Tag, String, Value),
    Present(String),
    /// What comes first, what comes between, what comes last; each may be empty.
    Parts(String, Vec<Value>),
    Extensible {
        attribute: String,
        rule: String,
        is_of_name: bool,
        value: Value,
    },
}

type Value = Vec<Part>;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Octets(Vec<u8>),
    Blank(Piece),
}

impl Filter {
    /// Reads a filter with `{address}`, `{user}` and `{domain}` in its values; one of the first two must be there, or
    /// the filter would find the same for everybody. A brace itself is written `\7b`.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        let (node, rest) = node(text, limits::FILTER_DEPTH)?;
        if !rest.is_empty() {
            return Err(FilterError::Behind(excerpt(rest)));
        }
        if !node.names_user() {
            return Err(FilterError::Template(TemplateError::NamesNobody));
        }
        Ok(Filter(node))
    }

    /// As it is sent, for that user: his names are values, whatever signs are in them (S-192).
    pub fn fill(&self, names: &Names) -> Vec<u8> {
        let mut writer = Writer::default();
        self.0.write(names, &mut writer);
        writer.finish()
    }

    /// What every entry has, as it is sent: `(objectClass=*)`.
    pub fn of_everything() -> Vec<u8> {
        let mut writer = Writer::default();
        writer.element(PRESENT, b"objectClass");
        writer.finish()
    }
}

impl Node {
    fn names_user(&self) -> bool {
        let in_value = |value: &Value| {
            value.iter().any(|part| matches!(part, Part::Blank(piece) if template::names_user(piece)))
        };
        match self {
            // What stands in a NOT excludes somebody and finds nobody.
            Node::Present(_) | Node::Not(_) => false,
            Node::And(nodes) => nodes.iter().any(Node::names_user),
            Node::Or(nodes) => nodes.iter().all(Node::names_user),
            Node::Compare(_, _, value) | Node::Extensible { value, .. } => in_value(value),
            Node::Parts(_, values) => values.iter().any(in_value),
        }
    }

    fn write(&self, names: &Names, writer: &mut Writer) {
        match self {
            Node::And(nodes) => writer.inside(AND, |writer| write_all(nodes, names, writer)),
            Node::Or(nodes) => writer.inside(OR, |writer| write_all(nodes, names, writer)),
            Node::Not(node) => writer.inside(NOT, |writer| node.write(names, writer)),
            Node::Present(attribute) => writer.element(PRESENT, attribute.as_bytes()),
            Node::Compare(tag, attribute, value) => writer.inside(*tag, |writer| {
                writer.element(Tag::OCTET_STRING, attribute.as_bytes());
                writer.element(Tag::OCTET_STRING, &octets(value, names));
            }),
            Node::Parts(attribute, values) => writer.inside(SUBSTRINGS, |writer| {
                writer.element(Tag::OCTET_STRING, attribute.as_bytes());
                writer.inside(Tag::SEQUENCE, |writer| write_parts(values, names, writer));
            }),
            Node::Extensible { attribute, rule, is_of_name, value } => writer.inside(EXTENSIBLE, |writer| {
                for (tag, text) in [(1, rule), (2, attribute)] {
                    if !text.is_empty() {
                        writer.element(Tag::context(tag, false), text.as_bytes());
                    }
                }
                writer.element(Tag::context(3, false), &octets(value, names));
                if *is_of_name {
                    writer.boolean(Tag::context(4, false), true);
                }
            }),
        }
    }
}

fn write_all(nodes: &[Node], names: &Names, writer: &mut Writer) {
    for node in nodes {
        node.write(names, writer);
    }
}

fn write_parts(values: &[Value], names: &Names, writer: &mut Writer) {
    for (at, value) in values.iter().enumerate() {
        let place = match at {
            0 => 0,
            at if at == values.len() - 1 => 2,
            _ => 1,
        };
        let octets = octets(value, names);
        if !octets.is_empty() {
            writer.element(Tag::context(place, false), &octets);
        }
    }
}

fn octets(value: &Value, names: &Names) -> Vec<u8> {
    let mut octets = Vec::new();
    for part in value {
        match part {
            Part::Octets(plain) => octets.extend_from_slice(plain),
            Part::Blank(Piece::Blank(blank)) => octets.extend_from_slice(names.of(*blank).as_bytes()),
            Part::Blank(Piece::Text(text)) => octets.extend_from_slice(text.as_bytes()),
        }
    }
    octets
}

/// One filter in its brackets, and what follows it; no deeper than `depth`.
fn node(text: &str, depth: usize) -> Result<(Node, &str), FilterError> {
    let depth = depth.checked_sub(1).ok_or(FilterError::TooDeep)?;
    let text = text.trim_start();
    let inside = text.strip_prefix('(').ok_or_else(|| expected("(", text))?.trim_start();
    let (node, rest) = match inside.chars().next() {
        Some('&') => list(&inside[1..], depth).map(|(nodes, rest)| (Node::And(nodes), rest))?,
        Some('|') => list(&inside[1..], depth).map(|(nodes, rest)| (Node::Or(nodes), rest))?,
        Some('!') => node(&inside[1..], depth).map(|(node, rest)| (Node::Not(Box::new(node)), rest))?,
        _ => {
            let end = inside.find(['(', ')']).unwrap_or(inside.len());
            (item(&inside[..end])?, &inside[end..])
        }
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(')').ok_or_else(|| expected(")", rest))?;
    Ok((node, rest.trim_start()))
}

fn list(text: &str, depth: usize) -> Result<(Vec<Node>, &str), FilterError> {
    let (mut nodes, mut rest) = (Vec::new(), text.trim_start());
    while nodes.is_empty() || rest.starts_with('(') {
        let (next, behind) = node(rest, depth)?;
        nodes.push(next);
        rest = behind;
    }
    Ok((nodes, rest))
}

fn item(text: &str) -> Result<Node, FilterError> {
    let (left, right) = text.split_once('=').ok_or_else(|| expected("=", text))?;
    let (left, right) = (left.trim(), right.trim());
    if let Some(left) = left.strip_suffix(':') {
        return extensible(left, value(right)?);
    }
    for (sign, tag) in [('~', APPROXIMATE), ('>', GREATER), ('<', LESS)] {
        if let Some(left) = left.strip_suffix(sign) {
            return Ok(Node::Compare(tag, attribute(left)?, value(right)?));
        }
    }
    let attribute = attribute(left)?;
    if right == "*" {
        return Ok(Node::Present(attribute));
    }
    // An asterisk that is meant is written `\2a`, so each of them here stands for anything.
    let parts = right.split('*').map(value).collect::<Result<Vec<_>, _>>()?;
    Ok(match <[Value; 1]>::try_from(parts) {
        Ok([value]) => Node::Compare(EQUAL, attribute, value),
        Err(parts) if parts.iter().all(Vec::is_empty) => return Err(expected("a value", right)),
        Err(parts) => Node::Parts(attribute, parts),
    })
}

/// `attribute[:dn][:rule]` before the `:=`.
fn extensible(left: &str, value: Value) -> Result<Node, FilterError> {
    let mut words = left.split(':').peekable();
    let attribute = match words.next() {
        Some("") | None => String::new(),
        Some(word) => attribute(word)?,
    };
    let is_of_name = words.next_if_eq(&"dn").is_some();
    let rule = words.next().unwrap_or_default();
    if words.next().is_some()
        || !rule.chars().all(is_attribute_sign)
        || (attribute.is_empty() && rule.is_empty())
    {
        return Err(expected("attribute:dn:rule", left));
    }
    Ok(Node::Extensible { attribute, rule: rule.into(), is_of_name, value })
}

fn attribute(text: &str) -> Result<String, FilterError> {
    let text = text.trim();
    if text.is_empty() || !text.chars().all(is_attribute_sign) {
        return Err(expected("an attribute", text));
    }
    Ok(text.into())
}

fn is_attribute_sign(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '-' | '.' | ';')
}

/// Blanks are cut out before escapes are undone: a `\7b` never begins one.
fn value(text: &str) -> Result<Value, FilterError> {
    let pieces = template::pieces(text).map_err(FilterError::Template)?;
    pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) => unescape(&text).map(Part::Octets),
            blank => Ok(Part::Blank(blank)),
        })
        .collect()
}

fn unescape(text: &str) -> Result<Vec<u8>, FilterError> {
    let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            octets.push(*first);
            continue;
        }
        let [high, low, behind @ ..] = rest else { return Err(FilterError::BadEscape) };
        let digit = |octet: u8| char::from(octet).to_digit(16).ok_or(FilterError::BadEscape);
        octets.push((digit(*high)? * 16 + digit(*low)?) as u8);
        rest = behind;
    }
    Ok(octets)
}

fn expected(what: &'static str, found: &str) -> FilterError {
    FilterError::Expected(what, excerpt(found))
}

fn excerpt(text: &str) -> String {
    text.chars().take(20).collect()
}

impl fmt::Display for FilterError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterError::Expected(what, found) if found.is_empty() => {
                write!(out, "it ends where {what} should be")
            }
            FilterError::Expected(what, found) => write!(out, "{what} should stand before {found:?}"),
            FilterError::Behind(rest) => write!(out, "{rest:?} follows its last bracket"),
            FilterError::BadEscape => out.write_str("two hexadecimal digits should follow each \\"),
            FilterError::TooDeep => out.write_str("its brackets are too deep in one another"),
            FilterError::Template(error) => error.fmt(out),
        }
    }
}

const AND: Tag = Tag::context(0, true);
const OR: Tag = Tag::context(1, true);
const NOT: Tag = Tag::context(2, true);
const EQUAL: Tag = Tag::context(3, true);
const SUBSTRINGS: Tag = Tag::context(4, true);
const GREATER: Tag = Tag::context(5, true);
const LESS: Tag = Tag::context(6, true);
const PRESENT: Tag = Tag::context(7, false);
const APPROXIMATE: Tag = Tag::context(8, true);
const EXTENSIBLE: Tag = Tag::context(9, true);
