//! Servers at ports, and a helper, that the running server did not know when it started (S-335).

use super::outgoing::{assign, route};
use super::*;

const LATE: [u16; 2] = [10_025, 10_026];

/// With a server that runs and may not connect to the late ports.
fn house() -> House {
    let house = House::with(&["alice@home.lan"]);
    *house.sessions.late_ports.lock().unwrap() = LATE.to_vec();
    house
}

/// The lines about a restart that a command gives for its answer.
#[track_caller]
fn told(house: &House, command: Command) -> Vec<String> {
    let mut notes = match house.act(command).unwrap() {
        Answer::Assigned { notes, .. }
        | Answer::Outgoing(OutgoingTold::Routes(_, notes))
        | Answer::AuthChosen { notes, .. }
        | Answer::Undeleted { notes, .. } => notes,
        Answer::Migrated(migration) => migration.notes,
        other => panic!("{other:?}"),
    };
    notes.retain(|note| note.ends_with("restart the server."));
    notes
}

/// The queue and doctor said it when mail waited, and the command that had named the port nothing.
#[test]
fn a_port_that_the_server_does_not_know_yet_is_told_at_once_s_335() {
    let house = house();
    for (hosts, wanted) in [
        ("mail.example", None),
        ("mail.example:587,lmtp:mail.example:24", None),
        ("mail.example:10024", None),
        ("mail.example:10025", Some("Nothing goes to port 10025 yet: it is not among ")),
        ("mail.example,[2001:db8::1]:10026", Some("Nothing goes to port 10026 yet: it is not among ")),
        ("a:10025,b:10025", Some("Nothing goes to port 10025 yet: it is not among ")),
        ("a:10026,b:25,c:10025", Some("Nothing goes to ports 10025, 10026 yet: they are not among ")),
        ("off", None),
    ] {
        let notes = told(&house, assign(None, "smarthost", Some(hosts)));
        assert_eq!(notes.len(), usize::from(wanted.is_some()), "{hosts}: {notes:?}");
        assert!(
            notes.iter().zip(wanted).all(|(note, wanted)| note.starts_with(wanted)),
            "{hosts}: {notes:?}"
        );
    }
}

#[test]
fn every_command_that_names_servers_tells_their_late_ports_s_335() {
    let house = house();
    for (what, command) in [
        ("a domain's smart host", assign(Some("home.lan"), "smarthost", Some("a:10025"))),
        ("a user's smart host", assign(Some("alice@home.lan"), "smarthost", Some("a:10025"))),
        ("a domain's, which counts again", assign(Some("alice@home.lan"), "smarthost", None)),
        ("a route", route("example.com", "lmtp:a:10025", false)),
        ("a share", route("home.lan", "a:10025 b", true)),
        ("a directory", assign(None, "directory_servers", Some("ldaps://dc1.home.lan:10025"))),
    ] {
        assert_eq!(told(&house, command).len(), 1, "{what}");
    }
    for (what, command) in [
        ("another setting", assign(None, "smarthost_user", Some("me"))),
        ("a usual port", route("example.com", "lmtp:a", false)),
        ("a usual directory", assign(None, "directory_servers", Some("ldap://dc1.home.lan"))),
    ] {
        assert_eq!(told(&house, command), [] as [String; 0], "{what}");
    }
}

#[test]
fn who_chooses_a_directory_without_a_look_is_told_its_late_port_s_335() {
    let method = Method::Directory;
    let choose = Command::ChooseAuth { method, directory_password: None, is_forced: true };
    let migrate = Command::MigrateAuth(Migrate {
        method,
        directory_password: None,
        learns: false,
        is_dry_run: false,
        is_forced: true,
    });
    for (house, command) in [(House::empty(), choose), (House::with(&["alice@home.lan"]), migrate)] {
        *house.sessions.late_ports.lock().unwrap() = LATE.to_vec();
        house.set("directory_servers", "ldaps://dc1.home.lan:10025");
        assert_eq!(told(&house, command).len(), 1);
        assert_eq!(house.method(), method);
    }
}

/// Its smart host comes back with a mailbox, and the server may have started meanwhile.
#[test]
fn a_smart_host_that_is_brought_back_tells_its_late_port_s_335() {
    let house = house();
    house.act(assign(Some("alice@home.lan"), "smarthost", Some("a:10025"))).unwrap();
    house.act(remove("alice@home.lan")).unwrap();
    assert_eq!(told(&house, undelete("alice@home.lan")).len(), 1);
}

#[test]
fn without_a_server_no_port_is_late_s_335() {
    let mut house = house();
    house.context.live = None;
    assert_eq!(told(&house, assign(None, "smarthost", Some("a:10025"))), [] as [String; 0]);
    assert_eq!(told(&house, route("example.com", "a:10026", false)), [] as [String; 0]);
}

/// Each logon by NTLM failed, and only the log said that the helper waited for a restart.
#[test]
fn a_helper_that_the_server_does_not_know_yet_is_told_at_once_s_335() {
    for (method, is_there, is_late, is_told) in [
        (Method::Directory, true, true, true),
        (Method::Local, true, true, true),
        (Method::File, true, true, false),
        (Method::Directory, false, true, false),
        (Method::Directory, true, false, false),
    ] {
        let house = House::empty();
        *house.crowd.relays_ntlm.lock().unwrap() = is_there;
        *house.sessions.is_helper_late.lock().unwrap() = is_late;
        house.set("directory_servers", "ldaps://dc1.home.lan");
        let choose = |method| Command::ChooseAuth { method, directory_password: None, is_forced: true };
        let spa = |value| assign(None, "spa", Some(value));
        assert_eq!(told(&house, choose(method)), [] as [String; 0], "{method}: nothing is handed to it");
        let notes = told(&house, spa("on"));
        assert_eq!(notes.len(), usize::from(is_told), "{method} {is_there} {is_late}: {notes:?}");
        assert!(
            notes.iter().all(|note| note.starts_with("Nobody logs on by NTLM yet: ntlm_auth is not among "))
        );
        let elsewhere = told(&house, assign(None, "ntlm_auth", Some("/opt/samba/bin/ntlm_auth")));
        assert_eq!(elsewhere, notes, "{method}: the helper is another one");
        assert_eq!(told(&house, choose(Method::File)), [] as [String; 0], "{method}");
        assert_eq!(told(&house, choose(method)).len(), usize::from(is_told), "{method}");
        assert_eq!(told(&house, spa("off")), [] as [String; 0], "{method}");
    }
}
