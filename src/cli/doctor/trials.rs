//! The ways out, tried as far as the logon; no mail is sent.

use std::net::IpAddr;

use super::super::desk::{Desk, stranger};
use super::super::route;
use super::{Finding, Settings};
use crate::admin::{
    AdminError, Answer, Command, Failure, Origin, OutgoingAct, OutgoingTold, Route, Target, Trial, TrialState,
};
use crate::mail::{AddressSpace, Lane, NextHop, RemoteAddress, Sending};
use crate::net::resolver::{self, Unresolved};
use crate::ticket::block_on;

/// Tries the smart host of all and every route, as far as they are few.
pub(super) fn of_ways(settings: &Settings, desk: &Desk) -> Result<Vec<Finding>, AdminError> {
    let routes = route::all(desk)?;
    let hosts = settings.get("smarthost").map_or("off", String::as_str);
    let has_mx = settings.get("mx").is_some_and(|value| value == "on");
    let mut findings = Vec::new();
    findings.extend(asked_name(hosts, &routes).map(|name| of_name_service(&name)));
    if hosts != "off" {
        findings.extend(tried(&Lane::SmartHost, desk)?);
    } else if !has_mx && !routes.iter().any(|route| route.space == AddressSpace::All) {
        findings.push(no_way_out());
    }
    for route in routes.iter().take(MOST_TRIALS) {
        findings.extend(tried(&Lane::Route(route.space.clone()), desk)?);
    }
    if routes.len() > MOST_TRIALS {
        let text = format!(
            "{} more routes were not tried: \"poppet doctor --for SPACE\" tries one",
            routes.len() - MOST_TRIALS
        );
        findings.push(Finding::note("route", text));
    }
    Ok(findings)
}

fn no_way_out() -> Finding {
    Finding::note("smarthost", route::NO_WAY_OUT)
}

/// Tries the way that mail from a user or domain here takes, or that to somewhere else.
pub(super) fn of_target(text: &str, desk: &Desk) -> Result<Vec<Finding>, AdminError> {
    match lane_of(text, desk)? {
        Lane::Nowhere => Ok(vec![Finding::wrong(text, route::NO_WAY_OUT)]),
        lane => tried(&lane, desk),
    }
}

/// The route of that very name comes first: mail of a domain that was handed over goes there.
fn lane_of(text: &str, desk: &Desk) -> Result<Lane, AdminError> {
    let space = route::space_of(text)?;
    if route::all(desk)?.iter().any(|route| route.space == space) {
        return Ok(Lane::Route(space));
    }
    let target = match &space {
        AddressSpace::Domain(domain) => Target::Domain(domain.clone()),
        AddressSpace::Address(address) => Target::Mailbox(address.clone()),
        AddressSpace::Below(_) | AddressSpace::All => {
            let text = format!("there is no route for {space}: \"poppet route\" shows those there are");
            return Err(AdminError::new(Failure::NotFound, text));
        }
    };
    let command = Command::SettingsFor { target: target.clone(), key: Some("smarthost".into()) };
    match desk.ask(command) {
        Ok(Answer::Settings(rows)) => {
            let row = rows.first().filter(|row| row.value != "off");
            Ok(match (row.map(|row| row.origin), target) {
                (Some(Origin::Mailbox), Target::Mailbox(address)) => {
                    Lane::SmartHostOf(Sending::User(address))
                }
                (Some(Origin::Domain), Target::Mailbox(address)) => {
                    Lane::SmartHostOf(Sending::Domain(address.domain()))
                }
                (Some(Origin::Domain), Target::Domain(domain)) => Lane::SmartHostOf(Sending::Domain(domain)),
                _ => of_all(desk)?,
            })
        }
        Ok(_) => Err(stranger()),
        Err(error) if error.kind == Failure::NotFound => not_here(&target, error, desk),
        Err(error) => Err(error),
    }
}

/// The way of mail for just any address.
fn of_all(desk: &Desk) -> Result<Lane, AdminError> {
    if route::all(desk)?.iter().any(|route| route.space == AddressSpace::All) {
        return Ok(Lane::Route(AddressSpace::All));
    }
    match desk.ask(Command::Settings(Some("smarthost".into())))? {
        Answer::Settings(rows) if rows.iter().any(|row| row.value != "off") => Ok(Lane::SmartHost),
        Answer::Settings(_) => Ok(Lane::Nowhere),
        _ => Err(stranger()),
    }
}

/// A name that nobody has at a domain of ours, and that leads nowhere, is a slip.
fn not_here(target: &Target, error: AdminError, desk: &Desk) -> Result<Lane, AdminError> {
    let lane = elsewhere(target, desk)?;
    let Target::Mailbox(address) = target else { return Ok(lane) };
    let domain =
        Command::SettingsFor { target: Target::Domain(address.domain()), key: Some("smarthost".into()) };
    match desk.ask(domain) {
        Ok(_) if lane == Lane::Nowhere => Err(error),
        _ => Ok(lane),
    }
}

