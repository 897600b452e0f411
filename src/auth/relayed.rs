//! NTLM that Samba's helper found right: whose mailbox that is (A7, S-206).
//!
//! The helper's word is a name, `DOMAIN\user`. Which account that is the system or the directory says, which also
//! keeps out whom they refuse; whose mailbox the account is, is found by its identity, else by its name, else by the
//! local part of a mailbox that has no account yet, of which it is then asked whose that would be. Two accounts never
//! have the same mailbox, and where two mailboxes would do there is none.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::decoy::Decoy;
use super::failures::Trying;
use super::login::{IS_HELD, TOO_MANY};
use super::subject::Caller;
use super::throttle::Attempt;
use super::turns::Turn;
use super::{Absence, Gatekeeper, Outside, Peer, Person, Verdict, certified, elsewhere};
use crate::mail::{Account, Address, name};
use crate::settings::{Bind, Directory, Method};
use crate::store::{Mailbox, StoreError, Wanted};

/// Whether NTLM may be shown to Samba's helper.
#[derive(Debug)]
pub enum Showing {
    /// To nobody, and why not.
    Kept(&'static str),
    /// To nobody now, which the log has been told.
    PutOff,
    /// To it, until this is dropped.
    Shown(Box<Relaying>),
}

/// NTLM that is shown to Samba's helper, the only one of its account.
pub struct Relaying {
    gatekeeper: Gatekeeper,
    caller: Caller,
    attempt: Attempt,
    _trying: Trying,
    _turn: Turn,
}

impl Relaying {
    /// Counts it as wrong before the next one is shown, and says why in the log; gives how long the answer must wait.
    pub fn refused(self, why: &str) -> Duration {
        let Relaying { gatekeeper, caller, attempt, .. } = &self;
        let delay = gatekeeper.throttle().failed_proof(attempt, gatekeeper.inner.clock.monotonic());
        let why = format!("; {}", elsewhere::shown(why));
        gatekeeper.refused(caller, delay, why.into());
        gatekeeper.tell_failures();
        delay
    }
}

impl fmt::Debug for Relaying {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Relaying")
    }
}

impl Gatekeeper {
    /// Lets in whom the helper has named.
    pub(super) async fn login_by_relay(
        &self,
        mut caller: Caller,
        decoy: Arc<Decoy>,
        told: &str,
        peer: &Peer,
    ) -> Result<Mailbox, Verdict> {
        self.count_by_user(&mut caller, Arc::clone(&decoy), told).await.map_err(|_| Verdict::StoreFailed)?;
        let attempt = self.attempt(&caller);
        if self.throttle().is_held(&attempt, self.inner.clock.monotonic()) {
            return Err(self.put_off(IS_HELD, &caller));
        }
        // Wrong tries count for the name that was said, which need not be the mailbox's.
        let locks_name = self.what_locks(&attempt);
        let is_on = caller.method != Method::File && self.inner.store.settings().spa;
        let (true, Some(outside)) = (is_on, self.outside()) else {
            return Err(self.refuse(&caller, None, "spa is off, or users are known by the password file"));
        };
        let (mailbox, found) = match self.owner(&**outside, caller.method, &decoy.address, told).await {
            Ok(owner) => owner,
            Err(Wrong::Refused(why)) => return Err(self.refuse(&caller, None, &why)),
            Err(Wrong::Unavailable(why)) => return Err(self.unavailable(caller.method, &caller, &why)),
            Err(Wrong::StoreFailed) => return Err(Verdict::StoreFailed),
        };
        caller.found(&mailbox.address);
        if let Some(flaw) = certified::flaw(Some(&mailbox.address), peer) {
            return Err(self.refuse(&caller, None, flaw));
        }
        // Counted by the name before, and by whose mailbox it is from here on.
        let attempt = self.attempt(&caller);
        if self.throttle().is_held(&attempt, self.inner.clock.monotonic()) {
            return Err(self.put_off(IS_HELD, &caller));
        }
        let is_at_home = self.throttle().is_at_home(&attempt, self.inner.clock.monotonic());
        if let Some(why) = self.what_locks(&attempt).or(locks_name.filter(|_| !is_at_home)) {
            return Err(self.refuse(&caller, None, why));
        }
        let bound = self.bind_to(caller.method, &mailbox, Some(found)).await;
        let mailbox = bound.map_err(|why| self.refuse(&caller, None, &why))?;
        self.throttle().passed(&attempt, self.inner.clock.monotonic());
        Ok(mailbox)
    }

