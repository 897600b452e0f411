//! list, stat, status.

use std::collections::{BTreeMap, HashMap};

use super::alias::{self, texts};
use super::desk::{Desk, stranger};
use super::output::Output;
use super::quota;
use super::table::{Cell, Report};
use super::verbs::{List, Stat};
use crate::admin::{
    self, AdminError, AliasRow, Answer, ClockState, Command, DomainRow, Failure, GoneRow, Lock, MailboxRow,
    OutgoingAct, OutgoingTold, Recoverable, RelayStatus, Target, Wear,
};
use crate::mail::{Address, Alias, AliasTarget, Domain};
use crate::settings::Method;

pub(super) fn list(verb: &List, desk: &Desk) -> Result<Report, AdminError> {
    if verb.base.is_some() {
        return Err(AdminError::usage("--base tells where contacts shall stand: it goes with --ldif"));
    }
    let domain = match verb.domain.as_deref().map(str::parse).transpose()? {
        None => return list_domains(desk),
        Some(Target::Domain(domain)) => domain,
        Some(Target::Mailbox(address)) => {
            return Err(no_address(&address));
        }
    };
    let mailboxes = mailboxes(desk, Some(domain))?;
    let aliases = alias::all(desk)?;
    let mut of: HashMap<&AliasTarget, Vec<&Alias>> = HashMap::new();
    for row in &aliases {
        row.targets.iter().for_each(|target| of.entry(target).or_default().push(&row.alias));
    }
    let has_accounts = has_accounts(desk)?;
    let has_forwards = mailboxes.iter().any(|row| row.forward.is_some());
    let row = |row: &MailboxRow| {
        let aliases = of.get(&AliasTarget::Address(row.address.clone()));
        let mut cells = vec![
            Cell::text(&row.address),
            Cell::text(state(row)),
            Cell::Time(row.created),
            Cell::Texts(aliases.map(|aliases| texts(aliases)).unwrap_or_default()),
        ];
        cells.extend(has_forwards.then(|| Cell::Texts(forward_of(row))));
        let account = || row.account.as_ref().map_or(Cell::None, |account| Cell::text(&account.name));
        cells.extend(has_accounts.then(account));
        cells
    };
    let columns: &[&str] = match (has_forwards, has_accounts) {
        (true, true) => &["mailbox", "state", "created", "aliases", "forwards", "account"],
        (true, false) => &["mailbox", "state", "created", "aliases", "forwards"],
        (false, true) => &["mailbox", "state", "created", "aliases", "account"],
        (false, false) => &["mailbox", "state", "created", "aliases"],
    };
    Ok(Report::Rows(columns, mailboxes.iter().map(row).collect()))
}

/// Where a mailbox forwards to.
fn forward_of(row: &MailboxRow) -> Vec<String> {
    row.forward.as_ref().map(|forward| texts(&forward.targets)).unwrap_or_default()
}

/// Whether users are known elsewhere than in the password file.
fn has_accounts(desk: &Desk) -> Result<bool, AdminError> {
    match desk.ask(Command::Settings(Some("auth".into())))? {
        Answer::Settings(rows) => Ok(rows.iter().any(|row| row.value != Method::File.name())),
        _ => Err(stranger()),
    }
}

fn list_domains(desk: &Desk) -> Result<Report, AdminError> {
    let domains = domains(desk)?;
    let aliases = alias::all(desk)?;
    let row = |row: &DomainRow| {
        vec![
            Cell::text(&row.domain),
            Cell::text(locked(row.lock)),
            Cell::Number(row.mailboxes.into()),
            Cell::Number(aliases.iter().filter(|alias| is_of(alias, &row.domain)).count() as u64),
        ]
    };
    Ok(Report::Rows(&["domain", "state", "mailboxes", "aliases"], domains.iter().map(row).collect()))
}

/// The contacts for another server's directory, of one domain or all.
pub(super) fn contacts(verb: &List, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    if output.is_json {
        return Err(AdminError::usage("--ldif has a form of its own: leave out --json"));
    }
    let base = verb.base.as_deref();
    if base.is_some_and(|base| base.is_empty() || !admin::is_entry_name(base)) {
        return Err(AdminError::usage("--base is the name of an entry, such as ou=contacts,dc=home,dc=lan"));
    }
    let domain: Option<Domain> = match verb.domain.as_deref().map(str::parse).transpose()? {
        None => None,
        Some(Target::Domain(domain)) => Some(domain),
        Some(Target::Mailbox(address)) => return Err(no_address(&address)),
    };
    let mailboxes: Vec<Address> =
        mailboxes(desk, domain.clone())?.into_iter().map(|row| row.address).collect();
    let mut aliases = alias::all(desk)?;
    aliases.retain(|row| domain.as_ref().is_none_or(|domain| row.alias.domain() == *domain));
    output.text(&admin::ldif(&mailboxes, &aliases, base))
}

