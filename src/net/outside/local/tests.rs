//! The client against a real helper, and against what is none.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;

use super::*;
use crate::clock::{Clock, UnixTime};
use crate::local::{Helper, door};
use crate::store::Options;
use crate::ticket::block_on;

const MADE: &str = "$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";
const RIGHT: &str = "correct horse battery";

/// A database whose helper would listen in the same folder.
struct House {
    folder: PathBuf,
    store: Store,
}

impl House {
    fn new() -> House {
        let folder = std::env::temp_dir().join(format!("poppet-local-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("passwd"), "alice:x:1000:200:::\nlocked:x:1001:200:::\n").unwrap();
        std::fs::write(folder.join("group"), "poppet-users:x:200:\n").unwrap();
        let shadow = format!("alice:{MADE}:20000:0:99999:7:::\nlocked:!{MADE}:20000:0:99999:7:::\n");
        std::fs::write(folder.join("shadow"), shadow).unwrap();
        let clock = Clock::system(UnixTime(0));
        let store = Store::create(&folder.join("poppet.redb"), &Options::default(), clock).unwrap();
        let house = House { folder, store };
        let socket = house.socket();
        block_on(house.store.set_setting("local_socket", socket.to_str())).unwrap();
        house
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("local.sock")
    }

    fn client(&self) -> Local {
        Local::new(self.store.clone())
    }

    fn serve(&self) {
        let (listener, audience) = door::make(&self.socket(), None).unwrap();
        let helper = Helper::new(&self.folder, Clock::system(UnixTime(0)), audience);
        thread::spawn(move || helper.serve(&listener, Some(limits::LOCAL_IDLE)));
    }

    /// Answers the first who asks with that.
    fn serve_once(&self, answer: &'static [u8]) {
        let listener = UnixListener::bind(self.socket()).unwrap();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 2048]);
            let _ = client.write_all(answer);
        });
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.store.close();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn person(local_part: &str, account: Option<Account>) -> Person {
    Person { address: format!("{local_part}@home.lan").parse().unwrap(), account }
}

fn prove(client: &Local, person: &Person, password: &str) -> Finding {
    block_on(client.prove(person, &Secret::new(password)))
}

#[test]
fn the_password_of_an_account_is_proved_by_the_helper_s_217() {
    let house = House::new();
    house.serve();
    let client = house.client();
    let account = |uid: u32| Account { name: "alice".into(), identity: uid.to_be_bytes().into() };
    let right = Finding::Right(Some(account(1000)));
    assert_eq!(prove(&client, &person("alice", None), RIGHT), right, "by the local part");
    assert_eq!(prove(&client, &person("al", Account::named("alice")), RIGHT), right, "by the account's name");
    assert_eq!(prove(&client, &person("al", Some(account(1000))), RIGHT), right);
    for (person, password, why) in [
        (person("alice", None), "secret", "the password is not that of the account alice"),
        (person("bob", None), RIGHT, "bob is no account of this machine: make it with useradd"),
        (
            person("alice", Account::named("bob")),
            RIGHT,
            "bob is no account of this machine: make it with useradd",
        ),
    ] {
        assert_eq!(prove(&client, &person, password), Finding::Wrong(why.into()));
    }
    let Finding::Wrong(why) = prove(&client, &person("alice", Some(account(1005))), RIGHT) else { panic!() };
    assert!(why.starts_with("alice is another account than the one"), "{why}");
    let Finding::Wrong(why) = prove(&client, &person("locked", None), RIGHT) else { panic!() };
    assert!(why.starts_with("the password of locked is locked"), "{why}");
    let of_directory = Account { name: "alice".into(), identity: vec![7; 16] };
    let Finding::Wrong(why) = prove(&client, &person("alice", Some(of_directory)), RIGHT) else { panic!() };
    assert!(why.contains("belongs to no local account"), "{why}");
}

#[test]
fn accounts_are_found_with_their_uid_as_identity() {
    let house = House::new();
    house.serve();
    let client = house.client();
    let found = block_on(client.find(&person("alice", None)));
    assert_eq!(found, Ok(Account { name: "alice".into(), identity: vec![0, 0, 3, 232] }));
    assert!(block_on(client.find(&person("locked", None))).is_ok());
    assert!(block_on(client.admit(&person("alice", None))).is_ok());
    let Err(Absence::Refused(why)) = block_on(client.admit(&person("locked", None))) else { panic!() };
    assert!(why.contains("is locked"), "a certificate let him in: {why}");
    let Err(Absence::Refused(why)) = block_on(client.find(&person("bob", None))) else { panic!() };
    assert!(why.contains("useradd"), "{why}");
}

