//! Certificates of others requested, installed, bound and shown, in a store.

use super::*;
use crate::auth::DeviceKey;
use crate::auth::tests::Folder;
use crate::cert::pair::tests::{Authority, NOW, file, new_key};
use crate::cert::{ensure, request, requests};
use crate::clock::Clock;
use crate::store::Options;
use crate::ticket::block_on;

pub struct House {
    pub store: Store,
    gatekeeper: Gatekeeper,
    authority: Authority,
    _folder: Folder,
}

impl House {
    pub fn new() -> House {
        let folder = Folder::new();
        let store = Store::create(&folder.database(), &Options::default(), Clock::fixed(NOW)).unwrap();
        let gatekeeper =
            Gatekeeper::new(store.clone(), DeviceKey::create(&folder.database()).unwrap()).unwrap();
        let names = ["mail.home.lan".to_owned(), "localhost".into()];
        let addresses = ["192.168.1.2", "127.0.0.1", "::1"].map(|text| text.parse().unwrap());
        block_on(ensure(&store, &gatekeeper, "home.lan", &names, &addresses, NOW)).unwrap();
        House { store, gatekeeper, authority: Authority::new("company", None), _folder: folder }
    }

    fn install(&self, label: &str, chain: &[u8], key: Option<&[u8]>) -> Result<Installed, CertError> {
        block_on(install(&self.store, &self.gatekeeper, label, chain, key, Some(NOW)))
    }

    /// A new pair for these names.
    pub fn put(&self, label: &str, names: &[&str]) -> Result<Installed, CertError> {
        let key = new_key();
        let own = self.authority.sign(&key, names);
        self.install(label, &file(&[&own, &self.authority.der]), Some(&key.serialize_der()))
    }

    fn request(&self, subjects: &[&str]) -> Result<super::super::Requested, StoreError> {
        let subjects: Vec<_> = subjects.iter().map(|subject| (*subject).to_owned()).collect();
        block_on(request(&self.store, &self.gatekeeper, &subjects, &[]))
    }

    pub fn bind(&self, label: &str, places: &[&str]) -> Result<Bound, StoreError> {
        let places: Vec<_> = places.iter().map(|place| (*place).to_owned()).collect();
        block_on(bind(&self.store, label, &places))
    }

    fn record(&self) -> Option<Vec<u8>> {
        self.store.record("tls.installed").wait().unwrap()
    }

    fn shelf(&self) -> Shelf {
        block_on(shelf::load(&self.store)).unwrap()
    }

    fn shown(&self) -> Shown {
        block_on(shown(&self.store, &self.gatekeeper)).unwrap().unwrap()
    }

    /// The first certificate of what who asks for that name is shown.
    fn shown_to(&self, name: Option<&str>) -> Vec<u8> {
        let shown = self.shown();
        shown.identities[shown.choice.of(name, None)].chain[0].clone()
    }
}

/// What an authority has signed for the key of a request.
fn signed(house: &House, at: usize, names: &[&str]) -> Vec<u8> {
    let sealed = &house.shelf().requests[at].private_key;
    let key = house.gatekeeper.unseal(shelf::REQUEST, sealed).unwrap();
    let key = rcgen::KeyPair::try_from(key.expose()).unwrap();
    house.authority.sign(&key, names)
}

#[test]
fn what_was_requested_is_installed_without_a_key_and_renewed_likewise() {
    let house = House::new();
    let first = house.request(&["mail.example.org", "192.0.2.1"]).unwrap();
    assert_eq!(house.request(&["192.0.2.1", "Mail.Example.org."]), Ok(first));
    let own = signed(&house, 0, &["mail.example.org", "192.0.2.1"]);
    let installed = house.install("", &own, None).unwrap();
    assert_eq!(
        (&installed.label[..], &installed.subjects[..]),
        ("mail.example.org", &["mail.example.org".to_owned(), "192.0.2.1".into()][..])
    );
    assert!(installed.bound.is_everywhere && house.shelf().requests.is_empty());
    assert!(block_on(requests(&house.store)).unwrap().is_empty());
    let again = house.install("", &own, None).unwrap();
    assert_eq!((again.label, house.shelf().installed.len()), (installed.label, 1));
    let strange = house.authority.sign(&new_key(), &["mail.example.org"]);
    assert!(house.install("", &strange, None).unwrap_err().0.starts_with("no key here fits"));
}

