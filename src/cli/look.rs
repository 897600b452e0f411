//! list, stat, status.

use std::collections::BTreeMap;

use super::desk::{Desk, stranger};
use super::table::{Cell, Report};
use super::verbs::{List, Stat};
use crate::admin::{
    AdminError, Answer, Command, DomainRow, Failure, GoneRow, MailboxRow, Recoverable, Target, Wear,
};
use crate::mail::{Address, Domain};

pub(super) fn list(verb: &List, desk: &Desk) -> Result<Report, AdminError> {
    let Some(domain) = &verb.domain else {
        let row = |row: &DomainRow| {
            let state = if row.lock.is_locked() { "locked" } else { "open" };
            vec![Cell::text(&row.domain), Cell::text(state), Cell::Number(row.mailboxes.into())]
        };
        return Ok(Report::Rows(&["domain", "state", "mailboxes"], domains(desk)?.iter().map(row).collect()));
    };
    let domain = match domain.parse()? {
        Target::Domain(domain) => domain,
        Target::Mailbox(address) => {
            return Err(AdminError::usage(format!(
                "{address} is an address: name its domain, {}",
                address.domain()
            )));
        }
    };
    let row =
        |row: &MailboxRow| vec![Cell::text(&row.address), Cell::text(state(row)), Cell::Time(row.created)];
    let rows = mailboxes(desk, Some(domain))?.iter().map(row).collect();
    Ok(Report::Rows(&["mailbox", "state", "created"], rows))
}

pub(super) fn stat(verb: &Stat, desk: &Desk) -> Result<Report, AdminError> {
    match (&verb.target, verb.wear) {
        (Some(_), true) => {
            Err(AdminError::usage("the wear is counted for the whole file: leave out the target, or --wear"))
        }
        (None, true) => match desk.ask(Command::Wear)? {
            Answer::Wear(wear) => Ok(Report::Facts(wear_facts(&wear))),
            _ => Err(stranger()),
        },
        (None, false) => stat_domains(desk),
        (Some(target), false) => stat_mailboxes(target.parse()?, desk),
    }
}

pub(super) fn status(desk: &Desk) -> Result<Report, AdminError> {
    let status = desk.status()?;
    let live = status.live.as_ref();
    let sessions =
        live.map(|live| live.sessions.iter().map(|(name, count)| format!("{name}={count}")).collect());
    let listeners = live.map(|live| live.listeners.iter().map(|(name, at)| format!("{name}={at}")).collect());
    Ok(Report::Facts(vec![
        ("server", Cell::text(if live.is_some() { "running" } else { "not running" })),
        ("version", Cell::Text(status.version.clone())),
        ("pid", live.map_or(Cell::None, |live| Cell::Number(live.pid.into()))),
        ("uptime_seconds", live.map_or(Cell::None, |live| Cell::Seconds(live.uptime_seconds))),
        ("listeners", listeners.map_or(Cell::None, Cell::Texts)),
        ("sessions", sessions.map_or(Cell::None, Cell::Texts)),
        ("clock", live.map_or(Cell::None, |live| Cell::text(clock(live.is_clock_suspect)))),
        ("database", Cell::text(desk.database().display())),
        ("domains", Cell::Number(status.domains.into())),
        ("mailboxes", Cell::Number(status.mailboxes.into())),
        ("messages", Cell::Number(status.messages)),
        ("octets", Cell::Octets(status.octets)),
        ("file_octets", Cell::Octets(status.file_octets)),
        ("free_octets", Cell::Octets(status.free_octets)),
    ]))
}

fn clock(is_suspect: bool) -> &'static str {
    if is_suspect { "older than the database: set it" } else { "right" }
}

/// Domains of removed mailboxes stand among the others, even if they were removed with them.
fn stat_domains(desk: &Desk) -> Result<Report, AdminError> {
    let mailboxes = mailboxes(desk, None)?;
    let gone = gone(desk, None)?;
    let mut domains: BTreeMap<Domain, u32> =
        domains(desk)?.into_iter().map(|row| (row.domain, row.mailboxes)).collect();
    for row in &gone {
        domains.entry(row.address.domain()).or_default();
    }
    let row = |(domain, count): (&Domain, &u32)| {
        let own = || mailboxes.iter().filter(|row| row.address.domain() == *domain);
        let recoverable = || {
            let of_gone = gone.iter().filter(|row| row.address.domain() == *domain);
            own().map(|row| row.recoverable).chain(of_gone.map(|row| row.recoverable))
        };
        vec![
            Cell::text(domain),
            Cell::Number((*count).into()),
            Cell::Number(own().map(|row| u64::from(row.messages)).sum()),
            Cell::Octets(own().map(|row| row.octets).sum()),
            Cell::Number(own().map(|row| u64::from(row.retrieved)).sum()),
            Cell::Number(recoverable().map(|it| u64::from(it.messages)).sum()),
            Cell::Octets(recoverable().map(|it| it.octets).sum()),
            recoverable().filter_map(|it| it.until).min().map_or(Cell::None, Cell::Time),
        ]
    };
    let columns = &[
        "domain",
        "mailboxes",
        "messages",
        "octets",
        "retrieved",
        "recoverable",
        "recoverable_octets",
        "recoverable_until",
    ];
    Ok(Report::Rows(columns, domains.iter().map(row).collect()))
}

