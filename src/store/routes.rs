//! Routes: which servers take the mail of which addresses (O3, O4); all of them are in memory too, since every recipient
//! asks.

use std::collections::HashMap;
use std::sync::Arc;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::engine::Fault;
use super::error::{Ask, StoreError};
use super::schema::{self, ALIASES, AliasRecord, DOMAINS, DomainRecord, ROUTES};
use super::{Lock, Store};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{AddressSpace, AliasTarget, Domain, HopTls, NextHop};

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

/// A domain of ours, as those who look for recipients see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The domain that has the mailboxes: itself, or what an alias domain stands for.
    pub domain: Domain,
    /// Whether it takes mail: it is not locked for all.
    pub is_open: bool,
}

impl Store {
    /// Every route, sorted by its text, from memory.
    pub fn routes(&self) -> Arc<[Route]> {
        Arc::clone(&self.shared.routes().sorted)
    }

    /// The route of exactly that address space, from memory.
    pub fn route(&self, space: &AddressSpace) -> Option<Route> {
        let routes = self.shared.routes();
        let place = routes.places.get(space)?;
        routes.sorted.get(*place).cloned()
    }

    /// Whether there are any routes, from memory.
    pub fn has_routes(&self) -> bool {
        !self.shared.routes().sorted.is_empty()
    }

    /// Makes a route, or replaces the one of that address space. Errs with [`StoreError::NotFound`] where a shared domain
    /// is none of ours, with [`StoreError::Refused`] for no server or too many, a share of anything but a domain, or
    /// beyond [`limits::ROUTES`].
    ///
    /// The routes of a domain of ours and of its addresses go when it is removed, as its aliases do, and are not brought
    /// back with its mailboxes. A route for a domain that was never ours stays until it is taken away, and so does the
    /// route of a mailbox that is removed: its mail goes on to where it was handed over.
    pub fn set_route(&self, route: Route) -> Ask<()> {
        if let Err(error) = must_be_one(&route) {
            return Ask::ready(Err(error));
        }
        let shared = Arc::clone(&self.shared);
        self.change_then(move |transaction| set(transaction, route), move |()| shared.reload_routes())
    }

    /// Takes a route away; errs with [`StoreError::NotFound`].
    pub fn remove_route(&self, space: AddressSpace) -> Ask<()> {
        let shared = Arc::clone(&self.shared);
        let remove = move |transaction: &WriteTransaction| match transaction
            .open_table(ROUTES)?
            .remove(space.to_string().as_str())?
        {
            Some(_) => Ok(()),
            None => Err(StoreError::NotFound(format!("there is no route for {space}")).into()),
        };
        self.change_then(remove, move |()| shared.reload_routes())
    }

    /// What a domain is here; none if it is not ours.
    pub fn home(&self, domain: Domain) -> Ask<Option<Home>> {
        self.ask(move |transaction| home(transaction, domain))
    }
}

/// All routes as they are in memory.
#[derive(Debug)]
pub(super) struct Routes {
    sorted: Arc<[Route]>,
    /// Where in `sorted` each is.
    places: HashMap<AddressSpace, usize>,
}

/// Reads them all; this proves them too.
pub(super) fn read(transaction: &ReadTransaction) -> Result<Arc<Routes>, Fault> {
    let mut sorted = Vec::new();
    let mut places = HashMap::new();
    for entry in transaction.open_table(ROUTES)?.iter()? {
        let (key, stored) = entry?;
        let route: Route = schema::decode(&ROUTES, key.value(), stored.value())?;
        places.insert(route.space.clone(), sorted.len());
        sorted.push(route);
    }
    Ok(Arc::new(Routes { sorted: sorted.into(), places }))
}

/// Takes away the routes of a domain that is ours no more, and of its addresses.
pub(super) fn remove_of_domain(transaction: &WriteTransaction, domain: &Domain) -> Result<(), Fault> {
    let mut table = transaction.open_table(ROUTES)?;
    let mut doomed = Vec::new();
    for entry in table.iter()? {
        let (key, stored) = entry?;
        let route: Route = schema::decode(&ROUTES, key.value(), stored.value())?;
        let is_its = match &route.space {
            AddressSpace::Address(address) => address.domain() == *domain,
            AddressSpace::Domain(other) => other == domain,
            AddressSpace::Below(_) | AddressSpace::All => false,
        };
        if is_its {
            doomed.push(key.value().to_owned());
        }
    }
    for key in doomed {
        table.remove(key.as_str())?;
    }
    Ok(())
}

fn must_be_one(route: &Route) -> Result<(), StoreError> {
    let space = &route.space;
    let refuse = |text: String| Err(StoreError::Refused(text));
    if route.hops.is_empty() {
        return refuse(format!("the route for {space} has no server: name one, as in mail.example.com"));
    }
    if route.hops.len() > limits::HOPS {
        return refuse(format!("the route for {space} has more than {} servers: name fewer", limits::HOPS));
    }
    if route.is_share && !matches!(space, AddressSpace::Domain(_)) {
        return refuse(format!("only a domain is shared, and {space} is none: make a route for it instead"));
    }
    Ok(())
}

fn set(transaction: &WriteTransaction, mut route: Route) -> Result<(), Fault> {
    if let (true, AddressSpace::Domain(domain)) = (route.is_share, &route.space)
        && !is_ours(transaction, domain)?
    {
        let text = format!("there is no domain {domain} here to share: add it first, or make a route for it");
        return Err(StoreError::NotFound(text).into());
    }
    let mut table = transaction.open_table(ROUTES)?;
    let key = route.space.to_string();
    let earlier = match table.get(key.as_str())? {
        Some(stored) => Some(schema::decode::<Route>(&ROUTES, key.as_str(), stored.value())?),
        None => None,
    };
    match earlier {
        Some(earlier) => route.created = earlier.created,
        None if table.len()? >= limits::ROUTES as u64 => {
            let text = format!("there are {} routes, and no more can be made: take one away", limits::ROUTES);
            return Err(StoreError::Refused(text).into());
        }
        None => {}
    }
    let stored = schema::encode(&ROUTES, key.as_str(), &route)?;
    table.insert(key.as_str(), stored.as_slice())?;
    Ok(())
}

/// Whether mail for a domain is for us: it has mailboxes, or is an alias of one that has.
fn is_ours(transaction: &WriteTransaction, domain: &Domain) -> Result<bool, Fault> {
    Ok(transaction.open_table(DOMAINS)?.get(domain.as_str())?.is_some()
        || transaction.open_table(ALIASES)?.get(domain.as_str())?.is_some())
}

fn home(transaction: &ReadTransaction, domain: Domain) -> Result<Option<Home>, Fault> {
    let domains = transaction.open_table(DOMAINS)?;
    let lock = |domain: &Domain| -> Result<Option<Lock>, Fault> {
        match domains.get(domain.as_str())? {
            Some(stored) => {
                let record: DomainRecord = schema::decode(&DOMAINS, domain.as_str(), stored.value())?;
                Ok(Some(record.lock))
            }
            None => Ok(None),
        }
    };
    if let Some(lock) = lock(&domain)? {
        return Ok(Some(Home { domain, is_open: lock != Lock::All }));
    }
    let Some(stored) = transaction.open_table(ALIASES)?.get(domain.as_str())? else { return Ok(None) };
    let record: AliasRecord = schema::decode(&ALIASES, domain.as_str(), stored.value())?;
    let Some(AliasTarget::Domain(domain)) = record.targets.into_iter().next() else { return Ok(None) };
    let is_open = lock(&domain)?.is_some_and(|lock| lock != Lock::All);
    Ok(Some(Home { domain, is_open }))
}
