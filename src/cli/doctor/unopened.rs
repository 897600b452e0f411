//! What can be looked at of a database that can't be opened: why, who owns what, and the clock.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use super::super::table::size;
use super::{Finding, clock, files};
use crate::admin::{self, AdminError, ClockState};
use crate::clock::Clock;
use crate::clock::UnixTime;

/// Errs with that error where there is nothing to look at, where a server has the database, or where this user may not
/// read it.
pub(super) fn of(error: AdminError, database: &Path) -> Result<Vec<Finding>, AdminError> {
    let is_readable = match File::open(database) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied),
    };
    if !is_readable || admin::is_open(database) {
        return Err(error);
    }
    let mut findings = vec![
        Finding::wrong("database", format!("it can't be opened, and no server could start: {}", error.text)),
        Finding::note(
            "doctor",
            "what is in the database is looked at once it can be opened: say it again then",
        ),
    ];
    findings.extend(of_disk(database));
    findings.extend(files::of(database, None));
    findings.extend(clock::of(&of_clock(&Clock::system(UnixTime(0)))));
    Ok(findings)
}

/// How much may be free is a setting.
fn of_disk(database: &Path) -> Option<Finding> {
    let folder = super::folder_of(database);
    let disk = rustix::fs::statvfs(folder).ok()?;
    let free = size(disk.f_bavail.saturating_mul(disk.f_frsize));
    Some(Finding::good("disk", format!("{free} are free")))
}

/// What the database has seen is not known.
fn of_clock(clock: &Clock) -> ClockState {
    let can_be_right = clock.can_be_right();
    let now = clock.now();
    ClockState { now, newest: now, is_suspect: false, is_believed: can_be_right, can_be_right }
}
