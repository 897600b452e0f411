//! cert.

mod following;
mod public;
mod servers;
mod show;

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::certificate_verb::CertVerb;
use super::desk::{Desk, stranger};
use super::output::Output;
use super::table::{Cell, Report, Said};
use super::typed::told;
use crate::admin::{
    AdminError, Answer, CertificateAct, CertificateKind, CertificateRow, Command, Failure, Fingerprint,
    RevocationRow, Told, Vouches, quoted,
};
use crate::limits;
use crate::mail::{Address, Secret};
use crate::settings;

pub(super) fn cert(verb: &CertVerb, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let words: Vec<&str> = verb.words.iter().map(String::as_str).collect();
    check_options(verb, &words)?;
    let report = match words.as_slice() {
        ["show"] => return show::show(verb, desk, output),
        [] | ["list"] => rows(ask(desk, CertificateAct::List)?)?,
        ["ca"] | ["ca", "list"] => rows(ask(desk, CertificateAct::Authorities)?)?,
        ["ca", "add", file] => {
            let act = CertificateAct::AddAuthorities {
                vouches: vouches(verb)?,
                file: contents(file)?.expose().to_vec(),
            };
            rows(ask(desk, act)?)?
        }
        ["ca", "del", which] => {
            let which = (*which).to_owned();
            ask(desk, CertificateAct::RemoveAuthority { vouches: vouches(verb)?, which: which.clone() })?;
            removed(format!("The authority {} is believed no more.", quoted(&which)), "authority", &which)
        }
        ["crl"] | ["crl", "list"] => revocations(ask(desk, CertificateAct::Revocations)?)?,
        ["crl", "add", file] => {
            revocations(ask(desk, CertificateAct::AddRevocations(contents(file)?.expose().to_vec()))?)?
        }
        ["crl", "del", name] => {
            ask(desk, CertificateAct::RemoveRevocations((*name).to_owned()))?;
            removed(format!("The revocation list of {} is forgotten.", quoted(name)), "issuer", name)
        }
        ["issue", address] => issue(verb, self::address(address)?, desk)?,
        ["allow", address, fingerprint] => allow(verb, self::address(address)?, fingerprint, desk)?,
        ["deny", address, fingerprint] => deny(self::address(address)?, fingerprint, desk)?,
        ["request", subjects @ ..] => return servers::request(verb, subjects, desk, output),
        ["install", file] => servers::install(verb, file, None, desk)?,
        ["install", file, key] => servers::install(verb, file, Some(key), desk)?,
        ["bind", label, places @ ..] => servers::bind(label, places, desk)?,
        ["del", names @ ..] if !names.is_empty() => servers::uninstall(&names.join(" "), desk)?,
        ["watch", file] => following::watch(verb, file, file, desk)?,
        ["watch", chain, key] => following::watch(verb, chain, key, desk)?,
        ["unwatch", label] => following::unwatch(label, desk)?,
        ["renew"] => following::renew(desk)?,
        other => return Err(misused(other)),
    };
    output.report(&report)
}

/// The file is made first: what can't be written is not issued.
fn issue(verb: &CertVerb, address: Address, desk: &Desk) -> Result<Report, AdminError> {
    let path = verb.out.as_ref().map_or_else(|| PathBuf::from(format!("{address}.p12")), PathBuf::from);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|error| cannot_make(&path, &error))?;
    let issued = ask(
        desk,
        CertificateAct::Issue {
            address: address.clone(),
            label: verb.label.clone().unwrap_or_default(),
            days: verb.days.unwrap_or(limits::CLIENT_CERTIFICATE_DAYS),
        },
    );
    let (contents, password, fingerprint, ends) = match issued {
        Ok(Answer::Certificates(Told::Issued { file, password, fingerprint, ends })) => {
            (file, password, fingerprint, ends)
        }
        other => {
            let _ = fs::remove_file(&path);
            return Err(other.err().unwrap_or_else(stranger));
        }
    };
    if let Err(error) = file.write_all(&contents).and_then(|()| file.sync_all()) {
        let _ = fs::remove_file(&path);
        ask(desk, CertificateAct::Deny { address, fingerprint: fingerprint.to_string() })?;
        return Err(cannot_make(&path, &error));
    }
    let password = String::from_utf8_lossy(password.expose()).into_owned();
    let sentence = format!(
        "{} has a certificate for {address}, valid until {}. The password that opens it, shown only now: {password}",
        path.display(),
        ends.rfc3339()
    );
    let facts = vec![
        ("file", Cell::text(path.display())),
        ("password", Cell::text(password)),
        ("fingerprint", Cell::text(fingerprint)),
        ("ends", Cell::Time(ends)),
    ];
    Ok(Report::Said(sentence, facts, Said::Line))
}