    /// Begins to show NTLM to Samba's helper, of whom a message names, once it is his turn. What that is worth would not
    /// matter of who is locked out or tries in parallel; and where it is shown a wrong one counts, and locks out there,
    /// too: what is sent at once must not all be shown before the first has failed (S-205).
    pub async fn begin_relay(&self, told: &str, peer: IpAddr) -> Showing {
        let mut caller = self.caller(told, peer, NTLM);
        let Some(decoy) = self.decoy() else {
            self.put_off("no hash can be made", &caller);
            return Showing::PutOff;
        };
        if self.count_by_user(&mut caller, decoy, told).await.is_err() {
            return Showing::PutOff;
        }
        let attempt = self.attempt(&caller);
        let is_held = || self.throttle().is_held(&attempt, self.inner.clock.monotonic());
        if is_held() {
            return Showing::Kept(IS_HELD);
        }
        let Some(trying) = self.begin_try(&attempt) else {
            self.put_off(TOO_MANY, &caller);
            return Showing::PutOff;
        };
        let is_known = self.throttle().is_known(&attempt);
        let Ok(turn) = self.inner.turns.take(&caller.account, attempt.network(), is_known).await else {
            self.put_off(TOO_MANY, &caller);
            return Showing::PutOff;
        };
        if is_held() {
            return Showing::Kept(IS_HELD);
        }
        if self.is_crowded(&attempt) {
            self.put_off(TOO_MANY, &caller);
            return Showing::PutOff;
        }
        // A name that is no mailbox's may be an account's: who that is, and where he is at home, the helper has to say.
        let may_be_at_home = !caller.is_user && is_known;
        match self.what_locks(&attempt).filter(|_| !may_be_at_home) {
            Some(why) => Showing::Kept(why),
            None => {
                let gatekeeper = self.clone();
                Showing::Shown(Box::new(Relaying {
                    gatekeeper,
                    caller,
                    attempt,
                    _trying: trying,
                    _turn: turn,
                }))
            }
        }
    }

    /// Counts NTLM that is wrong though nobody was asked, and says why in the log (S-204).
    pub(super) async fn note_wrong_relay(
        &self,
        mut caller: Caller,
        decoy: Arc<Decoy>,
        told: &str,
        why: &str,
    ) -> Verdict {
        match self.count_by_user(&mut caller, decoy, told).await {
            Ok(()) => self.refuse(&caller, None, &elsewhere::shown(why)),
            Err(_) => Verdict::StoreFailed,
        }
    }

    /// Counts the caller by the mailbox of that name if there is but one, else by the name; whatever domain he names
    /// gives him no more tries.
    async fn count_by_user(
        &self,
        caller: &mut Caller,
        decoy: Arc<Decoy>,
        told: &str,
    ) -> Result<(), StoreError> {
        let user = counted(told);
        caller.look_for(Wanted::Name(user.clone()), user);
        let subject = self.subject(caller, decoy).await?;
        caller.is_counted_as(&subject);
        Ok(())
    }

