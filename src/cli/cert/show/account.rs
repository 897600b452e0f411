//! A mailbox as a client is set up with it: where it is fetched from, and where mail is handed in.

use std::net::SocketAddr;

use serde_json::json;

use super::{Desk, refused, stranger};
use crate::admin::{AdminError, Answer, Command, Origin};
use crate::mail::{Address, Domain};
use crate::net::machine;
use crate::settings::{ListenerKind, Settings};

/// What a client needs but the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// The mailbox, and the user name.
    pub address: Address,
    /// The server's address or name.
    pub host: String,
    /// Where mail is fetched by POP3.
    pub fetching: Door,
    /// Where mail is handed in by SMTP.
    pub sending: Door,
}

/// A port and how TLS begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Door {
    /// The port.
    pub port: u16,
    /// Whether it begins with the connection; else by STLS or STARTTLS.
    pub is_implicit_tls: bool,
}

impl Account {
    /// Errs if there is no such mailbox, a listener is off, or `host` can be none.
    pub fn of(address: Address, host: Option<&str>, desk: &Desk) -> Result<Account, AdminError> {
        desk.ask(Command::Mailbox(address.clone()))?;
        let listeners = listeners(desk)?;
        let host = match host {
            Some(host) => checked(host)?,
            None => machine::addresses().first().map_or("localhost".into(), ToString::to_string),
        };
        let (fetching, sending) = doors(&listeners)?;
        Ok(Account { address, host, fetching, sending })
    }

    /// What Thunderbird for Android reads from a code, of the form that it calls "Export for Mobile", version 1: JSON's
    /// arrays, without a password. Errs if the address is none that this form takes.
    pub fn for_thunderbird(&self) -> Result<String, AdminError> {
        let (address, name) = (self.address.as_str(), self.address.local_part());
        if !address.is_ascii() {
            return Err(refused(format!(
                "Thunderbird takes no account with letters beyond ASCII from a code: type {address} in by hand"
            )));
        }
        let door = |protocol: u8, door: Door| {
            let security = if door.is_implicit_tls { TLS } else { STARTTLS };
            json!([protocol, self.host, door.port, security, PASSWORD, address])
        };
        let one_of_one = [1, 1];
        let account = json!([
            FORMAT,
            one_of_one,
            door(POP3, self.fetching),
            [[door(SMTP, self.sending), [address, name]]]
        ]);
        Ok(account.to_string())
    }
}

/// Those of the running server, or those that the settings say.
fn listeners(desk: &Desk) -> Result<Vec<(ListenerKind, SocketAddr)>, AdminError> {
    if let Some(live) = desk.status()?.live {
        let kind = |name: &str| ListenerKind::ALL.into_iter().find(|kind| kind.name() == name);
        return Ok(live.listeners.iter().filter_map(|(name, at)| Some((kind(name)?, *at))).collect());
    }
    let Answer::Settings(rows) = desk.ask(Command::Settings(None))? else { return Err(stranger()) };
    let mut settings = Settings::default();
    for row in rows.iter().filter(|row| !row.is_fixed && row.origin != Origin::Default) {
        settings.assign(&row.key, &row.value)?;
    }
    let of = |kind| settings.listen(kind).0.iter().map(move |at| (kind, *at)).collect::<Vec<_>>();
    Ok(ListenerKind::ALL.into_iter().flat_map(of).collect())
}

/// TLS from the first octet where it is offered. RFC 8314 §3.
fn doors(listeners: &[(ListenerKind, SocketAddr)]) -> Result<(Door, Door), AdminError> {
    let port = |kind| listeners.iter().find(|(of, _)| *of == kind).map(|(_, at)| at.port());
    let door = |implicit, explicit| {
        let tls = port(implicit).map(|port| Door { port, is_implicit_tls: true });
        tls.or_else(|| port(explicit).map(|port| Door { port, is_implicit_tls: false }))
    };
    let off = |name: &str, key: &str, value: &str| {
        refused(format!("{name} for users is off: \"poppet set {key} {value}\" and a restart turn it on"))
    };
    Ok((
        door(ListenerKind::Pop3s, ListenerKind::Pop3).ok_or_else(|| off("POP3", "pop3s", "0.0.0.0:995"))?,
        door(ListenerKind::Submissions, ListenerKind::Submission)
            .ok_or_else(|| off("SMTP", "submissions", "0.0.0.0:465"))?,
    ))
}

fn checked(host: &str) -> Result<String, AdminError> {
    let is_host = host.parse::<std::net::IpAddr>().is_ok() || host.parse::<Domain>().is_ok();
    match is_host && host.is_ascii() {
        true => Ok(host.to_owned()),
        false => Err(AdminError::usage(format!(
            "--host can't be {}: it takes a name such as mail.home.lan or an address such as 192.168.1.5",
            crate::admin::quoted(host)
        ))),
    }
}

const FORMAT: u8 = 1;
const POP3: u8 = 1;
const SMTP: u8 = 0;
const STARTTLS: u8 = 2;
const TLS: u8 = 3;
const PASSWORD: u8 = 1;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::admin::Failure;

    /// Alice's.
    pub fn account() -> Account {
        Account {
            address: "alice@home.lan".parse().unwrap(),
            host: "192.168.1.5".into(),
            fetching: Door { port: 995, is_implicit_tls: true },
            sending: Door { port: 587, is_implicit_tls: false },
        }
    }

    #[test]
    fn thunderbird_gets_what_its_form_asks_for_and_no_password() {
        assert_eq!(
            account().for_thunderbird().unwrap(),
            "[1,[1,1],[1,\"192.168.1.5\",995,3,1,\"alice@home.lan\"],\
             [[[0,\"192.168.1.5\",587,2,1,\"alice@home.lan\"],[\"alice@home.lan\",\"alice\"]]]]"
        );
        let beyond = Account { address: "jürgen@home.lan".parse().unwrap(), ..account() };
        assert_eq!(beyond.for_thunderbird().unwrap_err().kind, Failure::Refused);
    }

    #[test]
    fn tls_from_the_first_octet_is_taken_where_it_is_and_what_is_off_is_told() {
        use ListenerKind::{Pop3, Pop3s, Smtp, Submission, Submissions};
        let all = |kinds: &[ListenerKind]| {
            let at =
                |(number, kind): (usize, &ListenerKind)| (*kind, ([0, 0, 0, 0], 1000 + number as u16).into());
            doors(&kinds.iter().enumerate().map(at).collect::<Vec<_>>())
        };
        let door = |port, is_implicit_tls| Door { port, is_implicit_tls };
        assert_eq!(all(&[Pop3, Pop3s, Submission, Submissions]), Ok((door(1001, true), door(1003, true))));
        assert_eq!(all(&[Pop3, Smtp, Submission]), Ok((door(1000, false), door(1002, false))));
        for (kinds, wanted) in [(&[Submission][..], "pop3s"), (&[Pop3s, Smtp], "submissions"), (&[], "pop3s")]
        {
            let error = all(kinds).unwrap_err();
            assert!(error.text.contains(&format!("\"poppet set {wanted} ")), "{}", error.text);
        }
    }

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for host in ["mail.home.lan", "192.168.1.5", "fd00::5", "pi.local"] {
            assert_eq!(checked(host).as_deref(), Ok(host));
        }
        for host in ["", "a b", "https://x", "x:995", "mäil.lan", "a\u{1b}"] {
            assert_eq!(checked(host).unwrap_err().kind, Failure::Usage, "{host:?}");
        }
    }
}
