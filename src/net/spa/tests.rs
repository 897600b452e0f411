//! The helper played by the shell: what it says, and what it leaves undone.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::Instant;

use base64ct::{Base64, Encoding};
use smol::block_on;

use super::*;

/// Answers a NEGOTIATE message, then says `$1` to the next one.
const USUAL: &str =
    "read -r word _; [ $word = YR ] && echo TT challenge; read -r word _; [ $word = KK ] && echo $0";
const FIRST: &str = "TlRMTVNTUAABAAAAB4IIog==";
const LAST: &str = "TlRMTVNTUAADAAAA";
const KNOWN: Origin = Origin { network: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), is_known: true };

fn shell(script: &str, word: &str) -> Option<Program> {
    Some(Program::new("/bin/sh", &["-c", script, word]))
}

fn helpers(patience: Duration) -> Arc<Helpers> {
    Arc::new(Helpers { patience, places: Mutex::default() })
}

fn patient() -> Arc<Helpers> {
    helpers(limits::OUTSIDE_ANSWER)
}

fn challenge() -> Result<Relayed, Unavailable> {
    Ok(Relayed::Challenge("challenge".into()))
}

/// Both messages of an exchange, the second answered so.
fn exchange(helpers: &Arc<Helpers>, script: &str, word: &str) -> Result<Relayed, Unavailable> {
    let mut helper = Helper::default();
    block_on(async {
        assert_eq!(helper.ask(helpers, shell(script, word), FIRST, KNOWN).await, challenge());
        helper.ask(helpers, None, LAST, KNOWN).await
    })
}

#[test]
fn the_helper_says_who_it_is_or_why_not() {
    let helpers = patient();
    for (word, relayed) in [
        ("AF HOME\\\\alice", Relayed::User("HOME\\alice".into())),
        ("AF j\u{f6}rg", Relayed::User("j\u{f6}rg".into())),
        ("NA NT_STATUS_WRONG_PASSWORD", Relayed::Refused("NT_STATUS_WRONG_PASSWORD".into())),
        ("NA NT_STATUS_ACCOUNT_LOCKED_OUT", Relayed::Refused("NT_STATUS_ACCOUNT_LOCKED_OUT".into())),
    ] {
        assert_eq!(exchange(&helpers, USUAL, word), Ok(relayed));
        assert_eq!(helpers.places().taken.len(), 0);
    }
}

#[test]
fn what_is_no_verdict_is_no_refusal_s_196() {
    let helpers = patient();
    for word in [
        "NA NT_STATUS_NO_LOGON_SERVERS",
        "NA",
        "NA NT_STATUS_WRONG_PASSWORD?",
        "BH NT_STATUS_ACCESS_DENIED",
        "BH",
        "OK",
        "AFX",
        "",
    ] {
        let answer = exchange(&helpers, USUAL, word);
        assert!(answer.is_err(), "{word:?}: {answer:?}");
        assert_eq!(helpers.places().taken.len(), 0);
    }
}

#[test]
fn a_helper_that_fails_can_not_tell() {
    let helpers = patient();
    let endless = "while :; do printf 0123456789abcdef; done";
    let long = |octets: usize| format!("printf 'TT %0{octets}d\\n' 0; read -r _");
    for (script, is_answer) in [
        ("exit 0", false),
        ("exec <&-; exit 1", false),
        ("read -r _; printf TT", false),
        ("printf '\\377\\n'", false),
        (endless, false),
        (&long(limits::SASL_LINE_OCTETS - 1), true),
        (&long(limits::SASL_LINE_OCTETS), true),
        (&long(limits::SASL_LINE_OCTETS + 1), false),
    ] {
        let mut helper = Helper::default();
        let answer = block_on(helper.ask(&helpers, shell(script, ""), FIRST, KNOWN));
        assert_eq!(answer.is_ok(), is_answer, "{script}: {answer:?}");
    }
    assert_eq!(helpers.places().taken.len(), 0);
}

#[test]
fn what_can_not_be_run_is_told() {
    let helpers = patient();
    for program in [None, Some(Program::new("/nowhere/ntlm_auth", &[])), Some(Program::new("/", &[]))] {
        let answer = block_on(Helper::default().ask(&helpers, program, FIRST, KNOWN));
        assert!(answer.is_err(), "{answer:?}");
    }
    assert_eq!(helpers.places().taken.len(), 0);
}

