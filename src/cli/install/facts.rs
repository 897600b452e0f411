//! What stands on this machine before anything is done to it. Looking changes nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, StatVfsMountFlags};

use super::files;
use super::site::{Manager, Site, USER};
use super::tools::{Tools, output_of};
use super::units::{self, Standing, Unit};
use super::{Hands, Serving, user};
use crate::admin::{self, AdminError};
use crate::mail::printable;
use crate::settings::{Listen, ListenerKind};

/// What stands on this machine.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Facts {
    /// What is in the program's place.
    pub program: Standing,
    /// The layout of databases that what is there uses, if it says so.
    pub program_layout: Option<u32>,
    /// Why what is there can't be replaced, or nothing be put there, nor what belongs to it; one line with the remedy.
    pub program_fault: Option<String>,
    /// Whether the service's user and group are there.
    pub has_user: bool,
    /// See there.
    pub has_group: bool,
    /// Why no user could be made; one line with the remedy.
    pub user_fault: Option<String>,
    /// What is in the place of the database's folder.
    pub folder: Folder,
    /// Whether there is a database.
    pub has_database: bool,
    /// Whether another program has it open, and is no server that answers.
    pub is_busy: bool,
    /// Who that is, if it can be seen.
    pub holder: Option<String>,
    /// Files of it that are not the service's.
    pub foreign_files: bool,
    /// Whether its folder is not the service's, and has files of others.
    pub is_folder_shared: bool,
    /// The database of the service that stands, where its place is not always the same.
    pub service_database: Option<PathBuf>,
    /// The service itself.
    pub service: Service,
    /// Who has the database open.
    pub server: Serving,
    /// The wanted files of the manager, with what stands there.
    pub units: Vec<(Unit, Standing)>,
    /// The wanted ports that can't be had.
    pub taken: Vec<Taken>,
    /// Whether any port is wanted.
    pub has_listener: bool,
}

/// What is in the place of the database's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Folder {
    /// Nothing.
    Missing,
    /// A folder.
    Stands,
    /// A link, or no folder.
    Other,
}

/// How the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Service {
    /// Whether it runs, or tries to.
    pub is_active: bool,
    /// Whether the manager keeps its ports open.
    pub has_ports: bool,
    /// Whether it starts with the machine.
    pub is_enabled: bool,
    /// Whether what runs is what stands in the program's place; yes where nobody can tell.
    pub is_current: bool,
    /// Its process, where the manager tells.
    pub pid: Option<u32>,
}

/// A wanted address that can't be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Taken {
    /// For what.
    pub kind: ListenerKind,
    /// The address.
    pub address: SocketAddr,
    /// The process that has it, if that is known.
    pub holder: Option<u32>,
    /// Why, and what to do.
    pub why: String,
}

