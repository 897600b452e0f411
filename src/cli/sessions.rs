//! who, kick: the sessions of the running server.

use super::desk::{Desk, stranger};
use super::table::{Cell, Report, Said};
use super::verbs::Kick;
use crate::admin::{AdminError, Answer, Command, SessionRow, Whom, quoted};

pub(super) fn who(desk: &Desk) -> Result<Report, AdminError> {
    let Answer::Sessions(rows) = desk.ask_server(Command::Sessions)? else { return Err(stranger()) };
    Ok(Report::Rows(COLUMNS, rows.iter().map(cells).collect()))
}

pub(super) fn kick(verb: &Kick, desk: &Desk) -> Result<Report, AdminError> {
    let whom = whom(verb)?;
    let Answer::Kicked { sessions } = desk.ask_server(Command::Kick(whom))? else { return Err(stranger()) };
    let sentence = match sessions {
        1 => "Ended 1 session.".into(),
        more => format!("Ended {more} sessions."),
    };
    Ok(Report::Said(sentence, vec![("sessions", Cell::Number(sessions.into()))], Said::Line))
}

fn whom(verb: &Kick) -> Result<Whom, AdminError> {
    match (&verb.whom, verb.all) {
        (None, true) => Ok(Whom::All),
        (Some(text), false) if text.bytes().all(|octet| octet.is_ascii_digit()) && !text.is_empty() => {
            text.parse().map(Whom::Number).map_err(|_| {
                AdminError::usage(format!(
                    "{} is no session's number: \"poppet who\" lists them",
                    quoted(text)
                ))
            })
        }
        (Some(text), false) if text == "all" => {
            Err(AdminError::usage("\"all\" could be a domain: say \"poppet kick --all\" for every session"))
        }
        (Some(text), false) => text.parse().map(Whom::Target),
        (Some(_), true) => Err(AdminError::usage("say either whose sessions are meant, or --all")),
        (None, false) => Err(AdminError::usage(
            "say whose sessions are meant: a number of \"poppet who\", an address, a domain, or --all",
        )),
    }
}

fn cells(row: &SessionRow) -> Vec<Cell> {
    let text = |text: &Option<String>| text.as_ref().map_or(Cell::None, Cell::text);
    vec![
        Cell::Number(row.number),
        Cell::text(&row.listener),
        row.user.as_ref().map_or(Cell::None, Cell::text),
        Cell::text(row.peer),
        Cell::text(&row.state),
        Cell::Seconds(row.seconds),
        Cell::Seconds(row.idle_seconds),
        Cell::Octets(row.octets_in),
        Cell::Octets(row.octets_out),
        text(&row.tls),
    ]
}

const COLUMNS: &[&str] = &[
    "number",
    "listener",
    "user",
    "peer",
    "state",
    "seconds",
    "idle_seconds",
    "octets_in",
    "octets_out",
    "tls",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Failure;

    fn meant(whom_text: Option<&str>, all: bool) -> Result<Whom, AdminError> {
        whom(&Kick { whom: whom_text.map(str::to_owned), all })
    }

    #[test]
    fn sessions_are_meant_by_number_mailbox_domain_or_all() {
        assert_eq!(meant(Some("17"), false), Ok(Whom::Number(17)));
        assert_eq!(meant(Some("18446744073709551615"), false), Ok(Whom::Number(u64::MAX)));
        let target = |text: &str| Whom::Target(text.parse().unwrap());
        for text in ["alice@home.lan", "home.lan", "1.lan"] {
            assert_eq!(meant(Some(text), false), Ok(target(text)), "{text}");
        }
        assert_eq!(meant(None, true), Ok(Whom::All));
    }

    #[test]
    fn what_names_no_session_is_misuse() {
        for (text, all) in [
            (None, false),
            (Some("17"), true),
            (Some("all"), false),
            (Some(""), false),
            (Some("-1"), false),
            (Some("1 2"), false),
            (Some("18446744073709551616"), false),
            (Some("a@"), false),
        ] {
            assert_eq!(meant(text, all).unwrap_err().kind, Failure::Usage, "{text:?} {all}");
        }
    }
}