#[test]
fn a_helper_that_never_answers_is_left_in_time_s_197() {
    let helpers = helpers(Duration::from_millis(50));
    let begun = Instant::now();
    let answer = block_on(Helper::default().ask(&helpers, shell("read -r _; read -r _", ""), FIRST, KNOWN));
    assert_eq!(answer, Err(Unavailable(TOO_LATE.into())));
    assert!(begun.elapsed() < limits::OUTSIDE_ANSWER);
    assert_eq!(helpers.places().taken.len(), 0);
}

#[test]
fn a_last_message_without_a_first_is_asked_of_nobody() {
    let helpers = patient();
    let answer = block_on(Helper::default().ask(&helpers, shell("echo AF root", ""), LAST, KNOWN));
    assert_eq!(answer, Err(Unavailable(MADE_ROOM.into())));
}

#[test]
fn an_exchange_that_begins_anew_has_a_new_process() {
    let helpers = patient();
    let mut helper = Helper::default();
    for _ in 0..3 {
        assert_eq!(block_on(helper.ask(&helpers, shell(USUAL, "AF bob"), FIRST, KNOWN)), challenge());
        assert_eq!(helpers.places().taken.len(), 1);
    }
    assert_eq!(block_on(helper.ask(&helpers, None, LAST, KNOWN)), Ok(Relayed::User("bob".into())));
    // What is known of an exchange ends with it.
    assert!(block_on(helper.ask(&helpers, None, LAST, KNOWN)).is_err());
}

#[test]
fn who_says_nothing_makes_room_for_others_s_189() {
    let helpers = patient();
    let mut all: Vec<Helper> = (0..=limits::OUTSIDE_QUESTIONS).map(|_| Helper::default()).collect();
    for helper in &mut all {
        assert_eq!(block_on(helper.ask(&helpers, shell(USUAL, "AF bob"), FIRST, KNOWN)), challenge());
        assert!(helpers.places().taken.len() <= limits::OUTSIDE_QUESTIONS);
    }
    let answers: Vec<_> =
        all.iter_mut().map(|it| block_on(it.ask(&helpers, None, LAST, KNOWN)).is_ok()).collect();
    let mut expected = vec![true; limits::OUTSIDE_QUESTIONS + 1];
    expected[0] = false;
    assert_eq!(answers, expected);
}

#[test]
fn while_all_are_at_work_another_is_put_off_s_198() {
    let helpers = patient();
    let mut places: Vec<_> =
        (0..limits::OUTSIDE_QUESTIONS).map(|_| Place::take(&helpers, KNOWN).unwrap()).collect();
    assert_eq!(
        block_on(Helper::default().ask(&helpers, shell(USUAL, ""), FIRST, KNOWN)),
        Err(Unavailable(TOO_MANY.into()))
    );
    places.pop();
    assert_eq!(block_on(Helper::default().ask(&helpers, shell(USUAL, ""), FIRST, KNOWN)), challenge());
}

fn stranger(number: u8) -> Origin {
    Origin { network: IpAddr::from([198, 51, 100, number]), is_known: false }
}

/// Begins an exchange, which waits for its peer then.
fn begun(helpers: &Arc<Helpers>, origin: Origin) -> Helper {
    let mut helper = Helper::default();
    assert_eq!(block_on(helper.ask(helpers, shell(USUAL, "AF bob"), FIRST, origin)), challenge());
    helper
}

fn waits(helper: &Helper) -> bool {
    let number = helper.waiting.as_ref().map(|it| it.number);
    let helpers = &helper.waiting.as_ref().unwrap().helpers;
    helpers.places().waiting.iter().any(|process| Some(process.place().number) == number)
}

/// One stranger who began anew all the time ended everybody's exchanges.
#[test]
fn a_network_of_strangers_ends_its_own_exchanges_and_no_others_s_175_s_198() {
    let helpers = patient();
    let others = [begun(&helpers, KNOWN), begun(&helpers, stranger(1)), begun(&helpers, stranger(2))];
    let flood: Vec<_> = (0..10).map(|_| begun(&helpers, stranger(3))).collect();
    assert!(others.iter().all(waits));
    let left: Vec<_> = flood.iter().map(waits).collect();
    assert_eq!(left.iter().filter(|it| **it).count(), PLACES_OF_STRANGERS);
    assert!(left.ends_with(&[true; PLACES_OF_STRANGERS]), "its newest");
}

