//! cert request, install, bind and del: certificates of others for this server.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::{ask, cannot_make, cells, contents, public, removed};
use crate::admin::{AdminError, Answer, CertificateAct, Failure, Told, quoted};
use crate::cli::certificate_verb::CertVerb;
use crate::cli::desk::{Desk, stranger};
use crate::cli::output::{Output, complain};
use crate::cli::table::{Cell, Report, Said};
use crate::limits;
use crate::net::machine;

/// The request is PEM on standard output, or in the file of `--out`; what to do with it stands on standard error.
pub(super) fn request(
    verb: &CertVerb,
    subjects: &[&str],
    desk: &Desk,
    output: &Output,
) -> Result<(), AdminError> {
    let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
    let act = CertificateAct::Request { subjects, names: machine::names() };
    // Before a key is made: what can't be written must leave nothing behind.
    let file = verb.out.as_deref().map(|out| NewFile::make(Path::new(out))).transpose()?;
    let Answer::Certificates(Told::Request { request, subjects }) = ask(desk, act)? else {
        return Err(stranger());
    };
    let mut meaning = vec![format!(
        "The request is for {}. Give it to an authority; what that sends back goes to \"poppet cert install FILE\", the \
         key is here. Asked for the same again, it is the same.",
        subjects.join(", ")
    )];
    let unsigned: Vec<_> = subjects.iter().filter(|it| !public::is_public(it)).cloned().collect();
    meaning.extend(public::note(&unsigned, unsigned.len() == subjects.len()));
    let facts = |request: Cell| {
        vec![
            ("request", request),
            ("subjects", Cell::Texts(subjects.clone())),
            ("not_public", Cell::Texts(unsigned.clone())),
        ]
    };
    match file {
        Some(file) => {
            let out = file.path.display().to_string();
            file.fill(&request)?;
            let sentence = format!("{out} has the request.");
            output.report(&Report::Said(sentence, facts(Cell::text(out)), Said::Meaning(meaning)))
        }
        None if output.is_json => output.report(&Report::Facts(facts(Cell::text(request)))),
        None => {
            meaning.iter().for_each(|line| complain(line));
            output.text(&request)
        }
    }
}

pub(super) fn install(
    verb: &CertVerb,
    file: &str,
    key: Option<&str>,
    desk: &Desk,
) -> Result<Report, AdminError> {
    let (chain, secret) = (contents(file)?, key.map(contents).transpose()?);
    let octets = chain.expose().len() + secret.as_ref().map_or(0, |key| key.expose().len());
    if octets > limits::CERTIFICATE_FILE_OCTETS {
        let text = format!(
            "the files have over {} octets together: name those with this certificate and its key alone",
            limits::CERTIFICATE_FILE_OCTETS
        );
        return Err(AdminError::new(Failure::Refused, text));
    }
    let label = verb.installed_as.clone().unwrap_or_default();
    let act = CertificateAct::Install { label, chain, key: secret };
    let Answer::Certificates(Told::Installed { row, mut notes }) = ask(desk, act)? else {
        return Err(stranger());
    };
    notes.extend([Some(file), key].into_iter().flatten().filter_map(exposed));
    let bound: String = row.bound.iter().map(|place| format!(", to {place}")).collect();
    let sentence = format!("{} is shown to who asks for its names{bound} from now on.", row.name);
    let mut facts = named(&row);
    facts.push(("notes", Cell::Texts(notes.clone())));
    Ok(Report::Said(sentence, facts, Said::Meaning(notes)))
}

pub(super) fn bind(label: &str, places: &[&str], desk: &Desk) -> Result<Report, AdminError> {
    let places = places.iter().map(|place| (*place).to_owned()).collect();
    let act = CertificateAct::Bind { label: label.to_owned(), places };
    let Answer::Certificates(Told::Rows(rows)) = ask(desk, act)? else { return Err(stranger()) };
    let row = rows.first().ok_or_else(stranger)?;
    let sentence = format!("{} is shown to {} from now on.", quoted(label), row.bound.join(", "));
    let notes: Vec<String> = of_no_machine(&row.bound, &machine::is_foreign).into_iter().collect();
    let mut facts = named(row);
    facts.push(("notes", Cell::Texts(notes.clone())));
    Ok(Report::Said(sentence, facts, Said::Meaning(notes)))
}

/// What is to be said of addresses that this machine doesn't have; they may come.
fn of_no_machine(places: &[String], is_foreign: &dyn Fn(IpAddr) -> bool) -> Option<String> {
    let foreign = |place: &&String| place.parse().is_ok_and(is_foreign);
    let foreign: Vec<&str> = places.iter().filter(foreign).map(String::as_str).collect();
    (!foreign.is_empty()).then(|| {
        format!(
            "Warning: this machine doesn't have {} now, and nobody comes by it before it does; \"poppet doctor\" tells what \
             its own addresses lack.",
            foreign.join(", ")
        )
    })
}

pub(super) fn uninstall(label: &str, desk: &Desk) -> Result<Report, AdminError> {
    let act = CertificateAct::Uninstall { label: label.to_owned() };
    let Answer::Certificates(Told::Uninstalled { is_request }) = ask(desk, act)? else {
        return Err(stranger());
    };
    let sentence = match is_request {
        true => "The request for {} is given up: a certificate for it can't be installed any more.",
        false => "{} is shown no more; who it was bound to gets what everybody gets.",
    };
    Ok(removed(sentence.replace("{}", &quoted(label)), "label", label))
}

/// A row as named facts.
fn named(row: &crate::admin::CertificateRow) -> Vec<(&'static str, Cell)> {
    super::COLUMNS.iter().copied().zip(cells(row)).collect()
}

/// A file that was not there before, and is not afterwards either unless it is filled.
struct NewFile<'a> {
    path: &'a Path,
    file: File,
    is_full: bool,
}

impl<'a> NewFile<'a> {
    fn make(path: &'a Path) -> Result<NewFile<'a>, AdminError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
        let file = file.map_err(|error| cannot_make(path, &error))?;
        Ok(NewFile { path, file, is_full: false })
    }

    fn fill(mut self, text: &str) -> Result<(), AdminError> {
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.sync_all());
        written.map_err(|error| cannot_make(self.path, &error))?;
        self.is_full = true;
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.is_full {
            // It is empty, and the error that is told counts.
            let _ = fs::remove_file(self.path);
        }
    }
}

/// What is to be said of a file with a private key that others may read, too (S-262).
fn exposed(path: &str) -> Option<String> {
    let mode = Path::new(path).metadata().ok()?.mode();
    let octets = contents(path).ok()?;
    let has_key = octets.expose().windows(KEY.len()).any(|window| window == KEY);
    (has_key && mode & 0o077 != 0).then(|| {
        format!(
            "Others may read the key in {}: \"chmod 600 {path}\", or remove the file, for poppet keeps the key sealed.",
            quoted(path)
        )
    })
}

const KEY: &[u8] = b"PRIVATE KEY-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_the_machine_does_not_have_is_told_of_and_a_name_is_not() {
        let note = |places: &[&str]| {
            let places: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
            of_no_machine(&places, &|address| !address.is_loopback())
        };
        for places in [&[][..], &["mail.example.org"], &["127.0.0.1", "::1"], &[crate::admin::EVERYWHERE]] {
            assert_eq!(note(places), None, "{places:?}");
        }
        let told = note(&["127.0.0.1", "192.0.2.1", "mail.example.org", "2001:db8::1"]).unwrap();
        assert!(told.contains("doesn't have 192.0.2.1, 2001:db8::1 now"), "{told}");
    }
}