fn allow(verb: &CertVerb, address: Address, text: &str, desk: &Desk) -> Result<Report, AdminError> {
    let fingerprint: Fingerprint = text.parse().map_err(|()| {
        AdminError::usage(format!(
            "{} is no SHA-256 fingerprint: \"openssl x509 -noout -fingerprint -sha256 -in FILE\" shows one, 64 \
             hexadecimal digits",
            quoted(text)
        ))
    })?;
    let label = verb.label.clone().unwrap_or_default();
    ask(desk, CertificateAct::Allow { address: address.clone(), fingerprint, label })?;
    let sentence = format!("{address} may log on with the certificate {fingerprint}.");
    let facts = vec![("address", Cell::text(address)), ("fingerprint", Cell::text(fingerprint))];
    Ok(Report::Said(sentence, facts, Said::Quiet))
}

fn deny(address: Address, fingerprint: &str, desk: &Desk) -> Result<Report, AdminError> {
    ask(desk, CertificateAct::Deny { address: address.clone(), fingerprint: fingerprint.to_owned() })?;
    let sentence = format!("{address} may log on with the certificate {} no more.", quoted(fingerprint));
    Ok(removed(sentence, "fingerprint", fingerprint))
}

fn ask(desk: &Desk, act: CertificateAct) -> Result<Answer, AdminError> {
    desk.ask(Command::Certificates(act))
}

fn removed(sentence: String, what: &'static str, name: &str) -> Report {
    Report::Said(sentence, vec![(what, Cell::text(name)), ("removed", Cell::Is(true))], Said::Quiet)
}

fn rows(answer: Answer) -> Result<Report, AdminError> {
    match answer {
        Answer::Certificates(Told::Rows(rows)) => Ok(Report::Rows(COLUMNS, rows.iter().map(cells).collect())),
        _ => Err(stranger()),
    }
}

fn cells(row: &CertificateRow) -> Vec<Cell> {
    let troubles: Vec<String> = row.trouble.clone().into_iter().chain(row.without()).collect();
    vec![
        Cell::text(row.kind.name()),
        row.address.as_ref().map_or(Cell::None, Cell::text),
        if row.name.is_empty() { Cell::None } else { Cell::text(&row.name) },
        row.ends.map_or(Cell::None, Cell::Time),
        Cell::text(match row {
            CertificateRow { kind: CertificateKind::Request, .. } => "pending",
            CertificateRow { is_nobodys: true, .. } => "nobody's",
            CertificateRow { has_ended: true, .. } => "ended",
            CertificateRow { trouble: Some(_), .. } => "trouble",
            row if !row.left_out.is_empty() => "trouble",
            _ => "good",
        }),
        if row.is_unread() { Cell::None } else { Cell::text(row.fingerprint) },
        if row.bound.is_empty() { Cell::None } else { Cell::Texts(row.bound.clone()) },
        row.watched.as_ref().map_or(Cell::None, Cell::text),
        if troubles.is_empty() { Cell::None } else { Cell::text(told(&troubles.join("; "))) },
    ]
}

fn revocations(answer: Answer) -> Result<Report, AdminError> {
    let Answer::Certificates(Told::Revocations(rows)) = answer else { return Err(stranger()) };
    let cells = |row: &RevocationRow| {
        vec![
            Cell::text(&row.name),
            Cell::Number(row.revoked),
            Cell::Time(row.made),
            row.next.map_or(Cell::None, Cell::Time),
        ]
    };
    Ok(Report::Rows(REVOCATION_COLUMNS, rows.iter().map(cells).collect()))
}

fn address(text: &str) -> Result<Address, AdminError> {
    text.parse().map_err(|error| AdminError::usage(format!("{} is no address: {error}", quoted(text))))
}

fn vouches(verb: &CertVerb) -> Result<Vouches, AdminError> {
    match verb.vouches.as_deref() {
        None | Some("clients") => Ok(Vouches::ForClients),
        Some("directory") => Ok(Vouches::ForDirectory),
        Some("smarthost") => Ok(Vouches::ForSmartHosts),
        Some(other) => Err(AdminError::usage(format!(
            "--for can't be {}: it takes clients, directory or smarthost",
            quoted(other)
        ))),
    }
}

