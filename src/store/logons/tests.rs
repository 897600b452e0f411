//! Names and accounts as a logon finds them, on a real database.

use super::super::tests::{Folder, add};
use super::*;
use crate::mail::{Alias, AliasTarget};
use crate::store::{NewMailbox, StoreError};

/// alice@home.lan, bob@home.lan and bob@work.lan, an alias, a list, a catch-all, an alias domain.
fn store(folder: &Folder) -> Store {
    let store = folder.create();
    for domain in ["home.lan", "work.lan", "home.example"] {
        store.add_domain(domain.parse().unwrap()).wait().unwrap();
    }
    for address in ["alice@home.lan", "bob@home.lan", "bob@work.lan", "carol@work.lan"] {
        add(&store, address);
    }
    let to = |texts: &[&str]| {
        texts.iter().map(|text| AliasTarget::Address(text.parse().unwrap())).collect::<Vec<_>>()
    };
    let set = |alias: Alias, targets| store.set_alias(alias, targets).wait().unwrap();
    set(Alias::Address("info@home.lan".parse().unwrap()), to(&["alice@home.lan"]));
    set(Alias::Address("help@home.lan".parse().unwrap()), to(&["info@home.lan"]));
    set(Alias::Address("tagged@home.lan".parse().unwrap()), to(&["alice+x@home.lan"]));
    set(Alias::Address("all@home.lan".parse().unwrap()), to(&["alice@home.lan", "bob@home.lan"]));
    set(Alias::CatchAll("home.lan".parse().unwrap()), to(&["alice@home.lan"]));
    set(Alias::Domain("home.net".parse().unwrap()), vec![AliasTarget::Domain("home.lan".parse().unwrap())]);
    store
}

fn found(store: &Store, wanted: Wanted) -> (Option<String>, Option<String>) {
    let Found { mailbox, address } = store.user(wanted).wait().unwrap();
    (mailbox.map(|it| it.address.to_string()), address.map(|it| it.to_string()))
}

#[test]
fn an_address_means_its_mailbox_or_whom_alone_its_alias_reaches_a9() {
    let folder = Folder::new();
    let store = store(&folder);
    for (typed, mailbox, address) in [
        ("alice@home.lan", Some("alice@home.lan"), "alice@home.lan"),
        ("info@home.lan", Some("alice@home.lan"), "alice@home.lan"),
        ("help@home.lan", Some("alice@home.lan"), "alice@home.lan"),
        ("tagged@home.lan", Some("alice@home.lan"), "alice@home.lan"),
        ("alice@home.net", Some("alice@home.lan"), "alice@home.lan"),
        ("info@home.net", Some("alice@home.lan"), "alice@home.lan"),
        ("all@home.lan", None, "all@home.lan"),
        ("nobody@home.lan", None, "nobody@home.lan"),
        ("nobody@home.net", None, "nobody@home.lan"),
        ("alice+x@home.lan", None, "alice+x@home.lan"),
        ("alice@work.lan", None, "alice@work.lan"),
        ("alice@elsewhere.lan", None, "alice@elsewhere.lan"),
    ] {
        let expected = (mailbox.map(str::to_owned), Some(address.to_owned()));
        assert_eq!(found(&store, Wanted::Address(typed.parse().unwrap())), expected, "{typed}");
    }
}

#[test]
fn a_bare_name_means_who_alone_has_it_a9() {
    let folder = Folder::new();
    let store = store(&folder);
    for (name, mailbox) in [
        ("alice", Some("alice@home.lan")),
        ("ALICE", Some("alice@home.lan")),
        ("carol", Some("carol@work.lan")),
        ("bob", None),
        ("info", None),
        ("nobody", None),
        ("", None),
        (".", None),
        ("a b", None),
    ] {
        assert_eq!(found(&store, Wanted::Name(name.into())).0.as_deref(), mailbox, "{name}");
    }
    assert_eq!(found(&store, Wanted::Name("nobody".into())).1, None, "it could be anybody's");
}

#[test]
fn a_name_in_a_domain_is_looked_for_in_those_that_are_called_so_a9() {
    let folder = Folder::new();
    let store = store(&folder);
    for (domain, name, mailbox, address) in [
        ("work", "bob", Some("bob@work.lan"), Some("bob@work.lan")),
        ("work.lan", "bob", Some("bob@work.lan"), Some("bob@work.lan")),
        ("home", "bob", Some("bob@home.lan"), Some("bob@home.lan")),
        ("home", "nobody", None, None),
        ("work", "nobody", None, Some("nobody@work.lan")),
        ("wor", "bob", None, None),
        ("lan", "bob", None, None),
        ("", "bob", None, None),
    ] {
        let wanted = Wanted::NameIn { domain: domain.into(), name: name.into() };
        let expected = (mailbox.map(str::to_owned), address.map(str::to_owned));
        assert_eq!(found(&store, wanted), expected, "{domain}\\{name}");
    }
    add(&store, "bob@home.example");
    let wanted = Wanted::NameIn { domain: "home".into(), name: "bob".into() };
    assert_eq!(found(&store, wanted), (None, None), "two domains are called so, and both have him");
}

