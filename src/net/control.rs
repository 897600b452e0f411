//! The control socket: the command line's way into the running server. Length-prefixed, versioned,
//! for root and the service's user only (S-323).

use std::path::{Path, PathBuf};

use crate::admin::{AdminError, Answer, Command};

/// Where the control socket of a database is: `poppet.redb` gives `poppet.sock`.
pub fn socket_path(_database: &Path) -> PathBuf {
    todo!()
}

/// Asks the running server; none if no server listens there. Blocks.
pub fn ask(_database: &Path, _command: &Command) -> Option<Result<Answer, AdminError>> {
    todo!()
}
