//! get, set.

use super::consequence;
use super::desk::{Desk, stranger};
use super::table::{Cell, Report, Said};
use super::verbs::{Get, Set};
use crate::admin::{AdminError, Answer, Command, Origin, SettingRow, Target};

pub(super) fn get(verb: &Get, desk: &Desk) -> Result<Report, AdminError> {
    let key = verb.key.clone();
    let target = target(verb.target.as_deref())?;
    let command = match &target {
        Some(target) => Command::SettingsFor { target: target.clone(), key },
        None => Command::Settings(key),
    };
    let Answer::Settings(rows) = desk.ask(command)? else { return Err(stranger()) };
    let origin = |row: &SettingRow| match (row.is_fixed, row.origin) {
        (true, _) => "fixed",
        (false, Origin::Default) => "default",
        (false, Origin::Global) if target.is_some() => "all",
        (false, Origin::Global) => "set",
        (false, Origin::Domain) => "domain",
        (false, Origin::Mailbox) => "mailbox",
    };
    let kind = |row: &SettingRow| format!("{}{}", origin(row), if row.is_final { " (final)" } else { "" });
    if let (Some(_), [row]) = (&verb.key, rows.as_slice()) {
        let facts = vec![
            ("setting", Cell::text(&row.key)),
            ("value", Cell::text(&row.value)),
            ("kind", Cell::text(kind(row))),
            ("meaning", Cell::text(&row.meaning)),
        ];
        return Ok(Report::One(facts, 1));
    }
    let cells = |row: &SettingRow| {
        vec![Cell::text(&row.key), Cell::text(&row.value), Cell::text(kind(row)), Cell::text(&row.meaning)]
    };
    Ok(Report::Rows(&["setting", "value", "kind", "meaning"], rows.iter().map(cells).collect()))
}

pub(super) fn set(verb: &Set, desk: &Desk) -> Result<Report, AdminError> {
    if verb.value.is_some() == verb.default {
        return Err(AdminError::usage(
            "say either a value or --default, as in \"poppet set plaintext lan\" or \"poppet set plaintext --default\"",
        ));
    }
    let (key, value) = (verb.key.clone(), verb.value.clone());
    let target = target(verb.target.as_deref())?;
    let is_final = verb.is_final;
    let command = match &target {
        Some(target) => Command::AssignFor { target: target.clone(), key, value, is_final },
        None => Command::Assign { key, value, is_final },
    };
    let Answer::Assigned { value, waits_for_restart, consequence, below } = desk.ask(command)? else {
        return Err(stranger());
    };
    let shown = if value.is_empty() { "not set" } else { &value };
    let when = if waits_for_restart { "; this counts after a restart of the server" } else { "" };
    let whom = target.as_ref().map(|target| format!(" for {target}")).unwrap_or_default();
    let mut facts = vec![
        ("setting", Cell::text(&verb.key)),
        ("value", Cell::text(&value)),
        ("for", target.map_or(Cell::None, Cell::text)),
        ("waits_for_restart", Cell::Is(waits_for_restart)),
        ("final", Cell::Is(is_final)),
        ("below", Cell::Texts(below.iter().map(Target::to_string).collect())),
    ];
    let finally = if is_final { ", and nothing below can overrule it" } else { "" };
    let sentence = format!("{} is {shown}{whom}{finally}{when}.", verb.key);
    let mut meaning = consequence::of_mail(&verb.key, &value);
    meaning.extend(consequence::of_finality(is_final, &below));
    if let Some(consequence) = &consequence {
        meaning.extend(consequence::of_logons(consequence));
        facts.push(consequence::fact(consequence));
    }
    facts.push(("meaning", Cell::Texts(meaning.clone())));
    Ok(Report::Said(sentence, facts, Said::Meaning(meaning)))
}

/// The domain or mailbox behind `--for`.
fn target(text: Option<&str>) -> Result<Option<Target>, AdminError> {
    text.map(str::parse).transpose()
}
