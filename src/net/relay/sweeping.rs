//! Mail that waits is looked through in small steps: what goes another way now is moved, what has waited too long ends.

use std::sync::Arc;

use super::bearing::{self, Bearing, Compass};
use super::courier::Batch;
use super::settling;
use crate::limits;
use crate::mail::{Address, Lane, MailboxId};
use crate::net::server::Server;
use crate::relay::judging;
use crate::store::{Delivered, Fate, LastTry, QueueId, QueueState, Queued, Settlement, StoreError, Which};

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
    let settings = server.store.settings();
    let mut compass = Compass::new(server, &settings);
    let mut after = None;
    let mut moved = 0;
    loop {
        let taking = server.relay.taking.lock().await;
        // Who is under way is settled by whoever sends it.
        let busy = server.relay.lanes().under_way();
        let page = server.store.queue_page(Which::All, after, limits::QUEUE_STEP).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let mut found = Vec::new();
        for row in page.into_iter().filter(|row| row.state != QueueState::Dead && !busy.contains(&row.id)) {
            let bearing = compass.of(&row).await?;
            found.push((row, bearing));
        }
        let mut settled = Vec::new();
        let mut home = Vec::new();
        for (row, bearing) in found {
            match bearing {
                // What is held stays where the administrator sees it.
                Bearing::Home(_) if row.state == QueueState::Held => {}
                Bearing::Home(mailboxes) => {
                    let lane = row.outbound.lane.clone();
                    home.push((Batch::new(server, &lane, vec![row]), mailboxes));
                }
                Bearing::Way(lane) if lane == row.outbound.lane => {}
                Bearing::Way(lane) => settled.push(Settlement { id: row.id, fate: Fate::Moved(lane) }),
                Bearing::Lost => settled.extend(lost(server, &row)),
            }
        }
        moved += settled.iter().filter(|settlement| matches!(settlement.fate, Fate::Moved(_))).count();
        if !settled.is_empty() {
            server.store.queue_settle(settled).await?;
        }
        drop(taking);
        for (batch, mailboxes) in home {
            bring_home(server, &batch, &mailboxes).await;
        }
        smol::future::yield_now().await;
    }
    if moved > 0 {
        log::info!("outgoing mail: {moved} recipients wait on another way now");
    }
    Ok(())
}

/// What has no way any more waits where nothing is sent, and says why.
fn lost(server: &Server, row: &Queued) -> Vec<Settlement> {
    if row.outbound.lane == Lane::Nowhere {
        return Vec::new();
    }
    let last = LastTry { at: server.clock.now(), host: "".into(), text: NO_ROUTE.into() };
    let (next, last) = (row.next, Some(last));
    let told = Fate::Later { next, is_try: false, is_unsure: false, last };
    [told, Fate::Moved(Lane::Nowhere)].map(|fate| Settlement { id: row.id, fate }).into()
}

/// What can't be brought home waits on, and so do none of the others.
async fn bring_home(server: &Server, batch: &Batch, mailboxes: &[(MailboxId, Address)]) {
    for row in &batch.rows {
        let recipient = &row.outbound.recipient;
        match bearing::bring_home(server, row, mailboxes).await {
            Ok(Delivered::Stored { .. }) => {
                log::info!("outgoing mail: {recipient} has a mailbox here now, and his mail");
            }
            Ok(Delivered::Full) => {
                log::info!("outgoing mail: {recipient} has a mailbox here now, but it takes no mail");
            }
            // The mail is gone or held meanwhile, or the mailbox is gone, of which the next look knows.
            Ok(Delivered::NobodyLeft) => {}
            Err(error) => server.store_failed("delivering what waited to leave", &error),
        }
    }
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
        let busy = server.relay.lanes().under_way();
        let rows = server.store.queue_older(lane.clone(), than, from, limits::QUEUE_STEP).await?;
        let Some(highest) = rows.iter().map(|row| row.id).max() else { return Ok(()) };
        from = QueueId(highest.0.saturating_add(1));
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
const NO_ROUTE: &str = "the address is of a domain of ours, has no mailbox and no route any more: make one with \"poppet add\", \
    \"poppet route\" or \"poppet share\", then \"poppet queue retry\"";

#[cfg(test)]
mod tests;
