//! The driver against servers of a few lines, on loopback.

mod crowd;
mod searching;
mod secrecy;
mod server;
mod trouble;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use self::server::{Act, Deed, Server};
use super::{Directory, Patience};
use crate::auth::DIRECTORY_PASSWORD;
use crate::auth::tests::Folder;
use crate::auth::{DeviceKey, Gatekeeper, Person};
use crate::cert;
use crate::cert::DIRECTORY_AUTHORITIES;
use crate::clock::{Clock, UnixTime};
use crate::ldap::tests::server as say;
use crate::mail::{Account, Secret};
use crate::store::{Options, Store};

/// Longer than any test takes: what is not to be waited for must not end by itself.
const LONG: Duration = Duration::from_secs(20);
/// What is waited for in vain.
const SHORT: Duration = Duration::from_millis(200);

const SEARCHER: &str = "cn=searcher";
const ALICE: &str = "cn=alice,dc=home";

/// A directory's driver, and the database with its settings.
struct House {
    store: Store,
    gatekeeper: Gatekeeper,
    _folder: Folder,
}

impl House {
    /// Asks those servers in clear text; searches below `dc=home` as [`SEARCHER`].
    fn new(servers: &[&Server]) -> House {
        let urls: Vec<_> = servers.iter().map(|server| format!("ldap://{}", server.address)).collect();
        let house = House::asking(&urls.join(","));
        house.set("directory_clear", "on");
        house
    }

    fn asking(urls: &str) -> House {
        let folder = Folder::new();
        let store =
            Store::create(&folder.database(), &Options::default(), Clock::system(UnixTime(0))).unwrap();
        let key = DeviceKey::create(&folder.database()).unwrap();
        let gatekeeper = Gatekeeper::new(store.clone(), key).unwrap();
        let house = House { store, gatekeeper, _folder: folder };
        house.set("directory_servers", urls);
        house.set("directory_base", "dc=home");
        house.set("directory_account", SEARCHER);
        house.set_password("search");
        house
    }

    fn set(&self, key: &str, value: &str) {
        self.store.set_setting(key, Some(value)).wait().unwrap();
    }

    fn set_password(&self, password: &str) {
        let sealed = self.gatekeeper.seal(DIRECTORY_PASSWORD, password.as_bytes());
        self.store.put_record(DIRECTORY_PASSWORD, sealed).wait().unwrap();
    }

    fn trust(&self, authority: &[u8]) {
        let record = postcard::to_allocvec(&vec![authority.to_vec()]).unwrap();
        self.store.put_record(DIRECTORY_AUTHORITIES, record).wait().unwrap();
    }

    fn directory(&self) -> Directory {
        self.patient(Patience { connect: LONG, handshake: LONG, reply: LONG, whole: LONG })
    }

    fn patient(&self, patience: Patience) -> Directory {
        Directory::with(self.store.clone(), self.gatekeeper.records(), patience)
    }
}

fn alice() -> Person {
    Person { address: "alice@home.lan".parse().unwrap(), account: None }
}

/// Alice, whose mailbox is bound to an account.
fn bound_alice(identity: &[u8]) -> Person {
    let account = Account { name: "alice@home.lan".into(), identity: identity.to_vec() };
    Person { account: Some(account), ..alice() }
}

fn wonderland() -> Secret {
    Secret::new("wonderland")
}

/// A directory in order: it knows the searcher, and alice with `u-1`.
fn well(deed: &Deed, id: i64) -> Act {
    Act::Say(match deed {
        Deed::Bind(_, name, password) => {
            let is_right = matches!((&name[..], &password[..]), (SEARCHER, "search") | (ALICE, "wonderland"));
            say::bound(id, if is_right { 0 } else { 49 }, "")
        }
        Deed::StartTls(_) => say::extended(id, 2),
        Deed::Search(..) => [say::entry(id, ALICE, &[("entryUUID", b"u-1")]), say::searched(id, 0)].concat(),
        _ => return Act::Silence,
    })
}

/// TLS with a certificate for 127.0.0.1 and dc1.home.lan, and the authority that has signed it.
fn tls() -> (Arc<ServerConfig>, Vec<u8>) {
    let authority = cert::make_authority("home.lan").unwrap();
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let now = Clock::system(UnixTime(0)).now();
    let server = cert::make_server(&authority, &["dc1.home.lan".into()], &addresses, now).unwrap();
    let key = PrivatePkcs8KeyDer::from(server.private_key.expose().to_vec());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(server.certificate)], key.into())
        .unwrap();
    (Arc::new(config), authority.certificate)
}
