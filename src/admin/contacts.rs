//! Mailboxes and aliases as contacts for another server's directory, in LDIF (O5). RFC 2849.
//!
//! The entries are what Active Directory and Exchange know as mail contacts; other directories leave out what their
//! schema doesn't have.

use base64ct::{Base64, Encoding};

use super::AliasRow;
use crate::mail::{Address, Alias, Domain};

/// The entries for these mailboxes and aliases, under `base`, or else under `ou=poppet` below the domain's own name. What
/// has no name of its own, as a catch-all, is none.
pub fn ldif(mailboxes: &[Address], aliases: &[AliasRow], base: Option<&str>) -> String {
    let names = aliases.iter().filter_map(|row| match &row.alias {
        Alias::Address(address) => Some(address),
        Alias::CatchAll(_) | Alias::Domain(_) => None,
    });
    let entries = mailboxes.iter().chain(names).map(|address| {
        let base = base.map_or_else(|| base_of(&address.domain()), str::to_owned);
        entry(address, &base)
    });
    std::iter::once("version: 1\n".into()).chain(entries).collect()
}

/// `ou=poppet,dc=home,dc=lan`: the place for contacts that nobody has chosen.
fn base_of(domain: &Domain) -> String {
    let labels: Vec<String> =
        domain.as_str().split('.').map(|label| format!("dc={}", escaped(label))).collect();
    format!("ou=poppet,{}", labels.join(","))
}

fn entry(address: &Address, base: &str) -> String {
    let alias = nickname(address);
    let mail = address.as_str();
    let mut text = String::from("\n");
    line(&mut text, "dn", &format!("cn={},{base}", escaped(mail)));
    line(&mut text, "changetype", "add");
    for class in ["top", "person", "organizationalPerson", "contact"] {
        line(&mut text, "objectClass", class);
    }
    for (name, value) in [
        ("cn", mail),
        ("sn", address.local_part()),
        ("displayName", address.local_part()),
        ("mail", mail),
        ("mailNickname", &alias),
        ("proxyAddresses", &format!("SMTP:{mail}")),
        ("targetAddress", &format!("SMTP:{mail}")),
    ] {
        line(&mut text, name, value);
    }
    text
}

/// What Exchange takes as an alias: none of its own letters is refused, others give way.
fn nickname(address: &Address) -> String {
    let letter = |letter: char| if letter == '@' { '.' } else { letter };
    address.as_str().chars().map(letter).collect()
}

/// A value of a name. RFC 4514 §2.4.
fn escaped(value: &str) -> String {
    let last = value.chars().count().saturating_sub(1);
    let mut text = String::new();
    for (place, letter) in value.chars().enumerate() {
        let is_special = "\"+,;<>\\=".contains(letter)
            || (place == 0 && matches!(letter, ' ' | '#'))
            || (place == last && letter == ' ');
        if is_special {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

/// A line, coded where it must be, and folded. RFC 2849, notes 2, 4 and 8.
fn line(text: &mut String, name: &str, value: &str) {
    let is_safe = value.bytes().all(|octet| octet.is_ascii() && !matches!(octet, 0 | b'\n' | b'\r'))
        && !value.starts_with([' ', ':', '<'])
        && !value.ends_with(' ');
    let whole = match is_safe {
        true => format!("{name}: {value}"),
        false => format!("{name}:: {}", Base64::encode_string(value.as_bytes())),
    };
    // All ASCII by now.
    let mut rest = whole.as_str();
    let mut room = LINE_OCTETS;
    while rest.len() > room {
        text.push_str(&rest[..room]);
        text.push_str("\n ");
        rest = &rest[room..];
        room = LINE_OCTETS - 1;
    }
    text.push_str(rest);
    text.push('\n');
}

/// Octets of a line.
const LINE_OCTETS: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;

    /// Strict: every line is `name: value` or `name:: base64`, entries begin with their name.
    fn parsed(text: &str) -> Vec<Vec<(String, String)>> {
        assert!(text.lines().all(|line| line.len() <= LINE_OCTETS && line.is_ascii()), "{text}");
        let text = text.replace("\n ", "");
        let mut entries = text.split("\n\n");
        assert_eq!(entries.next().map(str::trim_end), Some("version: 1"));
        let pair = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            assert!(!name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric()), "{line}");
            match value.strip_prefix(": ") {
                Some(coded) => {
                    (name.to_owned(), String::from_utf8(Base64::decode_vec(coded).unwrap()).unwrap())
                }
                None => (name.to_owned(), value.strip_prefix(' ').unwrap().to_owned()),
            }
        };
        entries.map(|entry| entry.lines().map(pair).collect()).collect()
    }

    fn value<'a>(entry: &'a [(String, String)], name: &str) -> &'a str {
        &entry.iter().find(|(it, _)| it == name).unwrap().1
    }

    #[test]
    fn each_mailbox_and_alias_is_a_contact_that_is_read_again() {
        let addresses =
            ["alice@home.lan", "j\u{f6}rg@home.lan", "a+b@home.lan"].map(|text| text.parse().unwrap());
        let row = |alias: &str| AliasRow {
            alias: alias.parse().unwrap(),
            targets: Vec::new(),
            created: UnixTime(0),
        };
        let text = ldif(&addresses, &[row("info@home.lan"), row("*@home.lan"), row("home.example")], None);
        let entries = parsed(&text);
        let names: Vec<&str> = entries.iter().map(|entry| value(entry, "dn")).collect();
        assert_eq!(
            names,
            [
                "cn=alice@home.lan,ou=poppet,dc=home,dc=lan",
                "cn=j\u{f6}rg@home.lan,ou=poppet,dc=home,dc=lan",
                "cn=a\\+b@home.lan,ou=poppet,dc=home,dc=lan",
                "cn=info@home.lan,ou=poppet,dc=home,dc=lan",
            ]
        );
        for name in &names {
            assert!(crate::ldap::is_entry_name(name), "{name}");
        }
        for entry in &entries {
            assert_eq!(entry[0].0, "dn");
            assert_eq!(value(entry, "targetAddress"), format!("SMTP:{}", value(entry, "mail")));
        }
        assert_eq!(value(&entries[1], "sn"), "j\u{f6}rg");
    }

    #[test]
    fn the_base_is_what_was_said_and_long_lines_are_folded() {
        let address: Address = format!("{}@{}.lan", "a".repeat(64), "b".repeat(63)).parse().unwrap();
        let text = ldif(&[address], &[], Some("ou=Kontakte,dc=b\u{fc}ro,dc=example"));
        let entries = parsed(&text);
        assert!(value(&entries[0], "dn").ends_with("b.lan,ou=Kontakte,dc=b\u{fc}ro,dc=example"));
        assert_eq!(parsed(&ldif(&[], &[], None)).len(), 0);
    }

    #[test]
    fn what_could_end_a_name_is_escaped() {
        for (value, wanted) in [
            ("a,b", "a\\,b"),
            ("#a", "\\#a"),
            (" a ", "\\ a\\ "),
            ("a\\=b", "a\\\\\\=b"),
            ("a#", "a#"),
            ("\u{f6}", "\u{f6}"),
        ] {
            assert_eq!(escaped(value), wanted);
        }
    }
}
