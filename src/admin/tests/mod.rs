//! Administrative acts on a real database, where a crowd that tests make up knows the users.

mod adding;
mod binding;
mod certificates;
mod choosing;
mod following;
mod late;
mod migrating;
mod outgoing;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::auth::tests::Folder;
use crate::auth::{Absence, Answering, DeviceKey, Finding, Outside, Person};
use crate::clock::{Clock, UnixTime};
use crate::mail::{Account, Address, MailboxId, Secret};
use crate::settings::Method;
use crate::store::{Mailbox, Options};
use crate::ticket::block_on;

/// Who is known elsewhere, by the address or by the name of the account.
#[derive(Default)]
pub struct Crowd {
    accounts: Mutex<HashMap<String, Account>>,
    asked: Mutex<Vec<(Method, String)>>,
    /// Why nobody answers, if that is so.
    silence: Mutex<Option<String>>,
    /// After how many answers nobody answers any more.
    pub answers: Mutex<Option<usize>>,
    relays_ntlm: Mutex<bool>,
    /// With which passwords of the directory's account it was to search.
    pub tried: Mutex<Vec<Option<Vec<u8>>>>,
}

impl Crowd {
    /// Makes somebody known.
    pub fn know(&self, key: &str, name: &str, identity: &str) {
        let account = Account { name: name.into(), identity: identity.into() };
        self.accounts.lock().unwrap().insert(key.into(), account);
    }

    /// Nobody answers any more, or again.
    pub fn fall_silent(&self, why: Option<&str>) {
        *self.silence.lock().unwrap() = why.map(String::from);
    }

    /// For whom it was asked since the last time.
    pub fn take_asked(&self) -> Vec<(Method, String)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Outside for Crowd {
    fn prove(&self, _: Method, _: Person, _: Secret) -> Answering<'_, Finding> {
        Box::pin(async { Finding::Busy })
    }

    fn find(&self, method: Method, person: Person) -> Answering<'_, Result<Account, Absence>> {
        let key = person.account.map_or(person.address.to_string(), |account| account.name);
        Box::pin(async move {
            let mut asked = self.asked.lock().unwrap();
            asked.push((method, key.clone()));
            if self.answers.lock().unwrap().is_some_and(|answers| asked.len() > answers) {
                return Err(Absence::Unavailable("it broke down".into()));
            }
            match (&*self.silence.lock().unwrap(), self.accounts.lock().unwrap().get(&key)) {
                (Some(why), _) => Err(Absence::Unavailable(why.clone())),
                (None, Some(account)) => Ok(account.clone()),
                (None, None) => Err(Absence::Refused(format!("there is no account {key}"))),
            }
        })
    }

    fn search_with(&self, sealed: Option<Vec<u8>>) {
        self.tried.lock().unwrap().push(sealed);
    }

    fn relays_ntlm(&self) -> bool {
        *self.relays_ntlm.lock().unwrap()
    }
}

/// Notes whose sessions are ended.
#[derive(Default)]
pub struct Sessions {
    ended: Mutex<Vec<MailboxId>>,
    /// How often it was to look at queue and ways anew.
    pub looked_anew: AtomicU32,
    /// Ports to which its sandbox does not let it connect.
    pub late_ports: Mutex<Vec<u16>>,
    /// Whether its sandbox does not let it start Samba's helper.
    pub is_helper_late: Mutex<bool>,
}

impl Live for Sessions {
    fn status(&self) -> LiveStatus {
        LiveStatus {
            pid: 1,
            uptime_seconds: 0,
            listeners: Vec::new(),
            sessions: Vec::new(),
            broken_off: 0,
            sandbox: Vec::new(),
            shut: Vec::new(),
        }
    }

    fn sessions(&self) -> Vec<SessionRow> {
        Vec::new()
    }

    fn kick(&self, _: &Whom) -> u32 {
        0
    }

    fn lets_connect(&self, port: u16) -> bool {
        !self.late_ports.lock().unwrap().contains(&port)
    }

