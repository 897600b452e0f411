#!/usr/bin/env python3
"""Real mail clients against the real binary: what they send comes back octet for octet.

  run.py BINARY [NAME...]     all tests, or those whose name contains a NAME

One line a test, `ok NAME` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import os
import poplib
import random
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from corpus import completed, corpus
from house import ADDRESS, Failed, House, PASSWORD, passes

poplib._MAXLINE = 1 << 20           # Its own limit of 2,048 octets is lower than what mail has.
TRACE = re.compile(rb"\AReturn-Path: <[^\r\n]*>\r\nDelivered-To: [^\r\n]+\r\nReceived: [^\r\n]+(\r\n[ \t][^\r\n]*)*\r\n\Z")
MODES = ("plain", "starttls", "tls")
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def for_modes(function):
    for mode in MODES:
        TESTS.append((f"{function.__name__.replace('_', ' ')}, {mode}", lambda lab, mode=mode: function(lab, mode)))
    return function


class Lab:
    """The server with the corpus in alice's mailbox, and what the clients need to know."""

    def __init__(self, house, seed):
        self.house = house
        self.corpus = {name: completed(message) for name, message in corpus(seed).items()}
        self.order = list(self.corpus)
        self.trust = ssl.create_default_context(cafile=house.authority)
        self.scratch = house.folder / "scratch"
        self.scratch.mkdir()
        self.boxes = 0

    def port(self, protocol, mode):
        return self.house.ports[protocol + "s" if mode == "tls" else protocol]

    def fresh_box(self):
        """A new mailbox of its own for a test that changes one."""
        self.boxes += 1
        address = f"box{self.boxes}@home.lan"
        self.house.add(address)
        return address

    def deliver(self, address, *messages):
        with smtplib.SMTP("127.0.0.1", self.house.ports["smtp"], timeout=60) as smtp:
            for message in messages:
                smtp.sendmail("sender@client.test", [address], message, ["BODY=8BITMIME"])

    def pop3(self, address, mode="plain"):
        if mode == "tls":
            pop3 = poplib.POP3_SSL("localhost", self.port("pop3", mode), timeout=60, context=self.trust)
        else:
            pop3 = poplib.POP3("localhost", self.port("pop3", mode), timeout=60)
        if mode == "starttls":
            pop3.stls(self.trust)
        pop3.user(address)
        pop3.pass_(PASSWORD)
        return pop3

    def only_message(self, address):
        pop3 = self.pop3(address)
        count = pop3.stat()[0]
        if count != 1:
            raise Failed(f"{count} messages, 1 expected")
        message = retrieved(pop3, 1)
        pop3.quit()
        return message

    def check(self, name, message, line_end=b"\r\n"):
        """Our trace fields on top, then the octets as they were sent."""
        expected = self.corpus[name]
        if line_end == b"\n":
            expected = expected.replace(b"\r\n", b"\n")
        if not message.endswith(expected):
            raise Failed(f"{name}: {difference(message, expected)}")
        top = message[:len(message) - len(expected)]
        if not TRACE.match(top.replace(b"\n", b"\r\n") if line_end == b"\n" else top):
            raise Failed(f"{name}: what stands on top is not our trace: {top[:500]!r}")

    def run(self, *command, stdin=None, codes=(0,), env=None):
        done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, timeout=300,
                              env={**os.environ, "LC_ALL": "C", **(env or {})})
        if done.returncode not in codes:
            said = (done.stderr + done.stdout[-300:]).decode(errors="replace").strip()
            raise Failed(f"{command[0]} exit {done.returncode}: {said[-600:]}")
        return done.stdout


def difference(message, expected):
    tail = message[max(0, len(message) - len(expected)):]
    at = next((at for at, (left, right) in enumerate(zip(tail, expected)) if left != right), min(len(tail), len(expected)))
    return (f"{len(message)} octets do not end with the {len(expected)} that were sent; first other octet at {at}: "
            f"{tail[at:at + 40]!r} for {expected[at:at + 40]!r}")


def retrieved(pop3, number):
    return b"".join(line + b"\r\n" for line in pop3.retr(number)[1])


# ---------------------------------------------------------------- fetching