/// Removed mailboxes stand among the others: nothing is in them but what can be brought back.
fn stat_mailboxes(target: Target, desk: &Desk) -> Result<Report, AdminError> {
    let (domain, wanted) = match &target {
        Target::Domain(domain) => (domain.clone(), None),
        Target::Mailbox(address) => (address.domain(), Some(address)),
    };
    let gone = gone(desk, Some(domain.clone()))?;
    let living = match mailboxes(desk, Some(domain.clone())) {
        // The domain may be gone, and its mailboxes not for good.
        Err(error) if error.kind == Failure::NotFound && !gone.is_empty() => Vec::new(),
        result => result?,
    };
    let cells = |address, messages: u32, octets, retrieved: u32, recoverable: &Recoverable| {
        vec![
            Cell::text(address),
            Cell::Number(messages.into()),
            Cell::Octets(octets),
            Cell::Number(retrieved.into()),
            Cell::Number(recoverable.messages.into()),
            Cell::Octets(recoverable.octets),
            recoverable.until.map_or(Cell::None, Cell::Time),
        ]
    };
    let is_wanted = |address: &Address| wanted.is_none_or(|wanted| wanted == address);
    let living = living.iter().filter(|row| is_wanted(&row.address));
    let gone = gone.iter().filter(|row| is_wanted(&row.address));
    let rows: Vec<_> = living
        .map(|row| cells(&row.address, row.messages, row.octets, row.retrieved, &row.recoverable))
        .chain(gone.map(|row| cells(&row.address, 0, 0, 0, &row.recoverable)))
        .collect();
    match wanted {
        Some(address) if rows.is_empty() => Err(AdminError::new(
            Failure::NotFound,
            format!("there is no mailbox {address}: \"poppet list {domain}\" shows those there are"),
        )),
        _ => {
            let columns = &[
                "mailbox",
                "messages",
                "octets",
                "retrieved",
                "recoverable",
                "recoverable_octets",
                "recoverable_until",
            ];
            Ok(Report::Rows(columns, rows))
        }
    }
}

fn wear_facts(wear: &Wear) -> Vec<(&'static str, Cell)> {
    let ratio = |amount: u64, of: u64| match of {
        0 => Cell::None,
        of => Cell::Ratio(amount as f64 / of as f64),
    };
    vec![
        ("syncs", Cell::Number(wear.syncs)),
        ("writes", Cell::Number(wear.writes)),
        ("written_octets", Cell::Octets(wear.written_octets)),
        ("reads", Cell::Number(wear.reads)),
        ("read_octets", Cell::Octets(wear.read_octets)),
        ("commits", Cell::Number(wear.commits)),
        ("messages", Cell::Number(wear.messages)),
        ("message_octets", Cell::Octets(wear.message_octets)),
        ("syncs_per_message", ratio(wear.syncs, wear.messages)),
        ("written_octets_per_message", ratio(wear.written_octets, wear.messages)),
        ("written_per_message_octet", ratio(wear.written_octets, wear.message_octets)),
        ("file_octets", Cell::Octets(wear.file_octets)),
        ("allocated_octets", Cell::Octets(wear.allocated_octets)),
        ("free_octets", Cell::Octets(wear.free_octets)),
    ]
}

fn state(row: &MailboxRow) -> &'static str {
    match (row.lock.is_locked(), row.domain_lock.is_locked()) {
        (true, _) => "locked",
        (false, true) => "domain-locked",
        (false, false) => "open",
    }
}

fn domains(desk: &Desk) -> Result<Vec<DomainRow>, AdminError> {
    match desk.ask(Command::Domains)? {
        Answer::Domains(rows) => Ok(rows),
        _ => Err(stranger()),
    }
}

fn mailboxes(desk: &Desk, domain: Option<Domain>) -> Result<Vec<MailboxRow>, AdminError> {
    match desk.ask(Command::Mailboxes(domain))? {
        Answer::Mailboxes(rows) => Ok(rows),
        _ => Err(stranger()),
    }
}

fn gone(desk: &Desk, domain: Option<Domain>) -> Result<Vec<GoneRow>, AdminError> {
    match desk.ask(Command::Gone(domain))? {
        Answer::Gone(rows) => Ok(rows),
        _ => Err(stranger()),
    }
}
