//! Standard output and standard error; a reader that has gone is no failure.

use std::io::{ErrorKind, IsTerminal, Write};

use serde_json::Value;

use super::table::Report;
use super::typed::told;
use crate::admin::{AdminError, Failure};

/// Standard output in the shape that its reader wants.
pub(super) struct Output {
    /// Whether one JSON document is wanted.
    pub is_json: bool,
    /// Whether a person reads it.
    pub is_terminal: bool,
}

impl Output {
    /// Looks who reads.
    pub fn new(is_json: bool) -> Output {
        Output { is_json, is_terminal: std::io::stdout().is_terminal() }
    }

    /// Shows what a command has to tell.
    pub fn report(&self, report: &Report) -> Result<(), AdminError> {
        match (self.is_json, self.is_terminal) {
            (true, _) => self.json(&report.json()),
            (false, true) if matches!(report, Report::Said(..)) => self.text(&told(&report.table())),
            (false, true) => self.text(&report.table()),
            (false, false) => {
                report.meaning().iter().for_each(|line| complain(line));
                self.text(&report.tabbed())
            }
        }
    }

    /// One JSON document.
    pub fn json(&self, value: &Value) -> Result<(), AdminError> {
        self.text(&format!("{value:#}\n"))
    }

    /// Text as it is.
    pub fn text(&self, text: &str) -> Result<(), AdminError> {
        self.octets(text.as_bytes())
    }

    /// Octets as they are. Ends the process quietly if nobody reads them any more.
    pub fn octets(&self, octets: &[u8]) -> Result<(), AdminError> {
        let mut out = std::io::stdout().lock();
        match out.write_all(octets).and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => Err(AdminError::new(
                Failure::Failed,
                format!("can't write the output: {error}; nothing else is wrong, make room and say it again"),
            )),
        }
    }
}

/// One line on standard error.
pub(super) fn complain(text: &str) {
    let line = told(text).replace(['\n', '\r'], " ");
    // Nowhere is left to tell that standard error is gone.
    let _ = writeln!(std::io::stderr(), "poppet: {line}");
}
