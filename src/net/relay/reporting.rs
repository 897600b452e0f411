//! Reports to senders, made and filed in one commit with what they tell of.

use super::reader;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{Address, RemoteAddress, Ret};
use crate::net::fold::Topic;
use crate::net::server::Server;
use crate::relay::judging::{About, Told, put_off};
use crate::smtp::Now;
use crate::smtp::report::{Notice, Of, Report, Returned};
use crate::store::{Fate, LastTry, Outbound, Queued, Settlement, StoreError};
use crate::wire::surrogate::header_end;

/// Makes the report and files it: into the sender's mailbox if he is ours, else into the queue, and where he is nobody
/// or can't be told, the recipients are dead. Errs if the store can't do it now; nobody is told then, and recipients who
/// have failed wait and are tried again (S-126, S-127). That a mail has been handed on is settled in any case, so that it
/// doesn't go twice. A user of ours who has had his reports of this hour is told in a later one.
pub async fn report(server: &Server, told: Told) -> Result<(), StoreError> {
    let filed = match Box::pin(make(server, &told)).await {
        Ok(Outcome::Filed) => return Ok(()),
        Ok(Outcome::NotNow) => {
            tell_log(server, &told, "there were too many reports in this hour; it comes later");
            server.store.queue_settle(next_hour(server, &told)).await
        }
        Ok(Outcome::Untold(why)) => {
            tell_log(server, &told, why);
            server.store.queue_settle(untold(&told)).await
        }
        Err(error) => Err(error),
    };
    let Err(error) = filed else { return Ok(()) };
    let clock = &server.clock;
    match told.about {
        About::Relayed => {
            tell_log(server, &told, &error.to_string());
            server.store.queue_settle(untold(&told)).await
        }
        About::Failure => {
            let jitter = server.mail_number();
            let later = told.of.iter().map(|(row, last, _)| put_off(row, last, clock.now(), jitter));
            // What went wrong at first is the cause to be told.
            let _ = server.store.queue_settle(later.collect()).await;
            Err(error)
        }
        About::Delay => Err(error),
    }
}

