//! What became of a mail is made durable and told: in the queue, to senders, in the log.

use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::courier::Batch;
use super::reach::Trouble;
use super::reporting;
use crate::clock::UnixTime;
use crate::net::alarm;
use crate::net::fold::Topic;
use crate::net::server::Server;
use crate::relay::judging::{self, About, Judgement, Terms, Told};
use crate::smtp::client::{Answer, Reply, Verdict};
use crate::store::{Ask, Fate, LastTry, Settlement, StoreError};

/// A settlement on its way into the store; its recipients are under way until it is durable.
pub struct Settling {
    server: Arc<Server>,
    batch: Batch,
    asked: Vec<Asked>,
}

type Asked = (Ask<()>, Vec<Settlement>);

impl Settling {
    /// Judges the answers, asks the store to keep what they come to, and makes the reports. Those come last: whom they
    /// are for may have to be asked of others, and what a server has taken must not wait for it.
    pub async fn begin(server: &Arc<Server>, mut batch: Batch, answers: Vec<Answer>, host: &str) -> Settling {
        let rows = std::mem::take(&mut batch.rows);
        let Judgement { settled, reports } = judging::judge(rows, answers, host, &terms(server));
        let mut settling = Settling { server: Arc::clone(server), batch, asked: Vec::new() };
        settling.ask(settled);
        settling.ask(make_reports(server, reports).await);
        settling
    }

    /// Waits until it is durable. What a server has taken must not be sent again because the disk was full for a while:
    /// it is asked for until the store can do it, or is closed.
    pub async fn done(mut self) {
        for (mut asked, settled) in std::mem::take(&mut self.asked) {
            while let Err(error) = asked.await {
                if matches!(error, StoreError::Closed) {
                    break;
                }
                self.server.store_failed("settling what was sent", &error);
                alarm::rest(&self.server.clock, SETTLE_AGAIN).await;
                asked = self.server.store.queue_settle(settled.clone());
            }
        }
        drop(self.batch);
    }

    fn ask(&mut self, settled: Vec<Settlement>) {
        if !settled.is_empty() {
            self.asked.push((self.server.store.queue_settle(settled.clone()), settled));
        }
    }
}

/// The recipients wait as if they had not been tried, since that was not their fault.
pub async fn wait(server: &Arc<Server>, batch: Batch, trouble: &Trouble) {
    let last = last_try(trouble, server.clock.now());
    let settled = batch.rows.iter().map(|row| Settlement {
        id: row.id,
        fate: Fate::Later { next: row.next, is_try: false, is_unsure: false, last: Some(last.clone()) },
    });
    if let Err(error) = server.store.queue_settle(settled.collect()).await {
        server.store_failed("noting why mail waits", &error);
    }
}

/// Makes the reports; gives what is to be settled besides. Who has failed and can't be told of now waits, and is tried
/// again.
pub async fn make_reports(server: &Server, reports: Vec<Told>) -> Vec<Settlement> {
    let mut settled = Vec::new();
    for told in reports {
        let taken = told.of.iter().filter(|_| told.about == About::Relayed).map(|(row, ..)| row.id);
        let taken: Vec<_> = taken.map(|id| Settlement { id, fate: Fate::Sent }).collect();
        if let Err(error) = reporting::report(server, told).await {
            server.store_failed("reporting to a sender", &error);
            settled.extend(taken);
            // What can't be noted either is due at once.
            alarm::rest(&server.clock, SETTLE_AGAIN).await;
        }
    }
    settled
}

/// Counts what became of a mail, and writes a line of the log for each answer.
pub fn tell(server: &Server, batch: &Batch, answers: &[Answer], host: &str) {
    let relay = &server.relay;
    let count = |of: fn(&Verdict) -> bool| answers.iter().filter(|answer| of(&answer.verdict)).count() as u64;
    relay.sent.fetch_add(count(|verdict| matches!(verdict, Verdict::Taken { .. })), Ordering::Relaxed);
    relay.unsure.fetch_add(count(|verdict| *verdict == Verdict::Unsure), Ordering::Relaxed);
    let mut told: Vec<&Answer> = Vec::new();
    for answer in answers {
        if told.contains(&answer) {
            continue;
        }
        told.push(answer);
        let rows = batch.rows.iter().zip(answers).filter(|(_, other)| *other == answer);
        let line = line(rows.map(|(row, _)| row.outbound.recipient.as_str()), answer, host);
        match answer.verdict {
            Verdict::Taken { .. } | Verdict::Never => log::info!("{line}"),
            Verdict::Later => server.fold.write(
                Topic::PutOff,
                log::Level::Info,
                server.clock.monotonic(),
                format_args!("{line}"),
            ),
            Verdict::Unsure => log::warn!("{line}; it may come twice"),
        }
    }
}

