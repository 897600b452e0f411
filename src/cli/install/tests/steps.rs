//! Plans carried out, killed in the middle, taken back, and undone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Machine, listeners, poppet};
use crate::admin::{AdminError, Failure};
use crate::cli::install::plan::{Plan, Step};
use crate::cli::install::{Doing, Removing, Taken, remove};
use crate::limits;
use crate::settings::ListenerKind;

const PROGRAM: &str = "usr/local/bin/poppet";
const FORMER: &str = "usr/local/bin/poppet.old";
const SERVICE: &str = "etc/systemd/system/poppet.service";
const SOCKET: &str = "etc/systemd/system/poppet.socket";
const LOCAL: [&str; 2] =
    ["etc/systemd/system/poppet-local.socket", "etc/systemd/system/poppet-local.service"];

#[test]
fn the_first_time_everything_is_made_and_the_second_nothing() {
    let machine = Machine::new();
    let own = poppet("1.0");
    let all = "user folder database owner program unit unit unit unit reload enable start prove";
    assert_eq!(machine.steps(&own), all);
    assert!(!machine.set_up(&own).unwrap().is_former_kept);
    assert_eq!(machine.root.read(PROGRAM).as_ref(), Some(&own));
    assert_eq!(machine.root.read(FORMER), None);
    let mode =
        |path: &str| fs::metadata(machine.root.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(PROGRAM), mode("var/lib/poppet"), mode(SERVICE)), (0o755, 0o700, 0o644));
    assert!(machine.root.read(SOCKET).unwrap().contains("ListenStream=0.0.0.0:995\n"));
    assert_eq!(machine.calls(), ["daemon-reload", "--quiet enable poppet.service", "start poppet.service"]);
    assert!(LOCAL.iter().all(|path| machine.root.read(path).is_some()), "who wants it enables its socket");

    let before = machine.files();
    assert_eq!(machine.steps(&own), "reload prove");
    machine.set_up(&own).unwrap();
    assert_eq!(machine.files(), before);
    assert_eq!(machine.calls(), ["daemon-reload"], "nobody's session is ended");
}

#[test]
fn what_is_only_planned_touches_nothing() {
    let machine = Machine::new();
    let before = machine.files();
    machine.steps(&poppet("1.0"));
    assert_eq!((machine.files(), machine.calls()), (before, vec![]));
    let machine = Machine::with("1.0");
    machine.calls();
    machine.steps(&poppet("2.0"));
    assert_eq!((machine.root.read(PROGRAM), machine.calls()), (Some(poppet("1.0")), vec![]));
}

#[test]
fn an_upgrade_keeps_the_former_program_and_the_ports_open() {
    let machine = Machine::with("1.0");
    machine.calls();
    assert_eq!(machine.steps(&poppet("2.0")), "program reload restart prove");
    assert!(machine.set_up(&poppet("2.0")).unwrap().is_former_kept);
    assert_eq!(machine.root.read("running"), Some(poppet("2.0")));
    assert_eq!(machine.root.read(FORMER), Some(poppet("1.0")));
    assert_eq!(machine.calls(), ["daemon-reload", "restart poppet.service"], "the socket stays");
}

#[test]
fn other_listeners_move_the_ports() {
    let machine = Machine::with("1.0");
    machine.calls();
    let mut other = listeners();
    other[ListenerKind::Pop3 as usize] = "127.0.0.1:110".parse().unwrap();
    machine.listeners.replace(Some(other));
    assert_eq!(machine.steps(&poppet("1.0")), "unit reload ports prove");
    machine.set_up(&poppet("1.0")).unwrap();
    assert_eq!(
        machine.calls(),
        ["daemon-reload", "stop poppet.socket poppet.service", "start poppet.service"]
    );
    // A server of another version can't be asked where it listens: what stands is right.
    machine.listeners.replace(None);
    assert_eq!(machine.steps(&poppet("1.0")), "reload prove");
}

/// The ports of a service that was stopped alone were called another program's, and its stopping was what that one would
/// have been told to do.
#[test]
fn ports_that_systemd_keeps_for_the_service_are_not_in_its_way() {
    let machine = Machine::with("1.0");
    fs::remove_file(machine.root.path().join("active")).unwrap();
    machine.root.write("ports", "");
    machine.taken.replace(vec![Taken {
        kind: ListenerKind::Pop3s,
        address: "0.0.0.0:995".parse().unwrap(),
        holder: None,
        why: "systemd listens there, as process 1".into(),
    }]);
    assert_eq!(machine.steps(&poppet("1.0")), "stop database owner reload start prove");
    fs::remove_file(machine.root.path().join("ports")).unwrap();
    assert!(machine.set_up(&poppet("1.0")).unwrap_err().text.contains("systemd listens there"));
}

