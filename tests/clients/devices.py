#!/usr/bin/env python3
"""Printers, scanners and cameras as they are, octet by octet, against the real binary: with a device profile and without.

  devices.py BINARY [NAME...]     all quirks, or those whose name contains a NAME

Every quirk is a whole mail. It is sent from the address of a device that is known as a lenient one, of one that is known
but must keep to the standard, of somebody unknown, and by a user who logs on. What is taken must lie in the mailbox as it
was sent, line ends made CRLF; what is refused must not. One line a quirk, then the table; the exit code is 1 if one failed.
"""

import base64
import poplib
import re
import socket
import sys
import tempfile
from dataclasses import dataclass, field

from house import ADDRESS, PASSWORD, Failed, House

poplib._MAXLINE = 1 << 20           # Its own limit of 2,048 octets is lower than what mail has.
BOX, FOREIGN = "scans@home.lan", "somebody@elsewhere.example"
SUBJECT = b"From: <scanner@client.test>\r\nDate: Sat, 21 Nov 2026 21:15:00 +0000\r\nMessage-ID: <1@client.test>\r\nSubject: scan\r\n"
TRACE = re.compile(rb"\AReturn-Path: <[^\r\n]*>\r\nDelivered-To: [^\r\n]+\r\nReceived: [^\r\n]+(\r\n[ \t][^\r\n]*)*\r\n")
ADDED = re.compile(rb"(Date|Message-ID): [^\r\n]+\r\n")
STORED = "stored"


@dataclass
class Sender:
    """Somebody, whence he comes, and through which door."""

    name: str
    source: str
    door: str
    is_lenient: bool = False
    logs_on: bool = False


LENIENT = Sender("lenient device", "127.0.0.40", "smtp", is_lenient=True)
STRICT = Sender("other device", "127.0.0.41", "smtp")
SENDERS = [
    LENIENT,
    Sender("lenient, 587", "127.0.0.40", "submission", is_lenient=True),
    STRICT,
    Sender("other, 587", "127.0.0.41", "submission"),
    Sender("stranger", "127.0.0.42", "smtp"),
    Sender("user", "127.0.0.43", "submission", is_lenient=True, logs_on=True),
]


@dataclass
class Quirk:
    """What one device says, and the reply that it gets where nobody is lenient; none if it is taken there too."""

    name: str
    refused: str = ""
    hello: bytes = b"EHLO scanner"
    sender: bytes = b"MAIL FROM:<" + ADDRESS.encode() + b">"
    recipient: bytes = b"RCPT TO:<" + BOX.encode() + b">"
    message: bytes = SUBJECT + b"\r\nscanned\r\n"
    line_end: bytes = b"\r\n"
    octets_at_once: int = 1 << 20
    refused_by: tuple = field(default=("stranger", "other device", "other, 587"))
    stored: bytes = b""

    def wanted(self, who):
        return self.refused if self.refused and who.name in self.refused_by else STORED

    def expected(self):
        """What lies in the mailbox, but for what the server adds."""
        return self.stored or re.sub(rb"\r?\n", b"\r\n", self.message)


