//! route, share.

use super::desk::{Desk, stranger};
use super::outgoing_verbs::{RouteVerb, ShareVerb};
use super::table::{Cell, Report, Said};
use crate::admin::{AdminError, Answer, Command, Failure, OutgoingAct, OutgoingTold, Route, quoted};
use crate::clock::UnixTime;
use crate::limits;
use crate::mail::{AddressSpace, HopError, HopTls, NextHop};

pub(super) fn route(verb: &RouteVerb, desk: &Desk) -> Result<Report, AdminError> {
    carry_out(
        &Asked { words: &verb.words, tls: verb.tls.as_deref(), is_off: verb.off, is_share: false },
        desk,
    )
}

pub(super) fn share(verb: &ShareVerb, desk: &Desk) -> Result<Report, AdminError> {
    carry_out(&Asked { words: &verb.words, tls: verb.tls.as_deref(), is_off: verb.off, is_share: true }, desk)
}

/// Every route there is.
pub(super) fn all(desk: &Desk) -> Result<Vec<Route>, AdminError> {
    match ask(desk, OutgoingAct::Routes)? {
        OutgoingTold::Routes(routes, _) => Ok(routes),
        _ => Err(stranger()),
    }
}

/// Whether mail for just any address elsewhere has a way: a smart host of all, a route for all else, or `mx`.
pub(super) fn has_way_out(desk: &Desk) -> Result<bool, AdminError> {
    for key in ["smarthost", "mx"] {
        let Answer::Settings(rows) = desk.ask(Command::Settings(Some(key.into())))? else {
            return Err(stranger());
        };
        if rows.iter().any(|row| row.value != "off") {
            return Ok(true);
        }
    }
    Ok(all(desk)?.iter().any(|route| route.space == AddressSpace::All))
}

/// What it means that there is none, as the rest of a line.
pub(super) const NO_WAY_OUT: &str = "there is no smart host yet, so mail to other servers is refused: \"poppet set \
                                     smarthost HOST\" names one";

/// What is asked of routes or shares.
struct Asked<'verb> {
    words: &'verb [String],
    tls: Option<&'verb str>,
    is_off: bool,
    is_share: bool,
}

impl Asked<'_> {
    fn verb(&self) -> &'static str {
        if self.is_share { "share" } else { "route" }
    }
}

fn carry_out(asked: &Asked<'_>, desk: &Desk) -> Result<Report, AdminError> {
    let verb = asked.verb();
    let words: Vec<&str> = asked.words.iter().map(String::as_str).collect();
    if matches!(words.first(), Some(&("list" | "del"))) && (asked.tls.is_some() || asked.is_off) {
        return Err(AdminError::usage(format!("--tls and --off go with \"poppet {verb} example.com ...\"")));
    }
    match words.as_slice() {
        ["list"] => shown(asked, None, desk),
        ["del", space] => remove(asked, space_of(space)?, desk),
        ["list" | "del" | "add" | "set", ..] => Err(AdminError::usage(format!(
            "say \"poppet {verb} example.com mail.example.com\" to set one, \"poppet {verb} example.com --off\" to take it \
             away, \"poppet {verb}\" to list them"
        ))),
        [] if asked.is_off || asked.tls.is_some() => Err(AdminError::usage(format!(
            "of which {verb}? Say \"poppet {verb} example.com\" before the options"
        ))),
        [] => shown(asked, None, desk),
        [space] if asked.is_off && asked.tls.is_none() => remove(asked, space_of(space)?, desk),
        [_, ..] if asked.is_off => {
            Err(AdminError::usage("--off takes all of it away: leave out the servers and --tls"))
        }
        [space] if asked.tls.is_none() => shown(asked, Some(space_of(space)?), desk),
        [_] => Err(AdminError::usage("--tls goes with servers: name them, too")),
        [space, hosts @ ..] => set(asked, space_of(space)?, hosts, desk),
    }
}

fn shown(asked: &Asked<'_>, space: Option<AddressSpace>, desk: &Desk) -> Result<Report, AdminError> {
    let is_wanted = |route: &&Route| {
        (route.is_share || !asked.is_share) && space.as_ref().is_none_or(|space| *space == route.space)
    };
    let routes = all(desk)?;
    let rows: Vec<_> = routes.iter().filter(is_wanted).map(cells).collect();
    match space {
        Some(space) if rows.is_empty() => Err(AdminError::new(
            Failure::NotFound,
            match asked.is_share {
                true => format!("{space} is not shared: \"poppet share {space} HOST\" shares it"),
                false => format!("there is no route for {space}: \"poppet route\" shows those there are"),
            },
        )),
        _ => Ok(Report::Rows(COLUMNS, rows)),
    }
}

fn set(asked: &Asked<'_>, space: AddressSpace, hosts: &[&str], desk: &Desk) -> Result<Report, AdminError> {
    let hops = hosts.iter().map(|host| hop_of(host)).collect::<Result<Vec<_>, _>>()?;
    if hops.len() > limits::HOPS {
        return Err(AdminError::usage(format!(
            "{} servers are too many: name {} at most",
            hops.len(),
            limits::HOPS
        )));
    }
    let tls = asked.tls.map(tls_of).transpose()?;
    let route = Route { space, hops, tls, is_share: asked.is_share, created: UnixTime(0) };
    let told = ask(desk, OutgoingAct::SetRoute(route))?;
    let OutgoingTold::Routes(routes, notes) = told else { return Err(stranger()) };
    let Some(route) = routes.first() else { return Err(stranger()) };
    let hosts = texts(&route.hops).join(", then ");
    let sentence = match route.is_share {
        true => format!("Mail for users of {} who are not here goes to {hosts}.", route.space),
        false => format!("Mail for {} goes to {hosts}.", route.space),
    };
    let mut facts: Vec<_> = COLUMNS.iter().copied().zip(cells(route)).collect();
    facts.push(("meaning", Cell::Texts(notes.clone())));
    Ok(Report::Said(sentence, facts, Said::Meaning(notes)))
}

