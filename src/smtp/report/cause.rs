//! Why a recipient has not got a mail, as far as a server's answer tells it. RFC 3463 §3, RFC 5321 §4.2.3.

use crate::smtp::client::Verdict;

/// What keeps a mail from its recipient, in kinds that a person can do something about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// There is no such mailbox.
    NoSuchMailbox,
    /// There is no such domain, or it takes no mail.
    NoSuchDomain,
    /// The mailbox takes nothing.
    Closed,
    /// The mailbox is full.
    MailboxFull,
    /// The mail is too large.
    TooLarge,
    /// Too large, or the mailbox is full: the server doesn't say which.
    NoRoom,
    /// The server doesn't want it.
    Refused,
    /// We may not send there.
    NotAllowed,
    /// The sender is not believed, or not known.
    BadSender,
    /// The server can't take letters beyond ASCII in addresses or header.
    NeedsUtf8,
    /// The server can't take 8-bit letters.
    EightBit,
    /// It goes round in circles.
    Loop,
    /// Too many recipients at once.
    TooMany,
    /// Nobody could be reached.
    Unreachable,
    /// The server puts it off.
    Busy,
    /// It may have arrived.
    Unsure,
}

/// A server's answer, or what we found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    /// What it means; none where nobody was asked.
    pub verdict: Option<Verdict>,
    /// The code; 0 where no server said it.
    pub code: u16,
    /// RFC 3463.
    pub enhanced: Option<[u16; 3]>,
}

impl Said {
    /// Takes what stands at the front of a text: `550`, `550 5.1.1 `; where it is nothing of the kind, no server has said
    /// it.
    pub fn parse(text: &str) -> Said {
        let mut words = text.split(' ');
        let is_code = |word: &&str| word.len() == 3 && word.bytes().all(|digit| digit.is_ascii_digit());
        let code = words.next().filter(is_code).and_then(|word| word.parse().ok()).unwrap_or(0);
        let enhanced = if code == 0 { None } else { words.next().and_then(parse_enhanced) };
        Said { verdict: None, code, enhanced }
    }

    /// What it means for a person.
    pub fn cause(self) -> Cause {
        if self.verdict == Some(Verdict::Unsure) {
            return Cause::Unsure;
        }
        let is_final = self.verdict == Some(Verdict::Never);
        match self.enhanced {
            Some([_, subject, detail]) if subject > 0 => self.enhanced_cause(subject, detail, is_final),
            _ => self.plain_cause(is_final),
        }
    }

    /// The code of RFC 3463 for the report of a recipient who has not got it: the actual problem (RFC 3463 §3.5, X.4.7),
    /// in a class that says whether it will ever do.
    pub fn status(self, is_late: bool) -> [u16; 3] {
        let class = if self.verdict == Some(Verdict::Never) { 5 } else { 4 };
        match self.enhanced {
            Some([_, subject, detail]) => [class, subject, detail],
            None if class == 5 => match self.cause() {
                Cause::NoSuchMailbox => [5, 1, 1],
                Cause::NoSuchDomain => [5, 1, 2],
                _ => [5, 0, 0],
            },
            None if self.code == 0 => [4, 4, 1],
            None if is_late => [4, 0, 0],
            None => [4, 4, 7],
        }
    }

    fn enhanced_cause(self, subject: u16, detail: u16, is_final: bool) -> Cause {
        let is_own = self.code == 0;
        match (subject, detail) {
            (1, 2 | 10) | (4, 4) => Cause::NoSuchDomain,
            (1, 7..=9) => Cause::BadSender,
            (1, _) => Cause::NoSuchMailbox,
            (2, 1) => Cause::Closed,
            (2, 2) => Cause::MailboxFull,
            (2, 3) | (3, 4) => Cause::TooLarge,
            (3, 1) => Cause::NoRoom,
            (4, 6) => Cause::Loop,
            (4, _) if is_own => Cause::Unreachable,
            (5, 3) => Cause::TooMany,
            (6, 7..=10) => Cause::NeedsUtf8,
            (6, 1 | 3 | 5) => Cause::EightBit,
            (7, _) if is_own => Cause::NotAllowed,
            (7, 8..=11 | 13) if is_final => Cause::NotAllowed,
            _ if is_final => Cause::Refused,
            _ => Cause::Busy,
        }
    }

    fn plain_cause(self, is_final: bool) -> Cause {
        match self.code {
            530 | 534 | 535 | 538 => Cause::NotAllowed,
            551 | 553 => Cause::NoSuchMailbox,
            521 | 556 => Cause::NoSuchDomain,
            452 | 552 => Cause::NoRoom,
            _ if is_final => Cause::Refused,
            0 => Cause::Unreachable,
            _ => Cause::Busy,
        }
    }
}

