//! MAIL, RCPT, DATA and what the store says to them. RFC 5321 §3.3, §4.1.1.

use std::collections::BTreeSet;

use super::{Mail, Phase, Session};
use crate::limits;
use crate::mail::{Address, MailboxId, RemoteAddress};
use crate::smtp::parameters::{MailParameters, ParameterError, parse_rcpt};
use crate::smtp::path::{PathError, Strictness, cut_path};
use crate::smtp::reply::{self, say};
use crate::smtp::{
    DataEnd, Door, Envelope, Event, ForwardPath, Leaving, Named, Next, Recipient, ReversePath,
};
use crate::wire::data::DataFault;

impl Session {
    pub(super) fn begin_mail(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Next {
        if self.facts.door == Door::Submission && !self.may_submit() {
            return self.refuse(reply::LOGON_REQUIRED, out);
        }
        if self.counts.mails >= limits::MAILS_PER_SESSION {
            return self.hang_up(reply::TOO_MANY_MAILS, out);
        }
        let (reverse_path, parameters) = match self.parse_mail(argument) {
            Ok(parsed) => parsed,
            Err(text) => return self.refuse(text, out),
        };
        let declared_octets = parameters.size_octets.unwrap_or(0);
        if declared_octets > self.facts.message_octets {
            return self.refuse(reply::TOO_LARGE, out);
        }
        let reverse_path = self.fixed_sender(&reverse_path).unwrap_or(reverse_path);
        self.mail = Some(Box::new(Mail {
            envelope: Envelope {
                reverse_path: reverse_path.clone(),
                recipients: Vec::new(),
                leaving: Vec::new(),
                named: Vec::new(),
                is_utf8: parameters.is_utf8,
                dsn: parameters.dsn,
            },
            mailboxes: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            declared_octets,
            recipients_taken: 0,
            recipients_over: 0,
            chunk_octets: None,
            is_unproven: false,
        }));
        self.phase = Phase::SenderCheck;
        Next::CheckSender(reverse_path)
    }

    /// What the administrator has set in place of whatever a device says, but for the null path: answers to reports
    /// must stay without an answer. RFC 5321 §6.1.
    fn fixed_sender(&self, said: &ReversePath) -> Option<ReversePath> {
        let sender = self.device()?.sender.as_ref().filter(|_| !said.as_str().is_empty())?;
        ReversePath::parse(sender.as_str().as_bytes(), Strictness::Strict, true).ok()
    }

    fn parse_mail(&self, argument: &[u8]) -> Result<(ReversePath, MailParameters), &'static str> {
        let behind = strip_word(argument, b"FROM:").ok_or(reply::BAD_MAIL)?;
        let (inner, rest) = cut_path(behind, self.strictness()).map_err(|error| match error {
            PathError::TooLong => reply::SENDER_TOO_LONG,
            _ => reply::BAD_MAIL,
        })?;
        let parameters = MailParameters::parse(rest, self.offers_dsn()).map_err(parameter_reply)?;
        let path = ReversePath::parse(inner, self.strictness(), parameters.is_utf8);
        let path = path.map_err(|error| match error {
            PathError::TooLong => reply::SENDER_TOO_LONG,
            PathError::NotAscii => reply::SENDER_NOT_ASCII,
            PathError::Syntax | PathError::NoDomain | PathError::SourceRoute => reply::BAD_SENDER,
        })?;
        Ok((path, parameters))
    }

    pub(super) fn add_recipient(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Next {
        let (path, named) = match self.parse_rcpt(argument) {
            Ok(parsed) => parsed,
            Err(text) => return self.refuse(text, out),
        };
        let Some(mail) = &mut self.mail else {
            return self.refuse(reply::MAIL_FIRST, out);
        };
        if mail.recipients_taken < self.facts.recipients {
            let address = RemoteAddress::from_path(&named.path);
            self.phase = Phase::LookUp(Box::new(named));
            return Next::LookUp { path, named: address, octets: mail.declared_octets };
        }
        self.put_recipient_off(out)
    }

    /// He may come in a further mail. RFC 5321 §4.5.3.1.10.
    fn put_recipient_off(&mut self, out: &mut Vec<u8>) -> Next {
        let Some(mail) = &mut self.mail else {
            return self.hang_up(reply::OUT_OF_STEP, out);
        };
        mail.recipients_over += 1;
        if mail.recipients_over > limits::RECIPIENTS_OVER {
            return self.hang_up(reply::TOO_MANY_RECIPIENTS_REFUSED, out);
        }
        self.accept(reply::TOO_MANY_RECIPIENTS, out)
    }

    fn parse_rcpt(&self, argument: &[u8]) -> Result<(ForwardPath, Named), &'static str> {
        let behind = strip_word(argument, b"TO:").ok_or(reply::BAD_RCPT)?;
        let (inner, rest) = cut_path(behind, self.strictness()).map_err(|error| match error {
            PathError::TooLong => reply::RECIPIENT_TOO_LONG,
            _ => reply::BAD_RCPT,
        })?;
        let dsn = parse_rcpt(rest, self.offers_dsn()).map_err(parameter_reply)?;
        let is_utf8 = self.mail.as_ref().is_some_and(|mail| mail.envelope.is_utf8);
        let path = ForwardPath::parse(inner, is_utf8).map_err(|error| match error {
            PathError::TooLong => reply::RECIPIENT_TOO_LONG,
            PathError::NotAscii => reply::RECIPIENT_NOT_ASCII,
            PathError::SourceRoute => reply::SOURCE_ROUTE,
            PathError::Syntax | PathError::NoDomain => reply::BAD_RECIPIENT,
        })?;
        // What was parsed is UTF-8.
        let named = Named { path: String::from_utf8_lossy(inner).into_owned(), mailboxes: 0, dsn };
        Ok((path, named))
    }

