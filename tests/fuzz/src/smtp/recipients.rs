//! Whom a mail goes to, as the model has it: mailboxes, and addresses elsewhere (O3-O6).

use std::collections::HashSet;

use poppet::limits;
use poppet::mail::{Address, Alias, Lane, MailboxId, RemoteAddress};
use poppet::smtp::{Door, Envelope, Event, ForwardPath, Leaving, Next, Recipient};

use super::Play;

/// A mail under way.
#[derive(Default)]
pub(super) struct Mail {
    mailboxes: Vec<MailboxId>,
    /// Each with the path that led to it first.
    leaving: Vec<(Leaving, String)>,
    /// All that were accepted.
    paths: HashSet<String>,
}

impl Mail {
    /// Whether no recipient has been accepted.
    pub fn is_for_nobody(&self) -> bool {
        self.paths.is_empty()
    }

    fn keep(&mut self, named: &str, mailboxes: &[(MailboxId, Address)], leaving: &[Leaving]) {
        self.paths.insert(named.to_owned());
        for (mailbox, _) in mailboxes {
            if !self.mailboxes.contains(mailbox) {
                self.mailboxes.push(*mailbox);
            }
        }
        for leaving in leaving {
            let is_new = |(other, _): &(Leaving, String)| !is_same(&other.recipient, &leaving.recipient);
            if self.leaving.iter().all(is_new) {
                self.leaving.push((leaving.clone(), named.to_owned()));
            }
        }
    }

    /// Of what comes in a circle nothing leaves: it has no line by which one of its forwarders is known (S-120).
    pub fn check_message(&self, message: &[u8]) {
        let marks: Vec<String> = self
            .leaving
            .iter()
            .filter_map(|(leaving, named)| Some(format!("Delivered-To: {}\r", leaving.mark(named)?)))
            .collect();
        let header = message.split(|&octet| octet == b'\n').take_while(|line| *line != b"\r");
        for line in header {
            let is_mark = marks.iter().any(|mark| mark.as_bytes() == line);
            assert!(!is_mark, "a mail is forwarded in a circle: {}", line.escape_ascii());
        }
    }

    fn check(self, envelope: &Envelope) {
        let mailboxes: Vec<MailboxId> = envelope.recipients.iter().map(|(mailbox, _)| *mailbox).collect();
        assert_eq!(mailboxes, self.mailboxes, "a message goes to others than were accepted");
        let of = |named: usize| envelope.named.get(named).map_or("", |named| &named.path).to_owned();
        let leaving: Vec<(Leaving, String)> =
            envelope.leaving.iter().map(|(leaving, named)| (leaving.clone(), of(*named))).collect();
        assert_eq!(leaving, self.leaving, "a message leaves for others than were accepted");
        let named: HashSet<String> = envelope.named.iter().map(|named| named.path.clone()).collect();
        assert_eq!(named, self.paths, "other paths are kept than were accepted");
    }
}

/// One person elsewhere, by the definition: a local part as it is, a domain in letters of any case.
fn is_same(one: &RemoteAddress, other: &RemoteAddress) -> bool {
    let of = |address: &RemoteAddress| {
        let (local, domain) = address.as_str().rsplit_once('@').unwrap_or((address.as_str(), ""));
        (local.to_owned(), domain.to_lowercase())
    };
    of(one) == of(other)
}

impl Play<'_> {
    pub(super) fn look_up(
        &mut self,
        path: ForwardPath,
        named: &RemoteAddress,
        choice: u8,
    ) -> (Next, Vec<u8>) {
        assert!(self.model.mail.is_some(), "RCPT without MAIL");
        let Ok(postmaster) = "postmaster@home.lan".parse::<Address>() else {
            return (Next::Close, Vec::new());
        };
        let address = match path {
            ForwardPath::Postmaster => Some(postmaster),
            ForwardPath::Role(_, domain) if domain == postmaster.domain() => Some(postmaster),
            ForwardPath::Address(address) if address.domain() == postmaster.domain() => Some(address),
            _ => None,
        };
        let recipient = match (address, choice % 16) {
            (_, 0) => return self.handle(Event::StoreFailed),
            (_, 1) => Recipient::UnknownUser,
            (_, 2) => Recipient::Locked,
            (_, 4) => Recipient::Full { is_final: choice & 0x20 != 0 },
            (_, 5) => Recipient::WouldReturn,
            (None, 6) => Recipient::NoWay,
            (None, 7..10) => Recipient::Outside(Vec::new(), vec![directly(named)]),
            (None, _) => Recipient::ForeignDomain,
            (Some(address), 6) => Recipient::Outside(Vec::new(), forwarded(&address, choice)),
            (Some(address), 7..10) => {
                Recipient::Outside(mailboxes(&address, choice), forwarded(&address, choice))
            }
            (Some(address), _) => Recipient::Mailboxes(mailboxes(&address, choice)),
        };
        let is_kept = match (&recipient, &mut self.model.mail) {
            (Recipient::Mailboxes(mailboxes), Some(mail)) => {
                mail.keep(named.as_str(), mailboxes, &[]);
                true
            }
            (Recipient::Outside(mailboxes, leaving), Some(mail)) => {
                mail.keep(named.as_str(), mailboxes, leaving);
                true
            }
            _ => false,
        };
        let (next, reply) = self.handle(Event::Recipient(recipient));
        assert_eq!(reply.starts_with(b"250 "), is_kept, "{}", reply.escape_ascii());
        (next, reply)
    }

    pub(super) fn check_envelope(&mut self, envelope: &Envelope) {
        let Some(mail) = self.model.mail.take() else { panic!("a message of no mail is stored") };
        mail.check(envelope);
        assert!(!envelope.is_for_nobody(), "a message goes to nobody");
        assert!(envelope.named.len() <= self.facts.recipients.min(limits::RECIPIENTS), "too many recipients");
        let asks = envelope.named.iter().any(|named| named.dsn != Default::default());
        assert!(
            self.facts.door == Door::Submission || !asks && envelope.dsn == Default::default(),
            "DSN is taken where it is not offered"
        );
    }
}

/// A list leads to one more.
fn mailboxes(address: &Address, choice: u8) -> Vec<(MailboxId, Address)> {
    let ids = [Some(u32::from(choice % 16)), (choice & 0x40 != 0).then_some(100)];
    ids.into_iter().flatten().map(|id| (MailboxId(id), address.clone())).collect()
}

fn directly(named: &RemoteAddress) -> Leaving {
    let lane = Lane::Direct(named.domain_text().into());
    Leaving { recipient: named.clone(), lane, chooser: None, forwarder: None }
}

/// Whom an address of ours forwards to: one of several spellings, or two.
fn forwarded(address: &Address, choice: u8) -> Vec<Leaving> {
    let forwarder = match choice >> 4 & 3 {
        0 => Alias::CatchAll(address.domain()),
        1 => Alias::Domain(address.domain()),
        _ => Alias::Address(address.clone()),
    };
    let recipients = match choice >> 6 {
        0 => &["bob@far.example"][..],
        1 => &["bob@FAR.example"],
        2 => &["\"b o@b\"@far.example", "Bob@far.example"],
        _ => &["bob@far.example", "jörg@HÖME.example"],
    };
    let leaving = |recipient: &&str| Leaving {
        recipient: RemoteAddress::from_path(recipient),
        lane: Lane::SmartHost,
        chooser: None,
        forwarder: Some(forwarder.clone()),
    };
    recipients.iter().map(leaving).collect()
}
