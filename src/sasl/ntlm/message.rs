//! The three messages of NTLM: NEGOTIATE and AUTHENTICATE as they are read, CHALLENGE as it is written.
//! [MS-NLMP] §2.2.1.

use super::super::SaslError;
use super::{av_pair, text};

/// The flags of a NEGOTIATE message. Errs with [`SaslError::BadResponse`] if it is none; the names that may follow
/// the flags say nothing that matters, and are not read.
pub(super) fn negotiated_flags(message: &[u8]) -> Result<u32, SaslError> {
    if kind(message) != Some(NEGOTIATE) {
        return Err(SaslError::BadResponse);
    }
    long(message, 12).ok_or(SaslError::BadResponse)
}

/// The challenge of a CHALLENGE message that another has made. Errs with [`SaslError::BadResponse`] if it is none.
pub(super) fn server_challenge(message: &[u8]) -> Result<[u8; 8], SaslError> {
    let octets = message.get(24..32).filter(|_| kind(message) == Some(CHALLENGE));
    octets.and_then(|octets| octets.try_into().ok()).ok_or(SaslError::BadResponse)
}

/// What a CHALLENGE message is made of.
pub(super) struct Challenge<'a> {
    /// What the client asked for.
    pub asked_flags: u32,
    /// Drawn for this exchange.
    pub server_challenge: [u8; 8],
    /// Our name.
    pub hostname: &'a str,
    /// Our time in units of 100 ns since 1601, or 0.
    pub file_time: u64,
}

impl Challenge<'_> {
    /// The message's octets.
    pub(super) fn write(&self) -> Vec<u8> {
        let is_unicode = self.asked_flags & UNICODE != 0;
        let name = av_pair::net_bios_name(self.hostname);
        let target = if is_unicode { text::utf_16(&name).to_vec() } else { name.into_bytes() };
        let facts = av_pair::write(self.hostname, self.file_time);
        let mut out = SIGNATURE.to_vec();
        out.extend_from_slice(&CHALLENGE.to_le_bytes());
        push_field(&mut out, CHALLENGE_OCTETS, &target);
        out.extend_from_slice(&self.flags().to_le_bytes());
        out.extend_from_slice(&self.server_challenge);
        out.extend_from_slice(&[0; 8]);
        push_field(&mut out, CHALLENGE_OCTETS + target.len(), &facts);
        out.extend_from_slice(&VERSION_OCTETS);
        out.extend_from_slice(&target);
        out.extend_from_slice(&facts);
        out
    }

    /// Signing, sealing and an exchanged key are never granted; the strengths of keys are, because Windows goes on
    /// with no less than it asks for. So is a version: without one, some clients leave out its place before the code.
    fn flags(&self) -> u32 {
        let text = if self.asked_flags & UNICODE != 0 { UNICODE } else { OEM };
        let echoed = REQUEST_TARGET | ALWAYS_SIGN | EXTENDED_SECURITY | VERSION | KEYS_128 | KEYS_56;
        text | NTLM | TARGET_IS_SERVER | TARGET_INFO | (self.asked_flags & echoed)
    }
}

/// What is read of an AUTHENTICATE message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Authenticate<'a> {
    /// The user's name, exactly as it was sent.
    pub user_name: String,
    /// The user's domain, exactly as it was sent.
    pub domain: String,
    /// The NT response of whatever kind; it may be empty.
    pub response: &'a [u8],
    /// The place where a code over the three messages stands if there is one; none if the payload begins there.
    pub code: Option<[u8; 16]>,
}

impl<'a> Authenticate<'a> {
    /// Takes the message apart. Errs with [`SaslError::BadResponse`] if it is none, if a field lies outside of
    /// it or over its head, or if a name is not in the character set that its flags say; without Unicode only ASCII is
    /// taken, because nobody knows which set the client means. Fields may overlap each other: each is only read.
    pub(super) fn parse(message: &'a [u8]) -> Result<Authenticate<'a>, SaslError> {
        Authenticate::parsed(message).ok_or(SaslError::BadResponse)
    }

    fn parsed(message: &'a [u8]) -> Option<Authenticate<'a>> {
        if kind(message) != Some(AUTHENTICATE) {
            return None;
        }
        let flags = long(message, 60)?;
        let fields: Vec<Field<'_>> =
            [12, 20, 28, 36, 44, 52].into_iter().map(|at| field(message, at)).collect::<Option<_>>()?;
        let payload = fields.iter().map(|field| field.offset).min()?;
        let text = |octets: &[u8]| {
            if flags & UNICODE != 0 {
                text::from_utf_16(octets)
            } else {
                std::str::from_utf8(octets).ok().filter(|text| text.is_ascii()).map(str::to_owned)
            }
        };
        Some(Authenticate {
            response: fields.get(1)?.octets,
            domain: text(fields.get(2)?.octets)?,
            user_name: text(fields.get(3)?.octets)?,
            code: if payload < CODE_OCTETS.end { None } else { message.get(CODE_OCTETS)?.try_into().ok() },
        })
    }
}

/// The message as it was when its code was made: without it. [MS-NLMP] §3.1.5.1.2.
pub(super) fn without_code(message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    if let Some(code) = message.get_mut(CODE_OCTETS) {
        code.fill(0);
    }
    message
}

struct Field<'a> {
    offset: usize,
    octets: &'a [u8],
}

/// The field whose length and offset stand at that place; the offset of an empty one says nothing.
fn field(message: &[u8], at: usize) -> Option<Field<'_>> {
    let length: [u8; 2] = message.get(at..at + 2)?.try_into().ok()?;
    let length = usize::from(u16::from_le_bytes(length));
    let offset = usize::try_from(long(message, at + 4)?).ok()?;
    if length == 0 {
        return Some(Field { offset: usize::MAX, octets: &[] });
    }
    let octets = message.get(offset..offset.checked_add(length)?)?;
    (offset >= AUTHENTICATE_OCTETS).then_some(Field { offset, octets })
}

