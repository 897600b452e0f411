//! Headers and their surrogates: RFC 6858's examples, other fields, and what must stay as it is.

use super::*;

fn shown(header: &str) -> String {
    String::from_utf8(surrogate(header.as_bytes()).unwrap()).unwrap()
}

/// What a client makes of it: lines unfolded, encoded words decoded.
fn read(header: &str) -> String {
    let shown = shown(header);
    assert!(shown.is_ascii() && shown.ends_with("\r\n"), "{shown:?}");
    assert!(shown.lines().all(|line| line.len() <= 76), "{shown}");
    let unfolded = shown.replace("\r\n ", " ").replace("?= =?", "?==?");
    let mut text = String::new();
    let mut rest = &*unfolded;
    while let Some((front, behind)) = rest.split_once("=?UTF-8?B?") {
        let (word, behind) = behind.split_once("?=").unwrap();
        assert!(word.len() + 12 <= 75, "{word}");
        text.push_str(front);
        text.push_str(std::str::from_utf8(&decoded(word)).unwrap());
        rest = behind;
    }
    text + rest
}

fn decoded(word: &str) -> Vec<u8> {
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let mut octets = Vec::new();
    for group in word.as_bytes().chunks(4) {
        assert_eq!(group.len(), 4, "{word}");
        let letters = group.iter().take_while(|&&letter| letter != b'=').count();
        let bits = group.iter().fold(0_u32, |bits, &letter| bits << 6 | u32::from(value(letter) & 63));
        octets.extend_from_slice(&bits.to_be_bytes()[1..letters]);
    }
    octets
}

#[test]
fn the_address_of_rfc_6858_2_1_gives_way_to_one_that_is_nobodys() {
    assert_eq!(
        read("From: Fred Foo <fred@ÉXÄMPLE.com>\r\n\r\n"),
        "From: Fred Foo (fred@ÉXÄMPLE.com) <invalid@internationalized-address.invalid>\r\n\r\n"
    );
    assert_eq!(
        shown("To: ö@a.test\r\n\r\n"),
        "To: =?UTF-8?B?w7ZAYS50ZXN0?= <invalid@internationalized-address.invalid>\r\n\r\n"
    );
}

#[test]
fn the_parameter_of_rfc_6858_2_2_is_excised() {
    for (header, surrogate) in [
        ("Content-Disposition: attachment; filename=FÖÖ\r\n", "Content-Disposition: attachment\r\n"),
        (
            "Content-Disposition: attachment; filename=\"a;ö\"; size=1\r\n",
            "Content-Disposition: attachment; size=1\r\n",
        ),
        (
            "Content-Type: text/plain;\r\n name=\"Ö\\\"; x\";\r\n\tcharset=utf-8\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
        ),
        ("content-type: text/plain (ö; x); charset=utf-8\r\nA: b\r\n", "A: b\r\n"),
        ("Content-Type: text/plain; n=\"ö; charset=utf-8\r\n", "Content-Type: text/plain\r\n"),
        ("Content-Type: ö\r\nA: b\r\n", "A: b\r\n"),
        ("Content-Type: ; n=ö\r\nA: b\r\n", "A: b\r\n"),
        ("Content-Type: a/b; ; n=ö;\r\n", "Content-Type: a/b\r\n"),
    ] {
        assert_eq!(shown(&format!("{header}\r\n")), format!("{surrogate}\r\n"), "{header}");
    }
}

#[test]
fn subjects_are_told_in_encoded_words() {
    for subject in [
        "ö",
        "Grüße",
        "Re: Grüße aus Köln, bis bald",
        "日本語の件名がとても長いので何行にもわたって折り返されることになります、そうでしょう",
        "a  ö  b",
        "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀",
    ] {
        let plain = subject.replace("a  ö  b", "a ö b");
        assert_eq!(read(&format!("Subject: {subject}\r\n\r\n")), format!("Subject: {plain}\r\n\r\n"));
    }
    assert_eq!(shown("SUBJECT:ö  ü x\r\n\r\n"), "SUBJECT: =?UTF-8?B?w7YgIMO8?= x\r\n\r\n");
    assert_eq!(read("Subject: Grüße\r\n aus\r\n\tKöln\r\n\r\n"), "Subject: Grüße aus\tKöln\r\n\r\n");
}

