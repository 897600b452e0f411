//! The real binary: mail for the outside seen to by hand, on the file and through the control socket.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for all of the command line's tests; these need less of it.
#[path = "command_line/house.rs"]
mod house;

use std::net::TcpListener;

use house::House;
use serde_json::{Value, json};

/// The lines of a listing without the moments that they end with.
fn rows(out: &str, columns: usize) -> Vec<Vec<&str>> {
    out.lines().map(|line| line.split('\t').take(columns).collect()).collect()
}

// ---- set smarthost ------------------------------------------------------------------------------

#[test]
fn a_smart_host_is_set_and_what_it_lacks_is_told_o2() {
    let house = House::with_alice();
    house.run("set smarthost mail.example.com:587").done();
    house.run("set smarthost_user alice@example.com").warned("\"poppet set smarthost_password\" asks for it");
    let kept = house.run_with("set smarthost_password --password-stdin --json", "hunter2\n");
    let document = kept.json();
    assert_eq!((&document["setting"], &document["set"]), (&json!("smarthost_password"), &json!(true)));
    assert!(!kept.out.contains("hunter2"));
    assert_eq!(house.run("set smarthost_user alice@example.com").done(), "");
    house.run("set smarthost_tls opportunistic").warned("the password only where it is right");
    house.run("set smarthost other.example.com").warned("goes to this server from now on");
    house.run("set smarthost_password --default").done();
    house.run("set smarthost_password --default").failed(3, "no password is kept for smarthost");
    let all = house.run("get --json").json();
    let names: Vec<&str> =
        all.as_array().unwrap().iter().map(|row| row["setting"].as_str().unwrap()).collect();
    assert!(names.contains(&"smarthost") && !names.contains(&"smarthost_password"), "{names:?}");
}

#[test]
fn a_password_with_nothing_to_use_it_says_what_it_waits_for_o2() {
    let house = House::with_alice();
    for (option, wanted) in [
        ("", "\"poppet set smarthost HOST\" names it"),
        ("--for home.lan", "\"poppet set smarthost HOST --for home.lan\" names it"),
        ("--for alice@home.lan", "\"poppet set smarthost_user NAME --for alice@home.lan\" says as whom"),
    ] {
        let line = format!("set smarthost_password {option} --password-stdin");
        house.run_with(&line, "hunter2\n").warned(wanted);
        house.run(&format!("set smarthost_password {option} --default")).done();
    }
}

#[test]
fn the_password_is_never_taken_from_the_command_line_or_shown_s_140_s_321() {
    let house = House::with_alice();
    for (line, code, wanted) in [
        ("set smarthost_password hunter2", 2, "seen by everyone on this machine"),
        ("set smarthost_password hunter2 hunter2", 2, "--password-stdin"),
        ("set smarthost_password --password hunter2", 2, "--password-stdin"),
        ("set smarthost_password --hunter2", 2, "--password-stdin"),
        ("set smarthost_password hunter2 --for home.lan", 2, "--password-stdin"),
        ("set smarthost_password", 2, "there is no terminal to ask at"),
        ("set smarthost_password --final --password-stdin", 2, "never final"),
        ("set smarthost_password --default --password-stdin", 2, "leave out --password-stdin"),
        ("set smarthost_password --password-stdin", 5, "no password in its first line"),
        ("set smarthost_password --for nowhere.lan --password-stdin", 3, "there is no domain nowhere.lan"),
        ("set smarthost_password --for bob@home.lan --password-stdin", 3, "there is no mailbox bob@home.lan"),
        (
            "set smarthost mail.example.com --password-stdin",
            2,
            "belongs to \"poppet set smarthost_password\"",
        ),
        ("get smarthost_password", 5, "kept sealed and never shown"),
        ("get smarthost_password --for home.lan", 5, "kept sealed and never shown"),
    ] {
        let ran = house.run(line);
        ran.failed(code, wanted);
        assert!(!ran.err.contains("hunter2"), "{ran:?}");
    }
    let long = format!("{}\n", "x".repeat(1025));
    house.run_with("set smarthost_password --password-stdin", &long).failed(5, "1024");
    let _server = house.serve();
    let ran = house.run_with("set smarthost_password --password-stdin", "hunter2\n");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{ran:?}");
    let file = std::fs::read(house.file("poppet.redb")).unwrap();
    assert!(!file.windows(7).any(|octets| octets == b"hunter2"));
}

