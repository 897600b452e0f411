//! Inputs that say their own lengths, so that no text repeated makes one: of directories, certificates and helpers.

use std::hint::black_box;

use base64ct::{Base64, Encoding};
use poppet::ldap::{Answer, Channel, Client, Event, Filter, Next, Question, Scope, Search};
use poppet::local::Files;
use poppet::mail::{HopTls, Secret};
use poppet::sasl::{Channel as SaslChannel, Mechanism, Relayed, Seed, Step, Terms, ntlm};
use poppet::smtp::client;
use poppet::wire::ber::{Reader, Tag, Writer};
use poppet::wire::dns;
use poppet::{cert, limits};

/// Something to read: an input of so many octets, its reader, which says whether it takes it, and whether it should.
pub struct Structure {
    pub what: &'static str,
    pub make: fn(usize) -> Vec<u8>,
    pub read: fn(&[u8]) -> bool,
    pub is_taken: bool,
    pub most_octets: usize,
}

/// Of each reader what may be there often, and what may be long.
pub const STRUCTURES: &[Structure] = &[
    taken("elements", |octets| of_small(octets, 2, |all| all.element(Tag::NULL, b"")), walk, MANY),
    refused("elements in elements", nested, go_down, MANY),
    taken("attributes of an entry", attributes, |octets| ask(octets, octets.len()), MANY),
    taken("attributes octet by octet", attributes, |octets| ask(octets, 1), MANY),
    taken("values of an attribute", values, |octets| ask(octets, octets.len()), MANY),
    refused("references", references, |octets| ask(octets, octets.len()), MANY),
    taken("a diagnostic", diagnostic, |octets| ask(octets, 7), MANY),
    taken("extensions", extensions, read_certificate, limits::CLIENT_CERTIFICATE_OCTETS),
    refused("names of a certificate", names, read_certificate, limits::CLIENT_CERTIFICATE_OCTETS),
    taken("purposes", purposes, read_certificate, limits::CLIENT_CERTIFICATE_OCTETS),
    taken("parts of a subject", subject, read_certificate, limits::CLIENT_CERTIFICATE_OCTETS),
    taken("revoked certificates", revoked, read_revocations, limits::CERTIFICATE_FILE_OCTETS),
    taken("a PEM block", |octets| pem(&[octets]), read_pem, limits::CERTIFICATE_FILE_OCTETS),
    taken("PEM blocks", |octets| pem(&vec![1; octets / 60]), read_pem, limits::CERTIFICATE_FILE_OCTETS),
    refused("lines of passwd", |octets| lines("a:x:1:1:::\n", octets), |text| find(text, b"", b""), MANY),
    refused("lines of group", |octets| lines("a:x:1:b\n", octets), |text| find(ALICE, SHADOW, text), MANY),
    refused(
        "lines of shadow",
        |octets| lines("a:b:1::::::\n", octets),
        |text| find(ALICE, text, GROUP),
        MANY,
    ),
    taken("members of a group", members, |text| find(ALICE, SHADOW, text), MANY),
    taken("an NTLM response", authenticate, |octets| respond(octets, false), limits::SASL_LINE_OCTETS / 2),
    taken("whom an NTLM message names", authenticate, sender, limits::SASL_LINE_OCTETS / 2),
    taken("one to be passed on", authenticate, |octets| respond(octets, true), limits::SASL_LINE_OCTETS / 2),
    taken("a challenge of ntlm_auth", |octets| vec![b'x'; octets], challenge, limits::SASL_LINE_OCTETS / 2),
    taken("exchangers of a domain", |octets| records(octets, b"\xC0\x0C"), exchangers, MANY),
    taken(
        "exchangers with long names",
        |octets| records(octets, &[&b"\x01a".repeat(120)[..], b"\0"].concat()),
        exchangers,
        MANY,
    ),
];

type Make = fn(usize) -> Vec<u8>;
type Read = fn(&[u8]) -> bool;

const fn taken(what: &'static str, make: Make, read: Read, most_octets: usize) -> Structure {
    Structure { what, make, read, is_taken: true, most_octets }
}

const fn refused(what: &'static str, make: Make, read: Read, most_octets: usize) -> Structure {
    Structure { what, make, read, is_taken: false, most_octets }
}

