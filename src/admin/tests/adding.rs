//! Mailboxes are added, brought back, and get passwords, where users are known elsewhere.

use super::*;

fn add_for(text: &str, account: &str) -> Command {
    Command::AddMailbox { address: address(text), password: None, account: Some(account.into()) }
}

fn passwd(text: &str) -> Command {
    Command::SetPassword { address: address(text), password: None }
}

fn house(method: Method) -> House {
    let house = House::empty();
    house.choose(method);
    house.domain("home.lan");
    house.domain("work.lan");
    house
}

#[test]
fn a_mailbox_needs_an_account_that_is_there_a5_a6() {
    for method in [Method::Local, Method::Directory] {
        let house = house(method);
        assert_eq!(house.refused(add("alice@home.lan")), "there is no account alice@home.lan");
        house.crowd.know("alice@home.lan", "alice", "1000");
        house.crowd.fall_silent(Some("it is down"));
        let error = house.act(add("alice@home.lan")).unwrap_err();
        assert_eq!((error.kind, error.text.as_str()), (Failure::Failed, "it is down; nothing was changed"));
        assert!(house.mailbox("alice@home.lan").is_none());
        house.crowd.fall_silent(None);
        assert_eq!(house.act(add("alice@home.lan")), Ok(Answer::Password(None)));
        assert_eq!(house.known_by("alice@home.lan"), (Some("alice".into()), false));
        let error = house.act(add("alice@home.lan")).unwrap_err();
        assert_eq!(error.kind, Failure::Exists);
        assert!(!error.text.contains("passwd"), "{}", error.text);
    }
}

/// Success was told, and the account was not there.
#[test]
fn who_adds_a_mailbox_is_told_that_nobody_has_looked_for_its_account() {
    let house = house(Method::Directory);
    house.set("directory_bind", "upn");
    for (name, identity, is_told) in [("alice@home.lan", "", true), ("bob@home.lan", "1", false)] {
        house.crowd.know(name, name, identity);
        let answer = house.act(add(name)).unwrap();
        match is_told {
            true => assert!(
                matches!(&answer, Answer::AddedUnseen { note } if note.contains("directory_base and directory_account")),
                "{answer:?}"
            ),
            false => assert_eq!(answer, Answer::Password(None), "found by its own name"),
        }
    }
    house.set("directory_bind", "search");
    house.crowd.know("carol@home.lan", "carol", "");
    assert_eq!(house.act(add("carol@home.lan")), Ok(Answer::Password(None)), "found, without an identity");
}

#[test]
fn no_password_is_asked_for_or_taken() {
    let house = house(Method::Directory);
    house.crowd.know("alice@home.lan", "alice", "1");
    let asked = Command::MayHavePassword { address: address("alice@home.lan"), is_new: true };
    assert_eq!(house.act(asked), Ok(Answer::NoPassword));
    let password = Some(Secret::new("x"));
    let text =
        house.refused(Command::AddMailbox { address: address("alice@home.lan"), password, account: None });
    assert!(text.contains("--password-stdin"), "{text}");
}

#[test]
fn two_mailboxes_never_have_one_account_s_206() {
    let house = house(Method::Directory);
    house.crowd.know("alice@home.lan", "HOME\\alice", "1");
    house.crowd.know("al", "cn=alice", "1");
    house.crowd.know("alice@work.lan", "WORK\\alice", "2");
    house.act(add("alice@home.lan")).unwrap();
    let text = house.refused(add_for("bob@home.lan", "al"));
    assert!(text.contains("the account of alice@home.lan already"), "{text}");
    house.act(add("alice@work.lan")).unwrap();
    let error = house.act(add_for("carol@home.lan", "a\nb")).unwrap_err();
    assert_eq!(error.kind, Failure::Usage);
}

#[test]
fn local_names_are_unique_over_all_domains_and_others_are_not_a5() {
    for (method, is_refused) in [(Method::Local, true), (Method::Directory, false)] {
        let house = house(method);
        house.crowd.know("alice@home.lan", "one", "1");
        house.crowd.know("alice@work.lan", "two", "2");
        house.act(add("alice@home.lan")).unwrap();
        assert_eq!(house.act(add("alice@work.lan")).is_err(), is_refused, "{method}");
        house.act(remove("alice@home.lan")).unwrap();
        if is_refused {
            house.act(add("alice@work.lan")).unwrap();
            assert!(house.refused(undelete("alice@home.lan")).contains("alice@work.lan"), "{method}");
            house.act(remove("alice@work.lan")).unwrap();
        }
        house.act(undelete("alice@home.lan")).unwrap();
    }
}

#[test]
fn what_comes_back_does_not_take_an_account_that_another_mailbox_has_by_now() {
    let house = house(Method::Directory);
    house.crowd.know("alice@home.lan", "alice", "1");
    house.crowd.know("alice", "alice", "1");
    house.act(add("alice@home.lan")).unwrap();
    house.act(remove("alice@home.lan")).unwrap();
    house.act(add_for("boss@home.lan", "alice")).unwrap();
    assert!(house.refused(undelete("alice@home.lan")).contains("boss@home.lan"));
    house.act(remove("boss@home.lan")).unwrap();
    house.act(undelete("alice@home.lan")).unwrap();
    assert_eq!(house.known_by("alice@home.lan"), (Some("alice".into()), false));
}

#[test]
fn the_file_has_no_accounts() {
    let house = House::with(&["alice@home.lan"]);
    assert!(house.refused(add_for("bob@home.lan", "bob")).contains("--account"));
    assert!(house.crowd.take_asked().is_empty(), "nobody is asked");
}

#[test]
fn passwd_tells_where_the_password_is_changed() {
    for (method, wanted) in [
        (Method::Local, "\"passwd alice\" changes it"),
        (Method::Directory, "changed there, for the account alice"),
    ] {
        let house = house(method);
        house.crowd.know("alice@home.lan", "alice", "1");
        house.act(add("alice@home.lan")).unwrap();
        let asked = Command::MayHavePassword { address: address("alice@home.lan"), is_new: false };
        for command in [passwd("alice@home.lan"), asked] {
            let text = house.refused(command);
            assert!(text.contains(wanted), "{text}");
        }
        assert_eq!(house.act(passwd("bob@home.lan")).unwrap_err().kind, Failure::NotFound);
        assert_eq!(house.known_by("alice@home.lan"), (Some("alice".into()), false));
    }
}
