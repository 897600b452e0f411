//! Twice as long a line takes twice as long and not four times (S-276): what strangers send is read in linear time.
//!
//! Each reader gets inputs of two lengths, the longer one eight times the other. Linear, it takes eight times as long
//! for it, by a square sixty-four times; what stands between is far from both. What directories,
//! certificates, the system's files and helpers say is held so, too: a user or a stranger may have written into it.
//! Time is that of the thread on a processor, whatever else the machine does.

// A test may fail in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "linear/structures.rs"]
mod structures;

use std::hint::black_box;
use std::time::Duration;

use poppet::ldap::{Filter, NameTemplate, Names};
use poppet::local::{Answer, Question};
use poppet::mail::{Address, Domain, a_label, form, name};
use poppet::relay::rewriting;
use poppet::smtp::header::HeaderScan;
use poppet::smtp::parameters::{self, MailParameters};
use poppet::smtp::path::{self, ForwardPath, ReversePath, Strictness};
use poppet::smtp::{command, trace};
use poppet::wire::chunk::ChunkDecoder;
use poppet::wire::data::{DataDecoder, LineEndings};
use poppet::wire::dot::{DotEncoder, TopCutter};
use poppet::wire::line::{Line, LineReader};
use poppet::wire::surrogate;
use poppet::{crypt, limits, pop3, sasl};
use rustix::time::{ClockId, clock_gettime};
use structures::STRUCTURES;

const SHORT_OCTETS: usize = 6_250;
const TIMES: usize = 8;
/// Between [`TIMES`] and its square.
const MOST_TIMES: u32 = 24;
const RUNS: usize = 20;
/// What is faster than this in both lengths is measured by nothing but noise; by a square of the longer length nothing
/// that touches each octet is.
const FLOOR: Duration = Duration::from_micros(150);

/// What strangers could repeat, each with what stands before it once.
const WEIRD: &[(&str, &str)] = &[
    ("", "a"),
    ("", " "),
    ("", "\t \t"),
    ("", "\""),
    ("\"", "\\\""),
    ("\"", "\\\\"),
    ("<\"", "\\a"),
    ("<", "<"),
    ("<", "<>"),
    ("<", "a."),
    ("<", "a@"),
    ("<@a:", "@a,"),
    ("<a@", "a."),
    ("<a@", "xn--a."),
    ("<a@", "-"),
    ("<a@[", "1."),
    ("<a@[IPv6:", "1::"),
    ("", "a=b "),
    ("", "SIZE=1 "),
    ("ORCPT=rfc822;", "+2B"),
    ("ORCPT=utf-8;", "\\x{F6}"),
    ("ORCPT=utf-8;", "\\x{"),
    ("ENVID=", "+"),
    ("NOTIFY=", "NEVER,"),
    ("MAIL FROM:", "<"),
    ("RCPT TO:<", "a,"),
    ("xn--", "a"),
    ("xn--", "z-"),
    ("", "="),
    ("", "AAAA"),
    ("", "A="),
    ("", "%"),
    ("", "ö"),
    ("", "o\u{308}"),
    ("o", "\u{308}"),
    ("o", "\u{308}\u{323}"),
    ("", "\u{1112}\u{1161}\u{11ab}"),
    ("", "\r"),
    ("", "\n"),
    ("", "\r\n"),
    ("", "\r\n."),
    ("", "\r\n.\r"),
    ("", ".\r\n"),
    ("", "\n.\n"),
    ("", "\0"),
    ("", "a: b\r\n"),
    ("", "Received: x\r\n"),
    ("", "Delivered-To: a@b.c\r\n"),
    ("Delivered-To:", " a@b.c\r\n"),
    ("Subject:", "\r\n "),
    ("Subject:", " ö"),
    ("To: ", "ö <a@b>, "),
    ("To: ", "("),
    ("To: ", "(\\"),
    ("To: ", "\"ö"),
    ("To: ", "a:"),
    ("To: ", "<ö"),
    ("To: ", ",;"),
    ("Content-Type: text/plain", "; a=ö"),
    ("Content-Type: text/plain", "; ö=\""),
    ("Subject: ", "=?utf-8?q?"),
    ("Content-Type: a/b", ";\r\n a*1=b"),
    ("", "--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"),
    ("From: ", "a@b.c, "),
    ("From: ", "a:;"),
    ("From: ", "ö <\"a\\"),
    ("", "From: a@b.c\r\n"),
    ("From: a@b.c\r\n", "\r\n "),
    ("250-", "5.1.1 "),
    ("", "250-x\r\n"),
    ("250", " AUTH=PLAIN"),
    ("", "Subject: ö\r\n"),
    ("", "ö: ö\r\n"),
    ("", "0\0"),
    ("", "-----BEGIN CERTIFICATE-----"),
    ("-----BEGIN CERTIFICATE-----", "AAAA\n"),
    ("", "alice:"),
    ("alice:x:1000:7:::\n", "\n"),
    ("", "poppet-users:x:7:\n"),
    ("$6$rounds=", "0"),
    ("$6$", "$"),
    ("$y$j9T$", "."),
    ("", "("),
    ("", "(&"),
    ("(&", "(uid={user})"),
    ("(uid=", "*{user}"),
    ("(uid=", "{"),
    ("(uid={user}", "\\2a"),
    ("(uid={user}", "*"),
    ("(:", "dn:"),
    ("", "\u{1}\0\0\0\0\0\0\u{7f}a"),
];

