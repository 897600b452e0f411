//! What becomes of queued recipients after a try, and who is told.
//!
//! ```text
//!   Taken -------------------> Sent, and told so if asked and nobody else will
//!   Later, Unsure -- young --> Later, and a delay note once --+
//!         |                                                   |
//!         +--------- too old --+                              |
//!   Never --------------------+--> failed --> told | in silence (NOTIFY) | dead (nobody to tell)
//! ```

use std::time::Duration;

use super::pauses::{least, pause};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::Notify;
use crate::smtp::client::{Answer, Reply, Verdict};
pub use crate::smtp::report::About;
use crate::store::{Fate, LastTry, Queued, Settlement};

/// What a try comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of each recipient of whom nobody needs to be told, and of those who wait on, told or not.
    pub settled: Vec<Settlement>,
    /// Reports that must be made, each to be filed with its settlements.
    pub reports: Vec<Told>,
}

/// A report to a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it is about.
    pub about: About,
    /// The recipients of whom it tells, with what was said of each; all of one mail from one sender, and never none.
    pub of: Vec<(Queued, LastTry, Option<Answer>)>,
}

/// Limits of a mail's time in the queue, as the settings are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The wall clock; for pauses.
    pub now: UnixTime,
    /// The wall clock if mail may be given up by it.
    pub believed_now: Option<UnixTime>,
    /// See the setting.
    pub queue_days: u32,
    /// See the setting; 0 for never.
    pub delay_note_hours: u32,
    /// Any number, for pauses.
    pub jitter: u64,
}

/// Judges a try: `host` is who answered, and `answers` one for each of `tried`. One without an answer is as it was.
pub fn judge(tried: Vec<Queued>, answers: Vec<Answer>, host: &str, terms: &Terms) -> Judgement {
    let mut judgement = Judgement::default();
    for (row, answer) in tried.into_iter().zip(answers) {
        let last = last_try(&answer.reply, host, terms.now);
        match answer.verdict {
            Verdict::Taken { relays_dsn } => {
                let is_told = !relays_dsn && wants(&row, About::Relayed);
                match is_told {
                    true => judgement.tell(About::Relayed, row, last, Some(answer)),
                    false => judgement.settle(&row, Fate::Sent),
                }
            }
            Verdict::Never => judgement.fail(row, last, Some(answer)),
            // A mail that comes to an old machine which was off for a week is tried some hours all the same, and so is
            // one whose clock has leapt ahead (G13).
            Verdict::Later | Verdict::Unsure
                if is_too_old(&row, terms)
                    && row.tries.saturating_add(1) >= limits::TRIES_BEFORE_GIVING_UP =>
            {
                judgement.fail(row, last, Some(answer));
            }
            Verdict::Later | Verdict::Unsure => {
                let fate = later(&row, &last, answer.verdict == Verdict::Unsure, terms);
                judgement.settle(&row, fate);
                judgement.note_delay(row, last, Some(answer), terms);
            }
        }
    }
    judgement
}

/// Judges those who wait on a way that fails as a whole, as `last` says: who has waited for too long fails, whose sender
/// is to know that they wait is told once, and the others are as they were. That the way has failed for some hours by a
/// clock which can't leap is for the caller to know: it isn't asked for before (G13).
pub fn judge_waiting(rows: Vec<Queued>, last: LastTry, terms: &Terms) -> Judgement {
    let last = LastTry { text: harmless(&last.text).into(), host: harmless(&last.host).into(), ..last };
    let mut judgement = Judgement::default();
    for row in rows {
        match is_too_old(&row, terms) {
            true => judgement.fail(row, last.clone(), None),
            false => judgement.note_delay(row, last.clone(), None, terms),
        }
    }
    judgement
}

/// What becomes of a recipient whose report can't be made now: he waits, and is tried again.
pub fn put_off(row: &Queued, last: &LastTry, now: UnixTime, jitter: u64) -> Settlement {
    let next = next_time(row, now, jitter);
    Settlement {
        id: row.id,
        fate: Fate::Later { next, is_try: true, is_unsure: false, last: Some(last.clone()) },
    }
}

impl Judgement {
    fn settle(&mut self, row: &Queued, fate: Fate) {
        self.settled.push(Settlement { id: row.id, fate });
    }

