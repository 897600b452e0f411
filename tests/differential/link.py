"""One POP3 connection: sends lines, reads each reply whole, and takes away what is each server's own choice of words."""

import re
import socket
from dataclasses import dataclass, field

PATIENCE_SECONDS = 30               # A wrong password is answered after up to 15.


@dataclass(frozen=True)
class Reply:
    """A reply without its free text."""

    status: str                     # +OK, -ERR, + for a challenge, closed, silent, or garbage
    code: str = ""                  # RFC 2449's response code, without brackets
    content: tuple = ()             # what clients rely on: numbers, names, octets
    text: str = field(default="", compare=False)

    def __str__(self):
        content = repr(self.content) if self.content else ""
        return f"{self.text!r} {content if len(content) < 300 else content[:300] + '...'}".rstrip()


class Link:
    """A connection from an address of its own, so that neither server takes two sessions for one sloppy peer."""

    def __init__(self, port, source, names, spoil=None):
        self.names, self.spoil = names, spoil or (lambda line, raw: raw)
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb", 1 << 16)
        self.closed = False

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError:
            pass                    # The reply, or its lack, shows it.

    def reply(self, line):
        """The reply to that line."""
        try:
            return self.parse(line, self.spoil(line, self.status_line()))
        except TimeoutError:
            self.closed = True
            return Reply("silent")
        except OSError:
            self.closed = True
            return Reply("closed")

    def parse(self, line, first):
        if not first:
            self.closed = True
            return Reply("closed")
        found = re.fullmatch(rb"(\+OK|-ERR|\+)(?: \[([A-Z0-9/-]+)\])?(?: (.*))?\r\n", first, re.DOTALL)
        if not found:
            return Reply("garbage", text=first.decode("latin-1"))
        status, code, rest = (part.decode("latin-1") if part else "" for part in found.groups())
        content = self.content(line, rest) if status == "+OK" else ()
        return Reply(status, code, content, first.decode("latin-1").rstrip("\r\n"))

    def content(self, line, rest):
        verb, *words = line.upper().split(b" ")
        words = [word for word in words if word]
        if verb in (b"RETR", b"TOP"):
            return (b"".join(self.lines()),)
        if verb == b"CAPA" or verb in (b"AUTH", b"LANG") and not words:
            return tuple(sorted(line.rstrip(b"\r\n").decode("latin-1") for line in self.lines()))
        if verb in (b"LIST", b"UIDL") and not words:
            return tuple(self.named(verb, line.rstrip(b"\r\n").decode("latin-1")) for line in self.lines())
        if verb in (b"LIST", b"UIDL", b"STAT"):
            return (self.named(verb, " ".join(rest.split(" ")[:2])),)
        return ()

    def named(self, verb, pair):
        """A unique id is each server's own; which message it names is not."""
        number, _, value = pair.partition(" ")
        return f"{number} {self.names.get(value, '?' + value)}" if verb == b"UIDL" else pair

    def lines(self):
        while (line := self.input.readline()) != b".\r\n":
            if not line.endswith(b"\r\n"):
                raise ConnectionResetError(f"cut inside a reply: {line[:60]!r}")
            yield self.spoil(b"", line[1:] if line.startswith(b".") else line)

    def status_line(self):
        return self.input.readline()

    def close(self):
        """Says that nothing more comes and waits until the server has ended the session, too."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while self.input.read(1 << 16):
                pass
        except OSError:
            pass
        self.input.close()
        self.socket.close()
