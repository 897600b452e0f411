//! The only room that awaits: listeners, TLS, one driver a protocol, the control socket.

pub mod control;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admin::Context;
use crate::clock::Clock;
use crate::settings::{Listen, ListenerKind};

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The database's path; the control socket is beside it.
    pub database: PathBuf,
    /// Listeners that override the stored ones.
    pub overrides: Vec<(ListenerKind, Listen)>,
}

/// Why a server can't serve; the text says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeError(pub String);

/// Serves until `SIGTERM` or `SIGINT`; `ready` is called once every listener is bound, with each bound
/// address. Blocks; on return no session is left and the store is closed.
pub fn serve(
    _context: Context,
    _clock: Clock,
    _plan: Plan,
    _ready: impl FnOnce(&[(ListenerKind, SocketAddr)]) + Send,
) -> Result<(), ServeError> {
    todo!()
}
