//! What is asked of mailboxes by their numbers.

use super::*;

/// Each `RCPT TO:<postmaster>` of a stranger listed every mailbox to find the oldest one, with all the mail that had been
/// removed from each: a hundred thousand rows for a line.
#[test]
fn the_oldest_mailbox_is_found_by_its_record_alone() {
    let folder = Folder::new();
    let store = folder.create();
    assert_eq!(store.oldest_mailbox().wait().unwrap(), None);
    let alice = add_alice(&store);
    add(&store, "aaron@home.lan");
    add(&store, "zoe@home.lan");
    store
        .change(move |transaction| {
            let key = *schema::removed_range(alice).start();
            transaction.open_table(schema::REMOVED)?.insert(key, &b"no tombstone"[..])?;
            Ok(())
        })
        .wait()
        .unwrap();
    assert!(store.mailboxes(None).wait().is_err(), "who looks at what was removed stumbles");
    let found =
        || store.oldest_mailbox().wait().unwrap().map(|(address, is_open)| (address.to_string(), is_open));
    assert_eq!(found(), Some(("alice@home.lan".into(), true)));
    let lock = |name: &str| store.lock_mailbox(name.parse().unwrap(), Lock::All).wait().unwrap();
    lock("alice@home.lan");
    assert_eq!(found(), Some(("aaron@home.lan".into(), true)));
    store.lock_domain("home.lan".parse().unwrap(), Lock::All).wait().unwrap();
    assert_eq!(found(), Some(("alice@home.lan".into(), false)), "with all of them locked, the oldest of all");
}
