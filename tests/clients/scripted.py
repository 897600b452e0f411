"""A mail server that does as it is told, mostly badly, and remembers what it has taken."""

import contextlib
import re
import socket
import ssl
import threading
import time

# What goes well, unless a test says otherwise.
GOOD = {
    "greeting": b"220 scripted.test\r\n", "ehlo": b"250-scripted.test\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n",
    "helo": b"250 scripted.test\r\n", "starttls": b"220 go\r\n", "auth": b"235 hello\r\n", "mail": b"250 ok\r\n",
    "rcpt": b"250 ok\r\n", "data": b"354 go\r\n", "end": b"250 taken\r\n", "rset": b"250 ok\r\n", "noop": b"250 ok\r\n",
    "quit": b"221 bye\r\n",
}
PIPELINING = b"250-scripted.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 50000000\r\n"
STARTTLS = b"250-scripted.test\r\n250-STARTTLS\r\n250 8BITMIME\r\n"
LOGON = b"250-scripted.test\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"
IDLE_SECONDS = 120
# A whole reply that says yes, whatever is behind it. RFC 5321 §4.2.
TAKES = re.compile(rb"(2\d\d-[^\r\n\0]*\r\n)*2\d\d( [^\r\n\0]*)?\r\n")


class Gone(Exception):
    """The connection is over."""


class Scripted:
    """A server at a port of its own. `acts` says what it does at a step: the octets to say, or a function of the session.

    What it has taken stands in `taken`: messages behind whose end it has said all of a reply that begins with 2.
    """

    def __init__(self, acts=None, address=("127.0.0.1", 0), context=None):
        self.acts, self.context = dict(acts or {}), context
        self.taken, self.said, self.sessions = [], [], 0
        self.mended = threading.Event()
        self.links = set()
        self.socket = socket.create_server(address, backlog=64, family=socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                link, _ = self.socket.accept()
                self.sessions += 1
                threading.Thread(target=Session(self, link).run, daemon=True).start()

    def mend(self):
        """From now on all goes well, and those who were kept waiting are sent away."""
        self.acts = {}
        self.mended.set()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.mended.set()


class Session:
    """One connection."""

    def __init__(self, server, link):
        self.server, self.link, self.pending = server, link, b""
        self.has_sender, self.recipients = False, 0
        self.acts = dict(server.acts)
        link.settimeout(IDLE_SECONDS)

    def run(self):
        with contextlib.suppress(Gone, OSError, ssl.SSLError), self.link:
            self.do("greeting")
            while True:
                self.command(self.line())

    def command(self, line):
        self.server.said.append(line)
        word = line.split(b" ")[0].strip().lower().decode(errors="replace")
        if word == "data":
            if self.recipients or "data" in self.acts:
                if self.do("data").startswith(b"354"):
                    self.message()
            else:
                self.say(b"503 for whom?\r\n")
        elif word == "starttls":
            self.do("starttls")
            if self.server.context:
                self.link = self.server.context.wrap_socket(self.link, server_side=True)
                self.pending = b""
        elif word == "quit":
            self.do("quit")
            raise Gone
        elif word in GOOD:
            is_good = self.do(word).startswith(b"2")
            if word == "rcpt":
                self.recipients += is_good and self.has_sender
            else:
                self.recipients, self.has_sender = 0, is_good and word == "mail"
        else:
            self.say(b"500 what?\r\n")

    def message(self):
        octets = b""
        while not (octets.endswith(b"\r\n.\r\n") or octets == b".\r\n"):
            octets += self.line()
            if "body" in self.acts and len(octets) > 400:
                self.do("body")
        said = self.do("end")
        # A message of nothing is how a client takes back a DATA that it has said too early. RFC 2920 §3.1.
        if TAKES.match(said) and octets != b".\r\n":
            self.server.taken.append(re.sub(rb"(?m)^\.(?=.)", b"", octets.removesuffix(b".\r\n")))

    def do(self, step):
        """Does what the step wants; gives the octets that were said."""
        act = self.acts.get(step, GOOD.get(step, b""))
        said = act(self) if callable(act) else act
        self.say(said)
        return getattr(act, "whole", said)

    def say(self, octets):
        if octets:
            self.link.sendall(octets)

    def line(self):
        while b"\n" not in self.pending:
            more = self.link.recv(65536)
            if not more:
                raise Gone
            self.pending += more
        line, _, self.pending = self.pending.partition(b"\n")
        return line + b"\n"


# ---- what it may do ------------------------------------------------------------------------------


def drop(_):
    """Goes without a word."""
    raise Gone


def reset(session):
    """Goes as a machine does that has lost its power and come back."""
    session.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    raise Gone


def silent(session):
    """Says nothing until it is mended."""
    session.server.mended.wait()
    raise Gone


def cut(octets):
    """Says a part and goes."""
    def act(session):
        session.say(octets)
        raise Gone
    return act


def slowly(octets, seconds=0.05):
    """Says one octet at a time."""
    def act(session):
        for octet in octets[:-1]:
            session.say(bytes([octet]))
            time.sleep(seconds)
        return octets[-1:]

    act.whole = octets
    return act


def flood(line, count, end=b""):
    """Says the same again and again."""
    def act(session):
        whole, rest = divmod(count, 1000)
        for _ in range(whole):
            session.say(line * 1000)
        return line * rest + end
    return act
