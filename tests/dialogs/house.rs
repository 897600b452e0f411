//! The server that the dialogs talk to, in this process, and fresh mailboxes in it for each play.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use poppet::admin::{Asker, Context};
use poppet::auth::{DeviceKey, Gatekeeper};
use poppet::clock::Clock;
use poppet::mail::{Address, Alias, AliasTarget, Domain, MailboxId, MessageId, Secret};
use poppet::net::{self, Plan};
use poppet::settings::{Listen, ListenerKind};
use poppet::store::{Delivery, Device, Level, Lock, Options, Reach, Store};
use poppet::ticket::block_on;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

use crate::script::{Kind, Script, octets};

/// The name that the server goes by and its certificate is for.
pub const HOST_NAME: &str = "mail.home.lan";

/// Mailboxes `crowd0` to `crowd98`: one fewer than a mail may have recipients here.
const CROWD: usize = 99;

/// A running server.
pub struct House {
    store: Store,
    gatekeeper: Gatekeeper,
    ports: HashMap<&'static str, SocketAddr>,
    /// Trusts the server's authority and nothing else.
    pub tls: Arc<ClientConfig>,
}

/// What one play has for itself.
pub struct Room {
    /// What `{...}` stands for.
    pub names: HashMap<&'static str, String>,
    user: MailboxId,
    other: MailboxId,
}

