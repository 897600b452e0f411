//! What the server stands on: its sandbox, who starts it again, and how long its disk will last.

use std::fs;
use std::path::Path;

use super::super::install::DATABASE;
use super::super::table::size;
use super::Finding;
use crate::admin::{Layer, LayerState, LiveStatus, Wear};

/// Which layers of the sandbox hold.
pub(super) fn of_sandbox(layers: &[Layer]) -> Vec<Finding> {
    let of = |state| layers.iter().filter(move |layer| layer.state == state);
    let named: Vec<_> =
        of(LayerState::Holds).map(|layer| format!("{} ({})", layer.name, layer.text)).collect();
    let mut findings = Vec::new();
    if !named.is_empty() {
        findings.push(Finding::good("sandbox", format!("these hold: {}", named.join(", "))));
    }
    for (state, what) in [
        (LayerState::Partly, "holds in part"),
        (LayerState::Absent, "does not hold"),
        (LayerState::Off, "is off"),
    ] {
        findings.extend(
            of(state).map(|layer| Finding::note("sandbox", format!("{} {what}: {}", layer.name, layer.text))),
        );
    }
    findings
}

/// Whether somebody starts it again after a power cut.
pub(super) fn of_service(live: &LiveStatus, database: &Path) -> Vec<Finding> {
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", live.pid)).unwrap_or_default();
    let manager =
        Path::new("/run/systemd/system").is_dir().then_some(match database == Path::new(DATABASE) {
            true => "\"poppet setup\", run as root, makes it a service",
            false => "have a unit of systemd run \"poppet serve\"",
        });
    judged_service(unit_of(&groups), manager, &|unit| is_enabled(Path::new(UNITS), unit))
        .into_iter()
        .collect()
}

/// The unit of a process, by its control groups: version 2's, or that of systemd's own in version 1.
fn unit_of(groups: &str) -> Option<&str> {
    let group = groups.lines().find_map(|line| {
        line.strip_prefix("0::").or_else(|| line.split_once(":name=systemd:").map(|(_, group)| group))
    })?;
    let unit = group.rsplit('/').find(|part| part.ends_with(".service"))?;
    // A user's session is a service, too, and starts nothing again.
    (!unit.starts_with("user@")).then_some(unit)
}

/// A unit is started with the machine if a target wants it, or a socket of its name.
fn is_enabled(units: &Path, unit: &str) -> bool {
    let socket = unit.strip_suffix(".service").map(|name| format!("{name}.socket")).unwrap_or_default();
    ["multi-user.target.wants", "default.target.wants", "sockets.target.wants"].iter().any(|target| {
        [unit, &socket].iter().any(|name| units.join(target).join(name).symlink_metadata().is_ok())
    })
}

fn judged_service(
    unit: Option<&str>,
    remedy: Option<&str>,
    is_enabled: &dyn Fn(&str) -> bool,
) -> Option<Finding> {
    match unit {
        Some(unit) if is_enabled(unit) => Some(Finding::good(
            "service",
            format!("systemd runs it as {unit}, and starts it with the machine"),
        )),
        Some(unit) => Some(Finding::note(
            "service",
            format!(
                "systemd runs it as {unit}, but does not start it with the machine: \"systemctl enable {unit}\" does"
            ),
        )),
        None => remedy.map(|remedy| {
            let text = "somebody has started it by hand, so nobody starts it again after a power cut";
            Finding::note("service", format!("{text}: {remedy}"))
        }),
    }
}

/// How long flash lasts under what is written; nothing until an hour has passed, since a start is like no other.
pub(super) fn of_wear(wear: &Wear, uptime_seconds: u64, disk_octets: u64) -> Vec<Finding> {
    if uptime_seconds < HOUR || disk_octets == 0 {
        return Vec::new();
    }
    let daily = u128::from(wear.written_octets) * u128::from(DAY) / u128::from(uptime_seconds);
    let daily = u64::try_from(daily).unwrap_or(u64::MAX);
    let written = format!("about {} a day are written", size(daily));
    let days = disk_octets.saturating_mul(FULL_WRITES) / daily.max(1);
    let years = days / 365;
    vec![match years {
        0..LASTING_YEARS => Finding::note(
            "wear",
            format!(
                "{written}, under which a memory card of this size may last {}: put the database on a hard disk or an SSD, \
                 or use a larger card",
                if years == 0 { format!("{days} days") } else { format!("{years} years") }
            ),
        ),
        _ => Finding::good(
            "wear",
            format!("{written}, which even a memory card of this size stands for years"),
        ),
    }]
}

/// Whether damage was met. Only what is read is looked at: each mail when it is fetched or leaves.
pub(super) fn of_damage(wear: &Wear) -> Finding {
    let check = if wear.was_checked {
        "; it had not been closed properly before, and was checked as a whole when it was opened"
    } else {
        ""
    };
    match wear.damages {
        0 => {
            Finding::good("damage", format!("none was met since the server started, in what was read{check}"))
        }
        times => Finding::wrong(
            "damage",
            format!(
                "the database was found damaged {times} times since the server started: its log says where; restore a \
                 backup, and mistrust the disk{check}"
            ),
        ),
    }
}

