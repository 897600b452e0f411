//! Whether the certificates that are shown have the names and addresses by which clients come to this machine.

use std::net::IpAddr;

use super::Finding;
use crate::admin::{CertificateKind, CertificateRow, EVERYWHERE};

/// One line for each certificate that lacks some; good if none does. Without any certificate there is nothing to say.
pub(super) fn of(rows: &[CertificateRow], names: &[String], addresses: &[IpAddr]) -> Vec<Finding> {
    let shown: Vec<_> = rows.iter().filter(|row| is_shown(row)).collect();
    let everybody_s = shown.iter().find(|row| row.bound.iter().any(|place| place == EVERYWHERE));
    let Some(everybody_s) =
        everybody_s.or_else(|| shown.iter().find(|row| row.kind == CertificateKind::Server))
    else {
        return Vec::new();
    };
    let bound = |place: &String| shown.iter().find(|row| row.bound.contains(place));
    let by_name = |name: &String| {
        let with_it = || shown.iter().find(|row| has(row, name));
        *bound(name).or_else(with_it).unwrap_or(everybody_s)
    };
    // No client asks for an address as it asks for a name.
    let by_address = |address: &String| *bound(address).unwrap_or(everybody_s);
    let mut lacking: Vec<(&CertificateRow, String)> = Vec::new();
    lacking
        .extend(names.iter().filter(|name| *name != "localhost").map(|name| (by_name(name), name.clone())));
    let outer = addresses.iter().filter(|address| !address.is_loopback()).map(ToString::to_string);
    lacking.extend(outer.map(|address| (by_address(&address), address)));
    for row in shown.iter().filter(|row| row.kind == CertificateKind::Installed) {
        lacking.extend(promised(row).map(|name| (*row, name.clone())));
    }
    lacking.retain(|(row, place)| !has(row, place));
    lacking.dedup();
    let mut findings = Vec::new();
    for row in shown {
        let places: Vec<_> =
            lacking.iter().filter(|(of, _)| *of == row).map(|(_, place)| place.as_str()).collect();
        findings.extend((!places.is_empty()).then(|| of_row(row, &places.join(", "))));
    }
    if findings.is_empty() {
        findings.push(Finding::good("certificate", "what is shown has this machine's names and addresses"));
    }
    findings
}

/// The names that it is bound to, but for those whose lack is told already.
fn promised(row: &CertificateRow) -> impl Iterator<Item = &String> {
    let is_name = |place: &&String| *place != EVERYWHERE && place.parse::<IpAddr>().is_err();
    row.bound.iter().filter(is_name).filter(|name| !row.left_out.contains(name))
}

fn is_shown(row: &CertificateRow) -> bool {
    matches!(row.kind, CertificateKind::Server | CertificateKind::Installed) && row.ends.is_some()
}

/// By the very name, or a wildcard for its first label. RFC 6125 §6.4.3.
fn has(row: &CertificateRow, place: &str) -> bool {
    let wildcard = place.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    row.subjects.iter().any(|subject| {
        subject.eq_ignore_ascii_case(place)
            || wildcard.as_ref().is_some_and(|wildcard| subject.eq_ignore_ascii_case(wildcard))
    })
}

/// Poppet's own is to have all of them; one that others have signed has what they vouch for.
fn of_row(row: &CertificateRow, places: &str) -> Finding {
    match row.kind {
        CertificateKind::Server => Finding::wrong(
            "certificate",
            format!(
                "the server's lacks {places}, so mail clients that come there refuse it: \"poppet cert renew\" makes one \
                 that has them"
            ),
        ),
        _ => Finding::note(
            "certificate",
            format!(
                "the installed {} lacks {places}: set clients up with a name that it has ({}), or \"poppet cert bind poppet \
                 PLACE\" shows poppet's own there",
                row.name,
                row.subjects.join(", ")
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::admin::Fingerprint;
    use crate::clock::UnixTime;

    fn row(kind: CertificateKind, bound: &[&str], subjects: &[&str]) -> CertificateRow {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        CertificateRow {
            ends: Some(UnixTime(1)),
            has_ended: false,
            bound: texts(bound),
            subjects: texts(subjects),
            ..CertificateRow::new(kind, "company".into(), Fingerprint([0; 32]))
        }
    }

    fn found(rows: &[CertificateRow]) -> Vec<(State, String)> {
        let names = ["localhost", "pi", "mail.example.org"].map(String::from);
        let addresses = ["192.168.1.5", "fd00::5", "127.0.0.1", "::1"].map(|text| text.parse().unwrap());
        of(rows, &names, &addresses).into_iter().map(|it| (it.state, it.what)).collect()
    }

    const ALL: &[&str] = &["pi", "mail.example.org", "192.168.1.5", "fd00::5"];

    /// The address of a board changes with its router, and nobody knew why its mail clients had begun to warn.
    #[test]
    fn what_the_servers_own_lacks_is_wrong_and_renewed() {
        let own = |subjects| found(&[row(CertificateKind::Server, &[EVERYWHERE], subjects)]);
        assert_eq!(own(ALL)[0].0, State::Good);
        for (lacking, subjects) in [
            ("fd00::5", &ALL[..3]),
            ("pi", &ALL[1..]),
            ("192.168.1.5, fd00::5", &["PI", "*.Example.org"][..]),
        ] {
            let found = own(subjects);
            assert!(
                found.len() == 1
                    && found[0].0 == State::Wrong
                    && found[0].1.starts_with(&format!("the server's lacks {lacking}, "))
                    && found[0].1.contains("poppet cert renew"),
                "{found:?}"
            );
        }
        assert_eq!(found(&[]), [], "that there is none is told elsewhere");
    }

    /// A certificate was renewed without a name that it was bound to, and nothing told of it.
    #[test]
    fn a_name_that_it_is_bound_to_is_missed_once() {
        let own = row(CertificateKind::Server, &[EVERYWHERE], ALL);
        let bound =
            row(CertificateKind::Installed, &["pop.example", "192.0.2.7", "*.b.example"], &["*.b.example"]);
        let told = found(&[own.clone(), bound.clone()]);
        assert!(told[0].0 == State::Note && told[0].1.contains("lacks pop.example: "), "{told:?}");
        let left_out = CertificateRow { left_out: vec!["pop.example".into()], ..bound.clone() };
        assert_eq!(found(&[own.clone(), left_out])[0].0, State::Good, "it is told elsewhere");
        let whole = CertificateRow { subjects: bound.bound.clone(), ..bound };
        assert_eq!(found(&[own, whole])[0].0, State::Good);
    }

    #[test]
    fn each_place_is_judged_by_what_is_shown_there() {
        let company = |bound| row(CertificateKind::Installed, bound, &["mail.example.org"]);
        let own = |bound| row(CertificateKind::Server, bound, ALL);
        let noted = found(&[own(&[]), company(&[EVERYWHERE])]);
        assert!(
            noted.len() == 1
                && noted[0].0 == State::Note
                && noted[0].1.starts_with("the installed company lacks 192.168.1.5, fd00::5: "),
            "names are asked for, addresses are not: {noted:?}"
        );
        let shared = found(&[own(&["192.168.1.5", "fd00::5"]), company(&[EVERYWHERE])]);
        assert_eq!(shared[0].0, State::Good, "{shared:?}");
        let wrongly = found(&[own(&[EVERYWHERE]), company(&["pi"])]);
        assert!(
            wrongly.len() == 1 && wrongly[0].1.starts_with("the installed company lacks pi: "),
            "{wrongly:?}"
        );
    }
}
