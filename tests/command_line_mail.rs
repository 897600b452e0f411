//! The real binary: alias, device, quota, lock --all and final settings, on the file and through the control socket.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the other commands too.
#[path = "command_line/house.rs"]
mod house;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use house::{House, Server};
use serde_json::json;

/// alice, who is postmaster, and bob.
fn with_bob() -> House {
    let house = House::with_alice();
    assert!(house.run("add bob@home.lan").done().starts_with("bob@home.lan\t"));
    house
}

/// The columns of a table's rows, without the moments that they end with.
fn rows(out: &str, columns: usize) -> Vec<Vec<&str>> {
    out.lines().map(|line| line.split('\t').take(columns).collect()).collect()
}

/// What the server says to the recipient of a mail.
fn rcpt(server: &Server, to: &str) -> String {
    let mut peer = BufReader::new(TcpStream::connect(server.at("smtp")).unwrap());
    let mut reply = String::new();
    for line in
        ["", "HELO printer\r\n", "MAIL FROM:<printer@example.net>\r\n", &format!("RCPT TO:<{to}>\r\n")]
    {
        peer.get_mut().write_all(line.as_bytes()).unwrap();
        reply.clear();
        peer.read_line(&mut reply).unwrap();
    }
    reply
}

// ---- alias -------------------------------------------------------------------------------------

#[test]
fn aliases_come_are_shown_and_go_m6() {
    let house = with_bob();
    for line in [
        "alias Info@home.lan alice@home.lan",
        "alias all@home.lan alice@home.lan bob@home.lan info@home.lan",
        "alias @home.lan bob@home.lan",
        "alias home.example home.lan",
    ] {
        assert_eq!(house.run(line).done(), "", "{line}");
    }
    let catch_all = vec!["*@home.lan", "bob@home.lan"];
    let all = vec!["all@home.lan", "alice@home.lan bob@home.lan info@home.lan"];
    let info = vec!["info@home.lan", "alice@home.lan"];
    let domain = vec!["home.example", "home.lan"];
    let shown = |line: &str| house.run(line).done().to_owned();
    for (line, wanted) in [
        ("alias", vec![&domain, &catch_all, &all, &info]),
        ("alias home.lan", vec![&domain, &catch_all, &all, &info]),
        ("alias home.example", vec![&domain]),
        ("alias info@home.lan", vec![&info]),
        ("alias *@home.lan", vec![&catch_all]),
        ("alias bob@home.lan", vec![&catch_all, &all]),
    ] {
        let out = shown(line);
        let found = rows(&out, 2);
        assert!(found.iter().eq(wanted.iter().copied()), "{line}: {out}");
    }
    assert_eq!(house.run("list").done(), "home.lan\topen\t2\t4\n");
    let list = shown("list home.lan");
    let names: Vec<&str> = list.lines().map(|line| line.split('\t').nth(3).unwrap()).collect();
    assert_eq!(names, ["all@home.lan info@home.lan", "*@home.lan all@home.lan"]);

    let changed = house.run("alias info@home.lan bob@home.lan bob@home.lan --json").json();
    assert_eq!(
        (&changed["targets"], &changed["before"]),
        (&json!(["bob@home.lan"]), &json!(["alice@home.lan"])),
        "{changed}"
    );
    let removed = house.run("del home.example --json").json();
    assert_eq!((&removed["alias"], &removed["targets"]), (&"home.example".into(), &json!(["home.lan"])));
    for line in ["del info@home.lan", "del *@home.lan", "del all@home.lan"] {
        assert_eq!(house.run(line).done(), "", "{line}");
    }
    assert_eq!(house.run("alias").done(), "");
}

#[test]
fn aliases_count_at_once_in_the_running_server() {
    let house = with_bob();
    let server = house.serve();
    assert!(rcpt(&server, "info@home.lan").starts_with("550 5.1.1 "));
    house.run("alias info@home.lan alice@home.lan bob@home.lan").done();
    house.run("alias home.example home.lan").done();
    server.deliver("info@home.lan", "Subject: one\r\n\r\ntext");
    server.deliver("bob@home.example", "Subject: two\r\n\r\ntext");
    let stat = house.run("stat home.lan");
    let messages: Vec<&str> = stat.done().lines().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(messages, ["1", "2"]);
    house.run("del info@home.lan").done();
    assert!(rcpt(&server, "info@home.lan").starts_with("550 5.1.1 "));
}