#[test]
fn subjects_of_every_length_are_folded_between_letters() {
    for letters in 1..200 {
        for (prefix, letter) in [("", "ö"), ("Re: ", "日"), ("R: ", "🦀"), ("Antwort: ", "xö")] {
            let subject = format!("Subject: {prefix}{}\r\n\r\n", letter.repeat(letters));
            assert_eq!(read(&subject), subject);
        }
    }
}

#[test]
fn addresses_in_ascii_stay_and_keep_their_place() {
    let invalid = "<invalid@internationalized-address.invalid>";
    for (value, outcome) in [
        ("Jörg <joerg@a.test>", "Jörg <joerg@a.test>".to_owned()),
        ("\"Jörg, \\\"J\\\" <x>\" <joerg@a.test>", "Jörg, \"J\" <x> <joerg@a.test>".into()),
        ("joerg@a.test (Jörg (der Große))", "Jörg der Große <joerg@a.test>".into()),
        ("Joe (ö) <joe@a.test>", "Joe <joe@a.test>".into()),
        ("(ö) <joe@a.test>", "<joe@a.test>".into()),
        (
            "a@a.test, jörg@a.test, \"x, y\" <b@b.test>",
            format!("a@a.test, jörg@a.test {invalid}, \"x, y\" <b@b.test>"),
        ),
        (
            "Freunde: a@a.test, ö@b.test; , c@c.test",
            format!("Freunde: a@a.test, ö@b.test {invalid};, c@c.test"),
        ),
        ("Grüße:;", "Grüße:;".into()),
        ("\"Grüße\": a@a.test;", "Grüße: a@a.test;".into()),
        ("a@a.test; ö@b.test", format!("a@a.test, ö@b.test {invalid}")),
        ("<ö@[IPv6:::1]>, x@[IPv6:::1]", format!("ö@[IPv6:::1] {invalid}, x@[IPv6:::1]")),
        ("Jörg", format!("Jörg {invalid}")),
        ("Jörg <>", format!("Jörg {invalid}")),
        ("Jörg <joerg@a.test", "Jörg <joerg@a.test>".into()),
        (",, ö ,", format!("ö {invalid}")),
        (&format!("{}: ö@b.test;", "x".repeat(70)), format!("{}: ö@b.test {invalid};", "x".repeat(70))),
        ("\"ö, b@b.test", format!("ö, b@b.test {invalid}")),
    ] {
        assert_eq!(read(&format!("Cc: {value}\r\n\r\n")), format!("Cc: {outcome}\r\n\r\n"), "{value}");
    }
}

#[test]
fn a_name_that_fits_in_one_encoded_word_is_not_cut() {
    for octets in 1..=22 {
        for before in 0..60 {
            let header =
                format!("To: {}@a.test, {} <b@b.test>\r\n\r\n", "a".repeat(before), "ö".repeat(octets));
            assert_eq!(shown(&header).matches("=?UTF-8?B?").count(), 1, "{header}");
            assert_eq!(read(&header), header);
        }
    }
}

#[test]
fn every_field_with_addresses_is_known_in_any_case() {
    for name in ADDRESS_FIELDS {
        for name in [name.to_lowercase(), name.to_uppercase(), format!("{name} ")] {
            let trimmed = name.trim_end();
            let outcome = format!("{trimmed}: ö@a.test <invalid@internationalized-address.invalid>\r\n\r\n");
            assert_eq!(read(&format!("{name}: ö@a.test\r\n\r\n")), outcome);
        }
    }
    assert_eq!(
        shown("Return-Path: <ö@a.test>\r\n\r\n"),
        "Return-Path: <invalid@internationalized-address.invalid>\r\n\r\n"
    );
}

