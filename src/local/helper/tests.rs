//! The helper on a socket of its own, with accounts made up.

use std::sync::mpsc;

use super::super::Claim;
use super::super::door::{self, Audience};
use super::*;
use crate::crypt;
use crate::mail::Secret;

const MADE: &str = "$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS";

/// A folder with accounts, and a helper that goes with it.
struct House {
    folder: PathBuf,
    helper: Helper,
}

impl House {
    fn new() -> House {
        let folder = std::env::temp_dir().join(format!("poppet-helper-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("passwd"), "alice:x:1000:200:::\n").unwrap();
        std::fs::write(folder.join("group"), "poppet-users:x:200:\n").unwrap();
        std::fs::write(folder.join("shadow"), format!("alice:{MADE}:20000:0:99999:7:::\n")).unwrap();
        let helper = Helper::new(&folder, Clock::fixed(UnixTime(20_000 * 86_400)), Audience { group: None });
        House { folder, helper }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("local.sock")
    }

    /// Serves until nobody came for so long.
    fn serve(&self, idle: Duration) -> mpsc::Receiver<io::Result<()>> {
        let (listener, _) = door::make(&self.socket(), None).unwrap();
        let (helper, (done, ended)) = (self.helper.clone(), mpsc::channel());
        thread::spawn(move || done.send(helper.serve(&listener, Some(idle))));
        ended
    }

    fn connect(&self) -> UnixStream {
        UnixStream::connect(self.socket()).unwrap()
    }

    fn ask(&self, question: &Question) -> Answer {
        let mut client = self.connect();
        client.write_all(&question.encode().unwrap()).unwrap();
        answer(&client).unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

use crate::clock::UnixTime;

fn answer(mut client: &UnixStream) -> Option<Answer> {
    let mut octets = Vec::new();
    client.read_to_end(&mut octets).ok()?;
    question::length(octets.first_chunk()?).filter(|length| *length == octets.len() - HEADER_OCTETS)?;
    Answer::decode(&octets[HEADER_OCTETS..])
}

fn prove(name: &str, password: &str) -> Question {
    let claim = Claim { uid: Some(1000), password: Some(Secret::new(password)), trusts_clock: true };
    Question { name: name.into(), allows_old: false, proof: Some(claim) }
}

/// Longer than any test pauses between two questions.
const IDLE: Duration = Duration::from_secs(3);

#[test]
fn questions_are_answered_and_then_it_ends_by_itself_s_217() {
    let house = House::new();
    let ended = house.serve(IDLE);
    assert_eq!(house.ask(&prove("alice", "correct horse battery")), Answer::Account(1000));
    assert_eq!(house.ask(&prove("alice", "secret")), Answer::Refused(super::super::Reason::WrongPassword));
    let find = |name: &str| Question { name: name.into(), allows_old: false, proof: None };
    assert_eq!(house.ask(&find("alice")), Answer::Account(1000));
    assert_eq!(house.ask(&find("bob")), Answer::Refused(super::super::Reason::NoAccount));
    let enter = |uid: u32| {
        let claim = Claim { uid: Some(uid), password: None, trusts_clock: true };
        Question { name: "alice".into(), allows_old: false, proof: Some(claim) }
    };
    assert_eq!(house.ask(&enter(1000)), Answer::Account(1000));
    assert_eq!(house.ask(&enter(1001)), Answer::Refused(super::super::Reason::OtherUid));
    std::fs::write(house.folder.join("shadow"), "alice:!:20000:0:99999:7:::\n").unwrap();
    let locked = Answer::Refused(super::super::Reason::Hash(crypt::Reason::Locked));
    assert_eq!(
        house.ask(&prove("alice", "correct horse battery")),
        locked,
        "shadow is read for each question"
    );
    assert_eq!(house.ask(&enter(1000)), locked, "whatever else he has proved himself by (S-210)");
    assert_eq!(house.ask(&find("alice")), Answer::Account(1000), "mail arrives all the same");
    std::fs::remove_file(house.folder.join("shadow")).unwrap();
    assert_eq!(house.ask(&find("alice")), Answer::Unreadable);
    ended.recv().unwrap().unwrap();
}

#[test]
fn what_is_no_question_is_hung_up_on_and_the_next_one_answered_s_221() {
    let house = House::new();
    let ended = house.serve(IDLE);
    let good = prove("alice", "correct horse battery").encode().unwrap();
    for bad in [
        &b""[..],
        b"ppl1",
        b"ppl1\0\0",
        b"ppl1\xff\xff",
        b"ppc1\x05\0\0\0\0\0\0",
        b"GET / HTTP/1.0\r\n\r\n",
        &good[..good.len() - 1],
        &[0; 4096],
    ] {
        let mut client = house.connect();
        // It may hang up before it has read all.
        let _ = client.write_all(bad);
        let _ = client.shutdown(std::net::Shutdown::Write);
        assert_eq!(answer(&client), None, "{bad:?}");
    }
    let mut client = house.connect();
    client.write_all(&good).unwrap();
    client.write_all(&good).unwrap();
    let mut octets = Vec::new();
    let _ = client.read_to_end(&mut octets);
    assert!(octets.len() <= HEADER_OCTETS + Answer::OCTETS, "one question is one answer");
    assert_eq!(house.ask(&prove("alice", "correct horse battery")), Answer::Account(1000));
    ended.recv().unwrap().unwrap();
}

#[test]
fn beyond_its_places_it_is_busy_and_says_so_at_once_s_221() {
    let house = House::new();
    let ended = house.serve(IDLE);
    let silent: Vec<_> = (0..limits::LOCAL_CONNECTIONS).map(|_| house.connect()).collect();
    assert_eq!(answer(&house.connect()), Some(Answer::Busy));
    drop(silent);
    // Their threads notice it one by one.
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let mut client = house.connect();
        let sent = client.write_all(&prove("alice", "correct horse battery").encode().unwrap());
        match answer(&client) {
            Some(Answer::Account(1000)) if sent.is_ok() => break,
            other => assert!(Instant::now() < end, "{other:?}"),
        }
    }
    ended.recv().unwrap().unwrap();
}

#[test]
fn permits_to_hash_are_waited_for_and_given_back() {
    let seats = Seats { state: Mutex::default(), freed: Condvar::new(), permits: 1 };
    let permit = seats.permit().unwrap();
    thread::scope(|scope| {
        let next = scope.spawn(|| seats.permit().is_some());
        drop(permit);
        assert!(next.join().unwrap());
    });
    assert_eq!(seats.lock().hashing, 0);
    assert!(permits() >= 1);
}

#[test]
fn permits_follow_processors_and_memory_at_their_edges() {
    let four = 4 * limits::LOCAL_HASH_OCTETS;
    let most = limits::LOCAL_HASHES;
    for (processors, memory, wanted) in [
        (1, u64::MAX, 1),
        (most - 1, u64::MAX, most - 1),
        (most, u64::MAX, most),
        (most + 1, u64::MAX, most),
        (2, 2 * four - 1, 1),
        (2, 2 * four, 2),
        (2, 0, 1),
        (0, u64::MAX, 1),
    ] {
        assert_eq!(permits_for(processors, memory), wanted, "{processors} {memory}");
    }
}

#[test]
fn a_socket_is_for_its_user_and_replaces_only_what_a_dead_helper_left() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    drop(door::make(&house.socket(), None).unwrap());
    assert_eq!(mode(&house.socket()), 0o600);
    let own = rustix::process::getegid().as_raw();
    let (living, audience) = door::make(&house.socket(), Some(own)).unwrap();
    assert_eq!((mode(&house.socket()), audience), (0o660, Audience { group: Some(own) }));
    assert!(door::make(&house.socket(), None).unwrap_err().contains("answers already"));
    drop(living);
    std::fs::remove_file(house.socket()).unwrap();
    std::fs::write(house.socket(), "precious").unwrap();
    assert!(door::make(&house.socket(), None).unwrap_err().contains("is no socket of this user"));
    assert_eq!(std::fs::read(house.socket()).unwrap(), b"precious");
    let long = house.folder.join("x".repeat(limits::SOCKET_PATH_OCTETS));
    assert!(door::make(&long, None).unwrap_err().contains("too long"));
    assert!(door::make(&house.folder.join("none/local.sock"), None).unwrap_err().contains("its folder"));
}

#[test]
fn who_connects_may_ask_if_he_is_the_same_user_or_root() {
    let (one, _other) = UnixStream::pair().unwrap();
    assert_eq!(Audience { group: None }.admits(&one, || None), Ok(()));
    assert!(door::given().is_none(), "the standard input of a test is no listening socket");
}
