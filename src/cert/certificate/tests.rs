//! Certificates and lists as others make them, cut and damaged.

use super::*;
use crate::cert::make_authority;
use crate::cert::make_client;
use crate::wire::ber::Writer;

/// A certificate with that version, those dates and extensions; nobody has signed it.
fn written(version: Option<i64>, dates: [(Tag, &[u8]); 2], extensions: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |signed| {
        signed.inside(Tag::SEQUENCE, |fields| {
            if let Some(version) = version {
                fields.inside(Tag::context(0, true), |wrapped| wrapped.integer(Tag::INTEGER, version));
            }
            fields.integer(Tag::INTEGER, 7);
            fields.element(Tag::SEQUENCE, b"");
            fields.element(Tag::SEQUENCE, b"");
            fields.inside(Tag::SEQUENCE, |validity| {
                dates.iter().for_each(|(tag, date)| validity.element(*tag, date));
            });
            fields.element(Tag::SEQUENCE, b"");
            fields.element(Tag::SEQUENCE, b"key");
            fields.inside(Tag::context(3, true), |wrapped| {
                wrapped.inside(Tag::SEQUENCE, |list| {
                    for (kind, value) in extensions {
                        list.inside(Tag::SEQUENCE, |extension| {
                            extension.element(Tag::OBJECT_IDENTIFIER, kind);
                            extension.element(Tag::OCTET_STRING, value);
                        });
                    }
                });
            });
        });
        signed.element(Tag::SEQUENCE, b"");
        signed.element(Tag::BIT_STRING, b"\0signature");
    });
    writer.finish()
}

