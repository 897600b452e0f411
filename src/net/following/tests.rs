//! What is known of files that change, and real files against a running server.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;
use crate::admin::{self, Answer, Asker, CertificateAct, Command, Context, Live, Told};
use crate::cert::{Identity, labelled, make_authority, make_server};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::net::tests::shaking::leaf;
use crate::net::tests::trial::{OWN, Trial, serving};
use crate::settings::ListenerKind;
use crate::ticket::block_on;

#[test]
fn what_is_told_of_files_that_change_s_258() {
    let alarm = |why: &str| Some(Line::Alarm(why.into()));
    let good = Some(Line::Good("the files are good again".into()));
    /// What the files are like, whether they are to be read, why they could not be used, and what is told of it.
    type Look<'a> = (i128, bool, Option<&'a str>, Option<Line>);
    let courses: [&[Look]; 6] = [
        // Right from the start, and renewed.
        &[(1, true, None, None), (1, false, None, None), (2, true, None, None), (2, false, None, None)],
        // A renewal that a look falls into is no trouble.
        &[
            (1, true, None, None),
            (2, true, Some("half"), None),
            (3, true, None, None),
            (3, false, None, None),
        ],
        // One that stays half done is told once, tried each minute, and its end is told.
        &[
            (1, true, None, None),
            (2, true, Some("half"), None),
            (2, true, Some("half"), alarm("half")),
            (2, true, Some("half"), None),
            (3, true, None, good.clone()),
            (3, false, None, None),
        ],
        // Files that go on changing are told of, too.
        &[(1, true, None, None), (2, true, Some("half"), None), (3, true, Some("half"), alarm("half"))],
        // What is wrong at the start is told at once, and another trouble again.
        &[
            (1, true, Some("gone"), alarm("gone")),
            (1, true, Some("gone"), None),
            (2, true, Some("cut"), alarm("cut")),
        ],
        // It comes again: so does the line.
        &[
            (1, true, Some("gone"), alarm("gone")),
            (2, true, None, good),
            (1, true, Some("gone"), None),
            (1, true, Some("gone"), alarm("gone")),
        ],
    ];
    for (number, course) in courses.into_iter().enumerate() {
        let mut follower = Follower::default();
        for (at, (seen, is_due, why, line)) in course.iter().enumerate() {
            let seen = Stamps::of_number(*seen);
            assert_eq!(follower.is_due(&seen), *is_due, "{number}, look {at}");
            let told = match why {
                _ if !is_due => None,
                Some(why) => follower.failed(seen, (*why).to_owned()),
                None => follower.took(seen),
            };
            assert_eq!(told, *line, "{number}, look {at}");
        }
    }
}

/// A program that renews certificates of a company's authority, and its files.
struct Renewer {
    folder: PathBuf,
    authority: Identity,
}

impl Renewer {
    fn new() -> Renewer {
        let folder = std::env::temp_dir().join(format!("poppet-follow-{:016x}", fastrand::u64(..)));
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        Renewer { folder, authority: make_authority("company").unwrap() }
    }

    /// A new certificate, with its chain and key as files have them.
    fn make(&self) -> (Vec<u8>, String, String) {
        self.make_for(&[NAME])
    }

    fn make_for(&self, names: &[&str]) -> (Vec<u8>, String, String) {
        let now = Clock::system(UnixTime(0)).now();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let server = make_server(&self.authority, &names, &[], now).unwrap();
        let chain = cert::pem(&server.certificate) + &cert::pem(&self.authority.certificate);
        (server.certificate, chain, labelled("PRIVATE KEY", server.private_key.expose()))
    }

    fn put(&self, file: &str, text: &str) {
        self.put_as(file, text, 0o600);
    }

    fn put_as(&self, file: &str, text: &str, mode: u32) {
        // As they all do it: beside it, and then in its place.
        let (path, new) = (self.folder.join(file), self.folder.join("new"));
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(mode)).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn put_both(&self, chain: &str, key: &str) {
        self.put("chain.pem", chain);
        self.put("key.pem", key);
    }

