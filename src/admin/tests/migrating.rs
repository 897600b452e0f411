//! Every mailbox moves, or none does.

use super::*;
use crate::limits;

fn to(method: Method) -> Migrate {
    Migrate { method, directory_password: None, learns: false, is_dry_run: false, is_forced: false }
}

fn run(house: &House, migrate: Migrate) -> Migration {
    match house.act(Command::MigrateAuth(migrate)).unwrap() {
        Answer::Migrated(migration) => migration,
        other => panic!("{other:?}"),
    }
}

/// Alice and bob, both known elsewhere.
fn house() -> House {
    let house = House::with(&["alice@home.lan", "bob@home.lan"]);
    house.set("directory_servers", "ldaps://dc1.home.lan");
    house.crowd.know("alice@home.lan", "HOME\\alice", "1");
    house.crowd.know("bob@home.lan", "HOME\\bob", "2");
    house
}

fn ids(house: &House, names: &[&str]) -> Vec<MailboxId> {
    names.iter().map(|name| house.mailbox(name).unwrap().id).collect()
}

fn rules(migration: &Migration) -> Vec<(String, bool)> {
    assert!(migration.failing.iter().all(|row| !row.remedy.is_empty() && !row.rule.contains('\n')));
    migration.failing.iter().map(|row| (format!("{}: {}", row.mailbox, row.rule), row.is_forcible)).collect()
}

#[test]
fn all_move_with_their_accounts_and_their_sessions_end_a2() {
    for method in [Method::Local, Method::Directory] {
        let house = house();
        let migration = run(&house, to(method));
        assert_eq!((migration.before, migration.is_done, migration.mailboxes), (Method::File, true, 2));
        assert!(migration.failing.is_empty() && migration.passwords.is_empty());
        assert_eq!(house.method(), method);
        assert_eq!(house.known_by("alice@home.lan"), (Some("HOME\\alice".into()), false));
        assert_eq!(house.known_by("bob@home.lan"), (Some("HOME\\bob".into()), false));
        let ended = std::mem::take(&mut *house.sessions.ended.lock().unwrap());
        assert_eq!(ended, ids(&house, &["alice@home.lan", "bob@home.lan"]));
        assert_eq!(house.crowd.take_asked().iter().filter(|(_, key)| key == "alice@home.lan").count(), 1);
    }
}

/// A dry run said nothing, and looked as if each account had been found.
#[test]
fn a_dry_run_tells_what_is_to_be_known_of_the_new_method() {
    let house = house();
    house.set("directory_bind", "upn");
    let dry_run = |method| run(&house, Migrate { is_dry_run: true, ..to(method) });
    let (directory, local) = (dry_run(Method::Directory), dry_run(Method::Local));
    assert!(directory.notes.iter().any(|note| note.contains("Nobody has looked")), "{directory:?}");
    assert!(local.notes.iter().any(|note| note.contains("inside TLS only")), "{local:?}");
    assert_eq!(directory.notes, run(&house, to(Method::Directory)).notes);
    assert_eq!(dry_run(Method::File).notes, [""; 0], "of the old one nothing");
}

#[test]
fn back_to_the_file_each_gets_a_password_that_works() {
    let house = house();
    run(&house, to(Method::Directory));
    let migration = run(&house, to(Method::File));
    assert_eq!((house.method(), migration.to_learn), (Method::File, 0));
    let [(alice, password), (bob, _)] = &migration.passwords[..] else { panic!("{migration:?}") };
    assert_eq!((alice.as_str(), bob.as_str()), ("alice@home.lan", "bob@home.lan"));
    assert_eq!(house.known_by("alice@home.lan"), (None, true));
    let claim = crate::sasl::Claim::password(b"alice@home.lan", password.expose()).unwrap();
    let peer = std::net::IpAddr::from([127, 0, 0, 1]).into();
    let verdict = block_on(house.context.gatekeeper.login(claim, &peer));
    assert!(matches!(verdict, crate::auth::Verdict::Welcome(_)), "{verdict:?}");
    // Again there is nothing to generate.
    assert!(run(&house, to(Method::File)).passwords.is_empty());
}