/// While the service failed again and again for a port that another program had, setup looked at no port: it said to run
/// setup again, which said so again.
#[test]
fn a_port_that_another_program_has_is_told_while_the_service_tries_to_start() {
    let machine = Machine::with("1.0");
    fs::remove_file(machine.root.path().join("active")).unwrap();
    let systemctl = "#!/bin/sh\ncase \"$*\" in\n*is-active*service) echo activating;;\n\
                     *is-active*) echo inactive;;\n*show*) echo 8;;\nesac\n";
    machine.root.write_program("usr/bin/systemctl", systemctl);
    for (holder, is_told) in [(Some(7), true), (None, true), (Some(8), false)] {
        machine.taken.replace(vec![Taken {
            kind: ListenerKind::Pop3s,
            address: "0.0.0.0:995".parse().unwrap(),
            holder,
            why: "stunnel listens there".into(),
        }]);
        let taken = machine.look(&poppet("1.0")).unwrap().taken;
        assert_eq!(taken.len(), usize::from(is_told), "{holder:?}");
        let refused = machine.set_up(&poppet("1.0")).is_err_and(|error| error.text.contains("stunnel"));
        assert_eq!(refused, is_told, "{holder:?}");
    }
}

#[test]
fn an_attempt_that_was_killed_after_any_step_is_finished_by_the_next() {
    let whole = |machine: &Machine| {
        let names = [PROGRAM, SERVICE, SOCKET, "running", "enabled", "active", "var/lib/poppet/poppet.redb"];
        names.map(|name| machine.root.read(name))
    };
    for (is_upgrade, steps) in [(false, 12), (true, 6)] {
        let start = || if is_upgrade { Machine::with("1.0") } else { Machine::new() };
        let wanted = {
            let machine = start();
            machine.set_up(&poppet("2.0")).unwrap();
            whole(&machine)
        };
        for killed_after in 0..steps {
            let machine = start();
            machine.carry_out(&poppet("2.0"), killed_after).unwrap();
            // In the middle of the next step.
            for name in ["usr/local/bin/.poppet.new", "etc/systemd/system/.poppet.service.new"] {
                machine.root.write(name, "half");
            }
            machine.set_up(&poppet("2.0")).unwrap();
            assert_eq!(whole(&machine), wanted, "killed after {killed_after} steps, upgrade: {is_upgrade}");
            let former = machine.root.read(FORMER);
            assert_eq!(former, is_upgrade.then(|| poppet("1.0")), "killed after {killed_after} steps");
        }
    }
}

#[test]
fn an_upgrade_that_does_not_come_up_is_taken_back_s_345() {
    for (fault, why) in [("broken", "Job for poppet.service failed"), ("mute", "nobody answers")] {
        let machine = Machine::with("1.0");
        let unit = machine.root.read(SERVICE).unwrap();
        // As a setup before this one wrote it.
        let older = crate::cli::install::units::marked("[Service]\nExecStart=/usr/local/bin/poppet\n");
        machine.root.write(SERVICE, &older);
        let error = machine.set_up(&(poppet("2.0") + "# " + fault + "\n")).unwrap_err();
        assert_eq!(error.kind, Failure::Failed);
        for wanted in [
            why,
            "the former one serves again",
            "its log says: error: one / poppet: two",
            "journalctl -u poppet",
        ] {
            assert!(error.text.contains(wanted), "{}", error.text);
        }
        assert_eq!(error.text.lines().count(), 1);
        assert_eq!(machine.root.read(PROGRAM), Some(poppet("1.0")), "{fault}");
        assert_eq!(machine.root.read("running"), Some(poppet("1.0")), "{fault}");
        assert_eq!(machine.root.read(SERVICE), Some(older));
        assert_ne!(machine.root.read(SERVICE), Some(unit));
        assert_eq!(machine.taken_back.get(), 1, "the database goes back with its program");
    }
}

