#!/usr/bin/env python3
"""The real binary against servers that take its mail badly: whatever they say, no mail is lost, and none comes twice.

  hostile.py BINARY [--lose] [NAME...]     all tests, or those whose name contains a NAME

Each misbehaviour is a route of its own, and all happen at once. When all have been tried they are mended, and then each
mail must have been taken once or returned once. With --lose one server forgets a mail that it has taken, which must be
noticed. One line a test, `ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import argparse
import collections
import email
import email.policy
import json
import poplib
import re
import smtplib
import ssl
import sys
import tempfile
import time
from pathlib import Path

from authority import Authority
from house import ADDRESS, PASSWORD, Failed, House, passes
from scripted import GOOD, LOGON, PIPELINING, STARTTLS, Scripted, cut, drop, flood, reset, silent, slowly
from slapd import until

SETTLES_SECONDS = 180
MEMORY_MIB = 48
LOG_OCTETS = 2 << 20
LOG_LINE_OCTETS = 4096
# How a mail ends: taken by the server once it is mended or at once, returned, or either.
TAKEN, RETURNED, EITHER = "taken", "returned", "either"
STEPS = ("greeting", "ehlo", "mail", "rcpt", "data", "end")
BODY = "some text\n.\n..a dot\n.dot\n" + "x" * 900 + "\nFrom the end\n"
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Lab:
    """A poppet, and servers for the cases of one test at a time."""

    def __init__(self, house, folder, loses):
        self.house, self.folder, self.loses = house, Path(folder), loses
        self.authority = Authority(self.folder, "authority")
        self.cases = 0

    def send(self, recipient, subject, body=BODY):
        with smtplib.SMTP("127.0.0.1", self.house.ports["submission"], timeout=60) as smtp:
            smtp.login(ADDRESS, PASSWORD)
            text = f"From: {ADDRESS}\nTo: {recipient}\nSubject: {subject}\n\n{body}"
            smtp.sendmail(ADDRESS, [recipient], text.replace("\n", "\r\n").encode())

    def queue(self):
        rows = json.loads(self.house.poppet("queue", "list", "--json") or "[]")
        return {row["to"]: row for row in rows}

    def reports(self):
        """What the reports in the maildrop say, by recipient."""
        told = collections.defaultdict(list)
        pop3 = poplib.POP3("127.0.0.1", self.house.ports["pop3"], timeout=60)
        pop3.user(ADDRESS)
        pop3.pass_(PASSWORD)
        for number in range(1, pop3.stat()[0] + 1):
            octets = b"\r\n".join(pop3.retr(number)[1])
            mail = email.message_from_bytes(octets, policy=email.policy.default)
            if mail.get_content_type() == "multipart/report":
                for part in mail.walk():
                    if part.get_content_type() == "message/delivery-status":
                        for block in part.get_payload()[1:]:
                            told[str(block["Final-Recipient"]).split(";")[-1].strip()].append(octets)
        pop3.quit()
        return told

    def play(self, cases):
        """Sends one mail on each case's own route, waits until each has been tried, mends all, and looks at the end.

        A case is a name, what the server does, and how the mail must end.
        """
        before = len(self.house.log())
        servers = {}
        try:
            for name, acts, ends in cases:
                self.cases += 1
                domain = f"case{self.cases}.example"
                server = Scripted(acts)
                servers[f"u@{domain}"] = (name, server, ends)
                self.house.poppet("route", domain, f"127.0.0.1:{server.port}", "--tls", "opportunistic")
            for recipient, (name, _, _) in servers.items():
                self.send(recipient, name)
            self.wait_for_tries(servers)
            for _, server, _ in servers.values():
                server.mend()
            self.wait_for_ends(servers)
            self.judge(servers)
            self.look_at_log(self.house.log()[before:])
        finally:
            for recipient, (_, server, _) in servers.items():
                server.close()
                self.house.poppet("route", recipient.split("@")[1], "--off")
        return f"{len(cases)} cases"

    def wait_for_tries(self, servers):
        """Every mail has been tried, or hangs at a server that is silent: others flow all the same."""
        def untried():
            queue = self.queue()
            return [servers[to][0] for to, row in queue.items()
                    if to in servers and not is_tried(row) and not servers[to][1].sessions]
        until(lambda: not untried(), lambda: f"not tried: {untried()[:5]}", SETTLES_SECONDS)
        hanging = {to for to, (_, server, _) in servers.items() if silent in server.acts.values()}

        def busy():
            return [servers[to][0] for to, row in self.queue().items() if to in servers and to not in hanging and not is_tried(row)]
        until(lambda: not busy(), lambda: f"still being tried: {busy()[:5]}", SETTLES_SECONDS)

    def wait_for_ends(self, servers):
        def left():
            self.house.poppet("queue", "retry", "all")
            time.sleep(0.5)
            return [(servers[to][0], row.get("why")) for to, row in self.queue().items() if to in servers]
        until(lambda: not left(), lambda: f"still queued: {left()[:5]}", SETTLES_SECONDS)

    def judge(self, servers):
        reports = self.reports()
        if self.loses:
            next(server for _, server, _ in servers.values() if server.taken).taken.pop()
        wrong = []
        for recipient, (name, server, ends) in servers.items():
            ended = (len(server.taken), len(reports[recipient]))
            allowed = {TAKEN: {(1, 0)}, RETURNED: {(0, 1)}, EITHER: {(1, 0), (0, 1)}}[ends]
            if ended not in allowed:
                wrong.append(f"{name}: taken {ended[0]} times, returned {ended[1]} times, {ends} expected; said {server.said[-6:]}")
            for mail in server.taken:
                if not mail.endswith(BODY.replace("\n", "\r\n").encode()):
                    wrong.append(f"{name}: not what was sent: {mail[-200:]!r}")
        if wrong:
            raise Failed(f"{len(wrong)} of {len(servers)}: {' | '.join(wrong[:8])}")

    def look_at_log(self, log):
        """What a stranger says breaks no line of the log, moves no cursor, and fills no disk."""
        if len(log) > LOG_OCTETS:
            raise Failed(f"the log has grown by {len(log)} octets")
        for line in log.split("\n"):
            if len(line) > LOG_LINE_OCTETS or any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in line):
                raise Failed(f"a line of the log is harmful: {line[:300]!r}")
            if line and not re.match(r"\S+ |<\d>|\[", line):
                raise Failed(f"a line of the log is not ours: {line[:300]!r}")

    def peak_mib(self):
        status = Path(f"/proc/{self.house.server.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def is_tried(row):
    """A way that rests as a whole is no try, and says why all the same."""
    return row["tries"] or row["why"]


# ---- every code at every step --------------------------------------------------------------------


def ending(step, code):
    """How a mail must end whose server says that code once at that step, and is mended then."""
    if code[0] == "5" and len(code) == 3:
        if step == "ehlo":
            # HELO is tried then.
            return TAKEN
        return EITHER if step == "greeting" else RETURNED
    return TAKEN


@test
def every_code_at_every_step(lab):
    codes = ("000", "099", "199", "200", "250", "299", "354", "399", "421", "450", "452", "499", "500", "502", "504", "550", "554",
             "599", "600", "999", "25", "2500", "2x0", "ok")
    cases = []
    for step in STEPS:
        for code in codes:
            acts = {step: f"{code} this is {code}\r\n".encode()}
            cases.append((f"{code} at {step}", acts, ending(step, code)))
    return lab.play(cases)


@test
def every_code_at_every_step_with_pipelining(lab):
    cases = []
    for step in ("mail", "rcpt", "data", "end"):
        for code in ("199", "250", "354", "421", "450", "500", "550", "554", "999"):
            acts = {"ehlo": PIPELINING, step: f"{code}-this is\r\n{code} {code}\r\n".encode()}
            cases.append((f"{code} at {step}, pipelined", acts, ending(step, code)))
            if step in ("mail", "rcpt"):
                cases.append((f"{code} at {step}, pipelined, and DATA is taken", {**acts, "data": GOOD["data"]}, ending(step, code)))
    return lab.play(cases)


@test
def the_link_is_lost_at_each_point_of_a_delivery(lab):
    cases = []
    for how, lose in (("goes", drop), ("resets", reset)):
        for offer, ehlo in (("", {}), (", pipelined", {"ehlo": PIPELINING})):
            for step in (*STEPS, "body"):
                cases.append((f"{how} at {step}{offer}", {**ehlo, step: lose}, TAKEN))
    for step, said in (("greeting", b"22"), ("ehlo", b"250-scripted.test\r\n250-SI"), ("mail", b"250"), ("rcpt", b"250 o"),
                       ("data", b"354"), ("end", b"25"), ("end", b"250"), ("end", b"250 taken\r")):
        cases.append((f"goes within {said!r} at {step}", {step: cut(said)}, TAKEN))
    cases += [("goes behind its 250", {"quit": drop}, TAKEN), ("goes within its good-bye", {"quit": cut(b"22")}, TAKEN)]
    return lab.play(cases)


@test
def replies_that_are_none(lab):
    floods = {
        "a million lines": flood(b"250-x\r\n", 1_000_000, b"250 x\r\n"),
        "an endless line": flood(b"x" * 1000, 64_000),
        "an endless line of a reply": flood(b"250 x", 1_000_000),
        "empty lines": flood(b"\r\n", 1_000_000),
    }
    texts = {
        "no text": b"250\r\n", "only a blank": b"250 \r\n", "only a code and LF": b"250\n", "LF alone": b"250 ok\n",
        "CR alone": b"250 ok\r", "NUL": b"250 o\0k\r\n", "eight bits": b"250 gr\xfc\xdfe\r\n", "escapes": b"550 \x1b[2J\x1b]0;x\x07\r\n",
        "mixed codes": b"250-a\r\n550 b\r\n", "another order": b"550-a\r\n250 b\r\n", "no last line": b"250-a\r\n",
        "blanks in front": b"  250 ok\r\n", "a tab behind": b"250\tok\r\n", "a plus behind": b"250+ok\r\n", "nothing": b"\r\n",
        "a header": b"550-no\r\n550-Bcc: evil@example.com\r\n550 \r\n\r\n", "two replies": b"250 ok\r\n250 ok\r\n",
        "three replies": b"250 ok\r\n354 go\r\n250 ok\r\n",
    }
    cases = []
    for step in ("greeting", "ehlo", "mail", "end"):
        for name, said in {**floods, **texts}.items():
            ends = EITHER
            if callable(said) or b"\n" not in said or said == b"250-a\r\n":
                # Who waits for more than comes is sent away by and by.
                said = (said if callable(said) else cut(said))
                ends = TAKEN
            cases.append((f"{name} at {step}", {step: said}, ends))
    told = lab.play(cases)
    for recipient, mails in lab.reports().items():
        for mail in mails:
            header = email.message_from_bytes(mail, policy=email.policy.default)
            if header["Bcc"] or any(octet < 32 and octet not in b"\r\n\t" for octet in mail):
                raise Failed(f"a report about {recipient} has what the server said in it: {mail[:900]!r}")
    peak = lab.peak_mib()
    if peak > MEMORY_MIB:
        raise Failed(f"the server has used {peak:.0f} MiB")
    return f"{told}, at most {peak:.0f} MiB"


@test
def silence_at_each_step_keeps_nobody_else_waiting(lab):
    cases = [(f"silence at {step}", {step: silent}, TAKEN) for step in STEPS]
    cases += [(f"one octet at a time at {step}", {step: slowly(GOOD[step])}, TAKEN) for step in (*STEPS, "quit")]
    cases += [(f"well {number}", {}, TAKEN) for number in range(20)]
    return lab.play(cases)


@test
def what_a_server_offers_is_believed_with_care(lab):
    offers = {
        "nothing": (b"250 scripted.test\r\n", TAKEN), "a small size": (b"250-scripted.test\r\n250 SIZE 100\r\n", RETURNED),
        "no number": (b"250-scripted.test\r\n250 SIZE many\r\n", TAKEN), "a huge number": (b"250-s\r\n250 SIZE " + b"9" * 100 + b"\r\n", TAKEN),
        "size zero": (b"250-scripted.test\r\n250 SIZE 0\r\n", TAKEN), "small letters": (b"250-s\r\n250-pipelining\r\n250 8bitmime\r\n", TAKEN),
        "a hundred words": (b"250-s\r\n" + b"".join(b"250-X%d\r\n" % number for number in range(97)) + b"250 X\r\n", TAKEN),
        "NUL": (b"250-s\r\n250-PIPE\0LINING\r\n250 X\r\n", EITHER), "a logon": (LOGON, TAKEN),
    }
    return lab.play([(f"offers {name}", {"ehlo": said}, ends) for name, (said, ends) in offers.items()])


# ---- TLS -----------------------------------------------------------------------------------------


@test
def what_is_said_in_clear_behind_starttls_is_not_heard_inside(lab):
    """RFC 3207 §6 and the injections of 2021: octets that came before TLS must not answer a command inside."""
    injected = b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n"
    return lab.play([
        ("octets behind STARTTLS", {"ehlo": STARTTLS, "starttls": injected}, TAKEN),
        ("gone behind STARTTLS", {"ehlo": STARTTLS, "starttls": cut(b"220 go\r\n")}, TAKEN),
        ("nonsense behind STARTTLS", {"ehlo": STARTTLS, "starttls": cut(b"220 go\r\n" + b"\x15\x03\x01\0\x02\x02\x28" * 9)}, TAKEN),
        ("STARTTLS is refused for now", {"ehlo": STARTTLS, "starttls": b"454 no\r\n"}, TAKEN),
        ("STARTTLS is refused", {"ehlo": STARTTLS, "starttls": b"502 no\r\n"}, TAKEN),
        ("STARTTLS is answered by nonsense", {"ehlo": STARTTLS, "starttls": b"hello\r\n"}, TAKEN),
        ("silence behind STARTTLS", {"ehlo": STARTTLS, "starttls": silent}, TAKEN),
    ])


def context(certificate, key):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made


@test
def no_certificate_that_is_wrong_gets_mail_or_a_password(lab):
    house = lab.house
    stranger = Authority(lab.folder, "stranger")
    house.poppet("cert", "ca", "add", str(lab.authority.certificate), "--for", "smarthost")
    house.poppet("set", "smarthost_user", "account")
    house.poppet("set", "smarthost_password", "--password-stdin", stdin=PASSWORD + "\n")
    shown = {
        "expired": context(*lab.authority.issue("expired", "DNS:localhost", is_expired=True)),
        "another name": context(*lab.authority.issue("other", "DNS:other.test")),
        "another authority": context(*stranger.issue("strange", "DNS:localhost")),
        "the authority's own": context(stranger.certificate, stranger.key),
    }
    good = context(*lab.authority.issue("good", "DNS:localhost"))
    offer = b"250-scripted.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n"
    clear = b"250-scripted.test\r\n250 AUTH PLAIN LOGIN\r\n"
    try:
        for name, wrong in {**shown, "no TLS": None}.items():
            server = Scripted({"ehlo": offer if wrong else clear}, context=wrong)
            before = len(house.log())
            house.poppet("set", "smarthost", f"localhost:{server.port}")
            recipient = f"u{name.replace(' ', '').replace(chr(39), '')}@elsewhere.example"
            lab.send(recipient, name)
            until(lambda: server.sessions, lambda: f"{name}: nobody comes", SETTLES_SECONDS)
            pattern = r"(?i)certificate" if wrong else r"(?i)TLS"
            until(lambda: re.search(pattern, house.log()[before:]), lambda: f"{name}: {house.log()[before:][-600:]!r}", SETTLES_SECONDS)
            if recipient not in lab.queue():
                raise Failed(f"{name}: it is not in the queue any more")
            said = b"".join(server.said)
            if re.search(rb"(?im)^(AUTH|MAIL|RCPT|DATA)", said) or server.taken:
                raise Failed(f"{name}: it was told {said!r}")
            server.context, server.acts = good, {"ehlo": offer}
            until(lambda: retried(lab, recipient), lambda: f"{name}: still queued: {lab.queue()}", SETTLES_SECONDS)
            if len(server.taken) != 1 or not re.search(rb"(?m)^AUTH PLAIN ", b"".join(server.said)):
                raise Failed(f"{name}: with a good certificate {len(server.taken)} mails, {server.said}")
            server.close()
    finally:
        house.poppet("set", "smarthost", "off")
    for secret in (PASSWORD, "AGFjY291bnQA"):
        if secret in house.log():
            raise Failed("the password is in the log")
    return f"{len(shown) + 1} cases"


def retried(lab, recipient):
    lab.house.poppet("queue", "retry", "all")
    return recipient not in lab.queue()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("--lose", action="store_true")
    arguments.add_argument("names", nargs="*")
    options = arguments.parse_intermixed_args()
    failed = 0
    for name, run in TESTS:
        if options.names and not any(word in name for word in options.names):
            continue
        # A house of its own for each, so that none waits for what another has left.
        with tempfile.TemporaryDirectory(prefix="poppet-hostile-") as folder:
            house = House(options.binary.resolve(), folder, ("pop3", "submission"))
            house.set_up()
            # Each server that is played has a port that nobody knew at the start.
            house.poppet("set", "sandbox", "off")
            house.start()
            try:
                failed += not passes(name, run, Lab(house, folder, options.lose))
                house.stop()
            finally:
                house.kill()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
