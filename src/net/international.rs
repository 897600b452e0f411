//! International mail for a client that can't read it: its surrogate, reckoned once and made at each reading. RFC 6858.
//!
//! How long a surrogate is stands with each recipient's message from its delivery on, so that a listing needs no
//! message; the surrogate itself is made of what is stored, whenever somebody wants it.
//!
//! Only mail that says what it is gets one. A header beyond ASCII without SMTPUTF8 is served as it is stored: nobody
//! knows in which letters it was written, old clients have their own ways to guess, and a look at every header would
//! cost all mail for the sake of what is broken.

use super::body::Outgoing;
use crate::limits;
use crate::store::{Chunk, Opened, Store, StoreError, Upload};
use crate::wire::surrogate::{header_end, surrogate};

/// How long the surrogates of a mail are; their headers differ by what stands before the body for each recipient.
#[derive(Debug, PartialEq, Eq)]
pub struct Reckoning {
    /// Octets of the body with the surrogate of its header.
    body_octets: u64,
    is_changed: bool,
}

impl Reckoning {
    /// Looks at a body that has come in whole. Errs if what of it has streamed into the file can't be read.
    pub async fn of(upload: &Upload) -> Result<Reckoning, StoreError> {
        let front = upload.front(limits::SCANNED_HEADER_OCTETS).await?;
        Ok(Reckoning::with(&front, upload.octets()))
    }

    fn with(front: &[u8], body_octets: u64) -> Reckoning {
        let header = header(front, body_octets);
        match surrogate(header) {
            Some(shown) => Reckoning {
                body_octets: body_octets - header.len() as u64 + shown.len() as u64,
                is_changed: true,
            },
            None => Reckoning { body_octets, is_changed: false },
        }
    }

    /// Octets of the surrogate with that before its body; 0 if it would be what is stored.
    pub fn octets_behind(&self, prefix: &[u8]) -> u32 {
        let shown = surrogate(prefix);
        if !self.is_changed && shown.is_none() {
            return 0;
        }
        let prefix_octets = shown.as_deref().unwrap_or(prefix).len() as u64;
        // Longer than any message can be, it stays as it is.
        u32::try_from(self.body_octets + prefix_octets).unwrap_or(0)
    }
}

/// Whether the header of a body that has come in whole goes beyond ASCII, or is too long for anybody to know. What stands
/// behind it counts for nothing: the fields of a part are the reader's, and every server hands them on as text. Errs if
/// what of it has streamed into the file can't be read.
pub async fn is_header_foreign(upload: &Upload) -> Result<bool, StoreError> {
    let front = upload.front(limits::SCANNED_HEADER_OCTETS).await?;
    let is_unknown = header_end(&front).is_none() && front.len() as u64 != upload.octets();
    Ok(is_unknown || !header(&front, upload.octets()).is_ascii())
}

/// The message with the surrogate of its header, and its octets reckoned anew. Errs if the header can't be read.
pub async fn downgrade(store: &Store, mut opened: Opened) -> Result<Outgoing, StoreError> {
    let prefix = std::mem::take(&mut opened.prefix);
    let body_octets = opened.octets.saturating_sub(prefix.len() as u64);
    let Chunk(mut front) = opened.first.take().unwrap_or(Chunk(Vec::new()));
    let (mut index, mut begins_at) = (0, 0);
    while index + 1 < opened.chunks
        && front.len() < limits::SCANNED_HEADER_OCTETS
        && header_end(&front).is_none()
    {
        index += 1;
        begins_at = front.len();
        front.extend_from_slice(&store.chunk(opened.blob, index).await?.0);
    }
    let header = header(&front, body_octets);
    let (header_octets, shown_header) = match surrogate(header) {
        Some(shown) => (header.len(), shown),
        None => (0, Vec::new()),
    };
    let mut shown = surrogate(&prefix).unwrap_or(prefix);
    shown.extend_from_slice(&shown_header);
    opened.octets = shown.len() as u64 + body_octets.saturating_sub(header_octets as u64);
    opened.prefix = shown;
    // What is not shown ends in the last chunk that was read, if there is any.
    let (index, from) = if header_octets > 0 { (index, header_octets - begins_at) } else { (0, 0) };
    opened.first = (begins_at == 0 && opened.chunks > 0).then_some(Chunk(front));
    Ok(Outgoing { opened, index, from })
}

