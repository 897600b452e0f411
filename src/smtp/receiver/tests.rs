//! Tests of the receiver: data and chunks, headers, hops and sizes.

use super::*;

const LIMIT: u64 = 1000;

fn receiver(endings: LineEndings, is_submission: bool) -> Receiver {
    receiver_for(endings, is_submission, &[])
}

fn receiver_for(endings: LineEndings, is_submission: bool, recipients: &[&str]) -> Receiver {
    let missing = is_submission
        .then(|| MissingFields { date: "Date: D\r\n".into(), message_id: "Message-ID: M\r\n".into() });
    let trace = "Received: R\r\n".into();
    let recipients = recipients.iter().map(|text| text.parse().unwrap()).collect();
    Receiver::new(Plan { endings, limit_octets: LIMIT, trace, missing, recipients, forwarders: Vec::new() })
}

/// Feeds pieces of that size; tells the message, the octets used up, and the end.
fn receive(mut receiver: Receiver, data: &[u8], size: usize) -> (String, usize, Option<DataEnd>) {
    let (mut message, mut used) = (Vec::new(), 0);
    for piece in data.chunks(size) {
        let (now_used, end) = receiver.receive(piece, &mut message);
        used += now_used;
        if end.is_some() {
            return (String::from_utf8(message).unwrap(), used, end);
        }
    }
    (String::from_utf8(message).unwrap(), used, None)
}

fn ending(data: &[u8]) -> Option<DataEnd> {
    let whole = receive(receiver(LineEndings::Strict, false), data, data.len()).2;
    assert_eq!(receive(receiver(LineEndings::Strict, false), data, 1).2, whole, "octet by octet");
    whole
}

#[test]
fn the_trace_stands_first_and_the_message_is_kept_as_it_is() {
    let data = b"Subject: x\r\n\r\n..\r\n.\r\nQUIT\r\n";
    for size in 1..data.len() {
        let (message, used, end) = receive(receiver(LineEndings::Strict, false), data, size);
        assert_eq!(message, "Received: R\r\nSubject: x\r\n\r\n.\r\n", "by {size}");
        assert_eq!((used, end), (data.len() - 6, Some(DataEnd::Good)), "by {size}");
    }
}

/// A message that begins with a blank went on our Received where that is folded, so that whoever sent it could add to
/// what we had written, and its first line was lost to readers of the message. Found beside Postfix, which parts the two.
#[test]
fn a_first_line_that_begins_with_a_blank_is_no_part_of_our_trace_s_123_s_124() {
    for (sent, stored) in [
        (" for <eve@home.lan>; x\r\n\r\nbody\r\n", "\r\n for <eve@home.lan>; x\r\n\r\nbody\r\n"),
        ("\tx: y\r\n", "\r\n\tx: y\r\n"),
        (" \r\n", "\r\n \r\n"),
        ("x: y\r\n z\r\n", "x: y\r\n z\r\n"),
        ("\r\n z\r\n", "\r\n z\r\n"),
        ("", ""),
    ] {
        let data = format!("{sent}.\r\n");
        for size in 1..=data.len() {
            let (message, _, end) = receive(receiver(LineEndings::Strict, false), data.as_bytes(), size);
            assert_eq!(message, format!("Received: R\r\n{stored}"), "{sent:?} by {size}");
            assert_eq!(end, Some(DataEnd::Good));
        }
    }
}

#[test]
fn submission_adds_what_is_missing_at_the_headers_end() {
    const BOTH: &str = "Date: D\r\nMessage-ID: M\r\n";
    for (sent, stored) in [
        ("Subject: x\r\n\r\nbody\r\n", format!("Subject: x\r\n{BOTH}\r\nbody\r\n")),
        ("Date: x\r\n\r\nbody\r\n", "Date: x\r\nMessage-ID: M\r\n\r\nbody\r\n".into()),
        ("Message-ID: x\r\n\r\n", "Message-ID: x\r\nDate: D\r\n\r\n".into()),
        ("Date: x\r\nMessage-Id: y\r\n\r\nb\r\n", "Date: x\r\nMessage-Id: y\r\n\r\nb\r\n".into()),
        ("Subject: x\r\n\r\nDate: body\r\n", format!("Subject: x\r\n{BOTH}\r\nDate: body\r\n")),
        ("Subject: x\r\n", format!("Subject: x\r\n{BOTH}")),
        ("no header\r\n\r\nbody\r\n", format!("{BOTH}\r\nno header\r\n\r\nbody\r\n")),
        ("no header\r\nDate: x\r\n\r\n", format!("{BOTH}\r\nno header\r\nDate: x\r\n\r\n")),
        ("nocolon\r\n", format!("{BOTH}\r\nnocolon\r\n")),
        (" blank: x\r\n", format!("{BOTH}\r\n blank: x\r\n")),
        ("\r\nbody\r\n", format!("{BOTH}\r\nbody\r\n")),
        ("", BOTH.into()),
    ] {
        let data = format!("{sent}.\r\n");
        for size in 1..=data.len() {
            let (message, _, end) = receive(receiver(LineEndings::Normalise, true), data.as_bytes(), size);
            assert_eq!(message, format!("Received: R\r\n{stored}"), "{sent:?} by {size}");
            assert_eq!(end, Some(DataEnd::Good));
        }
    }
}

