//! Whether the clock is right, and whether mail waits for that.

use super::{Finding, Settings};
use crate::admin::{self, ClockState};

/// Whether the clock can be believed.
pub(super) fn of(state: &ClockState) -> Vec<Finding> {
    vec![match admin::trouble_of_clock(state) {
        Some(trouble) if state.is_suspect || !state.can_be_right => Finding::wrong("clock", trouble),
        Some(trouble) => Finding::note("clock", trouble),
        None => Finding::good("clock", format!("it says {}", state.now.rfc3339())),
    }]
}

/// Whether mail waits for a clock that is right: by a wrong one no authority's word of a certificate counts (S-316).
pub(super) fn of_waiting(state: &ClockState, settings: &Settings) -> Vec<Finding> {
    let value = |key: &str| settings.get(key).map_or("off", String::as_str);
    let hosts = value("smarthost");
    let is_proven = value("smarthost_tls") != "opportunistic" || hosts.contains("smtps:");
    let is_wrong = state.is_suspect || !state.can_be_right;
    if !is_wrong || hosts == "off" || !is_proven || value("smarthost_pin") != "off" {
        return Vec::new();
    }
    vec![Finding::wrong(
        "smarthost",
        "no mail goes there before the clock is right, since its certificate can't be proven: do what is said of the clock, \
         or name the certificate in smarthost_pin",
    )]
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::State;
    use super::*;
    use crate::clock::UnixTime;

    pub const RIGHT: ClockState = ClockState {
        now: UnixTime(1_800_000_000),
        newest: UnixTime(1_800_000_000),
        is_suspect: false,
        is_believed: true,
        can_be_right: true,
    };
    const SUSPECT: ClockState =
        ClockState { newest: UnixTime(2_100_000_000), is_suspect: true, is_believed: false, ..RIGHT };

    #[test]
    fn a_wrong_clock_is_found_and_one_on_probation_is_no_fault_s_308_s_309() {
        let in_the_past = ClockState { can_be_right: false, is_believed: false, ..RIGHT };
        let on_probation = ClockState { is_believed: false, ..RIGHT };
        for (state, wanted) in [
            (RIGHT, State::Good),
            (on_probation, State::Note),
            (SUSPECT, State::Wrong),
            (in_the_past, State::Wrong),
        ] {
            let found = of(&state);
            assert!(found.len() == 1 && found[0].state == wanted, "{found:?}");
        }
    }

    /// A board without a battery kept its mail for days, and only the error of each try said why.
    #[test]
    fn a_suspect_clock_keeps_mail_from_a_smart_host_that_is_not_pinned_s_316() {
        let found = |state: &ClockState, set: &[(&str, &str)]| {
            let mut known = crate::settings::Settings::default();
            set.iter().for_each(|(key, value)| known.assign(key, value).unwrap());
            let all = crate::settings::Key::all().map(|key| (key.name.to_owned(), key.value(&known)));
            of_waiting(state, &all.collect())
        };
        let print = "0f".repeat(32);
        let (host, pin) = (("smarthost", "mail.example.com"), ("smarthost_pin", print.as_str()));
        let lenient = ("smarthost_tls", "opportunistic");
        for set in [&[host][..], &[("smarthost", "smtps:mail.example.com"), lenient]] {
            let waits = found(&SUSPECT, set);
            assert!(
                waits.len() == 1 && waits[0].state == State::Wrong && waits[0].what.contains(": "),
                "{waits:?}"
            );
        }
        for set in [&[][..], &[pin], &[host, pin], &[host, lenient]] {
            assert_eq!(found(&SUSPECT, set), [], "{set:?}");
        }
        assert_eq!(found(&RIGHT, &[host]), [], "a clock that is right");
    }
}
