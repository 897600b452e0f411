//! Passwords that the system or a directory knows.

use super::fake::{Fake, is_refused, is_welcome};
use super::proofs::{KINDS, Kind};
use super::*;
use crate::auth::work::Work;
use crate::mail::Account;
use crate::settings::Method;
use crate::store::Lock;

const ELSEWHERE: [Method; 2] = [Method::Local, Method::Directory];

fn unavailable() -> Finding {
    Finding::Unavailable("no server answers".into())
}

#[test]
fn what_is_found_elsewhere_decides_whoever_asks() {
    let rows: [(&str, &str, Option<Finding>, Verdict); 9] = [
        ("alice@home.lan", "wonderland", None, refused(1)),
        ("alice@home.lan", "wrong", None, refused(1)),
        ("nobody@home.lan", "rabbit", None, refused(1)),
        ("alice@home.lan", "rabbit", Some(Finding::Wrong("locked".into())), refused(1)),
        ("alice@home.lan", "rabbit", Some(unavailable()), Verdict::Unavailable),
        ("nobody@home.lan", "rabbit", Some(unavailable()), Verdict::Unavailable),
        ("alice@home.lan", "rabbit", Some(Finding::Busy), Verdict::Busy),
        ("nobody@home.lan", "rabbit", Some(Finding::Busy), Verdict::Busy),
        ("nobody@home.lan", "rabbit", Some(Finding::Right(None)), refused(1)),
    ];
    for method in ELSEWHERE {
        let (house, fake) = House::elsewhere(method);
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")), "{method}");
        for (name, password, finding, expected) in &rows {
            house.forget();
            fake.answer(finding.clone());
            let verdict = house.login(name, password);
            let is_right = match expected {
                Verdict::Refused { .. } => is_refused(&verdict, 1),
                other => verdict == *other,
            };
            assert!(is_right, "{method} {name} {password} {finding:?}: {verdict:?}");
        }
    }
}

/// The same name in the file, in the system and in the directory is one mailbox, and one of them knows its user.
#[test]
fn a_name_belongs_to_the_method_that_is_chosen_and_no_other_is_asked_s_207() {
    let (house, fake) = House::elsewhere(Method::Local);
    for method in ELSEWHERE {
        house.set("auth", method.name());
        house.forget();
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")), "{method}");
        assert!(is_refused(&house.login("alice@home.lan", "wonderland"), 1), "{method}");
        let asked = fake.asked();
        assert!(asked.len() == 2 && asked.iter().all(|(with, ..)| *with == method), "{method} {asked:?}");
    }
    house.set("auth", "file");
    house.forget();
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    assert_eq!(house.login("alice@home.lan", "rabbit"), refused(1));
    assert!(fake.asked().is_empty());
}

#[test]
fn a_stranger_is_asked_about_as_nobody_and_his_password_stays_here_s_167_s_205() {
    for method in ELSEWHERE {
        let (house, fake) = House::elsewhere(method);
        for name in ["nobody@home.lan", "alice@elsewhere.lan", "no address", "decoy@nowhere.invalid"] {
            house.forget();
            house.login(name, "my-password");
            let asked = fake.asked();
            let [(with, person, password)] = &asked[..] else { panic!("{method} {name} {asked:?}") };
            assert_eq!((*with, &person.account), (method, &None));
            assert!(person.address.as_str().starts_with("nobody-"), "{name}");
            assert!(person.address.local_part().len() <= 32, "as long as a system's names may be");
            assert_eq!(*password, Secret::new("xxxxxxxxxxx"));
        }
    }
}

#[test]
fn a_password_of_nothing_is_shown_to_nobody_s_191() {
    for method in ELSEWHERE {
        let (house, fake) = House::elsewhere(method);
        for password in ["", " ", "\t  ", "\0", "\0\0 "] {
            house.forget();
            fake.answer(Some(Finding::Right(None)));
            assert!(is_refused(&house.login("alice@home.lan", password), 1), "{method} {password:?}");
            assert!(is_refused(&house.login("nobody@home.lan", password), 2), "{method} {password:?}");
        }
        assert!(fake.asked().is_empty(), "{method}");
    }
}

