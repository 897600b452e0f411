//! Who is found, as whom his password is tried, and what is learnt of him.

use smol::block_on;

use super::*;
use crate::auth::{Absence, Finding};
use crate::ldap::{Filter, Names};

#[test]
fn who_is_found_is_bound_on_a_connection_of_his_own_s_201() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    let directory = house.directory();
    let account = Account { name: "alice@home.lan".into(), identity: b"u-1".to_vec() };
    for round in 1..=3 {
        let finding = block_on(directory.prove(&alice(), &wonderland()));
        assert_eq!(finding, Finding::Right(Some(account.clone())), "{round}");
        assert_eq!(server.connections(), 1 + round, "the searcher's is used again, each user has his own");
    }
    let binds = server.binds();
    assert_eq!(binds[0], (0, SEARCHER.into()));
    assert_eq!(binds[1..], [1, 2, 3].map(|number| (number, ALICE.to_owned())));
    let is_search = |deed: &Deed| matches!(deed, Deed::Search(0, base, _) if base == "dc=home");
    assert_eq!(server.deeds().iter().filter(|deed| is_search(deed)).count(), 3);
}

#[test]
fn a_wrong_password_is_tried_once_at_one_server_s_205() {
    let locked = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 775, v2580";
    let server = Server::start(None, move |deed, id| match deed {
        Deed::Bind(_, name, _) if name == ALICE => Act::Say(say::bound(id, 49, locked)),
        deed => well(deed, id),
    });
    let other = Server::start(None, well);
    let house = House::new(&[&server, &other]);
    let finding = block_on(house.directory().prove(&alice(), &Secret::new("wrong")));
    let Finding::Wrong(reason) = finding else { panic!("{finding:?}") };
    assert!(reason.contains("locked out"), "{reason}");
    assert_eq!(server.binds().len(), 2, "the searcher's and his");
    assert_eq!(other.connections(), 0);
}

/// What an administrator types is tried before it is kept; users who log on meanwhile must not suffer from it.
#[test]
fn a_password_that_is_tried_finds_accounts_and_proves_nothing() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    let directory = house.directory();
    let tried = |password: &str| Some(house.gatekeeper.seal(DIRECTORY_PASSWORD, password.as_bytes()));
    let finds = |directory: &Directory| block_on(directory.find(&alice())).is_ok();
    directory.search_with(tried("wrong"));
    assert!(!finds(&directory));
    assert!(matches!(block_on(directory.prove(&alice(), &wonderland())), Finding::Right(_)));
    house.set_password("old");
    directory.search_with(tried("search"));
    assert!(finds(&directory));
    directory.search_with(None);
    assert!(!finds(&directory));
}

#[test]
fn an_empty_password_is_sent_to_nobody_s_191() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    for bind in ["search", "upn", "dn:cn={user},dc=home"] {
        house.set("directory_bind", bind);
        for password in ["", " ", "\0", "\0wonderland"] {
            let finding = block_on(house.directory().prove(&alice(), &Secret::new(password)));
            assert!(matches!(finding, Finding::Wrong(_)), "{bind} {password:?}: {finding:?}");
        }
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn two_entries_and_referrals_let_nobody_in_s_194_s_195() {
    for (answer, is_wrong) in [
        (
            |id| [say::entry(id, ALICE, &[]), say::entry(id, "cn=other", &[]), say::searched(id, 0)].concat(),
            true,
        ),
        (|id| [say::entry(id, ALICE, &[]), say::searched(id, 4)].concat(), true),
        (|id| say::searched(id, 0), true),
        (|id| [say::reference(id), say::searched(id, 0)].concat(), true),
        (|id| say::searched(id, 10), false),
        (|id| say::searched(id, 32), false),
    ] as [(fn(i64) -> Vec<u8>, bool); 6]
    {
        let server = Server::start(None, move |deed, id| match deed {
            Deed::Search(..) => Act::Say(answer(id)),
            deed => well(deed, id),
        });
        let house = House::new(&[&server]);
        let finding = block_on(house.directory().prove(&alice(), &wonderland()));
        match is_wrong {
            true => assert!(matches!(finding, Finding::Wrong(_)), "{finding:?}"),
            false => assert!(matches!(finding, Finding::Unavailable(_)), "{finding:?}"),
        }
        assert_eq!(server.binds().len(), 1, "the searcher's alone: {finding:?}");
    }
}

#[test]
fn another_account_of_the_same_name_gets_no_mail_s_220() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    let directory = house.directory();
    assert_eq!(block_on(directory.prove(&bound_alice(b"u-1"), &wonderland())), Finding::Right(None));
    let tries = server.binds().len();
    let finding = block_on(directory.prove(&bound_alice(b"u-0"), &wonderland()));
    let Finding::Wrong(reason) = &finding else { panic!("{finding:?}") };
    assert!(reason.contains("another account"), "{reason}");
    assert!(reason.contains("\"poppet account alice@home.lan 'alice@home.lan'\" binds it"), "{reason}");
    assert!(!reason.contains("remove"), "that would take his mail away: {reason}");
    assert_eq!(server.binds().len(), tries, "his password is not even tried");
}

