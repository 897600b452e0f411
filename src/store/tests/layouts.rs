//! A file of layout 1 is brought to this one, once, whole, and back again while nobody has used it (F5).

#[path = "../../../tests/disk/mod.rs"]
mod disk;

use disk::Disk;

use super::*;
use crate::store::layouts;

/// Makes the file as layout 1 had it: no row says which poppet laid it out.
fn make_old(store: &Store) {
    let write = store.change(|transaction| {
        let version = schema::encode(&schema::META, schema::META_SCHEMA, &1_u32)?;
        let mut table = transaction.open_table(schema::META)?;
        table.insert(schema::META_SCHEMA, version.as_slice())?;
        table.remove(schema::META_VERSION)?;
        Ok(())
    });
    write.wait().unwrap();
}

/// The layout, and the rows about it: whether one names a poppet, and from where it was migrated.
fn layout(store: &Store) -> (u32, bool, Option<u32>) {
    let read = |transaction: &ReadTransaction| {
        let table = transaction.open_table(schema::META)?;
        let stored = table.get(schema::META_SCHEMA)?.unwrap();
        let layout = schema::decode(&schema::META, schema::META_SCHEMA, stored.value())?;
        Ok((layout, table.get(schema::META_VERSION)?.is_some(), layouts::unused_since(transaction)?))
    };
    store.ask(read).wait().unwrap()
}

/// A folder with a database of layout 1: alice has three mails, of which one is removed.
fn old_folder() -> (Folder, MailboxId, Snapshot) {
    let folder = Folder::new();
    let store = folder.create();
    let alice = add_alice(&store);
    for body in [&b"one"[..], &[b'2'; 100_000], b"three"] {
        deliver(&store, body, &[alice]).unwrap();
    }
    store.remove_messages(alice, vec![Uid(1)]).wait().unwrap();
    let before = store.snapshot(alice).wait().unwrap();
    make_old(&store);
    store.close();
    (folder, alice, before)
}

fn copy(folder: &Folder) -> PathBuf {
    folder.0.join("poppet.redb.layout-1")
}

#[test]
fn an_older_file_is_migrated_once_and_keeps_every_mail_and_uidl() {
    let (folder, alice, before) = old_folder();
    for _ in 0..2 {
        let store = folder.open().unwrap();
        assert_eq!(layout(&store), (2, true, Some(1)));
        assert_eq!(store.snapshot(alice).wait().unwrap(), before);
        assert!(read_back(&store, alice, Uid(2)).unwrap().unwrap().ends_with(&[b'2'; 100_000]));
        assert!(copy(&folder).is_file(), "it stays until the first change");
        store.close();
    }
    let store = folder.open().unwrap();
    deliver(&store, b"four", &[alice]).unwrap();
    assert_eq!(layout(&store), (2, true, None));
    assert!(!copy(&folder).exists(), "it would lack a mail that was acknowledged");
    assert_eq!(uids(&store, alice), [2, 3, 4]);
}

#[test]
fn a_new_file_has_this_layout_and_no_way_back() {
    let folder = Folder::new();
    let store = folder.create();
    assert_eq!(layout(&store), (schema::SCHEMA, true, None));
    store.close();
    assert_eq!(Store::take_back(&folder.database()), Ok(false));
}

#[test]
fn a_migrated_file_goes_back_as_long_as_nobody_has_used_it_s_345() {
    let (folder, alice, before) = old_folder();
    folder.open().unwrap().close();
    assert_eq!(Store::take_back(&folder.database()), Ok(true));
    assert!(!copy(&folder).exists());
    assert_eq!(Store::take_back(&folder.database()), Ok(true), "that is the older layout");
    // Here again is what it was.
    let store = folder.open().unwrap();
    assert_eq!(layout(&store), (2, true, Some(1)));
    assert_eq!(store.snapshot(alice).wait().unwrap(), before);
    assert!(matches!(Store::take_back(&folder.database()), Err(StoreError::InUse(_))));
    deliver(&store, b"four", &[alice]).unwrap();
    store.close();
    assert_eq!(Store::take_back(&folder.database()), Ok(false));
    assert_eq!(uids(&folder.open().unwrap(), alice), [2, 3, 4]);
}

