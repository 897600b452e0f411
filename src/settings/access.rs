//! How users are known, what they must show, and when they are locked out.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ListenerKind;

/// Where the helper for local accounts listens by default; poppet-local.socket says the same.
pub const LOCAL_SOCKET: &str = "/run/poppet-local.sock";

/// How users are known (A1). Chosen by `poppet auth`, never by `poppet set`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Method {
    /// By the encrypted password file in the database.
    #[default]
    File,
    /// By the system's own accounts.
    Local,
    /// By a directory: LDAP or Active Directory.
    Directory,
}

/// What names a user logs on with (A9).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Names {
    /// His address and aliases that lead to him alone.
    #[default]
    Strict,
    /// Also his local part where nobody else has it, `DOMAIN\user` and `user%domain`.
    Loose,
}

/// What a listener asks of certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Demand {
    /// None is asked for.
    #[default]
    Off,
    /// One is asked for, and who has none logs on in another way.
    Optional,
    /// Nobody logs on without one.
    Required,
}

/// What each listener asks of certificates, in the order of [`ListenerKind::ALL`] (A8). Nobody logs on at `smtp`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCertificates([Demand; 5]);

/// Whose logons are recognised for some minutes without being proved again (A12).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Recognise {
    /// Those of users in the password file: a change of theirs is known at once.
    #[default]
    File,
    /// Also those of local accounts and of a directory, whose changes are then noticed late; and who is recognised
    /// gets in while the directory is down.
    All,
}

/// When an account is locked out (A10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lockout {
    /// Wrong tries after which it is; 0 for never.
    pub tries: u32,
    /// For how long; 0 until `poppet unlock`.
    pub lock_minutes: u32,
    /// After how long a wrong try is forgotten; 0 for only by a logon.
    pub window_minutes: u32,
}

/// The directory and how it is asked (A6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Directory {
    /// Tried in that order.
    pub servers: Vec<DirectoryServer>,
    /// How a user's password is tried.
    pub bind: Bind,
    /// Under which name users are searched, a DN; empty for the whole tree.
    pub base: String,
    /// What finds a user, an RFC 4515 filter with `{address}`, `{user}` and `{domain}`.
    pub filter: Option<String>,
    /// Who searches, a DN or UPN; empty for nobody in particular. Its password is sealed in a record.
    pub account: String,
    /// What Windows calls its domain, where that is not the first label of its name.
    pub domain: Option<String>,
    /// Whether passwords may be sent to it without TLS.
    pub is_clear: bool,
}

/// A server of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryServer {
    /// Its name, or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS comes before the first word (`ldaps://`), or by StartTLS (`ldap://`).
    pub is_implicit_tls: bool,
}

/// How a user's password is tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Bind {
    /// By a bind as `user@domain`, as Active Directory takes it; the domain is the address's own unless another stands
    /// here.
    Upn {
        /// The domain behind the `@`.
        domain: Option<String>,
    },
    /// By a bind as that DN, with `{address}`, `{user}` and `{domain}` filled in.
    Template(String),
    /// By a search for the user, and a bind as what was found.
    #[default]
    Search,
}

impl Method {
    /// Every method.
    pub const ALL: [Method; 3] = [Method::File, Method::Local, Method::Directory];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::File => "file",
            Method::Local => "local",
            Method::Directory => "directory",
        }
    }
}

impl FromStr for Method {
    type Err = ();

