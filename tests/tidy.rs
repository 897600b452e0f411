//! Holds what no compiler holds: who may lean on whom, headers, lengths, citations, reasons.
//!
//! Each check is a function of texts, and has a bad sample of its own that it must find.

// A test may fail in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/promises.rs"]
mod promises;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use paths::{KNOWN_CRATES, paths, without_tests};

/// Lines that a file may have.
const LINES: usize = 500;
/// Crates in the shipped binary. DESIGN §4.
const CRATES: usize = 90;
/// Rooms without sockets, files, clocks and logs.
const PURE: &[&str] = &["wire", "sasl", "pop3", "smtp", "ldap", "crypt"];
/// What a pure room never names.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "std::time::Instant",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
];
/// Types of `std::net` that are values and no sockets.
const ADDRESS_TYPES: &[&str] = &["IpAddr", "Ipv4Addr", "Ipv6Addr"];
/// The crates that each room may name; rooms that stand here with nothing, and those missing, name none.
const CRATES_OF: &[(&str, &[&str])] = &[
    ("mail", &["serde", "unicode_normalization", "zeroize"]),
    ("clock", &["serde", "time"]),
    ("settings", &["serde"]),
    ("wire", &["memchr"]),
    ("sasl", &["base64ct", "hmac", "md4", "md5", "ring", "unicode_normalization", "zeroize"]),
    ("crypt", &["md5", "ring", "yescrypt", "zeroize"]),
    ("local", &["log", "rustix", "zeroize"]),
    ("pop3", &["base64ct"]),
    ("smtp", &["memchr"]),
    // Its hmac is ring's module, which reads like the crate.
    ("relay", &["base64ct", "hmac", "ring"]),
    ("store", &["crc32fast", "log", "postcard", "redb", "rustix", "serde"]),
    // Its hmac is ring's module, which reads like the crate.
    ("auth", &["argon2", "base64ct", "hmac", "log", "postcard", "ring", "rustix", "serde", "zeroize"]),
    (
        "cert",
        &[
            "aes", "base64ct", "hmac", "log", "postcard", "rcgen", "ring", "rustix", "rustls", "serde",
            "time", "zeroize",
        ],
    ),
    ("admin", &["base64ct", "log", "serde"]),
    (
        "net",
        &[
            "async_signal",
            "futures_rustls",
            "log",
            "postcard",
            "ring",
            "rustix",
            "rustls",
            "serde",
            "smol",
            "zeroize",
        ],
    ),
    ("cli", &["argh", "base64ct", "env_logger", "log", "qrcode", "ring", "rustix", "serde", "serde_json"]),
    ("sys", &["libc"]),
    ("sandbox", &["log", "rustix", "serde"]),
];
/// What "the nouns" in the table stands for.
const NOUNS: &[&str] = &["limits", "mail", "clock", "ticket", "settings"];
/// A value that every room may name, whoever owns it.
const FREE_PATHS: &[&str] = &["crate::clock::UnixTime"];

#[test]
fn rooms_lean_only_on_those_they_may() {
    let table = table(&read("src/lib.rs"));
    assert!(table.len() >= 15, "the table in src/lib.rs has {} rows", table.len());
    let mut problems = Vec::new();
    for path in files("src", &["rs"]).iter().filter(|path| !is_test(path)) {
        problems.extend(leaning(path, &read_path(path), &table));
    }
    report(problems);
}

#[test]
fn files_have_a_header_and_an_end() {
    report(each(&["src", "tests"], &["rs"], |name, text| {
        let mut problems = Vec::new();
        if !text.starts_with("//! ") {
            problems.push(format!("{name}: the first line is no //! that says what the file is"));
        }
        problems.extend(too_long(name, text));
        problems
    }));
    report(each(&["tests", "cross"], &["py"], too_long));
}

#[test]
fn nothing_is_left_to_do() {
    report(each(&["src"], &["rs"], left_to_do));
}

#[test]
fn white_space_is_plain() {
    report(each(&["src", "tests", "cross"], &["rs", "py", "txt", "md"], odd_white_space));
}

#[test]
fn cited_rfcs_are_in_the_readme() {
    let listed = listed_rfcs(&read("README.md"));
    report(each(&["src", "tests"], &["rs", "py", "txt"], |name, text| unlisted(name, text, &listed)));
}

#[test]
fn tests_talk_to_nobody_outside() {
    report(each(&["tests"], &["rs", "py", "txt"], strange_addresses));
}

