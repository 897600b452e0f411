//! What can be looked at of a database that can't be opened: why, who owns what, and the clock.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::super::table::size;
use super::{Finding, State, clock, files};
use crate::admin::{self, AdminError, ClockState};
use crate::clock::{Clock, UnixTime};
use crate::limits;

/// Errs with that error where there is nothing to look at, where that is no file, where a server has the database, or where
/// this user may not read it.
pub(super) fn of(error: AdminError, database: &Path) -> Result<Vec<Finding>, AdminError> {
    // A named pipe would wait for somebody at its other end.
    let is_file = database.symlink_metadata().is_ok_and(|facts| facts.is_file());
    let is_readable = || match File::open(database) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied),
    };
    if !is_file || !is_readable() || admin::is_open(database) {
        return Err(error);
    }
    let of_files = files::of(database, None);
    let why = match of_files.iter().any(|finding| finding.state == State::Wrong) {
        // They know better whose all is to be.
        true => error.text.split(": \"chown ").next().unwrap_or_default(),
        false => &error.text,
    };
    let mut findings = vec![
        Finding::wrong("database", format!("it can't be opened, and no server could start: {why}")),
        Finding::note(
            "doctor",
            "what is in the database is looked at once it can be opened: say it again then",
        ),
    ];
    findings.extend(of_disk(database));
    findings.extend(of_files);
    findings.extend(clock::of(&of_clock(&Clock::system(UnixTime(0)))));
    Ok(findings)
}

fn of_disk(database: &Path) -> Option<Finding> {
    let disk = rustix::fs::statvfs(super::folder_of(database)).ok()?;
    Some(of_room(disk.f_bavail.saturating_mul(disk.f_frsize)))
}

/// How much is to be free is a setting, which can't be read.
fn of_room(free_octets: u64) -> Finding {
    let free = size(free_octets);
    match free_octets < u64::from(limits::RESERVE_MIB) << 20 {
        true => Finding::wrong(
            "disk",
            format!("only {free} are free: make room, for a database may need it to be opened"),
        ),
        false => Finding::good("disk", format!("{free} are free")),
    }
}

/// What the database has seen is not known.
fn of_clock(clock: &Clock) -> ClockState {
    let can_be_right = clock.can_be_right();
    let now = clock.now();
    ClockState { now, newest: now, is_suspect: false, is_believed: can_be_right, can_be_right }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a folder it said that others might read it, and told a chmod after which nobody could enter it.
    #[test]
    fn what_is_no_file_is_not_looked_at_as_one() {
        let folder = std::env::temp_dir().join(format!("poppet-unopened-{:016x}", fastrand::u64(..)));
        let pipe = folder.join("pipe");
        std::fs::create_dir(&folder).unwrap();
        let (kind, right) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, right, 0).unwrap();
        for database in [&folder, &pipe] {
            let error = AdminError::unreachable("it is a folder");
            assert_eq!(of(error.clone(), database), Err(error));
        }
        std::fs::write(folder.join("file"), "no database").unwrap();
        assert!(of(AdminError::unreachable("it is foreign"), &folder.join("file")).is_ok());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// A full disk, for which a database could not be opened, was called good.
    #[test]
    fn a_disk_without_room_is_no_good_one_c7() {
        let reserve = u64::from(limits::RESERVE_MIB) << 20;
        for (free, wanted) in [
            (0, State::Wrong),
            (reserve - 1, State::Wrong),
            (reserve, State::Good),
            (reserve + 1, State::Good),
        ] {
            assert!(of_room(free).state == wanted, "{free}");
        }
    }
}