const MANY: usize = 50_000;
const ALICE: &[u8] = b"alice:x:1000:1000:::\n";
const SHADOW: &[u8] = b"alice:!:20000:0:99999:7:::\n";
const GROUP: &[u8] = b"poppet-users:x:7:alice\n";

/// Kinds that differ, in three octets each, as extensions are named.
pub fn extensions(octets: usize) -> Vec<u8> {
    certificate(b"0\0", |list| {
        for number in 0..(octets - 100) / 9 {
            list.inside(Tag::SEQUENCE, |extension| {
                extension.element(Tag::OBJECT_IDENTIFIER, &[0x55, (number >> 8) as u8, number as u8]);
                extension.element(Tag::OCTET_STRING, b"");
            });
        }
    })
}

/// A certificate of that subject, with those extensions; nobody has signed it.
fn certificate(subject: &[u8], extensions: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |signed| {
        signed.inside(Tag::SEQUENCE, |fields| {
            fields.inside(Tag::context(0, true), |version| version.integer(Tag::INTEGER, 2));
            fields.integer(Tag::INTEGER, 7);
            (0..2).for_each(|_| fields.element(Tag::SEQUENCE, b""));
            fields.inside(Tag::SEQUENCE, |validity| {
                (0..2).for_each(|_| validity.element(Tag::UTC_TIME, b"260101000000Z"));
            });
            fields.written(subject);
            fields.element(Tag::SEQUENCE, b"key");
            fields.inside(Tag::context(3, true), |wrapped| wrapped.inside(Tag::SEQUENCE, extensions));
        });
        signed.element(Tag::SEQUENCE, b"");
        signed.element(Tag::BIT_STRING, b"\0signature");
    });
    writer.finish()
}

fn extension(list: &mut Writer, kind: &[u8], octets: usize, small: impl Fn(&mut Writer)) {
    list.inside(Tag::SEQUENCE, |extension| {
        extension.element(Tag::OBJECT_IDENTIFIER, kind);
        let value = of_small(octets - 100, 20, |all| small(all));
        extension.element(Tag::OCTET_STRING, &value);
    });
}

fn names(octets: usize) -> Vec<u8> {
    let name = |all: &mut Writer| all.element(Tag::context(1, false), b"abcdefghij@home.lan");
    certificate(b"0\0", |list| extension(list, &[0x55, 0x1D, 0x11], octets, name))
}

fn purposes(octets: usize) -> Vec<u8> {
    let purpose = |all: &mut Writer| all.element(Tag::OBJECT_IDENTIFIER, b"abcdefghijklmnopqr");
    certificate(b"0\0", |list| extension(list, &[0x55, 0x1D, 0x25], octets, purpose))
}

fn subject(octets: usize) -> Vec<u8> {
    let subject = of_small(octets - 100, 15, |all| {
        all.inside(Tag::SET, |part| {
            part.inside(Tag::SEQUENCE, |pair| {
                pair.element(Tag::OBJECT_IDENTIFIER, &[0x55, 0x04, 0x03]);
                pair.element(Tag::UTF8_STRING, b"name");
            });
        });
    });
    certificate(&subject, |_| ())
}

fn revoked(octets: usize) -> Vec<u8> {
    let list = of_small(octets - 100, 20, |all| all.element(Tag::SEQUENCE, b"abcdefghijklmnopqr"));
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |signed| {
        signed.inside(Tag::SEQUENCE, |fields| {
            fields.integer(Tag::INTEGER, 1);
            (0..2).for_each(|_| fields.element(Tag::SEQUENCE, b""));
            fields.element(Tag::UTC_TIME, b"260101000000Z");
            fields.written(&list);
        });
        signed.element(Tag::SEQUENCE, b"");
        signed.element(Tag::BIT_STRING, b"\0signature");
    });
    writer.finish()
}

fn pem(lengths: &[usize]) -> Vec<u8> {
    lengths
        .iter()
        .map(|octets| cert::pem(&vec![7; octets * 3 / 4 - octets / 50]))
        .collect::<String>()
        .into_bytes()
}

/// A sequence of that many octets made of elements of so many each.
fn of_small(octets: usize, small_octets: usize, write: impl Fn(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |all| (0..octets / small_octets).for_each(|_| write(all)));
    writer.finish()
}

