//! Mail that waits is looked through in small steps: what goes another way now is moved, what has waited too long ends.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::courier::Batch;
use super::settling;
use crate::limits;
use crate::mail::{Address, Lane};
use crate::net::server::Server;
use crate::relay::{judging, routing};
use crate::store::{Fate, LastTry, QueueId, QueueState, Queued, Settlement, StoreError, Which};

/// Moves what would go another way if it came now; says whether all was looked through.
pub async fn move_rows(server: &Arc<Server>) -> bool {
    let moved = try_move(server).await;
    if let Err(error) = &moved {
        server.store_failed("looking through the queue for another way", error);
    }
    moved.is_ok()
}

/// Ends what has waited for too long on ways that have failed for hours, and has senders told whose mail waits.
pub async fn age_rows(server: &Arc<Server>) {
    let Some(now) = server.store.believed_now() else { return };
    let monotonic = server.clock.monotonic();
    let failing = server.relay.lanes().failing(monotonic);
    let has_run_long = monotonic.saturating_duration_since(server.relay.begun()) >= limits::WAY_FAILING;
    let nowhere = has_run_long.then(|| (Lane::Nowhere, NO_WAY.to_owned()));
    for (lane, text) in failing.into_iter().chain(nowhere) {
        let last = LastTry { at: now, host: "".into(), text: text.into() };
        if let Err(error) = age_lane(server, &lane, &last).await {
            return server.store_failed("looking through the queue for what has waited too long", &error);
        }
    }
}

async fn try_move(server: &Arc<Server>) -> Result<(), StoreError> {
    let mut after = None;
    let mut moved = 0;
    loop {
        let taking = server.relay.taking.lock().await;
        let page = server.store.queue_page(Which::All, after, limits::QUEUE_STEP).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let settled: Vec<Settlement> = {
            let mut lanes = server.relay.lanes();
            let rows = page.iter().filter(|row| row.state != QueueState::Dead);
            rows.filter_map(|row| {
                let lane = lane_now(server, row);
                // Who is under way is settled by whoever sends it.
                let is_other = lane != row.outbound.lane && !lanes.is_busy(&row.outbound.lane, row.id);
                is_other.then_some(Settlement { id: row.id, fate: Fate::Moved(lane) })
            })
            .collect()
        };
        moved += settled.len();
        if !settled.is_empty() {
            server.store.queue_settle(settled).await?;
        }
        drop(taking);
        smol::future::yield_now().await;
    }
    if moved > 0 {
        log::info!("outgoing mail: {moved} recipients wait on another way now");
    }
    Ok(())
}

fn lane_now(server: &Server, row: &Queued) -> Lane {
    let sender: Option<Address> = row.outbound.submitter.parse().ok();
    routing::lane(&server.store, sender.as_ref(), &row.outbound.recipient)
}

async fn age_lane(server: &Arc<Server>, lane: &Lane, last: &LastTry) -> Result<(), StoreError> {
    let settings = server.store.settings();
    let hours = u64::from(settings.outgoing.queue_days) * 24;
    let note = u64::from(settings.outgoing.delay_note_hours);
    let hours = if note > 0 { hours.min(note) } else { hours };
    let mut from = QueueId(0);
    while !server.relay.is_stopping() {
        let terms = settling::terms(server);
        let Some(now) = terms.believed_now else { return Ok(()) };
        let than = crate::clock::UnixTime(now.0.saturating_sub(hours * 3600));
        let taking = server.relay.taking.lock().await;
        let rows = server.store.queue_older(lane.clone(), than, from, limits::QUEUE_STEP).await?;
        let Some(highest) = rows.iter().map(|row| row.id).max() else { return Ok(()) };
        from = QueueId(highest.0.saturating_add(1));
        let busy: BTreeSet<QueueId> = server.relay.lanes().taken(lane).0.into_iter().collect();
        let rows = rows.into_iter().filter(|row| !busy.contains(&row.id)).collect();
        let mut batch = Batch::new(server, lane, rows);
        drop(taking);
        let judging::Judgement { mut settled, reports } =
            judging::judge_waiting(std::mem::take(&mut batch.rows), last.clone(), &terms);
        settled.extend(settling::make_reports(server, reports).await);
        if !settled.is_empty() {
            server.store.queue_settle(settled).await?;
        }
    }
    Ok(())
}

const NO_WAY: &str = "there is no way to other servers: name a smart host with \"poppet set smarthost HOST\"";
