//! Whose account a mailbox is: shown, bound anew, and never two mailboxes' (S-206, S-220).

use super::*;

fn house(method: Method) -> House {
    let house = House::empty();
    house.choose(method);
    house.domain("home.lan");
    for (name, identity) in [("alice", "1001"), ("bob", "1002")] {
        house.crowd.know(&format!("{name}@home.lan"), name, identity);
        house.crowd.know(name, name, identity);
        house.act(add(&format!("{name}@home.lan"))).unwrap();
    }
    house
}

fn bind(text: &str, name: Option<&str>) -> Command {
    Command::BindAccount { address: address(text), name: name.map(String::from) }
}

fn shown(house: &House, text: &str) -> AccountRow {
    match house.act(Command::Account(address(text))).unwrap() {
        Answer::Account(row) => row,
        other => panic!("{other:?}"),
    }
}

fn account(name: &str, identity: &str) -> Account {
    Account { name: name.into(), identity: identity.into() }
}

#[test]
fn a_mailbox_tells_its_account_and_what_became_of_it() {
    for method in [Method::Local, Method::Directory] {
        let house = house(method);
        let row = shown(&house, "bob@home.lan");
        assert_eq!(
            (row.method, row.account, row.state),
            (method, Some(account("bob", "1002")), AccountState::Fits)
        );

        house.crowd.know("bob", "bob", "1003");
        let another = AccountState::Another(account("bob", "1003"));
        assert_eq!(shown(&house, "bob@home.lan").state, another, "it is not taken by itself");

        house.crowd.fall_silent(Some("it is down"));
        assert_eq!(shown(&house, "bob@home.lan").state, AccountState::Unknown("it is down".into()));
        assert_eq!(house.act(Command::Account(address("eve@home.lan"))).unwrap_err().kind, Failure::NotFound);
    }
}

#[test]
fn an_account_that_is_another_one_now_is_taken_when_it_is_said_s_220() {
    let house = house(Method::Local);
    house.crowd.know("bob", "bob", "1003");
    house.sessions.ended.lock().unwrap().clear();
    let Answer::Account(row) = house.act(bind("bob@home.lan", Some("bob"))).unwrap() else { panic!() };
    assert_eq!((row.account, row.state), (Some(account("bob", "1003")), AccountState::Fits));
    assert_eq!(house.sessions.ended.lock().unwrap().len(), 1, "the old one may have a session");
}

#[test]
fn two_mailboxes_never_have_one_account_s_206() {
    for method in [Method::Local, Method::Directory] {
        let house = house(method);
        house.crowd.know("HOME\\bob", "HOME\\bob", "1002");
        for name in ["bob", "HOME\\bob"] {
            let text = house.refused(bind("alice@home.lan", Some(name)));
            assert!(text.contains("the account of bob@home.lan"), "{text}");
        }
        let address = address("alice@home.lan");
        let sure =
            house.context.store.bind_account(house.method(), address, Some(account("other", "1002"))).wait();
        assert!(sure.unwrap_err().to_string().contains("bob@home.lan"), "the store holds it too");
        assert_eq!(shown(&house, "alice@home.lan").account, Some(account("alice", "1001")));
        house.act(bind("alice@home.lan", Some("alice"))).unwrap();
    }
}

#[test]
fn a_local_account_that_only_an_address_names_is_its_mailbox_s_too_s_206() {
    let house = house(Method::Local);
    house.act(bind("bob@home.lan", None)).unwrap();
    assert_eq!(shown(&house, "bob@home.lan").account, None);
    let text = house.refused(bind("alice@home.lan", Some("bob")));
    assert!(text.contains("the account of bob@home.lan"), "{text}");

    house.crowd.know("bsmith", "bsmith", "1005");
    house.act(bind("bob@home.lan", Some("bsmith"))).unwrap();
    house.act(bind("alice@home.lan", Some("bob"))).unwrap();
    let text = house.refused(bind("bob@home.lan", None));
    assert!(text.contains("bob is the account of alice@home.lan"), "{text}");
}

#[test]
fn what_can_not_be_found_is_not_bound() {
    let house = house(Method::Directory);
    assert_eq!(house.refused(bind("bob@home.lan", Some("eve"))), "there is no account eve");
    for name in ["", "a\nb", &"x".repeat(257)] {
        assert_eq!(house.act(bind("bob@home.lan", Some(name))).unwrap_err().kind, Failure::Usage);
    }
    house.crowd.fall_silent(Some("it is down"));
    assert_eq!(house.act(bind("bob@home.lan", Some("bob"))).unwrap_err().kind, Failure::Failed);
    assert_eq!(house.act(bind("eve@home.lan", Some("bob"))).unwrap_err().kind, Failure::NotFound);
    assert_eq!(shown(&house, "bob@home.lan").account, Some(account("bob", "1002")));
}

#[test]
fn under_the_file_an_account_is_only_noted_for_the_day_when_all_move() {
    let house = House::with(&["bob@home.lan"]);
    house.crowd.know("bob", "bob", "1002");
    house.act(add("alice@home.lan")).unwrap();
    house.act(bind("bob@home.lan", Some("bsmith"))).unwrap();
    let row = shown(&house, "bob@home.lan");
    assert_eq!((row.state, row.account), (AccountState::NotUsed, Some(account("bsmith", ""))));
    assert!(house.refused(bind("alice@home.lan", Some("BSmith"))).contains("the account of bob@home.lan"));
    house.act(bind("bob@home.lan", None)).unwrap();
    assert!(house.crowd.take_asked().is_empty());
}
