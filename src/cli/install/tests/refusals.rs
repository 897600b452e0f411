//! Everything that stands in the way is told in one line with its remedy, before anything is done.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use super::{Machine, Root, listeners, poppet};
use crate::admin::{self, Failure};
use crate::cli::install::facts::{Facts, Folder, Service};
use crate::cli::install::site::Site;
use crate::cli::install::tools::{Act, ToolError, Tools};
use crate::cli::install::units::Standing;
use crate::cli::install::{Removing, Serving, Taken, plan, remove, units};
use crate::clock::UnixTime;
use crate::settings::ListenerKind;

#[test]
fn what_stands_in_the_way_is_told_in_one_line_and_nothing_is_done() {
    type Way = (fn(&Machine), Failure, &'static str);
    let ways: [Way; 9] = [
        (
            |machine| machine.root.write("etc/systemd/system/poppet.service", "[Service]\n"),
            Failure::Refused,
            "systemctl edit poppet.service",
        ),
        (
            |machine| machine.root.write_program("usr/local/bin/poppet", "#!/bin/sh\necho other\n"),
            Failure::Refused,
            "another program than poppet: move it away",
        ),
        (
            |machine| symlink("/bin/true", machine.root.path().join("usr/local/bin/poppet")).unwrap(),
            Failure::Refused,
            "no regular file: move it away",
        ),
        (
            |machine| {
                machine.root.make_folder("var/lib");
                symlink("/tmp", machine.root.path().join("var/lib/poppet")).unwrap();
            },
            Failure::Refused,
            "no folder of its own",
        ),
        (
            |machine| fs::remove_file(machine.root.path().join("usr/bin/systemd-sysusers")).unwrap(),
            Failure::Failed,
            "no tool of this system makes users: add poppet:x:999:999:",
        ),
        (
            |machine| {
                machine.taken.replace(vec![Taken {
                    kind: ListenerKind::Smtp,
                    address: "0.0.0.0:25".parse().unwrap(),
                    holder: None,
                    why: "exim4 listens there, as process 7: stop it for good".into(),
                }]);
            },
            Failure::Failed,
            "0.0.0.0:25 (smtp) can't be had: exim4 listens there",
        ),
        (
            |machine| drop(machine.listeners.replace(Some(Default::default()))),
            Failure::Refused,
            "no listener is on",
        ),
        // It answers, and the manager knows of no service.
        (|machine| machine.root.write("active", ""), Failure::Exists, "process 7 serves this database"),
        (
            |machine| {
                machine.root.write("var/lib/poppet/poppet.redb", "mail");
                machine.listeners.replace(None);
            },
            Failure::Unreachable,
            "another program has the database open",
        ),
    ];
    for (prepare, kind, wanted) in ways {
        let machine = Machine::new();
        prepare(&machine);
        if wanted.starts_with("process") {
            machine.root.write_program("usr/bin/systemctl", "#!/bin/sh\nexit 3\n");
        }
        let before = machine.files();
        let error = machine.set_up(&poppet("1.0")).unwrap_err();
        assert_eq!(error.kind, kind, "{}", error.text);
        assert!(error.text.contains(wanted) && error.text.lines().count() == 1, "{}", error.text);
        assert_eq!((machine.files(), machine.calls()), (before, vec![]), "{}", error.text);
    }
}

/// A unit that was masked was told to be one that somebody had edited, to be moved away.
#[test]
fn what_systemd_s_administrator_has_masked_is_to_be_unmasked() {
    let machine = Machine::new();
    machine.root.make_folder("etc/systemd/system");
    let mask = |unit: &str| symlink("/dev/null", machine.root.path().join("etc/systemd/system").join(unit));
    mask("poppet.service").unwrap();
    let error = machine.set_up(&poppet("1.0")).unwrap_err();
    assert_eq!(error.kind, Failure::Refused);
    assert!(error.text.contains("say \"systemctl unmask poppet.service\", then"), "{}", error.text);
    mask("poppet.socket").unwrap();
    let error = machine.set_up(&poppet("1.0")).unwrap_err();
    assert!(error.text.contains("unmask poppet.socket poppet.service\""), "{}", error.text);
    // Nobody could say what should be in it, and it is masked all the same.
    machine.root.write("var/lib/poppet/poppet.redb", "mail");
    machine.listeners.replace(None);
    let facts = machine.look(&poppet("1.0")).unwrap();
    assert_eq!(facts.units.iter().filter(|(_, standing)| *standing == Standing::Masked).count(), 2);
    // Other managers know no such thing.
    let (machine, site) = openwrt("/mnt/disk/poppet/poppet.redb");
    machine.root.make_folder("etc/init.d");
    symlink("/dev/null", machine.root.path().join("etc/init.d/poppet")).unwrap();
    let facts = Facts::look(&site, poppet("1.0").as_bytes(), &machine).unwrap();
    assert_eq!(facts.units[0].1, Standing::Edited);
}

/// The service of an older poppet could not start, and the newer one was not put back.
#[test]
fn a_poppet_whose_layout_is_newer_is_not_replaced() {
    for (layout, is_refused) in
        [(admin::LAYOUT - 1, false), (admin::LAYOUT, false), (admin::LAYOUT + 1, true)]
    {
        let machine = Machine::with("1.0");
        let standing = format!("#!/bin/sh\necho 'poppet 9.0 (layout {layout})'\n");
        machine.root.write_program("usr/local/bin/poppet", &standing);
        let refused = machine.set_up(&poppet("2.0")).err().map(|error| error.text);
        assert_eq!(refused.is_some(), is_refused, "{refused:?}");
        assert!(refused.is_none_or(|text| text.contains("is a newer poppet")));
    }
}

#[test]
fn who_serves_the_database_must_be_the_service_itself() {
    let machine = Machine::with("1.0");
    let facts = machine.look(&poppet("1.0")).unwrap();
    let planned = |service: Service, server: Serving| {
        plan(&machine.root.site(), &Facts { service, server, ..facts.clone() }, true)
    };
    let active =
        Service { is_active: true, has_ports: true, is_enabled: true, is_current: true, pid: Some(7) };
    assert!(planned(active, Serving::Process(7)).is_ok());
    // Some managers tell no process.
    assert!(planned(Service { pid: None, ..active }, Serving::Process(7)).is_ok());
    assert!(planned(active, Serving::Stranger).is_ok(), "an older version is upgraded");
    assert!(planned(active, Serving::Process(8)).unwrap_err().text.contains("process 8"));
    let stopped = Service { is_active: false, pid: None, ..active };
    assert!(planned(stopped, Serving::Process(8)).unwrap_err().text.contains("process 8"));
    assert!(planned(stopped, Serving::Stranger).unwrap_err().text.contains("another version"));
}

#[test]
fn a_database_that_somebody_has_open_is_no_obstacle_to_stopping_the_service() {
    let machine = Machine::with("1.0");
    let facts = machine.look(&poppet("1.0")).unwrap();
    let stuck = Facts { server: Serving::Nobody, is_busy: true, ..facts };
    let plan = plan(&machine.root.site(), &stuck, true).unwrap();
    let names: Vec<String> = plan.steps.iter().map(|step| step.sentence(&machine.root.site())).collect();
    assert!(names[0].starts_with("stop what") && names.iter().any(|name| name == "start the service"));
}

#[test]
fn without_names_there_must_be_something_to_upgrade() {
    let machine = Machine::new();
    let facts = machine.look(&poppet("1.0")).unwrap();
    let site = machine.root.site();
    assert_eq!(plan(&site, &facts, false).unwrap_err().kind, Failure::Usage);
    let standing = Facts { has_database: true, folder: Folder::Stands, ..facts };
    let plan = plan(&site, &standing, false).unwrap();
    assert!(plan.steps.iter().all(|step| !step.sentence(&site).contains("domain")));
}

#[test]
fn mail_is_not_kept_in_memory_on_openwrt() {
    let machine = Machine::new();
    let facts = machine.look(&poppet("1.0")).unwrap();
    fs::remove_dir_all(machine.root.path().join("run")).unwrap();
    machine.root.write("sbin/procd", "");
    machine.root.write("etc/rc.common", "");
    for (database, is_refused) in
        [("/var/lib/poppet/poppet.redb", true), ("/tmp/poppet.redb", true), ("/mnt/disk/poppet.redb", false)]
    {
        let site = Site::below(machine.root.path(), Path::new(database)).unwrap();
        let refused = plan(&site, &facts, true).err().map(|error| error.text);
        assert_eq!(refused.is_some(), is_refused, "{database} {refused:?}");
        assert!(refused.is_none_or(|text| text.contains("--db /mnt/disk/poppet/poppet.redb")));
    }
}

fn openwrt(database: &str) -> (Machine, Site) {
    let machine = Machine::new();
    fs::remove_dir_all(machine.root.path().join("run")).unwrap();
    machine.root.write("sbin/procd", "");
    machine.root.write("etc/rc.common", "");
    machine.root.write_program("usr/sbin/useradd", "#!/bin/sh\n");
    let site = Site::below(machine.root.path(), Path::new(database)).unwrap();
    (machine, site)
}

/// `--db /etc/poppet.redb` gave /etc, and every file in it, to the service's user; so it was with root's backups on a disk.
#[test]
fn a_folder_with_files_of_others_never_becomes_poppet_s() {
    for (file, is_refused) in [
        (None, false),
        (Some("poppet.redb"), false),
        (Some("poppet.key"), false),
        (Some("passwd"), true),
        (Some("poppetry"), true),
    ] {
        let (machine, site) = openwrt("/mnt/disk/poppet.redb");
        machine.root.make_folder("mnt/disk");
        if let Some(file) = file {
            machine.root.write(&format!("mnt/disk/{file}"), "x");
        }
        let facts = Facts::look(&site, poppet("1.0").as_bytes(), &machine).unwrap();
        let refused = plan(&site, &facts, true).err().map(|error| error.text);
        assert_eq!(refused.is_some(), is_refused, "{file:?} {refused:?}");
        assert!(refused.is_none_or(|text| text.contains("name a folder for it alone")));
        // It is the service's already.
        let owner = fs::metadata(machine.root.path().join("mnt/disk")).map(|facts| facts.uid()).unwrap();
        machine.root.write("etc/passwd", &format!("poppet:x:{owner}:{owner}::/:/bin/false\n"));
        let facts = Facts::look(&site, poppet("1.0").as_bytes(), &machine).unwrap();
        assert!(plan(&site, &facts, true).is_ok(), "{file:?}");
    }
}

/// Another `--db` moved the service silently to a new database; --remove looked for the mail in the wrong place, found
/// none, and took the user away whose number the mail has.
#[test]
fn openwrt_s_service_keeps_the_database_that_its_script_names() {
    let (machine, site) = openwrt("/mnt/disk/poppet/poppet.redb");
    let script = units::wanted(&site, &listeners()).remove(0);
    machine.root.write("etc/init.d/poppet", &script.text);
    machine.root.write("mnt/disk/poppet/poppet.redb", "mail");
    machine.root.write("etc/passwd", "poppet:x:1:1::/:/bin/false\n");
    let other = Site::below(machine.root.path(), Path::new("/srv/poppet/poppet.redb")).unwrap();
    for (site, is_refused) in [(&site, false), (&other, true)] {
        let facts = Facts::look(site, poppet("1.0").as_bytes(), &machine).unwrap();
        let refused = plan(site, &facts, true).err().map(|error| error.text);
        assert_eq!(refused.is_some(), is_refused, "{refused:?}");
        assert!(refused.is_none_or(|text| text.contains("say --db /mnt/disk/poppet/poppet.redb")));
    }
    machine.root.write_program("etc/init.d/poppet", &script.text.replace("/etc/rc.common", ""));
    let told = remove(&other, Removing::Confirmed).unwrap();
    assert!(told.meaning()[0].contains("rm -r /mnt/disk/poppet && "), "{told:?}");
    assert!(machine.root.read("etc/passwd").unwrap().contains("poppet"));
    // Nobody knows any more where the mail is.
    assert!(remove(&other, Removing::Confirmed).is_err());
    assert!(machine.root.read("etc/passwd").unwrap().contains("poppet"));
}

/// "End that program" named none, though the kernel knew it.
#[test]
fn who_has_the_database_open_is_named() {
    let machine = Machine::new();
    machine.root.write("var/lib/poppet/poppet.redb", "mail");
    let _open = fs::File::open(machine.root.path().join("var/lib/poppet/poppet.redb")).unwrap();
    machine.listeners.replace(None);
    let error = machine.set_up(&poppet("1.0")).unwrap_err();
    let own = format!("(process {}) has the database open", std::process::id());
    assert!(error.text.contains(&own) && error.text.ends_with("then run setup again"), "{}", error.text);
}

#[test]
fn each_manager_is_asked_in_its_own_words() {
    let root = Root::bare();
    root.make_folder("run/openrc");
    for tool in ["rc-service", "rc-update"] {
        root.write_program(
            &format!("sbin/{tool}"),
            &format!("#!/bin/sh\necho {tool} \"$@\" >> {}/calls\n", root.path().display()),
        );
    }
    let site = root.site();
    let tools = Tools::of(&site);
    for act in [Act::Reload, Act::Enable, Act::Start, Act::Restart, Act::Stop, Act::Disable] {
        tools.ask(act).unwrap();
    }
    assert!(tools.is_active() && !tools.is_enabled() && tools.last_words(UnixTime(0)).is_none());
    root.write_program("bin/tail", "#!/bin/sh\nexec tail \"$@\"\n");
    let log = "2026-11-20 10:00:00Z error: that is over\npoppet: so is that\n2026-11-21 21:15:00Z info: all is well\n\
               2026-11-21 21:15:00Z error: the disk is full\npoppet: there is no command \"x\"\n";
    root.write("var/log/poppet.log", log);
    let began = UnixTime(1_795_295_700);
    assert_eq!(began.rfc3339(), "2026-11-21 21:15:00Z");
    let said = tools.last_words(began);
    assert_eq!(said.as_deref(), Some("error: the disk is full / poppet: there is no command \"x\""));
    assert_eq!(tools.last_words(UnixTime(began.0 + 1)), None, "what is over is no reason");
    let wanted = "rc-update --quiet add poppet default\nrc-service poppet start\nrc-service poppet restart\n\
                  rc-service poppet stop\nrc-update --quiet del poppet default\nrc-service poppet status\n";
    assert_eq!(root.read("calls").as_deref(), Some(wanted));
    fs::remove_file(root.path().join("sbin/rc-service")).unwrap();
    let ToolError(text) = tools.ask(Act::Stop).unwrap_err();
    assert_eq!(text, "\"rc-service poppet stop\" failed: it is not installed");
}
