//! Answers of name servers: only what answers the question is taken, and names are what the definition says. RFC 1035 §4.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::limits;
use poppet::wire::dns::{Answer, Kind, Name, NoAnswer, Question, Record};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, said)) = input.split_first() else { return };
    let kind = [Kind::Mx, Kind::A, Kind::Aaaa, Kind::Ns][usize::from(choice % 4)];
    let name = Name::new("mail.example").expect("it is a name");
    let question = Question { id: 0x1234, name, kind };
    as_it_is(&question, said);
    behind_the_question(&question, choice, said);
    as_one_record(&Question { kind: Kind::Mx, ..question }, said);
});

/// What anybody may send.
fn as_it_is(question: &Question, said: &[u8]) {
    let Ok(answer) = question.answer(said) else { return };
    assert!(said.starts_with(&[0x12, 0x34]) && said[2] & 0x80 != 0, "a stray is taken");
    check(&answer, question.kind);
}

/// What comes from who knows the question: with so many records as he likes.
fn behind_the_question(question: &Question, choice: u8, said: &[u8]) {
    let mut message = question.octets();
    let after_question = message.len();
    (message[2], message[7]) = (0x80 | choice & 2, choice / 4);
    message.extend(said);
    let read = question.answer(&message);
    if let Ok(answer) = &read {
        check(answer, question.kind);
        assert!(answer.records.len() <= usize::from(choice / 4), "more is read than was said");
    }
    assert_ne!(read, Err(NoAnswer::Stray), "an answer is passed over");
    if choice & 2 == 0 && read.is_ok() {
        message.push(0);
        assert_eq!(question.answer(&message), read, "what is behind an answer counts");
    }
    message[after_question - 1] ^= 1;
    assert_eq!(question.answer(&message), Err(NoAnswer::Stray), "a stray is taken");
}

/// As what one record of mail exchangers holds, in front of which anything may stand.
fn as_one_record(question: &Question, said: &[u8]) {
    let half = said.len() / 2;
    let mut message = question.octets();
    (message[2], message[7]) = (0x80, 2);
    let filler = &said[..half];
    // A text about the root, to which names may point.
    message.extend(b"\0\0\x10\0\x01\0\0\0\0");
    message.extend((filler.len() as u16).to_be_bytes());
    message.extend(filler);
    let host = &said[half..];
    message.extend(b"\xC0\x0C\0\x0F\0\x01\0\0\0\0");
    message.extend((host.len() as u16 + 2).to_be_bytes());
    message.extend(b"\0\x07");
    let begin = message.len();
    message.extend(host);
    let due = by_the_definition(&message, begin, limits::DOMAIN_OCTETS)
        .filter(|(_, end)| *end == message.len())
        .map(|(labels, _)| shown(&labels));
    let read = question.answer(&message).ok().map(|answer| match answer.records.as_slice() {
        [Record::Exchanger { preference: 7, host }] => host.as_str().to_owned(),
        other => panic!("one record is read as {other:?}"),
    });
    assert_eq!(read, due, "a name is read otherwise");
}

/// The labels of a name and where it ends; the room is what its octets may have.
fn by_the_definition(octets: &[u8], begin: usize, room: usize) -> Option<(Vec<&[u8]>, usize)> {
    let (mut labels, mut at, mut room) = (Vec::new(), begin, room);
    loop {
        let length = usize::from(*octets.get(at)?);
        match length / 64 {
            0 if length == 0 => return (room > 0).then_some((labels, at + 1)),
            0 => {
                labels.push(octets.get(at + 1..at + 1 + length)?);
                // One octet is for the root.
                room = room.checked_sub(1 + length).filter(|room| *room > 0)?;
                at += 1 + length;
            }
            3 => {
                let target = length % 64 * 256 + usize::from(*octets.get(at + 1)?);
                if target >= begin {
                    return None;
                }
                labels.extend(by_the_definition(octets, target, room)?.0);
                return Some((labels, at + 2));
            }
            _ => return None,
        }
    }
}

fn shown(labels: &[&[u8]]) -> String {
    let shown = labels.iter().map(|label| {
        let octet = |octet: &u8| match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => {
                char::from(octet.to_ascii_lowercase()).to_string()
            }
            other => format!("\\{other:03}"),
        };
        label.iter().map(octet).collect::<String>()
    });
    shown.collect::<Vec<_>>().join(".")
}

fn check(answer: &Answer, kind: Kind) {
    assert!(answer.records.len() <= limits::DNS_RECORDS, "too much is kept");
    check_name(&answer.name);
    for record in &answer.records {
        match (kind, record) {
            (Kind::A, Record::Address(address)) => assert!(address.is_ipv4(), "a family is mistaken"),
            (Kind::Aaaa, Record::Address(address)) => assert!(address.is_ipv6(), "a family is mistaken"),
            (Kind::Mx, Record::Exchanger { host, .. }) => check_name(host),
            (Kind::Ns, Record::Other) => {}
            other => panic!("a record is of another kind: {other:?}"),
        }
    }
}

fn check_name(name: &Name) {
    let text = name.as_str();
    assert!(text.len() <= 4 * limits::DOMAIN_OCTETS, "a name is too long");
    assert!(text.bytes().all(|octet| octet.is_ascii_graphic()), "a name could harm a log: {text:?}");
    assert!(!name.is_host() || Name::new(text).as_ref() == Some(name), "a host has two names");
}
