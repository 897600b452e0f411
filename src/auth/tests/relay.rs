//! NTLM that Samba's helper found right, or wrong (A7).

use std::sync::atomic::Ordering;

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

/// Why NTLM of whom that names would not be shown to the helper.
fn kept(house: &House, told: &str, peer: IpAddr) -> Option<&'static str> {
    match block_on(house.gatekeeper.begin_relay(told, peer)) {
        Showing::Kept(why) => Some(why),
        Showing::Shown(_) => None,
        Showing::PutOff => panic!("{told} from {peer} is put off"),
    }
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
            house
                .store
                .bind_account(house.store.settings().auth, address.parse().unwrap(), Some(account))
                .wait()
                .unwrap();
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
    house
        .store
        .bind_account(house.store.settings().auth, "bob@home.lan".parse().unwrap(), account)
        .wait()
        .unwrap();
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

/// What was shown to the helper counted at the directory, whatever was said here: a guesser went on after he was locked
/// out, until the directory locked its user out, too.
#[test]
fn who_is_locked_out_or_held_is_not_shown_to_the_helper_s_205() {
    let (house, _) = house(Method::Directory);
    house.set("tries", "3");
    house.set("lock_minutes", "10");
    let keeps = |told: &str, peer: IpAddr| kept(&house, told, peer);
    let wrong = |told: &str, from: u8| {
        let proof = Proof::RelayRefused("NT_STATUS_WRONG_PASSWORD".into());
        let peer = IpAddr::from([198, 51, 100, from]);
        block_on(house.gatekeeper.login(Claim { user_name: told.into(), proof }, &peer.into()))
    };
    assert_eq!(keeps("HOME\\bob", PEER), None);
    for (told, from) in [("HOME\\bob", 1), ("OTHER\\BOB ", 2), ("bob@ad.home.lan", 3)] {
        assert!(is_refused(&wrong(told, from), u64::from(1_u8 << (from - 1))), "{told}");
    }
    assert_eq!(keeps("HOME\\bob", PEER), Some(login::IS_LOCKED_OUT));
    assert_eq!(keeps("HOME\\alice", PEER), None);
    house.befriend("bob@home.lan");
    assert_eq!(keeps("HOME\\bob", PEER), None, "he is at home there (S-171)");
    house.set("tries", "0");
    house.forget();
    (0..4).for_each(|_| drop(wrong("HOME\\alice", 1)));
    assert_eq!(keeps("HOME\\alice", [198, 51, 100, 1].into()), Some(login::IS_HELD));
    assert_eq!(keeps("HOME\\alice", PEER), None, "somebody else's haste");
}

/// Wrong tries were counted for the account's name and right ones for the mailbox, so no lockout ever held.
#[test]
fn an_account_with_another_name_than_its_mailbox_is_locked_out_by_its_own_a10() {
    let (house, fake) = house(Method::Directory);
    house.set("tries", "3");
    house.set("lock_minutes", "0");
    fake.add("HOME\\robert", b"7", "x");
    let account = Account { name: "HOME\\robert".into(), identity: b"7".to_vec() };
    house
        .store
        .bind_account(house.store.settings().auth, "bob@home.lan".parse().unwrap(), Some(account))
        .wait()
        .unwrap();
    let wrong = |from: u8| {
        let proof = Proof::RelayRefused("NT_STATUS_WRONG_PASSWORD".into());
        let claim = Claim { user_name: "HOME\\robert".into(), proof };
        block_on(house.gatekeeper.login(claim, &IpAddr::from([198, 51, 100, from]).into()))
    };
    (1..=3).for_each(|from| drop(wrong(from)));
    assert!(kept(&house, "HOME\\robert", PEER).is_some());
    assert!(!is_welcome(&relayed(&house, "HOME\\robert")), "from a network that is new for him");
    block_on(house.gatekeeper.lift_lockout(&"bob@home.lan".parse().unwrap())).unwrap();
    assert_eq!(whose(&relayed(&house, "HOME\\robert")), Some("bob@home.lan"));
    (1..=3).for_each(|from| drop(wrong(from)));
    assert_eq!(kept(&house, "HOME\\robert", PEER), None, "he may be at home");
    assert_eq!(whose(&relayed(&house, "HOME\\robert")), Some("bob@home.lan"), "and is (S-171)");
}

