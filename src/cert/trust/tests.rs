//! Whose certificates are believed, with a store that keeps the lists.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose as Purpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};

use super::*;
use crate::auth::tests::Folder;
use crate::auth::{DeviceKey, Gatekeeper};
use crate::cert;
use crate::store::Options;
use crate::ticket::block_on;

const NOW: UnixTime = UnixTime(1_795_295_700);
const DAY: u64 = 86_400;

/// An authority beside poppet.
struct Authority {
    certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// What a certificate of a test says; the rest is as it should be.
struct Says {
    names: &'static [&'static str],
    purposes: Vec<Purpose>,
    begins: u64,
    ends: u64,
    serial: u64,
    is_authority: bool,
}

impl Default for Says {
    fn default() -> Says {
        let (begins, ends) = (NOW.0 - DAY, NOW.0 + DAY);
        let purposes = vec![Purpose::ClientAuth];
        Says { names: &["alice@home.lan"], purposes, begins, ends, serial: 7, is_authority: false }
    }
}

fn authority(name: &str) -> Authority {
    authority_in(name, None)
}

fn authority_in(name: &str, country: Option<&str>) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    country.into_iter().for_each(|country| params.distinguished_name.push(DnType::CountryName, country));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().to_vec();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

impl Authority {
    fn sign(&self, says: Says) -> Vec<u8> {
        says.params().signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().to_vec()
    }

    fn revoke(&self, serials: &[u64], made: u64) -> Vec<u8> {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: UnixTime(made).calendar(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: UnixTime(made).calendar(),
            next_update: UnixTime(made + DAY).calendar(),
            crl_number: SerialNumber::from(made),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }
}

impl Says {
    fn params(self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.subject_alt_names =
            self.names.iter().map(|name| SanType::Rfc822Name((*name).try_into().unwrap())).collect();
        params.extended_key_usages = self.purposes;
        params.not_before = UnixTime(self.begins).calendar();
        params.not_after = UnixTime(self.ends).calendar();
        params.serial_number = Some(SerialNumber::from(self.serial));
        if self.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    fn signed_by_itself(self) -> Vec<u8> {
        self.params().self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }
}

/// A database with alice@home.lan and bob@home.lan.
struct House {
    _folder: Folder,
    store: Store,
    gatekeeper: Gatekeeper,
}

impl House {
    fn new() -> House {
        let folder = Folder::new();
        let store = Store::create(&folder.database(), &Options::default(), Clock::fixed(NOW)).unwrap();
        let key = DeviceKey::create(&folder.database()).unwrap();
        let gatekeeper = Gatekeeper::new(store.clone(), key).unwrap();
        let house = House { _folder: folder, store, gatekeeper };
        house.store.add_domain("home.lan".parse().unwrap()).wait().unwrap();
        house.add("alice");
        house.add("bob");
        house
    }

    fn add(&self, name: &str) {
        let mark = self.gatekeeper.fresh_mark();
        self.store.add_mailbox(address(name), mark, Vec::new()).wait().unwrap();
    }

    fn trusting(authority: &Authority) -> House {
        let house = House::new();
        house.trust(authority);
        house
    }

    fn trust(&self, authority: &Authority) {
        let file = &authority.certificate;
        block_on(cert::add_authorities(&self.store, Vouches::ForClients, file, Some(NOW))).unwrap();
    }

    fn allow(&self, name: &str, der: &[u8]) -> Result<(), StoreError> {
        let mark = self.store.mailbox(address(name)).wait().unwrap().unwrap().mark;
        let (address, fingerprint) = (address(name), certificate::fingerprint(der));
        let (label, ends) = (String::new(), None);
        let allowed = Allowed { address, mark, fingerprint, label, ends, is_issued: false, made: NOW };
        block_on(cert::allow(&self.store, allowed))
    }

    /// Whom the chain names, or why it is refused.
    fn judge_at(&self, chain: &[&[u8]], clock: &Clock) -> Result<Vec<String>, String> {
        let trust = block_on(Trust::load(&self.store)).unwrap();
        let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
        let judged = trust.judge(&chain, clock).map_err(|CertError(text)| text)?;
        let users = block_on(judged.users(&self.store)).unwrap();
        Ok(users.iter().map(|user| user.local_part().to_owned()).collect())
    }

