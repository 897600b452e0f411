//! Has failed logons and lockouts written down while the server runs.

use std::time::Duration;

use smol::Timer;
use smol::future::FutureExt;

use crate::auth::{FailureNews, Gatekeeper};
use crate::limits;

/// How long what waits.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// What changes, until it is written down.
    any: Duration,
    /// A lockout, with all others of that time.
    lockout: Duration,
    /// The next time after one, come what may: a guesser who locks out one user after the other must not wear the
    /// flash, nor a full disk fill the log.
    rest: Duration,
}

impl Default for Pauses {
    fn default() -> Pauses {
        Pauses {
            any: limits::LOCKOUT_SAVING,
            lockout: limits::LOCKOUT_SAVING_SOON,
            rest: limits::LOCKOUT_SAVING_REST,
        }
    }
}

/// Writes down what changes, after these pauses; ends never.
pub async fn write_down(gatekeeper: Gatekeeper, pauses: Pauses) {
    loop {
        gatekeeper.failures_changed(FailureNews::Any).await;
        let lockout = async {
            gatekeeper.failures_changed(FailureNews::Lockout).await;
            Timer::after(pauses.lockout).await;
        };
        let all_else = async {
            Timer::after(pauses.any).await;
        };
        lockout.or(all_else).await;
        gatekeeper.save_failures().await;
        Timer::after(pauses.rest).await;
    }
}

#[cfg(test)]
mod tests {
    use smol::future;

    use super::*;
    use crate::auth::tests::Folder;
    use crate::auth::{DeviceKey, Peer};
    use crate::clock::{Clock, UnixTime};
    use crate::mail::MailboxMark;
    use crate::sasl::Claim;
    use crate::store::{Options, Store};

    const LONG: Duration = Duration::from_secs(3600);

    /// A guesser who locked out one user after the other had the record of all failures written every five seconds,
    /// 17,000 times a day.
    #[test]
    fn lockouts_one_after_the_other_are_written_down_together_s_169() {
        let folder = Folder::new();
        let store =
            Store::create(&folder.database(), &Options::default(), Clock::system(UnixTime(0))).unwrap();
        for (key, value) in [("argon2_kib", "7168"), ("argon2_passes", "1"), ("tries", "1")] {
            store.set_setting(key, Some(value)).wait().unwrap();
        }
        store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
        for name in ["alice", "bob"] {
            let address = format!("{name}@home.lan").parse().unwrap();
            store.add_mailbox(address, MailboxMark([7; 16]), Vec::new()).wait().unwrap();
        }
        let key = DeviceKey::create(&folder.database()).unwrap();
        let gatekeeper = Gatekeeper::new(store.clone(), key).unwrap();
        let lock_out = async |name: &str, last: u8| {
            let claim = Claim::password(format!("{name}@home.lan").as_bytes(), b"wrong").unwrap();
            gatekeeper.login(claim, &Peer::from(std::net::IpAddr::from([10, 0, last, 1]))).await;
        };
        let written = || store.wear().commits;
        let before = written();
        let guessing = async {
            lock_out("alice", 1).await;
            while written() == before {
                future::yield_now().await;
            }
            lock_out("bob", 2).await;
            for _ in 0..10_000 {
                future::yield_now().await;
            }
        };
        let pauses = Pauses { any: LONG, lockout: Duration::ZERO, rest: LONG };
        smol::block_on(guessing.or(write_down(gatekeeper.clone(), pauses)));
        assert_eq!(gatekeeper.count_locked_out(), 2);
        assert_eq!(written(), before + 1);
        smol::block_on(gatekeeper.save_failures());
        assert_eq!(written(), before + 2, "and the second is kept for the next time");
    }
}