    fn lets_start(&self) -> bool {
        !*self.is_helper_late.lock().unwrap()
    }

    fn end_sessions(&self, mailbox: MailboxId) {
        self.ended.lock().unwrap().push(mailbox);
    }

    fn certificates_changed(&self) {}

    fn relay(&self) -> RelayStatus {
        RelayStatus::default()
    }

    fn relay_changed(&self) {
        self.looked_anew.fetch_add(1, Ordering::Relaxed);
    }

    fn try_way(&self, lane: &crate::mail::Lane) -> Trial {
        let step = TrialStep { host: "mail.example".into(), state: TrialState::Good, text: lane.to_string() };
        Trial { steps: vec![step] }
    }
}

/// A database with the crowd beside it.
pub struct House {
    pub context: Context,
    pub crowd: Arc<Crowd>,
    pub sessions: Arc<Sessions>,
    _folder: Folder,
}

impl House {
    /// Without domains.
    pub fn empty() -> House {
        let folder = Folder::new();
        let clock = Clock::system(UnixTime(0));
        let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
        for (key, value) in [("argon2_kib", "7168"), ("argon2_passes", "1"), ("reserve_mib", "1")] {
            store.set_setting(key, Some(value)).wait().unwrap();
        }
        let key = DeviceKey::create(&folder.database()).unwrap();
        let gatekeeper = Gatekeeper::new(store.clone(), key).unwrap();
        let (crowd, sessions) = (Arc::new(Crowd::default()), Arc::new(Sessions::default()));
        gatekeeper.ask_outside(Arc::clone(&crowd) as Arc<dyn Outside>);
        let live = Some(Arc::clone(&sessions) as Arc<dyn Live>);
        House {
            context: Context { store, gatekeeper, live, asker: Asker::default() },
            crowd,
            sessions,
            _folder: folder,
        }
    }

    /// With these mailboxes and their domains, known by file.
    pub fn with(addresses: &[&str]) -> House {
        let house = House::empty();
        for address in addresses {
            house.domain(address.split_once('@').unwrap().1);
            house.act(add(address)).unwrap();
        }
        house
    }

    /// Makes a domain where there is none.
    pub fn domain(&self, name: &str) {
        let _ = self.act(Command::AddDomain(name.parse().unwrap()));
    }

    pub fn act(&self, command: Command) -> Result<Answer, AdminError> {
        block_on(execute(&self.context, command))
    }

    /// The text of a refusal.
    #[track_caller]
    pub fn refused(&self, command: Command) -> String {
        let error = self.act(command).unwrap_err();
        assert_eq!((error.kind, error.text.lines().count()), (Failure::Refused, 1), "{}", error.text);
        error.text
    }

    pub fn set(&self, key: &str, value: &str) {
        self.context.store.set_setting(key, Some(value)).wait().unwrap();
    }

    /// Chooses a method without looking.
    pub fn choose(&self, method: Method) {
        self.set("directory_servers", "ldaps://dc1.home.lan");
        self.act(Command::ChooseAuth { method, directory_password: None, is_forced: true }).unwrap();
    }

    pub fn method(&self) -> Method {
        self.context.store.settings().auth
    }

    pub fn mailbox(&self, text: &str) -> Option<Mailbox> {
        self.context.store.mailbox(address(text)).wait().unwrap()
    }

    /// The name of a mailbox's account, and whether it has a password.
    pub fn known_by(&self, text: &str) -> (Option<String>, bool) {
        let mailbox = self.mailbox(text).unwrap();
        (mailbox.account.map(|account| account.name), !mailbox.password.is_empty())
    }
}

pub fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// Adds a mailbox with a generated password, or whose account its address names.
pub fn add(text: &str) -> Command {
    Command::AddMailbox { address: address(text), password: None, account: None }
}

pub fn remove(text: &str) -> Command {
    Command::Remove { target: text.parse().unwrap(), is_confirmed: true }
}

pub fn undelete(text: &str) -> Command {
    Command::Undelete { address: address(text), since: None, is_dry_run: false }
}