    pub(super) fn begin_data(&mut self, out: &mut Vec<u8>) -> Next {
        self.counts.mails += 1;
        self.is_message_held = true;
        self.phase = Phase::Message;
        say(out, reply::SEND_DATA);
        Next::Receive
    }

    pub(super) fn take_answer(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        match (std::mem::replace(&mut self.phase, Phase::Command), event) {
            (Phase::SenderCheck, event) => self.take_sender(event, out),
            (Phase::SpaceCheck, Event::SpaceFound) => self.accept(reply::SENDER_OK, out),
            (Phase::SpaceCheck, Event::SpaceLacking) => self.refuse_mail(reply::NO_SPACE, out),
            (Phase::SpaceCheck, Event::StoreFailed) => self.refuse_mail(reply::STORE_FAILED, out),
            (Phase::LookUp(named), Event::Recipient(recipient)) => {
                self.take_recipient(*named, recipient, out)
            }
            (Phase::LookUp(_), Event::StoreFailed | Event::StoreFull) => {
                self.refuse_recipient(reply::STORE_FAILED, out)
            }
            (Phase::Message, Event::Received(end)) => self.take_data_end(end, false, out),
            // The rest of the data may still come and must not be taken for commands.
            (Phase::Message, Event::StoreFull) => self.hang_up(reply::NO_SPACE, out),
            (Phase::Message, Event::StoreFailed) => self.hang_up(reply::STORE_FAILED, out),
            (Phase::Chunk(chunk), Event::ChunkReceived) if !chunk.is_last => {
                self.accept(&format!("250 2.0.0 {} octets received", chunk.octets), out)
            }
            (Phase::Chunk(chunk), Event::Received(end)) if chunk.is_last || end != DataEnd::Good => {
                self.take_data_end(end, true, out)
            }
            (Phase::Chunk(_), Event::StoreFull) => self.give_up_mail(reply::NO_SPACE, out),
            (Phase::Chunk(_), Event::StoreFailed) => self.give_up_mail(reply::STORE_FAILED, out),
            (Phase::SkippedChunk(text), Event::ChunkSkipped) => self.idle(text, out),
            (Phase::Store, event) => self.take_outcome(event, out),
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }

    fn take_sender(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        let foreign = if self.is_logged_in() { reply::SENDER_FOREIGN } else { reply::SENDER_UNPROVEN };
        let Some(mail) = &mut self.mail else {
            return self.hang_up(reply::OUT_OF_STEP, out);
        };
        match event {
            Event::SenderFits => {}
            Event::SenderUnproven => mail.is_unproven = true,
            Event::SenderForeign => return self.refuse_mail(foreign, out),
            Event::SenderSpent => return self.refuse_mail(reply::SENDER_SPENT, out),
            Event::StoreFailed | Event::StoreFull => return self.refuse_mail(reply::STORE_FAILED, out),
            _ => return self.hang_up(reply::OUT_OF_STEP, out),
        }
        self.phase = Phase::SpaceCheck;
        Next::CheckSpace { octets: mail.declared_octets }
    }

    fn take_recipient(&mut self, named: Named, recipient: Recipient, out: &mut Vec<u8>) -> Next {
        match recipient {
            Recipient::Mailboxes(mailboxes) => self.keep_recipient(named, mailboxes, Vec::new(), out),
            Recipient::Outside(mailboxes, leaving) => self.keep_recipient(named, mailboxes, leaving, out),
            Recipient::Locked => self.refuse_recipient(reply::MAILBOX_LOCKED, out),
            Recipient::Full { is_final: true } => self.refuse_recipient(reply::MAILBOX_FULL, out),
            Recipient::Full { is_final: false } => self.refuse_recipient(reply::MAILBOX_FULL_NOW, out),
            Recipient::UnknownUser => self.refuse_recipient(reply::UNKNOWN_USER, out),
            Recipient::ForeignDomain => self.refuse_recipient(reply::RELAYING_DENIED, out),
            Recipient::NoWay => self.refuse_recipient(reply::NO_WAY, out),
            Recipient::WouldReturn => self.refuse_recipient(reply::WOULD_RETURN, out),
            Recipient::WayBack(leaving) if self.is_from_nobody() => {
                self.keep_recipient(named, Vec::new(), vec![leaving], out)
            }
            Recipient::WayBack(_) => self.refuse_recipient(reply::ONLY_REPORTS, out),
        }
    }

    /// Reports are. RFC 5321 §4.5.5.
    fn is_from_nobody(&self) -> bool {
        self.mail.as_ref().is_some_and(|mail| mail.envelope.reverse_path.as_str().is_empty())
    }

    fn keep_recipient(
        &mut self,
        mut named: Named,
        mailboxes: Vec<(MailboxId, Address)>,
        leaving: Vec<Leaving>,
        out: &mut Vec<u8>,
    ) -> Next {
        let Some(mail) = &mut self.mail else {
            return self.hang_up(reply::OUT_OF_STEP, out);
        };
        let key = |it: &Leaving| {
            format!("{}@{}", it.recipient.local_text(), it.recipient.domain_text().to_lowercase())
        };
        let more = leaving.iter().filter(|it| !mail.elsewhere.contains(&key(it))).count();
        // One list alone is never so long.
        if more > 0 && mail.elsewhere.len() + more > limits::LEAVING_RECIPIENTS {
            return self.put_recipient_off(out);
        }
        // Named twice, he gets it once, and is counted twice: the session must have an end (S-056, S-057).
        mail.recipients_taken += 1;
        named.mailboxes = mailboxes.len();
        for (mailbox, address) in mailboxes {
            if mail.mailboxes.insert(mailbox) {
                mail.envelope.recipients.push((mailbox, address));
            }
        }
        let envelope = &mut mail.envelope;
        let place = envelope.named.iter().position(|other| *other == named).unwrap_or_else(|| {
            envelope.named.push(named);
            envelope.named.len() - 1
        });
        for leaving in leaving {
            if mail.elsewhere.insert(key(&leaving)) {
                envelope.leaving.push((leaving, place));
            }
        }
        self.accept(reply::RECIPIENT_OK, out)
    }

    /// Counted apart from errors: a list with a few stale addresses must still reach the others.
    fn refuse_recipient(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.counts.recipients_refused += 1;
        if self.counts.recipients_refused > limits::RECIPIENTS_REFUSED {
            return self.hang_up(reply::TOO_MANY_RECIPIENTS_REFUSED, out);
        }
        self.accept(text, out)
    }

    fn refuse_mail(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.mail = None;
        self.refuse(text, out)
    }

    /// Replies to what spoilt a mail that has been read to its end, or to the end of its chunk.
    fn give_up_mail(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.mail = None;
        self.accept(text, out)
    }

    /// Where spoilt data end is a matter of opinion, so there is no going on behind them; where a chunk ends is
    /// not, and RFC 3030 §2 wants the rest of the pipeline answered.
    fn take_data_end(&mut self, end: DataEnd, is_counted: bool, out: &mut Vec<u8>) -> Next {
        let Some(mail) = self.mail.take() else {
            return self.hang_up(reply::OUT_OF_STEP, out);
        };
        match end {
            DataEnd::Good => {
                self.is_message_held = false;
                self.phase = Phase::Store;
                Next::Store(mail.envelope)
            }
            DataEnd::Faulty(fault) => {
                let text = match fault {
                    DataFault::Nul => reply::MESSAGE_NUL,
                    DataFault::BareCr | DataFault::BareLf => reply::MESSAGE_BARE_LINE_END,
                };
                if is_counted { self.accept(text, out) } else { self.hang_up(text, out) }
            }
            DataEnd::MuchTooLarge => self.hang_up(reply::TOO_LARGE, out),
            DataEnd::TooLarge => self.accept(reply::TOO_LARGE, out),
            DataEnd::Looping => self.accept(reply::LOOPING, out),
            DataEnd::Delivered => self.accept(reply::ALREADY_DELIVERED, out),
        }
    }

    fn take_outcome(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        match event {
            Event::Stored => {
                self.counts.idle_commands = 0;
                (self.counts.small_chunks, self.counts.skipped_octets) = (0, 0);
                self.accept(reply::STORED, out)
            }
            Event::NoRecipientLeft => self.accept(reply::NO_RECIPIENT_LEFT, out),
            Event::MailboxesFull { is_final: true } => self.accept(reply::MAILBOXES_FULL, out),
            Event::MailboxesFull { is_final: false } => self.accept(reply::MAILBOXES_FULL_NOW, out),
            Event::SenderSpent => self.accept(reply::SENDER_SPENT, out),
            Event::StoreFull => self.accept(reply::NO_SPACE, out),
            Event::StoreFailed => self.accept(reply::STORE_FAILED, out),
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }
}

fn strip_word<'a>(argument: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (front, behind) = argument.split_at_checked(word.len())?;
    front.eq_ignore_ascii_case(word).then_some(behind)
}

fn parameter_reply(error: ParameterError) -> &'static str {
    match error {
        ParameterError::Syntax => reply::BAD_PARAMETER,
        ParameterError::Unknown => reply::UNKNOWN_PARAMETER,
        ParameterError::TooLarge => reply::TOO_LARGE,
    }
}
