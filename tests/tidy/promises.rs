//! What the sources and the manifest promise to who must trust the binary: no `unsafe` but in one file, checked sums.

use super::{files, paths, read, read_path, report};

/// The only file that may have `unsafe`.
const UNSAFE_FILE: &str = "src/sys.rs";

/// S-343.
#[test]
fn unsafe_stands_in_one_file() {
    let mut problems = Vec::new();
    for path in files("src", &["rs"]) {
        problems.extend(unsafe_words(&path.display().to_string(), &read_path(&path)));
    }
    report(problems);
    assert!(!unsafe_words("elsewhere", &read(UNSAFE_FILE)).is_empty(), "{UNSAFE_FILE} needs none: forbid it");
}

/// S-344, and the barrier that catches a panic of the store.
#[test]
fn the_release_checks_sums_and_survives_panics() {
    report(weak_release(&read("Cargo.toml")));
}

/// S-340: cargo-vet holds that each crate stands there; it does not ask for a date.
#[test]
fn who_trusts_a_crate_unread_says_since_when() {
    report(undated(&read("supply-chain/config.toml")));
}

fn unsafe_words(name: &str, text: &str) -> Vec<String> {
    let code = paths::code(text);
    let words = code.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
    let found = words.filter(|word| matches!(*word, "unsafe" | "unsafe_code") && name != UNSAFE_FILE);
    found.map(|word| format!("{name}: {word} stands only in {UNSAFE_FILE}")).collect()
}

fn weak_release(manifest: &str) -> Vec<String> {
    let profile = manifest.split("[profile.release]\n").nth(1).unwrap_or_default();
    let profile = profile.split("\n[").next().unwrap_or_default();
    let wanted = ["overflow-checks = true", "panic = \"unwind\""];
    let missing = wanted.iter().filter(|wanted| !profile.lines().any(|line| line == **wanted));
    missing.map(|line| format!("Cargo.toml: the release profile has no {line}")).collect()
}

/// The crates that are trusted without a note that begins with a date.
fn undated(trusted: &str) -> Vec<String> {
    let is_dated = |text: &str| {
        let date = text.split_once("\nnotes = \"").map_or("", |(_, note)| note.get(..10).unwrap_or_default());
        date.bytes().enumerate().all(|(place, octet)| match place {
            4 | 7 => octet == b'-',
            _ => octet.is_ascii_digit(),
        }) && date.len() == 10
    };
    let found = trusted.split("\n[[exemptions.").skip(1).filter(|text| !is_dated(text));
    found
        .map(|text| format!("supply-chain: {} has no date", text.lines().next().unwrap_or_default()))
        .collect()
}

#[test]
fn a_broken_promise_is_found() {
    for text in ["fn f() { unsafe { g() } }", "#![allow(unsafe_code)]", "unsafe impl Send for X {}"] {
        assert_eq!(unsafe_words("src/store/mod.rs", text).len(), 1, "{text}");
        assert_eq!(unsafe_words(UNSAFE_FILE, text), [""; 0], "{text}");
    }
    for text in ["// unsafe", "const X: &str = \"unsafe\";", "fn unsafely() {}"] {
        assert_eq!(unsafe_words("src/store/mod.rs", text), [""; 0], "{text}");
    }
    let good = "[profile.release]\npanic = \"unwind\"\noverflow-checks = true\n\n[profile.dev]\n";
    assert_eq!(weak_release(good), [""; 0]);
    for (from, to) in [("true", "false"), ("unwind", "abort"), ("release", "dev"), ("overflow", "# overflow")]
    {
        assert!(!weak_release(&good.replace(from, to)).is_empty(), "{to}");
    }
    let dated = "\n[[exemptions.redb]]\nversion = \"4\"\nnotes = \"2026-11-22: x\"\n";
    assert_eq!(undated(dated), [""; 0]);
    for (from, to) in [("2026-11-22", "2026-11-2"), ("2026", "soon"), ("notes", "note"), ("-22: x", "")] {
        assert_eq!(undated(&dated.replace(from, to)).len(), 1, "{to}");
    }
}
