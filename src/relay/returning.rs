//! Senders rewritten so that bounces of forwarded mail find home, and read back (O5).
//!
//! ```text
//! bob@example.com --> SRS0=hhhhhhhh=tt=example.com=bob@home.lan --bounce--> bob@example.com
//! ```
//!
//! Nothing is remembered: the address tells who he was (the form that others know as SRS0), on which day, and that we
//! made it. ASCII is read in letters of any case, since some servers fold them, and it leads back for
//! [`limits::RETURN_DAYS`]. What doesn't fit in a local part keeps its sender.

use ring::hmac;

use crate::clock::UnixTime;
use crate::limits;
use crate::mail::mailbox::{Mailbox, written_local_part};
use crate::mail::{Address, Alias, Domain, RemoteAddress};

/// What proves that an address that leads back was made here.
#[derive(Clone)]
pub struct ReturnKey(hmac::Key);

impl ReturnKey {
    /// From octets that nobody else knows.
    pub fn new(secret: &[u8]) -> ReturnKey {
        ReturnKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The address at a domain of ours that leads back to `sender`, an envelope's sender. None if there is none: for
    /// nobody, who stays nobody (RFC 5321 §4.5.5), for what is no whole address, and where it would be longer than
    /// RFC 5321 §4.5.3.1 allows.
    pub fn rewritten(&self, sender: &str, domain: &Domain, now: UnixTime) -> Option<RemoteAddress> {
        let from = Mailbox::parse(sender).ok()?;
        let stamp = shown(&[(now.0 / DAY_SECONDS % STAMPS) as u16]);
        let hash = self.hash(&stamp, from.domain, &from.local, domain);
        let local = written_local_part(&format!("{TAG}{hash}={stamp}={}={}", from.domain, from.local));
        if local.len() > limits::LOCAL_PART_OCTETS {
            return None;
        }
        RemoteAddress::parse(&format!("{local}@{domain}")).ok()
    }

    /// To whom such an address leads back; none if it is none that was made here within [`limits::RETURN_DAYS`]. Without
    /// a time that may be believed, its age doesn't count.
    pub fn sender(&self, address: &RemoteAddress, now: Option<UnixTime>) -> Option<RemoteAddress> {
        let named = Mailbox::parse(address.as_str()).ok()?;
        let domain: Domain = named.domain.parse().ok()?;
        let (tag, rest) = named.local.split_at_checked(TAG.len())?;
        let mut parts = rest.splitn(4, '=');
        let (hash, stamp, from, local) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_ours = tag.eq_ignore_ascii_case(TAG)
            && is_same(&self.hash(stamp, from, local, &domain), &hash.to_ascii_lowercase());
        if !is_ours || !now.is_none_or(|now| is_young(stamp, now)) {
            return None;
        }
        RemoteAddress::parse(&format!("{}@{from}", written_local_part(local))).ok()
    }

    /// Forty bits, as eight letters and digits: some 2^39 tries, each a recipient that is refused and counted.
    fn hash(&self, stamp: &str, from: &str, local: &str, domain: &Domain) -> String {
        // None of these can have the octet between them.
        // Beyond ASCII, letters of two names are the same small letter: K and the sign of Kelvin.
        let text = [stamp, from, local, domain.as_str()].join("\0").to_ascii_lowercase();
        let tag = hmac::sign(&self.0, text.as_bytes());
        let bits = tag.as_ref().iter().take(5).fold(0_u64, |bits, &octet| bits << 8 | u64::from(octet));
        let digits: Vec<u16> = (0..4).rev().map(|place| (bits >> (10 * place) & 0x3FF) as u16).collect();
        shown(&digits)
    }
}

/// What marks a mail that one of ours has forwarded, so that it is known if it comes back (S-120): the field of the
/// address that was written to. Nothing where a mail without SMTPUTF8 can't say it.
pub fn mark(forwarder: &Alias, named: &str, is_utf8: bool) -> Vec<u8> {
    let address = match forwarder {
        Alias::Address(address) => Some(address.clone()),
        // That of the name for which it stood in.
        Alias::CatchAll(_) | Alias::Domain(_) => named.parse::<Address>().ok(),
    };
    match address.filter(|address| is_utf8 || address.is_ascii()) {
        Some(address) => format!("Delivered-To: {address}\r\n").into_bytes(),
        None => Vec::new(),
    }
}

fn is_young(stamp: &str, now: UnixTime) -> bool {
    let Some(day) = read(stamp) else { return false };
    let age = (now.0 / DAY_SECONDS + STAMPS - u64::from(day)) % STAMPS;
    age <= limits::RETURN_DAYS || age >= STAMPS - limits::RETURN_CLOCK_DAYS
}

/// In the same time wherever they differ.
fn is_same(left: &str, right: &str) -> bool {
    left.len() == right.len() && left.bytes().zip(right.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Numbers of ten bits, as two letters and digits each. RFC 4648 §6, in small letters.
fn shown(numbers: &[u16]) -> String {
    let digit = |bits: u16| char::from(DIGITS[usize::from(bits & 31)]);
    numbers.iter().flat_map(|&number| [digit(number >> 5), digit(number)]).collect()
}

/// The number of two letters and digits.
fn read(text: &str) -> Option<u16> {
    let [high, low] = text.as_bytes() else { return None };
    let digit = |octet: &u8| DIGITS.iter().position(|digit| *digit == octet.to_ascii_lowercase());
    Some((digit(high)? << 5 | digit(low)?) as u16)
}

const TAG: &str = "SRS0=";
const DAY_SECONDS: u64 = 86_400;
/// Days until a stamp comes again.
const STAMPS: u64 = 1024;
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;

    /// A day in 2027.
    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn key() -> ReturnKey {
        ReturnKey::new(&[7; 32])
    }

    fn home() -> Domain {
        "home.lan".parse().unwrap()
    }

    fn rewritten(sender: &str) -> Option<String> {
        key().rewritten(sender, &home(), NOW).map(|address| address.to_string())
    }

    fn read_at(text: &str, now: Option<UnixTime>) -> Option<String> {
        key().sender(&RemoteAddress::from_path(text), now).map(|address| address.to_string())
    }

    #[test]
    fn a_bounce_finds_home_whatever_the_sender_looks_like() {
        for sender in [
            "bob@example.com",
            "Bob.Smith@example.com",
            "o'brien+x=y@example.com",
            "\"a b\"@example.com",
            "\"a\\\"b\\\\c\"@example.com",
            "\".\"@example.com",
            "\"\"@example.com",
            "bob@[192.0.2.1]",
            "bob@[IPv6:2001:db8::1]",
            "j\u{f6}rg@h\u{f6}me.example",
            "SRS0=ab=cd=e.example=bob@f.example",
            "b@my_host.example",
        ] {
            let address = rewritten(sender).unwrap_or_else(|| panic!("{sender}"));
            let mailbox = Mailbox::parse(&address).unwrap();
            assert!(mailbox.domain == "home.lan" && address.rfind('@').unwrap() <= 64, "{address}");
            assert!(mailbox.local.starts_with("SRS0="), "{address}");
            assert_eq!(read_at(&address, Some(NOW)).as_deref(), Some(sender), "{address}");
        }
        // What needs no quotes loses them: it is the same mailbox.
        assert_eq!(read_at(&rewritten("\"bob\"@example.com").unwrap(), None).unwrap(), "bob@example.com");
    }

    #[test]
    fn nobody_stays_nobody_and_half_an_address_stays_as_it_is() {
        for sender in ["", "root", "bob@", "a b@example.com", "bob@example.com\r\nDATA"] {
            assert_eq!(rewritten(sender), None, "{sender:?}");
        }
    }

    #[test]
    fn a_server_that_folds_letters_does_no_harm() {
        let address = rewritten("Bob@Example.com").unwrap();
        assert_eq!(read_at(&address.to_uppercase(), Some(NOW)).unwrap(), "BOB@example.com");
        assert_eq!(read_at(&address.to_lowercase(), Some(NOW)).unwrap(), "bob@example.com");
    }

    /// The sign of Kelvin in the place of a k led to somebody else: both have the same small letter.
    #[test]
    fn a_letter_that_only_looks_the_same_in_small_leads_to_nobody_s_081() {
        for (made, other) in [('k', '\u{212A}'), ('\u{e5}', '\u{212B}'), ('\u{3c9}', '\u{2126}')] {
            let address = rewritten(&format!("{made}im@{made}.example")).unwrap();
            for (place, letter) in address.char_indices().filter(|(_, letter)| *letter == made) {
                let mut changed = address.clone();
                changed.replace_range(place..place + letter.len_utf8(), &other.to_string());
                assert_eq!(read_at(&changed, None), None, "{changed}");
            }
        }
    }

    #[test]
    fn what_we_have_not_made_leads_to_nobody_s_081() {
        let address = rewritten("bob@example.com").unwrap();
        for (place, letter) in address.char_indices().filter(|(_, letter)| *letter != '@') {
            for other in ['a', 'b', '2', '=', 'z', '.'] {
                if other.eq_ignore_ascii_case(&letter) {
                    continue;
                }
                let mut tampered = address.clone();
                tampered.replace_range(place..place + 1, &other.to_string());
                assert_eq!(read_at(&tampered, None), None, "{tampered}");
            }
            let shorter: String =
                address.char_indices().filter(|(at, _)| *at != place).map(|(_, letter)| letter).collect();
            assert_eq!(read_at(&shorter, None), None, "{shorter}");
        }
        let stranger = ReturnKey::new(&[8; 32]).rewritten("bob@example.com", &home(), NOW).unwrap();
        assert_eq!(read_at(stranger.as_str(), None), None);
        for text in [
            "",
            "SRS0=@home.lan",
            "SRS0===bob@home.lan",
            "SRS0=a=b=c@home.lan",
            "SRS0",
            "\u{f6}\u{f6}\u{f6}@home.lan",
        ] {
            assert_eq!(read_at(text, None), None, "{text}");
        }
        // Moved between domain and local part it would lead elsewhere.
        let moved = address.replace("example.com=bob", "example.com=b=ob");
        assert_eq!(read_at(&moved, None), None);
    }

    #[test]
    fn it_expires_at_its_edges_and_a_clock_may_be_a_little_wrong() {
        let address = rewritten("bob@example.com").unwrap();
        let at = |days: i64| UnixTime(NOW.0.wrapping_add_signed(days * 86_400));
        for (days, leads) in [
            (0, true),
            (limits::RETURN_DAYS as i64 - 1, true),
            (limits::RETURN_DAYS as i64, true),
            (limits::RETURN_DAYS as i64 + 1, false),
            (1023, true),
            (-(limits::RETURN_CLOCK_DAYS as i64), true),
            (-(limits::RETURN_CLOCK_DAYS as i64) - 1, false),
            (500, false),
        ] {
            assert_eq!(read_at(&address, Some(at(days))).is_some(), leads, "{days}");
        }
        assert!(read_at(&address, None).is_some());
    }

    #[test]
    fn what_does_not_fit_keeps_its_sender() {
        // `SRS0=hhhhhhhh=tt=e.lan=` are 23 octets.
        assert!(rewritten(&format!("{}@e.lan", "b".repeat(40))).is_some());
        assert_eq!(rewritten(&format!("{}@e.lan", "b".repeat(41))).unwrap().find('@'), Some(64));
        assert_eq!(rewritten(&format!("{}@e.lan", "b".repeat(42))), None);
        assert!(rewritten(&format!("\"{}\"@e.lan", "b ".repeat(19))).is_some());
        assert_eq!(rewritten(&format!("\"{}\"@e.lan", "b ".repeat(20))), None);
    }

    #[test]
    fn a_mark_names_the_address_that_was_written_to_s_120() {
        let info = "info@home.lan".parse().unwrap();
        assert_eq!(mark(&info, "INFO+x@home.lan", false), b"Delivered-To: info@home.lan\r\n");
        let catch_all = "*@home.lan".parse().unwrap();
        assert_eq!(mark(&catch_all, "Zoe@home.lan", false), b"Delivered-To: zoe@home.lan\r\n");
        assert_eq!(mark(&catch_all, "\"a\r\nb\"@home.lan", false), b"");
        let jorg = "j\u{f6}rg@home.lan".parse().unwrap();
        assert_eq!(mark(&jorg, "", false), b"");
        assert_eq!(mark(&jorg, "", true), "Delivered-To: j\u{f6}rg@home.lan\r\n".as_bytes());
    }
}
