//! A logon: a claim held against a mailbox, or against the decoy at the same cost.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::decoy::Decoy;
use super::hash::{Cost, NoMemory};
use super::pace::About;
use super::subject::{Caller, Subject};
use super::throttle::Attempt;
use super::work::Work;
use super::{Gatekeeper, Inner, Peer, Verdict, Welcome, certified, gate, network, password};
use crate::mail::Secret;
use crate::sasl::{Claim, Proof};
use crate::settings::Method;
use crate::store::{Lock, Mailbox};

impl Gatekeeper {
    /// Finds out whether a claim is true of the mailbox as it was when the claim came. Whoever opens a session
    /// for it must end that one if the password has been changed since (S-180).
    pub async fn login(&self, claim: Claim, peer: &Peer) -> Verdict {
        let Claim { user_name, proof } = claim;
        let user_name = certified::name(user_name, &proof, peer);
        let caller = self.caller(&user_name, peer.address, proof.kind());
        let Some(decoy) = self.decoy() else { return self.put_off("no hash can be made", &caller) };
        let came = match proof {
            Proof::Password(password) => self.login_by_password(caller, decoy, &password, peer).await,
            Proof::Certificate => self.login_by_certificate(caller, decoy, peer).await,
            Proof::Relayed => self.login_by_relay(caller, decoy, &user_name, peer).await,
            Proof::RelayRefused(why) => Err(self.note_wrong_relay(caller, decoy, &user_name, &why).await),
            Proof::RelayCounted(delay) => Err(Verdict::Refused { delay }),
            proof => {
                let verdict = self.login_by_proof(caller, decoy, &proof, peer).await;
                self.tell_failures();
                return verdict;
            }
        };
        self.tell_failures();
        match came {
            Ok(mailbox) => welcome(&mailbox, None),
            Err(verdict) => verdict,
        }
    }

    /// Gives the mailbox as it was when the password was found right, or what is to be said instead.
    pub(super) async fn login_by_password(
        &self,
        mut caller: Caller,
        decoy: Arc<Decoy>,
        password: &Secret,
        peer: &Peer,
    ) -> Result<Mailbox, Verdict> {
        // The second time round there is a password, for somebody has just set it.
        for _ in 0..2 {
            let subject = self.subject(&caller, Arc::clone(&decoy)).await;
            let subject = subject.map_err(|_| Verdict::StoreFailed)?;
            caller.meant(&subject);
            if let Some(flaw) = certified::flaw(subject.address.as_ref(), peer) {
                return Err(self.refuse(&caller, Some(password), flaw));
            }
            let Some(method) = self.asked_elsewhere(&caller, &subject) else {
                return self.login_by_record(&caller, &subject, &password::prepared(password)).await;
            };
            if let Some(came) = self.login_elsewhere(method, &caller, &subject, password).await {
                return came;
            }
        }
        Err(self.put_off("its password was set meanwhile", &caller))
    }

    async fn login_by_record(
        &self,
        caller: &Caller,
        subject: &Subject,
        password: &Secret,
    ) -> Result<Mailbox, Verdict> {
        let now = self.inner.clock.monotonic();
        // Asked for the decoy too, whom nobody has been taken for.
        let is_recognised = self.recognition().recognises(Method::File, subject.sealed(), password, now);
        let attempt = self.attempt(caller);
        let is_locked_out = self.throttle().is_locked_out(&attempt, now);
        if let (true, false, Some(mailbox)) = (is_recognised, is_locked_out, &subject.mailbox) {
            return Ok(mailbox.clone());
        }
        if self.throttle().is_held(&attempt, now) {
            return Err(self.put_off(IS_HELD, caller));
        }
        match (self.try_password(subject, password, &attempt).await, &subject.mailbox) {
            (Answer::Right(_), Some(mailbox)) => {
                self.let_in(mailbox, subject, password, &attempt);
                Ok(mailbox.clone())
            }
            (Answer::Wrong { delay }, _) => {
                let lacks = || what_is_missing(subject).into();
                let locks = self.what_locks(&attempt).map_or_else(lacks, |why| format!("; {why}").into());
                Err(self.refused(caller, delay, locks))
            }
            (Answer::Held, _) => Err(self.put_off(IS_HELD, caller)),
            _ => Err(self.put_off(TOO_MANY, caller)),
        }
    }