#[test]
fn a_copy_that_a_killed_process_left_is_removed_or_replaced() {
    let (folder, alice, _) = old_folder();
    std::fs::write(folder.0.join("poppet.redb.layout-1.new"), "half").unwrap();
    std::fs::write(copy(&folder), "of another attempt").unwrap();
    let store = folder.open().unwrap();
    assert!(std::fs::metadata(copy(&folder)).unwrap().len() > 100_000);
    deliver(&store, b"four", &[alice]).unwrap();
    store.close();
    std::fs::write(copy(&folder), "left between commit and removal").unwrap();
    folder.open().unwrap();
    assert!(!copy(&folder).exists());
}

/// A file on a disk without room for a copy of it.
#[derive(Debug)]
struct Narrow(DiskFile, PathBuf);

impl Medium for Narrow {
    fn open(&self) -> Result<Box<dyn redb::StorageBackend>, StoreError> {
        self.0.open()
    }

    fn free_octets(&self) -> u64 {
        self.0.free_octets()
    }

    fn allocated_octets(&self) -> u64 {
        self.0.allocated_octets()
    }

    fn is_in_place(&self) -> Result<(), StoreError> {
        self.0.is_in_place()
    }

    fn drop_cache(&self) {
        self.0.drop_cache();
    }

    fn keep_copy(&self, layout: u32) -> Result<bool, StoreError> {
        crate::store::file::keep_copy(&self.1, layout, 0)
    }

    fn drop_copies(&self) -> Result<(), StoreError> {
        self.0.drop_copies()
    }
}

/// An upgrade was copied, and failed before its commit. The former version took mail for weeks. The next upgrade had no
/// room for a copy, and was taken back: the copy of weeks ago came in the place of all that mail.
#[test]
fn a_copy_of_an_earlier_attempt_never_takes_the_place_of_the_mail_since() {
    for has_room in [true, false] {
        let (folder, alice, _) = old_folder();
        let stale = std::fs::read(folder.database()).unwrap();
        // Opening it migrates it; as the former version had it, it is of layout 1 again.
        let former = folder.open().unwrap();
        deliver(&former, b"of these weeks", &[alice]).unwrap();
        let before = former.snapshot(alice).wait().unwrap();
        make_old(&former);
        former.close();
        std::fs::write(copy(&folder), stale).unwrap();
        let path = folder.database();
        let medium = Narrow(DiskFile::new(&path), path.clone());
        let store = match has_room {
            true => folder.open(),
            false => Store::open_on(Arc::new(medium), &Options::default(), clock()),
        };
        let store = store.unwrap();
        assert_eq!(layout(&store), (2, true, has_room.then_some(1)));
        assert_eq!(copy(&folder).is_file(), has_room);
        store.close();
        drop(store);
        assert_eq!(Store::take_back(&path), Ok(has_room));
        let store = folder.open().unwrap();
        assert_eq!(store.snapshot(alice).wait().unwrap(), before);
    }
}

/// A copy that can't be removed could be taken for the new one.
#[test]
fn what_can_t_be_removed_from_the_copy_s_place_stops_the_migration() {
    let (folder, ..) = old_folder();
    std::fs::create_dir(copy(&folder)).unwrap();
    let error = folder.open().unwrap_err();
    assert!(
        error.to_string().contains("remove the copy") && error.to_string().contains("layout-1"),
        "{error}"
    );
    assert!(Store::take_back(&folder.database()).is_err());
    std::fs::remove_dir(copy(&folder)).unwrap();
    assert_eq!(layout(&folder.open().unwrap()), (2, true, Some(1)));
}

/// The former version serves on: what it takes from now on is not in the copy.
#[test]
fn what_is_taken_back_before_it_was_migrated_keeps_no_copy() {
    let (folder, ..) = old_folder();
    for left in [copy(&folder), folder.0.join("poppet.redb.layout-1.new")] {
        std::fs::write(&left, "of an attempt").unwrap();
        assert_eq!(Store::take_back(&folder.database()), Ok(true));
        assert!(!left.exists(), "{}", left.display());
    }
}

