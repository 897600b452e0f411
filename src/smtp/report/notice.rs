//! Reports of mail that leaves: it can't be delivered, it waits, it has been handed on. RFC 3461 §5.2.5, §5.2.6, §5.2.2.

use super::cause::{Cause, Said};
use super::prose::Prose;
use super::status::{Fields, Status, is_foreign, told};
use super::words::{Text, say};
use super::{Report, Returned, put_together};
use crate::clock::UnixTime;
use crate::mail::{Language, OriginalRecipient};
use crate::smtp::Now;
use crate::smtp::client::{Answer, Verdict};
use crate::smtp::letter::Letter;

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// It can't be delivered. RFC 3464 §2.3.3: `failed`.
    Failure,
    /// It waits. `delayed`.
    Delay,
    /// It has been handed to a server that sends no reports. `relayed`.
    Relayed,
}

/// All that is told of one mail to its sender.
#[derive(Debug, Clone)]
pub struct Notice<'a> {
    /// What about.
    pub about: About,
    /// Our name.
    pub hostname: &'a str,
    /// In which language people are told.
    pub language: Language,
    /// When.
    pub now: Now,
    /// The report's number, fresh.
    pub mail_number: u64,
    /// Who is told: the mail's reverse-path.
    pub to: &'a str,
    /// Whose postmaster writes; none for that of the reader's domain, if it is ours.
    pub domain: Option<&'a str>,
    /// Whether MAIL said SMTPUTF8.
    pub is_utf8: bool,
    /// ENVID.
    pub envelope_id: Option<&'a str>,
    /// When the mail was taken, if that may be believed.
    pub arrived: Option<UnixTime>,
    /// Until when it is tried, if that is known; for a mail that waits.
    pub until: Option<UnixTime>,
    /// The recipients of whom it tells.
    pub of: Vec<Of<'a>>,
    /// What is returned; all of the mail only of one that has failed. RFC 3461 §6.2.
    pub returned: Returned<'a>,
}

/// What is told of a recipient.
#[derive(Debug, Clone, Copy)]
pub struct Of<'a> {
    /// To whom the mail was to go.
    pub address: &'a str,
    /// Whom the sender meant at first.
    pub original: Option<&'a OriginalRecipient>,
    /// What the server said of him; none if nobody was asked.
    pub answer: Option<&'a Answer>,
    /// Which server; empty for none.
    pub host: &'a str,
    /// What was said or found, in one line.
    pub text: &'a str,
    /// When.
    pub at: UnixTime,
}