fn no_address(address: &Address) -> AdminError {
    AdminError::usage(format!("{address} is an address: name its domain, {}", address.domain()))
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
    let relay = relay(desk)?;
    let troubles =
        relay.troubles.iter().map(|trouble| format!("{}: {}", trouble.lane, trouble.text)).collect();
    let only_live = |number: u64| live.map_or(Cell::None, |_| Cell::Number(number));
    Ok(Report::Facts(vec![
        ("server", Cell::text(if live.is_some() { "running" } else { "not running" })),
        ("version", Cell::Text(status.version.clone())),
        ("pid", live.map_or(Cell::None, |live| Cell::Number(live.pid.into()))),
        ("uptime_seconds", live.map_or(Cell::None, |live| Cell::Seconds(live.uptime_seconds))),
        ("listeners", listeners.map_or(Cell::None, Cell::Texts)),
        ("sessions", sessions.map_or(Cell::None, Cell::Texts)),
        ("broken_off", live.map_or(Cell::None, |live| Cell::Number(live.broken_off))),
        ("clock", Cell::text(clock(&status.clock))),
        ("database", Cell::text(desk.database().display())),
        ("domains", Cell::Number(status.domains.into())),
        ("mailboxes", Cell::Number(status.mailboxes.into())),
        ("messages", Cell::Number(status.messages)),
        ("octets", Cell::Octets(status.octets)),
        ("file_octets", Cell::Octets(status.file_octets)),
        ("free_octets", Cell::Octets(status.free_octets)),
        ("room", Cell::text(room(status.is_short_of_room))),
        ("locked_out", Cell::Number(status.locked_out.into())),
        ("queue_waiting", Cell::Number(relay.counts.waiting)),
        ("queue_held", Cell::Number(relay.counts.held)),
        ("queue_dead", Cell::Number(relay.counts.dead)),
        ("sent", only_live(relay.sent)),
        ("unsure_sends", only_live(relay.unsure)),
        ("connections_out", only_live(relay.connections.into())),
        ("offline_since", relay.offline_since.map_or(Cell::None, Cell::Time)),
        ("troubles", Cell::Texts(troubles)),
    ]))
}

/// How sending goes.
pub(super) fn relay(desk: &Desk) -> Result<RelayStatus, AdminError> {
    match desk.ask(Command::Outgoing(OutgoingAct::Status))? {
        Answer::Outgoing(OutgoingTold::Status(status)) => Ok(*status),
        _ => Err(stranger()),
    }
}

fn room(is_short: bool) -> &'static str {
    if is_short { "less than reserve_mib: mail is refused" } else { "enough" }
}

/// How the clock is, in a few words; "poppet clock" has more.
pub(super) fn clock(state: &ClockState) -> &'static str {
    match state {
        ClockState { can_be_right: false, .. } => "in the past: set it",
        ClockState { is_suspect: true, .. } => "older than the database",
        ClockState { is_believed: false, .. } => "not believed yet",
        _ => "right",
    }
}

/// Domains of removed mailboxes stand among the others, even if they were removed with them.
fn stat_domains(desk: &Desk) -> Result<Report, AdminError> {
    let mailboxes = mailboxes(desk, None)?;
    let gone = gone(desk, None)?;
    let present = domains(desk)?.into_iter();
    let mut domains: BTreeMap<Domain, (u32, &str)> =
        present.map(|row| (row.domain, (row.mailboxes, locked(row.lock)))).collect();
    for row in &gone {
        domains.entry(row.address.domain()).or_insert((0, REMOVED));
    }
    let row = |(domain, (count, state)): (&Domain, &(u32, &str))| {
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
            Cell::text(state),
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
        "state",
    ];
    Ok(Report::Rows(columns, domains.iter().map(row).collect()))
}

