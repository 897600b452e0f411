//! A server's messages, for tests.

use crate::wire::ber::{Reader, Tag, Writer};

/// The answer to a bind.
pub(crate) fn bound(id: i64, code: i64, diagnostic: &str) -> Vec<u8> {
    message(id, Tag::application(1, true), |writer| result(writer, code, diagnostic))
}

/// The end of a search.
pub(crate) fn searched(id: i64, code: i64) -> Vec<u8> {
    message(id, Tag::application(5, true), |writer| result(writer, code, ""))
}

/// The answer to StartTLS, or with number 0 a server's good-bye.
pub(crate) fn extended(id: i64, code: i64) -> Vec<u8> {
    message(id, Tag::application(24, true), |writer| result(writer, code, ""))
}

/// A reference to another server.
pub(crate) fn reference(id: i64) -> Vec<u8> {
    message(id, Tag::application(19, true), |writer| {
        writer.element(Tag::OCTET_STRING, b"ldap://127.0.0.2/dc=evil");
    })
}

/// An entry with attributes of one value each.
pub(crate) fn entry(id: i64, name: &str, attributes: &[(&str, &[u8])]) -> Vec<u8> {
    message(id, Tag::application(4, true), |writer| {
        writer.element(Tag::OCTET_STRING, name.as_bytes());
        writer.inside(Tag::SEQUENCE, |writer| {
            for (attribute, value) in attributes {
                writer.inside(Tag::SEQUENCE, |writer| {
                    writer.element(Tag::OCTET_STRING, attribute.as_bytes());
                    writer.inside(Tag::SET, |writer| writer.element(Tag::OCTET_STRING, value));
                });
            }
        });
    })
}

/// What a client asked: its number, the operation's tag, and what that holds.
pub(crate) fn asked(octets: &[u8]) -> (i64, Tag, Vec<u8>) {
    let mut message = Reader::new(octets).inside(Tag::SEQUENCE).unwrap();
    let id = message.integer(Tag::INTEGER).unwrap();
    let operation = message.take().unwrap();
    (id, operation.tag, operation.content.to_vec())
}

/// The name and password of a bind.
pub(crate) fn bind(content: &[u8]) -> (String, Vec<u8>) {
    let mut bind = Reader::new(content);
    assert_eq!(bind.integer(Tag::INTEGER), Ok(3));
    let name = String::from_utf8(bind.expect(Tag::OCTET_STRING).unwrap().to_vec()).unwrap();
    (name, bind.expect(Tag::context(0, false)).unwrap().to_vec())
}

/// The base of a search, how far it goes, and its filter.
pub(crate) fn search(content: &[u8]) -> (String, i64, Vec<u8>) {
    let mut search = Reader::new(content);
    let base = String::from_utf8(search.expect(Tag::OCTET_STRING).unwrap().to_vec()).unwrap();
    let scope = search.integer(Tag::ENUMERATED).unwrap();
    assert_eq!(search.integer(Tag::ENUMERATED), Ok(0), "aliases are never followed");
    assert_eq!(search.integer(Tag::INTEGER), Ok(2), "the size limit");
    search.integer(Tag::INTEGER).unwrap();
    assert_eq!(search.boolean(Tag::BOOLEAN), Ok(false));
    (base, scope, search.take().unwrap().octets.to_vec())
}

fn message(id: i64, tag: Tag, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |writer| {
        writer.integer(Tag::INTEGER, id);
        writer.inside(tag, write);
    });
    writer.finish()
}

fn result(writer: &mut Writer, code: i64, diagnostic: &str) {
    writer.integer(Tag::ENUMERATED, code);
    writer.element(Tag::OCTET_STRING, b"");
    writer.element(Tag::OCTET_STRING, diagnostic.as_bytes());
}
