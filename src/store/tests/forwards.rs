//! Where mail goes on to: aliases and mailboxes that lead to addresses elsewhere, and what can't be made (O5).

use super::aliases::{address, domain, house, leads, remove, set, target};
use super::*;
use crate::limits;
use crate::mail::Alias;

fn forward(store: &Store, from: &str, targets: &[&str], keeps_copy: bool) -> Result<(), StoreError> {
    let targets = targets.iter().map(|text| target(text)).collect();
    store.set_forward(address(from), Some(Forward { targets, keeps_copy })).wait()
}

/// Who forwards to whom outside.
fn forwarders(store: &Store, text: &str) -> Vec<String> {
    match store.resolve(address(text)).wait().unwrap() {
        Resolved::Outside(_, outside) => {
            outside.iter().map(|it| format!("{} to {}", it.forwarder, it.address)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn whether_a_target_is_here_is_told_by_its_domain_however_it_is_written() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "x@home.lan", &["eve@far.lan", "!Bob@HOME.lan", "!o'brien@Far.Lan", "!O'Brien@far.lan"])
        .unwrap();
    let rows = store.aliases(None).wait().unwrap();
    let wanted = ["!eve@far.lan", "bob@home.lan", "!o'brien@far.lan", "!O'Brien@far.lan"].map(target);
    assert_eq!(rows[0].targets, wanted);
    assert_eq!(leads(&store, "x@home.lan"), "bob@home.lan >eve@far.lan >o'brien@far.lan >O'Brien@far.lan");
    set(&store, "*@home.lan", &["!a@[192.0.2.1]"]).unwrap();
    assert_eq!(leads(&store, "nobody@home.lan"), ">a@[192.0.2.1]");
    assert_eq!(forwarders(&store, "nobody@home.lan"), ["*@home.lan to a@[192.0.2.1]"]);
    // Once the domain is ours, nobody outside gets its mail; and what was ours goes to no stranger when it is gone.
    store.add_domain(domain("far.lan")).wait().unwrap();
    assert_eq!(leads(&store, "x@home.lan"), "bob@home.lan");
    add(&store, "eve@far.lan");
    assert_eq!(leads(&store, "x@home.lan"), "eve@far.lan bob@home.lan");
    set(&store, "y@home.lan", &["carol@work.lan"]).unwrap();
    store.remove_domain(domain("work.lan")).wait().unwrap();
    assert_eq!(leads(&store, "y@home.lan"), "?");
}

#[test]
fn a_mailbox_forwards_with_a_copy_or_without_one_also_after_reopening() {
    let folder = Folder::new();
    let store = house(&folder);
    forward(&store, "alice@home.lan", &["eve@far.lan", "bob@home.lan"], true).unwrap();
    forward(&store, "carol@work.lan", &["eve@far.lan"], false).unwrap();
    set(&store, "all@home.lan", &["alice@home.lan", "carol@work.lan", "eve@FAR.lan"]).unwrap();
    for is_reopened in [false, true] {
        let store = if is_reopened { folder.reopen(&store, 1_800_000_001) } else { store.clone() };
        assert_eq!(leads(&store, "alice@home.lan"), "alice@home.lan bob@home.lan >eve@far.lan");
        assert_eq!(leads(&store, "alice+tag@home.lan"), "alice@home.lan bob@home.lan >eve@far.lan");
        assert_eq!(leads(&store, "carol@work.lan"), ">eve@far.lan");
        assert_eq!(leads(&store, "all@home.lan"), "alice@home.lan bob@home.lan >eve@far.lan");
        assert_eq!(forwarders(&store, "alice@home.lan"), ["alice@home.lan to eve@far.lan"]);
        assert_eq!(forwarders(&store, "all@home.lan"), ["all@home.lan to eve@far.lan"]);
        let listed = store.forwards().wait().unwrap();
        let names: Vec<&str> = listed.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!(names, ["alice@home.lan", "carol@work.lan"]);
        let kept = Forward { targets: vec![target("!eve@far.lan")], keeps_copy: false };
        assert_eq!(store.forward(address("carol@work.lan")).wait().unwrap(), Some(kept));
        assert_eq!(store.forward(address("bob@home.lan")).wait().unwrap(), None);
        assert_eq!(store.forward(address("nobody@home.lan")).wait().unwrap(), None);
    }
    let store = folder.reopen(&store, 1_800_000_002);
    store.set_forward(alice(), None).wait().unwrap();
    assert_eq!(leads(&store, "alice@home.lan"), "alice@home.lan");
}

#[test]
fn a_forward_goes_and_comes_back_with_its_mailbox() {
    let folder = Folder::new();
    let store = house(&folder);
    forward(&store, "alice@home.lan", &["bob@home.lan"], false).unwrap();
    store.remove_mailbox(alice()).wait().unwrap();
    assert_eq!((leads(&store, "alice@home.lan").as_str(), store.forwards().wait().unwrap().len()), ("?", 0));
    store.undelete(alice(), None, false).wait().unwrap();
    assert_eq!(leads(&store, "alice@home.lan"), "bob@home.lan");
    store.remove_mailbox(alice()).wait().unwrap();
    add(&store, "alice@home.lan");
    assert_eq!(
        leads(&store, "alice@home.lan"),
        "alice@home.lan",
        "a new mailbox of an old name forwards nothing"
    );
}

#[test]
fn mail_stays_where_a_forward_leads_nowhere() {
    let folder = Folder::new();
    let store = house(&folder);
    set(&store, "list@home.lan", &["carol@work.lan"]).unwrap();
    forward(&store, "alice@home.lan", &["list@home.lan"], false).unwrap();
    forward(&store, "bob@home.lan", &["alice@home.lan"], false).unwrap();
    set(&store, "both@home.lan", &["alice@home.lan", "bob@home.lan"]).unwrap();
    assert_eq!(leads(&store, "both@home.lan"), "carol@work.lan");
    store.remove_mailbox(address("carol@work.lan")).wait().unwrap();
    assert_eq!(leads(&store, "alice@home.lan"), "alice@home.lan");
    assert_eq!(leads(&store, "both@home.lan"), "alice@home.lan bob@home.lan");
    // Not because somebody else got it beside her.
    add(&store, "dora@home.lan");
    set(&store, "list2@home.lan", &["dora@home.lan", "alice@home.lan"]).unwrap();
    assert_eq!(leads(&store, "list2@home.lan"), "dora@home.lan alice@home.lan");
    // A cycle that an undelete closes.
    store.undelete(address("carol@work.lan"), None, false).wait().unwrap();
    store.remove_mailbox(alice()).wait().unwrap();
    store.set_forward(address("bob@home.lan"), None).wait().unwrap();
    forward(&store, "carol@work.lan", &["bob@home.lan"], false).unwrap();
    store.undelete(alice(), None, false).wait().unwrap();
    assert_eq!(leads(&store, "alice@home.lan"), "bob@home.lan");
    store.remove_mailbox(alice()).wait().unwrap();
    forward(&store, "bob@home.lan", &["carol@work.lan"], false).unwrap_err();
    forward(&store, "bob@home.lan", &["eve@far.lan"], false).unwrap();
    store.remove_mailbox(address("bob@home.lan")).wait().unwrap();
    add(&store, "bob@home.lan");
    assert_eq!(leads(&store, "carol@work.lan"), "bob@home.lan");
}

#[test]
fn a_mailbox_that_is_locked_for_all_forwards_nothing() {
    let folder = Folder::new();
    let store = house(&folder);
    forward(&store, "alice@home.lan", &["eve@far.lan"], false).unwrap();
    for (own, of_domain, wanted) in [
        (Lock::All, Lock::Open, "alice@home.lan"),
        (Lock::Open, Lock::All, "alice@home.lan"),
        (Lock::Reading, Lock::Reading, ">eve@far.lan"),
        (Lock::Open, Lock::Open, ">eve@far.lan"),
    ] {
        store.lock_mailbox(alice(), own).wait().unwrap();
        store.lock_domain(domain("home.lan"), of_domain).wait().unwrap();
        assert_eq!(leads(&store, "alice@home.lan"), wanted, "{own:?} {of_domain:?}");
    }
}

#[test]
fn who_gets_forwarded_mail_is_not_its_user() {
    let folder = Folder::new();
    let store = house(&folder);
    forward(&store, "alice@home.lan", &["bob@home.lan"], false).unwrap();
    set(&store, "info@home.lan", &["alice@home.lan"]).unwrap();
    let leads_to = |sender: &str, user: &str| store.leads_to(address(sender), address(user)).wait().unwrap();
    assert!(leads_to("alice@home.lan", "alice@home.lan") && leads_to("info@home.lan", "alice@home.lan"));
    assert!(!leads_to("alice@home.lan", "bob@home.lan") && !leads_to("info@home.lan", "bob@home.lan"));
    let found = |name: &str| store.user(Wanted::Address(address(name)));
    let found = found("info@home.lan").wait().unwrap();
    assert_eq!(found.mailbox.map(|mailbox| mailbox.address), Some(alice()));
}

#[test]
fn forwards_are_refused_with_a_line_that_says_why_s_118() {
    let folder = Folder::new();
    let store = house(&folder);
    forward(&store, "bob@home.lan", &["carol@work.lan"], true).unwrap();
    set(&store, "info@home.lan", &["alice@home.lan"]).unwrap();
    for (from, targets, line) in [
        ("nobody@home.lan", &["bob@home.lan"][..], "there is no mailbox nobody@home.lan"),
        ("info@home.lan", &["bob@home.lan"], "there is no mailbox info@home.lan"),
        ("alice@home.lan", &[], "alice@home.lan would forward to nobody: name where"),
        (
            "alice@home.lan",
            &["nobody@home.lan"],
            "there is no mailbox or alias nobody@home.lan that alice@home.lan",
        ),
        (
            "alice@home.lan",
            &["work.lan"],
            "alice@home.lan can't lead to the domain work.lan: name an address",
        ),
        (
            "alice@home.lan",
            &["!eve"],
            "alice@home.lan can't lead to eve: an address has the form name@domain",
        ),
        (
            "alice@home.lan",
            &["alice@home.lan"],
            "alice@home.lan can't forward to itself: leave alice@home.lan out",
        ),
        (
            "alice@home.lan",
            &["alice+x@home.lan"],
            "alice@home.lan can't forward to itself: leave alice+x@home.lan",
        ),
        (
            "alice@home.lan",
            &["!Alice@Home.lan"],
            "alice@home.lan can't forward to itself: leave alice@home.lan",
        ),
        (
            "alice@home.lan",
            &["info@home.lan"],
            "alice@home.lan would lead to itself: take away what leads back",
        ),
        (
            "carol@work.lan",
            &["bob@home.lan"],
            "carol@work.lan would lead to itself: take away what leads back",
        ),
    ] {
        for keeps_copy in [false, true] {
            let error = forward(&store, from, targets, keeps_copy).unwrap_err().to_string();
            assert!(error.starts_with(line), "{from} {targets:?}: {error}");
        }
    }
    assert_eq!(store.forwards().wait().unwrap().len(), 1, "nothing was changed");
    forward(&store, "alice@home.lan", &["eve@far.lan"], true).unwrap();
    set(&store, "list@home.lan", &["bob@home.lan"]).unwrap();
    let cycle = forward(&store, "carol@work.lan", &["list@home.lan"], true).unwrap_err().to_string();
    assert!(cycle.starts_with("carol@work.lan would lead to itself"), "{cycle}");
    forward(&store, "carol@work.lan", &["info@home.lan"], true).unwrap();
    let cycle = set(&store, "info@home.lan", &["bob@home.lan"]).unwrap_err().to_string();
    assert!(cycle.starts_with("info@home.lan would lead to itself"), "{cycle}");
}

#[test]
fn forwards_are_held_at_their_edges() {
    let folder = Folder::new();
    let store = house(&folder);
    let targets = |count| (0..count).map(|number| format!("!u{number}@far.lan")).collect::<Vec<_>>();
    let set_many = |from: &str, count: usize| {
        let targets = targets(count);
        forward(&store, from, &targets.iter().map(String::as_str).collect::<Vec<_>>(), true)
    };
    assert!(set_many("alice@home.lan", limits::FORWARD_TARGETS - 1).is_ok());
    assert!(set_many("alice@home.lan", limits::FORWARD_TARGETS).is_ok());
    let line =
        "alice@home.lan would forward to more than 20 addresses: make an alias of them, and forward to that";
    assert_eq!(
        set_many("alice@home.lan", limits::FORWARD_TARGETS + 1),
        Err(StoreError::Refused(line.into()))
    );
    store.set_forward(alice(), None).wait().unwrap();
    // A chain of forwards, with an alias at its head.
    for number in 0..limits::ALIAS_DEPTH {
        add(&store, &format!("f{number}@home.lan"));
    }
    for number in 1..limits::ALIAS_DEPTH {
        forward(&store, &format!("f{}@home.lan", number - 1), &[&format!("f{number}@home.lan")], false)
            .unwrap();
    }
    let last = format!("f{}@home.lan", limits::ALIAS_DEPTH - 1);
    assert_eq!(leads(&store, "f0@home.lan"), last);
    set(&store, "head@home.lan", &["f0@home.lan"]).unwrap();
    assert_eq!(leads(&store, "head@home.lan"), last);
    let deep = forward(&store, &last, &["eve@far.lan"], true).unwrap_err().to_string();
    assert!(deep.starts_with("head@home.lan would lead through more than 10 aliases"), "{deep}");
    remove(&store, "head@home.lan").unwrap();
    forward(&store, &last, &["eve@far.lan"], true).unwrap();
    let deep = set(&store, "head@home.lan", &["f0@home.lan"]).unwrap_err().to_string();
    assert!(deep.starts_with("head@home.lan would lead through more than 10 aliases"), "{deep}");
    assert_eq!(
        store
            .aliases(None)
            .wait()
            .unwrap()
            .iter()
            .filter(|row| matches!(row.alias, Alias::Address(_)))
            .count(),
        0
    );
}

#[test]
fn targets_elsewhere_are_refused_with_a_line_that_says_why() {
    let folder = Folder::new();
    let store = house(&folder);
    for (targets, line) in [
        (
            &["bob@home.lan", "!eve@far example"][..],
            "x@home.lan can't lead to eve@far example: an address is name@",
        ),
        (&["!eve"], "x@home.lan can't lead to eve: an address has the form name@domain"),
        (&["!o'neil@home.lan"], "there is no mailbox or alias o'neil@home.lan that x@home.lan could lead to"),
        (&["!Nobody@Home.LAN"], "there is no mailbox or alias Nobody@home.lan that x@home.lan could lead to"),
        (&["!x@home.lan"], "x@home.lan would lead to itself: take away what leads back"),
    ] {
        let error = set(&store, "x@home.lan", targets).unwrap_err().to_string();
        assert!(error.starts_with(line), "{targets:?}: {error}");
    }
    assert_eq!(leads(&store, "x@home.lan"), "?");
}
