#!/usr/bin/env python3
"""Users who are real accounts of this machine: who gets in by POP3 and who doesn't.

  local.py BINARY [NAME...]     all tests, or those whose name contains a NAME

The accounts are made with useradd in a copy of /etc that only this test sees, in a mount namespace of its own; their
hashes are made by crypt(3). The server is an unprivileged user, the helper that reads shadow is root. This needs root.
One line a test, `ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from house import Failed, House, PASSWORD, passes, read_line

INSIDE = "POPPET_LOCAL_INSIDE"
GROUP = "poppet-users"
# What crypt(3) takes for a new hash of each kind.
SALTS = {
    "yescrypt": "$y$j9T$F5Jx5fExrKuPp53xLKQ..1", "sha512": "$6$saltsaltsaltsalt", "rounds": "$6$rounds=20000$saltsalt",
    "sha256": "$5$saltsaltsaltsalt", "bcrypt": "$2b$05$abcdefghijklmnopqrstuu",
}
NOT_TAKEN = {"scrypt": "$7$CU..../....abcdefgh", "gost": "$gy$j9T$F5Jx5fExrKuPp53xLKQ..1", "md5": "$1$saltsalt", "des": "ab"}
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Lab:
    """The server, its helper, and the accounts."""

    def __init__(self, house):
        self.house, self.helper, self.peers = house, None, 1
        self.socket = house.folder / "run" / "local.sock"
        self.socket.parent.mkdir()

    def set_up(self):
        run("groupadd", GROUP)
        run("useradd", "--system", "--user-group", "--no-create-home", "poppet")
        self.account("alice", "yescrypt")
        self.house.set_up()
        self.start_helper()
        self.house.poppet("set", "local_socket", str(self.socket))
        self.house.poppet("auth", "local", "--migrate")
        run("chown", "-R", "poppet:poppet", self.house.folder)
        run("chown", "root:root", self.socket.parent)
        self.house.within = AS_POPPET
        self.house.start()

    def start_helper(self):
        command = [self.house.binary, "local-users", "--socket", self.socket, "--group", "poppet"]
        self.helper = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=self.helper_log())
        line = read_line(self.helper, 30)
        if line != f"ready socket={self.socket}":
            raise Failed(f"the helper says {line!r}")

    def helper_log(self):
        return open(self.house.folder / "helper.log", "ab")

    def stop_helper(self):
        if self.helper and self.helper.poll() is None:
            self.helper.kill()
            self.helper.wait()

    def account(self, name, kind, *options):
        """A new account that may log on, with its password hashed like that."""
        run("useradd", "--no-create-home", "--shell", "/usr/sbin/nologin", "--groups", GROUP, *options, name)
        self.hash(name, {**SALTS, **NOT_TAKEN}[kind])

    def hash(self, name, salt):
        told = run("perl", "-e", "print crypt($ARGV[0], $ARGV[1])", PASSWORD, salt).decode()
        if told.startswith("*") or len(told) < 13:
            raise Failed(f"crypt(3) makes no hash by {salt}")
        run("usermod", "-p", told, name)

    def user(self, name, kind="bcrypt", *options):
        """A new account with a mailbox of its own."""
        self.account(name, kind, *options)
        self.house.poppet("add", f"{name}@home.lan")

    def logs_on(self, name, password=PASSWORD):
        """The reply to a password; each try comes from another address, so that none waits for another."""
        self.peers += 1
        peer = f"127.1.{self.peers // 250}.{self.peers % 250 + 1}"
        plain = socket.create_connection(("127.0.0.1", self.house.ports["pop3s"]), 60, (peer, 0))
        trust = ssl.create_default_context(cafile=self.house.authority)
        with trust.wrap_socket(plain, server_hostname="localhost") as pop3, pop3.makefile("rwb") as lines:
            lines.readline()
            for line in (f"USER {name}@home.lan", f"PASS {password}"):
                lines.write(f"{line}\r\n".encode())
                lines.flush()
                said = lines.readline().decode()
            return said.strip()

    def comes_in(self, name):
        said = self.logs_on(name)
        if not said.startswith("+OK"):
            raise Failed(f"{name} hears {said!r}: {self.house.log()[-600:]}")

    def stays_out(self, name, why, password=PASSWORD):
        """Refused as anybody with a wrong password is, and the log says why."""
        before = len(self.house.log())
        said = self.logs_on(name, password)
        if said != REFUSED:
            raise Failed(f"{name} hears {said!r} and not {REFUSED!r}")
        log = self.house.log()[before:]
        if why not in log:
            raise Failed(f"{name}: the log does not say {why!r}: {log!r}")


REFUSED = "-ERR [AUTH] user name or password is wrong"


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


@test
def each_kind_of_hash_lets_its_user_in(lab):
    """S-215. No shell and no home are needed (S-213)."""
    told = []
    for kind in SALTS:
        lab.user(kind, kind)
        begun = time.monotonic()
        lab.comes_in(kind)
        told.append(f"{kind} {1000 * (time.monotonic() - begun):.0f} ms")
    lab.comes_in("alice")
    return ", ".join(told)


@test
def a_wrong_password_is_refused(lab):
    lab.stays_out("alice", "the password is not that of the account alice", "wrong")
    lab.stays_out("alice", "the password is not that of the account alice", PASSWORD + "x")


@test
def an_unknown_user_hears_the_same(lab):
    said = lab.logs_on("nobody-here")
    if said != REFUSED:
        raise Failed(f"he hears {said!r}")


@test
def locked_and_empty_accounts_are_refused(lab):
    """S-210."""
    lab.user("locked")
    lab.comes_in("locked")
    run("usermod", "--lock", "locked")
    lab.stays_out("locked", "the password of locked is locked")
    run("usermod", "--unlock", "locked")
    lab.comes_in("locked")
    run("passwd", "--delete", "locked")
    lab.stays_out("locked", "locked has no password")


@test
def expired_and_aged_accounts_are_refused(lab):
    """S-211."""
    lab.user("aged")
    for options, why in ((("-E", "2026-01-01"), "the account aged has expired"),
                         (("-d", "2020-01-01", "-M", "90"), "the password of aged is older"),
                         (("-d", "0"), "the password of aged must be changed")):
        run("chage", *options, "aged")
        lab.stays_out("aged", why)
        run("chage", "-E", "-1", "-d", "2020-01-01", "-M", "99999", "aged")
        lab.comes_in("aged")
    run("chage", "-d", "2020-01-01", "-M", "90", "-I", "36500", "aged")
    lab.comes_in("aged")


@test
def kinds_that_are_not_taken_are_refused(lab):
    """S-215."""
    lab.user("kinds")
    names = {"scrypt": "scrypt", "gost": "gost-yescrypt", "md5": "MD5", "des": "DES"}
    for kind, salt in NOT_TAKEN.items():
        lab.hash("kinds", salt)
        lab.stays_out("kinds", f"the password of kinds is hashed with {names[kind]}")
    run("usermod", "-p", "$6$rounds=999999999$saltsalt$" + "." * 86, "kinds")
    lab.stays_out("kinds", "wants more time or memory")
    lab.house.poppet("set", "old_hashes", "on")
    lab.hash("kinds", NOT_TAKEN["md5"])
    lab.comes_in("kinds")
    lab.hash("kinds", NOT_TAKEN["des"])
    lab.stays_out("kinds", "is hashed with DES")
    lab.house.poppet("set", "old_hashes", "off")


@test
def the_systems_own_accounts_have_no_mailbox(lab):
    """S-209."""
    run("usermod", "-aG", GROUP, "root")
    run("useradd", "--system", "--no-create-home", "--groups", GROUP, "low")
    for name in ("root", "low"):
        lab.hash(name, SALTS["bcrypt"])
        refused(lab, name, f"{name} is an account of the system itself")
    run("useradd", "--no-create-home", "stranger")
    refused(lab, "stranger", f"stranger is not in the group {GROUP}")
    refused(lab, "ghost", "ghost is no account of this machine")


def refused(lab, name, why):
    try:
        lab.house.poppet("add", f"{name}@home.lan")
    except Failed as error:
        if why in str(error):
            return
        raise
    raise Failed(f"{name} has a mailbox")


@test
def who_leaves_the_group_stays_out(lab):
    lab.user("leaver")
    lab.comes_in("leaver")
    run("gpasswd", "--delete", "leaver", GROUP)
    lab.stays_out("leaver", f"leaver is not in the group {GROUP}")
    run("usermod", "-aG", GROUP, "leaver")
    lab.comes_in("leaver")
    run("usermod", "-u", "900", "leaver")
    lab.stays_out("leaver", "leaver is an account of the system itself")


@test
def another_account_of_the_same_name_does_not_get_the_mail(lab):
    """S-220."""
    lab.user("reused", "bcrypt", "--uid", "51005")
    lab.comes_in("reused")
    run("userdel", "reused")
    lab.stays_out("reused", "reused is no account of this machine")
    lab.account("reused", "bcrypt", "--uid", "51205")
    lab.stays_out("reused", "reused is another account than the one")
    run("usermod", "-u", "51005", "reused")
    lab.comes_in("reused")


@test
def only_the_servers_group_may_ask(lab):
    """S-217: and the server can't read shadow."""
    ask = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
           "s.sendall(b'ppl1\\x0d\\0\\0\\0\\xff\\xff\\xff\\xff\\x05\\0alice'); print(len(s.recv(99)))")
    command = (sys.executable, "-c", ask, lab.socket)
    if run(*AS_POPPET, *command).strip() != b"11":
        raise Failed("the server's user gets no answer")
    for who, what in ((("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"), command), (AS_POPPET, ("cat", "/etc/shadow"))):
        try:
            run(*who, *what)
        except Failed as error:
            if "denied" in str(error):
                continue
            raise
        raise Failed(f"{who[1]} may do {what[0]}")


