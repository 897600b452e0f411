"""One SMTP connection: sends octets, reads each reply whole, and takes away what is each server's own choice of words."""

import socket
import ssl
from dataclasses import dataclass, field

PATIENCE_SECONDS = 30


@dataclass(frozen=True)
class Reply:
    """A reply without its free text."""

    code: str                       # three digits, or closed, silent, garbage
    words: tuple = ()               # the keywords of EHLO, with what stands behind them
    text: str = field(default="", compare=False)

    @property
    def is_over(self):
        return self.code in ("closed", "silent", "garbage")

    @property
    def is_last(self):
        """RFC 5321 §4.2.3: after these the server closes; and both do after a synchronization error."""
        return self.code in ("221", "421") or "ynchronization" in self.text

    def __str__(self):
        return f"{self.text or self.code!r} {' '.join(self.words)}".rstrip()


CLOSED = Reply("closed")


class Link:
    """A connection from an address of its own, so that neither server takes two sessions for one sloppy peer."""

    def __init__(self, port, source, spoil=None):
        self.spoil = spoil or (lambda line, code: code)
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb", 1 << 16)

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError:
            pass                    # The reply, or its lack, shows it.

    def reply(self, line=b""):
        """The next reply; `line` is what it is to."""
        try:
            return self.parse(line)
        except TimeoutError:
            return Reply("silent")
        except OSError:
            return CLOSED

    def parse(self, line):
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            octets = self.input.readline()
            if not octets:
                return CLOSED
            if not (octets[:3].isdigit() and octets[3:4] in (b" ", b"-", b"\r") and octets.endswith(b"\r\n")):
                return Reply("garbage", text=octets.decode("latin-1"))
            lines.append(octets.rstrip(b"\r\n"))
        if len({found[:3] for found in lines}) != 1:
            return Reply("garbage", text=repr(lines))
        code = self.spoil(line, lines[0][:3].decode())
        is_list = code == "250" and line[:4].upper() == b"EHLO"
        words = tuple(sorted(found[4:].decode("latin-1").upper() for found in lines[1:])) if is_list else ()
        return Reply(code, words, lines[-1].decode("latin-1"))

    def begin_tls(self):
        """Whether the handshake went well."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            self.input.close()
            self.socket = context.wrap_socket(self.socket)
            self.input = self.socket.makefile("rb", 1 << 16)
            return True
        except OSError:
            return False

    def rest(self):
        """Says that nothing more comes; the replies that are still there, up to the end of the connection."""
        replies = []
        try:
            # Below TLS, which has no half-closed connections.
            socket.socket.shutdown(self.socket, socket.SHUT_WR)
            while len(replies) < 100 and not (found := self.reply()).is_over:
                replies.append(found)
            if found.code != "closed":
                replies.append(found)
        except OSError:
            pass
        self.close()
        return replies

    def close(self):
        try:
            self.input.close()
            self.socket.close()
        except OSError:
            pass
