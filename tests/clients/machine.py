#!/usr/bin/env python3
"""A machine whose first process is systemd, on which poppet is set up, upgraded, broken, watched and removed.

  machine.py BINARY NEWER [NAME...]     all tests, or those whose name contains a NAME

NEWER is what newer.py has built: a poppet with another layout of the database.
Each machine is a container of systemd-nspawn: a root in memory with this system's /usr below it, read-only, a network of
its own, nothing of this system's /etc. What happens in it is in machine_inside.py, which prints one line a test,
`ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if one failed, and 77 if no such machine can be
started here. This needs root.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from house import Failed

SECONDS = 420
LEFT_OUT = 77
HERE = Path(__file__).resolve().parent
CHECK = """[Unit]
Description=the tests of this machine
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
TimeoutStartSec={seconds}
ExecStart=/bin/sh -c "exec /usr/bin/python3 /opt/tests/machine_inside.py {scene} {words} > /opt/out/{scene} 2>&1"
"""
# What a machine has of its own; a scene without a place for programs is one whose /usr can't be written.
SCENES = {"whole": ["--tmpfs=/usr/local/bin"], "fixed": []}


def main():
    binary, newer, *wanted = sys.argv[1:]
    try:
        installed()
        with tempfile.TemporaryDirectory(prefix="poppet-machine-") as folder:
            told = "".join(boot(Path(folder), (binary, newer), scene, wanted) for scene in SCENES)
    except Failed as why:
        print(f"FAILED the machine: {why}")
        sys.exit(1)
    print(told, end="")
    sys.exit(1 if "FAILED" in told or "\nok " not in f"\n{told}" else 0)


def boot(folder, programs, scene, wanted):
    """Boots one machine and returns what its tests have told."""
    place, out, units = folder / scene, folder / scene / "out", folder / scene / "units"
    out.mkdir(parents=True)
    units.mkdir()
    for program, name in zip(programs, ("poppet", "newer")):
        shutil.copy(program, place / name)
    (units / "check.service").write_text(CHECK.format(scene=scene, words=" ".join(wanted), seconds=SECONDS))
    (units / "check.target").write_text("[Unit]\nWants=check.service\n")
    binds = [f"--bind-ro={place / name}:/opt/poppet/{name}" for name in ("poppet", "newer")]
    binds += [f"--bind-ro={HERE}:/opt/tests", f"--bind={out}:/opt/out"]
    binds += [f"--bind-ro={units / name}:/etc/systemd/system/{name}" for name in ("check.service", "check.target")]
    command = ["systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", "--register=no", "--keep-unit", "--private-network",
               # Unlike a machine, a container forbids landlock unless it is told otherwise.
               "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self", *SCENES[scene], *binds, "--console=pipe", "--boot", "systemd.unit=check.target"]
    with open(place / "console", "wb") as console:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, timeout=SECONDS + 60, check=False)
    told = out / scene
    if not told.exists():
        print(f"no machine can be started here: {(place / 'console').read_text(errors='replace').strip()[-500:]}")
        sys.exit(LEFT_OUT)
    return told.read_text(errors="replace")


def installed():
    """Installs systemd-nspawn where it is missing."""
    if os.getuid():
        raise Failed("only root can boot a machine")
    if shutil.which("systemd-nspawn"):
        return
    for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "systemd", "systemd-container"]):
        done = subprocess.run(["apt-get", "-o", "DPkg::Lock::Timeout=300", *command], capture_output=True, text=True, timeout=600,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False)
        if done.returncode:
            raise Failed(f"systemd-nspawn can't be installed: {(done.stderr or done.stdout).strip()[-300:]}")


if __name__ == "__main__":
    main()