    fn judge(&self, chain: &[&[u8]]) -> Result<Vec<String>, String> {
        self.judge_at(chain, &Clock::fixed(NOW))
    }

    fn refusal(&self, chain: &[&[u8]]) -> String {
        self.judge(chain).unwrap_err()
    }
}

fn address(name: &str) -> Address {
    format!("{name}@home.lan").parse().unwrap()
}

#[test]
fn the_addresses_that_an_authority_vouches_for_are_users_s_250() {
    let company = authority("company");
    let house = House::trusting(&company);
    for (names, users) in [
        (&["alice@home.lan"] as &[_], &["alice"] as &[&str]),
        (&["ALICE@Home.LAN", "alice@home.lan"], &["alice"]),
        (&["alice@home.lan", "bob@home.lan", "carol@home.lan"], &["alice", "bob"]),
        // CVE-2019-3814: what names nobody lets nobody in.
        (&[], &[]),
        (&["carol@home.lan", "alice@elsewhere.lan", "alice", "alice@home.lan\0", "@home.lan"], &[]),
    ] {
        let der = company.sign(Says { names, ..Says::default() });
        assert_eq!(
            house.judge(&[&der]),
            Ok(users.iter().map(|user| user.to_string()).collect()),
            "{names:?}"
        );
    }
}

#[test]
fn purposes_are_heeded_s_250() {
    let company = authority("company");
    let house = House::trusting(&company);
    for (purposes, is_taken) in [
        (vec![], true),
        (vec![Purpose::ClientAuth, Purpose::ServerAuth], true),
        (vec![Purpose::ServerAuth], false),
        (vec![Purpose::EmailProtection], false),
        // webpki takes no "any", and neither do we.
        (vec![Purpose::Any], false),
    ] {
        let signed = company.sign(Says { purposes: purposes.clone(), ..Says::default() });
        assert_eq!(house.judge(&[&signed]).is_ok(), is_taken, "{purposes:?}");
        let own = Says { purposes: purposes.clone(), ..Says::default() }.signed_by_itself();
        house.allow("alice", &own).unwrap();
        assert_eq!(house.judge(&[&own]).is_ok(), is_taken, "{purposes:?}, allowed");
    }
}

#[test]
fn dates_are_heeded_to_the_second_unless_the_clock_is_suspect_s_250_s_308() {
    let company = authority("company");
    let house = House::trusting(&company);
    let suspect = Clock::fixed(NOW);
    suspect.learn(UnixTime(NOW.0 + 1));
    for (begins, ends, refusal) in [
        (NOW.0, NOW.0 + DAY, None),
        (NOW.0 - DAY, NOW.0, None),
        (NOW.0 + 1, NOW.0 + DAY, Some("begins only on")),
        (NOW.0 - DAY, NOW.0 - 1, Some("ended on")),
    ] {
        let says = || Says { begins, ends, ..Says::default() };
        let (signed, own) = (company.sign(says()), says().signed_by_itself());
        house.allow("alice", &own).unwrap();
        for der in [&signed, &own] {
            match refusal {
                None => assert_eq!(house.judge(&[der]), Ok(vec!["alice".into()])),
                Some(wanted) => assert!(house.refusal(&[der]).contains(wanted)),
            }
            for clock in [&suspect, &Clock::fixed(UnixTime(100))] {
                assert_eq!(house.judge_at(&[der], clock), Ok(vec!["alice".into()]), "{begins} {ends}");
            }
        }
    }
}

#[test]
fn strange_authorities_and_authorities_as_users_are_refused_s_250() {
    let (company, other) = (authority("company"), authority("company"));
    let house = House::new();
    let der = other.sign(Says::default());
    assert!(house.refusal(&[&der]).contains("no authority to vouch for it"));
    house.trust(&company);
    // Of the same name, with another key.
    assert!(house.refusal(&[&der]).contains("wrong signature"), "{}", house.refusal(&[&der]));
    let third = authority("third").sign(Says::default());
    assert!(house.refusal(&[&third]).contains("of no authority that is trusted here"));
    assert!(house.refusal(&[&Says::default().signed_by_itself()]).contains("of no authority"));
    assert!(house.judge(&[&company.sign(Says { is_authority: true, ..Says::default() })]).is_err());
    assert!(house.judge(&[&company.certificate]).is_err());
    assert!(house.judge(&[]).is_err());
}

#[test]
fn chains_are_held_at_their_edge_s_250() {
    let company = authority("company");
    let house = House::trusting(&company);
    let (own, filler) = (company.sign(Says::default()), authority("filler").certificate);
    for others in [0, 1, limits::CLIENT_CHAIN, limits::CLIENT_CHAIN + 1, 100] {
        let mut chain = vec![&own[..]];
        chain.resize(others + 1, &filler);
        assert_eq!(house.judge(&chain).is_ok(), others <= limits::CLIENT_CHAIN, "{others}");
    }
    let most = limits::CLIENT_CERTIFICATE_OCTETS;
    for octets in [most - 1, most, most + 1] {
        let refusal = house.refusal(&[&vec![0x30; octets]]);
        assert_eq!(refusal.contains("it has over"), octets > most, "{octets}: {refusal}");
    }
}

#[test]
fn what_a_list_revokes_is_refused_and_what_no_list_knows_is_not_s_250() {
    let (company, club) = (authority("company"), authority("club"));
    let house = House::trusting(&company);
    house.trust(&club);
    let add = |list: &[u8]| block_on(cert::add_revocations(&house.store, list));
    let (seven, eight) = (company.sign(Says::default()), company.sign(Says { serial: 8, ..Says::default() }));
    add(&company.revoke(&[7, 9], NOW.0 - 3 * DAY)).unwrap();
    assert!(house.refusal(&[&seven]).contains("is revoked"));
    // The list is overdue, and the club has none.
    assert!(house.judge(&[&eight]).is_ok() && house.judge(&[&club.sign(Says::default())]).is_ok());
    // A newer list takes the older one's place, an older one doesn't.
    assert_eq!(add(&company.revoke(&[8], NOW.0)).unwrap()[0].revoked, 1);
    assert!(house.judge(&[&seven]).is_ok() && house.refusal(&[&eight]).contains("is revoked"));
    assert!(matches!(add(&company.revoke(&[], NOW.0 - 1)), Err(StoreError::Refused(_))));
    assert_eq!(block_on(cert::revocations(&house.store)).unwrap().len(), 1);
    // Whoever makes one in the company's name has not its key.
    assert!(matches!(add(&authority("company").revoke(&[], NOW.0 + 1)), Err(StoreError::Refused(_))));
    assert!(matches!(add(&authority("third").revoke(&[], NOW.0)), Err(StoreError::Refused(_))));
    assert!(matches!(add(&seven), Err(StoreError::Refused(_))));
    assert!(house.refusal(&[&eight]).contains("is revoked"));
    // It goes with its authority.
    block_on(cert::remove_authority(&house.store, Vouches::ForClients, "company")).unwrap();
    assert_eq!(block_on(cert::revocations(&house.store)), Ok(vec![]));
}

/// The lists of both went, and what the other authority had revoked was good again.
#[test]
fn a_list_is_removed_by_a_name_that_is_its_authority_s_alone() {
    let (here, there) = (authority_in("company", Some("DE")), authority_in("company", Some("FR")));
    let house = House::trusting(&here);
    house.trust(&there);
    let certificate = there.sign(Says::default());
    for authority in [&here, &there] {
        block_on(cert::add_revocations(&house.store, &authority.revoke(&[7], NOW.0))).unwrap();
    }
    let removed = block_on(cert::remove_revocations(&house.store, "company"));
    assert!(matches!(removed, Err(StoreError::Refused(_))), "{removed:?}");
    assert!(house.refusal(&[&certificate]).contains("is revoked"));
}

#[test]
fn a_certificate_is_revoked_for_a_suspect_clock_too() {
    let company = authority("company");
    let house = House::trusting(&company);
    block_on(cert::add_revocations(&house.store, &company.revoke(&[7], NOW.0))).unwrap();
    let refusal = house.judge_at(&[&company.sign(Says::default())], &Clock::fixed(UnixTime(0)));
    assert!(refusal.is_err_and(|text| text.contains("is revoked")));
}

#[test]
fn an_allowed_certificate_is_its_mailbox_s_and_not_that_of_a_later_one() {
    let house = House::new();
    let der = Says { names: &["bob@home.lan"], ..Says::default() }.signed_by_itself();
    house.allow("alice", &der).unwrap();
    assert!(matches!(house.allow("alice", &der), Err(StoreError::Exists(_))));
    assert_eq!(house.judge(&[&der]), Ok(vec!["alice".into()]), "what it says itself doesn't count");
    house.allow("bob", &der).unwrap();
    assert_eq!(house.judge(&[&der]), Ok(vec!["alice".into(), "bob".into()]));
    house.store.remove_mailbox(address("alice")).wait().unwrap();
    assert_eq!(house.judge(&[&der]), Ok(vec!["bob".into()]));
    house.add("alice");
    assert_eq!(house.judge(&[&der]), Ok(vec!["bob".into()]));
    house.allow("alice", &der).unwrap();
    assert_eq!(house.judge(&[&der]), Ok(vec!["bob".into(), "alice".into()]));
    let print = certificate::fingerprint(&der).to_string();
    for (name, digits) in [("alice", &print[..8]), ("bob", &print[..])] {
        block_on(cert::deny(&house.store, &address(name), digits)).unwrap();
        let again = block_on(cert::deny(&house.store, &address(name), digits));
        assert!(matches!(again, Err(StoreError::NotFound(_))));
    }
    assert!(house.refusal(&[&der]).contains("is not allowed"));
}

#[test]
fn what_poppet_issues_opens_one_mailbox_until_it_is_denied() {
    let house = House::new();
    let mark = house.store.mailbox(address("alice")).wait().unwrap().unwrap().mark;
    let issue = || {
        let owner = (address("alice"), mark);
        block_on(cert::issue(&house.store, &house.gatekeeper, owner, "phone".into(), 30, NOW))
    };
    assert!(matches!(issue(), Err(StoreError::Refused(_))), "there is no authority yet");
    let names = ["mail.home.lan".to_owned()];
    block_on(cert::ensure(&house.store, &house.gatekeeper, "home.lan", &names, &[], NOW)).unwrap();
    let issued = issue().unwrap();
    assert_eq!(issued.ends, UnixTime(NOW.0 + 30 * DAY));
    let kept = block_on(cert::allowed(&house.store)).unwrap();
    assert_eq!((kept.len(), kept[0].fingerprint, kept[0].is_issued), (1, issued.fingerprint, true));
    // Its authority is never believed: not even its other certificates are, such as the server's.
    let own = block_on(cert::authority(&house.store)).unwrap().unwrap();
    let added = block_on(cert::add_authorities(&house.store, Vouches::ForClients, &own, Some(NOW)));
    assert!(matches!(added, Err(StoreError::Refused(_))));
    let server = block_on(cert::server_certificate(&house.store)).unwrap().unwrap();
    assert!(house.judge(&[&server, &own]).is_err());
}

#[test]
fn only_authorities_that_stand_are_added() {
    let house = House::new();
    let add =
        |file: &[u8], now| block_on(cert::add_authorities(&house.store, Vouches::ForClients, file, now));
    let company = authority("company").certificate;
    let user = authority("x").sign(Says::default());
    let ended = Says { is_authority: true, ends: NOW.0 - 1, ..Says::default() }.signed_by_itself();
    for (file, wanted) in [(&b""[..], "no CERTIFICATE"), (&user, "no authority's"), (&ended, "ended on")] {
        let Err(StoreError::Refused(text)) = add(file, Some(NOW)) else { panic!("{wanted}") };
        assert!(text.contains(wanted), "{text}");
    }
    assert!(add(&ended, None).is_ok(), "a suspect clock ends nothing");
    let both = [cert::pem(&company), cert::pem(&ended)].concat();
    assert_eq!(add(both.as_bytes(), None).unwrap().len(), 2);
    assert!(matches!(add(&company, Some(NOW)), Err(StoreError::Exists(_))));
    let remove = |which: &str| block_on(cert::remove_authority(&house.store, Vouches::ForClients, which));
    assert!(matches!(remove("nobody"), Err(StoreError::NotFound(_))));
    assert!(remove(&certificate::fingerprint(&company).to_string()[..8]).is_ok());
    for number in 1..limits::CERTIFICATE_AUTHORITIES {
        add(&authority(&number.to_string()).certificate, None).unwrap();
    }
    assert!(matches!(add(&company, None), Err(StoreError::Refused(_))));
}