/// Other names, as they stand in their extension.
fn names(names: &[(Tag, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.inside(Tag::SEQUENCE, |list| names.iter().for_each(|(tag, name)| list.element(*tag, name)));
    writer.finish()
}

const DATES: [(Tag, &[u8]); 2] =
    [(Tag::UTC_TIME, b"260101000000Z"), (Tag::GENERALIZED_TIME, b"20500101000000Z")];

#[test]
fn what_poppet_makes_it_reads() {
    let authority = make_authority("home.lan").unwrap();
    let now = UnixTime(1_795_295_700);
    for text in ["alice@home.lan", "jörg@home.lan", "alice@xn--hme-sna.lan"] {
        let address: Address = text.parse().unwrap();
        let (identity, ends) = make_client(&authority, &address, 10, now).unwrap();
        let certificate = read(&identity.certificate).unwrap();
        assert_eq!(
            (&certificate.name[..], &certificate.addresses),
            (address.as_str(), &vec![address.clone()])
        );
        assert_eq!(
            (certificate.ends, certificate.is_for_clients, certificate.is_authority),
            (ends, true, false)
        );
        assert!(certificate.begins < now && ends == UnixTime(now.0 + 10 * 86_400));
    }
    let own = read(&authority.certificate).unwrap();
    assert!(own.is_authority && own.ends == UnixTime(4_102_444_800) && own.begins == UnixTime(0));
}

#[test]
fn old_versions_are_refused_s_250() {
    for (version, is_read) in
        [(None, false), (Some(0), false), (Some(1), false), (Some(2), true), (Some(3), false)]
    {
        let result = read(&written(version, DATES, &[]));
        assert_eq!(result.is_ok(), is_read, "{version:?}");
        if let Err(CertError(text)) = result {
            assert!(text.contains("old version"), "{text}");
        }
    }
}

#[test]
fn dates_are_read_to_the_second_or_not_at_all() {
    let ends =
        |tag, date: &[u8]| read(&written(Some(2), [DATES[0], (tag, date)], &[])).map(|read| read.ends.0);
    for (date, seconds) in [
        ("700101000000Z", 0),
        ("700101000001Z", 1),
        ("491231235959Z", 2_524_607_999),
        // 1950 is before all that matters.
        ("500101000000Z", 0),
        ("240229120000Z", 1_709_208_000),
    ] {
        assert_eq!(ends(Tag::UTC_TIME, date.as_bytes()), Ok(seconds), "{date}");
    }
    assert_eq!(ends(Tag::GENERALIZED_TIME, b"20500101000000Z"), Ok(2_524_608_000));
    assert_eq!(ends(Tag::GENERALIZED_TIME, b"99991231235959Z"), Ok(253_402_300_799));
    for bad in [
        &b""[..],
        b"Z",
        b"2601010000Z",
        b"260101000000",
        b"260101000000+0000",
        b"230229120000Z",
        b"261301000000Z",
        b"260001000000Z",
        b"260101240000Z",
        b"260101000060Z",
        b"26010100000\xffZ",
        b"-60101000000Z",
        b"20260101000000Z",
    ] {
        assert!(ends(Tag::UTC_TIME, bad).is_err(), "{bad:?}");
    }
    for bad in [&b"260101000000Z"[..], b"20260101000000.5Z", b"020260101000000Z"] {
        assert!(ends(Tag::GENERALIZED_TIME, bad).is_err(), "{bad:?}");
    }
    assert!(ends(Tag::OCTET_STRING, b"260101000000Z").is_err());
}

#[test]
fn only_names_that_can_be_mailboxes_are_taken() {
    let addresses = |value: &[u8]| {
        let read = read(&written(Some(2), DATES, &[(ALTERNATIVE_NAMES, value)]));
        read.map(|read| read.addresses.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    for (tag, name, wanted) in [
        (RFC822_NAME, &b"Alice@Home.LAN"[..], &["alice@home.lan"][..]),
        // A name ends where it says, not at a zero.
        (RFC822_NAME, b"alice@home.lan\0.example", &[]),
        (RFC822_NAME, b"\"alice\"@home.lan", &[]),
        (RFC822_NAME, b"home.lan", &[]),
        (RFC822_NAME, "jörg@home.lan".as_bytes(), &[]),
        (RFC822_NAME, b"", &[]),
        // dNSName.
        (Tag::context(2, false), b"alice@home.lan", &[]),
    ] {
        let found = addresses(&names(&[(tag, name)])).unwrap();
        assert_eq!(found, wanted, "{name:?}");
    }
    for count in [limits::CERTIFICATE_NAMES, limits::CERTIFICATE_NAMES + 1] {
        let many = names(&vec![(RFC822_NAME, &b"alice@home.lan"[..]); count]);
        assert_eq!(addresses(&many).is_ok(), count <= limits::CERTIFICATE_NAMES, "{count}");
    }
    for broken in [&b""[..], b"\x30\x05\x81\x20a", b"\x31\x00", b"\x30\x02\xA0\x00"] {
        assert!(addresses(broken).is_err(), "{broken:?}");
    }
}

#[test]
fn hosts_are_names_and_addresses_that_are_some() {
    let hosts = |tag, name: &[u8]| {
        let value = names(&[(tag, name)]);
        let read = read(&written(Some(2), DATES, &[(ALTERNATIVE_NAMES, &value)])).unwrap();
        let addresses = read.host_addresses.iter().map(ToString::to_string);
        read.hosts.into_iter().chain(addresses).collect::<Vec<_>>().join(" ")
    };
    for (name, wanted) in [
        ("Mail.Example.ORG", "mail.example.org"),
        ("*.example.org", "*.example.org"),
        ("mail.example.org\0.example", ""),
        ("a.*.example.org", ""),
        ("**.example.org", ""),
        ("*", ""),
        ("192.0.2.1", ""),
        ("höme.lan", ""),
        ("", ""),
    ] {
        assert_eq!(hosts(DNS_NAME, name.as_bytes()), wanted, "{name}");
    }
    assert_eq!(hosts(IP_ADDRESS, &[192, 0, 2, 1]), "192.0.2.1");
    assert_eq!(hosts(IP_ADDRESS, &[0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]), "fd00::2");
    for length in [0, 3, 5, 8, 15, 17] {
        assert_eq!(hosts(IP_ADDRESS, &vec![1; length]), "", "{length}");
    }
    let both = names(&[(DNS_NAME, b"a.example"), (DNS_NAME, b"A.example"), (DNS_NAME, b"b.example")]);
    let both = read(&written(Some(2), DATES, &[(ALTERNATIVE_NAMES, &both)])).unwrap();
    assert_eq!(both.hosts, ["a.example", "b.example"]);
}

#[test]
fn purposes_are_for_clients_and_for_servers() {
    let with = |purposes: &[&[u8]]| {
        let mut writer = Writer::default();
        writer.inside(Tag::SEQUENCE, |list| {
            purposes.iter().for_each(|purpose| list.element(Tag::OBJECT_IDENTIFIER, purpose));
        });
        let read = read(&written(Some(2), DATES, &[(PURPOSES, &writer.finish())])).unwrap();
        (read.is_for_clients, read.is_for_servers)
    };
    assert_eq!(with(&[CLIENT_PURPOSE]), (true, false));
    assert_eq!(with(&[SERVER_PURPOSE]), (false, true));
    assert_eq!(with(&[SERVER_PURPOSE, CLIENT_PURPOSE]), (true, true));
    assert_eq!(with(&[b"\x2B"]), (false, false));
    let none = read(&written(Some(2), DATES, &[])).unwrap();
    assert!(none.is_for_clients && none.is_for_servers);
}

#[test]
fn an_extension_stands_there_once() {
    let value = names(&[(RFC822_NAME, b"alice@home.lan")]);
    let once = [(ALTERNATIVE_NAMES, &value[..]), (b"\x55\x1D\x0E", &value)];
    assert!(read(&written(Some(2), DATES, &once)).is_ok());
    let twice = [(ALTERNATIVE_NAMES, &value[..]), (ALTERNATIVE_NAMES, &value)];
    assert!(read(&written(Some(2), DATES, &twice)).is_err());
}

#[test]
fn cut_and_damaged_certificates_are_errors_and_no_panics() {
    let authority = make_authority("home.lan").unwrap();
    let address = "alice@home.lan".parse().unwrap();
    let (identity, _) = make_client(&authority, &address, 10, UnixTime(1_795_295_700)).unwrap();
    let whole = identity.certificate;
    for length in 0..whole.len() {
        assert!(read(&whole[..length]).is_err(), "{length}");
        assert!(read_revocations(&whole[..length]).is_err(), "{length}");
    }
    assert!(read(&[&whole[..], b"\0"].concat()).is_err(), "something behind it");
    assert!(read_revocations(&whole).is_err());
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..20_000 {
        let mut damaged = whole.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..damaged.len());
            damaged[at] = random.u8(..);
        }
        let _ = (read(&damaged), read_revocations(&damaged));
    }
}