impl Facts {
    /// Looks at everything. Errs if the database is busy, foreign or newer.
    pub fn look(site: &Site, own: &[u8], hands: &dyn Hands) -> Result<Facts, AdminError> {
        let tools = Tools::of(site);
        let database = site.at(&site.database);
        let folder = match fs::symlink_metadata(site.at(site.folder())) {
            Ok(facts) if facts.is_dir() => Folder::Stands,
            Ok(_) => Folder::Other,
            Err(_) => Folder::Missing,
        };
        let has_database = database.symlink_metadata().is_ok();
        let server = hands.server();
        let listeners = hands.listeners(has_database, &server)?;
        let is_busy = has_database && server == Serving::Nobody && listeners.is_none();
        let (uid, has_group) = (user_number(site), has_name(site, "etc/group"));
        let pid = tools.main_process();
        let (is_active, has_ports) = (tools.is_active(), tools.has_ports());
        let units = units::wanted(site, &listeners.clone().unwrap_or_default());
        let units = units.into_iter().map(|unit| {
            let standing = match unit.standing(site) {
                // Nobody could say what should be in it.
                Standing::Former | Standing::Edited if unit.path == units::SOCKET && listeners.is_none() => {
                    Standing::Same
                }
                standing => standing,
            };
            (unit, standing)
        });
        let units: Vec<(Unit, Standing)> = units.collect();
        let program = compare_program(site, own);
        Ok(Facts {
            program_fault: program_fault(site, &program, own.len() as u64)
                .or_else(|| place_fault(site, &units, uid.is_some())),
            program_layout: match program {
                Ok(Standing::Former) => layout_of(&site.at(site.program())),
                _ => None,
            },
            program: program.unwrap_or(Standing::Edited),
            has_user: uid.is_some(),
            has_group,
            user_fault: user::fault(site, &tools),
            folder,
            has_database,
            is_busy,
            holder: if is_busy { admin::holder(&database) } else { None },
            foreign_files: folder == Folder::Stands && has_foreign_files(&database, uid),
            is_folder_shared: folder == Folder::Stands && is_shared(&database, uid),
            service_database: units::service_database(site),
            service: Service {
                is_active,
                has_ports,
                is_enabled: tools.is_enabled(),
                is_current: match (pid, &server) {
                    // Not every manager tells the process; a server that answers does.
                    (None, Serving::Process(pid)) => hands.is_current(&site.at(site.program()), Some(*pid)),
                    (None, Serving::Stranger) => false,
                    _ => hands.is_current(&site.at(site.program()), pid),
                },
                pid,
            },
            // What is ours is no obstacle: that of a service which fails again and again is known by its process.
            taken: match (&server, has_ports, &listeners) {
                (Serving::Nobody, false, Some(listeners))
                    if !is_active || site.manager == Manager::Systemd =>
                {
                    let is_foreign = |taken: &Taken| taken.holder.is_none() || taken.holder != pid;
                    hands.taken(listeners).into_iter().filter(is_foreign).collect()
                }
                _ => Vec::new(),
            },
            has_listener: listeners.is_none_or(|all| all.iter().any(|listen| !listen.0.is_empty())),
            server,
            units,
        })
    }
}

/// The number of the service's user; none if there is no such user.
pub(in crate::cli) fn user_number(site: &Site) -> Option<(u32, u32)> {
    let passwd = fs::read(site.at("etc/passwd")).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let mut rows = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&USER) && row.len() == 7)?;
    Some((row[2].parse().ok()?, row[3].parse().ok()?))
}

fn has_name(site: &Site, file: &str) -> bool {
    let text = fs::read(site.at(file)).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().any(|line| line.split(':').next() == Some(USER))
}

fn has_foreign_files(database: &Path, user: Option<(u32, u32)>) -> bool {
    let Some((uid, _)) = user else { return true };
    let folder = database.parent().unwrap_or(Path::new("/"));
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut own = files.into_iter().filter(|file| files::is_of(database, &file.file_name()));
    is_foreign(folder, uid) || own.any(|file| is_foreign(&file.path(), uid))
}

fn is_shared(database: &Path, user: Option<(u32, u32)>) -> bool {
    let folder = database.parent().unwrap_or(Path::new("/"));
    if user.is_some_and(|(uid, _)| !is_foreign(folder, uid)) {
        return false;
    }
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.into_iter().any(|file| !files::is_of(database, &file.file_name()))
}

fn is_foreign(path: &Path, uid: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|facts| facts.uid() != uid)
}

/// Whether a process runs what stands in the program's place, and not what was there before.
pub(in crate::cli) fn is_current(program: &Path, pid: u32) -> bool {
    let facts = |path: &Path| fs::metadata(path).map(|facts| (facts.dev(), facts.ino())).ok();
    let runs = facts(Path::new(&format!("/proc/{pid}/exe")));
    runs.is_none() || runs == facts(program)
}

/// What is in the program's place; errs with what it is if it is no poppet.
fn compare_program(site: &Site, own: &[u8]) -> Result<Standing, String> {
    let path = site.at(site.program());
    let shown = site.program();
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Standing::Absent),
        Ok(facts) if facts.is_file() => {}
        _ => return Err(format!("{shown} is no regular file: move it away, then run setup again")),
    }
    match fs::read(&path) {
        Ok(octets) if octets == own => Ok(Standing::Same),
        Ok(_) if says_poppet(&path) => Ok(Standing::Former),
        Ok(_) => Err(format!("{shown} is another program than poppet: move it away, then run setup again")),
        Err(error) => Err(format!("{shown} can't be read ({error}): move it away, then run setup again")),
    }
}

