//! device.

use super::desk::{Desk, stranger};
use super::mail_verbs::DeviceVerb;
use super::route;
use super::table::{Cell, Report, Said};
use crate::admin::{AdminError, Answer, Command, Device, Reach, quoted};
use crate::clock::UnixTime;
use crate::mail::{Address, Network};
use crate::settings;

pub(super) fn device(verb: &DeviceVerb, desk: &Desk) -> Result<Report, AdminError> {
    let words: Vec<&str> = verb.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["add", name, network] => add(asked(verb, name, network)?, verb.force, desk),
        ["add", ..] => Err(AdminError::usage(
            "say the device's name and its address, as in \"poppet device add scanner 192.168.1.40\"",
        )),
        ["del" | "list", ..] | [] if has_options(verb) => Err(AdminError::usage(
            "--from, --to, --per-day, --lenient and --force belong to \"poppet device add NAME ADDRESS\"",
        )),
        ["del", name] => {
            desk.ask(Command::RemoveDevice((*name).to_owned()))?;
            let facts = vec![("device", Cell::text(name)), ("removed", Cell::Is(true))];
            Ok(Report::Said(format!("The device {name} is removed."), facts, Said::Quiet))
        }
        ["del", ..] => Err(AdminError::usage(
            "say the name of one device, as in \"poppet device del scanner\"; \"poppet device\" lists them",
        )),
        [] | ["list"] => list(desk),
        ["list", ..] => {
            Err(AdminError::usage("\"poppet device list\" shows all of them: leave out what follows"))
        }
        [other, ..] => Err(unknown(other)),
    }
}

fn add(device: Device, is_forced: bool, desk: &Desk) -> Result<Report, AdminError> {
    desk.ask(Command::AddDevice { device: device.clone(), is_forced })?;
    let mut meaning = Vec::new();
    if !device.network.is_local() {
        meaning.push(format!(
            "Whoever sends from {}, or behind the same router, needs no password.",
            device.network
        ));
        meaning.extend(shut_out(desk)?);
    }
    if device.reach == Reach::SmartHost && !route::has_way_out(desk)? {
        meaning.push(format!("Mail can't leave yet: {}.", route::NO_WAY_OUT));
    }
    let mut facts: Vec<_> = COLUMNS.iter().copied().zip(cells(&device)).take(COLUMNS.len() - 1).collect();
    facts.push(("meaning", Cell::Texts(meaning.clone())));
    Ok(Report::Said(sentence(&device), facts, Said::Meaning(meaning)))
}

/// What keeps a public device out all the same.
fn shut_out(desk: &Desk) -> Result<Option<String>, AdminError> {
    let Answer::Settings(rows) = desk.ask(Command::Settings(Some("peers".into())))? else {
        return Err(stranger());
    };
    let is_shut_out = rows.iter().any(|row| row.value == "lan");
    Ok(is_shut_out.then(|| {
        "Its connections are not taken yet: \"poppet set peers all\" takes those of public addresses."
            .to_owned()
    }))
}

fn list(desk: &Desk) -> Result<Report, AdminError> {
    match desk.ask(Command::Devices)? {
        Answer::Devices(devices) => Ok(Report::Rows(COLUMNS, devices.iter().map(cells).collect())),
        _ => Err(stranger()),
    }
}

/// The profile that is asked for.
fn asked(verb: &DeviceVerb, name: &str, network: &str) -> Result<Device, AdminError> {
    let sender = match &verb.from {
        None => None,
        Some(text) => Some(
            text.parse::<Address>()
                .map_err(|error| AdminError::usage(format!("--from can't be {}: {error}", quoted(text))))?,
        ),
    };
    let reach = match verb.to.as_deref() {
        None | Some("local") => Reach::Local,
        Some("smarthost") => Reach::SmartHost,
        Some(other) => {
            let text = format!("--to can't be {}: it takes local or smarthost", quoted(other));
            return Err(AdminError::usage(text));
        }
    };
    Ok(Device {
        name: name.to_owned(),
        network: network.parse::<Network>().map_err(|error| {
            AdminError::usage(format!("{} can't be a device's address: {error}", quoted(network)))
        })?,
        sender,
        reach,
        mails_per_day: verb.per_day,
        is_lenient: verb.lenient,
        created: UnixTime(0),
    })
}

