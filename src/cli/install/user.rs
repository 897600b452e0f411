//! Why the service's user can't be made by a tool of this system, and how he is made by hand.

use std::fs;

use super::site::{Manager, Site, USER};
use super::tools::Tools;

/// Why no tool makes him, with what helps on this system, in one line; none if one does.
pub(super) fn fault(site: &Site, tools: &Tools) -> Option<String> {
    if tools.can_make_user() {
        return None;
    }
    let packages = PACKAGES.iter().find(|(tool, ..)| tools.has(tool));
    let installing = packages.map(|(_, openwrt, others)| match site.manager {
        Manager::Procd => *openwrt,
        Manager::Systemd | Manager::OpenRc => *others,
    });
    let installing = installing.map(|call| format!("say \"{call}\", or ")).unwrap_or_default();
    Some(format!(
        "no tool of this system makes users: {installing}{}; then run setup again",
        by_hand(&read(site, "etc/passwd"), &read(site, "etc/group"))
    ))
}

/// The lines to be added, with numbers that nobody has.
fn by_hand(passwd: &str, groups: &str) -> String {
    let taken: Vec<u32> = [passwd, groups].iter().flat_map(|text| text.lines().filter_map(number)).collect();
    let free = NUMBERS.rev().find(|number| !taken.contains(number)).unwrap_or(*NUMBERS.end());
    let own = groups.lines().find(|line| line.split(':').next() == Some(USER)).and_then(number);
    let user =
        |group| format!("add {USER}:x:{free}:{group}:{USER}:/var/lib/{USER}:/bin/false to /etc/passwd");
    match own {
        Some(group) => user(group),
        None => format!("{} and {USER}:x:{free}: to /etc/group", user(free)),
    }
}

/// The third field of a user's line, and of a group's. passwd(5), group(5).
fn number(line: &str) -> Option<u32> {
    line.split(':').nth(2)?.parse().ok()
}

fn read(site: &Site, path: &str) -> String {
    String::from_utf8_lossy(&fs::read(site.at(path)).unwrap_or_default()).into_owned()
}

/// Who installs packages, with the call that brings a tool for users on OpenWrt and elsewhere.
const PACKAGES: [(&str, &str, &str); 5] = [
    ("apk", "apk add shadow-useradd", "apk add shadow"),
    ("opkg", "opkg update && opkg install shadow-useradd", "opkg install shadow-useradd"),
    ("apt-get", "apt-get install passwd", "apt-get install passwd"),
    ("dnf", "dnf install shadow-utils", "dnf install shadow-utils"),
    ("pacman", "pacman -S shadow", "pacman -S shadow"),
];
/// What systems give to their services.
const NUMBERS: std::ops::RangeInclusive<u32> = 100..=999;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::install::tests::Root;

    /// On OpenWrt, which has neither useradd nor adduser, setup said to make the user and not how.
    #[test]
    fn what_makes_the_user_is_named_by_what_the_system_has() {
        const PROCD: &[&str] = &["sbin/procd", "etc/rc.common"];
        const OPENRC: &[&str] = &["run/openrc/softlevel"];
        const BY_HAND: &str = "add poppet:x:999:999:poppet:/var/lib/poppet:/bin/false to /etc/passwd and \
                               poppet:x:999: to /etc/group; then run setup again";
        for (system, tool, wanted) in [
            (PROCD, "bin/opkg", "say \"opkg update && opkg install shadow-useradd\", or "),
            (PROCD, "usr/bin/apk", "say \"apk add shadow-useradd\", or "),
            (PROCD, "bin/none", "makes users: "),
            (OPENRC, "sbin/apk", "say \"apk add shadow\", or "),
            (OPENRC, "usr/bin/apt-get", "say \"apt-get install passwd\", or "),
        ] {
            let root = Root::bare();
            system.iter().for_each(|path| root.write(path, ""));
            root.write_program(tool, "#!/bin/sh\n");
            let site = root.site();
            let fault = fault(&site, &Tools::of(&site)).unwrap();
            assert!(fault.ends_with(&format!("{wanted}{BY_HAND}")), "{fault}");
            root.write_program("usr/sbin/useradd", "#!/bin/sh\n");
            assert_eq!(super::fault(&site, &Tools::of(&site)), None);
        }
    }

    #[test]
    fn the_lines_have_numbers_that_nobody_has() {
        let passwd = "root:x:0:0:root:/root:/bin/ash\na:x:999:1::/:/bin/false\nodd\nodd:x:y\n";
        let lines = by_hand(passwd, "b:x:998:\n");
        assert!(
            lines.contains("poppet:x:997:997:") && lines.ends_with("poppet:x:997: to /etc/group"),
            "{lines}"
        );
        let joined = by_hand(passwd, "b:x:997:\npoppet:x:300:\n");
        assert!(joined.contains("poppet:x:998:300:") && joined.ends_with("to /etc/passwd"), "{joined}");
        let all: String = NUMBERS.map(|number| format!("u:x:{number}:\n")).collect();
        assert!(by_hand(&all, "").contains("poppet:x:999:"), "at least it says how");
    }
}
