//! What is known of each way while mail waits on it: connections, failures, rests. In memory only.
//!
//! ```text
//!   idle --mail is due, a place is free--> one connection --ready--> proven: as many as the setting allows
//!                                             |
//!                   nobody can be reached ----+--> resting: Later, Offline, Nameless (growing), Held (a person looks)
//!                                                    |
//!                       time, the network, a change -+--> idle
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use smol::channel::{self, Receiver, Sender};

use super::reach::TroubleKind;
use crate::admin::LaneTrouble;
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::Lane;
use crate::relay::pauses;
use crate::store::{LaneRow, QueueId};

/// All ways on which something waits or goes.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: BTreeMap<Lane, State>,
    /// The way that had the last place: the next one is another's.
    last_opened: Option<Lane>,
    /// Until when no name server was to be reached, which all that go by names have in common.
    direct_rests: Option<Instant>,
}

/// One way.
#[derive(Debug)]
struct State {
    connections: u32,
    /// Connections that wait for more mail.
    idle: u32,
    nudge: (Sender<()>, Receiver<()>),
    busy: Vec<QueueId>,
    /// Whose sending broke off by a bug: they are left alone as long as anybody waits here.
    abandoned: Vec<QueueId>,
    /// Since when, or since which look, all that wait seem to be under way. Some of those may be gone from the store.
    doubted: Option<Instant>,
    last_submitter: Option<Box<str>>,
    /// Whether the last try came as far as the logon.
    is_proven: bool,
    /// When somebody looked and nothing was due, if so; what is under way may still stand in the store.
    dry: Option<Instant>,
    /// How often that has ended.
    wettings: u64,
    rest: Option<Rest>,
}

/// Why a way rests, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rest {
    kind: TroubleKind,
    /// Failures in a row.
    failures: u32,
    since: UnixTime,
    /// When the first failure was, of whatever kind, since the way was last proven.
    begun: Instant,
    until: Instant,
    next: UnixTime,
    text: String,
}

/// What is known of a way before it is looked who is due.
#[derive(Debug)]
pub struct Taken {
    /// Whom nobody may take.
    pub busy: Vec<QueueId>,
    /// Whose mail was the last.
    pub last_submitter: Option<Box<str>>,
    /// How often something may have become due.
    pub wettings: u64,
}

/// What is to be done now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Ways on each of which one more connection is to be opened.
    pub open: Vec<Lane>,
    /// When to look again, unless something happens.
    pub look_again: Option<Duration>,
}

/// How it is now.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the clock that only goes forward.
    pub monotonic: Instant,
    /// By the wall clock.
    pub wall: UnixTime,
}

impl Lanes {
    /// Decides who gets places, `rows` being what waits; forgets ways of which nothing is left to know.
    pub fn plan(&mut self, rows: &[LaneRow], now: Moment, most_each: u32) -> Plan {
        let mut plan = Plan::default();
        let mut free = limits::OUTGOING_CONNECTIONS.saturating_sub(self.connections() as usize);
        let last = rows.iter().position(|row| Some(&row.lane) == self.last_opened.as_ref());
        let first = last.map_or(0, |last| last + 1);
        let (before, behind) = rows.split_at(first);
        for row in behind.iter().chain(before).filter(|row| row.lane != Lane::Nowhere) {
            match self.due(row, now, most_each) {
                Due::Now if free > 0 => {
                    free -= 1;
                    let state = self.state(&row.lane);
                    state.connections += 1;
                    state.looked(now);
                    self.last_opened = Some(row.lane.clone());
                    plan.open.push(row.lane.clone());
                }
                // A place that becomes free wakes.
                Due::Now | Due::Never => {}
                Due::In(pause) => {
                    plan.look_again = Some(plan.look_again.map_or(pause, |other| other.min(pause)));
                }
            }
        }
        let waiting: BTreeSet<&Lane> = rows.iter().map(|row| &row.lane).collect();
        self.lanes
            .retain(|lane, state| state.connections > 0 || !state.busy.is_empty() || waiting.contains(lane));
        plan
    }

    /// Connections in all.
    pub fn connections(&self) -> u32 {
        self.lanes.values().map(|state| state.connections).sum()
    }

    /// Something may have become due.
    pub fn wet(&mut self) {
        self.lanes.values_mut().for_each(State::wet);
    }

    /// The network has changed, and what waited for it is tried now; or an administrator has changed something, and all
    /// is tried, even what is held.
    pub fn hurry(&mut self, even_held: bool, now: Instant) {
        self.direct_rests = None;
        for state in self.lanes.values_mut() {
            state.wet();
            if let Some(rest) = &mut state.rest
                && (even_held || rest.kind.is_offline())
            {
                rest.until = now;
                rest.failures = 0;
            }
        }
    }