#[test]
fn an_identity_that_can_no_longer_be_read_is_nobodys_wrong_password_s_220() {
    let server = Server::start(None, |deed, id| match deed {
        Deed::Search(..) => Act::Say([say::entry(id, ALICE, &[]), say::searched(id, 0)].concat()),
        deed => well(deed, id),
    });
    let house = House::new(&[&server]);
    let directory = house.directory();
    assert_eq!(block_on(directory.prove(&alice(), &wonderland())), Finding::Right(None));
    let finding = block_on(directory.prove(&bound_alice(b"u-1"), &wonderland()));
    assert!(matches!(finding, Finding::Unavailable(_)), "{finding:?}");
}

#[test]
fn an_account_is_found_before_a_mailbox_is_made_for_it() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    let account = Account { name: "alice@home.lan".into(), identity: b"u-1".to_vec() };
    assert_eq!(block_on(house.directory().find(&alice())), Ok(account.clone()));
    let person = Person { account: Account::named("HOME\\asmith"), ..alice() };
    let named = Account { name: "HOME\\asmith".into(), ..account };
    assert_eq!(block_on(house.directory().find(&person)), Ok(named));
    let names = Names { address: String::new(), user: "asmith".into(), domain: String::new() };
    let filter = Filter::parse("(|(sAMAccountName={user})(uid={user}))").unwrap().fill(&names);
    assert!(server.deeds().contains(&Deed::Search(1, "dc=home".into(), filter)), "{:?}", server.deeds());
}

#[test]
fn a_disabled_account_gets_no_mailbox() {
    let server = Server::start(None, |deed, id| match deed {
        Deed::Search(..) => Act::Say(
            [say::entry(id, ALICE, &[("userAccountControl", b"514")]), say::searched(id, 0)].concat(),
        ),
        deed => well(deed, id),
    });
    let absence = block_on(House::new(&[&server]).directory().find(&alice())).unwrap_err();
    assert!(matches!(&absence, Absence::Refused(text) if text.contains("disabled")), "{absence:?}");
}

#[test]
fn without_a_search_account_a_upn_is_bound_and_looks_itself_up() {
    let server = Server::start(None, |deed, id| match deed {
        Deed::Bind(_, name, password) => {
            let is_right = (&name[..], &password[..]) == ("alice@ad.lan", "wonderland");
            Act::Say(say::bound(id, if is_right { 0 } else { 49 }, ""))
        }
        deed => well(deed, id),
    });
    let house = House::new(&[&server]);
    house.set("directory_account", "");
    house.set("directory_bind", "upn:ad.lan");
    let directory = house.directory();
    assert_eq!(block_on(directory.find(&alice())), Ok(Account::named("alice@home.lan").unwrap()));
    assert_eq!(server.connections(), 0, "nobody is asked who could not tell");
    let account = Account { name: "alice@home.lan".into(), identity: b"u-1".to_vec() };
    assert_eq!(block_on(directory.prove(&alice(), &wonderland())), Finding::Right(Some(account)));
    assert_eq!(block_on(directory.prove(&bound_alice(b"u-1"), &wonderland())), Finding::Right(None));
    assert!(matches!(block_on(directory.prove(&bound_alice(b"u-0"), &wonderland())), Finding::Wrong(_)));
    assert!(matches!(block_on(directory.prove(&alice(), &Secret::new("wrong"))), Finding::Wrong(_)));
    assert_eq!(server.connections(), 4, "a link that a user was bound on is never used again");
    house.set("directory_base", "");
    assert_eq!(block_on(directory.prove(&alice(), &wonderland())), Finding::Right(None), "nowhere to look");
}