#[test]
fn dependencies_have_a_reason_and_are_known_here() {
    let manifest = read("Cargo.toml");
    report(unreasoned(&manifest));
    assert_eq!(dependencies(&manifest), KNOWN_CRATES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_fuzz_target_is_built_and_has_seeds_and_a_planted_bug() {
    let manifest = read("tests/fuzz/Cargo.toml");
    report(unreasoned(&manifest));
    let planted = read("tests/fuzz/planted.txt");
    let targets = files("tests/fuzz/fuzz_targets", &["rs"]);
    assert!(targets.len() >= 14, "{targets:?}");
    for target in targets {
        let name = target.file_stem().and_then(|name| name.to_str()).unwrap();
        assert!(manifest.lines().any(|line| line == format!("name = \"{name}\"")), "{name} is not built");
        assert!(planted.lines().any(|line| line == format!("target {name}")), "{name} has no planted bug");
        assert!(!read(&format!("tests/fuzz/seeds/{name}.txt")).is_empty(), "{name} has no seeds");
    }
}

#[test]
fn the_binary_is_made_of_few_crates() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-e", "normal,no-proc-macro", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-musl"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let crates = crates(&String::from_utf8_lossy(&tree.stdout));
    assert!(crates > 20, "cargo tree shows {crates} crates only");
    assert!(crates <= CRATES, "{crates} crates, at most {CRATES} are wanted");
}

/// The table of `src/lib.rs`: each room with the rooms that it may use.
fn table(library: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in library.lines().filter_map(|line| line.strip_prefix("//! | [`")) {
        let cells: Vec<&str> = line.split('|').collect();
        let [room, _, uses, ..] = cells.as_slice() else { continue };
        let room = room.trim().trim_end_matches("`]").to_owned();
        let mut may: BTreeSet<String> = uses.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if uses.contains("all of the above") {
            may.extend(rooms.keys().cloned());
        }
        if uses.contains("the nouns") {
            may.extend(NOUNS.iter().map(|noun| (*noun).to_owned()));
        }
        rooms.insert(room, may);
    }
    rooms
}

/// Long test modules have a file `tests.rs` or a folder `tests` of their own.
fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

fn leaning(path: &Path, text: &str, table: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let name = path.display();
    let inside: Vec<_> =
        path.strip_prefix("src").unwrap_or(path).iter().filter_map(|part| part.to_str()).collect();
    let room = inside.first().copied().unwrap_or_default().trim_end_matches(".rs");
    let is_top = inside.len() == 1 || inside.last() == Some(&"mod.rs");
    let depth = if inside.last() == Some(&"mod.rs") { inside.len() - 1 } else { inside.len() };
    if room == "lib" || (is_top && inside.is_empty()) {
        return Vec::new();
    }
    let nothing = BTreeSet::new();
    let may = table.get(room).unwrap_or(&nothing);
    let crates = CRATES_OF.iter().find(|(of, _)| *of == room).map_or(&[][..], |(_, crates)| crates);
    let mut problems = Vec::new();
    if room != "main" && !table.contains_key(room) {
        problems.push(format!("{name}: the room {room} is not in the table of src/lib.rs"));
    }
    for path in paths(&without_tests(text), depth) {
        let parts: Vec<&str> = path.split("::").collect();
        let other = parts.get(1).copied().unwrap_or_default();
        let is_free = FREE_PATHS.contains(&path.as_str());
        match parts[0] {
            "crate" if other != room && table.contains_key(other) && !may.contains(other) && !is_free => {
                problems.push(format!("{name}: {room} may not use {path}"));
            }
            "std" if PURE.contains(&room) && is_impure(&path) => {
                problems.push(format!("{name}: {room} is pure and may not use {path}"));
            }
            "crate" | "std" | "core" | "alloc" | "poppet" => {}
            foreign if !crates.contains(&foreign) => {
                problems.push(format!("{name}: {room} may not use the crate {foreign}"));
            }
            _ => {}
        }
    }
    problems
}

fn is_impure(path: &str) -> bool {
    let is_below =
        |of: &str| path.strip_prefix(of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    match path.strip_prefix("std::net") {
        Some(rest) => !ADDRESS_TYPES
            .iter()
            .any(|kind| rest.strip_prefix("::").is_some_and(|rest| rest.starts_with(kind))),
        None => IMPURE.iter().any(|of| is_below(of)) || path == "std::time" || path == "std",
    }
}

fn too_long(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    if lines > LINES {
        vec![format!("{name}: {lines} lines, at most {LINES} are wanted")]
    } else {
        Vec::new()
    }
}

fn left_to_do(name: &str, text: &str) -> Vec<String> {
    let code = paths::code(text);
    let is_left = |word: &&&str| code.contains(&format!("{word}!"));
    let words = ["todo", "unimplemented", "dbg"];
    words.iter().filter(is_left).map(|word| format!("{name}: {word}! is left")).collect()
}

fn odd_white_space(name: &str, text: &str) -> Vec<String> {
    let is_odd = |sign: char| matches!(sign, '\t' | '\r' | '\u{A0}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}');
    let wrong = |line: &str| line.ends_with(' ') || line.contains(is_odd);
    let lines = text.lines().zip(1..).filter(|(line, _)| wrong(line));
    let mut problems: Vec<_> = lines.map(|(_, number)| format!("{name}:{number}: odd white space")).collect();
    if !text.ends_with('\n') || text.ends_with("\n\n") {
        problems.push(format!("{name}: it ends otherwise than with one line end"));
    }
    problems
}

fn listed_rfcs(readme: &str) -> BTreeSet<u32> {
    let rows = readme.lines().filter(|line| line.starts_with('|'));
    let numbers = rows.flat_map(|row| row.split(|sign: char| !sign.is_ascii_digit()));
    numbers.filter(|number| number.len() >= 3).filter_map(|number| number.parse().ok()).collect()
}

fn unlisted(name: &str, text: &str, listed: &BTreeSet<u32>) -> Vec<String> {
    let mut problems = BTreeSet::new();
    for (number, line) in (1..).zip(text.lines()) {
        for cited in line.split("RFC ").skip(1) {
            let digits: String = cited.chars().take_while(char::is_ascii_digit).collect();
            if digits.parse().is_ok_and(|rfc: u32| !listed.contains(&rfc)) {
                problems.insert(format!("{name}:{number}: RFC {digits} is not in README's table"));
            }
        }
    }
    problems.into_iter().collect()
}

/// Private addresses are allowed as values: the tests of `peers = lan` need them.
fn strange_addresses(name: &str, text: &str) -> Vec<String> {
    let is_known = |address: Ipv4Addr| {
        address.is_loopback()
            || address.is_unspecified()
            || address.is_documentation()
            || address.is_private()
            || address.is_link_local()
            // Groups of one link, which no router passes on.
            || address.octets().starts_with(&[224, 0, 0])
    };
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for word in line.split(|sign: char| !sign.is_ascii_digit() && !matches!(sign, '.' | '\u{A7}')) {
            if word.trim_matches('.').parse::<Ipv4Addr>().is_ok_and(|address| !is_known(address)) {
                problems.push(format!("{name}:{number}: {word} is neither loopback nor for documentation"));
            }
        }
    }
    problems
}

/// A comment covers the dependency below it, and one more that belongs to it.
fn unreasoned(manifest: &str) -> Vec<String> {
    let (mut is_inside, mut covered, mut problems) = (false, 0, Vec::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_inside = line.contains("dependencies");
            covered = 0;
        } else if line.starts_with('#') {
            covered = 2;
        } else if is_inside && line.contains('=') {
            if covered == 0 {
                problems.push(format!("Cargo.toml: no reason stands above {line:?}"));
            }
            covered = usize::saturating_sub(covered, 1);
        }
    }
    problems
}

