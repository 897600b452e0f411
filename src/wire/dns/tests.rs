//! Tests of what name servers may say, well and badly.

use super::*;

#[test]
fn a_question_is_what_the_definition_draws() {
    let octets = question("Example.com", Kind::Mx).octets();
    assert_eq!(octets, b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x0F\0\x01");
    assert_eq!(Question { id: 1, name: Name::root(), kind: Kind::Ns }.octets()[12..], *b"\0\0\x02\0\x01");
}

#[test]
fn names_are_read_and_refused_at_their_limits() {
    let label = "a".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    for good in ["a", "a.b", "a.b.", "_dmarc.example.com", "xn--bcher-kva.example", &label, &longest] {
        let name = Name::new(good).unwrap();
        let octets = Question { id: 1, name: name.clone(), kind: Kind::A }.octets();
        let mut reader = Reader::new(&octets);
        reader.take(12);
        assert_eq!(reader.name(), Some(name), "{good}");
    }
    let (long_label, too_long) = ("a".repeat(64), format!("{longest}b"));
    for bad in ["", ".", "a..b", ".a", "a b", "a\0", "b\u{FC}cher", "a@b", &long_label, &too_long] {
        assert_eq!(Name::new(bad), None, "{bad:?}");
    }
}

#[test]
fn exchangers_come_in_the_order_of_the_answer_with_compressed_names() {
    let mut message = reply(0, 2);
    message.extend(b"\xC0\x0C\0\x0F\0\x01\0\0\0\x3C\0\x07\0\x14\x02mx\xC0\x0C");
    message.extend(b"\xC0\x0C\0\x0F\0\x01\0\0\0\x3C\0\x0A\0\x0A\x02MX\x03lan\0");
    let answer = asked().answer(&message).unwrap();
    assert_eq!(answer.records, [exchanger(20, "mx.example.com"), exchanger(10, "mx.lan")]);
    assert_eq!((answer.outcome, answer.is_cut), (Outcome::Answered, false));
}

#[test]
fn aliases_are_followed_and_what_is_about_others_is_left() {
    let mut message = Builder::new(0);
    message.record("example.com", 5, &wire("b.example"));
    message.record("other.example", 15, &mx(5, "evil.example"));
    message.record("B.Example", 5, &wire("c.example"));
    message.record("c.example", 15, &mx(10, "mail.example"));
    let answer = asked().answer(&message.done()).unwrap();
    assert_eq!(answer.name.as_str(), "c.example");
    assert_eq!(answer.records, [exchanger(10, "mail.example")]);
}

#[test]
fn aliases_in_a_circle_or_too_many_are_refused() {
    let mut circle = Builder::new(0);
    circle.record("example.com", 5, &wire("b.example"));
    circle.record("b.example", 5, &wire("example.com"));
    assert_eq!(asked().answer(&circle.done()), Err(NoAnswer::Garbled));
    for (count, is_good) in [(7, true), (8, true), (9, false)] {
        let mut chain = Builder::new(0);
        let name = |number: usize| if number == 0 { "example.com".into() } else { format!("a{number}.lan") };
        (0..count).for_each(|number| chain.record(&name(number), 5, &wire(&name(number + 1))));
        assert_eq!(asked().answer(&chain.done()).is_ok(), is_good, "{count}");
    }
}

#[test]
fn a_null_mx_names_the_root() {
    let mut message = Builder::new(0);
    message.record("example.com", 15, &mx(0, ""));
    let answer = asked().answer(&message.done()).unwrap();
    let [Record::Exchanger { preference: 0, host }] = answer.records.as_slice() else { panic!("{answer:?}") };
    assert!(host.is_root());
}

#[test]
fn what_answers_another_question_is_a_stray_s_137() {
    let good = reply(0, 0);
    assert!(asked().answer(&good).is_ok());
    let changed = |at: usize, to: u8| {
        let mut message = good.clone();
        message[at] = to;
        message
    };
    for (what, message) in [
        ("another number", changed(0, 0x13)),
        ("a question", changed(2, 0)),
        ("another operation", changed(2, 0x88)),
        ("no question", changed(5, 0)),
        ("two questions", changed(5, 2)),
        ("another name", changed(13, b'x')),
        ("another kind", changed(26, 1)),
        ("another class", changed(28, 3)),
    ] {
        assert_eq!(asked().answer(&message), Err(NoAnswer::Stray), "{what}");
    }
    assert!(asked().answer(&changed(13, b'E')).is_ok(), "letters of the name may be capitals");
}

#[test]
fn a_name_servers_failures_are_told_apart() {
    for (number, outcome) in
        [(0, Outcome::Answered), (2, Outcome::Failed(2)), (3, Outcome::NoSuchName), (5, Outcome::Failed(5))]
    {
        assert_eq!(asked().answer(&reply(number, 0)).unwrap().outcome, outcome);
    }
    // Who could not read the question does not repeat it.
    let short = &reply(1, 0)[..12];
    let mut short = short.to_vec();
    short[5] = 0;
    assert_eq!(asked().answer(&short).unwrap().outcome, Outcome::Failed(1));
    short[3] = 3;
    assert_eq!(asked().answer(&short), Err(NoAnswer::Stray));
}

#[test]
fn an_answer_that_is_cut_says_so_and_one_that_is_not_must_be_whole() {
    let mut message = Builder::new(0);
    message.record("example.com", 15, &mx(10, "mail.example"));
    let mut octets = message.done();
    octets.pop();
    assert_eq!(asked().answer(&octets), Err(NoAnswer::Garbled));
    octets[2] |= 2;
    let answer = asked().answer(&octets).unwrap();
    assert!(answer.is_cut && answer.records.is_empty());
}

#[test]
fn pointers_never_lead_in_circles() {
    for target in [29_u8, 30, 31, 0xFF] {
        let mut message = reply(0, 1);
        message.extend([0xC0, target]);
        message.extend(b"\0\x0F\0\x01\0\0\0\0\0\x03\0\x0A\0");
        assert_eq!(asked().answer(&message), Err(NoAnswer::Garbled), "{target}");
    }
    // Two that point at one another.
    let mut message = reply(0, 1);
    message.extend(b"\x01a\xC0\x21\xC0\x1D\0\x0F\0\x01\0\0\0\0\0\x03\0\x0A\0");
    assert_eq!(asked().answer(&message), Err(NoAnswer::Garbled));
}

#[test]
fn a_name_has_255_octets_and_not_one_more() {
    let label = |length: u8| [&[length][..], &vec![b'a'; usize::from(length)]].concat();
    for (last, is_good) in [(60, true), (61, true), (62, false)] {
        let octets = [label(63), label(63), label(63), label(last), vec![0]].concat();
        assert_eq!(Reader::new(&octets).name().is_some(), is_good, "{last}");
    }
}

#[test]
fn strange_octets_of_a_name_are_shown_harmlessly_and_make_no_host() {
    let octets = b"\x04a.\nb\x02\xFF\0\0";
    let name = Reader::new(octets).name().unwrap();
    assert_eq!(name.as_str(), "a\\046\\010b.\\255\\000");
    assert!(!name.is_host());
    for (text, is_host) in
        [("mail.example", true), ("192.0.2.1", false), ("3com.example", true), ("1", false)]
    {
        assert_eq!(Name::new(text).unwrap().is_host(), is_host, "{text}");
    }
    assert!(!Name::root().is_host());
}

#[test]
fn a_thousand_addresses_are_taken_and_no_more_s_137() {
    for (count, kept) in [(999, 999), (1000, 1000), (1001, 1000)] {
        let mut message = Builder::new(0);
        message.kind = Kind::A;
        (0..count).for_each(|_| message.record("example.com", 1, &[192, 0, 2, 1]));
        let answer = question("example.com", Kind::A).answer(&message.done()).unwrap();
        assert_eq!(answer.records.len(), kept);
    }
}

#[test]
fn content_of_a_wrong_length_is_garbled() {
    for (kind, number, content) in [
        (Kind::A, 1, &[192, 0, 2][..]),
        (Kind::A, 1, &[192, 0, 2, 1, 1]),
        (Kind::Aaaa, 28, &[0; 15]),
        (Kind::Aaaa, 28, &[0; 17]),
        (Kind::Mx, 15, &[0, 1]),
        (Kind::Mx, 15, &[0, 1, 0, 0]),
        (Kind::Ns, 2, &[]),
    ] {
        let mut message = Builder::new(0);
        message.kind = kind;
        message.record("example.com", number, content);
        let asked = question("example.com", kind);
        assert_eq!(asked.answer(&message.done()), Err(NoAnswer::Garbled), "{kind:?} {}", content.len());
    }
}

#[test]
fn no_octets_make_it_panic() {
    let mut whole = Builder::new(0);
    whole.record("example.com", 5, &wire("b.example"));
    whole.record("b.example", 15, &mx(10, "mail.example"));
    let whole = whole.done();
    for cut in 0..whole.len() {
        assert!(asked().answer(&whole[..cut]).is_err(), "{cut}");
    }
    let mut random = fastrand::Rng::with_seed(137);
    for at in 0..whole.len() {
        for value in [0, 1, 0x3F, 0x40, 0x80, 0xC0, 0xFF, random.u8(..)] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            if let Ok(answer) = asked().answer(&damaged) {
                assert!(answer.records.len() <= 2);
            }
        }
    }
}

