//! What goes over the helper's socket: `ppl1`, the length in two octets, the least first, and a question or an answer.
//!
//! ```text
//! question: kind (0 find, 1 prove, 2 whether it may come in), flags (1 MD5 counts, 2 the clock is trusted), uid in four octets,
//!           length of the name in two, the name, and the password up to the end
//! answer:   kind (0 account, 1 refused, 2 busy, 3 files can't be read), and four octets: the uid, or the reason
//! ```

use zeroize::Zeroizing;

use super::Reason;
use crate::limits;
use crate::mail::Secret;

/// Octets before a question or an answer.
pub const HEADER_OCTETS: usize = 6;

/// What the helper is asked.
#[derive(Debug)]
pub struct Question {
    /// The account's name; not empty.
    pub name: String,
    /// Whether MD5 counts.
    pub allows_old: bool,
    /// What is to be proved; none if the account is only looked for.
    pub proof: Option<Claim>,
}

/// What is to be proved of an account.
#[derive(Debug)]
pub struct Claim {
    /// The uid that it must have, if that is known.
    pub uid: Option<u32>,
    /// Its password; none if another one has proved it, and it is only asked whether the account lets him in.
    pub password: Option<Secret>,
    /// Whether the one who asks believes the clock.
    pub trusts_clock: bool,
}

/// What the helper answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The account is there, and the password its own if one was given.
    Account(u32),
    /// It isn't, or it may not be used.
    Refused(Reason),
    /// Too many ask at once.
    Busy,
    /// The system's files can't be read.
    Unreadable,
}

/// How many octets follow a header; none if it is no header of ours, or they are more than any question has.
pub fn length(header: &[u8; HEADER_OCTETS]) -> Option<usize> {
    let [magic @ .., low, high] = header;
    let length = usize::from(u16::from_le_bytes([*low, *high]));
    (magic == MAGIC && length <= MOST_OCTETS).then_some(length)
}

impl Question {
    /// With its header; none if the name or the password is longer than the limits allow.
    pub fn encode(&self) -> Option<Zeroizing<Vec<u8>>> {
        let secret = self.proof.as_ref().and_then(|claim| claim.password.as_ref());
        let password = secret.map_or(&[][..], Secret::expose);
        if self.name.len() > limits::ACCOUNT_OCTETS || password.len() > limits::PASSWORD_OCTETS {
            return None;
        }
        let trusts_clock = self.proof.as_ref().is_some_and(|claim| claim.trusts_clock);
        let flags = u8::from(self.allows_old) | u8::from(trusts_clock) << 1;
        let uid = self.proof.as_ref().and_then(|claim| claim.uid).unwrap_or(NO_UID);
        let length = FIXED_OCTETS + self.name.len() + password.len();
        // All its room at once: a buffer that grows leaves the password behind.
        let mut octets = Zeroizing::new(Vec::with_capacity(HEADER_OCTETS + length));
        octets.extend_from_slice(MAGIC);
        octets.extend_from_slice(&u16::try_from(length).ok()?.to_le_bytes());
        let kind = match &self.proof {
            None => 0,
            Some(Claim { password: Some(_), .. }) => 1,
            Some(Claim { password: None, .. }) => 2,
        };
        octets.extend_from_slice(&[kind, flags]);
        octets.extend_from_slice(&uid.to_le_bytes());
        octets.extend_from_slice(&u16::try_from(self.name.len()).ok()?.to_le_bytes());
        octets.extend_from_slice(self.name.as_bytes());
        octets.extend_from_slice(password);
        Some(octets)
    }

