//! What a command has to tell, and its three shapes: a table, tab-separated lines, JSON.

use serde_json::{Map, Value, json};

use crate::clock::UnixTime;

/// What a command has to tell.
#[derive(Debug)]
pub(super) enum Report {
    /// Rows under named columns; JSON: a list of objects.
    Rows(&'static [&'static str], Vec<Vec<Cell>>),
    /// Named facts; JSON: one object.
    Facts(Vec<(&'static str, Cell)>),
    /// Named facts, of which a pipe only gets the value of that index.
    One(Vec<(&'static str, Cell)>, usize),
    /// A sentence for people, facts for programs; without a terminal the facts that are marked are printed.
    Said(String, Vec<(&'static str, Cell)>, Said),
}

/// What of a [`Report::Said`] is printed where no terminal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Nothing: the exit code tells.
    Quiet,
    /// Nothing; but what it means goes to standard error. A terminal has it behind the sentence, JSON as a fact.
    Meaning(Vec<String>),
    /// The facts as one line.
    Line,
}

/// One value.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// A text, which may be foreign.
    Text(String),
    /// A number.
    Number(u64),
    /// A number of octets.
    Octets(u64),
    /// A quotient.
    Ratio(f64),
    /// Yes or no.
    Is(bool),
    /// A moment.
    Time(UnixTime),
    /// Seconds.
    Seconds(u64),
    /// Several texts.
    Texts(Vec<String>),
    /// Nothing.
    None,
}

impl Report {
    /// As people read it.
    pub fn table(&self) -> String {
        match self {
            Report::Rows(columns, rows) => {
                let heading = columns.iter().map(|name| (name.to_string(), false)).collect();
                let rows =
                    rows.iter().map(|row| row.iter().map(|cell| (cell.human(), cell.is_number())).collect());
                align(std::iter::once(heading).chain(rows).collect())
            }
            Report::Facts(facts) | Report::One(facts, _) => align(
                facts.iter().map(|(name, cell)| vec![(label(name), false), (cell.human(), false)]).collect(),
            ),
            Report::Said(sentence, ..) => {
                let lines = std::iter::once(sentence).chain(self.meaning());
                lines.map(|line| format!("{line}\n")).collect()
            }
        }
    }

    /// What it means, in lines that nobody should miss.
    pub fn meaning(&self) -> &[String] {
        match self {
            Report::Said(_, _, Said::Meaning(lines)) => lines,
            _ => &[],
        }
    }

    /// Tab-separated, without a heading.
    pub fn tabbed(&self) -> String {
        let line = |cells: Vec<String>| cells.join("\t") + "\n";
        match self {
            Report::Rows(_, rows) => {
                rows.iter().map(|row| line(row.iter().map(Cell::plain).collect())).collect()
            }
            Report::Facts(facts) => {
                facts.iter().map(|(name, cell)| line(vec![name.to_string(), cell.plain()])).collect()
            }
            Report::One(facts, index) => {
                line(facts.get(*index).map(|(_, cell)| cell.plain()).into_iter().collect())
            }
            Report::Said(_, _, Said::Quiet | Said::Meaning(_)) => String::new(),
            Report::Said(_, facts, Said::Line) => line(facts.iter().map(|(_, cell)| cell.plain()).collect()),
        }
    }

    /// One JSON document.
    pub fn json(&self) -> Value {
        match self {
            Report::Rows(columns, rows) => {
                rows.iter().map(|row| object(columns.iter().copied().zip(row))).collect()
            }
            Report::Facts(facts) | Report::One(facts, _) | Report::Said(_, facts, _) => {
                object(facts.iter().map(|(name, cell)| (*name, cell)))
            }
        }
    }
}

impl Cell {
    /// A text.
    pub fn text(text: impl ToString) -> Cell {
        Cell::Text(text.to_string())
    }

    /// As people read it.
    pub fn human(&self) -> String {
        match self {
            Cell::Octets(octets) => size(*octets),
            Cell::Seconds(seconds) => duration(*seconds),
            Cell::None => "-".into(),
            cell => cell.plain(),
        }
    }

    fn plain(&self) -> String {
        match self {
            Cell::Text(text) => harmless(text),
            Cell::Number(number) | Cell::Octets(number) | Cell::Seconds(number) => number.to_string(),
            Cell::Ratio(ratio) => format!("{ratio:.2}"),
            Cell::Is(is) => if *is { "yes" } else { "no" }.into(),
            Cell::Time(time) => time.rfc3339(),
            Cell::Texts(texts) => texts.iter().map(|text| harmless(text)).collect::<Vec<_>>().join(" "),
            Cell::None => String::new(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Text(text) => json!(text),
            Cell::Number(number) | Cell::Octets(number) | Cell::Seconds(number) => json!(number),
            Cell::Ratio(ratio) => json!(ratio),
            Cell::Is(is) => json!(is),
            Cell::Time(time) => json!(time.rfc3339()),
            Cell::Texts(texts) => json!(texts),
            Cell::None => Value::Null,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Cell::Number(_) | Cell::Octets(_) | Cell::Ratio(_) | Cell::Seconds(_))
    }
}

/// Foreign text without what could move a terminal's cursor, turn its letters round or break a line
/// (S-317, S-326).
pub(super) fn harmless(foreign: &str) -> String {
    let mut text = String::with_capacity(foreign.len());
    for letter in foreign.chars() {
        match is_harmless(letter) {
            true => text.push(letter),
            false => text.extend(letter.escape_unicode()),
        }
    }
    text
}

/// Whether a terminal only shows it.
pub(super) fn is_harmless(letter: char) -> bool {
    let acts = letter.is_control()
        || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{fffc}')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    !acts
}

/// A size as people read it: `812 B`, `1.5 KiB`, `23 MiB`.
pub(super) fn size(octets: u64) -> String {
    let mut unit = 0;
    let mut rest = octets as f64;
    // 1023.5 KiB and more would be shown as 1024 KiB.
    while rest >= 1023.5 && unit + 1 < UNITS.len() {
        rest /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{octets} B"),
        unit if rest < 9.95 => format!("{rest:.1} {}", UNITS[unit]),
        unit => format!("{rest:.0} {}", UNITS[unit]),
    }
}

/// A fact's name as people read it; the value shows its unit.
fn label(name: &str) -> String {
    name.trim_end_matches("_seconds").replace('_', " ")
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

fn object<'a>(facts: impl Iterator<Item = (&'static str, &'a Cell)>) -> Value {
    Value::Object(facts.map(|(name, cell)| (name.to_string(), cell.json())).collect::<Map<_, _>>())
}

/// Columns as wide as their widest cell; numbers to the right.
fn align(rows: Vec<Vec<(String, bool)>>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.0.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|((cell, is_number), &width)| match is_number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::Rows(
            &["mailbox", "octets"],
            vec![
                vec![Cell::text("alice@home.lan"), Cell::Octets(1536)],
                vec![Cell::text("b\u{1b}[2J\t\n@x"), Cell::Octets(3)],
            ],
        )
    }

    #[test]
    fn the_same_report_has_three_shapes() {
        let table = report().table();
        assert_eq!(table.lines().next(), Some("mailbox                 octets"));
        assert_eq!(table.lines().nth(1), Some("alice@home.lan          1.5 KiB".trim_end()));
        assert_eq!(report().tabbed(), "alice@home.lan\t1536\nb\\u{1b}[2J\\u{9}\\u{a}@x\t3\n");
        assert_eq!(report().json()[0], json!({"mailbox": "alice@home.lan", "octets": 1536}));
    }

    #[test]
    fn foreign_text_can_not_move_the_cursor_or_turn_letters_round_s_317_s_326() {
        for (foreign, wanted) in [
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\u{202e}b", "a\\u{202e}b"),
            ("a\u{2028}b", "a\\u{2028}b"),
            ("a\u{85}b\0", "a\\u{85}b\\u{0}"),
            ("Grüße, 你好", "Grüße, 你好"),
        ] {
            assert_eq!(harmless(foreign), wanted);
        }
    }

    #[test]
    fn sizes_are_short_at_their_edges() {
        for (octets, wanted) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (1024 * 1024, "1.0 MiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(size(octets), wanted, "{octets}");
        }
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, wanted) in
            [(59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), wanted);
        }
    }

    #[test]
    fn nothing_is_said_to_a_pipe_but_what_it_needs() {
        let facts = || vec![("mailbox", Cell::text("a@b")), ("password", Cell::text("x"))];
        assert_eq!(Report::Said("Done.".into(), facts(), Said::Quiet).tabbed(), "");
        assert_eq!(Report::Said("Done.".into(), facts(), Said::Line).tabbed(), "a@b\tx\n");
        let meaning = Said::Meaning(vec!["It costs.".into(), "It lasts.".into()]);
        let report = Report::Said("Done.".into(), facts(), meaning);
        assert_eq!(
            (report.tabbed().as_str(), report.table().as_str()),
            ("", "Done.\nIt costs.\nIt lasts.\n")
        );
        assert_eq!(report.meaning(), ["It costs.", "It lasts."]);
    }
}
