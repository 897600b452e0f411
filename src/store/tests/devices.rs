//! Device profiles: found by address, held in memory, durable.

use std::net::IpAddr;

use super::*;
use crate::mail::Network;

fn device(name: &str, network: &str) -> Device {
    Device {
        name: name.into(),
        network: network.parse().unwrap(),
        sender: Some(alice()),
        reach: Reach::Local,
        mails_per_day: Some(100),
        is_lenient: true,
        created: UnixTime(1_800_000_000),
    }
}

fn add_device(store: &Store, name: &str, network: &str) -> Result<(), StoreError> {
    store.add_device(device(name, network)).wait()
}

fn at(store: &Store, address: &str) -> Option<String> {
    store.device_at(address.parse().unwrap()).map(|device| device.name)
}

fn names(store: &Store) -> Vec<String> {
    store.devices().iter().map(|device| device.name.clone()).collect()
}

#[test]
fn the_smallest_network_that_holds_an_address_counts_s_115() {
    let folder = Folder::new();
    let store = folder.create();
    for (name, network) in [
        ("office", "192.168.1.0/24"),
        ("scanner", "192.168.1.40"),
        ("half", "192.168.1.0/25"),
        ("cameras", "fd00::/64"),
        ("door", "fd00::7"),
        ("mapped", "::ffff:10.0.0.5"),
    ] {
        add_device(&store, name, network).unwrap();
    }
    for is_reopened in [false, true] {
        let store = if is_reopened { folder.reopen(&store, 1_800_000_001) } else { store.clone() };
        for (address, name) in [
            ("192.168.1.40", Some("scanner")),
            ("::ffff:192.168.1.40", Some("scanner")),
            ("192.168.1.41", Some("half")),
            ("192.168.1.127", Some("half")),
            ("192.168.1.128", Some("office")),
            ("192.168.1.255", Some("office")),
            ("192.168.2.0", None),
            ("192.168.0.255", None),
            ("fd00::7", Some("door")),
            ("fd00::8", Some("cameras")),
            ("fd00:0:0:1::7", None),
            ("10.0.0.5", Some("mapped")),
            ("::ffff:10.0.0.5", Some("mapped")),
            ("::10.0.0.5", None),
            ("0.0.0.0", None),
            ("::", None),
            ("::ffff:0.0.0.0", None),
        ] {
            assert_eq!(at(&store, address).as_deref(), name, "{address}");
        }
        assert_eq!(names(&store), ["cameras", "door", "half", "mapped", "office", "scanner"]);
        let found = store.device_at("192.168.1.40".parse().unwrap()).unwrap();
        assert_eq!(found, device("scanner", "192.168.1.40"));
    }
}

#[test]
fn a_device_that_was_removed_is_forgotten_at_once() {
    let folder = Folder::new();
    let store = folder.create();
    add_device(&store, "scanner", "192.168.1.40").unwrap();
    let other = store.clone();
    other.remove_device("scanner").wait().unwrap();
    assert_eq!((at(&store, "192.168.1.40"), names(&store).len()), (None, 0));
    let again = store.remove_device("scanner").wait().unwrap_err();
    assert_eq!(again, StoreError::NotFound("there is no device \"scanner\"".into()));
    add_device(&store, "printer", "192.168.1.40").unwrap();
    assert_eq!(at(&folder.reopen(&store, 1_800_000_001), "192.168.1.40").as_deref(), Some("printer"));
}

#[test]
fn devices_are_refused_with_a_line_that_says_why() {
    let folder = Folder::new();
    let store = folder.create();
    add_device(&store, "scanner", "192.168.1.40").unwrap();
    let long = "a".repeat(limits::DEVICE_NAME_OCTETS + 1);
    for (name, network, line) in [
        ("scanner", "192.168.1.41", "there is a device scanner already"),
        ("printer", "192.168.1.40", "the device scanner is at 192.168.1.40 already"),
        ("printer", "::ffff:192.168.1.40", "the device scanner is at 192.168.1.40 already"),
        (
            "wide",
            "192.168.0.0/23",
            "192.168.0.0/23 is too wide for a device: name its address, or a network of /24",
        ),
        ("wide", "0.0.0.0/0", "0.0.0.0/0 is too wide for a device"),
        ("wide", "::/0", "::/0 is too wide for a device: name its address, or a network of /64 or smaller"),
        ("wide", "fd00::/63", "fd00::/63 is too wide for a device"),
        (
            "",
            "10.0.0.1",
            "a device can't be called \"\": its name has letters, digits, - and _, no - in front",
        ),
        ("-x", "10.0.0.1", "a device can't be called \"-x\""),
        ("a b", "10.0.0.1", "a device can't be called \"a b\""),
        ("a\n", "10.0.0.1", "a device can't be called \"a\\n\""),
        ("ä", "10.0.0.1", "a device can't be called \"ä\""),
        (&long, "10.0.0.1", "a device can't be called \"aaa"),
    ] {
        let error = add_device(&store, name, network).unwrap_err();
        assert!(error.to_string().starts_with(line), "{error}");
        assert_eq!(matches!(error, StoreError::Exists(_)), line.ends_with("already"), "{error}");
    }
    assert_eq!(names(&store), ["scanner"]);
    let longest = "b".repeat(limits::DEVICE_NAME_OCTETS);
    for (name, network) in
        [(longest.as_str(), "10.0.0.0/24"), (&longest[1..], "fd00::/64"), ("A_b-9", "10.0.0.0/25")]
    {
        add_device(&store, name, network).unwrap();
    }
}

#[test]
fn devices_are_held_at_their_number() {
    let folder = Folder::new();
    let store = folder.create();
    let network = |number: usize| Network::new(IpAddr::from([10, 0, (number / 256) as u8, number as u8]), 32);
    let device = |number: usize| Device {
        network: network(number).unwrap(),
        ..device(&format!("d{number}"), "10.0.0.0/24")
    };
    let asks: Vec<_> = (0..limits::DEVICES).map(|number| store.add_device(device(number))).collect();
    asks.into_iter().for_each(|ask| ask.wait().unwrap());
    let refused = store.add_device(device(limits::DEVICES)).wait();
    let line = "there are 1000 devices, and no more can be added: remove one";
    assert_eq!(refused, Err(StoreError::Refused(line.into())));
    store.remove_device("d0").wait().unwrap();
    store.add_device(device(limits::DEVICES)).wait().unwrap();
    assert_eq!(store.devices().len(), limits::DEVICES);
}

#[test]
fn a_damaged_profile_is_found_at_the_opening() {
    let folder = Folder::new();
    let store = folder.create();
    add_device(&store, "scanner", "192.168.1.40").unwrap();
    store
        .change(|transaction| {
            transaction.open_table(schema::DEVICES)?.insert("scanner", &b"something else"[..])?;
            Ok(())
        })
        .wait()
        .unwrap();
    store.close();
    assert!(matches!(folder.open(), Err(StoreError::Damaged(_))));
}
