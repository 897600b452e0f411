//! Mails are not smuggled: the end of data is CRLF.CRLF, whatever else looks like it (S-001 to S-029).

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "smuggling/connection.rs"]
mod connection;

use connection::{Connection, session};
use poppet::clock::UnixTime;
use poppet::smtp::{DataEnd, Door, Now};
use poppet::wire::data::{DataDecoder, DataFault, LineEndings};

const LIMIT_OCTETS: usize = 200;
const TAIL: &[u8] = b"MAIL FROM:<b@evil.example>\r\n.\r\nNOOP\r\n";
const NOW: Now = Now { at: UnixTime(1_795_295_700), is_suspect: false };

#[test]
fn only_the_true_end_ends_in_all_36_125_cases_s_021() {
    let over_size = vec![b'a'; LIMIT_OCTETS + 1];
    let contexts: [&[u8]; 5] = [b"", b"Subject: x", b"Subject: x\r\n", b"Subject: x\r\n\r\ntext", &over_size];
    let (mut cases, mut true_ends) = (0, 0);
    for context in contexts {
        for before in &surroundings() {
            for after in &surroundings() {
                cases += 1;
                let sequence = [context, before, b".", after].concat();
                true_ends += usize::from(oracle_end(&sequence).is_some());
                assert_ends_as_the_oracle_says(&[&sequence, TAIL].concat(), context.len());
            }
        }
    }
    assert_eq!(cases, 36_125);
    assert!(true_ends > 0 && true_ends < cases / 10, "{true_ends} true ends");
}

/// Every sequence of up to three of CR, LF, NUL and blank: 85 of them.
fn surroundings() -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for from in 0..1 + 4 + 16 {
        for octet in *b"\r\n\0 " {
            let longer = [all[from].as_slice(), &[octet]].concat();
            all.push(longer);
        }
    }
    assert_eq!(all.len(), 85);
    all
}

/// Where the data end, or none: RFC 5321 §4.1.1.4 and nothing else.
fn oracle_end(data: &[u8]) -> Option<usize> {
    if data.starts_with(b".\r\n") {
        return Some(3);
    }
    data.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 5)
}

/// The first octet that must not be there.
fn oracle_fault(data: &[u8]) -> Option<DataFault> {
    (0..data.len()).find_map(|at| match data[at] {
        b'\r' if data.get(at + 1) != Some(&b'\n') => Some(DataFault::BareCr),
        b'\n' if at == 0 || data[at - 1] != b'\r' => Some(DataFault::BareLf),
        b'\0' => Some(DataFault::Nul),
        _ => None,
    })
}

/// What clean data mean: lines without their first dot, and without the last line. A first line that begins with a
/// blank has an empty one before it, or our Received would go on with it.
fn oracle_message(data: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(data[..data.len() - 3].to_vec()).unwrap();
    let lines = text.split_inclusive("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line));
    let message: String = lines.collect();
    let before = if message.starts_with(' ') { "\r\n" } else { "" };
    [before, &message].concat().into_bytes()
}

fn assert_ends_as_the_oracle_says(data: &[u8], context_octets: usize) {
    let end = oracle_end(data).expect("the tail ends the data");
    let expected = match oracle_fault(&data[..end]) {
        _ if context_octets > LIMIT_OCTETS => DataEnd::TooLarge,
        Some(fault) => DataEnd::Faulty(fault),
        None => DataEnd::Good,
    };
    let (context, rest) = data.split_at(context_octets);
    let single: Vec<&[u8]> = std::iter::once(context).chain(rest.chunks(1)).collect();
    for pieces in [&[data][..], &single] {
        let (used, told, message) = receive(pieces);
        assert_eq!((used, told), (end, Some(expected)), "{data:?}");
        if expected == DataEnd::Good {
            let trace = message.windows(7).position(|seven| seven == b"+0000\r\n").unwrap() + 7;
            assert_eq!(message[trace..], oracle_message(&data[..end]), "{data:?}");
        }
    }
    let (used, is_at_end, message) = decode(LineEndings::Normalise, data, data.len());
    assert_eq!((used, is_at_end), (end, true), "normalised {data:?}");
    let without_nul: Vec<u8> = message.iter().copied().filter(|&octet| octet != 0).collect();
    assert_eq!(oracle_fault(&without_nul), None, "normalised {data:?}");
    assert_eq!(decode(LineEndings::Normalise, data, 2), (end, true, message), "in twos {data:?}");
}

fn receive(pieces: &[&[u8]]) -> (usize, Option<DataEnd>, Vec<u8>) {
    let (mut receiver, mut used, mut message) = (session(Door::Mx).receiver(NOW, 1), 0, Vec::new());
    for piece in pieces {
        let (now_used, end) = receiver.receive(piece, &mut message);
        used += now_used;
        if end.is_some() {
            return (used, end, message);
        }
    }
    (used, None, message)
}

fn decode(endings: LineEndings, data: &[u8], size: usize) -> (usize, bool, Vec<u8>) {
    let (mut decoder, mut used, mut message) = (DataDecoder::new(endings), 0, Vec::new());
    for piece in data.chunks(size) {
        let (now_used, is_at_end) = decoder.decode(piece, &mut message);
        used += now_used;
        if is_at_end {
            return (used, true, message);
        }
    }
    (used, false, message)
}

const ENVELOPE: [&[u8]; 2] =
    [b"EHLO client.example\r\n", b"MAIL FROM:<a@x>\r\nRCPT TO:<alice@home.lan>\r\nDATA\r\n"];
const LOGON: &[u8] = b"AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n";

/// The endings of the known attacks, S-001 to S-014.
const ATTACKS: [&[u8]; 16] = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\n",
    b"\n.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n\n.\r\n",
    b"\r\n.\n\r\n",
    b"\n\n.\n\n",
    b"\r\r.\r\r",
];
const SMUGGLED: &[u8] = b"MAIL FROM:<b@x>\r\nRCPT TO:<alice@home.lan>\r\nDATA\r\nsecond\r\n.\r\n";