    /// Nobody is told of mail from nobody (RFC 5321 §6.1, S-126), nor who doesn't want to be (RFC 3461 §4.1).
    fn fail(&mut self, row: Queued, last: LastTry, answer: Option<Answer>) {
        if row.outbound.reverse_path.is_empty() {
            self.settle(&row, Fate::Dead(last));
        } else if wants(&row, About::Failure) {
            self.tell(About::Failure, row, last, answer);
        } else {
            self.settle(&row, Fate::Failed);
        }
    }

    fn note_delay(&mut self, row: Queued, last: LastTry, answer: Option<Answer>, terms: &Terms) {
        if is_delayed(&row, terms) && wants(&row, About::Delay) {
            self.tell(About::Delay, row, last, answer);
        }
    }

    /// One report for all recipients of one mail that had the same fate.
    fn tell(&mut self, about: About, row: Queued, last: LastTry, answer: Option<Answer>) {
        let is_for = |told: &&mut Told| {
            told.about == about && told.of.first().is_some_and(|(first, ..)| is_one_mail(first, &row))
        };
        match self.reports.iter_mut().find(is_for) {
            Some(told) => told.of.push((row, last, answer)),
            None => self.reports.push(Told { about, of: vec![(row, last, answer)] }),
        }
    }
}

fn is_one_mail(one: &Queued, other: &Queued) -> bool {
    let (one_way, other_way) = (&one.outbound, &other.outbound);
    one.blob == other.blob
        && one_way.reverse_path == other_way.reverse_path
        && one_way.mail_dsn == other_way.mail_dsn
        && one_way.submitter == other_way.submitter
}

/// Whether its sender is to be told; who has said nothing is told what he must know. RFC 3461 §4.1.
fn wants(row: &Queued, about: About) -> bool {
    let unsaid = Notify { success: false, failure: true, delay: true };
    let notify = row.outbound.rcpt_dsn.notify.unwrap_or(unsaid);
    !row.outbound.reverse_path.is_empty()
        && match about {
            About::Failure => notify.failure,
            About::Delay => notify.delay,
            About::Relayed => notify.success,
        }
}

/// Nothing is given up by a clock that may be wrong, nor what came when it may have been (S-129, S-309).
fn is_too_old(row: &Queued, terms: &Terms) -> bool {
    let days = terms.queue_days.min(limits::MOST_QUEUE_DAYS);
    age_seconds(row, terms).is_some_and(|age| age >= u64::from(days) * 86_400)
}

/// Who is never given up, since no clock tells his age, waits visibly: his tries tell how long at least.
fn is_delayed(row: &Queued, terms: &Terms) -> bool {
    let hours = terms.delay_note_hours;
    let age = || age_seconds(row, terms).unwrap_or_else(|| least(row.tries.saturating_add(1)).as_secs());
    hours > 0 && !row.is_delay_told && age() >= u64::from(hours) * 3600
}

/// None if it can't be known.
fn age_seconds(row: &Queued, terms: &Terms) -> Option<u64> {
    terms.believed_now.filter(|_| row.is_sure)?.0.checked_sub(row.received.0)
}

fn later(row: &Queued, last: &LastTry, is_unsure: bool, terms: &Terms) -> Fate {
    let next = next_time(row, terms.now, terms.jitter);
    Fate::Later { next, is_try: true, is_unsure, last: Some(last.clone()) }
}

fn next_time(row: &Queued, now: UnixTime, jitter: u64) -> UnixTime {
    let pause: Duration = pause(row.tries.saturating_add(1), jitter.wrapping_add(row.id.0));
    UnixTime(now.0.saturating_add(pause.as_secs()))
}

/// How a try ended, in the words of the server or our own.
fn last_try(reply: &Reply, host: &str, at: UnixTime) -> LastTry {
    let enhanced = reply
        .enhanced
        .map(|[class, subject, detail]| format!("{class}.{subject}.{detail} "))
        .unwrap_or_default();
    let text = match reply.code {
        0 => harmless(&reply.text),
        code => harmless(&format!("{code} {enhanced}{}", reply.text)),
    };
    LastTry { at, host: harmless(host).into(), text: text.into() }
}

/// What is kept of foreign words: nothing that breaks a line or is no letter, and not too much of it (S-132).
pub fn harmless(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        let letter = if is_harmless(letter) { letter } else { '?' };
        if out.len() + letter.len_utf8() > limits::KEPT_REPLY_OCTETS {
            break;
        }
        out.push(letter);
    }
    out
}

/// Neither a control nor what breaks a line or turns the order of letters around.
fn is_harmless(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