#[test]
fn other_fields_beyond_ascii_are_excised_and_those_in_ascii_are_untouched() {
    let kept = "Received: from a by b;\r\n\t Mon, 1 Jan 2024 00:00:00 +0000\r\nX-a:b\r\nSubject: =?utf-8?q?=C3=B6?=\r\n";
    let lost = "X-Ö: a\r\nMessage-ID: <ö@a.test>\r\nReceived: from ö\r\n by b\r\nDelivered-To: ö@a.test\r\nein Wörtchen\r\n";
    assert_eq!(shown(&format!("{kept}{lost}{kept}\r\n")), format!("{kept}{kept}\r\n"));
    assert_eq!(shown(&format!("{kept}no field\r\n{lost}\r\n")), format!("{kept}no field\r\n\r\n"));
}

#[test]
fn what_needs_no_surrogate_or_can_have_none_stays() {
    for header in [
        &b""[..],
        b"\r\n",
        b"Subject: a\r\n\r\n",
        b"Subject: \xF6\r\n\r\n",
        b"Subject: \xC3\xB6\r\nX: \xC3\r\n\r\n",
        b"Subject: \xED\xA0\x80\r\n\r\n",
        b"no header, Gr\xC3\xBC\xC3\x9Fe\r\n\r\n",
        b"\r\nSubject: \xC3\xB6\r\n\r\n",
        b" Subject: \xC3\xB6\r\n\r\n",
        b"Subj\xC3\xB6: a\r\n\r\n",
    ] {
        assert_eq!(surrogate(header), None, "{header:?}");
    }
}

#[test]
fn headers_are_held_at_their_edges() {
    let header = |octets: usize| format!("Subject: ö\r\nX: {}\r\n\r\n", "x".repeat(octets - 20));
    let most = limits::SCANNED_HEADER_OCTETS;
    for (octets, is_shown) in [(most - 1, true), (most, true), (most + 1, false)] {
        let header = header(octets);
        assert_eq!((header.len(), surrogate(header.as_bytes()).is_some()), (octets, is_shown));
    }
}

#[test]
fn a_field_that_grows_without_measure_is_excised() {
    let addresses = |count: usize| format!("X: a\r\nTo: {}\r\nSubject: ö\r\n\r\n", "ö,".repeat(count));
    assert!(shown(&addresses(100)).contains("\r\nTo: =?"));
    let large = shown(&addresses(limits::SCANNED_HEADER_OCTETS / 3 - 20));
    assert_eq!(large, "X: a\r\nSubject: =?UTF-8?B?w7Y=?=\r\n\r\n");
}

#[test]
fn no_header_makes_it_panic_and_all_come_out_in_ascii() {
    let seed = 6858;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let pieces = [
        "To",
        "Subject",
        "Content-Type",
        "From",
        ":",
        ":",
        ";",
        ",",
        "<",
        ">",
        "(",
        ")",
        "\"",
        "\\",
        "[",
        "]",
        " ",
        "\t",
        "\r\n",
        "\r\n ",
        "\r\n",
        "ö",
        "🦀",
        "a@b",
        "=?",
        "\r",
        "\n",
        "\u{85}",
        "x=y",
    ];
    for _ in 0..20_000 {
        let text: String = (0..random.usize(1..40)).map(|_| pieces[random.usize(..pieces.len())]).collect();
        let header = format!("To: {text}\r\n\r\n");
        if let Some(shown) = surrogate(header.as_bytes()) {
            assert!(shown.is_ascii(), "{header:?}");
            assert!(shown.ends_with(b"\r\n\r\n") || !header.ends_with("\r\n\r\n"), "{header:?}");
            assert_eq!(surrogate(&shown), None);
        }
    }
}

#[test]
fn a_header_ends_behind_its_first_empty_line() {
    for (front, end) in [
        ("a: b\r\n\r\nbody\r\n\r\n", Some(8)),
        ("a: b\r\n\r\n", Some(8)),
        ("\r\nbody\r\n\r\n", Some(2)),
        ("\r\n", Some(2)),
        ("a: b\r\n\r", None),
        ("a: b\r\n", None),
        ("a: b\r\n \r\n", None),
        ("a: b\n\nbody", None),
        ("\r", None),
        ("", None),
    ] {
        assert_eq!(header_end(front.as_bytes()), end, "{front:?}");
    }
}
