//! quota.

use super::desk::{Desk, stranger};
use super::mail_verbs::QuotaVerb;
use super::table::{Cell, Report, Said, size};
use crate::admin::{AdminError, Answer, Command, QuotaRow, Target};

pub(super) fn quota(verb: &QuotaVerb, desk: &Desk) -> Result<Report, AdminError> {
    let words: Vec<&str> = verb.words.iter().map(String::as_str).collect();
    let (target, octets) = match words.as_slice() {
        [] if verb.messages.is_some() => {
            return Err(AdminError::usage(
                "say whose mailbox --messages is for, or \"poppet set quota_messages N\" for all",
            ));
        }
        [] => return Ok(Report::Rows(COLUMNS, rows(desk, None)?.iter().map(cells).collect())),
        [target] => (target.parse::<Target>()?, None),
        [target, size] => (target.parse::<Target>()?, Some((*size).to_owned())),
        [_, _, surplus, ..] => {
            return Err(AdminError::usage(format!(
                "one argument too many: {}; a size has no space in it, as in 500M",
                crate::mail::printable(surplus.as_bytes())
            )));
        }
    };
    if octets.is_none() && verb.messages.is_none() {
        return Ok(Report::Rows(COLUMNS, rows(desk, Some(target))?.iter().map(cells).collect()));
    }
    let command = Command::SetQuota { target: target.clone(), octets, messages: verb.messages.clone() };
    let Answer::Quotas(rows) = desk.ask(command)? else { return Err(stranger()) };
    let full = full(&rows);
    let meaning = meaning(&full);
    // Mailboxes of a domain may have quotas of their own: "poppet quota DOMAIN" shows them.
    let [most_octets, most_messages] = match (&target, rows.as_slice()) {
        (Target::Mailbox(_), [row]) => allowed(row),
        _ => [Cell::None, Cell::None],
    };
    let facts = vec![
        ("target", Cell::text(&target)),
        ("quota", most_octets),
        ("quota_messages", most_messages),
        ("full", Cell::Texts(full)),
        ("meaning", Cell::Texts(meaning.clone())),
    ];
    Ok(Report::Said(sentence(&target, &rows), facts, Said::Meaning(meaning)))
}

/// How full mailboxes are.
pub(super) fn rows(desk: &Desk, of: Option<Target>) -> Result<Vec<QuotaRow>, AdminError> {
    match desk.ask(Command::Quotas(of))? {
        Answer::Quotas(rows) => Ok(rows),
        _ => Err(stranger()),
    }
}

/// What a mailbox may hold, in two cells.
pub(super) fn allowed(row: &QuotaRow) -> [Cell; 2] {
    [
        row.octets_allowed.map_or(Cell::None, Cell::Octets),
        row.messages_allowed.map_or(Cell::None, |most| Cell::Number(most.into())),
    ]
}

fn cells(row: &QuotaRow) -> Vec<Cell> {
    let [octets, messages] = allowed(row);
    vec![
        Cell::text(&row.address),
        Cell::Octets(row.octets),
        octets,
        Cell::Number(row.messages.into()),
        messages,
        row.percent().map_or(Cell::None, Cell::Number),
    ]
}

fn sentence(target: &Target, rows: &[QuotaRow]) -> String {
    match (target, rows) {
        (Target::Mailbox(address), [row]) => {
            let octets = row.octets_allowed.map(size);
            let counted = |count: u32| format!("{count} message{}", if count == 1 { "" } else { "s" });
            let messages = row.messages_allowed.map(counted);
            let allowed: Vec<_> = octets.into_iter().chain(messages).collect();
            let allowed = match allowed.is_empty() {
                true => "as much as the disk takes".to_owned(),
                false => allowed.join(" and "),
            };
            let percent = row.percent().map(|percent| format!(", {percent} percent")).unwrap_or_default();
            let (held, messages) = (size(row.octets), counted(row.messages));
            format!("{address} may hold {allowed}; it holds {held} in {messages}{percent}.")
        }
        _ => format!("The quota of {target} is set for each mailbox that has none of its own."),
    }
}

/// Mailboxes that take no more.
fn full(rows: &[QuotaRow]) -> Vec<String> {
    let full = rows.iter().filter(|row| row.percent().is_some_and(|percent| percent >= 100));
    full.map(|row| row.address.to_string()).collect()
}

fn meaning(full: &[String]) -> Vec<String> {
    let names = full.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let line = match full.len() {
        0 => return Vec::new(),
        1 => format!("{names} is full by that and takes no mail until there is room."),
        count if count <= SHOWN => format!("Full by that, and without mail until there is room: {names}."),
        count => format!(
            "Full by that, and without mail until there is room: {names} and {} more (\"poppet quota\" shows all).",
            count - SHOWN
        ),
    };
    vec![line]
}

const COLUMNS: &[&str] = &["mailbox", "octets", "quota", "messages", "quota_messages", "percent"];

/// Names in a sentence.
const SHOWN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(octets: u64, octets_allowed: Option<u64>, messages_allowed: Option<u32>) -> QuotaRow {
        QuotaRow {
            address: "alice@home.lan".parse().unwrap(),
            messages: 2,
            octets,
            octets_allowed,
            messages_allowed,
        }
    }

    #[test]
    fn what_a_mailbox_may_hold_is_told() {
        let target = Target::Mailbox("alice@home.lan".parse().unwrap());
        for (octets_allowed, messages_allowed, wanted) in [
            (None, None, "as much as the disk takes; it holds 1.0 KiB in 2 messages."),
            (Some(2048), None, "2.0 KiB; it holds 1.0 KiB in 2 messages, 50 percent."),
            (None, Some(4), "4 messages; it holds 1.0 KiB in 2 messages, 50 percent."),
            (Some(2048), Some(2), "2.0 KiB and 2 messages; it holds 1.0 KiB in 2 messages, 100 percent."),
        ] {
            let said = sentence(&target, &[row(1024, octets_allowed, messages_allowed)]);
            assert_eq!(said, format!("alice@home.lan may hold {wanted}"));
        }
        // One mail was "1 messages".
        let one = QuotaRow { messages: 1, ..row(1024, None, Some(1)) };
        let wanted = "alice@home.lan may hold 1 message; it holds 1.0 KiB in 1 message, 100 percent.";
        assert_eq!(sentence(&target, &[one]), wanted);
    }

    #[test]
    fn who_is_full_by_a_quota_is_named() {
        assert_eq!(full(&[row(99, Some(100), None), row(100, None, None)]), Vec::<String>::new());
        assert_eq!(full(&[row(100, Some(100), None)]), ["alice@home.lan"]);
        let said = |count| meaning(&vec!["a@home.lan".to_owned(); count]).join("\n");
        assert_eq!(said(0), "");
        assert!(said(1).starts_with("a@home.lan is full"));
        assert!(!said(10).contains(" more"), "{}", said(10));
        assert!(said(11).contains(" and 1 more"), "{}", said(11));
    }
}