    /// Takes what follows a header; none if it is no question. Each question has one spelling (S-221).
    pub fn decode(octets: &[u8]) -> Option<Question> {
        let (fixed, rest) = octets.split_at_checked(FIXED_OCTETS)?;
        let [kind, flags, uid @ .., low, high] = fixed else { return None };
        let (name, password) = rest.split_at_checked(u16::from_le_bytes([*low, *high]).into())?;
        let name = str::from_utf8(name).ok()?;
        let is_name = !name.is_empty()
            && name.len() <= limits::ACCOUNT_OCTETS
            && !name.contains(|sign: char| sign.is_control() || sign == ':');
        let uid = Some(u32::from_le_bytes(uid.try_into().ok()?)).filter(|uid| *uid != NO_UID);
        let proof = match (kind, flags >> 1) {
            (0, 0) if password.is_empty() && uid.is_none() => None,
            (1, clock @ (0 | 1)) if (1..=limits::PASSWORD_OCTETS).contains(&password.len()) => {
                Some(Claim { uid, password: Some(Secret::new(password)), trusts_clock: clock == 1 })
            }
            (2, clock @ (0 | 1)) if password.is_empty() => {
                Some(Claim { uid, password: None, trusts_clock: clock == 1 })
            }
            _ => return None,
        };
        is_name.then(|| Question { name: name.into(), allows_old: flags & 1 == 1, proof })
    }
}

impl Answer {
    /// Octets of every answer, without its header.
    pub const OCTETS: usize = 5;

    /// With its header.
    pub fn encode(self) -> Vec<u8> {
        let number = |reason| Reason::ALL.iter().zip(0..).find(|(known, _)| **known == reason);
        let (kind, number) = match self {
            Answer::Account(uid) => (0, uid),
            Answer::Refused(reason) => (1, number(reason).map_or(0, |(_, number)| number)),
            Answer::Busy => (2, 0),
            Answer::Unreadable => (3, 0),
        };
        let mut octets = MAGIC.to_vec();
        octets.extend_from_slice(&[Answer::OCTETS as u8, 0, kind]);
        octets.extend_from_slice(&number.to_le_bytes());
        octets
    }

    /// Takes what follows a header; none if it is no answer.
    pub fn decode(octets: &[u8]) -> Option<Answer> {
        let (kind, number) = octets.split_first()?;
        let number = u32::from_le_bytes(number.try_into().ok()?);
        match (kind, number) {
            (0, NO_UID) => None,
            (0, uid) => Some(Answer::Account(uid)),
            (1, number) => Reason::ALL.get(usize::try_from(number).ok()?).copied().map(Answer::Refused),
            (2, 0) => Some(Answer::Busy),
            (3, 0) => Some(Answer::Unreadable),
            _ => None,
        }
    }
}

