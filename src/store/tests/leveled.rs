//! Settings of a domain and of a mailbox.

use super::*;

fn domain() -> Level {
    Level::Domain("home.lan".parse().unwrap())
}

fn set(store: &Store, level: Level, key: &str, value: Option<&str>) -> Result<(), StoreError> {
    store.set_level(level, key, value).wait()
}

#[test]
fn the_nearest_level_counts_and_is_told_s_c8() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    add(&store, "bob@home.lan");
    let (alice, bob) = (Level::Mailbox(alice()), Level::Mailbox("bob@home.lan".parse().unwrap()));
    let delay = |store: &Store, level: &Level| {
        (store.settings_of(level).login_delay_seconds, store.origin(Some(level), "login_delay"))
    };
    assert_eq!(delay(&store, &alice), (0, Origin::Default));
    store.set_setting("login_delay", Some("10")).wait().unwrap();
    assert_eq!(delay(&store, &alice), (10, Origin::Global));
    set(&store, domain(), "login_delay", Some("20")).unwrap();
    assert_eq!(delay(&store, &alice), (20, Origin::Domain));
    set(&store, alice.clone(), "login_delay", Some("30")).unwrap();
    for is_reopened in [false, true] {
        let store = if is_reopened { folder.reopen(&store, 1_800_000_001) } else { store.clone() };
        assert_eq!(delay(&store, &alice), (30, Origin::Mailbox));
        assert_eq!(delay(&store, &bob), (20, Origin::Domain));
        assert_eq!(delay(&store, &domain()), (20, Origin::Domain));
        assert_eq!(delay(&store, &Level::Domain("a.lan".parse().unwrap())), (10, Origin::Global));
        assert_eq!(store.origin(Some(&alice), "retain"), Origin::Default);
        assert_eq!(store.origin(None, "login_delay"), Origin::Global);
    }
}

#[test]
fn a_mailbox_inherits_what_it_has_not_set_itself() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    set(&store, domain(), "retain", Some("9")).unwrap();
    set(&store, Level::Mailbox(alice()), "login_delay", Some("5")).unwrap();
    let settings = store.settings_for(&alice());
    assert_eq!((settings.retain.to_string(), settings.login_delay_seconds), ("9".into(), 5));
    set(&store, domain(), "retain", None).unwrap();
    assert_eq!(store.settings_for(&alice()).retain.to_string(), "never");
    assert_eq!(store.settings_for(&alice()).login_delay_seconds, 5);
}

#[test]
fn what_has_no_levels_or_is_not_here_is_refused() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    for (level, key, value) in [
        (domain(), "commit", "two-phase"),
        (domain(), "nonsense", "1"),
        (domain(), "login_delay", "86401"),
        (Level::Mailbox(alice()), "retain", "sometimes"),
    ] {
        let refused = set(&store, level, key, Some(value));
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{key} {value}");
    }
    for level in [Level::Domain("a.lan".parse().unwrap()), Level::Mailbox("bob@home.lan".parse().unwrap())] {
        assert!(matches!(set(&store, level, "retain", Some("1")), Err(StoreError::NotFound(_))));
    }
}

#[test]
fn the_levels_of_what_is_removed_go_with_it() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    set(&store, domain(), "login_delay", Some("20")).unwrap();
    set(&store, Level::Mailbox(alice()), "login_delay", Some("30")).unwrap();
    store.remove_domain("home.lan".parse().unwrap()).wait().unwrap();
    assert_eq!(store.settings_of(&domain()).login_delay_seconds, 0);
    assert_eq!(store.policies(), Policies::default());
    add_alice(&store);
    assert_eq!(store.settings_for(&alice()).login_delay_seconds, 0);
}

#[test]
fn policies_are_the_worst_of_all_levels() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    assert_eq!(store.policies(), Policies::default());
    store.set_setting("retain", Some("30")).wait().unwrap();
    set(&store, domain(), "retain", Some("never")).unwrap();
    let policies = store.policies();
    assert_eq!((policies.retain_days, policies.retain_differs), (Some(30), true));
    set(&store, Level::Mailbox(alice()), "retain", Some("60,retrieved:7")).unwrap();
    set(&store, Level::Mailbox(alice()), "login_delay", Some("90")).unwrap();
    assert_eq!(
        store.policies(),
        Policies {
            retain_days: Some(7),
            retain_differs: true,
            login_delay_seconds: 90,
            login_delay_differs: true
        }
    );
}