fn kind(message: &[u8]) -> Option<u32> {
    long(message.strip_prefix(SIGNATURE)?, 0)
}

fn long(message: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(message.get(at..at + 4)?.try_into().ok()?))
}

/// A field's length, its length again, and its offset; all lengths here are far below what fits.
pub(super) fn push_field(out: &mut Vec<u8>, offset: usize, octets: &[u8]) {
    out.extend_from_slice(&(octets.len() as u16).to_le_bytes());
    out.extend_from_slice(&(octets.len() as u16).to_le_bytes());
    out.extend_from_slice(&(offset as u32).to_le_bytes());
}

pub(super) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
pub(super) const NEGOTIATE: u32 = 1;
pub(super) const CHALLENGE: u32 = 2;
pub(super) const AUTHENTICATE: u32 = 3;
/// The head of a CHALLENGE message.
const CHALLENGE_OCTETS: usize = 56;
/// No product's version, and the one revision of NTLM that there is. [MS-NLMP] §2.2.2.10.
const VERSION_OCTETS: [u8; 8] = [0, 0, 0, 0, 0, 0, 0, 15];
/// The least head of an AUTHENTICATE message: up to its flags.
const AUTHENTICATE_OCTETS: usize = 64;
/// Where the code stands in an AUTHENTICATE message: behind the flags and the version.
const CODE_OCTETS: std::ops::Range<usize> = 72..88;

// [MS-NLMP] §2.2.2.5.
pub(super) const UNICODE: u32 = 0x0000_0001;
pub(super) const OEM: u32 = 0x0000_0002;
const REQUEST_TARGET: u32 = 0x0000_0004;
const NTLM: u32 = 0x0000_0200;
const ALWAYS_SIGN: u32 = 0x0000_8000;
const TARGET_IS_SERVER: u32 = 0x0002_0000;
const EXTENDED_SECURITY: u32 = 0x0008_0000;
const TARGET_INFO: u32 = 0x0080_0000;
const VERSION: u32 = 0x0200_0000;
const KEYS_128: u32 = 0x2000_0000;
const KEYS_56: u32 = 0x8000_0000;

#[cfg(test)]
mod tests {
    use super::*;

    const LAN: Challenge<'_> =
        Challenge { asked_flags: UNICODE, server_challenge: [7; 8], hostname: "mail.home.lan", file_time: 1 };

    /// An AUTHENTICATE message with one field other than usual: its place in the head, length and offset.
    fn authenticate(at: usize, length: u16, offset: u32) -> Vec<u8> {
        let mut message = SIGNATURE.to_vec();
        message.extend_from_slice(&AUTHENTICATE.to_le_bytes());
        for (offset, octets) in
            [(88, &b"lm"[..]), (90, b"nt"), (92, b"D\0"), (94, b"u\0"), (96, b"w\0"), (98, b"kk")]
        {
            push_field(&mut message, offset, octets);
        }
        message.extend_from_slice(&UNICODE.to_le_bytes());
        message.extend_from_slice(b"versionsmicmicmicmicmic!lmntD\0u\0w\0kk");
        if at > 0 {
            message[at..at + 2].copy_from_slice(&length.to_le_bytes());
            message[at + 4..at + 8].copy_from_slice(&offset.to_le_bytes());
        }
        message
    }