/// What came of a report.
enum Outcome {
    /// It is filed, and what it tells of is settled.
    Filed,
    /// Its reader has had his of this hour; nothing is settled.
    NotNow,
    /// Nobody can be told, and why; nothing is settled.
    Untold(&'static str),
}

/// Makes and files it.
async fn make(server: &Server, told: &Told) -> Result<Outcome, StoreError> {
    let Some((first, ..)) = told.of.first() else { return Ok(Outcome::Filed) };
    let outbound = &first.outbound;
    if outbound.reverse_path.is_empty() {
        return Ok(Outcome::Untold("it has no sender"));
    }
    let Some(turn) = server.reports.take(whose(outbound), server.clock.monotonic()) else {
        let waits = match told.about {
            About::Delay => true,
            About::Failure => is_ours(server, outbound).await?,
            About::Relayed => false,
        };
        return Ok(match waits {
            true => Outcome::NotNow,
            false => Outcome::Untold("there were too many reports in this hour"),
        });
    };
    let reader = match reader::find(server, &outbound.reverse_path).await? {
        Ok(reader) => reader,
        Err(why) => return Ok(Outcome::Untold(why)),
    };
    let front = front(server, told.about, first).await?;
    let report = write(server, told, first, &reader, front.as_ref());
    if !reader::file(server, &reader, &report, settled(told)).await? {
        return Ok(Outcome::Untold("the mailbox has been removed"));
    }
    turn.keep();
    Ok(Outcome::Filed)
}

/// By whom its reports are counted.
fn whose(outbound: &Outbound) -> &str {
    if outbound.submitter.is_empty() { &outbound.reverse_path } else { &outbound.submitter }
}

/// Whether a user or a device of ours sent it in a name of ours. What a stranger sent in such a name, and what a user
/// sent in a stranger's, would fill somebody's mailbox, if later (S-127).
async fn is_ours(server: &Server, outbound: &Outbound) -> Result<bool, StoreError> {
    let whose = whose(outbound);
    let is_from_here = whose.starts_with("device ") || whose.parse::<Address>().is_ok();
    match RemoteAddress::from_path(&outbound.reverse_path).domain() {
        Some(domain) if is_from_here => server.store.has_domain(domain).await,
        _ => Ok(false),
    }
}

/// The front of a mail, and whether it is all of it.
struct Front {
    octets: Vec<u8>,
    is_whole: bool,
}

/// What is returned; none if it can't be read, which must not keep the sender from being told.
async fn front(server: &Server, about: About, row: &Queued) -> Result<Option<Front>, StoreError> {
    let body_octets = row.octets.saturating_sub(row.outbound.prefix.len() as u64);
    let wants_whole = about == About::Failure
        && row.outbound.mail_dsn.ret == Some(Ret::Full)
        && body_octets <= limits::RETURNED_OCTETS;
    let mut octets = Vec::new();
    for index in 0..row.chunks {
        if octets.len() >= limits::SCANNED_HEADER_OCTETS || (!wants_whole && header_end(&octets).is_some()) {
            break;
        }
        match server.store.chunk(row.body(), index).await {
            Ok(chunk) => octets.extend_from_slice(&chunk.0),
            Err(StoreError::Damaged(text)) => {
                server.store_failed("reading a mail for a report", &StoreError::Damaged(text));
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
    let is_whole = wants_whole && octets.len() as u64 == body_octets;
    Ok(Some(Front { octets, is_whole }))
}

fn write(
    server: &Server,
    told: &Told,
    first: &Queued,
    reader: &reader::Reader,
    front: Option<&Front>,
) -> Report {
    let settings = server.store.settings();
    let arrived = Some(first.received).filter(|_| first.is_sure);
    let seconds = u64::from(settings.outgoing.queue_days) * 86_400;
    let of = told.of.iter().map(|(row, last, answer)| Of {
        address: row.outbound.recipient.as_str(),
        original: row.outbound.rcpt_dsn.original_recipient.as_ref(),
        answer: answer.as_ref(),
        host: &last.host,
        text: &last.text,
        at: last.at,
    });
    let notice = Notice {
        about: told.about,
        hostname: &server.hostname(&settings),
        language: reader.language,
        now: Now { at: server.clock.now(), is_suspect: server.clock.is_suspect() },
        mail_number: server.mail_number(),
        to: &first.outbound.reverse_path,
        domain: reader.domain.as_deref(),
        is_utf8: first.outbound.is_utf8,
        envelope_id: first.outbound.mail_dsn.envelope_id.as_deref(),
        arrived,
        until: arrived.map(|at| UnixTime(at.0.saturating_add(seconds))),
        of: of.collect(),
        returned: match front {
            None => Returned::Nothing,
            Some(front) if front.is_whole => Returned::Whole(&front.octets),
            Some(front) => Returned::Header(&front.octets),
        },
    };
    notice.write()
}

/// What becomes of those who are told of.
fn settled(told: &Told) -> Vec<Settlement> {
    let fate = match told.about {
        About::Failure => Fate::Failed,
        About::Delay => Fate::DelayTold,
        About::Relayed => Fate::Sent,
    };
    told.of.iter().map(|(row, ..)| Settlement { id: row.id, fate: fate.clone() }).collect()
}

/// What becomes of them where nobody can be told.
fn untold(told: &Told) -> Vec<Settlement> {
    match told.about {
        About::Delay | About::Relayed => settled(told),
        About::Failure => told
            .of
            .iter()
            .map(|(row, last, _)| Settlement { id: row.id, fate: Fate::Dead(last.clone()) })
            .collect(),
    }
}

/// Who has failed is tried again when another hour has begun, and told of then; a delay is noted when it is seen again.
fn next_hour(server: &Server, told: &Told) -> Vec<Settlement> {
    if told.about != About::Failure {
        return Vec::new();
    }
    let next = UnixTime(server.clock.now().0.saturating_add(limits::LONGEST_RETRY.as_secs()));
    let later =
        |last: &LastTry| Fate::Later { next, is_try: true, is_unsure: false, last: Some(last.clone()) };
    told.of.iter().map(|(row, last, _)| Settlement { id: row.id, fate: later(last) }).collect()
}

/// One line, folded: whoever floods must not fill the log too (S-127).
fn tell_log(server: &Server, told: &Told, why: &str) {
    let Some((first, last, _)) = told.of.first() else { return };
    let what = match told.about {
        About::Failure => "failure",
        About::Delay => "delay",
        About::Relayed => "relay",
    };
    let (sender, recipient, count) = (&first.outbound.reverse_path, &first.outbound.recipient, told.of.len());
    let line = format!(
        "no report of {what} for {sender:?}: {why}; of {count} recipients the first is {:?}: {:?}",
        recipient.as_str(),
        last.text
    );
    server.fold.warn(Topic::Report, server.clock.monotonic(), format_args!("{line}"));
}