    fn from_str(text: &str) -> Result<Method, ()> {
        Method::ALL.into_iter().find(|method| method.name() == text).ok_or(())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Directory {
    /// What is to be set before users are searched, in words; none if they are.
    pub fn lacks_for_search(&self) -> Option<&'static str> {
        match (&self.bind, self.account.is_empty(), self.base.is_empty()) {
            (Bind::Search, ..) | (Bind::Template(_), false, _) | (Bind::Upn { .. }, false, false) => None,
            (Bind::Upn { .. }, true, true) => Some("directory_base and directory_account"),
            (Bind::Upn { .. }, false, true) => Some("directory_base"),
            (_, true, _) => Some("directory_account"),
        }
    }
}

impl Demand {
    /// Every demand, the least first.
    pub const ALL: [Demand; 3] = [Demand::Off, Demand::Optional, Demand::Required];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Demand::Off => "off",
            Demand::Optional => "optional",
            Demand::Required => "required",
        }
    }

    fn find(name: &str) -> Option<Demand> {
        Demand::ALL.into_iter().find(|demand| demand.name() == name)
    }
}

impl ClientCertificates {
    /// What that listener asks.
    pub fn of(&self, kind: ListenerKind) -> Demand {
        self.0[kind as usize]
    }
}

/// One word for all listeners where users log on, or `pop3s=required,submissions=optional`, the rest off.
impl FromStr for ClientCertificates {
    type Err = ();

    fn from_str(text: &str) -> Result<ClientCertificates, ()> {
        let mut demands = [Demand::Off; 5];
        if let Some(demand) = Demand::find(text) {
            for kind in ListenerKind::ALL.into_iter().filter(|kind| *kind != ListenerKind::Smtp) {
                demands[kind as usize] = demand;
            }
            return Ok(ClientCertificates(demands));
        }
        for part in text.split(',') {
            let (listener, demand) = part.trim().split_once('=').ok_or(())?;
            let kind = ListenerKind::ALL.into_iter().find(|kind| kind.name() == listener).ok_or(())?;
            if kind == ListenerKind::Smtp {
                return Err(());
            }
            demands[kind as usize] = Demand::find(demand).ok_or(())?;
        }
        Ok(ClientCertificates(demands))
    }
}

impl fmt::Display for ClientCertificates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for demand in Demand::ALL {
            if demand.name().parse() == Ok(*self) {
                return out.write_str(demand.name());
            }
        }
        let asking = ListenerKind::ALL.into_iter().filter(|kind| self.of(*kind) != Demand::Off);
        let parts: Vec<_> = asking.map(|kind| format!("{}={}", kind.name(), self.of(kind).name())).collect();
        out.write_str(&parts.join(","))
    }
}

impl FromStr for DirectoryServer {
    type Err = ();

    fn from_str(text: &str) -> Result<DirectoryServer, ()> {
        let (is_implicit_tls, rest) = match text.split_once("://").ok_or(())? {
            ("ldaps", rest) => (true, rest),
            ("ldap", rest) => (false, rest),
            _ => return Err(()),
        };
        let usual = if is_implicit_tls { 636 } else { 389 };
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(())?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| ())?;
                (host, rest.strip_prefix(':').or(if rest.is_empty() { Some("") } else { None }).ok_or(())?)
            }
            None => rest.split_once(':').unwrap_or((rest, "")),
        };
        let is_name = |host: &str| host.parse::<crate::mail::Domain>().is_ok();
        if !is_name(host) && host.parse::<std::net::IpAddr>().is_err() {
            return Err(());
        }
        let port =
            if port.is_empty() { usual } else { port.parse().ok().filter(|port| *port > 0).ok_or(())? };
        Ok(DirectoryServer { host: host.to_ascii_lowercase(), port, is_implicit_tls })
    }
}

