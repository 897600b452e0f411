//! Recipients elsewhere, as the store tells of them.

use super::*;
use crate::mail::{Alias, Lane, RemoteAddress};
use crate::smtp::Leaving;

fn leaving(recipient: &str, forwarder: Option<&str>) -> Leaving {
    Leaving {
        recipient: RemoteAddress::from_path(recipient),
        lane: Lane::SmartHost,
        chooser: None,
        forwarder: forwarder.map(|forwarder| forwarder.parse::<Alias>().unwrap()),
    }
}

/// Who a name at `out.example` is.
fn elsewhere(path: &ForwardPath) -> Option<Recipient> {
    let ForwardPath::Address(address) = path else { return None };
    let alice = || vec![(MailboxId(1), at_home("alice"))];
    Some(match address.local_part() {
        "noway" => Recipient::NoWay,
        "back" => Recipient::WouldReturn,
        "report" => Recipient::WayBack(leaving("z@far.example", Some("home.lan"))),
        "team" => Recipient::Outside(alice(), vec![leaving("x@far.example", Some("team@home.lan"))]),
        "other" => Recipient::Outside(alice(), vec![leaving("x@FAR.example", Some("other@home.lan"))]),
        "catch" => Recipient::Outside(Vec::new(), vec![leaving("y@far.example", Some("*@home.lan"))]),
        local if local.starts_with("list") => {
            let members: usize = local[5..].parse().unwrap();
            let member = |number| leaving(&format!("{local}.{number}@far.example"), Some("list@home.lan"));
            Recipient::Outside(Vec::new(), (0..members).map(member).collect())
        }
        _ => Recipient::Outside(Vec::new(), vec![leaving(address.as_str(), None)]),
    })
}

impl Talk {
    /// RCPT for a name at `out.example`, which [`elsewhere`] knows.
    fn name(&mut self, local: &str) -> String {
        let mut out = Vec::new();
        let line = format!("RCPT TO:<{local}@out.example> NOTIFY=NEVER");
        let next = self.session.handle(Event::Line { line: line.as_bytes(), is_followed: false }, &mut out);
        let Next::LookUp { path, named, .. } = next else {
            return String::from_utf8(out).unwrap();
        };
        assert_eq!(named.as_str(), format!("{local}@out.example"));
        let _ = self.session.handle(Event::Recipient(elsewhere(&path).unwrap()), &mut out);
        String::from_utf8(out).unwrap()
    }
}

fn begun() -> Talk {
    let mut talk = Talk::submission();
    talk.dialog(&[("MAIL FROM:<alice@home.lan> RET=HDRS ENVID=x", "250")]);
    talk
}

#[test]
fn a_mail_may_be_for_nobody_here() {
    let mut talk = begun();
    assert_eq!(talk.name("bob"), "250 2.1.5 Recipient OK\r\n");
    assert_eq!(talk.name("carl"), "250 2.1.5 Recipient OK\r\n");
    talk.dialog(&[("DATA", "354")]);
    assert_eq!(talk.data(b"Subject: x\r\n\r\ntext\r\n.\r\n"), "250 2.0.0 Stored\r\n");
    let (envelope, message) = &talk.stored[0];
    assert!(envelope.recipients.is_empty());
    let left: Vec<_> = envelope.leaving.iter().map(|(it, named)| (it.recipient.as_str(), *named)).collect();
    assert_eq!(left, [("bob@out.example", 0), ("carl@out.example", 1)]);
    assert!(envelope.named.iter().all(|named| named.mailboxes == 0 && named.dsn.notify.is_some()));
    assert_eq!(envelope.dsn.envelope_id.as_deref(), Some("x"));
    assert!(!message.contains("out.example"), "several recipients must not see each other: {message}");
}

#[test]
fn a_recipient_elsewhere_gets_a_mail_once_however_he_is_named_s_057() {
    let mut talk = begun();
    for local in ["team", "other", "team"] {
        assert!(talk.name(local).starts_with("250"));
    }
    talk.dialog(&[("DATA", "354")]);
    assert!(talk.data(b"Subject: x\r\n\r\ntext\r\n.\r\n").starts_with("250"));
    let (envelope, _) = &talk.stored[0];
    assert_eq!((envelope.recipients.len(), envelope.leaving.len(), envelope.named.len()), (1, 1, 2));
    assert_eq!(envelope.leaving[0], (leaving("x@far.example", Some("team@home.lan")), 0));
}