fn asked() -> Question {
    question("example.com", Kind::Mx)
}

fn question(name: &str, kind: Kind) -> Question {
    Question { id: 0x1234, name: Name::new(name).unwrap(), kind }
}

fn exchanger(preference: u16, host: &str) -> Record {
    Record::Exchanger { preference, host: Name::new(host).unwrap() }
}

/// The beginning of a reply to `asked`, with so many answers to follow.
fn reply(outcome: u8, answers: u8) -> Vec<u8> {
    let mut octets = asked().octets();
    (octets[2], octets[3], octets[7]) = (0x81, 0x80 | outcome, answers);
    octets
}

struct Builder {
    outcome: u8,
    kind: Kind,
    records: Vec<Vec<u8>>,
}

impl Builder {
    fn new(outcome: u8) -> Builder {
        Builder { outcome, kind: Kind::Mx, records: Vec::new() }
    }

    fn record(&mut self, owner: &str, kind: u16, content: &[u8]) {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        let front = [&wire(owner)[..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &length].concat();
        self.records.push([&front, content].concat());
    }

    fn done(self) -> Vec<u8> {
        let mut octets = question("example.com", self.kind).octets();
        (octets[2], octets[3]) = (0x81, 0x80 | self.outcome);
        octets[6..8].copy_from_slice(&u16::try_from(self.records.len()).unwrap().to_be_bytes());
        octets.extend(self.records.concat());
        octets
    }
}

fn wire(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    Name::new(name).unwrap_or_default().write(&mut out);
    out
}

fn mx(preference: u16, host: &str) -> Vec<u8> {
    [&preference.to_be_bytes()[..], &wire(host)].concat()
}