#[test]
fn with_learn_passwords_wait_for_the_next_logons_and_can_be_generated_after_all() {
    let house = house();
    run(&house, to(Method::Directory));
    let learning = Migrate { learns: true, ..to(Method::File) };
    let migration = run(&house, learning.clone());
    assert_eq!((migration.to_learn, migration.passwords.len()), (2, 0));
    assert_eq!(house.context.store.settings().auth_learn, Some(Method::Directory));
    assert_eq!(house.known_by("alice@home.lan"), (Some("HOME\\alice".into()), false), "by whom it learns");
    house.act(Command::SetPassword { address: address("bob@home.lan"), password: None }).unwrap();
    let bobs = house.mailbox("bob@home.lan").unwrap().password;

    assert_eq!(run(&house, learning).to_learn, 1, "said again it goes on");
    let migration = run(&house, to(Method::File));
    assert_eq!(migration.passwords.len(), 1);
    assert_eq!(house.context.store.settings().auth_learn, None);
    assert_eq!(house.mailbox("bob@home.lan").unwrap().password, bobs, "what he has stays");
    assert!(house.known_by("alice@home.lan").1);
}

#[test]
fn learning_needs_somebody_to_learn_from() {
    let house = house();
    for method in Method::ALL {
        let command = Command::MigrateAuth(Migrate { learns: true, ..to(method) });
        assert_eq!(house.act(command).unwrap_err().kind, Failure::Usage, "{method}");
    }
}

#[test]
fn what_fails_is_told_for_each_and_nothing_changes_a2() {
    let house = House::with(&["alice@home.lan", "alice@work.lan", "bob@home.lan", "carol@home.lan"]);
    house.act(add("j\u{f6}rg@home.lan")).unwrap();
    house.set("directory_servers", "ldaps://dc1.home.lan");
    for (key, name, identity) in
        [("alice@home.lan", "a1", "1"), ("alice@work.lan", "a2", "2"), ("carol@home.lan", "a2", "2")]
    {
        house.crowd.know(key, name, identity);
    }
    let before = house.context.store.users().wait();
    let migration = run(&house, to(Method::Local));
    assert_eq!(
        rules(&migration),
        [
            ("alice@home.lan: alice@work.lan has the same name, and local accounts are known by that alone".into(), false),
            ("bob@home.lan: there is no account bob@home.lan".into(), true),
            ("carol@home.lan: a2 is the account of alice@work.lan, too".into(), false),
            ("j\u{f6}rg@home.lan: no account of the system can have that name".into(), true),
            ("alice@work.lan: alice@home.lan has the same name, and local accounts are known by that alone".into(), false),
        ]
    );
    let migration = run(&house, to(Method::Directory));
    assert_eq!(
        rules(&migration),
        [
            ("bob@home.lan: there is no account bob@home.lan".into(), true),
            ("carol@home.lan: a2 is the account of alice@work.lan, too".into(), false),
            ("j\u{f6}rg@home.lan: there is no account j\u{f6}rg@home.lan".into(), true),
            ("alice@work.lan: a2 is the account of carol@home.lan, too".into(), false),
        ]
    );
    assert!(!run(&house, Migrate { is_forced: true, ..to(Method::Directory) }).is_done);
    assert_eq!((house.context.store.users().wait(), house.method()), (before, Method::File));
    assert!(house.sessions.ended.lock().unwrap().is_empty());
}

#[test]
fn by_force_move_also_those_without_an_account_and_get_it_when_it_is_said_again() {
    let house = house();
    house.act(add("carol@home.lan")).unwrap();
    let forced = Migrate { is_forced: true, ..to(Method::Directory) };
    assert!(!run(&house, to(Method::Directory)).is_done);
    let migration = run(&house, forced);
    assert_eq!((migration.is_done, migration.failing.len()), (true, 1));
    assert_eq!(house.known_by("carol@home.lan"), (None, false));
    assert!(!run(&house, to(Method::Directory)).is_done);
    house.crowd.know("carol@home.lan", "carol", "3");
    house.crowd.take_asked();
    assert!(run(&house, to(Method::Directory)).is_done);
    assert_eq!(house.known_by("carol@home.lan"), (Some("carol".into()), false));
    let asked = house.crowd.take_asked();
    assert!(asked.iter().all(|(_, key)| key != "alice@home.lan"), "who has an account keeps it: {asked:?}");
}

