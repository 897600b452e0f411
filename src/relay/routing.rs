//! On which way a recipient's mail leaves.

use crate::mail::{Address, Lane, RemoteAddress};
use crate::store::Store;

/// The way for mail to `recipient`: the route of his address, of his domain, of the nearest domain above it; else the
/// smart host that `sender`, a user of ours, has for himself or by his domain; else the route for all else, the smart
/// host for all, the servers of his domain if `mx` is on. From memory.
pub fn lane(store: &Store, sender: Option<&Address>, recipient: &RemoteAddress) -> Lane {
    let _ = (store, sender, recipient);
    Lane::Nowhere
}
