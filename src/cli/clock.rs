//! clock.

use std::io::Write;

use super::accounts::may_ask;
use super::desk::{Desk, stranger};
use super::look;
use super::table::{Cell, Report, Said};
use super::verbs::Clock;
use crate::admin::{self, AdminError, Answer, ClockState, Command, Failure, quoted};

pub(super) fn clock(verb: &Clock, desk: &Desk) -> Result<Report, AdminError> {
    match verb.act.as_deref() {
        None if verb.yes => Err(AdminError::usage("--yes belongs to \"poppet clock trust\"")),
        None => Ok(Report::Facts(facts(&desk.status()?.clock))),
        Some("trust") => trust(verb.yes, desk),
        Some(other) => Err(AdminError::usage(format!(
            "clock takes trust or nothing, not {}: the system sets its clock, as by \"timedatectl set-ntp true\"",
            quoted(other)
        ))),
    }
}

/// Shows the time before it is taken as the right one.
fn trust(is_sure: bool, desk: &Desk) -> Result<Report, AdminError> {
    let before = desk.status()?.clock;
    let shown = before.now.rfc3339();
    if before.is_believed {
        let sentence = format!("The clock says {shown}, and is believed already.");
        return Ok(Report::Said(sentence, facts(&before), Said::Quiet));
    }
    if before.can_be_right && !is_sure && !(may_ask() && is_agreed(&shown)) {
        let text = format!(
            "the clock says {shown}, and stays as it is: if that is right now, say \"poppet clock trust --yes\", else set it"
        );
        return Err(AdminError::new(Failure::Refused, text));
    }
    let Answer::Clock(after) = desk.ask(Command::TrustClock)? else { return Err(stranger()) };
    let sentence = format!(
        "The clock is right: it says {}. Nothing is removed or given up for its age before another day has passed, or before \
         the next start.",
        after.now.rfc3339()
    );
    Ok(Report::Said(sentence, facts(&after), Said::Quiet))
}

fn facts(state: &ClockState) -> Vec<(&'static str, Cell)> {
    vec![
        ("now", Cell::Time(state.now)),
        ("newest", Cell::Time(state.newest)),
        ("state", Cell::text(look::clock(state))),
        ("advice", admin::trouble_of_clock(state).map_or(Cell::None, Cell::text)),
    ]
}

fn is_agreed(shown: &str) -> bool {
    let _ = write!(std::io::stderr(), "The clock says {shown}. Is that right now? [y/N] ");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.is_ok() && matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