/// What everything begins with; its last octet is the version.
const MAGIC: &[u8; 4] = b"ppl1";
/// Kind, flags, uid, and the length of the name.
const FIXED_OCTETS: usize = 8;
/// The longest question.
const MOST_OCTETS: usize = FIXED_OCTETS + limits::ACCOUNT_OCTETS + limits::PASSWORD_OCTETS;
/// What system calls say for none.
const NO_UID: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn prove(name: &str, password: &str) -> Question {
        let claim = Claim { uid: Some(1005), password: Some(Secret::new(password)), trusts_clock: true };
        Question { name: name.into(), allows_old: false, proof: Some(claim) }
    }

    fn body(question: &Question) -> Vec<u8> {
        question.encode().unwrap()[HEADER_OCTETS..].to_vec()
    }

    #[test]
    fn questions_come_back_as_they_went() {
        let octets = prove("alice", "secret").encode().unwrap();
        assert_eq!(octets[..], *b"ppl1\x13\0\x01\x02\xED\x03\0\0\x05\0alicesecret");
        let length = length(octets.first_chunk().unwrap()).unwrap();
        assert_eq!(length, octets.len() - HEADER_OCTETS);
        let question = Question::decode(&octets[HEADER_OCTETS..]).unwrap();
        assert_eq!((question.name.as_str(), question.allows_old), ("alice", false));
        let claim = question.proof.unwrap();
        assert_eq!(
            (claim.uid, claim.password.unwrap().expose(), claim.trusts_clock),
            (Some(1005), &b"secret"[..], true)
        );

        let question = Question { name: "bob".into(), allows_old: true, proof: None };
        let question = Question::decode(&body(&question)).unwrap();
        assert!(question.proof.is_none() && question.allows_old && question.name == "bob");

        let claim = Claim { uid: None, password: None, trusts_clock: true };
        let question = Question { name: "bob".into(), allows_old: false, proof: Some(claim) };
        let claim = Question::decode(&body(&question)).unwrap().proof.unwrap();
        assert!(claim.uid.is_none() && claim.password.is_none() && claim.trusts_clock);
    }

    #[test]
    fn answers_come_back_as_they_went() {
        let refused = Reason::ALL.into_iter().map(Answer::Refused);
        for answer in refused.chain([
            Answer::Account(0),
            Answer::Account(4_294_967_294),
            Answer::Busy,
            Answer::Unreadable,
        ]) {
            let octets = answer.encode();
            assert_eq!(length(octets.first_chunk().unwrap()), Some(Answer::OCTETS));
            assert_eq!(Answer::decode(&octets[HEADER_OCTETS..]), Some(answer));
        }
        for bad in [
            &b""[..],
            b"\0",
            b"\0\xff\xff\xff\xff",
            b"\x01\xff\0\0\0",
            b"\x02\x01\0\0\0",
            b"\x04\0\0\0\0",
            b"\0\0\0\0\0\0",
        ] {
            assert_eq!(Answer::decode(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_question_is_refused_s_221() {
        let good = body(&prove("alice", "secret"));
        let changed = |place: usize, octet: u8| {
            let mut octets = good.clone();
            octets[place] = octet;
            octets
        };
        let find = body(&Question { name: "bob".into(), allows_old: false, proof: None });
        for (octets, why) in [
            (Vec::new(), "empty"),
            (good[..7].to_vec(), "no room for a name"),
            (good[..10].to_vec(), "a name cut off"),
            (good[..13].to_vec(), "no password"),
            (changed(0, 2), "a password where only the account is asked about"),
            (changed(0, 3), "another kind"),
            (changed(0, 0), "a password where none is proved"),
            (changed(1, 4), "another flag"),
            (changed(6, 0), "no name"),
            (changed(7, 1), "a name longer than all"),
            (changed(8, 0), "NUL"),
            (changed(9, b'\n'), "a line end"),
            (changed(9, b':'), "what parts fields"),
            (changed(9, 0xff), "no UTF-8"),
            ([&find[..], b"x"].concat(), "more than a find has"),
        ] {
            assert!(Question::decode(&octets).is_none(), "{why}");
        }
        assert!(Question::decode(&good).is_some());
    }

    #[test]
    fn lengths_are_held_at_their_edges_s_221() {
        let asked = |name: usize, password: usize| prove(&"n".repeat(name), &"p".repeat(password)).encode();
        let (name, password) = (limits::ACCOUNT_OCTETS, limits::PASSWORD_OCTETS);
        for (asked, is_taken) in [
            (asked(name - 1, password), true),
            (asked(name, password - 1), true),
            (asked(name, password), true),
            (asked(name + 1, 1), false),
            (asked(1, password + 1), false),
        ] {
            let read = asked.as_ref().and_then(|octets| length(octets.first_chunk()?));
            assert_eq!(read.is_some(), is_taken);
        }
        let header = |length: u16| [&MAGIC[..], &length.to_le_bytes()].concat().try_into().unwrap();
        let most = u16::try_from(MOST_OCTETS).unwrap();
        assert_eq!(length(&header(most)), Some(MOST_OCTETS));
        assert_eq!(length(&header(most + 1)), None);
        for foreign in [b"ppl2\0\0", b"EHLO x", b"ppc1\x01\0"] {
            assert_eq!(length(foreign), None);
        }
        // A name that takes the password's room, and the other way round.
        let mut octets = body(&prove(&"n".repeat(name), &"p".repeat(password)));
        octets[6..8].copy_from_slice(&u16::try_from(name + 1).unwrap().to_le_bytes());
        assert!(Question::decode(&octets).is_none());
        octets[6..8].copy_from_slice(&u16::try_from(name - 1).unwrap().to_le_bytes());
        assert!(Question::decode(&octets).is_none());
    }
}