QUIRKS = [
    Quirk("HELO NPIF65E56", hello=b"HELO NPIF65E56"),
    Quirk("HELO _", hello=b"HELO _"),
    Quirk("HELO localhost", hello=b"HELO localhost"),
    Quirk("HELO [127.0.0.1]", hello=b"HELO [127.0.0.1]"),
    Quirk("HELO 192.168.1.40", hello=b"HELO 192.168.1.40"),
    Quirk("HELO alone", r"501 5\.5\.4", hello=b"HELO", refused_by=("stranger", "other device")),
    Quirk("EHLO and a blank", r"501 5\.5\.4", hello=b"EHLO ", refused_by=("stranger", "other device")),
    Quirk("helo, mail, rcpt in small letters", hello=b"helo scanner", sender=b"mail from:<" + ADDRESS.encode() + b">",
          recipient=b"rcpt to:<" + BOX.encode() + b">"),
    Quirk("MAIL FROM: and a blank", sender=b"MAIL FROM: <" + ADDRESS.encode() + b">"),
    Quirk("MAIL FROM: a@b", r"501 5\.5\.4", sender=b"MAIL FROM: " + ADDRESS.encode()),
    Quirk("RCPT TO:a@b", r"501 5\.5\.4", recipient=b"RCPT TO:" + BOX.encode()),
    Quirk("two blanks before <", r"501 5\.5\.4", recipient=b"RCPT TO:  <" + BOX.encode() + b">"),
    Quirk("a blank at the end", recipient=b"RCPT TO:<" + BOX.encode() + b"> "),
    Quirk("bare LF behind commands", r"500 5\.5\.2", line_end=b"\n", refused_by=("stranger", "other device", "other, 587", "user")),
    Quirk("bare LF in the data", r"550 5\.6\.11", message=SUBJECT.replace(b"\r", b"") + b"\nscanned\nthis\n\r\n"),
    Quirk("bare LF in the body only", r"550 5\.6\.11", message=SUBJECT + b"\r\nscanned\nthis\r\n"),
    Quirk("LF . LF and a second mail", r"550 5\.6\.11", message=SUBJECT + b"\r\nx\n.\nMAIL FROM:<a@b.example>\r\nRCPT TO:<" + BOX.encode()
          + b">\r\nDATA\r\nSubject: smuggled\r\n"),
    Quirk("one octet a segment", octets_at_once=1),
    Quirk("two octets a segment", octets_at_once=2),
    Quirk("no Date, no Message-ID", message=b"From: <scanner@client.test>\r\nSubject: scan\r\n\r\nscanned\r\n"),
    Quirk("lines of 5,000 octets", message=SUBJECT + b"\r\n" + b"\r\n".join(bytes([97 + n]) * 5000 for n in range(5)) + b"\r\n"),
    Quirk("8-bit without BODY", message=SUBJECT + b"\r\n" + bytes(range(128, 256)) + b"\r\n"),
    Quirk("an empty body", message=SUBJECT + b"\r\n"),
    Quirk("a header without an end", message=SUBJECT),
    Quirk("dots", message=SUBJECT + b"\r\n.\r\n..\r\n.x\r\n"),
]