/// The way of mail to somebody who is not here, as the server would send it.
fn elsewhere(target: &Target, desk: &Desk) -> Result<Lane, AdminError> {
    let recipient = match target {
        Target::Domain(domain) => RemoteAddress::from_path(&format!("postmaster@{domain}")),
        Target::Mailbox(address) => RemoteAddress::from(address),
    };
    match desk.ask(Command::Outgoing(OutgoingAct::WayTo(recipient)))? {
        Answer::Outgoing(OutgoingTold::Way(lane)) => Ok(lane),
        _ => Err(stranger()),
    }
}

fn tried(lane: &Lane, desk: &Desk) -> Result<Vec<Finding>, AdminError> {
    Ok(of_trial(lane, &desk.try_way(lane)?))
}

fn of_trial(lane: &Lane, trial: &Trial) -> Vec<Finding> {
    let check = lane.to_string();
    if trial.steps.is_empty() {
        let text = "there was nothing to try: \"poppet get smarthost\" and \"poppet route\" show what is set";
        return vec![Finding::wrong(&check, text)];
    }
    let mut findings = Vec::with_capacity(trial.steps.len());
    for step in &trial.steps {
        let what = match step.host.is_empty() {
            true => step.text.clone(),
            false => format!("{}: {}", step.host, step.text),
        };
        findings.push(match step.state {
            TrialState::Good => Finding::good(&check, what),
            TrialState::Note => Finding::note(&check, what),
            TrialState::Wrong => Finding::wrong(&check, what),
        });
    }
    findings
}

/// The first host that only a name service can find.
fn asked_name(hosts: &str, routes: &[Route]) -> Option<String> {
    let smart_hosts = hosts.split(',').filter(|host| *host != "off").filter_map(|host| host.parse().ok());
    let of_routes = routes.iter().flat_map(|route| route.hops.iter().cloned());
    let hops = smart_hosts.chain(of_routes);
    let names = hops.map(|hop: NextHop| hop.host.into_string());
    names.into_iter().find(|host| host.parse::<IpAddr>().is_err())
}

/// Whether a name that is asked for is answered at all; what it leads to the trial tells.
fn of_name_service(name: &str) -> Finding {
    match block_on(resolver::addresses(name)) {
        Ok(_) | Err(Unresolved::NotThere | Unresolved::TakesNoMail) => {
            Finding::good("names", format!("the name service answers, asked for {name}"))
        }
        Err(Unresolved::Failed(why)) => Finding::wrong("names", format!("{name} can't be looked up: {why}")),
        Err(Unresolved::Unreachable(why)) => Finding::wrong(
            "names",
            format!("{name} can't be looked up ({why}): look at the network and /etc/resolv.conf"),
        ),
    }
}

/// Routes that are tried in a row; each may take minutes.
const MOST_TRIALS: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::admin::TrialStep;
    use crate::clock::UnixTime;

    #[test]
    fn each_step_of_a_trial_is_a_finding_o2() {
        let step = |host: &str, state, text: &str| TrialStep { host: host.into(), state, text: text.into() };
        let trial = Trial {
            steps: vec![
                step("", TrialState::Good, "two servers"),
                step("mail.example.com", TrialState::Good, "it answers"),
                step("mail.example.com", TrialState::Note, "it is spoken to in clear text"),
                step("mail.example.com", TrialState::Wrong, "it refuses the password: set it anew"),
            ],
        };
        let found = of_trial(&Lane::SmartHost, &trial);
        assert!(found.iter().all(|it| it.check == "smarthost"));
        let states: Vec<_> = found.iter().map(|it| it.state).collect();
        assert_eq!(states, [State::Good, State::Good, State::Note, State::Wrong]);
        assert_eq!(found[0].what, "two servers");
        assert_eq!(found[3].what, "mail.example.com: it refuses the password: set it anew");
        assert_eq!(of_trial(&Lane::SmartHost, &Trial::default())[0].state, State::Wrong);
    }

    /// That of the smart host alone began with a capital and ended with a full stop.
    #[test]
    fn a_finding_is_the_rest_of_its_line() {
        let row = no_way_out();
        assert!(row.what.starts_with("there is no smart host") && row.what.ends_with("names one"), "{row:?}");
    }

    #[test]
    fn only_names_need_a_name_service() {
        let route = |hosts: &[&str]| Route {
            space: AddressSpace::All,
            hops: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            tls: None,
            is_share: false,
            created: UnixTime(0),
        };
        for (hosts, of_route, wanted) in [
            ("off", &["192.0.2.1"][..], None),
            ("192.0.2.1,[2001:db8::1]:25", &["192.0.2.1"], None),
            ("192.0.2.1,smtps:Mail.example.com", &["a.example"], Some("mail.example.com")),
            ("off", &["192.0.2.1", "lmtp:dovecot.lan:24"], Some("dovecot.lan")),
        ] {
            assert_eq!(asked_name(hosts, &[route(of_route)]).as_deref(), wanted, "{hosts}");
        }
    }
}