#[test]
fn without_a_helper_nobody_can_tell_s_196() {
    let house = House::new();
    let told = |answer: Option<&'static [u8]>| {
        let _ = std::fs::remove_file(house.socket());
        answer.into_iter().for_each(|answer| house.serve_once(answer));
        match prove(&house.client(), &person("alice", None), RIGHT) {
            Finding::Unavailable(why) => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(told(None).contains("start poppet-local.socket"), "no socket");
    for (answer, why) in [
        (&b""[..], "was not answered"),
        (b"ppl1", "was not answered"),
        (b"ppl1\x05\0\0\0", "was not answered"),
        (b"ppl2\x05\0\0\xe8\x03\0\0", "another version"),
        (b"ppl1\x06\0\0\xe8\x03\0\0\0", "another version"),
        (b"ppl1\x05\0\x09\xe8\x03\0\0", "another version"),
        (b"ppl1\x05\0\x01\xff\0\0\0", "another version"),
        (b"ppl1\x05\0\x03\0\0\0\0", "can't read passwd"),
    ] {
        let told = told(Some(answer));
        assert!(told.contains(why), "{answer:?}: {told}");
    }
    std::fs::remove_file(house.socket()).unwrap();
    drop(UnixListener::bind(house.socket()).unwrap());
    let Finding::Unavailable(why) = prove(&house.client(), &person("alice", None), RIGHT) else { panic!() };
    assert!(why.contains("start poppet-local.socket"), "a dead helper's socket: {why}");
}

#[test]
fn a_helper_that_never_answers_is_given_up_and_no_more_than_some_wait_for_it_s_197_s_198() {
    let house = House::new();
    let _silent = UnixListener::bind(house.socket()).unwrap();
    let client = Local { patience: Duration::from_millis(50), ..house.client() };
    let Finding::Unavailable(why) = prove(&client, &person("alice", None), RIGHT) else { panic!() };
    assert!(why.contains("in time"), "{why}");

    let client = Local { patience: Duration::from_secs(600), ..house.client() };
    smol::block_on(async {
        let (alice, password) = (person("alice", None), Secret::new(RIGHT));
        let mut asking: Vec<_> =
            (0..limits::OUTSIDE_QUESTIONS).map(|_| Box::pin(client.prove(&alice, &password))).collect();
        for question in &mut asking {
            assert!(smol::future::poll_once(question).await.is_none());
        }
        assert_eq!(client.prove(&alice, &password).await, Finding::Busy);
        drop(asking.pop());
        assert!(smol::future::poll_once(Box::pin(client.prove(&alice, &password))).await.is_none());
    });
}

#[test]
fn a_busy_helper_is_no_wrong_password() {
    let house = House::new();
    house.serve_once(b"ppl1\x05\0\x02\0\0\0\0");
    assert_eq!(prove(&house.client(), &person("alice", None), RIGHT), Finding::Busy);
}

#[test]
fn who_waits_for_a_place_is_told_in_time_and_few_wait_s_197_s_198() {
    let house = House::new();
    let _silent = UnixListener::bind(house.socket()).unwrap();
    let alice = person("alice", None);
    smol::block_on(async {
        let client = Local { patience: Duration::from_millis(50), ..house.client() };
        let places: Vec<_> =
            (0..limits::OUTSIDE_QUESTIONS).map(|_| client.places.try_acquire().unwrap()).collect();
        assert_eq!(client.find(&alice).await, Err(Absence::Unavailable(BUSY.into())));
        assert_eq!(client.admit(&alice).await, Err(Absence::Unavailable(BUSY.into())));
        drop(places);
        let Err(Absence::Unavailable(why)) = client.admit(&alice).await else { panic!() };
        assert!(why.contains("in time"), "there is a place again: {why}");

        let client = Local { patience: Duration::from_secs(600), ..house.client() };
        let taken = limits::OUTSIDE_QUESTIONS + limits::OUTSIDE_WAITING;
        let mut asking: Vec<_> = (0..taken).map(|_| Box::pin(client.find(&alice))).collect();
        for question in &mut asking {
            assert!(smol::future::poll_once(question).await.is_none());
        }
        assert_eq!(client.admit(&alice).await, Err(Absence::Unavailable(BUSY.into())), "one too many");
        drop(asking.pop());
        assert!(smol::future::poll_once(Box::pin(client.admit(&alice))).await.is_none());
    });
}
