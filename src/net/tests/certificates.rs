//! Doors that ask for users' certificates, and clients that show some or none (A8).

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use super::trial::{Trial, serving};
use crate::admin::Live;
use crate::cert::{self, Allowed, Identity};
use crate::clock::{Clock, UnixTime};
use crate::mail::Address;
use crate::settings::ListenerKind;
use crate::ticket::block_on;

/// A client inside TLS.
struct Client(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Client {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap_or_default();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.0.get_mut().write_all(format!("{line}\r\n").as_bytes()).unwrap();
        self.line()
    }

    /// None if the server does not go on after the handshake.
    fn greeted(mut self) -> Option<Client> {
        self.line().starts_with("+OK").then_some(self)
    }

    fn mechanisms(&mut self) -> String {
        self.0.get_mut().write_all(b"CAPA\r\n").unwrap();
        let mut found = String::new();
        loop {
            match self.line() {
                end if end == "." || end.is_empty() => return found,
                line if line.starts_with("SASL ") => found = line,
                _ => {}
            }
        }
    }

    fn kind(&self) -> Option<HandshakeKind> {
        self.0.get_ref().conn.handshake_kind()
    }
}

fn address(trial: &Trial, kind: ListenerKind) -> SocketAddr {
    let listeners = Live::status(&**trial.server()).listeners;
    listeners.into_iter().find(|(name, _)| name == kind.name()).unwrap().1
}

/// A client that shows this certificate, if any.
fn config(trial: &Trial, shown: Option<&Identity>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = block_on(cert::authority(&trial.server().store)).unwrap().unwrap();
    roots.add(CertificateDer::from(authority)).unwrap();
    let builder = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let Some(Identity { certificate, private_key }) = shown else {
        return Arc::new(builder.with_no_client_auth());
    };
    let key = PrivatePkcs8KeyDer::from(private_key.expose().to_vec());
    Arc::new(builder.with_client_auth_cert(vec![certificate.clone().into()], key.into()).unwrap())
}

fn connect(trial: &Trial, config: &Arc<ClientConfig>) -> Option<Client> {
    let socket = TcpStream::connect(address(trial, ListenerKind::Pop3s)).unwrap();
    let connection = ClientConnection::new(Arc::clone(config), "mail.home.lan".try_into().unwrap()).unwrap();
    Client(BufReader::new(StreamOwned::new(connection, socket))).greeted()
}

/// A certificate of no authority here, allowed to alice or not.
fn identity(trial: &Trial, is_allowed: bool) -> Identity {
    let alice: Address = "alice@home.lan".parse().unwrap();
    let authority = cert::make_authority("elsewhere").unwrap();
    let now = Clock::system(UnixTime(0)).now();
    let (identity, ends) = cert::make_client(&authority, &alice, 30, now).unwrap();
    let store = &trial.server().store;
    if is_allowed {
        let mark = store.mailbox(alice.clone()).wait().unwrap().unwrap().mark;
        let fingerprint = cert::fingerprint(&identity.certificate);
        let (label, ends) = (String::new(), Some(ends));
        let allowed = Allowed { address: alice, mark, fingerprint, label, ends, is_issued: false, made: now };
        block_on(cert::allow(store, allowed)).unwrap();
        trial.server().certificates_changed();
    }
    identity
}

fn set(trial: &Trial, key: &str, value: &str) {
    trial.server().store.set_setting(key, Some(value)).wait().unwrap();
}

#[test]
fn a_certificate_is_asked_for_from_the_next_handshake_on_s_250() {
    serving(&[], |trial| {
        let (known, strange) = (identity(trial, true), identity(trial, false));
        let external = |shown| {
            let client = connect(trial, &config(trial, shown));
            client.map(|mut client| client.mechanisms().contains(" EXTERNAL"))
        };
        for (demand, nobody_s, known_s, strange_s) in [
            ("off", Some(false), Some(false), Some(false)),
            ("optional", Some(false), Some(true), None),
            ("required", None, Some(true), None),
            ("submission=required", Some(false), Some(false), Some(false)),
            ("pop3s=required", None, Some(true), None),
        ] {
            set(trial, "clientcert", demand);
            assert_eq!(external(None), nobody_s, "{demand}");
            assert_eq!(external(Some(&known)), known_s, "{demand}");
            assert_eq!(external(Some(&strange)), strange_s, "{demand}");
        }
        set(trial, "certpassword", "on");
        assert_eq!(external(Some(&known)), Some(false), "it proves nothing alone");
    });
}

#[test]
fn who_is_denied_is_nobody_in_the_session_that_stands() {
    serving(&[("clientcert", "optional")], |trial| {
        let known = identity(trial, true);
        let config = config(trial, Some(&known));
        let rows = || Live::sessions(&**trial.server());
        let mut standing = connect(trial, &config).unwrap();
        let mut other = connect(trial, &config).unwrap();
        assert!(other.ask("AUTH EXTERNAL =").starts_with("+OK"));
        drop(other);
        let tls = rows()[0].tls.clone().unwrap();
        let print = cert::fingerprint(&known.certificate);
        assert!(tls.ends_with(&format!(" certificate \"alice@home.lan\" {}", print.short())), "{tls}");
        let alice = "alice@home.lan".parse().unwrap();
        block_on(cert::deny(&trial.server().store, &alice, &print.to_string())).unwrap();
        trial.server().certificates_changed();
        assert!(connect(trial, &config).is_none());
        assert!(standing.ask("AUTH EXTERNAL =").starts_with("-ERR [AUTH]"));
    });
}

#[test]
fn no_session_is_taken_up_again_where_a_certificate_is_asked_for_s_256() {
    serving(&[], |trial| {
        let known = identity(trial, true);
        for (demand, second) in [("off", HandshakeKind::Resumed), ("optional", HandshakeKind::Full)] {
            set(trial, "clientcert", demand);
            let config = config(trial, Some(&known));
            let kinds = [(); 2].map(|()| {
                let mut client = connect(trial, &config).unwrap();
                client.mechanisms();
                client.kind()
            });
            assert_eq!(kinds, [Some(HandshakeKind::Full), Some(second)], "{demand}");
        }
    });
}

#[test]
fn in_the_clear_no_password_is_asked_for_where_a_certificate_is_required() {
    serving(&[("clientcert", "required")], |trial| {
        let mut peer = trial.greeted(ListenerKind::Pop3, super::trial::OWN);
        peer.socket().write_all(b"CAPA\r\n").unwrap();
        let mut lines = Vec::new();
        while lines.last().is_none_or(|line| line != ".") {
            lines.push(peer.line().trim_end().to_owned());
        }
        assert!(!lines.iter().any(|line| line == "USER"), "{lines:?}");
        assert!(lines.iter().any(|line| line == "STLS"), "{lines:?}");
    });
}
