//! The device key: 32 octets beside the database or from the service manager's credentials.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::words;

/// The key under which every secret of the database is sealed.
#[derive(Clone)]
pub struct DeviceKey(Zeroizing<[u8; OCTETS]>);

/// Why there is no key; each text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyError(pub String);

impl DeviceKey {
    /// Makes a new key in a file of mode 0600 beside the database (`poppet.redb` gives `poppet.key`):
    /// a temporary name, synced, renamed, the directory synced. Errs if there is one already.
    pub fn create(database: &Path) -> Result<DeviceKey, KeyError> {
        let mut octets = Zeroizing::new([0; OCTETS]);
        SystemRandom::new()
            .fill(&mut *octets)
            .map_err(|_| KeyError("the system gives no random numbers; look at /dev/urandom".into()))?;
        let key = DeviceKey(octets);
        key.store_beside(database)?;
        Ok(key)
    }

    /// Reads `$CREDENTIALS_DIRECTORY/poppet.key` if that is set and there, else the file beside the
    /// database. Refuses a symbolic link, a wrong length, a file that group or others can read, and another owner than
    /// this user and root; root takes the service's, too, as the folder and the database tell.
    pub fn load(database: &Path) -> Result<DeviceKey, KeyError> {
        DeviceKey::load_with(database, std::env::var_os("CREDENTIALS_DIRECTORY"))
    }

