//! Who calls, and whom he calls: a mailbox with its record, or the decoy, at the same cost.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use super::Gatekeeper;
use super::decoy::Decoy;
use super::hash::Hash;
use super::pace::About;
use super::record::Record;
use super::spelling;
use super::work::Work;
use crate::mail::{Address, Secret, name, printable};
use crate::sasl::scram::Verifier;
use crate::settings::{Method, Names};
use crate::store::{Found, Mailbox, StoreError, Wanted};

/// Who wants to log on.
pub struct Caller {
    /// Whom he says to be, in the form in which he is counted while it is not known who that is.
    pub account: String,
    /// Where he is.
    pub peer: IpAddr,
    /// How he proves it, for the log.
    pub mechanism: &'static str,
    /// How users are known, the same for the whole of a logon.
    pub method: Method,
    /// When he came.
    pub arrived: Instant,
    /// Whether he has a mailbox, as far as that is known yet.
    pub is_user: bool,
    wanted: Option<Wanted>,
    shown: String,
}

impl Caller {
    /// His name for the log, always last in its line (S-318).
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whom the name turned out to mean: all forms of it count as one, so that none of them gives more tries.
    pub fn meant(&mut self, subject: &Subject) {
        let Some(address) = &subject.address else { return };
        self.is_counted_as(subject);
        if subject.mailbox.is_some() {
            self.shown = address.to_string();
        }
    }

    /// The same, but for the log.
    pub fn is_counted_as(&mut self, subject: &Subject) {
        let Some(address) = &subject.address else { return };
        self.account = address.to_string();
        self.is_user = subject.mailbox.is_some();
    }

    /// Looks for somebody else than was read from the name, counted as `account` until he is found.
    pub fn look_for(&mut self, wanted: Wanted, account: String) {
        (self.wanted, self.account) = (Some(wanted), account);
    }

    /// Whom the name meant, found in another way.
    pub fn found(&mut self, address: &Address) {
        (self.account, self.shown, self.is_user) = (address.to_string(), address.to_string(), true);
    }
}

impl Gatekeeper {
    /// Reads a user name as it was typed; what is no name of ours is an unknown user like any other (A11).
    pub(super) fn caller(&self, typed: &str, peer: IpAddr, mechanism: &'static str) -> Caller {
        let settings = self.inner.store.settings();
        let arrived = self.inner.clock.monotonic();
        read(typed, peer, mechanism, (settings.auth, settings.names), arrived)
    }
}

fn read(
    typed: &str,
    peer: IpAddr,
    mechanism: &'static str,
    (method, names): (Method, Names),
    arrived: Instant,
) -> Caller {
    // The whole of it, for some keyboards type a wide @ and dots. Names from right to left can't be prepared
    // together with their domain; as an address they are.
    let prepared = name::prepare(typed);
    let user_name = prepared.as_deref().unwrap_or(typed);
    let wanted = spelling::read(user_name, method, names);
    let address = match &wanted {
        Some(Wanted::Address(address)) => Some(address),
        _ => None,
    };
    let account = match address {
        Some(address) => address.to_string(),
        None => user_name.to_lowercase(),
    };
    let shown = shown(user_name, address);
    Caller { account, peer, mechanism, method, arrived, is_user: false, wanted, shown }
}

/// What is no address may be a password in the wrong field: only its beginning is shown (S-319).
fn shown(user_name: &str, address: Option<&Address>) -> String {
    match address {
        // Its letters have been prepared: none of them can do harm.
        Some(address) => address.to_string(),
        None => {
            let beginning: String = user_name.chars().take(2).collect();
            format!("{}... (no full address)", printable(beginning.as_bytes()))
        }
    }
}

/// Against what a claim is held: a mailbox's record, or the decoy where something is missing.
pub struct Subject {
    /// The mailbox; none if there is none, or if its record can't be opened where that is needed.
    pub mailbox: Option<Mailbox>,
    /// The address that is meant, whether there is a mailbox or not; none if it could be several.
    pub address: Option<Address>,
    record: Option<Record>,
    decoy: Arc<Decoy>,
}

impl Subject {
    /// The sealed record, for recognition.
    pub fn sealed(&self) -> &[u8] {
        let own = self.mailbox.as_ref().map(|mailbox| &mailbox.password[..]);
        own.filter(|sealed| !sealed.is_empty()).unwrap_or(&self.decoy.sealed)
    }

    /// Whether the mailbox is in the password file, but has no password yet.
    pub fn lacks_password(&self) -> bool {
        self.mailbox.as_ref().is_some_and(|mailbox| mailbox.password.is_empty())
    }

    /// The hash to compute.
    pub fn hash(&self) -> &Hash {
        self.record.as_ref().map_or(&self.decoy.hash, Record::hash)
    }

    /// The mailbox's verifier, if it has one.
    pub fn verifier(&self) -> Option<&Verifier> {
        self.record.as_ref()?.verifier()
    }

