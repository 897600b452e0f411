//! What facts about the server, its file, its certificates and its queue say about their health.

use super::super::table::size;
use super::Finding;
use crate::admin::{AuthView, CertificateKind, CertificateRow, MechanismState, RelayStatus, Status};
use crate::clock::UnixTime;
use crate::limits;

/// Whether it runs, which `start` makes it, and has found no bug of its own.
pub(super) fn of_server(status: &Status, start: &str) -> Vec<Finding> {
    let Some(live) = &status.live else {
        let text =
            format!("it does not run, so no mail is taken and none can be fetched: \"{start}\" starts it");
        return vec![Finding::wrong("server", text)];
    };
    let mut findings =
        vec![Finding::good("server", format!("version {} runs as process {}", status.version, live.pid))];
    if live.broken_off > 0 {
        findings.push(Finding::wrong(
            "server",
            format!(
                "a bug of poppet has ended {} sessions: its log has lines about it; please report them",
                live.broken_off
            ),
        ));
    }
    findings
}

/// Whether the disk takes more mail.
pub(super) fn of_disk(status: &Status) -> Vec<Finding> {
    let free = size(status.free_octets);
    let file = size(status.file_octets);
    vec![match status.is_short_of_room {
        true => Finding::wrong(
            "disk",
            format!(
                "only {free} are free, less than reserve_mib, so mail is refused: make room on the disk, or let \"poppet \
                 set retain\" remove old mail"
            ),
        ),
        false => Finding::good("disk", format!("{free} are free, the database has {file}")),
    }]
}

/// Whether the certificates are valid.
pub(super) fn of_certificates(rows: &[CertificateRow], now: UnixTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !rows.iter().any(|row| row.kind == CertificateKind::Server) {
        findings.push(Finding::wrong(
            "certificate",
            "there is none for the server, so nothing is secured by TLS: \"poppet cert renew\" makes one",
        ));
    }
    for row in rows {
        let what = described(row);
        let remedy = row.remedy();
        if let Some(trouble) = &row.trouble {
            let state = if row.is_unread() { "has not been read yet" } else { "is not renewed" };
            findings.push(Finding::wrong("certificate", format!("{what} {state}: {trouble}")));
        }
        if let Some(without) = row.without() {
            findings.push(Finding::wrong("certificate", format!("{what} has been {without}")));
        }
        let Some(ends) = row.ends else { continue };
        let left = ends.0.saturating_sub(now.0) / DAY;
        let is_of_users = matches!(row.kind, CertificateKind::Allowed | CertificateKind::Issued);
        let is_renewed = row.kind == CertificateKind::Server && left < limits::CERTIFICATE_RENEWAL_DAYS;
        if row.has_ended && !is_of_users {
            findings.push(Finding::wrong(
                "certificate",
                format!("{what} has ended on {}: {remedy}", ends.rfc3339()),
            ));
        } else if row.has_ended || is_renewed || left < SOON_DAYS {
            findings
                .push(Finding::note("certificate", format!("{what} ends on {}: {remedy}", ends.rfc3339())));
        } else if row.kind == CertificateKind::Server {
            findings.push(Finding::good("certificate", format!("{what} is valid until {}", ends.rfc3339())));
        }
    }
    findings
}

fn described(row: &CertificateRow) -> String {
    let name = if row.name.is_empty() { String::new() } else { format!(" {}", row.name) };
    match (&row.address, row.kind) {
        (Some(address), _) => format!("a certificate{name} of {address}"),
        (None, CertificateKind::Server) => "the server's".into(),
        (None, CertificateKind::Authority) => "that of poppet's own authority".into(),
        (None, CertificateKind::Installed) => format!("the installed{name}"),
        (None, _) => format!("that of the authority{name}"),
    }
}

