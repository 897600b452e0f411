//! fails: the accounts on which logons have failed.

use super::accounts::mailbox_address;
use super::desk::{Desk, stranger};
use super::table::{Cell, Report};
use super::user_verbs::Fails;
use crate::admin::{AdminError, Answer, Command, FailureRow, FailureState};

pub(super) fn fails(verb: &Fails, desk: &Desk) -> Result<Report, AdminError> {
    let address = verb.address.as_deref().map(mailbox_address).transpose()?;
    let Answer::Failures(rows) = desk.ask(Command::Failures(address))? else { return Err(stranger()) };
    Ok(Report::Rows(COLUMNS, rows.iter().map(cells).collect()))
}

fn cells(row: &FailureRow) -> Vec<Cell> {
    let (state, until) = match row.state {
        FailureState::Open => ("open", Cell::None),
        FailureState::Slowed => ("slowed", Cell::None),
        FailureState::LockedUntil(until) => ("locked", Cell::Time(until)),
        FailureState::Locked => ("locked", Cell::None),
    };
    vec![
        Cell::text(&row.user),
        Cell::Number(row.failures.into()),
        Cell::Time(row.last),
        Cell::Number(row.networks.into()),
        Cell::text(&row.last_network),
        Cell::text(state),
        until,
    ]
}

const COLUMNS: &[&str] = &["user", "failures", "last", "networks", "last_network", "state", "until"];
