//! The list of facts that CHALLENGE carries and the client's answer repeats and adds to. [MS-NLMP] §2.2.2.1.

use super::super::SaslError;
use super::text;

/// What the client's list says that matters here. His MsvAvTargetName isn't looked at: clients write `POP/host`,
/// `SMTP/host`, the host alone or nothing, by names that we can't know all; the channel binding says the same better.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// MsvAvFlags: whether a code over the three messages is there.
    pub has_code: bool,
    /// MsvAvChannelBindings, if it stands there and is not all zero, which says "none".
    pub channel_bindings: Option<&'a [u8]>,
}

/// Reads the client's list. Errs with [`SaslError::BadResponse`] if a pair is cut off; what follows the end of the
/// list is not looked at, and a list that ends without saying so is taken.
pub(super) fn read(mut list: &[u8]) -> Result<Facts<'_>, SaslError> {
    let mut facts = Facts::default();
    while let Some((head, rest)) = list.split_first_chunk::<4>() {
        let kind = u16::from_le_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        if kind == END {
            return Ok(facts);
        }
        let (value, rest) = rest.split_at_checked(length).ok_or(SaslError::BadResponse)?;
        match (kind, value) {
            (FLAGS, [low, ..]) => facts.has_code |= low & HAS_CODE != 0,
            (CHANNEL_BINDINGS, value) if value.iter().any(|octet| *octet != 0) => {
                facts.channel_bindings = Some(value);
            }
            _ => {}
        }
        list = rest;
    }
    if list.is_empty() { Ok(facts) } else { Err(SaslError::BadResponse) }
}

/// The server's list: its names as those of a machine without a domain, and its time, with which clients sign the
/// messages; 0 is none.
pub(super) fn write(hostname: &str, file_time: u64) -> Vec<u8> {
    let short = net_bios_name(hostname);
    let mut list = Vec::new();
    for (kind, name) in [
        (NET_BIOS_DOMAIN, &*short),
        (NET_BIOS_COMPUTER, &short),
        (DNS_DOMAIN, hostname),
        (DNS_COMPUTER, hostname),
    ] {
        push(&mut list, kind, &text::utf_16(name));
    }
    if file_time != 0 {
        push(&mut list, TIMESTAMP, &file_time.to_le_bytes());
    }
    push(&mut list, END, b"");
    list
}

/// The first label in capitals, at most 15 of them: what a name of NetBIOS can be.
pub(super) fn net_bios_name(hostname: &str) -> String {
    let label = hostname.split('.').next().unwrap_or_default();
    label.chars().take(15).map(|letter| letter.to_ascii_uppercase()).collect()
}

/// Puts one pair behind others; all values here are far shorter than a pair's length can say.
pub(super) fn push(list: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    list.extend_from_slice(&kind.to_le_bytes());
    list.extend_from_slice(&(value.len() as u16).to_le_bytes());
    list.extend_from_slice(value);
}

pub(super) const END: u16 = 0;
const NET_BIOS_COMPUTER: u16 = 1;
const NET_BIOS_DOMAIN: u16 = 2;
const DNS_COMPUTER: u16 = 3;
const DNS_DOMAIN: u16 = 4;
pub(super) const FLAGS: u16 = 6;
const TIMESTAMP: u16 = 7;
pub(super) const CHANNEL_BINDINGS: u16 = 10;
/// In the lowest octet of MsvAvFlags.
pub(super) const HAS_CODE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_tells_its_names_and_its_time() {
        let list = write("mail.home.lan", 0x0102_0304_0506_0708);
        let start = b"\x02\0\x08\0M\0A\0I\0L\0\x01\0\x08\0M\0A\0I\0L\0\x04\0\x1A\0m\0a\0";
        assert!(list.starts_with(start), "{list:?}");
        assert!(list.ends_with(b"\x07\0\x08\0\x08\x07\x06\x05\x04\x03\x02\x01\0\0\0\0"), "{list:?}");
    }

    #[test]
    fn a_suspect_clock_is_not_told_s_315() {
        assert!(!write("mail.home.lan", 0).windows(4).any(|head| head == b"\x07\0\x08\0"));
    }

    #[test]
    fn names_of_net_bios_are_held_at_their_edge() {
        for (hostname, name) in [
            ("abcdefghijklmn.lan", "ABCDEFGHIJKLMN"),
            ("abcdefghijklmno.lan", "ABCDEFGHIJKLMNO"),
            ("abcdefghijklmnop.lan", "ABCDEFGHIJKLMNO"),
            ("box", "BOX"),
            ("", ""),
        ] {
            assert_eq!(net_bios_name(hostname), name);
        }
    }

    #[test]
    fn lists_are_read_up_to_their_end_s_188() {
        let binding = [7; 16];
        let bound = [&b"\x0A\0\x10\0"[..], &binding, b"\0\0\0\0"].concat();
        let unbound = [&b"\x0A\0\x10\0"[..], &[0; 16], b"\0\0\0\0"].concat();
        let facts = |has_code, channel_bindings| Ok(Facts { has_code, channel_bindings });
        for (list, outcome) in [
            (&b""[..], facts(false, None)),
            (b"\0\0\0\0", facts(false, None)),
            (b"\0\0\0\0\xFF", facts(false, None)),
            (b"\0\0\xFF\xFF", facts(false, None)),
            (b"\x06\0\x04\0\x02\0\0\0\0\0\0\0", facts(true, None)),
            (b"\x06\0\x04\0\x03\0\0\0", facts(true, None)),
            (b"\x06\0\x04\0\x01\x02\0\0", facts(false, None)),
            (b"\x06\0\0\0\0\0\0\0", facts(false, None)),
            (&bound, facts(false, Some(&binding[..]))),
            (&unbound, facts(false, None)),
            (b"\x09\0\x02\0a\0\0\0\0\0", facts(false, None)),
            (b"\xFF\xFF\0\0", facts(false, None)),
            (b"\x06", Err(SaslError::BadResponse)),
            (b"\x06\0\x04", Err(SaslError::BadResponse)),
            (b"\x06\0\x04\0\x02\0\0", Err(SaslError::BadResponse)),
            (b"\x06\0\xFF\xFF\x02\0\0\0", Err(SaslError::BadResponse)),
            (b"\x06\0\x04\0\x02\0\0\0\0\0\0", Err(SaslError::BadResponse)),
        ] {
            assert_eq!(read(list), outcome, "{list:?}");
        }
    }
}