#[test]
fn a_look_at_the_settings_migrates_nothing() {
    let (folder, ..) = old_folder();
    assert_eq!(Store::look(&folder.database()).unwrap().unwrap().reserve_mib, 1);
    assert!(!copy(&folder).exists());
    let store = folder.open().unwrap();
    assert_eq!(layout(&store), (2, true, Some(1)), "only the opening did");
    assert_eq!(Store::look(&folder.database()), Ok(None), "somebody has it open");
    store.close();
    let missing = Store::look(&folder.0.join("none.redb"));
    assert!(matches!(missing, Err(StoreError::NotFound(_))), "{missing:?}");
}

#[test]
fn layouts_that_never_were_are_foreign_and_newer_ones_name_their_poppet_s_305() {
    let folder = Folder::new();
    for (number, wanted) in
        [(0, "not one of poppet"), (3, "layout 3 of 9.8.7, this one knows 2"), (u32::MAX, "9.8.7")]
    {
        let _ = std::fs::remove_file(folder.database());
        let store = folder.create();
        let write = store.change(move |transaction| {
            let version = schema::encode(&schema::META, schema::META_SCHEMA, &number)?;
            let maker = schema::encode(&schema::META, schema::META_VERSION, &"9.8.7")?;
            let mut table = transaction.open_table(schema::META)?;
            table.insert(schema::META_SCHEMA, version.as_slice())?;
            table.insert(schema::META_VERSION, maker.as_slice())?;
            Ok(())
        });
        write.wait().unwrap();
        store.close();
        for error in [folder.open().unwrap_err(), Store::look(&folder.database()).unwrap_err()] {
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}

/// The power goes at each operation of the migration, and the disk tears what was not synced.
#[test]
fn a_migration_that_is_cut_off_leaves_the_older_layout_or_this_one_whole() {
    let disk = Disk::new(Vec::new());
    let store = Store::create_on(Arc::new(disk.clone()), &Options::default(), clock()).unwrap();
    let alice = add_alice(&store);
    deliver(&store, b"one", &[alice]).unwrap();
    let before = store.snapshot(alice).wait().unwrap();
    make_old(&store);
    store.close();
    drop(store);
    let image = disk.image();
    let open = |image: Vec<u8>| {
        let disk = Disk::new(image);
        (disk.clone(), Store::open_on(Arc::new(disk), &Options::default(), clock()))
    };
    let mut random = fastrand::Rng::with_seed(7);
    let (mut older, mut migrated) = (0, 0);
    for operations in 0.. {
        let disk = Disk::new(image.clone());
        disk.cut_in(operations);
        let opened = Store::open_on(Arc::new(disk.clone()), &Options::default(), clock()).is_ok();
        let is_cut = disk.is_cut();
        // What stands then, before anything of this layout is done to it.
        let left = disk.image_after_cut(&mut random);
        let cut = Disk::new(left.clone());
        let medium: Arc<dyn Medium> = Arc::new(cut);
        let engine = engine::Engine::open(medium, Arc::default(), 1 << 20).unwrap();
        match engine.read(layouts::older).unwrap() {
            Some(layout) => {
                assert_eq!(layout, 1);
                assert_eq!(
                    engine.read(layouts::unused_since).unwrap(),
                    None,
                    "after {operations} operations"
                );
                older += 1;
            }
            None => {
                assert_eq!(
                    engine.read(layouts::unused_since).unwrap(),
                    Some(1),
                    "after {operations} operations"
                );
                migrated += 1;
            }
        }
        drop(engine);
        let (_, store) = open(left);
        let store = store.unwrap();
        assert_eq!(layout(&store), (2, true, Some(1)), "after {operations} operations");
        assert_eq!(store.snapshot(alice).wait().unwrap(), before);
        if opened && !is_cut {
            break;
        }
    }
    assert!(older > 3 && migrated > 0, "{older} and {migrated}");
}