impl Notice<'_> {
    /// Writes the report. Nothing that a server or a sender has said breaks out of its place (S-133).
    pub fn write(&self) -> Report {
        let returned = match (self.returned, self.about) {
            (Returned::Whole(message), About::Delay | About::Relayed) => Returned::Header(message),
            (returned, _) => returned,
        };
        let is_global = self.is_utf8 && self.of.iter().any(|of| is_foreign(of.address, of.original));
        let fields: Vec<Fields<'_>> = self.of.iter().map(|of| self.fields(of)).collect();
        let (hostname, envelope_id) = (self.hostname, self.envelope_id);
        let status = Status { hostname, envelope_id, arrived: self.arrived, is_global };
        let parts: Vec<Vec<u8>> = [self.prose(is_global, returned), status.part(&fields)]
            .into_iter()
            .chain(returned.part(self.is_utf8))
            .collect();
        let (message_id, subject) = (returned.message_id(), say(self.language, Text::Subject(self.about)));
        let letter = Letter {
            hostname,
            now: self.now,
            mail_number: self.mail_number,
            to: self.to,
            domain: self.domain,
            answers: message_id.as_deref(),
            subject: &subject,
            // RFC 3834 §5.2: a report is no auto-generated mail.
            automatic: "auto-replied",
            content_type: "",
            is_8bit: false,
        };
        Report { message: put_together(letter, &parts), needs_utf8: is_global || !self.to.is_ascii() }
    }

    /// What a person reads.
    fn prose(&self, is_global: bool, returned: Returned<'_>) -> Vec<u8> {
        let mut prose = Prose::new(self.language);
        let date = self.arrived.map(UnixTime::rfc5322);
        prose.paragraph(Text::Opening(self.about, date.as_deref()));
        match self.about {
            About::Failure => {
                if let Some(days) = self.days_tried() {
                    prose.go_on(Text::TriedFor(days));
                }
                self.put_causes(&mut prose, is_global);
                self.put_sayings(&mut prose, is_global);
            }
            About::Delay => {
                let until = self.until.map(UnixTime::rfc5322);
                if let Some(until) = &until {
                    prose.go_on(Text::TriedUntil(until));
                }
                self.put_causes(&mut prose, is_global);
                self.put_sayings(&mut prose, is_global);
            }
            About::Relayed => {
                prose.gap();
                self.of.iter().for_each(|of| put_recipient(&mut prose, of, is_global));
            }
        }
        match returned {
            Returned::Nothing => {}
            returned if returned.is_whole() => prose.paragraph(Text::MailReturned),
            Returned::Header(_) | Returned::Whole(_) => prose.paragraph(Text::HeaderReturned),
        }
        prose.paragraph(Text::Signature(self.hostname));
        prose.part()
    }

    /// Who hasn't got it and why, those with one reason together.
    fn put_causes(&self, prose: &mut Prose, is_global: bool) {
        let mut causes: Vec<Cause> = Vec::new();
        for cause in self.of.iter().map(|of| said(of).cause()) {
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        for cause in causes {
            prose.paragraph(Text::Cause(cause));
            prose.gap();
            for of in self.of.iter().filter(|of| said(of).cause() == cause) {
                put_recipient(prose, of, is_global);
            }
            if self.about == About::Failure {
                prose.paragraph(Text::Advice(cause));
            }
        }
    }

    /// What the servers have said, in quotation marks.
    fn put_sayings(&self, prose: &mut Prose, is_global: bool) {
        let said: Vec<&Of<'_>> = self.of.iter().filter(|of| !of.text.trim().is_empty()).collect();
        if said.is_empty() {
            return;
        }
        prose.paragraph(Text::WhatWasSaid);
        for of in said {
            let address = told(of.address, is_global);
            let host = one_line(of.host);
            prose.paragraph(match host.is_empty() {
                true => Text::Found(&address),
                false => Text::SaidBy(&host, &address),
            });
            prose.quotation(&one_line(of.text));
        }
    }

    /// How many days it was tried, if that is why it failed.
    fn days_tried(&self) -> Option<u64> {
        let is_late = self.of.iter().any(|of| !is_final(of));
        let seconds = self.now.at.0.checked_sub(self.arrived?.0)?;
        Some(seconds / 86_400).filter(|&days| is_late && days > 0)
    }

    /// What a program reads.
    fn fields<'of>(&self, of: &Of<'of>) -> Fields<'of> {
        let said = said(of);
        let (action, status) = match self.about {
            About::Failure => ("failed", said.status(false)),
            About::Delay => ("delayed", said.status(true)),
            About::Relayed => ("relayed", [2, 0, 0]),
        };
        // What a server has said is a diagnosis by SMTP, what we have found is one of our own. RFC 3464 §2.3.6.
        let kind = if said.code > 0 { "smtp" } else { "x-poppet" };
        let text: String =
            one_line(of.text).chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
        Fields {
            original: of.original,
            address: of.address,
            action,
            status,
            remote: of.host,
            diagnostic: (self.about != About::Relayed && !text.is_empty()).then(|| format!("{kind}; {text}")),
            last: Some(of.at).filter(|_| !self.now.is_suspect),
            until: self.until.filter(|_| self.about == About::Delay),
        }
    }
}

fn put_recipient(prose: &mut Prose, of: &Of<'_>, is_global: bool) {
    let meant = of.original.filter(|original| !original.address.eq_ignore_ascii_case(of.address));
    let meant = meant.map(|original| told(&original.address, is_global));
    prose.item(&told(of.address, is_global), meant.as_deref().map(Text::Meant));
}

/// Whether a server has said that it never will.
fn is_final(of: &Of<'_>) -> bool {
    of.answer.is_some_and(|answer| answer.verdict == Verdict::Never)
}

fn said(of: &Of<'_>) -> Said {
    match of.answer {
        Some(answer) => {
            Said { verdict: Some(answer.verdict), code: answer.reply.code, enhanced: answer.reply.enhanced }
        }
        None => Said::parse(of.text),
    }
}

/// Whatever could break a line becomes a blank.
fn one_line(text: &str) -> String {
    let is_break = |letter: char| letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}');
    text.chars().map(|letter| if is_break(letter) { ' ' } else { letter }).take(MOST_LETTERS).collect()
}

/// Of what a server has said; no more is kept anyway.
const MOST_LETTERS: usize = crate::limits::KEPT_REPLY_OCTETS;
