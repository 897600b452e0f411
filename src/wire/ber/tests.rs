//! BER number by number: what is read, what is refused, and that what we write is read again.

use super::*;
use crate::limits;

#[test]
fn lengths_are_read_at_their_edges() {
    for length in [0, 1, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x1_0000] {
        let mut writer = Writer::default();
        writer.element(Tag::OCTET_STRING, &vec![7; length]);
        let octets = writer.finish();
        for mut reader in [Reader::new(&octets), Reader::der(&octets)] {
            assert_eq!(reader.expect(Tag::OCTET_STRING).map(<[u8]>::len), Ok(length));
            assert_eq!(reader.end(), Ok(()));
        }
        assert_eq!(frame(&octets, octets.len()), Ok(Some(octets.len())), "{length}");
        assert_eq!(frame(&octets[..octets.len() - 1], octets.len()), Ok(None));
        assert_eq!(frame(&octets, octets.len() - 1), Err(BerError::TooLong), "{length}");
    }
}

#[test]
fn broken_elements_are_refused_one_by_one_s_199() {
    use BerError::*;
    for (octets, ber, der) in [
        (&b""[..], Some(Cut), Some(Cut)),
        (b"\x04", Some(Cut), Some(Cut)),
        (b"\x04\x01", Some(Cut), Some(Cut)),
        (b"\x04\x80", Some(Indefinite), Some(Indefinite)),
        (b"\x30\x80\x00\x00", Some(Indefinite), Some(Indefinite)),
        (b"\x04\x81", Some(Cut), Some(Cut)),
        (b"\x04\x82\x01", Some(Cut), Some(Cut)),
        (b"\x04\x84\xFF\xFF\xFF\xFF", Some(Cut), Some(Cut)),
        (b"\x04\x84\x80\x00\x00\x00", Some(Cut), Some(Cut)),
        (b"\x04\x85\x01\x00\x00\x00\x00", Some(TooLong), Some(TooLong)),
        (b"\x04\x85\x00\x00\x00\x00\x00", Some(TooLong), Some(TooLong)),
        (b"\x04\xFF", Some(TooLong), Some(TooLong)),
        (b"\x1F\x01\x00", Some(LongTag), Some(LongTag)),
        (b"\xBF\x81\x01\x00", Some(LongTag), Some(LongTag)),
        (b"\x04\x81\x01x", None, Some(NotStrict)),
        (b"\x04\x84\x00\x00\x00\x01x", None, Some(NotStrict)),
        (b"\x04\x82\x00\x80", Some(Cut), Some(NotStrict)),
        (b"\x04\x01x", None, None),
        (b"\x04\x00", None, None),
    ] {
        assert_eq!(Reader::new(octets).take().err(), ber, "{octets:?}");
        assert_eq!(Reader::der(octets).take().err(), der, "{octets:?}");
    }
}

#[test]
fn a_frame_is_refused_as_soon_as_its_head_says_too_much_s_199() {
    assert_eq!(frame(b"\x30\x84\x00\x04\x00\x01", 0x40000), Err(BerError::TooLong));
    assert_eq!(frame(b"\x30\x84\xFF\xFF\xFF\xFF", 0x40000), Err(BerError::TooLong));
    assert_eq!(frame(b"\x30\x85", 0x40000), Err(BerError::TooLong));
    assert_eq!(frame(b"\x30\x80", 0x40000), Err(BerError::Indefinite));
    for cut in 0..6 {
        assert_eq!(frame(&b"\x30\x84\x00\x00\x01\x00"[..cut], 0x40000), Ok(None), "{cut}");
    }
    assert_eq!(frame(b"\x30\x01xy", 3), Ok(Some(3)), "what follows is the next one's");
}

#[test]
fn depth_is_bounded_at_its_edge_s_199() {
    let nested = |levels: usize| {
        (0..levels).fold(Vec::new(), |inner, _| {
            let mut writer = Writer::default();
            writer.element(Tag::SEQUENCE, &inner);
            writer.finish()
        })
    };
    let go = |octets: &[u8]| {
        let mut levels = 0;
        let mut reader = Reader::new(octets);
        while !reader.is_empty() {
            reader = reader.inside(Tag::SEQUENCE)?;
            levels += 1;
        }
        Ok::<_, BerError>(levels)
    };
    let most = limits::BER_DEPTH;
    assert_eq!(go(&nested(most - 1)), Ok(most - 1));
    assert_eq!(go(&nested(most)), Ok(most));
    assert_eq!(go(&nested(most + 1)), Err(BerError::TooDeep));
    assert_eq!(go(&b"\x30\x80".repeat(100_000)), Err(BerError::Indefinite));
    assert_eq!(go(&nested(3000)), Err(BerError::TooDeep));
}