/// The key of the oldest went for the fifth without a question, while somebody waited for its certificate.
#[test]
fn of_too_many_requests_the_last_is_refused_until_one_is_given_up() {
    let house = House::new();
    for number in 1..=limits::CERTIFICATE_REQUESTS {
        house.request(&[&format!("host{number}.example"), "both.example"]).unwrap();
    }
    let (before, one_more) = (house.record(), house.request(&["last.example"]));
    assert!(
        matches!(&one_more, Err(StoreError::Refused(text)) if text.contains("poppet cert del NAME")),
        "{one_more:?}"
    );
    assert_eq!(house.record(), before);
    assert!(house.request(&["host1.example", "both.example"]).is_ok(), "one that is pending is given again");
    let give_up = |name: &str| block_on(uninstall(&house.store, name));
    assert!(matches!(give_up("both.example"), Err(StoreError::Refused(text)) if text.contains("several")));
    assert_eq!(give_up("host9.example"), Err(StoreError::NotFound("host9.example".into())));
    assert_eq!(house.record(), before);
    assert_eq!(give_up("HOST1.example"), Ok(TakenAway::Request));
    assert_eq!(give_up("host2.example both.example"), Ok(TakenAway::Request));
    house.request(&["last.example"]).unwrap();
    let left: Vec<_> =
        block_on(requests(&house.store)).unwrap().into_iter().map(|left| left.subjects[0].clone()).collect();
    assert_eq!(left, ["host3.example", "host4.example", "last.example"]);
}

#[test]
fn what_is_installed_goes_before_a_request_for_the_same_name() {
    let house = House::new();
    house.put("one.example", &["one.example"]).unwrap();
    house.request(&["one.example"]).unwrap();
    for taken in [TakenAway::Installed, TakenAway::Request] {
        assert_eq!(block_on(uninstall(&house.store, "one.example")), Ok(taken));
    }
    assert!(block_on(uninstall(&house.store, "one.example")).is_err());
}