#[test]
fn the_open_port_refuses_and_no_second_mail_exists_s_001_to_s_014() {
    for attack in ATTACKS {
        for front in [&b"Subject: x\r\n\r\nfirst"[..], b""] {
            let data = [front, attack, SMUGGLED].concat();
            let connection = Connection::play(Door::Mx, &[ENVELOPE[0], ENVELOPE[1], &data], |all| all);
            assert_eq!(connection.stored.len(), 0, "{attack:?}");
            assert_eq!(connection.codes(), "220 250 250 250 354 550", "{attack:?}");
            assert!(connection.is_closed);
        }
    }
}

#[test]
fn a_user_gets_one_mail_with_all_of_it_inside_s_001_to_s_014() {
    for attack in ATTACKS {
        let data = [b"Subject: x\r\n\r\nfirst", attack, SMUGGLED, b"QUIT\r\n"].concat();
        let groups = [ENVELOPE[0], LOGON, ENVELOPE[1], &data];
        let connection = Connection::play(Door::Submission, &groups, |all| all);
        assert_eq!(connection.codes(), "220 250 235 250 250 354 250 221", "{attack:?}");
        let [message] = &connection.stored[..] else { panic!("{attack:?}") };
        let text = String::from_utf8_lossy(message).into_owned();
        assert!(text.contains("MAIL FROM:<b@x>\r\n") && text.ends_with("DATA\r\nsecond\r\n"), "{text:?}");
    }
}

#[test]
fn what_stands_behind_the_end_is_a_command_s_028() {
    let groups = [ENVELOPE[0], ENVELOPE[1], b"x: y\r\n\r\n.\r\nGARBAGE\r\nQUIT\r\n"];
    let connection = Connection::play(Door::Mx, &groups, |all| all);
    assert_eq!(connection.codes(), "220 250 250 250 354 250 500 221");
}

#[test]
fn data_without_end_stores_nothing_s_029() {
    let groups = [ENVELOPE[0], ENVELOPE[1], b"x: y\r\n\r\ntext\r\n."];
    let connection = Connection::play(Door::Mx, &groups, |all| all);
    assert_eq!((connection.stored.len(), connection.codes().as_str()), (0, "220 250 250 250 354"));
}

#[test]
fn the_end_is_one_end_in_each_of_its_cuttings_s_016() {
    for cuts in 0u8..16 {
        let mut groups = vec![ENVELOPE[0], ENVELOPE[1], b"x: y\r\n\r\ntext"];
        let (end, mut from) = (b"\r\n.\r\n", 0);
        for at in 1..=5 {
            if at == 5 || cuts & (1 << (at - 1)) != 0 {
                groups.push(&end[from..at]);
                from = at;
            }
        }
        groups.push(b"QUIT\r\n");
        let connection = Connection::play(Door::Mx, &groups, |all| all);
        assert_eq!(connection.codes(), "220 250 250 250 354 250 221", "{cuts:04b}");
        assert!(connection.stored[0].ends_with(b"x: y\r\n\r\ntext\r\n"), "{cuts:04b}");
    }
}

#[test]
fn any_segmentation_of_a_connection_gives_the_same_s_080() {
    let mx: [&[u8]; 6] = [
        ENVELOPE[0],
        b"NOOP\r\nWHAT\r\nMAIL FROM:<a@x> SIZE=10\r\nRCPT TO:<nobody@home.lan>\r\nRCPT TO:<alice@home.lan>\r\nDATA\r\n",
        b"Received: x\r\nSubject: y\r\n\r\n..\r\n...\r\n.x\r\n.\r\nNO\rOP\r\nNO\0OP\r\nMAIL FROM:<b@x>\r\nRSET\r\n",
        ENVELOPE[1],
        &[b'a'; 3000],
        b"\r\n.\r\nMAIL FROM:<a@x>\r\n",
    ];
    let submission: [&[u8]; 6] = [
        ENVELOPE[0],
        b"AUTH LOGIN\r\n",
        b"YWxpY2U=\r\n",
        b"cmlnaHQ=\r\n",
        b"MAIL FROM: a@x \r\nRCPT TO:<alice@home.lan>\r\nDATA\r\n",
        b"no header\r\rat\nall\n.\n\r\n.\r\nMAIL FROM:<>\r\nQUIT\r\n",
    ];
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for (door, groups) in [(Door::Mx, mx), (Door::Submission, submission)] {
        let whole = Connection::play(door, &groups, |all| all);
        assert_eq!(whole.stored.len(), 1);
        for round in 0..200 {
            let largest = [1, 2, 7, 40][round % 4];
            let cut = Connection::play(door, &groups, |all| random.usize(1..=largest.min(all)));
            assert_eq!(cut.replies, whole.replies, "seed {seed} round {round}");
            assert_eq!(cut.stored, whole.stored, "seed {seed} round {round}");
            assert_eq!(cut.is_closed, whole.is_closed, "seed {seed} round {round}");
        }
    }
}

