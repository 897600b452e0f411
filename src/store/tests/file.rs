//! What becomes of the file: made, refused, locked, removed, closed.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;

#[test]
fn files_that_are_not_what_they_should_be_are_refused_with_the_remedy_s_300() {
    let folder = Folder::new();
    let refused = |folder: &Folder| folder.open().unwrap_err().to_string();
    assert!(refused(&folder).contains("poppet setup DOMAIN USER"), "{}", refused(&folder));
    let path = folder.database();

    std::fs::write(&path, "not a database").unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(matches!(folder.open(), Err(StoreError::Foreign(_))));
    std::fs::write(&path, "").unwrap();
    assert!(matches!(folder.open(), Err(StoreError::Foreign(_))), "an empty file is no new database");
    std::fs::remove_file(&path).unwrap();

    redb::Database::create(&path).unwrap().close().unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(matches!(folder.open(), Err(StoreError::Foreign(_))), "redb's, but not ours");
    std::fs::remove_file(&path).unwrap();

    drop(folder.create());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    assert!(refused(&folder).ends_with(&format!("run chmod 600 {}", path.display())));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();

    let other = folder.0.join("other");
    std::fs::hard_link(&path, &other).unwrap();
    assert!(refused(&folder).contains("hard link"));
    std::fs::remove_file(&other).unwrap();
    std::fs::rename(&path, &other).unwrap();
    symlink(&other, &path).unwrap();
    assert!(refused(&folder).contains("symbolic link"));
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(folder.open().is_err());
}

/// The owner of a database of mode 0400 was told that it belonged to another user.
#[test]
fn an_owner_who_may_not_write_is_told_his_chmod_s_300() {
    let folder = Folder::new();
    let path = folder.database();
    std::fs::write(&path, "").unwrap();
    let denial = |mode| {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        crate::store::file::denial(&path)
    };
    for mode in [0o400, 0o200, 0o000] {
        assert!(denial(mode).ends_with(&format!("run chmod 600 {}", path.display())), "{mode:o}");
    }
    assert!(denial(0o600).starts_with("the system forbids it"));
    let user = rustix::process::geteuid();
    if user.is_root() {
        std::os::unix::fs::chown(&path, Some(4711), None).unwrap();
        assert!(denial(0o400).starts_with("it belongs to another user"));
    }
}

/// Whoever had a database that was cut short read of a file_len and a layout_len.
#[test]
fn a_database_without_its_end_is_told_in_plain_words() {
    let folder = Folder::new();
    drop(folder.create());
    let file = std::fs::OpenOptions::new().write(true).open(folder.database()).unwrap();
    for octets in [20_000, 1000] {
        file.set_len(octets).unwrap();
        match folder.open() {
            Err(StoreError::Damaged(text)) => {
                assert!(text.starts_with("the end of the database's file is missing"), "{text}");
                assert!(text.contains("restore a backup") && !text.contains("_len"), "{text}");
            }
            other => panic!("{octets}: {:?}", other.err()),
        }
    }
}

#[test]
fn a_second_opening_is_refused_while_the_first_lasts_s_299() {
    let folder = Folder::new();
    let store = folder.create();
    assert!(matches!(folder.open(), Err(StoreError::InUse(_))));
    assert!(matches!(
        Store::create(&folder.database(), &Options::default(), clock()),
        Err(StoreError::Exists(_))
    ));
    drop(store);
    folder.open().unwrap();
}

#[test]
fn a_creation_that_was_cut_off_is_begun_again_s_281() {
    let folder = Folder::new();
    std::fs::write(folder.0.join("poppet.redb.new"), "half").unwrap();
    drop(folder.create());
    assert_eq!(names(&folder.0), ["poppet.redb"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_file_of_a_newer_poppet_is_refused_s_305() {
    let folder = Folder::new();
    let store = folder.create();
    let newer = store.change(|transaction| {
        let version = schema::encode(&schema::META, schema::META_SCHEMA, &(schema::SCHEMA + 1))?;
        transaction.open_table(schema::META)?.insert(schema::META_SCHEMA, version.as_slice())?;
        Ok(())
    });
    newer.wait().unwrap();
    drop(store);
    let error = folder.open().unwrap_err();
    assert!(matches!(&error, StoreError::NewerSchema(text) if text.contains("newer poppet")), "{error}");
}

#[test]
fn a_database_that_is_removed_while_in_use_takes_no_mail_s_301() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    std::fs::remove_file(folder.database()).unwrap();
    assert!(matches!(deliver(&store, b"lost?", &[alice]), Err(StoreError::Io(_))));
}

/// A backup that was put in the place of the open database: mail went on into the file that had no name any
/// more, and was gone with the restart.
#[test]
fn a_database_that_is_replaced_while_in_use_takes_no_mail_and_is_read_on_s_301() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    let backup = folder.0.join("backup");
    std::fs::copy(folder.database(), &backup).unwrap();
    std::fs::rename(&backup, folder.database()).unwrap();
    let refused = deliver(&store, b"lost?", &[alice]).unwrap_err();
    assert!(matches!(&refused, StoreError::Io(text) if text.contains("replaced")), "{refused}");
    assert_eq!(uids(&store, alice), [0_u32; 0]);
}

#[test]
fn a_closed_store_answers_that_it_is_closed() {
    let folder = Folder::new();
    let store = folder.create();
    store.close();
    assert_eq!(store.domains().wait(), Err(StoreError::Closed));
    assert_eq!(store.add_domain("a.lan".parse().unwrap()).wait(), Err(StoreError::Closed));
    store.close();
}

#[test]
fn neither_numbers_nor_order_go_by_the_clock_s_310() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"first", &[alice]).unwrap();
    let now = store.clock().now();
    drop(store);
    for (at, wanted) in [(now.0 - 3600, 2), (0, 3), (now.0 + 3600, 4), (now.0, 5)] {
        let store = folder.open_at(Clock::fixed(UnixTime(at))).unwrap();
        deliver(&store, b"next", &[alice]).unwrap();
        assert_eq!(uids(&store, alice), (1..=wanted).collect::<Vec<_>>(), "at {at}");
    }
}

#[test]
fn the_clock_learns_the_newest_time_of_the_file_s_312() {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    deliver(&store, b"x", &[alice]).unwrap();
    drop(store);
    let early = Clock::fixed(UnixTime(1000));
    let _store = Store::open(&folder.database(), &Options::default(), early.clone()).unwrap();
    assert!(early.is_suspect());
}
