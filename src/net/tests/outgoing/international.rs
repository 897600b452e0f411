//! Mail beyond ASCII, to servers with SMTPUTF8 and without.

use super::sink::{Act, Sink};
use super::*;
use crate::net::tests::trial::Trial;

const TEXT: &[u8] = "Subject: x\r\n\r\nGrüße\r\n".as_bytes();
const HEADER: &[u8] = "Subject: Grüße\r\n\r\nx\r\n".as_bytes();

fn offering(extensions: &'static str) -> Sink {
    Sink::with(extensions, false, None, |_, _| Act::Usual)
}

/// A recipient of mail that said SMTPUTF8.
fn international(recipient: &str, needs_utf8: bool) -> Outbound {
    Outbound { is_utf8: true, needs_utf8, ..outbound("smarthost", recipient) }
}

/// The commands MAIL and RCPT that it has heard.
fn heard(sink: &Sink) -> Vec<String> {
    let is_one = |line: &String| line.starts_with("MAIL ") || line.starts_with("RCPT ");
    let commands = sink.commands().into_iter().filter(is_one);
    commands.map(|line| line.split(" SIZE=").next().unwrap_or_default().to_owned() + after(&line)).collect()
}

/// What stands behind SIZE and its value.
fn after(line: &str) -> &str {
    line.split_once(" SIZE=")
        .and_then(|(_, value)| value.find(' ').map(|at| &value[at..]))
        .unwrap_or_default()
}

fn is_done(trial: &Trial) -> bool {
    queue(trial).is_empty()
}

/// What is filed is sent or reported on; whether it came.
fn goes(extensions: &'static str, body: &[u8], outbound: Outbound) -> (bool, Vec<String>) {
    let sink = offering(extensions);
    let mut came = false;
    with_smart_host(&sink, |trial| {
        file(trial, body, vec![outbound]);
        trial.until("it is sent or returned", || is_done(trial));
        came = !sink.bodies().is_empty();
    });
    (came, heard(&sink))
}

/// 8-bit text was returned as if its addresses had gone beyond ASCII, where a client had said SMTPUTF8 by habit.
#[test]
fn mail_that_said_smtputf8_without_need_goes_where_it_is_not_offered_s_139() {
    let (came, heard) = goes("250-8BITMIME\r\n", TEXT, international("bob@example.com", false));
    assert!(came, "{heard:?}");
    assert_eq!(heard, ["MAIL FROM:<alice@home.lan> BODY=8BITMIME", "RCPT TO:<bob@example.com>"]);
    assert!(!goes("250-8BITMIME\r\n", HEADER, international("bob@example.com", true)).0);
    let (came, heard) = goes(BOTH, HEADER, international("bob@example.com", true));
    assert!(came && heard[0].ends_with(" BODY=8BITMIME SMTPUTF8"), "{heard:?}");
    // A header too long to be looked at, and all of the mail is ASCII.
    assert!(goes("", MESSAGE, international("bob@example.com", true)).0);
}

/// The mark of one who forwards, beyond ASCII before a message that was not, went out as if it were plain.
#[test]
fn what_is_put_before_a_mail_beyond_ascii_is_not_hidden_s_139() {
    let marked = |is_utf8| Outbound {
        prefix: "Delivered-To: j\u{f6}rg@home.lan\r\n".into(),
        is_utf8,
        ..international("bob@example.com", false)
    };
    for is_utf8 in [true, false] {
        assert!(!goes("250-8BITMIME\r\n", MESSAGE, marked(is_utf8)).0);
        let (came, heard) = goes(BOTH, MESSAGE, marked(is_utf8));
        assert!(came && heard[0].ends_with(" BODY=8BITMIME SMTPUTF8"), "{heard:?}");
    }
    // Whoever wrote a header beyond ASCII and did not say so is no worse off than elsewhere.
    let (came, heard) = goes("250-8BITMIME\r\n", HEADER, outbound("smarthost", "bob@example.com"));
    assert!(came && heard[0].ends_with(" BODY=8BITMIME"), "{heard:?}");
}

/// One recipient's name beyond ASCII had the mail returned to all the others too.
#[test]
fn one_recipient_beyond_ascii_keeps_nobody_else_from_the_mail_s_139() {
    let sink = offering("250-8BITMIME\r\n");
    with_smart_host(&sink, |trial| {
        let paths = ["j\u{f6}rg@example.com", "bob@example.com", "bob@b\u{fc}cher.example"];
        file(trial, TEXT, paths.into_iter().map(|path| international(path, false)).collect());
        trial.until("it is sent and returned", || is_done(trial));
        assert_eq!(sink.bodies(), [TEXT]);
        let named = ["RCPT TO:<bob@example.com>", "RCPT TO:<bob@xn--bcher-kva.example>"];
        assert_eq!(heard(&sink)[1..], named);
    });
}

/// A report, which is nobody's, leaves in the name of an account beyond ASCII: its header does, and nothing said so.
#[test]
fn a_header_rewritten_beyond_ascii_says_so_o2() {
    for (extensions, is_taken) in [("250-8BITMIME\r\n", false), (BOTH, true)] {
        let sink = offering(extensions);
        let host = sink.host();
        let account = ("smarthost_sender", "f\u{e4}mily@example.com");
        serving(&[("smarthost", &host), ("smarthost_tls", "opportunistic"), account], |trial| {
            let report = Outbound { reverse_path: "".into(), ..outbound("smarthost", "bob@example.com") };
            file(trial, b"From: postmaster@home.lan\r\n\r\nx\r\n", vec![report]);
            trial.until("it is sent or dead", || queue(trial).iter().all(|row| row.last.is_some()));
        });
        assert_eq!(sink.bodies().len(), usize::from(is_taken));
        let said = ["MAIL FROM:<> BODY=8BITMIME SMTPUTF8"];
        assert_eq!(
            heard(&sink).iter().take(1).collect::<Vec<_>>(),
            said[..usize::from(is_taken)].iter().collect::<Vec<_>>()
        );
    }
}

const BOTH: &str = "250-8BITMIME\r\n250-SMTPUTF8\r\n";
