#!/usr/bin/env python3
"""Certificates that look after themselves, and what makes clients trust (T1, T3, T5), with the real binary.

  trust.py BINARY [NAME...]     all tests, or those whose name contains a NAME

openssl plays the authority and looks at what is shown; Python's plistlib reads profiles, zbarimg codes.
"""

import json
import os
import plistlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from certificates import Authority, openssl
from house import ADDRESS, PASSWORD, Failed, House
from run import passes

NAME = "mail.company.example"
SERVER = f"subjectAltName = DNS:{NAME}\nextendedKeyUsage = serverAuth\n"
# One address may have 50 connections.
SESSIONS = 45
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Live:
    """A folder as certbot leaves it: links into an archive, one after the other set anew."""

    def __init__(self, house, name):
        self.folder = house.folder / name
        self.archive = self.folder / "archive"
        self.archive.mkdir(parents=True)
        self.authority, self.made = Authority(house.folder / f"{name}-ca", name), 0

    def renew(self, whole=True):
        """Returns the new certificate's file; a renewal that is not whole leaves the old key."""
        pem, key = self.authority.sign(NAME, SERVER)
        self.made += 1
        for source, name, mode in ((pem, "fullchain", 0o644), (key, "privkey", 0o600)):
            path = self.archive / f"{name}{self.made}.pem"
            text = source.read_text() + (self.authority.pem.read_text() if name == "fullchain" else "")
            path.write_text(text)
            path.chmod(mode)
            if whole or name == "fullchain":
                self.link(name)
        return pem

    def link(self, name):
        new = self.folder / "new"
        new.symlink_to(self.archive / f"{name}{self.made}.pem")
        new.rename(self.path(name))

    def path(self, name):
        return self.folder / f"{name}.pem"


