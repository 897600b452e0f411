//! undelete.

use super::accounts::mailbox_address;
use super::desk::{Desk, stranger};
use super::output;
use super::table::{Cell, Report, Said};
use super::verbs::Undelete;
use crate::admin::{AdminError, Answer, Command, quoted};
use crate::clock::{Clock, UnixTime};

pub(super) fn undelete(verb: &Undelete, desk: &Desk) -> Result<Report, AdminError> {
    let address = mailbox_address(&verb.address)?;
    let now = Clock::system(UnixTime(0)).now();
    let since = verb.since.as_deref().map(|text| moment(text, now)).transpose()?;
    let command = Command::Undelete { address: address.clone(), since, is_dry_run: verb.dry_run };
    let Answer::Undeleted { undeleted, notes } = desk.ask(command)? else { return Err(stranger()) };
    let mailbox = if undeleted.is_mailbox_back { "The mailbox and " } else { "" };
    let messages = match undeleted.messages {
        0 => "no messages".to_owned(),
        1 => "1 message".to_owned(),
        messages => format!("{messages} messages"),
    };
    let is = match (verb.dry_run, undeleted.is_mailbox_back, undeleted.messages) {
        (true, ..) => "would come back",
        (false, false, 1) => "is back",
        (false, ..) => "are back",
    };
    let purged = match undeleted.purged {
        0 => String::new(),
        1 => " 1 that was removed from it before is gone for good.".to_owned(),
        purged => format!(" {purged} that were removed from it before are gone for good."),
    };
    let sentence = match (undeleted.is_mailbox_back, undeleted.messages) {
        (false, 0) => format!("Nothing of {address} is there to come back.{purged}"),
        _ => format!("{mailbox}{messages} of {address} {is}.{purged}"),
    };
    let facts = vec![
        ("mailbox", Cell::text(&address)),
        ("mailbox_back", Cell::Is(undeleted.is_mailbox_back)),
        ("messages", Cell::Number(undeleted.messages.into())),
        ("octets", Cell::Octets(undeleted.octets)),
        ("purged", Cell::Number(undeleted.purged.into())),
        ("dry_run", Cell::Is(verb.dry_run)),
    ];
    // The line of facts is for programs; what a person must know besides stands on standard error.
    notes.iter().for_each(|note| output::complain(note));
    Ok(Report::Said(sentence, facts, Said::Line))
}

/// A moment as typed: so long ago, or a day in UTC.
fn moment(text: &str, now: UnixTime) -> Result<UnixTime, AdminError> {
    ago(text, now).or_else(|| day(text)).ok_or_else(|| {
        AdminError::usage(format!(
            "{} is no moment: say 2d, 12h or 30m for so long ago, or a day in UTC such as 2026-11-20",
            quoted(text)
        ))
    })
}

fn ago(text: &str, now: UnixTime) -> Option<UnixTime> {
    let unit = match text.bytes().last()? {
        b'd' => 86_400,
        b'h' => 3600,
        b'm' => 60,
        _ => return None,
    };
    let count: u32 = number(&text[..text.len() - 1])?;
    Some(UnixTime(now.0.saturating_sub(u64::from(count) * unit)))
}

/// The first second of a day in the Gregorian calendar.
fn day(text: &str) -> Option<UnixTime> {
    let mut parts = text.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() || !(1970..=9999).contains(&year) || !(1..=12).contains(&month) {
        return None;
    }
    let is_leap =
        |year: u32| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    let lengths = [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let (before, rest) = lengths.split_at(month as usize - 1);
    if !(1..=*rest.first()?).contains(&day) {
        return None;
    }
    let years: u32 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    let days = years + before.iter().sum::<u32>() + day - 1;
    Some(UnixTime(u64::from(days) * 86_400))
}

fn number(digits: &str) -> Option<u32> {
    digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_795_295_700);

    #[test]
    fn a_moment_is_so_long_ago_or_a_day() {
        for (text, wanted) in [
            ("2d", "2026-11-19 21:15:00Z"),
            ("12h", "2026-11-21 09:15:00Z"),
            ("30m", "2026-11-21 20:45:00Z"),
            ("0d", "2026-11-21 21:15:00Z"),
            ("4294967295d", "1970-01-01 00:00:00Z"),
            ("1970-01-01", "1970-01-01 00:00:00Z"),
            ("2024-02-29", "2024-02-29 00:00:00Z"),
            ("2000-02-29", "2000-02-29 00:00:00Z"),
            ("2026-11-20", "2026-11-20 00:00:00Z"),
            ("2026-12-31", "2026-12-31 00:00:00Z"),
            ("9999-12-31", "9999-12-31 00:00:00Z"),
        ] {
            assert_eq!(moment(text, NOW).unwrap().rfc3339(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "d",
            "-1d",
            "+1d",
            "1w",
            "1.5d",
            "2d ",
            "4294967296d",
            "2026-02-29",
            "2100-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-11-00",
            "2026-11-31",
            "1969-12-31",
            "10000-01-01",
            "2026-11",
            "2026-11-20-1",
            "\u{1b}[2J",
            "\u{fc}",
        ] {
            assert!(moment(text, NOW).is_err(), "{text}");
        }
    }
}
