"""Logons of users who are known elsewhere, and what must come of them at each door."""

import base64
import contextlib
import poplib
import re
import smtplib
import socket
import ssl
import time

from house import Failed
from slapd import until

TESTS = []
LET_IN, REFUSED, UNAVAILABLE = "let in", "refused", "unavailable"
REPLIES = {
    LET_IN: (r"\+OK ", r"235 2\.7\.0 "),
    REFUSED: (r"-ERR \[AUTH\] ", r"535 5\.7\.8 "),
    UNAVAILABLE: (r"-ERR \[SYS/TEMP\] ", r"454 4\.7\.0 "),
}


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Doors:
    """The server's doors as a client sees them; `network` is entered to open each."""

    def __init__(self, house, network=contextlib.nullcontext):
        self.house, self.network = house, network
        self.trust = ssl.create_default_context(cafile=house.authority)
        self.logons, self.told_before = 0, 0

    def fresh(self):
        """The server started anew, so that wrong tries of one test slow no other one down."""
        self.house.stop()
        self.told_before = len(self.house.log())
        self.house.start()

    def log(self):
        """What the server has said since."""
        return self.house.log()[self.told_before:]

    def must_log(self, pattern):
        until(lambda: re.search(pattern, self.log()), lambda: f"{pattern!r} is not in the log: {self.log()[-800:]}", 5)

    def source(self):
        """An address of its own for each logon, in a network of its own: else wrong ones would be answered late."""
        self.logons += 1
        return f"127.{1 + self.logons // 250}.{1 + self.logons % 250}.1"

    def pop3(self, user, password):
        """A session that has said USER and PASS, and the reply."""
        with self.network():
            session = Pop3(self.source(), self.house.ports["pop3s"], self.trust)
        session.encoding = "utf-8"
        try:
            if not user.isascii() or not password.isascii():
                session.utf8()
            session.user(user)
            return session, session.pass_(password).decode()
        except poplib.error_proto as refused:
            session.close()
            return None, refused.args[0].decode(errors="replace")

    def pop3_reply(self, user, password):
        session, reply = self.pop3(user, password)
        if session:
            session.quit()
        return reply

    def submission_reply(self, user, password):
        with self.network(), smtplib.SMTP_SSL("localhost", self.house.ports["submissions"], timeout=60, context=self.trust,
                                              source_address=(self.source(), 0)) as smtp:
            smtp.ehlo("client.test")
            code, text = smtp.docmd("AUTH", "PLAIN " + encoded(f"\0{user}\0{password}"))
            return f"{code} {text.decode()}"

    def expect(self, what, user, password, within_seconds=30):
        """Both doors must say so."""
        for reply, pattern in zip((self.pop3_reply, self.submission_reply), REPLIES[what]):
            begun = time.monotonic()
            told = reply(user, password)
            seconds = time.monotonic() - begun
            if not re.match(pattern, told):
                raise Failed(f"{user} with {password!r} should be {what}, and is told {told!r}; {self.log()[-400:]}")
            if seconds > within_seconds:
                raise Failed(f"{user} is answered after {seconds:.1f} s: {told!r}")

    def failures(self, user):
        """How many wrong tries are counted against him."""
        rows = [line.split("\t") for line in self.house.poppet("fails").splitlines()]
        return sum(int(row[1]) for row in rows if row[0] == user)

    def no_failures(self, user, before):
        """Nothing may have been counted against him."""
        after = self.failures(user)
        if after > before:
            raise Failed(f"{after - before} wrong tries of {user} are counted")

    @contextlib.contextmanager
    def nothing_counts(self, user):
        """Nothing may be counted against him meanwhile."""
        before = self.failures(user)
        yield
        self.no_failures(user, before)


class Pop3(poplib.POP3_SSL):
    """A session from an address."""

    def __init__(self, source, port, trust):
        self.source = source
        super().__init__("localhost", port, timeout=60, context=trust)

    def _create_socket(self, timeout):
        link = socket.create_connection((self.host, self.port), timeout, (self.source, 0))
        return self.context.wrap_socket(link, server_hostname=self.host)


def encoded(text):

    return base64.b64encode(text.encode()).decode()


def must_be_refused(run, pattern):
    """A command that fails with what matches the pattern."""
    try:
        told = run()
    except Failed as why:
        if not re.search(pattern, str(why)):
            raise Failed(f"{pattern!r} is not in {why}") from None
        return
    raise Failed(f"it is done, and says {told!r}")


@contextlib.contextmanager
def settings(house, **keys):
    """Settings that are otherwise for a while."""
    before = {key: house.poppet("get", key).strip().split("\t")[-1] for key in keys}
    for key, value in keys.items():
        house.poppet("set", key, value)
    try:
        yield
    finally:
        for key, value in before.items():
            house.poppet("set", key, value)
