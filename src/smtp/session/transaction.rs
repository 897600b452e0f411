//! MAIL, RCPT, DATA and what the store says to them. RFC 5321 §3.3, §4.1.1.

use super::{Mail, Phase, Session};
use crate::limits;
use crate::mail::{Address, MailboxId};
use crate::smtp::parameters::{MailParameters, ParameterError, parse_rcpt};
use crate::smtp::path::{PathError, cut_path};
use crate::smtp::reply::{self, say};
use crate::smtp::{DataEnd, Door, Envelope, Event, ForwardPath, MailDsn, Next, Recipient, ReversePath};
use crate::wire::data::DataFault;

impl Session {
    pub(super) fn begin_mail(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Next {
        if self.facts.door == Door::Submission && !self.is_logged_in() {
            return self.refuse(reply::LOGON_REQUIRED, out);
        }
        if self.counts.mails >= limits::MAILS_PER_SESSION {
            return self.hang_up(reply::TOO_MANY_MAILS, out);
        }
        let (reverse_path, parameters) = match self.parse_mail(argument) {
            Ok(parsed) => parsed,
            Err(text) => return self.refuse(text, out),
        };
        let octets = parameters.size_octets.unwrap_or(0);
        if octets > self.facts.message_octets {
            return self.refuse(reply::TOO_LARGE, out);
        }
        self.mail = Some(Mail {
            envelope: Envelope {
                reverse_path,
                recipients: Vec::new(),
                named: Vec::new(),
                is_utf8: parameters.is_utf8,
                dsn: MailDsn::default(),
            },
            recipients_taken: 0,
            recipients_over: 0,
        });
        self.phase = Phase::SpaceCheck;
        Next::CheckSpace { octets }
    }

    fn parse_mail(&self, argument: &[u8]) -> Result<(ReversePath, MailParameters), &'static str> {
        let behind = strip_word(argument, b"FROM:").ok_or(reply::BAD_MAIL)?;
        let (inner, rest) = cut_path(behind, self.strictness()).map_err(|error| match error {
            PathError::TooLong => reply::SENDER_TOO_LONG,
            _ => reply::BAD_MAIL,
        })?;
        let parameters = MailParameters::parse(rest, false).map_err(parameter_reply)?;
        let path = ReversePath::parse(inner, self.strictness(), parameters.is_utf8);
        let path = path.map_err(|error| match error {
            PathError::TooLong => reply::SENDER_TOO_LONG,
            PathError::NotAscii => reply::SENDER_NOT_ASCII,
            PathError::Syntax | PathError::NoDomain | PathError::SourceRoute => reply::BAD_SENDER,
        })?;
        Ok((path, parameters))
    }

    pub(super) fn add_recipient(&mut self, argument: &[u8], out: &mut Vec<u8>) -> Next {
        let path = match self.parse_rcpt(argument) {
            Ok(path) => path,
            Err(text) => return self.refuse(text, out),
        };
        let Some(mail) = &mut self.mail else {
            return self.refuse(reply::MAIL_FIRST, out);
        };
        if mail.recipients_taken < self.facts.recipients {
            self.phase = Phase::LookUp;
            return Next::LookUp { path, octets: 0 };
        }
        mail.recipients_over += 1;
        if mail.recipients_over > limits::RECIPIENTS_OVER {
            return self.hang_up(reply::TOO_MANY_RECIPIENTS_REFUSED, out);
        }
        self.accept(reply::TOO_MANY_RECIPIENTS, out)
    }

