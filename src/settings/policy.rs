//! What an administrator decides about mail: how long it stays, how much there may be, who may send as whom.

use std::fmt;
use std::str::FromStr;

use super::keys::number;
use crate::limits;

/// How long mail stays: for ever, unless one of these days has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retain {
    /// Days after it was received.
    pub received_days: Option<u32>,
    /// Days after it was first retrieved.
    pub retrieved_days: Option<u32>,
}

impl Retain {
    /// Days that every message stays at least; none means for ever. RFC 2449 §6.7.
    pub fn least_days(self) -> Option<u32> {
        self.received_days.into_iter().chain(self.retrieved_days).min()
    }
}

impl FromStr for Retain {
    type Err = ();

    /// Takes `never`, days, `retrieved:` days, or both with a comma between; each at most once.
    fn from_str(text: &str) -> Result<Retain, ()> {
        if text == "never" {
            return Ok(Retain::default());
        }
        let mut retain = Retain::default();
        for part in text.split(',') {
            let (days, place) = match part.strip_prefix("retrieved:") {
                Some(days) => (days, &mut retain.retrieved_days),
                None => (part, &mut retain.received_days),
            };
            let mut count = 0;
            number(days, 1, limits::POLICY_DAYS, &mut count).ok_or(())?;
            if place.replace(count).is_some() {
                return Err(());
            }
        }
        Ok(retain)
    }
}

impl fmt::Display for Retain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.received_days, self.retrieved_days) {
            (None, None) => out.write_str("never"),
            (Some(days), None) => write!(out, "{days}"),
            (None, Some(days)) => write!(out, "retrieved:{days}"),
            (Some(days), Some(retrieved)) => write!(out, "{days},retrieved:{retrieved}"),
        }
    }
}

/// How much a mailbox may hold; what was removed and can be brought back doesn't count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Octets of its messages; none for as many as the disk takes.
    pub octets: Option<u64>,
    /// Its messages; none for as many as there are numbers.
    pub messages: Option<u32>,
    /// How full it is when its user is warned, in percent; 0 for no warning.
    pub warning_percent: u32,
}

impl Default for Quota {
    fn default() -> Quota {
        Quota { octets: None, messages: None, warning_percent: limits::QUOTA_WARNING_PERCENT }
    }
}

impl Quota {
    /// Whether a mailbox may hold so much.
    pub fn allows(self, messages: u32, octets: u64) -> bool {
        self.messages.is_none_or(|most| messages <= most) && self.octets.is_none_or(|most| octets <= most)
    }

    /// Whether the user of a mailbox that holds so much is to be warned.
    pub fn warns_of(self, messages: u32, octets: u64) -> bool {
        let percent = u128::from(self.warning_percent);
        let is_over = |have: u64, most: u64| u128::from(have) * 100 >= u128::from(most) * percent;
        percent > 0
            && (self.messages.is_some_and(|most| is_over(messages.into(), most.into()))
                || self.octets.is_some_and(|most| is_over(octets, most)))
    }
}

/// What becomes of mail for a mailbox that is full. RFC 3463 §3.3: X.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullMailbox {
    /// It may be sent again: the user will make room.
    Defer,
    /// It is refused for good.
    Refuse,
}

/// As whom a user may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Under addresses whose mail he gets.
    Own,
    /// Under every address.
    Any,
}

/// Whether a peer that has proven nothing may send in the name of our users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproven {
    /// He may, through the open port.
    Accept,
    /// He must log on or have a device profile.
    Refuse,
}

/// What becomes of a peer that speaks before it is greeted. RFC 5321 §4.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyTalker {
    /// He is greeted later, and the log tells of it.
    Wait,
    /// He is told 554.
    Refuse,
}

/// What parts a user from a tag in an address; none for no tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TagSeparator(pub Option<char>);

impl Default for TagSeparator {
    fn default() -> TagSeparator {
        TagSeparator(Some('+'))
    }
}

impl FromStr for TagSeparator {
    type Err = ();

    fn from_str(text: &str) -> Result<TagSeparator, ()> {
        match text {
            "off" => Ok(TagSeparator(None)),
            "+" | "-" | "." | "_" => Ok(TagSeparator(text.chars().next())),
            _ => Err(()),
        }
    }
}

impl fmt::Display for TagSeparator {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(separator) => write!(out, "{separator}"),
            None => out.write_str("off"),
        }
    }
}