    /// Computes one hash, whoever asks: of the mailbox's record or of the decoy (S-167). A failure is noted
    /// before the next hash begins, so that of many tries sent at once only the first few are computed.
    async fn try_password(&self, subject: &Subject, password: &Secret, attempt: &Attempt) -> Answer {
        let is_user = subject.record().is_some();
        let (gatekeeper, password, hash) = (self.clone(), password.clone(), subject.hash().clone());
        let tried = attempt.clone();
        let work = move || {
            let Inner { clock, pepper, .. } = &*gatekeeper.inner;
            if gatekeeper.throttle().is_held(&tried, clock.monotonic()) {
                return Ok(Answer::Held);
            }
            if gatekeeper.is_crowded(&tried) {
                return Ok(Answer::Busy);
            }
            gatekeeper.note_hash(&hash);
            let is_right = hash.verify(pepper, &password)?;
            // Looked at only now: tries sent at once may have locked the account out meanwhile.
            let (mut throttle, now) = (gatekeeper.throttle(), clock.monotonic());
            let is_locked_out = throttle.is_locked_out(&tried, now);
            if is_right && is_user && !is_locked_out {
                return Ok(Answer::Right(None));
            }
            Ok(Answer::Wrong { delay: throttle.failed(&tried, &password, now) })
        };
        self.behind_the_gate(attempt, work).await.unwrap_or(Answer::Busy)
    }

    fn let_in(&self, mailbox: &Mailbox, subject: &Subject, password: &Secret, attempt: &Attempt) {
        let now = self.inner.clock.monotonic();
        self.throttle().passed(attempt, now);
        self.recognition().remember(Method::File, &mailbox.password, password, now);
        let settings = self.inner.store.settings();
        let is_old = |record: &super::Record| !record.is_up_to_date(Cost::of(&settings), settings.challenge);
        if subject.record().is_some_and(is_old) {
            self.renew_later(mailbox, password, subject.secret(), attempt);
        }
    }

    /// A proof costs next to nothing to check, so who must pay computes a hash for nothing first: else many
    /// guesses could be made at once where each is of another account or from another network.
    async fn login_by_proof(
        &self,
        mut caller: Caller,
        decoy: Arc<Decoy>,
        proof: &Proof,
        peer: &Peer,
    ) -> Verdict {
        let mut has_paid = false;
        loop {
            // Looked up again after paying, which may take long: the password may be another one now.
            let Ok(subject) = self.subject(&caller, Arc::clone(&decoy)).await else {
                return Verdict::StoreFailed;
            };
            caller.meant(&subject);
            if let Some(flaw) = certified::flaw(subject.address.as_ref(), peer) {
                return self.refuse(&caller, None, flaw);
            }
            let caller = &caller;
            let attempt = self.attempt(caller);
            // Asked for everybody: asked only for who has a secret, it would tell in time who has one (S-185).
            let keeps_secrets = self.keeps_secrets();
            let answer = self.try_proof(&subject, keeps_secrets, proof, &attempt, has_paid);
            return match (answer, &subject.mailbox) {
                (Answer::Right(signature), Some(mailbox)) => welcome(mailbox, signature),
                (Answer::Wrong { delay }, _) => {
                    let lacks = || what_lacks(caller.method, &subject, keeps_secrets, proof);
                    let locks = self.what_locks(&attempt).map_or_else(lacks, |why| format!("; {why}").into());
                    self.refused(caller, delay, locks)
                }
                (Answer::Unpaid, _) => match self.pay(&decoy, &attempt).await {
                    Answer::Right(_) => {
                        has_paid = true;
                        continue;
                    }
                    Answer::Held => self.put_off(IS_HELD, caller),
                    _ => self.put_off(TOO_MANY, caller),
                },
                (Answer::Held, _) => self.put_off(IS_HELD, caller),
                _ => self.put_off(TOO_MANY, caller),
            };
        }
    }

    /// The throttle is held over all of it: a failure is noted before the next proof is looked at.
    fn try_proof(
        &self,
        subject: &Subject,
        keeps_secrets: bool,
        proof: &Proof,
        attempt: &Attempt,
        has_paid: bool,
    ) -> Answer {
        let mut throttle = self.throttle();
        let now = self.inner.clock.monotonic();
        if throttle.is_held(attempt, now) {
            return Answer::Held;
        }
        if !has_paid && throttle.must_pay(attempt, now) {
            return Answer::Unpaid;
        }
        let is_locked_out = throttle.is_locked_out(attempt, now);
        match self.check(subject, keeps_secrets, proof) {
            Some(signature) if !is_locked_out => {
                throttle.passed(attempt, now);
                Answer::Right(signature)
            }
            _ => Answer::Wrong { delay: throttle.failed_proof(attempt, now) },
        }
    }

