//! list, stat, get, set, status.

use super::consequence;
use super::desk::{Desk, stranger};
use super::table::{Cell, Report, Said};
use super::verbs::{Get, List, Set, Stat};
use crate::admin::{AdminError, Answer, Command, DomainRow, Failure, MailboxRow, SettingRow, Target, Wear};
use crate::mail::Domain;

pub(super) fn list(verb: &List, desk: &Desk) -> Result<Report, AdminError> {
    let Some(domain) = &verb.domain else {
        let row = |row: &DomainRow| {
            let state = if row.is_locked { "locked" } else { "open" };
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

pub(super) fn get(verb: &Get, desk: &Desk) -> Result<Report, AdminError> {
    let Answer::Settings(rows) = desk.ask(Command::Settings(verb.key.clone()))? else {
        return Err(stranger());
    };
    let kind = |row: &SettingRow| match (row.is_fixed, row.is_default) {
        (true, _) => "fixed",
        (false, true) => "default",
        (false, false) => "set",
    };
    if let (Some(_), [row]) = (&verb.key, rows.as_slice()) {
        let facts = vec![
            ("setting", Cell::text(&row.key)),
            ("value", Cell::text(&row.value)),
            ("kind", Cell::text(kind(row))),
            ("meaning", Cell::text(&row.meaning)),
        ];
        return Ok(Report::One(facts, 1));
    }
    let cells = |row: &SettingRow| {
        vec![Cell::text(&row.key), Cell::text(&row.value), Cell::text(kind(row)), Cell::text(&row.meaning)]
    };
    Ok(Report::Rows(&["setting", "value", "kind", "meaning"], rows.iter().map(cells).collect()))
}

pub(super) fn set(verb: &Set, desk: &Desk) -> Result<Report, AdminError> {
    if verb.value.is_some() == verb.default {
        return Err(AdminError::usage(
            "say either a value or --default, as in \"poppet set plaintext lan\" or \"poppet set plaintext --default\"",
        ));
    }
    let command = Command::Assign { key: verb.key.clone(), value: verb.value.clone() };
    let Answer::Assigned { value, waits_for_restart, consequence } = desk.ask(command)? else {
        return Err(stranger());
    };
    let shown = if value.is_empty() { "not set" } else { &value };
    let when = if waits_for_restart { "; this counts after a restart of the server" } else { "" };
    let mut facts = vec![
        ("setting", Cell::text(&verb.key)),
        ("value", Cell::text(&value)),
        ("waits_for_restart", Cell::Is(waits_for_restart)),
    ];
    let mut sentence = format!("{} is {shown}{when}.", verb.key);
    if let Some(consequence) = &consequence {
        sentence += &consequence::sentences(consequence);
        facts.push(consequence::fact(consequence));
    }
    Ok(Report::Said(sentence, facts, Said::Quiet))
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

fn stat_domains(desk: &Desk) -> Result<Report, AdminError> {
    let domains = domains(desk)?;
    let mailboxes = mailboxes(desk, None)?;
    let row = |domain: &DomainRow| {
        let own = || mailboxes.iter().filter(|row| row.address.domain() == domain.domain);
        vec![
            Cell::text(&domain.domain),
            Cell::Number(domain.mailboxes.into()),
            Cell::Number(own().map(|row| u64::from(row.messages)).sum()),
            Cell::Octets(own().map(|row| row.octets).sum()),
        ]
    };
    Ok(Report::Rows(&["domain", "mailboxes", "messages", "octets"], domains.iter().map(row).collect()))
}

fn stat_mailboxes(target: Target, desk: &Desk) -> Result<Report, AdminError> {
    let rows = match &target {
        Target::Domain(domain) => mailboxes(desk, Some(domain.clone()))?,
        Target::Mailbox(address) => {
            let mut rows = mailboxes(desk, Some(address.domain()))?;
            rows.retain(|row| row.address == *address);
            if rows.is_empty() {
                let domain = address.domain();
                let text =
                    format!("there is no mailbox {address}: \"poppet list {domain}\" shows those there are");
                return Err(AdminError::new(Failure::NotFound, text));
            }
            rows
        }
    };
    let row = |row: &MailboxRow| {
        vec![Cell::text(&row.address), Cell::Number(row.messages.into()), Cell::Octets(row.octets)]
    };
    Ok(Report::Rows(&["mailbox", "messages", "octets"], rows.iter().map(row).collect()))
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
    match (row.is_locked, row.is_domain_locked) {
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