const HOUR: u64 = 3600;
const DAY: u64 = 86_400;
/// How often a cheap card can be written from end to end: its cells stand a thousand times, and it writes some four times
/// as much as it is given.
const FULL_WRITES: u64 = 250;
/// As long as people use a board.
const LASTING_YEARS: u64 = 5;
/// Where an administrator's units are.
const UNITS: &str = "/etc/systemd/system";

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn layer(name: &str, state: LayerState) -> Layer {
        Layer { name: name.into(), state, text: "why: what helps".into() }
    }

    /// Doctor said nothing about mail that could not be read any more.
    #[test]
    fn damage_is_wrong_and_a_check_at_the_opening_is_told() {
        let found = |damages, was_checked| of_damage(&Wear { damages, was_checked, ..Wear::default() });
        assert_eq!([0, 1].map(|damages| found(damages, false).state), [State::Good, State::Wrong]);
        assert!(found(3, true).what.contains("3 times") && found(3, true).what.contains("restore a backup"));
        for (damages, was_checked) in [(0, true), (0, false), (2, true), (2, false)] {
            assert_eq!(found(damages, was_checked).what.contains("checked as a whole"), was_checked);
        }
    }

    #[test]
    fn layers_that_hold_are_one_line_and_others_have_their_own_s_336() {
        let all = [
            layer("dumpable", LayerState::Holds),
            layer("privileges", LayerState::Holds),
            layer("landlock", LayerState::Partly),
            layer("seccomp", LayerState::Absent),
            layer("capabilities", LayerState::Off),
        ];
        let found = of_sandbox(&all);
        assert_eq!(found.len(), 4);
        assert!(
            found[0].state == State::Good
                && found[0].what.contains("dumpable")
                && found[0].what.contains("privileges")
        );
        for (row, words) in found[1..].iter().zip([
            "landlock holds in part: ",
            "seccomp does not hold: ",
            "capabilities is off: ",
        ]) {
            assert!(row.state == State::Note && row.what.starts_with(words), "{row:?}");
        }
        assert_eq!(of_sandbox(&[]), []);
    }

    #[test]
    fn a_service_is_one_that_somebody_starts_again() {
        for (groups, unit) in [
            ("0::/system.slice/poppet.service\n", Some("poppet.service")),
            ("12:pids:/x\n1:name=systemd:/system.slice/poppet.service\n0::/\n", Some("poppet.service")),
            ("0::/user.slice/user-1000.slice/session-2.scope\n", None),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n", None),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(unit_of(groups), unit, "{groups}");
        }
        let state =
            |unit, remedy, is_enabled: bool| judged_service(unit, remedy, &|_| is_enabled).map(|it| it.state);
        assert_eq!(state(Some("poppet.service"), Some("do"), true), Some(State::Good));
        assert_eq!(state(Some("poppet.service"), Some("do"), false), Some(State::Note));
        assert_eq!(state(None, Some("do"), true), Some(State::Note));
        assert_eq!(state(None, None, false), None, "without systemd there is nothing to say");
    }

    #[test]
    fn a_unit_or_its_socket_is_enabled_by_a_link() {
        let units = std::env::temp_dir().join(format!("poppet-units-{}", std::process::id()));
        assert!(!is_enabled(&units, "poppet.service"));
        let target = units.join("sockets.target.wants");
        fs::create_dir_all(&target).unwrap();
        assert!(!is_enabled(&units, "poppet.service"));
        std::os::unix::fs::symlink("/nowhere/poppet.socket", target.join("poppet.socket")).unwrap();
        assert!(is_enabled(&units, "poppet.service") && !is_enabled(&units, "other.service"));
        fs::remove_dir_all(&units).unwrap();
    }

    #[test]
    fn a_card_that_will_not_last_is_told_s_304() {
        const GIB: u64 = 1 << 30;
        let found =
            |written_octets, uptime, disk| of_wear(&Wear { written_octets, ..Wear::default() }, uptime, disk);
        assert_eq!(found(GIB, HOUR - 1, 8 * GIB), [], "too early to tell");
        assert_eq!(found(GIB, HOUR, 0), []);
        assert_eq!(found(0, DAY, 8 * GIB)[0].state, State::Good);
        // 8 GiB written 250 times last 1,825 days under this.
        let daily = 8 * GIB * FULL_WRITES / (LASTING_YEARS * 365);
        assert_eq!(found(daily, DAY, 8 * GIB)[0].state, State::Good);
        let short = &found(daily + daily / 100, DAY, 8 * GIB)[0];
        assert!(short.state == State::Note && short.what.contains("last 4 years: "), "{short:?}");
        let days = &found(40 * GIB, DAY, 8 * GIB)[0];
        assert!(days.state == State::Note && days.what.contains("last 50 days: "), "{days:?}");
        assert_eq!(found(u64::MAX, HOUR, u64::MAX)[0].state, State::Note, "no number is too large");
    }
}
