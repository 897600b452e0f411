//! Tests of headers in one account's name: how writers are kept, and that nothing breaks or comes in (S-123).

use super::*;

fn account() -> Address {
    "family@example.com".parse().unwrap()
}

fn text(front: &[u8], reverse_path: &str) -> Option<String> {
    let (header, replaced) = rewritten(front, &account(), reverse_path)?;
    assert!(replaced <= front.len());
    Some(String::from_utf8([&header, &front[replaced..]].concat()).unwrap())
}

/// The header that a From of that value becomes.
fn of(value: &str) -> String {
    let rest = "Subject: x\r\n\r\nbody";
    let whole = text(format!("From: {value}\r\n{rest}").as_bytes(), "alice@home.lan").unwrap();
    whole.strip_suffix(rest).unwrap().to_owned()
}

#[test]
fn the_writer_is_in_the_name_and_gets_the_answers() {
    for (value, from, reply_to) in [
        ("Alice <alice@home.lan>", "Alice", "Alice\r\n <alice@home.lan>"),
        ("alice@home.lan", "\"alice@home.lan\"", "<alice@home.lan>"),
        ("<alice@home.lan>", "\"alice@home.lan\"", "<alice@home.lan>"),
        (
            "alice@home.lan (Alice (in the office))",
            "\"Alice in the office\"",
            "\"Alice in the office\"\r\n <alice@home.lan>",
        ),
        (
            "\"Liddell, Alice\" <alice@home.lan>",
            "\"Liddell, Alice\"",
            "\"Liddell, Alice\"\r\n <alice@home.lan>",
        ),
        (
            "Alice Q. Liddell <alice@home.lan>",
            "\"Alice Q. Liddell\"",
            "\"Alice Q. Liddell\"\r\n <alice@home.lan>",
        ),
        (
            "\"A \\\"q\\\" \\\\\" <alice@home.lan>",
            "\"A \\\"q\\\" \\\\\"",
            "\"A \\\"q\\\" \\\\\"\r\n <alice@home.lan>",
        ),
        (
            "=?utf-8?Q?J=C3=B6rg?= X <j@home.lan>",
            "=?utf-8?Q?J=C3=B6rg?=\r\n X",
            "=?utf-8?Q?J=C3=B6rg?=\r\n X\r\n <j@home.lan>",
        ),
        ("J\u{f6}rg X <j@home.lan>", "=?UTF-8?B?SsO2cmcgWA==?=", "=?UTF-8?B?SsO2cmcgWA==?=\r\n <j@home.lan>"),
        ("Alice\r\n <alice@home.lan>", "Alice", "Alice\r\n <alice@home.lan>"),
        ("<@a.lan,@b.lan:alice@home.lan>", "\"alice@home.lan\"", "<alice@home.lan>"),
        ("alice (x) . b @ home.lan", "\"x\"", "\"x\"\r\n <alice.b@home.lan>"),
        ("\"a b\"@home.lan", "\"\\\"a b\\\"@home.lan\"", "<\"a b\"@home.lan>"),
        ("Team: Bob <bob@home.lan>, carol@home.lan;", "Bob", "Bob\r\n <bob@home.lan>,\r\n <carol@home.lan>"),
        ("Bob <bob@home.lan>, Eve <family@EXAMPLE.com>", "Bob", "Bob\r\n <bob@home.lan>"),
    ] {
        assert_eq!(
            of(value),
            format!("From: {from}\r\n <family@example.com>\r\nReply-To: {reply_to}\r\n"),
            "{value}"
        );
    }
}

#[test]
fn what_is_no_address_is_not_answered() {
    let by_envelope = "From: \"alice@home.lan\"\r\n <family@example.com>\r\nReply-To: <alice@home.lan>\r\n";
    let by_name = "From: Alice\r\n <family@example.com>\r\n";
    for (value, wanted) in [
        ("Alice alice@home.lan", by_envelope),
        ("\"Alice", by_envelope),
        ("", by_envelope),
        (",;:,", by_envelope),
        ("Alice <alice smith@home.lan>", by_name),
        ("Alice <>", by_name),
        ("Alice <alice@>", by_name),
        ("Alice <a@b@home.lan>", by_name),
        (
            "Alice <bob@home.lan",
            "From: Alice\r\n <family@example.com>\r\nReply-To: Alice\r\n <bob@home.lan>\r\n",
        ),
    ] {
        assert_eq!(of(value), wanted, "{value}");
    }
}