fn line<'a>(recipients: impl Iterator<Item = &'a str>, answer: &Answer, host: &str) -> String {
    let mut line = String::from(match answer.verdict {
        Verdict::Taken { .. } => "sent to",
        Verdict::Later => "not taken now: mail to",
        Verdict::Never => "never taken: mail to",
        Verdict::Unsure => "nobody knows whether it was taken: mail to",
    });
    let mut left_out = 0;
    for (number, recipient) in recipients.enumerate() {
        match number {
            0 => line += &format!(" {}", recipient.escape_debug()),
            1..SHOWN_RECIPIENTS => line += &format!(", {}", recipient.escape_debug()),
            _ => left_out += 1,
        }
    }
    if left_out > 0 {
        let _ = write!(line, " and {left_out} more");
    }
    if !host.is_empty() {
        let _ = write!(line, " by {host}");
    }
    line + ": " + &words(&answer.reply)
}

/// A trouble for people.
pub fn shown(trouble: &Trouble) -> String {
    let words = words(&trouble.reply);
    if trouble.host.is_empty() { words } else { format!("{}: {words}", trouble.host) }
}

/// What was said, with its code.
fn words(reply: &Reply) -> String {
    match (reply.code, reply.enhanced) {
        (0, _) => reply.text.clone(),
        (code, Some([class, subject, detail])) => format!("{code} {class}.{subject}.{detail} {}", reply.text),
        (code, None) => format!("{code} {}", reply.text),
    }
}

fn last_try(trouble: &Trouble, at: UnixTime) -> LastTry {
    let text = judging::harmless(&words(&trouble.reply)).into();
    LastTry { at, host: judging::harmless(&trouble.host).into(), text }
}

/// What mail is judged by now.
pub fn terms(server: &Server) -> Terms {
    let settings = server.store.settings();
    Terms {
        now: server.clock.now(),
        believed_now: server.store.believed_now(),
        queue_days: settings.outgoing.queue_days,
        delay_note_hours: settings.outgoing.delay_note_hours,
        jitter: jitter(),
    }
}

/// Any number.
pub fn jitter() -> u64 {
    RandomState::new().build_hasher().finish()
}

const SETTLE_AGAIN: Duration = Duration::from_secs(5);
const SHOWN_RECIPIENTS: usize = 5;

#[cfg(test)]
mod tests {
    use super::super::reach::TroubleKind;
    use super::*;
    use crate::limits;

    /// Letters that turn the order of others around were stopped where a mail had been tried, and not where it only
    /// waits: a server without a right certificate could so have written what an administrator sees.
    #[test]
    fn why_mail_waits_is_kept_as_harmless_as_why_it_failed_s_132() {
        let kept = |text: &str, host: &str| {
            let reply = Reply { code: 0, enhanced: None, text: text.into() };
            let trouble = Trouble { kind: TroubleKind::Held, host: host.into(), reply };
            let last = last_try(&trouble, UnixTime(1));
            (last.text.to_string(), last.host.to_string())
        };
        assert_eq!(kept("it is held", "mx.far.example"), ("it is held".into(), "mx.far.example".into()));
        assert_eq!(kept("a\u{202e}b\u{2066}c\u{200f}\r\n", "h\u{202e}x").0, "a?b?c???");
        assert_eq!(kept("", "h\u{202e}x").1, "h?x");
        let most = limits::KEPT_REPLY_OCTETS;
        for (letters, octets) in [(most - 1, most - 1), (most, most), (most + 1, most)] {
            assert_eq!(kept(&"x".repeat(letters), "").0.len(), octets);
        }
    }
}
