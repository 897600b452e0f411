//! alias.

use super::desk::{Desk, stranger};
use super::mail_verbs::AliasVerb;
use super::table::{Cell, Report, Said};
use crate::admin::{AdminError, AliasRow, Answer, Command, quoted};
use crate::mail::{Address, Alias, AliasTarget, Domain, RemoteAddress};

pub(super) fn alias(verb: &AliasVerb, desk: &Desk) -> Result<Report, AdminError> {
    let Some((name, targets)) = verb.words.split_first() else {
        return Ok(listed(&all(desk)?));
    };
    let alias = alias_of(name)?;
    if targets.is_empty() {
        return match desk.ask(Command::Aliases(Some(alias)))? {
            Answer::Aliases(rows) => Ok(listed(&rows)),
            _ => Err(stranger()),
        };
    }
    let targets = targets.iter().map(|text| target_of(text)).collect::<Result<Vec<_>, _>>()?;
    let command = Command::SetAlias { alias: alias.clone(), targets };
    let Answer::AliasSet { targets, before, notes } = desk.ask(command)? else { return Err(stranger()) };
    let was = match before.is_empty() {
        true => String::new(),
        false => format!(" Before it led to {}.", texts(&before).join(", ")),
    };
    let sentence = format!("{alias} leads to {}.{was}", texts(&targets).join(", "));
    let facts = vec![
        ("alias", Cell::text(&alias)),
        ("targets", Cell::Texts(texts(&targets))),
        ("before", Cell::Texts(texts(&before))),
        ("meaning", Cell::Texts(notes.clone())),
    ];
    Ok(Report::Said(sentence, facts, Said::Meaning(notes)))
}

/// All aliases there are.
pub(super) fn all(desk: &Desk) -> Result<Vec<AliasRow>, AdminError> {
    match desk.ask(Command::Aliases(None))? {
        Answer::Aliases(rows) => Ok(rows),
        _ => Err(stranger()),
    }
}

/// An alias as typed.
pub(super) fn alias_of(text: &str) -> Result<Alias, AdminError> {
    text.parse().map_err(|error| AdminError::usage(format!("{} can't be: {error}", quoted(text))))
}

/// Targets or aliases as texts.
pub(super) fn texts(names: &[impl ToString]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Whether an address is one of ours is told by its domain, which only the database knows; elsewhere the letters of a
/// name stay as they are typed.
pub(super) fn target_of(text: &str) -> Result<AliasTarget, AdminError> {
    let bad =
        |error: &dyn std::error::Error| AdminError::usage(format!("{} can't be: {error}", quoted(text)));
    if !text.contains('@') {
        return text.parse::<Domain>().map(AliasTarget::Domain).map_err(|error| bad(&error));
    }
    match text.parse::<Address>() {
        Ok(address) if address.as_str() == text => return Ok(AliasTarget::Address(address)),
        Err(error) if text.starts_with(['@', '-', '*']) => return Err(bad(&error)),
        _ => {}
    }
    match RemoteAddress::parse(text) {
        Ok(remote) => Ok(AliasTarget::Outside(remote.as_str().into())),
        Err(error) => Err(bad(&error)),
    }
}

fn listed(rows: &[AliasRow]) -> Report {
    let cells = |row: &AliasRow| {
        vec![Cell::text(&row.alias), Cell::Texts(texts(&row.targets)), Cell::Time(row.created)]
    };
    Report::Rows(&["alias", "targets", "created"], rows.iter().map(cells).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Failure;

    #[test]
    fn targets_are_mailboxes_domains_or_outside() {
        let outside = |text: &str| AliasTarget::Outside(text.into());
        for (text, wanted) in [
            ("alice@home.lan", AliasTarget::Address("alice@home.lan".parse().unwrap())),
            ("Alice@Home.lan", outside("Alice@home.lan")),
            ("home.lan", AliasTarget::Domain("home.lan".parse().unwrap())),
            ("o'brien@example.com", outside("o'brien@example.com")),
            ("\"a b\"@example.com", outside("\"a b\"@example.com")),
            ("j\u{f6}rg@h\u{f6}me.example", outside("j\u{f6}rg@h\u{f6}me.example")),
            ("a@[192.0.2.1]", outside("a@[192.0.2.1]")),
        ] {
            assert_eq!(target_of(text), Ok(wanted), "{text}");
        }
        for bad in [
            "",
            "@",
            "a@",
            "@home.lan",
            "*@home.lan",
            "-x@home.lan",
            "a b@home.lan",
            "a\u{1b}[2J@home.lan",
            "ho_me",
            "a@b@home.lan",
            "a@-x",
        ] {
            let error = target_of(bad).unwrap_err();
            assert_eq!(error.kind, Failure::Usage, "{bad:?}");
            assert!(error.text.lines().count() == 1 && !error.text.contains('\u{1b}'), "{}", error.text);
        }
    }
}