/// Every dependency as a path names it.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let (mut is_inside, mut names) = (false, BTreeSet::new());
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_inside = line.contains("dependencies");
        } else if is_inside && let Some((name, _)) = line.split_once(" = ") {
            names.insert(name.replace('-', "_"));
        }
    }
    names
}

fn crates(tree: &str) -> usize {
    let lines = tree.lines().map(|line| line.trim_end_matches(" (*)"));
    let crates: BTreeSet<&str> =
        lines.filter(|line| !line.is_empty() && !line.starts_with("poppet ")).collect();
    crates.len()
}

fn each(folders: &[&str], endings: &[&str], mut check: impl FnMut(&str, &str) -> Vec<String>) -> Vec<String> {
    let paths = folders.iter().flat_map(|folder| files(folder, endings));
    paths.flat_map(|path| check(&path.display().to_string(), &read_path(&path))).collect()
}

/// Files below a folder of the repository, by their paths in it.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut folders) = (Vec::new(), vec![root.join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .and_then(|ending| ending.to_str())
                .is_some_and(|e| endings.contains(&e))
            {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    assert!(!found.is_empty() || endings == ["py"], "no files below {folder}");
    found
}

fn read(path: &str) -> String {
    read_path(Path::new(path))
}

fn read_path(path: &Path) -> String {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(whole).unwrap_or_else(|cause| panic!("{}: {cause}", path.display()))
}