#[test]
fn the_password_is_asked_for_without_echo_o2() {
    let house = House::with_alice();
    let shown = house.on_a_terminal("printf 'hunter2\\n' | poppet set smarthost_password --password-stdin");
    assert!(shown.contains("sealed with the device key") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_smart_host_that_is_none_or_is_this_server_is_refused_s_118() {
    let house = House::with_alice();
    for (line, code, wanted) in [
        ("set smarthost http://mail.example.com", 2, "smarthost"),
        ("set smarthost a:b", 2, "smarthost"),
        ("set smarthost user:password@mail", 2, "smarthost"),
        ("set smarthost_tls none", 2, "smarthost_tls"),
        ("set smarthost_pin abc", 2, "smarthost_pin"),
        ("set smarthost_sender family", 2, "smarthost_sender"),
        ("set queue_days 31", 2, "queue_days"),
        ("set smarthost_user me --for nowhere.lan", 3, "there is no domain nowhere.lan"),
        ("set mx on --for home.lan", 5, "leave out --for"),
    ] {
        house.run(line).failed(code, wanted);
    }
    let server = house.serve();
    let own = server.at("smtp");
    house.run(&format!("set smarthost {own}")).failed(5, "is this server itself");
    house
        .run(&format!("set smarthost mail.example.com,{own} --for home.lan"))
        .failed(5, "is this server itself");
    house.run(&format!("route example.com {own}")).failed(5, "is this server itself");
    assert_eq!(house.run("get smarthost").done(), "off\n");
}

// ---- queue ---------------------------------------------------------------------------------------

#[test]
fn an_empty_queue_is_empty_in_every_shape_o1() {
    let house = House::with_alice();
    let look = || {
        assert_eq!(house.run("queue").done(), "");
        assert_eq!(house.run("queue list all").done(), "");
        assert_eq!(house.run("queue --json").json(), json!([]));
        assert_eq!(house.run("queue retry --json").json(), json!({"recipients": 0, "meaning": []}));
        house.run("queue del all").done();
        house.run("queue del all --yes").done();
    };
    look();
    let _server = house.serve();
    look();
}

#[test]
fn what_is_not_in_the_queue_is_not_found_o1() {
    let house = House::with_alice();
    let look = || {
        for (line, wanted) in [
            ("queue show 17", "there is no number 17 in the queue"),
            ("queue list 17", "not in the queue"),
            ("queue retry 17", "there is no number 17 in the queue"),
            ("queue hold 17", "there is no number 17 in the queue"),
            ("queue release 17", "there is no number 17 in the queue"),
            ("queue del 17", "there is no number 17 in the queue"),
            ("queue del 17 --yes", "there is no number 17 in the queue"),
            ("queue retry smarthost", "nothing waits on the way smarthost"),
            ("queue hold route:example.com", "nothing waits on the way route:example.com"),
            ("queue del bob@example.com", "nothing in the queue has \"bob@example.com\" in its addresses"),
        ] {
            house.run(line).failed(3, wanted);
        }
    };
    look();
    let _server = house.serve();
    look();
}

#[test]
fn misuse_of_the_queue_is_one_line_o1() {
    let house = House::with_alice();
    for (line, wanted) in [
        ("queue hold", "say which"),
        ("queue del", "say which"),
        ("queue show", "say one number"),
        ("queue show all", "\"all\" is no number of the queue"),
        ("queue show -- -1", "\"-1\" is no number"),
        ("queue realease 1", "did you mean release?"),
        ("queue 17", "poppet queue show 17"),
        ("queue retry 1 --yes", "--yes belongs to"),
        ("queue del 1 --force", "\"poppet queue --help\""),
    ] {
        house.run(line).failed(2, wanted);
    }
    house.run_words(&["queue", "list", "a\u{1b}[2J"], "").failed(2, "\\u{1b}");
    House::empty().run("queue").failed(6, "poppet setup");
}

/// Two mails of a printer wait for a smart host at which nobody listens.
fn with_two_waiting() -> (House, house::Server) {
    let house = House::with_alice();
    house.run(&format!("set smarthost 127.0.0.1:{}", shut_port())).done();
    house.run("device add printer 127.0.0.1 --to smarthost").done();
    let server = house.serve();
    server.deliver("bob@example.com", "Subject: One \x1b[2J\r\nX-Long: a\r\n b\r\n\r\nsecret body");
    server.deliver("carol@example.org", "Subject: Two\r\n\r\ntext");
    (house, server)
}

/// The numbers that a listing has.
fn numbers(house: &House, line: &str) -> Vec<String> {
    house.run(line).done().lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn what_waits_is_listed_and_found_by_number_way_and_address_o1() {
    let (house, _server) = with_two_waiting();
    let rows = house.run("queue --json").json();
    let row = &rows[0];
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
    for (key, wanted) in [
        ("from", json!("printer@example.net")),
        ("to", json!("bob@example.com")),
        ("way", json!("smarthost")),
        ("state", json!("waiting")),
    ] {
        assert_eq!(row[key], wanted, "{key}: {row}");
    }
    assert!(row["number"].is_u64() && row["octets"].as_u64().unwrap() > 50, "{row}");
    let all = numbers(&house, "queue");
    assert_eq!(all.len(), 2);
    for (which, wanted) in [
        (all[0].as_str(), &all[..1]),
        (&all[1], &all[1..]),
        ("smarthost", &all),
        ("all", &all),
        ("BOB@example", &all[..1]),
        ("example.org", &all[1..]),
        ("printer@example.net", &all),
        ("route:example.com", &[]),
        ("nobody@example.com", &[]),
    ] {
        assert_eq!(numbers(&house, &format!("queue list {which}")), wanted, "{which}");
    }
    let status = house.run("status --json").json();
    assert_eq!(status["queue_waiting"], 2, "{status}");
}

#[test]
fn one_that_waits_is_shown_with_its_header_and_no_more_o1() {
    let (house, _server) = with_two_waiting();
    let number = &numbers(&house, "queue list bob")[0];
    let shown = house.run(&format!("queue show {number}"));
    let text = shown.done();
    for wanted in
        ["to\tbob@example.com\n", "way\tsmarthost\n", "submitter\tdevice printer\n", "\nX-Long: a\n b\n"]
    {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(!text.contains('\u{1b}') && !text.contains("secret body"), "{text}");
    let document = house.run(&format!("queue show {number} --json")).json();
    let header = document["header"].as_str().unwrap();
    assert!(header.contains("Subject: One \u{1b}[2J\r\nX-Long: a\r\n b\r\n"), "{document}");
    assert!(
        header.ends_with("\r\n") && !header.contains("\r\n\r\n") && !header.contains("secret"),
        "{document}"
    );
    assert_eq!((&document["delay_told"], &document["unsure_sends"]), (&json!(false), &json!(0)));
}

#[test]
fn what_waits_is_held_released_sent_again_and_removed_o1() {
    let (house, server) = with_two_waiting();
    let all = numbers(&house, "queue");
    let states = || {
        let rows = house.run("queue --json").json();
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let count = |line: &str| house.run(&format!("{line} --json")).json()["recipients"].clone();
    assert_eq!(count("queue hold bob@"), 1);
    assert_eq!(states(), ["held", "waiting"]);
    assert_eq!(house.run("status --json").json()["queue_held"], 1);
    assert_eq!(count(&format!("queue release {}", all[0])), 1);
    assert_eq!(states(), ["waiting", "waiting"]);
    assert_eq!(count("queue hold all"), 2);
    drop(server);
    assert_eq!(states(), ["held", "held"]);
    let refused =
        "the mail of 2 recipients would be removed for good, and no sender be told: say it with --yes";
    house.run("queue del all").failed(5, refused);
    house.run("queue del smarthost").failed(5, refused);
    house.run("queue del carol").failed(5, "the mail of 1 recipient would be removed");
    assert_eq!(states().len(), 2);
    house.run(&format!("queue del {}", all[1])).done();
    house.run(&format!("queue del {}", all[1])).failed(3, "there is no number");
    assert_eq!(count("queue del smarthost --yes"), 1);
    assert_eq!(house.run("queue").done(), "");
}

#[test]
fn a_terminal_shows_a_table_no_wider_than_itself_o1() {
    let (house, _server) = with_two_waiting();
    let shown = house.on_a_terminal("stty columns 60; poppet queue");
    let lines: Vec<&str> = shown.lines().map(str::trim_end).collect();
    assert!(lines.len() == 3 && lines[0].starts_with("number"), "{shown}");
    assert!(lines.iter().all(|line| line.chars().count() <= 60 && line.ends_with("...")), "{shown}");
    let said = house.on_a_terminal("poppet queue hold bob");
    assert!(said.contains("1 recipient's mail is held until"), "{said}");
}

/// A port at which nobody listens.
fn shut_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

// ---- route, share --------------------------------------------------------------------------------

#[test]
fn routes_come_are_shown_and_go_o3_o4() {
    let house = House::with_alice();
    assert_eq!(house.run("route").done(), "");
    assert_eq!(house.run("share --json").json(), json!([]));
    for line in [
        "route Example.com mail.example.com",
        "route *.example.com MX1.example.com mx2.example.com:26 mx1.example.com --tls required",
        "share home.lan exchange.home.lan lmtp:[2001:db8::1]:24",
        "route * 192.0.2.1",
    ] {
        assert_eq!(house.run(line).done(), "", "{line}");
    }
    let look = || {
        let out = house.run("route").done().to_owned();
        let found = rows(&out, 4);
        for wanted in [
            vec!["*", "route", "192.0.2.1", ""],
            vec!["*.example.com", "route", "mx1.example.com mx2.example.com:26", "required"],
            vec!["example.com", "route", "mail.example.com", ""],
            vec!["home.lan", "share", "exchange.home.lan lmtp:[2001:db8::1]:24", ""],
        ] {
            assert!(found.contains(&wanted), "{wanted:?}: {out}");
        }
        assert_eq!(found.len(), 4, "{out}");
        assert_eq!(rows(house.run("share").done(), 2), [["home.lan", "share"]]);
        assert_eq!(rows(house.run("route example.com").done(), 1), [["example.com"]]);
    };
    look();
    let _server = house.serve();
    look();
    let changed = house.run("route example.com other.example.com --tls implicit --json").json();
    assert_eq!(
        (&changed["hosts"], &changed["tls"], &changed["kind"]),
        (&json!(["other.example.com"]), &json!("implicit"), &json!("route"))
    );
    assert!(changed["meaning"][0].as_str().unwrap().contains("went to mail.example.com"), "{changed}");
    house.run("route example.com --off").done();
    house.run("route del *.example.com").done();
    house.run("share home.lan --off").done();
    let removed = house.run("route * --off --json").json();
    assert_eq!((&removed["space"], &removed["removed"]), (&json!("*"), &json!(true)));
    assert_eq!(house.run("route").done(), "");
}

#[test]
fn a_route_that_takes_mail_from_mailboxes_warns_o3() {
    let house = House::with_alice();
    house.run("add bob@home.lan").done();
    house
        .run("route home.lan exchange.home.lan")
        .warned("home.lan has 2 mailboxes here: they get no new mail");
    house
        .run("share home.lan exchange.home.lan")
        .warned("Before, mail for home.lan went to exchange.home.lan.");
    house.run("route bob@home.lan lmtp:cluster.lan:24").warned("bob@home.lan has a mailbox here");
    house.run("set smarthost mail.example.com").done();
    house.run("route * gateway.example.com").warned("no more to the smart host of all");
}

#[test]
fn routes_that_can_not_be_are_refused_with_advice_o3_o4() {
    let house = House::with_alice();
    for (line, code, wanted) in [
        ("route exam_ple.com a", 2, "a route is for a domain"),
        ("route example.com a:0", 2, "is no server"),
        ("route example.com 1 2 3 4 5 6 7 8 9", 2, "9 servers are too many"),
        ("route example.com a --tls none", 2, "it takes implicit, required or opportunistic"),
        ("route example.com a --off", 2, "leave out the servers"),
        ("route --off", 2, "of which route?"),
        ("route example.com", 3, "there is no route for example.com"),
        ("route example.com --off", 3, "there is no route for example.com"),
        ("route del example.com", 3, "there is no route for example.com"),
        ("share nowhere.lan a", 3, "there is no domain nowhere.lan"),
        ("share alice@home.lan a", 2, "only a domain can"),
        ("share * a", 2, "only a domain can"),
        ("share home.lan", 3, "home.lan is not shared"),
        ("share home.lan --off", 3, "home.lan is not shared"),
    ] {
        house.run(line).failed(code, wanted);
    }
    house.run_words(&["route", "a\u{1b}[2J", "b"], "").failed(2, "\\u{1b}");
}

// ---- device, cert, status ------------------------------------------------------------------------

#[test]
fn a_device_may_send_out_and_is_told_if_there_is_no_way_m11() {
    let house = House::with_alice();
    house
        .run("device add scanner 192.168.1.40 --to smarthost")
        .warned("\"poppet set smarthost HOST\" names one");
    let rows = house.run("device --json").json();
    assert_eq!(rows[0]["to"], "smarthost");
    house.run("set smarthost mail.example.com").done();
    house.run("device add camera 192.168.1.41 --to smarthost").done();
}

#[test]
fn the_status_tells_how_sending_goes_o1_o8() {
    let house = House::with_alice();
    let quiet = house.run("status --json").json();
    assert_eq!((&quiet["queue_waiting"], &quiet["sent"]), (&json!(0), &Value::Null), "{quiet}");
    let _server = house.serve();
    let busy = house.run("status --json").json();
    for key in ["queue_waiting", "queue_held", "queue_dead", "sent", "unsure_sends", "connections_out"] {
        assert_eq!(busy[key], json!(0), "{key}: {busy}");
    }
    assert_eq!((&busy["offline_since"], &busy["troubles"]), (&Value::Null, &json!([])), "{busy}");
}

#[test]
fn authorities_of_smart_hosts_are_kept_apart_from_those_of_users_o2() {
    let house = House::with_alice();
    let show = house.run("cert show");
    std::fs::write(house.file("ca.pem"), show.done()).unwrap();
    let file = house.file("ca.pem");
    let file = file.to_str().unwrap();
    let added = house.run_words(&["cert", "ca", "add", file, "--for", "smarthost"], "");
    assert!(added.done().starts_with("smarthost-authority\t"), "{added:?}");
    assert!(house.run("cert ca").done().starts_with("smarthost-authority\t"));
    house.run_words(&["cert", "ca", "add", file, "--for", "smarthost"], "").failed(4, "is here already");
    let name = added.out.split('\t').nth(2).unwrap().to_owned();
    house.run_words(&["cert", "ca", "del", &name], "").failed(3, "those of smart hosts --for smarthost");
    house.run_words(&["cert", "ca", "del", &name, "--for", "smarthost"], "").done();
    assert_eq!(house.run("cert ca").done(), "");
    house.run("cert ca add x --for moon").failed(2, "clients, directory or smarthost");
}
