//! Whether the database, its key and their folder belong to the server alone (S-262, S-300).

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::admin::{self, LiveStatus};
use crate::cli::place::{self, shell_quoted};
use crate::local;

/// Whose things are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    Database,
    Key,
}

/// One of them as it is; none if it can't be looked at.
#[derive(Debug)]
struct Facts {
    kind: Kind,
    path: PathBuf,
    about: About,
}

/// Its owner and its mode, or why they are not known.
type About = Result<(u32, u32), io::ErrorKind>;

/// Looks at them here, on this machine, where the server runs too.
pub(super) fn of(database: &Path, live: Option<&LiveStatus>) -> Vec<Finding> {
    let folder = super::folder_of(database);
    let look = |kind, path: &Path, about: io::Result<Metadata>| Facts {
        kind,
        path: path.to_owned(),
        about: about.map(|about| (about.uid(), about.mode() & 0o7777)).map_err(|error| error.kind()),
    };
    let key = database.with_extension("key");
    let all = [
        look(Kind::Folder, folder, fs::metadata(folder)),
        look(Kind::Database, database, fs::symlink_metadata(database)),
        look(Kind::Key, &key, fs::symlink_metadata(&key)),
    ];
    let server =
        live.and_then(|live| user_of(&fs::read_to_string(format!("/proc/{}/status", live.pid)).ok()?));
    let users = Users { server, service: place::service_user(database) };
    judged(&all, &users, &|uid| local::name_of(Path::new("/etc"), uid))
}

