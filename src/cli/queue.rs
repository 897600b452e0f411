//! queue.

use std::io::{IsTerminal, Write};

use rustix::termios;
use serde_json::{Map, Value};

use super::desk::{Desk, stranger};
use super::outgoing_verbs::QueueVerb;
use super::output::Output;
use super::table::{Cell, Report, Said, harmless};
use crate::admin::{
    AdminError, Answer, Command, Failure, OutgoingAct, OutgoingTold, QueueAct, QueueId, Queued, Which, quoted,
};
use crate::clock::{Clock, UnixTime};
use crate::limits;
use crate::mail::Lane;
use crate::settings;

pub(super) fn queue(verb: &QueueVerb, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let words: Vec<&str> = verb.words.iter().map(String::as_str).collect();
    if verb.yes && words.first() != Some(&"del") {
        return Err(AdminError::usage("--yes belongs to \"poppet queue del WHICH\""));
    }
    match words.as_slice() {
        [] | ["list"] => list(Which::All, desk, output),
        ["list", which] => list(meant(which)?, desk, output),
        ["show", number] => show(number_of(number)?, desk, output),
        ["retry"] => output.report(&act(Which::All, QueueAct::Retry, desk)?),
        ["retry", which] => output.report(&act(meant(which)?, QueueAct::Retry, desk)?),
        ["hold", which] => output.report(&act(meant(which)?, QueueAct::Hold, desk)?),
        ["release", which] => output.report(&act(meant(which)?, QueueAct::Release, desk)?),
        ["del", which] => output.report(&delete(meant(which)?, verb.yes, desk)?),
        other => Err(misused(other)),
    }
}

fn list(which: Which, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let is_one = matches!(which, Which::One(_));
    let now = Clock::system(UnixTime(0)).now();
    let mut rows = Vec::new();
    each_page(&which, desk, |page| rows.extend(page.iter().map(|row| cells(row, now))))?;
    if is_one && rows.is_empty() {
        return Err(AdminError::new(
            Failure::NotFound,
            "that number is not in the queue: \"poppet queue\" shows all",
        ));
    }
    let report = Report::Rows(COLUMNS, rows);
    match output.is_terminal && !output.is_json {
        true => output.text(&narrowed(&report.table(), terminal_columns())),
        false => output.report(&report),
    }
}

fn each_page(which: &Which, desk: &Desk, mut take: impl FnMut(&[Queued])) -> Result<(), AdminError> {
    let mut after = None;
    loop {
        let act = OutgoingAct::Page { which: which.clone(), after };
        let OutgoingTold::Queue { rows, is_last } = ask(desk, act)? else { return Err(stranger()) };
        take(&rows);
        after = rows.last().map(|row| row.id).or(after);
        if is_last || rows.is_empty() {
            return Ok(());
        }
    }
}

fn cells(row: &Queued, now: UnixTime) -> Vec<Cell> {
    let outbound = &row.outbound;
    let last = row.last.as_ref();
    vec![
        Cell::Number(row.id.0),
        Cell::Seconds(now.0.saturating_sub(row.received.0)),
        Cell::Octets(row.octets),
        foreign(&outbound.reverse_path),
        Cell::text(&outbound.recipient),
        Cell::text(&outbound.lane),
        Cell::Number(row.tries.into()),
        Cell::Time(row.next),
        Cell::text(row.state.name()),
        last.map_or(Cell::None, |last| foreign(&last.host)),
        last.map_or(Cell::None, |last| foreign(&last.text)),
    ]
}

fn foreign(text: &str) -> Cell {
    if text.is_empty() { Cell::None } else { Cell::text(text) }
}

fn show(id: QueueId, desk: &Desk, output: &Output) -> Result<(), AdminError> {
    let OutgoingTold::Mail(row, header) = ask(desk, OutgoingAct::Show(id))? else { return Err(stranger()) };
    let now = Clock::system(UnixTime(0)).now();
    let mut facts: Vec<_> = COLUMNS.iter().copied().zip(cells(&row, now)).collect();
    let outbound = &row.outbound;
    facts.extend([
        ("received", Cell::Time(row.received)),
        ("submitter", foreign(&outbound.submitter)),
        ("came_from", outbound.came_from.map_or(Cell::None, Cell::text)),
        ("delay_told", Cell::Is(row.is_delay_told)),
        ("unsure_sends", Cell::Number(row.unsure_sends.into())),
        ("last_try", row.last.as_ref().map_or(Cell::None, |last| Cell::Time(last.at))),
    ]);
    let header = String::from_utf8_lossy(&header).into_owned();
    let report = Report::Facts(facts);
    if output.is_json {
        let mut document = match report.json() {
            Value::Object(facts) => facts,
            _ => Map::new(),
        };
        document.insert("header".into(), Value::String(header));
        return output.json(&Value::Object(document));
    }
    let lines: String = header.lines().map(|line| harmless_field(line) + "\n").collect();
    let facts = if output.is_terminal { report.table() } else { report.tabbed() };
    output.text(&format!("{facts}\n{lines}"))
}