#[test]
fn who_sends_out_without_a_way_reads_what_to_do_o2_o6() {
    let mut talk = begun();
    let reply = talk.name("noway");
    assert!(reply.starts_with("550 5.4.4 This server sends no mail to other servers: "), "{reply}");
    assert!(reply.contains("poppet set smarthost HOST"), "{reply}");
    assert_well_formed(&reply);
    let reply = talk.name("back");
    assert!(reply.starts_with("550 5.1.1 No such mailbox here"), "{reply}");
    assert_well_formed(&reply);
    talk.dialog(&[("DATA", "554"), ("RSET", "250")]);
}

#[test]
fn recipients_elsewhere_count_as_all_others_s_056() {
    let mut talk = begun();
    for number in 1..=5 {
        assert!(talk.name(&format!("user{number}")).starts_with("250"), "{number}");
    }
    assert!(talk.name("user6").starts_with("452 4.5.3"));
    talk.dialog(&[("DATA", "354")]);
    talk.data(b"Subject: x\r\n\r\ntext\r\n.\r\n");
    assert_eq!(talk.stored[0].0.leaving.len(), 5);
}

/// A stranger named a hundred lists, each with a thousand members elsewhere, and one commit had 100,000 rows: nobody else
/// could store anything meanwhile.
#[test]
fn lists_lead_to_so_many_elsewhere_and_no_more_s_056() {
    const { assert!(limits::LEAVING_RECIPIENTS >= limits::ALIAS_TARGETS, "one list must fit") };
    let most = limits::LEAVING_RECIPIENTS;
    for (first, second, is_taken) in
        [(1000, most - 1001, true), (1000, most - 1000, true), (1000, most - 999, false)]
    {
        let mut talk = begun();
        assert!(talk.name(&format!("lista{first}")).starts_with("250"));
        let reply = talk.name(&format!("listb{second}"));
        assert_eq!(reply.starts_with("250"), is_taken, "{second}: {reply}");
        assert_eq!(reply.starts_with("452 4.5.3"), !is_taken, "{second}: {reply}");
        assert!(talk.name(&format!("lista{first}")).starts_with("250"), "who has it already is none more");
        let left = first + if is_taken { second } else { 0 };
        let one = if left < most { 1 } else { 0 };
        assert_eq!(talk.name("bob").starts_with("250"), one == 1);
        talk.dialog(&[("DATA", "354")]);
        assert!(talk.data(b"Subject: x\r\n\r\ntext\r\n.\r\n").starts_with("250"));
        assert_eq!(talk.stored[0].0.leaving.len(), left + one);
    }
}

#[test]
fn what_comes_back_to_who_has_forwarded_it_is_looping_s_118_s_120() {
    const LOOPING: &str = "554 5.4.6";
    for (local, mark, code) in [
        ("team", "team@home.lan", LOOPING),
        ("catch", "catch@out.example", LOOPING),
        // Alice has it already, who is elsewhere has not.
        ("team", "alice@home.lan", "250"),
        ("bob", "bob@out.example", "250"),
    ] {
        let mut talk = begun();
        assert!(talk.name(local).starts_with("250"));
        talk.dialog(&[("DATA", "354")]);
        let reply = talk.data(format!("Delivered-To: {mark}\r\nSubject: x\r\n\r\ntext\r\n.\r\n").as_bytes());
        assert!(reply.starts_with(code), "{local} {mark}: {reply}");
    }
}

#[test]
fn an_address_for_reports_takes_them_and_nothing_else_o5() {
    let mut talk = begun();
    let reply = talk.name("report");
    assert!(reply.starts_with("550 5.7.1 Only reports"), "{reply}");
    assert_well_formed(&reply);
    talk.dialog(&[("DATA", "554"), ("RSET", "250"), ("MAIL FROM:<>", "250")]);
    assert!(talk.name("report").starts_with("250"));
    talk.dialog(&[("DATA", "354")]);
    assert!(talk.data(b"Subject: x\r\n\r\ntext\r\n.\r\n").starts_with("250"));
    assert_eq!(talk.stored[0].0.leaving, [(leaving("z@far.example", Some("home.lan")), 0)]);
}