type Reader = (&'static str, fn(&[u8]));

const READERS: &[Reader] = &[
    ("a line", |octets| read_lines(octets, false)),
    ("a lenient line", |octets| read_lines(octets, true)),
    ("an SMTP command", |octets| seen(command::Command::parse(octets))),
    ("a chunk's size", |octets| seen(command::Chunk::parse(octets))),
    ("a path cut", |octets| {
        seen(path::cut_path(octets, Strictness::Lenient));
        seen(path::cut_path(octets, Strictness::Strict));
    }),
    ("a sender", |octets| seen(ReversePath::parse(octets, Strictness::Lenient, true))),
    ("a recipient", |octets| seen(ForwardPath::parse(octets, true))),
    ("MAIL's parameters", |octets| seen(MailParameters::parse(octets, true))),
    ("RCPT's parameters", |octets| seen(parameters::parse_rcpt(octets, true))),
    ("a name in EHLO", |octets| seen(trace::hello_name(octets))),
    ("a POP3 command", |octets| {
        seen(pop3::command::parse(octets, pop3::command::Phase::Authorization));
        seen(pop3::command::parse(octets, pop3::command::Phase::Transaction));
    }),
    ("a language", |octets| seen(pop3::language::find(octets))),
    ("a user name", |octets| seen(sasl::parse_user_name(octets))),
    ("a password", |octets| seen(sasl::Claim::password(octets, octets))),
    ("a password prepared", |octets| seen(sasl::prepare::password(octets))),
    ("an APOP digest", |octets| seen(sasl::apop::parse_digest(octets))),
    ("a domain", |octets| {
        seen(text(octets).parse::<Domain>());
    }),
    ("an address", |octets| seen(text(octets).parse::<Address>())),
    ("a name prepared", |octets| seen(name::prepare(text(octets)))),
    ("a text composed", |octets| seen(form::form_c(text(octets).chars()))),
    ("a label", |octets| {
        text(octets).split('.').for_each(|label| seen(a_label::claims_a_label(label)));
    }),
    ("data", |octets| read_data(octets, octets.len(), LineEndings::Strict)),
    ("data to be mended", |octets| read_data(octets, octets.len(), LineEndings::Normalise)),
    ("data octet by octet", |octets| read_data(octets, 1, LineEndings::Normalise)),
    ("chunks", |octets| read_chunks(octets, octets.len())),
    ("chunks octet by octet", |octets| read_chunks(octets, 1)),
    ("a header", |octets| scan(octets, octets.len())),
    ("a header octet by octet", |octets| scan(octets, 1)),
    ("a header in another name", |octets| {
        seen(rewriting::rewritten(octets, &"a@b.c".parse().unwrap(), text(octets)));
    }),
    ("a server's replies", structures::hear),
    ("a header's end", |octets| seen(surrogate::header_end(octets))),
    ("a header for old clients", |octets| seen(surrogate::surrogate(octets))),
    ("dots put in", |octets| {
        let (mut encoder, mut out) = (DotEncoder::default(), Vec::new());
        octets.chunks(7).for_each(|piece| encoder.encode(piece, &mut out));
        encoder.finish(&mut out);
        seen(out);
    }),
    ("a mail's top", |octets| {
        let mut cutter = TopCutter::new(u32::MAX);
        octets.chunks(7).for_each(|piece| seen(cutter.cut(piece)));
    }),
    ("a directory's answer", |octets| seen(structures::ask(octets, octets.len()))),
    ("a certificate", |octets| seen(structures::read_certificate(octets))),
    ("a revocation list", |octets| seen(structures::read_revocations(octets))),
    ("a file with certificates", |octets| seen(structures::read_pem(octets))),
    ("a hash", |octets| seen(crypt::Hash::parse(text(octets), true))),
    ("the system's files", |octets| seen(structures::find(octets, octets, octets))),
    ("a question to the helper", |octets| seen(Question::decode(octets))),
    ("an answer of the helper", |octets| seen(Answer::decode(octets))),
    ("a filter", |octets| seen(Filter::parse(text(octets)).map(|filter| filter.fill(&names("alice"))))),
    ("a user in a filter", |octets| {
        seen(
            Filter::parse("(&(uid={user})(|(mail={address})(cn=*{user}*)))")
                .unwrap()
                .fill(&names(text(octets))),
        );
    }),
    ("a user in a directory's name", |octets| {
        seen(NameTemplate::parse("uid={user},dc={domain}").unwrap().fill(&names(text(octets))));
    }),
    ("what ntlm_auth says", |octets| seen(structures::challenge(octets))),
];

/// A line of 50,000 octets that is read by a square keeps a processor busy for minutes, and costs its sender nothing.
#[test]
fn whatever_strangers_repeat_is_read_in_linear_time_s_276() {
    let slow: Vec<_> = READERS
        .iter()
        .flat_map(|(what, read)| {
            let judged = move |weird: &(&str, &str)| {
                judge(&format!("{what}, {:?} and {:?} repeated", weird.0, weird.1), read, &repeated(*weird))
            };
            WEIRD.iter().filter_map(judged)
        })
        .collect();
    assert!(slow.is_empty(), "not linear:\n{}", slow.join("\n"));
}

/// A certificate could name thousands of extensions, and each was held against all before it.
#[test]
fn whatever_says_its_own_length_is_read_in_linear_time_s_276() {
    let slow: Vec<_> = STRUCTURES
        .iter()
        .filter_map(|structure| {
            let (short, long) = (structure.most_octets / TIMES, structure.most_octets);
            let inputs = ((structure.make)(short), (structure.make)(long));
            assert!(inputs.1.len() > inputs.0.len() * (TIMES - 2), "{} does not grow", structure.what);
            assert_eq!((structure.read)(&inputs.1), structure.is_taken, "{}", structure.what);
            judge(structure.what, |octets| seen((structure.read)(octets)), &inputs)
        })
        .collect();
    assert!(slow.is_empty(), "not linear:\n{}", slow.join("\n"));
}

/// A reader that looks back at every octet is found, and one that looks at each twice is not.
#[test]
fn a_reader_by_a_square_is_found() {
    let by_square = |octets: &[u8]| {
        let looked_back = |end: usize| octets[..end].iter().filter(|octet| **octet == b'b').count();
        seen((0..octets.len() / 8).map(looked_back).sum::<usize>());
    };
    let twice = |octets: &[u8]| {
        seen(octets.iter().chain(octets).filter(|octet| **octet == b'b').count());
    };
    assert!(judge("by a square", by_square, &repeated(("", "a"))).is_some());
    assert_eq!(judge("twice", twice, &repeated(("", "a"))), None);
}

/// So is one that holds each extension of a certificate against all before it, short as certificates are.
#[test]
fn a_reader_of_extensions_by_a_square_is_found() {
    let by_square = |octets: &[u8]| {
        let mut kinds: Vec<&[u8]> = Vec::new();
        for kind in octets.chunks(9) {
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
    };
    let twice =
        |octets: &[u8]| seen((structures::read_certificate(octets), structures::read_certificate(octets)));
    let most = limits::CLIENT_CERTIFICATE_OCTETS;
    let inputs = (structures::extensions(most / TIMES), structures::extensions(most));
    assert!(judge("by a square", by_square, &inputs).is_some());
    assert_eq!(judge("twice", twice, &inputs), None);
}

/// What to say of a reader that isn't linear in that input, which is there short and long. It may be disturbed in most
/// of its runs, and not in all.
fn judge(what: &str, read: impl Fn(&[u8]), (short, long): &(Vec<u8>, Vec<u8>)) -> Option<String> {
    let time = |input: &[u8]| {
        let begun = clock_gettime(ClockId::ThreadCPUTime);
        read(black_box(input));
        let taken = clock_gettime(ClockId::ThreadCPUTime) - begun;
        Duration::try_from(taken).unwrap()
    };
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        best = (best.0.min(time(short)), best.1.min(time(long)));
        if best.1 <= best.0.max(FLOOR) * MOST_TIMES {
            return None;
        }
    }
    Some(format!("{what}: {:?} became {:?}", best.0, best.1))
}

/// A text repeated behind another one, short and long.
fn repeated((front, part): (&str, &str)) -> (Vec<u8>, Vec<u8>) {
    let input = |octets: usize| [front, &part.repeat(octets / part.len())].concat().into_bytes();
    (input(SHORT_OCTETS), input(SHORT_OCTETS * TIMES))
}

fn seen<T>(what: T) {
    black_box(what);
}

fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap()
}