/// Whether users can log on.
pub(super) fn of_logons(view: &AuthView, status: &Status) -> Vec<Finding> {
    let hindrance =
        view.methods.iter().find(|row| row.method == view.method).and_then(|row| row.hindrance.as_deref());
    let works: Vec<&str> = view
        .mechanisms
        .iter()
        .filter(|row| row.state == MechanismState::Works)
        .map(|row| row.names.as_str())
        .collect();
    let mut findings = vec![match hindrance {
        Some(why) => Finding::wrong(
            "logons",
            format!("users are known by {}, which can't be used: {why}", view.method),
        ),
        None if works.is_empty() => {
            Finding::wrong("logons", "nobody can log on as things are set: \"poppet auth\" shows why")
        }
        None => Finding::good(
            "logons",
            format!("users are known by {}, and log on by {}", view.method, works.join(" ")),
        ),
    }];
    if view.without_password > 0 && view.learns_from.is_none() {
        findings.push(Finding::wrong(
            "logons",
            format!(
                "{} mailboxes have no password, so their users stay out: \"poppet passwd ADDRESS\" gives one",
                view.without_password
            ),
        ));
    }
    if status.locked_out > 0 {
        findings.push(Finding::note(
            "logons",
            format!(
                "{} mailboxes are locked out for wrong passwords: \"poppet fails\" shows them",
                status.locked_out
            ),
        ));
    }
    findings
}

