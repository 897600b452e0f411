//! The queue: looked at, and moved by hand (O1).

use super::{OutgoingTold, relay_changed};
use crate::admin::{
    AdminError, Context, Failure, QueueAct, QueueId, QueueState, Queued, RelayStatus, Which, quoted,
};
use crate::limits;
use crate::store::StoreError;

/// A page of the queue.
pub(super) async fn page(
    context: &Context,
    which: Which,
    after: Option<QueueId>,
) -> Result<OutgoingTold, AdminError> {
    check(&which)?;
    let rows = context.store.queue_page(which, after, PAGE_ROWS).await?;
    let is_last = rows.len() < PAGE_ROWS;
    Ok(OutgoingTold::Queue { rows, is_last })
}

/// A queued recipient, and the header of his message as far as it is shown.
pub(super) async fn show(context: &Context, id: QueueId) -> Result<OutgoingTold, AdminError> {
    let row = find(context, id).await?;
    let mut front = row.outbound.prefix.clone();
    if row.chunks > 0 && front.len() < SHOWN_OCTETS {
        // It may have been sent while somebody looked.
        let chunk = context.store.chunk(row.body(), 0).await.map_err(|error| match error {
            StoreError::NotFound(_) => nobody(&Which::One(id)),
            error => error.into(),
        })?;
        front.extend_from_slice(&chunk.0);
    }
    front.truncate(header_octets(&front).min(SHOWN_OCTETS));
    Ok(OutgoingTold::Mail(Box::new(row), front))
}

/// Does something with queued recipients. Errs with [`Failure::NotFound`] where none is meant, unless all are.
pub(super) async fn act(context: &Context, which: Which, act: QueueAct) -> Result<OutgoingTold, AdminError> {
    check(&which)?;
    if let Which::One(id) = which {
        find(context, id).await?;
    }
    let count = context.store.queue_act(which.clone(), act).await?;
    if count == 0 && !matches!(which, Which::All | Which::One(_)) {
        return Err(nobody(&which));
    }
    relay_changed(context);
    Ok(OutgoingTold::Done(count, notes(&super::status(context), act)))
}

async fn find(context: &Context, id: QueueId) -> Result<Queued, AdminError> {
    let rows = context.store.queue_page(Which::One(id), None, 1).await?;
    rows.into_iter().next().ok_or_else(|| nobody(&Which::One(id)))
}

/// What keeps mail here although it has just been made due.
fn notes(status: &RelayStatus, act: QueueAct) -> Vec<String> {
    let mut notes = Vec::new();
    if !matches!(act, QueueAct::Retry | QueueAct::Release) {
        return notes;
    }
    if status.offline_since.is_some() {
        notes.push(
            "There is no way out at present, which counts as no try: mail leaves once there is one again."
                .into(),
        );
    }
    notes.extend(status.troubles.iter().map(|trouble| format!("{}: {}", trouble.lane, trouble.text)));
    notes.truncate(SHOWN_TROUBLES);
    notes
}

fn nobody(which: &Which) -> AdminError {
    let text = match which {
        Which::All => "the queue is empty".into(),
        Which::One(id) => format!(
            "there is no number {} in the queue: it has been sent or removed; \"poppet queue\" shows what waits",
            id.0
        ),
        Which::Lane(lane) => format!("nothing waits on the way {lane}: \"poppet queue\" shows what waits"),
        Which::Having(text) => {
            format!(
                "nothing in the queue has {} in its addresses: \"poppet queue\" shows what waits",
                quoted(text)
            )
        }
    };
    AdminError::new(Failure::NotFound, text)
}

fn check(which: &Which) -> Result<(), AdminError> {
    let Which::Having(text) = which else { return Ok(()) };
    match text.is_empty() || text.len() > limits::PATH_OCTETS || text.chars().any(char::is_control) {
        true => Err(AdminError::usage(format!(
            "{} is in no address: name a number of \"poppet queue\", a way, part of an address, or all",
            quoted(text)
        ))),
        false => Ok(()),
    }
}

/// Octets up to the empty line that ends a header, without it; all where there is none.
fn header_octets(front: &[u8]) -> usize {
    front.windows(4).position(|four| four == b"\r\n\r\n").map_or(front.len(), |end| end + 2)
}

impl QueueState {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            QueueState::Waiting => "waiting",
            QueueState::Held => "held",
            QueueState::Dead => "dead",
        }
    }
}

/// Rows of a page: some MiB of an answer, where each has a sender, a recipient and a reply of the longest kind.
const PAGE_ROWS: usize = 500;
/// Octets of a message's front that are shown.
const SHOWN_OCTETS: usize = 16 * 1024;
/// Ways in trouble that are told beside something else.
const SHOWN_TROUBLES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::LaneTrouble;
    use crate::clock::UnixTime;
    use crate::mail::Lane;

    #[test]
    fn a_header_ends_at_the_first_empty_line() {
        for (front, octets) in [
            (&b"A: b\r\n\r\nbody\r\n\r\n"[..], 6),
            (b"A: b\r\n", 6),
            (b"A: b\n\nbody", 10),
            (b"", 0),
            (b"\r\n\r\n", 2),
        ] {
            assert_eq!(header_octets(front), octets, "{front:?}");
        }
    }

    #[test]
    fn texts_that_no_address_has_are_refused_at_their_edges() {
        let having = |octets: usize| check(&Which::Having("x".repeat(octets)));
        for (octets, is_taken) in
            [(0, false), (1, true), (limits::PATH_OCTETS, true), (limits::PATH_OCTETS + 1, false)]
        {
            assert_eq!(having(octets).is_ok(), is_taken, "{octets}");
        }
        let error = check(&Which::Having("a\u{1b}[2J".into())).unwrap_err();
        assert!(error.kind == Failure::Usage && !error.text.contains('\u{1b}'), "{}", error.text);
    }

    #[test]
    fn who_makes_mail_due_is_told_what_keeps_it_here_o8() {
        let trouble = |number: usize| LaneTrouble {
            lane: Lane::Direct(format!("d{number}.example").into()),
            since: UnixTime(1),
            next: None,
            text: "it refuses our password".into(),
        };
        let status = RelayStatus {
            offline_since: Some(UnixTime(1)),
            troubles: (0..10).map(trouble).collect(),
            ..RelayStatus::default()
        };
        let told = notes(&status, QueueAct::Retry);
        assert_eq!(told.len(), SHOWN_TROUBLES);
        assert!(
            told[0].contains("no way out") && told[1] == "mx:d0.example: it refuses our password",
            "{told:?}"
        );
        assert_eq!(notes(&status, QueueAct::Hold), Vec::<String>::new());
        assert_eq!(notes(&RelayStatus::default(), QueueAct::Release), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_there_is_told_in_one_line() {
        for which in [
            Which::All,
            Which::One(QueueId(7)),
            Which::Lane(Lane::SmartHost),
            Which::Having("bob\n\u{1b}".into()),
        ] {
            let error = nobody(&which);
            assert_eq!((error.kind, error.text.lines().count()), (Failure::NotFound, 1), "{}", error.text);
            assert!(!error.text.contains('\u{1b}'));
        }
    }
}