#[test]
fn a_header_of_bare_lfs_ends_where_it_seems_to_s_027() {
    let data = b"Subject: x\nBcc: y\n\nbody\r\n.\r\n";
    let (message, _, end) = receive(receiver(LineEndings::Normalise, true), data, 3);
    assert_eq!(message, "Received: R\r\nSubject: x\r\nBcc: y\r\nDate: D\r\nMessage-ID: M\r\n\r\nbody\r\n");
    assert_eq!(end, Some(DataEnd::Good));
}

#[test]
fn the_size_holds_at_its_edge_and_is_found_inside_a_line_s_053_s_149() {
    let sized = |octets: u64| [vec![b'a'; octets as usize - 2], b"\r\n.\r\n".to_vec()].concat();
    assert_eq!(ending(&sized(LIMIT - 1)), Some(DataEnd::Good));
    assert_eq!(ending(&sized(LIMIT)), Some(DataEnd::Good));
    assert_eq!(ending(&sized(LIMIT + 1)), Some(DataEnd::TooLarge));
    assert_eq!(ending(&sized(2 * LIMIT)), Some(DataEnd::TooLarge));
    assert_eq!(ending(&sized(2 * LIMIT + 1)), Some(DataEnd::MuchTooLarge));

    let mut message = Vec::new();
    let mut receiver = receiver(LineEndings::Strict, false);
    assert_eq!(receiver.receive(&[b'a'; LIMIT as usize], &mut message).1, None);
    let before = message.len();
    assert_eq!(receiver.receive(&[b'a'; 500], &mut message).1, None);
    assert_eq!(message.len(), before, "a spoilt message grows no more");
    assert_eq!(receiver.receive(&[b'a'; 501], &mut message).1, Some(DataEnd::MuchTooLarge));
    assert_eq!(message.len(), before);
}

#[test]
fn stuffed_dots_do_not_count_s_153() {
    let data = [b"..\r\n".repeat(LIMIT as usize / 3), b".\r\n".to_vec()].concat();
    assert_eq!(ending(&data), Some(DataEnd::Good));
}

#[test]
fn a_near_end_after_an_over_size_message_ends_nothing_s_017() {
    let data = [vec![b'a'; LIMIT as usize + 1], b"\n.\nMAIL FROM:<a@x>\r\n.\r\n".to_vec()].concat();
    let (_, used, end) = receive(receiver(LineEndings::Strict, false), &data, 7);
    assert_eq!((used, end), (data.len(), Some(DataEnd::TooLarge)));
}

#[test]
fn a_faulty_message_is_read_to_its_true_end_s_001() {
    let data = b"a: b\r\n\r\nx\n.\nMAIL FROM:<a@x>\r\nDATA\r\n.\r\nQUIT\r\n";
    for size in 1..data.len() {
        let (_, used, end) = receive(receiver(LineEndings::Strict, false), data, size);
        assert_eq!((used, end), (data.len() - 6, Some(DataEnd::Faulty(DataFault::BareLf))), "{size}");
    }
}

#[test]
fn a_mail_loops_at_its_51st_received_field_s_117() {
    let hops = |count| [b"Received: x\r\n".repeat(count), b"\r\nReceived: body\r\n.\r\n".to_vec()].concat();
    assert_eq!(ending(&hops(limits::RECEIVED_FIELDS - 1)), Some(DataEnd::Good));
    assert_eq!(ending(&hops(limits::RECEIVED_FIELDS)), Some(DataEnd::Good));
    assert_eq!(ending(&hops(limits::RECEIVED_FIELDS + 1)), Some(DataEnd::Looping));
}