fn mailbox(text: &str) -> Level {
    Level::Mailbox(text.parse().unwrap())
}

#[test]
fn what_is_final_above_wins_and_what_is_below_waits_c8() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    let (alice, bob) = (mailbox("alice@home.lan"), mailbox("bob@home.lan"));
    set(&store, domain(), "login_delay", Some("20")).unwrap();
    set(&store, alice.clone(), "login_delay", Some("30")).unwrap();
    let told = |store: &Store, level: &Level| {
        let delay = store.settings_of(level).login_delay_seconds;
        (delay, store.origin(Some(level), "login_delay"), store.is_final(Some(level), "login_delay"))
    };
    let reopened = std::cell::Cell::new(1_800_000_000);
    let also_reopened = |store: &Store, wanted: [(u32, Origin, bool); 3]| {
        reopened.set(reopened.get() + 1);
        assert_eq!([domain(), alice.clone(), bob.clone()].map(|level| told(store, &level)), wanted);
        let store = folder.reopen(store, reopened.get());
        assert_eq!([domain(), alice.clone(), bob.clone()].map(|level| told(&store, &level)), wanted);
        store
    };
    store.set_final(Some(domain()), "login_delay", true).wait().unwrap();
    let of_domain = (20, Origin::Domain, true);
    let store = also_reopened(&store, [of_domain; 3]);
    assert!(!store.is_final(None, "login_delay") && !store.is_final(Some(&alice), "retain"));
    assert_eq!(store.policies().login_delay_seconds, 20);
    // The default can be final too.
    store.set_final(None, "login_delay", true).wait().unwrap();
    let store = also_reopened(&store, [(0, Origin::Default, true); 3]);
    assert_eq!(store.policies(), Policies::default());
    store.set_setting("login_delay", Some("10")).wait().unwrap();
    let store = also_reopened(&store, [(10, Origin::Global, true); 3]);
    assert_eq!(store.policies().login_delay_seconds, 10);
    assert!(!store.policies().login_delay_differs);
    // What is taken back to the default is not final any more.
    store.set_setting("login_delay", None).wait().unwrap();
    let store = also_reopened(&store, [of_domain; 3]);
    store.set_final(Some(domain()), "login_delay", false).wait().unwrap();
    let of_alice = (30, Origin::Mailbox, false);
    let store = also_reopened(&store, [(20, Origin::Domain, false), of_alice, (20, Origin::Domain, false)]);
    store.set_final(Some(domain()), "login_delay", true).wait().unwrap();
    set(&store, domain(), "login_delay", None).unwrap();
    also_reopened(&store, [(0, Origin::Default, false), of_alice, (0, Origin::Default, false)]);
}

#[test]
fn what_is_final_can_not_be_set_below() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    store.add_domain("work.lan".parse().unwrap()).wait().unwrap();
    add(&store, "carol@work.lan");
    store.set_final(Some(domain()), "quota", true).wait().unwrap();
    let refused = set(&store, mailbox("alice@home.lan"), "quota", Some("1G")).unwrap_err();
    let line = "quota is final for home.lan: change it there, or make it open for those below";
    assert_eq!(refused, StoreError::Refused(line.into()));
    set(&store, mailbox("carol@work.lan"), "quota", Some("1G")).unwrap();
    set(&store, mailbox("alice@home.lan"), "retain", Some("7")).unwrap();
    set(&store, domain(), "quota", Some("2G")).unwrap();
    assert_eq!(store.settings_for(&alice()).quota.octets, Some(2 << 30));
    store.set_final(None, "quota", true).wait().unwrap();
    let line = "quota is final for all: change it there, or make it open for those below";
    for level in [mailbox("alice@home.lan"), mailbox("carol@work.lan"), domain()] {
        let refused = set(&store, level, "quota", Some("1G"));
        assert_eq!(refused, Err(StoreError::Refused(line.into())));
    }
    let below = store.set_final(Some(Level::Domain("work.lan".parse().unwrap())), "quota", true).wait();
    assert_eq!(below, Err(StoreError::Refused(line.into())));
    // What waits can be taken back, and does no harm where it is.
    set(&store, mailbox("carol@work.lan"), "quota", None).unwrap();
    store.set_final(None, "quota", false).wait().unwrap();
    assert_eq!(store.settings_for(&alice()).quota.octets, Some(2 << 30));
    assert_eq!(store.settings_for(&"carol@work.lan".parse().unwrap()).quota.octets, None);
}

