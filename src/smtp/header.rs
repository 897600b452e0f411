//! A walk along a message's header: what fields there are and where it ends. RFC 5322 §2.2, §3.6.

use memchr::memchr;

use crate::limits;
use crate::mail::Address;

/// Walks along the octets of a message, cut anywhere but between a CR and its LF: in linear time, in
/// fixed memory, and no further than [`limits::SCANNED_HEADER_OCTETS`] (S-121).
#[derive(Debug, Default)]
pub struct HeaderScan {
    place: Place,
    scanned_octets: usize,
    name: [u8; LONGEST_NAME_OCTETS],
    name_octets: usize,
    name_end: usize,
    value: Vec<u8>,
    awaited: Awaited,
    /// Who forwards it, sorted.
    forwarders: Vec<Address>,
    is_forwarded: bool,
    /// Received fields so far.
    pub received_fields: usize,
    /// Whether a Date field has been seen.
    pub has_date: bool,
    /// Whether a Message-ID field has been seen.
    pub has_message_id: bool,
    /// Whether the first line is a field (or the empty line); unknown until its colon has been seen.
    pub begins_with_field: Option<bool>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    Name,
    BehindName,
    /// In the value of Delivered-To.
    Value,
    RestOfLine,
    Over,
}

/// The recipients whose Delivered-To has not been seen.
#[derive(Debug, Default)]
struct Awaited {
    /// Sorted, each with whether it has been seen.
    recipients: Vec<(Address, bool)>,
    unseen: usize,
}

impl HeaderScan {
    /// Looks out for the Delivered-To fields of these recipients too.
    pub fn new(recipients: Vec<Address>) -> HeaderScan {
        HeaderScan { awaited: Awaited::new(recipients), ..HeaderScan::default() }
    }

    /// Looks out for the Delivered-To fields of those who will forward it, too.
    pub fn with_forwarders(mut self, mut forwarders: Vec<Address>) -> HeaderScan {
        forwarders.sort_unstable();
        self.forwarders = forwarders;
        self
    }

    /// Walks on; returns the place in `octets` of the empty line that ends the header, if it is there.
    pub fn scan(&mut self, octets: &[u8]) -> Option<usize> {
        let window = &octets[..octets.len().min(limits::SCANNED_HEADER_OCTETS - self.scanned_octets)];
        let mut at = 0;
        while self.place != Place::Over
            && let Some(&octet) = window.get(at)
        {
            at += match (self.place, octet) {
                (Place::RestOfLine, _) => self.skip_line(&window[at..]),
                (Place::Value, _) => self.take_value(&window[at..]),
                (Place::LineStart, b'\r') => {
                    self.begins_with_field.get_or_insert(true);
                    self.place = Place::Over;
                    return Some(at);
                }
                (Place::LineStart, b'!'..=b'9' | b';'..=b'~') => {
                    (self.place, self.name_octets) = (Place::Name, 0);
                    self.add_to_name(octet)
                }
                (Place::Name, b'!'..=b'9' | b';'..=b'~') => self.add_to_name(octet),
                (Place::Name | Place::BehindName, b':') => self.end_name(),
                (Place::Name | Place::BehindName, b' ' | b'\t') => {
                    self.place = Place::BehindName;
                    self.count_name()
                }
                _ => self.leave_line(),
            };
        }
        self.scanned_octets += window.len();
        if self.scanned_octets == limits::SCANNED_HEADER_OCTETS {
            self.place = Place::Over;
        }
        None
    }

    /// Whether the header has a Delivered-To of every recipient: the mail is on its way in a circle. A mail with new
    /// ones beside them is not, or they would lose it (S-120). One of somebody who has forwarded it before is enough:
    /// whoever is behind him would get it again in each round.
    pub fn is_delivered(&self) -> bool {
        self.is_forwarded || !self.awaited.recipients.is_empty() && self.awaited.unseen == 0
    }

    /// Whether nothing more is looked at.
    pub fn is_over(&self) -> bool {
        self.place == Place::Over
    }