    /// The mailbox's secret, if it has one.
    pub fn secret(&self) -> Option<&Secret> {
        self.record.as_ref()?.secret()
    }

    /// The mailbox's record.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    /// What stands in.
    pub fn decoy(&self) -> &Decoy {
        &self.decoy
    }
}

impl Gatekeeper {
    /// Looks the caller's mailbox up and opens its record, or as much for nothing. Errs if the store can't
    /// answer; logged already.
    pub(super) async fn subject(&self, caller: &Caller, decoy: Arc<Decoy>) -> Result<Subject, StoreError> {
        let ledger = &self.inner.ledger;
        ledger.note(Work::LookUp);
        let wanted = caller.wanted.clone().unwrap_or_else(|| Wanted::Address(decoy.address.clone()));
        let Found { mailbox, address } = self.inner.store.user(wanted).await.inspect_err(|error| {
            if let Some(more) = self.admit_line(About::NoAnswer) {
                log::warn!("{} logon put off, the database does not answer: {error}{more}", caller.peer);
            }
        })?;
        // Somebody may have made a mailbox of the decoy's name.
        let mailbox = mailbox.filter(|_| caller.wanted.is_some());
        let address = address.filter(|_| caller.wanted.is_some());
        if caller.method != Method::File {
            return Ok(Subject { mailbox, address, record: None, decoy });
        }
        ledger.note(Work::Opening);
        let sealer = &self.inner.sealer;
        let Some(found) = mailbox.as_ref().filter(|mailbox| !mailbox.password.is_empty()) else {
            drop(Record::open(sealer, &decoy.address, decoy.mark, &decoy.sealed));
            return Ok(Subject { mailbox, address, record: None, decoy });
        };
        let record = Record::open(sealer, &found.address, found.mark, &found.password);
        if record.is_none()
            && let Some(more) = self.admit_line(About::Damaged)
        {
            let address = &found.address;
            log::error!(
                "the password of {address} is damaged: set it anew by \"poppet passwd {address}\"{more}"
            );
        }
        let mailbox = mailbox.filter(|_| record.is_some());
        Ok(Subject { mailbox, address, record, decoy })
    }

    /// The decoy of today's cost; none if there can't be a hash of it. Until their next logon, users whose
    /// password was hashed at another cost do take another time than strangers: who changes the cost of
    /// hashes accepts that, and the records are made anew one by one (S-167).
    pub(super) fn decoy(&self) -> Option<Arc<Decoy>> {
        let cost = self.cost();
        let mut decoy = self.inner.decoy.lock().unwrap_or_else(PoisonError::into_inner);
        if decoy.as_ref().is_none_or(|decoy| decoy.cost != cost) {
            *decoy = Decoy::new(&self.inner.sealer, &self.inner.randomness, cost).map(Arc::new);
        }
        decoy.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(user_name: &str) -> Caller {
        let peer = IpAddr::V4([192, 0, 2, 1].into());
        read(user_name, peer, "password", (Method::File, Names::Strict), Instant::now())
    }

    #[test]
    fn the_log_shows_addresses_and_hides_passwords_in_the_wrong_field_s_317_s_319() {
        for (typed, shown) in [
            ("Alice@home.lan", "alice@home.lan"),
            ("JO\u{308}RG@Home.lan", "jörg@home.lan"),
            ("jörg\u{202E}@home.lan", "j\\xC3\\xB6... (no full address)"),
            ("hunter2", "hu... (no full address)"),
            ("\n\u{2028}AUTH OK", "\\x0A\\xE2\\x80\\xA8... (no full address)"),
            ("", "... (no full address)"),
        ] {
            assert_eq!(caller(typed).shown(), shown);
        }
        assert!(caller(&"x".repeat(10_000)).shown().len() < 40);
    }

    #[test]
    fn a_name_is_counted_in_one_form_however_it_is_typed() {
        for (typed, account) in [
            ("alice@home.lan", "alice@home.lan"),
            ("ALICE@Home.Lan", "alice@home.lan"),
            ("ALICE", "alice"),
            ("\u{ff21}lice@home.lan", "alice@home.lan"),
            ("\u{ff21}lice\u{ff20}home\u{ff0e}lan", "alice@home.lan"),
            ("JO\u{308}RG@home.lan", "j\u{f6}rg@home.lan"),
            ("\u{5e9}\u{5e8}\u{5d4}@Home.lan", "\u{5e9}\u{5e8}\u{5d4}@home.lan"),
        ] {
            assert_eq!(caller(typed).account, account);
        }
    }

    #[test]
    fn what_can_not_be_prepared_names_nobody() {
        for typed in ["a b@home.lan", "\u{2163}@home.lan", "a\u{200d}b@home.lan", "\u{5e9}x@home.lan", ""] {
            assert!(caller(typed).wanted.is_none(), "{typed:?}");
        }
    }
}
