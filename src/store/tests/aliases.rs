//! Where addresses lead: aliases, lists, catch-alls, alias domains, tags; and what can't be made.

use super::*;
use crate::mail::{Alias, AliasTarget};

pub(super) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(super) fn domain(text: &str) -> Domain {
    text.parse().unwrap()
}

/// A target as it is typed: an address of ours, a domain, or one outside, which has an `!` before it.
pub(super) fn target(text: &str) -> AliasTarget {
    match (text.strip_prefix('!'), text.contains('@')) {
        (Some(outside), _) => AliasTarget::Outside(outside.into()),
        (None, true) => AliasTarget::Address(address(text)),
        (None, false) => AliasTarget::Domain(domain(text)),
    }
}

pub(super) fn set(store: &Store, alias: &str, targets: &[&str]) -> Result<(), StoreError> {
    store.set_alias(alias.parse().unwrap(), targets.iter().map(|text| target(text)).collect()).wait()
}

pub(super) fn remove(store: &Store, alias: &str) -> Result<(), StoreError> {
    store.remove_alias(alias.parse().unwrap()).wait()
}

/// The mailboxes to which an address leads, and behind `>` who gets it elsewhere; `?` for an unknown user, `-` for a
/// foreign domain.
pub(super) fn leads(store: &Store, text: &str) -> String {
    let (here, outside) = match store.resolve(address(text)).wait().unwrap() {
        Resolved::Mailboxes(found) => (found, Vec::new()),
        Resolved::Outside(found, outside) => (found, outside),
        Resolved::UnknownUser => return "?".into(),
        Resolved::ForeignDomain => return "-".into(),
    };
    assert!(!here.is_empty() || !outside.is_empty());
    let here = here.iter().map(|found| found.address.to_string());
    here.chain(outside.iter().map(|it| format!(">{}", it.address))).collect::<Vec<_>>().join(" ")
}

pub(super) fn house(folder: &Folder) -> Store {
    let store = folder.create();
    add_alice(&store);
    add(&store, "bob@home.lan");
    store.add_domain(domain("work.lan")).wait().unwrap();
    add(&store, "carol@work.lan");
    store
}

fn listed(store: &Store, domain: Option<&str>) -> Vec<String> {
    let rows = store.aliases(domain.map(|text| text.parse().unwrap())).wait().unwrap();
    rows.into_iter().map(|row| row.alias.to_string()).collect()
}

#[test]
fn an_alias_leads_to_its_targets_each_once_also_after_reopening() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "info@home.lan", &["alice@home.lan", "carol@work.lan", "alice@home.lan"]).unwrap();
    set(&store, "all@home.lan", &["info@home.lan", "bob@home.lan", "alice@home.lan"]).unwrap();
    set(&store, "work.example", &["work.lan"]).unwrap();
    set(&store, "*@work.lan", &["info@home.lan"]).unwrap();
    for is_reopened in [false, true] {
        let store = if is_reopened { folder.reopen(&store, 1_800_000_001) } else { store.clone() };
        for (sent_to, wanted) in [
            ("alice@home.lan", "alice@home.lan"),
            ("info@home.lan", "alice@home.lan carol@work.lan"),
            ("all@home.lan", "bob@home.lan alice@home.lan carol@work.lan"),
            ("nobody@home.lan", "?"),
            ("info@work.lan", "alice@home.lan carol@work.lan"),
            ("carol@work.lan", "carol@work.lan"),
            ("carol@work.example", "carol@work.lan"),
            ("x@work.example", "alice@home.lan carol@work.lan"),
            ("alice@far.lan", "-"),
        ] {
            let mut found: Vec<String> = leads(&store, sent_to).split(' ').map(str::to_owned).collect();
            let mut wanted: Vec<&str> = wanted.split(' ').collect();
            found.sort();
            wanted.sort_unstable();
            assert_eq!(found, wanted, "{sent_to}");
        }
        assert_eq!(listed(&store, None), ["all@home.lan", "info@home.lan", "work.example", "*@work.lan"]);
        assert_eq!(listed(&store, Some("work.lan")), ["*@work.lan"]);
        assert_eq!(listed(&store, Some("work.example")), ["work.example"]);
        let rows = store.aliases(Some(domain("home.lan"))).wait().unwrap();
        assert_eq!(rows[1].targets, [target("alice@home.lan"), target("carol@work.lan")]);
        assert_eq!(rows[1].created, UnixTime(1_800_000_000));
    }
}

