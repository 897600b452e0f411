//! Certificates by command: what is told, what is refused, and whose sessions end (A8).

use super::*;
use crate::admin::{CertificateAct, CertificateKind, CertificateRow, Fingerprint, Told, Vouches};
use crate::cert;
use crate::limits;

const PRINT: Fingerprint = Fingerprint([0xAB; 32]);

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn allow(of: &str, label: &str) -> Command {
    let (address, label) = (address(of), label.to_owned());
    Command::Certificates(CertificateAct::Allow { address, fingerprint: PRINT, label })
}

fn issue(of: &str, days: u32) -> Command {
    Command::Certificates(CertificateAct::Issue { address: address(of), label: "phone".into(), days })
}

fn deny(of: &str, fingerprint: &str) -> Command {
    let fingerprint = fingerprint.to_owned();
    Command::Certificates(CertificateAct::Deny { address: address(of), fingerprint })
}

/// What a command fails by.
fn kind(house: &House, command: Command) -> Failure {
    let error = house.act(command).unwrap_err();
    assert_eq!(error.text.lines().count(), 1, "{}", error.text);
    error.kind
}

fn list(house: &House) -> Vec<CertificateRow> {
    match house.act(Command::Certificates(CertificateAct::List)) {
        Ok(Answer::Certificates(Told::Rows(rows))) => rows,
        other => panic!("{other:?}"),
    }
}

/// Whose sessions have been ended since the last time.
fn ended(house: &House) -> Vec<MailboxId> {
    std::mem::take(&mut *house.sessions.ended.lock().unwrap())
}

fn ensure(house: &House) {
    let organisation = "home.lan".parse().unwrap();
    let (names, addresses) = (vec!["mail.home.lan".into()], Vec::new());
    house.act(Command::EnsureCertificate { organisation, names, addresses }).unwrap();
}

#[test]
fn what_is_allowed_is_listed_until_it_is_denied_which_ends_sessions() {
    let house = House::with(&["alice@home.lan", "bob@home.lan"]);
    house.act(allow("alice@home.lan", "tablet")).unwrap();
    assert_eq!(kind(&house, allow("alice@home.lan", "again")), Failure::Exists);
    assert_eq!(kind(&house, allow("carol@home.lan", "")), Failure::NotFound);
    let rows = list(&house);
    let [CertificateRow { kind: CertificateKind::Allowed, name, is_nobodys: false, ends: None, .. }] =
        &rows[..]
    else {
        panic!("{rows:?}")
    };
    assert_eq!(name, "tablet");
    for (of, print) in
        [("bob@home.lan", "abababab"), ("alice@home.lan", "abababa"), ("alice@home.lan", "00000000")]
    {
        assert_eq!(kind(&house, deny(of, print)), Failure::NotFound, "{of} {print}");
    }
    assert!(ended(&house).is_empty());
    house.act(deny("alice@home.lan", "AB:AB:AB:AB")).unwrap();
    let alice = house.context.store.mailbox(address("alice@home.lan")).wait().unwrap().unwrap().id;
    assert_eq!((ended(&house), list(&house)), (vec![alice], vec![]));
}

#[test]
fn labels_and_days_are_held_at_their_edges() {
    let house = House::with(&["alice@home.lan"]);
    ensure(&house);
    let most = limits::CERTIFICATE_LABEL_LETTERS;
    for bad in [&"ä".repeat(most + 1)[..], "a\nb", "\u{1b}"] {
        assert_eq!(kind(&house, allow("alice@home.lan", bad)), Failure::Usage, "{bad:?}");
    }
    assert!(house.act(allow("alice@home.lan", &"ä".repeat(most))).is_ok());
    let most = limits::MOST_CLIENT_CERTIFICATE_DAYS;
    for (days, is_made) in [(0, false), (1, true), (most, true), (most + 1, false)] {
        assert_eq!(house.act(issue("alice@home.lan", days)).is_ok(), is_made, "{days}");
    }
}

#[test]
fn issuing_needs_an_authority_and_a_mailbox_and_leaves_nothing_without() {
    let house = House::with(&["alice@home.lan"]);
    assert_eq!(kind(&house, issue("alice@home.lan", 30)), Failure::Refused);
    assert_eq!(kind(&house, Command::Certificates(CertificateAct::Show)), Failure::NotFound);
    ensure(&house);
    assert_eq!(kind(&house, issue("carol@home.lan", 30)), Failure::NotFound);
    assert_eq!(list(&house).len(), 2, "the server's and the authority's");
    let Ok(Answer::Certificates(Told::Issued { fingerprint, ends, .. })) =
        house.act(issue("alice@home.lan", 30))
    else {
        panic!()
    };
    let rows = list(&house);
    assert_eq!(
        (rows[2].kind, rows[2].fingerprint, rows[2].ends),
        (CertificateKind::Issued, fingerprint, Some(ends))
    );
    house.context.store.remove_mailbox(address("alice@home.lan")).wait().unwrap();
    assert!(list(&house)[2].is_nobodys);
}

#[test]
fn authorities_and_lists_that_are_not_there_are_not_found() {
    let house = House::with(&["alice@home.lan"]);
    let act = |act| kind(&house, Command::Certificates(act));
    let authority = cert::make_authority("company").unwrap().certificate;
    let add = |vouches| CertificateAct::AddAuthorities { vouches, file: authority.clone() };
    let remove =
        |vouches| CertificateAct::RemoveAuthority { vouches, which: "poppet authority of company".into() };
    house.act(Command::Certificates(add(Vouches::ForDirectory))).unwrap();
    assert_eq!(act(add(Vouches::ForDirectory)), Failure::Exists);
    assert_eq!(act(remove(Vouches::ForClients)), Failure::NotFound);
    assert_eq!(list(&house)[0].kind, CertificateKind::DirectoryAuthority);
    house.act(Command::Certificates(remove(Vouches::ForDirectory))).unwrap();
    assert_eq!(act(CertificateAct::RemoveRevocations("company".into())), Failure::NotFound);
    assert_eq!(act(CertificateAct::AddRevocations(b"rubbish".to_vec())), Failure::Refused);
    assert_eq!(act(CertificateAct::AddRevocations(authority.clone())), Failure::Refused);
}
