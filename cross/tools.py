"""What a build needs: a Rust that can build for boards, zig as compiler and linker, qemu to try the binaries."""

import os
import re
import shutil
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from board import Failed, ROOT

ZIG, ZIGBUILD = "0.17.1", "0.24.0"
# Debian's newest Rust, beside the one that its release came with, and the sources of its standard library.
RUST_PACKAGES = ("rustc-web", "cargo-web", "rust-web-src")
WAYS = ("source", "rustup")
SOURCES = ("a Rust with the sources of its standard library: rustup component add rust-src, "
           f"or on Debian apt-get install {' '.join(RUST_PACKAGES)}")


class Tools:
    """The tools there are. Of two ways one is taken:

    source: a rustc with the sources of its standard library, which is built along: Debian's, or that of rustup with its
            component rust-src;
    rustup: the standard library that rustup has for the target, which is made for speed: half a megabyte more.
    """

    def __init__(self, way=None):
        self.home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "poppet" / f"zig-{ZIG}-{ZIGBUILD}"
        self.zig = next(iter(sorted(self.home.glob("lib/python3*/site-packages/ziglang/zig"))), None)
        self.zigbuild = self.home / "bin" / "cargo-zigbuild"
        self.way = way or "source"
        self.rustc, self.cargo = (with_sources() if self.way == "source" else by_rustup()) or (None, None)

    def missing(self, boards):
        """What these boards need and the machine lacks, with what brings it."""
        found = []
        if not self.rustc or not self.cargo:
            found.append(SOURCES if self.way == "source" else f"rustup's Rust {wanted()} or later: rustup update stable")
        elif self.way == "rustup":
            there = said("rustup", "target", "list", "--installed").split()
            found += [f"Rust for {board.target}: rustup target add {board.target}" for board in boards if board.target not in there]
        if not self.has_zig():
            found.append(f"zig {ZIG} and cargo-zigbuild {ZIGBUILD}: pip install them into {self.home}")
        packages = self.packages()
        if packages:
            found.append(f"apt-get install {' '.join(packages)}")
        return found

    def packages(self):
        """Debian's packages without which nothing is built."""
        wanted_by = {"cc": ("gcc", "libc6-dev"), "git": ("git",)}
        packages = [package for tool, those in wanted_by.items() if not shutil.which(tool) for package in those]
        # What comes from PyPI gets a folder of its own, for which Debian's python3 lacks a part.
        if not self.has_zig() and not find_spec("ensurepip"):
            packages.append("python3-venv")
        return packages

    def install(self, boards):
        """Brings what is missing, and the emulators; as root, or with sudo, where packages are."""
        packages = self.packages()
        if self.way == "source" and not self.rustc:
            if by_rustup():
                thrice("rustup", "component", "add", "rust-src")
            else:
                packages += RUST_PACKAGES
        if packages:
            install_packages(packages)
        if self.way == "rustup" and self.rustc:
            thrice("rustup", "target", "add", *(board.target for board in boards))
        if not self.has_zig():
            shutil.rmtree(self.home, ignore_errors=True)
            thrice(sys.executable, "-m", "venv", "--clear", str(self.home))
            thrice(str(self.home / "bin" / "pip"), "install", "-q", "--disable-pip-version-check",
                   f"ziglang=={ZIG}", f"cargo-zigbuild=={ZIGBUILD}")
        if lacks_emulators(boards):
            install_packages(["qemu-user-static"])

    def has_zig(self):
        return self.zig is not None and self.zigbuild.exists()

    def rust(self):
        """`1.96.0`."""
        return said(self.rustc, "--version").split()[1]

    def sources(self):
        """Where the standard library's sources stand, by each of their names."""
        if self.way == "rustup":
            return []
        folder = sysroot(self.rustc) / "lib/rustlib/src/rust"
        return sorted({str(folder), str(folder.resolve())})


def lacks_emulators(boards):
    """Whether cross/test could not try one of them here."""
    return any(not board.is_native and not shutil.which(board.emulator) for board in boards)


def with_sources():
    """A rustc and its cargo that are new enough and have the standard library's sources; Debian's before others."""
    for rustc, cargo in (("/usr/bin/rustc", "/usr/bin/cargo"), (shutil.which("rustc"), shutil.which("cargo"))):
        if cargo and Path(cargo).exists() and is_new(rustc) and (sysroot(rustc) / "lib/rustlib/src/rust/library/std/Cargo.toml").exists():
            return rustc, cargo
    return None


def by_rustup():
    """The rustc and cargo that rustup brought, if they are new enough."""
    rustc, cargo = shutil.which("rustc"), shutil.which("cargo")
    return (rustc, cargo) if shutil.which("rustup") and cargo and is_new(rustc) else None


def is_new(rustc):
    found = re.match(r"rustc (\d+)\.(\d+)", said(rustc, "--version")) if rustc else None
    return bool(found) and [int(part) for part in found.groups()] >= [int(part) for part in wanted().split(".")]


def wanted():
    """The oldest Rust that will do, `1.92`."""
    return re.search(r'^rust-version = "(\d+\.\d+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]


def sysroot(rustc):
    return Path(said(rustc, "--print", "sysroot").strip())


def install_packages(packages):
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise Failed(f"there is no apt-get: install what Debian has in {names} by hand")
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and not has_sudo():
        raise Failed(f"neither root nor sudo without a password: as root, apt-get install {names}")
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300"]
    thrice(*apt, "update", "-q")
    thrice(*apt, "install", "-y", "-q", "--no-install-recommends", *packages)


def has_sudo():
    """Whether it acts without a password."""
    try:
        return subprocess.run(("sudo", "-n", "true"), stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def thrice(*command):
    """Runs what fetches something; networks fail for a moment."""
    for pause_seconds in (5, 20, None):
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
        except OSError as why:
            raise Failed(f"{command[0]}: {why}") from None
        if done == 0:
            return
        if pause_seconds:
            time.sleep(pause_seconds)
    raise Failed(f"{' '.join(command)} failed three times: what it said stands above")


def said(*command):
    """What a command prints; nothing if it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