@for_modes
def poplib_fetches_the_corpus(lab, mode):
    pop3 = lab.pop3(ADDRESS, mode)
    for number, name in enumerate(lab.order, 1):
        lab.check(name, retrieved(pop3, number))
    pop3.quit()


@for_modes
def curl_fetches_the_corpus(lab, mode):
    scheme, security = ("pop3s", []) if mode == "tls" else ("pop3", ["--ssl-reqd"] if mode == "starttls" else [])
    for number, name in enumerate(lab.order, 1):
        url = f"{scheme}://localhost:{lab.port('pop3', mode)}/{number}"
        lab.check(name, lab.run("curl", "-sS", *security, "--cacert", lab.house.authority, "--user",
                                f"{ADDRESS}:{PASSWORD}", url))


@for_modes
def mpop_fetches_the_corpus(lab, mode):
    """mpop writes Maildir, where lines end with LF."""
    folder = lab.scratch / f"mpop-{mode}"
    mail = folder / "mail"
    for part in ("cur", "new", "tmp"):
        (mail / part).mkdir(parents=True)
    tls = {"plain": "tls off", "starttls": "tls on\ntls_starttls on", "tls": "tls on\ntls_starttls off"}[mode]
    trust = "" if mode == "plain" else f"tls_trust_file {lab.house.authority}\n"
    write_private(folder / "mpoprc", f"account lab\nhost localhost\nport {lab.port('pop3', mode)}\n{tls}\n{trust}"
                  f"user {ADDRESS}\npassword {PASSWORD}\nauth plain\nkeep on\nreceived_header off\n"
                  f"delivery maildir {mail}\nuidls_file {folder}/uidls\n")
    lab.run("mpop", "-q", "-C", folder / "mpoprc", "lab", env={"HOME": str(folder)})
    match_all(lab, [path.read_bytes() for path in (mail / "new").iterdir()], b"\n")


@for_modes
def fetchmail_fetches_the_corpus(lab, mode):
    """fetchmail ends lines with LF for its delivery agent; `invisible` keeps it from adding to the header."""
    folder = lab.scratch / f"fetchmail-{mode}"
    (folder / "mail").mkdir(parents=True)
    agent = folder / "agent"
    agent.write_text(f"#!/bin/sh\nexec cat > \"$(mktemp {folder}/mail/XXXXXXXX)\"\n")
    agent.chmod(0o755)
    tls = {"plain": "sslproto ''", "starttls": "sslproto TLS1.2+", "tls": "ssl"}[mode]
    trust = "" if mode == "plain" else f" sslcertck sslcertfile {lab.house.authority}"
    write_private(folder / "rc", f"set invisible\npoll localhost protocol pop3 port {lab.port('pop3', mode)}\n"
                  f" auth password user '{ADDRESS}' password '{PASSWORD}' is 'nobody' here {tls}{trust}\n"
                  f" keep fetchall no rewrite pass8bits no stripcr no mimedecode mda '{agent}'\n")
    lab.run("fetchmail", "-f", folder / "rc", "--nosyslog", "--nodetach", "--pidfile", folder / "pid",
            env={"HOME": str(folder), "FETCHMAILHOME": str(folder)})
    match_all(lab, [path.read_bytes().replace(b"\r\n", b"\n") for path in (folder / "mail").iterdir()], b"\n", fetchmails)


def fetchmails(message, expected):
    """fetchmail ends a header that has no end itself, and nothing else may differ."""
    return message if message.endswith(expected) else message.removesuffix(b"\n")


def match_all(lab, messages, line_end, allowed=lambda message, expected: message):
    """Files come in no order: each message is told by its Message-ID."""
    if len(messages) != len(lab.order):
        raise Failed(f"{len(messages)} messages, {len(lab.order)} expected")
    for name in lab.order:
        mark = b"Message-ID: <%s@" % name.replace(" ", "-").encode()
        found = [message for message in messages if mark in message]
        if len(found) != 1:
            raise Failed(f"{name}: {len(found)} such messages")
        lab.check(name, allowed(found[0], lab.corpus[name].replace(b"\r\n", line_end)), line_end)