    #[test]
    fn flags_are_read_of_short_and_long_messages() {
        for rest in [&b""[..], b"\0\0\0\0", &[0xFF; 24]] {
            let message = [&b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xA2"[..], rest].concat();
            assert_eq!(negotiated_flags(&message), Ok(0xA208_8207));
        }
    }

    #[test]
    fn what_is_no_negotiate_message_is_refused_s_188() {
        let whole = b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xA2";
        for length in 0..whole.len() {
            assert_eq!(negotiated_flags(&whole[..length]), Err(SaslError::BadResponse), "{length}");
        }
        for (at, octet) in [(0, b'n'), (7, b'0'), (8, 2), (8, 3), (8, 0), (11, 1)] {
            let mut message = *whole;
            message[at] = octet;
            assert_eq!(negotiated_flags(&message), Err(SaslError::BadResponse), "{at} {octet}");
        }
    }

    #[test]
    fn a_challenge_promises_neither_signing_nor_sealing_nor_keys() {
        for (asked_flags, answered) in [
            (0xFFFF_FFFF, 0xA28A_8205),
            (0x0000_0001, 0x0082_0201),
            (0x0000_0002, 0x0082_0202),
            (0, 0x0082_0202),
            (0x6000_8035, 0x2082_8205),
        ] {
            let message = Challenge { asked_flags, ..LAN }.write();
            assert_eq!(long(&message, 20), Some(answered), "{asked_flags:X}");
        }
    }

    #[test]
    fn a_challenge_is_as_the_client_reads_it() {
        for (asked_flags, target) in [(UNICODE, &b"M\0A\0I\0L\0"[..]), (OEM, b"MAIL")] {
            let message = Challenge { asked_flags, ..LAN }.write();
            assert_eq!(
                (kind(&message), &message[24..40]),
                (Some(CHALLENGE), &b"\x07\x07\x07\x07\x07\x07\x07\x07\0\0\0\0\0\0\0\0"[..])
            );
            assert_eq!(field_at(&message, 12), target);
            assert_eq!(field_at(&message, 40), av_pair::write("mail.home.lan", 1));
            assert_eq!(message.len(), 56 + target.len() + field_at(&message, 40).len());
        }
    }

    fn field_at(message: &[u8], at: usize) -> &[u8] {
        let length = usize::from(u16::from_le_bytes([message[at], message[at + 1]]));
        assert_eq!(message[at..at + 2], message[at + 2..at + 4]);
        let offset = long(message, at + 4).unwrap() as usize;
        &message[offset..offset + length]
    }

    #[test]
    fn an_authenticate_message_is_taken_apart() {
        let message = authenticate(0, 0, 0);
        let parsed = Authenticate::parse(&message).unwrap();
        let code = Some(*b"micmicmicmicmic!");
        assert_eq!(parsed, Authenticate { user_name: "u".into(), domain: "D".into(), response: b"nt", code });
        assert_eq!(without_code(&message)[72..88], [0; 16]);
    }

    #[test]
    fn fields_outside_of_the_message_or_over_its_head_are_refused_s_188() {
        let whole = authenticate(0, 0, 0).len();
        let end = whole as u32;
        for at in [12, 20, 28, 36, 44, 52] {
            for (length, offset) in [
                (2, end - 1),
                (2, end),
                (2, u32::MAX),
                (2, u32::MAX - 1),
                (0xFFFF, 88),
                (0xFFFF, u32::MAX),
                (0xFFFE, 0),
                (2, 0),
                (2, 62),
                (2, 63),
                (u16::try_from(end).unwrap() - 87, 88),
            ] {
                let message = authenticate(at, length, offset);
                assert_eq!(
                    Authenticate::parse(&message),
                    Err(SaslError::BadResponse),
                    "{at} {length} {offset}"
                );
            }
            for (length, offset) in [(2, end - 2), (2, 64), (2, 88), (0, u32::MAX), (0, 0)] {
                let message = authenticate(at, length, offset);
                assert!(Authenticate::parse(&message).is_ok() || at > 20, "{at} {length} {offset}");
            }
        }
    }

    #[test]
    fn a_payload_where_the_code_would_stand_means_that_there_is_none() {
        for (offset, has_code) in [(64, false), (71, false), (72, false), (87, false), (88, true)] {
            let message = authenticate(20, 2, offset);
            assert_eq!(Authenticate::parse(&message).unwrap().code.is_some(), has_code, "{offset}");
        }
    }

    #[test]
    fn a_message_cut_short_anywhere_is_refused_s_188() {
        let whole = authenticate(0, 0, 0);
        for length in 0..whole.len() {
            assert_eq!(Authenticate::parse(&whole[..length]), Err(SaslError::BadResponse), "{length}");
        }
    }

    #[test]
    fn names_are_in_the_set_that_the_flags_say() {
        let mut oem = authenticate(0, 0, 0);
        oem[60] = OEM as u8;
        let parsed = Authenticate::parse(&oem).unwrap();
        assert_eq!((&*parsed.user_name, &*parsed.domain), ("u\0", "D\0"));
        oem[94] = 0xF6;
        assert_eq!(Authenticate::parse(&oem), Err(SaslError::BadResponse));
        let mut half_a_letter = authenticate(0, 0, 0);
        half_a_letter[94..96].copy_from_slice(b"\x3E\xD8");
        assert_eq!(Authenticate::parse(&half_a_letter), Err(SaslError::BadResponse));
    }
}