#[test]
fn a_template_binds_as_what_it_makes() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    house.set("directory_bind", "dn:cn={user},dc=home");
    assert!(matches!(block_on(house.directory().prove(&alice(), &wonderland())), Finding::Right(Some(_))));
    assert!(server.deeds().iter().any(|deed| matches!(deed, Deed::Search(0, base, _) if base == ALICE)));
    house.set("directory_account", "");
    assert!(matches!(block_on(house.directory().prove(&alice(), &wonderland())), Finding::Right(Some(_))));
}

#[test]
fn without_a_base_the_server_says_where_its_tree_begins() {
    let server = Server::start(None, |deed, id| match deed {
        Deed::Search(_, base, _) if base.is_empty() => {
            let root: [(&str, &[u8]); 1] = [("namingContexts", b"dc=all")];
            Act::Say([say::entry(id, "", &root), say::searched(id, 0)].concat())
        }
        deed => well(deed, id),
    });
    let house = House::new(&[&server]);
    house.set("directory_base", "");
    let directory = house.directory();
    for _ in 0..2 {
        assert!(matches!(block_on(directory.prove(&alice(), &wonderland())), Finding::Right(Some(_))));
    }
    let bases = server.deeds().into_iter().filter_map(|deed| match deed {
        Deed::Search(0, base, _) => Some(base),
        _ => None,
    });
    assert_eq!(bases.collect::<Vec<_>>(), ["", "dc=all", "dc=all"], "it is asked once");
}

/// Who has a certificate was let in by his account's name alone: whoever was given that name later read his mail, and
/// where users are not searched nobody looked at all.
#[test]
fn whoever_has_proved_himself_otherwise_is_looked_for_s_220() {
    let server = Server::start(None, well);
    let house = House::new(&[&server]);
    let admit = |person: &Person| block_on(house.directory().admit(person));
    assert_eq!(admit(&alice()).map(|account| account.identity), Ok(b"u-1".to_vec()));
    assert!(admit(&bound_alice(b"u-1")).is_ok());
    assert!(matches!(admit(&bound_alice(b"u-2")), Err(Absence::Refused(_))));
    house.set("directory_bind", "upn");
    house.set("directory_account", "");
    for person in [alice(), bound_alice(b"u-1")] {
        let Err(Absence::Unavailable(why)) = admit(&person) else { panic!() };
        assert!(why.contains("set directory_account"), "{why}");
    }
}

#[test]
fn an_account_that_is_locked_or_over_is_found_and_not_admitted() {
    for (attribute, value) in [
        ("lockoutTime", "1"),
        ("accountExpires", "1"),
        ("nsAccountLock", "TRUE"),
        ("pwdAccountLockedTime", "0"),
    ] {
        let server = Server::start(None, move |deed, id| match deed {
            Deed::Search(..) => {
                let attributes = [("entryUUID", &b"u-1"[..]), (attribute, value.as_bytes())];
                Act::Say([say::entry(id, ALICE, &attributes), say::searched(id, 0)].concat())
            }
            deed => well(deed, id),
        });
        let house = House::new(&[&server]);
        let directory = house.directory();
        assert!(block_on(directory.find(&alice())).is_ok(), "{attribute}: it gets mail");
        let told = block_on(directory.admit(&bound_alice(b"u-1")));
        assert!(matches!(told, Err(Absence::Refused(_))), "{attribute}: {told:?}");
        let finding = block_on(directory.prove(&bound_alice(b"u-1"), &wonderland()));
        assert_eq!(finding, Finding::Right(None), "{attribute}: of a password the directory judges");
        house.store.clock().learn(UnixTime(u64::MAX));
        let told = block_on(directory.admit(&bound_alice(b"u-1")));
        assert_eq!(told.is_ok(), attribute == "accountExpires", "no end is judged by a suspect clock");
    }
}