#[test]
fn a_request_is_for_names() {
    let house = House::new();
    let own = house.request(&[]).unwrap();
    assert_eq!(own.subjects, ["mail.home.lan", "192.168.1.2"], "those of poppet's own");
    for bad in ["", "a b", "höme.lan", "alice@home.lan", "a\nb"] {
        assert!(matches!(house.request(&[bad]), Err(StoreError::Refused(_))), "{bad:?}");
    }
    let many: Vec<_> = (0..=limits::CERTIFICATE_NAMES).map(|number| format!("h{number}.example")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert!(house.request(&many).is_err());
    assert!(house.request(&many[1..]).is_ok());
}

#[test]
fn whatever_does_not_fit_changes_nothing_s_257_s_258() {
    let house = House::new();
    house.put("one", &["mail.example.org"]).unwrap();
    let (before, record) = (house.shown_to(None), house.record());
    let (key, other) = (new_key(), new_key().serialize_der());
    let own = house.authority.sign(&key, &["mail.example.org"]);
    let ended = house.authority.sign_dated(&key, &["mail.example.org"], 0, NOW.0 - 1);
    let key = key.serialize_der();
    for (chain, key) in [
        (&own[..], Some(&other[..])),
        (&own, None),
        (&own, Some(b"")),
        (b"", Some(&key)),
        (&own[..99], Some(&key)),
        (&ended, Some(&key)),
        (&key, Some(&key)),
    ] {
        assert!(house.install("one", chain, key).is_err());
        assert_eq!((house.shown_to(None), house.record()), (before.clone(), record.clone()));
    }
    assert!(house.install("poppet", &own, Some(&key)).is_err());
    assert!(house.install("one", &own, Some(&key)).is_ok());
    assert_eq!(house.shown_to(None), own);
}

#[test]
fn labels_are_plain_and_come_from_the_first_name() {
    let house = House::new();
    for (label, wanted) in [("Company-2", "company-2"), ("", "mail.example.org")] {
        assert_eq!(house.put(label, &["mail.example.org"]).unwrap().label, wanted);
        house.shelf();
        block_on(uninstall(&house.store, wanted)).unwrap();
    }
    for (name, wanted) in [("*.example.org", "example.org"), ("fd00::2", "fd00--2"), ("poppet", "server")] {
        assert_eq!(house.put("", &[name]).unwrap().label, wanted);
    }
    let long = "a".repeat(limits::SERVER_LABEL_OCTETS);
    assert!(house.put(&long, &["a.example"]).is_ok());
    for bad in ["poppet", "Poppet", "a b", "-a", ".", "a_b", "ä", &format!("{long}a")] {
        assert!(house.put(bad, &["a.example"]).unwrap_err().0.contains("can't be a label"), "{bad}");
    }
}

#[test]
fn as_many_are_installed_and_bound_as_may_be() {
    let house = House::new();
    for number in 0..limits::INSTALLED_CERTIFICATES {
        house.put(&format!("c{number}"), &["mail.example.org"]).unwrap();
    }
    assert!(house.put("one-more", &["mail.example.org"]).unwrap_err().0.contains("over 16"));
    assert!(house.put("c3", &["mail.example.org"]).is_ok(), "one that is there is replaced");
    let places: Vec<_> =
        (0..=limits::CERTIFICATE_PLACES).map(|number| format!("h{number}.example")).collect();
    let places: Vec<_> = places.iter().map(String::as_str).collect();
    assert!(house.bind("c0", &places[1..]).is_ok());
    let record = house.record();
    assert!(matches!(house.bind("c0", &places), Err(StoreError::Refused(_))));
    assert!(house.bind("c1", &["another.example"]).is_err());
    assert_eq!(house.record(), record);
    assert!(house.bind("c1", &places[1..2]).is_ok(), "taken from the other");
    assert_eq!(house.bind("c0", &[]).map(|bound| bound.places), Ok(vec![]));
}

#[test]
fn one_that_soon_ends_is_told_of_at_once_s_259() {
    let (house, key) = (House::new(), new_key());
    let first_warning = limits::CERTIFICATE_WARNING_DAYS[0] * 86_400;
    for (left_seconds, is_soon) in
        [(first_warning - 1, true), (first_warning, true), (first_warning + 1, false)]
    {
        let own = house.authority.sign_dated(&key, &["mail.example.org"], 0, NOW.0 + left_seconds);
        let notes = house.install("", &own, Some(&key.serialize_der())).unwrap().notes;
        assert_eq!(
            notes.iter().any(|note| note.starts_with("It ends on ")),
            is_soon,
            "{left_seconds}: {notes:?}"
        );
    }
}

/// Every install told of a name that was set as hostname, which setup had done, and not what that meant.
#[test]
fn a_hostname_that_is_not_in_it_is_told_with_what_that_means() {
    let house = House::new();
    let told = |names: &[&str]| {
        let own = certificate::read(&house.authority.sign(&new_key(), names)).unwrap();
        without_hostname(&own, "mail.home.lan")
    };
    let told_all = told(&["*.example.org", "mail.example.org"]);
    assert!(
        told_all
            .contains("hostname, mail.home.lan: clients that ask for that get poppet's own. For this one"),
        "{told_all}"
    );
    assert!(told_all.contains("\"poppet set hostname mail.example.org\""), "{told_all}");
    assert!(told(&["*.example.org"]).ends_with("get poppet's own."));
}

#[test]
fn what_is_bound_is_shown_there_and_poppet_s_own_to_who_asks_for_its_name() {
    let house = House::new();
    let own = house.shown_to(None);
    let first = house.put("one", &["mail.example.org"]).unwrap();
    assert!(first.bound.places.is_empty());
    assert!(first.notes[0].contains("\"poppet cert bind poppet 192.168.1.2\""), "{:?}", first.notes);
    let second = house.put("two", &["*.example.net"]).unwrap();
    assert!(!second.bound.is_everywhere && second.notes.is_empty(), "the first is");
    let [one, two] = [Some("mail.example.org"), Some("pop.example.net")].map(|name| house.shown_to(name));
    assert_eq!((house.shown_to(None), house.shown_to(Some("mail.home.lan"))), (one.clone(), own.clone()));
    assert_ne!(one, two);
    let bound = house.bind("TWO", &["Mail.Example.org", "192.0.2.1"]).unwrap();
    assert_eq!(
        bound.places.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["mail.example.org", "192.0.2.1"]
    );
    assert_eq!(house.shown_to(Some("mail.example.org")), two);
    house.bind("poppet", &[]).unwrap();
    assert_eq!(house.shown_to(Some("elsewhere.example")), own);
    house.bind("two", &[]).unwrap();
    assert_eq!((house.shown_to(None), house.shown_to(Some("mail.example.org"))), (two.clone(), one.clone()));
    house.bind("two", &["x.example"]).unwrap();
    assert_eq!((house.shown_to(None), house.shown_to(Some("x.example"))), (own.clone(), two));
    house.put("two", &["*.example.net"]).unwrap();
    assert_eq!(block_on(bound_to(&house, "two")), ["x.example"], "what is replaced stays bound");
    block_on(uninstall(&house.store, "two")).unwrap();
    assert_eq!((house.shown_to(Some("x.example")), house.shown().choice.bound.len()), (own, 0));
    for label in ["two", ""] {
        assert!(matches!(block_on(uninstall(&house.store, label)), Err(StoreError::NotFound(_))));
        assert!(matches!(house.bind(label, &[]), Err(StoreError::NotFound(_))));
    }
    assert!(matches!(house.bind("one", &["a..b"]), Err(StoreError::Refused(_))));
}

async fn bound_to(house: &House, label: &str) -> Vec<String> {
    bound(&house.store, label).await.unwrap().places.iter().map(ToString::to_string).collect()
}

/// The one that lasts longer is the renewed one.
#[test]
fn of_two_with_the_same_name_the_one_that_lasts_longer_is_shown() {
    let house = House::new();
    for (label, ends) in [("first", 50), ("longest", 90), ("last", 70)] {
        let key = new_key();
        let own = house.authority.sign_dated(&key, &["mail.example.org"], 0, NOW.0 + ends);
        house.install(label, &own, Some(&key.serialize_der())).unwrap();
    }
    let all = block_on(installed(&house.store)).unwrap();
    assert_eq!(all.iter().map(|one| &one.label[..]).collect::<Vec<_>>(), ["first", "last", "longest"]);
    assert_eq!(house.shown_to(Some("mail.example.org")), all[2].chain[0]);
}

#[test]
fn keys_are_sealed_and_damage_leaves_poppet_s_own() {
    let house = House::new();
    let (own, key) = (house.shown_to(None), new_key());
    let chain = house.authority.sign(&key, &["mail.example.org"]);
    house.install("one", &chain, Some(&key.serialize_der())).unwrap();
    let record = house.record().unwrap();
    assert!(!record.windows(32).any(|window| window == &key.serialize_der()[36..68]), "the secret scalar");
    for length in 0..record.len() {
        house.store.put_record("tls.installed", record[..length].to_vec()).wait().unwrap();
        assert_eq!((house.shown_to(None), house.shown().flaws.len()), (own.clone(), 1), "{length}");
    }
    // A sealed key under another label opens nothing.
    let mut shelf: Shelf = postcard::from_bytes(&record).unwrap();
    shelf.installed[0].label = "two".into();
    house.store.put_record("tls.installed", postcard::to_allocvec(&shelf).unwrap()).wait().unwrap();
    assert_eq!((house.shown_to(None), house.shown().flaws.len()), (own, 1));
}
