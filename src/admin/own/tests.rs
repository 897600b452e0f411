//! Own passwords on a real database.

use std::sync::Arc;
use std::thread;

use super::*;
use crate::admin::{Command, Live, LiveStatus, RelayStatus, SessionRow, Trial, Whom, execute};
use crate::auth::tests::Folder;
use crate::auth::{DeviceKey, Gatekeeper};
use crate::clock::{Clock, UnixTime};
use crate::mail::MailboxId;
use crate::store::{Lock, Options, Store};
use crate::ticket::block_on;

/// Remembers whose sessions were ended.
#[derive(Default)]
struct Sessions(Mutex<Vec<MailboxId>>);

impl Live for Sessions {
    fn certificates_changed(&self) {}

    fn status(&self) -> LiveStatus {
        unreachable!("nobody asks")
    }

    fn sessions(&self) -> Vec<SessionRow> {
        Vec::new()
    }

    fn kick(&self, _: &Whom) -> u32 {
        0
    }

    fn lets_connect(&self, _: u16) -> bool {
        true
    }

    fn lets_start(&self) -> bool {
        true
    }

    fn end_sessions(&self, mailbox: MailboxId) {
        self.0.lock().unwrap().push(mailbox);
    }

    fn relay(&self) -> RelayStatus {
        RelayStatus::default()
    }

    fn relay_changed(&self) {}

    fn try_way(&self, _: &crate::mail::Lane) -> Trial {
        Trial::default()
    }
}

struct House {
    context: Context,
    sessions: Arc<Sessions>,
    _folder: Folder,
}

impl House {
    /// A database with alice@home.lan, whose password is `wonderland`.
    fn new() -> House {
        let folder = Folder::new();
        let store =
            Store::create(&folder.database(), &Options::default(), Clock::system(UnixTime(0))).unwrap();
        // The cheapest hash that the settings allow.
        store.set_setting("argon2_kib", Some("7168")).wait().unwrap();
        store.set_setting("argon2_passes", Some("1")).wait().unwrap();
        let key = DeviceKey::create(&folder.database()).unwrap();
        let gatekeeper = Gatekeeper::new(store.clone(), key).unwrap();
        let sessions = Arc::new(Sessions::default());
        let live = Some(Arc::clone(&sessions) as Arc<dyn Live>);
        let house = House {
            context: Context { store, gatekeeper, live, asker: crate::admin::Asker::default() },
            sessions,
            _folder: folder,
        };
        house.carry_out(Command::AddDomain("home.lan".parse().unwrap()));
        let address = "alice@home.lan".parse().unwrap();
        house.carry_out(Command::AddMailbox {
            address,
            password: Some(Secret::new("wonderland")),
            account: None,
        });
        house
    }

    fn carry_out(&self, command: Command) {
        block_on(execute(&self.context, command)).unwrap();
    }

    fn change(&self, name: &str, old: &str, new: &str) -> Result<Address, Denied> {
        let wish = OwnPassword { user_name: name.into(), old: Secret::new(old), new: Secret::new(new) };
        block_on(change(&self.context, wish, &peer(1)))
    }

    /// From a peer that nothing is held against.
    fn logs_on(&self, password: &str) -> bool {
        let gatekeeper = &self.context.gatekeeper;
        let verdict = block_on(gatekeeper.prove_own("alice@home.lan", Secret::new(password), &peer(2)));
        matches!(verdict, Verdict::Welcome(_))
    }
}

fn peer(number: u8) -> Peer {
    Peer::from(std::net::IpAddr::from([192, 0, 2, number]))
}

#[test]
fn who_proves_the_old_password_has_the_new_one_and_his_sessions_end_s_180() {
    let house = House::new();
    assert_eq!(
        house.change("Alice@HOME.lan", "wonderland", "looking glass").unwrap().as_str(),
        "alice@home.lan"
    );
    assert_eq!((house.logs_on("wonderland"), house.logs_on("looking glass")), (false, true));
    assert_eq!(house.sessions.0.lock().unwrap().len(), 1);
}

#[test]
fn who_does_not_is_refused_as_slowly_as_at_a_logon_s_169() {
    let house = House::new();
    let mut delays = Vec::new();
    for guess in ["a", "b"] {
        let denied = house.change("alice@home.lan", guess, "mine now").unwrap_err();
        assert_eq!(denied.error.kind, Failure::Refused);
        delays.push(denied.delay.as_secs());
    }
    assert_eq!(delays, [1, 2]);
    assert_eq!((house.logs_on("wonderland"), house.logs_on("mine now")), (true, false));
    assert!(house.sessions.0.lock().unwrap().is_empty());
}