    /// Whether a proof is right, with SCRAM's signature; checked against the decoy where the mailbox has not
    /// what it takes (S-185).
    fn check(&self, subject: &Subject, keeps_secrets: bool, proof: &Proof) -> Option<Option<[u8; 32]>> {
        self.inner.ledger.note(Work::Proof);
        let own = subject.secret().filter(|_| keeps_secrets);
        let secret = own.unwrap_or(&subject.decoy().secret);
        let is_right = match proof {
            Proof::Apop(proof) => proof.is_made_with(secret),
            Proof::CramMd5(proof) => proof.is_made_with(secret),
            Proof::Ntlm(proof) => proof.is_made_with(secret),
            Proof::Scram(proof) => {
                let own = subject.verifier();
                let signature = proof.verify(own.unwrap_or(&subject.decoy().verifier));
                return signature.filter(|_| own.is_some()).map(Some);
            }
            Proof::Password(_)
            | Proof::Certificate
            | Proof::Relayed
            | Proof::RelayRefused(_)
            | Proof::RelayCounted(_) => false,
        };
        (is_right && own.is_some()).then_some(None)
    }

    /// Computes a hash for nothing; [`Answer::Right`] once that is done.
    async fn pay(&self, decoy: &Decoy, attempt: &Attempt) -> Answer {
        let (gatekeeper, hash, paying) = (self.clone(), decoy.hash.clone(), attempt.clone());
        let work = move || {
            let Inner { clock, pepper, .. } = &*gatekeeper.inner;
            if gatekeeper.throttle().is_held(&paying, clock.monotonic()) {
                return Ok(Answer::Held);
            }
            if gatekeeper.is_crowded(&paying) {
                return Ok(Answer::Busy);
            }
            gatekeeper.note_hash(&hash);
            hash.verify(pepper, &Secret::new([0; 1]))?;
            Ok(Answer::Right(None))
        };
        self.behind_the_gate(attempt, work).await.unwrap_or(Answer::Busy)
    }

    /// Has a hash computed; none if it can't be now.
    pub(super) async fn behind_the_gate<T: Send + 'static>(
        &self,
        attempt: &Attempt,
        work: impl FnOnce() -> Result<T, NoMemory> + Send + 'static,
    ) -> Option<T> {
        // Ended by the work, not by whoever waits for it: hanging up frees no place.
        let trying = self.begin_try(attempt)?;
        let work = move || {
            let _trying = trying;
            work()
        };
        let (is_known, is_sprayed) = {
            let throttle = self.throttle();
            (throttle.is_known(attempt), throttle.is_sprayed(self.inner.clock.monotonic()))
        };
        self.inner.gate.put_known_first(is_sprayed);
        match self.inner.gate.enter(attempt.network(), is_known, work).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(NoMemory)) => {
                if let Some(more) = self.admit_line(About::NoMemory) {
                    log::warn!(
                        "not enough memory for a password hash; \"poppet set argon2_permits\" lower{more}"
                    );
                }
                None
            }
            Err(gate::Busy) => None,
        }
    }

    /// Refuses before anything is computed, whoever it is: as late as a wrong password or, without one, a wrong proof.
    pub(super) fn refuse(&self, caller: &Caller, password: Option<&Secret>, why: &str) -> Verdict {
        let attempt = self.attempt(caller);
        let now = self.inner.clock.monotonic();
        if self.throttle().is_held(&attempt, now) {
            return self.put_off(IS_HELD, caller);
        }
        let delay = match password {
            Some(password) => self.throttle().failed(&attempt, password, now),
            None => self.throttle().failed_proof(&attempt, now),
        };
        self.refused(caller, delay, format!("; {why}").into())
    }

    pub(super) fn put_off(&self, why: &str, caller: &Caller) -> Verdict {
        if let Some(more) = self.admit_line(About::PutOff) {
            let (peer, mechanism) = (network::shown(caller.peer), &caller.mechanism);
            log::info!("{peer} logon by {mechanism} put off, {why}{more}: user {}", caller.shown());
        }
        Verdict::Busy
    }

    pub(super) fn refused(&self, caller: &Caller, delay: Duration, what_lacks: Cow<'_, str>) -> Verdict {
        let more = self.admit_line(About::Refused);
        let (peer, mechanism) = (network::shown(caller.peer), &caller.mechanism);
        let seconds = delay.as_secs();
        // Made up also where it is left out: the time it takes must not tell.
        let line = format!(
            "{peer} logon by {mechanism} refused, answered after {seconds} s{what_lacks}: user {}",
            caller.shown()
        );
        if let Some(more) = more {
            log::info!("{line}{more}");
        }
        Verdict::Refused { delay: self.left_of(delay, caller) }
    }

    /// What is left to wait of a delay. Where somebody else is asked, whose answers take their time, it counts from
    /// the claim's coming, so that all of them are heard at the same moment (S-167).
    fn left_of(&self, delay: Duration, caller: &Caller) -> Duration {
        let settings = self.inner.store.settings();
        match caller.method == Method::File && settings.auth_learn.is_none() {
            true => delay,
            false => {
                let now = self.inner.clock.monotonic();
                delay.saturating_sub(now.saturating_duration_since(caller.arrived))
            }
        }
    }

    /// What the administrator should know of a refusal first: nothing the user types would have helped.
    pub(super) fn what_locks(&self, attempt: &Attempt) -> Option<&'static str> {
        self.throttle().is_locked_out(attempt, self.inner.clock.monotonic()).then_some(IS_LOCKED_OUT)
    }

    /// What to add to a line that strangers can cause; none if it is to be left out.
    pub(super) fn admit_line(&self, about: About) -> Option<String> {
        self.inner.pace.admit(about, self.inner.clock.monotonic())
    }

    fn note_hash(&self, hash: &super::Hash) {
        let cost = hash.cost();
        self.inner.ledger.note(Work::Hash(cost.memory_kib, cost.passes));
    }
}