/// Each with a length of four octets: written from the outside, since a writer would go as deep.
fn nested(octets: usize) -> Vec<u8> {
    let inside = (0..octets / 6).rev().map(|more| u32::try_from(more * 6).unwrap());
    inside.flat_map(|length| [&[0x30, 0x84][..], &length.to_be_bytes()].concat()).collect()
}

fn lines(line: &str, octets: usize) -> Vec<u8> {
    line.repeat(octets / line.len()).into_bytes()
}

fn members(octets: usize) -> Vec<u8> {
    format!("poppet-users:x:7:{}\n", "bob,".repeat(octets / 4) + "alice").into_bytes()
}

/// A message of a directory to the question with the number 1.
fn message(tag: Tag, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |message| {
        message.integer(Tag::INTEGER, 1);
        message.inside(tag, write);
    });
    writer.finish()
}

fn outcome(diagnostic: &[u8]) -> Vec<u8> {
    message(Tag::application(5, true), |outcome| {
        outcome.integer(Tag::ENUMERATED, 49);
        outcome.element(Tag::OCTET_STRING, b"");
        outcome.element(Tag::OCTET_STRING, diagnostic);
    })
}

fn entry(attributes: &[u8]) -> Vec<u8> {
    let entry = message(Tag::application(4, true), |entry| {
        entry.element(Tag::OCTET_STRING, b"cn=alice");
        entry.written(attributes);
    });
    [entry, outcome(b"")].concat()
}

fn attributes(octets: usize) -> Vec<u8> {
    entry(&of_small(octets, 10, |all| {
        all.inside(Tag::SEQUENCE, |attribute| {
            attribute.element(Tag::OCTET_STRING, b"name");
            attribute.element(Tag::SET, b"");
        });
    }))
}

fn values(octets: usize) -> Vec<u8> {
    let values = of_small(octets, 2, |all| all.element(Tag::OCTET_STRING, b""));
    // What holds values is a set.
    let values = [&[Tag::SET.0], &values[1..]].concat();
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |all| {
        all.inside(Tag::SEQUENCE, |attribute| {
            attribute.element(Tag::OCTET_STRING, b"name");
            attribute.written(&values);
        });
    });
    entry(&writer.finish())
}

fn references(octets: usize) -> Vec<u8> {
    message(Tag::application(19, true), |_| ()).repeat(octets / 7)
}

fn diagnostic(octets: usize) -> Vec<u8> {
    outcome(&b" data".repeat(octets / 5))
}

/// A last message of somebody called `a`, whose response has many pairs.
fn authenticate(octets: usize) -> Vec<u8> {
    let field = |length: usize| {
        let length = u16::try_from(length).unwrap().to_le_bytes();
        [length, length, [64, 0], [0, 0]].concat()
    };
    let (head, pairs) = (16 + 28, (octets - 200) / 4);
    let response = [&b"a\0".repeat(8)[..], b"\x01\x01", &[0; 26], &b"\x02\0\0\0".repeat(pairs)].concat();
    let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
    [0, head + pairs * 4, 0, 2, 0, 0].iter().for_each(|length| message.extend(field(*length)));
    message.extend([0x05, 0x82, 0x08, 0xA2]);
    message.extend(response);
    message
}

fn walk(octets: &[u8]) -> bool {
    let mut elements = Reader::new(octets).inside(Tag::SEQUENCE).unwrap();
    while !elements.is_empty() {
        black_box(elements.take().unwrap());
    }
    true
}

fn go_down(octets: &[u8]) -> bool {
    let mut reader = Reader::new(octets);
    while let Ok(inside) = reader.inside(Tag::SEQUENCE) {
        reader = inside;
    }
    reader.is_empty()
}

/// Asks for everything, and looks at what is found.
pub fn ask(said: &[u8], piece_octets: usize) -> bool {
    let mut client = Client::new(Channel::Tls);
    let search = Search {
        base: "dc=home".into(),
        scope: Scope::Subtree,
        filter: Filter::of_everything(),
        attributes: &["entryUUID"],
        seconds: 5,
    };
    client.ask(&Question::Search(search)).unwrap();
    for piece in said.chunks(piece_octets) {
        match client.handle(Event::Octets(piece)) {
            Next::Read => {}
            Next::Answer(Answer::Found(entries, outcome)) => {
                black_box(entries.iter().filter(|entry| entry.value("entryUUID").is_some()).count());
                black_box(outcome.to_string());
                return true;
            }
            _ => return false,
        }
    }
    false
}