#[test]
fn a_mail_in_chunks_is_the_mail_in_data_however_it_is_cut_s_016_s_080() {
    let data = [
        b"MAIL FROM:<a@x>\r\nRCPT TO:<alice@home.lan>\r\nDATA\r\n",
        &b"Subject: y\r\n\r\n.\r\n..\r\ntext\r\n"[..],
    ];
    let stuffed = b"Subject: y\r\n\r\n..\r\n...\r\ntext\r\n.\r\nQUIT\r\n";
    let whole = Connection::play(Door::Mx, &[ENVELOPE[0], data[0], stuffed], |all| all);
    assert_eq!(whole.codes(), "220 250 250 250 354 250 221");
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..200 {
        let mut group = b"MAIL FROM:<a@x>\r\nRCPT TO:<alice@home.lan>\r\n".to_vec();
        let mut rest = data[1];
        while !rest.is_empty() && random.u8(..) > 10 {
            let (chunk, behind) = rest.split_at(random.usize(..=rest.len().min(9)));
            group.extend_from_slice(format!("BDAT {}\r\n", chunk.len()).as_bytes());
            group.extend_from_slice(chunk);
            rest = behind;
        }
        group.extend_from_slice(format!("BDAT {} LAST\r\n", rest.len()).as_bytes());
        group.extend_from_slice(&[rest, b"QUIT\r\n"].concat());
        let largest = [1, 2, 7, 400][round % 4];
        let cut = |all: usize| random.usize(1..=largest.min(all));
        let connection = Connection::play(Door::Mx, &[ENVELOPE[0], &group], cut);
        assert_eq!(connection.stored, whole.stored, "seed {seed} round {round}");
        assert!(connection.codes().ends_with("250 221") && connection.is_closed, "seed {seed} round {round}");
    }
}

#[test]
fn octets_of_a_chunk_are_never_commands_s_141_s_143_s_145() {
    let smuggled = b"x\n.\n\r\n.\r\nMAIL FROM:<b@x>\r\nRCPT TO:<alice@home.lan>\r\nBDAT 0 LAST\r\n";
    let chunk = [format!("BDAT {} LAST\r\n", smuggled.len()).as_bytes(), smuggled].concat();
    let over_size =
        [format!("BDAT {}\r\n", LIMIT_OCTETS + 1).as_bytes(), &[b'\n'; LIMIT_OCTETS + 1]].concat();
    let mail = b"MAIL FROM:<a@x>\r\nRCPT TO:<alice@home.lan>\r\n";
    for (front, chunk, codes) in [
        (&b""[..], &chunk, "220 250 503 221"),
        (b"MAIL FROM:<a@x>\r\nRCPT TO:<nobody@home.lan>\r\n", &chunk, "220 250 250 550 554 221"),
        (mail, &chunk, "220 250 250 250 550 221"),
        (mail, &over_size, "220 250 250 250 552 221"),
    ] {
        let group = [front, chunk, b"QUIT\r\n"].concat();
        for largest in [1, 3, 1000] {
            let connection = Connection::play(Door::Mx, &[ENVELOPE[0], &group], |all| largest.min(all));
            assert_eq!((connection.codes().as_str(), connection.stored.len()), (codes, 0), "by {largest}");
        }
    }
    // The users' line ends are mended, and what looks like an end is none.
    let group = [mail, &chunk[..], b"QUIT\r\n"].concat();
    let connection = Connection::play(Door::Submission, &[ENVELOPE[0], LOGON, &group], |all| all);
    assert_eq!(connection.codes(), "220 250 235 250 250 250 221");
    assert_eq!(connection.stored.len(), 1);
    assert!(
        connection.stored[0]
            .ends_with(b"\r\n.\r\n\r\n.\r\nMAIL FROM:<b@x>\r\nRCPT TO:<alice@home.lan>\r\nBDAT 0 LAST\r\n")
    );
}

#[test]
fn a_chunk_without_its_end_stores_nothing_s_029_s_144() {
    let groups =
        [ENVELOPE[0], b"MAIL FROM:<a@x>\r\nRCPT TO:<alice@home.lan>\r\nBDAT 89 LAST\r\n", &[b'a'; 88]];
    let connection = Connection::play(Door::Mx, &groups, |all| all);
    assert_eq!((connection.stored.len(), connection.codes().as_str()), (0, "220 250 250 250"));
}
