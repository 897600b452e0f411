//! Passwords that somebody else knows: the system, or a directory; asked each time, or once to learn them.
//!
//! ```text
//! password -> recognised, if the administrator allows it? then done
//!          -> throttle: held? then Busy, and nobody is asked (S-175)
//!          -> a turn, for questions about one account come one behind the other -> recognised or held by now?
//!          -> locked out? then the question is about nobody
//!          -> the question -> Right: let in, or its record made and stored, which counts from then on
//!                          -> Wrong: noted before the next question, refused
//!                          -> nobody could tell: it counts as no try (S-196)
//! ```
//!
//! For a name without a mailbox somebody is asked, too: about an account that can't exist, and with another password
//! of the same length, for a stranger's is nobody's business. Without that question an unknown name would be refused
//! while nobody can be asked, and a known one put off; and a name is never locked out by it (S-205). What time the
//! answers take can't be made the same here, so a refusal is heard when its delay is over since the claim came.

use std::borrow::Cow;

use super::login::{IS_HELD, IS_LOCKED_OUT, TOO_MANY};
use super::pace::About;
use super::password::{self, PasswordError};
use super::subject::{Caller, Subject};
use super::throttle::Attempt;
use super::work::Work;
use super::{Finding, Gatekeeper, Person, Verdict};
use crate::mail::{Account, MailboxMark, Secret, printable};
use crate::settings::{Method, Recognise};
use crate::store::{Mailbox, StoreError};

impl Gatekeeper {
    /// Whom a password is to be shown to instead of being held against a record: by the method, or because the
    /// mailbox's first password is to be learnt.
    pub(super) fn asked_elsewhere(&self, caller: &Caller, subject: &Subject) -> Option<Method> {
        let learnt_from = self.inner.store.settings().auth_learn;
        match caller.method {
            Method::File => learnt_from.filter(|_| subject.lacks_password()),
            method => Some(method),
        }
    }

    /// Gives the mailbox if the password is right, or what is to be said instead; none if the mailbox has got a
    /// password of its own meanwhile.
    pub(super) async fn login_elsewhere(
        &self,
        method: Method,
        caller: &Caller,
        subject: &Subject,
        password: &Secret,
    ) -> Option<Result<Mailbox, Verdict>> {
        let attempt = self.attempt(caller);
        if let Some(known) = self.known_already(caller, subject, password, &attempt) {
            return Some(known);
        }
        let Some(_trying) = self.begin_try(&attempt) else {
            return Some(Err(self.put_off(TOO_MANY, caller)));
        };
        let is_known = self.throttle().is_known(&attempt);
        let Ok(turn) = self.inner.turns.take(&caller.account, attempt.network(), is_known).await else {
            return Some(Err(self.put_off(TOO_MANY, caller)));
        };
        if let Some(known) = self.known_already(caller, subject, password, &attempt) {
            return Some(known);
        }
        if self.is_crowded(&attempt) {
            return Some(Err(self.put_off(TOO_MANY, caller)));
        }
        let locks = self.what_locks(&attempt);
        let finding = match self.question(method, subject, password, locks.is_some()).await {
            Finding::Wrong(_) if locks.is_some() => Finding::Wrong(IS_LOCKED_OUT.into()),
            finding => finding,
        };
        let delay = matches!(finding, Finding::Wrong(_))
            .then(|| self.throttle().failed(&attempt, password, self.inner.clock.monotonic()));
        drop(turn);
        Some(match (finding, &subject.mailbox) {
            (Finding::Right(found), Some(mailbox)) if caller.method != Method::File => {
                self.let_in_elsewhere(caller, mailbox, found, password, &attempt).await
            }
            (Finding::Right(_), Some(mailbox)) => {
                return self.learn(caller, mailbox, password, &attempt).await;
            }
            (Finding::Unavailable(why), _) => Err(self.unavailable(method, caller, &why)),
            (Finding::Busy, _) => Err(self.put_off(TOO_MANY, caller)),
            (Finding::Wrong(why), _) => Err(self.refused(caller, delay.unwrap_or_default(), reason(&why))),
            (Finding::Right(_), None) => Err(self.refuse(caller, Some(password), "nobody has that name")),
        })
    }