pub fn read_certificate(octets: &[u8]) -> bool {
    black_box(cert::read(octets)).is_ok()
}

pub fn read_revocations(octets: &[u8]) -> bool {
    black_box(cert::read_revocations(octets)).is_ok()
}

pub fn read_pem(octets: &[u8]) -> bool {
    black_box(cert::blocks(octets, "CERTIFICATE")).is_ok()
}

pub fn find(passwd: &[u8], shadow: &[u8], group: &[u8]) -> bool {
    let files = Files::new(passwd, shadow, group);
    black_box(files.is_in_group(1000, 7));
    files.find("alice", true).is_ok()
}

fn terms(is_elsewhere: bool) -> Terms {
    Terms {
        takes_passwords: true,
        takes_challenges: !is_elsewhere,
        lacks_verifiers: is_elsewhere,
        relays_ntlm: is_elsewhere,
        channel: Some(SaslChannel { exporter: None, end_point: None, has_certificate: false }),
        hostname: "home.lan".into(),
        seed: Seed([7; 32]),
        file_time: 134_000_000_000_000_000,
    }
}

/// An exchange up to the last message.
fn respond(octets: &[u8], is_elsewhere: bool) -> bool {
    let begin = Base64::encode_string(b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xA2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let (mut exchange, step) = Mechanism::Ntlm.begin(Some(begin.as_bytes()), &terms(is_elsewhere), 1);
    if let Step::Relay(_) = step {
        exchange.relayed(Relayed::Challenge("TlRMTVNTUAACAAAAAAAAAAAAAAAAAAAAAQIDBAUGBwg=".into()));
    }
    let step = exchange.respond(Base64::encode_string(octets).as_bytes());
    if let Step::Claim(claim) = &step
        && let poppet::sasl::Proof::Ntlm(proof) = &claim.proof
    {
        black_box(proof.is_made_with(&Secret::new("secret")));
    }
    matches!(step, Step::Claim(_) | Step::Relay(_))
}

fn sender(octets: &[u8]) -> bool {
    black_box(ntlm::sender(&Base64::encode_string(octets))).is_some()
}

/// What the helper says in the first half of an exchange.
pub fn challenge(octets: &[u8]) -> bool {
    let begin = Base64::encode_string(b"NTLMSSP\0\x01\0\0\0\x07\x82\x08\xA2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let (mut exchange, step) = Mechanism::Ntlm.begin(Some(begin.as_bytes()), &terms(true), 1);
    assert!(matches!(step, Step::Relay(_)), "nothing is passed on");
    let message = [b"NTLMSSP\0\x02\0\0\0", octets].concat();
    let step = exchange.relayed(Relayed::Challenge(Base64::encode_string(&message)));
    matches!(step, Step::Challenge(_))
}

/// Servers of the domain a.b.
fn question() -> dns::Question {
    dns::Question { id: 7, name: dns::Name::new("a.b").unwrap(), kind: dns::Kind::Mx }
}

/// As many as fit of servers of that name, which the domain itself may be.
fn records(octets: usize, host: &[u8]) -> Vec<u8> {
    let mut message = question().octets();
    let length = u16::try_from(host.len() + 2).unwrap().to_be_bytes();
    let record = [&b"\xC0\x0C\0\x0F\0\x01\0\0\0\x07"[..], &length, b"\0\x0A", host].concat();
    let count = octets / record.len();
    message[2] = 0x80;
    message[6..8].copy_from_slice(&u16::try_from(count).unwrap().to_be_bytes());
    message.extend(record.repeat(count));
    message
}

fn exchangers(octets: &[u8]) -> bool {
    black_box(question().answer(octets)).is_ok()
}

/// Gives a sending session these lines, beyond its end too.
pub fn hear(octets: &[u8]) {
    let terms = client::Terms {
        is_lmtp: false,
        hostname: "home.lan".into(),
        is_here: true,
        tls: HopTls::Opportunistic,
        credentials: None,
        seed: Seed([7; 32]),
    };
    let (mut client, mut out) = (client::Client::new(terms), Vec::new());
    let _ = black_box(client.handle(client::Event::Connected { is_verified: false }, &mut out));
    for line in [&b"220 x"[..]].into_iter().chain(octets.split(|octet| *octet == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let _ = black_box(client.handle(client::Event::Line { line, is_followed: false }, &mut out));
    }
}