#[test]
fn tags_lead_to_the_user_and_to_nobody_else_s_111() {
    let folder = Folder::new();
    let store = house(&folder);
    add(&store, "bob+own@home.lan");
    set(&store, "info@home.lan", &["alice@home.lan"]).unwrap();
    set(&store, "home.example", &["home.lan"]).unwrap();
    set(&store, "tagged@home.lan", &["bob+list@home.lan"]).unwrap();
    let table = [
        ("bob+x@home.lan", "bob@home.lan"),
        ("bob+@home.lan", "bob@home.lan"),
        ("bob+x+y@home.lan", "bob@home.lan"),
        ("bob+own@home.lan", "bob+own@home.lan"),
        ("bob+own+x@home.lan", "bob@home.lan"),
        ("info+x@home.lan", "alice@home.lan"),
        ("bob+x@home.example", "bob@home.lan"),
        ("info+x@home.example", "alice@home.lan"),
        ("nobody+x@home.lan", "?"),
        ("bobx@home.lan", "?"),
        ("tagged@home.lan", "bob@home.lan"),
    ];
    for (sent_to, wanted) in table {
        assert_eq!(leads(&store, sent_to), wanted, "{sent_to}");
    }
    assert!("+@home.lan".parse::<Address>().is_err());
    store.set_setting("tag_separator", Some("-")).wait().unwrap();
    assert_eq!(leads(&store, "bob-x@home.lan"), "bob@home.lan");
    assert_eq!(leads(&store, "bob+x@home.lan"), "?");
    store.set_setting("tag_separator", Some("off")).wait().unwrap();
    assert_eq!(leads(&store, "bob-x@home.lan"), "?");
    assert_eq!(leads(&store, "bob+own@home.lan"), "bob+own@home.lan");
}

#[test]
fn what_has_vanished_is_passed_over_and_the_catch_all_is_the_last_resort() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "list@home.lan", &["bob@home.lan", "carol@work.lan"]).unwrap();
    set(&store, "only@home.lan", &["bob@home.lan"]).unwrap();
    set(&store, "*@home.lan", &["alice@home.lan"]).unwrap();
    assert_eq!(leads(&store, "nobody@home.lan"), "alice@home.lan");
    assert_eq!(leads(&store, "nobody+x@home.lan"), "alice@home.lan");
    store.remove_mailbox(address("bob@home.lan")).wait().unwrap();
    assert_eq!(leads(&store, "list@home.lan"), "carol@work.lan");
    // Not all that is meant for bob becomes alice's.
    assert_eq!(leads(&store, "only@home.lan"), "?");
    assert_eq!(leads(&store, "bob@home.lan"), "alice@home.lan");
    store.undelete(address("bob@home.lan"), None, false).wait().unwrap();
    assert_eq!(leads(&store, "only@home.lan"), "bob@home.lan");
    remove(&store, "*@home.lan").unwrap();
    assert_eq!(leads(&store, "nobody@home.lan"), "?");
}

