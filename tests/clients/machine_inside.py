#!/usr/bin/env python3
"""What machine.py has its machines do: the tests that run beside systemd.

  machine_inside.py SCENE [NAME...]     the tests of a scene, or those whose name contains a NAME
"""

import json
import os
import poplib
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from house import Failed, passes

GIVEN = "/opt/poppet/poppet"
# It has another layout of the database, which the one above can't read.
NEWER = "/opt/poppet/newer"
INSTALLED = Path("/usr/local/bin/poppet")
DATA = Path("/var/lib/poppet")
UNITS = Path("/etc/systemd/system")
PASSWORD = "correct horse battery"
ALICE = "alice@home.lan"
TESTS = {"whole": [], "fixed": []}


def test(scene):
    def known(function):
        TESTS[scene].append((function.__name__.replace("_", " "), function))
        return function
    return known


class Machine:
    """This machine."""

    sent = 0

    def run(self, *words, stdin="", code=0):
        """Runs a command; it must end with that code, or with any if that is None."""
        done = subprocess.run([str(word) for word in words], input=stdin, text=True, capture_output=True, timeout=180, check=False)
        if code is not None and done.returncode != code:
            raise Failed(f"{' '.join(map(str, words))}: exit {done.returncode}: {done.stdout.strip()[-300:]} {done.stderr.strip()[-500:]}")
        return done

    def set_up(self, *words, binary=GIVEN, code=0):
        return self.run(binary, "setup", "home.lan", "alice", "--password-stdin", *words, stdin=PASSWORD + "\n", code=code)

    def shows(self, what, unit="poppet.service"):
        return self.run("systemctl", "show", unit, "--property", what, "--value").stdout.strip()

    def pid(self):
        return int(self.shows("MainPID"))

    def send(self):
        """A mail by the port of other servers, as a printer sends it."""
        self.sent += 1
        with smtplib.SMTP("127.0.0.1", 25, timeout=60) as smtp:
            smtp.sendmail("printer@home.lan", [ALICE], f"Subject: number {self.sent}\r\n\r\nbody {self.sent}\r\n")

    def subjects(self):
        """What alice finds inside TLS that the authority beside the database has signed."""
        context = ssl.create_default_context(cafile="/etc/poppet/authority.pem")
        pop3 = poplib.POP3_SSL("127.0.0.1", 995, timeout=60, context=context)
        pop3.user(ALICE)
        pop3.pass_(PASSWORD)
        count = pop3.stat()[0]
        found = [line for number in range(1, count + 1) for line in pop3.top(number, 0)[1] if line.startswith(b"Subject:")]
        pop3.quit()
        return [line.decode() for line in found]

    def serves(self):
        """A mail in and all of them out, in order."""
        self.send()
        wanted = [f"Subject: number {number + 1}" for number in range(self.sent)]
        if (found := self.subjects()) != wanted:
            raise Failed(f"{found} and not {wanted}")

    def until(self, what, is_so, seconds=60):
        end = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > end:
                raise Failed(f"{what}: not within {seconds} s")
            time.sleep(0.05)

    def doctor(self):
        told = json.loads(self.run(INSTALLED, "doctor", "--json", code=None).stdout)
        return told if isinstance(told, list) else told.get("rows", told)


class Knocking:
    """Somebody who connects again and again, and counts what he meets."""

    def __init__(self, port=110):
        self.port, self.greeted, self.refused, self.is_over = port, 0, [], threading.Event()
        self.thread = threading.Thread(target=self.knock)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def knock(self):
        while not self.is_over.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=60) as link:
                    if not link.recv(100).startswith(b"+OK"):
                        raise OSError("no greeting")
                    link.sendall(b"QUIT\r\n")
                    link.recv(100)
                    self.greeted += 1
            except OSError as error:
                self.refused.append(str(error))


def drop_in(machine, name, text):
    """Gives the service a drop-in, or takes it away."""
    folder = UNITS / "poppet.service.d"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.conf"
    path.write_text(text) if text else path.unlink()
    machine.run("systemctl", "daemon-reload")


# ---------------------------------------------------------------- setup

