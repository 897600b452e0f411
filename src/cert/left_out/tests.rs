//! Renewals that leave names out, in a store.

use super::*;
use crate::cert::installed::tests::House;
use crate::ticket::block_on;

impl House {
    /// As following does it.
    fn renew(&self, label: &str, names: &[&str]) {
        block_on(remember_names(&self.store, label)).unwrap();
        self.put(label, names).unwrap();
    }

    fn left_out(&self) -> Vec<(String, Vec<String>)> {
        block_on(left_out(&self.store)).unwrap().into_iter().collect()
    }
}

fn of_mail(names: &[&str]) -> Vec<(String, Vec<String>)> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    if names.is_empty() { Vec::new() } else { vec![("mail".into(), names)] }
}

/// A pair that was renewed for other names was good everywhere, and clients of the old name refused it.
#[test]
fn what_a_renewal_leaves_out_is_known_until_one_has_it_again() {
    let house = House::new();
    for (names, wanted) in [
        (&["mail.example.org", "pop.example.org", "192.0.2.1"][..], &[][..]),
        (&["pop.example.org", "mail.example.org", "192.0.2.1"], &[]),
        (&["mail.example.org", "new.example.org"], &["pop.example.org", "192.0.2.1"]),
        (&["mail.example.org"], &["pop.example.org", "192.0.2.1", "new.example.org"]),
        (&["mail.example.org", "192.0.2.1"], &["pop.example.org", "new.example.org"]),
        (&["*.example.org"], &["192.0.2.1"]),
        (&["*.example.org", "192.0.2.1"], &[]),
    ] {
        house.renew("mail", names);
        assert_eq!(house.left_out(), of_mail(wanted), "{names:?}");
    }
    house.bind("mail", &["pop.example.org", "elsewhere.example.net"]).unwrap();
    house.renew("mail", &["192.0.2.1"]);
    let wanted = of_mail(&["*.example.org", "pop.example.org"]);
    assert_eq!(house.left_out(), wanted, "a name that it is bound to counts as far as it had it");
    block_on(forget_names(&house.store, "other")).unwrap();
    assert_eq!(house.left_out(), wanted);
    block_on(forget_names(&house.store, "mail")).unwrap();
    assert_eq!(house.left_out(), []);
}

/// Nothing was said, and clients of the name that was gone refused what they were shown.
#[test]
fn who_installs_over_another_is_told_of_the_names_that_go() {
    let house = House::new();
    let told = |label: &str, names: &[&str]| house.put(label, names).unwrap().taken;
    assert_eq!(told("mail", &["mail.example.org", "pop.example.org"]), None, "the first");
    assert_eq!(told("mail", &["pop.example.org", "mail.example.org", "new.example.org"]), None);
    assert_eq!(told("other", &["pop.example.org"]), None, "another label");
    assert!(told("mail", &["mail.example.org"]).is_some_and(|note| note.contains(" for new.example.org: ")));
    assert_eq!(told("mail", &["*.example.org"]), None);
    let names: Vec<_> = (0..SHOWN + 1).map(|number| format!("n{number}.example.net")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert!(told("mail", &names).is_some_and(|note| note.contains(" for *.example.org: ")));
    assert!(told("mail", &["pop.example.org"]).is_some_and(|note| note.contains(" and 1 more: ")));
}

/// Only what is bound to the name itself was looked at, and any certificate that has an address counted as shown there:
/// names went in silence, and names were told that nobody had been shown.
#[test]
fn names_go_or_stay_as_clients_are_shown_certificates() {
    let house = House::new();
    let told = |label: &str, names: &[&str]| house.put(label, names).unwrap().taken;
    house.put("pop", &["pop.example.org", "192.0.2.1"]).unwrap();
    assert_eq!(told("mail", &["mail.example.org", "pop.example.org", "192.0.2.1"]), None);
    house.bind("mail", &["*.example.org"]).unwrap();
    let note = told("mail", &["mail.example.org"]).unwrap();
    assert!(
        note.contains(" for pop.example.org: "),
        "a wildcard binds it, and nobody was shown the address: {note}"
    );
    assert!(note.contains("what is bound to mail "), "{note}");
    house.put("mail", &["mail.example.org", "pop.example.org"]).unwrap();
    house.bind("poppet", &["*.example.org"]).unwrap();
    assert_eq!(told("mail", &["mail.example.org"]), None, "somebody has said what is shown for it");
    assert!(
        told("pop", &["pop.example.org"]).is_some_and(|note| note.contains(" for 192.0.2.1: ")),
        "it is everybody's"
    );
    house.put("other", &["192.0.2.2", "x.example.net"]).unwrap();
    house.bind("other", &["192.0.2.2"]).unwrap();
    assert!(told("other", &["x.example.net"]).is_some_and(|note| note.contains(" for 192.0.2.2: ")));
}

#[test]
fn what_another_certificate_serves_is_not_left_out() {
    let house = House::new();
    house.renew("mail", &["mail.example.org", "pop.example.org"]);
    house.renew("mail", &["mail.example.org"]);
    assert_eq!(house.left_out(), of_mail(&["pop.example.org"]));
    house.put("pop", &["pop.example.org"]).unwrap();
    assert_eq!(house.left_out(), [], "another one has it");
    house.bind("mail", &["pop.example.org"]).unwrap();
    assert_eq!(house.left_out(), of_mail(&["pop.example.org"]), "nobody is shown that");
    house.bind("poppet", &["pop.example.org"]).unwrap();
    assert_eq!(house.left_out(), [], "somebody has said what is shown for it");
}

#[test]
fn a_renewal_for_the_same_names_writes_once_and_a_damaged_record_is_none() {
    let house = House::new();
    let record = || house.store.record(RECORD).wait().unwrap();
    house.renew("mail", &["mail.example.org"]);
    assert_eq!(record(), None, "there was nothing before");
    house.renew("mail", &["mail.example.org"]);
    let first = record();
    assert!(first.is_some());
    house.renew("mail", &["mail.example.org"]);
    assert_eq!(record(), first);
    house.store.put_record(RECORD, vec![0xff; 9]).wait().unwrap();
    assert_eq!(house.left_out(), []);
    house.renew("mail", &["pop.example.org"]);
    assert_eq!(house.left_out(), of_mail(&["mail.example.org"]));
}

#[test]
fn so_many_names_are_remembered() {
    let most = limits::REMEMBERED_NAMES;
    for (third, wanted) in [(most - 1, most - 1), (most, most), (most + 1, most)] {
        let house = House::new();
        let names: Vec<String> = (0..third).map(|number| format!("h{number}.example.org")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (one, other) = names.split_at(limits::CERTIFICATE_NAMES);
        let (other, last) = other.split_at(other.len().min(limits::CERTIFICATE_NAMES));
        for part in [one, other, last, &["last.example.net"]] {
            if !part.is_empty() {
                house.renew("mail", part);
            }
        }
        assert_eq!(house.left_out()[0].1.len(), wanted, "{third}");
    }
}

#[test]
fn a_line_has_a_few_of_them() {
    let line = |count: usize| without(&(1..=count).map(|number| format!("h{number}")).collect::<Vec<_>>());
    for (count, wanted) in [
        (1, "renewed without h1, so"),
        (SHOWN, "without h1, h2, h3, h4, h5, so"),
        (SHOWN + 1, "without h1, h2, h3, h4, h5 and 1 more, so"),
    ] {
        assert!(line(count).contains(wanted), "{}", line(count));
    }
}