    /// Whether the last line, of a header that is not over, has no end yet.
    pub fn is_inside_line(&self) -> bool {
        !matches!(self.place, Place::LineStart | Place::Over)
    }

    fn skip_line(&mut self, rest: &[u8]) -> usize {
        match memchr(b'\n', rest) {
            Some(end) => {
                self.place = Place::LineStart;
                end + 1
            }
            None => rest.len(),
        }
    }

    fn add_to_name(&mut self, octet: u8) -> usize {
        if let Some(place) = self.name.get_mut(self.name_octets) {
            *place = octet.to_ascii_lowercase();
        }
        self.name_end = self.name_octets + 1;
        self.count_name()
    }

    /// Counts the blanks behind a name too, so that an endless one is given up.
    fn count_name(&mut self) -> usize {
        self.name_octets += 1;
        if self.name_octets > LINE_OCTETS {
            return self.leave_line();
        }
        1
    }

    fn end_name(&mut self) -> usize {
        match self.name.get(..self.name_end) {
            Some(b"received") => self.received_fields += 1,
            Some(b"date") => self.has_date = true,
            Some(b"message-id") => self.has_message_id = true,
            Some(b"delivered-to") => {
                self.value.clear();
                self.place = Place::Value;
            }
            _ => {}
        }
        self.begins_with_field.get_or_insert(true);
        if self.place != Place::Value {
            self.place = Place::RestOfLine;
        }
        1
    }

    /// Keeps a value up to its line's end, but no more of it than makes it too long for an address.
    fn take_value(&mut self, rest: &[u8]) -> usize {
        let end = memchr(b'\n', rest);
        let part = &rest[..end.unwrap_or(rest.len())];
        self.value.extend_from_slice(&part[..part.len().min(VALUE_OCTETS + 1 - self.value.len())]);
        let Some(end) = end else { return rest.len() };
        if self.value.len() <= VALUE_OCTETS {
            self.see();
        }
        // What is found first decides, however the octets are cut.
        self.place = if self.is_delivered() { Place::Over } else { Place::LineStart };
        end + 1
    }

    fn see(&mut self) {
        let text = std::str::from_utf8(self.value.trim_ascii());
        let Some(address) = text.ok().and_then(|text| text.parse::<Address>().ok()) else { return };
        self.is_forwarded |= self.forwarders.binary_search(&address).is_ok();
        self.awaited.see(&address);
    }

    /// This line is no field, or the continuation of one.
    fn leave_line(&mut self) -> usize {
        self.begins_with_field.get_or_insert(false);
        self.place = Place::RestOfLine;
        0
    }
}

impl Awaited {
    fn new(mut recipients: Vec<Address>) -> Awaited {
        recipients.sort_unstable();
        recipients.dedup();
        let unseen = recipients.len();
        Awaited { recipients: recipients.into_iter().map(|recipient| (recipient, false)).collect(), unseen }
    }

    fn see(&mut self, address: &Address) {
        if let Ok(place) = self.recipients.binary_search_by(|(recipient, _)| recipient.cmp(address))
            && !std::mem::replace(&mut self.recipients[place].1, true)
        {
            self.unseen -= 1;
        }
    }
}

