#!/usr/bin/env python3
"""The real server under a service manager that this test plays: passed sockets, words, watchdog, credentials; and root
that becomes another user.

  service.py BINARY [NAME...]     all tests, or those whose name contains a NAME

Those about users need root. One line a test, `ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if
one failed.
"""

import contextlib
import fcntl
import os
import poplib
import select
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from house import ADDRESS, Failed, House, PASSWORD, passes, read_line

KINDS = ("pop3", "pop3s", "smtp", "submission", "submissions")
RESTARTS = 5
GREETINGS = {"pop3": b"+OK", "smtp": b"220", "submission": b"220"}
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Manager:
    """What systemd does for a service: keeps its sockets, hears its words, starts and stops it."""

    def __init__(self, folder, binary):
        self.folder, self.binary = folder, binary
        self.place = folder / "notify"
        self.words = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.words.bind(str(self.place))
        self.sockets, self.server, self.environment = [], None, {}

    def listen(self, kinds=KINDS):
        """Opens a socket for each kind and returns the flags that name their places."""
        flags = []
        for kind in KINDS:
            if kind in kinds:
                door = socket.create_server(("127.0.0.1", 0), backlog=1024)
                self.sockets.append(door)
                flags += [f"--{kind}", f"127.0.0.1:{door.getsockname()[1]}"]
            else:
                flags += [f"--{kind}", "off"]
        return flags

    def start(self, house, *flags, prefix=()):
        """Starts the server with the sockets; it is not ready yet."""
        high = [fcntl.fcntl(door, fcntl.F_DUPFD, 100 + place) for place, door in enumerate(self.sockets)]
        moves = "".join(f"exec {3 + place}<&{number} {number}<&-; " for place, number in enumerate(high))
        environment = dict(os.environ, NOTIFY_SOCKET=str(self.place), LISTEN_FDS=str(len(high)), **self.environment)
        script = f'{moves} export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@"'
        # prlimit replaces itself, so the number of the process stays.
        command = ["bash", "-c", script, "bash", *prefix, str(self.binary), "--db", str(house.database), "serve", *flags]
        with open(house.folder / "server.log", "ab") as log:
            self.server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, pass_fds=high)
        for number in high:
            os.close(number)

    def hear(self, beginning, seconds=60):
        """Waits for a word, past others."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.words.settimeout(left)
            with contextlib.suppress(socket.timeout):
                said = self.words.recv(4096).decode()
                if said.startswith(beginning):
                    return said
        raise Failed(f"{beginning} was not said within {seconds} s")

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        code = self.server.wait(30)
        self.server.stdout.close()
        if code:
            raise Failed(f"the server ended with {code}")

    def end(self):
        if self.server and self.server.poll() is None:
            self.server.kill()
            self.server.wait()
        for door in [*self.sockets, self.words]:
            door.close()


class Lab:
    """Where tests make houses."""

    def __init__(self, folder, binary):
        self.folder, self.binary, self.houses = folder, binary, 0

    @contextlib.contextmanager
    def managed(self):
        self.houses += 1
        folder = self.folder / f"house-{self.houses}"
        folder.mkdir(mode=0o700)
        house = House(self.binary, folder)
        house.set_up()
        manager = Manager(folder, self.binary)
        try:
            yield house, manager
        except Failed as why:
            raise Failed(f"{why}; its log: {house.log()[-800:]}") from why
        finally:
            manager.end()


def port(flags, kind):
    return int(flags[flags.index(f"--{kind}") + 1].rsplit(":", 1)[1])


def deliver(smtp_port, body="Subject: hello\r\n\r\nhello\r\n"):
    with smtplib.SMTP("127.0.0.1", smtp_port, timeout=60) as smtp:
        smtp.sendmail("bob@example.org", [ADDRESS], body)


def count(pop3_port):
    pop3 = poplib.POP3("127.0.0.1", pop3_port, timeout=60)
    pop3.user(ADDRESS)
    pop3.pass_(PASSWORD)
    messages = pop3.stat()[0]
    pop3.quit()
    return messages


class Knocker(threading.Thread):
    """Connects again and again, and waits for the greeting of each."""

    met = threading.Condition()

    def __init__(self, kind, where):
        super().__init__(daemon=True)
        self.kind, self.where, self.is_over = kind, where, False
        self.greeted, self.bad, self.slowest = 0, [], 0.0

    def run(self):
        while not self.is_over:
            begun = time.monotonic()
            try:
                with socket.create_connection(("127.0.0.1", self.where), timeout=60) as link:
                    greeting = link.recv(512)
                if greeting.startswith(GREETINGS[self.kind]):
                    self.greeted += 1
                else:
                    self.bad.append(f"{self.kind}: {greeting!r}")
            except OSError as error:
                self.bad.append(f"{self.kind}: {error!r}")
            self.slowest = max(self.slowest, time.monotonic() - begun)
            with self.met:
                self.met.notify_all()


# ---------------------------------------------------------------- sockets

@test
def nobody_is_refused_while_the_server_is_restarted(lab):
    with lab.managed() as (house, manager):
        flags = manager.listen()
        manager.start(house, *flags)
        manager.hear("READY=1")
        deliver(port(flags, "smtp"))
        knockers = [Knocker(kind, port(flags, kind)) for kind in GREETINGS]
        for knocker in knockers:
            knocker.start()
        for _ in range(RESTARTS):
            before = sum(knocker.greeted for knocker in knockers)
            manager.stop()
            manager.start(house, *flags)
            manager.hear("READY=1")
            with Knocker.met:
                if not Knocker.met.wait_for(lambda: sum(knocker.greeted for knocker in knockers) >= before + 50, 60):
                    raise Failed("50 connections were not greeted within 60 s")
        for knocker in knockers:
            knocker.is_over = True
            knocker.join(60)
        bad = [what for knocker in knockers for what in knocker.bad]
        greeted, slowest = sum(one.greeted for one in knockers), max(one.slowest for one in knockers)
        if bad:
            raise Failed(f"{len(bad)} of {greeted + len(bad)} were not greeted: {bad[:3]}")
        if count(port(flags, "pop3")) != 1:
            raise Failed("the mail of before is not there")
        manager.stop()
        return f"{RESTARTS} restarts, {greeted} connections, none refused, each greeted, the slowest after {slowest:.2f} s"


@test
def what_is_passed_and_not_wanted_is_closed_and_told(lab):
    with lab.managed() as (house, manager):
        flags = manager.listen(["pop3"])
        stray = socket.create_server(("127.0.0.1", 0))
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        manager.sockets += [stray, datagrams]
        manager.start(house, *flags)
        manager.hear("READY=1")
        log, place = house.log(), stray.getsockname()[1]
        for wanted in (f"has passed 127.0.0.1:{place}, where nothing is to listen", "descriptor 5 is no TCP socket"):
            if wanted not in log:
                raise Failed(f"the log does not say {wanted!r}")
        if count(port(flags, "pop3")) != 0:
            raise Failed("mail is there")
        open_files = os.listdir(f"/proc/{manager.server.pid}/fd")
        if {"4", "5"} <= set(open_files) and any(
                os.stat(f"/proc/{manager.server.pid}/fd/{number}").st_ino == os.fstat(stray.fileno()).st_ino
                for number in open_files):
            raise Failed("the stray socket is still open")
        manager.stop()


@test
def sockets_for_another_process_are_left_alone(lab):
    with lab.managed() as (house, manager):
        door = socket.create_server(("127.0.0.1", 0))
        manager.sockets = [door]
        flags = [word for kind in KINDS for word in (f"--{kind}", "127.0.0.1:0" if kind == "pop3" else "off")]
        manager.start(house, *flags, prefix=("env", "LISTEN_PID=1"))
        said = manager.hear("READY=1")
        if f":{door.getsockname()[1]}" in said or "passed" in house.log():
            raise Failed(said)
        manager.stop()


# ---------------------------------------------------------------- words

@test
def the_manager_hears_how_the_server_is(lab):
    with lab.managed() as (house, manager):
        flags = manager.listen()
        manager.start(house, *flags)
        said = manager.hear("READY=1")
        if f"STATUS=serves pop3 127.0.0.1:{port(flags, 'pop3')}, " not in said:
            raise Failed(said)
        if not read_line(manager.server, 10).startswith("ready "):
            raise Failed("no ready line on standard output")
        deliver(port(flags, "smtp"))
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        manager.server.send_signal(signal.SIGHUP)
        said = manager.hear("RELOADING=1")
        at = int(dict(line.split("=", 1) for line in said.splitlines())["MONOTONIC_USEC"])
        if not before <= at <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000:
            raise Failed(f"{at} is not the time, which was {before}")
        manager.hear("READY=1")
        manager.server.send_signal(signal.SIGTERM)
        manager.hear("STOPPING=1")
        manager.server.wait(30)


@test
def the_watchdog_is_fed_also_while_nothing_can_be_written(lab):
    with lab.managed() as (house, manager):
        manager.environment = {"WATCHDOG_USEC": "600000"}
        flags = manager.listen(["smtp", "pop3"])
        octets = house.database.stat().st_size
        manager.start(house, *flags, prefix=("prlimit", f"--fsize={octets}"))
        manager.hear("READY=1")
        with contextlib.suppress(smtplib.SMTPException):
            for _ in range(50):
                deliver(port(flags, "smtp"), "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 10_000)
            raise Failed("the disk took everything")
        forget(manager)
        begun, fed = time.monotonic(), 0
        while time.monotonic() < begun + 3:
            manager.hear("WATCHDOG=1", 2)
            fed += 1
        if not 10 <= fed <= 20:
            raise Failed(f"fed {fed} times in 3 s, where 15 are right")
        manager.stop()
        return f"{fed} times in 3 s"


def forget(manager):
    """Lets go what was said and not heard yet; says how much that was."""
    manager.words.setblocking(False)
    forgotten = 0
    with contextlib.suppress(BlockingIOError):
        while manager.words.recv(4096):
            forgotten += 1
    return forgotten


@test
def a_server_that_hangs_feeds_no_watchdog(lab):
    with lab.managed() as (house, manager):
        manager.environment = {"WATCHDOG_USEC": "600000"}
        manager.start(house, *manager.listen(["pop3"]))
        manager.hear("WATCHDOG=1")
        manager.server.send_signal(signal.SIGSTOP)
        os.waitpid(manager.server.pid, os.WUNTRACED)        # All of its threads stand still.
        forget(manager)
        # Five times as long as from one word to the next.
        if select.select([manager.words], [], [], 1)[0]:
            raise Failed(f"it is fed: {manager.words.recv(4096)!r}")
        manager.server.send_signal(signal.SIGCONT)
        manager.hear("WATCHDOG=1")
        manager.stop()


@test
def the_key_may_be_a_credential(lab):
    with lab.managed() as (house, manager):
        credentials = house.folder / "credentials"
        credentials.mkdir(mode=0o500)
        shutil.move(house.folder / "poppet.key", credentials / "poppet.key")
        flags = manager.listen(["pop3"])
        manager.start(house, *flags)
        if manager.server.wait(30) != 6 or "the key of this database is missing" not in house.log():
            raise Failed("it serves without a key")
        manager.environment = {"CREDENTIALS_DIRECTORY": str(credentials)}
        manager.start(house, *flags)
        manager.hear("READY=1")
        count(port(flags, "pop3"))
        manager.stop()


# ---------------------------------------------------------------- root becomes another

def low_port():
    for number in range(1023, 600, -1):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", number)):
            return number
    raise Failed("no port below 1024 is free")


@test
def root_opens_low_ports_and_becomes_another_for_good_s_331(lab):
    with lab.managed() as (house, manager):
        lab.folder.chmod(0o755)
        for path in [house.folder, *house.folder.iterdir()]:
            os.chown(path, 1, 1)
        smtp, pop3 = low_port(), 0
        flags = [word for kind in KINDS for word in (f"--{kind}", {"smtp": f"127.0.0.1:{smtp}", "pop3": "127.0.0.1:0"}
                                                     .get(kind, "off"))]
        for more, code, text in (([], 5, 'run "poppet serve --user daemon'),
                                 (["--user", "nobody-at-all"], 3, "there is no user nobody-at-all"),
                                 (["--user", "root"], 2, "is root")):
            manager.start(house, *flags, *more)
            if (got := manager.server.wait(30)) != code or text not in house.log():
                raise Failed(f"{more}: exit {got}, not {code} with {text!r}")
        manager.start(house, *flags, "--user", "daemon")
        pop3 = int(manager.hear("READY=1").split("pop3 127.0.0.1:")[1].split(",")[0])
        deliver(smtp)
        if count(pop3) != 1:
            raise Failed("the mail is not there")
        threads = list(Path(f"/proc/{manager.server.pid}/task").iterdir())
        for thread in threads:
            status = dict(line.split(":\t", 1) for line in (thread / "status").read_text().splitlines() if ":\t" in line)
            powers = {status[name].strip("0") for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
            if status["Uid"] != "1\t1\t1\t1" or status["Gid"] != "1\t1\t1\t1" or powers != {""}:
                raise Failed(f"a thread has {status['Uid']!r} {status['Gid']!r} {powers}")
        if (house.folder / "poppet.sock").stat().st_uid != 1:
            raise Failed("the control socket is not the user's")
        manager.stop()
        return f"{len(threads)} threads"


def main():
    binary, wanted = Path(sys.argv[1]).resolve(), sys.argv[2:]
    chosen = [(name, run) for name, run in TESTS if not wanted or any(word in name for word in wanted)]
    if not chosen:
        sys.exit(f"no test is called {' '.join(wanted)}")
    with tempfile.TemporaryDirectory(prefix="poppet-") as folder:
        lab = Lab(Path(folder), binary)
        sys.exit(0 if all([passes(name, run, lab) for name, run in chosen]) else 1)


if __name__ == "__main__":
    main()
