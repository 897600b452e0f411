//! NTLM that is not shown to Samba's helper, and how long that seems to take.

use std::net::IpAddr;
use std::time::Duration;

use base64ct::{Base64, Encoding};

use super::trial::serving;
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