def shown(house, name=NAME):
    """The SHA-256 fingerprint of what a client is shown who asks for that name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", house.ports["pop3s"]), 30) as plain:
        with context.wrap_socket(plain, server_hostname=name) as inside:
            return fingerprint(ssl.DER_cert_to_PEM_cert(inside.getpeercert(True)))


def fingerprint(pem):
    done = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=pem, capture_output=True, text=True)
    return done.stdout.split("=")[1].strip()


def wait_until(what, is_so, seconds=30):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} seconds: {what}")
        time.sleep(0.05)


def hang_up(house):
    house.server.send_signal(signal.SIGHUP)


@test
def what_certbot_renews_is_shown_and_no_session_is_lost(house):
    live = Live(house, "live")
    first = live.renew()
    house.poppet("cert", "watch", str(live.path("fullchain")), str(live.path("privkey")))
    if shown(house) != fingerprint(first.read_text()):
        raise Failed("it is not shown at once")
    context = ssl.create_default_context(cafile=live.authority.pem)
    sessions = []
    for _ in range(SESSIONS):
        plain = socket.create_connection(("127.0.0.1", house.ports["pop3s"]), 30)
        inside = context.wrap_socket(plain, server_hostname=NAME)
        sessions.append((inside, inside.makefile("rb")))
    for inside, lines in sessions:
        lines.readline()
    for _ in range(3):
        renewed = fingerprint(live.renew().read_text())
        hang_up(house)
        wait_until("the renewed one is shown", lambda: shown(house) == renewed)
    lost = 0
    for inside, lines in sessions:
        inside.sendall(b"QUIT\r\n")
        lost += not lines.readline().startswith(b"+OK")
        inside.close()
    if lost:
        raise Failed(f"{lost} of {SESSIONS} sessions are lost")
    return f"{SESSIONS} sessions stood three renewals"


@test
def half_a_renewal_leaves_the_old_one_and_is_told(house):
    live = Live(house, "half")
    first = fingerprint(live.renew().read_text())
    house.poppet("cert", "watch", str(live.path("fullchain")), str(live.path("privkey")), "--as", "half")
    second = live.renew(whole=False)
    for _ in range(2):
        hang_up(house)
        time.sleep(0.5)
    row = next(row for row in json.loads(house.poppet("cert", "list", "--json")) if row["name"] == "half")
    if row["state"] != "trouble" or not row["trouble"] or "half stays as it was" not in house.log():
        raise Failed(f"nobody is told of it: {row}")
    if house.log().count("half stays as it was") != 1:
        raise Failed("it is told more than once")
    names = json.loads(house.poppet("cert", "list", "--json"))
    if not any(row["name"] == "half" and row["fingerprint"].upper() == first.replace(":", "") for row in names):
        raise Failed("the old one did not stay")
    live.link("privkey")
    hang_up(house)
    renewed = fingerprint(second.read_text()).replace(":", "").lower()
    wait_until("the whole one is taken", lambda: renewed in house.poppet("cert", "list"))
    house.poppet("cert", "unwatch", "half")


@test
def another_user_s_server_says_what_it_can_not_read(house):
    if os.geteuid() != 0:
        return "left out: only root can be another user"
    # The command line opens the database itself here, as the user to whom the folder belongs in the end.
    with tempfile.TemporaryDirectory(prefix="poppet-trust-") as folder:
        os.chmod(folder, 0o755)
        own = House(house.binary, folder, within=("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"))
        os.chown(folder, 12345, 12345)
        own.set_up()
        live = Live(own, "live")
        live.renew()
        own.start()
        try:
            told = json.loads(own.poppet("cert", "watch", str(live.path("fullchain")), str(live.path("privkey")), "--as",
                                         "denied", "--json"))
            if "user 12345" not in told["trouble"]:
                raise Failed(f"no word of the user: {told}")
            wait_until("the log tells it", lambda: "certificate denied yet: " in own.log() and "user 12345" in own.log())
            for file in live.archive.iterdir():
                os.chown(file, 0, 12345)
                file.chmod(0o640)
            hang_up(own)
            wait_until("it is taken", lambda: '"good"' in own.poppet("cert", "list", "--json")
                       and "trouble\": null" in own.poppet("cert", "list", "--json").split("denied")[1])
        finally:
            own.stop()


@test
def files_in_a_folder_of_their_own_are_open_after_a_restart(house):
    """Where the kernel has Landlock, the server may read no other folders than those it knew at its start."""
    with tempfile.TemporaryDirectory(prefix="poppet-elsewhere-") as folder:
        live = Live(house, "elsewhere")
        elsewhere = Path(folder) / "live"
        live.folder = live.folder.rename(elsewhere)
        live.archive = elsewhere / "archive"
        first = fingerprint(live.renew().read_text())
        told = json.loads(house.poppet("cert", "watch", str(live.path("fullchain")), str(live.path("privkey")), "--json"))
        if told["trouble"] and not any("restart the server" in note for note in told["notes"]):
            raise Failed(f"no remedy: {told}")
        house.stop()
        house.start()

        def is_taken(print_):
            rows = json.loads(house.poppet("cert", "list", "--json"))
            return any(row["name"] == told["name"] and row["fingerprint"] == print_.replace(":", "").lower() for row in rows)

        wait_until("it is read", lambda: is_taken(first))
        second = fingerprint(live.renew().read_text())
        hang_up(house)
        wait_until("it is followed", lambda: is_taken(second))
        house.poppet("cert", "unwatch", told["name"])
        return "the kernel has no Landlock" if not told["trouble"] else "it was shut before"


@test
def a_key_that_everybody_can_read_is_refused_with_the_line_that_mends_it(house):
    live = Live(house, "open")
    live.renew()
    (live.archive / "privkey1.pem").chmod(0o644)
    words = ("cert", "watch", str(live.path("fullchain")), str(live.path("privkey")), "--as", "open")
    try:
        house.poppet(*words)
    except Failed as why:
        remedy = re.search(r'"(chmod [^"]*)"', str(why))
        if not remedy:
            raise Failed(f"no remedy in {why}") from None
        subprocess.run(remedy.group(1).split(), check=True)
        house.poppet(*words)
        return remedy.group(1).split()[0]
    raise Failed("it was taken")


@test
def a_profile_is_a_property_list_with_the_keys_that_apple_publishes(house):
    path = house.folder / "alice.mobileconfig"
    house.poppet("cert", "show", "--mobileconfig", "--for", ADDRESS, "--host", "192.0.2.5", "--out", str(path))
    profile = plistlib.loads(path.read_bytes())
    again = plistlib.loads(house.poppet("cert", "show", "--mobileconfig", "--for", ADDRESS, "--host", "192.0.2.5").encode())
    if again != profile:
        raise Failed("it is another one each time")
    root, account = profile["PayloadContent"]
    for part, kind in ((profile, "Configuration"), (root, "com.apple.security.root"), (account, "com.apple.mail.managed")):
        for key in ("PayloadIdentifier", "PayloadUUID", "PayloadDisplayName"):
            if not part[key]:
                raise Failed(f"{kind} has no {key}")
        if (part["PayloadType"], part["PayloadVersion"]) != (kind, 1):
            raise Failed(f"{part['PayloadType']} is no {kind}")
    if ssl.DER_cert_to_PEM_cert(root["PayloadContent"]).split() != Path(house.authority).read_text().split():
        raise Failed("its authority is another one")
    ports = (account["IncomingMailServerPortNumber"], account["OutgoingMailServerPortNumber"])
    if ports != (house.ports["pop3s"], house.ports["submissions"]):
        raise Failed(f"its ports are {ports}")
    wanted = {"EmailAccountType": "EmailTypePOP", "EmailAddress": ADDRESS, "IncomingMailServerHostName": "192.0.2.5",
              "OutgoingMailServerHostName": "192.0.2.5", "IncomingMailServerUsername": ADDRESS,
              "OutgoingMailServerUsername": ADDRESS, "IncomingMailServerUseSSL": True, "OutgoingMailServerUseSSL": True,
              "IncomingMailServerAuthentication": "EmailAuthPassword"}
    for key, value in wanted.items():
        if account[key] != value:
            raise Failed(f"{key} is {account[key]!r}")
    if PASSWORD in path.read_text() or any("Password" in key for key in account if not key.endswith("SameAsIncomingPassword")):
        raise Failed("it has a password")
    bare = plistlib.loads(house.poppet("cert", "show", "--mobileconfig").encode())
    if [part["PayloadType"] for part in bare["PayloadContent"]] != ["com.apple.security.root"]:
        raise Failed("without an account it has more than the authority")


@test
def codes_are_read_back_by_another_program(house):
    text = scanned(house, house.poppet("cert", "show", "--qr"))
    authority = fingerprint(Path(house.authority).read_text())
    if text != f"poppet authority of home.lan\nSHA-256 {authority}":
        raise Failed(f"the authority's code says {text!r}")
    account = json.loads(scanned(house, house.poppet("cert", "show", "--qr", "--for", ADDRESS, "--host", "mail.home.lan")))
    server = ["mail.home.lan", house.ports["pop3s"], 3, 1, ADDRESS]
    sending = [0, "mail.home.lan", house.ports["submissions"], 3, 1, ADDRESS]
    if account != [1, [1, 1], [1, *server], [[sending, [ADDRESS, "alice"]]]]:
        raise Failed(f"the account's code says {account}")
    # On a terminal it is black on white, whatever the colours there.
    words = f"'{house.binary}' --db '{house.database}' cert show --qr"
    for columns, lines, fits in ((200, 60, True), (30, 60, False), (200, 10, False)):
        done = subprocess.run(["script", "-qec", f"stty cols {columns} rows {lines}; {words}", "/dev/null"],
                              capture_output=True, text=True, timeout=60)
        drawn = re.findall("\x1b\\[0;30;107m(.*?)\x1b\\[0m", done.stdout)
        if fits and scanned(house, "\n".join(drawn)) != text:
            raise Failed("the terminal's code says something else")
        if not fits and (drawn or f"this terminal has {columns} and {lines}" not in done.stdout):
            raise Failed(f"{columns} columns and {lines} lines: {done.stdout[-300:]!r}")


def scanned(house, drawing):
    """Draws half blocks as a picture, as a camera sees it, and has it read."""
    rows = []
    for line in drawing.splitlines():
        rows += [[letter in "█▀" for letter in line], [letter in "█▄" for letter in line]]
    scale, width = 6, len(rows[0])
    pixels = bytearray()
    for row in rows:
        pixels += b"".join((b"\0" if dark else b"\xff") * scale for dark in row) * scale
    path = house.folder / "code.pgm"
    path.write_bytes(b"P5 %d %d 255\n" % (width * scale, len(rows) * scale) + bytes(pixels))
    done = subprocess.run(["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(path)], capture_output=True,
                          text=True, timeout=60)
    if done.returncode:
        raise Failed(f"no code is found: {done.stderr.strip()}")
    return done.stdout.removesuffix("\n")


@test
def poppets_own_is_made_anew_by_command_and_for_a_new_domain(house):
    before = shown(house, "mail.home.lan")
    house.poppet("cert", "renew")
    if shown(house, "mail.home.lan") == before:
        raise Failed("it is the same")
    house.poppet("add", "garden.lan")
    context = ssl.create_default_context(cafile=house.authority)

    def holds():
        try:
            with socket.create_connection(("127.0.0.1", house.ports["pop3s"]), 30) as plain:
                context.wrap_socket(plain, server_hostname="mail.garden.lan").close()
            return True
        except ssl.SSLCertVerificationError:
            return False

    wait_until("the new domain's name is in it", holds)


def main():
    binary, wanted = sys.argv[1], sys.argv[2:]
    chosen = [(name, run) for name, run in TESTS if not wanted or any(word in name for word in wanted)]
    with tempfile.TemporaryDirectory(prefix="poppet-trust-") as folder:
        os.chmod(folder, 0o755)
        house = House(binary, folder)
        house.set_up()
        house.start()
        try:
            failed = sum(not passes(name, run, house) for name, run in chosen)
        finally:
            house.stop()
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(failed > 0 or not chosen)


if __name__ == "__main__":
    main()
