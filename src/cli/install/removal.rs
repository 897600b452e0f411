//! setup --remove: takes away all that setup has made, but not the mail.

use std::fs;
use std::path::Path;

use super::facts::{says_poppet, user_number};
use super::files;
use super::site::{AUTHORITY, Manager, Site};
use super::tools::{Act, ToolError, Tools};
use super::units;
use crate::admin::{AdminError, Failure};
use crate::cli::table::{Cell, Report, Said};
use crate::mail::printable;

/// Ends the service and removes its files; the database stays, and its owner as long as it is there. Errs with
/// [`Failure::NotFound`] if nothing is installed, and with [`Failure::Refused`] unless it is confirmed.
pub(in crate::cli) fn remove(site: &Site, is_confirmed: bool) -> Result<Report, AdminError> {
    // Where it is not always the same, only the script knows.
    let service_database = units::service_database(site);
    let is_known = site.manager != Manager::Procd || service_database.is_some();
    let site = &site.with_database(service_database);
    let tools = Tools::of(site);
    let units: Vec<&str> =
        units::paths(site.manager).iter().copied().filter(|path| stands(&site.at(path))).collect();
    let programs: Vec<&str> =
        [site.program(), site.former()].into_iter().filter(|path| says_poppet(&site.at(path))).collect();
    // Mail that nobody knows of may have that owner, and the next user may get his number.
    let has_user = is_known && user_number(site).is_some();
    let has_mail = fs::read_dir(site.at(site.folder())).is_ok_and(|mut files| files.next().is_some());
    if units.is_empty() && programs.is_empty() && (has_mail || !has_user) {
        return Err(AdminError::new(Failure::NotFound, "poppet is not installed as a service here"));
    }
    let folder = printable(site.folder().as_os_str().as_encoded_bytes());
    if !is_confirmed {
        let files = [&units[..], &programs[..]].concat().join(", ");
        let text = format!(
            "this ends the mail server and removes {files}; the mail in {folder} stays: say it again with --yes"
        );
        return Err(AdminError::new(Failure::Refused, text));
    }
    let failed =
        |ToolError(why): ToolError| AdminError::new(Failure::Failed, format!("{why}; then say it again"));
    if !units.is_empty() {
        tools.ask(Act::Stop).map_err(failed)?;
        tools.ask(Act::Disable).map_err(failed)?;
    }
    let kept_edits = remove_files(site, &units, &programs)
        .map_err(|(path, error)| AdminError::new(Failure::Failed, format!("can't remove {path}: {error}")))?;
    tools.ask(Act::Reload).map_err(failed)?;
    if has_user && !has_mail {
        tools.remove_user().map_err(failed)?;
        // It is empty.
        let _ = fs::remove_dir(site.at(site.folder()));
    }
    Ok(told(&folder, has_mail, &kept_edits))
}

/// A unit that somebody has changed is put aside, not lost.
fn remove_files(
    site: &Site,
    units: &[&str],
    programs: &[&str],
) -> Result<Vec<String>, (String, std::io::Error)> {
    let mut kept = Vec::new();
    for path in units {
        let at = site.at(path);
        let is_edited = !fs::read_to_string(&at).is_ok_and(|text| units::is_unchanged(&text));
        let aside = format!("{path}.edited");
        let done = match is_edited {
            true => fs::rename(&at, site.at(&aside)),
            false => files::remove(&at).map(drop),
        };
        done.map_err(|error| ((*path).to_owned(), error))?;
        kept.extend(is_edited.then_some(aside));
    }
    for path in programs {
        files::remove(&site.at(path)).map_err(|error| ((*path).to_owned(), error))?;
    }
    let authority = site.at(AUTHORITY);
    files::remove(&authority).map_err(|error| (AUTHORITY.to_owned(), error))?;
    // A device key may be kept beside it: then the folder stays.
    let _ = authority.parent().map(fs::remove_dir);
    for path in units::paths(site.manager).iter().chain([&site.program(), &site.former()]) {
        // What a killed attempt left.
        let _ = fs::remove_file(files::temporary_of(&site.at(path)));
    }
    Ok(kept)
}

fn told(folder: &str, has_mail: bool, kept_edits: &[String]) -> Report {
    let mut meaning = Vec::new();
    if has_mail {
        meaning.push(format!(
            "The mail stays in {folder}, and the user poppet with it: \"rm -r {folder} && userdel poppet\" deletes both, \
             for ever."
        ));
    }
    if !kept_edits.is_empty() {
        meaning.push(format!("What you had changed is kept: {}", kept_edits.join(", ")));
    }
    let facts = vec![
        ("removed", Cell::Is(true)),
        ("mail", if has_mail { Cell::text(folder) } else { Cell::None }),
        ("kept", Cell::Texts(kept_edits.to_vec())),
    ];
    Report::Said("poppet is no service of this machine any more.".into(), facts, Said::Meaning(meaning))
}

fn stands(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