#[test]
fn every_question_costs_the_same_whatever_is_wrong_s_167() {
    for method in ELSEWHERE {
        let (house, _) = House::elsewhere(method);
        house.add("dora@home.lan", "explorer");
        house.store.lock_mailbox("dora@home.lan".parse().unwrap(), Lock::All).wait().unwrap();
        house.set("recognise", "all");
        for name in
            ["alice@home.lan", "dora@home.lan", "nobody@home.lan", "alice@elsewhere.lan", "no address"]
        {
            house.forget();
            house.gatekeeper.inner.ledger.take();
            house.login(name, "wrong!");
            assert_eq!(
                house.gatekeeper.inner.ledger.take(),
                [Work::LookUp, Work::Question(6)],
                "{method} {name}"
            );
        }
    }
}

#[test]
fn who_can_t_be_asked_about_is_no_wrong_try_s_196() {
    let (house, fake) = House::elsewhere(Method::Directory);
    fake.answer(Some(unavailable()));
    for number in 0..20 {
        assert_eq!(house.login("alice@home.lan", &number.to_string()), Verdict::Unavailable);
    }
    fake.answer(None);
    assert!(is_refused(&house.login("alice@home.lan", "wrong"), 1));
    let house = House::new();
    house.set("auth", "local");
    assert_eq!(house.login("alice@home.lan", "wonderland"), Verdict::Unavailable, "nobody was introduced");
}

#[test]
fn guesses_slow_the_next_and_who_does_not_wait_is_not_asked_about_s_169_s_175() {
    let (house, fake) = House::elsewhere(Method::Directory);
    for (password, seconds) in [("a", 1), ("b", 2), ("c", 4)] {
        assert!(is_refused(&house.login("alice@home.lan", password), seconds));
    }
    fake.asked();
    assert_eq!(house.login("alice@home.lan", "d"), Verdict::Busy);
    assert_eq!(house.login("alice@home.lan", "rabbit"), Verdict::Busy);
    assert!(fake.asked().is_empty());
}

#[test]
fn guesses_sent_at_once_ask_no_more_than_guesses_one_by_one_s_205() {
    let (house, fake) = House::elsewhere(Method::Directory);
    let guess = |number: usize| {
        let gatekeeper = house.gatekeeper.clone();
        let claim = claim("alice@home.lan", &number.to_string());
        std::thread::spawn(move || block_on(gatekeeper.login(claim, &PEER.into())))
    };
    let verdicts: Vec<_> =
        (0..30).map(guess).collect::<Vec<_>>().into_iter().map(|it| it.join().unwrap()).collect();
    let refused = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Refused { .. })).count();
    assert_eq!(refused, limits::FAILURES_FORGIVEN as usize + 1);
    assert_eq!(fake.asked().len(), refused);
}

#[test]
fn locks_count_as_ever_c2() {
    let (house, _) = House::elsewhere(Method::Local);
    let lock = |lock| house.store.lock_mailbox("alice@home.lan".parse().unwrap(), lock).wait().unwrap();
    for (set, is_locked, is_locked_for_all) in
        [(Lock::Reading, true, false), (Lock::All, true, true), (Lock::Open, false, false)]
    {
        lock(set);
        let Verdict::Welcome(welcome) = house.login("alice@home.lan", "rabbit") else { panic!() };
        assert_eq!((welcome.is_locked, welcome.is_locked_for_all), (is_locked, is_locked_for_all));
        assert!(is_refused(&house.login("alice@home.lan", "wrong"), 1));
        house.forget();
    }
}

#[test]
fn proofs_prove_nothing_where_there_is_no_password_file_and_cost_the_same() {
    for method in ELSEWHERE {
        let (house, fake) = House::elsewhere(method);
        house.set("challenge", "on");
        for kind in KINDS {
            let works = ["alice@home.lan", "nobody@home.lan"].map(|name| {
                house.forget();
                let claim = house.claim(kind, name, "wonderland");
                house.gatekeeper.inner.ledger.take();
                let verdict = block_on(house.gatekeeper.login(claim, &PEER.into()));
                assert!(is_refused(&verdict, 1), "{method} {kind:?} {name}");
                house.gatekeeper.inner.ledger.take()
            });
            assert_eq!(works[0], works[1], "{method} {kind:?}");
        }
        assert!(fake.asked().is_empty());
    }
}

