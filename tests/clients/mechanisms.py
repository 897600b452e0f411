#!/usr/bin/env python3
"""Every logon mechanism with real clients against the real binary, each told to use that one and no other.

  mechanisms.py BINARY [NAME...]     all tests, or those whose name contains a NAME

A client's own trace must show the mechanism. What a client can't do stands in LEFT_OUT with the reason, and is printed.
"""

import base64
import hashlib
import hmac
import os
import poplib
import re
import select
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from corpus import mail
from house import PASSWORD, Failed, House
from run import passes, write_private

USER = "bob@home.lan"
MAIL = mail("the one", b"some text\r\n")
TESTS = []

LEFT_OUT = {
    "curl SCRAM-SHA-256": "Debian's curl is built without GNU SASL",
    "mpop SCRAM-SHA-256-PLUS": "mpop 1.4 knows no channel binding",
    "fetchmail SCRAM-SHA-256": "fetchmail 6.4 does not know it",
    "getmail CRAM-MD5, SCRAM-SHA-256, NTLM": "getmail knows USER, APOP and Kerberos only",
    "swaks SCRAM-SHA-256": "swaks does not know it",
    "poplib CRAM-MD5, SCRAM-SHA-256, NTLM": "poplib knows USER and APOP only",
    "mpop, fetchmail, swaks NTLM": "they know NTLMv1 only, and are tested to be refused",
    "NTLM in the clear": "it is offered inside TLS only",
}


def test(*variants):
    """One test, or one for each variant."""
    def add(function):
        name = function.__name__.replace("_", " ")
        for variant in variants:
            TESTS.append((f"{name}, {variant}", lambda lab, variant=variant: function(lab, variant)))
        if not variants:
            TESTS.append((name, function))
        return function
    return add


class Lab:
    """The server with one mail for bob, and the clients' folders."""

    def __init__(self, house):
        self.house, self.runs = house, 0
        self.trust = ssl.create_default_context(cafile=house.authority)

    def folder(self):
        self.runs += 1
        folder = self.house.folder / f"run{self.runs}"
        folder.mkdir()
        return folder

    def trace(self, *command, home=None, codes=(0,), stdin=b""):
        """All that a client says."""
        done = subprocess.run([str(word) for word in command], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=60, env={**os.environ, "LC_ALL": "C", **({"HOME": str(home)} if home else {})})
        if done.returncode not in codes:
            raise Failed(f"{command[0]} exit {done.returncode}: {done.stdout.decode(errors='replace')[-500:]}")
        return done.stdout


def agent_into(folder):
    """A program that puts the mail it is given into a file."""
    agent = folder / "agent"
    agent.write_text(f"#!/bin/sh\nexec cat > {folder}/mail\n")
    agent.chmod(0o755)
    return agent


def must_show(trace, pattern):
    if not re.search(pattern, trace, re.IGNORECASE):
        raise Failed(f"{pattern!r} is not in what it says: {trace.decode(errors='replace')[-500:]}")


def must_be_refused_for_NTLMv1(trace):
    """The third message holds a response of 24 octets, which is NTLMv1; a mechanism that is broken since long (S-187)."""
    messages = [base64.b64decode(word) for word in re.findall(rb"TlRMTVNTUAADAAAA[A-Za-z0-9+/=]+", trace)]
    if not messages or int.from_bytes(messages[0][20:22], "little") != 24:
        raise Failed(f"this is no NTLMv1, so it should log on: {trace.decode(errors='replace')[-500:]}")
    must_show(trace, rb"-ERR \[AUTH\]|535 5\.7\.8")


def must_be_the_mail(message, line_end=b"\r\n"):
    if not message.endswith(MAIL.replace(b"\r\n", line_end)):
        raise Failed(f"this is not the mail: {message[-300:]!r}")


# ---------------------------------------------------------------- POP3

@test("PLAIN", "LOGIN", "CRAM-MD5", "NTLM", "APOP", "its own choice in the clear", "its own choice inside TLS")
def curl_logs_on(lab, mechanism):
    option = {"APOP": "+APOP", "its own choice in the clear": "*", "its own choice inside TLS": "*"}.get(mechanism, mechanism)
    scheme = "pop3s" if mechanism == "NTLM" or mechanism.endswith("TLS") else "pop3"
    sent = {"APOP": rb"> APOP ", "*": rb"> (AUTH|APOP|USER) "}.get(option.lstrip("+"), b"> AUTH " + mechanism.encode())
    must_show(curls(lab, scheme, "--login-options", f"AUTH={option}"), sent)


