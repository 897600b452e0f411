//! doctor: looks whether all is well, and says what to do where it is not.
//!
//! ```text
//!   facts (status, certificates, auth, settings, devices, relay) --checks--> findings --\
//!   listeners, name service -----------------------------------asked here--> findings ---> rows, exit code
//!   smart host, routes ------------------------------------------trials----> findings --/
//! ```

mod checks;
mod clock;
mod coverage;
mod files;
mod ground;
mod openness;
mod relaying;
mod trials;
mod unopened;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::desk::{Desk, stranger};
use super::install::{self, Taken};
use super::look;
use super::outgoing_verbs::DoctorVerb;
use super::output::Output;
use super::place;
use super::table::{Cell, Report};
use super::typed::told;
use crate::admin::{
    AdminError, Answer, CertificateAct, CertificateRow, Command, Device, Failure, LiveStatus, OutgoingAct,
    OutgoingTold, SettingRow, Status, Told, Which,
};
use crate::clock::{Clock, UnixTime};
use crate::mail::Lane;
use crate::net::machine;
use crate::settings::{Listen, ListenerKind};

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    /// At what it was.
    check: String,
    state: State,
    /// What is so, and what to do if it is wrong.
    what: String,
}

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it should be.
    Good,
    /// To be known, and perhaps as it is wanted.
    Note,
    /// Not as it should be.
    Wrong,
}

impl Finding {
    fn good(check: &str, what: impl Into<String>) -> Finding {
        Finding { check: check.into(), state: State::Good, what: what.into() }
    }

    fn note(check: &str, what: impl Into<String>) -> Finding {
        Finding { check: check.into(), state: State::Note, what: what.into() }
    }

    fn wrong(check: &str, what: impl Into<String>) -> Finding {
        Finding { check: check.into(), state: State::Wrong, what: what.into() }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            State::Good => "good",
            State::Note => "note",
            State::Wrong => "wrong",
        }
    }
}

/// Every setting by its name, with its value.
type Settings = HashMap<String, String>;

pub(super) fn doctor(verb: &DoctorVerb, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let findings = match &verb.target {
        Some(target) => trials::of_target(target, desk)?,
        None => all(desk)?,
    };
    let cells =
        |it: &Finding| vec![Cell::text(&it.check), Cell::text(it.state.name()), Cell::Text(told(&it.what))];
    output.report(&Report::Rows(&["check", "state", "what"], findings.iter().map(cells).collect()))?;
    verdict(&findings)
}

/// Errs if anything is wrong.
fn verdict(findings: &[Finding]) -> Result<(), AdminError> {
    let wrong = findings.iter().filter(|finding| finding.state == State::Wrong).count();
    let text = match wrong {
        0 => return Ok(()),
        1 => "1 thing is wrong: its line says what to do".to_owned(),
        wrong => format!("{wrong} things are wrong: their lines say what to do"),
    };
    Err(AdminError::new(Failure::Failed, text))
}

fn all(desk: &Desk) -> Result<Vec<Finding>, AdminError> {
    let now = Clock::system(UnixTime(0)).now();
    let status = match desk.status() {
        Ok(status) => status,
        Err(error) => return unopened::of(error, desk.database()),
    };
    let settings = settings(desk)?;
    let mut findings = checks::of_server(&status, place::start_command(desk.database()));
    match &status.live {
        Some(live) => findings.extend(of_listeners(live)),
        None => {
            findings.extend(of_taken(&install::taken(&listeners(&settings)), is_service(desk.database())))
        }
    }
    findings.extend(status.live.iter().flat_map(relaying::of));
    findings.extend(status.live.iter().flat_map(|live| ground::of_service(live, desk.database())));
    findings.extend(checks::of_disk(&status));
    findings.extend(wear(&status, desk)?);
    findings.extend(files::of(desk.database(), status.live.as_ref()));
    findings.extend(clock::of(&status.clock));
    findings.extend(clock::of_waiting(&status.clock, &settings));
    let rows = certificates(desk)?;
    findings.extend(checks::of_certificates(&rows, now));
    let set = settings.get("hostname").filter(|name| !name.is_empty() && *name != "off");
    let names: Vec<_> = machine::names().into_iter().chain(set.cloned()).collect();
    findings.extend(coverage::of(&rows, &names, &machine::addresses()));
    let Answer::Auth(view) = desk.ask(Command::Auth)? else { return Err(stranger()) };
    findings.extend(checks::of_logons(&view, &status));
    findings.extend(openness::of(&settings, &devices(desk)?));
    findings.extend(status.live.iter().flat_map(|live| ground::of_sandbox(&live.sandbox)));
    let relay = look::relay(desk)?;
    findings.extend(checks::of_queue(&relay, has_nowhere(desk)?));
    findings.extend(trials::of_ways(&settings, desk)?);
    Ok(findings)
}

