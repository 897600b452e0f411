#!/usr/bin/env python3
"""Builds a poppet that lays the database out anew, which this one can't read: a copy of the source with one more layout.

  newer.py BINARY     puts it there

It is built with what `cargo build` has built before; only poppet itself is built again.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("src", "systemd", "init", "Cargo.toml", "Cargo.lock", "README.md")
NAME = "poppet-newer"
LAYOUTS, STEPS = "src/store/schema.rs", "src/store/layouts.rs"


def main():
    binary = Path(sys.argv[1]).resolve()
    target = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()
    tree = target / "newer"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    for part in PARTS:
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, tree / part)
    changed(tree / LAYOUTS, r"const SCHEMA: u32 = (\d+);", lambda found: f"const SCHEMA: u32 = {int(found[1]) + 1};")
    changed(tree / STEPS, r"= \[(with_version\b[^]]*)\];", lambda found: f"= [{found[1]}, with_version];")
    # Another name, so that the program beside it stays.
    manifest = tree / "Cargo.toml"
    manifest.write_text(manifest.read_text() + f'\n[[bin]]\nname = "{NAME}"\npath = "src/main.rs"\n')
    done = subprocess.run(["cargo", "build", "--locked", "--quiet", "--bin", NAME], cwd=tree, check=False,
                          env={**os.environ, "CARGO_TARGET_DIR": str(target)}, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit("newer.py: what cargo said stands above")
    shutil.copy(target / "debug" / NAME, binary)
    # It goes into memory several times over.
    subprocess.run(["strip", str(binary)], check=True)


def changed(path, pattern, change):
    text, times = re.subn(pattern, change, path.read_text())
    if times != 1:
        sys.exit(f"newer.py: {path.name} has {pattern} {times} times, adapt it")
    path.write_text(text)


if __name__ == "__main__":
    main()