@test()
def curl_sends_an_initial_response(lab):
    trace = curls(lab, "pop3", "--login-options", "AUTH=PLAIN", "--sasl-ir")
    must_show(trace, rb"> AUTH PLAIN [A-Za-z0-9+/]+")


def curls(lab, scheme, *options):
    """Fetches the mail; what curl says of it."""
    file = lab.folder() / "mail"
    trace = lab.trace("curl", "-sSv", "-o", file, "--cacert", lab.house.authority, "--user", f"{USER}:{PASSWORD}", *options,
                      f"{scheme}://localhost:{lab.house.ports[scheme]}/1")
    must_be_the_mail(file.read_bytes())
    return trace


@test("user", "plain", "login", "cram-md5", "scram-sha-256", "apop", "on")
def mpop_logs_on(lab, mechanism):
    folder, trace = mpop(lab, mechanism)
    sent = {"user": rb"--> USER ", "apop": rb"--> APOP ", "on": rb"--> (AUTH|USER|APOP)"}
    must_show(trace, sent.get(mechanism, b"--> AUTH " + mechanism.encode()))
    must_be_the_mail((folder / "mbox").read_bytes().removesuffix(b"\n"), b"\n")


@test()
def mpop_is_refused_with_NTLMv1(lab):
    must_be_refused_for_NTLMv1(mpop(lab, "ntlm", codes=(77,))[1])


def mpop(lab, mechanism, codes=(0,)):
    folder = lab.folder()
    # NTLM wants TLS, and by its own choice mpop takes nothing else in the clear.
    tls = mechanism in ("ntlm", "on")
    where = (f"port {lab.house.ports['pop3s']}\ntls on\ntls_starttls off\ntls_trust_file {lab.house.authority}\n" if tls
             else f"port {lab.house.ports['pop3']}\ntls off\n")
    write_private(folder / "mpoprc", f"account lab\nhost localhost\n{where}user {USER}\npassword {PASSWORD}\n"
                  f"auth {mechanism}\nkeep on\nreceived_header off\ndelivery mbox {folder}/mbox\nuidls_file {folder}/uidls\n")
    return folder, lab.trace("mpop", "--debug", "-C", folder / "mpoprc", "lab", home=folder, codes=codes)


@test("password", "apop", "cram-md5", "any")
def fetchmail_logs_on(lab, mechanism):
    folder, trace = fetchmail(lab, mechanism)
    sent = {"password": rb"> USER ", "apop": rb"> APOP ", "any": rb"> (AUTH|USER|APOP)"}
    must_show(trace, sent.get(mechanism, b"> AUTH " + mechanism.encode()))
    must_be_the_mail((folder / "mail").read_bytes().replace(b"\r\n", b"\n"), b"\n")


@test()
def fetchmail_is_refused_with_NTLMv1(lab):
    must_be_refused_for_NTLMv1(fetchmail(lab, "ntlm", codes=(3,))[1])


def fetchmail(lab, mechanism, codes=(0,)):
    folder = lab.folder()
    agent = agent_into(folder)
    protocol = "apop" if mechanism == "apop" else "pop3"
    scheme = "pop3s" if mechanism == "ntlm" else "pop3"
    security = f"ssl sslcertck sslcertfile {lab.house.authority}" if mechanism == "ntlm" else "sslproto ''"
    auth = "" if mechanism in ("apop", "any") else f" auth {mechanism}"
    write_private(folder / "rc", f"set invisible\npoll localhost protocol {protocol} port {lab.house.ports[scheme]}{auth}\n"
                  f" user '{USER}' password '{PASSWORD}' is 'nobody' here {security}\n"
                  f" keep fetchall no rewrite pass8bits no stripcr no mimedecode mda '{agent}'\n")
    return folder, lab.trace("fetchmail", "-v", "-v", "-f", folder / "rc", "--nosyslog", "--nodetach", "--pidfile",
                             folder / "pid", home=folder, codes=codes)


@test("USER", "APOP")
def getmail_logs_on(lab, mechanism):
    folder = lab.folder()
    agent = agent_into(folder)
    write_private(folder / "getmailrc", f"[retriever]\ntype = SimplePOP3Retriever\nserver = localhost\n"
                  f"port = {lab.house.ports['pop3']}\nusername = {USER}\npassword = {PASSWORD}\n"
                  f"use_apop = {mechanism == 'APOP'}\n[destination]\ntype = MDA_external\npath = {agent}\n"
                  f"allow_root_commands = true\n[options]\nread_all = true\ndelete = false\ndelivered_to = false\nreceived = false\n")
    trace = lab.trace("getmail", "--getmaildir", folder, "--rcfile", "getmailrc", "--trace", home=folder)
    must_show(trace, rb"apop" if mechanism == "APOP" else rb"retriev")
    must_be_the_mail((folder / "mail").read_bytes(), b"\n")


