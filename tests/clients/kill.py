#!/usr/bin/env python3
"""kill -9 of the real binary under load: what was acknowledged is there, what was deleted stays away.

  kill.py BINARY [--rounds 20] [--seed N]

Senders note every mail whose 250 they saw, deleters every deletion whose QUIT was answered. After each kill the
server starts again, and each mailbox is held against these notes. The control, `--lose`, forgets one stored mail
on purpose and must fail.
"""

import argparse
import hashlib
import poplib
import random
import smtplib
import sys
import tempfile
import threading

from house import PASSWORD, Failed, House

poplib._MAXLINE = 1 << 20
BOXES = [f"box{number}@home.lan" for number in range(4)]
SENDERS = 6
READY_SECONDS = 10.0                # Far more than it takes: a loaded machine is no fault of the server.
MAILS_PER_SESSION = 900             # The server ends a session after 1,000.
BROKEN = (OSError, EOFError, smtplib.SMTPException, poplib.error_proto)


class Ledger:
    """What each mailbox must, may and must not hold, by the mails' names."""

    def __init__(self):
        self.lock = threading.Lock()
        self.must = {box: set() for box in BOXES}
        self.may = {box: set() for box in BOXES}
        self.gone = {box: set() for box in BOXES}
        self.leaving = {box: set() for box in BOXES}    # One session's deletions whose QUIT got no answer.
        self.together = {}                              # Recipients of a mail: all or none have it.
        self.sent = self.removed = 0

    def offered(self, name, boxes):
        with self.lock:
            self.together[name] = set(boxes)
            for box in boxes:
                self.may[box].add(name)

    def acknowledged(self, name, boxes):
        with self.lock:
            self.sent += 1
            for box in boxes:
                self.may[box].discard(name)
                if name not in self.gone[box]:      # A deleter may have been quicker than the 250.
                    self.must[box].add(name)

    def deleting(self, box, names):
        with self.lock:
            self.leaving[box] = set(names)

    def deleted(self, box):
        with self.lock:
            names, self.leaving[box] = self.leaving[box], set()
            self.removed += len(names)
            self.gone[box] |= names
            self.must[box] -= names
            self.may[box] -= names

    def held_against(self, found):
        """Compares what is there, box by box, and takes it for what must be there from now on."""
        for box in BOXES:
            there, leaving = found[box], self.leaving[box]
            if lost := self.must[box] - leaving - there:
                raise Failed(f"{box}: {len(lost)} acknowledged mails are lost, {sorted(lost)[:3]}")
            if back := self.gone[box] & there:
                raise Failed(f"{box}: {len(back)} deleted mails are back, {sorted(back)[:3]}")
            if strange := there - self.must[box] - self.may[box]:
                raise Failed(f"{box}: {len(strange)} mails that nobody sent, {sorted(strange)[:3]}")
            if leaving & there and leaving - there:
                raise Failed(f"{box}: {len(leaving & there)} of the {len(leaving)} deletions of one QUIT were left out")
        self.all_or_none(found)
        for box in BOXES:
            there, leaving = found[box], self.leaving[box]
            self.gone[box] |= leaving - there
            self.must[box], self.may[box], self.leaving[box] = set(there), set(), set()
        self.together.clear()

    def all_or_none(self, found):
        """A mail whose 250 never came reached all its recipients or none."""
        for name, boxes in self.together.items():
            having = {box for box in boxes if name in found[box]}
            unsure = {box for box in boxes if name in self.gone[box] | self.leaving[box]}
            if any(name in self.may[box] for box in boxes) and having and having | unsure != boxes:
                raise Failed(f"{name} reached {sorted(having)} of {sorted(boxes)}")


