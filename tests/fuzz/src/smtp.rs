//! An SMTP session played against a store that is a model, and what must hold of each reply and each wish.

mod chunks;
mod recipients;

use poppet::clock::UnixTime;
use poppet::smtp::{
    DataEnd, Device, Door, Envelope, Event, Facts, Next, Now, Receiver, ReversePath, Session,
};
use poppet::wire::line::LineFault;

use crate::choices::{Choices, Cuts};
use crate::peer::{Heard, Peer};
use crate::{claims, replies};
use recipients::Mail;

/// Plays an input: choices, then what the peer says; and once more in other segments, which must not matter.
pub fn play(input: &[u8]) {
    let Some((mut choices, stream)) = Choices::take(input) else { return };
    let cuts = Cuts::drawn(choices.octet());
    let whole = Play::new(choices.clone()).run(stream, Cuts::Whole);
    let cut = Play::new(choices).run(stream, cuts);
    assert!(whole == cut, "segments matter:\n{}\n{}", whole.escape_ascii(), cut.escape_ascii());
}

struct Play<'a> {
    session: Session,
    choices: Choices<'a>,
    facts: Facts,
    /// All replies and all messages that were stored.
    transcript: Vec<u8>,
    model: Model,
    /// The message that comes in chunks, and its receiver.
    chunks: Option<(Receiver, Vec<u8>)>,
    /// Whether octets of a message are held, which must go with their mail.
    is_holding: bool,
    /// Octets of chunks that were thrown away since a mail was stored.
    skipped_octets: u64,
}

/// What the peer has reached, told from the replies alone.
#[derive(Default)]
struct Model {
    has_said_hello: bool,
    is_exchanging: bool,
    is_verified: bool,
    is_logged_in: bool,
    is_closed: bool,
    /// Whether the store has let the sender of the mail under way pass.
    has_sender: bool,
    /// The mail under way.
    mail: Option<Mail>,
    /// Octets of the chunks that have come of it; none before the first.
    chunk_octets: Option<u64>,
    /// Whether a message has come whole and good.
    has_message: bool,
}

impl Model {
    fn forget_mail(&mut self) {
        (self.mail, self.chunk_octets) = (None, None);
    }
}

const NOW: Now = Now { at: UnixTime(1_800_000_000), is_suspect: false };