impl House {
    /// The server of that kind; each is started at its first use.
    pub fn open(kind: Kind) -> &'static House {
        static EASY: OnceLock<House> = OnceLock::new();
        static FOR_DEVICES: OnceLock<House> = OnceLock::new();
        static STRICT: OnceLock<House> = OnceLock::new();
        static CHALLENGING: OnceLock<House> = OnceLock::new();
        static RULED: OnceLock<House> = OnceLock::new();
        match kind {
            Kind::Easy => EASY.get_or_init(|| House::start("easy", &[("plaintext", "always")])),
            Kind::ForDevices => FOR_DEVICES.get_or_init(|| {
                let house = House::start("devices", &[("plaintext", "always")]);
                // The first addresses that plays come from.
                for net in 0..=255 {
                    house.store.add_device(scanner(net)).wait().expect("a device");
                }
                house
            }),
            Kind::Strict => STRICT.get_or_init(|| House::start("strict", &[("plaintext", "tls")])),
            Kind::Challenging => CHALLENGING.get_or_init(|| {
                let own = [("plaintext", "always"), ("challenge", "on"), ("language", "de")];
                House::start("challenging", &own)
            }),
            Kind::Ruled => RULED.get_or_init(|| {
                let house = House::start("ruled", &[("plaintext", "always")]);
                // Worse than what any play may set, so that before a logon all are told the same.
                house.own("keeper@home.lan", "retain", "1").expect("a setting");
                house.own("keeper@home.lan", "login_delay", "3600").expect("a setting");
                house
            }),
        }
    }

    fn start(name: &str, own_settings: &[(&str, &str)]) -> House {
        let database = scratch().join(format!("{name}.redb"));
        let clock = Clock::system(poppet::clock::UnixTime(0));
        let key = DeviceKey::create(&database).expect("a device key");
        let store = Store::create(&database, &Options::default(), clock.clone()).expect("a database");
        let gatekeeper = Gatekeeper::new(store.clone(), key).expect("a gatekeeper");
        let settings = [
            ("hostname", HOST_NAME),
            ("argon2_kib", "7168"),
            ("argon2_passes", "1"),
            ("connections_per_address", "50"),
            ("postmaster", "keeper@home.lan"),
            ("recipients", "100"),
            // The machine that runs the tests may have a full disk.
            ("reserve_mib", "1"),
        ];
        for &(key, value) in settings.iter().chain(own_settings) {
            store.set_setting(key, Some(value)).wait().expect("a setting");
        }
        store.add_domain("home.lan".parse().unwrap()).wait().expect("a domain");
        let names = [HOST_NAME.to_owned()];
        block_on(poppet::cert::ensure(&store, &gatekeeper, "home.lan", &names, &[], clock.now()))
            .expect("a certificate");
        let authority = block_on(poppet::cert::authority(&store)).expect("a store").expect("an authority");
        let house = House {
            ports: serve(&store, &gatekeeper, clock, database),
            tls: client(authority),
            store,
            gatekeeper,
        };
        house.add("keeper@home.lan", "keeper");
        // Whom a mail with too many recipients goes to.
        for number in 0..if name == "easy" { CROWD } else { 0 } {
            house.add(&format!("crowd{number}@home.lan"), "crowd");
        }
        house
    }

    /// Where a listener is.
    pub fn address(&self, door: &str) -> SocketAddr {
        self.ports[door]
    }

    /// Makes fresh mailboxes for one play.
    pub fn room(&self, script: &Script) -> Result<Room, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let domain = if script.locked.as_deref() == Some("domain") {
            let domain: Domain = format!("d{number}.home.lan").parse().unwrap();
            self.store.add_domain(domain.clone()).wait().map_err(|cause| cause.to_string())?;
            domain
        } else {
            "home.lan".parse().unwrap()
        };
        let (user, other) = (format!("{}{number}", script.user), format!("o{number}"));
        let names = HashMap::from([
            ("user", format!("{user}@{domain}")),
            ("name", user),
            ("other", format!("{other}@{domain}")),
            ("domain", domain.to_string()),
            ("number", number.to_string()),
            ("host", HOST_NAME.to_owned()),
            ("pass", script.password.clone()),
        ]);
        let password = String::from_utf8(octets("{pass}", &names)?).map_err(|cause| cause.to_string())?;
        let room = Room {
            user: self.add(&names["user"], &password),
            other: self.add(&names["other"], &password),
            names,
        };
        for mail in &script.mails {
            self.put(room.user, &octets(mail, &room.names)?)?;
        }
        for (key, value) in &script.own {
            self.own(&room.names["user"], key, value)?;
        }
        for (alias, targets) in &script.aliases {
            self.alias(alias, targets, &room.names)?;
        }
        let mailbox = || room.names["user"].parse().unwrap();
        match script.locked.as_deref() {
            Some("mailbox") => self.store.lock_mailbox(mailbox(), Lock::Reading).wait(),
            Some("all") => self.store.lock_mailbox(mailbox(), Lock::All).wait(),
            Some("domain") => self.store.lock_domain(domain, Lock::Reading).wait(),
            _ => Ok(()),
        }
        .map_err(|cause| cause.to_string())?;
        Ok(room)
    }

    /// How many messages the mailbox of `user` or `other` has.
    pub fn count(&self, room: &Room, who: &str) -> Result<usize, String> {
        let snapshot = self.store.snapshot(room.mailbox(who)).wait().map_err(|cause| cause.to_string())?;
        Ok(snapshot.messages.len())
    }

    /// How many messages in the mailbox of `user` or `other` count as retrieved.
    pub fn retrieved(&self, room: &Room, who: &str) -> Result<u32, String> {
        let domain = room.names["domain"].parse().unwrap();
        let rows = self.store.mailboxes(Some(domain)).wait().map_err(|cause| cause.to_string())?;
        let row = rows.into_iter().find(|row| row.id == room.mailbox(who)).ok_or("the mailbox is gone")?;
        Ok(row.retrieved)
    }

    /// The octets of its newest message.
    pub fn newest(&self, room: &Room, who: &str) -> Result<Vec<u8>, String> {
        let mailbox = room.mailbox(who);
        let failed = |cause: poppet::store::StoreError| cause.to_string();
        let snapshot = self.store.snapshot(mailbox).wait().map_err(failed)?;
        let &(uid, octets) = snapshot.messages.last().ok_or("the mailbox is empty")?;
        let opened = self.store.open_message(MessageId { mailbox, uid }).wait().map_err(failed)?;
        let opened = opened.ok_or("the message is gone")?;
        let mut message = opened.prefix;
        for index in 0..opened.chunks {
            message.extend(self.store.chunk(opened.blob, index).wait().map_err(failed)?.0);
        }
        if message.len() != octets as usize {
            return Err(format!("the listing says {octets} octets, the message has {}", message.len()));
        }
        Ok(message)
    }

    fn add(&self, address: &str, password: &str) -> MailboxId {
        let address: Address = address.parse().unwrap();
        let mark = self.gatekeeper.fresh_mark();
        let record =
            self.gatekeeper.seal_password(&address, mark, &Secret::new(password)).expect("a password");
        self.store.add_mailbox(address, mark, record).wait().expect("a mailbox")
    }

    fn own(&self, address: &str, key: &str, value: &str) -> Result<(), String> {
        let level = Level::Mailbox(address.parse().unwrap());
        self.store.set_level(level, key, Some(value)).wait().map_err(|cause| cause.to_string())
    }

    fn alias(
        &self,
        alias: &str,
        targets: &[String],
        names: &HashMap<&'static str, String>,
    ) -> Result<(), String> {
        let text =
            |written: &str| String::from_utf8(octets(written, names)?).map_err(|cause| cause.to_string());
        let target = |written: &String| {
            let address = text(written)?.parse::<Address>().map_err(|cause| cause.to_string())?;
            Ok::<_, String>(AliasTarget::Address(address))
        };
        let targets = targets.iter().map(target).collect::<Result<_, _>>()?;
        let alias: Alias =
            text(alias)?.parse().map_err(|cause: poppet::mail::AddressError| cause.to_string())?;
        self.store.set_alias(alias, targets).wait().map_err(|cause| cause.to_string())
    }

    fn put(&self, mailbox: MailboxId, message: &[u8]) -> Result<(), String> {
        let mut upload = self.store.upload();
        block_on(upload.push(message)).map_err(|cause| cause.to_string())?;
        let delivery = Delivery::to(mailbox, Vec::new());
        upload.finish(vec![delivery]).wait().map_err(|cause| cause.to_string())?;
        Ok(())
    }
}

