//! setup --remove: takes away all that setup has made, but not the mail.

use std::fs;
use std::path::Path;

use super::facts::{says_poppet, user_number};
use super::files;
use super::site::{AUTHORITY, LOG, LOG_BEFORE, Manager, Site};
use super::tools::{Act, ToolError, Tools};
use super::units;
use crate::admin::{AdminError, Failure};
use crate::cli::table::{Cell, Report, Said};
use crate::mail::printable;

/// How far a removal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Removing {
    /// Only what would be done is told.
    Dry,
    /// Nobody has said yes yet.
    Unconfirmed,
    /// All the way.
    Confirmed,
}

/// Ends the service and removes its files; the database stays, and its owner as long as it is there. Errs with
/// [`Failure::NotFound`] if nothing is installed, and with [`Failure::Refused`] unless it is confirmed.
pub(in crate::cli) fn remove(site: &Site, removing: Removing) -> Result<Report, AdminError> {
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
    let authority = Some(AUTHORITY).filter(|path| stands(&site.at(path)));
    let files: Vec<&str> = units.iter().chain(&programs).copied().chain(authority).collect();
    let is_user_gone = has_user && !has_mail && tools.user_remover().is_some();
    match removing {
        Removing::Dry => {
            let mail = has_mail.then_some(folder.as_str());
            return Ok(steps(site, &units, &files, mail, is_user_gone));
        }
        Removing::Unconfirmed => return Err(question(&files.join(", "), &folder, has_mail, is_user_gone)),
        Removing::Confirmed => {}
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
    let remover = tools.user_remover();
    let has_user_left = has_user && (has_mail || remover.is_none());
    if has_user && !has_mail {
        remover.map_or(Ok(()), |remover| tools.remove_user(remover)).map_err(failed)?;
        // It is empty.
        let _ = fs::remove_dir(site.at(site.folder()));
    }
    let user_advice = has_user_left.then(|| user_advice(&folder, has_mail, remover));
    Ok(told(&folder, has_mail, user_advice, &kept_edits))
}

/// What would be done, in this order.
fn steps(site: &Site, units: &[&str], files: &[&str], mail: Option<&str>, is_user_gone: bool) -> Report {
    let end = (!units.is_empty()).then(|| ("stop", "end the service, and let it start no more".into()));
    let of_file = |path: &&str| match units.contains(path) && is_edited(site, path) {
        true => ("keep", format!("rename {path}, which was edited, to {}", aside(path))),
        false => ("remove", format!("remove {path}")),
    };
    let user = is_user_gone.then(|| ("user", "remove the user poppet, who has no mail".into()));
    let kept = mail.map(|folder| ("mail", format!("leave the mail in {folder}")));
    let all = end.into_iter().chain(files.iter().map(of_file)).chain(user).chain(kept);
    let rows = all
        .zip(1..)
        .map(|((what, how), number)| vec![Cell::Number(number), Cell::text(what), Cell::Text(how)]);
    Report::Rows(&["step", "what", "how"], rows.collect())
}

/// Everything that would go, so that nobody is surprised.
fn question(files: &str, folder: &str, has_mail: bool, is_user_gone: bool) -> AdminError {
    let rest = match (has_mail, is_user_gone) {
        (true, _) => format!("the mail in {folder} stays"),
        (false, true) => format!("there is no mail in {folder}, so the user poppet goes too"),
        (false, false) => "mail stays where there is any".into(),
    };
    let text = format!("this ends the mail server and removes {files}; {rest}: say it again with --yes");
    AdminError::new(Failure::Refused, text)
}

/// How the user goes who is left, by a tool that is there.
fn user_advice(folder: &str, has_mail: bool, remover: Option<&str>) -> String {
    const BY_HAND: &str = "take poppet's lines out of /etc/passwd and /etc/group";
    match (has_mail, remover) {
        (true, Some(tool)) => format!(
            "The mail stays in {folder}, and the user poppet with it: \"rm -r {folder} && {tool} poppet\" deletes both, for \
             ever."
        ),
        (true, None) => format!(
            "The mail stays in {folder}, and the user poppet with it: \"rm -r {folder}\" deletes it for ever; then {BY_HAND}."
        ),
        (false, _) => format!("The user poppet stays, since no tool here removes one: {BY_HAND}."),
    }
}

fn is_edited(site: &Site, unit: &str) -> bool {
    !fs::read_to_string(site.at(unit)).is_ok_and(|text| units::is_unchanged(&text))
}

fn aside(unit: &str) -> String {
    format!("{unit}.edited")
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
        let (is_edited, aside) = (is_edited(site, path), aside(path));
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
    for path in [LOG, LOG_BEFORE] {
        files::remove(&site.at(path)).map_err(|error| (path.to_owned(), error))?;
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

fn told(folder: &str, has_mail: bool, user_advice: Option<String>, kept_edits: &[String]) -> Report {
    let mut meaning: Vec<String> = user_advice.into_iter().collect();
    if has_mail && meaning.is_empty() {
        meaning.push(format!("The mail stays in {folder}: \"rm -r {folder}\" deletes it for ever."));
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
