//! NTLM that is not shown to Samba's helper, and how long that seems to take.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use base64ct::{Base64, Encoding};

use super::trial::serving;
use crate::auth::Showing;
use crate::auth::tests::Folder;
use crate::limits;
use crate::net::session::relay;
use crate::net::spa;
use crate::sasl::{Claim, Proof, Relayed};
use crate::ticket::block_on;

/// An AUTHENTICATE message with nothing in it but the user's name. [MS-NLMP] §2.2.1.3.
fn message(user: &str) -> String {
    let user: Vec<u8> = user.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let field =
        |octets: usize| [[octets as u16; 2].map(u16::to_le_bytes).concat(), vec![64, 0, 0, 0]].concat();
    let fields = [0, 0, 0, user.len(), 0, 0].map(field).concat();
    Base64::encode_string(&[b"NTLMSSP\0\x03\0\0\0", &fields[..], b"\x01\0\0\0", &user].concat())
}

/// A locked-out user's NTLM was handed over, and once it was not, the answer came before any helper could give one: that
/// told who is locked out.
#[test]
fn who_is_not_shown_to_the_helper_is_refused_no_earlier_than_others_a11_s_205() {
    let settings = [("auth", "directory"), ("spa", "on"), ("tries", "1"), ("ntlm_auth", "/nowhere")];
    serving(&settings, |trial| {
        let (server, peer) = (trial.server(), IpAddr::from([192, 0, 2, 1]));
        let mut helper = spa::Helper::default();
        let shown = block_on(relay(server, &mut helper, &message("alice"), peer));
        assert_eq!(shown, None, "it was asked, and there is none");
        let claim = Claim { user_name: "alice".into(), proof: Proof::RelayRefused(String::new()) };
        block_on(server.gatekeeper.login(claim, &peer.into()));
        smol::block_on(async {
            let message = message("ALICE");
            let mut refusing = Box::pin(relay(server, &mut helper, &message, peer));
            let early = async {
                smol::Timer::after(Duration::from_millis(300)).await;
                None
            };
            let answer = smol::future::or(async { Some((&mut refusing).await) }, early).await;
            assert_eq!(answer, None, "the clock stands still");
            trial.pass(limits::RELAY_REFUSAL.as_secs());
            assert!(matches!(refusing.await, Some(Relayed::Refused(why)) if why.contains("locked out")));
        });
    });
}

/// The failure was noted only when the answer was due: until then, others were shown.
#[test]
fn what_the_helper_refuses_counts_before_its_answer_is_due_s_205() {
    let folder = Folder::new();
    let program = folder.path().join("ntlm_auth");
    // Written by another process: while this one has it open, a child that is just begun would keep it from being run.
    let script = "printf '#!/bin/sh\nread -r _; echo TT x; read -r _; echo NA NT_STATUS_WRONG_PASSWORD\n' >$0; chmod +x $0";
    assert!(Command::new("sh").args(["-c", script]).arg(&program).status().unwrap().success());
    let path = program.to_str().unwrap();
    let settings = [("auth", "directory"), ("spa", "on"), ("tries", "1"), ("ntlm_auth", path)];
    serving(&settings, |trial| {
        let (server, peer) = (trial.server(), IpAddr::from([192, 0, 2, 1]));
        let kept = async || match server.gatekeeper.begin_relay("alice", [198, 51, 100, 1].into()).await {
            Showing::Kept(why) => Some(why),
            _ => None,
        };
        let mut helper = spa::Helper::default();
        smol::block_on(async {
            let first = relay(server, &mut helper, "TlRMTVNTUAABAAAAB4IIog==", peer).await;
            assert_eq!(first, Some(Relayed::Challenge("x".into())));
            assert_eq!(kept().await, None);
            let message = message("alice");
            let mut refusing = Box::pin(relay(server, &mut helper, &message, peer));
            let counted = async {
                while kept().await.is_none() {
                    smol::Timer::after(Duration::from_millis(5)).await;
                }
                None
            };
            let answer = smol::future::or(async { Some((&mut refusing).await) }, counted).await;
            assert_eq!(answer, None, "the clock stands still");
            assert!(kept().await.is_some_and(|why| why.contains("locked out")));
            trial.pass(limits::RELAY_REFUSAL.as_secs());
            assert_eq!(refusing.await, Some(Relayed::Counted(Duration::from_secs(1))));
        });
    });
}
