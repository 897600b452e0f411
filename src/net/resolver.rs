//! The name system, asked through the machine's own name servers: addresses of hosts, mail exchangers of domains.

use std::net::IpAddr;

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no such name, or it has no address: for good, as far as the name system knows.
    NotThere,
    /// The domain says that it takes no mail. RFC 7505.
    TakesNoMail,
    /// The name server fails, or says nonsense: what, for people.
    Failed(String),
    /// No name server can be reached: we are offline, as far as one can tell (O8).
    Unreachable(String),
}

/// The servers of a domain, best first, those of equal preference in any order; at most [`crate::limits::MX_HOSTS`].
/// Without an MX record the domain itself. RFC 5321 §5.1.
pub async fn exchangers(domain: &str) -> Result<Vec<String>, Unresolved> {
    let _ = domain;
    Err(Unresolved::Failed("not built yet".into()))
}

/// The addresses of a host, or the address that the text is; at most [`crate::limits::HOP_ADDRESSES`]. The machine's own
/// ways count, `/etc/hosts` among them.
pub async fn addresses(host: &str) -> Result<Vec<IpAddr>, Unresolved> {
    let _ = host;
    Err(Unresolved::Failed("not built yet".into()))
}