/// Octets of a text such as `500M`, `none` for no limit; the letters K, M, G and T stand for powers of 1,024, a `B`
/// or `iB` may follow. None if it is none of those, is 0, or more than 2^50.
pub(super) fn parse_size(text: &str) -> Option<Option<u64>> {
    if text == "none" {
        return Some(None);
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at(digits);
    let power = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    let octets = digits.parse::<u64>().ok()?.checked_mul(1 << (10 * power))?;
    (1..=limits::QUOTA_OCTETS).contains(&octets).then_some(Some(octets))
}

/// A size as [`parse_size`] takes it, in the largest unit that divides it.
pub(super) fn show_size(octets: Option<u64>) -> String {
    let Some(octets) = octets else { return "none".into() };
    for (power, unit) in [(4, "T"), (3, "G"), (2, "M"), (1, "K")] {
        let unit_octets = 1u64 << (10 * power);
        if octets % unit_octets == 0 {
            return format!("{}{unit}", octets / unit_octets);
        }
    }
    octets.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;
    use crate::mail::Address;

    #[test]
    fn retention_is_never_or_days_of_one_kind_or_both() {
        let mut settings = Settings::default();
        for (text, received_days, retrieved_days) in [
            ("never", None, None),
            ("365", Some(365), None),
            ("retrieved:7", None, Some(7)),
            ("365,retrieved:7", Some(365), Some(7)),
        ] {
            settings.assign("retain", text).unwrap();
            assert_eq!(settings.retain, Retain { received_days, retrieved_days }, "{text}");
            assert_eq!(settings.retain.to_string(), text);
        }
        settings.assign("retain", "retrieved:1,2").unwrap();
        assert_eq!(settings.retain.to_string(), "2,retrieved:1");
        for bad in
            ["0", "", "never,1", "1,2", "retrieved:", "retrieved:0", "retrieved:1,retrieved:2", "1,", "-1"]
        {
            assert!(settings.assign("retain", bad).is_err(), "{bad}");
        }
        assert_eq!(settings.retain.least_days(), Some(1));
    }

    #[test]
    fn sizes_are_read_in_any_unit_and_shown_in_the_largest() {
        for (text, octets, shown) in [
            ("1", 1, "1"),
            ("1024", 1024, "1K"),
            ("1025", 1025, "1025"),
            ("500M", 500 << 20, "500M"),
            ("500mb", 500 << 20, "500M"),
            ("2048MiB", 2 << 30, "2G"),
            ("1t", 1 << 40, "1T"),
            ("1024T", 1 << 50, "1024T"),
        ] {
            assert_eq!(parse_size(text), Some(Some(octets)), "{text}");
            assert_eq!(show_size(Some(octets)), shown);
        }
        assert_eq!((parse_size("none"), show_size(None)), (Some(None), "none".into()));
        for bad in ["0", "", "M", "-1", "1.5G", "1 G", "1x", "1025T", "18446744073709551616", "99999999999T"]
        {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_quota_holds_at_its_edges_and_warns_before() {
        let quota = Quota { octets: Some(1000), messages: Some(10), warning_percent: 90 };
        for (messages, octets, allows, warns) in [
            (9, 999, true, true),
            (10, 1000, true, true),
            (11, 1, false, true),
            (1, 1001, false, true),
            (8, 899, true, false),
            (9, 1, true, true),
            (1, 900, true, true),
            (0, 0, true, false),
        ] {
            assert_eq!((quota.allows(messages, octets), quota.warns_of(messages, octets)), (allows, warns));
        }
        let silent = Quota { warning_percent: 0, ..quota };
        assert!(!silent.warns_of(11, 1001));
        assert!(
            Quota::default().allows(u32::MAX, u64::MAX) && !Quota::default().warns_of(u32::MAX, u64::MAX)
        );
    }

    #[test]
    fn tags_are_parted_by_a_sign_that_names_may_have() {
        // "=" was one of them, and no mail for alice=shop could ever come: no mailbox name has it.
        for text in ["off", "+", "-", ".", "_"] {
            assert_eq!(text.parse::<TagSeparator>().unwrap().to_string(), text);
        }
        for separator in ["+", "-", ".", "_"] {
            let address = format!("alice{separator}shop@home.lan");
            assert!(address.parse::<Address>().is_ok(), "{address}");
        }
        for bad in ["", "=", "++", "a", "@", "on", "\u{e9}"] {
            assert!(bad.parse::<TagSeparator>().is_err(), "{bad:?}");
        }
    }
}