#[test]
fn a_header_that_says_so_already_stays() {
    for from in ["family@example.com", "The Family <FAMILY@Example.com>"] {
        assert_eq!(text(format!("From: {from}\r\nSender: x@y.lan\r\n\r\n").as_bytes(), "a@home.lan"), None);
    }
}

#[test]
fn all_else_stays_and_sender_goes() {
    let front = "Delivered-To: x@home.lan\r\nReceived: by a\r\n\tb\r\nSENDER : s@home.lan\r\n\tx\r\nfrom\t: a@home.lan\r\n\
                 Resent-From: r@home.lan\r\nResent-Sender: r@home.lan\r\nreply-to: list@home.lan\r\nFrom: b@home.lan\r\n\
                 DKIM-Signature: h=from\r\n\r\nFrom: body\r\n";
    let wanted = "Delivered-To: x@home.lan\r\nReceived: by a\r\n\tb\r\nFrom: \"a@home.lan\"\r\n <family@example.com>\r\n\
                  Resent-From: r@home.lan\r\nResent-Sender: r@home.lan\r\nreply-to: list@home.lan\r\n\
                  DKIM-Signature: h=from\r\n\r\nFrom: body\r\n";
    assert_eq!(text(front.as_bytes(), "a@home.lan").as_deref(), Some(wanted));
}

#[test]
fn without_from_the_sender_is_the_writer() {
    let from = "From: \"scanner@home.lan\"\r\n <family@example.com>\r\nReply-To: <scanner@home.lan>\r\n";
    for (front, sender, wanted) in [
        ("Subject: x\r\n\r\nbody", "scanner@home.lan", format!("Subject: x\r\n{from}\r\nbody")),
        ("Subject: x", "scanner@home.lan", format!("Subject: x\r\n{from}")),
        ("Subject: x\r\n", "", "Subject: x\r\nFrom: <family@example.com>\r\n".into()),
        ("Subject: x\r\n\r\n", "root", "Subject: x\r\nFrom: <family@example.com>\r\n\r\n".into()),
        ("From:\r\n\r\n", "scanner@home.lan", format!("{from}\r\n")),
        // What is no field ends the header, as an empty line does.
        (
            "Subject: x\r\nno field\r\nFrom: a@b\r\n",
            "",
            "Subject: x\r\nFrom: <family@example.com>\r\nno field\r\nFrom: a@b\r\n".into(),
        ),
    ] {
        assert_eq!(text(front.as_bytes(), sender), Some(wanted), "{front:?}");
    }
    for none in
        ["", "\r\nbody", "no field\r\n\r\n", " From: a@b\r\n\r\n", "From a@b Mon\r\n\r\n", ": x\r\n\r\n"]
    {
        assert_eq!(text(none.as_bytes(), "a@home.lan"), None, "{none:?}");
    }
}

#[test]
fn nothing_comes_in_by_a_name_s_123() {
    for value in [
        "\"a\rBcc: x@y.lan\n\" <a@home.lan>",
        "a\nBcc: x@y.lan <a@home.lan>",
        "(c\nBcc: x@y.lan) a@home.lan",
        "<\"a\nBcc: x\"@home.lan>",
        "\u{85}Bcc: x@y.lan \u{0} <a@home.lan>",
        "\"a\\\nBcc: x\" <a@home.lan>",
    ] {
        let header = of(value);
        let names: Vec<&str> = header
            .split("\r\n")
            .filter(|line| !line.is_empty() && !line.starts_with(' '))
            .map(|line| line.split(':').next().unwrap())
            .collect();
        assert!(names == ["From", "Reply-To"] || names == ["From"], "{value:?}: {header:?}");
        assert!(!header.replace("\r\n", "").contains(char::is_control), "{header:?}");
    }
    // Latin-1 is no UTF-8.
    let latin = text(b"From: J\xF6rg <j@home.lan>\r\n\r\n", "").unwrap();
    assert!(
        latin.starts_with("From: J?rg\r\n <family@example.com>\r\nReply-To: J?rg\r\n <j@home.lan>"),
        "{latin}"
    );
}