#[test]
fn who_does_not_wait_is_put_off_s_175() {
    let house = House::new();
    let kinds: Vec<_> = (0..4)
        .map(|guess| house.change("alice@home.lan", &guess.to_string(), "mine").unwrap_err().error.kind)
        .collect();
    assert_eq!(kinds[..3], [Failure::Refused; 3]);
    assert_eq!(kinds[3], Failure::Failed);
}

#[test]
fn no_such_mailbox_is_the_same_as_a_wrong_password_s_167() {
    let house = House::new();
    let wrong = house.change("alice@home.lan", "x", "y").unwrap_err();
    for name in ["bob@home.lan", "alice@nowhere.lan", "alice\u{1b}[2J", "@"] {
        let house = House::new();
        assert_eq!(house.change(name, "x", "y").unwrap_err(), wrong, "{name}");
    }
}

#[test]
fn passwords_that_nobody_should_have_are_refused_before_anything_is_tried_s_191() {
    let house = House::new();
    let long = "x".repeat(limits::PASSWORD_OCTETS + 1);
    for new in ["", "a\nb", "a\0", &long, "wonderland"] {
        let denied = house.change("alice@home.lan", "wonderland", new).unwrap_err();
        assert_eq!((denied.error.kind, denied.delay), (Failure::Refused, Duration::ZERO), "{new:?}");
        assert_eq!(denied.error.text.lines().count(), 1);
    }
    let name = "x".repeat(limits::USER_NAME_OCTETS + 1);
    assert_eq!(house.change(&name, "a", "b").unwrap_err().error.kind, Failure::Usage);
    assert!(house.logs_on("wonderland"));
}

#[test]
fn a_locked_mailbox_keeps_its_password() {
    for lock in [Lock::Reading, Lock::All] {
        let house = House::new();
        house.context.store.lock_mailbox("alice@home.lan".parse().unwrap(), lock).wait().unwrap();
        let denied = house.change("alice@home.lan", "wonderland", "new").unwrap_err();
        assert!(denied.error.text.contains("is locked"), "{denied:?}");
        let stranger = house.change("alice@home.lan", "wrong", "new").unwrap_err();
        assert!(!stranger.error.text.contains("is locked"), "only its user hears of it");
        assert!(house.logs_on("wonderland"));
    }
}

#[test]
fn passwords_that_are_elsewhere_are_changed_there() {
    let house = House::new();
    // Who was made by --create-user has no shell in which he could say passwd.
    let (of_system, of_directory) =
        ("passwd(1) if you have a shell, or ask the administrator", "the directory's");
    for (method, wanted) in [("local", of_system), ("directory", of_directory)] {
        house.context.store.set_setting("auth", Some(method)).wait().unwrap();
        let denied = house.change("alice@home.lan", "wonderland", "new").unwrap_err();
        assert_eq!((denied.error.kind, denied.delay), (Failure::Refused, Duration::ZERO));
        assert!(denied.error.text.contains(wanted), "{denied:?}");
    }
    house.context.store.set_setting("auth", None).wait().unwrap();
    assert!(house.logs_on("wonderland"));
}

#[test]
fn of_two_at_once_with_the_same_old_password_one_wins() {
    let house = House::new();
    let results: Vec<bool> = thread::scope(|scope| {
        let both = ["first", "second"].map(|new| {
            let house = &house;
            scope.spawn(move || house.change("alice@home.lan", "wonderland", new).is_ok())
        });
        both.map(|thread| thread.join().unwrap()).to_vec()
    });
    assert_eq!(results.iter().filter(|won| **won).count(), 1, "{results:?}");
    assert_eq!([house.logs_on("first"), house.logs_on("second")].to_vec(), results);
}

#[test]
fn a_record_that_is_made_anew_meanwhile_is_replaced_too_s_167() {
    let house = House::new();
    house.context.store.set_setting("argon2_passes", Some("2")).wait().unwrap();
    house.change("alice@home.lan", "wonderland", "looking glass").unwrap();
    assert_eq!((house.logs_on("wonderland"), house.logs_on("looking glass")), (false, true));
}
