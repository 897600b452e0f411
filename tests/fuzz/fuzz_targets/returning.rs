//! Senders rewritten so that bounces find home: what was made is read back while it is young, in letters of any case,
//! and what has an octet of another value never is (S-081).

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::clock::UnixTime;
use poppet::limits;
use poppet::mail::mailbox::Mailbox;
use poppet::mail::{Domain, RemoteAddress};
use poppet::relay::returning::ReturnKey;
use poppet_fuzz::choices::Choices;

const NOW: UnixTime = UnixTime(1_800_000_000);
const DAY_SECONDS: u64 = 86_400;
/// Days until a stamp comes again.
const STAMPS: u64 = 1024;

// A line each: the sender, our domain, an address that is none of ours, and what stands in the place of an octet.
fuzz_target!(|input: &[u8]| {
    let Some((mut choices, texts)) = Choices::take(input) else { return };
    let mut lines = texts.splitn(4, |&octet| octet == 0xFF).map(String::from_utf8_lossy);
    let mut line = || lines.next().unwrap_or_default().into_owned();
    let (sender, domain, stranger, letters) = (line(), line(), line(), line());
    let Ok(domain) = domain.parse::<Domain>() else { return };
    let key = ReturnKey::new(&[choices.octet(); 32]);
    assert_eq!(
        key.sender(&RemoteAddress::from_path(&stranger), None),
        None,
        "a stranger's is taken: {stranger}"
    );
    let Some(address) = key.rewritten(&sender, &domain, NOW) else {
        // A name of so many octets always fits, the domain of ours too.
        let is_short = sender.len() <= 30 && domain.as_str().len() <= 100 && !sender.contains('"');
        assert!(Mailbox::parse(&sender).is_err() || !is_short, "{sender:?} keeps its sender");
        return;
    };
    check_form(&address, &domain);
    let days = u64::from(choices.octet()) << 8 | u64::from(choices.octet());
    check_age(&key, &address, &sender, days % STAMPS);
    for other in [address.as_str().to_ascii_uppercase(), address.as_str().to_ascii_lowercase()] {
        let back = key.sender(&RemoteAddress::from_path(&other), Some(NOW));
        let back = back.unwrap_or_else(|| panic!("{other} leads to nobody"));
        assert!(is_same(back.as_str(), &sender, str::eq_ignore_ascii_case), "{other} leads to {back}");
    }
    check_changed(&key, &address, usize::from(choices.octet()), &letters);
    let other = ReturnKey::new(&[b'~'; 33]).sender(&address, None);
    assert_eq!(other, None, "another's key fits");
});

fn check_form(address: &RemoteAddress, domain: &Domain) {
    let mailbox = Mailbox::parse(address.as_str()).unwrap_or_else(|_| panic!("{address} is no address"));
    assert!(mailbox.domain == domain.as_str() && mailbox.local.starts_with("SRS0="), "{address} is not ours");
    let is_short = address.local_text().len() <= limits::LOCAL_PART_OCTETS;
    assert!(is_short && address.as_str().len() + 2 <= limits::PATH_OCTETS, "{address} is too long");
}

/// Whether it leads back to its sender on that day, and to nobody when it is too old.
fn check_age(key: &ReturnKey, address: &RemoteAddress, sender: &str, days: u64) {
    let is_young = days <= limits::RETURN_DAYS || days + limits::RETURN_CLOCK_DAYS >= STAMPS;
    let later = UnixTime(NOW.0 + days * DAY_SECONDS);
    for (now, leads) in [(Some(later), is_young), (Some(NOW), true), (None, true)] {
        let back = key.sender(address, now);
        assert_eq!(back.is_some(), leads, "{address} after {days} days");
        let Some(back) = back else { continue };
        assert!(
            is_same(back.as_str(), sender, |one, other| one == other),
            "{address} leads to {back}, not {sender}"
        );
    }
}

/// One mailbox: quotes that a local part doesn't need are none, and a domain has letters of any case.
fn is_same(one: &str, other: &str, is_local: impl Fn(&str, &str) -> bool) -> bool {
    let (Ok(one), Ok(other)) = (Mailbox::parse(one), Mailbox::parse(other)) else { return false };
    is_local(&one.local, &other.local) && one.domain.eq_ignore_ascii_case(other.domain)
}

/// With other letters in the place of one, it leads to nobody, unless the case alone is another.
fn check_changed(key: &ReturnKey, address: &RemoteAddress, place: usize, letters: &str) {
    let text = address.as_str();
    let Some((at, letter)) = text.char_indices().nth(place % text.chars().count()) else { return };
    let letters: String = letters.chars().take(3).collect();
    let changed = format!("{}{letters}{}", &text[..at], &text[at + letter.len_utf8()..]);
    if is_same(&changed, text, str::eq_ignore_ascii_case) {
        return;
    }
    for now in [None, Some(NOW)] {
        let back = key.sender(&RemoteAddress::from_path(&changed), now);
        assert_eq!(back, None, "what was changed is taken: {changed}, of {text}");
    }
}