    /// Lets in who is recognised, and puts off who tries in parallel.
    fn known_already(
        &self,
        caller: &Caller,
        subject: &Subject,
        password: &Secret,
        attempt: &Attempt,
    ) -> Option<Result<Mailbox, Verdict>> {
        let now = self.inner.clock.monotonic();
        let recognises = self.inner.store.settings().recognise == Recognise::All;
        if let (Some(mailbox), true) = (&subject.mailbox, recognises && caller.method != Method::File) {
            let known = known_by(mailbox.mark, mailbox.account.as_ref());
            let is_recognised = self.recognition().recognises(caller.method, &known, password, now);
            if is_recognised && self.what_locks(attempt).is_none() {
                return Some(Ok(mailbox.clone()));
            }
        }
        // The throttle is let go of first: telling the log may take long, and must not need it.
        let is_held = self.throttle().is_held(attempt, now);
        is_held.then(|| Err(self.put_off(IS_HELD, caller)))
    }

    /// Asks about the mailbox's user, or about nobody. A password that a directory could take for none is never sent
    /// to one (S-191); and about who is locked out here nobody is asked, which could lock him out there, too (S-205).
    async fn question(
        &self,
        method: Method,
        subject: &Subject,
        password: &Secret,
        is_locked_out: bool,
    ) -> Finding {
        if password.expose().iter().all(|octet| octet.is_ascii_whitespace() || *octet == 0) {
            return Finding::Wrong("an empty password, or one of blanks alone, is shown to nobody".into());
        }
        let Some(outside) = self.outside() else {
            return Finding::Unavailable("there is nobody to ask; restart the service".into());
        };
        self.inner.ledger.note(Work::Question(password.expose().len()));
        let Some(mailbox) = subject.mailbox.as_ref().filter(|_| !is_locked_out) else {
            let person = Person { address: subject.decoy().stranger.clone(), account: None };
            let other = Secret::new(vec![b'x'; password.expose().len()]);
            return match outside.prove(method, person, other).await {
                Finding::Right(_) | Finding::Wrong(_) => Finding::Wrong(String::new()),
                finding => finding,
            };
        };
        let person = Person { address: mailbox.address.clone(), account: mailbox.account.clone() };
        match outside.prove(method, person, password.clone()).await {
            Finding::Right(Some(found)) if is_another(mailbox.account.as_ref(), &found) => {
                Finding::Wrong(format!(
                    "the account {} is not the one that the mailbox was bound to: \"poppet account\" binds it anew",
                    found.name
                ))
            }
            finding => finding,
        }
    }

    /// Gives the mailbox as it is then.
    async fn let_in_elsewhere(
        &self,
        caller: &Caller,
        mailbox: &Mailbox,
        found: Option<Account>,
        password: &Secret,
        attempt: &Attempt,
    ) -> Result<Mailbox, Verdict> {
        let bound = self.bind_to(caller.method, mailbox, found).await;
        let mailbox = bound.map_err(|why| self.refuse(caller, Some(password), &why))?;
        self.throttle().passed(attempt, self.inner.clock.monotonic());
        let settings = self.inner.store.settings();
        if settings.recognise == Recognise::All {
            let known = known_by(mailbox.mark, mailbox.account.as_ref());
            let now = self.inner.clock.monotonic();
            self.recognition().remember(caller.method, &known, password, now);
        }
        Ok(mailbox)
    }

    /// Binds a mailbox to the account that has just been found to be its user's, where it was bound to none or its
    /// identity was not known: from then on another account of that name is somebody else (S-220). Errs with what the
    /// log is to be told if the account is another mailbox's.
    pub(super) async fn bind_to(
        &self,
        method: Method,
        mailbox: &Mailbox,
        found: Option<Account>,
    ) -> Result<Mailbox, String> {
        let Some(account) = more_of(mailbox.account.as_ref(), found) else { return Ok(mailbox.clone()) };
        match self.inner.store.learn_account(method, mailbox, account.clone()).await {
            Ok(true) => Ok(Mailbox { account: Some(account), ..mailbox.clone() }),
            Ok(false) => Ok(mailbox.clone()),
            Err(StoreError::Refused(why)) => Err(why),
            Err(error) => {
                if let Some(more) = self.admit_line(About::NoAnswer) {
                    log::warn!("the account of {} is not bound to it: {error}{more}", mailbox.address);
                }
                Ok(mailbox.clone())
            }
        }
    }

