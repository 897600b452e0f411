//! Users who are known elsewhere: by the system's accounts or by a directory. What the gatekeeper asks is answered here.

mod directory;
mod local;

use std::sync::Arc;

use super::spa;
use crate::auth::{Absence, Answering, Finding, Gatekeeper, Outside, Person, look_for_nobody};
use crate::mail::{Account, Secret};
use crate::settings::Method;
use crate::store::Store;
use directory::Directory;
use local::Local;

/// Asks the helper for local accounts and the directory's servers.
pub struct Outsiders {
    store: Store,
    local: Local,
    directory: Directory,
}

impl Outsiders {
    /// Has the gatekeeper ask here from now on; no connection is made before it does.
    pub fn introduce(store: &Store, gatekeeper: &Gatekeeper) {
        let outsiders = Outsiders {
            store: store.clone(),
            local: Local::new(store.clone()),
            directory: Directory::new(store.clone(), gatekeeper.records()),
        };
        gatekeeper.ask_outside(Arc::new(outsiders));
    }
}

impl Outside for Outsiders {
    fn prove(&self, method: Method, person: Person, password: Secret) -> Answering<'_, Finding> {
        Box::pin(async move {
            match method {
                Method::File => Finding::Wrong("the password file is not asked here".into()),
                Method::Local => self.local.prove(&person, &password).await,
                Method::Directory => self.directory.prove(&person, &password).await,
            }
        })
    }

    fn find(&self, method: Method, person: Person) -> Answering<'_, Result<Account, Absence>> {
        Box::pin(async move {
            match method {
                Method::File => Err(Absence::Refused("the password file has no accounts".into())),
                Method::Local => self.local.find(&person).await,
                Method::Directory => self.directory.find(&person).await,
            }
        })
    }

    fn admit(&self, method: Method, person: Person) -> Answering<'_, Result<Account, Absence>> {
        Box::pin(async move {
            match method {
                Method::File => Err(Absence::Refused("the password file has no accounts".into())),
                Method::Local => self.local.admit(&person).await,
                Method::Directory => self.directory.admit(&person).await,
            }
        })
    }

    fn probe(&self, method: Method) -> Answering<'_, Result<(), String>> {
        Box::pin(async move {
            // Where users are not searched, looking for somebody reaches no server.
            if method == Method::Directory {
                self.directory.probe().await?;
            }
            look_for_nobody(self, method).await
        })
    }

    fn search_with(&self, sealed: Option<Vec<u8>>) {
        self.directory.search_with(sealed);
    }

    fn relays_ntlm(&self) -> bool {
        spa::program(&self.store.settings()).is_some()
    }
}