@test("APOP", "UTF8")
def poplib_logs_on(lab, way):
    pop3 = poplib.POP3("127.0.0.1", lab.house.ports["pop3"], timeout=60)
    if way == "APOP":
        pop3.apop(USER, PASSWORD)
    else:
        pop3.utf8()
        pop3.user(USER)
        pop3.pass_(PASSWORD)
    must_be_the_mail(b"".join(line + b"\r\n" for line in pop3.retr(1)[1]))
    pop3.quit()


@test()
def poplib_is_refused_with_a_wrong_APOP_password(lab):
    pop3 = poplib.POP3("127.0.0.1", lab.house.ports["pop3"], timeout=60)
    try:
        pop3.apop(USER, PASSWORD + "x")
    except poplib.error_proto as refused:
        return must_show(str(refused).encode(), rb"\[AUTH\]")
    raise Failed("a wrong password was taken")


# ---------------------------------------------------------------- channel binding

class BoundLink:
    """A line over `openssl s_client`, which tells what the TLS connection can be bound to. RFC 9266."""

    def __init__(self, port, authority):
        self.process = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"localhost:{port}", "-CAfile", str(authority), "-verify_return_error",
             "-tls1_3", "-ign_eof", "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        told = self.until(rb"Keying material: ([0-9A-F]{64})\r?\n")
        self.exporter = bytes.fromhex(told[1].decode())
        self.until(rb"(?m)^\+OK .*\n")

    def until(self, pattern, seconds=20):
        said, end = b"", time.monotonic() + seconds
        while not (found := re.search(pattern, said)):
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 1) if readable else b""
            if not piece:
                raise Failed(f"{pattern!r} does not come, but {said[-300:]!r}")
            said += piece
        return found

    def ask(self, line):
        self.process.stdin.write(line + b"\r\n")
        self.process.stdin.flush()
        return self.until(rb"(?m)^((\+OK|-ERR|\+) ?[^\r\n]*)\r?\n")[1]

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def log_on_bound(lab, spoil=lambda exporter: exporter):
    """SCRAM-SHA-256-PLUS, written from RFC 5802 §3 and RFC 9266 alone; the server's last word, its signature checked."""
    link = BoundLink(lab.house.ports["pop3s"], lab.house.authority)
    try:
        bare = f"n={USER},r=fyko+d2lbbFgONRv9qkxdawL".encode()
        answer = link.ask(b"AUTH SCRAM-SHA-256-PLUS " + base64.b64encode(b"p=tls-exporter,," + bare))
        first = decoded(answer)
        parts = dict(part.split(b"=", 1) for part in first.split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(parts[b"s"]), int(parts[b"i"]))
        binding = base64.b64encode(b"p=tls-exporter,," + spoil(link.exporter))
        final = b"c=" + binding + b",r=" + parts[b"r"]
        client_key = keyed(salted, b"Client Key")
        said = bare + b"," + first + b"," + final
        signature = keyed(hashlib.sha256(client_key).digest(), said)
        proof = bytes(left ^ right for left, right in zip(client_key, signature))
        answer = link.ask(base64.b64encode(final + b",p=" + base64.b64encode(proof)))
        if answer.startswith(b"-ERR"):
            return answer
        if decoded(answer) != b"v=" + base64.b64encode(keyed(keyed(salted, b"Server Key"), said)):
            raise Failed("the server's signature is wrong")
        return link.ask(b"")
    finally:
        link.close()


def decoded(answer):
    if not answer.startswith(b"+ "):
        raise Failed(f"no challenge but {answer!r}")
    return base64.b64decode(answer[2:], validate=True)


def keyed(key, text):
    return hmac.digest(key, text, "sha256")


@test()
def an_own_client_logs_on_bound_to_its_TLS_connection(lab):
    must_show(log_on_bound(lab), rb"^\+OK")


@test()
def who_is_bound_to_another_TLS_connection_is_refused(lab):
    """The control: a binding that is not this connection's, as behind somebody in the middle."""
    must_show(log_on_bound(lab, lambda exporter: exporter[::-1]), rb"^-ERR")


