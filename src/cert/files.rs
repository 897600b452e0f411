//! The files of a certificate that another program renews: read with care, and told from what they were (T3).
//!
//! Links are followed, as certbot's are. What has the key may be read by its owner and a group alone, belongs to root or
//! to the server's user, and lies in no folder where everybody may put another in its place (S-262).

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use ring::digest;
use rustix::fs::{Access, OFlags};

use super::CertError;
use super::fingerprint::Fingerprint;
use super::pair;
use super::watched::Watched;
use crate::limits;
use crate::mail::{Secret, printable};
use crate::sandbox;

/// What tells a file from what it was, without reading it; none for one that is not to be seen.
type Stamp = Option<[i128; 6]>;

/// What both files were like at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps([Stamp; 2]);

/// What stands in both files.
#[derive(Debug)]
pub struct FilePair {
    /// The chain's file; the key may be among it.
    pub chain: Secret,
    /// The key's; none if that is the same file.
    pub key: Option<Secret>,
}

/// Why a file can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    /// This user may not read it.
    Denied(CertError),
    /// Anything else.
    Wrong(CertError),
}

impl Stamps {
    /// Looks at both files, wherever links lead.
    pub fn of(watched: &Watched) -> Stamps {
        Stamps([stamp(Path::new(&watched.chain)), stamp(Path::new(&watched.key))])
    }
}

impl FilePair {
    /// Reads both files. Errs with one line that says what is wrong and what would help.
    pub fn read(watched: &Watched) -> Result<FilePair, Unreadable> {
        let (chain, key) = (Path::new(&watched.chain), Path::new(&watched.key));
        if chain == key {
            return Ok(FilePair { chain: read(chain, Holds::Key)?, key: None });
        }
        Ok(FilePair { chain: read(chain, Holds::Chain)?, key: Some(read(key, Holds::Key)?) })
    }

    /// Tells this pair from others.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut context = digest::Context::new(&digest::SHA256);
        for octets in [Some(&self.chain), self.key.as_ref()].into_iter().flatten() {
            context.update(&(octets.expose().len() as u64).to_be_bytes());
            context.update(octets.expose());
        }
        let mut octets = [0; 32];
        octets.copy_from_slice(context.finish().as_ref());
        Fingerprint(octets)
    }
}

impl Unreadable {
    /// The line for people.
    pub fn text(&self) -> &str {
        let (Unreadable::Denied(CertError(text)) | Unreadable::Wrong(CertError(text))) = self;
        text
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Chain,
    Key,
}

#[cfg(test)]
impl Stamps {
    /// Made up, and another one for each number.
    pub fn of_number(number: i128) -> Stamps {
        Stamps([Some([number; 6]), None])
    }
}

/// The time of the last change of the node tells of new rights, too.
fn stamp(path: &Path) -> Stamp {
    let facts = fs::metadata(path).ok()?;
    let moment =
        |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    Some([
        facts.dev().into(),
        facts.ino().into(),
        facts.len().into(),
        moment(facts.mtime(), facts.mtime_nsec()),
        moment(facts.ctime(), facts.ctime_nsec()),
        facts.mode().into(),
    ])
}

fn read(path: &Path, holds: Holds) -> Result<Secret, Unreadable> {
    // Without O_NONBLOCK a named pipe in its place would hang whoever reads.
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path);
    let opened = opened.map_err(|error| unreadable(path, &error))?;
    let facts = opened.metadata().map_err(|error| unreadable(path, &error))?;
    let shown = shown(path);
    if !facts.is_file() {
        return Err(wrong(format!("{shown} is no file: put the certificate or its key there")));
    }
    let octets = contents(opened).map_err(|error| unreadable(path, &error))?;
    // Rights are a key's matter: who forgot to name its file is to be told that.
    let may_be_key = octets.expose().first() == Some(&DER) || pair::has_key(octets.expose());
    if holds == Holds::Key && may_be_key {
        check_rights(path, &facts)?;
    }
    match octets.expose().len() {
        0 => Err(wrong(format!("{shown} is empty: let the program that renews it write it anew"))),
        length if length > limits::CERTIFICATE_FILE_OCTETS => Err(wrong(format!(
            "{shown} has over {} octets: name the file with this certificate or its key alone",
            limits::CERTIFICATE_FILE_OCTETS
        ))),
        _ => Ok(octets),
    }
}

/// The first octet of a key that is not PEM: a SEQUENCE.
const DER: u8 = 0x30;

/// One octet more than the limit shows that there is more.
fn contents(file: File) -> io::Result<Secret> {
    let most = limits::CERTIFICATE_FILE_OCTETS + 1;
    // Room for all of it from the start: growing would leave pieces of the key behind.
    let mut octets = zeroize::Zeroizing::new(Vec::with_capacity(most));
    file.take(most as u64).read_to_end(&mut octets)?;
    Ok(Secret::new(octets.as_slice()))
}

