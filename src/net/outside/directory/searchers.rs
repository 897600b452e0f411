//! Links on which the search account is bound, kept for the next search and for nothing else (S-201).

use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConfig;

use super::link::{Link, Way};
use crate::limits;
use crate::settings::DirectoryServer;

/// Links that nobody uses now, and search accounts that were refused.
#[derive(Default)]
pub(super) struct Searchers {
    idle: Vec<Idle>,
    refused: Vec<Refused>,
}

/// Who searches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    /// His name; empty for nobody in particular.
    pub account: String,
    /// His password as it is sealed: another one makes another searcher.
    pub sealed: Vec<u8>,
}

/// What a link is trusted by, which may count no more before the link ends (S-202).
#[derive(Debug, Clone)]
pub(super) struct Trusted {
    may_be_clear: bool,
    /// None where TLS can't be verified at all.
    tls: Option<Arc<ClientConfig>>,
}

impl Trusted {
    /// What links that are made in that way are trusted by.
    pub fn by(way: &Way) -> Trusted {
        Trusted { may_be_clear: way.may_be_clear, tls: way.tls.as_ref().ok().cloned() }
    }
}

impl PartialEq for Trusted {
    fn eq(&self, other: &Trusted) -> bool {
        let is_same_tls = match (&self.tls, &other.tls) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        is_same_tls && self.may_be_clear == other.may_be_clear
    }
}

/// A link on which he is bound, or nobody.
pub(super) struct Searcher {
    pub link: Link,
    /// What the link was trusted by when it was made, and when that was.
    pub trusted: Trusted,
    pub begun: Instant,
    /// Where the server's tree begins, if that was asked.
    pub root: Option<String>,
}

struct Idle {
    server: DirectoryServer,
    who: Who,
    since: Instant,
    searcher: Searcher,
}

struct Refused {
    server: DirectoryServer,
    who: Who,
    at: Instant,
    reason: String,
}

impl Searchers {
    /// A link to that server that would be trusted now, too, and was neither idle nor kept for too long; all others
    /// that are of no use are dropped.
    pub fn take(
        &mut self,
        server: &DirectoryServer,
        who: &Who,
        trusted: &Trusted,
        now: Instant,
    ) -> Option<Searcher> {
        self.idle.retain(|idle| {
            let is_young = now < idle.searcher.begun + limits::DIRECTORY_LINK_AGE;
            let is_in_use = now < idle.since + limits::DIRECTORY_IDLE;
            idle.who == *who && idle.searcher.trusted == *trusted && is_young && is_in_use
        });
        let at = self.idle.iter().rposition(|idle| idle.server == *server)?;
        Some(self.idle.remove(at).searcher)
    }

    /// Keeps a link whose last question was answered.
    pub fn keep(&mut self, server: &DirectoryServer, who: Who, searcher: Searcher, now: Instant) {
        if self.idle.len() >= limits::OUTSIDE_QUESTIONS {
            self.idle.remove(0);
        }
        self.idle.push(Idle { server: server.clone(), who, since: now, searcher });
    }

    /// Why that account was refused lately; so that our tries don't lock it out (S-205).
    pub fn refusal(&mut self, server: &DirectoryServer, who: &Who, now: Instant) -> Option<String> {
        self.refused.retain(|refused| now < refused.at + limits::DIRECTORY_REFUSED);
        let refused = self.refused.iter().find(|refused| refused.server == *server && refused.who == *who);
        refused.map(|refused| refused.reason.clone())
    }

    /// Remembers that an account was refused.
    pub fn note_refusal(&mut self, server: &DirectoryServer, who: Who, now: Instant, reason: String) {
        if self.refused.len() >= limits::DIRECTORY_SERVERS {
            self.refused.remove(0);
        }
        self.refused.push(Refused { server: server.clone(), who, at: now, reason });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_refused_account_rests_its_time_at_that_server_and_no_other_s_205() {
        let (mut searchers, now) = (Searchers::default(), Instant::now());
        let server: DirectoryServer = "ldaps://dc1.home.lan".parse().unwrap();
        let other = "ldaps://dc2.home.lan".parse().unwrap();
        let who = |sealed: &[u8]| Who { account: "cn=poppet".into(), sealed: sealed.into() };
        searchers.note_refusal(&server, who(b"old"), now, "locked".into());
        let over = now + limits::DIRECTORY_REFUSED;
        assert_eq!(searchers.refusal(&other, &who(b"old"), now), None);
        assert_eq!(searchers.refusal(&server, &who(b"new"), now), None, "another password is another try");
        for (at, wanted) in [(now, true), (over - Duration::from_nanos(1), true), (over, false)] {
            assert_eq!(searchers.refusal(&server, &who(b"old"), at).is_some(), wanted);
        }
        for number in 0..=limits::DIRECTORY_SERVERS {
            searchers.note_refusal(&server, who(&[number as u8]), over, String::new());
        }
        assert_eq!(searchers.refused.len(), limits::DIRECTORY_SERVERS);
        assert_eq!(searchers.refusal(&server, &who(&[0]), over), None, "the oldest makes room");
        assert!(searchers.refusal(&server, &who(&[1]), over).is_some());
    }
}
