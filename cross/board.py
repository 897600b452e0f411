"""The table of boards, and where what is built for them stands."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent


class Failed(Exception):
    """Something did not go as it must; the text says what, and what to do."""


@dataclass(frozen=True)
class Board:
    name: str
    target: str
    native_on: tuple
    emulator: str
    processor: str
    budget_octets: int
    what: str

    @property
    def folder(self):
        return built() / "boards" / self.name

    @property
    def binary(self):
        return self.folder / "poppet"

    @property
    def materials(self):
        return self.folder / "poppet.cdx.json"

    @property
    def is_native(self):
        return platform.machine() in self.native_on

    def runner(self):
        """The command that stands before the binary's own; none where the kernel runs it."""
        if self.is_native:
            return ()
        emulator = shutil.which(self.emulator)
        if not emulator:
            raise Failed(f"{self.name}: {self.emulator} is not here: cross/build --install, or apt-get install qemu-user-static")
        return (emulator, "-cpu", self.processor)


def built():
    """Below cargo's target folder, so that it is kept and removed with that."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve() / "cross"


def boards(names=()):
    """The boards of these names in the table's order, or all; a name that the table lacks is refused."""
    table = [parsed(line) for line in (HERE / "boards").read_text().splitlines() if line and not line.startswith("#")]
    known = [board.name for board in table]
    for name in names:
        if name not in known:
            raise Failed(f"there is no board {name}: take some of {' '.join(known)}")
    return [board for board in table if not names or board.name in names]


def parsed(line):
    name, target, native_on, emulator, processor, budget, what = line.split(None, 6)
    return Board(name, target, tuple(native_on.split(",")), emulator, processor, int(budget), what)


def each(chosen, act):
    """Acts for each board, also after one that fails; gives the exit code."""
    failed = []
    for board in chosen:
        try:
            act(board)
        except (Failed, OSError) as why:
            print(f"FAILED {board.name}: {why}", flush=True)
            failed.append(board.name)
    if failed:
        print(f"failed: {' '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0