/// The user as whom a process runs, by its status; its effective number is the second.
fn user_of(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// Who is known to need them.
#[derive(Default)]
struct Users {
    /// As whom the server runs, if one does.
    server: Option<u32>,
    /// As whom the service of this database would.
    service: Option<u32>,
}

fn judged(all: &[Facts], users: &Users, name_of: &dyn Fn(u32) -> Option<String>) -> Vec<Finding> {
    let owner = users.server.or(users.service).or_else(|| owner_among(all));
    let mut findings: Vec<_> = all.iter().flat_map(|it| judge(it, users.server)).collect();
    findings.extend(owner.and_then(|owner| of_strangers(all, owner, name_of)));
    if findings.is_empty() {
        findings
            .push(Finding::good("files", "the database, its key and their folder are the server's alone"));
    }
    findings
}

/// Without a server they are to be of one user at least.
fn owner_among(all: &[Facts]) -> Option<u32> {
    let of = |kind| all.iter().find(|it| it.kind == kind).and_then(|it| it.about.ok()).map(|(uid, _)| uid);
    let database = of(Kind::Database)?;
    let folder = of(Kind::Folder).unwrap_or(database);
    Some(admin::owner_of(folder, database, of(Kind::Key).unwrap_or(database)))
}

/// What belongs to another user than that one, with what gives him all of it.
fn of_strangers(all: &[Facts], owner: u32, name_of: &dyn Fn(u32) -> Option<String>) -> Option<Finding> {
    // Root may own the folder, as every folder above it.
    let is_fine = |kind, uid| uid == owner || (kind == Kind::Folder && uid == 0);
    let is_strange = |it: &&Facts| it.about.is_ok_and(|(uid, _)| !is_fine(it.kind, uid));
    let paths: Vec<_> = all.iter().filter(is_strange).map(|it| shell_quoted(&it.path)).collect();
    let (belongs, paths) = match paths.len() {
        0 => return None,
        1 => ("belongs", paths.join(" ")),
        _ => ("belong", paths.join(" ")),
    };
    let user = name_of(owner).unwrap_or_else(|| owner.to_string());
    let text = format!("{paths} {belongs} to another user than the server's: run chown {user} {paths}");
    Some(Finding::wrong("files", text))
}

fn judge(it: &Facts, server: Option<u32>) -> Vec<Finding> {
    let path = it.path.display();
    let mode = match it.about {
        Ok((_, mode)) => mode,
        // The key may come from the service manager, and then it runs with it.
        Err(io::ErrorKind::NotFound) if it.kind == Kind::Key && server.is_some() => return Vec::new(),
        Err(io::ErrorKind::NotFound) if it.kind == Kind::Key => {
            let text = format!(
                "{path} is not there, and without the key the database is worth nothing: put it back, unless the service \
                 manager keeps it"
            );
            return vec![Finding::note("files", text)];
        }
        Err(_) => {
            let text = format!("{path} can't be looked at by this user: run \"poppet doctor\" as root");
            return vec![Finding::note("files", text)];
        }
    };
    let (needed, closed) = match it.kind {
        Kind::Folder => (0o700, 0o700),
        Kind::Database => (0o600, 0o600),
        Kind::Key => (0o400, 0o600),
    };
    if mode & needed != needed {
        let text = format!(
            "{path} is closed to its own owner, so no server can use it: run chmod {closed:o} {}",
            shell_quoted(&it.path)
        );
        return vec![Finding::wrong("files", text)];
    }
    let (open, what, remedy) = match it.kind {
        // Who may write there can put another file in the place of ours; who may only look sees names.
        Kind::Folder => (mode & 0o022, "others may put files into", "go-w"),
        Kind::Database | Kind::Key => (mode & 0o077, "others may read", "600"),
    };
    match open {
        0 => Vec::new(),
        _ => vec![Finding::wrong(
            "files",
            format!("{what} {path}: run chmod {remedy} {}", shell_quoted(&it.path)),
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn name_of(uid: u32) -> Option<String> {
        (uid == 990).then(|| "poppet".into())
    }

    fn found(all: [(Kind, About); 3], server: Option<u32>) -> Vec<Finding> {
        judged(&named(all), &Users { server, service: None }, &name_of)
    }

    fn named(all: [(Kind, About); 3]) -> [Facts; 3] {
        all.map(|(kind, about)| {
            let path = match kind {
                Kind::Folder => "/var/lib/poppet",
                Kind::Database => "/var/lib/poppet/poppet.redb",
                Kind::Key => "/var/lib/poppet/poppet.key",
            };
            Facts { kind, path: path.into(), about }
        })
    }

    #[test]
    fn what_is_open_to_others_has_its_chmod_s_262() {
        let facts = |folder, database, key| {
            [
                (Kind::Folder, Ok((990, folder))),
                (Kind::Database, Ok((990, database))),
                (Kind::Key, Ok((990, key))),
            ]
        };
        for (facts, wanted) in [
            (facts(0o700, 0o600, 0o600), None),
            (facts(0o755, 0o600, 0o400), None),
            (facts(0o775, 0o600, 0o600), Some("chmod go-w /var/lib/poppet")),
            (facts(0o1777, 0o600, 0o600), Some("chmod go-w /var/lib/poppet")),
            (facts(0o700, 0o640, 0o600), Some("chmod 600 /var/lib/poppet/poppet.redb")),
            (facts(0o700, 0o600, 0o604), Some("chmod 600 /var/lib/poppet/poppet.key")),
            // Its owner was told that it belonged to another user.
            (facts(0o700, 0o400, 0o600), Some("chmod 600 /var/lib/poppet/poppet.redb")),
            (facts(0o500, 0o600, 0o600), Some("chmod 700 /var/lib/poppet")),
            (facts(0o700, 0o600, 0o000), Some("chmod 600 /var/lib/poppet/poppet.key")),
        ] {
            for server in [None, Some(990)] {
                let found = found(facts, server);
                let state = if wanted.is_some() { State::Wrong } else { State::Good };
                assert_eq!((found.len(), found[0].state), (1, state), "{found:?}");
                assert!(
                    wanted.is_none_or(|remedy| found[0].what.ends_with(&format!(": run {remedy}"))),
                    "{found:?}"
                );
            }
        }
    }

    #[test]
    fn who_is_not_the_server_owns_nothing_s_262() {
        let facts = |folder, database, key| {
            [
                (Kind::Folder, Ok((folder, 0o700))),
                (Kind::Database, Ok((database, 0o600))),
                (Kind::Key, Ok((key, 0o600))),
            ]
        };
        let remedies = |facts, server| {
            let found = found(facts, server);
            found.iter().filter(|it| it.state == State::Wrong).map(|it| it.what.clone()).collect::<Vec<_>>()
        };
        assert_eq!(remedies(facts(0, 990, 990), Some(990)), [] as [String; 0]);
        assert_eq!(remedies(facts(1000, 990, 990), Some(990)).len(), 1);
        let of_key = remedies(facts(990, 990, 0), None);
        assert!(
            of_key.len() == 1 && of_key[0].ends_with("run chown poppet /var/lib/poppet/poppet.key"),
            "{of_key:?}"
        );
        let by_number = remedies(facts(7, 7, 7), Some(8));
        assert!(by_number.len() == 1 && by_number[0].contains("chown 8 "), "{by_number:?}");
    }

    /// Where root had restored the database alone, folder and key were to be given to root, and then no server could
    /// read them.
    #[test]
    fn one_measure_says_who_is_to_own_all_and_one_call_gives_it_to_him_s_262() {
        const FOLDER: &str = "/var/lib/poppet";
        let (database, key) = (format!("{FOLDER}/poppet.redb"), format!("{FOLDER}/poppet.key"));
        let service = Users { server: None, service: Some(990) };
        for (owners, users, wanted) in [
            ([990, 0, 990], Users::default(), format!("chown poppet {database}")),
            ([990, 990, 0], Users::default(), format!("chown poppet {key}")),
            ([7, 990, 990], Users::default(), format!("chown poppet {FOLDER}")),
            ([7, 8, 9], Users::default(), format!("chown 7 {database} {key}")),
            ([0, 0, 990], Users::default(), format!("chown 0 {key}")),
            ([0, 0, 990], Users { server: None, service: Some(990) }, format!("chown poppet {database}")),
            ([7, 7, 7], service, format!("chown poppet {FOLDER} {database} {key}")),
        ] {
            let facts = [
                (Kind::Folder, Ok((owners[0], 0o700))),
                (Kind::Database, Ok((owners[1], 0o600))),
                (Kind::Key, Ok((owners[2], 0o600))),
            ];
            let found = judged(&named(facts), &users, &name_of);
            assert_eq!((found.len(), found[0].state), (1, State::Wrong), "{owners:?}");
            assert!(found[0].what.ends_with(&format!(": run {wanted}")), "{owners:?} {}", found[0].what);
        }
    }

    #[test]
    fn what_can_not_be_looked_at_is_no_fault_of_it() {
        let denied = Err(io::ErrorKind::PermissionDenied);
        let found_there =
            found([(Kind::Folder, Ok((0, 0o700))), (Kind::Database, denied), (Kind::Key, denied)], None);
        assert!(
            found_there.iter().all(|it| it.state == State::Note && it.what.contains("as root")),
            "{found_there:?}"
        );
        let lost = |server| {
            let key = (Kind::Key, Err(io::ErrorKind::NotFound));
            found([(Kind::Folder, Ok((0, 0o700))), (Kind::Database, Ok((990, 0o600))), key], server)
        };
        assert_eq!(lost(None)[0].state, State::Note);
        assert_eq!(lost(Some(990))[0].state, State::Good, "a service manager keeps it");
    }

    #[test]
    fn a_process_has_the_user_of_its_status() {
        assert_eq!(user_of("Name:\tpoppet\nUid:\t0\t990\t0\t0\nGid:\t1\t1\t1\t1\n"), Some(990));
        for bad in ["", "Uid:\t0\n", "Uid: x y\n"] {
            assert_eq!(user_of(bad), None);
        }
    }
}
