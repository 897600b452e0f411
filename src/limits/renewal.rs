//! Limits of the looking after certificates.

use std::time::Duration;

/// Addresses of poppet's own certificate, those of the machine and then former ones: 18 octets each in every handshake.
pub const CERTIFICATE_ADDRESSES: usize = 32;
/// Days before its end at which a certificate is told of in the log (S-259).
pub const CERTIFICATE_WARNING_DAYS: [u64; 4] = [30, 14, 7, 1];
/// How often it is told of once it has ended.
pub const ENDED_CERTIFICATE: Duration = Duration::from_secs(24 * 3600);
/// How often it is looked whether certificates end, and whether poppet's own has all names and addresses.
pub const CERTIFICATE_LOOK: Duration = Duration::from_secs(3600);
/// What names and addresses are left to settle when they have changed: IPv6 makes sure of one for seconds.
pub const CERTIFICATE_REST: Duration = Duration::from_secs(5);
/// Certificates whose files are followed.
pub const WATCHED_CERTIFICATES: usize = 16;
/// Octets of such a file's path.
pub const WATCHED_PATH_OCTETS: usize = 1024;
/// How often these files are looked at; a renewal comes weeks before the end.
pub const WATCH_LOOK: Duration = Duration::from_secs(60);
/// Names of former certificates that are remembered for one whose files are followed: those of two, so that what a first
/// renewal left out is known beside what a second one does.
pub const REMEMBERED_NAMES: usize = 2 * super::CERTIFICATE_NAMES;