    /// Writes this key, read from its recovery words, as [`DeviceKey::create`] does.
    pub fn store_beside(&self, database: &Path) -> Result<(), KeyError> {
        let file = path_beside(database);
        self.store(&file).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => KeyError(format!(
                "there is a key already: {}; move it away if it is damaged or its database is gone",
                file.display()
            )),
            _ => KeyError(format!("{} can't be written: {error}", file.display())),
        })
    }

    /// The key as words on paper: eleven groups of five characters. Whoever reads them has the key.
    pub fn recovery_words(&self) -> String {
        words::write(&self.0)
    }

    /// The key of such words; errs with what is wrong about them.
    pub fn from_recovery_words(words: &str) -> Result<DeviceKey, KeyError> {
        Ok(DeviceKey(Zeroizing::new(words::read(words)?)))
    }

    /// The octets, for deriving subkeys.
    pub(super) fn expose(&self) -> &[u8] {
        &self.0[..]
    }

    #[cfg(test)]
    pub(super) fn from_octets(octets: [u8; OCTETS]) -> DeviceKey {
        DeviceKey(Zeroizing::new(octets))
    }

    fn load_with(database: &Path, credentials: Option<OsString>) -> Result<DeviceKey, KeyError> {
        if let Some(directory) = credentials {
            let file = Path::new(&directory).join("poppet.key");
            match open(&file) {
                // The service manager guards its directory; modes there are its own affair.
                Ok(opened) => return read(opened, &file, database, Guard::ServiceManager),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(&file, error)),
            }
        }
        let file = path_beside(database);
        refuse_open_directory(&directory_of(&file))?;
        match open(&file) {
            Ok(opened) => read(opened, &file, database, Guard::Mode),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(KeyError(format!(
                "the key of this database is missing: put {} back beside it, or {FROM_WORDS}",
                file.display()
            ))),
            Err(error) => Err(unreadable(&file, error)),
        }
    }

    fn store(&self, file: &Path) -> io::Result<()> {
        let temporary = file.with_extension(format!("key.{}", std::process::id()));
        let result = self.store_through(&temporary, file);
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    fn store_through(&self, temporary: &Path, file: &Path) -> io::Result<()> {
        // A leftover of a process of the same number holds no key that anybody uses.
        let _ = fs::remove_file(temporary);
        let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
        opened.write_all(&self.0[..])?;
        opened.sync_all()?;
        rename_to_new(temporary, file)?;
        File::open(directory_of(file))?.sync_all()
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DeviceKey")
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for KeyError {}

/// What keeps strangers from the file.
#[derive(PartialEq)]
enum Guard {
    Mode,
    ServiceManager,
}

fn path_beside(database: &Path) -> PathBuf {
    database.with_extension("key")
}

fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Without O_NONBLOCK a named pipe in the key's place would hang the start.
fn open(file: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(file)
}

fn unreadable(file: &Path, error: io::Error) -> KeyError {
    let user = rustix::process::geteuid().as_raw();
    let is_own = fs::symlink_metadata(file).is_ok_and(|facts| facts.uid() == user);
    let file = file.display();
    if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
        return KeyError(format!("{file} is a symbolic link: put the key itself there"));
    }
    if error.kind() == io::ErrorKind::PermissionDenied && is_own {
        return KeyError(format!("{file} can't be read even by its owner: \"chmod 600 {file}\""));
    }
    if error.kind() == io::ErrorKind::PermissionDenied {
        return KeyError(format!(
            "{file} can't be read by this user: run poppet as its owner, or \"chown\" it to the service's user"
        ));
    }
    KeyError(format!("{file} can't be read: {error}"))
}

/// Checks the file that is open, so that nobody can change it between the check and the reading.
fn read(mut opened: File, file: &Path, database: &Path, guard: Guard) -> Result<DeviceKey, KeyError> {
    let facts = opened.metadata().map_err(|error| unreadable(file, error))?;
    let user = rustix::process::geteuid().as_raw();
    let path = file;
    let file = file.display();
    if !facts.is_file() {
        return Err(KeyError(format!("{file} is no file: put the key there")));
    }
    if facts.uid() != user
        && facts.uid() != 0
        && let Some(stranger) = stranger(path, database, facts.uid())
    {
        return Err(stranger);
    }
    if guard == Guard::Mode && facts.mode() & 0o077 != 0 {
        return Err(KeyError(format!("others can read or change the key: \"chmod 600 {file}\"")));
    }
    let mut octets = Zeroizing::new([0; OCTETS + 1]);
    let mut length = 0;
    while length < octets.len() {
        match opened.read(&mut octets[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(KeyError(format!("{file} can't be read: {error}"))),
        }
    }
    match octets.first_chunk::<OCTETS>() {
        Some(key) if length == OCTETS => Ok(DeviceKey(Zeroizing::new(*key))),
        _ => Err(KeyError(format!(
            "{file} is no device key, which has {OCTETS} octets: put the right file back, or move it away and {FROM_WORDS}"
        ))),
    }
}

/// What is wrong about a key of another user; none if it is in place: root administers the service's database, whose key is
/// the service's, in the service's own folder or in root's.
fn stranger(key: &Path, database: &Path, key_owner: u32) -> Option<KeyError> {
    let folder = directory_of(key);
    let owner_of_path = |path: &Path| fs::metadata(path).ok().map(|facts| facts.uid());
    let user = rustix::process::geteuid();
    let (folder_owner, owner) = match owner_of_path(&folder).filter(|_| user.is_root()) {
        None => (None, user.as_raw()),
        Some(uid) => match owner_of_path(database) {
            Some(of_database) => (Some(uid), owner_of(uid, of_database, key_owner)),
            None => (Some(uid), uid),
        },
    };
    if key_owner != owner {
        let file = key.display();
        return Some(KeyError(format!(
            "{file} belongs to user {key_owner}, who could change it: \"chown {owner} {file}\""
        )));
    }
    let stranger = folder_owner.filter(|uid| *uid != owner && *uid != 0)?;
    let folder = folder.display();
    Some(KeyError(format!(
        "{folder} belongs to user {stranger}, who could put another key there: \"chown {owner} {folder}\""
    )))
}

/// The user to whom a database, its key and their folder should belong, by whose they are: what the two files agree on,
/// else the folder's owner. A folder of root's is a place for anybody's files: there it is the database's.
pub fn owner_of(folder: u32, database: u32, key: u32) -> u32 {
    match database == key || folder == 0 {
        true => database,
        false => folder,
    }
}

/// In a directory where everybody may rename, everybody may replace the key (S-262).
fn refuse_open_directory(directory: &Path) -> Result<(), KeyError> {
    match fs::metadata(directory) {
        Ok(facts) if facts.mode() & 0o002 != 0 && facts.mode() & 0o1000 == 0 => Err(KeyError(format!(
            "everybody can change the folder of the key: \"chmod o-w {}\"",
            directory.display()
        ))),
        _ => Ok(()),
    }
}

/// Renames without ever replacing a key, as far as the file system can promise that.
fn rename_to_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        result => Ok(result?),
    }
}