fn remove(asked: &Asked<'_>, space: AddressSpace, desk: &Desk) -> Result<Report, AdminError> {
    // A share is no route that somebody else made.
    if asked.is_share && !all(desk)?.iter().any(|route| route.is_share && route.space == space) {
        let text = format!("{space} is not shared: \"poppet share\" shows what is");
        return Err(AdminError::new(Failure::NotFound, text));
    }
    let OutgoingTold::Done(_, notes) = ask(desk, OutgoingAct::RemoveRoute(space.clone()))? else {
        return Err(stranger());
    };
    let sentence = match asked.is_share {
        true => format!("{space} is shared no more."),
        false => format!("There is no route for {space} any more."),
    };
    let was = notes.iter().map(|note| format!(" {note}")).collect::<String>();
    let facts =
        vec![("space", Cell::text(&space)), ("removed", Cell::Is(true)), ("meaning", Cell::Texts(notes))];
    Ok(Report::Said(format!("{sentence}{was}"), facts, Said::Quiet))
}

fn cells(route: &Route) -> Vec<Cell> {
    vec![
        Cell::text(&route.space),
        Cell::text(if route.is_share { "share" } else { "route" }),
        Cell::Texts(texts(&route.hops)),
        route.tls.map_or(Cell::None, Cell::text),
        Cell::Time(route.created),
    ]
}

fn texts(hops: &[NextHop]) -> Vec<String> {
    hops.iter().map(NextHop::to_string).collect()
}

/// An address space as typed.
pub(super) fn space_of(text: &str) -> Result<AddressSpace, AdminError> {
    text.parse().map_err(|error| {
        AdminError::usage(format!(
            "{} can't be: {error}; a route is for a domain, an address, *.example.com or *",
            quoted(text)
        ))
    })
}

fn hop_of(text: &str) -> Result<NextHop, AdminError> {
    text.parse()
        .map_err(|error: HopError| AdminError::usage(format!("{} is no server: {error}", quoted(text))))
}

fn tls_of(text: &str) -> Result<HopTls, AdminError> {
    text.parse().map_err(|_| {
        AdminError::usage(format!(
            "--tls can't be {}: it takes implicit, required or opportunistic",
            quoted(text)
        ))
    })
}

fn ask(desk: &Desk, act: OutgoingAct) -> Result<OutgoingTold, AdminError> {
    match desk.ask(Command::Outgoing(act))? {
        Answer::Outgoing(told) => Ok(told),
        _ => Err(stranger()),
    }
}

const COLUMNS: &[&str] = &["space", "kind", "hosts", "tls", "created"];

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(words: &str, tls: Option<&str>, is_off: bool, is_share: bool) -> String {
        let words: Vec<String> = words.split_whitespace().map(String::from).collect();
        let desk = Desk::new("/nonexistent/poppet.redb".into());
        let error = carry_out(&Asked { words: &words, tls, is_off, is_share }, &desk).unwrap_err();
        assert_eq!(
            (error.kind, error.text.lines().count()),
            (Failure::Usage, 1),
            "{words:?}: {}",
            error.text
        );
        error.text
    }

    #[test]
    fn misuse_says_what_would_be_right_o3() {
        for (words, tls, is_off, wanted) in [
            ("exam_ple.com a", None, false, "a route is for a domain"),
            ("*. a", None, false, "a route is for a domain"),
            ("a@b@c a", None, false, "a route is for a domain"),
            ("example.com a:0", None, false, "\"a:0\" is no server: a server is HOST"),
            ("example.com mail.example.com http://x", None, false, "is no server"),
            ("example.com user:password@mail", None, false, "is no server"),
            ("example.com 1 2 3 4 5 6 7 8 9", None, false, "9 servers are too many"),
            ("example.com a", Some("none"), false, "--tls can't be \"none\""),
            ("example.com a", Some("\u{1b}[2J"), false, "\\u{1b}"),
            ("example.com", Some("required"), false, "--tls goes with servers"),
            ("example.com a", None, true, "leave out the servers"),
            ("example.com", Some("required"), true, "leave out the servers"),
            ("", None, true, "of which route?"),
            ("", Some("required"), false, "of which route?"),
            ("del", None, false, "poppet route example.com --off"),
            ("del a b", None, false, "poppet route example.com --off"),
            ("list a", None, false, "to list them"),
            ("add example.com a", None, false, "to set one"),
            ("del example.com", None, true, "--tls and --off go with"),
            ("list", Some("required"), false, "--tls and --off go with"),
        ] {
            let text = complaint(words, tls, is_off, false);
            assert!(text.contains(wanted) && !text.contains('\u{1b}'), "{words}: {text}");
        }
        assert!(complaint("", None, true, true).contains("of which share?"));
        assert!(complaint("add x", None, false, true).contains("poppet share example.com mail.example.com"));
    }

    #[test]
    fn a_route_is_a_row_that_can_be_typed_again() {
        let route = Route {
            space: "*.example.com".parse().unwrap(),
            hops: vec!["MX.example.com".parse().unwrap(), "lmtp:[2001:db8::1]:24".parse().unwrap()],
            tls: Some(HopTls::Required),
            is_share: false,
            created: UnixTime(0),
        };
        let row: Vec<String> = cells(&route).iter().map(Cell::human).collect();
        assert_eq!(
            row[..4],
            ["*.example.com", "route", "mx.example.com lmtp:[2001:db8::1]:24", "required"].map(String::from)
        );
        assert_eq!(row[0].parse(), Ok(route.space));
    }
}
