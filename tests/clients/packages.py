"""Programs out of Debian's packages, unpacked into a folder and never installed: the system stays as it is."""

import os
import shutil
import subprocess
import time
from pathlib import Path

from house import Failed

WAITS_SECONDS = (0, 5, 20)
ENVIRONMENT = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


class Packages:
    """What some packages and all that they need beyond this machine hold; fetched once into `cache`."""

    def __init__(self, cache, *names):
        self.names = names
        self.root = Path(cache) / "-".join(names)
        if not (self.root / "complete").exists():
            self.fetch()
        libraries = [path for pattern in ("usr/lib/*-linux-*", "lib/*-linux-*") for path in self.root.glob(pattern)]
        # Libraries like BLAS lie one folder deeper, where their own scripts would link them from.
        libraries += [path.parent for path in self.root.glob("usr/lib/*-linux-*/*/*.so.[0-9]*")]
        self.environment = {"LD_LIBRARY_PATH": ":".join(map(str, dict.fromkeys(libraries)))}

    def program(self, name):
        """The path of a program; fails if no package has it."""
        for folder in ("usr/bin", "usr/sbin", "bin", "sbin"):
            if (path := self.root / folder / name).exists():
                return path
        raise Failed(f"{name} is not in the packages {' '.join(self.names)}")

    def fetch(self):
        for tool in ("apt-get", "dpkg"):
            if not shutil.which(tool):
                raise Failed(f"{' '.join(self.names)} come from Debian's packages, and {tool} is not here")
        shutil.rmtree(self.root, ignore_errors=True)
        archives = self.root / "archives"
        archives.mkdir(parents=True)
        needed = self.needed()
        patiently(["apt-get", "-o", "APT::Sandbox::User=root", "download", "-q", *needed], archives)
        for archive in sorted(archives.glob("*.deb")):
            run(["dpkg", "-x", archive, self.root])
        shutil.rmtree(archives)
        (self.root / "complete").touch()

    def needed(self):
        command = ["apt-get", "install", "-s", "--no-install-recommends", *self.names]
        try:
            told = run(command)
        except Failed:
            patiently([*([] if os.getuid() == 0 else ["sudo", "-n"]), "apt-get", "-o", "DPkg::Lock::Timeout=300", "update", "-q"])
            told = run(command)
        installed = [line.split()[1] for line in told.splitlines() if line.startswith("Inst ")]
        return sorted({*self.names, *installed})


def patiently(command, folder=None):
    """A mirror may be away for a moment."""
    for number, seconds in enumerate(WAITS_SECONDS):
        time.sleep(seconds)
        try:
            return run(command, folder)
        except Failed:
            if number + 1 == len(WAITS_SECONDS):
                raise


def run(command, folder=None):
    done = subprocess.run([str(word) for word in command], cwd=folder, text=True, capture_output=True, timeout=300,
                          env=ENVIRONMENT, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout
