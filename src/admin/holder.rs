//! Which process has a file to itself, as far as this user may see it. proc(5).

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::mail::printable;

/// The program that has a database locked, or at least open, as `name (process 7)`; none if that can't be seen.
pub fn holder(database: &Path) -> Option<String> {
    let file = fs::metadata(database).ok()?;
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let locking = lockers(&locks, &file).find_map(|pid| Some((pid, name_of(pid)?)));
    let is_it = |facts: &Metadata| (facts.dev(), facts.ino()) == (file.dev(), file.ino());
    let (pid, name) = locking.or_else(|| opener(&is_it))?;
    Some(format!("{name} (process {pid})"))
}

/// The process that has something open which `is_it`, with its name. What is of other users only root sees. The system's
/// first process keeps sockets for others, so it is named only where it is alone.
pub fn opener(is_it: &dyn Fn(&Metadata) -> bool) -> Option<(u32, String)> {
    let mut first = None;
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        // What is behind the link, without opening it.
        if descriptors.flatten().any(|descriptor| fs::metadata(descriptor.path()).is_ok_and(|it| is_it(&it)))
        {
            let found = Some((pid, name_of(pid).unwrap_or_default()));
            if pid != 1 {
                return found;
            }
            first = found;
        }
    }
    first
}

/// None once it has ended: who inherited its lock is not in the kernel's table.
fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(printable(name.trim_ascii()))
}

/// The processes that have a file locked, of the kernel's table: the second column is the kind, the fifth the process, the
/// sixth the device and the inode. Who waits for a lock has an arrow before the kind.
fn lockers(locks: &str, file: &Metadata) -> impl Iterator<Item = u32> {
    let place = place(file.dev(), file.ino());
    let rows = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(move |row| row.len() > 5 && row[1] == "FLOCK" && row[5] == place)
        .filter_map(|row| row[4].parse().ok())
}

/// As the kernel shows it; a device's number is put together as makedev(3) says.
fn place(device: u64, inode: u64) -> String {
    let major = ((device >> 8) & 0xFFF) | ((device >> 32) & !0xFFF);
    let minor = (device & 0xFF) | ((device >> 12) & !0xFF);
    format!("{major:02x}:{:02x}:{inode}", minor & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// "End that program", and nobody knew which.
    #[test]
    fn who_has_a_database_locked_or_open_is_named() {
        let path = std::env::temp_dir().join(format!("poppet-holder-{:016x}", fastrand::u64(..)));
        let own = format!(" (process {})", std::process::id());
        let file = File::create(&path).unwrap();
        assert!(holder(&path).is_some_and(|told| told.ends_with(&own)), "it is open");
        file.try_lock().unwrap();
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        let found: Vec<u32> = lockers(&locks, &file.metadata().unwrap()).collect();
        // Not every file system shows the kernel the numbers that it shows to programs.
        assert!(found.is_empty() || found == [std::process::id()], "{found:?}");
        assert!(holder(&path).is_some_and(|told| told.ends_with(&own)), "it is locked");
        fs::remove_file(&path).unwrap();
        assert_eq!(holder(&path), None, "there is no such file");
    }

    #[test]
    fn the_kernels_table_of_locks_is_read_by_its_columns() {
        let path = std::env::temp_dir().join(format!("poppet-locks-{:016x}", fastrand::u64(..)));
        let facts = File::create(&path).unwrap().metadata().unwrap();
        fs::remove_file(&path).unwrap();
        let (here, other) = (place(facts.dev(), facts.ino()), place(facts.dev(), facts.ino() + 1));
        let table = format!(
            "1: FLOCK  ADVISORY  WRITE 8 {other} 0 EOF\n2: POSIX  ADVISORY  WRITE 9 {here} 0 EOF\n\
             3: FLOCK  ADVISORY  WRITE 4711 {here} 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 10 {here} 0 EOF\n\
             4: FLOCK  ADVISORY  WRITE -1 {here} 0 EOF\n5: FLOCK cut off\n"
        );
        assert_eq!(lockers(&table, &facts).collect::<Vec<_>>(), [4711]);
        assert_eq!(lockers("", &facts).count(), 0);
    }

    #[test]
    fn a_device_has_a_major_and_a_minor_number() {
        for (device, wanted) in
            [(0xFE00, "fe:00:5"), (0x0801, "08:01:5"), (0x1F, "00:1f:5"), (0x0012_3456_7089, "670:1234589:5")]
        {
            assert_eq!(place(device, 5), wanted, "{device:x}");
        }
    }
}