@test("whole")
def a_dry_run_does_nothing(machine):
    before = sorted(UNITS.iterdir()), INSTALLED.exists(), DATA.exists()
    told = machine.set_up("--dry-run").stdout
    after = sorted(UNITS.iterdir()), INSTALLED.exists(), DATA.exists()
    if before != after or "poppet" in machine.run("cat", "/etc/passwd").stdout:
        raise Failed(f"{before} became {after}")
    if "/usr/local/bin/poppet" not in told:
        raise Failed(f"the plan says {told!r}")
    return f"{len(told.splitlines())} lines"


@test("whole")
def a_port_that_another_program_has_is_named_and_nothing_is_done(machine):
    with socket.create_server(("127.0.0.1", 110)):
        done = machine.set_up(code=None)
    if done.returncode == 0 or "110" not in done.stderr or len(done.stderr.strip().splitlines()) != 1:
        raise Failed(f"exit {done.returncode}: {done.stderr!r}")
    if INSTALLED.exists() or DATA.exists() or (UNITS / "poppet.service").exists():
        raise Failed("something was done")
    return done.stderr.strip()


@test("whole")
def a_disk_that_cannot_be_written_is_named_and_nothing_is_done(machine):
    """The user was made, and then the folder could not be; or the database was, and then no program ran there."""
    told = []
    for place, how in (("/etc", "ro"), ("/var/lib", "ro"), ("/usr/local/bin", "noexec")):
        machine.run("mount", "--bind", place, place)
        machine.run("mount", "-o", f"remount,bind,{how}", place)
        done = machine.set_up(code=None)
        machine.run("umount", "-l", place)
        told.append(done.stderr.strip())
        if done.returncode == 0 or place not in done.stderr or len(told[-1].splitlines()) != 1:
            raise Failed(f"exit {done.returncode}: {done.stderr!r}")
        if INSTALLED.exists() or DATA.exists() or "poppet" in Path("/etc/passwd").read_text():
            raise Failed(f"{place}: something was done")
    return "; ".join(told)


@test("whole")
def one_line_and_it_runs(machine):
    begun = time.monotonic()
    told = machine.set_up().stdout
    took = time.monotonic() - begun
    machine.serves()
    if machine.shows("Type") != "notify" or machine.shows("ActiveState") != "active":
        raise Failed(f"{machine.shows('Type')} {machine.shows('ActiveState')}")
    status = Path(f"/proc/{machine.pid()}/status").read_text()
    uid = next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
    if uid == "0":
        raise Failed("it runs as root")
    for wanted in ("alice@home.lan", "995", "465"):
        if wanted not in told:
            raise Failed(f"{wanted} is not in {told!r}")
    if machine.run("systemctl", "is-enabled", "poppet.service", code=None).stdout.strip() != "enabled":
        raise Failed("it does not start with the machine")
    return f"setup took {took:.1f} s, and {time.monotonic() - begun:.1f} s until a mail was read; uid {uid}"


@test("whole")
def what_a_stranger_can_read_is_nothing(machine):
    for path, mode in ((DATA, 0o700), (DATA / "poppet.redb", 0o600), (DATA / "poppet.key", 0o600)):
        found = path.stat().st_mode & 0o777
        if found & ~mode:
            raise Failed(f"{path} has mode {found:o}")
    owners = {path.stat().st_uid for path in DATA.iterdir()}
    if len(owners) != 1 or 0 in owners:
        raise Failed(f"the files belong to {owners}")


@test("whole")
def setup_again_harms_nothing(machine):
    pid = machine.pid()
    machine.set_up()
    machine.serves()
    return "the server is the same" if pid == machine.pid() else "the server was restarted"


# ---------------------------------------------------------------- the service

@test("whole")
def the_service_is_hardened_as_far_as_it_can_be_s_337(machine):
    told = machine.run("systemd-analyze", "security", "--no-pager", "poppet.service").stdout.strip().splitlines()[-1]
    level = float(next(word for word in told.split() if word.replace(".", "").isdigit()))
    if level > 1.2:
        raise Failed(told)
    status = Path(f"/proc/{machine.pid()}/status").read_text()
    for wanted in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"):
        if wanted not in status:
            raise Failed(f"not {wanted!r}")
    return f"exposure {level}"


