//! Certificates of users and revocation lists: read within their limits, whoever made them. RFC 5280 §4, §5.

#![no_main]

use libfuzzer_sys::fuzz_target;
use poppet::mail::Address;
use poppet::{cert, limits};

fuzz_target!(|input: &[u8]| {
    if let Ok(certificate) = cert::read(input) {
        assert!(input.len() <= limits::CLIENT_CERTIFICATE_OCTETS, "a long certificate is read");
        let addresses = &certificate.addresses;
        assert!(addresses.len() <= limits::CERTIFICATE_NAMES, "many names are read");
        for (index, address) in addresses.iter().enumerate() {
            assert!(!addresses[..index].contains(address), "an address is named twice: {address}");
            assert_eq!(address.as_str().parse::<Address>().as_ref(), Ok(address));
        }
        let hosts = certificate.hosts.len() + certificate.host_addresses.len();
        assert!(hosts <= limits::CERTIFICATE_NAMES, "many hosts are read");
        assert!(certificate.subject.len() + certificate.key.len() < input.len(), "parts are longer than all");
    }
    if let Ok(list) = cert::read_revocations(input) {
        assert!(list.revoked <= input.len() / 2, "more is revoked than stands there");
        assert!(list.signed.octets.len() + list.signed.signature.len() < input.len());
    }
});
