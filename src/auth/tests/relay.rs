//! NTLM that Samba's helper found right, or wrong (A7).

use super::fake::{Fake, is_refused, is_welcome};
use super::*;
use crate::mail::Account;
use crate::settings::Method;

/// alice, bob and two called carl; the directory knows them by `HOME\name` and by their local parts.
fn house(method: Method) -> (House, Arc<Fake>) {
    let (house, fake) = House::elsewhere(method);
    house.set("spa", "on");
    house.set("directory_base", "dc=home,dc=lan");
    house.store.add_domain("work.lan".parse().unwrap()).wait().unwrap();
    for address in ["bob@home.lan", "carl@home.lan", "carl@work.lan"] {
        house.add(address, "x");
    }
    fake.add("HOME\\alice", b"1", "rabbit");
    for (name, identity) in [("bob", b"2"), ("carl", b"3")] {
        fake.add(name, identity, "rabbit");
        fake.add(&format!("HOME\\{name}"), identity, "rabbit");
    }
    (house, fake)
}

fn relayed(house: &House, user_name: &str) -> Verdict {
    let claim = Claim { user_name: user_name.into(), proof: Proof::Relayed };
    block_on(house.gatekeeper.login(claim, &PEER.into()))
}

fn whose(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Welcome(welcome) => Some(welcome.address.as_str()),
        _ => None,
    }
}

#[test]
fn whom_samba_names_gets_the_one_mailbox_of_his_account_s_206() {
    for method in [Method::Local, Method::Directory] {
        let (house, fake) = house(method);
        let bind = |address: &str, name: &str, identity: &[u8]| {
            let account = Account { name: name.into(), identity: identity.into() };
            house.store.bind_account(address.parse().unwrap(), Some(account)).wait().unwrap();
        };
        assert_eq!(whose(&relayed(&house, "HOME\\alice")), Some("alice@home.lan"), "{method}: by his name");
        assert_eq!(house.mailbox("alice@home.lan").account.unwrap().identity, b"1", "and bound from then on");
        house.forget();
        assert!(is_refused(&relayed(&house, "HOME\\carl"), 1), "{method}: two have that name");
        bind("carl@work.lan", "CN=Carl", b"3");
        house.forget();
        assert_eq!(whose(&relayed(&house, "HOME\\carl")), Some("carl@work.lan"), "{method}: by identity");
        bind("bob@home.lan", "CN=Robert", b"9");
        house.forget();
        assert!(is_refused(&relayed(&house, "HOME\\bob"), 1), "{method}: bob's mailbox is another account's");
        assert!(is_refused(&relayed(&house, "HOME\\nobody"), 2), "{method}: the directory does not know him");
        fake.add("OTHER\\alice", b"7", "x");
        house.forget();
        assert!(is_refused(&relayed(&house, "OTHER\\alice"), 1), "{method}: another domain's alice");
    }
}

#[test]
fn an_unbound_mailbox_is_nobody_s_who_only_has_its_name_s_206() {
    let (house, fake) = house(Method::Directory);
    fake.add("OTHER\\bob", b"8", "x");
    assert!(is_refused(&relayed(&house, "OTHER\\bob"), 1), "bob@home.lan would be another account's");
    assert_eq!(house.mailbox("bob@home.lan").account, None);
    house.forget();
    assert_eq!(whose(&relayed(&house, "HOME\\bob")), Some("bob@home.lan"));
}

/// The directory is asked for the user alone, so a trusted domain's user would be taken for its own.
#[test]
fn a_user_of_a_trusted_domain_is_nobody_here_unless_a_mailbox_is_bound_to_him_s_206() {
    let (house, fake) = house(Method::Directory);
    fake.add("TRUSTED\\bob", b"2", "x");
    assert!(is_refused(&relayed(&house, "TRUSTED\\bob"), 1));
    let account = Account::named("trusted\\bob");
    house.store.bind_account("bob@home.lan".parse().unwrap(), account).wait().unwrap();
    house.forget();
    assert_eq!(whose(&relayed(&house, "TRUSTED\\bob")), Some("bob@home.lan"));
}

#[test]
fn samba_s_word_counts_only_where_it_was_asked_for() {
    let (house, _) = house(Method::Directory);
    for (auth, spa, is_in) in
        [("directory", "on", true), ("directory", "off", false), ("local", "on", true), ("file", "on", false)]
    {
        house.set("auth", auth);
        house.set("spa", spa);
        house.forget();
        assert_eq!(is_welcome(&relayed(&house, "HOME\\alice")), is_in, "{auth} {spa}");
    }
}

#[test]
fn who_can_t_be_asked_about_is_put_off_s_196() {
    let (house, fake) = house(Method::Directory);
    fake.answer(Some(Finding::Unavailable("no server answers".into())));
    assert_eq!(relayed(&house, "HOME\\alice"), Verdict::Unavailable);
    fake.answer(None);
    house.store.close();
    assert_eq!(relayed(&house, "HOME\\alice"), Verdict::StoreFailed);
}

#[test]
fn a_certificate_must_be_of_whom_samba_names_s_251() {
    let (house, _) = house(Method::Directory);
    let claim = || Claim { user_name: "HOME\\alice".into(), proof: Proof::Relayed };
    for (user, is_in) in [("bob@home.lan", false), ("alice@home.lan", true)] {
        let peer = Peer { certificate: Some(vec![user.parse().unwrap()]), ..PEER.into() };
        house.forget();
        assert_eq!(is_welcome(&block_on(house.gatekeeper.login(claim(), &peer))), is_in, "{user}");
    }
}

#[test]
fn wrong_ntlm_counts_for_the_user_whatever_domain_is_named_s_169() {
    let (house, _) = house(Method::Directory);
    let wrong = |user_name: &str| {
        let proof = Proof::RelayRefused("NT_STATUS_WRONG_PASSWORD".into());
        let claim = Claim { user_name: user_name.into(), proof };
        block_on(house.gatekeeper.login(claim, &PEER.into()))
    };
    for (user_name, seconds) in [("HOME\\bob", 1), ("OTHER\\bob", 2), ("bob@ad.home.lan", 4)] {
        assert!(is_refused(&wrong(user_name), seconds), "{user_name}");
    }
    assert_eq!(wrong("bob"), Verdict::Busy);
    assert_eq!(relayed(&house, "HOME\\bob"), Verdict::Busy, "in parallel to a delay");
    assert_eq!(house.login("bob@home.lan", "rabbit"), Verdict::Busy, "passwords are counted with it");
    assert!(is_welcome(&relayed(&house, "HOME\\alice")));
}