#[test]
fn aliases_that_can_not_be_are_refused_with_advice() {
    let house = with_bob();
    house.run("alias info@home.lan alice@home.lan").done();
    house.run("alias home.example home.lan").done();
    for (line, code, wanted) in [
        ("alias alice@home.lan bob@home.lan", 4, "alice@home.lan is a mailbox: choose another name"),
        ("alias home.lan home.example", 4, "home.lan is a domain with mailboxes of its own"),
        ("alias x@home.lan zoe@home.lan", 3, "no mailbox or alias zoe@home.lan"),
        ("alias x@nowhere.lan alice@home.lan", 3, "there is no domain nowhere.lan"),
        ("alias *@nowhere.lan alice@home.lan", 3, "there is no domain nowhere.lan"),
        ("alias x.lan nowhere.lan", 3, "there is no domain nowhere.lan: \"poppet list\""),
        ("alias nobody@home.lan", 3, "\"poppet alias home.lan\" shows the aliases"),
        ("alias *@home.lan", 3, "\"poppet alias '*@home.lan' ADDRESS\" makes one"),
        ("alias nowhere.lan", 3, "there is no domain nowhere.lan, nor an alias of that name"),
        ("del *@home.lan", 3, "has no catch-all"),
        (
            "del all@home.lan",
            3,
            "there is no mailbox all@home.lan, nor an alias of that name: \"poppet list home.lan\" and",
        ),
        ("del home.test", 3, "there is no domain home.test, nor an alias of that name: \"poppet list\" and"),
        ("alias x@home.lan o'brien@home.lan", 3, "no mailbox or alias o'brien@home.lan"),
        ("alias x@home.lan a@b@example.com", 2, "an address is name@domain"),
        ("alias x@home.lan eve@", 2, "an address is name@domain"),
        ("alias x@home.lan home.lan", 5, "home.lan"),
        ("alias x.lan alice@home.lan", 5, "x.lan is a domain, having no @: it can lead to one domain"),
        ("alias sales alice@home.lan", 5, "an address is written as sales@home.lan"),
        ("alias info@home.lan info@home.lan", 5, "would lead to itself"),
        ("alias x@home.example bob@home.lan", 5, "make x@home.lan the alias"),
        ("alias a..b@home.lan alice@home.lan", 2, "a mailbox name"),
        ("alias x@home.lan ho_me.lan", 2, "\"ho_me.lan\" can't be"),
    ] {
        house.run(line).failed(code, wanted);
    }
}

#[test]
fn what_is_an_alias_is_said_where_a_mailbox_or_a_domain_was_meant() {
    let house = with_bob();
    house.run("alias info@home.lan alice@home.lan").done();
    house.run("alias home.example home.lan").done();
    house.run("device add scanner 192.168.1.40").done();
    for (line, code, wanted) in [
        ("add info@home.lan", 4, "is an alias of alice@home.lan: \"poppet del info@home.lan\" first"),
        ("add home.example", 4, "\"poppet del home.example\" first"),
        ("add zoe@home.example", 5, "add zoe@home.lan"),
        ("setup home.lan info --no-start", 3, "no mailbox but an alias of alice@home.lan"),
        ("setup home.example zoe --no-start", 5, "add zoe@home.lan"),
        ("passwd info@home.lan", 3, "no mailbox but an alias of alice@home.lan"),
        ("stat info@home.lan", 3, "no mailbox but an alias of alice@home.lan"),
        ("quota info@home.lan 1G", 3, "no mailbox but an alias of alice@home.lan"),
        ("lock alice@home.example", 3, "alice@home.lan is what alice@home.example leads to"),
        ("list home.example", 3, "is an alias of the domain home.lan: name that one"),
        ("set quota 1G --for home.example", 3, "is an alias of the domain home.lan: name that one"),
        ("lock home.example", 3, "is an alias of the domain home.lan: name that one"),
        ("del scanner", 3, "scanner is a device"),
    ] {
        house.run(line).failed(code, wanted);
    }
}