    fn parse_rcpt(&self, argument: &[u8]) -> Result<ForwardPath, &'static str> {
        let behind = strip_word(argument, b"TO:").ok_or(reply::BAD_RCPT)?;
        let (inner, rest) = cut_path(behind, self.strictness()).map_err(|error| match error {
            PathError::TooLong => reply::RECIPIENT_TOO_LONG,
            _ => reply::BAD_RCPT,
        })?;
        parse_rcpt(rest, false).map_err(parameter_reply)?;
        let is_utf8 = self.mail.as_ref().is_some_and(|mail| mail.envelope.is_utf8);
        ForwardPath::parse(inner, is_utf8).map_err(|error| match error {
            PathError::TooLong => reply::RECIPIENT_TOO_LONG,
            PathError::NotAscii => reply::RECIPIENT_NOT_ASCII,
            PathError::SourceRoute => reply::SOURCE_ROUTE,
            PathError::Syntax | PathError::NoDomain => reply::BAD_RECIPIENT,
        })
    }

    pub(super) fn begin_data(&mut self, out: &mut Vec<u8>) -> Next {
        self.counts.mails += 1;
        self.phase = Phase::Message;
        say(out, reply::SEND_DATA);
        Next::Receive
    }

    pub(super) fn take_answer(&mut self, event: Event<'_>, out: &mut Vec<u8>) -> Next {
        match (&self.phase, event) {
            (Phase::SpaceCheck, Event::SpaceFound) => self.accept(reply::SENDER_OK, out),
            (Phase::SpaceCheck, Event::SpaceLacking) => self.refuse_mail(reply::NO_SPACE, out),
            (Phase::SpaceCheck, Event::StoreFailed) => self.refuse_mail(reply::STORE_FAILED, out),
            (Phase::LookUp, Event::Recipient(recipient)) => self.take_recipient(recipient, out),
            (Phase::LookUp, Event::StoreFailed | Event::StoreFull) => {
                self.refuse_recipient(reply::STORE_FAILED, out)
            }
            (Phase::Message, Event::Received(end)) => self.take_data_end(end, out),
            // The rest of the data may still come and must not be taken for commands.
            (Phase::Message, Event::StoreFull) => self.hang_up(reply::NO_SPACE, out),
            (Phase::Message, Event::StoreFailed) => self.hang_up(reply::STORE_FAILED, out),
            (Phase::Store, Event::Stored) => {
                self.counts.idle_commands = 0;
                self.accept(reply::STORED, out)
            }
            (Phase::Store, Event::NoRecipientLeft) => self.accept(reply::NO_RECIPIENT_LEFT, out),
            (Phase::Store, Event::StoreFull) => self.accept(reply::NO_SPACE, out),
            (Phase::Store, Event::StoreFailed) => self.accept(reply::STORE_FAILED, out),
            _ => self.hang_up(reply::OUT_OF_STEP, out),
        }
    }

    fn take_recipient(&mut self, recipient: Recipient, out: &mut Vec<u8>) -> Next {
        match recipient {
            Recipient::Mailboxes(mailboxes) => self.keep_recipient(mailboxes, out),
            Recipient::Locked => self.refuse_recipient(reply::MAILBOX_LOCKED, out),
            Recipient::Full { is_final: true } => self.refuse_recipient(reply::MAILBOX_FULL, out),
            Recipient::Full { is_final: false } => self.refuse_recipient(reply::MAILBOX_FULL_NOW, out),
            Recipient::UnknownUser => self.refuse_recipient(reply::UNKNOWN_USER, out),
            Recipient::ForeignDomain => self.refuse_recipient(reply::RELAYING_DENIED, out),
        }
    }

    fn keep_recipient(&mut self, mailboxes: Vec<(MailboxId, Address)>, out: &mut Vec<u8>) -> Next {
        let Some(mail) = &mut self.mail else {
            return self.hang_up(reply::OUT_OF_STEP, out);
        };
        // Named twice, he gets it once, and is counted twice: the session must have an end (S-056, S-057).
        mail.recipients_taken += 1;
        for (mailbox, address) in mailboxes {
            if mail.envelope.recipients.iter().all(|(known, _)| *known != mailbox) {
                mail.envelope.recipients.push((mailbox, address));
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

    fn take_data_end(&mut self, end: DataEnd, out: &mut Vec<u8>) -> Next {
        let Some(mail) = self.mail.take() else {
            return self.hang_up(reply::OUT_OF_STEP, out);
        };
        match end {
            DataEnd::Good => {
                self.phase = Phase::Store;
                Next::Store(mail.envelope)
            }
            DataEnd::Faulty(DataFault::Nul) => self.hang_up(reply::MESSAGE_NUL, out),
            DataEnd::Faulty(DataFault::BareCr | DataFault::BareLf) => {
                self.hang_up(reply::MESSAGE_BARE_LINE_END, out)
            }
            DataEnd::MuchTooLarge => self.hang_up(reply::TOO_LARGE, out),
            DataEnd::TooLarge => self.discard(reply::TOO_LARGE, out),
            DataEnd::Looping | DataEnd::Delivered => self.discard(reply::LOOPING, out),
        }
    }

    fn discard(&mut self, text: &str, out: &mut Vec<u8>) -> Next {
        self.phase = Phase::Command;
        say(out, text);
        Next::Discard
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