/// Whether a program calls itself poppet.
pub(super) fn says_poppet(path: &Path) -> bool {
    version_of(path).is_some()
}

/// The layout of databases that a poppet uses, as in `poppet 1.0.0 (layout 2)`.
pub(super) fn layout_of(path: &Path) -> Option<u32> {
    let said = version_of(path)?;
    said.split_once("(layout ")?.1.split(')').next()?.parse().ok()
}

fn version_of(path: &Path) -> Option<String> {
    let mut command = Command::new(path);
    command.arg("--version").env_clear().current_dir("/");
    let said = output_of(command.stdin(Stdio::null())).ok()?;
    let is_poppet = said.status.success() && said.stdout.starts_with(b"poppet ");
    is_poppet.then(|| String::from_utf8_lossy(&said.stdout).into_owned())
}

/// Why the program can't be put in its place.
fn program_fault(site: &Site, program: &Result<Standing, String>, octets: u64) -> Option<String> {
    match program {
        Err(fault) => return Some(fault.clone()),
        Ok(Standing::Same) => return None,
        Ok(_) => {}
    }
    let folder = Path::new(site.program()).parent().unwrap_or(Path::new("/"));
    let nearest = nearest(site, folder);
    let shown = printable(nearest.as_os_str().as_encoded_bytes());
    if let Some(fault) = write_fault(site, nearest) {
        return Some(fault);
    }
    let disk = rustix::fs::statvfs(site.at(nearest)).ok()?;
    if disk.f_flag.contains(StatVfsMountFlags::NOEXEC) {
        return Some(format!(
            "no program runs on the disk of {shown}, which is mounted noexec: allow it (mount -o remount,exec), then run \
             setup again"
        ));
    }
    // It stands beside the one before, and beside that one's copy.
    let needed = octets.saturating_mul(2).saturating_add(ROOM_OCTETS);
    (disk.f_bavail.saturating_mul(disk.f_frsize) < needed).then(|| {
        format!("the disk of {shown} is full: free {} MiB of it, then run setup again", (needed >> 20) + 1)
    })
}

/// Why the database's folder, a unit or the user can't be made. It would come too late where half is done.
fn place_fault(site: &Site, units: &[(Unit, Standing)], has_user: bool) -> Option<String> {
    let missing = units.iter().filter(|(_, standing)| *standing != Standing::Same);
    let folders = missing.filter_map(|(unit, _)| Path::new(unit.path).parent());
    let of_user = (!has_user).then_some(Path::new("/etc"));
    let mut places = [site.folder()].into_iter().chain(folders).chain(of_user);
    places.find_map(|place| write_fault(site, nearest(site, place)))
}

/// What is missing is made, as far as its nearest folder allows it.
fn nearest<'a>(site: &Site, folder: &'a Path) -> &'a Path {
    folder.ancestors().find(|path| site.at(path).is_dir()).unwrap_or(Path::new("/"))
}

fn write_fault(site: &Site, folder: &Path) -> Option<String> {
    let error = rustix::fs::access(site.at(folder), Access::WRITE_OK | Access::EXEC_OK).err()?;
    let shown = printable(folder.as_os_str().as_encoded_bytes());
    let error = io::Error::from(error);
    Some(match error.kind() {
        ErrorKind::ReadOnlyFilesystem => format!(
            "{shown} is read-only: make it writable (mount -o remount,rw), or set up without a service: poppet setup DOMAIN \
             USER --no-start --db FILE, and start \"poppet serve --db FILE\" by other means"
        ),
        _ => format!("{shown} can't be written: {error}; give root the right to, then run setup again"),
    })
}

/// Units and what else is small.
const ROOM_OCTETS: u64 = 1024 * 1024;

/// Listeners as they are stored; none if the running server can't be asked.
pub(in crate::cli) type Listeners = Option<[Listen; 5]>;