#[test]
fn a_removal_tells_which_aliases_lead_nowhere() {
    let house = with_bob();
    house.run("add office.lan").done();
    for line in [
        "alias info@office.lan bob@home.lan",
        "alias all@home.lan alice@home.lan bob@home.lan",
        "alias help@home.lan info@office.lan",
        "alias office.example office.lan",
    ] {
        house.run(line).done();
    }
    house
        .run("del office.lan")
        .failed(5, "office.lan would take 2 aliases with it: say \"poppet del office.lan --yes\"");
    let removed = house.run("del bob@home.lan --json").json();
    assert_eq!(removed["lead_nowhere"], json!(["help@home.lan", "info@office.lan"]), "{removed}");
    house.run("undelete bob@home.lan").done();
    house.run("del bob@home.lan").warned("help@home.lan, info@office.lan lead nowhere now");
    house.run("undelete bob@home.lan").done();
    house.run("del info@office.lan").warned("help@home.lan leads nowhere now");
    house.run("alias info@office.lan bob@home.lan").done();
    let removed = house.run("del office.lan --yes --json").json();
    assert_eq!((&removed["aliases"], &removed["lead_nowhere"]), (&2.into(), &json!(["help@home.lan"])));
    house.run("alias office.example").failed(3, "there is no domain office.example");
}

// ---- device ------------------------------------------------------------------------------------

#[test]
fn devices_come_are_shown_and_go_m11() {
    let house = House::with_alice();
    assert_eq!(house.run("device").done(), "");
    let scanner = "device add scanner 192.168.1.40 --from Scanner@home.lan --per-day 200 --lenient";
    assert_eq!(house.run(scanner).done(), "");
    assert_eq!(house.run("device add cameras 192.168.2.0/24 --to local").done(), "");
    let _server = house.serve();
    assert_eq!(house.run("device add six fd00::7").done(), "");
    assert_eq!(house.run("device add here 127.0.0.1").done(), "");
    let list = house.run("device list");
    assert_eq!(
        rows(list.done(), 6),
        [
            ["cameras", "192.168.2.0/24", "", "local", "", "no"],
            ["here", "127.0.0.1", "", "local", "", "no"],
            ["scanner", "192.168.1.40", "scanner@home.lan", "local", "200", "yes"],
            ["six", "fd00::7", "", "local", "", "no"],
        ]
    );
    let json = house.run("device --json").json();
    assert_eq!(
        (&json[2]["per_day"], &json[2]["lenient"], &json[0]["from"]),
        (&200.into(), &true.into(), &json!(null))
    );
    assert!(json[0]["created"].as_str().unwrap().starts_with("20"), "{json}");
    assert_eq!(house.run("device del scanner").done(), "");
    assert_eq!(house.run("device").done().lines().count(), 3);
}

#[test]
fn devices_that_can_not_be_are_refused_with_advice() {
    let house = House::with_alice();
    house.run("device add scanner 192.168.1.40").done();
    for (line, code, wanted) in [
        ("device add scanner 192.168.1.41", 4, "the device scanner is here already, at 192.168.1.40"),
        ("device add printer 192.168.1.40", 4, "192.168.1.40 belongs to the device scanner"),
        ("device del scaner", 3, "did you mean scanner? \"poppet device\" shows"),
        ("device del printer", 3, "there is no device \"printer\": \"poppet device\" shows"),
        ("device add x 192.168.0.0/23", 5, "too wide for a device"),
        ("device add x 192.168.0.0/23 --force", 5, "too wide for a device"),
        ("device add x fd00::/63", 5, "too wide for a device"),
        ("device add x 192.0.2.7", 5, "192.0.2.7 is public"),
        ("device add x 10.0.0.1 --per-day 0", 2, "from 1 to 1000000"),
        ("device add x 10.0.0.1 --to moon", 2, "it takes local or smarthost"),
        ("device add x 10.0.0.1 --from moon", 2, "the form name@domain"),
        ("device add x 10.0.0.1/24", 2, "nothing set behind its bits"),
        ("device add x scanner.home.lan", 2, "no IP address"),
        ("device add x.y 10.0.0.1", 5, "a device can't be called \"x.y\""),
        ("device add x", 2, "poppet device add scanner 192.168.1.40"),
        ("device add x 10.0.0.1 y", 2, "poppet device add scanner 192.168.1.40"),
        ("device del", 2, "poppet device del scanner"),
        ("device list --force", 2, "belong to \"poppet device add NAME ADDRESS\""),
        ("device remove scanner", 2, "did you mean del?"),
        ("device lst", 2, "did you mean list?"),
        ("device list scanner", 2, "\"poppet device list\" shows all of them"),
        ("device add x 10.0.0.1 --from jörg@home.lan", 2, "its address has only letters a-z"),
        ("device scanner", 2, "say list, add NAME ADDRESS, or del NAME"),
    ] {
        house.run(line).failed(code, wanted);
    }
    assert_eq!(house.run("device").done().lines().count(), 1);
}

