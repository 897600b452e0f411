//! Routes: which servers take the mail of which addresses (O3, O4); all of them are in memory too, since every recipient
//! asks.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::{Ask, StoreError};
use crate::clock::UnixTime;
use crate::mail::{AddressSpace, HopTls, NextHop};

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// For whom.
    pub space: AddressSpace,
    /// The servers, in the order in which they are tried; never none.
    pub hops: Vec<NextHop>,
    /// How the way there is secured; none for the setting `route_tls`.
    pub tls: Option<HopTls>,
    /// Whether the domain is ours, its mailboxes are here, and only mail for everybody else goes there (O4).
    pub is_share: bool,
    /// When it was made.
    pub created: UnixTime,
}

impl Store {
    /// Every route, sorted by its text, from memory.
    pub fn routes(&self) -> Arc<[Route]> {
        Arc::from([])
    }

    /// Makes a route, or replaces the one of that address space. Errs with [`StoreError::NotFound`] where a shared domain
    /// is none of ours, with [`StoreError::Refused`] for no server or too many, a share of anything but a domain, or
    /// beyond [`crate::limits::ROUTES`].
    pub fn set_route(&self, route: Route) -> Ask<()> {
        let _ = route;
        Ask::ready(Err(StoreError::Refused("routes are not built yet".into())))
    }

    /// Takes a route away; errs with [`StoreError::NotFound`].
    pub fn remove_route(&self, space: AddressSpace) -> Ask<()> {
        Ask::ready(Err(StoreError::NotFound(format!("there is no route for {space}"))))
    }
}
