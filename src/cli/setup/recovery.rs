//! setup --recovery-words-stdin: brings a lost device key back.

use std::path::Path;

use crate::admin::{self, AdminError, Failure};
use crate::cli::table::{Cell, Report, Said};
use crate::cli::{password, place, serve};
use crate::clock::{Clock, UnixTime};
use crate::mail::printable;

/// Writes the key beside the database, which need not be there yet.
pub(super) fn restore(database: &Path) -> Result<Report, AdminError> {
    if let Some(live) = serve::running(database) {
        let text = format!("process {} serves this database: end it, then say it again", live.pid);
        return Err(AdminError::new(Failure::Exists, text));
    }
    let words = password::recovery_words()?;
    let words = String::from_utf8_lossy(words.expose());
    let is_there = admin::restore_key(database, &words, &Clock::system(UnixTime(0)))?;
    let shown = printable(database.as_os_str().as_encoded_bytes());
    let (sentence, next) = match is_there {
        true => (
            format!("The device key is back, and opens {shown}."),
            format!("\"{}\" starts the server.", place::start_command(database)),
        ),
        false => (
            format!("The device key is back; {shown} is not there, so whether it opens that is not known."),
            format!("Put the database back as {shown}; \"poppet list\" shows then whether the key opens it."),
        ),
    };
    let facts = vec![("restored", Cell::Is(true)), ("database_there", Cell::Is(is_there))];
    Ok(Report::Said(sentence, facts, Said::Meaning(vec![next])))
}