fn names(user: &str) -> Names {
    Names { address: format!("{user}@home.lan"), user: user.into(), domain: "home.lan".into() }
}

fn read_lines(octets: &[u8], is_lenient: bool) {
    let (mut reader, mut rest) = (LineReader::new(is_lenient), octets);
    loop {
        let (used, line) = reader.next(rest, 4096);
        rest = &rest[used..];
        if rest.is_empty() || used == 0 || line == Line::Incomplete {
            break;
        }
    }
}

fn read_data(octets: &[u8], piece_octets: usize, endings: LineEndings) {
    let (mut decoder, mut message) = (DataDecoder::new(endings), Vec::new());
    octets.chunks(piece_octets).for_each(|piece| seen(decoder.decode(piece, &mut message)));
}

fn read_chunks(octets: &[u8], piece_octets: usize) {
    let (mut decoder, mut message) = (ChunkDecoder::new(LineEndings::Normalise), Vec::new());
    octets.chunks(piece_octets).for_each(|piece| decoder.decode(piece, &mut message));
    decoder.finish(&mut message);
}

fn scan(octets: &[u8], piece_octets: usize) {
    let mut scan = HeaderScan::new(vec!["a@b.c".parse().unwrap(), "b@b.c".parse().unwrap()]);
    octets.chunks(piece_octets).for_each(|piece| seen(scan.scan(piece)));
}