/// What a file holds, which may be a key: what it was read into is wiped.
fn contents(path: &str) -> Result<Secret, AdminError> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::PermissionDenied => AdminError::new(
            Failure::Failed,
            format!("can't read {}: you may not; say it with sudo, or copy the file", quoted(path)),
        ),
        _ => AdminError::new(
            Failure::NotFound,
            format!("can't read {}: {error}; name a PEM or DER file that is there", quoted(path)),
        ),
    };
    let file = opened(path).map_err(unreadable)?;
    // One octet more shows that there is more; with room for all of it nothing grows and leaves pieces behind.
    let most = limits::CERTIFICATE_FILE_OCTETS + 1;
    let mut octets = Vec::with_capacity(most);
    let read = file.take(most as u64).read_to_end(&mut octets);
    let octets = Secret::new(octets);
    read.map_err(unreadable)?;
    if octets.expose().len() > limits::CERTIFICATE_FILE_OCTETS {
        return Err(AdminError::new(
            Failure::Refused,
            format!(
                "{} has over {} octets: name the file with this certificate or its key alone",
                quoted(path),
                limits::CERTIFICATE_FILE_OCTETS
            ),
        ));
    }
    Ok(octets)
}

/// A named pipe that nobody fills is empty, rather than hanging whoever reads; one that a shell fills is read.
fn opened(path: &str) -> std::io::Result<fs::File> {
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let kept = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, kept - OFlags::NONBLOCK)?;
    Ok(file)
}

fn cannot_make(path: &Path, error: &std::io::Error) -> AdminError {
    let text = format!("can't make {}: {error}; name another file by --out", path.display());
    let is_there = error.kind() == std::io::ErrorKind::AlreadyExists;
    AdminError::new(if is_there { Failure::Exists } else { Failure::Failed }, text)
}

/// Each option belongs to some acts only.
fn check_options(verb: &CertVerb, words: &[&str]) -> Result<(), AdminError> {
    let act = words.first().copied().unwrap_or_default();
    let is_change_of_ca = matches!(words, ["ca", "add" | "del", ..]);
    for (is_given, belongs, text) in [
        (
            verb.vouches.is_some(),
            is_change_of_ca || act == "show",
            "--for belongs to \"poppet cert ca add FILE\", \"ca del NAME\" and \"cert show\"",
        ),
        (verb.days.is_some(), act == "issue", "--days belongs to \"poppet cert issue ADDRESS\""),
        (
            verb.out.is_some(),
            matches!(act, "issue" | "request" | "show"),
            "--out belongs to \"poppet cert issue\", \"cert request\" and \"cert show\"",
        ),
        (
            verb.label.is_some(),
            matches!(act, "issue" | "allow"),
            "--label belongs to \"poppet cert issue\" and \"poppet cert allow\"",
        ),
        (
            verb.installed_as.is_some(),
            matches!(act, "install" | "watch"),
            "--as belongs to \"poppet cert install FILE\" and \"cert watch CHAIN [KEY]\"",
        ),
        (
            verb.pem || verb.mobileconfig || verb.qr || verb.host.is_some(),
            act == "show",
            "--pem, --mobileconfig, --qr and --host belong to \"poppet cert show\"",
        ),
    ] {
        if is_given && !belongs {
            return Err(AdminError::usage(text));
        }
    }
    if act == "show" { show::check(verb) } else { Ok(()) }
}

fn misused(words: &[&str]) -> AdminError {
    AdminError::usage(match words {
        ["show" | "list", ..] => {
            "\"poppet cert list\" shows all of them, \"poppet cert show\" the authority: leave out what follows".into()
        }
        ["ca", ..] => "say ca list, ca add FILE, or ca del NAME".into(),
        ["crl", ..] => "say crl list, crl add FILE, or crl del NAME".to_owned(),
        ["issue", ..] => "say for whom, as in \"poppet cert issue alice@home.lan\"".into(),
        ["install", ..] => "say install FILE, or install FILE KEYFILE".into(),
        ["bind", ..] => "say which, and to what, as in \"poppet cert bind company mail.example.org\"".into(),
        ["watch", ..] => "say watch CHAIN KEY, the two files that are renewed, or watch FILE if one has both".into(),
        ["unwatch", ..] => "say whose files, by its name in \"poppet cert list\"".into(),
        ["renew", ..] => {
            "\"poppet cert renew\" makes poppet's own anew; others are made by who made them: leave out what follows".into()
        }
        ["del", ..] => "say which, by its name in \"poppet cert list\"".into(),
        ["allow" | "deny", ..] => {
            format!("say whose certificate and its fingerprint, as in \"poppet cert {} alice@home.lan 3f09...\"", words[0])
        }
        [other, ..] => match ACTS.iter().find(|known| settings::is_near(known, other)) {
            Some(near) => format!("\"poppet cert\" has no {}; did you mean {near}?", quoted(other)),
            None => format!("\"poppet cert\" has no {}: say {}", quoted(other), ACTS.join(", ")),
        },
        [] => "\"poppet cert --help\" shows what can be said".into(),
    })
}