#[test]
fn a_destination_tells_its_locks_and_what_it_holds() {
    let folder = Folder::new();
    let store = house(&folder);
    let id = store.mailbox(alice()).wait().unwrap().unwrap().id;
    deliver(&store, b"three", &[id]).unwrap();
    let alice_of = |store: &Store| match store.resolve(alice()).wait().unwrap() {
        Resolved::Mailboxes(found) => found[0].clone(),
        other => panic!("{other:?}"),
    };
    let wanted = Destination { mailbox: id, address: alice(), is_open: true, messages: 1, octets: 12 };
    assert_eq!(alice_of(&store), wanted);
    for (own, of_domain, is_open) in [
        (Lock::Reading, Lock::Reading, true),
        (Lock::All, Lock::Open, false),
        (Lock::Open, Lock::All, false),
        (Lock::All, Lock::All, false),
        (Lock::Open, Lock::Open, true),
    ] {
        store.lock_mailbox(alice(), own).wait().unwrap();
        store.lock_domain(domain("home.lan"), of_domain).wait().unwrap();
        assert_eq!(alice_of(&store), Destination { is_open, ..wanted.clone() }, "{own:?} {of_domain:?}");
    }
}

#[test]
fn aliases_are_refused_with_a_line_that_says_why() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "home.example", &["home.lan"]).unwrap();
    set(&store, "a@home.lan", &["alice@home.lan"]).unwrap();
    set(&store, "b@home.lan", &["a@home.lan"]).unwrap();
    for (alias, targets, kind, line) in [
        (
            "alice@home.lan",
            &["bob@home.lan"][..],
            "exists",
            "alice@home.lan is a mailbox already: an alias needs",
        ),
        ("home.lan", &["work.lan"], "exists", "the domain home.lan exists already"),
        ("x@far.lan", &["bob@home.lan"], "not found", "there is no domain far.lan"),
        ("*@far.lan", &["bob@home.lan"], "not found", "there is no domain far.lan"),
        (
            "x@home.example",
            &["bob@home.lan"],
            "refused",
            "home.example is an alias of home.lan: make the alias",
        ),
        (
            "x@home.lan",
            &["nobody@home.lan"],
            "not found",
            "there is no mailbox or alias nobody@home.lan that x@",
        ),
        ("x@home.lan", &[], "refused", "x@home.lan leads nowhere: name where its mail shall go"),
        (
            "x@home.lan",
            &["work.lan"],
            "refused",
            "x@home.lan can't lead to the domain work.lan: name an address",
        ),
        (
            "*@home.lan",
            &["work.lan"],
            "refused",
            "*@home.lan can't lead to the domain work.lan: name an address",
        ),
        ("far.lan", &["!eve@far.example"], "refused", "far.lan is a domain, having no @: it can lead to"),
        (
            "far.lan",
            &["bob@home.lan"],
            "refused",
            "far.lan is a domain, having no @: it can lead to one domain, as home.lan",
        ),
        ("far.lan", &["home.lan", "work.lan"], "refused", "far.lan is a domain, having no @: it can lead to"),
        ("far.lan", &["near.lan"], "not found", "there is no domain near.lan"),
        (
            "far.lan",
            &["home.example"],
            "refused",
            "home.example is an alias of home.lan itself: let far.lan lead",
        ),
        ("home.example", &["home.example"], "refused", "home.example can't be an alias of itself"),
        (
            "x@home.lan",
            &["x@home.lan"],
            "refused",
            "x@home.lan would lead to itself: take away what leads back",
        ),
        ("x@home.lan", &["x+tag@home.example"], "refused", "x@home.lan would lead to itself: take away what"),
        (
            "a@home.lan",
            &["b@home.lan"],
            "refused",
            "a@home.lan would lead to itself: take away what leads back",
        ),
        ("a@home.lan", &["bob@home.lan", "b@home.lan"], "refused", "a@home.lan would lead to itself: take"),
    ] {
        let error = set(&store, alias, targets).unwrap_err();
        let found = match &error {
            StoreError::Exists(_) => "exists",
            StoreError::NotFound(_) => "not found",
            StoreError::Refused(_) => "refused",
            other => panic!("{other:?}"),
        };
        assert_eq!(found, kind, "{alias}: {error}");
        assert!(error.to_string().starts_with(line), "{alias}: {error}");
    }
    assert_eq!(listed(&store, None), ["home.example", "a@home.lan", "b@home.lan"], "nothing was changed");
    assert_eq!(leads(&store, "a@home.lan"), "alice@home.lan");
    let none = remove(&store, "x@home.lan").unwrap_err();
    assert_eq!(none, StoreError::NotFound("there is no alias x@home.lan".into()));
    assert!(matches!(store.aliases(Some(domain("far.lan"))).wait(), Err(StoreError::NotFound(_))));
}