/// What to do where the right key is nowhere else.
pub(super) const FROM_WORDS: &str =
    "bring it back from its recovery words: \"poppet setup --recovery-words-stdin\"";
const OCTETS: usize = 32;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::auth::tests::Folder;

    fn mode(file: &Path, mode: u32) {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load_error(folder: &Folder) -> String {
        DeviceKey::load_with(&folder.database(), None).unwrap_err().0
    }

    #[test]
    fn a_new_key_is_found_again_and_readable_by_its_owner_alone() {
        let folder = Folder::new();
        let key = DeviceKey::create(&folder.database()).unwrap();
        assert_eq!(DeviceKey::load_with(&folder.database(), None).unwrap().expose(), key.expose());
        assert_ne!(key.expose(), [0; 32]);
        assert_eq!(fs::metadata(folder.key()).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
        assert_eq!(format!("{key:?}"), "DeviceKey");
    }

    /// The service's user has folder and key; root administers while the server is down.
    #[test]
    fn root_reads_the_key_of_the_service_in_the_services_own_folder_s_262() {
        let folder = Folder::new();
        let key = DeviceKey::create(&folder.database()).unwrap();
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let give = |path: &Path, user| std::os::unix::fs::chown(path, Some(user), None).unwrap();
        give(&folder.key(), 4711);
        assert!(load_error(&folder).contains("belongs to user 4711"));
        give(folder.path(), 4712);
        assert!(load_error(&folder).contains("belongs to user 4711"));
        give(folder.path(), 4711);
        assert_eq!(DeviceKey::load_with(&folder.database(), None).unwrap().expose(), key.expose());
    }

    /// Root was told to take the key for itself, and then the server, which is another user, could not read it.
    #[test]
    fn root_is_told_to_give_the_key_to_whose_the_database_is_s_262() {
        let folder = Folder::new();
        DeviceKey::create(&folder.database()).unwrap();
        fs::write(folder.database(), "").unwrap();
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let (path, database, key) = (folder.path().display(), folder.database(), folder.key());
        for (owners, wanted) in [
            ((4711, 4711, 12345), Some(format!("\"chown 4711 {}\"", key.display()))),
            ((0, 4711, 12345), Some(format!("\"chown 4711 {}\"", key.display()))),
            ((0, 0, 12345), Some(format!("\"chown 0 {}\"", key.display()))),
            ((4712, 4711, 4711), Some(format!("\"chown 4711 {path}\""))),
            ((4711, 12345, 4711), None),
            ((0, 4711, 4711), None),
            ((4711, 4711, 4711), None),
            ((4711, 4711, 0), None),
        ] {
            for (path, owner) in [(folder.path(), owners.0), (&database, owners.1), (&key, owners.2)] {
                std::os::unix::fs::chown(path, Some(owner), None).unwrap();
            }
            let error = DeviceKey::load_with(&database, None).err().map(|error| error.0);
            assert_eq!(error.is_some(), wanted.is_some(), "{owners:?} {error:?}");
            assert!(wanted.is_none_or(|wanted| error.clone().unwrap().ends_with(&wanted)), "{error:?}");
        }
    }

    #[test]
    fn two_of_three_say_whose_a_database_is() {
        for (owners, wanted) in [
            ([7, 7, 8], 7),
            ([7, 8, 7], 7),
            ([8, 7, 7], 7),
            ([7, 8, 9], 7),
            ([0, 7, 7], 7),
            ([0, 7, 0], 7),
            ([0, 0, 7], 0),
            ([0, 7, 8], 7),
        ] {
            assert_eq!(owner_of(owners[0], owners[1], owners[2]), wanted, "{owners:?}");
        }
    }

    #[test]
    fn a_key_is_never_replaced() {
        let folder = Folder::new();
        let key = DeviceKey::create(&folder.database()).unwrap();
        let error = DeviceKey::create(&folder.database()).unwrap_err();
        assert!(error.0.starts_with("there is a key already: "), "{error}");
        assert_eq!(DeviceKey::load_with(&folder.database(), None).unwrap().expose(), key.expose());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn recovery_words_restore_the_key() {
        let (before, after) = (Folder::new(), Folder::new());
        let key = DeviceKey::create(&before.database()).unwrap();
        let restored = DeviceKey::from_recovery_words(&key.recovery_words()).unwrap();
        restored.store_beside(&after.database()).unwrap();
        assert_eq!(fs::read(after.key()).unwrap(), key.expose());
    }

    #[test]
    fn a_missing_key_is_said_with_both_remedies() {
        let folder = Folder::new();
        assert_eq!(
            load_error(&folder),
            format!(
                "the key of this database is missing: put {} back beside it, or {FROM_WORDS}",
                folder.key().display()
            )
        );
    }

    #[test]
    fn a_key_that_others_can_read_or_change_is_refused_with_the_remedy_s_262() {
        let folder = Folder::new();
        DeviceKey::create(&folder.database()).unwrap();
        for bad in [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666, 0o777] {
            mode(&folder.key(), bad);
            let text = load_error(&folder);
            assert!(text.ends_with(&format!("\"chmod 600 {}\"", folder.key().display())), "{bad:o}: {text}");
        }
        for good in [0o600, 0o400, 0o700] {
            mode(&folder.key(), good);
            assert!(DeviceKey::load_with(&folder.database(), None).is_ok(), "{good:o}");
        }
    }

    #[test]
    fn a_folder_that_everybody_can_change_is_refused_s_262() {
        let folder = Folder::new();
        DeviceKey::create(&folder.database()).unwrap();
        mode(folder.path(), 0o777);
        assert!(load_error(&folder).contains("\"chmod o-w "));
        mode(folder.path(), 0o1777);
        assert!(DeviceKey::load_with(&folder.database(), None).is_ok());
    }

    #[test]
    fn wrong_lengths_are_no_key() {
        let folder = Folder::new();
        DeviceKey::create(&folder.database()).unwrap();
        for length in [0, 1, 31, 33, 100_000] {
            fs::write(folder.key(), vec![1; length]).unwrap();
            assert!(load_error(&folder).contains("is no device key"), "{length}");
        }
    }

    #[test]
    fn links_pipes_and_folders_are_no_key() {
        let folder = Folder::new();
        let elsewhere = folder.path().join("elsewhere");
        DeviceKey::create(&elsewhere).unwrap();
        symlink(elsewhere.with_extension("key"), folder.key()).unwrap();
        assert!(load_error(&folder).ends_with("is a symbolic link: put the key itself there"));

        fs::remove_file(folder.key()).unwrap();
        fs::create_dir(folder.key()).unwrap();
        assert!(load_error(&folder).contains("is no file"));

        fs::remove_dir(folder.key()).unwrap();
        let (kind, right) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(CWD, folder.key(), kind, right, 0).unwrap();
        assert!(load_error(&folder).contains("is no file"), "and it doesn't hang");
    }

    #[test]
    fn the_service_manager_s_key_comes_first_whatever_its_mode() {
        let (folder, credentials) = (Folder::new(), Folder::new());
        let beside = DeviceKey::create(&folder.database()).unwrap();
        let given = |folder: &Folder| {
            DeviceKey::load_with(&folder.database(), Some(credentials.path().as_os_str().to_owned()))
        };
        assert_eq!(given(&folder).unwrap().expose(), beside.expose(), "no credential, then the file");

        let credential = credentials.path().join("poppet.key");
        fs::write(&credential, [5; 32]).unwrap();
        mode(&credential, 0o440);
        assert_eq!(given(&folder).unwrap().expose(), [5; 32]);

        fs::remove_file(&credential).unwrap();
        fs::write(&credential, [5; 31]).unwrap();
        assert!(given(&folder).is_err(), "a bad credential is not passed over");
    }
}
