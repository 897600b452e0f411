#!/usr/bin/env python3
"""Accounts of the system that come and go with their mailboxes, made by the system's real tools on a copy of /etc.

  accounts.py BINARY [NAME...]     all tests, or those whose name contains a NAME

Everything happens in a mount namespace where /etc is a copy, so the system keeps the accounts that it has. This needs
root. One line a test, `ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import contextlib
import json
import os
import poplib
import subprocess
import sys
import tempfile
from pathlib import Path

from house import Failed, House, passes, read_line

GROUP, INSIDE = "poppet-users", "--inside"
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Lab:
    """The server, the helper that reads shadow, and the accounts."""

    def __init__(self, house, folder):
        self.house, self.helper = house, None
        self.socket = folder / "local.sock"

    def start_helper(self):
        self.helper = subprocess.Popen([str(self.house.binary), "local-users", "--socket", str(self.socket)],
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = read_line(self.helper, 30)
        if not line.startswith("ready "):
            raise Failed(f"the helper is not ready: {line!r}")

    def stop_helper(self):
        if self.helper:
            self.helper.terminate()
            self.helper.wait(30)
            self.helper.stdout.close()
        self.helper = None

    def run(self, *words, stdin="", within=()):
        command = [*within, str(self.house.binary), "--db", str(self.house.database), *words]
        return subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=120)

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


def system(*command, stdin=None):
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=60)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def account(name):
    """The fields of its line in passwd; none if there is none."""
    lines = Path("/etc/passwd").read_text().splitlines()
    return next((line.split(":") for line in lines if line.startswith(f"{name}:")), None)


def members():
    lines = Path("/etc/group").read_text().splitlines()
    line = next((line for line in lines if line.startswith(f"{GROUP}:")), "::::")
    return [name for name in line.split(":")[3].split(",") if name]


def shadow(name):
    return next((line.split(":")[1] for line in Path("/etc/shadow").read_text().splitlines() if line.startswith(f"{name}:")), None)


def wants(done, code, text=""):
    if done.returncode != code or text not in done.stderr or len(done.stderr.splitlines()) > 1:
        raise Failed(f"exit {code} with {text!r} wanted, exit {done.returncode} with {done.stderr!r} came")
    return done


# ---------------------------------------------------------------- made and removed

@test
def an_account_is_made_for_mail_alone_and_logs_on(lab):
    wants(lab.run("add", "bob@home.lan", "--create-user", "--password-stdin", stdin="s3cret: of bob\n"), 0)
    made = account("bob")
    if not made or int(made[2]) < 1000 or made[5:] != ["/nonexistent", "/usr/sbin/nologin"] or "bob" not in members():
        raise Failed(f"made as {made}, the group has {members()}")
    if not shadow("bob").startswith("$"):
        raise Failed(f"shadow has {shadow('bob')[:3]}")
    if not lab.logs_on("bob@home.lan", "s3cret: of bob") or lab.logs_on("bob@home.lan", "s3cret"):
        raise Failed("the password is not the one that was given")
    return f"hash {shadow('bob').split('$')[1]}"


@test
def a_generated_password_is_shown_once(lab):
    told = json.loads(wants(lab.run("add", "gen@home.lan", "--create-user", "--json"), 0).stdout)
    if not lab.logs_on("gen@home.lan", told["password"]):
        raise Failed(f"it does not log on: {told}")
    line = wants(lab.run("add", "gen2@home.lan", "--create-user"), 0).stdout
    address, password = line.rstrip("\n").split("\t")
    if address != "gen2@home.lan" or not lab.logs_on(address, password):
        raise Failed(f"printed was {line!r}")


@test
def without_its_mailbox_the_account_is_taken_back(lab):
    before = Path("/etc/passwd").read_text(), members()
    lab.stop_helper()
    try:
        wants(lab.run("add", "carol@home.lan", "--create-user", "--password-stdin", stdin="x1y2z3\n"), 1, "local")
    finally:
        lab.start_helper()
    if (Path("/etc/passwd").read_text(), members()) != before or shadow("carol"):
        raise Failed(f"carol stayed: {account('carol')} {members()}")
    wants(lab.run("list", "home.lan"), 0)
    wants(lab.run("stat", "carol@home.lan"), 3)


@test
def what_was_there_is_only_put_in_the_group(lab):
    system("useradd", "--create-home", "--home-dir", "/tmp/dave-home", "--shell", "/bin/bash", "dave")
    system("chpasswd", stdin="dave:own password\n")
    before = account("dave"), shadow("dave")
    wants(lab.run("add", "dave@home.lan", "--create-user", "--password-stdin", stdin="another\n"), 5, "keeps its password")
    if "dave" in members():
        raise Failed("dave was put in the group all the same")
    wants(lab.run("add", "dave@home.lan", "--create-user"), 0)
    if (account("dave"), shadow("dave")) != before or "dave" not in members():
        raise Failed(f"{account('dave')} {members()}")
    if not lab.logs_on("dave@home.lan", "own password"):
        raise Failed("dave does not log on")
    wants(lab.run("del", "dave@home.lan", "--delete-user"), 5, "has a login shell")
    wants(lab.run("stat", "dave@home.lan"), 0)
    wants(lab.run("del", "dave@home.lan"), 0)
    if account("dave") != before[0]:
        raise Failed("dave is gone")


@test
def the_system_s_own_and_odd_names_are_refused_s_209_s_326(lab):
    before = Path("/etc/passwd").read_text(), members()
    for name in ("root", "daemon", "mail", "nobody"):
        wants(lab.run("add", f"{name}@home.lan", "--create-user"), 5, "the system's own")
    for name in ("a.b", "9a", "x" * 33, "a+b"):
        wants(lab.run("add", f"{name}@home.lan", "--create-user"), 2, "can't be the name of an account")
    for name in ("-f", "--help", "a;b", "a b", "../x", ""):
        wants(lab.run("add", "odd@home.lan", "--create-user", f"--account={name}"), 2)
    wants(lab.run("add", "new.lan", "--create-user"), 2, "a domain has no account")
    wants(lab.run("add", "x@nowhere.lan", "--create-user"), 3, "there is no domain nowhere.lan")
    if (Path("/etc/passwd").read_text(), members()) != before:
        raise Failed("an account came of it")


@test
def only_root_makes_and_removes(lab):
    lab.house.folder.chmod(0o700)
    done = lab.run("add", "eve@home.lan", "--create-user", within=("setpriv", "--reuid=61001", "--regid=61001", "--clear-groups"))
    wants(done, 5, "run this as root")


@test
def an_account_goes_with_its_mailbox_if_it_is_for_mail_alone(lab):
    wants(lab.run("add", "frank@home.lan", "--create-user", "--account", "fmiller"), 0)
    if account("frank") or not account("fmiller"):
        raise Failed("the account has not the name that was given")
    told = json.loads(wants(lab.run("del", "frank@home.lan", "--delete-user", "--json"), 0).stdout)
    if account("fmiller") or shadow("fmiller") or "fmiller" in members() or told["account"] != "fmiller":
        raise Failed(f"it is still there: {account('fmiller')} {told}")
    wants(lab.run("stat", "frank@home.lan"), 0)  # It can be brought back.
    wants(lab.run("del", "home.lan", "--delete-user", "--yes"), 2, "goes with one mailbox")
    wants(lab.run("del", "nobody-here@home.lan", "--delete-user"), 3)


# ---------------------------------------------------------------- whose it is

@test
def an_account_that_is_another_one_now_is_kept_out_until_it_is_bound_s_220(lab):
    wants(lab.run("add", "gina@home.lan", "--create-user", "--password-stdin", stdin="first\n"), 0)
    before = int(account("gina")[2])
    system("userdel", "gina")
    system("useradd", "--uid", str(before + 500), "--groups", GROUP, "--shell", "/usr/sbin/nologin", "gina")
    system("chpasswd", stdin="gina:second\n")
    if lab.logs_on("gina@home.lan", "second"):
        raise Failed("another account reads gina's mail")
    row = json.loads(wants(lab.run("account", "gina@home.lan", "--json"), 0).stdout)
    wanted = f"(uid {before + 500}, was uid {before}): \"poppet account gina@home.lan gina\" takes it"
    if row["state"] != "another" or wanted not in row["note"] or row["identity"] != f"uid {before}":
        raise Failed(f"told was {row}")
    wants(lab.run("del", "gina@home.lan", "--delete-user"), 5, "is not gina@home.lan's any more")
    wants(lab.run("account", "gina@home.lan", "gina"), 0)
    row = json.loads(wants(lab.run("account", "gina@home.lan", "--json"), 0).stdout)
    if (row["state"], row["identity"]) != ("fits", f"uid {before + 500}") or not lab.logs_on("gina@home.lan", "second"):
        raise Failed(f"it is not bound: {row}")


@test
def two_mailboxes_never_have_one_account_s_206(lab):
    wants(lab.run("add", "holly@home.lan", "--create-user"), 0)
    wants(lab.run("add", "ivy@home.lan", "--account", "holly"), 5, "the account of holly@home.lan")
    wants(lab.run("add", "ivy@home.lan", "--create-user"), 0)
    wants(lab.run("account", "ivy@home.lan", "holly"), 5, "the account of holly@home.lan")
    wants(lab.run("account", "ivy@home.lan", "nobody-here"), 5, "nobody-here")
    wants(lab.run("account", "ivy@home.lan", "ivy", "--none"), 2, "not both")
    wants(lab.run("account", "ivy@home.lan", "--none"), 0)
    wants(lab.run("account", "holly@home.lan", "ivy"), 5, "the account of ivy@home.lan")
    wants(lab.run("passwd", "--own", "ivy@home.lan", "--password-stdin", stdin="a\nb\n"), 5, "passwd(1)")


# ---------------------------------------------------------------- elsewhere

@test
def without_tools_it_is_said_what_to_do(lab):
    empty = lab.house.folder.parent / "nothing"
    empty.mkdir()
    within = ("unshare", "--mount", "sh", "-c", f"mount --bind {empty} /usr/sbin && exec \"$@\"", "sh")
    done = lab.run("add", "kim@home.lan", "--create-user", "--password-stdin", stdin="x\n", within=within)
    wants(done, 1, "make the account yourself")


@test
def where_users_are_known_by_file_no_account_is_made(lab):
    wants(lab.run("auth", "file", "--migrate", "--learn"), 0)
    wants(lab.run("add", "leo@home.lan", "--create-user"), 5, "users are known by file")
    wants(lab.run("add", "leo@home.lan", "--account", "bob"), 5, "--account")
    wants(lab.run("account", "bob@home.lan", "bob"), 0, "it counts once")
    if account("leo"):
        raise Failed("it was made all the same")


def main():
    binary, *wanted = sys.argv[1:]
    if wanted[:1] != [INSIDE]:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, __file__, binary, INSIDE, *wanted])
    wanted, failed = wanted[1:], 0
    try:
        with tempfile.TemporaryDirectory(prefix="poppet-accounts-") as folder:
            folder = Path(folder)
            data, etc = folder / "data", folder / "etc"
            data.mkdir()
            system("cp", "--archive", "/etc", str(etc))
            # A copy of its own for every file that the tools write, and no trace of it elsewhere.
            system("mount", "--bind", str(etc), "/etc")
            for place in ("/var/log", "/var/mail"):
                system("mount", "-t", "tmpfs", "none", place)
            house = House(binary, data, ("pop3",))
            lab = Lab(house, folder)
            try:
                house.poppet("setup", "gone.lan", "alice", "--no-start", "--password-stdin", stdin="wonderland\n")
                house.poppet("del", "gone.lan", "--yes")
                for key, value in (("plaintext", "always"), ("local_socket", str(lab.socket))):
                    house.poppet("set", key, value)
                lab.start_helper()
                house.poppet("auth", "local", "--force")
                house.poppet("add", "home.lan")
                house.start()
                for name, run in TESTS:
                    if not wanted or any(word in name for word in wanted):
                        failed += not passes(name, run, lab)
                house.stop()
            finally:
                house.kill()
                lab.stop_helper()
                system("umount", "/etc")
    except Failed as why:
        print(f"FAILED the server: {why}")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