@test
def listed_sizes_are_the_octets_of_RETR(lab):
    """On the bare socket: the octets behind the status line, with the stuffed dots taken off."""
    with socket.create_connection(("127.0.0.1", lab.house.ports["pop3"]), 60) as link, link.makefile("rwb") as pop3:
        def ask(line):
            pop3.write(line.encode() + b"\r\n")
            pop3.flush()
            return pop3.readline()

        def lines():
            for line in iter(pop3.readline, b".\r\n"):
                if not line.endswith(b"\r\n"):
                    raise Failed(f"a line without CRLF: {line[:80]!r}")
                yield line[1:] if line.startswith(b".") else line

        pop3.readline()
        ask(f"USER {ADDRESS}")
        ask(f"PASS {PASSWORD}")
        ask("LIST")
        listed = [int(line.split()[1]) for line in lines()]
        total = int(ask("STAT").split()[2])
        for number, octets in enumerate(listed, 1):
            single = int(ask(f"LIST {number}").split()[2])
            ask(f"RETR {number}")
            sent = sum(len(line) for line in lines())
            if not octets == single == sent:
                raise Failed(f"message {number}: LIST {octets}, LIST {number} {single}, RETR {sent}")
        if total != sum(listed):
            raise Failed(f"STAT {total}, LIST in all {sum(listed)}")


@test
def uidls_are_the_same_in_every_session_and_after_a_restart(lab):
    def uidls():
        pop3 = lab.pop3(ADDRESS)
        lines = pop3.uidl()[1]
        pop3.quit()
        return lines

    before = uidls()
    if len({line.split()[1] for line in before}) != len(lab.order):
        raise Failed(f"not every message has a UIDL of its own: {before}")
    if uidls() != before:
        raise Failed("the next session shows others")
    lab.house.stop()
    lab.house.start()
    if uidls() != before:
        raise Failed("after a restart there are others")


@test
def mpop_deletes_what_it_fetched(lab):
    address, folder = lab.fresh_box(), lab.scratch / "mpop-delete"
    lab.deliver(address, lab.corpus["text"], lab.corpus["html"])
    folder.mkdir()
    write_private(folder / "mpoprc", f"account lab\nhost localhost\nport {lab.port('pop3', 'plain')}\ntls off\n"
                  f"user {address}\npassword {PASSWORD}\nauth user\nkeep off\ndelivery mbox {folder}/mbox\n"
                  f"uidls_file {folder}/uidls\n")
    lab.run("mpop", "-q", "-C", folder / "mpoprc", "lab", env={"HOME": str(folder)})
    pop3 = lab.pop3(address)
    if pop3.stat() != (0, 0):
        raise Failed(f"left: {pop3.stat()}")
    pop3.quit()


# ---------------------------------------------------------------- sending

def submission(lab, mode):
    if mode == "tls":
        return smtplib.SMTP_SSL("localhost", lab.port("submission", mode), timeout=60, context=lab.trust)
    smtp = smtplib.SMTP("localhost", lab.port("submission", mode), timeout=60)
    if mode == "starttls":
        smtp.starttls(context=lab.trust)
    return smtp


@for_modes
def smtplib_submits(lab, mode):
    address = lab.fresh_box()
    with submission(lab, mode) as smtp:
        smtp.login(ADDRESS, PASSWORD)
        smtp.sendmail(ADDRESS, [address], lab.corpus["dot lines"])
    lab.check("dot lines", lab.only_message(address))


@for_modes
def smtplib_logs_on_with_each_mechanism(lab, mode):
    for mechanism in ("PLAIN", "LOGIN"):
        for initial in (True, False):
            with submission(lab, mode) as smtp:
                smtp.ehlo()
                smtp.user, smtp.password = ADDRESS, PASSWORD
                log_on = getattr(smtp, f"auth_{mechanism.lower()}")
                code, text = smtp.auth(mechanism, log_on, initial_response_ok=initial)
                if code != 235:
                    raise Failed(f"{mechanism}: {code} {text!r}")


@for_modes
def curl_submits(lab, mode):
    address, file = lab.fresh_box(), lab.scratch / f"curl-{mode}.eml"
    file.write_bytes(lab.corpus["8-bit"])
    scheme, security = ("smtps", []) if mode == "tls" else ("smtp", ["--ssl-reqd"] if mode == "starttls" else [])
    lab.run("curl", "-sS", *security, "--cacert", lab.house.authority, "--user", f"{ADDRESS}:{PASSWORD}",
            "--mail-from", ADDRESS, "--mail-rcpt", address, "--upload-file", file,
            f"{scheme}://localhost:{lab.port('submission', mode)}/client.test")
    lab.check("8-bit", lab.only_message(address))