#[test]
fn names_of_mailboxes_domains_and_aliases_are_one_space() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "info@home.lan", &["alice@home.lan"]).unwrap();
    set(&store, "home.example", &["home.lan"]).unwrap();
    let added = |text: &str| store.add_mailbox(address(text), MailboxMark([9; 16]), Vec::new()).wait();
    let line = |error: StoreError| error.to_string();
    assert!(matches!(added("info@home.lan"), Err(StoreError::Exists(_))));
    assert_eq!(
        line(added("info@home.lan").unwrap_err()),
        "info@home.lan is an alias already: take that away first, or choose another name"
    );
    let at_alias = added("x@home.example").unwrap_err();
    assert!(matches!(at_alias, StoreError::NotFound(_)));
    assert_eq!(line(at_alias), "home.example is an alias of home.lan and has no mailboxes of its own");
    let again = store.add_domain(domain("home.example")).wait().unwrap_err();
    assert!(matches!(again, StoreError::Exists(_)), "{again}");
    // An alias may be given other targets, but can't take a living mailbox's name; a removed one's it can.
    set(&store, "info@home.lan", &["bob@home.lan"]).unwrap();
    assert_eq!(leads(&store, "info@home.lan"), "bob@home.lan");
    store.remove_mailbox(address("bob@home.lan")).wait().unwrap();
    set(&store, "bob@home.lan", &["alice@home.lan"]).unwrap();
    for is_dry_run in [true, false] {
        let taken = store.undelete(address("bob@home.lan"), None, is_dry_run).wait().unwrap_err();
        let line = "bob@home.lan is an alias by now: take that away first, then undelete it again";
        assert_eq!(taken, StoreError::Refused(line.into()));
    }
    remove(&store, "bob@home.lan").unwrap();
    store.undelete(address("bob@home.lan"), None, false).wait().unwrap();
    assert!(store.has_domain(domain("home.example")).wait().unwrap());
    assert_eq!(store.domains().wait().unwrap().len(), 2, "an alias domain is none of its own");
}

#[test]
fn a_removed_domain_takes_its_aliases_with_it_and_those_that_lead_to_it() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "info@home.lan", &["carol@work.lan"]).unwrap();
    set(&store, "*@home.lan", &["carol@work.lan"]).unwrap();
    set(&store, "home.example", &["home.lan"]).unwrap();
    set(&store, "home.lan.example", &["work.lan"]).unwrap();
    set(&store, "list@work.lan", &["alice@home.lan", "carol@work.lan"]).unwrap();
    store.remove_domain(domain("home.lan")).wait().unwrap();
    assert_eq!(listed(&store, None), ["home.lan.example", "list@work.lan"]);
    assert_eq!(leads(&store, "x@home.example"), "-");
    assert_eq!(leads(&store, "list@work.lan"), "carol@work.lan");
    let store = folder.reopen(&store, 1_800_000_001);
    set(&store, "home.lan", &["work.lan"]).unwrap();
    assert_eq!(leads(&store, "carol@home.lan"), "carol@work.lan");
    let alias_by_now = store.undelete(alice(), None, false).wait().unwrap_err();
    let line = "home.lan is an alias of work.lan and has no mailboxes of its own";
    assert_eq!(alias_by_now, StoreError::NotFound(line.into()));
    remove(&store, "home.lan").unwrap();
    store.add_domain(domain("home.lan")).wait().unwrap();
    assert_eq!(leads(&store, "info@home.lan"), "?");
}