impl Room {
    fn mailbox(&self, who: &str) -> MailboxId {
        if who == "user" { self.user } else { self.other }
    }
}

/// A device that is each of 256 addresses.
fn scanner(net: u8) -> Device {
    Device {
        name: format!("scanner-{net}"),
        network: format!("127.77.{net}.0/24").parse().expect("a network"),
        sender: None,
        reach: Reach::Local,
        mails_per_day: None,
        is_lenient: true,
        created: poppet::clock::UnixTime(0),
    }
}

/// A folder of this test run; what an earlier run left is removed first.
fn scratch() -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dialogs");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a scratch folder");
        folder
    };
    FOLDER.get_or_init(make).clone()
}

/// Serves on any free ports until this process ends.
fn serve(
    store: &Store,
    gatekeeper: &Gatekeeper,
    clock: Clock,
    database: PathBuf,
) -> HashMap<&'static str, SocketAddr> {
    let context =
        Context { store: store.clone(), gatekeeper: gatekeeper.clone(), live: None, asker: Asker::default() };
    let anywhere = || Listen(vec!["127.0.0.1:0".parse().unwrap()]);
    let overrides = ListenerKind::ALL.into_iter().map(|kind| (kind, anywhere())).collect();
    let (bound, ports) = mpsc::channel();
    std::thread::spawn(move || {
        let plan = Plan { database, overrides, ..Plan::default() };
        let ended = net::serve(context, clock, plan, |listeners| {
            let _ = bound.send(listeners.to_vec());
        });
        if let Err(cause) = ended {
            eprintln!("the server ended: {}", cause.0);
        }
    });
    let listeners = ports.recv().expect("a server that is ready");
    listeners.into_iter().map(|(kind, address)| (kind.name(), address)).collect()
}

fn client(authority: Vec<u8>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority)).expect("the authority's certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