#[test]
fn a_public_device_is_taken_by_force_and_told_what_that_means_m11() {
    let house = House::with_alice();
    let ran = house.run("device add branch 192.0.2.0/24 --force");
    ran.warned("Whoever sends from 192.0.2.0/24, or behind the same router, needs no password.");
    assert!(ran.err.contains("poppet set peers all"), "{ran:?}");
    house.run("set peers all").done();
    let json = house.run("device add other 192.0.2.7 --force --json").json();
    assert_eq!(json["meaning"].as_array().unwrap().len(), 1, "{json}");
}

// ---- quota -------------------------------------------------------------------------------------

#[test]
fn quotas_are_set_shown_and_inherited_m8() {
    let house = with_bob();
    assert_eq!(house.run("quota").done(), "alice@home.lan\t0\t\t0\t\t\nbob@home.lan\t0\t\t0\t\t\n");
    assert_eq!(house.run("quota home.lan 500M").done(), "");
    assert_eq!(house.run("quota bob@home.lan 2G --messages 20000").done(), "");
    let wanted = "alice@home.lan\t0\t524288000\t0\t\t0\nbob@home.lan\t0\t2147483648\t0\t20000\t0\n";
    assert_eq!(house.run("quota").done(), wanted);
    assert_eq!(house.run("quota home.lan").done(), wanted);
    assert_eq!(house.run("quota bob@home.lan").done(), wanted.lines().nth(1).unwrap().to_owned() + "\n");
    assert_eq!(house.run("get quota --for bob@home.lan").done(), "2G\n");
    assert_eq!(
        house.run("stat bob@home.lan").done(),
        "bob@home.lan\t0\t0\t0\t0\t0\t\topen\t2147483648\t20000\n"
    );
    house.run("quota bob@home.lan none --messages none").done();
    assert_eq!(house.run("quota bob@home.lan").done(), "bob@home.lan\t0\t\t0\t\t\n");
    house.run("set quota --default --for bob@home.lan").done();
    assert_eq!(house.run("quota bob@home.lan --json").json()[0]["quota"], 524_288_000);
    house.run("quota home.lan --messages 7").done();
    assert_eq!(house.run("get quota --for home.lan").done(), "500M\n", "left as it was");
}

#[test]
fn quotas_that_can_not_be_are_refused_whole() {
    let house = House::with_alice();
    for (line, code, wanted) in [
        ("quota alice@home.lan 1.5G", 2, "a size such as 500M or 2G"),
        ("quota alice@home.lan 0", 2, "a size such as 500M or 2G"),
        ("quota alice@home.lan 1G --messages many", 2, "a number from 1 to 4000000"),
        ("quota alice@home.lan 1G --messages 4000001", 2, "a number from 1 to 4000000"),
        ("quota alice@home.lan 1 G", 2, "a size has no space in it"),
        ("quota --messages 5", 2, "poppet set quota_messages N"),
        ("quota nobody@home.lan 1G", 3, "there is no mailbox nobody@home.lan"),
        ("quota nowhere.lan", 3, "there is no domain nowhere.lan"),
    ] {
        house.run(line).failed(code, wanted);
        assert_eq!(house.run("get quota --for alice@home.lan").done(), "none\n", "{line}");
    }
}