    fn watch(&self, trial: &Trial) -> (String, Option<String>) {
        let path = |file: &str| self.folder.join(file).to_str().unwrap().to_owned();
        let (label, names) = (String::new(), Vec::new());
        let act = CertificateAct::Watch { label, chain: path("chain.pem"), key: path("key.pem"), names };
        match block_on(admin::execute(&context(trial), Command::Certificates(act))).unwrap() {
            Answer::Certificates(Told::Followed { label, trouble, .. }) => (label, trouble),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Renewer {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn context(trial: &Trial) -> Context {
    let server = trial.server();
    let live = Some(Arc::clone(server) as Arc<dyn Live>);
    Context {
        store: server.store.clone(),
        gatekeeper: server.gatekeeper.clone(),
        live,
        asker: Asker::default(),
    }
}

/// Lets so many looks pass.
fn pass_looks(trial: &Trial, is_so: impl Fn() -> bool, what: &str) {
    trial.until(what, || {
        trial.pass(limits::WATCH_LOOK.as_secs() + 1);
        is_so()
    });
}

const NAME: &str = "mail.company.example";

#[test]
fn a_renewed_certificate_is_shown_and_no_session_is_lost_s_257() {
    serving(&[], |trial| {
        let renewer = Renewer::new();
        let (first, chain, key) = renewer.make();
        renewer.put_both(&chain, &key);
        assert_eq!(renewer.watch(trial), (NAME.into(), None));
        assert_eq!(leaf(trial, NAME), first, "at once");

        let mut session = trial.greeted(ListenerKind::Pop3, OWN);
        for _ in 0..3 {
            let (next, chain, key) = renewer.make();
            renewer.put_both(&chain, &key);
            // As SIGHUP does; no time passes for the session.
            trial.server().renewing.ring();
            trial.until("the next one is shown", || leaf(trial, NAME) == next);
            session.dialog(&[("CAPA\r\n", "+OK")]);
            while session.line() != ".\r\n" {}
        }
        assert_eq!(trial.server().troubles_of_watched(), []);
        let [watched] = &block_on(cert::watched(&trial.server().store)).unwrap()[..] else { panic!() };
        let taken = smol::block_on(take(trial.server(), watched.clone()));
        assert_eq!(taken, Ok(None), "a start writes nothing that is there already");
    });
}

/// certbot's live folder has links to where the files are; all of them change, one after the other.
#[test]
fn links_that_lead_elsewhere_are_followed_s_258() {
    serving(&[], |trial| {
        let renewer = Renewer::new();
        let archive = |number: u32| {
            let (leaf, chain, key) = renewer.make();
            renewer.put(&format!("chain{number}.pem"), &chain);
            renewer.put(&format!("key{number}.pem"), &key);
            leaf
        };
        let link = |file: &str, number: u32| {
            let path = renewer.folder.join(format!("{file}.pem"));
            let _ = fs::remove_file(&path);
            symlink(format!("{file}{number}.pem"), path).unwrap();
        };
        let first = archive(1);
        link("chain", 1);
        link("key", 1);
        renewer.watch(trial);
        let second = archive(2);
        link("chain", 2);
        pass_looks(trial, || !trial.server().troubles_of_watched().is_empty(), "the links are at odds");
        assert_eq!(leaf(trial, NAME), first);
        link("key", 2);
        pass_looks(trial, || leaf(trial, NAME) == second, "both lead to the new ones");
    });
}

#[test]
fn a_half_written_renewal_leaves_the_old_one_and_is_told_until_it_is_whole_s_258() {
    serving(&[], |trial| {
        let renewer = Renewer::new();
        let (mut shown, chain, key) = renewer.make();
        renewer.put_both(&chain, &key);
        renewer.watch(trial);
        let long = "x".repeat(limits::CERTIFICATE_FILE_OCTETS + 1);
        let path = |file: &str| renewer.folder.join(file);
        let (old_chain, old_key) = (chain, key);
        type Spoil<'a> = (&'a str, &'a dyn Fn(&str, &str), &'a str);
        let spoils: [Spoil; 9] = [
            ("a new certificate, an old key", &|chain, _| renewer.put_both(chain, &old_key), ""),
            ("an old certificate, a new key", &|_, key| renewer.put_both(&old_chain, key), ""),
            ("an empty certificate", &|_, key| renewer.put_both("", key), "is empty"),
            ("an empty key", &|chain, _| renewer.put_both(chain, ""), "is empty"),
            ("a certificate cut off", &|chain, key| renewer.put_both(&chain[..200], key), ""),
            ("a key that is too long", &|chain, _| renewer.put_both(chain, &long), "has over"),
            ("no key", &|_, _| fs::remove_file(path("key.pem")).unwrap(), "is not there"),
            (
                "a key for everybody",
                // A look must not find both before the rights are wrong.
                &|chain, key| {
                    renewer.put_as("key.pem", key, 0o644);
                    renewer.put("chain.pem", chain);
                },
                "\"chmod o= ",
            ),
            (
                "a pipe",
                &|_, _| {
                    fs::remove_file(path("chain.pem")).unwrap();
                    mknodat(CWD, path("chain.pem"), FileType::Fifo, Mode::RUSR, 0).unwrap();
                },
                "is no file",
            ),
        ];
        for (what, spoil, wanted) in spoils {
            let (next, chain, key) = renewer.make();
            spoil(&chain, &key);
            let troubles = || trial.server().troubles_of_watched();
            // A look between the two files sees another trouble, of a new certificate with an old key.
            let is_told = || troubles().iter().any(|(_, text)| text.contains(wanted));
            pass_looks(trial, is_told, what);
            let (label, text) = troubles().remove(0);
            assert!(label == NAME && text.lines().count() == 1, "{what}: {text}");
            assert_eq!(leaf(trial, NAME), shown, "{what}");
            renewer.put_both(&chain, &key);
            pass_looks(trial, || leaf(trial, NAME) == next, "it is whole again");
            assert_eq!(troubles(), [], "{what}");
            shown = next;
        }
    });
}

/// The log said "renewed" and the list "good", while clients of the old name refused what they were shown.
#[test]
fn a_renewal_for_another_name_is_taken_and_told_until_it_is_asked_for_once_more() {
    serving(&[], |trial| {
        let renewer = Renewer::new();
        let (_, chain, key) = renewer.make();
        renewer.put_both(&chain, &key);
        renewer.watch(trial);
        let left_out = || {
            let list = Command::Certificates(CertificateAct::List);
            match block_on(admin::execute(&context(trial), list)).unwrap() {
                Answer::Certificates(Told::Rows(rows)) => {
                    rows.into_iter().find(|row| row.name == NAME).unwrap().left_out
                }
                other => panic!("{other:?}"),
            }
        };
        let (other, chain, key) = renewer.make_for(&["other.company.example"]);
        renewer.put_both(&chain, &key);
        trial.server().renewing.ring();
        trial.until("it is shown", || leaf(trial, "other.company.example") == other);
        assert_eq!(left_out(), [NAME]);
        assert_eq!(renewer.watch(trial), (NAME.into(), None));
        assert_eq!(left_out(), [""; 0], "who says it once more means it");
    });
}

#[test]
fn what_is_followed_no_more_stays_as_it_was() {
    serving(&[], |trial| {
        let renewer = Renewer::new();
        let (first, chain, key) = renewer.make();
        renewer.put_both(&chain, &key);
        let (label, _) = renewer.watch(trial);
        let unwatch = Command::Certificates(CertificateAct::Unwatch { label });
        block_on(admin::execute(&context(trial), unwatch)).unwrap();
        let (_, chain, key) = renewer.make();
        renewer.put_both(&chain, &key);
        smol::block_on(look(trial.server()));
        assert_eq!(leaf(trial, NAME), first);
    });
}