/// With `winbind use default domain` a user of the joined domain is told by his name alone, and had the mail of the
/// machine's own account of that name.
#[test]
fn a_name_without_a_domain_is_no_account_of_this_machine_s_206() {
    let (house, _) = house(Method::Local);
    assert!(is_refused(&relayed(&house, "alice"), 1));
    let (house, _) = self::house(Method::Directory);
    assert_eq!(whose(&relayed(&house, "alice")), Some("alice@home.lan"));
}

/// A directory that does not tell identities names whom it likes: a password was put off then, and NTLM let in.
#[test]
fn an_account_made_anew_under_a_name_is_not_let_in_where_nobody_tells_s_220() {
    let (house, fake) = house(Method::Directory);
    let account = Account { name: "HOME\\bob".into(), identity: b"2".to_vec() };
    house
        .store
        .bind_account(Method::Directory, "bob@home.lan".parse().unwrap(), Some(account))
        .wait()
        .unwrap();
    assert_eq!(whose(&relayed(&house, "HOME\\bob")), Some("bob@home.lan"));
    fake.forget_users();
    fake.add("HOME\\bob", b"", "other");
    assert_eq!(relayed(&house, "HOME\\bob"), Verdict::Unavailable);
}

/// Fifty guesses sent at once were all shown to the helper: each was looked at before the first had failed.
#[test]
fn guesses_sent_at_once_are_shown_one_by_one_until_they_are_too_many_s_205() {
    let (house, _) = house(Method::Directory);
    let shown = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let guess = |number: usize| {
        let (gatekeeper, shown) = (house.gatekeeper.clone(), Arc::clone(&shown));
        let told = ["HOME\\alice", "OTHER\\ALICE", "alice@home.lan"][number % 3];
        std::thread::spawn(move || match block_on(gatekeeper.begin_relay(told, PEER)) {
            Showing::Shown(relaying) => {
                assert_eq!(shown.fetch_add(1, Ordering::SeqCst), 0, "two are shown at once");
                std::thread::yield_now();
                shown.fetch_sub(1, Ordering::SeqCst);
                relaying.refused("NT_STATUS_WRONG_PASSWORD");
                true
            }
            showing => {
                assert!(matches!(showing, Showing::Kept(login::IS_HELD)), "{showing:?}");
                false
            }
        })
    };
    let guesses: Vec<_> = (0..30).map(guess).collect();
    let count = guesses.into_iter().map(|it| it.join().unwrap()).filter(|is_shown| *is_shown).count();
    assert_eq!(count, limits::FAILURES_FORGIVEN as usize + 1);
}

#[test]
fn one_network_s_strangers_are_shown_few_accounts_at_once_s_170() {
    let (house, _) = house(Method::Directory);
    let begin = |told: &str, peer: IpAddr| block_on(house.gatekeeper.begin_relay(told, peer));
    for told in ["a", "b"] {
        let Showing::Shown(relaying) = begin(told, PEER) else { panic!("{told}") };
        relaying.refused("NT_STATUS_WRONG_PASSWORD");
    }
    assert!(matches!(begin("c", PEER), Showing::PutOff));
    assert!(matches!(begin("c", [198, 51, 100, 1].into()), Showing::Shown(_)));
    house.befriend("bob@home.lan");
    assert!(matches!(begin("c", PEER), Showing::Shown(_)), "where a user is nobody waits for his neighbours");
}

#[test]
fn what_is_counted_already_is_answered_in_its_time_and_counts_no_more_s_169() {
    let (house, _) = house(Method::Directory);
    let Showing::Shown(relaying) = block_on(house.gatekeeper.begin_relay("HOME\\bob", PEER)) else {
        panic!()
    };
    let delay = relaying.refused("NT_STATUS_WRONG_PASSWORD");
    assert_eq!(delay, Duration::from_secs(1));
    let counted = || Claim { user_name: "HOME\\bob".into(), proof: Proof::RelayCounted(delay) };
    for _ in 0..3 {
        let verdict = block_on(house.gatekeeper.login(counted(), &PEER.into()));
        assert_eq!(verdict, Verdict::Refused { delay });
    }
    assert!(is_refused(&house.login("bob@home.lan", "wrong"), 2), "the second, and of the same account");
}