#[test]
fn a_quota_counts_at_once_and_names_who_is_full() {
    let house = House::with_alice();
    let server = house.serve();
    server.deliver("alice@home.lan", "Subject: x\r\n\r\ntext");
    house.run("quota alice@home.lan --messages 2").done();
    assert_eq!(house.run("quota alice@home.lan --json").json()[0]["percent"], 50);
    house.run("quota alice@home.lan --messages 1").warned("alice@home.lan is full by that");
    // A program that had set one of them had to ask again what the other is.
    let json = house.run("quota alice@home.lan 1G --json").json();
    assert_eq!((&json["quota"], &json["quota_messages"]), (&(1u64 << 30).into(), &1.into()), "{json}");
    assert_eq!(json["full"], json!(["alice@home.lan"]));
    assert!(rcpt(&server, "alice@home.lan").starts_with("452 4.2.2 "));
    house.run("set full_mailbox refuse --for home.lan").done();
    assert!(rcpt(&server, "alice@home.lan").starts_with("552 5.2.2 "));
    house.run("quota alice@home.lan --messages none").done();
    assert!(rcpt(&server, "alice@home.lan").starts_with("250 "));
}

/// Mail was refused for want of room, and neither log nor `status` said a word.
#[test]
fn a_disk_short_of_room_is_told_once_and_shown_m9() {
    let house = House::with_alice();
    let err = std::fs::File::create(house.file("err")).unwrap();
    let server = house.serve_with(&[("POPPET_LOG", "info")], err.into());
    let room = || house.run("status --json").json()["room"].as_str().unwrap().to_owned();
    let told = |line: &str| std::fs::read_to_string(house.file("err")).unwrap().matches(line).count();
    assert_eq!(room(), "enough");
    house.run("set reserve_mib 1048576").done();
    assert_eq!(room(), "less than reserve_mib: mail is refused");
    for _ in 0..3 {
        // MAIL was refused, so RCPT comes too early.
        assert!(rcpt(&server, "alice@home.lan").starts_with("503 5.5.1 "));
    }
    assert_eq!((told("the disk is short of room"), told("room again")), (1, 0));
    house.run("set reserve_mib 1").done();
    for _ in 0..3 {
        assert!(rcpt(&server, "alice@home.lan").starts_with("250 "));
    }
    assert_eq!((told("the disk is short of room"), told("room again")), (1, 1));
}

// ---- lock --all --------------------------------------------------------------------------------