/// Whether damage was met and how long the disk lasts, as far as a server that runs has seen.
fn wear(status: &Status, desk: &Desk) -> Result<Vec<Finding>, AdminError> {
    let Some(live) = &status.live else { return Ok(Vec::new()) };
    let Answer::Wear(wear) = desk.ask(Command::Wear)? else { return Err(stranger()) };
    let octets = rustix::fs::statvfs(folder_of(desk.database()))
        .map_or(0, |disk| disk.f_blocks.saturating_mul(disk.f_frsize));
    let mut findings = vec![ground::of_damage(&wear)];
    findings.extend(ground::of_wear(&wear, live.uptime_seconds, octets));
    Ok(findings)
}

fn folder_of(database: &Path) -> &Path {
    database.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

fn settings(desk: &Desk) -> Result<Settings, AdminError> {
    match desk.ask(Command::Settings(None))? {
        Answer::Settings(rows) => {
            Ok(rows.into_iter().map(|SettingRow { key, value, .. }| (key, value)).collect())
        }
        _ => Err(stranger()),
    }
}

fn certificates(desk: &Desk) -> Result<Vec<CertificateRow>, AdminError> {
    match desk.ask(Command::Certificates(CertificateAct::List))? {
        Answer::Certificates(Told::Rows(rows)) => Ok(rows),
        _ => Err(stranger()),
    }
}

fn devices(desk: &Desk) -> Result<Vec<Device>, AdminError> {
    match desk.ask(Command::Devices)? {
        Answer::Devices(devices) => Ok(devices),
        _ => Err(stranger()),
    }
}

/// Whether mail waits for which there is no way at all.
fn has_nowhere(desk: &Desk) -> Result<bool, AdminError> {
    let act = OutgoingAct::Page { which: Which::Lane(Lane::Nowhere), after: None };
    match desk.ask(Command::Outgoing(act))? {
        Answer::Outgoing(OutgoingTold::Queue { rows, .. }) => Ok(!rows.is_empty()),
        _ => Err(stranger()),
    }
}

/// Knocks at every listener, from this machine.
fn of_listeners(live: &LiveStatus) -> Vec<Finding> {
    let knock = |(name, address): &(String, SocketAddr)| match TcpStream::connect_timeout(
        &reachable(*address),
        KNOCK,
    ) {
        Ok(_) => Finding::good(name, format!("it listens at {address}")),
        Err(error) => Finding::wrong(
            name,
            format!("nobody answers at {address} ({error}): look into the server's log, or restart it"),
        ),
    };
    let mut findings: Vec<_> = live.listeners.iter().map(knock).collect();
    findings.extend(live.shut.iter().map(|(name, why)| Finding::wrong(name, why.as_str())));
    if !findings.iter().any(|finding| finding.check == "smtp") {
        let text = "mail from other servers, printers and scripts is not taken: \"poppet set smtp\" says where it is";
        findings.push(Finding::note("smtp", text));
    }
    findings
}

/// Whether a service manager may keep the ports of that database's server.
fn is_service(database: &Path) -> bool {
    place::restart_command(database).is_some()
}

/// Where a server would listen by the settings.
fn listeners(settings: &Settings) -> [Listen; 5] {
    ListenerKind::ALL.map(|kind| {
        let addresses = settings.get(kind.name()).map(|value| value.split(',')).into_iter().flatten();
        Listen(addresses.filter_map(|address| address.trim().parse().ok()).collect())
    })
}

/// What a server that does not run can't have, and so would not start. What the manager's first process keeps may be for
/// that very server.
fn of_taken(taken: &[Taken], is_service: bool) -> Vec<Finding> {
    let in_the_way = taken.iter().filter(|taken| !is_service || taken.holder != Some(1));
    let tell = |it: &Taken| format!("{} can't be had: {}", it.address, it.remedy());
    in_the_way.map(|taken| Finding::wrong(taken.kind.name(), tell(taken))).collect()
}

/// An unspecified address is reached by loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

/// How long a listener of this machine may take to be there.
const KNOCK: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        let (good, note, wrong) =
            (Finding::good("a", "x"), Finding::note("b", "x"), Finding::wrong("c", "x"));
        assert_eq!(verdict(&[]), Ok(()));
        assert_eq!(verdict(&[good.clone(), note]), Ok(()));
        let one = verdict(&[good, wrong.clone()]).unwrap_err();
        assert!(one.kind == Failure::Failed && one.text.starts_with("1 thing is wrong"), "{}", one.text);
        assert!(verdict(&[wrong.clone(), wrong]).unwrap_err().text.starts_with("2 things are wrong"));
    }

    /// A server did not start since another program had its port, and the remedy was to start it.
    #[test]
    fn a_port_that_keeps_the_server_from_starting_is_told() {
        let settings: Settings =
            [("pop3s", "0.0.0.0:995,[::]:995"), ("pop3", "off"), ("smtp", "127.0.0.1:0")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        let wanted = listeners(&settings).map(|listen| listen.0.len());
        assert_eq!(ListenerKind::ALL.map(|kind| wanted[kind as usize]).iter().sum::<usize>(), 3);
        let taken = |holder| Taken {
            kind: ListenerKind::Pop3s,
            address: "0.0.0.0:995".parse().unwrap(),
            holder,
            why: "stunnel listens there: stop it, or choose another port".into(),
        };
        for (holder, is_service, is_told) in
            [(Some(7), true, true), (None, true, true), (Some(1), true, false), (Some(1), false, true)]
        {
            let found = of_taken(&[taken(holder)], is_service);
            assert_eq!(found.len(), usize::from(is_told), "{holder:?} {is_service}");
            assert!(found.iter().all(|it| it.state == State::Wrong && it.check == "pop3s"));
            assert!(found.iter().all(|it| it.what.ends_with("port with \"poppet set pop3s ADDR\"")));
        }
    }

    #[test]
    fn a_listener_is_knocked_at_where_it_can_be_reached() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").unwrap();
        let (open, shut) = (there.local_addr().unwrap(), gone.local_addr().unwrap());
        drop(gone);
        let anywhere = SocketAddr::from(([0, 0, 0, 0], open.port()));
        let live = LiveStatus {
            pid: 1,
            uptime_seconds: 1,
            listeners: vec![("pop3".into(), open), ("smtp".into(), anywhere), ("pop3s".into(), shut)],
            sessions: Vec::new(),
            broken_off: 0,
            sandbox: Vec::new(),
            shut: Vec::new(),
        };
        let states: Vec<_> = of_listeners(&live).iter().map(|it| (it.check.clone(), it.state)).collect();
        let wanted = [("pop3", State::Good), ("smtp", State::Good), ("pop3s", State::Wrong)];
        assert_eq!(states, wanted.map(|(name, state)| (name.to_owned(), state)));
        let without = LiveStatus { listeners: Vec::new(), ..live.clone() };
        assert_eq!(of_listeners(&without)[0].state, State::Note);
        // Doors that may not be opened are told here, since the server goes on without them.
        let why = "can't listen on 0.0.0.0:25 (smtp): permission denied; run \"poppet setup\" again";
        let shut = LiveStatus { listeners: Vec::new(), shut: vec![("smtp".into(), why.into())], ..live };
        assert_eq!(of_listeners(&shut), [Finding::wrong("smtp", why)]);
        assert_eq!(reachable("[::]:25".parse().unwrap()), "[::1]:25".parse().unwrap());
        assert_eq!(reachable("192.0.2.1:25".parse().unwrap()), "192.0.2.1:25".parse().unwrap());
    }
}
