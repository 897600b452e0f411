//! What a method means, as the Windows POP3 service had it: when it can be chosen, which names can be there, what a
//! mail client is offered, and with what names it logs on (A1, A2, A5, A6, A9).

use std::net::IpAddr;

use super::super::server::Server;
use super::super::terms;
use super::trial::serving;
use super::*;
use crate::admin::{Answer, Command, Failure, MechanismState, execute};
use crate::sasl::{Channel, Claim, Mechanism, Proof};
use crate::settings::Method;
use crate::store::{NewMailbox, Wanted};
use crate::ticket::block_on;

const LAN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 5));

/// A database of its own, with that domain if one is named.
fn context(folder: &Folder, domain: Option<&str>) -> Context {
    let clock = Clock::system(UnixTime(0));
    let store = Store::create(&folder.database(), &Options::default(), clock).unwrap();
    store.set_setting("directory_servers", Some("ldaps://127.0.0.1:1")).wait().unwrap();
    if let Some(domain) = domain {
        store.add_domain(domain.parse().unwrap()).wait().unwrap();
    }
    let gatekeeper = Gatekeeper::new(store.clone(), DeviceKey::create(&folder.database()).unwrap()).unwrap();
    Context { store, gatekeeper, live: None, asker: Asker::default() }
}

#[test]
fn a_method_is_chosen_before_the_first_domain_a2() {
    for method in Method::ALL {
        for (domain, is_chosen) in [(None, true), (Some("home.lan"), method == Method::File)] {
            let folder = Folder::new();
            let context = context(&folder, domain);
            let choose = Command::ChooseAuth { method, directory_password: None, is_forced: true };
            let outcome = block_on(execute(&context, choose));
            match &outcome {
                Err(error) => {
                    assert!(!is_chosen && error.kind == Failure::Refused, "{method} {domain:?}: {error:?}");
                    assert!(
                        error.text.contains("home.lan") && error.text.contains("--migrate"),
                        "{}",
                        error.text
                    );
                }
                Ok(_) => assert!(is_chosen, "{method} {domain:?}"),
            }
            let chosen = if is_chosen { method } else { Method::File };
            assert_eq!(context.store.settings().auth, chosen, "{method} {domain:?}");
        }
    }
}

#[test]
fn names_are_unique_over_all_domains_only_where_they_are_the_system_s_a5_a6() {
    for method in Method::ALL {
        let folder = Folder::new();
        let store = context(&folder, Some("home.lan")).store;
        store.add_domain("work.lan".parse().unwrap()).wait().unwrap();
        store.set_setting("auth", Some(method.name())).wait().unwrap();
        let is_name_unique = method == Method::Local;
        let add = |address: &str| {
            let address = address.parse().unwrap();
            let mark = crate::mail::MailboxMark([7; 16]);
            let new = NewMailbox { address, mark, password: Vec::new(), account: None, method };
            store.add_user(new).wait().is_ok()
        };
        let found = |name: &str| store.user(Wanted::Name(name.into())).wait().unwrap().mailbox.is_some();
        assert!(add("alice@home.lan") && add("bob@work.lan"), "{method}");
        assert_eq!(add("alice@work.lan"), !is_name_unique, "{method}");
        assert!(found("bob"), "{method}");
        assert_eq!(found("alice"), is_name_unique, "{method}: the bare name means one user or none");
    }
}

/// What is offered in the clear with the settings as they come, and inside TLS with what each method could have: kept
/// secrets, Samba's helper, a certificate.
#[test]
fn a_client_is_offered_what_the_method_can_prove_a1_a4_a7() {
    for (method, clear, secure, all) in [
        (
            "file",
            "SCRAM-SHA-256",
            "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN",
            "EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5 NTLM",
        ),
        ("local", "", "PLAIN LOGIN", "EXTERNAL PLAIN LOGIN NTLM"),
        ("directory", "", "PLAIN LOGIN", "EXTERNAL PLAIN LOGIN NTLM"),
    ] {
        let usual = [("plaintext", "tls"), ("auth", method)];
        serving(&usual, |trial| {
            let server = trial.server();
            let offered = |channel: Option<Channel>| {
                let terms = terms::with(server, &server.store.settings(), channel, true, LAN);
                terms.offered().map(Mechanism::name).collect::<Vec<_>>().join(" ")
            };
            let tls =
                |has_certificate| Some(Channel { exporter: Some([1; 32]), end_point: None, has_certificate });
            assert_eq!(offered(None), clear, "{method}");
            assert_eq!(offered(tls(false)), secure, "{method}");
            assert_eq!(told_to_work(server), sorted(secure), "{method}");
            // Any program stands for Samba's where it is only asked whether it is there.
            let more =
                [("challenge", "on"), ("spa", "on"), ("ntlm_auth", "/bin/true"), ("clientcert", "optional")];
            for (key, value) in more {
                server.store.set_setting(key, Some(value)).wait().unwrap();
            }
            assert_eq!(offered(tls(true)), all, "{method}");
            assert_eq!(told_to_work(server), sorted(all), "{method}");
            assert!(!offered(None).contains("NTLM"), "{method}: nothing is relayed in the clear (S-186)");
            server.store.set_setting("sparequired", Some("on")).wait().unwrap();
            assert!(!offered(tls(true)).contains("PLAIN"), "{method}");
        });
    }
}

/// What `poppet auth` says that works, but for what is no mechanism of SASL.
fn told_to_work(server: &Server) -> Vec<String> {
    let (store, gatekeeper) = (server.store.clone(), server.gatekeeper.clone());
    let context = Context { store, gatekeeper, live: None, asker: Asker::default() };
    let Ok(Answer::Auth(view)) = block_on(execute(&context, Command::Auth)) else { panic!("no answer") };
    let works = view.mechanisms.iter().filter(|row| row.state == MechanismState::Works);
    let names: Vec<_> = works.map(|row| row.names.as_str()).collect();
    sorted(&names.join(" ").replace("USER/PASS", "").replace("APOP", ""))
}

fn sorted(names: &str) -> Vec<String> {
    let mut names: Vec<_> = names.split_whitespace().map(str::to_owned).collect();
    names.sort();
    names
}

/// The password file knows alice, and whom it doesn't know is not let in by the other methods either, though nobody
/// there can be asked.
#[test]
fn the_password_file_counts_only_as_the_method_that_was_chosen() {
    for (method, is_in) in [("file", true), ("local", false), ("directory", false)] {
        serving(&[("auth", method)], |trial| {
            for user_name in ["alice@home.lan", "nobody@home.lan"] {
                let proof = Proof::Password(Secret::new("wonderland"));
                let claim = Claim { user_name: user_name.into(), proof };
                let verdict = smol::block_on(trial.server().gatekeeper.login(claim, &LAN.into()));
                let is_welcome = matches!(verdict, crate::auth::Verdict::Welcome(_));
                assert_eq!(is_welcome, is_in && user_name == "alice@home.lan", "{method} {user_name}");
            }
        });
    }
}
