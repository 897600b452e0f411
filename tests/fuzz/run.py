#!/usr/bin/env python3
"""Builds the fuzz targets, shows that each finds a bug planted for it, and runs them on the true source.

    tests/fuzz/run.py [--seconds N] [--seed N] [TARGET...]

Two targets run at a time. POPPET_FUZZ_SECONDS (20) and POPPET_FUZZ_SEED (1) are the options' other names. What
is found again and again is kept in the build folder, so that a longer run can go on from there.
"""

import argparse
import base64
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import planted
import seeds

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "fuzz"
# Longer inputs find nothing that these don't, more slowly.
MOST_OCTETS = 4096
MEMORY_MIB = 1024
# What one input may take; a hundred times what the slowest takes.
INPUT_SECONDS = 20
# In which a planted bug must be found; most are in two.
PLANTED_SECONDS = 120
AT_ONCE = 2


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--seconds", type=int, default=int(os.environ.get("POPPET_FUZZ_SECONDS", 20)))
    arguments.add_argument("--seed", type=int, default=int(os.environ.get("POPPET_FUZZ_SEED", 1)))
    arguments.add_argument("targets", nargs="*")
    options = arguments.parse_args()
    known = re.findall(r'^name = "(\w+)"$', (HERE / "Cargo.toml").read_text(), re.M)
    strange = set(options.targets) - set(known)
    if strange:
        sys.exit(f"there is no target {' '.join(strange)}: take some of {' '.join(known)}")
    targets = options.targets or known
    plants = planted.read(HERE / "planted.txt")
    if set(plants) != set(known):
        sys.exit(f"planted.txt must have one bug for each target: {sorted(set(plants) ^ set(known))}")
    find_cargo_fuzz()
    build(ROOT, "true")
    planted.plant(ROOT, BUILD / "planted-tree", plants)
    build(BUILD / "planted-tree", "planted")
    print(f"seed {options.seed}, {options.seconds} s a target", flush=True)
    found = at_once(targets, lambda target: find_planted(target, plants[target], options.seed))
    sound = at_once(targets, lambda target: fuzz(target, options.seconds, options.seed))
    sys.exit(0 if all(found) and all(sound) else 1)


def find_cargo_fuzz():
    have = subprocess.run(["cargo", "fuzz", "--version"], capture_output=True)
    for pause in (0, 5, 20):
        if have.returncode == 0:
            return
        time.sleep(pause)
        have = subprocess.run(["cargo", "install", "--locked", "cargo-fuzz"])
    if have.returncode != 0:
        sys.exit("cargo-fuzz is not here and can't be installed: cargo install --locked cargo-fuzz")


def build(tree, name):
    """Builds a tree's targets; both trees share what they are built of."""
    begun = time.monotonic()
    folder = tree / "tests/fuzz"
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", folder / "Cargo.toml"]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
        sys.exit("tests/fuzz/Cargo.lock is behind Cargo.toml: cargo update -w --manifest-path tests/fuzz/Cargo.toml")
    # Coverage and the sanitizer are unstable options; the compiler is the one that builds the server.
    environment = os.environ | {"RUSTC_BOOTSTRAP": "1"}
    command = ["cargo", "fuzz", "build", "--fuzz-dir", folder, "--target-dir", BUILD]
    told = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=tree)
    if told.returncode != 0:
        sys.exit(f"{told.stderr}\nthe {name} tree can't be built")
    shutil.rmtree(BUILD / name, ignore_errors=True)
    (BUILD / name).mkdir()
    for manifest_line in re.findall(r'^name = "(\w+)"$', (folder / "Cargo.toml").read_text(), re.M):
        shutil.copy2(next(BUILD.glob(f"*/release/{manifest_line}")), BUILD / name / manifest_line)
    print(f"built the {name} tree, {time.monotonic() - begun:.0f} s", flush=True)


def at_once(targets, work):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, targets))


def start(program, target, corpus, artifacts, seconds, seed, environment):
    """Runs a target until it finds something or the time is over; gives what it said and how it ended."""
    dictionary = HERE / "dictionaries" / f"{target.split('_')[0]}.dict"
    command = [
        program, corpus, f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={MOST_OCTETS}",
        f"-rss_limit_mb={MEMORY_MIB}", f"-timeout={INPUT_SECONDS}", f"-artifact_prefix={artifacts}/", "-reload=0",
        "-detect_leaks=0",
    ] + ([f"-dict={dictionary}"] if dictionary.exists() else [])
    sanitizer = {"ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=16", "RUST_BACKTRACE": "0"}
    try:
        ended = subprocess.run(
            command, env=os.environ | sanitizer | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=seconds + 120,
        )
    except subprocess.TimeoutExpired:
        return "it does not end in time", 1
    return ended.stdout.decode(errors="replace"), ended.returncode


def find_planted(target, plant, seed):
    """Whether a target finds the bug planted for it, and no other one."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        corpus = seeds.write(target, pathlib.Path(folder) / "corpus")
        program = BUILD / "planted" / target
        environment = {"POPPET_PLANTED": target}
        told, code = start(program, target, corpus, folder, PLANTED_SECONDS, seed, environment)
    if code == 0:
        print(f"FAILED {target}: it does not find its planted bug: {plant.story}", flush=True)
        return False
    if not re.search(plant.says, told):
        print(f"{told}\nFAILED {target}: it finds something, but not its planted bug: {plant.story}", flush=True)
        return False
    print(f"ok {target} finds its planted bug, {time.monotonic() - begun:.0f} s", flush=True)
    return True


def fuzz(target, seconds, seed):
    corpus = seeds.write(target, BUILD / "corpus" / target)
    artifacts = BUILD / "artifacts" / target
    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir(parents=True)
    told, code = start(BUILD / "true" / target, target, corpus, artifacts, seconds, seed, {})
    if code == 0:
        runs = re.search(r"^#(\d+)\s+DONE\s+cov: (\d+)", told, re.M)
        print(f"ok {target}: {runs[1]} inputs, coverage {runs[2]}" if runs else f"ok {target}", flush=True)
        return True
    print("\n".join(told.splitlines()[-60:]))
    for artifact in artifacts.iterdir():
        octets = artifact.read_bytes()
        print(f"{artifact.name}: {len(octets)} octets, {octets[:400]!r}")
        print(f"again, from this base64:\n  printf %s {base64.b64encode(octets).decode()} | base64 -d >input")
        print(f"  RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz --target-dir {BUILD} {target} input")
    print(f"FAILED {target}: it found a bug, or took too much time or memory (seed {seed})", flush=True)
    return False


if __name__ == "__main__":
    main()
