//! How a database is opened, and what it has cost so far.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a database is opened.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// redb's page cache in KiB; none goes by the setting.
    pub cache_kib: Option<u32>,
    /// Quiet time before bodies are freed and the next opening is made quick, whatever the file's size; none
    /// goes by the limits.
    pub quiet: Option<Duration>,
}

/// What the store has cost since it was opened, and how large it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wear {
    /// fsync and fdatasync calls.
    pub syncs: u64,
    /// Calls that wrote.
    pub writes: u64,
    /// Octets handed to the file.
    pub written_octets: u64,
    /// Calls that read.
    pub reads: u64,
    /// Octets read from the file.
    pub read_octets: u64,
    /// Messages made durable.
    pub messages: u64,
    /// Their octets.
    pub message_octets: u64,
    /// Durable commits.
    pub commits: u64,
    /// The file's length.
    pub file_octets: u64,
    /// What the file takes up on the disk.
    pub allocated_octets: u64,
    /// Free space of the disk.
    pub free_octets: u64,
    /// How often something damaged was met.
    pub damages: u64,
    /// Whether an opening has checked the whole file, since it had not been closed properly.
    pub was_checked: bool,
}
