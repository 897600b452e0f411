"""The same messages in both servers: ours gets them by SMTP, Dovecot as files with our trace fields on top."""

import poplib
import re
import smtplib
from concurrent.futures import ThreadPoolExecutor

from corpus import HEADER, completed, corpus, mail
from house import ADDRESS, PASSWORD, Failed

poplib._MAXLINE = 1 << 20
TRACE = re.compile(rb"Return-Path: <[^\r\n]*>\r\nDelivered-To: [^\r\n]+\r\nReceived: [^\r\n]+(\r\n[ \t][^\r\n]*)*\r\n")


def messages(seed):
    """Names and messages: those of the client tests, and nastier ones."""
    nasty = {
        "NUL": mail("NUL", b"a\0b\r\n\0\r\n\0.\r\n.\0\r\n"),
        "no header": b"this is no header\r\nnor is this\r\n",
        "one line end": b"\r\n",
        "dots in the header": HEADER % (b"dots", b"dots") + b".Dot: x\r\n ..folded\r\n\r\n...\r\n",
        "dots at the end": mail("dots-at-the-end", b"x\r\n.\r\n.\r\n..\r\n"),
    }
    everyday = corpus(seed, attachment_octets=60_000)
    return {name: completed(message) for name, message in {**everyday, **nasty}.items()}


class Maildrops:
    """The mailboxes of both servers, as far as they are known: unique ids and the messages they name."""

    def __init__(self, house, dovecot, boxes, seed):
        self.house, self.dovecot, self.boxes, self.messages = house, dovecot, boxes, messages(seed)
        self.ours, self.theirs = {}, {}
        self.used = set(boxes)

    def refill(self):
        """Makes every mailbox that was used hold all messages again."""
        boxes = sorted(self.used)
        if not boxes:
            return
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(self.empty, boxes))
            with self.smtp("smtp") as stranger, self.smtp("submission") as user:
                user.login(ADDRESS, PASSWORD)
                stranger.ehlo()
                for message in self.messages.values():
                    # Only a user's NUL is taken, and only a stranger's header stays as it is.
                    deliver(user if b"\0" in message else stranger, boxes, message)
            list(pool.map(self.copy, boxes))
        self.used.clear()

    def smtp(self, name):
        return smtplib.SMTP("127.0.0.1", self.house.ports[name], timeout=60)

    def empty(self, box):
        pop3 = logged_on(self.house.ports["pop3"], box)
        for number in range(1, pop3.stat()[0] + 1):
            pop3.dele(number)
        pop3.quit()

    def copy(self, box):
        """Gives Dovecot what ours has."""
        self.dovecot.fill(box, self.fetch(box))
        self.theirs[box] = self.names(self.dovecot.port, box)

    def fetch(self, box):
        """What ours has, after a look at each message: trace fields, then the octets that were sent."""
        pop3 = logged_on(self.house.ports["pop3"], box)
        whole = []
        for number, (name, sent) in enumerate(self.messages.items(), 1):
            message = b"".join(line + b"\r\n" for line in pop3.retr(number)[1])
            trace = TRACE.match(message)
            if not trace or message[trace.end():] != sent:
                raise Failed(f"{box}: {name} did not come back as it was sent: {message[:400]!r}")
            whole.append(trace[0] + sent)
        pop3.quit()
        self.ours[box] = self.names(self.house.ports["pop3"], box)
        return whole

    def names(self, port, box):
        pop3 = logged_on(port, box)
        ids = [line.split()[1].decode() for line in pop3.uidl()[1]]
        pop3.quit()
        if len(ids) != len(self.messages) or len(set(ids)) != len(ids):
            raise Failed(f"{box}: {len(self.messages)} messages have the unique ids {ids}")
        return dict(zip(ids, self.messages))


def deliver(smtp, boxes, message):
    """One mail for all, in one burst: answering each recipient by himself takes most of the time."""
    commands = [f"MAIL FROM:<{ADDRESS}> BODY=8BITMIME", *(f"RCPT TO:<{box}>" for box in boxes), "DATA"]
    smtp.send("".join(command + "\r\n" for command in commands))
    replies = [smtp.getreply() for _ in commands]
    if [code for code, _ in replies] != [250] * (1 + len(boxes)) + [354]:
        raise Failed(f"a mail is not taken: {replies}")
    smtp.send(b"".join(b"." * line.startswith(b".") + line for line in re.findall(rb"[^\n]*\n", message)) + b".\r\n")
    if (reply := smtp.getreply())[0] != 250:
        raise Failed(f"a mail is not taken: {reply}")


def logged_on(port, box):
    pop3 = poplib.POP3("127.0.0.1", port, timeout=60)
    pop3.user(box)
    pop3.pass_(PASSWORD)
    return pop3
