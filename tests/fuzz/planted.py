"""Bugs on purpose: what `planted.txt` says is put into a copy of the source, never into the source itself.

Each bug is an expression that a copy has in two readings; which one it follows is told when it runs. So all
bugs are built at once, and each target meets its own alone.
"""

import re
import sys
import typing

SWITCH = """
/// Whether the bug for that fuzz target is alive.
pub fn planted(target: &str) -> bool {
    static ALIVE: std::sync::LazyLock<Option<String>> =
        std::sync::LazyLock::new(|| std::env::var("POPPET_PLANTED").ok());
    ALIVE.as_deref() == Some(target)
}
"""


class Plant(typing.NamedTuple):
    """A bug."""

    story: str
    file: str
    # Source text with the good expression between « and ».
    good: str
    bad: str
    # What the target must say of it.
    says: str


def read(path):
    """The bugs of a list, by their targets."""
    plants = {}
    for block in path.read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if lines:
            words = dict(line.split(" ", 1) for line in lines)
            target = words.pop("target")
            plants[target] = Plant(**words)
    return plants


def plant(root, tree, plants):
    """Makes `tree` a copy of what the targets are built of, with every bug in it."""
    wanted = {"Cargo.toml", "Cargo.lock", "README.md"}
    # Units and scripts are in the program.
    for folder in ("src", "systemd", "init"):
        wanted |= {str(path.relative_to(root)) for path in (root / folder).rglob("*") if path.is_file()}
    fuzz = root / "tests/fuzz"
    wanted |= {str(path.relative_to(root)) for path in fuzz.rglob("*") if path.suffix in (".rs", ".toml", ".lock")}
    texts = {name: (root / name).read_bytes() for name in wanted}
    # Where an expression has two readings, what stands around it may not need its brackets.
    texts["src/lib.rs"] = b"#![allow(unused_parens)]\n" + texts["src/lib.rs"] + SWITCH.encode()
    for target, bug in plants.items():
        before, good, after = re.fullmatch("(.*)«(.*)»(.*)", bug.good, re.S).groups()
        text = texts.get(bug.file, b"").decode()
        if text.count(before + good + after) != 1:
            sys.exit(f"planted.txt: the bug for {target} fits {bug.file} no more, adapt it: {before}{good}{after}")
        both = f'{before}(if crate::planted("{target}") {{ {bug.bad} }} else {{ {good} }}){after}'
        texts[bug.file] = text.replace(before + good + after, both).encode()
    for path in [path for path in tree.rglob("*") if path.is_file()]:
        if str(path.relative_to(tree)) not in texts:
            path.unlink()
    for name, octets in texts.items():
        path = tree / name
        # What has not changed is not built again.
        if not path.exists() or path.read_bytes() != octets:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)