def body(name):
    """A mail's text follows from its name, so that every octet of it can be checked."""
    chance = random.Random(name)
    octets = chance.choice((200, 2_000, 2_000, 20_000, 20_000, 100_000, 400_000))
    line = hashlib.sha256(name.encode()).hexdigest().encode()
    lines = b"".join(b"%s %d\r\n.\r\n" % (line, number) for number in range(octets // 70 + 1))
    return b"Subject: %s\r\nFrom: <sender@client.test>\r\n\r\n" % name.encode() + lines


def send(port, ledger, stop, seed, prefix):
    chance, number = random.Random(seed), 0
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
            while number < MAILS_PER_SESSION:
                name, number = f"{prefix}-{number}", number + 1
                boxes = chance.sample(BOXES, chance.choice((1, 1, 1, 2, 4)))
                text = body(name)
                ledger.offered(name, boxes)
                if smtp.sendmail("sender@client.test", boxes, text):
                    raise Failed(f"{name}: a recipient was refused")
                ledger.acknowledged(name, boxes)
    except BROKEN:
        if not stop.is_set():
            raise


def delete(port, ledger, stop, seed, box):
    chance = random.Random(seed)
    try:
        while True:
            pop3 = log_on(port, box)
            count = pop3.stat()[0]
            numbers = sorted(chance.sample(range(1, count + 1), min(count, chance.randint(1, 8))))
            names = [name_of(b"\r\n".join(pop3.top(number, 0)[1])) for number in numbers]
            for number in numbers:
                pop3.dele(number)
            if chance.random() < 0.2:
                pop3.close()        # Without QUIT nothing is deleted.
                continue
            ledger.deleting(box, names)
            pop3.quit()
            ledger.deleted(box)
    except BROKEN:
        if not stop.is_set():
            raise


def log_on(port, box):
    """A session that was cut off may hold the maildrop a moment longer."""
    for _ in range(1000):
        pop3 = poplib.POP3("127.0.0.1", port, timeout=30)
        pop3.user(box)
        try:
            pop3.pass_(PASSWORD)
            return pop3
        except poplib.error_proto as why:
            pop3.close()
            if b"[IN-USE]" not in why.args[0]:
                raise
    raise Failed(f"{box} is in use for ever")


def name_of(message):
    return message.split(b"Subject: ", 1)[1].split(b"\r\n", 1)[0].decode()


def found(port):
    """Every mailbox's mails; each must be whole and there once."""
    boxes = {}
    for box in BOXES:
        pop3, names = log_on(port, box), set()
        for number in range(1, pop3.stat()[0] + 1):
            message = b"".join(line + b"\r\n" for line in pop3.retr(number)[1])
            name = name_of(message)
            if not message.endswith(b"\r\n" + body(name)):
                raise Failed(f"{box}: {name} is not what was sent")
            if name in names:
                raise Failed(f"{box}: {name} is there twice")
            names.add(name)
        pop3.quit()
        boxes[box] = names
    return boxes


def one_round(house, ledger, chance, number):
    stop, failures = threading.Event(), []

    def guarded(work, *arguments):
        try:
            work(*arguments)
        except Exception as why:
            failures.append(why)
            stop.set()

    smtp, pop3 = house.ports["smtp"], house.ports["pop3"]
    threads = [threading.Thread(target=guarded, args=(send, smtp, ledger, stop, chance.random(), f"r{number}s{sender}"))
               for sender in range(SENDERS)]
    threads += [threading.Thread(target=guarded, args=(delete, pop3, ledger, stop, chance.random(), box)) for box in BOXES]
    for thread in threads:
        thread.start()
    cut_short = stop.wait(chance.uniform(0.2, 1.5))
    stop.set()
    house.kill()
    for thread in threads:
        thread.join()
    if cut_short:
        raise Failed(f"before the kill: {failures[0]!r}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments.add_argument("--lose", action="store_true", help="forget one mail on purpose: must fail")
    given = arguments.parse_args()
    print(f"seed {given.seed}", flush=True)
    chance, ledger, slowest = random.Random(given.seed), Ledger(), 0.0
    with tempfile.TemporaryDirectory(prefix="poppet-kill-") as folder:
        house = House(given.binary, folder, listeners=("pop3", "smtp"))
        try:
            house.set_up()
            for box in BOXES:
                house.add(box)
            house.start()
            for number in range(given.rounds):
                one_round(house, ledger, chance, number)
                slowest = max(slowest, house.start())
                if given.lose:
                    lose_one(house.ports["pop3"])
                ledger.held_against(found(house.ports["pop3"]))
            if slowest > READY_SECONDS:
                raise Failed(f"a restart took {slowest:.2f} s until it was ready, {READY_SECONDS} s is the most")
            if not ledger.sent or not ledger.removed:
                raise Failed(f"no load: {ledger.sent} mails, {ledger.removed} deletions")
            house.stop()
        except Failed as why:
            print(f"FAILED kill: {why} (seed {given.seed})")
            return 1
        finally:
            house.kill()
    print(f"ok kill: {given.rounds} rounds, {ledger.sent} mails and {ledger.removed} deletions acknowledged, "
          f"slowest restart {slowest * 1000:.0f} ms")
    return 0


def lose_one(port):
    for box in BOXES:
        pop3 = log_on(port, box)
        if pop3.stat()[0]:
            pop3.dele(1)
        pop3.quit()


if __name__ == "__main__":
    sys.exit(main())