    /// The mailbox of whom the helper has named, and his account.
    async fn owner(
        &self,
        outside: &dyn Outside,
        method: Method,
        nobody: &Address,
        told: &str,
    ) -> Result<(Mailbox, Account), Wrong> {
        let (domain, user) = parts(told);
        let is_own = domain.is_some_and(|domain| is_own_name(domain, &own_name()));
        if method == Method::Local && domain.is_none() {
            // A member of a domain leaves that one's name away, where it is set so, and never its own.
            return Err(Wrong::Refused(NO_DOMAIN.into()));
        }
        // Accounts of this machine itself are known to it by the name alone.
        let asked = if method == Method::Local && is_own { user } else { told };
        let refused = |why: &str| Wrong::Refused(why.into());
        let account = Account::named(asked).ok_or_else(|| refused("Samba's helper gave no name"))?;
        let person = Person { address: nobody.clone(), account: Some(account) };
        // Samba's word is the directory's own; of the system it knows the name alone.
        let found = match method {
            Method::Local => outside.admit(method, person).await?,
            _ => outside.find(method, person).await?,
        };
        let names = vec![told.to_owned(), asked.to_owned()];
        let store = &self.inner.store;
        let mailbox = store.mailbox_of_account(found.clone(), names, user.to_lowercase()).await;
        let mailbox = mailbox.map_err(|_| Wrong::StoreFailed)?;
        let mailbox = mailbox.ok_or_else(|| refused("no mailbox, or more than one, is that account's"))?;
        let is_meant =
            mailbox.account.as_ref().is_some_and(|it| it.name.to_lowercase() == told.to_lowercase());
        if let (Method::Directory, Some(domain), false) = (method, domain, is_meant)
            && !own_domains(&self.inner.store.settings().directory, &mailbox.address)
                .any(|own| is_called(&own, domain))
        {
            // The directory was asked for the user alone, and another domain may have one of that name.
            return Err(refused(
                "his domain is not known as the directory's own: \"poppet set directory_domain\" says how that is \
                 called, or \"poppet account\" binds a mailbox to DOMAIN\\user",
            ));
        }
        if elsewhere::is_untold(mailbox.account.as_ref(), &found) {
            return Err(Wrong::Unavailable(elsewhere::IS_UNTOLD.into()));
        }
        if mailbox.account.is_some() {
            return Ok((mailbox, found));
        }
        let person = Person { address: mailbox.address.clone(), account: None };
        let expected = outside.find(method, person).await?;
        match expected.is_same_as(&found) {
            true => Ok((mailbox, found)),
            false => {
                Err(refused("the mailbox of that name is another account's: \"poppet account\" binds it"))
            }
        }
    }
}

/// Why Samba's word is not taken for an account of this machine.
const NO_DOMAIN: &str = "Samba names no domain, and may mean an account of the domain that this machine has joined: leave \
                         winbind use default domain off";
/// How the log calls it.
const NTLM: &str = "NTLM";

enum Wrong {
    Refused(String),
    Unavailable(String),
    StoreFailed,
}

impl From<Absence> for Wrong {
    fn from(absence: Absence) -> Wrong {
        match absence {
            Absence::Refused(why) => Wrong::Refused(elsewhere::shown(&why)),
            Absence::Unavailable(why) => Wrong::Unavailable(why),
        }
    }
}

/// The domain, if one is named, and the user: of `DOMAIN\user`, `DOMAIN+user` or `user@domain`.
fn parts(told: &str) -> (Option<&str>, &str) {
    if let Some((domain, user)) = told.split_once(['\\', '+']) {
        return (Some(domain), user);
    }
    match told.rsplit_once('@') {
        Some((user, domain)) => (Some(domain), user),
        None => (None, told),
    }
}

/// The user of a name in the form in which he is counted: a directory finds him in letters of any case and width, and
/// whatever blanks stand around them.
pub(super) fn counted(told: &str) -> String {
    // No user's name has a backslash: what stands before a second one is another domain.
    let user = parts(told).1.rsplit('\\').next().unwrap_or_default().split('@').next().unwrap_or_default();
    let user: String = user.chars().filter(|letter| !letter.is_whitespace()).collect();
    name::prepare(&user).unwrap_or_else(|| user.to_lowercase())
}

/// The domains whose users the directory knows, as far as the settings and the mailbox tell.
fn own_domains(directory: &Directory, address: &Address) -> impl Iterator<Item = String> {
    let labels = directory.base.split(',').filter_map(|part| {
        let (kind, label) = part.split_once('=')?;
        kind.trim().eq_ignore_ascii_case("dc").then(|| label.trim().to_owned())
    });
    let of_base = labels.collect::<Vec<_>>().join(".");
    let of_bind = match &directory.bind {
        Bind::Upn { domain } => domain.clone(),
        Bind::Template(_) | Bind::Search => None,
    };
    let of_searcher = directory.account.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    let told =
        [Some(of_base).filter(|base| !base.is_empty()), of_bind, of_searcher, directory.domain.clone()];
    // A domain of mail may be called as another one of users is: it says something only where nothing else does.
    let of_mail = told.iter().all(Option::is_none).then(|| address.domain().to_string());
    told.into_iter().chain([of_mail]).flatten()
}

