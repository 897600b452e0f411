//! What becomes of queued recipients after a try, and who is told.

use crate::clock::UnixTime;
use crate::smtp::client::Answer;
use crate::store::{LastTry, Queued, Settlement};

/// What a try comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What becomes of each recipient of whom nobody needs to be told.
    pub settled: Vec<Settlement>,
    /// Reports that must be made, each to be filed with its settlements.
    pub reports: Vec<Told>,
}

/// A report to a sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What it is about.
    pub about: About,
    /// The recipients of whom it tells, with what was said of each.
    pub of: Vec<(Queued, LastTry, Option<Answer>)>,
}

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

/// Judges a try: `host` is who answered, and `answers` one for each of `tried`.
pub fn judge(tried: Vec<Queued>, answers: Vec<Answer>, host: &str, terms: &Terms) -> Judgement {
    let _ = (tried, answers, host, terms);
    Judgement::default()
}