#[test]
fn lists_are_held_at_their_edges() {
    let folder = Folder::new();
    let store = house(&folder);
    // One mailbox under as many names as it takes.
    let names = |count: usize| -> Vec<AliasTarget> {
        (0..count).map(|number| target(&format!("bob+{number}@home.lan"))).collect()
    };
    let set_long = |alias: &str, targets| store.set_alias(alias.parse().unwrap(), targets).wait();
    for count in [limits::ALIAS_TARGETS - 1, limits::ALIAS_TARGETS] {
        set_long("long@home.lan", names(count)).unwrap();
    }
    let error = set_long("long@home.lan", names(limits::ALIAS_TARGETS + 1)).unwrap_err();
    let line =
        "long@home.lan would have more than 1000 targets, with those of the aliases it leads to: name fewer";
    assert_eq!(error, StoreError::Refused(line.into()));
    // With those of another list, which counts as one itself.
    assert!(set(&store, "outer@home.lan", &["long@home.lan"]).is_err());
    set_long("long@home.lan", names(limits::ALIAS_TARGETS - 1)).unwrap();
    set(&store, "outer@home.lan", &["long@home.lan"]).unwrap();
    assert_eq!(leads(&store, "outer@home.lan"), "bob@home.lan");
    assert!(set(&store, "outer@home.lan", &["long@home.lan", "alice@home.lan"]).is_err());
    // And where the inner one grows.
    let error = set_long("long@home.lan", names(limits::ALIAS_TARGETS)).unwrap_err();
    assert!(error.to_string().starts_with("outer@home.lan would have more than 1000"), "{error}");
}

#[test]
fn chains_are_held_at_their_edges() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "a1@home.lan", &["alice@home.lan"]).unwrap();
    for depth in 2..=limits::ALIAS_DEPTH {
        let (alias, target) = (format!("a{depth}@home.lan"), format!("a{}@home.lan", depth - 1));
        set(&store, &alias, &[&target]).unwrap();
        assert_eq!(leads(&store, &alias), "alice@home.lan");
    }
    let last = format!("a{}@home.lan", limits::ALIAS_DEPTH);
    let error = set(&store, "more@home.lan", &[&last]).unwrap_err();
    let line = "more@home.lan would lead through more than 10 aliases: let it lead to mailboxes";
    assert_eq!(error, StoreError::Refused(line.into()));
    assert!(set(&store, "*@home.lan", &[&last]).is_err());
    // And where it grows at its other end.
    set(&store, "end@home.lan", &["alice@home.lan"]).unwrap();
    let error = set(&store, "a1@home.lan", &["end@home.lan"]).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{last} would lead through")), "{error}");
    // An alias that is made anew where others lead already.
    remove(&store, "a1@home.lan").unwrap();
    assert_eq!(leads(&store, &last), "?");
    let error = set(&store, "a1@home.lan", &["end@home.lan"]).unwrap_err();
    assert!(error.to_string().starts_with(&format!("{last} would lead through")), "{error}");
    assert!(matches!(set(&store, "a1@home.lan", &[&last]), Err(StoreError::Refused(_))), "a cycle");
    set(&store, "a1@home.lan", &["alice@home.lan"]).unwrap();
    assert_eq!(leads(&store, &last), "alice@home.lan");
}

