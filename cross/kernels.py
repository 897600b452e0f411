"""What a board boots with: Debian's kernel for it and a busybox, and the first file system, packed around poppet."""

import os
import shutil
import subprocess
from pathlib import Path

from board import HERE, Failed
from tools import install_packages, said, thrice

PROGRAMS = {"cpio": "cpio", "depmod": "kmod", "mke2fs": "e2fsprogs"}
EMULATORS = {"qemu-system-arm": "qemu-system-arm", "qemu-system-aarch64": "qemu-system-arm"}
# Debian's own sources, in either of the forms that they have had; what others serve has no kernels for boards.
SOURCES = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")


class Kernel:
    """Kernel, modules and busybox of one of Debian's architectures, in a folder of their own under ~/.cache."""

    def __init__(self, architecture, package):
        self.architecture, self.package = architecture, package
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        self.folder = cache / "poppet" / "boot" / architecture
        self.tree = self.folder / "tree"

    @property
    def image(self):
        return next(iter(sorted(self.tree.glob("boot/vmlinuz-*"))), None)

    def device_tree(self, name):
        return next(iter(sorted(self.tree.rglob(name))))

    def missing(self, emulator):
        """What is to be installed, and what is to be fetched."""
        wanted = {**PROGRAMS, emulator: EMULATORS[emulator]}
        packages = sorted({package for program, package in wanted.items() if not found(program)})
        return packages, [] if self.image else [f"{self.package} and busybox-static for {self.architecture}"]

    def install(self, emulator):
        packages, to_fetch = self.missing(emulator)
        if packages:
            install_packages(packages)
        if to_fetch:
            self.fetch()

    def fetch(self):
        """Downloads and unpacks. This machine's package manager learns of no foreign architecture: apt gets a state of
        its own, below our folder."""
        sources = next((path for path in SOURCES if Path(path).exists()), None)
        if not sources or not shutil.which("apt-get"):
            raise Failed("this needs a Debian: apt-get and its sources are not here")
        shutil.rmtree(self.folder, ignore_errors=True)
        state, files = self.folder / "apt", self.folder / "files"
        for folder in (state / "lists/partial", state / "archives/partial", files):
            folder.mkdir(parents=True)
        (state / "status").touch()
        options = {"APT::Architecture": self.architecture, "APT::Architectures": self.architecture, "Dir::State": state,
                   "Dir::State::status": state / "status", "Dir::Cache": state, "Dir::Etc::sourcelist": sources,
                   "Dir::Etc::sourceparts": "/dev/null", "Acquire::Languages": "none", "APT::Sandbox::User": "root"}
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        thrice("apt-get", "-q", *flags, "update")
        needed = said("apt-cache", *flags, "depends", self.package).split()
        image = next((name for name in needed if name.startswith("linux-image-") and name != self.package), None)
        if not image:
            raise Failed(f"Debian has no {self.package} for {self.architecture} in {sources}")
        thrice("sh", "-c", 'cd "$1" && shift && exec apt-get -q "$@"', "sh", str(files), *flags, "download", image, "busybox-static")
        unpacked = self.folder / "unpacked"
        for package in files.glob("*.deb"):
            run("dpkg-deb", "-x", package, unpacked)
        run("depmod", "-b", unpacked, version(unpacked))
        # Last, so that half of it is never taken for all.
        unpacked.rename(self.tree)
        shutil.rmtree(state)
        shutil.rmtree(files)

    def modules(self, names):
        """The files of these modules and of those that they need, in the order in which they go in; what the kernel has
        built in needs no file."""
        base = self.tree / "lib/modules" / version(self.tree)
        rows = [line.split(":", 1) for line in (base / "modules.dep").read_text().splitlines()]
        needs = {Path(path).name.split(".")[0].replace("-", "_"): [path, *below.split()] for path, below in rows}
        order = []
        for name in names:
            for path in reversed(needs.get(name.replace("-", "_"), [])):
                if base / path not in order:
                    order.append(base / path)
        return order


def pack(kernel, board, binary, folder):
    """The first file system: busybox, the modules that this board needs, poppet, and guest_init."""
    root = folder / "root"
    for name in ("bin", "dev", "proc", "sys", "run", "tmp", "lib", "var/lib/poppet"):
        (root / name).mkdir(parents=True)
    shutil.copy2(kernel.tree / "bin/busybox", root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    shutil.copyfile(binary, root / "bin/poppet")
    shutil.copyfile(HERE / "guest_init", root / "init")
    for path in (root / "bin/poppet", root / "init"):
        path.chmod(0o755)
    modules = kernel.modules(board.modules)
    for path in modules:
        shutil.copyfile(path, root / "lib" / path.name)
    (root / "lib/order").write_text("".join(f"{path.name}\n" for path in modules))
    packed = folder / "initrd"
    names = subprocess.run(["find", "."], cwd=root, stdout=subprocess.PIPE, check=True).stdout
    with open(packed, "wb") as file:
        subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root, input=names, stdout=file, check=True)
    return packed


def card(folder):
    """An SD card with an empty file system; qemu wants a power of two."""
    path = folder / "card"
    with open(path, "wb") as file:
        file.truncate(CARD_OCTETS)
    run("mke2fs", "-q", "-F", "-t", "ext4", path)
    return path


def version(tree):
    return next((tree / "lib/modules").iterdir()).name


def found(program):
    """A user's PATH lacks the folders in which root's programs are."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def run(program, *words):
    done = subprocess.run([found(program) or program, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{program} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


CARD_OCTETS = 256 << 20