fn has_options(verb: &DeviceVerb) -> bool {
    verb.from.is_some() || verb.to.is_some() || verb.per_day.is_some() || verb.lenient || verb.force
}

fn unknown(word: &str) -> AdminError {
    let near = ["list", "add", "del"].into_iter().find(|known| settings::is_near(known, word));
    let near = near.or(matches!(word, "rm" | "remove" | "delete").then_some("del"));
    AdminError::usage(match near {
        Some(near) => format!("there is no \"poppet device\" {}; did you mean {near}?", quoted(word)),
        None => {
            format!("there is no \"poppet device\" {}: say list, add NAME ADDRESS, or del NAME", quoted(word))
        }
    })
}

fn sentence(device: &Device) -> String {
    let sender = device.sender.as_ref().map(|sender| format!(" as {sender}")).unwrap_or_default();
    let a_day = match device.mails_per_day {
        None => String::new(),
        Some(1) => ", one mail a day".into(),
        Some(mails) => format!(", up to {mails} mails a day"),
    };
    let lenient = if device.is_lenient { " What old firmware says is taken from it." } else { "" };
    let reach = match device.reach {
        Reach::Local => "to mailboxes here",
        Reach::SmartHost => "to mailboxes here and everybody else",
    };
    format!(
        "{} may send from {}{sender} without a password, {reach}{a_day}.{lenient}",
        device.name, device.network
    )
}

fn cells(device: &Device) -> Vec<Cell> {
    vec![
        Cell::text(&device.name),
        Cell::text(device.network),
        device.sender.as_ref().map_or(Cell::None, Cell::text),
        Cell::text(match device.reach {
            Reach::Local => "local",
            Reach::SmartHost => "smarthost",
        }),
        device.mails_per_day.map_or(Cell::None, |mails| Cell::Number(mails.into())),
        Cell::Is(device.is_lenient),
        Cell::Time(device.created),
    ]
}

const COLUMNS: &[&str] = &["name", "network", "from", "to", "per_day", "lenient", "created"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Failure;

    fn verb(to: Option<&str>, from: Option<&str>) -> DeviceVerb {
        DeviceVerb {
            words: Vec::new(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            per_day: Some(200),
            lenient: true,
            force: false,
        }
    }

    #[test]
    fn a_device_is_told_in_a_sentence() {
        let full = asked(&verb(None, Some("Scanner@home.lan")), "scanner", "192.168.1.40").unwrap();
        assert_eq!(
            sentence(&full),
            "scanner may send from 192.168.1.40 as scanner@home.lan without a password, to mailboxes here, up to 200 \
             mails a day. What old firmware says is taken from it."
        );
        let plain = Device { sender: None, mails_per_day: None, is_lenient: false, ..full };
        let wide = Device { reach: Reach::SmartHost, ..plain.clone() };
        assert_eq!(
            sentence(&wide),
            "scanner may send from 192.168.1.40 without a password, to mailboxes here and everybody else."
        );
        assert_eq!(
            sentence(&plain),
            "scanner may send from 192.168.1.40 without a password, to mailboxes here."
        );
    }

    #[test]
    fn what_describes_no_device_is_misuse() {
        for (to, from, network, wanted) in [
            (Some("Local"), None, "10.0.0.1", "it takes local or smarthost"),
            (Some(""), None, "10.0.0.1", "it takes local or smarthost"),
            (None, Some("scanner"), "10.0.0.1", "the form name@domain"),
            (None, Some("a\u{1b}@home.lan"), "10.0.0.1", "--from can't be"),
            (None, None, "scanner.home.lan", "it is no IP address"),
            (None, None, "10.0.0.1/24", "nothing set behind its bits"),
            (None, None, "\u{1b}[2J", "it is no IP address"),
        ] {
            let error = asked(&verb(to, from), "scanner", network).unwrap_err();
            assert_eq!(error.kind, Failure::Usage);
            assert!(error.text.contains(wanted) && !error.text.contains('\u{1b}'), "{}", error.text);
        }
    }
}
