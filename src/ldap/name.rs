//! Names of entries as an administrator writes them, looked at before they are kept. RFC 4514 §3.

/// Whether a text is the name of an entry, such as `ou=people,dc=home,dc=lan`, or the empty one of the tree's root.
/// Blanks around types and values are let pass, as servers do.
pub fn is_entry_name(text: &str) -> bool {
    text.is_empty() || cut(text).is_some_and(|parts| parts.into_iter().all(is_part))
}

/// The parts between commas and plus signs that no `\` stands before; none if the last `\` has nothing behind it.
fn cut(text: &str) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut is_escaped) = (Vec::new(), 0, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            ',' | '+' => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!is_escaped).then_some(parts)
}

fn is_part(part: &str) -> bool {
    part.split_once('=').is_some_and(|(kind, value)| is_type(kind.trim_matches(' ')) && is_value(value))
}

/// A short name such as `dc`, or numbers with dots between.
fn is_type(kind: &str) -> bool {
    if kind.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        return kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    }
    kind.split('.').all(|number| !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit()))
}

fn is_value(value: &str) -> bool {
    if let Some(digits) = value.trim_matches(' ').strip_prefix('#') {
        let is_whole = !digits.is_empty() && digits.len().is_multiple_of(2);
        return is_whole && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
    }
    let mut octets = value.bytes();
    while let Some(octet) = octets.next() {
        let is_good = match octet {
            b'\\' => match octets.next() {
                Some(first) if first.is_ascii_hexdigit() => {
                    octets.next().is_some_and(|second| second.is_ascii_hexdigit())
                }
                escaped => escaped.is_some_and(|escaped| br##" "#+,;<=>\"##.contains(&escaped)),
            },
            b'"' | b';' | b'<' | b'>' => false,
            octet => !octet.is_ascii_control(),
        };
        if !is_good {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_entries_are_told_from_other_texts() {
        for name in [
            "",
            "dc=home",
            "DC=home,DC=lan",
            "ou=people, dc=home, dc=lan",
            "OU=Sales+CN=J.  Smith,DC=example",
            "ou=",
            "0.9.2342.19200300.100.1.25=home",
            "1.3.6.1.4.1.1466.0=#04024869",
            "cn=James \\\"Jim\\\" Smith\\, III,dc=home",
            "cn=Lu\\C4\\8Di\\C4\\87,dc=Grüße",
            "cn=a=b",
            "cn=back\\\\,dc=home",
        ] {
            assert!(is_entry_name(name), "{name}");
        }
        for text in [
            "home.lan",
            "dc=home,",
            ",dc=home",
            "dc=home,,dc=lan",
            "dc=home;dc=lan",
            "=home",
            "d c=home",
            "1..2=home",
            "d\u{e9}=home",
            "cn=\"Smith\"",
            "cn=a<b",
            "cn=a\\",
            "cn=a\\4",
            "cn=a\\x",
            "cn=a\\é",
            "cn=#0",
            "cn=#",
            "cn=#xy",
            "dc=home\nx",
            " ",
        ] {
            assert!(!is_entry_name(text), "{text}");
        }
    }
}
