//! Holds that every case of the list of attacks, faults and bad inputs about SMTP, logons and TLS stands in a test.
//!
//! A case is cited as `S-016`, in a dialog's first line, a comment or a test's name (`s_016`). Cited is not shown: that
//! each of these tests shows what the case demands was read by hand.

// A test may fail in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Line endings, STARTTLS, syntax and limits, addresses and relaying, loops and the way out, chunks and sizes; logons,
/// secrets that prove, directories, the system's accounts; TLS; time, logs, files and the control socket; what a process
/// may, and what it is made of.
const SECTIONS: [RangeInclusive<u16>; 11] = [
    1..=30,
    31..=50,
    51..=80,
    81..=140,
    141..=153,
    154..=181,
    182..=190,
    191..=208,
    209..=221,
    248..=263,
    308..=345,
];
/// A range of cases that is cited as one counts up to this width; wider ones are headings.
const WIDTH: u16 = 16;

/// Where the binaries for boards are built and tried.
const BOARDS: &str = "cross";
/// Scripts without a name's end.
const SCRIPTS: [&str; 3] = ["tests/all", "tests/units", "cross/build"];

/// Cases that no test of this tree cites, and why.
const ELSEWHERE: &[(u16, &str)] = &[
    (30, "tests/clients/kill.py keeps a ledger of what was acknowledged and what was not"),
    (43, "rustls since 0.23.5; cargo deny knows the advisory"),
    (47, "what was said before STARTTLS is forgotten: S-031 to S-036 hold all that a server can"),
    (128, "neither vacation notes nor other replies by themselves are offered"),
    (148, "no session has more replies than S-055 and S-056 let it have, 33 KB; S-236 holds the buffer"),
    (218, "PAM is not asked: a helper reads shadow itself, and runs nobody's modules"),
    (219, "accounts are read from passwd, shadow and group themselves; NSS is not asked"),
    (
        249,
        "rustls has neither TLS 1.0 nor RSA key exchange; such a device may be let in without TLS, see devices.py",
    ),
    (
        318,
        "a line of the log has the protocol and the address first, and S-317 holds what foreign text becomes",
    ),
    (
        327,
        "an act is one transaction of the store, and a ticket of its commit answers it; there is no audit table",
    ),
    (328, "there is no configuration file: settings are keys of the database, and unknown ones are refused"),
    (329, "mail of other programs can't be imported yet"),
    (330, "there is neither a page of health nor one of figures"),
];

#[test]
fn every_case_stands_in_a_test() {
    let cited: BTreeSet<u16> = test_texts().iter().flat_map(|text| cases(text)).collect();
    let listed: BTreeSet<u16> = ELSEWHERE.iter().map(|(number, _)| *number).collect();
    let missing: Vec<u16> = SECTIONS
        .into_iter()
        .flatten()
        .filter(|number| !cited.contains(number) && !listed.contains(number))
        .collect();
    assert_eq!(missing, [0; 0], "cases that no test cites");
    let needless: Vec<_> = listed.intersection(&cited).collect();
    assert_eq!(needless, [&0; 0], "cases that a test does cite need no reason");
    assert!(ELSEWHERE.iter().all(|(_, reason)| reason.len() > 20), "a reason is a sentence");
}

#[test]
fn cases_are_found_in_any_spelling() {
    let found = |text: &str| cases(text).into_iter().collect::<Vec<_>>();
    assert_eq!(found("a NUL (S-011, S-012)"), [11, 12]);
    assert_eq!(found("fn a_bare_lf_never_ends_data_s_002() {"), [2]);
    assert_eq!(found("relay probes (S-081 to S-084)"), [81, 82, 83, 84]);
    assert_eq!(found("fn sizes_s_099_to_s_101()"), [99, 100, 101]);
    assert_eq!(found("the cases S-001 to S-030, and S-031"), [31], "a heading shows nothing");
    assert_eq!(found("S-12 RFC-5321 x_s_1 MSS-0123"), [0; 0]);
}

/// The texts of all tests: what stands under `tests` and `cross`, and the test modules of `src`.
fn test_texts() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    let mut tests = files(&root.join("tests"));
    tests.extend(files(&root.join(BOARDS)));
    for path in tests {
        let name = path.file_name().unwrap_or_default();
        let is_text = [".rs", ".py", ".txt"].iter().any(|kind| name.to_string_lossy().ends_with(kind))
            || SCRIPTS.iter().any(|script| path == root.join(script));
        if name != "cases.rs" && is_text {
            texts.push(fs::read_to_string(&path).expect("a test"));
        }
    }
    for path in files(&root.join("src")) {
        let text = fs::read_to_string(&path).expect("a source");
        let is_test = path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests");
        let from = if is_test { Some(0) } else { text.find("#[cfg(test)]") };
        texts.extend(from.map(|at| text[at..].to_owned()));
    }
    texts
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if !path.is_dir() {
            found.push(path);
        } else if path.file_name().is_some_and(|name| name != "target") {
            found.extend(files(&path));
        }
    }
    found
}

/// The cases that a text cites.
fn cases(text: &str) -> BTreeSet<u16> {
    let mut found = BTreeSet::new();
    let text = text.to_ascii_lowercase().replace('_', "-");
    let mut at = 0;
    while let Some((number, end)) = next_case(&text, at) {
        at = end;
        let range = [" to s-", "-to-s-", "–s-"].iter().find(|word| text[end..].starts_with(**word));
        let last =
            range.and_then(|word| Some((three_digits(&text[end + word.len()..])?, end + word.len() + 3)));
        match last {
            Some((last, end)) if last > number => {
                at = end;
                found.extend((number..=last).filter(|_| last - number < WIDTH));
            }
            _ => {
                found.insert(number);
            }
        }
    }
    found
}

fn next_case(text: &str, from: usize) -> Option<(u16, usize)> {
    text[from..].match_indices("s-").find_map(|(found, _)| {
        let at = from + found;
        let is_word = text[..at].chars().next_back().is_none_or(|before| !before.is_ascii_alphanumeric());
        let number = three_digits(&text[at + 2..]).filter(|_| is_word)?;
        Some((number, at + 5))
    })
}

/// Three digits and no fourth.
fn three_digits(text: &str) -> Option<u16> {
    let digits = text.get(..3).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
    if text[3..].starts_with(|next: char| next.is_ascii_digit()) { None } else { digits.parse().ok() }
}