    /// Makes the first record of a password that was right elsewhere; none if another one was faster.
    pub(super) async fn learn(
        &self,
        caller: &Caller,
        mailbox: &Mailbox,
        password: &Secret,
        attempt: &Attempt,
    ) -> Option<Result<Mailbox, Verdict>> {
        let (gatekeeper, address, mark, secret) =
            (self.clone(), mailbox.address.clone(), mailbox.mark, password.clone());
        let work = move || match gatekeeper.seal_password(&address, mark, &secret) {
            Err(PasswordError::NoMemory) => Err(super::NoMemory),
            outcome => Ok(outcome),
        };
        let sealed = match self.behind_the_gate(attempt, work).await {
            None => return Some(Err(self.put_off(TOO_MANY, caller))),
            Some(Err(error)) => return Some(Err(self.refuse(caller, Some(password), &error.to_string()))),
            Some(Ok(sealed)) => sealed,
        };
        let address = mailbox.address.clone();
        match self.inner.store.learn_password(address, mailbox.mark, sealed.clone()).await {
            Ok(false) => None,
            Ok(true) => {
                self.throttle().passed(attempt, self.inner.clock.monotonic());
                let now = self.inner.clock.monotonic();
                self.recognition().remember(Method::File, &sealed, &password::prepared(password), now);
                log::info!("the password of {} is in the password file now", mailbox.address);
                Some(Ok(Mailbox { password: sealed, ..mailbox.clone() }))
            }
            Err(error) => {
                if let Some(more) = self.admit_line(About::NoAnswer) {
                    log::warn!("the password of {} could not be learnt: {error}{more}", mailbox.address);
                }
                Some(Err(Verdict::StoreFailed))
            }
        }
    }

    /// Puts a logon off because nobody could tell.
    pub(super) fn unavailable(&self, method: Method, caller: &Caller, why: &str) -> Verdict {
        if let Some(more) = self.admit_line(About::Unavailable) {
            let (Caller { peer, mechanism, .. }, why) = (caller, printable(why.as_bytes()));
            let shown = caller.shown();
            log::warn!(
                "{peer} logon by {mechanism} put off, {method} gives no answer: {why}{more}: user {shown}"
            );
        }
        Verdict::Unavailable
    }
}

/// What the log says behind a refusal.
fn reason(why: &str) -> Cow<'static, str> {
    match why {
        "" => "".into(),
        why => format!("; {}", shown(why)).into(),
    }
}

/// Why nobody who is found by his name alone is let in as somebody whose identity is known.
pub(super) const IS_UNTOLD: &str = "it does not tell whether the account is still the one that the mailbox was bound to: \
                                    set directory_base and directory_account to who may read entryUUID or objectGUID";

/// A reason from elsewhere as the log shows it: made harmless, and long enough that its remedy stands there, too.
pub(super) fn shown(why: &str) -> String {
    why.as_bytes().chunks(REASON_PIECE_OCTETS).take(REASON_PIECES).map(printable).collect()
}

/// Octets that are shown whole if they are plain.
const REASON_PIECE_OCTETS: usize = 100;
const REASON_PIECES: usize = 4;

/// Whether an account is not the one that was bound.
pub(super) fn is_another(bound: Option<&Account>, found: &Account) -> bool {
    bound.is_some_and(|bound| {
        !bound.identity.is_empty() && !found.identity.is_empty() && bound.identity != found.identity
    })
}

/// Whether nobody can tell if an account is the one that was bound: that one's identity is known, and this one's is not.
pub(super) fn is_untold(bound: Option<&Account>, found: &Account) -> bool {
    found.identity.is_empty() && bound.is_some_and(|bound| !bound.identity.is_empty())
}

/// What is to be stored of a found account; none if nothing new is known. The name stays as it was set.
fn more_of(bound: Option<&Account>, found: Option<Account>) -> Option<Account> {
    let found = found?;
    match bound {
        None => Some(found),
        Some(bound) if bound.identity.is_empty() && !found.identity.is_empty() => {
            Some(Account { name: bound.name.clone(), identity: found.identity })
        }
        Some(_) => None,
    }
}

/// What recognition goes by where there is no record: another mailbox or account is another user.
fn known_by(mark: MailboxMark, account: Option<&Account>) -> Vec<u8> {
    let (name, identity) = account.map_or((&b""[..], &b""[..]), |it| (it.name.as_bytes(), &it.identity));
    [&mark.0[..], &(name.len() as u64).to_le_bytes(), name, identity].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was wrong filled the line, and what to do was cut off.
    #[test]
    fn a_reason_is_shown_with_its_remedy_and_harmless() {
        let why = format!("{} is another one: \"poppet account a@home.lan 'a'\" binds it", "x".repeat(200));
        assert_eq!(shown(&why), why);
        assert_eq!(shown("a\nb\u{202e}"), "a\\x0Ab\\xE2\\x80\\xAE");
        assert!(shown(&"\n".repeat(10_000)).len() <= 4 * 128);
    }
}