#[test]
fn whole_numbers_are_written_as_they_are_read() {
    for (number, content) in [
        (0, &b"\x00"[..]),
        (1, b"\x01"),
        (127, b"\x7F"),
        (128, b"\x00\x80"),
        (255, b"\x00\xFF"),
        (256, b"\x01\x00"),
        (-1, b"\xFF"),
        (-128, b"\x80"),
        (-129, b"\xFF\x7F"),
        (i64::from(i32::MAX), b"\x7F\xFF\xFF\xFF"),
        (i64::MAX, b"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF"),
        (i64::MIN, b"\x80\x00\x00\x00\x00\x00\x00\x00"),
    ] {
        let mut writer = Writer::default();
        writer.integer(Tag::INTEGER, number);
        let octets = writer.finish();
        assert_eq!(&octets[2..], content, "{number}");
        assert_eq!(Reader::der(&octets).integer(Tag::INTEGER), Ok(number));
    }
    for (octets, ber, der) in [
        (&b"\x02\x00"[..], Err(BerError::BadValue), Err(BerError::BadValue)),
        (b"\x02\x02\x00\x01", Ok(1), Err(BerError::NotStrict)),
        (b"\x02\x02\xFF\xFF", Ok(-1), Err(BerError::NotStrict)),
        (b"\x02\x09\x00\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", Err(BerError::BadValue), Err(BerError::BadValue)),
        (b"\x0A\x01\x01", Err(BerError::Unexpected), Err(BerError::Unexpected)),
    ] {
        assert_eq!(Reader::new(octets).integer(Tag::INTEGER), ber, "{octets:?}");
        assert_eq!(Reader::der(octets).integer(Tag::INTEGER), der, "{octets:?}");
    }
}

#[test]
fn booleans_have_one_octet() {
    for (octets, ber, der) in [
        (&b"\x01\x01\x00"[..], Ok(false), Ok(false)),
        (b"\x01\x01\xFF", Ok(true), Ok(true)),
        (b"\x01\x01\x01", Ok(true), Err(BerError::NotStrict)),
        (b"\x01\x00", Err(BerError::BadValue), Err(BerError::BadValue)),
        (b"\x01\x02\xFF\xFF", Err(BerError::BadValue), Err(BerError::BadValue)),
    ] {
        assert_eq!(Reader::new(octets).boolean(Tag::BOOLEAN), ber, "{octets:?}");
        assert_eq!(Reader::der(octets).boolean(Tag::BOOLEAN), der, "{octets:?}");
    }
}

#[test]
fn elements_come_one_after_the_other_and_optional_ones_may_miss() {
    let octets = b"\x30\x06\x02\x01\x05\x84\x01a\x04\x00";
    let mut reader = Reader::new(octets);
    let mut inside = reader.inside(Tag::SEQUENCE).unwrap();
    assert_eq!(inside.optional(Tag::OCTET_STRING), Ok(None));
    assert_eq!(inside.integer(Tag::INTEGER), Ok(5));
    assert_eq!(inside.end(), Err(BerError::Behind));
    assert_eq!(inside.optional(Tag::context(4, false)), Ok(Some(&b"a"[..])));
    assert_eq!(inside.optional(Tag::context(4, false)), Ok(None));
    assert_eq!(inside.expect(Tag::NULL), Err(BerError::Cut));
    assert!(reader.optional_inside(Tag::SET).unwrap().is_none());
    assert_eq!(reader.take().unwrap().octets, b"\x04\x00");
    assert!(reader.is_empty());
}

#[test]
fn random_octets_never_panic_and_are_never_read_past_their_end() {
    let mut random = fastrand::Rng::with_seed(199);
    for _ in 0..20_000 {
        let octets: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
        let mut reader = if random.bool() { Reader::new(&octets) } else { Reader::der(&octets) };
        let mut taken = 0;
        while let Ok(element) = reader.take() {
            assert_eq!(element.octets, &octets[taken..taken + element.octets.len()]);
            assert!(element.octets.ends_with(element.content));
            taken += element.octets.len();
        }
        assert_eq!(taken == octets.len(), reader.is_empty());
        let _ = frame(&octets, 30);
    }
}
