//! What the README shows is run by a test: every command of its code blocks, in order, on one database.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that can't go on fails here.

#[allow(dead_code)] // Made for the command line's tests; these need less of it.
#[path = "command_line/house.rs"]
mod house;

use std::path::Path;
use std::process::{Command, Stdio};

use house::House;
use poppet::sasl::Mechanism;
use poppet::settings::{Key, Settings};

#[test]
fn what_the_readme_shows_works_in_order() {
    let commands = shown(&readme());
    assert!(commands.len() >= 15, "{commands:?}");
    let house = House::empty();
    let mut server = None;
    for command in commands {
        if command.serves {
            run(&house, &Shown { line: format!("{} --no-start", command.line), ..command });
            let started = house.serve();
            started.deliver("alice@home.lan", "Subject: It works\r\n\r\nHello.");
            server = Some(started);
        } else {
            run(&house, &command);
        }
    }
    assert!(server.is_some(), "the README shows a command that serves");
}

#[test]
fn the_table_of_commands_has_every_verb_and_every_option() {
    let (readme, house) = (readme(), House::empty());
    let verbs = verbs(house.run("--help").done());
    assert!(verbs.len() >= 13, "{verbs:?}");
    for verb in verbs {
        let row = readme.lines().find(|line| line.starts_with('|') && names(line, &verb));
        let row = row.unwrap_or_else(|| panic!("the README's table has no row for {verb}"));
        let help = house.run(&format!("{verb} --help"));
        let usage = help.done().lines().next().unwrap().to_string();
        for option in usage.split(['[', ']', ' ', '<', '>']).filter(|word| word.len() > 2) {
            let is_named =
                option.starts_with("--") || option.chars().all(|letter| letter.is_ascii_uppercase());
            assert!(!is_named || row.contains(option), "{option} of {verb} is not in {row}");
        }
    }
}

/// Of 29 commands the newest stood last, wherever they belong, and in another order than in the help.
#[test]
fn the_table_of_commands_has_the_order_of_the_help() {
    let (readme, house) = (readme(), House::empty());
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with('|')).collect();
    let row_of = |verb: &String| rows.iter().position(|row| names(row, verb));
    let found: Vec<_> = verbs(house.run("--help").done()).iter().map(row_of).collect();
    assert!(found.is_sorted(), "{found:?}");
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let (readme, house) = (readme(), House::empty());
    let help = house.run("--help");
    for code in 1..=6 {
        let text = help.done().lines().find_map(|line| line.trim().strip_prefix(&format!("{code} ")));
        let row = format!("| {code} | {} |", text.unwrap_or_else(|| panic!("no {code} in the help")));
        assert!(readme.lines().any(|line| line == row), "the README has no row {row}");
    }
}

#[test]
fn the_table_of_ways_to_log_on_has_every_mechanism() {
    let readme = readme();
    let table = readme.split("## Logging on").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = Mechanism::ALL.iter().map(|mechanism| mechanism.name());
    for name in names.chain(["USER", "PASS", "APOP"]) {
        assert!(
            table.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`"))),
            "{name}"
        );
    }
}

#[test]
fn settings_in_the_text_are_settings() {
    let readme = readme();
    let shown: Vec<&str> =
        readme.split("`poppet set ").skip(1).filter_map(|rest| rest.split('`').next()).collect();
    assert!(shown.len() >= 8, "{shown:?}");
    for shown in shown {
        let mut words = shown.split(' ');
        let (key, value) = (words.next().unwrap(), words.next());
        let is_named = |word: &str| word.chars().all(|letter| letter.is_ascii_uppercase());
        let mut settings = Settings::default();
        match value {
            // It is set like one, and shown nowhere.
            _ if is_named(key) || key == "smarthost_password" => {}
            Some(value) if !is_named(value) => settings.assign(key, value).unwrap(),
            _ => drop(Key::find(key).unwrap()),
        }
    }
}

/// `cross/build --table` writes the rows; how large the binaries are is held by `cross/build --table --check`.
#[test]
fn the_table_of_boards_has_every_board() {
    let (readme, table) = (readme(), read("cross/boards"));
    let begin =
        readme.split("| board | target | octets | what has it |\n|---|---|---|---|\n").nth(1).unwrap();
    let rows: Vec<Vec<&str>> = begin
        .lines()
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let boards: Vec<&str> = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(boards.len() >= 6, "{boards:?}");
    assert_eq!(rows.len(), boards.len());
    for (row, board) in rows.iter().zip(boards) {
        let columns: Vec<&str> = board.split_whitespace().collect();
        let octets = row[3].replace(',', "").parse().unwrap_or(0_usize);
        assert_eq!(row[1..3], [columns[0].to_owned(), format!("`{}`", columns[1])], "{board}");
        assert_eq!(row[4], columns[6..].join(" "), "{board}");
        assert!(octets > 100_000 || row[3] == "not measured", "{board}: the README has no size of it");
    }
}

#[test]
fn commands_are_found_in_code_blocks_only_with_their_marks() {
    let text = "poppet no\n```sh\npoppet a b   # serves; so\nprintf x | poppet c # it says what\ncargo build\n```\n\
                ```\nready poppet\n```\npoppet no\n";
    let wanted = [("poppet a b", true, false), ("printf x | poppet c", false, true)];
    let found = shown(text);
    let found: Vec<_> = found.iter().map(|shown| (shown.line.as_str(), shown.serves, shown.says)).collect();
    assert_eq!(found, wanted);
}

/// A command that the README shows.
#[derive(Debug)]
struct Shown {
    line: String,
    /// Whether its comment says that it serves.
    serves: bool,
    /// Whether its comment says that it says something.
    says: bool,
}

/// The commands in the shell blocks, without their comments.
fn shown(text: &str) -> Vec<Shown> {
    let mut commands = Vec::new();
    let mut is_shell = false;
    for line in text.lines() {
        if let Some(language) = line.strip_prefix("```") {
            is_shell = language == "sh";
        } else if is_shell && (line.starts_with("poppet ") || line.contains("| poppet ")) {
            let (line, comment) = line.split_once(" #").unwrap_or((line, ""));
            commands.push(Shown {
                line: line.trim_end().into(),
                serves: comment.contains("serves"),
                says: comment.contains("says what"),
            });
        }
    }
    commands
}

/// Runs a line as a shell does; it must be done, with a word on standard error where the README says so.
fn run(house: &House, Shown { line, says, .. }: &Shown) {
    let program = Path::new(env!("CARGO_BIN_EXE_poppet"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", line])
        .env("PATH", path)
        .current_dir(house.file(""))
        .env("POPPET_DB", house.file("poppet.redb"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty() != *says,
        "{line}: {} {complaint}",
        output.status
    );
}

fn readme() -> String {
    read("README.md")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The commands that the help lists.
fn verbs(help: &str) -> Vec<String> {
    let list = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    // A line that goes on is indented further.
    let verbs = list.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    verbs.filter_map(|line| line.split_whitespace().next()).map(String::from).collect()
}

/// Whether a row of the table is about that verb.
fn names(row: &str, verb: &str) -> bool {
    row.split('`')
        .any(|code| code == format!("poppet {verb}") || code.starts_with(&format!("poppet {verb} ")))
}