/// Cycles can't be made, but a file may hold one all the same.
#[test]
fn a_cycle_that_is_found_is_harmless_s_118() {
    let folder = Folder::new();
    let store = house(&folder);
    let put = |alias: &str, targets: &[&str]| {
        let targets: Vec<AliasTarget> = targets.iter().map(|text| target(text)).collect();
        let key = schema::alias_key(&alias.parse::<Alias>().unwrap());
        let record = schema::AliasRecord { targets, created: UnixTime(1) };
        store
            .change(move |transaction| {
                let stored = schema::encode(&schema::ALIASES, key.as_str(), &record)?;
                transaction.open_table(schema::ALIASES)?.insert(key.as_str(), stored.as_slice())?;
                Ok(())
            })
            .wait()
            .unwrap();
    };
    put("a@home.lan", &["b@home.lan", "alice@home.lan"]);
    put("b@home.lan", &["a@home.lan"]);
    put("self@home.lan", &["self@home.lan"]);
    put("one.example", &["two.example"]);
    put("two.example", &["one.example"]);
    put("away@home.lan", &["!eve@far.example", "bob@home.lan"]);
    for (sent_to, wanted) in [
        ("a@home.lan", "alice@home.lan"),
        ("b@home.lan", "alice@home.lan"),
        ("self@home.lan", "?"),
        ("x@one.example", "?"),
        ("away@home.lan", "bob@home.lan >eve@far.example"),
    ] {
        assert_eq!(leads(&store, sent_to), wanted, "{sent_to}");
    }
    for number in 0..limits::ALIAS_DEPTH + 2 {
        put(&format!("c{number}@home.lan"), &[&format!("c{}@home.lan", number + 1), "bob+x@home.lan"]);
    }
    assert_eq!(leads(&store, "c0@home.lan"), "bob@home.lan");
}

#[test]
fn an_alias_that_is_lost_or_changed_is_found_at_the_opening() {
    for damage in [0, 1] {
        let folder = Folder::new();
        let store = house(&folder);
        set(&store, "info@home.lan", &["alice@home.lan"]).unwrap();
        store
            .change(move |transaction| {
                let mut table = transaction.open_table(schema::ALIASES)?;
                match damage {
                    0 => table.remove("home.lan@info")?,
                    _ => table.insert("home.lan@info", &b"something else"[..])?,
                };
                Ok(())
            })
            .wait()
            .unwrap();
        store.close();
        assert!(matches!(folder.open(), Err(StoreError::Damaged(_))), "{damage}");
    }
}

#[test]
fn a_user_may_send_under_what_leads_to_him() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "info@home.lan", &["alice@home.lan", "bob@home.lan"]).unwrap();
    set(&store, "all@home.lan", &["info@home.lan"]).unwrap();
    set(&store, "home.example", &["home.lan"]).unwrap();
    set(&store, "*@work.lan", &["alice@home.lan"]).unwrap();
    for (sender, is_alice, is_bob) in [
        ("alice@home.lan", true, false),
        ("alice+x@home.lan", true, false),
        ("alice@home.example", true, false),
        ("bob@home.lan", false, true),
        ("info@home.lan", true, true),
        ("all@home.example", true, true),
        ("anybody@work.lan", true, false),
        ("carol@work.lan", false, false),
        ("nobody@home.lan", false, false),
        ("alice@far.lan", false, false),
    ] {
        let leads_to = |user: &str| store.leads_to(address(sender), address(user)).wait().unwrap();
        assert_eq!((leads_to("alice@home.lan"), leads_to("bob@home.lan")), (is_alice, is_bob), "{sender}");
        assert!(!leads_to("nobody@home.lan"), "{sender}");
    }
}

/// A catch-all's user could send as `postmaster` and `abuse`, since its mail was asked for like any other name's; but
/// what comes for those goes to the administrator.
#[test]
fn a_catch_all_lends_nobody_the_name_of_a_role_m10() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "home.example", &["home.lan"]).unwrap();
    set(&store, "*@home.lan", &["bob@home.lan"]).unwrap();
    let leads_to = |sender: &str| store.leads_to(address(sender), address("bob@home.lan")).wait().unwrap();
    for domain in ["home.lan", "home.example"] {
        for role in ["postmaster", "abuse", "postmaster+x", "abuse+"] {
            assert!(!leads_to(&format!("{role}@{domain}")), "{role} {domain}");
        }
        assert!(leads_to(&format!("postmasters@{domain}")) && leads_to(&format!("x+abuse@{domain}")));
    }
    set(&store, "abuse@home.lan", &["bob@home.lan"]).unwrap();
    assert!(leads_to("abuse+x@home.example"), "who has the role by its name may send under it");
    assert!(!leads_to("postmaster@home.lan"));
}