/// Removed mailboxes stand among the others: nothing is in them but what can be brought back.
fn stat_mailboxes(target: Target, desk: &Desk) -> Result<Report, AdminError> {
    let (domain, wanted) = match &target {
        Target::Domain(domain) => (domain.clone(), None),
        Target::Mailbox(address) => (address.domain(), Some(address)),
    };
    let is_wanted = |address: &Address| wanted.is_none_or(|wanted| wanted == address);
    let mut gone = gone(desk, Some(domain.clone()))?;
    let mut living = match mailboxes(desk, Some(domain)) {
        // The domain may be gone, and its mailboxes not for good.
        Err(error) if error.kind == Failure::NotFound && !gone.is_empty() => Vec::new(),
        result => result?,
    };
    living.retain(|row| is_wanted(&row.address));
    gone.retain(|row| is_wanted(&row.address));
    // A mailbox that never was here is refused by that.
    let quotas = match living.is_empty() && (wanted.is_none() || !gone.is_empty()) {
        true => Vec::new(),
        false => quota::rows(desk, Some(target.clone()))?,
    };
    let quotas: HashMap<_, _> = quotas.iter().map(|row| (&row.address, quota::allowed(row))).collect();
    let cells =
        |address: &Address, messages: u32, octets, retrieved: u32, recoverable: &Recoverable, state| {
            let quota = quotas.get(address).cloned().unwrap_or([Cell::None, Cell::None]);
            let cells = [
                Cell::text(address),
                Cell::Number(messages.into()),
                Cell::Octets(octets),
                Cell::Number(retrieved.into()),
                Cell::Number(recoverable.messages.into()),
                Cell::Octets(recoverable.octets),
                recoverable.until.map_or(Cell::None, Cell::Time),
                Cell::text(state),
            ];
            cells.into_iter().chain(quota).collect()
        };
    let of_living = |row: &MailboxRow| {
        cells(&row.address, row.messages, row.octets, row.retrieved, &row.recoverable, state(row))
    };
    let of_gone = |row: &GoneRow| cells(&row.address, 0, 0, 0, &row.recoverable, REMOVED);
    let columns = &[
        "mailbox",
        "messages",
        "octets",
        "retrieved",
        "recoverable",
        "recoverable_octets",
        "recoverable_until",
        "state",
        "quota",
        "quota_messages",
    ];
    Ok(Report::Rows(columns, living.iter().map(of_living).chain(gone.iter().map(of_gone)).collect()))
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

/// What can't be done with a mailbox; its domain's lock counts where it has none that is as hard.
fn state(row: &MailboxRow) -> &'static str {
    match (row.lock, row.domain_lock) {
        (Lock::All, _) => locked(Lock::All),
        (_, Lock::All) => "domain-locked all",
        (Lock::Open, Lock::Reading) => "domain-locked",
        (own, _) => locked(own),
    }
}

fn locked(lock: Lock) -> &'static str {
    match lock {
        Lock::Open => "open",
        Lock::Reading => "locked",
        Lock::All => "locked all",
    }
}

/// Whether an alias is one of that domain, or makes another domain one.
fn is_of(row: &AliasRow, domain: &Domain) -> bool {
    row.alias.domain() == *domain || row.targets.contains(&AliasTarget::Domain(domain.clone()))
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

/// The state of what can only be brought back.
const REMOVED: &str = "removed";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixTime;
    use crate::mail::MailboxId;

    #[test]
    fn the_harder_lock_is_shown_and_whose_it_is_c2() {
        for (lock, domain_lock, wanted) in [
            (Lock::Open, Lock::Open, "open"),
            (Lock::Open, Lock::Reading, "domain-locked"),
            (Lock::Open, Lock::All, "domain-locked all"),
            (Lock::Reading, Lock::Open, "locked"),
            (Lock::Reading, Lock::Reading, "locked"),
            (Lock::Reading, Lock::All, "domain-locked all"),
            (Lock::All, Lock::Open, "locked all"),
            (Lock::All, Lock::Reading, "locked all"),
            (Lock::All, Lock::All, "locked all"),
        ] {
            let row = MailboxRow {
                address: "alice@home.lan".parse().unwrap(),
                id: MailboxId(1),
                lock,
                domain_lock,
                account: None,
                forward: None,
                created: UnixTime(0),
                messages: 0,
                octets: 0,
                retrieved: 0,
                recoverable: Recoverable::default(),
            };
            assert_eq!(state(&row), wanted);
        }
    }
}
