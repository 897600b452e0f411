//! EHLO and HELO: what is listed, and which names are taken.

use super::*;
use crate::sasl::Mechanism;
use crate::smtp::Device;

#[test]
fn ehlo_lists_what_there_is() {
    let facts_in_the_clear = facts(Door::Submission);
    let names: Vec<_> = facts_in_the_clear.terms.offered().map(Mechanism::name).collect();
    assert!(names.ends_with(&["PLAIN", "LOGIN"]), "{names:?}");
    let mut talk = Talk::with(facts_in_the_clear);
    assert_eq!(
        talk.say("EHLO x"),
        format!(
            "250-mail.home.lan\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
             250-CHUNKING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS MAILMAX=1000 RCPTMAX=5\r\n\
             250-STARTTLS\r\n250-AUTH {}\r\n250 HELP\r\n",
            names.join(" ")
        )
    );
    assert_eq!(talk.say("HELO x"), "250 mail.home.lan\r\n");
    assert_eq!(
        Talk::with(facts(Door::Mx)).say("EHLO x"),
        "250-mail.home.lan\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n\
         250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250-LIMITS MAILMAX=1000 RCPTMAX=5\r\n250-STARTTLS\r\n\
         250 HELP\r\n",
        "S-165: no AUTH"
    );
    let mut talk = Talk::with(passwords_inside_tls(Door::Submission));
    let extensions = talk.say("EHLO x");
    assert!(!extensions.contains("PLAIN") && !extensions.contains("LOGIN"), "S-050: {extensions}");
    let mut talk = Talk::with(Facts { offers_starttls: false, ..facts(Door::Mx) });
    assert!(!talk.say("EHLO x").contains("STARTTLS"));
}

/// Labels of `a` with dots between, so many octets in all.
fn name_of(octets: usize) -> String {
    let labels = vec!["a".repeat(63); octets / 64];
    let rest = "a".repeat(octets - 64 * labels.len());
    [labels, vec![rest]].concat().join(".")
}

const ODD: [&str; 12] = [
    "",
    "My Printer",
    "[999.1.1.1]",
    "[IPv6:::g]",
    "-bad-",
    "bad-.lan",
    "a..b",
    ".",
    "a.b.",
    "a\tb",
    "b\u{fc}cher",
    "(x)",
];

#[test]
fn users_and_old_devices_may_name_themselves_anyhow_quirk_12() {
    let device = Device { name: "printer".into(), sender: None, is_lenient: true };
    for facts in [facts(Door::Submission), Facts { device: Some(Box::new(device)), ..facts(Door::Mx) }] {
        for name in ODD.into_iter().chain(["NPIF65E56", "_", "localhost", "[127.0.0.1]", "192.0.2.7"]) {
            let mut talk = Talk::with(facts.clone());
            talk.dialog(&[(&format!("HELO {name}"), "250"), (&format!("EHLO {name}"), "250")]);
        }
    }
}

#[test]
fn hellos_that_are_none_are_refused_on_the_open_port_s_064() {
    let device = Device { name: "scanner".into(), sender: None, is_lenient: false };
    for facts in [facts(Door::Mx), Facts { device: Some(Box::new(device)), ..facts(Door::Mx) }] {
        for verb in ["HELO", "EHLO"] {
            for name in ODD {
                let mut talk = Talk::with(facts.clone());
                talk.dialog(&[(&format!("{verb} {name}"), "501 5.5.4"), ("MAIL FROM:<>", "503")]);
            }
            for name in [
                "x",
                "my_host.lan",
                "_",
                "NPIF65E56",
                "localhost",
                "a-b.c--d",
                "xn--hme-sna.lan",
                "192.0.2.7",
                "[192.0.2.7]",
                "[IPv6:2001:db8::1]",
                "[IPv6:::ffff:192.0.2.7]",
            ] {
                let mut talk = Talk::with(facts.clone());
                talk.dialog(&[(&format!("{verb} {name}"), "250"), ("MAIL FROM:<>", "250")]);
            }
        }
    }
}

#[test]
fn a_hello_has_an_end_s_064() {
    for door in [Door::Mx, Door::Submission] {
        for (octets, code) in [(254, "250"), (255, "250"), (256, "501 5.5.4"), (1024, "501 5.5.4")] {
            let name = name_of(octets);
            assert_eq!(name.len(), octets);
            Talk::with(facts(door)).dialog(&[(&format!("EHLO {name}"), code)]);
        }
    }
    for (octets, code) in [(62, "250"), (63, "250"), (64, "501 5.5.4")] {
        Talk::with(facts(Door::Mx)).dialog(&[(&format!("EHLO {}.lan", "a".repeat(octets)), code)]);
    }
}

#[test]
fn a_hello_that_is_refused_leaves_all_as_it_was() {
    let mut talk = Talk::mx();
    talk.dialog(&[
        ("MAIL FROM:<a@b>", "250"),
        ("RCPT TO:<bob@home.lan>", "250"),
        ("EHLO", "501 5.5.4"),
        ("DATA", "354"),
    ]);
    assert!(talk.data(b"x: y\r\n\r\n.\r\n").starts_with("250"));
    assert!(talk.stored[0].1.starts_with("Received: from client.example ("), "{}", talk.stored[0].1);
}
