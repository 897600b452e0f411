//! Which files of certificates are followed, as the store keeps it (T3).

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CertError;
use super::fingerprint::Fingerprint;
use super::left_out::forget_names;
use super::shelf::checked_label;
use crate::limits;
use crate::store::{Store, StoreError};

/// A certificate whose files another program renews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// What it is installed as.
    pub label: String,
    /// The chain's file, an absolute path.
    pub chain: String,
    /// The key's; may be the same.
    pub key: String,
    /// Which pair was installed last; none if none was yet.
    pub taken: Option<Fingerprint>,
}

impl Watched {
    /// Files that were not read yet; the label may be empty until then. Errs if a path is not absolute or too long, or if
    /// nothing can be called so.
    pub fn new(label: &str, chain: String, key: String) -> Result<Watched, CertError> {
        check_path(&chain)?;
        check_path(&key)?;
        let label = if label.is_empty() { String::new() } else { checked_label(label)? };
        Ok(Watched { label, chain, key, taken: None })
    }

    /// The folders that must be readable to follow the files: where they are named, and where links lead now. A renewal
    /// makes new files in them.
    pub fn folders(&self) -> Vec<PathBuf> {
        let named = [&self.chain, &self.key].map(Path::new);
        let led = named.iter().filter_map(|path| path.canonicalize().ok());
        let files: Vec<PathBuf> = named.iter().map(|path| path.to_path_buf()).chain(led).collect();
        let parents = files.iter().filter_map(|path| path.parent()).map(Path::to_path_buf);
        // The kernel lets no process out of its root by a rule on it.
        parents.filter(|folder| folder != Path::new("/")).collect()
    }
}

/// All that are followed. Errs if the store fails or the record is damaged.
pub async fn watched(store: &Store) -> Result<Vec<Watched>, StoreError> {
    match store.record(WATCHED).await? {
        Some(record) => postcard::from_bytes(&record).map_err(|_| damaged()),
        None => Ok(Vec::new()),
    }
}

/// Follows these files from now on, in place of those that had the label. Errs with [`StoreError::Refused`] if there are
/// too many.
pub async fn watch(store: &Store, new: Watched) -> Result<(), StoreError> {
    let label = new.label.clone();
    change(store, move |all| {
        all.retain(|kept| kept.label != new.label);
        if all.len() >= limits::WATCHED_CERTIFICATES {
            return Err(StoreError::Refused(too_many_watched()));
        }
        all.push(new);
        all.sort_by(|one, other| one.label.cmp(&other.label));
        Ok(())
    })
    .await?;
    forget_names(store, &label).await
}

/// Follows the files of that label no more. Errs with [`StoreError::NotFound`].
pub async fn unwatch(store: &Store, label: &str) -> Result<(), StoreError> {
    let unwatched = label.to_owned();
    change(store, move |all| {
        let before = all.len();
        all.retain(|kept| kept.label != unwatched);
        if all.len() == before { Err(StoreError::NotFound(unwatched)) } else { Ok(()) }
    })
    .await?;
    forget_names(store, label).await
}

/// Remembers which pair was installed; nothing if these files are followed no more.
pub async fn note_taken(store: &Store, of: &Watched, taken: Fingerprint) -> Result<(), StoreError> {
    let of = of.clone();
    change(store, move |all| {
        let is_meant =
            |kept: &&mut Watched| (&kept.label, &kept.chain, &kept.key) == (&of.label, &of.chain, &of.key);
        if let Some(kept) = all.iter_mut().find(is_meant) {
            kept.taken = Some(taken);
        }
        Ok(())
    })
    .await
}

/// Why no more can be followed.
pub fn too_many_watched() -> String {
    format!(
        "the files of at most {} certificates can be followed: \"poppet cert unwatch LABEL\" ends it for one",
        limits::WATCHED_CERTIFICATES
    )
}

fn check_path(path: &str) -> Result<(), CertError> {
    match path {
        _ if !path.starts_with('/') => Err(CertError(
            "a file that is followed has a path that begins with /: give the whole path".into(),
        )),
        _ if path.len() > limits::WATCHED_PATH_OCTETS || path.contains('\0') => Err(CertError(format!(
            "the path of a file that is followed has at most {} octets: make a link to it",
            limits::WATCHED_PATH_OCTETS
        ))),
        _ => Ok(()),
    }
}