@test
def nobody_of_the_servers_user_reads_its_memory(lab):
    """S-263. Such a process has its files in /proc owned by root, and leaves no core file."""
    server = Path(f"/proc/{lab.house.server.pid}")
    if "\nUid:\t0\t" in (server / "status").read_text() or (server / "mem").stat().st_uid:
        raise Failed("its memory can be read by its user")


@test
def without_the_helper_nobody_can_tell(lab):
    """S-196. What is put off is no wrong password, and goes on as soon as a service manager gives the socket anew."""
    lab.stop_helper()
    said = lab.logs_on("alice")
    if not said.startswith("-ERR [SYS/TEMP]"):
        raise Failed(f"alice hears {said!r}")
    if "start poppet-local.socket" not in lab.house.log():
        raise Failed("the log does not say what to start")
    lab.socket.unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(lab.socket))
        shutil.chown(lab.socket, "root", "poppet")
        lab.socket.chmod(0o660)
        listener.listen(16)
        lab.helper = subprocess.Popen([str(lab.house.binary), "local-users"], stdin=listener, stderr=lab.helper_log())
    lab.comes_in("alice")
    begun = time.monotonic()
    lab.helper.wait(90)
    if lab.helper.returncode:
        raise Failed(f"the helper ended with {lab.helper.returncode}")
    return f"it ends after {time.monotonic() - begun:.0f} s of quiet"