#[test]
fn a_mailbox_is_bound_to_the_account_that_its_user_first_proves_and_to_no_other_s_220() {
    let (house, fake) = House::elsewhere(Method::Directory);
    let account = || house.mailbox("alice@home.lan").account;
    assert_eq!(account(), None);
    assert!(is_refused(&house.login("alice@home.lan", "wrong"), 1));
    assert_eq!(account(), None, "only the right password binds");
    assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
    assert_eq!(account(), Some(Account { name: "alice".into(), identity: b"1".to_vec() }));
    fake.forget_users();
    fake.add("alice", b"2", "rabbit");
    assert!(is_refused(&house.login("alice@home.lan", "rabbit"), 2), "a new user of an old name");
    let named = Account::named("ALICE");
    house
        .store
        .bind_account(house.store.settings().auth, "alice@home.lan".parse().unwrap(), named)
        .wait()
        .unwrap();
    assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
    let bound = Account { name: "ALICE".into(), identity: b"2".to_vec() };
    assert_eq!(account(), Some(bound), "the name as the administrator set it, and whose it is");
}

/// Both mailboxes lead to one account there: who has it gets into the first alone.
#[test]
fn an_account_that_is_another_mailbox_s_opens_no_second_one_s_206() {
    let (house, _) = House::elsewhere(Method::Directory);
    house.store.add_domain("work.lan".parse().unwrap()).wait().unwrap();
    house.add("alice@work.lan", "x");
    assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
    assert!(is_refused(&house.login("alice@work.lan", "rabbit"), 1));
    assert_eq!(house.mailbox("alice@work.lan").account, None);
    assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
}

#[test]
fn elsewhere_nobody_is_recognised_unless_the_administrator_allows_it_a12() {
    for (recognise, questions) in [("file", 3), ("all", 1)] {
        let (house, fake) = House::elsewhere(Method::Directory);
        house.set("recognise", recognise);
        for _ in 0..3 {
            assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
        }
        assert_eq!(fake.asked().len(), questions, "{recognise}");
        fake.answer(Some(unavailable()));
        assert_eq!(is_welcome(&house.login("alice@home.lan", "rabbit")), recognise == "all");
        assert_eq!(house.login("alice@home.lan", "other"), Verdict::Unavailable);
    }
}

#[test]
fn who_is_recognised_is_so_by_one_method_and_account_alone_s_177() {
    let (house, fake) = House::elsewhere(Method::Directory);
    house.set("recognise", "all");
    assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
    fake.answer(Some(unavailable()));
    assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
    house.set("auth", "local");
    assert_eq!(house.login("alice@home.lan", "rabbit"), Verdict::Unavailable);
    house.set("auth", "file");
    assert_eq!(house.login("alice@home.lan", "rabbit"), refused(1));
    assert!(is_welcome(&house.login("alice@home.lan", "wonderland")));
    house.set("auth", "local");
    assert_eq!(house.login("alice@home.lan", "wonderland"), Verdict::Unavailable);
    house.set("auth", "directory");
    house
        .store
        .bind_account(house.store.settings().auth, "alice@home.lan".parse().unwrap(), Account::named("bob"))
        .wait()
        .unwrap();
    assert_eq!(house.login("alice@home.lan", "rabbit"), Verdict::Unavailable, "bound to another account");
}

#[test]
fn a_user_of_the_password_file_is_not_recognised_elsewhere_by_an_empty_record() {
    let (house, fake) = House::elsewhere(Method::Local);
    house.set("recognise", "all");
    house.add("bob@home.lan", "builder");
    for name in ["alice@home.lan", "bob@home.lan"] {
        house.store.set_password(name.parse().unwrap(), Vec::new()).wait().unwrap();
    }
    fake.add("bob", b"2", "builder");
    assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
    assert!(is_refused(&house.login("bob@home.lan", "rabbit"), 1), "an empty record is nobody's mark");
    assert!(is_refused(&house.login("nobody@home.lan", "rabbit"), 2));
}

mod learning {
    use super::*;

    /// alice and bob without passwords of their own; both have one elsewhere.
    fn house(learns: bool) -> (House, Arc<Fake>) {
        let (house, fake) = House::elsewhere(Method::Directory);
        house.set("auth", "file");
        house.store.set_password("alice@home.lan".parse().unwrap(), Vec::new()).wait().unwrap();
        if learns {
            house.set("auth_learn", "directory");
        }
        (house, fake)
    }

    #[test]
    fn a_first_password_is_proved_elsewhere_once_and_counts_here_from_then_on() {
        let (house, fake) = house(true);
        assert!(is_refused(&house.login("alice@home.lan", "wrong"), 1));
        assert!(house.mailbox("alice@home.lan").password.is_empty());
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
        assert_eq!(fake.asked().len(), 2);
        house.forget();
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
        assert!(is_refused(&house.login("alice@home.lan", "wrong"), 1));
        assert!(is_welcome(&house.prove(Kind::Scram, "alice@home.lan", "rabbit")));
        fake.forget_users();
        house.forget();
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")), "the file knows it");
        assert!(fake.asked().is_empty());
    }