async fn change(
    store: &Store,
    change: impl FnOnce(&mut Vec<Watched>) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), StoreError> {
    store
        .change_record(WATCHED, move |record| {
            let mut all: Vec<Watched> = match record {
                Some(record) => postcard::from_bytes(record).map_err(|_| damaged())?,
                None => Vec::new(),
            };
            change(&mut all)?;
            Ok((postcard::to_allocvec(&all).map_err(|_| damaged())?, ()))
        })
        .await
}

fn damaged() -> StoreError {
    StoreError::Damaged(format!("the record {WATCHED} is damaged; restore a backup"))
}

const WATCHED: &str = "tls.watched";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tests::Folder;
    use crate::clock::{Clock, UnixTime};
    use crate::store::Options;
    use crate::ticket::block_on;

    fn new(label: &str, path: &str) -> Watched {
        Watched { label: label.into(), chain: path.into(), key: "/k".into(), taken: None }
    }

    #[test]
    fn files_are_followed_until_they_are_not() {
        let folder = Folder::new();
        let store =
            Store::create(&folder.database(), &Options::default(), Clock::fixed(UnixTime(0))).unwrap();
        let watch = |label: &str, path: &str| block_on(watch(&store, new(label, path)));
        let all = || block_on(watched(&store)).unwrap();
        assert_eq!(all(), []);
        watch("b", "/b").unwrap();
        watch("a", "/a").unwrap();
        watch("b", "/c").unwrap();
        assert_eq!(all(), [new("a", "/a"), new("b", "/c")]);

        let taken = Fingerprint([7; 32]);
        block_on(note_taken(&store, &new("b", "/c"), taken)).unwrap();
        block_on(note_taken(&store, &new("a", "/other"), taken)).unwrap();
        assert_eq!(all().map_taken(), [None, Some(taken)]);

        assert!(matches!(block_on(unwatch(&store, "c")), Err(StoreError::NotFound(_))));
        block_on(unwatch(&store, "a")).unwrap();
        assert_eq!(all().len(), 1);

        for number in 1..limits::WATCHED_CERTIFICATES {
            watch(&format!("n{number}"), "/n").unwrap();
        }
        assert!(matches!(watch("one-more", "/n"), Err(StoreError::Refused(_))));
        watch("n1", "/again").unwrap();
    }

    /// What is followed in a folder that the sandbox does not know could not be read.
    #[test]
    fn folders_are_those_of_names_and_of_where_links_lead() {
        let folder = std::env::temp_dir().join(format!("poppet-folders-{:016x}", fastrand::u64(..)));
        let (live, archive) = (folder.join("live"), folder.join("archive"));
        for made in [&folder, &live, &archive] {
            std::fs::create_dir(made).unwrap();
        }
        std::fs::write(archive.join("chain1"), "").unwrap();
        std::os::unix::fs::symlink(archive.join("chain1"), live.join("chain")).unwrap();
        let path = |file: &str| live.join(file).to_str().unwrap().to_owned();
        let watched = Watched { chain: path("chain"), ..new("a", "/c") };
        let mut folders = watched.folders();
        folders.sort();
        assert_eq!(
            folders,
            [archive.canonicalize().unwrap(), live.clone()],
            "a key beside the root has none"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn paths_are_whole_and_of_some_length() {
        let longest = "/".repeat(limits::WATCHED_PATH_OCTETS);
        for (path, is_taken) in [
            ("", false),
            ("relative", false),
            ("/a\0b", false),
            (&longest, true),
            (&format!("{longest}x"), false),
        ] {
            for (chain, key) in [(path, "/k"), ("/c", path)] {
                assert_eq!(Watched::new("c", chain.into(), key.into()).is_ok(), is_taken, "{path}");
            }
        }
    }

    trait Taken {
        fn map_taken(&self) -> Vec<Option<Fingerprint>>;
    }

    impl Taken for Vec<Watched> {
        fn map_taken(&self) -> Vec<Option<Fingerprint>> {
            self.iter().map(|watched| watched.taken).collect()
        }
    }
}