fn report(problems: Vec<String>) {
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

mod bad_samples {
    //! What each check must find.

    use super::*;

    const LIBRARY: &str = "//! | room | what | may use |\n//! | [`limits`] | x | std |\n//! | [`wire`] | x | `limits` |\n\
        //! | [`store`] | x | `limits` |\n//! | [`net`] | x | all of the above |\n//! | [`cli`] | x | `net`, and the nouns |\n";

    #[test]
    fn the_table_is_read() {
        let table = table(LIBRARY);
        let of = |room: &str| table[room].iter().map(String::as_str).collect::<Vec<_>>();
        assert_eq!(of("wire"), ["limits"]);
        assert_eq!(of("net"), ["limits", "store", "wire"]);
        assert_eq!(of("cli"), ["clock", "limits", "mail", "net", "settings", "ticket"]);
    }

    #[test]
    fn a_room_that_leans_too_far_is_found() {
        let table = table(LIBRARY);
        for (file, text) in [
            ("src/wire/line.rs", "use crate::store::Store;"),
            ("src/wire/line.rs", "use crate::{limits, store::{self, Ask}};"),
            ("src/wire/line.rs", "fn f() { crate::store::f() }"),
            ("src/wire/line.rs", "use super::super::store;"),
            ("src/wire/mod.rs", "use super::store::Store;"),
            ("src/wire/line.rs", "use std::net::TcpStream;"),
            ("src/wire/line.rs", "use std::net::{IpAddr, SocketAddr};"),
            ("src/wire/line.rs", "use std::{fmt, fs};"),
            ("src/wire/line.rs", "use std::time::{Duration, Instant};"),
            ("src/wire/line.rs", "use std::time;"),
            ("src/wire/line.rs", "fn f() { log::info!(\"x\") }"),
            ("src/wire/line.rs", "use smol::io;"),
            ("src/store/mod.rs", "use smol::io;"),
            ("src/net/mod.rs", "use redb::Database;"),
            ("src/cli/mod.rs", "use crate::store::Store;"),
            ("src/attic/mod.rs", ""),
        ] {
            assert_ne!(leaning(Path::new(file), text, &table), [""; 0], "{file} {text}");
        }
    }

    #[test]
    fn a_room_that_leans_as_it_may_is_left_alone() {
        let table = table(LIBRARY);
        for (file, text) in [
            ("src/wire/line.rs", "use crate::limits; use std::net::IpAddr; use std::time::Duration;"),
            ("src/wire/line.rs", "use super::data; use crate::wire::dot; use crate::clock::UnixTime;"),
            ("src/wire/line.rs", "// use crate::store::Store;\n/* use smol::io; */"),
            ("src/wire/line.rs", "fn f() -> &'static str { \"crate::store::x\" }"),
            ("src/wire/line.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n use crate::store::Store;\n}"),
            ("src/net/mod.rs", "use smol::io; use crate::store::Store; fn f() { self.log::<u8>() }"),
        ] {
            assert_eq!(leaning(Path::new(file), text, &table), [""; 0], "{file} {text}");
        }
    }

    #[test]
    fn long_files_and_work_left_are_found() {
        assert_eq!(too_long("x", &"\n".repeat(LINES)).len(), 0);
        assert_eq!(too_long("x", &"\n".repeat(LINES + 1)).len(), 1);
        assert_eq!(left_to_do("x", "fn f() { todo!() }").len(), 1);
        assert_eq!(left_to_do("x", "fn f() { unimplemented!() }").len(), 1);
        assert_eq!(left_to_do("x", "// todo!()\nfn f() {}").len(), 0);
    }

    #[test]
    fn odd_white_space_is_found() {
        for text in ["a \n", "a\tb\n", "a\u{A0}b\n", "a\u{202E}b\n", "\u{FEFF}a\n", "a", "a\n\n"] {
            assert_eq!(odd_white_space("x", text).len(), 1, "{text:?}");
        }
        assert_eq!(odd_white_space("x", "a b\n\nc\n").len(), 0);
    }

    #[test]
    fn an_rfc_missing_in_the_table_is_found() {
        let listed =
            listed_rfcs("1 is dull\n| what | which |\n|---|---|\n| POP3 1939 | x |\n| 5321 | SMTP |\n");
        assert_eq!(listed, BTreeSet::from([1939, 5321]));
        let text = ["as in R", "FC 1939 §5 and in R", "FC 1 §2"].concat();
        assert_eq!(unlisted("x", &text, &listed).len(), 1);
    }

    #[test]
    fn an_address_of_somebody_else_is_found() {
        let strange = [9, 9, 9, 9].map(|part: u8| part.to_string()).join(".");
        assert_eq!(strange_addresses("x", &format!("connect({strange}:25)")).len(), 1);
        assert_eq!(
            strange_addresses("x", "127.0.0.1 192.0.2.7 999.1.1.1 0177.0.0.1 1.2.3 10.0.0.5.").len(),
            0
        );
    }

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest =
            "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n# why\nb = \"1\"\nc = \"1\"\nd = \"1\"\n";
        assert_eq!(unreasoned(manifest).len(), 2, "{:?}", unreasoned(manifest));
    }

    #[test]
    fn crates_are_counted_once() {
        assert_eq!(crates("poppet v0.1.0 (/x)\na v1\nb v1\na v1 (*)\n\na v2\n"), 3);
    }
}