/// Folded lines begin with tabs, which do no harm.
fn harmless_field(line: &str) -> String {
    line.split('\t').map(harmless).collect::<Vec<_>>().join("\t")
}

fn act(which: Which, act: QueueAct, desk: &Desk) -> Result<Report, AdminError> {
    let OutgoingTold::Done(count, notes) = ask(desk, OutgoingAct::Queue(which, act))? else {
        return Err(stranger());
    };
    let done = match act {
        QueueAct::Retry => "due now",
        QueueAct::Hold => "held until \"poppet queue release\"",
        QueueAct::Release => "released",
        QueueAct::Delete => "removed, and nobody is told",
    };
    let sentence = match count {
        0 => "The queue is empty.".into(),
        1 => format!("1 recipient's mail is {done}."),
        count => format!("The mail of {count} recipients is {done}."),
    };
    let facts = vec![("recipients", Cell::Number(count)), ("meaning", Cell::Texts(notes.clone()))];
    Ok(Report::Said(sentence, facts, Said::Meaning(notes)))
}

/// Who names a single number knows what goes.
fn delete(which: Which, is_sure: bool, desk: &Desk) -> Result<Report, AdminError> {
    if !is_sure && !matches!(which, Which::One(_)) {
        let mut count = 0;
        each_page(&which, desk, |page| count += page.len())?;
        // One more or less is no other question.
        if count > 0 && !is_agreed(count)? {
            return Err(AdminError::new(Failure::Refused, "the queue stays as it is"));
        }
    }
    act(which, QueueAct::Delete, desk)
}

/// Asks a person; errs where there is none.
fn is_agreed(count: usize) -> Result<bool, AdminError> {
    let what = match count {
        1 => "the mail of 1 recipient would be removed for good, and its sender not be told".to_owned(),
        count => format!("the mail of {count} recipients would be removed for good, and no sender be told"),
    };
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(AdminError::new(Failure::Refused, format!("{what}: say it with --yes")));
    }
    let _ = write!(std::io::stderr(), "{what}. Remove it? [y/N] ");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    Ok(read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// What is meant by a word behind the act.
fn meant(text: &str) -> Result<Which, AdminError> {
    if text == "all" {
        return Ok(Which::All);
    }
    if text.bytes().all(|octet| octet.is_ascii_digit()) {
        return number_of(text).map(Which::One);
    }
    if let Ok(lane) = text.parse::<Lane>() {
        return Ok(Which::Lane(lane));
    }
    match text.len() <= limits::PATH_OCTETS && !text.chars().any(char::is_control) {
        true => Ok(Which::Having(text.to_owned())),
        false => Err(AdminError::usage(format!(
            "{} is in no address: name a number of \"poppet queue\", a way, part of an address, or all",
            quoted(text)
        ))),
    }
}

fn number_of(text: &str) -> Result<QueueId, AdminError> {
    text.parse().map(QueueId).map_err(|_| {
        AdminError::usage(format!("{} is no number of the queue: \"poppet queue\" shows them", quoted(text)))
    })
}

fn ask(desk: &Desk, act: OutgoingAct) -> Result<OutgoingTold, AdminError> {
    match desk.ask(Command::Outgoing(act))? {
        Answer::Outgoing(told) => Ok(told),
        _ => Err(stranger()),
    }
}

fn misused(words: &[&str]) -> AdminError {
    let near = |word: &str| ACTS.into_iter().find(|known| settings::is_near(known, word));
    let other_name = |word: &str| OTHER_NAMES.iter().find(|(other, _)| *other == word).map(|(_, name)| *name);
    AdminError::usage(match words {
        ["hold" | "release" | "del", ..] => format!(
            "say which, as in \"poppet queue {} 17\": one number of \"poppet queue\", a way, part of an address, or all",
            words[0]
        ),
        ["show", ..] => "say one number, as in \"poppet queue show 17\"; \"poppet queue\" lists them".into(),
        ["list" | "retry", ..] => {
            format!(
                "\"poppet queue {}\" takes one number, way or part of an address: leave out the rest",
                words[0]
            )
        }
        [number] if number.parse::<u64>().is_ok() => {
            format!("say what is done with it, as in \"poppet queue show {number}\"")
        }
        [other, ..] => match near(other).or(other_name(other)) {
            Some(near) => format!("\"poppet queue\" has no {}; did you mean {near}?", quoted(other)),
            None => format!("\"poppet queue\" has no {}: say {}", quoted(other), ACTS.join(", ")),
        },
        [] => "\"poppet queue --help\" shows what can be said".into(),
    })
}

/// Lines no longer than the terminal is wide; what is cut ends in three dots.
fn narrowed(table: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns.filter(|&columns| columns >= NARROWEST) else { return table.to_owned() };
    let cut = |line: &str| match line.chars().count() > columns {
        true => line.chars().take(columns - 3).collect::<String>().trim_end().to_owned() + "...\n",
        false => format!("{line}\n"),
    };
    table.lines().map(cut).collect()
}

fn terminal_columns() -> Option<usize> {
    termios::tcgetwinsize(std::io::stdout()).ok().map(|size| size.ws_col.into())
}

const ACTS: [&str; 6] = ["list", "show", "retry", "hold", "release", "del"];
/// What other programs call it.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("flush", "retry"),
    ("delete", "del"),
    ("remove", "del"),
    ("rm", "del"),
    ("cat", "show"),
    ("ls", "list"),
    ("unhold", "release"),
    ("requeue", "retry"),
];
const COLUMNS: &[&str] =
    &["number", "age_seconds", "octets", "from", "to", "way", "tries", "next", "state", "host", "why"];