impl<'a> Play<'a> {
    fn new(mut choices: Choices<'a>) -> Play<'a> {
        let terms = choices.terms();
        let shape = choices.octet();
        let tls = terms.channel.is_some().then(|| "TLSv1.3 TLS13_AES_128_GCM_SHA256".to_owned());
        let facts = Facts {
            door: if shape & 1 == 1 { Door::Submission } else { Door::Mx },
            hostname: "home.lan".into(),
            peer: [192, 0, 2, 7].into(),
            offers_starttls: shape & 2 == 2 && tls.is_none(),
            tls,
            terms,
            tls_terms: None,
            message_octets: [2000, 100, 65_536, 0][usize::from(shape >> 2 & 3)],
            recipients: [3, 1, 100, 0][usize::from(shape >> 4 & 3)],
            // No letter has the highest bit.
            device: (shape & 0x80 != 0).then(|| {
                let sender = (shape & 4 != 0).then(|| "scanner@home.lan".parse().ok()).flatten();
                Box::new(Device { name: "scanner".into(), sender, is_lenient: shape & 0x40 != 0 })
            }),
        };
        let session = Session::new(facts.clone());
        Play {
            session,
            choices,
            facts,
            transcript: Vec::new(),
            model: Model::default(),
            chunks: None,
            is_holding: false,
            skipped_octets: 0,
        }
    }

    fn run(mut self, stream: &[u8], cuts: Cuts) -> Vec<u8> {
        let mut peer = Peer::new(stream, cuts).lenient(self.is_lenient_device());
        let (next, reply) = self.handle(Event::Connected);
        assert!(matches!(next, Next::Read) && reply.starts_with(b"220 "), "the greeting is one line");
        while !self.model.is_closed {
            match peer.line(self.session.line_limit()) {
                Heard::Line(line, is_followed) => self.line(&line, is_followed, &mut peer),
                Heard::Faulty(fault) => self.faulty_line(fault),
                Heard::Silence => self.misstep(),
            }
        }
        for event in [Event::Connected, Event::Line { line: b"NOOP", is_followed: false }, Event::Stored] {
            let next = self.session.handle(event, &mut Vec::new());
            assert!(matches!(next, Next::Close), "it goes on after its end");
        }
        self.transcript
    }

    fn is_lenient_device(&self) -> bool {
        self.facts.device.as_ref().is_some_and(|device| device.is_lenient)
    }

    fn may_submit(&self) -> bool {
        self.model.is_logged_in || self.facts.device.is_some()
    }

    fn handle(&mut self, event: Event<'_>) -> (Next, Vec<u8>) {
        let mut out = Vec::new();
        let next = self.session.handle(event, &mut out);
        self.transcript.extend_from_slice(&out);
        self.model.is_closed = matches!(next, Next::Close);
        (next, out)
    }

    fn line(&mut self, line: &[u8], is_followed: bool, peer: &mut Peer<'_>) {
        let was_exchanging = std::mem::take(&mut self.model.is_exchanging);
        let (mut next, mut reply) = self.handle(Event::Line { line, is_followed });
        while !matches!(next, Next::Read | Next::Close) {
            let choice = self.choices.octet();
            if choice == 0xFF {
                return self.answer_wrongly();
            }
            let is_receiving = matches!(next, Next::Receive);
            let Some((then, more)) = self.fulfil(next, line, is_followed, choice, peer) else {
                self.model.is_closed = true;
                return;
            };
            next = then;
            if is_receiving {
                assert!(reply.starts_with(b"354 "), "it receives without a word");
                reply.clear();
            }
            reply.extend(more);
        }
        let lines = replies::lines(&reply);
        let codes = replies::smtp_codes(&lines);
        if matches!(next, Next::Close) {
            // A reply to the command may stand before the one that says why the session ends.
            assert!(
                matches!(codes.len(), 1 | 2) && (codes[codes.len() - 1] >= 400 || codes == [221]),
                "it ends with {lines:?}"
            );
            return;
        }
        assert_eq!(codes.len(), 1, "more or less than one reply: {lines:?}");
        self.model.is_exchanging = codes[0] == 334;
        assert_eq!(
            self.session.is_logged_in(),
            codes[0] == 235 || self.model.is_logged_in,
            "it is logged on, or is not"
        );
        if codes[0] == 235 {
            assert!(self.model.is_verified, "it lets somebody in whose claim nobody has verified");
            self.model.is_logged_in = true;
        }
        if !was_exchanging && codes[0] == 250 {
            self.follow(line);
        }
        assert!(self.model.mail.is_some() || !self.is_holding, "octets of a mail that is no more are held");
    }

    /// What a command that was taken changes.
    fn follow(&mut self, line: &[u8]) {
        let verb = line.split(|&octet| octet == b' ').next().unwrap_or_default().to_ascii_uppercase();
        match &verb[..] {
            b"EHLO" | b"HELO" => {
                self.model.has_said_hello = true;
                self.model.forget_mail();
            }
            b"RSET" => self.model.forget_mail(),
            b"MAIL" => self.model.mail = Some(Mail::default()),
            _ => {}
        }
    }

    /// Does what the session wishes, or says that it can't be done; none if the peer has gone meanwhile.
    fn fulfil(
        &mut self,
        next: Next,
        line: &[u8],
        is_followed: bool,
        choice: u8,
        peer: &mut Peer<'_>,
    ) -> Option<(Next, Vec<u8>)> {
        Some(match next {
            Next::StartTls => {
                assert!(!is_followed && self.facts.offers_starttls, "TLS begins where it may not");
                if !peer.begin_tls() {
                    return None;
                }
                self.start_tls()
            }
            Next::Salt(_) if choice.is_multiple_of(8) => self.handle(Event::LoginBusy),
            Next::Salt(_) => self.handle(Event::Salted(claims::SALT)),
            Next::Relay(_) if choice.is_multiple_of(8) => self.handle(Event::StoreFailed),
            Next::Relay(_) => self.handle(Event::Relayed(claims::relayed(choice))),
            Next::Login(claim) => {
                let may_log_on = self.facts.door == Door::Submission
                    && self.model.has_said_hello
                    && !self.model.is_logged_in;
                assert!(may_log_on, "a logon where none may be");
                claims::check(&claim, &self.facts.terms);
                let is_scram = matches!(claim.proof, poppet::sasl::Proof::Scram(_));
                let Ok(user) = "alice@home.lan".parse() else { return None };
                self.model.is_verified = choice % 8 > 2;
                match choice % 8 {
                    0 => self.handle(Event::LoginRefused),
                    1 => self.handle(Event::LoginBusy),
                    2 => self.handle(Event::LoginLocked),
                    _ => self.handle(Event::LoggedIn { user, signature: is_scram.then_some([4; 32]) }),
                }
            }
            Next::CheckSender(path) => self.check_sender(&path, choice),
            Next::ReceiveChunk { octets, is_first, is_last } => {
                assert_eq!(
                    chunks::announced(line),
                    Some((octets, is_last)),
                    "another chunk than was announced"
                );
                return self.receive_chunk((octets, is_first, is_last), choice, peer);
            }
            Next::SkipChunk { octets } => {
                assert_eq!(
                    chunks::announced(line).map(|(octets, _)| octets),
                    Some(octets),
                    "more or less is skipped"
                );
                return self.skip_chunk(octets, peer);
            }
            Next::CheckSpace { octets } => {
                assert!(
                    std::mem::take(&mut self.model.has_sender),
                    "a mail is taken whose sender is in doubt"
                );
                assert!(octets <= self.facts.message_octets, "a mail of {octets} octets is taken");
                let events = [Event::SpaceLacking, Event::StoreFailed];
                self.handle(events.into_iter().nth(usize::from(choice % 8)).unwrap_or(Event::SpaceFound))
            }
            Next::LookUp { path, named, .. } => self.look_up(path, &named, choice),
            Next::Receive => return self.receive(choice, peer),
            Next::Store(envelope) => self.store(&envelope, choice),
            Next::Discard => {
                assert!(self.is_holding, "what is not there is thrown away");
                (self.is_holding, self.chunks) = (false, None);
                (Next::Read, Vec::new())
            }
            Next::Read | Next::Close => (next, Vec::new()),
        })
    }

    fn start_tls(&mut self) -> (Next, Vec<u8>) {
        self.model = Model::default();
        let mut terms = self.choices.terms();
        terms.channel.get_or_insert_default();
        self.facts.offers_starttls = false;
        self.facts.terms = terms.clone();
        let tls = "TLSv1.3 TLS13_AES_128_GCM_SHA256".to_owned();
        let (next, reply) = self.handle(Event::TlsStarted { tls, terms: Box::new(terms) });
        let is_waiting = matches!(next, Next::Read) || matches!(next, Next::Discard) && self.is_holding;
        assert!(is_waiting && reply.is_empty(), "it speaks first inside TLS");
        (next, reply)
    }

    fn check_sender(&mut self, path: &ReversePath, choice: u8) -> (Next, Vec<u8>) {
        assert!(self.model.has_said_hello && self.model.mail.is_none(), "MAIL is taken out of order");
        assert!(self.facts.door == Door::Mx || self.may_submit(), "a stranger's mail is taken");
        let fixed = self.facts.device.as_ref().and_then(|device| device.sender.as_ref());
        if let (Some(sender), false, false) = (fixed, self.model.is_logged_in, path.as_str().is_empty()) {
            assert_eq!(path.as_str(), sender.as_str(), "a device sends as another");
        }
        self.model.has_sender = !matches!(choice % 8, 0..3);
        self.handle(match choice % 8 {
            0 => Event::StoreFailed,
            1 => Event::SenderForeign,
            2 => Event::SenderSpent,
            4 => Event::SenderUnproven,
            _ => Event::SenderFits,
        })
    }

    fn receive(&mut self, choice: u8, peer: &mut Peer<'_>) -> Option<(Next, Vec<u8>)> {
        assert!(
            self.model.mail.as_ref().is_some_and(|mail| !mail.is_for_nobody()),
            "DATA without a recipient"
        );
        assert_eq!(self.model.chunk_octets, None, "DATA behind a chunk");
        self.is_holding = true;
        let mut receiver = self.session.receiver(NOW, 1);
        let (mut message, mut end) = (Vec::new(), None);
        let is_whole = peer.message(|input| {
            let (used, outcome) = receiver.receive(input, &mut message);
            end = outcome;
            // The rest of what is much too large is not read.
            (if outcome == Some(DataEnd::MuchTooLarge) { input.len() } else { used }, outcome.is_some())
        });
        let end = end.filter(|_| is_whole)?;
        if choice.is_multiple_of(16) {
            return Some(self.handle(Event::StoreFull));
        }
        Some(self.end_message(end, &message))
    }

    fn end_message(&mut self, end: DataEnd, message: &[u8]) -> (Next, Vec<u8>) {
        self.model.has_message = end == DataEnd::Good;
        if end == DataEnd::Good {
            self.check_message(message);
            if let Some(mail) = &self.model.mail {
                mail.check_message(message);
            }
            self.transcript.extend_from_slice(message);
        } else {
            self.model.forget_mail();
        }
        self.handle(Event::Received(end))
    }

    /// What is stored has no line end but CRLF, and from strangers no NUL (S-001 to S-029).
    fn check_message(&self, message: &[u8]) {
        let is_bare = |at: usize| match message[at] {
            b'\r' => message.get(at + 1) != Some(&b'\n'),
            b'\n' => at == 0 || message[at - 1] != b'\r',
            b'\0' => !self.model.is_logged_in && !self.is_lenient_device(),
            _ => false,
        };
        let bare = (0..message.len()).find(|&at| is_bare(at));
        assert_eq!(bare, None, "a bare line end or a NUL is in a message: {}", message.escape_ascii());
        let most = self.facts.message_octets + 2000;
        assert!(message.len() as u64 <= most, "a message of {} octets is taken", message.len());
    }

    fn store(&mut self, envelope: &Envelope, choice: u8) -> (Next, Vec<u8>) {
        assert!(std::mem::take(&mut self.model.has_message), "a message is stored that has not come");
        self.check_envelope(envelope);
        self.model.forget_mail();
        (self.is_holding, self.chunks, self.skipped_octets) = (false, None, 0);
        match choice % 8 {
            0 => self.handle(Event::StoreFailed),
            1 => self.handle(Event::StoreFull),
            2 => self.handle(Event::NoRecipientLeft),
            4 => self.handle(Event::MailboxesFull { is_final: choice & 0x20 != 0 }),
            5 => self.handle(Event::SenderSpent),
            _ => self.handle(Event::Stored),
        }
    }

    fn faulty_line(&mut self, fault: LineFault) {
        self.model.is_exchanging = false;
        let (next, reply) = self.handle(Event::FaultyLine(fault));
        let codes = replies::smtp_codes(&replies::lines(&reply));
        assert!(codes.len() == 1 && codes[0] >= 400, "a faulty line is answered so: {codes:?}");
        let is_in_doubt = matches!(fault, LineFault::BareLf | LineFault::Endless | LineFault::Binary);
        assert!(matches!(next, Next::Close) || !is_in_doubt, "{fault:?} does not end the session");
    }

    /// An event that answers another wish ends the session.
    fn answer_wrongly(&mut self) {
        let (next, _) = self.handle(Event::Connected);
        assert!(matches!(next, Next::Close), "it takes the answer to another wish");
    }

    /// The peer is silent: an event that answers no wish ends the session too.
    fn misstep(&mut self) {
        let event = match self.choices.one_of(12) {
            0 => Event::LoginRefused,
            1 => Event::Salted(claims::SALT),
            2 => Event::SpaceFound,
            3 => Event::Received(DataEnd::Good),
            4 => Event::Stored,
            5 => Event::Connected,
            6 => Event::TimedOut,
            7 => Event::SenderFits,
            8 => Event::ChunkReceived,
            9 => Event::ChunkSkipped,
            10 => Event::MailboxesFull { is_final: true },
            _ => Event::StoreFull,
        };
        let (next, reply) = self.handle(event);
        assert!(matches!(next, Next::Close), "it takes an answer to no wish");
        assert!(reply.starts_with(b"421 "), "it ends without saying why");
    }
}
