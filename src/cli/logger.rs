//! One line an event on standard error; `POPPET_LOG` says how much.

use std::io::Write;

use crate::clock::{Clock, UnixTime};

/// Starts logging. The journal has a time for each line already, so there it is left out.
pub(super) fn start() {
    let is_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let clock = Clock::system(UnixTime(0));
    let filter = std::env::var("POPPET_LOG").unwrap_or_else(|_| "info".into());
    let result = env_logger::Builder::new()
        .parse_filters(&filter)
        .format(move |out, record| {
            let level = record.level().as_str().to_ascii_lowercase();
            if is_journal {
                writeln!(out, "{level}: {}", record.args())
            } else {
                writeln!(out, "{} {level}: {}", clock.now().rfc3339(), record.args())
            }
        })
        .try_init();
    // A logger that stands already, as in tests, is as good.
    drop(result);
}
