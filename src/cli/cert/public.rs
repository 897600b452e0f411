//! What authorities that everybody believes sign: names of the world's name system, and addresses that are reached there.

use std::net::IpAddr;

use crate::mail::is_local;

/// Whether such an authority may sign it at all.
pub(super) fn is_public(subject: &str) -> bool {
    match subject.parse::<IpAddr>() {
        Ok(address) => !is_local(address),
        Err(_) => {
            let name = subject.to_ascii_lowercase();
            let is_of = |house: &&str| name.strip_suffix(*house).is_some_and(|rest| rest.ends_with('.'));
            name.contains('.') && !HOUSES.iter().any(is_of)
        }
    }
}

/// What is to be said of those that none signs.
pub(super) fn note(unsigned: &[String], is_all: bool) -> Option<String> {
    let what = unsigned.join(", ");
    match (unsigned, is_all) {
        ([], _) => None,
        (_, true) => Some(format!(
            "No public authority signs for {what}, which only your own network knows: give it to an authority of your own, or \
             name what the Internet knows, as in \"poppet cert request mail.example.org\"."
        )),
        (_, false) => Some(format!(
            "No public authority signs for {what}, which only your own network knows: give it to an authority of your own, or \
             say \"poppet cert request NAME...\" with the other names alone."
        )),
    }
}

/// Ends that the world's name system will never have, by rule or, as the usual ones of houses and offices, because
/// they are in use so. RFC 6762 §3.
const HOUSES: &[&str] = &[
    "local",
    "lan",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "localdomain",
    "localhost",
    "test",
    "example",
    "invalid",
    "home.arpa",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_houses_are_known_from_those_of_the_world() {
        for public in [
            "example.org",
            "mail.example.org",
            "*.example.org",
            "lan.example.org",
            "mylan.net",
            "atlan.com",
            "8.8.8.8",
        ] {
            assert!(is_public(public), "{public}");
        }
        for private in [
            "pi",
            "pi.local",
            "PI.LOCAL",
            "home.lan",
            "*.home.lan",
            "mail.home.arpa",
            "x.internal",
            "localhost",
            "192.168.1.5",
            "10.0.0.1",
            "127.0.0.1",
            "100.64.0.1",
            "fd00::5",
            "fe80::1",
            "::1",
        ] {
            assert!(!is_public(private), "{private}");
        }
    }

    #[test]
    fn a_note_tells_of_those_alone_and_what_to_do() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(note(&[], false), None);
        assert_eq!(note(&[], true), None);
        let some = note(&texts(&["pi", "10.0.0.1"]), false).unwrap();
        assert!(some.contains("signs for pi, 10.0.0.1,") && some.contains("the other names alone"), "{some}");
        let all = note(&texts(&["pi"]), true).unwrap();
        assert!(all.contains("poppet cert request mail.example.org") && all.lines().count() == 1, "{all}");
    }
}