#[test]
fn a_lock_is_for_reading_or_for_all_c2() {
    let house = with_bob();
    let states = || {
        let list = house.run("list home.lan");
        list.done().lines().map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    house.run("lock bob@home.lan").done();
    assert_eq!(states(), ["open", "locked"]);
    house.run("lock bob@home.lan --all").done();
    assert_eq!(states(), ["open", "locked all"]);
    house
        .run("lock home.lan --all")
        .warned("No mailbox takes mail now, so mail for postmaster is refused too");
    assert_eq!(states(), ["domain-locked all", "locked all"]);
    assert_eq!(house.run("list").done(), "home.lan\tlocked all\t2\t0\n");
    assert!(house.run("stat").done().ends_with("\tlocked all\n"));
    house.run("unlock bob@home.lan").failed(5, "its domain home.lan is: unlock that first");
    house.run("lock home.lan").done();
    assert_eq!(states(), ["domain-locked", "locked all"]);
    house.run("unlock home.lan").done();
    assert_eq!(states(), ["open", "locked all"]);
    house.run("unlock bob@home.lan").done();
    assert_eq!(states(), ["open", "open"]);
    let json = house.run("lock bob@home.lan --all --json").json();
    assert_eq!((&json["locked"], &json["takes_mail"]), (&true.into(), &false.into()));
}

#[test]
fn a_lock_for_all_counts_at_once_in_the_running_server_c2() {
    let house = with_bob();
    let server = house.serve();
    for (line, bob, alice) in [
        ("lock bob@home.lan", "250 ", "250 "),
        ("lock bob@home.lan --all", "550 5.2.1 ", "250 "),
        ("lock home.lan --all", "550 5.2.1 ", "550 5.2.1 "),
        ("unlock home.lan", "550 5.2.1 ", "250 "),
        ("lock bob@home.lan", "250 ", "250 "),
    ] {
        assert_eq!(house.run(line).code, 0, "{line}");
        assert!(rcpt(&server, "bob@home.lan").starts_with(bob), "{line}");
        assert!(rcpt(&server, "alice@home.lan").starts_with(alice), "{line}");
    }
}

#[test]
fn who_locks_the_postmaster_for_all_is_told_who_gets_that_mail_c2() {
    // The administrator before was locked with --all, and mail for postmaster and abuse was refused with his own.
    let house = with_bob();
    let server = house.serve();
    let goes_on = "Mail for postmaster, which alice@home.lan got, goes to bob@home.lan meanwhile: \"poppet set postmaster";
    house.run("lock alice@home.lan").done();
    house.run("lock alice@home.lan --all").warned(goes_on);
    assert!(rcpt(&server, "alice@home.lan").starts_with("550 5.2.1 "));
    for role in ["postmaster", "postmaster@home.lan", "abuse@home.lan"] {
        assert!(rcpt(&server, role).starts_with("250 "), "{role}");
    }
    let refused =
        "No mailbox takes mail now, so mail for postmaster is refused too: \"poppet unlock home.lan\"";
    house.run("lock home.lan --all").warned(refused);
    assert!(rcpt(&server, "postmaster").starts_with("550 5.2.1 "));
    house.run("unlock home.lan").done();
    house.run("unlock alice@home.lan").done();
    assert_eq!(
        house.run("lock bob@home.lan --all --json").json()["meaning"],
        json!([]),
        "he gets no such mail"
    );
}

// ---- final settings ----------------------------------------------------------------------------

#[test]
fn a_final_setting_overrules_what_is_below_until_it_is_set_without_c8() {
    let house = with_bob();
    house.run("set quota 5M --for home.lan").done();
    house.run("set quota 6M --for alice@home.lan").done();
    let ran = house.run("set quota 1G --final");
    ran.warned("What was set for these is kept but counts no more: home.lan, alice@home.lan.");
    assert_eq!(house.run("get quota --json").json()["kind"], "set (final)");
    for target in ["home.lan", "alice@home.lan"] {
        assert_eq!(house.run(&format!("get quota --for {target}")).done(), "1G\n");
        let json = house.run(&format!("get quota --for {target} --json")).json();
        assert_eq!(json["kind"], "all (final)", "{target}");
        for line in [format!("set quota 7M --for {target}"), format!("quota {target} 7M")] {
            house.run(&line).failed(5, "quota is final for all: \"poppet set quota 1G\", without --final");
        }
    }
    let again = house.run("set quota 1G --json").json();
    assert_eq!(again["below"], json!(["home.lan", "alice@home.lan"]));
    assert_eq!(house.run("get quota --for alice@home.lan").done(), "6M\n");

    let _server = house.serve();
    house.run("set quota 8M --final --for home.lan").warned("counts no more: alice@home.lan.");
    assert_eq!(house.run("get quota --for bob@home.lan --json").json()["kind"], "domain (final)");
    let wanted = "quota is final for home.lan: \"poppet set quota 8M --for home.lan\", without --final";
    house.run("set quota 9M --for bob@home.lan").failed(5, wanted);
    house.run("set quota --default --for home.lan").warned("counts again: alice@home.lan.");
    house.run("set quota 9M --for bob@home.lan").done();
}

#[test]
fn what_can_not_be_final_is_refused() {
    let house = House::with_alice();
    house.run("set commit one-phase --final").failed(5, "commit has one value for all");
    house.run("set quota 1G --final --for alice@home.lan").failed(2, "nothing stands below alice@home.lan");
    house.run("set quota --default --final").failed(2, "--final needs a value");
    house.run("set quota much --final").failed(2, "a size such as");
    assert_eq!(house.run("get quota --json").json()["kind"], "default");
}