fn parse_enhanced(word: &str) -> Option<[u16; 3]> {
    let mut numbers = word.split('.').map(|number| match number.len() {
        1..=3 => number.parse::<u16>().ok().filter(|_| number.bytes().all(|digit| digit.is_ascii_digit())),
        _ => None,
    });
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    (numbers.next().is_none() && matches!(found[0], 2 | 4 | 5)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Option<Verdict> = Some(Verdict::Never);
    const LATER: Option<Verdict> = Some(Verdict::Later);

    #[test]
    fn an_answer_is_told_by_what_a_person_can_do_about_it() {
        for (verdict, code, enhanced, cause, status) in [
            (NEVER, 550, Some([5, 1, 1]), Cause::NoSuchMailbox, [5, 1, 1]),
            (NEVER, 550, Some([5, 1, 0]), Cause::NoSuchMailbox, [5, 1, 0]),
            (NEVER, 0, Some([5, 1, 10]), Cause::NoSuchDomain, [5, 1, 10]),
            (NEVER, 0, Some([5, 1, 2]), Cause::NoSuchDomain, [5, 1, 2]),
            (NEVER, 0, Some([5, 4, 4]), Cause::NoSuchDomain, [5, 4, 4]),
            (NEVER, 550, Some([5, 1, 8]), Cause::BadSender, [5, 1, 8]),
            (NEVER, 550, Some([5, 2, 1]), Cause::Closed, [5, 2, 1]),
            (NEVER, 552, Some([5, 2, 2]), Cause::MailboxFull, [5, 2, 2]),
            (LATER, 452, Some([4, 2, 2]), Cause::MailboxFull, [4, 2, 2]),
            (NEVER, 0, Some([5, 3, 4]), Cause::TooLarge, [5, 3, 4]),
            (NEVER, 552, Some([5, 2, 3]), Cause::TooLarge, [5, 2, 3]),
            (NEVER, 552, None, Cause::NoRoom, [5, 0, 0]),
            (LATER, 452, None, Cause::NoRoom, [4, 4, 7]),
            (NEVER, 550, Some([5, 7, 1]), Cause::Refused, [5, 7, 1]),
            (NEVER, 554, None, Cause::Refused, [5, 0, 0]),
            (NEVER, 550, Some([5, 0, 0]), Cause::Refused, [5, 0, 0]),
            (LATER, 450, Some([4, 7, 1]), Cause::Busy, [4, 7, 1]),
            (NEVER, 535, None, Cause::NotAllowed, [5, 0, 0]),
            (NEVER, 530, Some([5, 7, 0]), Cause::Refused, [5, 7, 0]),
            (LATER, 0, Some([4, 7, 5]), Cause::NotAllowed, [4, 7, 5]),
            (NEVER, 553, None, Cause::NoSuchMailbox, [5, 1, 1]),
            (NEVER, 556, None, Cause::NoSuchDomain, [5, 1, 2]),
            (NEVER, 0, Some([5, 6, 7]), Cause::NeedsUtf8, [5, 6, 7]),
            (NEVER, 0, Some([5, 6, 3]), Cause::EightBit, [5, 6, 3]),
            (NEVER, 554, Some([5, 4, 6]), Cause::Loop, [5, 4, 6]),
            (LATER, 452, Some([4, 5, 3]), Cause::TooMany, [4, 5, 3]),
            (LATER, 421, None, Cause::Busy, [4, 4, 7]),
            (LATER, 0, None, Cause::Unreachable, [4, 4, 1]),
            (None, 0, None, Cause::Unreachable, [4, 4, 1]),
            (None, 421, Some([4, 3, 2]), Cause::Busy, [4, 3, 2]),
            (Some(Verdict::Unsure), 0, None, Cause::Unsure, [4, 4, 1]),
            // A server that answers a lasting no with a code for a passing one.
            (NEVER, 550, Some([4, 2, 2]), Cause::MailboxFull, [5, 2, 2]),
        ] {
            let said = Said { verdict, code, enhanced };
            assert_eq!((said.cause(), said.status(false)), (cause, status), "{said:?}");
        }
        assert_eq!(Said { verdict: LATER, code: 450, enhanced: None }.status(true), [4, 0, 0]);
    }

    #[test]
    fn codes_are_found_only_where_a_server_has_said_them() {
        for (text, code, enhanced) in [
            ("550 5.1.1 no such user", 550, Some([5, 1, 1])),
            ("454 4.7.0", 454, Some([4, 7, 0])),
            ("421 come again", 421, None),
            ("421", 421, None),
            ("550 5.1 x", 550, None),
            ("550 5.1.1.1 x", 550, None),
            ("550 9.1.1 x", 550, None),
            ("550 5.+1.1 x", 550, None),
            ("550 5.1111.1 x", 550, None),
            ("no answer", 0, None),
            ("1234 4.1.1 x", 0, None),
            ("+50 5.1.1", 0, None),
            ("", 0, None),
        ] {
            assert_eq!(Said::parse(text), Said { verdict: None, code, enhanced }, "{text:?}");
        }
    }
}