@test("whole")
def doctor_tells_of_every_layer_of_the_sandbox_s_336(machine):
    rows = [row for row in machine.doctor() if row["check"] == "sandbox"]
    told = "; ".join(row["what"] for row in rows)
    if not rows or any(row["state"] == "wrong" for row in rows) or "not hold" in told or "landlock" not in told:
        raise Failed(f"{rows}")
    return told[:600]


@test("whole")
def it_comes_back_after_sigkill_with_all_its_mail(machine):
    restarts = int(machine.shows("NRestarts"))
    begun = time.monotonic()
    os.kill(machine.pid(), signal.SIGKILL)
    machine.until("a restart", lambda: int(machine.shows("NRestarts")) > restarts)
    machine.serves()
    return f"mail was read {time.monotonic() - begun:.1f} s later"


@test("whole")
def a_server_that_hangs_is_restarted_by_the_watchdog(machine):
    drop_in(machine, "watchdog", "[Service]\nWatchdogSec=3\n")
    machine.run("systemctl", "restart", "poppet.service")
    restarts = int(machine.shows("NRestarts"))
    fed = lambda: int(machine.shows("WatchdogTimestampMonotonic"))
    last = fed() + 3 * 3_000_000
    machine.until("three periods in which it is well", lambda: fed() > last)
    if int(machine.shows("NRestarts")) != restarts:
        raise Failed("a server that is well was restarted")
    begun = time.monotonic()
    os.kill(machine.pid(), signal.SIGSTOP)
    machine.until("a restart", lambda: int(machine.shows("NRestarts")) > restarts)
    if "Watchdog timeout" not in machine.run("journalctl", "-b", "-u", "poppet.service", "-o", "cat").stdout:
        raise Failed("somebody else than the watchdog has restarted it")
    machine.serves()
    drop_in(machine, "watchdog", "")
    machine.run("systemctl", "restart", "poppet.service")
    return f"mail was read {time.monotonic() - begun:.1f} s after it hung"


@test("whole")
def who_connects_while_it_is_stopped_starts_it(machine):
    machine.run("systemctl", "stop", "poppet.service")
    if machine.shows("ActiveState") not in ("inactive", "failed"):
        raise Failed(machine.shows("ActiveState"))
    machine.serves()
    if machine.shows("ActiveState") != "active":
        raise Failed(machine.shows("ActiveState"))


@test("whole")
def a_reload_goes_on_with_the_same_process(machine):
    pid = machine.pid()
    machine.run("systemctl", "reload", "poppet.service")
    if machine.pid() != pid or not machine.shows("StatusText").startswith("serves pop3 0.0.0.0:110, pop3 [::]:110, "):
        raise Failed(f"{pid} became {machine.pid()}, {machine.shows('StatusText')!r}")
    machine.serves()


@test("whole")
def a_user_of_the_machine_changes_his_own_password(machine):
    own = ("setpriv", "--reuid", "1", "--regid", "1", "--clear-groups", INSTALLED, "passwd", "--own", ALICE, "--password-stdin")
    machine.run(*own, stdin=f"{PASSWORD}\nlooking glass one\n")
    machine.run(*own, stdin=f"looking glass one\n{PASSWORD}\n")
    machine.serves()


@test("whole")
def restarts_refuse_nobody(machine):
    with Knocking() as plain, Knocking() as other:
        for _ in range(5):
            machine.run("systemctl", "restart", "poppet.service")
    if plain.refused or other.refused or not plain.greeted:
        raise Failed(f"{plain.greeted + other.greeted} greeted, refused: {(plain.refused + other.refused)[:3]}")
    machine.serves()
    return f"5 restarts, {plain.greeted + other.greeted} connections greeted, 0 refused"