/// Whether mail leaves; `has_nowhere` if some has no way.
pub(super) fn of_queue(relay: &RelayStatus, has_nowhere: bool) -> Vec<Finding> {
    let counts = relay.counts;
    let mut findings = Vec::new();
    if let Some(since) = relay.offline_since {
        findings.push(Finding::wrong(
            "network",
            format!(
                "no way out since {}: look at the cable, the router, the name service, and whether the smart host runs; mail \
                 leaves by itself once there is one again",
                since.rfc3339()
            ),
        ));
    }
    findings.extend(
        relay.troubles.iter().map(|it| Finding::wrong("queue", format!("{} rests: {}", it.lane, it.text))),
    );
    if has_nowhere {
        let text = "mail waits for which there is no way: \"poppet queue list nowhere\" shows it, \"poppet set smarthost \
                    HOST\" or \"poppet route\" makes one";
        findings.push(Finding::wrong("queue", text));
    }
    if counts.dead > 0 {
        findings.push(Finding::note(
            "queue",
            format!(
                "{} can't be delivered, and nobody can be told: \"poppet queue\" shows them as dead, retry and del settle \
                 them",
                counts.dead
            ),
        ));
    }
    if counts.held > 0 {
        findings.push(Finding::note(
            "queue",
            format!("{} are held until \"poppet queue release all\"", counts.held),
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::good("queue", format!("{} wait for their time", counts.waiting)));
    }
    findings
}

const DAY: u64 = 86_400;
/// Days that are left of a certificate when its end is told.
const SOON_DAYS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::clock::tests::RIGHT;
    use super::*;
    use crate::admin::{Fingerprint, LaneTrouble, LiveStatus, MechanismRow, MethodRow, QueueCounts};
    use crate::mail::Lane;
    use crate::settings::Method;

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn status(live: Option<LiveStatus>) -> Status {
        Status {
            version: "1".into(),
            live,
            domains: 1,
            mailboxes: 1,
            messages: 0,
            octets: 0,
            file_octets: 4096,
            free_octets: 1 << 30,
            is_short_of_room: false,
            locked_out: 0,
            clock: RIGHT,
        }
    }

    fn live() -> LiveStatus {
        LiveStatus {
            pid: 17,
            uptime_seconds: 1,
            listeners: Vec::new(),
            sessions: Vec::new(),
            broken_off: 0,
            sandbox: Vec::new(),
            shut: Vec::new(),
        }
    }

    fn states(findings: &[Finding]) -> Vec<State> {
        findings.iter().map(|finding| finding.state).collect()
    }

    /// What is wrong says what to do behind a colon, in one line.
    fn has_remedies(findings: &[Finding]) -> bool {
        let is_one_line = |it: &Finding| it.what.lines().count() == 1;
        findings.iter().all(|it| is_one_line(it) && (it.state != State::Wrong || it.what.contains(": ")))
    }

    #[test]
    fn a_server_runs_or_not() {
        assert_eq!(states(&of_server(&status(Some(live())), "poppet serve")), [State::Good]);
        let silent = of_server(&status(None), "systemctl start poppet");
        assert_eq!(states(&silent), [State::Wrong]);
        let buggy = of_server(&status(Some(LiveStatus { broken_off: 2, ..live() })), "poppet serve");
        assert_eq!(states(&buggy), [State::Good, State::Wrong]);
        assert!(has_remedies(&silent) && has_remedies(&buggy));
    }

    #[test]
    fn a_full_disk_is_found() {
        assert_eq!(states(&of_disk(&status(None))), [State::Good]);
        let full = of_disk(&Status { is_short_of_room: true, ..status(None) });
        assert!(states(&full) == [State::Wrong] && has_remedies(&full), "{full:?}");
    }

    #[test]
    fn certificates_are_told_before_they_end() {
        let row = |kind, days: i64| CertificateRow {
            ends: Some(UnixTime(NOW.0.saturating_add_signed(days * DAY as i64))),
            has_ended: days < 0,
            ..CertificateRow::new(kind, "Company".into(), Fingerprint([7; 32]))
        };
        let server = || row(CertificateKind::Server, 400);
        assert_eq!(states(&of_certificates(&[server()], NOW)), [State::Good]);
        assert_eq!(states(&of_certificates(&[], NOW)), [State::Wrong]);
        for (kind, days, state) in [
            (CertificateKind::Server, -1, Some(State::Wrong)),
            (CertificateKind::Server, 59, Some(State::Note)),
            (CertificateKind::Server, 60, Some(State::Good)),
            (CertificateKind::SmartHostAuthority, -1, Some(State::Wrong)),
            (CertificateKind::SmartHostAuthority, 29, Some(State::Note)),
            (CertificateKind::SmartHostAuthority, 30, None),
            (CertificateKind::DirectoryAuthority, -1, Some(State::Wrong)),
            (CertificateKind::Issued, -1, Some(State::Note)),
            (CertificateKind::Issued, 31, None),
        ] {
            let mut rows = vec![row(kind, days)];
            let has_server = kind == CertificateKind::Server;
            rows.extend((!has_server).then(server));
            let found = of_certificates(&rows, NOW);
            assert!(has_remedies(&found), "{found:?}");
            let states = states(&found);
            let of_row = if has_server || states.len() == 2 { states.first().copied() } else { None };
            assert_eq!(of_row, state, "{kind:?} {days}: {found:?}");
        }
    }

    #[test]
    fn files_that_can_not_be_followed_are_found_s_258() {
        let row = CertificateRow {
            ends: Some(UnixTime(NOW.0 + 400 * DAY)),
            watched: Some("/etc/acme/chain.pem".into()),
            ..CertificateRow::new(CertificateKind::Installed, "mail".into(), Fingerprint([7; 32]))
        };
        let found = |trouble: Option<&str>| {
            let row = CertificateRow { trouble: trouble.map(String::from), ..row.clone() };
            let server = CertificateRow { kind: CertificateKind::Server, ..row.clone() };
            of_certificates(&[CertificateRow { trouble: None, ..server }, row], NOW)
        };
        assert_eq!(states(&found(None)), [State::Good]);
        let broken = found(Some("the key is not that of the certificate: write both anew"));
        assert!(states(&broken) == [State::Good, State::Wrong] && has_remedies(&broken), "{broken:?}");
    }

    /// Of files that had never been read it was said that they were renewed no more.
    #[test]
    fn files_that_were_never_read_are_told_as_such() {
        let texts = |print| {
            let row =
                CertificateRow::new(CertificateKind::Installed, "mail".into(), Fingerprint([print; 32]));
            let row = CertificateRow { trouble: Some("/x is empty".into()), ..row };
            let found = of_certificates(&[row], NOW);
            found.last().map(|finding| finding.what.clone()).unwrap_or_default()
        };
        assert_eq!(texts(0), "the installed mail has not been read yet: /x is empty");
        assert_eq!(texts(7), "the installed mail is not renewed: /x is empty");
    }

    /// A renewal for other names was good everywhere, and clients of the old name refused it.
    #[test]
    fn names_that_a_renewal_left_out_are_found() {
        let row = |left_out: &[&str]| CertificateRow {
            left_out: left_out.iter().map(|name| (*name).to_owned()).collect(),
            ..CertificateRow::new(CertificateKind::Installed, "mail".into(), Fingerprint([7; 32]))
        };
        let found = |left_out: &[&str]| {
            let server = CertificateRow::new(CertificateKind::Server, "mail".into(), Fingerprint([8; 32]));
            of_certificates(&[server, row(left_out)], NOW)
        };
        assert_eq!(states(&found(&[])), []);
        let told = found(&["pop.example.org", "192.0.2.1"]);
        assert!(states(&told) == [State::Wrong] && has_remedies(&told), "{told:?}");
        assert!(
            told[0].what.contains("mail has been renewed without pop.example.org, 192.0.2.1, so"),
            "{told:?}"
        );
    }

    #[test]
    fn who_can_not_log_on_is_found() {
        let view = |hindrance: Option<&str>, state| AuthView {
            method: Method::Directory,
            learns_from: None,
            without_password: 0,
            joined: Vec::new(),
            methods: vec![MethodRow { method: Method::Directory, hindrance: hindrance.map(String::from) }],
            mechanisms: vec![MechanismRow { names: "PLAIN".into(), state, note: String::new() }],
        };
        let good = view(None, MechanismState::Works);
        assert_eq!(states(&of_logons(&good, &status(None))), [State::Good]);
        for bad in [
            view(Some("no server answers: start it"), MechanismState::Works),
            view(None, MechanismState::Never),
        ] {
            let found = of_logons(&bad, &status(None));
            assert!(states(&found) == [State::Wrong] && has_remedies(&found), "{found:?}");
        }
        let lacking = AuthView { without_password: 2, ..good.clone() };
        assert_eq!(states(&of_logons(&lacking, &status(None))), [State::Good, State::Wrong]);
        let learning = AuthView { learns_from: Some(Method::Local), ..lacking };
        let locked = Status { locked_out: 1, ..status(None) };
        assert_eq!(states(&of_logons(&learning, &locked)), [State::Good, State::Note]);
    }

    #[test]
    fn mail_that_can_not_leave_is_found_o8() {
        let trouble = LaneTrouble {
            lane: Lane::SmartHost,
            since: NOW,
            next: None,
            text: "it refuses our password: set it anew".into(),
        };
        let counts = |waiting, held, dead| QueueCounts { waiting, held, dead };
        let relay = |counts, troubles: &[LaneTrouble], offline_since| RelayStatus {
            counts,
            troubles: troubles.to_vec(),
            offline_since,
            ..RelayStatus::default()
        };
        for (relay, has_nowhere, wanted) in [
            (relay(counts(0, 0, 0), &[], None), false, vec![State::Good]),
            (relay(counts(9, 0, 0), &[], None), false, vec![State::Good]),
            (relay(counts(9, 1, 0), &[], None), false, vec![State::Note]),
            (relay(counts(0, 1, 1), &[], None), false, vec![State::Note, State::Note]),
            (relay(counts(1, 0, 0), &[], None), true, vec![State::Wrong]),
            (
                relay(counts(1, 0, 0), std::slice::from_ref(&trouble), Some(NOW)),
                false,
                vec![State::Wrong, State::Wrong],
            ),
        ] {
            let found = of_queue(&relay, has_nowhere);
            assert_eq!(states(&found), wanted, "{found:?}");
            assert!(has_remedies(&found), "{found:?}");
        }
    }
}
