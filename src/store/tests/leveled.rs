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
