//! The client's states: one question, its own answer, and whatever else comes ends the connection.

use super::server::*;
use crate::ldap::*;
use crate::limits;
use crate::mail::Secret;
use crate::wire::ber::Tag;

fn bind_as(name: &str, password: &[u8]) -> Question {
    Question::Bind { name: name.into(), password: Secret::new(password) }
}

fn looking() -> Question {
    let (base, filter) = ("dc=home".into(), Filter::of_everything());
    Question::Search(Search { base, scope: Scope::Subtree, filter, attributes: &["entryUUID"], seconds: 5 })
}

/// A client on TLS that has asked.
fn asking(question: &Question) -> Client {
    let mut client = Client::new(Channel::Tls);
    client.ask(question).unwrap();
    client
}

#[test]
fn an_empty_password_is_never_sent_s_191() {
    for password in [&b""[..], b" ", b"   ", b"\0", b"\0\0", b"\0secret", b"secret\0", b" \0 "] {
        let mut client = Client::new(Channel::Tls);
        assert_eq!(client.ask(&bind_as("cn=bob", password)), Err(Refusal::NoPassword), "{password:?}");
        assert!(client.is_free(), "nothing was asked");
    }
    for name in ["", " "] {
        assert_eq!(Client::new(Channel::Tls).ask(&bind_as(name, b"secret")), Err(Refusal::NoName));
    }
    assert!(
        Client::new(Channel::Tls).ask(&bind_as("cn=bob", b" a ")).is_ok(),
        "blanks of a password are his"
    );
}

#[test]
fn nothing_but_start_tls_goes_in_clear_text_s_202() {
    let mut client = Client::new(Channel::BeforeTls);
    assert_eq!(client.ask(&bind_as("cn=bob", b"secret")), Err(Refusal::Clear));
    assert_eq!(client.ask(&looking()), Err(Refusal::Clear));
    let sent = client.ask(&Question::StartTls).unwrap();
    assert_eq!(sent.expose(), b"\x30\x1D\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037");
    assert_eq!(client.handle(Event::Octets(&extended(1, 0))), Next::Secure);
    assert_eq!(client.ask(&bind_as("cn=bob", b"secret")), Err(Refusal::Clear), "not before hands are shaken");
    assert_eq!(client.handle(Event::Secured), Next::Answer(Answer::Secured));
    assert!(client.ask(&bind_as("cn=bob", b"secret")).is_ok());
    assert!(
        Client::new(Channel::Clear).ask(&bind_as("cn=bob", b"secret")).is_ok(),
        "as the administrator wants it"
    );
}

#[test]
fn octets_behind_the_reply_to_start_tls_end_the_connection_s_203() {
    for behind in [&b"\x30"[..], b"\x16\x03\x01", &bound(2, 0, "")] {
        let mut client = Client::new(Channel::BeforeTls);
        client.ask(&Question::StartTls).unwrap();
        let reply = [&extended(1, 0), behind].concat();
        assert_eq!(client.handle(Event::Octets(&reply)), Next::Drop(Fault::Behind));
        assert_eq!(client.ask(&looking()), Err(Refusal::Clear));
    }
    let mut client = Client::new(Channel::BeforeTls);
    client.ask(&Question::StartTls).unwrap();
    client.handle(Event::Octets(&extended(1, 0)));
    assert_eq!(client.handle(Event::Octets(b"x")), Next::Drop(Fault::Behind));
}

#[test]
fn a_server_without_tls_is_told_and_no_password_goes_there_s_203() {
    let mut client = Client::new(Channel::BeforeTls);
    client.ask(&Question::StartTls).unwrap();
    let Next::Answer(Answer::NotSecured(outcome)) = client.handle(Event::Octets(&extended(1, 2))) else {
        panic!("StartTLS was refused")
    };
    assert!(!outcome.is_success());
    assert_eq!(client.ask(&bind_as("cn=bob", b"secret")), Err(Refusal::Clear));
}

#[test]
fn a_bind_is_written_and_its_answer_read_octet_by_octet() {
    let mut client = Client::new(Channel::Tls);
    let sent = client.ask(&bind_as("cn=bob", b"secret")).unwrap();
    let octets = b"\x30\x18\x02\x01\x01\x60\x13\x02\x01\x03\x04\x06cn=bob\x80\x06secret";
    assert_eq!(sent.expose(), octets);
    let reply = bound(1, 49, "no");
    for octet in &reply[..reply.len() - 1] {
        assert_eq!(client.handle(Event::Octets(&[*octet])), Next::Read);
    }
    let Next::Answer(Answer::Bound(outcome)) = client.handle(Event::Octets(&reply[reply.len() - 1..])) else {
        panic!("it is answered")
    };
    assert_eq!(outcome.judgement(), Judgement::Wrong);
    assert!(client.is_free());
}

#[test]
fn active_directorys_long_lengths_are_read() {
    let mut client = asking(&bind_as("bob@home.lan", b"secret"));
    let reply = b"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x61\x84\x00\x00\x00\x07\x0A\x01\x00\x04\x00\x04\x00";
    let Next::Answer(Answer::Bound(outcome)) = client.handle(Event::Octets(reply)) else {
        panic!("answered")
    };
    assert!(outcome.is_success());
}

