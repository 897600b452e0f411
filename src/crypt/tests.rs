//! What crypt(3) of libxcrypt 4.4 made, and what nobody should have.

use super::*;

const X15: &str = "xxxxxxxxxxxxxxx";
const X16: &str = "xxxxxxxxxxxxxxxx";
const X17: &str = "xxxxxxxxxxxxxxxxx";
const P72: &str = "pppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp";
const P73: &str = "ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp";
const Q130: &str = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq\
    qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq";
const CORRECT: &str = "correct horse battery";

/// Made by crypt(3) from Perl.
const MADE: &[(&str, &str)] = &[
    (CORRECT, "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$YAXMK9Llbqk/FSGbrI16AP6p2zwE4UhuWrJZceAG.p2"),
    ("", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$5P1uc1zvKhieqEtKttbwCQrTPXpY1cK9wEnTDKAqLD8"),
    (P72, "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$l7pjYv6QFzpncZvQTwHT6BIvJZ65.2d/q3xe0Mv9D8."),
    ("äö€", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$FzvI5gbGdvmHm6uVTo3m76w4tp2KMwhLorfnVroEWB/"),
    (CORRECT, "$y$j8T$$xTBNtB1DWy12qw4vSyybGhHQL5TZpgkjS.6Py0ef4l/"),
    (P73, "$y$j8T$$OCVbcRbxjtXvC1K4k35xalM01bQJUS7gFx72KyZr2Z7"),
    (
        CORRECT,
        "$6$saltstring$dBHc6z5hpSlx63LLGnlt2xpSGH7T2QL7PJTCjPwajfWh/K10OPeGyl0Oe5VoIANbBgC0gNnRFVE.3uO/lesxj/",
    ),
    (
        "",
        "$6$saltstring$kyGrqt6gmjAdtFLPrflEFifSYLCWWq1pyx95SvqinLDy2UHmj0sTF0MSLMwxPFZc3tu5kQckI8fks0zOPda3n1",
    ),
    (
        "a",
        "$6$saltstring$MO53nAXQUKXVLlsbiXyPgMsR6q10N7eF7sPvanwdXnEeCj5kE3eYaRvFv0wVW1UZ4SnNTzc1v4OCOq1ASDQZY0",
    ),
    (
        X15,
        "$6$saltstring$wfKdg1FjWACRXnNPxOjq3cOeAQszXhyuTEiSpzNaenfY7QuUUoMO7E2AueIyt4PkDo5Q/x/KWPyScmV1cqdiE0",
    ),
    (
        X16,
        "$6$saltstring$wFCH8uiKeyvbBTYRg424TitRgpJJp7e7iWD0kLJnHs/RDIiu6xbX7XrefRYTUpfV2xnWzMkS0B7qVbJ7LuwTz/",
    ),
    (
        Q130,
        "$6$saltstring$Mu1KNjZS.KBdw5haRnwqZErJ519vv/QLhgo2GZObFg0eetmWP3GYBn9ACK33uvnHiklQcR5zXx4HLOZlO7zmr.",
    ),
    (
        "äö€",
        "$6$saltstring$ciY1V8adFbDzp5nR6EN59Wrh3Ezh7K/5IYaLJnae9vroLlVBuMCX3pAXhBlfH9SL.7NWuOZ05lOr3hsJbEmSk0",
    ),
    (
        CORRECT,
        "$6$rounds=1000$0123456789abcdef$TbYNifA6KTHRFleLhDQhraohUgPe11Hcj03JU4l3fHl7FAv3LY211Rkq13A/tbIzbvK0WNT47jYelI5lhs.hD0",
    ),
    (
        X17,
        "$6$rounds=1000$0123456789abcdef$Ds1rpevwLmRmXoALtjiPCSbYCMX0z1dyMz0NM7Ksn4DLf2x6UN0zubT/hGsiUm0ZFlZwyn.S.jdjN3lrZyahy1",
    ),
    (
        Q130,
        "$6$rounds=1000$0123456789abcdef$T5QDtjFGJqZyY2qqEPMI7swa3nlCNfCWH3TwlmlPL6Tqog.48xdUbpOAdZkU/4P5KUctL7PDUsQ7ZBItklWdM/",
    ),
    (CORRECT, "$5$saltstring$Ei5pjI5XWclFQjLDfGOMwlNh9NsZierSPwLy2XgJds6"),
    ("", "$5$saltstring$FdNfA4gXqvCeO6iZs7G/.wwwoywYZqo0l1pwmfWaBA7"),
    ("a", "$5$saltstring$7cz4bTeQ7MnNssphNhFVrITtuJYY/1tdvLL2uzLvOk8"),
    (X15, "$5$saltstring$utOGB2wUyi9XLmcx.CaxD7PNE8dbJ67a.x.yOA3JZU8"),
    (X16, "$5$saltstring$PnY4onZGagLyW213BU5bL91glc1YigDXgoBe48NHVr1"),
    (Q130, "$5$saltstring$JWnnlFqy29sKNPCvc4Ox214k7ejEDx.1hNOum860nA."),
    ("äö€", "$5$saltstring$0tk0xouRXSOZ6xpXBOeSy9uGSgxFbHSb1n/P1xHWQd6"),
    (CORRECT, "$5$rounds=1400$anotherlongsalts$TXI28J0NocwA0EsOjoW5fgAYe9X/jBa.gCNZdy5UDN3"),
    (X17, "$5$rounds=1400$anotherlongsalts$HiDClxfI2OYbMK/JgmXSBAb0bwS/350wzmlJvm1RzZ3"),
    (Q130, "$5$rounds=1400$anotherlongsalts$ybphbMdzOvSlfnKO//VWn.5WOMbxU.g2NSpkbg//7/3"),
    (CORRECT, "$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo."),
    ("", "$2b$05$abcdefghijklmnopqrstuu0oImNDIy4flhldV9YqunRgBAePKmw7m"),
    (P72, "$2b$05$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG"),
    (P73, "$2b$05$abcdefghijklmnopqrstuueTFRGDqVFTIfwSnwEw/V4ZpLYuQbKSG"),
    (Q130, "$2b$05$abcdefghijklmnopqrstuugxhzO9KcrgZBsxblRG5f43THYk3S96q"),
    ("äö€", "$2b$05$abcdefghijklmnopqrstuujqAcbhwfOlqgaQpm5ZTPpwnOpUmqv4q"),
    (CORRECT, "$2a$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS"),
    ("äö€", "$2a$04$abcdefghijklmnopqrstuulghwRP6R4jivR1GYyMxPTbLy3HwfgNW"),
    (CORRECT, "$2y$04$......................yqKybrYN1gfi6yNZruor7MV8yF80Yo."),
    ("äö€", "$2y$04$......................lf7PVNrPyaxaoPFO1N/kaCW3635s/Oa"),
    (CORRECT, "$1$saltsalt$UevX3RQ4rPNbqFqf8dVFn."),
    ("", "$1$saltsalt$5Jhcit4zN9UlGiA0txPkO0"),
    ("a", "$1$saltsalt$MzDjbImyzEz2m0NTiPzNW/"),
    (X16, "$1$saltsalt$VAeOIBZkIkZ3oIWL3NWV51"),
    (X17, "$1$saltsalt$Y9ypZFJoGoPCqgoCb6XXK0"),
    (Q130, "$1$saltsalt$ql2jNE34hQB2jAmE39.8R0"),
    ("äö€", "$1$saltsalt$FjL/aac6md.yzCk3E5LB90"),
    (CORRECT, "$1$s$QUQUTF7yMcQ/sF9LQW4Xu1"),
];

/// From the documents of their kinds: Drepper's paper, and the test of crypt_blowfish.
const PUBLISHED: &[(&str, &str)] = &[
    (
        "Hello world!",
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
    ),
    ("Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    (
        "Hello world!",
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
    ),
    ("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    ("U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
];

fn outcome(field: &str, password: &str) -> Outcome {
    verify(field, &Secret::new(password), false)
}

#[test]
fn each_kind_takes_the_password_that_crypt_made_it_of_and_no_other_s_215() {
    for (password, field) in MADE.iter().chain(PUBLISHED) {
        let allows_old = field.starts_with("$1$");
        let hash = Hash::parse(field, allows_old).unwrap_or_else(|reason| panic!("{field}: {reason:?}"));
        assert_eq!(hash.to_string(), *field);
        assert_eq!(verify(field, &Secret::new(*password), allows_old), Outcome::Right, "{password} {field}");
        let other = format!("b{password}");
        assert_eq!(verify(field, &Secret::new(other), allows_old), Outcome::Wrong, "{field}");
    }
}

#[test]
fn a_hash_with_one_sign_changed_is_of_another_password() {
    for (password, field) in MADE.iter().filter(|(password, _)| *password == CORRECT) {
        let (rest, last) = field.split_at(field.len() - 2);
        let changed = format!("{rest}{}{}", if last.starts_with('.') { '/' } else { '.' }, &last[1..]);
        let outcome = verify(&changed, &Secret::new(*password), true);
        assert!(matches!(outcome, Outcome::Wrong | Outcome::Refused(Reason::Malformed)), "{changed}");
    }
}

#[test]
fn locked_and_empty_fields_let_nobody_in_s_210() {
    let hash = MADE[0].1;
    for field in ["!", "!!", "*", "!*", "*LK*", "*0", &format!("!{hash}"), &format!("*{hash}")] {
        for password in ["", CORRECT, "!", "*"] {
            assert_eq!(outcome(field, password), Outcome::Refused(Reason::Locked), "{field}");
        }
    }
    assert_eq!(outcome("", ""), Outcome::Refused(Reason::Empty));
    assert_eq!(outcome("", CORRECT), Outcome::Refused(Reason::Empty));
}

#[test]
fn kinds_that_are_not_taken_are_named_s_215() {
    for (field, reason) in [
        ("$7$CU..../....abcdefgh$T0sduvKxu8wrIjSE2QDlEIQ24zoUNt7XmCAyI.79rw6", Reason::Scrypt),
        ("$gy$j9T$F5Jx5fExrKuPp53xLKQ..1$3vaJEj.EQFNwxqXgxrAb0zENEKPjgY8dCuXu/WESUm4", Reason::GostYescrypt),
        ("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA", Reason::Argon2),
        ("$1$saltsalt$DeZ6.3ZvfHBYV6SOxz6pZ.", Reason::Md5),
        ("abzlUXK5ed5rs", Reason::Des),
        ("_J9..rasmBYk8r9AiWNc", Reason::Des),
        ("$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", Reason::Unknown),
        ("$sha1$40000$jtNX3nZ2$hBNaIXkt4wBI2o5rsi8KejSjNqIq", Reason::Unknown),
        ("$md5,rounds=5000$GUBv0xjJ$$mSwgIswdjlTY0YxV7HBVm0", Reason::Unknown),
        ("$3$$8846f7eaee8fb117ad06bdd830b7586c", Reason::Unknown),
        ("$$", Reason::Unknown),
        ("$Y$j9T$a$b", Reason::Unknown),
    ] {
        assert_eq!(outcome(field, CORRECT), Outcome::Refused(reason), "{field}");
    }
    assert_eq!(
        verify("abzlUXK5ed5rs", &Secret::new("pw"), true),
        Outcome::Refused(Reason::Des),
        "allowed or not"
    );
}

#[test]
fn costs_are_held_at_their_edges_s_216() {
    let salted = |front: &str, back: usize| format!("{front}$saltstring${}", ".".repeat(back));
    for (rounds, wanted) in [
        ("1000", None),
        ("999999", None),
        ("1000000", None),
        ("1000001", Some(Reason::TooCostly)),
        ("999999999", Some(Reason::TooCostly)),
        ("9999999999", Some(Reason::Malformed)),
        ("999", Some(Reason::Malformed)),
        ("01000", Some(Reason::Malformed)),
        ("+1000", Some(Reason::Malformed)),
        ("-1", Some(Reason::Malformed)),
        ("", Some(Reason::Malformed)),
        ("5000x", Some(Reason::Malformed)),
    ] {
        for (kind, signs) in [("$6", 86), ("$5", 43)] {
            let field = salted(&format!("{kind}$rounds={rounds}"), signs);
            assert_eq!(Hash::parse(&field, false).err(), wanted, "{field}");
        }
    }
    for (cost, wanted) in [
        ("03", Some(Reason::Malformed)),
        ("04", None),
        ("13", None),
        ("14", None),
        ("15", Some(Reason::TooCostly)),
        ("31", Some(Reason::TooCostly)),
        ("32", Some(Reason::Malformed)),
        ("+4", Some(Reason::Malformed)),
        ("4", Some(Reason::Malformed)),
    ] {
        let field = format!("$2b${cost}${}", ".".repeat(53));
        assert_eq!(Hash::parse(&field, false).err(), wanted, "{field}");
    }
    // 2^14 blocks of 32 are 64 MiB; with 31 and 33 it is one below and one above.
    for (parameters, wanted) in [
        ("jBS", None),
        ("jBT", None),
        ("jBU", Some(Reason::TooCostly)),
        ("jCT", Some(Reason::TooCostly)),
        ("jjj", Some(Reason::TooCostly)),
        ("j75", None),
        ("j65", Some(Reason::Malformed)),
        ("j.5", Some(Reason::Malformed)),
        ("j9", Some(Reason::Malformed)),
        ("i9T", Some(Reason::Malformed)),
        ("j9T.", Some(Reason::Malformed)),
        ("j95.0", Some(Reason::Malformed)),
        ("j9z", Some(Reason::Malformed)),
        ("/9T", Some(Reason::Malformed)),
        ("", Some(Reason::Malformed)),
    ] {
        let field = format!("$y${parameters}$abcd${}", ".".repeat(43));
        assert_eq!(Hash::parse(&field, false).err(), wanted, "{field}");
    }
}

#[test]
fn what_is_no_hash_of_its_kind_is_malformed() {
    let signs = |count: usize| ".".repeat(count);
    for field in [
        "x".into(),
        "$".into(),
        "$6".into(),
        "$6$".into(),
        "$6$salt".into(),
        format!("$6$salt${}", signs(85)),
        format!("$6$salt${}", signs(87)),
        format!("$6$salt${}-", signs(85)),
        format!("$6$salt${}$", signs(86)),
        format!("$6$${}", signs(86)),
        format!("$6$saltsaltsaltsalts${}", signs(86)),
        format!("$6$sa lt\u{e9}${}", signs(86)),
        format!("$6$sa\nlt${}", signs(86)),
        format!("$6$rounds=5000salt${}", signs(86)),
        format!("$5$salt${}", signs(86)),
        format!("$2b$05${}", signs(52)),
        format!("$2b$05${}", signs(54)),
        format!("$2b$05$./{}", signs(51) + "\u{e9}"),
        format!("$2b$05${}/{}", signs(21), signs(31)),
        format!("$2b$05${}/", signs(52)),
        format!("$y$j9T$.${}", signs(43)),
        format!("$y$j9T$zz${}", signs(43)),
        format!("$y$j9T${}${}", signs(87), signs(43)),
        format!("$y$j9T$abcd${}", signs(42)),
        format!("$y$j9T$abcd${}$", signs(43)),
        format!("$y$j9T$ab:d${}", signs(43)),
        format!("$7{}", signs(400)),
    ] {
        assert_eq!(outcome(&field, CORRECT), Outcome::Refused(Reason::Malformed), "{field}");
    }
    let md5 = |field: &str| verify(field, &Secret::new(CORRECT), true);
    for field in
        ["$1$", "$1$salt", "$1$saltsalts$......................", "$1$$......................", "$1$a$x"]
    {
        assert_eq!(md5(field), Outcome::Refused(Reason::Malformed), "{field}");
    }
}

/// crypt(3) would end it at the NUL: then `secret\0x` were as good as `secret`.
#[test]
fn a_password_that_crypt_would_not_take_is_wrong() {
    let (password, field) = MADE[4];
    assert_eq!(outcome(field, password), Outcome::Right);
    assert_eq!(outcome(field, &format!("{password}\0")), Outcome::Wrong);
    let field = MADE.iter().find(|(password, field)| *password == P72 && field.starts_with("$2b")).unwrap().1;
    let long = |octets: usize| outcome(field, &"p".repeat(octets));
    let most = limits::CRYPT_PASSWORD_OCTETS;
    assert_eq!((long(most - 1), long(most)), (Outcome::Right, Outcome::Right), "bcrypt ends at 72");
    assert_eq!(long(most + 1), Outcome::Wrong);
}
