//! Somebody who knows users elsewhere, as a test wants it.

use std::sync::Mutex;

use super::*;
use crate::auth::outside::Answering;
use crate::mail::Account;
use crate::settings::Method;

/// Knows what it is told, and remembers what it was asked.
#[derive(Default)]
pub struct Fake {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    users: Vec<(Account, &'static str)>,
    finding: Option<Finding>,
    asked: Vec<(Method, Person, Secret)>,
}

impl Fake {
    /// A user, by the local part of his address or the name of his account.
    pub fn add(&self, name: &str, identity: &[u8], password: &'static str) {
        let account = Account { name: name.into(), identity: identity.into() };
        self.state.lock().unwrap().users.push((account, password));
    }

    /// As if nobody had ever been there.
    pub fn forget_users(&self) {
        self.state.lock().unwrap().users.clear();
    }

    /// What it answers from now on, whatever it is asked; none for what is true.
    pub fn answer(&self, finding: Option<Finding>) {
        self.state.lock().unwrap().finding = finding;
    }

    /// What it has been asked since this was asked for.
    pub fn asked(&self) -> Vec<(Method, Person, Secret)> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    fn find(&self, person: &Person) -> Option<(Account, &'static str)> {
        let name = person.account.as_ref().map_or(person.address.local_part(), |account| &account.name);
        let state = self.state.lock().unwrap();
        state.users.iter().find(|(account, _)| account.name.eq_ignore_ascii_case(name)).cloned()
    }
}

impl Outside for Fake {
    fn prove(&self, method: Method, person: Person, password: Secret) -> Answering<'_, Finding> {
        let found = self.find(&person);
        let mut state = self.state.lock().unwrap();
        state.asked.push((method, person, password.clone()));
        let truth = match found {
            Some((account, right)) if password == Secret::new(right) => Finding::Right(Some(account)),
            Some(_) => Finding::Wrong("wrong password".into()),
            None => Finding::Wrong("no such account".into()),
        };
        let finding = state.finding.clone().unwrap_or(truth);
        Box::pin(std::future::ready(finding))
    }

    fn find(&self, _: Method, person: Person) -> Answering<'_, Result<Account, Absence>> {
        let finding = self.state.lock().unwrap().finding.clone();
        let answer = match (finding, self.find(&person)) {
            (Some(Finding::Unavailable(why)), _) => Err(Absence::Unavailable(why)),
            (_, Some((account, _))) => Ok(account),
            (_, None) => Err(Absence::Refused("no such account".into())),
        };
        Box::pin(std::future::ready(answer))
    }

    fn relays_ntlm(&self) -> bool {
        true
    }
}

impl House {
    /// As [`House::new`], with users known by that method: alice, whose password there is `rabbit`.
    pub(super) fn elsewhere(method: Method) -> (House, Arc<Fake>) {
        let house = House::new();
        house.set("auth", method.name());
        let fake = Arc::new(Fake::default());
        fake.add("alice", b"1", "rabbit");
        house.gatekeeper.ask_outside(fake.clone());
        (house, fake)
    }
}

/// Whether a verdict is a refusal whose delay is that, or what was left of it.
pub fn is_refused(verdict: &Verdict, seconds: u64) -> bool {
    let most = Duration::from_secs(seconds);
    matches!(verdict, Verdict::Refused { delay } if *delay <= most && *delay > most.saturating_sub(Duration::from_millis(900)))
}

/// Whether somebody was let in.
pub fn is_welcome(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Welcome(_))
}