@test("whole")
def the_device_key_can_be_a_credential(machine):
    beside, away = DATA / "poppet.key", Path("/etc/poppet.key")
    owner = beside.stat()
    shutil.copy(beside, away)
    away.chmod(0o600)
    beside.unlink()
    drop_in(machine, "key", "[Service]\nLoadCredential=poppet.key:/etc/poppet.key\n")
    machine.run("systemctl", "restart", "poppet.service")
    machine.serves()
    drop_in(machine, "key", "")
    shutil.move(away, beside)
    os.chown(beside, owner.st_uid, owner.st_gid)
    machine.run("systemctl", "restart", "poppet.service")
    machine.serves()


# ---------------------------------------------------------------- upgrades

def another(mark, of=GIVEN):
    """The same program with other octets."""
    path = Path(f"/tmp/poppet-{mark}")
    path.write_bytes(Path(of).read_bytes() + mark.encode())
    path.chmod(0o755)
    return path


@test("whole")
def an_upgrade_refuses_nobody_and_keeps_the_old_program(machine):
    before, newer = INSTALLED.read_bytes(), another("newer")
    with Knocking() as knocking:
        begun = time.monotonic()
        machine.set_up(binary=newer)
        took = time.monotonic() - begun
    if knocking.refused or not knocking.greeted:
        raise Failed(f"{knocking.greeted} greeted, refused: {knocking.refused[:3]}")
    old = INSTALLED.with_name("poppet.old")
    if INSTALLED.read_bytes() != newer.read_bytes() or not old.exists() or old.read_bytes() != before:
        raise Failed("the programs are not the new and the old one")
    if Path(f"/proc/{machine.pid()}/exe").read_bytes() != newer.read_bytes():
        raise Failed("the old one still runs")
    machine.serves()
    return f"{took:.1f} s, {knocking.greeted} connections greeted, 0 refused"


@test("whole")
def an_upgrade_that_does_not_become_ready_is_taken_back_s_345(machine):
    before, newer = INSTALLED.read_bytes(), another("broken")
    drop_in(machine, "broken", "[Service]\nExecStartPre=/bin/sh -c '! tail -c 6 /usr/local/bin/poppet | grep -q broken'\n")
    done = machine.set_up(binary=newer, code=None)
    drop_in(machine, "broken", "")
    if done.returncode == 0 or INSTALLED.read_bytes() != before:
        raise Failed(f"exit {done.returncode}: {done.stderr!r}")
    machine.until("the old one", lambda: machine.shows("ActiveState") == "active")
    machine.serves()
    return done.stderr.strip().splitlines()[-1]


@test("whole")
def a_unit_that_somebody_has_changed_stays_and_nothing_is_done(machine):
    unit, newer, before = UNITS / "poppet.service", another("refused"), INSTALLED.read_bytes()
    written = unit.read_text()
    unit.write_text(written + "\n# mine\nMemoryMax=1G\n")
    done = machine.set_up(binary=newer, code=None)
    if done.returncode == 0 or INSTALLED.read_bytes() != before or not unit.read_text().endswith("MemoryMax=1G\n"):
        raise Failed(f"exit {done.returncode}: {done.stderr!r}")
    unit.write_text(written)
    machine.serves()
    return done.stderr.strip()


@test("whole")
def a_new_layout_that_does_not_come_up_goes_back_with_all_mail_s_345(machine):
    before, newer = INSTALLED.read_bytes(), another("broken", NEWER)
    if layout(newer) != layout(INSTALLED) + 1:
        raise Failed(f"{newer} has layout {layout(newer)}, the one before {layout(INSTALLED)}")
    # By then it has migrated the database and begun to serve.
    drop_in(machine, "broken", "[Service]\nExecStartPost=+/bin/sh -c '! tail -c 6 /usr/local/bin/poppet | grep -q broken'\n")
    done = machine.set_up(binary=newer, code=None)
    drop_in(machine, "broken", "")
    if done.returncode == 0 or INSTALLED.read_bytes() != before or "the former one serves again" not in done.stderr:
        raise Failed(f"exit {done.returncode}: {done.stderr!r}")
    if Path(f"/proc/{machine.pid()}/exe").read_bytes() != before:
        raise Failed("the new one still runs")
    left = [path.name for path in DATA.iterdir() if "layout" in path.name]
    journal = machine.run("journalctl", "-b", "-u", "poppet.service", "-o", "cat").stdout
    if f"the database has layout {layout(newer)} now" not in journal or left:
        raise Failed(f"it was not migrated, or copies are left: {left}")
    machine.serves()
    return done.stderr.strip().splitlines()[-1]