/// The former program was put onto a database that it can't read, and refused it for ever.
#[test]
fn a_database_that_is_in_use_in_the_new_layout_keeps_the_new_version() {
    let new = poppet("2.0") + "# mute\n";
    for (former, is_taken_back, is_former) in [
        ("1.0 (layout 1)", false, false),
        ("1.0 (layout 1)", true, true),
        // It knows this layout.
        ("1.0 (layout 2)", false, true),
    ] {
        let machine = Machine::with("0.9");
        machine.root.write_program(PROGRAM, &former_poppet(former));
        machine.root.write("running", &former_poppet(former));
        *machine.left.borrow_mut() = Ok(is_taken_back);
        machine.calls();
        let error = machine.set_up(&new).unwrap_err();
        let wanted = if is_former { &former_poppet(former) } else { &new };
        assert_eq!(machine.root.read(PROGRAM).as_ref(), Some(wanted), "{former} {is_taken_back}");
        assert_eq!(machine.root.read("running").as_ref(), Some(wanted), "{former} {is_taken_back}");
        let says_new = error.text.contains("the new one is left, and started again");
        assert_eq!((says_new, error.text.lines().count()), (!is_former, 1), "{}", error.text);
        assert_eq!(machine.calls().last().unwrap(), "start poppet.service");
    }
}

fn former_poppet(version: &str) -> String {
    format!("#!/bin/sh\necho 'poppet {version}'\n")
}

/// The new program stayed, and the service was stopped: whatever went wrong on the way back ended it.
#[test]
fn the_former_version_is_put_back_whatever_the_database_says() {
    let machine = Machine::with("1.0");
    *machine.left.borrow_mut() = Err(AdminError::unreachable("a newer layout"));
    let error = machine.set_up(&(poppet("2.0") + "# mute\n")).unwrap_err();
    assert!(error.text.contains("the former one serves again"), "{}", error.text);
    assert_eq!(machine.root.read("running"), Some(poppet("1.0")));

    // It is told where nobody serves then.
    let machine = Machine::new();
    machine.set_up(&(poppet("1.0") + "# mute\n")).unwrap_err();
    *machine.left.borrow_mut() = Err(AdminError::unreachable("a newer layout"));
    let error = machine.set_up(&(poppet("2.0") + "# mute\n")).unwrap_err();
    assert!(error.text.contains("can't be put back (a newer layout)"), "{}", error.text);
    assert_eq!(machine.root.read("running"), Some(poppet("1.0") + "# mute\n"), "it is started all the same");

    // So does a manager that can't stop it.
    let machine = Machine::with("1.0");
    let systemctl = machine.root.read("usr/bin/systemctl").unwrap();
    let stubborn = systemctl.replace("stop*) rm -f active ports running;;", "stop*) exit 1;;");
    assert_ne!(stubborn, systemctl);
    machine.root.write_program("usr/bin/systemctl", &stubborn);
    machine.set_up(&(poppet("2.0") + "# mute\n")).unwrap_err();
    assert_eq!(machine.root.read("running"), Some(poppet("1.0")));
}

/// procd says that a service has ended while its process is about to: the database was busy, and stayed as it was.
#[test]
fn a_process_that_is_about_to_end_is_waited_for() {
    let machine = Machine::with("1.0");
    machine.patience.set(limits::PROOF_PAUSE / 50);
    machine.looks_until_closed.set(1);
    machine.set_up(&(poppet("2.0") + "# mute\n")).unwrap_err();
    assert_eq!((machine.taken_back.get(), machine.looks_until_closed.get()), (1, 0));
}

/// A database that takes longer to migrate than a minute could never be upgraded where the manager does not wait for it.
#[test]
fn a_service_that_is_opening_its_database_is_waited_for() {
    for (manager, is_proven) in [("run/openrc", true), ("run/systemd/system", false)] {
        let machine = Machine::with("1.0");
        fs::remove_file(machine.root.path().join("active")).unwrap();
        fs::remove_dir_all(machine.root.path().join("run")).unwrap();
        machine.root.make_folder(manager);
        machine.looks_until_closed.set(3);
        let site = machine.root.site();
        let own = poppet("1.0");
        let doing =
            Doing { site: &site, own: own.as_bytes(), hands: &machine, patience: std::time::Duration::ZERO };
        let plan = Plan { steps: vec![Step::Prove], is_upgrade: false };
        assert_eq!(doing.carry_out(&plan).is_ok(), is_proven, "{manager}");
    }
}

/// Without the manager's word for the process, an upgrade that was killed before the restart was taken for done.
#[test]
fn what_runs_is_known_from_the_server_where_the_manager_does_not_tell() {
    let machine = Machine::with("1.0");
    machine.root.write_program(PROGRAM, &poppet("2.0"));
    assert_eq!(machine.steps(&poppet("2.0")), "reload restart prove");
}