/// Whether a domain is called so, in full or by its first label, which is cut to 15 letters.
fn is_called(own: &str, domain: &str) -> bool {
    own.eq_ignore_ascii_case(domain) || is_own_name(domain, own)
}

/// Whether a domain of Windows is this machine, which is called by its first label, cut to 15 letters.
fn is_own_name(domain: &str, own: &str) -> bool {
    let label = own.split('.').next().unwrap_or_default();
    let short: String = label.chars().take(15).collect();
    !short.is_empty() && domain.eq_ignore_ascii_case(&short)
}

fn own_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_helper_s_names_have_a_domain_and_a_user() {
        for (told, domain, user) in [
            ("HOME\\bob", Some("HOME"), "bob"),
            ("HOME+bob", Some("HOME"), "bob"),
            ("bob@ad.home.lan", Some("ad.home.lan"), "bob"),
            ("bob", None, "bob"),
            ("HOME\\bob+x", Some("HOME"), "bob+x"),
            ("", None, ""),
        ] {
            assert_eq!(parts(told), (domain, user), "{told}");
        }
    }

    #[test]
    fn a_user_is_counted_as_one_however_a_directory_finds_him() {
        for told in [
            "bob",
            "HOME\\bob",
            "HOME+BOB",
            "bob@ad.home.lan",
            " bob",
            "HOME\\bob ",
            "b\u{a0}ob",
            "Y\\bob@x",
            "\u{ff22}ob",
        ] {
            assert_eq!(counted(told), "bob", "{told}");
        }
        for (told, user) in
            [("HOME\\bob+x", "bob+x"), ("HOME+bob+x@lan", "bob+x"), ("X\\HOME\\bob+x", "bob+x")]
        {
            assert_eq!(counted(told), user, "{told}");
        }
        assert_eq!((counted("J\u{d6}RG"), counted("")), ("j\u{f6}rg".into(), String::new()));
    }

    #[test]
    fn this_machine_is_known_by_its_short_name() {
        for (domain, own, is_own) in [
            ("BOX", "box.home.lan", true),
            ("BOX", "box", true),
            ("HOME", "box.home.lan", false),
            ("A-VERY-LONG-NAM", "a-very-long-name.lan", true),
            ("", "", false),
            ("BOX", "", false),
        ] {
            assert_eq!(is_own_name(domain, own), is_own, "{domain} {own}");
        }
    }

    #[test]
    fn the_directory_s_own_domains_are_told_by_its_settings_and_the_mailbox_s_206() {
        for (base, bind, account, domain, is_own) in [
            ("dc=ad,dc=home,dc=lan", "search", "", "AD", true),
            ("dc=ad,dc=home,dc=lan", "search", "", "ad.home.lan", true),
            ("OU=People, DC=ad, DC=home,DC=lan", "search", "", "AD", true),
            ("dc=ad,dc=home,dc=lan", "search", "", "HOME", false),
            ("dc=ad,dc=home,dc=lan", "upn", "", "MAIL", false),
            ("", "upn:ad.home.lan", "", "MAIL", false),
            ("", "upn:ad.home.lan", "", "AD", true),
            ("", "upn", "", "MAIL", true),
            ("", "upn", "", "OTHER", false),
            ("", "search", "poppet@ad.home.lan", "AD", true),
            ("", "search", "", "AD", false),
            ("o=home", "search", "cn=poppet,o=home", "HOME", false),
            ("", "search", "", "", false),
        ] {
            let directory = Directory {
                base: base.into(),
                bind: bind.parse().unwrap(),
                account: account.into(),
                ..Directory::default()
            };
            let address = "bob@mail.lan".parse().unwrap();
            let known = own_domains(&directory, &address).any(|own| is_called(&own, domain));
            assert_eq!(known, is_own, "{base} {bind} {account} {domain}");
        }
        let called = Directory { domain: Some("HOMEAD".into()), ..Directory::default() };
        let address = "bob@mail.lan".parse().unwrap();
        let is_own = |domain| own_domains(&called, &address).any(|own| is_called(&own, domain));
        assert!(is_own("homead") && !is_own("HOME") && !is_own("HOMEADS"), "as the setting says");
    }
}
