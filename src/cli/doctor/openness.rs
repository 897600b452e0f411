//! What is open wider than it is by default: settings, and devices that send without a logon (M11).

use super::{Finding, Settings};
use crate::admin::{Device, Reach};

/// One note for each; good if there is none.
pub(super) fn of(settings: &Settings, devices: &[Device]) -> Vec<Finding> {
    let of_settings =
        RELAXED.iter().filter(|(key, value, _)| settings.get(*key).is_some_and(|it| it == value));
    let mut findings: Vec<_> = of_settings
        .map(|(key, value, what)| Finding::note("open", format!("{key} is {value}: {what}")))
        .collect();
    findings.extend(devices.iter().map(|device| Finding::note("device", of_device(device))));
    if findings.is_empty() {
        findings.push(Finding::good("open", "nothing is open wider than usual"));
    }
    findings
}

fn of_device(device: &Device) -> String {
    let mut what = vec!["needs no password".to_owned()];
    if device.reach == Reach::SmartHost {
        what.push("sends to other servers, too".into());
    }
    if device.sender.is_none() {
        what.push("writes under any address".into());
    }
    if device.mails_per_day.is_none() {
        what.push("sends as much as it likes".into());
    }
    if device.is_lenient {
        what.push("may write as old firmware does".into());
    }
    if !device.network.is_local() {
        what.push("and has a public address, as whoever is behind the same router".into());
    }
    format!("{} at {} {}", device.name, device.network, what.join(", "))
}

/// Settings and values that let more in than their defaults do, and what that means.
const RELAXED: &[(&str, &str, &str)] = &[
    ("peers", "all", "who has a public address may connect"),
    ("plaintext", "lan", "passwords travel in the clear within the network"),
    ("plaintext", "always", "passwords travel in the clear, also from public addresses"),
    ("sender", "any", "users may write under any address"),
    ("challenge", "on", "passwords themselves are kept, sealed with the device key"),
    ("old_hashes", "on", "local accounts with hashes of MD5 log on"),
    ("directory_clear", "on", "passwords may go to the directory without TLS"),
    ("smarthost_tls", "opportunistic", "mail goes to the smart host whatever certificate it shows"),
    ("mx", "on", "mail goes straight to the servers of its domains, mostly without a proven certificate"),
];

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::clock::UnixTime;
    use crate::settings;

    fn settings_with(set: &[(&str, &str)]) -> Settings {
        let mut known = settings::Settings::default();
        set.iter().for_each(|(key, value)| known.assign(key, value).unwrap());
        settings::Key::all().map(|key| (key.name.to_owned(), key.value(&known))).collect()
    }

    #[test]
    fn the_defaults_are_not_open() {
        let found = of(&settings_with(&[]), &[]);
        assert_eq!((found.len(), found[0].state), (1, State::Good), "{found:?}");
    }

    #[test]
    fn each_relaxed_setting_is_one_that_can_be_set_and_is_told() {
        for (key, value, _) in RELAXED {
            let found = of(&settings_with(&[(key, value)]), &[]);
            assert_eq!((found.len(), found[0].state), (1, State::Note), "{key} {value}: {found:?}");
            assert!(found[0].what.starts_with(&format!("{key} is {value}: ")), "{found:?}");
        }
    }

    #[test]
    fn each_device_is_told_with_all_that_it_may_m11() {
        let device = |network: &str, reach, is_lenient| Device {
            name: "scanner".into(),
            network: network.parse().unwrap(),
            sender: None,
            reach,
            mails_per_day: None,
            is_lenient,
            created: UnixTime(0),
        };
        let strict = Device {
            sender: Some("scanner@home.lan".parse().unwrap()),
            mails_per_day: Some(10),
            ..device("10.0.0.1", Reach::Local, false)
        };
        let found = of(&settings_with(&[]), &[strict, device("192.0.2.7", Reach::SmartHost, true)]);
        assert_eq!(found[0].what, "scanner at 10.0.0.1 needs no password");
        for wanted in
            ["other servers", "any address", "as much as it likes", "old firmware", "public address"]
        {
            assert!(found[1].what.contains(wanted), "{found:?}");
        }
    }
}