#[test]
fn a_dry_run_changes_nothing_not_even_the_directorys_password() {
    let house = house();
    house.set("directory_account", "cn=poppet");
    let wanted = Answer::DirectoryPasswordWanted { account: "cn=poppet".into() };
    assert_eq!(house.act(Command::MigrateAuth(to(Method::Directory))), Ok(wanted));
    let given = || Some(Secret::new("x"));
    let before = house.context.store.users().wait();
    let dry = Migrate { directory_password: given(), is_dry_run: true, ..to(Method::Directory) };
    let migration = run(&house, dry);
    assert!(!migration.is_done && migration.failing.is_empty());
    let kept = || house.context.store.record(auth::DIRECTORY_PASSWORD).wait().unwrap();
    assert_eq!((kept(), house.context.store.users().wait(), house.method()), (None, before, Method::File));
    house.act(add("carol@home.lan")).unwrap();
    let real = Migrate { directory_password: given(), ..to(Method::Directory) };
    assert!(!run(&house, real.clone()).is_done);
    assert_eq!(kept(), None, "it did not move");
    house.crowd.know("carol@home.lan", "carol", "3");
    assert!(run(&house, real).is_done);
    assert!(kept().is_some());
}

/// A dry run kept the password that was typed for it until its end: whoever pulled the plug meanwhile had a directory
/// that nobody could search any more.
#[test]
fn what_does_not_move_writes_nothing_whatever_password_is_typed() {
    let house = house();
    house.set("directory_account", "cn=poppet");
    let given = || Some(Secret::new("search"));
    house.crowd.know("alice@home.lan", "HOME\\alice", "1");
    let commits = || house.context.store.wear().commits;
    let before = commits();
    let dry_run = Migrate { is_dry_run: true, directory_password: given(), ..to(Method::Directory) };
    assert!(!run(&house, dry_run).is_done);
    house.crowd.fall_silent(Some("its account's password is wrong"));
    let failing = Migrate { directory_password: given(), ..to(Method::Directory) };
    house.refused(Command::MigrateAuth(failing.clone()));
    assert_eq!(commits(), before, "something was written");
    let tried = std::mem::take(&mut *house.crowd.tried.lock().unwrap());
    let is_typed = |sealed: &Option<Vec<u8>>| {
        sealed.as_ref().map(|it| house.context.gatekeeper.unseal(auth::DIRECTORY_PASSWORD, it))
            == Some(given())
    };
    assert_eq!(tried.iter().map(is_typed).collect::<Vec<_>>(), [true, false, true, false]);

    house.crowd.fall_silent(None);
    assert!(run(&house, failing).is_done);
    assert_eq!(commits(), before + 1, "password and method come together");
}

/// `poppet auth file --migrate` said again gives passwords to those who have none; it took those of removed mailboxes.
#[test]
fn a_method_that_is_said_again_takes_nothing_from_removed_mailboxes() {
    let house = house();
    let before = house.mailbox("bob@home.lan").unwrap().password;
    for (method, knows) in
        [(Method::File, (None, true)), (Method::Directory, (Some("HOME\\bob".to_owned()), false))]
    {
        run(&house, to(method));
        house.act(remove("bob@home.lan")).unwrap();
        run(&house, to(method));
        house.act(undelete("bob@home.lan")).unwrap();
        assert_eq!(house.known_by("bob@home.lan"), knows);
        assert_eq!(house.mailbox("bob@home.lan").unwrap().password == before, method == Method::File);
    }
}

/// An administrator broke a migration off, and minutes later the server moved all mailboxes: their passwords were made
/// for nobody.
#[test]
fn for_who_has_hung_up_nothing_moves() {
    for method in [Method::Directory, Method::File] {
        let house = house();
        if method == Method::File {
            run(&house, to(Method::Local));
        }
        let before = (house.method(), house.context.store.users().wait());
        house.context.asker.leave();
        let error = house.act(Command::MigrateAuth(to(method))).unwrap_err();
        assert_eq!(error.kind, Failure::Failed, "{}", error.text);
        assert_eq!((house.method(), house.context.store.users().wait()), before);
    }
}

