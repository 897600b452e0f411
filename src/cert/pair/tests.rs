//! Pairs as files bring them, in any order, cut, damaged, at the edges of their dates; and the lab for others' tests.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};

use super::*;

pub const NOW: UnixTime = UnixTime(1_795_295_700);
const DAY: u64 = 86_400;

/// An authority of others.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub der: Vec<u8>,
}

impl Authority {
    pub fn new(name: &str, above: Option<&Authority>) -> Authority {
        let (mut params, key) = (dated(&[], NOW.0 - DAY, NOW.0 + DAY), new_key());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = match above {
            Some(above) => params.signed_by(&key, &above.issuer),
            None => params.self_signed(&key),
        };
        Authority { der: der.unwrap().der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// A server's certificate for that key.
    pub fn sign(&self, key: &KeyPair, names: &[&str]) -> Vec<u8> {
        self.sign_dated(key, names, NOW.0 - DAY, NOW.0 + 90 * DAY)
    }

    pub fn sign_dated(&self, key: &KeyPair, names: &[&str], begins: u64, ends: u64) -> Vec<u8> {
        dated(names, begins, ends).signed_by(key, &self.issuer).unwrap().der().to_vec()
    }
}

pub fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn dated(names: &[&str], begins: u64, ends: u64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = UnixTime(begins).calendar();
    params.not_after = UnixTime(ends).calendar();
    params
}

pub fn file(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().map(|der| pem(der)).collect::<String>().into_bytes()
}

fn fitted(file: &[u8], key: &KeyPair, now: Option<UnixTime>) -> Result<Pair, CertError> {
    let (certificates, keys) = (certificates(file)?, keys(&key.serialize_der())?);
    let (own, at) = owner(&certificates, &keys).ok_or_else(|| CertError("nobody's".into()))?;
    fit(certificates, own, &keys[at], now)
}

fn complaint(result: Result<Pair, CertError>) -> String {
    result.unwrap_err().0
}

#[test]
fn a_chain_is_put_in_order_and_strangers_are_left_out() {
    let root = Authority::new("root", None);
    let (upper, stranger) = (Authority::new("upper", Some(&root)), Authority::new("stranger", None));
    let (lower, key) = (Authority::new("lower", Some(&upper)), new_key());
    let own = lower.sign(&key, &["mail.example.org"]);
    let whole = [own.clone(), lower.der.clone(), upper.der.clone(), root.der.clone()];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let parts = order.map(|at: usize| whole[at].as_slice());
        let pair = fitted(&file(&parts), &key, Some(NOW)).unwrap();
        assert_eq!((pair.chain, pair.notes), (whole.to_vec(), vec![]), "{order:?}");
    }
    let twice = file(&[&own, &own, &lower.der, &stranger.der]);
    let pair = fitted(&twice, &key, Some(NOW)).unwrap();
    assert_eq!(pair.chain, whole[..2]);
    assert!(pair.notes[0].starts_with("1 of the file's certificates"), "{:?}", pair.notes);
    let alone = fitted(&own, &key, Some(NOW)).unwrap();
    assert!(alone.notes[0].contains("no certificate of lower"), "{:?}", alone.notes);
    assert!(complaint(fitted(&file(&[&own, &root.der]), &key, Some(NOW))).contains("do not vouch"));
}

#[test]
fn an_authority_of_the_same_name_vouches_for_nothing() {
    let (right, wrong, key) = (Authority::new("one", None), Authority::new("one", None), new_key());
    let own = right.sign(&key, &["mail.example.org"]);
    let found = complaint(fitted(&file(&[&own, &wrong.der]), &key, Some(NOW)));
    assert!(found.contains("was not signed by that of one"), "{found}");
    let pair = fitted(&file(&[&wrong.der, &own, &right.der]), &key, Some(NOW)).unwrap();
    assert_eq!(pair.chain, [own, right.der.clone()], "the other one is found beside it");
    let fellow = new_key();
    let server = right.sign(&fellow, &["mail.example.org"]);
    let mut params = dated(&["x.example.org"], NOW.0, NOW.0 + DAY);
    params.distinguished_name.push(DnType::CommonName, "x");
    let below = params.signed_by(&key, &Issuer::new(dated(&[], 0, 1), fellow)).unwrap().der().to_vec();
    let found = complaint(fitted(&file(&[&below, &server]), &key, Some(NOW)));
    assert!(found.contains("may not sign others"), "{found}");
}

#[test]
fn dates_are_heeded_to_the_second_unless_the_clock_is_suspect_s_308() {
    let (authority, key) = (Authority::new("one", None), new_key());
    let own = authority.sign_dated(&key, &["mail.example.org"], NOW.0 - 5, NOW.0 + 5);
    for (now, wanted) in
        [(NOW.0 - 6, "begins only on"), (NOW.0 - 5, ""), (NOW.0 + 5, ""), (NOW.0 + 6, "ended on")]
    {
        let found =
            fitted(&own, &key, Some(UnixTime(now))).err().map_or(String::new(), |CertError(text)| text);
        assert!(found.contains(wanted), "{now}: {found}");
        assert_eq!(found.is_empty(), wanted.is_empty(), "{now}: {found}");
        assert!(fitted(&own, &key, None).is_ok());
    }
    let old = Authority::new("old", None);
    let mut params = dated(&[], NOW.0 - DAY, NOW.0 - 1);
    params.distinguished_name.push(DnType::CommonName, "ended");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let between = new_key();
    let ended = params.signed_by(&between, &old.issuer).unwrap().der().to_vec();
    let own = dated(&["a.example"], 0, NOW.0 + DAY).signed_by(&key, &Issuer::new(params, between)).unwrap();
    let found = complaint(fitted(&file(&[own.der(), &ended]), &key, Some(NOW)));
    assert!(found.starts_with("the certificate of ended ended on"), "{found}");
}

#[test]
fn a_file_has_as_many_certificates_as_may_be() {
    let (authority, key) = (Authority::new("one", None), new_key());
    let many: Vec<_> = (0..limits::SERVER_CHAIN + 1)
        .map(|number| authority.sign(&new_key(), &[&format!("host{number}.example")]))
        .collect();
    let many: Vec<_> = many.iter().map(Vec::as_slice).collect();
    for count in [limits::SERVER_CHAIN - 1, limits::SERVER_CHAIN, limits::SERVER_CHAIN + 1] {
        let read = certificates(&file(&many[..count])).map(|read| read.len());
        assert_eq!(read.ok(), (count <= limits::SERVER_CHAIN).then_some(count));
    }
    assert_eq!(complaint(fitted(&file(&many[..2]), &key, None)), "nobody's");
}

#[test]
fn a_server_s_certificate_has_names_and_a_server_s_purpose_s_250() {
    let (authority, key) = (Authority::new("one", None), new_key());
    let with = |names: &[&str], purposes: &[ExtendedKeyUsagePurpose]| {
        let mut params = dated(names, NOW.0, NOW.0 + DAY);
        params.extended_key_usages = purposes.to_vec();
        let own = params.signed_by(&key, &authority.issuer).unwrap().der().to_vec();
        fitted(&own, &key, Some(NOW)).map(|pair| pair.chain.len())
    };
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    for names in [&["mail.example.org"][..], &["192.0.2.1"], &["*.example.org"]] {
        assert_eq!(with(names, &[]), Ok(1), "{names:?}");
    }
    assert_eq!(with(&["a.example"], &[ClientAuth, ServerAuth]), Ok(1));
    assert!(with(&["a.example"], &[ClientAuth]).unwrap_err().0.contains("another purpose"));
    assert!(with(&[], &[ServerAuth]).unwrap_err().0.contains("names no host"));
}

#[test]
fn files_that_are_cut_or_damaged_are_errors_and_no_panics() {
    let (authority, key) = (Authority::new("one", None), new_key());
    let own = authority.sign(&key, &["mail.example.org"]);
    let der = key.serialize_der();
    for length in 0..der.len() {
        assert!(keys(&der[..length]).is_err(), "{length}");
    }
    let (pair, secret) =
        (file(&[&own, &authority.der]), pem::labelled("PRIVATE KEY", &key.serialize_der()).into_bytes());
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..3000 {
        let (mut pair, mut secret, mut der) = (pair.clone(), secret.clone(), der.clone());
        for octets in [&mut pair, &mut secret, &mut der] {
            let at = random.usize(..octets.len());
            octets[at] = random.u8(..);
        }
        let _ = (keys(&der), keys(&secret), fitted(&pair, &key, Some(NOW)));
    }
}