    /// Looking was what ended it once: until somebody looked, who lost his password could have another one learnt.
    #[test]
    fn with_the_last_password_learning_ends_by_itself() {
        let (house, fake) = house(true);
        house.add("bob@home.lan", "damage");
        let learns = || house.store.settings().auth_learn;
        house.store.set_password("bob@home.lan".parse().unwrap(), Vec::new()).wait().unwrap();
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
        assert_eq!(learns(), Some(Method::Directory), "bob's is left");
        house.store.set_password("bob@home.lan".parse().unwrap(), vec![1]).wait().unwrap();
        assert_eq!(learns(), None);
        house.store.set_password("alice@home.lan".parse().unwrap(), Vec::new()).wait().unwrap();
        fake.asked();
        house.forget();
        assert!(is_refused(&house.login("alice@home.lan", "rabbit"), 1));
        assert!(fake.asked().is_empty());
        house.set("auth_learn", "directory");
        house.forget();
        assert!(is_welcome(&house.login("alice@home.lan", "rabbit")));
        assert_eq!(learns(), None, "hers was the last");
    }

    #[test]
    fn nothing_is_learnt_from_who_can_not_tell() {
        let (house, fake) = house(true);
        for (finding, verdict) in [(unavailable(), Verdict::Unavailable), (Finding::Busy, Verdict::Busy)] {
            fake.answer(Some(finding));
            assert_eq!(house.login("alice@home.lan", "rabbit"), verdict);
        }
        assert!(house.mailbox("alice@home.lan").password.is_empty());
        assert!(
            is_refused(&house.login("nobody@home.lan", "rabbit"), 1),
            "strangers are held against the decoy"
        );
    }

    #[test]
    fn without_a_word_to_learn_from_a_mailbox_without_a_password_is_shut() {
        let (house, fake) = house(false);
        for (number, password) in [(1, "rabbit"), (2, "")] {
            house.gatekeeper.inner.ledger.take();
            assert_eq!(house.login("alice@home.lan", password), refused(number));
            let work = [Work::LookUp, Work::Opening, Work::Hash(7168, 1)];
            assert_eq!(house.gatekeeper.inner.ledger.take(), work, "as much as for a wrong password");
        }
        for kind in KINDS {
            house.forget();
            assert_eq!(house.prove(kind, "alice@home.lan", ""), refused(1), "{kind:?}");
        }
        assert!(fake.asked().is_empty());
    }

    /// What the power cut left: proven elsewhere, not stored. Or the administrator was faster.
    #[test]
    fn a_password_set_meanwhile_is_never_replaced_by_a_learnt_one() {
        let (house, _) = house(true);
        let mailbox = house.mailbox("alice@home.lan");
        let attempt = house.attempt("alice@home.lan");
        let caller = house.gatekeeper.caller("alice@home.lan", PEER, "password");
        house.set_password("alice@home.lan", "looking-glass");
        let password = Secret::new("rabbit");
        let learnt = block_on(house.gatekeeper.learn(&caller, &mailbox, &password, &attempt));
        assert_eq!(learnt, None, "to be looked at again");
        assert!(is_refused(&house.login("alice@home.lan", "rabbit"), 1));
        assert!(is_welcome(&house.login("alice@home.lan", "looking-glass")));
    }

    #[test]
    fn a_mailbox_of_the_same_name_made_meanwhile_learns_nothing() {
        let (house, _) = house(true);
        let mailbox = house.mailbox("alice@home.lan");
        let attempt = house.attempt("alice@home.lan");
        let caller = house.gatekeeper.caller("alice@home.lan", PEER, "password");
        house.store.remove_mailbox(mailbox.address.clone()).wait().unwrap();
        let mark = house.gatekeeper.fresh_mark();
        house.store.add_mailbox(mailbox.address.clone(), mark, Vec::new()).wait().unwrap();
        let password = Secret::new("rabbit");
        let learnt = block_on(house.gatekeeper.learn(&caller, &mailbox, &password, &attempt));
        assert_eq!(learnt, None);
        assert!(house.mailbox("alice@home.lan").password.is_empty());
    }
}
