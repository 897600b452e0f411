//! Plays the text files below `dialogs/` against a running server: whole, octet by octet, cut at random,
//! and inside TLS. Any segmentation gives the same result (S-080).

// A test may fail in its helpers too.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "dialogs/house.rs"]
mod house;
#[path = "dialogs/play.rs"]
mod play;
#[path = "dialogs/proofs.rs"]
mod proofs;
#[path = "dialogs/script.rs"]
mod script;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use play::{Cut, Layer, Way, play};
use script::Script;

/// Random ways of cutting each dialog.
const RANDOM_CUTS: u64 = 5;
/// Plays at once; most of them wait for the server.
const PLAYERS: usize = 16;

#[test]
fn the_pop3_dialogs_go_as_written() {
    play_folder("pop3", 30);
}

#[test]
fn the_smtp_dialogs_go_as_written() {
    play_folder("smtp", 30);
}

#[test]
fn a_dialog_that_goes_otherwise_is_told_with_its_line() {
    for (step, line) in [
        ("S: +OK not this greeting", 3),
        ("S: *\nC: NOOP\nS: +OK*", 5),
        ("S: *\nCOUNT user 1", 4),
        ("S: *\nRETRIEVED user 1", 4),
        ("S: *\nC: QUIT\nX", 5),
        ("S: *\nC: QUIT\nS: +OK*\nS: +OK*", 6),
        ("S: *\nC: CAPA\nS~ .\nHAS: SPEED", 6),
        ("S: *\nC: CAPA\nS~ .\nLACKS: UIDL", 6),
        ("S: *\nC: CAPA", 4),
    ] {
        let text = format!("# wrong on purpose\n@ door pop3\n{step}\n");
        let script = Script::parse("wrong", &text).unwrap();
        let failure = play(&script, Way { cut: Cut::Whole, layer: Layer::AsWritten });
        assert_eq!(failure.err().map(|failure| failure.line), Some(line), "{step}");
    }
}

/// With `DIALOG` set to one dialog's name, the guard against an empty folder failed before it was played.
#[test]
fn one_dialog_is_chosen_from_a_full_folder() {
    let all = read_folder("smtp");
    let (count, name) = (all.len(), all[0].name.clone());
    let chosen: Vec<_> = wanted(all, &name).into_iter().map(|script| script.name).collect();
    assert!(chosen.contains(&name) && chosen.len() < count, "{chosen:?}");
    assert_eq!(wanted(read_folder("smtp"), "").len(), count);
    assert!(wanted(read_folder("smtp"), "no dialog has this name").is_empty());
}

/// Plays every dialog of a folder in every way, several at once; `least` guards against an empty folder, however few are
/// wanted of it.
fn play_folder(folder: &str, least: usize) {
    let all = read_folder(folder);
    assert!(all.len() >= least, "{} dialogs in {folder}, at least {least} expected", all.len());
    let scripts = wanted(all, &std::env::var("DIALOG").unwrap_or_default());
    let seed = seed();
    let plays: Vec<(&Script, Way)> = scripts
        .iter()
        .flat_map(|script| ways(script, seed).into_iter().map(move |way| (script, way)))
        .collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                while let Some((script, way)) = plays.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = play(script, *way) {
                        let text = format!("{} {way:?}\n  {failure}", script.name);
                        failures.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.sort();
    println!(
        "{folder}: {} dialogs, {} plays, {} failed, seed {seed}",
        scripts.len(),
        plays.len(),
        failures.len()
    );
    assert!(
        failures.is_empty(),
        "{} of {} plays failed; DIALOG_SEED={seed} plays the same again\n{}",
        failures.len(),
        plays.len(),
        failures.join("\n")
    );
}

/// All dialogs of a folder, in alphabetical order.
fn read_folder(folder: &str) -> Vec<Script> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogs").join(folder);
    let mut paths: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &PathBuf| match Script::read(path) {
        Ok(script) => script,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    paths.iter().map(read).collect()
}

/// `DIALOG` takes only the dialogs whose name contains it.
fn wanted(mut scripts: Vec<Script>, part: &str) -> Vec<Script> {
    scripts.retain(|script| script.name.contains(part));
    scripts
}

fn ways(script: &Script, seed: u64) -> Vec<Way> {
    let mut ways = vec![Way { cut: Cut::Whole, layer: Layer::AsWritten }];
    if script.any_segments {
        ways.push(Way { cut: Cut::Octets, layer: Layer::AsWritten });
        let cuts = (0..RANDOM_CUTS).map(|number| Cut::Random(seed.wrapping_add(number)));
        ways.extend(cuts.map(|cut| Way { cut, layer: Layer::AsWritten }));
    }
    let mut layers = Vec::new();
    if script.inside_tls && matches!(script.door.as_str(), "pop3" | "smtp" | "submission") {
        layers.push(Layer::Started);
    }
    if script.inside_tls && matches!(script.door.as_str(), "pop3" | "submission") {
        layers.push(Layer::Implicit);
    }
    for layer in layers {
        ways.push(Way { cut: Cut::Whole, layer });
        if script.any_segments {
            ways.push(Way { cut: Cut::Random(seed), layer });
        }
    }
    ways
}

fn seed() -> u64 {
    std::env::var("DIALOG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..))
}