#[test]
fn an_account_that_was_named_before_counts_and_one_of_another_method_does_not() {
    let house = house();
    house.crowd.know("alicia", "HOME\\alicia", "9");
    let bind = |name: &str, account: Option<Account>| {
        house.context.store.bind_account(house.method(), address(name), account).wait().unwrap();
    };
    bind("alice@home.lan", Account::named("alicia"));
    bind("bob@home.lan", Some(Account { name: "stale".into(), identity: b"1001".to_vec() }));
    assert!(run(&house, to(Method::Directory)).is_done);
    assert_eq!(house.known_by("alice@home.lan").0.as_deref(), Some("HOME\\alicia"));
    assert_eq!(house.known_by("bob@home.lan").0.as_deref(), Some("HOME\\bob"));
    // From one method to the other everybody is looked up anew.
    assert!(run(&house, to(Method::Local)).is_done);
    assert_eq!(house.known_by("alice@home.lan").0.as_deref(), Some("HOME\\alice"));
}

#[test]
fn where_nobody_answers_any_more_few_are_asked_s_197() {
    let names: Vec<String> = (0..40).map(|number| format!("u{number:02}@home.lan")).collect();
    let house = House::empty();
    house.domain("home.lan");
    for name in &names {
        let mark = house.context.gatekeeper.fresh_mark();
        house.context.store.add_mailbox(address(name), mark, vec![1]).wait().unwrap();
    }
    house.set("directory_servers", "ldaps://dc1.home.lan");
    house.crowd.fall_silent(Some("it is down"));
    let text = house.refused(Command::MigrateAuth(to(Method::Directory)));
    assert!(text.contains("it is down") && text.contains("--force"), "{text}");
    assert_eq!(house.crowd.take_asked().len(), 1, "the probe");
    let migration = run(&house, Migrate { is_forced: true, ..to(Method::Directory) });
    assert_eq!((migration.is_done, migration.failing.len()), (true, 40));
    let asked = house.crowd.take_asked().len();
    assert!(asked < 2 * limits::OUTSIDE_QUESTIONS, "{asked}");

    house.crowd.fall_silent(None);
    names.iter().for_each(|name| house.crowd.know(name, name, ""));
    *house.crowd.answers.lock().unwrap() = Some(12);
    let error = house.act(Command::MigrateAuth(to(Method::Local))).unwrap_err();
    assert_eq!(error.kind, Failure::Failed);
    // Eight at once: the third eight are the first of which nobody is answered.
    assert!(error.text.contains("after 24 of 40 mailboxes: it broke down"), "{}", error.text);
    assert_eq!(house.method(), Method::Directory);
}

#[test]
fn removed_mailboxes_do_not_come_back_with_what_counted_before() {
    let house = house();
    house.act(remove("bob@home.lan")).unwrap();
    run(&house, to(Method::Directory));
    let notes = |name: &str| match house.act(undelete(name)).unwrap() {
        Answer::Undeleted { notes, .. } => notes.join("\n"),
        other => panic!("{other:?}"),
    };
    assert_eq!(notes("bob@home.lan"), "");
    assert_eq!(house.known_by("bob@home.lan"), (Some("HOME\\bob".into()), false), "found anew");

    house.act(remove("bob@home.lan")).unwrap();
    run(&house, to(Method::File));
    assert!(notes("bob@home.lan").contains("\"poppet passwd bob@home.lan\""));
    assert_eq!(house.known_by("bob@home.lan"), (None, false));

    house.act(remove("bob@home.lan")).unwrap();
    house.crowd.know("carol@home.lan", "HOME\\bob", "2");
    house.act(add("carol@home.lan")).unwrap();
    assert!(run(&house, to(Method::Local)).is_done);
    assert!(notes("bob@home.lan").contains("HOME\\bob is the account of carol@home.lan"));
    assert_eq!(house.known_by("bob@home.lan"), (None, false));
}