#[test]
fn what_can_not_be_final_is_refused_and_what_is_goes_with_its_domain() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    let set_final = |level, key: &str| store.set_final(level, key, true).wait();
    for (level, key, line) in [
        (None, "commit", "commit counts for all, and is final as it is"),
        (None, "nonsense", "there is no setting \"nonsense\"; \"poppet get\" lists them all"),
        (
            Some(mailbox("alice@home.lan")),
            "quota",
            "quota of alice@home.lan can't be final: there is nothing below a mailbox",
        ),
    ] {
        assert_eq!(set_final(level, key), Err(StoreError::Refused(line.into())));
    }
    let nowhere = set_final(Some(Level::Domain("work.lan".parse().unwrap())), "quota");
    assert!(matches!(nowhere, Err(StoreError::NotFound(_))));
    set_final(Some(domain()), "quota").unwrap();
    set_final(Some(domain()), "retain").unwrap();
    store.remove_domain("home.lan".parse().unwrap()).wait().unwrap();
    assert!(!store.is_final(Some(&domain()), "quota"));
    let store = folder.reopen(&store, 1_800_000_001);
    add_alice(&store);
    for key in ["quota", "retain"] {
        assert!(!store.is_final(Some(&mailbox("alice@home.lan")), key));
    }
    set(&store, mailbox("alice@home.lan"), "quota", Some("1G")).unwrap();
}

/// `set quota 1G --final` was two commits: a power cut between them left a value that others could overrule.
#[test]
fn a_value_and_its_finality_are_one_commit_c8() {
    let folder = Folder::new();
    let store = folder.create();
    add_alice(&store);
    let mailbox = mailbox("alice@home.lan");
    for (level, value, is_final) in [
        (None, Some("1G"), true),
        (None, Some("2G"), false),
        (Some(domain()), Some("3G"), true),
        (Some(domain()), Some("4G"), false),
        (Some(mailbox.clone()), Some("5G"), false),
        (Some(domain()), None, false),
        (None, None, false),
    ] {
        let before = store.wear().commits;
        store.assign(level.clone(), "quota", value, is_final).wait().unwrap();
        assert_eq!(store.wear().commits, before + 1, "{level:?} {value:?}");
        assert_eq!(store.is_final(level.as_ref(), "quota"), is_final, "{level:?} {value:?}");
    }
    assert_eq!(store.settings_for(&alice()).quota.octets, Some(5 << 30));
    store.assign(None, "quota", Some("6G"), true).wait().unwrap();
    for (level, key, value, is_final) in [
        (Some(domain()), "quota", Some("7G"), true),
        (Some(domain()), "quota", Some("7G"), false),
        (Some(domain()), "quota", None, true),
        (Some(mailbox), "retain", Some("7"), true),
        (Some(domain()), "retain", Some("soon"), true),
        (Some(domain()), "commit", Some("1"), false),
        (None, "commit", Some("1"), true),
        (None, "nonsense", None, false),
    ] {
        let refused = store.assign(level.clone(), key, value, is_final).wait();
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{level:?} {key} {value:?}: {refused:?}");
    }
    let store = folder.reopen(&store, 1_800_000_001);
    assert!(store.is_final(None, "quota") && !store.is_final(Some(&domain()), "retain"));
    assert_eq!(store.settings_for(&alice()).quota.octets, Some(6 << 30));
}