/// The header in the front of a body of so many octets; nothing if it goes on behind the front.
fn header(front: &[u8], body_octets: u64) -> &[u8] {
    match header_end(front) {
        Some(end) => &front[..end],
        None if front.len() as u64 >= body_octets => front,
        None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::Folder;
    use crate::clock::{Clock, UnixTime};
    use crate::mail::{MailboxId, MailboxMark, MessageId, Uid};
    use crate::store::{Delivery, Options};
    use crate::ticket::block_on;

    const HEADER: &str = "Received: from x\r\nSubject: Grüße\r\nX-Y: ö\r\n\r\n";
    const SHOWN: &str = "Received: from x\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n\r\n";
    const PREFIXES: [&str; 3] = [
        "Return-Path: <a@b.test>\r\nDelivered-To: alice@home.lan\r\n",
        "Return-Path: <a@b.test>\r\nDelivered-To: bob@home.lan\r\n",
        "Return-Path: <a@b.test>\r\nDelivered-To: jörg@home.lan\r\n",
    ];

    struct House {
        store: Store,
        mailboxes: Vec<MailboxId>,
        _folder: Folder,
    }

    impl House {
        fn open() -> House {
            let folder = Folder::new();
            let clock = Clock::system(UnixTime(0));
            let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
            store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
            let add = |name| {
                let address = format!("{name}@home.lan").parse().unwrap();
                store.add_mailbox(address, MailboxMark([0; 16]), Vec::new()).wait().unwrap()
            };
            let mailboxes = ["alice", "bob", "jörg"].into_iter().map(add).collect();
            House { mailboxes, store, _folder: folder }
        }

        /// Delivers a body to everybody, with what is reckoned for each; cut where a slow sender's would be.
        fn deliver(&self, body: &[u8], cuts: &[usize]) {
            let mut upload = self.store.upload();
            let mut from = 0;
            for &cut in cuts {
                block_on(upload.push(&body[from..cut])).unwrap();
                block_on(upload.give_way()).unwrap();
                from = cut;
            }
            block_on(upload.push(&body[from..])).unwrap();
            let reckoning = block_on(Reckoning::of(&upload)).unwrap();
            let delivery = |(&mailbox, prefix): (&MailboxId, &str)| {
                let surrogate_octets = reckoning.octets_behind(prefix.as_bytes());
                Delivery { surrogate_octets, ..Delivery::to(mailbox, prefix.into()) }
            };
            let deliveries = self.mailboxes.iter().zip(PREFIXES).map(delivery).collect();
            upload.finish(deliveries).wait().unwrap();
        }

        /// The newest message of somebody as a client without UTF8 gets it, none if that is as it is stored; what is
        /// listed is what is sent (P7).
        fn surrogate(&self, who: usize) -> Option<Vec<u8>> {
            let mailbox = self.mailboxes[who];
            let snapshot = self.store.snapshot(mailbox).wait().unwrap();
            let (uid, _) = *snapshot.messages.last().unwrap();
            let listed = snapshot.surrogates.last().filter(|(of, _)| *of == uid).map(|(_, octets)| *octets);
            let opened = self.store.open_message(MessageId { mailbox, uid }).wait().unwrap().unwrap();
            assert_eq!(opened.is_international, listed.is_some());
            let Outgoing { opened, index, from } = block_on(downgrade(&self.store, opened)).unwrap();
            let chunk = |index| self.store.chunk(opened.blob, index).wait().unwrap();
            assert!(opened.first.as_ref().is_none_or(|first| *first == chunk(index)));
            let rest: Vec<u8> = (index..opened.chunks).flat_map(|index| chunk(index).0).collect();
            let octets = [&opened.prefix, &rest[from..]].concat();
            assert_eq!(opened.octets, octets.len() as u64, "what is announced is what is sent");
            assert_eq!(u64::from(listed?), opened.octets, "what is listed is what is announced");
            Some(octets)
        }

        fn assert_shown(&self, body: &[u8], cuts: &[usize], shown: Option<&[u8]>) {
            self.deliver(body, cuts);
            for (who, prefix) in PREFIXES.iter().enumerate() {
                let ascii = prefix.is_ascii();
                let prefix = if ascii { prefix } else { "Return-Path: <a@b.test>\r\n" };
                let wanted = match shown {
                    Some(shown) => Some([prefix.as_bytes(), shown].concat()),
                    // His own address alone is no reason to show a header that can't be read.
                    None if ascii => None,
                    None => Some([prefix.as_bytes(), body].concat()),
                };
                let got = self.surrogate(who);
                assert!(got == wanted, "{who}, {} octets cut at {cuts:?}", body.len());
            }
        }
    }

    fn with_body(header: &str, octets: usize) -> Vec<u8> {
        let line = "Grüße, 70 Zeichen ......................................... 70\r\n";
        let body: Vec<u8> = line.bytes().cycle().take(octets).collect();
        [header.as_bytes(), &body].concat()
    }

    #[test]
    fn what_is_reckoned_is_what_is_sent_whatever_the_body_s_length() {
        let house = House::open();
        let header = HEADER.len();
        for octets in [0, 1, 4076 - header, 4077 - header, 65_516 - header, 65_517 - header, 300_000] {
            house.assert_shown(&with_body(HEADER, octets), &[], Some(&with_body(SHOWN, octets)));
        }
    }

    #[test]
    fn a_header_may_be_cut_into_chunks_anywhere() {
        let house = House::open();
        let (body, shown) = (with_body(HEADER, 500), with_body(SHOWN, 500));
        for cut in 1..=HEADER.len() + 1 {
            house.assert_shown(&body, &[cut], Some(&shown));
        }
        let end = HEADER.len();
        house.assert_shown(&body, &[1, 2, end - 3, end - 2, end - 1, end], Some(&shown));
    }

    #[test]
    fn headers_are_shown_up_to_the_limit_also_from_within_the_file() {
        let house = House::open();
        let filled = |header: &str, octets: usize| {
            let (front, behind) = header.split_at("Received: from x\r\n".len());
            format!("{front}X: {}\r\n{behind}", "x".repeat(octets - HEADER.len() - "X: \r\n".len()))
        };
        let limit = limits::SCANNED_HEADER_OCTETS;
        for (octets, is_shown) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
            let header = filled(HEADER, octets);
            assert_eq!(header.len(), octets);
            for (behind, cuts) in [(0, &[][..]), (10, &[100, 70_000]), (300_000, &[102_400])] {
                let shown = with_body(&filled(SHOWN, octets), behind);
                house.assert_shown(&with_body(&header, behind), cuts, is_shown.then_some(&shown[..]));
            }
        }
    }

    #[test]
    fn mail_that_needs_no_surrogate_or_can_have_none_stays_as_it_is() {
        let house = House::open();
        for body in [
            &b"Received: from x\r\nSubject: x\r\n\r\nGr\xC3\xBC\xC3\x9Fe\r\n"[..],
            b"Received: from x\r\nSubject: Gr\xFC\xDFe\r\n\r\nGr\xC3\xBC\xC3\x9Fe\r\n",
            b"Received: from x\r\n",
            b"\r\nGr\xC3\xBC\xC3\x9Fe\r\n",
            b"",
        ] {
            house.assert_shown(body, &[], None);
        }
        let all_header = HEADER.trim_end().to_owned() + "\r\n";
        let shown = SHOWN.trim_end().to_owned() + "\r\n";
        house.assert_shown(all_header.as_bytes(), &[], Some(shown.as_bytes()));
    }

    /// Some clients say SMTPUTF8 of all their mail. Whatever had an octet beyond ASCII, if only in its text, was sent to no
    /// server without it.
    #[test]
    fn only_a_header_beyond_ascii_is_foreign_as_far_as_anybody_looks() {
        let house = House::open();
        let is_foreign = |body: &[u8], cut: usize| {
            let mut upload = house.store.upload();
            block_on(upload.push(&body[..cut])).unwrap();
            block_on(upload.give_way()).unwrap();
            block_on(upload.push(&body[cut..])).unwrap();
            block_on(is_header_foreign(&upload)).unwrap()
        };
        for (body, wanted) in [
            (&b"Subject: x\r\n\r\nGr\xC3\xBC\xC3\x9Fe\r\n"[..], false),
            (b"Subject: Gr\xC3\xBC\xC3\x9Fe\r\n\r\nx\r\n", true),
            (b"Subject: Gr\xC3\xBC\xC3\x9Fe\r\n", true),
            (b"Subject: x\r\n", false),
            (b"\r\nGr\xC3\xBC\xC3\x9Fe\r\n", false),
            (b"", false),
        ] {
            assert!((0..=body.len()).all(|cut| is_foreign(body, cut) == wanted), "{}", body.escape_ascii());
        }
        let limit = limits::SCANNED_HEADER_OCTETS;
        for (octets, wanted) in [(limit - 1, false), (limit, false), (limit + 1, true)] {
            let header = format!("X: {}\r\n\r\n", "x".repeat(octets - "X: \r\n\r\n".len()));
            let body = [header.as_bytes(), "Grüße\r\n".as_bytes()].concat();
            assert_eq!(is_foreign(&body, 70_000), wanted, "{octets}");
        }
    }

    #[test]
    fn a_surrogate_too_long_to_be_counted_is_none() {
        let most = u64::from(u32::MAX) - 2;
        for (body_octets, octets) in [(most - 1, u32::MAX - 1), (most, u32::MAX), (most + 1, 0)] {
            let reckoning = Reckoning { body_octets, is_changed: true };
            assert_eq!(reckoning.octets_behind(b"ab"), octets);
        }
    }

    #[test]
    fn a_header_that_can_not_be_read_is_an_error_not_another_header() {
        let house = House::open();
        house.deliver("Received: from x\r\nSubject: Grüße\r\n".as_bytes(), &[20]);
        let message = MessageId { mailbox: house.mailboxes[0], uid: Uid(1) };
        let mut opened = house.store.open_message(message).wait().unwrap().unwrap();
        opened.chunks += 1;
        assert!(matches!(block_on(downgrade(&house.store, opened)), Err(StoreError::Damaged(_))));
    }
}
