//! The directory: its servers, connections and health.

use crate::auth::{Absence, Finding, Person, Records};
use crate::mail::{Account, Secret};
use crate::store::Store;

/// The directory: its servers, connections and health.
#[allow(dead_code)]
pub struct Directory {
    store: Store,
    records: Records,
}

impl Directory {
    /// Asks nobody yet.
    pub fn new(store: Store, records: Records) -> Directory {
        Directory { store, records }
    }

    /// Whether that is the person's password.
    pub async fn prove(&self, _person: &Person, _password: &Secret) -> Finding {
        Finding::Unavailable("not built yet".into())
    }

    /// The person's account.
    pub async fn find(&self, _person: &Person) -> Result<Account, Absence> {
        Err(Absence::Unavailable("not built yet".into()))
    }
}
