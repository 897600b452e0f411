"""Compiles for a board so that the same commit gives the same octets wherever it is built."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import elf
import materials
from board import HERE, ROOT, Failed, built
from tools import said

# Neither the user's flags nor his settings get in.
FOREIGN = ("RUSTFLAGS", "CARGO_BUILD_", "CARGO_ENCODED_", "CARGO_PROFILE_", "CARGO_TARGET_", "CARGO_UNSTABLE_", "CFLAGS", "CPPFLAGS",
           "LDFLAGS", "CC", "AR", "RUSTC", "RUSTDOC", "TARGET_", "HOST_", "ZIG_LOCAL")
# zig brings the C library and its first instructions. Frames are unwound at calls only.
FROM_SOURCE = ("-C", "link-self-contained=no", "-Z", "use-sync-unwind=yes")
# The tables for unwinding are smaller by a third where frames are found by their pointers. Those of 32-bit ARM and of
# RISC-V are not, and the pointers only cost there.
FRAMES_BY_POINTERS = ("-Z", "unstable-options", "-C", "force-frame-pointers=non-leaf")
# Every ARM from the seventh on has instructions of two octets beside those of four.
THUMB = ("-C", "target-feature=+thumb-mode")


def build(tools, board):
    """Builds from this folder, and fails if the binary is over its budget, which is for a library built along."""
    octets = laid(tools, board)
    if tools.way == "source" and octets > board.budget_octets:
        raise Failed(f"{octets:,} octets, {octets - board.budget_octets:,} more than its budget of {board.budget_octets:,}")


def build_twice(tools, board):
    """Builds the last commit here and in a clean copy, with folders and caches of its own; they must agree (S-342)."""
    if said("git", "-C", str(ROOT), "status", "--porcelain").strip():
        raise Failed("there are changes that no commit has: two builds of one commit are compared")
    laid(tools, board)
    kept = built() / "twice" / board.name
    with tempfile.TemporaryDirectory(prefix="poppet-elsewhere-") as top:
        copy = Path(top) / "source"
        copy.mkdir()
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x"], cwd=copy, input=archive, check=True)
        binary = compiled(tools, board, copy, Path(top) / "built", ZIG_GLOBAL_CACHE_DIR=f"{top}/cache")
        kept.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(binary, kept / "poppet")
    if digest(kept / "poppet") != digest(board.binary):
        raise Failed(f"two builds of one commit differ: compare {board.binary} with {kept / 'poppet'}")
    print(f"{board.name}: a clean build elsewhere has the same octets", flush=True)


def laid(tools, board):
    """Builds, checks, describes, and lays the binary where the table of boards says; returns its octets."""
    binary = compiled(tools, board, ROOT, built())
    told = elf.check(binary, board.target)
    board.folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(binary, board.binary)
    board.binary.chmod(0o755)
    materials.write(tools, board, commit_seconds(ROOT))
    octets = board.binary.stat().st_size
    print(f"{board.name}: {octets:,} octets, {told}, sha256 {digest(board.binary)[:16]}", flush=True)
    return octets


def compiled(tools, board, source, target_folder, **more):
    command = [str(tools.zigbuild), "zigbuild", "--locked", "--release", "--target", board.target]
    if tools.way == "source":
        command += ["-Z", "build-std=std,panic_unwind", "-Z", "build-std-features=optimize_for_size"]
    done = subprocess.run(command, cwd=source, env={**environment(tools, board, source, target_folder), **more}, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Failed(f"cargo ended with {done.returncode}: what it said stands above")
    return target_folder / board.target / "release" / "poppet"


def environment(tools, board, source, target_folder):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {
        **kept,
        "LC_ALL": "C",
        "CARGO": tools.cargo,
        "RUSTC": tools.rustc,
        # -Z is for nightly compilers; building the standard library is all that is taken of it.
        **({"RUSTC_BOOTSTRAP": "1"} if tools.way == "source" else {}),
        "CARGO_ZIGBUILD_ZIG_PATH": str(HERE / "zig"),
        "CARGO_ZIGBUILD_CACHE_DIR": str(target_folder / "zigbuild"),
        "POPPET_ZIG": str(tools.zig),
        "CARGO_TARGET_DIR": str(target_folder),
        "CARGO_INCREMENTAL": "0",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags(tools, board, source, target_folder)),
        "SOURCE_DATE_EPOCH": str(commit_seconds(ROOT)),
    }


def flags(tools, board, source, target_folder):
    """Folders get the same names everywhere; of those that fit the last counts."""
    home = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    names = [(target_folder, "/poppet/target"), (source, "/poppet"), (home, "/cargo"), *((folder, "/rust") for folder in tools.sources())]
    first = list(FROM_SOURCE if tools.way == "source" else ())
    if board.target.startswith("armv7"):
        first += THUMB
    elif tools.way == "source" and not board.target.startswith(("arm-", "riscv")):
        first += FRAMES_BY_POINTERS
    return [*first, "-C", "link-arg=-pie", *(f"--remap-path-prefix={folder}={name}" for folder, name in names)]


def commit_seconds(source):
    """When the last commit was made: the only moment that a build knows."""
    return int(said("git", "-C", str(source), "log", "-1", "--format=%ct").strip() or 0)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