#[test]
fn a_program_that_does_not_run_there_is_never_put_in_place() {
    let machine = Machine::with("1.0");
    machine.calls();
    let error = machine.set_up("#!/nonexistent/ld.so\n").unwrap_err();
    assert!(
        error.text.contains("static binary") && error.text.contains("all is as it was"),
        "{}",
        error.text
    );
    assert_eq!(machine.root.read("running"), Some(poppet("1.0")));
    assert_eq!((machine.root.read(FORMER), machine.taken_back.get()), (None, 0));
    assert_eq!(machine.calls(), ["daemon-reload"], "the service is left alone");
    assert_eq!(fs::read_dir(machine.root.path().join("usr/local/bin")).unwrap().count(), 1);
}

/// What was said twice, since systemd had tried twice, took the place of what was said before.
#[test]
fn a_first_start_that_fails_tells_what_the_log_says() {
    let machine = Machine::new();
    let error = machine.set_up(&(poppet("1.0") + "# mute\n")).unwrap_err();
    for wanted in [
        "is installed, but does not come up: nobody answers",
        "its log says: error: one / poppet: two",
        "run setup again",
    ] {
        assert!(error.text.contains(wanted), "{}", error.text);
    }
    // What answers no more is stopped before its database is opened.
    machine.set_up(&poppet("1.1")).unwrap();
    assert_eq!(machine.root.read("running"), Some(poppet("1.1")));
}

/// The log's last complaints were those of an attempt whose cause had been mended, where this one said nothing.
#[test]
fn what_an_earlier_attempt_complained_of_is_not_told_again() {
    let machine = Machine::new();
    machine.root.write_program(
        "usr/bin/journalctl",
        "#!/bin/sh\nfor word in \"$@\"; do case $word in --since=@*) since=${word#--since=@};; esac; done\n\
         for at in 1000000000 4000000000; do [ $at -ge \"${since:-0}\" ] && echo error: at $at; done\n",
    );
    let mute = |version| poppet(version) + "# mute\n";
    let first = machine.set_up(&mute("1.0")).unwrap_err().text;
    assert!(first.contains("its log says: error: at 4000000000;"), "{first}");
    // So it is where a former version is put back.
    machine.set_up(&poppet("1.1")).unwrap();
    let upgrade = machine.set_up(&mute("2.0")).unwrap_err().text;
    assert!(upgrade.contains("its log says: error: at 4000000000;"), "{upgrade}");
}

#[test]
fn removal_takes_all_but_the_mail() {
    let machine = Machine::with("1.0");
    machine.set_up(&poppet("2.0")).unwrap();
    machine.calls();
    let site = machine.root.site();
    let before = machine.files();
    let refusal = remove(&site, Removing::Unconfirmed).unwrap_err();
    assert_eq!(refusal.kind, Failure::Refused);
    assert!(refusal.text.contains("/var/lib/poppet stays: say it again with --yes"), "{}", refusal.text);
    assert_eq!((machine.files(), machine.calls()), (before, vec![]));

    let told = remove(&site, Removing::Confirmed).unwrap();
    assert!(told.meaning()[0].contains("rm -r /var/lib/poppet && userdel poppet"), "{told:?}");
    let ended = "--quiet disable --now poppet.socket poppet.service poppet-local.socket";
    assert!(machine.calls().iter().any(|call| call == ended));
    for gone in [PROGRAM, FORMER, SERVICE, SOCKET, LOCAL[0], LOCAL[1], "enabled", "active"] {
        assert_eq!(machine.root.read(gone), None, "{gone}");
    }
    assert_eq!(machine.root.read("var/lib/poppet/poppet.redb").as_deref(), Some("mail"));
    assert!(machine.root.read("etc/passwd").unwrap().contains("poppet"), "its files have an owner");
    assert_eq!(remove(&site, Removing::Confirmed).unwrap_err().kind, Failure::NotFound);

    fs::remove_file(machine.root.path().join("var/lib/poppet/poppet.redb")).unwrap();
    remove(&site, Removing::Confirmed).unwrap();
    assert!(!machine.root.read("etc/passwd").unwrap().contains("poppet"));
    machine.set_up(&poppet("2.0")).unwrap();
}

/// The question was silent about the authority's certificate, and about the user who went.
#[test]
fn the_question_before_a_removal_names_everything_that_goes() {
    let machine = Machine::with("1.0");
    machine.set_up(&poppet("2.0")).unwrap();
    let site = machine.root.site();
    let asked = || remove(&site, Removing::Unconfirmed).unwrap_err().text;
    assert!(!asked().contains("authority.pem"), "it is not there");
    machine.root.write("etc/poppet/authority.pem", "PEM");
    let listed = asked();
    for path in [PROGRAM, FORMER, SERVICE, SOCKET, LOCAL[0], LOCAL[1], "etc/poppet/authority.pem"] {
        assert!(listed.contains(&format!("/{path}")), "{path}: {listed}");
    }
    assert!(listed.contains("the mail in /var/lib/poppet stays") && !listed.contains("user"), "{listed}");
    fs::remove_file(machine.root.path().join("var/lib/poppet/poppet.redb")).unwrap();
    assert!(asked().contains("; there is no mail in /var/lib/poppet, so the user poppet goes too: say it"));
}