LATE = """import pathlib, smtplib, sys
mark = pathlib.Path("/tmp/late")
if not mark.exists():
    with smtplib.SMTP("127.0.0.1", 25, timeout=60) as smtp:
        smtp.sendmail("printer@home.lan", ["{to}"], "Subject: number {number}\\r\\n\\r\\nlate\\r\\n")
    mark.touch()
    sys.exit("once")
"""


@test("whole")
def a_new_layout_that_has_taken_mail_stays_with_it_s_345(machine):
    newer, script = another("taking", NEWER), Path("/tmp/late.py")
    script.write_text(LATE.format(to=ALICE, number=machine.sent + 1))
    drop_in(machine, "late", f"[Service]\nExecStartPost=+/usr/bin/python3 {script}\n")
    done = machine.set_up(binary=newer, code=None)
    drop_in(machine, "late", "")
    if done.returncode == 0 or "the new one is left, and started again" not in done.stderr:
        raise Failed(f"exit {done.returncode}: {done.stderr!r}")
    if INSTALLED.read_bytes() != newer.read_bytes() or list(DATA.glob("*layout*")):
        raise Failed(f"the programs are not what they should be, or copies are left: {sorted(DATA.iterdir())}")
    machine.sent += 1
    machine.serves()
    return done.stderr.strip().splitlines()[-1]


@test("whole")
def a_program_of_before_that_layout_is_refused_and_nothing_is_done(machine):
    before, pid = INSTALLED.read_bytes(), machine.pid()
    done = machine.set_up(code=None)
    if done.returncode == 0 or len(done.stderr.strip().splitlines()) != 1 or "newer poppet" not in done.stderr:
        raise Failed(f"exit {done.returncode}: {done.stderr!r}")
    if INSTALLED.read_bytes() != before or machine.pid() != pid:
        raise Failed("something was done")
    machine.serves()
    return done.stderr.strip()


def layout(program):
    """The layout of databases that it says it has."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(told.split("(layout ")[1].split(")")[0])


# ---------------------------------------------------------------- the end

@test("whole")
def what_is_removed_leaves_the_mail(machine):
    # That of before can't read the database any more.
    again = shutil.copy(INSTALLED, "/tmp/poppet-again")
    machine.run(INSTALLED, "setup", "--remove", "--yes")
    left = [path for path in (INSTALLED, INSTALLED.with_name("poppet.old"), UNITS / "poppet.service", UNITS / "poppet.socket") if path.exists()]
    if left or not (DATA / "poppet.redb").exists():
        raise Failed(f"left: {left}, {sorted(DATA.iterdir())}")
    with socket.socket() as link:
        if link.connect_ex(("127.0.0.1", 110)) == 0:
            raise Failed("somebody still listens")
    machine.set_up(binary=again)
    machine.serves()
    return "and setup brings all of it back"


@test("fixed")
def where_programs_cannot_be_written_it_is_said_and_nothing_is_done(machine):
    done = machine.set_up(code=None)
    if done.returncode == 0 or "/usr/local/bin" not in done.stderr or len(done.stderr.strip().splitlines()) != 1:
        raise Failed(f"exit {done.returncode}: {done.stderr!r}")
    if DATA.exists() or (UNITS / "poppet.service").exists() or "poppet" in Path("/etc/passwd").read_text():
        raise Failed("something was done")
    return done.stderr.strip()


def main():
    scene, *wanted = sys.argv[1:]
    machine = Machine()
    failed = 0
    for name, run in TESTS[scene]:
        if not wanted or any(word in name for word in wanted):
            failed += not passes(name, run, machine)
    if failed:
        print(machine.run("journalctl", "--no-pager", "-n", "80", "-u", "poppet.service", "-u", "poppet.socket", code=None).stdout)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
