//! Files that are followed, by command (T3), and poppet's own certificate made anew (T1).

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::admin::following::nameless;
use crate::admin::{CertificateAct, CertificateKind, CertificateRow, Told};
use crate::cert::{self, labelled, make_authority, make_server};
use crate::limits;

struct Files(PathBuf);

impl Files {
    /// Of a certificate for mail.company.example.
    fn new() -> Files {
        let files = Files(std::env::temp_dir().join(format!("poppet-watch-{:016x}", fastrand::u64(..))));
        fs::create_dir(&files.0).unwrap();
        fs::set_permissions(&files.0, Permissions::from_mode(0o755)).unwrap();
        let (authority, now) = (make_authority("company").unwrap(), Clock::system(UnixTime(0)).now());
        let server = make_server(&authority, &["mail.company.example".into()], &[], now).unwrap();
        let chain = cert::pem(&server.certificate);
        let key = labelled("PRIVATE KEY", server.private_key.expose());
        for (name, text) in [("chain", &chain), ("key", &key), ("both", &format!("{chain}{key}"))] {
            fs::write(files.0.join(name), text).unwrap();
            fs::set_permissions(files.0.join(name), Permissions::from_mode(0o600)).unwrap();
        }
        files
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().into()
    }

    fn watch(&self, label: &str, chain: &str, key: &str) -> Command {
        let (label, chain, key) = (label.to_owned(), self.path(chain), self.path(key));
        let names = Vec::new();
        Command::Certificates(CertificateAct::Watch { label, chain, key, names })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn unwatch(label: &str) -> Command {
    Command::Certificates(CertificateAct::Unwatch { label: label.into() })
}

fn installed(house: &House) -> Vec<CertificateRow> {
    match house.act(Command::Certificates(CertificateAct::List)) {
        Ok(Answer::Certificates(Told::Rows(rows))) => {
            rows.into_iter().filter(|row| row.kind == CertificateKind::Installed).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn label(answer: Result<Answer, AdminError>) -> String {
    match answer {
        Ok(Answer::Certificates(Told::Followed { label, row: Some(row), trouble: None, .. })) => {
            assert!(row.name == label && row.watched.is_some());
            label
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_are_installed_and_followed_until_they_are_not() {
    let (house, files) = (House::with(&["alice@home.lan"]), Files::new());
    assert_eq!(label(house.act(files.watch("", "chain", "key"))), "mail.company.example");
    assert_eq!(label(house.act(files.watch("Office", "both", "both"))), "office");
    let rows = installed(&house);
    let watched: Vec<_> = rows.iter().map(|row| (row.name.as_str(), row.watched.clone())).collect();
    assert_eq!(
        watched,
        [("mail.company.example", Some(files.path("chain"))), ("office", Some(files.path("both")))]
    );
    house.act(unwatch("OFFICE")).unwrap();
    assert_eq!(installed(&house).iter().filter(|row| row.watched.is_some()).count(), 1);
    assert_eq!(installed(&house).len(), 2, "what was read stays");
    assert_eq!(house.act(unwatch("office")).unwrap_err().kind, Failure::NotFound);
}

#[test]
fn what_can_not_be_used_is_refused_and_nothing_is_followed() {
    let (house, files) = (House::with(&["alice@home.lan"]), Files::new());
    fs::write(files.0.join("rubbish"), "rubbish").unwrap();
    fs::set_permissions(files.0.join("rubbish"), Permissions::from_mode(0o600)).unwrap();
    for (chain, key) in [
        ("chain", "nowhere"),
        ("nowhere", "key"),
        ("chain", "chain"),
        ("key", "key"),
        ("rubbish", "key"),
        ("chain", "rubbish"),
    ] {
        house.refused(files.watch("", chain, key));
    }
    house.refused(files.watch("no label of ours", "chain", "key"));
    let act = |chain: &str, key: &str| {
        let (label, chain, key, names) = ("x".into(), chain.into(), key.into(), Vec::new());
        house.refused(Command::Certificates(CertificateAct::Watch { label, chain, key, names }));
    };
    act("chain", &files.path("key"));
    act(&files.path("chain"), "key");
    fs::set_permissions(files.0.join("key"), Permissions::from_mode(0o604)).unwrap();
    assert!(house.refused(files.watch("", "chain", "key")).contains("\"chmod o= "));
    assert_eq!(installed(&house), []);
    assert_eq!(block_on(cert::watched(&house.context.store)).unwrap(), []);
}

/// The remedy went round in a circle: a restart opens the folders of what is followed, and it was not followed without a
/// label that nobody had been told of in time.
#[test]
fn files_that_the_server_can_not_read_yet_go_by_the_names_that_the_command_line_reads() {
    let (house, files) = (House::with(&["alice@home.lan"]), Files::new());
    let label = |label: &str, names: &[String]| {
        let watched = cert::Watched::new(label, files.path("chain"), files.path("key")).unwrap();
        block_on(crate::admin::following::label_unread(&house.context, &watched, names, "/x is shut"))
    };
    let names = names_in(&fs::read(files.path("both")).unwrap());
    assert_eq!(label("", &names).unwrap(), "mail.company.example");
    assert_eq!(label("office", &names).unwrap(), "office");
    assert_eq!(label("office", &[]).unwrap(), "office");
    house.act(files.watch("company", "chain", "key")).unwrap();
    assert_eq!(label("", &names).unwrap(), "company", "as one that is installed for the same");

    assert_eq!(names_in(&fs::read(files.path("key")).unwrap()), [""; 0]);
    let told = label("", &[]).unwrap_err().text;
    assert!(told.starts_with("/x is shut; ") && told.ends_with("add --as LABEL"), "{told}");
}

#[test]
fn so_many_are_followed_and_one_more_is_not() {
    let (house, files) = (House::with(&["alice@home.lan"]), Files::new());
    for number in 0..limits::WATCHED_CERTIFICATES {
        label(house.act(files.watch(&format!("n{number}"), "chain", "key")));
    }
    assert!(house.refused(files.watch("one-more", "chain", "key")).contains("unwatch"));
    label(house.act(files.watch("n3", "both", "both")));
}

#[test]
fn a_followed_certificate_is_not_installed_by_hand_and_goes_with_its_files() {
    let (house, files) = (House::with(&["alice@home.lan"]), Files::new());
    let label = label(house.act(files.watch("office", "chain", "key")));
    let chain = Secret::new(fs::read(files.0.join("both")).unwrap());
    let install = |label: &str| {
        let (label, chain) = (label.into(), chain.clone());
        Command::Certificates(CertificateAct::Install { label, chain, key: None })
    };
    assert!(house.refused(install("OFFICE")).contains("poppet cert unwatch office"));
    house.act(install("other")).unwrap();
    house.act(Command::Certificates(CertificateAct::Uninstall { label })).unwrap();
    assert_eq!(installed(&house).len(), 1);
    assert_eq!(block_on(cert::watched(&house.context.store)).unwrap(), []);
}

#[test]
fn poppets_own_is_made_anew_once_there_is_a_domain() {
    let house = House::empty();
    let renew = || {
        let (names, addresses) = (vec!["box".into()], vec!["192.0.2.1".parse().unwrap()]);
        house.act(Command::Certificates(CertificateAct::Renew { names, addresses }))
    };
    assert_eq!(renew().unwrap_err().kind, Failure::NotFound);
    house.domain("home.lan");
    let fingerprint = || match renew() {
        Ok(Answer::Certificates(Told::Rows(rows))) => {
            assert_eq!(rows.iter().map(|row| row.kind).collect::<Vec<_>>(), [CertificateKind::Server]);
            rows[0].fingerprint
        }
        other => panic!("{other:?}"),
    };
    assert_ne!(fingerprint(), fingerprint());
}

/// A restart alone was advised, which knew no more of files that nothing followed, and the same line came again.
#[test]
fn files_outside_the_sandbox_are_named_first_and_then_the_server_is_restarted() {
    let told = nameless("/srv/chain.pem can't be read", true);
    assert!(
        told.contains("say it again with --as LABEL") && told.ends_with("and then restart the server"),
        "{told}"
    );
    let told = nameless("user 7 can't read it", false);
    assert!(told.starts_with("user 7 can't read it; ") && !told.contains("restart"), "{told}");
}