#[test]
fn an_account_has_one_mailbox_or_none_s_206() {
    let folder = Folder::new();
    let store = store(&folder);
    let try_bind = |address: &str, name: &str, identity: &[u8]| {
        let account = Account { name: name.into(), identity: identity.into() };
        store.bind_account(Method::File, address.parse().unwrap(), Some(account)).wait()
    };
    let bind = |address: &str, name: &str, identity: &[u8]| try_bind(address, name, identity).unwrap();
    let find = |name: &str, identity: &[u8], names: &[&str], local_part: &str| {
        let account = Account { name: name.into(), identity: identity.into() };
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let mailbox = store.mailbox_of_account(account, names, local_part.into()).wait().unwrap();
        mailbox.map(|it| it.address.to_string())
    };
    bind("alice@home.lan", "CN=Alice", b"1");
    bind("bob@home.lan", "HOME\\robert", b"");
    assert_eq!(find("x", b"1", &[], "x").as_deref(), Some("alice@home.lan"), "by identity");
    assert_eq!(find("cn=alice", b"2", &[], "x"), None, "another account of the same name");
    assert_eq!(find("cn=alice", b"", &[], "x").as_deref(), Some("alice@home.lan"));
    assert_eq!(find("CN=Bob", b"3", &["home\\Robert"], "bob").as_deref(), Some("bob@home.lan"));
    assert_eq!(find("CN=Bob", b"3", &["HOME\\bob"], "bob"), None, "two have that local part");
    assert_eq!(
        find("CN=Alice2", b"4", &["HOME\\alice"], "alice"),
        None,
        "alice's is bound to another account"
    );
    assert_eq!(find("CN=Carol", b"5", &["HOME\\carol"], "carol").as_deref(), Some("carol@work.lan"));
    assert!(try_bind("carol@work.lan", "CN=Alice", b"1").is_err(), "two mailboxes of one account");
    assert_eq!(find("CN=Alice", b"1", &[], "alice").as_deref(), Some("alice@home.lan"));
    let carol = store.mailbox("carol@work.lan".parse().unwrap()).wait().unwrap().unwrap();
    let alices = Account { name: "CN=Alice".into(), identity: b"1".to_vec() };
    let learnt = store.learn_account(Method::File, &carol, alices).wait();
    assert!(
        matches!(learnt, Err(StoreError::Refused(_))),
        "two mailboxes never have one account: {learnt:?}"
    );
}

#[test]
fn what_a_logon_teaches_is_kept_only_while_nothing_changed() {
    let folder = Folder::new();
    let store = store(&folder);
    let mailbox = |store: &Store| store.mailbox("alice@home.lan".parse().unwrap()).wait().unwrap().unwrap();
    let (before, one, two) =
        (mailbox(&store), Account::named("one").unwrap(), Account::named("two").unwrap());
    assert_eq!(store.learn_account(Method::File, &before, one.clone()).wait(), Ok(true));
    assert_eq!(store.learn_account(Method::File, &before, two).wait(), Ok(false));
    assert_eq!(mailbox(&store).account, Some(one));
    let learn = |mark, password: &[u8]| {
        store.learn_password("alice@home.lan".parse().unwrap(), mark, password.into()).wait()
    };
    store.set_password(before.address.clone(), Vec::new()).wait().unwrap();
    assert_eq!(learn(MailboxMark([9; 16]), b"other"), Ok(false));
    assert_eq!(learn(before.mark, b"first"), Ok(true));
    assert_eq!(learn(before.mark, b"second"), Ok(false));
    assert_eq!(mailbox(&store).password, b"first");
    store.remove_mailbox(before.address).wait().unwrap();
    assert_eq!(learn(before.mark, b"third"), Ok(false));
}

/// A mailbox that moved while its user was logging on was bound to the account of the method before, with which nobody
/// could log on any more; one that was added meanwhile had a password where passwords are not asked for.
#[test]
fn what_was_found_by_another_method_is_not_kept() {
    let folder = Folder::new();
    let store = store(&folder);
    let alice: Address = "alice@home.lan".parse().unwrap();
    store.set_password(alice.clone(), Vec::new()).wait().unwrap();
    let before = store.mailbox(alice.clone()).wait().unwrap().unwrap();
    let one = Account::named("one").unwrap();
    let add = |method| {
        let address = format!("dave-{method}@home.lan").parse().unwrap();
        let mark = MailboxMark([1; 16]);
        store.add_user(NewMailbox { address, mark, password: Vec::new(), account: None, method }).wait()
    };
    for now in Method::ALL {
        store.set_setting("auth", Some(now.name())).wait().unwrap();
        for then in Method::ALL.into_iter().filter(|then| *then != now) {
            assert_eq!(store.learn_account(then, &before, one.clone()).wait(), Ok(false), "{then} {now}");
            let bound = store.bind_account(then, alice.clone(), Some(one.clone())).wait();
            assert!(matches!(bound, Err(StoreError::Refused(_))), "{then} {now}: {bound:?}");
            assert!(matches!(add(then), Err(StoreError::Refused(_))), "{then} {now}");
        }
        let learns = store.learn_password(alice.clone(), before.mark, b"first".to_vec()).wait();
        assert_eq!(learns, Ok(now == Method::File), "{now}");
        store.set_password(alice.clone(), Vec::new()).wait().unwrap();
        add(now).unwrap();
    }
    assert_eq!(store.mailbox(alice).wait().unwrap(), Some(before));
}
