#!/usr/bin/env python3
"""A user of the machine changes his own password at the real server, and what else he tries at its public socket fails.

  own.py BINARY [NAME...]     all tests, or those whose name contains a NAME

The database's folder is closed to all but root, users are other uids without a name. This needs root. One line a test,
`ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import contextlib
import json
import os
import poplib
import pty
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from house import ADDRESS, Failed, House, PASSWORD, passes

MINE, OTHER, FLOODERS = 61001, 61002, range(61010, 61018)
PLACES_PER_USER = 2
TESTS = []
FLOOD = """
import os, socket, sys, time
path, uid, end = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
made = 0
while time.monotonic() < end:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        try:
            link.connect(path)
            link.sendall(b"ppo1")
            made += 1
            link.recv(1)
        except OSError:
            pass
print(made)
"""


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Lab:
    """The server with a runtime folder, as a service manager gives one."""

    def __init__(self, house, binary, runtime):
        self.house, self.binary, self.runtime = house, binary, runtime
        self.socket = runtime / "own.sock"
        self.boxes = 0

    def fresh_box(self):
        self.boxes += 1
        self.house.add(f"box{self.boxes}@home.lan")
        return f"box{self.boxes}@home.lan"

    def command(self, uid, *words):
        """A command as that user, who has no home and no name."""
        return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "env", "-i",
                f"RUNTIME_DIRECTORY={self.runtime}", str(self.binary), *words]

    def run(self, uid, *words, stdin=""):
        return subprocess.run(self.command(uid, *words), input=stdin, text=True, capture_output=True, timeout=120)

    def own(self, uid, address, old, new):
        return self.run(uid, "passwd", "--own", address, "--password-stdin", stdin=f"{old}\n{new}\n")

    def logs_on(self, address, password):
        pop3 = poplib.POP3("127.0.0.1", self.house.ports["pop3"], timeout=60)
        try:
            pop3.user(address)
            pop3.pass_(password)
            return True
        except poplib.error_proto:
            return False
        finally:
            with contextlib.suppress(poplib.error_proto, OSError):
                pop3.quit()

    def connect(self, seconds=30):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(seconds)
        link.connect(str(self.socket))
        return link


def wants(done, code, text=""):
    if done.returncode != code or text not in done.stderr or len(done.stderr.splitlines()) > 1:
        raise Failed(f"exit {code} with {text!r} wanted, exit {done.returncode} with {done.stderr!r} came")


def frame(magic, content):
    return magic + struct.pack("<I", len(content)) + content


def text(value):
    """A short text or password as postcard has it."""
    return bytes([len(value)]) + value


# ---------------------------------------------------------------- what it is for

@test
def another_user_changes_his_password_while_the_folder_is_closed(lab):
    box = lab.fresh_box()
    wants(lab.run(MINE, "--db", str(lab.house.database), "status"), 6)
    wants(lab.own(MINE, box, PASSWORD, "looking glass"), 0)
    if lab.logs_on(box, PASSWORD) or not lab.logs_on(box, "looking glass"):
        raise Failed("the new password does not count")
    if f"{box} has a new password, changed by user {MINE}" not in lab.house.log():
        raise Failed("the log does not tell who did it")


@test
def a_terminal_asks_three_times_and_shows_nothing(lab):
    box = lab.fresh_box()
    child, terminal = pty.fork()
    if child == 0:
        command = lab.command(MINE, "passwd", "--own", box)
        os.execvp(command[0], command)
    shown = b""
    for question, answer in ((b"Old password for", PASSWORD), (b"New password", "s3cret-new"), (b"again", "s3cret-new")):
        shown = until(terminal, shown, question)
        with open(f"/proc/{child}/cmdline", "rb") as words:
            if b"s3cret" in words.read():
                raise Failed("the password stands on the command line")
        os.write(terminal, answer.encode() + b"\r")
    shown = until(terminal, shown, b"has a new password")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    if status or b"s3cret" in shown or PASSWORD.encode() in shown:
        raise Failed(f"status {status}, shown: {shown!r}")
    if not lab.logs_on(box, "s3cret-new"):
        raise Failed("the new password does not count")


def until(terminal, shown, wanted):
    end = time.monotonic() + 60
    while wanted not in shown:
        readable, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        piece = os.read(terminal, 1000) if readable else b""
        if not piece:
            raise Failed(f"{wanted!r} never came after {shown!r}")
        shown += piece
    return shown


@test
def sessions_with_the_old_password_end_s_180(lab):
    box = lab.fresh_box()
    pop3 = poplib.POP3("127.0.0.1", lab.house.ports["pop3"], timeout=60)
    pop3.user(box)
    pop3.pass_(PASSWORD)
    wants(lab.own(MINE, box, PASSWORD, "another one"), 0)
    try:
        pop3.stat()
        raise Failed("the session goes on")
    except (poplib.error_proto, OSError):
        pass


# ---------------------------------------------------------------- what a rule refuses

@test
def guesses_are_slowed_for_the_one_who_guesses_and_nobody_else_s_169(lab):
    box, other = lab.fresh_box(), lab.fresh_box()
    took = []
    for guess in ("first", "second", "third"):
        begun = time.monotonic()
        wants(lab.own(MINE, box, guess, "mine"), 5, "the old password is wrong, or there is no such mailbox")
        took.append(time.monotonic() - begun)
    if not (1 <= took[0] < 3 and 2 <= took[1] < 4 and 4 <= took[2] < 6):
        raise Failed(f"1, 2 and 4 seconds wanted: {took}")
    begun = time.monotonic()
    wants(lab.own(OTHER, other, "wrong", "mine"), 5)
    if time.monotonic() - begun > 3:
        raise Failed("another user's first guess is slowed by them")
    wants(lab.own(OTHER, other, PASSWORD, "a new one"), 0)
    return "answered after " + ", ".join(f"{seconds:.1f}" for seconds in took) + " s"


@test
def an_unknown_mailbox_is_answered_as_a_wrong_password_s_167(lab):
    box = lab.fresh_box()
    wrong, unknown = lab.own(MINE, box, "x1", "y"), lab.own(OTHER, "nobody@home.lan", "x1", "y")
    if (wrong.returncode, wrong.stderr) != (unknown.returncode, unknown.stderr):
        raise Failed(f"{wrong.stderr!r} and {unknown.stderr!r}")


@test
def junk_halves_and_other_commands_are_sent_away_s_323(lab):
    wish = text(ADDRESS.encode()) + text(PASSWORD.encode()) + text(b"stolen")
    # Command::Status, Command::Domains, AddDomain and SetPassword, as postcard numbers them.
    commands = [b"\x0c", b"\x03", b"\x00" + text(b"evil.lan"), b"\x07" + text(ADDRESS.encode()) + b"\x00"]
    sent = [b"EHLO x\r\n\r\n", b"\0" * 5000, frame(b"ppo1", b"")] + [frame(b"ppo1", command) for command in commands]
    sent += [frame(b"ppc1", command) for command in commands]
    sent += [frame(b"ppc1", wish), frame(b"ppo1", wish + b"\0"), b"ppo1\xff\xff\xff\xff", b"ppo1" + struct.pack("<I", 4097)]
    for octets in sent:
        with lab.connect() as link, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            link.sendall(octets)
            heard = link.recv(1000)
            if heard:
                raise Failed(f"{octets[:40]!r} was answered with {heard!r}")
    if not lab.logs_on(ADDRESS, PASSWORD):
        raise Failed("a password was changed")
    return f"{len(sent)} of them"


@test
def who_says_half_of_it_is_sent_away_and_others_are_told_to_wait_s_324(lab):
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        halves = [stack.enter_context(lab.connect()) for _ in range(PLACES_PER_USER)]
        for half in halves:
            half.sendall(b"ppo1\x10")
        with lab.connect() as third:
            heard = third.recv(1000)
        if b"too many change their passwords at once" not in heard:
            raise Failed(f"the third was told {heard!r}")
        wants(lab.own(MINE, lab.fresh_box(), PASSWORD, "others get in"), 0)
        for half in halves:
            if half.recv(1):
                raise Failed("half a request was answered")
    took = time.monotonic() - begun
    if not 4 < took < 8:
        raise Failed(f"they were sent away after {took:.1f} s")
    return f"after {took:.1f} s"


@test
def a_flood_of_users_keeps_no_administrator_out_s_324(lab):
    seconds = 6
    before = cpu(lab.house.server.pid)
    flood = [subprocess.Popen([sys.executable, "-c", FLOOD, str(lab.socket), str(uid), str(seconds)], stdout=subprocess.PIPE)
             for uid in FLOODERS for _ in range(3)]
    try:
        time.sleep(1)
        took, mails = [], []
        while time.monotonic() and any(process.poll() is None for process in flood) and len(took) < 10:
            begun = time.monotonic()
            json.loads(lab.house.poppet("status", "--json"))
            took.append(time.monotonic() - begun)
            begun = time.monotonic()
            if not lab.logs_on(ADDRESS, PASSWORD):
                raise Failed("no logon during the flood")
            mails.append(time.monotonic() - begun)
    finally:
        made = sum(int(process.communicate(timeout=60)[0] or 0) for process in flood)
    if max(took) > 2:
        raise Failed(f"status took {max(took):.1f} s")
    used = (cpu(lab.house.server.pid) - before) / seconds
    if used > 0.5:
        raise Failed(f"the server was busy with it for {used:.0%} of the time")
    wants(lab.own(MINE, lab.fresh_box(), PASSWORD, "after it"), 0)
    return (f"{made} connections in {seconds} s, status within {max(took) * 1000:.0f} ms, a logon within "
            f"{max(mails) * 1000:.0f} ms, server CPU {used:.0%}")


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---------------------------------------------------------------- where it is

@test
def without_a_service_manager_root_s_server_makes_its_folder_s_325(lab):
    """In a mount namespace of its own, with the service's database in its place."""
    script = ("mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir -m 700 /var/lib/poppet && umask 077 && "
              "echo secret1 | \"$0\" setup home.lan carol --no-start --password-stdin >/dev/null && "
              "exec \"$0\" serve --pop3 127.0.0.1:0 --smtp off --pop3s off --submission off --submissions off")
    environment = {name: value for name, value in os.environ.items() if name not in ("RUNTIME_DIRECTORY", "POPPET_DB")}
    server = subprocess.Popen(["unshare", "--mount", "sh", "-c", script, str(lab.binary)], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, env=environment, text=True)
    try:
        if not server.stdout.readline().startswith("ready "):
            raise Failed("the service's server is not ready")
        enter = ["nsenter", f"--target={server.pid}", "--mount"]
        mode = subprocess.run([*enter, "stat", "-c", "%a", "/run/poppet", "/run/poppet/own.sock"], capture_output=True, text=True)
        if mode.stdout.split() != ["755", "666"]:
            raise Failed(f"modes {mode.stdout.split()} {mode.stderr}")
        command = [*enter, "setpriv", f"--reuid={MINE}", f"--regid={MINE}", "--clear-groups", "env", "-i", str(lab.binary),
                   "passwd", "--own", "carol@home.lan", "--password-stdin"]
        wants(subprocess.run(command, input="secret1\nsecret2\n", text=True, capture_output=True, timeout=60), 0)
        server.terminate()
        server.wait(30)
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@test
def without_a_server_it_is_said(lab):
    lab.house.stop()
    if lab.socket.exists():
        raise Failed("the socket is left behind")
    wants(lab.own(MINE, ADDRESS, PASSWORD, "new"), 6, "ask the administrator whether it runs")
    lab.house.start()


def main():
    binary, *wanted = sys.argv[1:]
    failed = 0
    try:
        with tempfile.TemporaryDirectory(prefix="poppet-own-") as folder:
            folder = Path(folder)
            folder.chmod(0o755)
            closed, runtime = folder / "data", folder / "run"
            closed.mkdir(0o700)
            runtime.mkdir(0o755)
            # Where the tests run, other users may have no way to the binary.
            mine = shutil.copy(binary, folder / "poppet")
            house = House(mine, closed, ("pop3",), within=("env", f"RUNTIME_DIRECTORY={runtime}", "POPPET_LOG=info"))
            try:
                house.set_up()
                for key, value in (("argon2_kib", "12288"), ("argon2_passes", "1")):
                    house.poppet("set", key, value)
                house.start()
                lab = Lab(house, mine, runtime)
                for name, run in TESTS:
                    if not wanted or any(word in name for word in wanted):
                        failed += not passes(name, run, lab)
                house.stop()
            finally:
                house.kill()
    except Failed as why:
        print(f"FAILED the server: {why}")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
