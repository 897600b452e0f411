"""The real poppet binary in a folder of its own: set up, served, ended or killed."""

import json
import os
import select
import signal
import subprocess
import time
import traceback
from pathlib import Path

PASSWORD = "correct horse battery"
ADDRESS = "alice@home.lan"


class Failed(Exception):
    """Something did not go as it must; the text says what."""


class House:
    """A database, and the server on it while it runs."""

    def __init__(self, binary, folder, listeners=("pop3", "pop3s", "smtp", "submission", "submissions"), addresses=None, within=()):
        """`addresses` says where doors are that aren't on any port of 127.0.0.1, `within` is a command that runs
        poppet somewhere else."""
        self.binary, self.folder, self.listeners = Path(binary), Path(folder), listeners
        self.addresses, self.within = addresses or {}, within
        self.database = self.folder / "poppet.redb"
        self.server, self.ports = None, {}

    def poppet(self, *words, stdin=""):
        """Runs a command and returns what it printed."""
        command = [*self.within, str(self.binary), "--db", str(self.database), *words]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=120)
        if done.returncode:
            raise Failed(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def set_up(self):
        """Makes the database with its first mailbox; clear-text logons are allowed for the plain tests."""
        told = json.loads(self.poppet("setup", "home.lan", "alice", "--no-start", "--password-stdin", "--json",
                                      stdin=PASSWORD + "\n"))
        self.authority = told["authority"]
        self.poppet("set", "plaintext", "always")

    def add(self, address):
        self.poppet("add", address, "--password-stdin", stdin=PASSWORD + "\n")

    def start(self, descriptors=None):
        """Serves on free ports, perhaps with so few descriptors; returns the seconds until the ready line."""
        begun = time.monotonic()
        flags = [word for name in ("pop3", "pop3s", "smtp", "submission", "submissions")
                 for word in (f"--{name}", self.addresses.get(name, "127.0.0.1:0") if name in self.listeners else "off")]
        prefix = [*self.within, *(["prlimit", f"--nofile={descriptors}"] if descriptors else [])]
        with open(self.folder / "server.log", "ab") as log:
            self.server = subprocess.Popen([*prefix, str(self.binary), "--db", str(self.database), "serve", *flags],
                                           stdout=subprocess.PIPE, stderr=log)
        line = read_line(self.server, 60)
        taken = time.monotonic() - begun
        if not line.startswith("ready "):
            self.kill()
            raise Failed(f"no ready line but {line!r}: {self.log()[-500:]}")
        pairs = (word.split("=", 1) for word in line.split()[1:])
        self.ports = {name: int(address.rsplit(":", 1)[1]) for name, address in pairs}
        return taken

    def stop(self):
        """Ends the server in good order."""
        self.end(signal.SIGTERM)
        if self.server and self.server.returncode:
            raise Failed(f"the server ended with {self.server.returncode}: {self.log()[-500:]}")
        self.server = None

    def kill(self):
        """Ends the server as a power cut would, but for the kernel's buffers."""
        self.end(signal.SIGKILL)
        self.server = None

    def end(self, how):
        if self.server and self.server.poll() is None:
            self.server.send_signal(how)
            try:
                self.server.wait(30)
            except subprocess.TimeoutExpired:
                self.server.kill()
                self.server.wait()
                raise Failed("the server did not end within 30 seconds") from None
        if self.server:
            self.server.stdout.close()

    def log(self):
        path = self.folder / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""


def read_line(process, seconds):
    """One line of a process's output, waited for so long and no longer."""
    end, line = time.monotonic() + seconds, b""
    while not line.endswith(b"\n"):
        readable, _, _ = select.select([process.stdout], [], [], max(0, end - time.monotonic()))
        piece = os.read(process.stdout.fileno(), 1) if readable else b""
        if not piece:
            break
        line += piece
    return line.decode(errors="replace").rstrip("\n")


def passes(name, run, lab):
    """Whether a test passes, which it prints with what the test tells; it gets the lab."""
    try:
        told = run(lab)
    except Failed as why:
        print(f"FAILED {name}: {why}", flush=True)
        return False
    except Exception as why:
        where = traceback.extract_tb(why.__traceback__)[-1]
        print(f"FAILED {name}: {type(why).__name__}: {why} ({Path(where.filename).name}:{where.lineno})", flush=True)
        return False
    print(f"ok {name}: {told}" if told else f"ok {name}", flush=True)
    return True
