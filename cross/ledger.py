"""Mail that can be told apart: what was sent, what was acknowledged, and whether all of that is there, once and whole."""

import base64
import hashlib
import poplib
import random
import smtplib
import socket
import ssl
import threading
import time
from contextlib import suppress

from board import Failed
from guest import PASSWORD

ADDRESS = "alice@home.lan"
PATIENCE_SECONDS = 60
TROUBLE = (OSError, EOFError, smtplib.SMTPException, poplib.error_proto)


class Trust(ssl.SSLContext):
    """Believes the board's authority alone, and wants the board's name though it calls at loopback."""

    def __new__(cls, *_):
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, authority, name):
        self.name = name
        self.verify_flags |= ssl.VERIFY_X509_STRICT
        self.load_verify_locations(cadata=authority)

    def wrap_socket(self, sock, **options):
        return super().wrap_socket(sock, **{**options, "server_hostname": self.name})


class Ledger:
    """What a board must have. Numbers are given once, so nothing may be there twice."""

    def __init__(self, seed):
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.digests, self.acknowledged, self.removed, self.names = {}, set(), set(), {}

    def next_mail(self, octets=None):
        with self.lock:
            number = len(self.digests) + 1
            size = octets or int(200 * 2 ** self.random.uniform(0, 8))
            body = base64.encodebytes(self.random.randbytes(size)).replace(b"\n", b"\r\n")
            self.digests[number] = digest(body)
        head = f"From: printer@home.lan\r\nTo: {ADDRESS}\r\nSubject: number {number}\r\n\r\n"
        return number, head.encode() + body

    def acknowledge(self, number):
        with self.lock:
            self.acknowledged.add(number)

    def problems(self, found):
        """What is wrong with the messages that a board gave: [(UIDL, octets)]."""
        seen, wrong = {}, []
        for name, message in found:
            number, body = parsed(message)
            if number not in self.digests:
                wrong.append(f"{name} was never sent")
            elif digest(body) != self.digests[number]:
                wrong.append(f"{number} is damaged")
            elif number in seen:
                wrong.append(f"{number} is there twice")
            elif number in self.removed:
                wrong.append(f"{number} was removed and is back")
            elif self.names.setdefault(number, name) != name:
                wrong.append(f"{number} has another UIDL than before")
            seen[number] = name
        wrong += [f"{number} was acknowledged and is lost" for number in sorted(self.acknowledged - self.removed - set(seen))]
        if len(set(self.names.values())) != len(self.names):
            wrong.append("a UIDL stands for two messages, one of them perhaps removed")
        return wrong


def parsed(message):
    head, _, body = message.partition(b"\r\n\r\n")
    words = next((line.split() for line in head.split(b"\r\n") if line.startswith(b"Subject: number ")), [])
    return (int(words[2]) if len(words) == 3 and words[2].isdigit() else 0), body


def digest(body):
    return hashlib.sha256(body).hexdigest()


def send_plain(guest, mail):
    with smtplib.SMTP("127.0.0.1", guest.ports["smtp"], timeout=PATIENCE_SECONDS) as smtp:
        smtp.sendmail("printer@client.test", [ADDRESS], mail)


def send_logged_on(guest, trust, mail):
    with smtplib.SMTP_SSL("127.0.0.1", guest.ports["submissions"], timeout=PATIENCE_SECONDS, context=trust) as smtp:
        smtp.login(ADDRESS, PASSWORD)
        smtp.sendmail(ADDRESS, [ADDRESS], mail)


def logged_on(guest, trust):
    pop3 = poplib.POP3_SSL("127.0.0.1", guest.ports["pop3s"], timeout=PATIENCE_SECONDS, context=trust)
    pop3.user(ADDRESS)
    pop3.pass_(PASSWORD)
    return pop3


def certificate_end(guest, trust):
    """`Dec 31 23:59:59 2049 GMT`."""
    with socket.create_connection(("127.0.0.1", guest.ports["pop3s"]), PATIENCE_SECONDS) as plain:
        with trust.wrap_socket(plain) as secured:
            return secured.getpeercert()["notAfter"]


def fetch(guest, trust):
    """All messages in their order: [(UIDL, octets)]."""
    pop3 = logged_on(guest, trust)
    names = [line.decode().split()[1] for line in pop3.uidl()[1]]
    found = [(name, b"".join(line + b"\r\n" for line in pop3.retr(place)[1])) for place, name in enumerate(names, 1)]
    pop3.quit()
    return found


def remove(guest, trust, names):
    """Removes messages of these UIDLs; they are gone once QUIT is answered."""
    pop3 = logged_on(guest, trust)
    for line in pop3.uidl()[1]:
        place, name = line.decode().split()
        if name in names:
            pop3.dele(int(place))
    pop3.quit()


class Senders:
    """Several at once, until the power goes: one logs on, the others come by port 25."""

    def __init__(self, guest, trust, ledger, plain=3):
        self.guest, self.trust, self.ledger, self.must_end, self.trouble = guest, trust, ledger, threading.Event(), ""
        self.before = len(ledger.acknowledged)
        acts = [self.by_logon, *[self.by_port_25] * plain]
        self.threads = [threading.Thread(target=self.work, args=(act,), daemon=True) for act in acts]
        for thread in self.threads:
            thread.start()

    def work(self, act):
        while not self.must_end.is_set():
            try:
                act()
            except TROUBLE as why:
                if not self.must_end.is_set():
                    self.trouble = f"{type(why).__name__}: {why}"
                self.must_end.wait(0.2)

    def by_port_25(self):
        with smtplib.SMTP("127.0.0.1", self.guest.ports["smtp"], timeout=PATIENCE_SECONDS) as smtp:
            self.stream(smtp, "printer@client.test", 20)

    def by_logon(self):
        with smtplib.SMTP_SSL("127.0.0.1", self.guest.ports["submissions"], timeout=PATIENCE_SECONDS, context=self.trust) as smtp:
            smtp.login(ADDRESS, PASSWORD)
            self.stream(smtp, ADDRESS, 20)

    def stream(self, smtp, sender, mails):
        for _ in range(mails):
            if self.must_end.is_set():
                return
            number, mail = self.ledger.next_mail()
            smtp.sendmail(sender, [ADDRESS], mail)
            self.ledger.acknowledge(number)

    def wait_for(self, mails, seconds):
        """Until so many are acknowledged."""
        end = time.monotonic() + seconds
        while self.done() < mails:
            if time.monotonic() > end:
                raise Failed(f"{self.done()} mails acknowledged within {seconds} s, not {mails}; {self.trouble}")
            time.sleep(0.05)

    def done(self):
        return len(self.ledger.acknowledged) - self.before

    def end(self):
        """Once the power is gone. What was in flight is neither acknowledged nor lost."""
        self.must_end.set()
        with suppress(RuntimeError):
            for thread in self.threads:
                thread.join(PATIENCE_SECONDS)
        return self.done()