/// Servers that read MIME were stopped by one mail with parts inside parts, or with a million pieces of one parameter.
#[test]
fn parts_inside_parts_and_a_million_parameters_are_octets_like_any_others_s_122() {
    let parts: String = (0..100_000)
        .map(|depth| format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n"))
        .collect();
    let parameters = format!("Content-Type: a/b{}\r\n\r\nbody\r\n", ";\r\n a*1=b".repeat(1_000_000));
    for sent in [parts, parameters] {
        let plan = Plan {
            endings: LineEndings::Strict,
            limit_octets: u64::MAX,
            trace: "Received: R\r\n".into(),
            missing: None,
            recipients: Vec::new(),
            forwarders: Vec::new(),
        };
        let data = format!("{sent}.\r\n");
        let (message, _, end) = receive(Receiver::new(plan), data.as_bytes(), 1 << 16);
        assert!(message.strip_prefix("Received: R\r\n") == Some(sent.as_str()), "it is stored otherwise");
        assert_eq!(end, Some(DataEnd::Good));
    }
}

#[test]
fn a_message_without_end_has_none_s_029() {
    assert_eq!(receive(receiver(LineEndings::Strict, false), b"a: b\r\n\r\nx\r\n.\r", 4).2, None);
}

#[test]
fn a_mail_that_all_its_recipients_have_is_looping_s_120() {
    let data = |marks: &str| format!("Subject: x\r\n{marks}\r\nbody\r\n.\r\n").into_bytes();
    let both = "Delivered-To: alice@home.lan\r\nDelivered-To: bob@home.lan\r\n";
    let hops = "Received: x\r\n".repeat(limits::RECEIVED_FIELDS);
    for (recipients, marks, end) in [
        (&["alice@home.lan"][..], both.to_owned(), DataEnd::Delivered),
        (&["alice@home.lan", "bob@home.lan"], both.to_owned(), DataEnd::Delivered),
        (&["alice@home.lan", "carol@home.lan"], both.to_owned(), DataEnd::Good),
        (&[], both.to_owned(), DataEnd::Good),
        (&["alice@home.lan"], format!("{both}{hops}Received: x\r\n"), DataEnd::Delivered),
        (&["bob@home.lan"], format!("{hops}{both}"), DataEnd::Delivered),
        (&["bob@home.lan"], format!("{hops}Received: x\r\n{both}"), DataEnd::Looping),
    ] {
        let data = data(&marks);
        for size in [1, 5, 64, data.len()] {
            for is_submission in [false, true] {
                let receiver = receiver_for(LineEndings::Strict, is_submission, recipients);
                let (_, used, told) = receive(receiver, &data, size);
                assert_eq!((used, told), (data.len(), Some(end)), "{recipients:?} {marks:?} by {size}");
            }
        }
    }
}

/// Feeds chunks of that size, and tells the message and its end.
fn receive_chunks(mut receiver: Receiver, text: &[u8], size: usize) -> (Vec<u8>, DataEnd) {
    let mut message = Vec::new();
    for piece in text.chunks(size) {
        receiver.receive_chunk(piece, &mut message);
    }
    let end = receiver.end_chunks(&mut message);
    (message, end)
}

#[test]
fn chunks_and_data_of_one_mail_store_the_same_octets_s_016_s_080() {
    let words: [&[u8]; 14] = [
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\r\n.",
        b"..",
        b"Date: x",
        b"Message-ID: y",
        b"Received: z",
        b"a:",
        b" ",
        b"text",
        b"\n",
        b"\r",
        b"\0",
    ];
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut ends = std::collections::HashSet::new();
    for round in 0..6000 {
        // Most mails are clean, so that they are stored.
        let kinds = if random.u8(..4) == 0 { words.len() } else { words.len() - 3 };
        let count = if random.u8(..8) == 0 { random.usize(..700) } else { random.usize(..25) };
        let mut text: Vec<u8> = (0..count).flat_map(|_| words[random.usize(..kinds)]).copied().collect();
        text.extend_from_slice(b"\r\n");
        let (size, is_submission) = (random.usize(1..40), random.bool());
        let endings = if random.bool() { LineEndings::Strict } else { LineEndings::Normalise };
        let recipients = ["alice@home.lan"];
        let (message, end) = receive_chunks(receiver_for(endings, is_submission, &recipients), &text, size);
        let data = [stuff(&text), b".\r\n".to_vec()].concat();
        let mut by_data = Vec::new();
        let told = receiver_for(endings, is_submission, &recipients).receive(&data, &mut by_data);
        ends.insert(format!("{end:?}"));
        match told {
            (_, Some(DataEnd::MuchTooLarge)) => assert_eq!(end, DataEnd::TooLarge),
            (_, told) => assert_eq!(told, Some(end), "seed {seed} round {round} by {size} {text:?}"),
        }
        if end == DataEnd::Good {
            assert_eq!(message, by_data, "seed {seed} round {round} by {size} {text:?}");
        }
    }
    assert!(ends.len() >= 5, "{ends:?}");
}

/// Doubles the dots that begin lines. RFC 5321 §4.5.2.
fn stuff(text: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::new();
    for (at, &octet) in text.iter().enumerate() {
        if octet == b'.' && (at == 0 || text[..at].ends_with(b"\r\n")) {
            stuffed.push(b'.');
        }
        stuffed.push(octet);
    }
    stuffed
}

#[test]
fn chunks_hold_what_data_cannot_s_145() {
    let strict = || receiver(LineEndings::Strict, false);
    for (text, stored) in
        [("a: b\r\n\r\nno end", "a: b\r\n\r\nno end"), ("x\r\n.\r\ny\r\n", "x\r\n.\r\ny\r\n"), ("", "")]
    {
        for size in 1..=text.len().max(1) {
            let (message, end) = receive_chunks(strict(), text.as_bytes(), size);
            assert_eq!(end, DataEnd::Good);
            assert_eq!(String::from_utf8(message).unwrap(), format!("Received: R\r\n{stored}"), "by {size}");
        }
    }
    let (message, end) = receive_chunks(receiver(LineEndings::Normalise, true), b"a: b\r", 1);
    assert_eq!(message, b"Received: R\r\na: b\r\nDate: D\r\nMessage-ID: M\r\n");
    assert_eq!(end, DataEnd::Good);
    let (_, end) = receive_chunks(strict(), b"a: b\r", 2);
    assert_eq!(end, DataEnd::Faulty(DataFault::BareCr));
}

/// A mail in chunks whose only line had no end got its Date glued to that line: `Subject: x` came out as
/// `Subject: xDate: …`. Found by reading what happens where a mail ends inside its header.
#[test]
fn fields_are_never_added_inside_a_line_that_has_no_end_s_145() {
    const BOTH: &str = "Date: D\r\nMessage-ID: M\r\n";
    for (sent, stored) in [
        ("Subject: x", format!("Subject: x\r\n{BOTH}")),
        ("Subject: x\r\nDate: x", "Subject: x\r\nDate: x\r\nMessage-ID: M\r\n".into()),
        ("Date: x\r\nMessage-ID: y", "Date: x\r\nMessage-ID: y".into()),
        ("Subject: x\r\n folded", format!("Subject: x\r\n folded\r\n{BOTH}")),
        ("Delivered-To: x", format!("Delivered-To: x\r\n{BOTH}")),
        ("Subject: x\r\nnocolon", format!("Subject: x\r\nnocolon\r\n{BOTH}")),
        ("nocolon", format!("{BOTH}\r\nnocolon")),
        ("no colon", format!("{BOTH}\r\nno colon")),
        ("Date ", format!("{BOTH}\r\nDate ")),
        (" blank", format!("{BOTH}\r\n blank")),
        ("Subject: x\r\n\r\nbody", format!("Subject: x\r\n{BOTH}\r\nbody")),
        ("", BOTH.into()),
    ] {
        for size in 1..=sent.len().max(1) {
            let (message, end) =
                receive_chunks(receiver(LineEndings::Normalise, true), sent.as_bytes(), size);
            assert_eq!(String::from_utf8(message).unwrap(), format!("Received: R\r\n{stored}"), "by {size}");
            assert_eq!(end, DataEnd::Good);
        }
    }
}

#[test]
fn the_size_of_chunks_holds_at_its_edge_s_149() {
    for (octets, end) in [
        (LIMIT - 1, DataEnd::Good),
        (LIMIT, DataEnd::Good),
        (LIMIT + 1, DataEnd::TooLarge),
        (2 * LIMIT + 1, DataEnd::TooLarge),
    ] {
        let (mut receiver, mut message) = (receiver(LineEndings::Strict, false), Vec::new());
        for _ in 0..octets {
            receiver.receive_chunk(b"a", &mut message);
        }
        assert_eq!(receiver.is_spoilt(), end != DataEnd::Good);
        assert_eq!(receiver.end_chunks(&mut message), end, "{octets}");
        assert!(message.len() as u64 <= LIMIT + 13, "a spoilt message grows no more");
    }
}