#[test]
fn strangers_leave_places_for_known_networks_s_175_s_198() {
    let helpers = patient();
    let known: Vec<_> = (0..PLACES_FOR_KNOWN).map(|_| begun(&helpers, KNOWN)).collect();
    let strangers: Vec<_> = (0..9).map(|number| begun(&helpers, stranger(number))).collect();
    assert!(known.iter().all(waits));
    let left: Vec<_> = strangers.iter().map(waits).collect();
    assert_eq!(left, [[false; 3], [true; 3], [true; 3]].concat(), "the oldest of as many make room");
    let more = begun(&helpers, KNOWN);
    assert!(
        waits(&more) && known.iter().all(waits) && !waits(&strangers[3]),
        "a stranger's makes room first"
    );
    assert_eq!(helpers.places().taken.len(), limits::OUTSIDE_QUESTIONS);
}

#[test]
fn who_has_most_makes_room_first_s_198() {
    let helpers = patient();
    let one = begun(&helpers, stranger(1));
    let two = [begun(&helpers, stranger(2)), begun(&helpers, stranger(2))];
    let _more = [3, 4, 5].map(|number| begun(&helpers, stranger(number)));
    let _newest = begun(&helpers, stranger(6));
    assert!(waits(&one) && !waits(&two[0]) && waits(&two[1]));
}

#[test]
fn places_at_work_are_taken_from_nobody_s_198() {
    let helpers = patient();
    let places: Vec<_> = (0..3).map(|number| Place::take(&helpers, stranger(number / 2))).collect();
    assert!(places.iter().all(Result::is_ok));
    assert!(Place::take(&helpers, stranger(0)).is_err(), "it has what one may have");
    let more: Vec<_> = (2..5).map(|number| Place::take(&helpers, stranger(number))).collect();
    assert!(more.iter().all(Result::is_ok));
    assert!(Place::take(&helpers, stranger(9)).is_err(), "strangers have all of theirs");
    let known = [(); PLACES_FOR_KNOWN + 1].map(|()| Place::take(&helpers, KNOWN));
    assert_eq!(known.iter().filter(|it| it.is_ok()).count(), PLACES_FOR_KNOWN);
}

#[test]
fn a_peer_who_is_gone_leaves_no_process() {
    let helpers = patient();
    let mut helper = Helper::default();
    // It says by which number the system knows it, and would stay for ever.
    let script = "echo TT $$; while :; do sleep 1; done";
    let Ok(Relayed::Challenge(id)) = block_on(helper.ask(&helpers, shell(script, ""), FIRST, KNOWN)) else {
        panic!()
    };
    drop(helper);
    assert_eq!(helpers.places().taken.len(), 0);
    let mut alive = Command::new("kill");
    alive.args(["-0", &id]).stderr(Stdio::null());
    let begun = Instant::now();
    while alive.status().is_ok_and(|status| status.success()) {
        assert!(begun.elapsed() < limits::OUTSIDE_ANSWER, "it still runs");
    }
}

#[test]
fn the_helper_inherits_neither_variables_nor_descriptors() {
    let helpers = patient();
    let path = std::env::temp_dir().join(format!("poppet-inherited-{}", std::process::id()));
    let _open = std::fs::File::create(&path).unwrap();
    let script = "read -r _; echo TT $(ls -l /proc/$$/fd | grep -c poppet-inherited),$HOME,$CARGO,$(pwd)";
    let answer = block_on(Helper::default().ask(&helpers, shell(script, ""), FIRST, KNOWN));
    std::fs::remove_file(path).unwrap();
    assert_eq!(answer, Ok(Relayed::Challenge("0,,,/".into())));
}

#[test]
fn only_a_program_that_is_there_is_used() {
    let at = |path: &str| Settings { ntlm_auth: Some(path.into()), ..Settings::default() };
    assert_eq!(program(&at("/bin/sh")), Some(Program::ntlm_auth(Path::new("/bin/sh"))));
    for path in ["/", "/etc/passwd", "/nowhere", ""] {
        assert_eq!(program(&at(path)), None, "{path}");
    }
}

#[test]
fn a_first_message_is_known_by_its_beginning() {
    assert_eq!(Base64::encode_string(b"NTLMSSP\0\x01\0\0\0"), NEGOTIATE);
}