/// A terminal of fewer columns doesn't know its width.
const NARROWEST: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(words: &str, yes: bool) -> String {
        let verb = QueueVerb { words: words.split_whitespace().map(String::from).collect(), yes };
        let desk = Desk::new("/nonexistent/poppet.redb".into());
        let error = queue(&verb, &desk, &Output { is_json: false, is_terminal: false }).unwrap_err();
        assert_eq!((error.kind, error.text.lines().count()), (Failure::Usage, 1), "{words}: {}", error.text);
        error.text
    }

    #[test]
    fn misuse_says_what_would_be_right_o1() {
        for (words, wanted) in [
            ("hold", "poppet queue hold 17"),
            ("release", "poppet queue release 17"),
            ("del", "poppet queue del 17"),
            ("del 1 2", "poppet queue del 17"),
            ("show", "poppet queue show 17"),
            ("show all", "\"all\" is no number of the queue"),
            ("show 18446744073709551616", "is no number of the queue"),
            ("del 18446744073709551616", "is no number of the queue"),
            ("list a b", "leave out the rest"),
            ("retry 1 2", "leave out the rest"),
            ("relase 1", "did you mean release?"),
            ("flush", "did you mean retry?"),
            ("17", "as in \"poppet queue show 17\""),
            ("frobnicate\u{1b}[2J", "\\u{1b}"),
        ] {
            assert!(complaint(words, false).contains(wanted), "{words}: {}", complaint(words, false));
        }
        for words in ["", "list", "retry all", "hold 1"] {
            assert!(complaint(words, true).contains("--yes belongs to"), "{words}");
        }
    }

    #[test]
    fn a_word_is_a_number_a_way_all_or_part_of_an_address() {
        let lane = |text: &str| Which::Lane(text.parse().unwrap());
        for (text, wanted) in [
            ("all", Which::All),
            ("17", Which::One(QueueId(17))),
            ("0", Which::One(QueueId(0))),
            ("smarthost", lane("smarthost")),
            ("smarthost:alice@home.lan", lane("smarthost:alice@home.lan")),
            ("route:*.example.com", lane("route:*.example.com")),
            ("mx:example.com", lane("mx:example.com")),
            ("nowhere", lane("nowhere")),
            ("bob@example.com", Which::Having("bob@example.com".into())),
            ("example.com", Which::Having("example.com".into())),
            ("-17", Which::Having("-17".into())),
            ("j\u{f6}rg", Which::Having("j\u{f6}rg".into())),
        ] {
            assert_eq!(meant(text), Ok(wanted), "{text}");
        }
        for bad in ["a\nb".to_owned(), "\u{1b}[2J".into(), "x".repeat(limits::PATH_OCTETS + 1)] {
            let error = meant(&bad).unwrap_err();
            assert!(error.kind == Failure::Usage && error.text.lines().count() == 1, "{}", error.text);
            assert!(!error.text.contains('\u{1b}'));
        }
        assert!(meant(&"x".repeat(limits::PATH_OCTETS)).is_ok());
    }

    /// Folded fields of a queued mail were shown with `\u{9}` before each of their lines.
    #[test]
    fn tabs_of_folded_fields_are_shown_as_they_are() {
        assert_eq!(harmless_field("\tby mail.home.lan"), "\tby mail.home.lan");
        assert_eq!(harmless_field("a\u{1b}\tb"), "a\\u{1b}\tb");
    }

    #[test]
    fn a_line_is_cut_to_the_terminal_at_its_edges() {
        for (letters, columns, wanted) in [
            (79, 80, "x".repeat(79)),
            (80, 80, "x".repeat(80)),
            (81, 80, "x".repeat(77) + "..."),
            (81, 39, "x".repeat(81)),
        ] {
            let line = "x".repeat(letters) + "\n";
            assert_eq!(narrowed(&line, Some(columns)), wanted + "\n", "{letters} {columns}");
        }
        assert_eq!(narrowed("\u{f6}\u{f6}\n", Some(40)), "\u{f6}\u{f6}\n");
        assert_eq!(narrowed("a\n", None), "a\n");
    }
}