@for_modes
def swaks_submits(lab, mode):
    address, file = lab.fresh_box(), lab.scratch / f"swaks-{mode}.eml"
    file.write_bytes(lab.corpus["dot lines"])
    security = {"plain": [], "starttls": ["--tls"], "tls": ["--tls-on-connect"]}[mode]
    verify = [] if mode == "plain" else ["--tls-verify", "--tls-ca-path", lab.house.authority]
    for mechanism in ("PLAIN", "LOGIN"):
        lab.run("swaks", "--server", "localhost", "--port", lab.port("submission", mode), *security, *verify,
                "--auth", mechanism, "--auth-user", ADDRESS, "--auth-password", PASSWORD, "--from", ADDRESS,
                "--to", address, "--quit-after", "RCPT", "--helo", "client.test")
    lab.run("swaks", "--server", "localhost", "--port", lab.port("submission", mode), *security, *verify,
            "--auth", "PLAIN", "--auth-user", ADDRESS, "--auth-password", PASSWORD, "--from", ADDRESS,
            "--to", address, "--helo", "client.test", "--data", lab.corpus["text"].decode().removesuffix("\r\n"))
    lab.check("text", lab.only_message(address))


@test
def swaks_delivers_to_the_open_port_with_and_without_STARTTLS(lab):
    address = lab.fresh_box()
    for security in ([], ["--tls"]):
        lab.run("swaks", "--server", "localhost", "--port", lab.house.ports["smtp"], *security, "--from",
                "sender@client.test", "--to", address, "--helo", "client.test", "--pipeline")
    pop3 = lab.pop3(address)
    if pop3.stat()[0] != 2:
        raise Failed(f"{pop3.stat()[0]} messages, 2 expected")
    pop3.quit()


@test
def curl_delivers_the_attachment_to_the_open_port(lab):
    address, file = lab.fresh_box(), lab.scratch / "attachment.eml"
    file.write_bytes(lab.corpus["attachment"])
    lab.run("curl", "-sS", "--mail-from", "sender@client.test", "--mail-rcpt", address, "--upload-file", file,
            f"smtp://localhost:{lab.house.ports['smtp']}/client.test")
    lab.check("attachment", lab.only_message(address))


@test
def a_certificate_of_another_authority_is_not_trusted(lab):
    """The control: verification in these tests can fail."""
    try:
        poplib.POP3_SSL("localhost", lab.house.ports["pop3s"], timeout=60, context=ssl.create_default_context())
    except ssl.SSLCertVerificationError:
        return
    raise Failed("the handshake went well without our authority")


@test
def openssl_sees_a_chain_that_verifies(lab):
    for port, extra in (("pop3", ["-starttls", "pop3"]), ("pop3s", []), ("smtp", ["-starttls", "smtp"]), ("submissions", [])):
        lab.run("openssl", "s_client", "-connect", f"localhost:{lab.house.ports[port]}", *extra, "-CAfile",
                       lab.house.authority, "-verify_hostname", "localhost", "-verify_return_error", "-brief", stdin=b"QUIT\r\n")


def write_private(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)


def main():
    binary, *wanted = sys.argv[1:]
    missing = [tool for tool in ("curl", "swaks", "mpop", "fetchmail", "openssl") if not shutil.which(tool)]
    if missing:
        print(f"FAILED: not installed: {' '.join(missing)}")
        return 1
    seed = int(os.environ.get("SEED") or random.randrange(1 << 32))
    print(f"seed {seed}")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="poppet-clients-") as folder:
        house = House(binary, folder)
        try:
            house.set_up()
            house.start()
            lab = Lab(house, seed)
            lab.deliver(ADDRESS, *lab.corpus.values())
            for name, run in TESTS:
                if not wanted or any(word in name for word in wanted):
                    failed += not passes(name, run, lab)
            house.stop()
        except (Failed, OSError, subprocess.SubprocessError) as why:
            failed += 1
            print(f"FAILED the server: {why}")
        finally:
            house.kill()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