impl fmt::Display for DirectoryServer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_implicit_tls { "ldaps" } else { "ldap" };
        match self.host.contains(':') {
            true => write!(out, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(out, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for Bind {
    type Err = ();

    fn from_str(text: &str) -> Result<Bind, ()> {
        match text.split_once(':') {
            None if text == "search" => Ok(Bind::Search),
            None if text == "upn" => Ok(Bind::Upn { domain: None }),
            Some(("upn", domain)) => {
                let domain: crate::mail::Domain = domain.parse().map_err(|_| ())?;
                Ok(Bind::Upn { domain: Some(domain.to_string()) })
            }
            Some(("dn", template)) if template.contains("{user}") || template.contains("{address}") => {
                Ok(Bind::Template(template.into()))
            }
            _ => Err(()),
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bind::Search => out.write_str("search"),
            Bind::Upn { domain: None } => out.write_str("upn"),
            Bind::Upn { domain: Some(domain) } => write!(out, "upn:{domain}"),
            Bind::Template(template) => write!(out, "dn:{template}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_for_a_search_follows_from_how_passwords_are_tried() {
        const ACCOUNT: Option<&str> = Some("directory_account");
        for (bind, account, base, lacks) in [
            ("search", "", "", None),
            ("upn", "", "", Some("directory_base and directory_account")),
            ("upn", "", "dc=ad", ACCOUNT),
            ("upn:ad.lan", "svc@ad.lan", "", Some("directory_base")),
            ("upn:ad.lan", "svc@ad.lan", "dc=ad", None),
            ("dn:uid={user}", "", "", ACCOUNT),
            ("dn:uid={user}", "", "dc=ad", ACCOUNT),
            ("dn:uid={user}", "cn=svc", "", None),
        ] {
            let directory = Directory {
                bind: bind.parse().unwrap(),
                account: account.into(),
                base: base.into(),
                ..Directory::default()
            };
            assert_eq!(directory.lacks_for_search(), lacks, "{bind} {account} {base}");
        }
    }

    #[test]
    fn what_certificates_are_asked_for_is_one_word_or_a_list() {
        for (text, shown) in [
            ("off", "off"),
            ("optional", "optional"),
            ("required", "required"),
            ("pop3s=required", "pop3s=required"),
            ("submissions=optional, pop3s=required", "pop3s=required,submissions=optional"),
            ("pop3=off", "off"),
            ("pop3=optional,pop3s=optional,submission=optional,submissions=optional", "optional"),
        ] {
            assert_eq!(text.parse::<ClientCertificates>().unwrap().to_string(), shown, "{text}");
        }
        for bad in ["", "on", "smtp=required", "pop3s", "pop3s=", "pop3s=on", "imap=off", "off,off"] {
            assert!(bad.parse::<ClientCertificates>().is_err(), "{bad}");
        }
        let all: ClientCertificates = "required".parse().unwrap();
        assert_eq!(all.of(ListenerKind::Smtp), Demand::Off, "other servers have no certificate of ours");
    }

    #[test]
    fn servers_of_the_directory_are_addresses_with_a_scheme() {
        for (text, shown) in [
            ("ldaps://dc1.home.lan", "ldaps://dc1.home.lan:636"),
            ("ldap://DC1.home.lan", "ldap://dc1.home.lan:389"),
            ("ldap://192.0.2.1:3890", "ldap://192.0.2.1:3890"),
            ("ldaps://[2001:db8::1]", "ldaps://[2001:db8::1]:636"),
            ("ldaps://[2001:db8::1]:6360", "ldaps://[2001:db8::1]:6360"),
        ] {
            assert_eq!(text.parse::<DirectoryServer>().unwrap().to_string(), shown, "{text}");
        }
        for bad in [
            "",
            "dc1",
            "http://dc1",
            "ldap://",
            "ldap://a b",
            "ldap://dc1:0",
            "ldap://dc1:65536",
            "ldap://[::1]x",
        ] {
            assert!(bad.parse::<DirectoryServer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_way_to_bind_names_the_user() {
        for text in ["search", "upn", "upn:ad.home.lan", "dn:uid={user},ou=people,dc=home,dc=lan"] {
            assert_eq!(text.parse::<Bind>().unwrap().to_string(), text);
        }
        for bad in ["", "simple", "upn:", "upn:a b", "dn:uid=bob,dc=home", "dn:", "search:x"] {
            assert!(bad.parse::<Bind>().is_err(), "{bad}");
        }
    }
}