    /// A connection is gone.
    pub fn closed(&mut self, lane: &Lane) {
        let state = self.state(lane);
        state.connections = state.connections.saturating_sub(1);
    }

    /// Nothing was due on a way that had so many wettings then. Says whether that still holds: what was filed or given
    /// back since may not have been seen, and nobody would look for it for a minute.
    #[must_use]
    pub fn dry(&mut self, lane: &Lane, wettings: u64, now: Instant) -> bool {
        let state = self.state(lane);
        let is_dry = state.wettings == wettings;
        if is_dry {
            state.dry = Some(now);
        }
        is_dry
    }

    /// A connection begins to wait for mail; gives what nudges it. None where something may have become due since nothing
    /// was found, when there was nobody to be nudged.
    pub fn idle(&mut self, lane: &Lane) -> Option<Receiver<()>> {
        let state = self.state(lane);
        state.dry?;
        state.idle += 1;
        Some(state.nudge.1.clone())
    }

    /// It waits no more.
    pub fn awake(&mut self, lane: &Lane) {
        let state = self.state(lane);
        state.idle = state.idle.saturating_sub(1);
    }

    /// Has all connections that wait look whether they are to go on, for the last time.
    pub fn nudge_all(&mut self) {
        for state in self.lanes.values_mut() {
            // Closed, it wakes all of them.
            state.nudge.0.close();
        }
    }

    /// What is to be known before rows are read.
    pub fn taken(&mut self, lane: &Lane) -> Taken {
        let state = self.state(lane);
        Taken {
            busy: state.busy.iter().chain(&state.abandoned).copied().collect(),
            last_submitter: state.last_submitter.clone(),
            wettings: state.wettings,
        }
    }

    /// These are under way now.
    pub fn take(&mut self, lane: &Lane, ids: &[QueueId], submitter: Option<Box<str>>) {
        let state = self.state(lane);
        state.busy.extend_from_slice(ids);
        state.last_submitter = submitter.or(state.last_submitter.take());
    }

    /// These are under way no more.
    pub fn give_back(&mut self, lane: &Lane, ids: &[QueueId]) {
        let state = self.state(lane);
        state.busy.retain(|id| !ids.contains(id));
        state.wet();
    }

    /// These are under way no more, and nobody is to take them.
    pub fn abandon(&mut self, lane: &Lane, ids: &[QueueId]) {
        self.give_back(lane, ids);
        self.state(lane).abandoned.extend_from_slice(ids);
    }

    /// Somebody lets us come in; says since when that was not so, if a person was told.
    pub fn proven(&mut self, lane: &Lane) -> Option<UnixTime> {
        if matches!(lane, Lane::Direct(_)) {
            self.direct_rests = None;
        }
        let state = self.state(lane);
        state.is_proven = true;
        state.rest.take().map(|rest| rest.since)
    }

    /// Nobody can be reached. Gives for how long the way rests, and whether that is news.
    pub fn failed(
        &mut self,
        lane: &Lane,
        kind: TroubleKind,
        text: &str,
        now: Moment,
        jitter: u64,
    ) -> (Duration, bool) {
        let state = self.state(lane);
        state.is_proven = false;
        let before = state.rest.take();
        let failures = before.as_ref().filter(|rest| rest.kind == kind).map_or(0, |rest| rest.failures);
        let pause = match kind {
            TroubleKind::Held => limits::HELD_RETRY,
            TroubleKind::Later | TroubleKind::Offline | TroubleKind::Nameless | TroubleKind::Never => {
                pauses::pause(failures, jitter)
            }
        };
        let is_news = before.as_ref().is_none_or(|rest| rest.kind != kind);
        let until = now.monotonic + pause;
        state.rest = Some(Rest {
            kind,
            failures: failures.saturating_add(1),
            begun: before.as_ref().map_or(now.monotonic, |rest| rest.begun),
            since: before.filter(|rest| rest.kind == kind).map_or(now.wall, |rest| rest.since),
            until,
            next: UnixTime(now.wall.0.saturating_add(pause.as_secs())),
            text: text.into(),
        });
        if kind == TroubleKind::Nameless && matches!(lane, Lane::Direct(_)) {
            self.direct_rests = Some(until);
        }
        (pause, is_news)
    }

    /// Whom nobody may take on any lane. It must be asked before rows are read: who is given back between the two is
    /// settled by then, and his row, read before, would be taken for one that waits.
    pub fn under_way(&self) -> BTreeSet<QueueId> {
        self.lanes.values().flat_map(|state| state.busy.iter().chain(&state.abandoned)).copied().collect()
    }