AS_POPPET = ("setpriv", "--reuid=poppet", "--regid=poppet", "--init-groups")


def inside(binary, wanted):
    """In the namespace: /etc is a copy."""
    with tempfile.TemporaryDirectory(prefix="poppet-local-") as folder:
        folder = Path(folder)
        folder.chmod(0o755)
        shutil.copy(binary, folder / "poppet")
        run("cp", "-a", "/etc", folder / "etc")
        run("mount", "--bind", folder / "etc", "/etc")
        (folder / "house").mkdir()
        house = House(folder / "poppet", folder / "house", ("pop3s",))
        lab, failed = Lab(house), 0
        try:
            lab.set_up()
            for name, run_test in TESTS:
                if not wanted or any(word in name for word in wanted):
                    failed += not passes(name, run_test, lab)
            house.stop()
        except Failed as why:
            print(f"FAILED the server: {why}")
            failed += 1
        finally:
            house.kill()
            lab.stop_helper()
            run("umount", "/etc")
    return 1 if failed else 0


def main():
    binary, *wanted = sys.argv[1:]
    if os.environ.get(INSIDE):
        return inside(binary, wanted)
    missing = [tool for tool in ("unshare", "setpriv", "useradd", "chage", "gpasswd", "perl") if not shutil.which(tool)]
    if missing or os.getuid() != 0:
        print(f"FAILED: not installed: {' '.join(missing)}" if missing else "FAILED: run this as root")
        return 1
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv]
    return subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