fn check_rights(path: &Path, facts: &Metadata) -> Result<(), Unreadable> {
    let (shown, user) = (shown(path), rustix::process::geteuid().as_raw());
    if facts.uid() != user && facts.uid() != 0 {
        return Err(wrong(format!(
            "{shown} has the key and belongs to user {}, who could change it: \"chown root {shown}\", or copy it by a \
             hook of the program that renews it",
            facts.uid()
        )));
    }
    if facts.mode() & 0o007 != 0 {
        return Err(wrong(format!("everybody can read or change the key in {shown}: \"chmod o= {shown}\"")));
    }
    // Where it is named, and where links lead.
    let real = path.canonicalize().unwrap_or_default();
    for folder in [path, &real].into_iter().filter_map(Path::parent) {
        let is_open = |facts: Metadata| facts.mode() & 0o002 != 0 && facts.mode() & 0o1000 == 0;
        if fs::metadata(folder).is_ok_and(is_open) {
            let folder = self::shown(folder);
            return Err(wrong(format!("everybody can change the folder of the key: \"chmod o-w {folder}\"")));
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Unreadable {
    let (shown, user) = (shown(path), rustix::process::geteuid().as_raw());
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            // The sandbox is no matter of these rights, and must not hide that they lack.
            let may_read = rustix::fs::access(path, Access::READ_OK).is_ok();
            Unreadable::Denied(CertError(denied(&shown, user, may_read, sandbox::lets_read(path))))
        }
        io::ErrorKind::NotFound => wrong(format!(
            "{shown} is not there: let the program that renews it write it, or name the right file by \"poppet cert \
             watch\""
        )),
        _ => wrong(format!("{shown} can't be read: {error}; put the file there anew")),
    }
}

/// Why a file that is there can't be read: by its rights, or by the sandbox.
fn denied(shown: &str, user: u32, may_read: bool, is_known: bool) -> String {
    if may_read && !is_known {
        return format!("{shown} is {}", sandbox::news());
    }
    let besides = if is_known { String::new() } else { format!("; and it is {}", sandbox::news()) };
    format!(
        "user {user}, as whom poppet runs, can't read {shown}: let a hook of the program that renews it copy both files \
         to a folder of that user, or give them to a group of his, with the folders above{besides}"
    )
}

fn wrong(text: String) -> Unreadable {
    Unreadable::Wrong(CertError(text))
}

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use rustix::fs::{CWD, Mode};

    use super::*;

    /// As much of one as tells it from a certificate.
    const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----";

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let path = std::env::temp_dir().join(format!("poppet-files-{:016x}", fastrand::u64(..)));
            fs::create_dir(&path).unwrap();
            let folder = Folder(path);
            folder.mode("", 0o755);
            folder
        }

        fn put(&self, name: &str, octets: &[u8], mode: u32) {
            fs::write(self.0.join(name), octets).unwrap();
            self.mode(name, mode);
        }

        fn mode(&self, name: &str, mode: u32) {
            fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }

        fn watched(&self) -> Watched {
            let path = |name: &str| self.0.join(name).to_str().unwrap().to_owned();
            Watched { label: "mail".into(), chain: path("chain"), key: path("key"), taken: None }
        }

        fn text(&self) -> String {
            match FilePair::read(&self.watched()) {
                Ok(_) => String::new(),
                Err(why) => why.text().to_owned(),
            }
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// As a renewal leaves them.
    fn folder() -> Folder {
        let folder = Folder::new();
        folder.put("chain", b"chain", 0o644);
        folder.put("key", KEY, 0o600);
        folder
    }

    #[test]
    fn both_files_are_read_and_one_file_may_be_both() {
        let folder = folder();
        let pair = FilePair::read(&folder.watched()).unwrap();
        assert_eq!((pair.chain.expose(), pair.key.unwrap().expose()), (&b"chain"[..], KEY));
        let both = Watched { chain: folder.watched().key, ..folder.watched() };
        let pair = FilePair::read(&both).unwrap();
        assert!(pair.key.is_none() && pair.chain.expose() == KEY);
        folder.mode("key", 0o644);
        assert!(FilePair::read(&both).is_err(), "it has the key");
    }

    #[test]
    fn a_key_that_everybody_can_read_or_change_is_refused_with_the_remedy_s_262() {
        let folder = folder();
        for mode in [0o604, 0o602, 0o601, 0o644, 0o666, 0o777] {
            folder.mode("key", mode);
            let path = folder.watched().key;
            assert!(
                folder.text().ends_with(&format!("in {path}: \"chmod o= {path}\"")),
                "{mode:o}: {}",
                folder.text()
            );
        }
        for mode in [0o600, 0o640, 0o400, 0o660] {
            folder.mode("key", mode);
            assert_eq!(folder.text(), "", "{mode:o}");
        }
    }

    /// Who forgot to name the key's file was told to close the chain's, which had no key.
    #[test]
    fn a_file_without_a_key_may_be_read_by_everybody() {
        let folder = folder();
        for (octets, is_open) in [(&b"chain"[..], true), (b"\x30\x82", false), (KEY, false)] {
            folder.put("key", octets, 0o644);
            assert_eq!(folder.text().is_empty(), is_open, "{octets:?}");
        }
    }

    #[test]
    fn a_folder_that_everybody_can_change_is_refused_wherever_links_lead_s_262() {
        let (folder, archive) = (folder(), folder());
        folder.mode("", 0o777);
        assert!(
            folder.text().ends_with(&format!("\"chmod o-w {}\"", folder.0.display())),
            "{}",
            folder.text()
        );
        folder.mode("", 0o1777);
        assert_eq!(folder.text(), "", "there nobody can rename what is another's");
        folder.mode("", 0o755);
        fs::remove_file(folder.0.join("key")).unwrap();
        symlink(archive.0.join("key"), folder.0.join("key")).unwrap();
        assert_eq!(folder.text(), "", "certbot's are links");
        archive.mode("", 0o777);
        assert!(
            folder.text().ends_with(&format!("\"chmod o-w {}\"", archive.0.display())),
            "{}",
            folder.text()
        );
    }

    #[test]
    fn a_key_of_somebody_else_is_refused_s_262() {
        let folder = folder();
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let stranger = rustix::fs::Uid::from_raw(12_345);
        rustix::fs::chown(folder.0.join("key"), Some(stranger), None).unwrap();
        assert!(folder.text().contains("belongs to user 12345"), "{}", folder.text());
        rustix::fs::chown(folder.0.join("chain"), Some(stranger), None).unwrap();
        rustix::fs::chown(folder.0.join("key"), Some(rustix::fs::Uid::ROOT), None).unwrap();
        assert_eq!(folder.text(), "", "without the key the chain is of no use to him");
    }

    #[test]
    fn what_is_missing_empty_too_long_or_no_file_is_told_in_one_line_s_258() {
        let most = limits::CERTIFICATE_FILE_OCTETS;
        for name in ["chain", "key"] {
            let folder = folder();
            let path = folder.0.join(name);
            let says = |wanted: &str| {
                let text = folder.text();
                assert!(text.starts_with(path.to_str().unwrap()) && text.contains(wanted), "{text}");
                assert_eq!(text.lines().count(), 1, "{text}");
            };
            folder.put(name, b"", 0o600);
            says("is empty");
            for (octets, is_taken) in [(most - 1, true), (most, true), (most + 1, false), (2 * most, false)] {
                folder.put(name, &vec![b'x'; octets], 0o600);
                assert_eq!(folder.text().is_empty(), is_taken, "{octets}");
            }
            says("has over");
            fs::remove_file(&path).unwrap();
            says("is not there");
            symlink("nowhere", &path).unwrap();
            says("is not there");
            fs::remove_file(&path).unwrap();
            symlink(name, &path).unwrap();
            says("can't be read");
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
            says("is no file");
            fs::remove_dir(&path).unwrap();
            // Whoever opened it the usual way would wait for a writer for ever.
            rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::from_raw_mode(0o600), 0)
                .unwrap();
            says("is no file");
        }
    }

    #[test]
    fn each_change_shows_in_the_stamps_even_one_of_rights_s_258() {
        let folder = folder();
        let stamps = || Stamps::of(&folder.watched());
        let mut before = stamps();
        assert_eq!(stamps(), before);
        let changes: [&dyn Fn(); 5] = [
            &|| folder.put("chain", b"longer", 0o644),
            &|| folder.mode("key", 0o640),
            &|| {
                folder.put("new", KEY, 0o600);
                fs::rename(folder.0.join("new"), folder.0.join("key")).unwrap();
            },
            &|| fs::remove_file(folder.0.join("chain")).unwrap(),
            &|| symlink("key", folder.0.join("chain")).unwrap(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            change();
            assert_ne!(stamps(), before, "{number}");
            before = stamps();
        }
    }

    #[test]
    fn pairs_are_told_apart() {
        let pair = |chain: &str, key: Option<&str>| {
            FilePair { chain: Secret::new(chain), key: key.map(Secret::new) }.fingerprint()
        };
        let all = [pair("ab", Some("c")), pair("a", Some("bc")), pair("abc", None), pair("abc", Some(""))];
        for (number, one) in all.iter().enumerate() {
            assert!(all[..number].iter().all(|other| other != one), "{number}");
        }
        assert_eq!(pair("ab", Some("c")), all[0]);
    }

    /// Who restarted the server, as he was told, was told only then that its user may not read the file.
    #[test]
    fn rights_that_lack_are_told_before_a_restart_is_in_vain() {
        let says = |may_read, is_known| {
            let text = denied("/x", 12345, may_read, is_known);
            (text.contains("user 12345, as whom"), text.contains("restart the server"))
        };
        assert_eq!(says(true, false), (false, true));
        assert_eq!(says(false, false), (true, true));
        assert_eq!(says(false, true), (true, false));
        assert_eq!(says(true, true), (true, false), "somebody else forbids it");
    }
}
