//! LDAP: no filter or name is changed by what a user is called, and whatever a server says, segments don't matter and
//! only the answer to the question is taken. RFC 4511, RFC 4515.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::ldap::{
    Answer, Channel, Client, Event, Filter, NameTemplate, Names, Next, Question, Refusal, Scope, Search,
};
use poppet::mail::Secret;
use poppet::wire::ber::{Reader, Tag};
use poppet_fuzz::choices::{Choices, Cuts};

fuzz_target!(|input: &[u8]| {
    let Some((mut choices, said)) = Choices::take(input) else { return };
    let kind = choices.one_of(4);
    let cuts = Cuts::drawn(choices.octet());
    match kind {
        3 => texts(said),
        kind => {
            let (whole, segments) = (talk(kind, said, Cuts::Whole), talk(kind, said, cuts));
            // A server that speaks on behind its answer is caught with the answer, or at the next question.
            let is_early = |next: &Next| matches!(next, Next::Answer(_) | Next::Secure);
            assert!(whole == segments || is_early(&segments), "segments matter: {whole:?} and {segments:?}");
        }
    }
});

/// What a client makes of a server's octets.
fn talk(kind: u8, said: &[u8], cuts: Cuts) -> Next {
    let mut client = Client::new(if kind == 0 { Channel::BeforeTls } else { Channel::Tls });
    let question = match kind {
        0 => Question::StartTls,
        1 => Question::Bind { name: "cn=alice".into(), password: Secret::new("secret") },
        _ => {
            let (base, filter) = ("dc=home".into(), Filter::of_everything());
            Question::Search(Search {
                base,
                scope: Scope::Subtree,
                filter,
                attributes: &["entryUUID"],
                seconds: 5,
            })
        }
    };
    client.ask(&question).expect("it may be asked");
    let mut last = Next::Read;
    for piece in cuts.pieces(said) {
        last = client.handle(Event::Octets(piece));
        if last != Next::Read {
            break;
        }
    }
    let is_fitting = match (&last, kind) {
        (Next::Read | Next::Drop(_), _) | (Next::Secure, 0) => true,
        (Next::Answer(Answer::NotSecured(outcome)), 0) => !outcome.is_success(),
        (Next::Answer(Answer::Bound(_)), 1) => true,
        (Next::Answer(Answer::Found(entries, _)), 2) => {
            entries.iter().all(|entry| entry.value("entryUUID").is_none_or(|value| value.len() <= said.len()))
        }
        _ => false,
    };
    assert!(is_fitting, "an answer is taken for another question: {last:?}");
    if let Next::Answer(_) | Next::Secure = last {
        assert!(answers_the_first(said), "an answer to another question is taken");
    }
    if let Next::Drop(_) = last {
        let again = client.ask(&question);
        assert!(
            matches!(again, Err(Refusal::NotNow | Refusal::Clear)) || kind == 0 && again.is_err(),
            "it is used again"
        );
    }
    last
}

/// Whether every message up to the answer has the question's number, which is 1.
fn answers_the_first(said: &[u8]) -> bool {
    let mut stream = Reader::new(said);
    while let Ok(mut message) = stream.inside(Tag::SEQUENCE) {
        if message.integer(Tag::INTEGER) != Ok(1) {
            return false;
        }
        if !matches!(message.peek(), Some(Tag(0x64 | 0x73))) {
            return true;
        }
    }
    false
}

/// The first line is a user's name, the second a template.
fn texts(said: &[u8]) {
    let Ok(text) = std::str::from_utf8(said) else { return };
    let Some((user, template)) = text.split_once('\n') else { return };
    let names = |user: &str| Names {
        address: format!("{user}@home.lan"),
        user: user.into(),
        domain: "home.lan".into(),
    };
    if let Ok(filter) = Filter::parse(template) {
        let shape = shape(&filter.fill(&names("bob")));
        // Where a value is empty a part of a substring is left out.
        if !user.is_empty() {
            assert_eq!(self::shape(&filter.fill(&names(user))), shape, "a name changes a filter");
        }
    }
    if let Ok(template) = NameTemplate::parse(template) {
        let parts = |name: &str| name.matches([',', '=', '+', '"', ';', '<', '>']).count();
        let filled = template.fill(&names(user));
        assert_eq!(parts(&filled), parts(&template.fill(&names("bob"))), "a name changes a DN");
    }
}

/// The tags of all elements in their order: what a filter is beside its values.
fn shape(filter: &[u8]) -> Vec<(usize, u8)> {
    let (mut tags, mut open) = (Vec::new(), vec![Reader::new(filter)]);
    while let Some(mut reader) = open.pop() {
        let depth = open.len();
        let Some(tag) = reader.peek() else { continue };
        let element = reader.take().expect("a filter is written wrongly");
        tags.push((depth, tag.0));
        open.push(reader);
        if tag.is_constructed() {
            open.push(Reader::new(element.content));
        }
    }
    tags
}