/// The help has --remove and --dry-run side by side, and setup refused them together.
#[test]
fn a_dry_removal_lists_what_would_go_and_touches_nothing() {
    let machine = Machine::with("1.0");
    machine.set_up(&poppet("2.0")).unwrap();
    let edited = machine.root.read(SERVICE).unwrap() + "MemoryMax=1G\n";
    machine.root.write(SERVICE, &edited);
    machine.calls();
    let site = machine.root.site();
    let before = machine.files();
    let listed = remove(&site, Removing::Dry).unwrap().tabbed();
    assert_eq!((machine.files(), machine.calls()), (before, vec![]));
    assert!(listed.starts_with("1\tstop\tend the service"), "{listed}");
    for gone in [PROGRAM, FORMER, SOCKET, LOCAL[0], LOCAL[1]] {
        assert!(listed.contains(&format!("\tremove\tremove /{gone}\n")), "{gone}: {listed}");
    }
    assert!(listed.contains(&format!("\tkeep\trename /{SERVICE}, which was edited, to /{SERVICE}.edited\n")));
    assert!(listed.ends_with("\tmail\tleave the mail in /var/lib/poppet\n"), "{listed}");

    fs::remove_file(machine.root.path().join("var/lib/poppet/poppet.redb")).unwrap();
    let listed = remove(&site, Removing::Dry).unwrap().tabbed();
    assert!(listed.ends_with("\tuser\tremove the user poppet, who has no mail\n"), "{listed}");
    remove(&site, Removing::Confirmed).unwrap();
    assert_eq!(remove(&site, Removing::Dry).unwrap_err().kind, Failure::NotFound);
}

/// "userdel" was the advice where busybox has only "deluser", and OpenWrt neither: there the last step failed for ever.
#[test]
fn the_user_who_is_left_is_removed_by_a_tool_that_is_there() {
    for (tool, has_mail, wanted) in [
        ("userdel", true, "\"rm -r /var/lib/poppet && userdel poppet\" deletes both"),
        ("deluser", true, "\"rm -r /var/lib/poppet && deluser poppet\" deletes both"),
        ("none", true, "then take poppet's lines out of /etc/passwd"),
        ("none", false, "The user poppet stays, since no tool here"),
    ] {
        let machine = Machine::with("1.0");
        let sbin = machine.root.path().join("usr/sbin");
        fs::rename(sbin.join("userdel"), sbin.join(tool)).unwrap();
        if !has_mail {
            fs::remove_file(machine.root.path().join("var/lib/poppet/poppet.redb")).unwrap();
        }
        let told = remove(&machine.root.site(), Removing::Confirmed).unwrap();
        assert!(told.meaning()[0].contains(wanted), "{told:?}");
        assert_eq!(told.meaning()[0].contains("userdel"), tool == "userdel");
    }
    let machine = Machine::with("1.0");
    fs::remove_file(machine.root.path().join("var/lib/poppet/poppet.redb")).unwrap();
    let sbin = machine.root.path().join("usr/sbin");
    fs::rename(sbin.join("userdel"), sbin.join("deluser")).unwrap();
    assert_eq!(remove(&machine.root.site(), Removing::Confirmed).unwrap().meaning().len(), 0);
    assert!(!machine.root.read("etc/passwd").unwrap().contains("poppet"));
}

#[test]
fn removal_leaves_what_is_not_ours_and_keeps_what_was_edited() {
    let machine = Machine::with("1.0");
    let edited = machine.root.read(SERVICE).unwrap() + "MemoryMax=1G\n";
    machine.root.write(SERVICE, &edited);
    machine.root.write_program(PROGRAM, "#!/bin/sh\necho something else\n");
    remove(&machine.root.site(), Removing::Confirmed).unwrap();
    assert!(machine.root.read(PROGRAM).is_some(), "another program");
    assert_eq!((machine.root.read(SERVICE), machine.root.read(SOCKET)), (None, None));
    assert_eq!(machine.root.read("etc/systemd/system/poppet.service.edited"), Some(edited));
}