#[test]
fn a_search_gives_its_entries_and_follows_nothing_s_195() {
    let mut client = Client::new(Channel::Tls);
    let sent = client.ask(&looking()).unwrap();
    let (id, tag, content) = asked(sent.expose());
    assert_eq!((id, tag), (1, Tag::application(3, true)));
    assert_eq!(search(&content), ("dc=home".into(), 2, b"\x87\x0BobjectClass".to_vec()));
    let attributes: [(&str, &[u8]); 2] = [("objectGUID;binary", b"\x01\x02"), ("mail", b"bob@home.lan")];
    let reply = [reference(1), entry(1, "cn=bob", &attributes), reference(1), searched(1, 0)].concat();
    let Next::Answer(Answer::Found(entries, outcome)) = client.handle(Event::Octets(&reply)) else {
        panic!("it is answered")
    };
    assert!(outcome.is_success());
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].name, "cn=bob");
    assert_eq!(entries[0].value("OBJECTGUID"), Some(&b"\x01\x02"[..]));
    assert_eq!(entries[0].value("mail"), Some(&b"bob@home.lan"[..]));
    assert_eq!(entries[0].value("mai"), None);
}

#[test]
fn an_answer_to_another_question_ends_the_connection_s_200() {
    for reply in [
        bound(2, 0, ""),
        bound(0, 0, ""),
        bound(-1, 0, ""),
        searched(1, 0),
        extended(1, 0),
        entry(1, "", &[]),
    ] {
        let mut client = asking(&bind_as("cn=bob", b"secret"));
        assert_eq!(client.handle(Event::Octets(&reply)), Next::Drop(Fault::Strange), "{reply:?}");
        assert_eq!(client.ask(&looking()), Err(Refusal::NotNow), "never again");
        assert_eq!(client.handle(Event::Octets(&bound(1, 0, ""))), Next::Drop(Fault::Strange));
    }
    for reply in [bound(1, 0, ""), extended(1, 0), searched(7, 0)] {
        let mut client = asking(&looking());
        assert_eq!(client.handle(Event::Octets(&reply)), Next::Drop(Fault::Strange), "{reply:?}");
    }
}

#[test]
fn an_answer_before_the_question_ends_the_connection_s_200() {
    assert_eq!(Client::new(Channel::Tls).handle(Event::Octets(&bound(1, 0, ""))), Next::Drop(Fault::Strange));
    let mut client = asking(&bind_as("cn=bob", b"wrong"));
    let reply = [bound(1, 49, ""), bound(2, 0, "")].concat();
    assert_eq!(client.handle(Event::Octets(&reply)), Next::Drop(Fault::Strange));
}

#[test]
fn a_servers_good_bye_ends_the_connection() {
    let mut client = asking(&looking());
    assert!(matches!(client.handle(Event::Octets(&extended(0, 52))), Next::Drop(Fault::Ended(_))));
}

#[test]
fn what_is_no_message_ends_the_connection_s_199() {
    let deep = b"\x30\x80".repeat(100_000);
    for reply in [
        &b"\x30\x84\xFF\xFF\xFF\xFF"[..],
        b"\x30\x85\x01\x00\x00\x00\x00",
        &deep,
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x05\x02\x01\x01\x61\x00",
        b"\x30\x06\x02\x01\x01\x61\x09\x0A",
        b"\x30\x0A\x02\x01\x01\x61\x05\x0A\x01\x00\x04\x09",
    ] {
        let mut client = asking(&bind_as("cn=bob", b"secret"));
        let next = client.handle(Event::Octets(reply));
        assert!(
            matches!(next, Next::Drop(Fault::Broken(_))),
            "{next:?} for {:?}",
            &reply[..reply.len().min(20)]
        );
    }
}

#[test]
fn an_answer_has_no_more_messages_and_octets_than_it_may_s_199() {
    let mut client = asking(&looking());
    let three = entry(1, "cn=bob", &[]).repeat(3);
    assert_eq!(client.handle(Event::Octets(&three)), Next::Drop(Fault::TooMuch));
    for (count, is_fine) in [
        (limits::LDAP_ANSWER_MESSAGES - 1, true),
        (limits::LDAP_ANSWER_MESSAGES, true),
        (limits::LDAP_ANSWER_MESSAGES + 1, false),
    ] {
        let mut client = asking(&looking());
        let next = client.handle(Event::Octets(&[reference(1).repeat(count), searched(1, 0)].concat()));
        assert_eq!(matches!(next, Next::Answer(_)), is_fine, "{count}: {next:?}");
    }
    let around = entry(1, "cn=bob", &[("photo", &[7; 200_000])]).len() - 200_000;
    let most = limits::LDAP_MESSAGE_OCTETS - around;
    for (octets, is_fine) in [(most - 1, true), (most, true), (most + 1, false)] {
        let mut client = asking(&looking());
        let message = entry(1, "cn=bob", &[("photo", &vec![7; octets])]);
        let next = client.handle(Event::Octets(&[message, searched(1, 0)].concat()));
        assert_eq!(matches!(next, Next::Answer(_)), is_fine, "{octets}: {next:?}");
    }
}