class Session:
    """A device's link to a door."""

    def __init__(self, lab, who):
        self.link = socket.create_connection(("127.0.0.1", lab.house.ports[who.door]), 30, (who.source, 0))
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reply()

    def ask(self, octets, at_once=1 << 20):
        for at in range(0, len(octets), at_once):
            self.link.sendall(octets[at:at + at_once])
        return self.reply()

    def reply(self):
        reply = b""
        while not re.search(rb"(\A|\n)\d{3} [^\n]*\n\Z", reply):
            octet = self.link.recv(1)
            if not octet:
                raise Failed(f"the connection ended behind {reply!r}")
            reply += octet
        return reply.decode(errors="replace").removesuffix("\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # Devices rarely say QUIT.
        self.link.close()


class Lab:
    """The server with two devices that it knows."""

    def __init__(self, house):
        self.house, self.seen = house, 0
        house.add(BOX)
        house.poppet("device", "add", "scanner", "127.0.0.40", "--lenient")
        house.poppet("device", "add", "camera", "127.0.0.41")

    def news(self):
        """What came into the mailbox since the last time."""
        pop3 = poplib.POP3("127.0.0.1", self.house.ports["pop3"], timeout=60)
        pop3.user(BOX)
        pop3.pass_(PASSWORD)
        count = pop3.stat()[0]
        messages = [b"".join(line + b"\r\n" for line in pop3.retr(number)[1]) for number in range(self.seen + 1, count + 1)]
        pop3.quit()
        self.seen = count
        return messages

    def play(self, quirk, who):
        """Sends the mail; returns the reply that refused it, or that it is stored as it was sent."""
        with Session(self, who) as session:
            told = self.send(session, quirk, who)
        messages = self.news()
        if not re.match(r"250 2\.0\.0 ", told):
            if messages:
                raise Failed(f"{who.name}: refused by {told!r} and stored all the same: {messages[0][:500]!r}")
            return told
        if len(messages) != 1:
            raise Failed(f"{who.name}: one mail was taken, {len(messages)} are there")
        must_be_kept(messages[0], quirk.expected(), who)
        return STORED

    def send(self, session, quirk, who):
        data = re.sub(rb"(\A|\r\n|\n)\.", rb"\1..", quirk.message) + b"." if "LF . LF" not in quirk.name else quirk.message + b"."
        logon = [b"AUTH PLAIN " + base64.b64encode(f"\0{ADDRESS}\0{PASSWORD}".encode())] if who.logs_on else []
        steps = [quirk.hello, *logon, quirk.sender, quirk.recipient, b"DATA"]
        for step in steps:
            told = session.ask(step + quirk.line_end, quirk.octets_at_once)
            if told[0] not in "23":
                return told
        return session.ask(data + b"\r\n", quirk.octets_at_once)


def must_be_kept(message, expected, who):
    """Our trace fields, then what was sent; from a device or a user with what it lacked."""
    trace = TRACE.match(message)
    if not trace:
        raise Failed(f"{who.name}: what stands on top is not our trace: {message[:400]!r}")
    rest = message[trace.end():]
    lacks = [name for name in (b"Date", b"Message-ID") if b"\n%s: " % name not in b"\n" + expected]
    if who.name != "stranger" and lacks:
        added = ADDED.findall(rest)
        if sorted(added) != sorted(lacks):
            raise Failed(f"{who.name}: {lacks} were to be added, these are there: {added}")
        rest = ADDED.sub(b"", rest)
    if rest != expected:
        raise Failed(f"{who.name}: {rest[:600]!r} is stored, {expected[:600]!r} was sent")


# ---------------------------------------------------------------- logons

LOGONS = {
    "auth login in small letters": [b"EHLO scanner", b"auth login", b"{name}", b"{word}"],
    "AUTH LOGIN with the name": [b"EHLO scanner", b"AUTH LOGIN {name}", b"{word}"],
    "auth login with the name": [b"EHLO scanner", b"auth login {name}", b"{word}"],
    "AUTH LOGIN after HELO": [b"HELO scanner", b"AUTH LOGIN", b"{name}", b"{word}"],
    "EHLO, HELO, AUTH PLAIN": [b"EHLO scanner", b"HELO scanner", b"AUTH PLAIN {plain}"],
    "EHLO again after AUTH": [b"EHLO scanner", b"AUTH PLAIN", b"{plain}", b"EHLO scanner"],
    "HELO alone, then AUTH": [b"HELO", b"AUTH LOGIN {name}", b"{word}"],
}


def logon(lab, name):
    """A device that logs on in its way, then sends."""
    texts = {b"{name}": ADDRESS, b"{word}": PASSWORD, b"{plain}": f"\0{ADDRESS}\0{PASSWORD}"}
    who = Sender("user", "127.0.0.43", "submission", logs_on=True)
    quirk, replies = Quirk(name), []
    with Session(lab, who) as session:
        for step in LOGONS[name]:
            for word, text in texts.items():
                step = step.replace(word, base64.b64encode(text.encode()))
            replies.append(session.ask(step + b"\r\n"))
        # Some devices stop at anything else than exactly this.
        if "235 2.7.0 Authentication successful" not in replies:
            raise Failed(f"not logged on: {replies}")
        for step, code in ((quirk.sender, "250"), (quirk.recipient, "250"), (b"DATA", "354"), (quirk.message + b".", "250")):
            if not (told := session.ask(step + b"\r\n")).startswith(code):
                raise Failed(f"{step[:60]!r} is answered {told!r}")
    must_be_kept(lab.news()[0], quirk.message, who)


# ---------------------------------------------------------------- where mail may not go

def devices_stay_at_home(lab):
    """A device sends to mailboxes here, and its neighbours have nothing of its rights."""
    for who, wanted in ((LENIENT, r"550 5\.7\.1 "), (STRICT, r"550 5\.7\.1 "), (SENDERS[4], r"550 5\.7\.1 ")):
        for path in (FOREIGN, "somebody%elsewhere.example@[127.0.0.1]", f"@home.lan:{FOREIGN}"):
            with Session(lab, who) as session:
                session.ask(b"EHLO scanner\r\n")
                session.ask(b"MAIL FROM:<scanner@client.test>\r\n")
                told = session.ask(b"RCPT TO:<" + path.encode() + b">\r\n")
            if not re.match(wanted, told):
                raise Failed(f"{who.name}: RCPT TO:<{path}> is answered {told!r}")
    with Session(lab, Sender("neighbour", "127.0.0.39", "submission")) as session:
        session.ask(b"EHLO scanner\r\n")
        told = session.ask(b"MAIL FROM:<scanner@client.test>\r\n")
    if not told.startswith("530 5.7.0 "):
        raise Failed(f"a neighbour's MAIL is answered {told!r}")


def a_count_and_a_name(lab):
    """A device that may send two mails a day, all of them as alice, whatever it says."""
    lab.house.poppet("device", "add", "counted", "127.0.0.44", "--from", ADDRESS, "--per-day", "2")
    who, heard = Sender("counted", "127.0.0.44", "smtp"), []
    quirk = Quirk("another sender", sender=b"MAIL FROM:<scanner@client.test>")
    for number in range(3):
        with Session(lab, who) as session:
            heard.append(lab.send(session, quirk, who))
        messages = lab.news()
        if len(messages) != (number < 2):
            raise Failed(f"mail {number + 1} of 2: {heard[-1]!r}, {len(messages)} are there")
        for message in messages:
            must_be_kept(message, quirk.expected(), who)
            if not message.startswith(b"Return-Path: <" + ADDRESS.encode() + b">\r\n"):
                raise Failed(f"its sender is not the one that was set: {message[:100]!r}")
    if not re.match(r"450 4\.7\.1 ", heard[2]):
        raise Failed(f"the third mail hears {heard[2]!r}")
    return " ".join(heard[2].split(" ", 2)[:2])


def main():
    binary, *wanted = sys.argv[1:]
    failed, rows = 0, []
    with tempfile.TemporaryDirectory(prefix="poppet-devices-") as folder:
        house = House(binary, folder)
        try:
            house.set_up()
            house.start()
            lab = Lab(house)
            for quirk in QUIRKS:
                if not wanted or any(word in quirk.name for word in wanted):
                    cells = [tried(f"{quirk.name}, {who.name}", lambda: compared(lab, quirk, who)) for who in SENDERS]
                    rows.append([quirk.name, *cells])
            for name in LOGONS:
                if not wanted or any(word in name for word in wanted):
                    rows.append([name, *["-"] * 5, tried(name, lambda: logon(lab, name) or STORED)])
            rows.append(["mail for elsewhere", tried("mail for elsewhere", lambda: devices_stay_at_home(lab) or "refused")])
            rows.append(["one mail more than a day's", tried("one mail more than a day's", lambda: a_count_and_a_name(lab))])
            house.stop()
        except Failed as why:
            print(f"FAILED the server: {why}")
            failed = 1
        finally:
            house.kill()
    failed += sum(cell == "FAILED" for row in rows for cell in row)
    show([["", *[who.name for who in SENDERS]], *rows])
    return 1 if failed else 0


def compared(lab, quirk, who):
    told = lab.play(quirk, who)
    wanted = quirk.wanted(who)
    if told != wanted and not (wanted != STORED and re.match(wanted, told)):
        raise Failed(f"{told!r} where {wanted!r} was expected")
    return " ".join(told.split(" ", 2)[:2])


def tried(name, run):
    try:
        return run()
    except (Failed, OSError, IndexError, poplib.error_proto) as why:
        print(f"FAILED {name}: {type(why).__name__}: {why}", flush=True)
        return "FAILED"


def show(rows):
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