#[test]
fn a_header_beyond_the_limit_is_rewritten_up_to_it_and_never_cut_s_121() {
    let limit = limits::SCANNED_HEADER_OCTETS;
    let front = |before: usize, field: &str| {
        let filler = format!("X: {}\r\n", "x".repeat(before - 5));
        format!("{filler}{field}\r\n\r\nbody {}", "y".repeat(limit))
    };
    let field = "From: a@home.lan";
    // Whole inside, with the beginning of the next line.
    for (spare, is_seen) in [(field.len() + 3, true), (field.len() + 2, false), (1, false), (0, false)] {
        let front = front(limit - spare, field);
        let found = text(front.as_bytes(), "a@home.lan");
        let is_rewritten = found.as_ref().is_some_and(|text| text.contains("\r\nFrom: \"a@home.lan\""));
        assert_eq!(is_rewritten && !found.unwrap().contains("From: a@home.lan"), is_seen, "{spare}");
    }
}

#[test]
fn names_and_writers_are_bounded() {
    let long = of(&format!("{} <a@home.lan>", "n".repeat(5000)));
    assert!(long.len() < 600, "{}", long.len());
    let encoded = of(&format!("{} <a@home.lan>", "\u{f6}".repeat(5000)));
    assert!(encoded.len() < 1500 && encoded.split("\r\n").all(|line| line.len() <= 90), "{encoded}");
    let many = of(&"a@home.lan, ".repeat(5000));
    assert_eq!(many.matches("<a@home.lan>").count(), WRITERS);
}

#[test]
fn reports_of_nobody_stay_nobodys() {
    assert_eq!(envelope_sender(&account(), ""), "");
    assert_eq!(envelope_sender(&account(), "a@home.lan"), "family@example.com");
}

#[test]
fn whatever_stands_there_one_from_comes_out_and_all_else_stays() {
    let pieces = [
        "From",
        "from ",
        "Sender",
        "Reply-To",
        "X",
        ":",
        ": ",
        "\r\n",
        "\r\n ",
        "\r",
        "\n",
        "\"",
        "\\",
        "(",
        ")",
        "<",
        ">",
        "@",
        ",",
        ";",
        "a",
        "b.c",
        "home.lan",
        "a@home.lan",
        "=?utf-8?q?x?=",
        "\u{f6}",
        "\0",
        "\t",
        "[",
        "]",
    ];
    let mut random = fastrand::Rng::with_seed(123);
    for _ in 0..20_000 {
        let count = random.usize(..30);
        let mut front: String = (0..count).map(|_| pieces[random.usize(..pieces.len())]).collect();
        front.insert_str(0, if random.bool() { "From: " } else { "X: y\r\n" });
        let Some((header, replaced)) = rewritten(front.as_bytes(), &account(), "s@home.lan") else {
            continue;
        };
        let header = String::from_utf8(header).unwrap();
        let after = fields(header.as_bytes()).unwrap();
        assert_eq!(after.last().unwrap().end, header.len(), "{front:?} {header:?}");
        let froms: Vec<&Field> = after.iter().filter(|field| field.is("from")).collect();
        assert_eq!(froms.len(), 1, "{front:?} {header:?}");
        let [from] = &people(&plain(&header.as_bytes()[froms[0].colon + 1..froms[0].end]))[..] else {
            panic!("{front:?} {header:?}")
        };
        assert!(is_account(from, &account()), "{front:?} {header:?}");
        assert!(!after.iter().any(|field| field.is("sender")), "{front:?} {header:?}");
        let others = |text: &str| -> Vec<String> {
            let fields = fields(text.as_bytes()).unwrap();
            let other = |field: &&Field| !["from", "sender", "reply-to"].iter().any(|name| field.is(name));
            let shown =
                fields.iter().filter(other).map(|field| text[field.start..field.end].trim_end().to_owned());
            shown.collect()
        };
        assert_eq!(others(&header), others(&front[..replaced]), "{front:?}");
    }
}
