//! get, set.

use super::desk::{Desk, stranger};
use super::globals::PASSWORD_ON_COMMAND_LINE;
use super::table::{Cell, Report, Said};
use super::verbs::{Get, Set};
use super::{consequence, password, place};
use crate::admin::{AdminError, Answer, Command, Origin, OutgoingAct, OutgoingTold, SettingRow, Target};
use crate::mail::{Lane, Sending};

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
    if verb.key == SMART_HOST_PASSWORD {
        return set_password(verb, desk);
    }
    if verb.password_stdin {
        return Err(AdminError::usage("--password-stdin belongs to \"poppet set smarthost_password\""));
    }
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
    let Answer::Assigned { value, waits_for_restart, consequence, below, notes } = desk.ask(command)? else {
        return Err(stranger());
    };
    let shown = if value.is_empty() { "not set" } else { &value };
    let restart = || after_restart(&verb.key, place::restart_command(desk.database()));
    let when = waits_for_restart.then(restart).unwrap_or_default();
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
    meaning.extend(consequence::of_listener(&verb.key, waits_for_restart));
    meaning.extend(consequence::of_finality(is_final, &below));
    if let Some(consequence) = &consequence {
        meaning.extend(consequence::of_logons(consequence));
        facts.push(consequence::fact(consequence));
    }
    meaning.extend(notes);
    facts.push(("meaning", Cell::Texts(meaning.clone())));
    Ok(Report::Said(sentence, facts, Said::Meaning(meaning)))
}

/// The password of a smart host comes from a terminal or standard input, and is shown nowhere (S-140, S-321).
fn set_password(verb: &Set, desk: &Desk) -> Result<Report, AdminError> {
    if verb.value.is_some() {
        return Err(AdminError::usage(PASSWORD_ON_COMMAND_LINE));
    }
    if verb.is_final {
        return Err(AdminError::usage("a password is never final: leave out --final"));
    }
    if verb.default && verb.password_stdin {
        return Err(AdminError::usage("--default forgets the password: leave out --password-stdin"));
    }
    let target = target(verb.target.as_deref())?;
    let lane = match &target {
        None => Lane::SmartHost,
        Some(Target::Domain(domain)) => Lane::SmartHostOf(Sending::Domain(domain.clone())),
        Some(Target::Mailbox(address)) => Lane::SmartHostOf(Sending::User(address.clone())),
    };
    let whose = target.as_ref().map(|target| format!(" of {target}")).unwrap_or_default();
    // Who is nobody here is told so before anything is typed.
    let command = match &target {
        Some(target) => Command::SettingsFor { target: target.clone(), key: Some("smarthost".into()) },
        None => Command::Settings(Some("smarthost".into())),
    };
    desk.ask(command)?;
    let password = match verb.default {
        true => None,
        false => Some(password::of_smart_host(&whose, verb.password_stdin)?),
    };
    let command = Command::Outgoing(OutgoingAct::SetPassword(lane, password));
    let Answer::Outgoing(OutgoingTold::Done(_, notes)) = desk.ask(command)? else { return Err(stranger()) };
    let sentence = match verb.default {
        true => format!("The password for the smart host{whose} is forgotten."),
        false => format!("The password for the smart host{whose} is kept, sealed with the device key."),
    };
    let facts = vec![
        ("setting", Cell::text(SMART_HOST_PASSWORD)),
        ("for", target.map_or(Cell::None, Cell::text)),
        ("set", Cell::Is(!verb.default)),
        ("meaning", Cell::Texts(notes.clone())),
    ];
    Ok(Report::Said(sentence, facts, Said::Meaning(notes)))
}

/// When a setting counts for which the running server must start again. A listener's needs more than that.
fn after_restart(key: &str, command: Option<&str>) -> String {
    let command = command.filter(|_| !consequence::is_listener(key));
    let how = command.map(|command| format!(" by \"{command}\"")).unwrap_or_default();
    format!("; this counts after a restart of the server{how}")
}

/// The domain or mailbox behind `--for`.
fn target(text: Option<&str>) -> Result<Option<Target>, AdminError> {
    text.map(str::parse).transpose()
}

/// What is set like a setting and is none.
const SMART_HOST_PASSWORD: &str = "smarthost_password";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_is_told_with_its_command_unless_setup_does_it() {
        let command = Some("systemctl restart poppet");
        assert!(after_restart("cache_kib", command).ends_with("server by \"systemctl restart poppet\""));
        assert!(after_restart("cache_kib", None).ends_with("a restart of the server"));
        assert_eq!(after_restart("pop3", command), after_restart("pop3", None));
    }
}
