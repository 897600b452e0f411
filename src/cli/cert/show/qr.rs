//! Codes that cameras read, drawn with half blocks: two modules above each other in a letter.

use qrcode::{EcLevel, QrCode};
use rustix::termios;

use super::refused;
use crate::admin::AdminError;

/// A code with its margin.
pub(super) struct Code {
    /// Row by row, whether a module is dark.
    modules: Vec<bool>,
    width: usize,
}

impl Code {
    /// Errs if so much fits into no code that a camera reads from a screen.
    pub fn of(content: &str) -> Result<Code, AdminError> {
        if content.len() > MOST_OCTETS {
            return Err(refused(format!(
                "it has {} octets, and a code that a camera reads from a terminal at most {MOST_OCTETS}: choose a \
                 shorter --host",
                content.len()
            )));
        }
        // A screen is neither dirty nor torn: the least redundancy makes the smallest code.
        let code = QrCode::with_error_correction_level(content, EcLevel::L)
            .map_err(|error| refused(format!("it fits into no code: {error}")))?;
        let (inner, width) = (code.width(), code.width() + 2 * MARGIN);
        let mut modules = vec![false; width * width];
        for (at, colour) in code.to_colors().into_iter().enumerate() {
            let (row, column) = (at / inner + MARGIN, at % inner + MARGIN);
            modules[row * width + column] = colour == qrcode::Color::Dark;
        }
        Ok(Code { modules, width })
    }

    /// Dark modules are ink: right on paper, and on a terminal with light ground.
    pub fn plain(&self) -> String {
        self.lines().map(|line| line + "\n").collect()
    }

    /// Black on white, whatever colours the terminal has otherwise.
    pub fn coloured(&self) -> String {
        self.lines().map(|line| format!("{BLACK_ON_WHITE}{line}{AS_BEFORE}\n")).collect()
    }

    /// Errs with what helps if the terminal has not so many columns and lines.
    pub fn check_room(&self, room: Option<(usize, usize)>) -> Result<(), AdminError> {
        let (columns, lines) = (self.width, self.width.div_ceil(2));
        match room {
            Some((has_columns, has_lines)) if has_columns < columns || has_lines < lines => {
                Err(refused(format!(
                    "the code takes {columns} columns and {lines} lines, and this terminal has {has_columns} and \
                 {has_lines}: make it larger, or its letters smaller"
                )))
            }
            _ => Ok(()),
        }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let is_dark = |row: usize, column: usize| row < self.width && self.modules[row * self.width + column];
        (0..self.width).step_by(2).map(move |row| {
            let letter = |column| match (is_dark(row, column), is_dark(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            };
            (0..self.width).map(letter).collect()
        })
    }
}

/// Columns and lines of the terminal; none if nobody knows.
pub(super) fn room() -> Option<(usize, usize)> {
    let size = termios::tcgetwinsize(std::io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then(|| (size.ws_col.into(), size.ws_row.into()))
}

/// The light modules around it that cameras ask for: ISO/IEC 18004 wants four.
const MARGIN: usize = 4;
/// What a code of 73 modules holds, version 14: larger ones are read from no terminal.
const MOST_OCTETS: usize = 458;
const BLACK_ON_WHITE: &str = "\u{1b}[0;30;107m";
const AS_BEFORE: &str = "\u{1b}[0m";

#[cfg(test)]
mod tests {
    use super::*;

    /// The corner patterns that every code has, seven modules wide.
    #[test]
    fn a_code_has_its_margin_and_three_corners() {
        let code = Code::of("x").unwrap();
        assert_eq!(code.width, 21 + 2 * MARGIN);
        let dark = |row: usize, column: usize| code.modules[row * code.width + column];
        for at in 0..code.width {
            for edge in [0, 1, 2, 3, code.width - 4, code.width - 1] {
                assert!(!dark(edge, at) && !dark(at, edge), "{edge} {at}");
            }
        }
        for (row, column) in [(0, 0), (0, 14), (14, 0)] {
            let corner = |at: usize| dark(MARGIN + row + at, MARGIN + column + at);
            assert_eq!([0, 1, 2, 3, 4, 5, 6].map(corner), [true, false, true, true, true, false, true]);
        }
    }

    #[test]
    fn two_modules_stand_in_a_letter_and_none_is_lost() {
        let code = Code::of("What stands in it is no matter").unwrap();
        let text = code.plain();
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        assert_eq!(lines.len(), code.width.div_ceil(2));
        for (at, is_dark) in code.modules.iter().enumerate() {
            let (row, column) = (at / code.width, at % code.width);
            let halves = if row % 2 == 0 { "█▀" } else { "█▄" };
            assert_eq!(halves.contains(lines[row / 2][column]), *is_dark, "{row} {column}");
        }
    }

    #[test]
    fn colours_are_given_for_each_line_and_taken_back() {
        let text = Code::of("x").unwrap().coloured();
        assert!(text.lines().all(|line| line.starts_with(BLACK_ON_WHITE) && line.ends_with(AS_BEFORE)));
    }

    #[test]
    fn a_terminal_that_is_too_small_is_told_by_how_much() {
        let code = Code::of("x").unwrap();
        for (room, fits) in [
            (None, true),
            (Some((29, 15)), true),
            (Some((30, 16)), true),
            (Some((28, 15)), false),
            (Some((29, 14)), false),
        ] {
            let checked = code.check_room(room);
            assert_eq!(checked.is_ok(), fits, "{room:?}");
            assert!(fits || checked.unwrap_err().text.starts_with("the code takes 29 columns and 15 lines"));
        }
    }

    #[test]
    fn so_much_fits_and_no_more() {
        for (octets, fits) in [(MOST_OCTETS - 1, true), (MOST_OCTETS, true), (MOST_OCTETS + 1, false)] {
            let code = Code::of(
                &"ä".repeat(octets / 2).chars().chain("x".repeat(octets % 2).chars()).collect::<String>(),
            );
            assert_eq!(code.is_ok(), fits, "{octets}");
            assert!(!fits || code.unwrap().width <= 73 + 2 * MARGIN);
        }
    }
}