enum Answer {
    Right(Option<[u8; 32]>),
    Wrong { delay: Duration },
    Held,
    Unpaid,
    Busy,
}

/// What the administrator should know of a refusal: he told the user to log on in a way for which nothing
/// is kept. It stands in the line that every refusal has, for a second one would take time (S-185).
fn what_lacks(method: Method, subject: &Subject, keeps_secrets: bool, proof: &Proof) -> Cow<'static, str> {
    if method != Method::File {
        return IS_ELSEWHERE.into();
    }
    if let Proof::Ntlm(proof) = proof
        && let Some(flaw) = proof.flaw()
    {
        return format!("; {flaw}").into();
    }
    let is_scram = matches!(proof, Proof::Scram(_));
    match &subject.mailbox {
        None => "",
        Some(_) if subject.lacks_password() => NO_PASSWORD,
        Some(_) if is_scram && subject.verifier().is_none() => NO_VERIFIER,
        Some(_) if !is_scram && !keeps_secrets => IS_OFF,
        Some(_) if !is_scram && subject.secret().is_none() => NO_SECRET,
        Some(_) => "",
    }
    .into()
}

fn what_is_missing(subject: &Subject) -> &'static str {
    if subject.lacks_password() { NO_PASSWORD } else { "" }
}

fn welcome(mailbox: &Mailbox, signature: Option<[u8; 32]>) -> Verdict {
    Verdict::Welcome(Welcome {
        mailbox: mailbox.id,
        address: mailbox.address.clone(),
        mark: mailbox.mark,
        is_locked: mailbox.lock.is_locked() || mailbox.domain_lock.is_locked(),
        is_locked_for_all: mailbox.lock.max(mailbox.domain_lock) == Lock::All,
        signature,
    })
}

pub(super) const IS_HELD: &str = "another of this user is being refused";
pub(super) const IS_LOCKED_OUT: &str = "the account is locked out, which \"poppet unlock\" ends";
pub(super) const TOO_MANY: &str = "too many at once";
const NO_PASSWORD: &str = "; it has no password yet: set one by \"poppet passwd\"";
const IS_ELSEWHERE: &str = "; users are known elsewhere, where only passwords can be tried";
const NO_SECRET: &str = "; the password was set while challenge was off: set it anew by \"poppet passwd\"";
const NO_VERIFIER: &str =
    "; there is no verifier yet: log on by the password once, or set it by \"poppet passwd\"";
const IS_OFF: &str = "; \"poppet set challenge on\" comes first, then \"poppet passwd\"";