/// Octets of the longest name that is looked for, and one more.
const LONGEST_NAME_OCTETS: usize = 13;
/// Octets of the longest value that is an address: blanks around it, a CR, and what is gone once it is prepared.
const VALUE_OCTETS: usize = 2 * limits::PATH_OCTETS;
/// Octets of a line. RFC 5322 §2.1.1. A longer name is none.
const LINE_OCTETS: usize = 998;

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(pieces: &[&[u8]]) -> (HeaderScan, Option<usize>) {
        let (mut scan, mut before, mut end) = (HeaderScan::default(), 0, None);
        for piece in pieces {
            let found = scan.scan(piece);
            end = end.or(found.map(|at| before + at));
            before += piece.len();
        }
        (scan, end)
    }

    #[test]
    fn received_fields_are_counted_only_as_real_fields_s_119() {
        let message = b"Received: a\r\nRECEIVED : b\r\nreceived\t: c\r\n folded\r\n Received: not\r\n\
            X-Received: no\r\nReceived-SPF: no\r\nReceived\r\nReceived no: x\r\n\r\nReceived: body\r\n";
        let end = message.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 2;
        for size in 1..message.len() {
            let pieces: Vec<&[u8]> = message.chunks(size).collect();
            let (scan, found) = scan(&pieces);
            assert_eq!((scan.received_fields, found), (3, Some(end)), "by {size}");
            assert!(scan.is_over() && scan.begins_with_field == Some(true));
        }
    }

    fn delivered(recipients: &[&str], message: &[u8]) -> bool {
        let recipients = || recipients.iter().map(|text| text.parse().unwrap()).collect();
        let mut whole = HeaderScan::new(recipients());
        whole.scan(message);
        for size in [1, 7] {
            let mut scan = HeaderScan::new(recipients());
            for piece in message.chunks(size) {
                scan.scan(piece);
            }
            assert_eq!(scan.is_delivered(), whole.is_delivered(), "by {size}");
        }
        whole.is_delivered()
    }

    #[test]
    fn a_mail_that_was_delivered_to_all_its_recipients_is_known_s_120() {
        for field in [
            "Delivered-To: alice@home.lan\r\n",
            "delivered-to:ALICE@Home.LAN \t\r\n",
            "a: b\r\nDELIVERED-TO \t: \t alice@home.lan\r\nc: d\r\n",
            "Delivered-To: bob@home.lan\r\nDelivered-To: alice@home.lan\r\n",
        ] {
            assert!(delivered(&["alice@home.lan"], format!("{field}\r\nbody\r\n").as_bytes()), "{field:?}");
        }
        assert!(delivered(&["jörg@home.lan"], "Delivered-To: JÖRG@home.lan\r\n\r\n".as_bytes()));
    }

    /// A list with a member elsewhere whose mail comes back to the list: the others would have had it in each round.
    #[test]
    fn what_was_forwarded_before_by_one_who_forwards_is_known_s_118_s_120() {
        let forwarders = || vec!["team@home.lan".parse().unwrap(), "bob@home.lan".parse().unwrap()];
        for (field, is_known) in [
            ("Delivered-To: Team@home.lan\r\n", true),
            ("Delivered-To: bob@home.lan\r\nDelivered-To: carl@home.lan\r\n", true),
            ("Delivered-To: carl@home.lan\r\n", false),
            ("X-Delivered-To: team@home.lan\r\n", false),
            ("Subject: x\r\n\r\nDelivered-To: team@home.lan\r\n", false),
        ] {
            for recipients in [vec![], vec!["alice@home.lan".parse().unwrap()]] {
                for size in [1, 7, 1000] {
                    let mut scan = HeaderScan::new(recipients.clone()).with_forwarders(forwarders());
                    for piece in field.as_bytes().chunks(size) {
                        scan.scan(piece);
                    }
                    assert_eq!(scan.is_delivered(), is_known, "{field:?} by {size}");
                }
            }
        }
    }

    #[test]
    fn nobody_loses_mail_by_the_mark_of_another_s_120() {
        for message in [
            "Subject: x\r\n\r\nDelivered-To: alice@home.lan\r\n",
            "Delivered-To: bob@home.lan\r\n\r\n",
            "Delivered-To: alice@home.lan.example\r\n\r\n",
            "Delivered-To: xalice@home.lan\r\n\r\n",
            "Delivered-To: <alice@home.lan>\r\n\r\n",
            "Delivered-To: alice@home.lan bob@home.lan\r\n\r\n",
            "X-Delivered-To: alice@home.lan\r\n\r\n",
            "Delivered-Too: alice@home.lan\r\n\r\n",
            "Delivered-T: alice@home.lan\r\n\r\n",
            "To: alice@home.lan\r\n Delivered-To: alice@home.lan\r\n\r\n",
            "Delivered-To: alice@home.lan",
            "Delivered-To:\r\n\r\n",
            "Delivered-To\r\n alice@home.lan\r\n\r\n",
        ] {
            assert!(!delivered(&["alice@home.lan"], message.as_bytes()), "{message:?}");
        }
        let (alice, both) = (&["alice@home.lan"][..], &["alice@home.lan", "bob@home.lan"][..]);
        let marks = b"Delivered-To: alice@home.lan\r\nDelivered-To: alice@home.lan\r\n";
        assert!(delivered(alice, marks) && !delivered(both, marks));
        assert!(delivered(both, &[&marks[..], b"Delivered-To: bob@home.lan\r\n"].concat()));
        assert!(!delivered(&[], marks), "a mail to nobody has not been delivered");
        assert!(delivered(&["alice@home.lan", "alice@home.lan"], marks), "one twice is one");
        assert!(!delivered(alice, b"Delivered-To: \xC3\x28@home.lan\r\n\r\n"));
    }

    #[test]
    fn a_value_too_long_for_an_address_is_none_and_takes_no_memory_s_121() {
        for (octets, is_taken) in [(VALUE_OCTETS - 1, true), (VALUE_OCTETS, true), (VALUE_OCTETS + 1, false)]
        {
            let text = "alice@home.lan\r";
            let field = format!("Delivered-To:{}{text}\n", " ".repeat(octets - text.len()));
            assert_eq!(delivered(&["alice@home.lan"], field.as_bytes()), is_taken, "{octets}");
        }
        let mut scan = HeaderScan::new(vec!["alice@home.lan".parse().unwrap()]);
        scan.scan(&[&b"Delivered-To:"[..], &[b'x'; 50_000]].concat());
        assert!(scan.value.capacity() <= 2 * VALUE_OCTETS);
    }

    #[test]
    fn date_and_message_id_are_seen() {
        let (both, _) = scan(&[b"DATE: x\r\nmessage-id: y\r\n\r\n"]);
        assert!(both.has_date && both.has_message_id);
        let (none, _) = scan(&[b"Dat: x\r\nDates: y\r\nMessage-IDs: z\r\n\r\nDate: body\r\n"]);
        assert!(!none.has_date && !none.has_message_id);
    }

    #[test]
    fn the_first_line_tells_whether_there_is_a_header_s_124() {
        for (message, begins_with_field) in [
            (&b"a: b\r\n"[..], Some(true)),
            (b"\r\nbody", Some(true)),
            (b"From x\r\n", Some(false)),
            (b" a: b\r\n", Some(false)),
            (b":b\r\n", Some(false)),
            (b"\xC3\xA4: b\r\n", Some(false)),
            (b"Dear all\r\n", Some(false)),
            (b"Dear", None),
            (b"", None),
        ] {
            assert_eq!(scan(&[message]).0.begins_with_field, begins_with_field, "{message:?}");
        }
    }

    #[test]
    fn an_endless_name_is_none() {
        for (octets, begins_with_field) in [(997, None), (998, None), (999, Some(false))] {
            assert_eq!(scan(&[&vec![b'a'; octets]]).0.begins_with_field, begins_with_field, "{octets}");
            let blanks = [b"a".to_vec(), vec![b' '; octets - 1]].concat();
            assert_eq!(scan(&[&blanks]).0.begins_with_field, begins_with_field, "{octets} with blanks");
        }
    }

    #[test]
    fn nothing_is_seen_beyond_the_limit_s_121() {
        for (octets, received_fields) in [(-1, 1), (0, 1), (1, 0)] {
            let field = b"\r\nReceived:";
            let padding = limits::SCANNED_HEADER_OCTETS.checked_add_signed(octets).unwrap() - field.len();
            let message = [&b"a:"[..], &vec![b'x'; padding - 2], field, b" b\r\n\r\n"].concat();
            let (scan, _) = scan(&[&message]);
            assert_eq!(scan.received_fields, received_fields, "{octets}");
        }
    }
}
