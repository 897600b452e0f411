//! What a logon costs, counted where it is paid; only tests read it (S-167, S-185).

/// A piece of work that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A mailbox was looked up in the store.
    LookUp,
    /// It was asked whether secrets are kept.
    Setting,
    /// A sealed record was opened.
    Opening,
    /// An Argon2id hash of so many KiB and passes was computed.
    Hash(u32, u32),
    /// A proof was held against a secret or a verifier.
    Proof,
    /// A salt was made up.
    Salt,
    /// Somebody else was asked about a password of so many octets.
    Question(usize),
}

/// The work done so far.
#[derive(Default)]
pub struct Ledger {
    #[cfg(test)]
    done: std::sync::Mutex<Vec<Work>>,
}

impl Ledger {
    /// Notes work that is done now.
    #[cfg(not(test))]
    pub fn note(&self, _work: Work) {}

    /// Notes work that is done now.
    #[cfg(test)]
    pub fn note(&self, work: Work) {
        self.done.lock().unwrap().push(work);
    }

    /// The work done since it was last asked for, sorted.
    #[cfg(test)]
    pub fn take(&self) -> Vec<Work> {
        let mut done = std::mem::take(&mut *self.done.lock().unwrap());
        done.sort();
        done
    }
}