# ---------------------------------------------------------------- SMTP

class Introduction:
    """A relay that says EHLO for a client that begins with STARTTLS; all the rest it hands on as it is."""

    def __init__(self, port):
        self.port, self.door = port, socket.create_server(("127.0.0.1", 0))
        self.door.settimeout(60)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with self.door, self.door.accept()[0] as client, socket.create_connection(("127.0.0.1", self.port), 60) as server:
            with server.makefile("rb", 0) as answers:
                greeting = answers.readline()
                server.sendall(b"EHLO client.test\r\n")
                while answers.readline()[3:4] == b"-":
                    pass
            client.sendall(greeting)
            ways = {client: server, server: client}
            while ways:
                for link in select.select(list(ways), [], [], 60)[0]:
                    if not (octets := link.recv(1 << 16)):
                        return
                    ways[link].sendall(octets)


@test("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "PLAIN")
def gsasl_logs_on(lab, mechanism):
    """GNU SASL's own client; with -PLUS it binds the logon to its TLS connection."""
    door = Introduction(lab.house.ports["submission"]).door.getsockname()[1]
    trace = lab.trace("gsasl", "--smtp", f"--connect=localhost:{door}", "--starttls", f"--x509-ca-file={lab.house.authority}",
                      # Asked for SCRAM without -PLUS it must be told that it knows of no binding.
                      *(["--no-cb"] if mechanism == "SCRAM-SHA-256" else []),
                      "-m", mechanism, "-a", USER, "-z", "", "-p", PASSWORD, "--verbose")
    must_show(trace, rb"AUTH " + mechanism.encode() + rb"\r?\n")
    must_show(trace, rb"235 ")


@test("PLAIN", "LOGIN", "CRAM-MD5")
def swaks_logs_on(lab, mechanism):
    trace = swaks(lab, mechanism)
    must_show(trace, rb"~> AUTH " + mechanism.encode())
    must_show(trace, rb"<~  235 ")


@test()
def swaks_is_refused_with_NTLMv1(lab):
    must_be_refused_for_NTLMv1(swaks(lab, "NTLM", codes=(28,)))


def swaks(lab, mechanism, codes=(0,)):
    return lab.trace("swaks", "--server", "localhost", "--port", lab.house.ports["submission"], "--tls", "--tls-verify",
                     "--tls-ca-path", lab.house.authority, "--auth", mechanism, "--auth-user", USER, "--auth-password",
                     PASSWORD, "--from", USER, "--to", USER, "--quit-after", "RCPT", "--helo", "client.test", codes=codes)


@test("PLAIN", "LOGIN", "CRAM-MD5", "NTLM")
def curl_logs_on_to_submit(lab, mechanism):
    # Without a message curl asks for what VRFY says, and only the logon counts here.
    trace = lab.trace("curl", "-v", "--cacert", lab.house.authority, "--user", f"{USER}:{PASSWORD}", "--login-options",
                      f"AUTH={mechanism}", "--mail-rcpt", USER,
                      f"smtps://localhost:{lab.house.ports['submissions']}/client.test", codes=(0, 8, 56))
    must_show(trace, rb"> AUTH " + mechanism.encode())
    must_show(trace, rb"< 235 ")


@test("PLAIN", "LOGIN", "CRAM-MD5")
def smtplib_logs_on(lab, mechanism):
    with smtplib.SMTP("localhost", lab.house.ports["submission"], timeout=60) as smtp:
        smtp.starttls(context=lab.trust)
        smtp.ehlo()
        smtp.user, smtp.password = USER, PASSWORD
        code, text = smtp.auth(mechanism, getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}"))
        if code != 235:
            raise Failed(f"{code} {text!r}")


def main():
    binary, *wanted = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="poppet-mechanisms-") as folder:
        house = House(binary, folder)
        try:
            house.set_up()
            # Only passwords that are set from now on serve the older mechanisms.
            house.poppet("set", "challenge", "on")
            house.add(USER)
            house.start()
            with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=60) as smtp:
                smtp.sendmail("sender@client.test", [USER], MAIL)
            lab = Lab(house)
            for name, run in TESTS:
                if not wanted or any(word in name for word in wanted):
                    failed += not passes(name, run, lab)
            house.stop()
        except (Failed, OSError, subprocess.SubprocessError) as why:
            failed += 1
            print(f"FAILED the server: {why}")
        finally:
            house.kill()
    for what, why in LEFT_OUT.items():
        print(f"left out {what}: {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