    /// Ways that have failed for [`limits::WAY_FAILING`] by the clock that can't leap, and why.
    pub fn failing(&self, now: Instant) -> Vec<(Lane, String)> {
        let is_long = |rest: &&Rest| now.saturating_duration_since(rest.begun) >= limits::WAY_FAILING;
        let failing = |(lane, state): (&Lane, &State)| {
            state.rest.as_ref().filter(is_long).map(|rest| (lane.clone(), rest.text.clone()))
        };
        self.lanes.iter().filter_map(failing).collect()
    }

    /// Since when there is no network, if there is none.
    pub fn offline_since(&self) -> Option<UnixTime> {
        let rests = self.lanes.values().filter_map(|state| state.rest.as_ref());
        rests.filter(|rest| rest.kind.is_offline()).map(|rest| rest.since).min()
    }

    /// Ways that rest, a hundred at most, what has lasted longest first.
    pub fn troubles(&self) -> Vec<LaneTrouble> {
        let mut troubles: Vec<LaneTrouble> = self
            .lanes
            .iter()
            .filter_map(|(lane, state)| {
                let rest = state.rest.as_ref()?;
                let next = Some(rest.next);
                Some(LaneTrouble { lane: lane.clone(), since: rest.since, next, text: rest.text.clone() })
            })
            .collect();
        troubles.sort_by_key(|trouble| trouble.since);
        troubles.truncate(MOST_TROUBLES);
        troubles
    }

    fn due(&mut self, row: &LaneRow, now: Moment, most_each: u32) -> Due {
        let direct_rests = self.direct_rests.filter(|_| matches!(row.lane, Lane::Direct(_)));
        let state = self.state(&row.lane);
        let Some(next) = row.next else { return Due::Never };
        let by_count = state.doubt(row.waiting, now.monotonic);
        let by_time = Duration::from_secs(next.0.saturating_sub(now.wall.0));
        let since = |dry: Instant| (dry + DRY_LOOK).saturating_duration_since(now.monotonic);
        let by_dryness = state.dry.map_or(Duration::ZERO, since);
        let rests = state.rest.as_ref().map(|rest| rest.until).into_iter().chain(direct_rests).max();
        let by_rest = rests.map_or(Duration::ZERO, |until| until.saturating_duration_since(now.monotonic));
        let pause = by_time.max(by_count).max(by_dryness).max(by_rest);
        if !pause.is_zero() {
            return Due::In(pause);
        }
        if state.idle > 0 {
            // Who waits on an open connection takes it.
            state.nudge();
            state.looked(now);
            return Due::Never;
        }
        let most = if state.is_proven { most_each } else { 1 };
        if state.connections < most { Due::Now } else { Due::Never }
    }

    fn state(&mut self, lane: &Lane) -> &mut State {
        self.lanes.entry(lane.clone()).or_insert_with(State::new)
    }
}

impl State {
    /// Something may be due.
    fn wet(&mut self) {
        self.dry = None;
        self.wettings += 1;
    }

    /// Those who are idle at once take turns: one is enough.
    fn nudge(&self) {
        let _ = self.nudge.0.try_send(());
    }

    /// For how long it is believed that all who wait are under way. Who is deleted, held or moved meanwhile is counted
    /// and waits no more: another one who waits would never be seen.
    fn doubt(&mut self, waiting: u64, now: Instant) -> Duration {
        if waiting > (self.busy.len() + self.abandoned.len()) as u64 {
            self.doubted = None;
            return Duration::ZERO;
        }
        (*self.doubted.get_or_insert(now) + DRY_LOOK).saturating_duration_since(now)
    }

    /// Somebody looks now who really waits.
    fn looked(&mut self, now: Moment) {
        self.doubted = self.doubted.map(|_| now.monotonic);
    }

    fn new() -> State {
        State {
            connections: 0,
            idle: 0,
            nudge: channel::bounded(1),
            busy: Vec::new(),
            abandoned: Vec::new(),
            doubted: None,
            last_submitter: None,
            is_proven: false,
            dry: None,
            wettings: 0,
            rest: None,
        }
    }
}

/// When a way is to be served.
enum Due {
    Now,
    In(Duration),
    /// Something else will happen first.
    Never,
}

/// After that, a way on which nothing was found is looked at again, whatever the store says of it.
const DRY_LOOK: Duration = Duration::from_secs(60);
/// Ways whose troubles are told.
const MOST_TROUBLES: usize = 100;

#[cfg(test)]
mod tests;