const ACTS: &[&str] = &[
    "list", "show", "ca", "crl", "issue", "allow", "deny", "request", "install", "bind", "del", "watch",
    "unwatch", "renew",
];
const COLUMNS: &[&str] =
    &["kind", "address", "name", "ends", "state", "fingerprint", "bound", "watched", "trouble"];
const REVOCATION_COLUMNS: &[&str] = &["name", "revoked", "made", "next"];

#[cfg(test)]
mod tests {
    use super::*;

    fn verb(words: &str) -> CertVerb {
        let words = words.split_whitespace().map(str::to_owned).collect();
        CertVerb {
            words,
            vouches: None,
            out: None,
            days: None,
            label: None,
            installed_as: None,
            pem: false,
            mobileconfig: false,
            qr: false,
            host: None,
        }
    }

    fn complaint(verb: &CertVerb) -> String {
        let desk = Desk::new("/nonexistent/poppet.redb".into());
        let error = cert(verb, &desk, &Output { is_json: false, is_terminal: false }).unwrap_err();
        assert_eq!(error.kind, Failure::Usage, "{}", error.text);
        error.text
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let path = std::env::temp_dir().join(format!("poppet-cert-{:016x}", fastrand::u64(..)));
        let most = limits::CERTIFICATE_FILE_OCTETS;
        for octets in [most - 1, most, most + 1] {
            fs::write(&path, vec![b'x'; octets]).unwrap();
            let read = contents(path.to_str().unwrap());
            assert_eq!(read.map(|read| read.expose().len()).ok(), (octets <= most).then_some(octets));
        }
        fs::remove_file(&path).unwrap();
        assert_eq!(contents(path.to_str().unwrap()).unwrap_err().kind, Failure::NotFound);
    }

    /// A pipe in the place of a certificate hung the command for ever.
    #[test]
    fn a_pipe_that_nobody_fills_is_empty() {
        let path = std::env::temp_dir().join(format!("poppet-pipe-{:016x}", fastrand::u64(..)));
        let (name, mode) = (path.to_str().unwrap(), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, name, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(contents(name).unwrap().expose(), b"");
        let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        (&both).write_all(b"chain").unwrap();
        let reader = opened(name).unwrap();
        drop(both);
        assert_eq!(std::io::read_to_string(reader).unwrap(), "chain");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_act_is_misuse() {
        for (words, wanted) in [
            ("lst", "did you mean list?"),
            ("frobnicate", "say list, show, ca"),
            ("ca frob", "say ca list"),
            ("ca add", "say ca list"),
            ("ca add a b", "say ca list"),
            ("crl del", "say crl list"),
            ("show x", "leave out"),
            ("issue", "say for whom"),
            ("issue alice", "is no address"),
            ("allow alice@home.lan", "and its fingerprint"),
            ("allow alice@home.lan 3f09", "is no SHA-256 fingerprint"),
            ("deny", "poppet cert deny"),
            ("install", "say install FILE"),
            ("install a b c", "say install FILE"),
            ("bind", "say which, and to what"),
            ("del", "say which"),
            ("watch", "say watch CHAIN KEY"),
            ("watch a b c", "say watch CHAIN KEY"),
            ("unwatch", "say whose files"),
            ("renew x", "leave out"),
        ] {
            assert!(complaint(&verb(words)).contains(wanted), "{words}: {}", complaint(&verb(words)));
        }
    }

    #[test]
    fn options_belong_to_their_acts() {
        for (wrong, wanted) in [
            (CertVerb { vouches: Some("clients".into()), ..verb("list") }, "--for belongs"),
            (CertVerb { vouches: Some("all".into()), ..verb("ca del x") }, "--for can't be \"all\""),
            (CertVerb { out: Some("x".into()), ..verb("list") }, "--out belongs"),
            (CertVerb { qr: true, ..verb("list") }, "--qr and --host belong"),
            (CertVerb { host: Some("x".into()), ..verb("issue") }, "--qr and --host belong"),
            (CertVerb { pem: true, qr: true, ..verb("show") }, "say one of"),
            (CertVerb { vouches: Some("a@b".into()), ..verb("show") }, "needs --mobileconfig or --qr"),
            (CertVerb { host: Some("x".into()), qr: true, ..verb("show") }, "--host belongs"),
            (CertVerb { days: Some(1), ..verb("allow a@b 00") }, "--days belongs"),
            (CertVerb { days: Some(1), ..verb("request") }, "--days belongs"),
            (CertVerb { installed_as: Some("x".into()), ..verb("request") }, "--as belongs"),
            (CertVerb { label: Some("x".into()), ..verb("ca list") }, "--label belongs"),
        ] {
            assert!(complaint(&wrong).contains(wanted), "{}", complaint(&wrong));
        }
    }
}
