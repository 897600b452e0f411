//! Certificates of other servers that are wrong in each way, and passwords that none of them gets (S-136, S-140).

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::sync::Arc;

use ring::digest;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::sink::{Act, Cover, Sink, Step, Stream};
use super::{MESSAGE, Trial, authorities, file_one, last_text, queue, retry, serving};
use crate::cert;
use crate::cert::SMART_HOST_AUTHORITIES;
use crate::clock::UnixTime;
use crate::mail::Lane;
use crate::relay::password_record;

const NOW: UnixTime = UnixTime(1_800_000_000);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const STARTTLS: &str = "250-STARTTLS\r\n";

/// A certificate, its key, and the authority that vouches for it.
struct Identity {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

/// One for 127.0.0.1, or for another address.
fn identity(address: IpAddr) -> Identity {
    let authority = cert::make_authority("example.com").unwrap();
    let server = cert::make_server(&authority, &["mail.example.com".into()], &[address], now()).unwrap();
    Identity {
        certificate: server.certificate,
        key: server.private_key.expose().to_vec(),
        authority: authority.certificate,
    }
}

/// One that nobody signed but itself, and that was valid until that year.
fn self_signed(end_year: i32) -> Identity {
    let mut params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(end_year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    Identity { key: key.serialize_der(), authority: certificate.clone(), certificate }
}

fn now() -> UnixTime {
    crate::clock::Clock::system(NOW).now()
}

impl Identity {
    fn cover(&self) -> Box<Cover> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(self.certificate.clone())], key)
            .unwrap();
        let config = Arc::new(config);
        Box::new(move |mut socket: TcpStream| {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut socket).ok()?;
            }
            Some(Box::new(StreamOwned::new(connection, socket)) as Box<dyn Stream>)
        })
    }

    fn fingerprint(&self) -> String {
        let digest = digest::digest(&digest::SHA256, &self.certificate);
        digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

fn sink(extensions: &'static str, identity: &Identity) -> Sink {
    Sink::with(extensions, false, Some(identity.cover()), |_, _| Act::Usual)
}

/// Serves with that smart host, which that authority vouches for.
fn with(sink: &Sink, tls: &str, pin: &str, authority: &[u8], act: impl FnOnce(&Trial)) {
    let settings = [("smarthost", &*sink.host()), ("smarthost_tls", tls), ("smarthost_pin", pin)];
    serving(&settings, |trial| {
        let record = authorities(&[authority]);
        trial.server().store.put_record(SMART_HOST_AUTHORITIES, record).wait().unwrap();
        act(trial);
    });
}

fn expect_sent(trial: &Trial, sink: &Sink) {
    file_one(trial, "bob@example.com");
    trial.until("it is sent", || queue(trial).is_empty());
    assert_eq!(sink.bodies(), [MESSAGE]);
}

/// The mail is held, and the reason told.
fn expect_held(trial: &Trial, sink: &Sink) -> String {
    file_one(trial, "bob@example.com");
    trial.until("it is held", || queue(trial)[0].last.is_some());
    assert_eq!(queue(trial)[0].tries, 0, "a person must look: that is no try");
    assert!(
        sink.commands().iter().all(|command| !command.starts_with("MAIL") && !command.starts_with("AUTH"))
    );
    let status = trial.server().relay.status(&trial.server().store);
    assert_eq!(status.troubles.len(), 1);
    assert_eq!(status.offline_since, None);
    last_text(trial)
}

#[test]
fn a_right_certificate_is_taken_by_starttls_and_from_the_first_octet_on_o2() {
    let identity = identity(HERE);
    for (extensions, tls) in [(STARTTLS, "required"), ("", "implicit")] {
        let sink = sink(extensions, &identity);
        with(&sink, tls, "off", &identity.authority, |trial| expect_sent(trial, &sink));
    }
}

#[test]
fn a_wrong_certificate_holds_the_mail_and_the_reason_is_told_s_136() {
    let elsewhere = IpAddr::from([192, 0, 2, 1]);
    let other = identity(HERE);
    for (what, shown, authority, wanted) in [
        ("another authority", identity(HERE), Some(&other), "an authority that is not known"),
        ("another name", identity(elsewhere), None, "its certificate is not for 127.0.0.1"),
        ("expired", self_signed(2020), None, "not valid now"),
        ("self-signed", self_signed(2100), Some(&other), "an authority that is not known"),
    ] {
        let authority = authority.map_or(&shown.authority, |other| &other.authority);
        for (extensions, tls) in [(STARTTLS, "required"), ("", "implicit")] {
            let sink = sink(extensions, &shown);
            with(&sink, tls, "off", authority, |trial| {
                let text = expect_held(trial, &sink);
                assert!(
                    text.contains(wanted) && text.contains(&shown.fingerprint()),
                    "{what}, {tls}: {text}"
                );
                assert!(
                    text.contains("smarthost_pin") && text.contains("cert ca add FILE --for smarthost"),
                    "{text}"
                );
            });
        }
    }
}

#[test]
fn a_pinned_certificate_is_taken_whoever_signed_it_and_no_other_s_136() {
    let other = identity(HERE);
    for shown in [identity(IpAddr::from([192, 0, 2, 1])), self_signed(2020)] {
        let sink = sink(STARTTLS, &shown);
        with(&sink, "required", &shown.fingerprint(), &other.authority, |trial| expect_sent(trial, &sink));
    }
    // Its authority doesn't count then.
    let right = identity(HERE);
    let sink = sink(STARTTLS, &right);
    with(&sink, "required", &other.fingerprint(), &right.authority, |trial| {
        let text = expect_held(trial, &sink);
        assert!(text.contains("none of those that are pinned"), "{text}");
    });
}

#[test]
fn where_tls_is_a_gift_any_certificate_will_do_and_none_s_136() {
    let other = identity(HERE);
    for shown in [identity(IpAddr::from([192, 0, 2, 1])), self_signed(2020)] {
        let sink = sink(STARTTLS, &shown);
        with(&sink, "opportunistic", "off", &other.authority, |trial| expect_sent(trial, &sink));
        assert!(sink.commands().contains(&"STARTTLS".to_owned()));
        assert_eq!(sink.sessions(), 1);
    }
    // It says that it has TLS, and has none.
    let broken = Sink::with(STARTTLS, false, Some(Box::new(|_| None)), |_, _| Act::Usual);
    with(&broken, "opportunistic", "off", &other.authority, |trial| expect_sent(trial, &broken));
    assert_eq!(broken.sessions(), 2);
}

fn give_password(trial: &Trial) {
    let server = trial.server();
    let name = password_record(&Lane::SmartHost);
    let sealed = server.gatekeeper.seal(&name, b"a secret");
    server.store.put_record(&name, sealed).wait().unwrap();
    server.store.set_setting("smarthost_user", Some("family")).wait().unwrap();
}

#[test]
fn no_password_goes_where_the_certificate_is_not_proven_s_140() {
    let (right, other) = (identity(HERE), identity(HERE));
    for (authority, is_proven) in [(&right.authority, true), (&other.authority, false)] {
        for tls in ["required", "opportunistic"] {
            let sink = sink("250-STARTTLS\r\n250-AUTH PLAIN\r\n", &right);
            with(&sink, tls, "off", authority, |trial| {
                give_password(trial);
                match is_proven {
                    true => expect_sent(trial, &sink),
                    false => {
                        let text = expect_held(trial, &sink);
                        assert!(!text.contains("secret"), "{text}");
                    }
                }
            });
            let has_logged_on = sink.commands().iter().any(|command| command.starts_with("AUTH PLAIN "));
            assert_eq!(has_logged_on, is_proven, "{tls}");
        }
    }
}

/// A password was changed at the provider's: the log said "535 5.7.8 authentication failed", and not what to do.
#[test]
fn a_refused_logon_holds_all_mail_and_says_what_to_do_o8() {
    let right = identity(HERE);
    let sink = Sink::with("250-STARTTLS\r\n250-AUTH PLAIN\r\n", false, Some(right.cover()), |_, step| {
        let is_logon = *step == Step::Command("AUTH".into());
        if is_logon { Act::Say("535 5.7.8 authentication failed\r\n") } else { Act::Usual }
    });
    with(&sink, "required", "off", &right.authority, |trial| {
        let server = trial.server();
        let name = password_record(&Lane::SmartHost);
        let sealed = server.gatekeeper.seal(&name, b"an old secret");
        server.store.put_record(&name, sealed).wait().unwrap();
        server.store.set_setting("smarthost_user", Some("family")).wait().unwrap();
        for number in 0..3 {
            file_one(trial, &format!("bob{number}@example.com"));
        }
        trial.until("all is held", || queue(trial).iter().any(|row| row.last.is_some()));
        let status = server.relay.status(&server.store);
        let [trouble] = &status.troubles[..] else { panic!("{status:?}") };
        assert!(trouble.text.contains("535 5.7.8 authentication failed; "), "{}", trouble.text);
        assert!(trouble.text.contains("\"poppet set smarthost_password\""), "{}", trouble.text);
        assert_eq!(queue(trial).iter().map(|row| row.tries).sum::<u32>(), 0);
        let logons = sink.commands().iter().filter(|line| line.starts_with("AUTH")).count();
        assert_eq!(logons, 1, "a wrong password that is tried often locks accounts");
        server.relay.network_changed(&server.clock);
        server.relay.changed(&server.clock);
        trial.until("who changes something has it tried again", || {
            sink.commands().iter().filter(|line| line.starts_with("AUTH")).count() == 2
        });
    });
}

/// Beside a second smart host that took all mail, the first one was asked at each new connection with a password that it
/// refused, until it locked the account.
#[test]
fn a_smart_host_of_several_that_refuses_the_logon_is_asked_once_o2_o8() {
    const LOGON: &str = "250-STARTTLS\r\n250-AUTH PLAIN\r\n";
    let right = identity(HERE);
    let refusing = Sink::with(LOGON, false, Some(right.cover()), |_, step| {
        let is_logon = *step == Step::Command("AUTH".into());
        if is_logon { Act::Say("535 5.7.8 authentication failed\r\n") } else { Act::Usual }
    });
    let taking = sink(LOGON, &right);
    with(&taking, "required", "off", &right.authority, |trial| {
        give_password(trial);
        let server = trial.server();
        let both = format!("{},{}", refusing.host(), taking.host());
        server.store.set_setting("smarthost", Some(&both)).wait().unwrap();
        let logons = || refusing.commands().iter().filter(|line| line.starts_with("AUTH")).count();
        let status = || server.relay.status(&server.store);
        for connections in 1..=3 {
            file_one(trial, "bob@example.com");
            trial.until("it is sent", || queue(trial).is_empty());
            trial.pass(60);
            trial.until("the connection is closed", || status().connections == 0);
            assert_eq!((taking.sessions(), logons()), (connections, 1));
        }
        let troubles = status().troubles;
        let [trouble] = &troubles[..] else { panic!("{troubles:?}") };
        assert!(trouble.text.contains("535 5.7.8") && trouble.text.contains("another server"), "{trouble:?}");
        server.relay.changed(&server.clock);
        assert_eq!(status().troubles, []);
        file_one(trial, "bob@example.com");
        trial.until("who changes something has it tried again", || logons() == 2);
    });
}

/// Somebody between us and the smart host takes STARTTLS away, or puts words behind its reply that would count inside TLS:
/// he gets neither the password nor the mail, even where TLS is a gift.
#[test]
fn who_stands_between_gets_neither_password_nor_mail_s_045_s_140() {
    const LOGONS: &str = "250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n";
    const INJECTED: &str = "220 go on\r\n250-sink\r\n250 AUTH PLAIN\r\n235 come in\r\n250 ok\r\n";
    let right = identity(HERE);
    for (said, extensions) in [
        (INJECTED, LOGONS),
        ("454 4.7.0 not now\r\n", LOGONS),
        ("500 what?\r\n", LOGONS),
        ("", "250-AUTH PLAIN LOGIN\r\n"),
    ] {
        for tls in ["required", "opportunistic"] {
            let starttls = Step::Command("STARTTLS".into());
            let cover = extensions.contains("STARTTLS").then(|| right.cover());
            let between = Sink::with(extensions, false, cover, move |_, step| {
                if *step == starttls { Act::Say(said) } else { Act::Usual }
            });
            with(&between, tls, "off", &right.authority, |trial| {
                give_password(trial);
                let text = expect_held(trial, &between);
                assert!(!text.contains("secret"), "{text}");
            });
            assert_eq!(between.bodies().len(), 0, "{said:?} {tls}");
        }
    }
}

/// A session that stood with a certificate nobody had proven must not make the next one count as proven.
#[test]
fn what_was_taken_as_it_was_is_judged_when_it_shall_be_right_s_136_s_140() {
    let (shown, other) = (identity(HERE), identity(HERE));
    let sink = sink(STARTTLS, &shown);
    with(&sink, "opportunistic", "off", &other.authority, |trial| {
        expect_sent(trial, &sink);
        trial.server().store.set_setting("smarthost_tls", Some("required")).wait().unwrap();
        retry(trial);
        file_one(trial, "carl@example.com");
        trial.until("it is held", || queue(trial)[0].last.is_some());
        assert!(last_text(trial).contains("an authority that is not known"), "{}", last_text(trial));
        assert_eq!(sink.bodies().len(), 1);
    });
}
