//! cert watch, unwatch and renew: certificates that look after themselves.

use std::path::Path;

use super::{ask, cells, contents, removed, rows};
use crate::admin::{self, AdminError, Answer, CertificateAct, Told, quoted};
use crate::cli::certificate_verb::CertVerb;
use crate::cli::desk::{Desk, stranger};
use crate::cli::table::{Cell, Report, Said};
use crate::net::machine;

/// One file may have both.
pub(super) fn watch(verb: &CertVerb, chain: &str, key: &str, desk: &Desk) -> Result<Report, AdminError> {
    let label = verb.installed_as.clone().unwrap_or_default();
    // What can't be read here is the server's matter.
    let names = contents(chain).map(|file| admin::names_in(file.expose())).unwrap_or_default();
    let act = CertificateAct::Watch { label, chain: whole(chain)?, key: whole(key)?, names };
    let Answer::Certificates(Told::Followed { label, row, trouble, mut notes }) = ask(desk, act)? else {
        return Err(stranger());
    };
    let until =
        row.as_ref().and_then(|row| row.ends).map(|ends| format!(", valid until {},", ends.rfc3339()));
    let sentence = match &trouble {
        None => {
            format!("{}{} is renewed from its files from now on.", quoted(&label), until.unwrap_or_default())
        }
        Some(trouble) => {
            notes.insert(0, format!("Nothing is shown from them yet: {trouble}."));
            format!("The files of {} are followed from now on.", quoted(&label))
        }
    };
    let mut facts = match &row {
        Some(row) => super::COLUMNS.iter().copied().zip(cells(row)).collect(),
        None => vec![("name", Cell::text(&label))],
    };
    facts.retain(|(name, _)| *name != "trouble");
    facts.push(("trouble", trouble.map_or(Cell::None, Cell::text)));
    facts.push(("notes", Cell::Texts(notes.clone())));
    Ok(Report::Said(sentence, facts, Said::Meaning(notes)))
}

pub(super) fn unwatch(label: &str, desk: &Desk) -> Result<Report, AdminError> {
    ask(desk, CertificateAct::Unwatch { label: label.to_owned() })?;
    let sentence =
        format!("The files of {} are followed no more; what was read last is shown on.", quoted(label));
    Ok(removed(sentence, "label", label))
}

pub(super) fn renew(desk: &Desk) -> Result<Report, AdminError> {
    let act = CertificateAct::Renew { names: machine::names(), addresses: machine::addresses() };
    rows(ask(desk, act)?)
}

/// The server has another folder to begin at. Links stay as they are: renewals change where they lead.
fn whole(path: &str) -> Result<String, AdminError> {
    let whole = std::path::absolute(Path::new(path)).ok();
    whole.and_then(|path| path.to_str().map(str::to_owned)).ok_or_else(|| {
        AdminError::usage(format!(
            "{} is no path of a file: name the certificate's and the key's",
            quoted(path)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_whole_and_links_stay() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(whole("a/b").unwrap(), here.join("a/b").to_str().unwrap());
        assert_eq!(whole("/proc/self/exe").unwrap(), "/proc/self/exe");
        assert!(whole("").is_err());
    }
}
