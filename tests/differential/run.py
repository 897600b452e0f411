#!/usr/bin/env python3
"""Random POP3 sessions against poppet and Dovecot on the same maildrop: every difference has a row in DIFFERENCES.md.

  run.py BINARY PACKAGES [--sequences 2000] [--seed N] [--only NUMBER] [--plant NAME]

PACKAGES is a folder with Dovecot's .deb files. The first difference without a row is shown as the shortest sequence
that still shows it. `--only` plays one sequence of a seed again, line by line; `--plant` spoils our replies on their
way in one spot (size, dot, code, mark), which the test must find.
"""

import argparse
import base64
import collections
import random
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "clients"))

from dovecot import Dovecot, LeftOut
from house import Failed, House
from link import Link
from maildrops import Maildrops
from rows import ROWS, Difference, key_of, keys_of_the_table
from sequences import sequence

BOXES = [f"box{number:02}@home.lan" for number in range(40)]
WORKERS = 4
LEFT_OUT = 77
TRIALS = 150                        # Of a shorter sequence, until the shortest is shown.
CHANGING = (b"DELE", b"RSET", b"QUIT", b"PASS", b"AUTH", b"USER", b"STLS", b"APOP")

PLANTS = {
    "size": lambda line, raw: re.sub(rb"^(\+OK 3 \d*)\d", rb"\g<1>x", raw) if line == b"LIST 3" else raw,
    "dot": lambda line, raw: raw[1:] if raw.startswith(b"..") else raw,
    "code": lambda line, raw: raw.replace(b"-ERR [AUTH] ", b"-ERR "),
    "mark": lambda line, raw: raw.replace(b"-ERR", b"+OK") if line == b"DELE 19" else raw,
}


class Lab:
    """Both servers, their mailboxes, and what was found."""

    def __init__(self, house, dovecot, maildrops, plant, out):
        self.house, self.dovecot, self.maildrops, self.plant, self.out = house, dovecot, maildrops, plant, out
        self.sessions = 0

    def play(self, sessions, box):
        """All differences of a sequence."""
        differences = []
        for steps in sessions:
            self.maildrops.used.add(box)
            if not Session(self, box).play(steps, differences):
                break
        return differences

    def links(self, box):
        self.sessions += 1
        source = f"127.{10 + self.sessions // 60000 % 200}.{self.sessions // 250 % 240}.{1 + self.sessions % 250}"
        yield Link(self.house.ports["pop3"], source, self.maildrops.ours[box], PLANTS.get(self.plant))
        yield Link(self.dovecot.port, source, self.maildrops.theirs[box])


class Session:
    """One session with both servers at once."""

    def __init__(self, lab, box):
        self.out = lab.out
        self.ours, self.theirs = lab.links(box)
        self.phase, self.previous, self.before = "authorization", b"", ""

    def play(self, steps, differences):
        """Adds what differs; false if the servers no longer stand in the same state."""
        try:
            if not self.compare(b"", differences):
                return False
            for kind, lines in steps:
                octets = b"".join(line + b"\r\n" for line in lines)
                for link in (self.ours, self.theirs):
                    link.send(octets[:-2] if kind == "half" else octets)
                for line in lines if kind != "half" else ():
                    if not self.compare(line, differences):
                        return False
                    if self.ours.closed or self.theirs.closed:
                        return True
            return True
        finally:
            self.ours.close()
            self.theirs.close()

    def compare(self, line, differences):
        ours, theirs = self.ours.reply(line), self.theirs.reply(line)
        difference = Difference(self.phase, line, ours, theirs, self.previous, self.before)
        self.previous, self.before = line, theirs.text
        if self.out:
            self.out(f"  {difference}")
        if ours == theirs:
            self.go_on(line, ours)
            return True
        differences.append(difference)
        same_status = ours.status == theirs.status
        changing = self.phase == "exchange" or line.strip().upper().startswith(CHANGING)
        if "silent" in (ours.status, theirs.status) or changing and not same_status:
            return False
        self.go_on(line, ours)
        return True

    def go_on(self, line, reply):
        verb = line[:4].upper()
        if reply.status == "+":
            self.phase = "exchange"
        elif self.phase == "exchange" or reply.status == "+OK" and verb in (b"PASS", b"AUTH") and line.upper() != b"AUTH":
            self.phase = "transaction" if reply.status == "+OK" and line.strip().upper() != b"AUTH" else "authorization"


def unknown(differences):
    return next((difference for difference in differences if not key_of(difference)), None)


def kind_of(difference):
    return difference and (difference.phase, difference.verb, difference.ours.status, difference.theirs.status)


def shortest(lab, sessions, wanted):
    """Leaves out whatever a difference of that kind doesn't need."""
    boxes, trials = [], 0

    def still_fails(candidate):
        nonlocal trials
        trials += 1
        if not boxes:
            lab.maildrops.refill()
            boxes.extend(lab.maildrops.boxes)
        box = boxes.pop()
        return kind_of(unknown(lab.play([named(steps, box) for steps in candidate], box))) == wanted

    sessions, again = [named(steps, "%") for steps in sessions], True
    while again:
        again = False
        for candidate in shorter(sessions):
            if trials >= TRIALS:
                return sessions
            if still_fails(candidate):
                sessions, again = candidate, True
                break
    return sessions


def shorter(sessions):
    for at in range(len(sessions)):
        if len(sessions) > 1:
            yield sessions[:at] + sessions[at + 1:]
    for at, steps in enumerate(sessions):
        for step, (kind, lines) in enumerate(steps):
            for less in [[], *([lines[:n] + lines[n + 1:] for n in range(len(lines))] if len(lines) > 1 else [])]:
                yield sessions[:at] + [steps[:step] + [(kind, less)] * bool(less) + steps[step + 1:]] + sessions[at + 1:]


def named(steps, box):
    """The same steps for another mailbox."""
    return steps if box == "%" else [(kind, [renamed(line, box) for line in lines]) for kind, lines in steps]


def renamed(line, box):
    try:
        head, _, word = line.rpartition(b" ")
        clear = base64.b64decode(word, validate=True)
        if b"@home.lan" in clear:
            coded = base64.b64encode(re.sub(rb"box\d\d@", box[:5].encode() + b"@", clear))
            return head + b" " + coded if head else coded
    except ValueError:
        pass
    return re.sub(rb"box\d\d@", box[:5].encode() + b"@", line)


def run(lab, options):
    counts, done, begun = collections.Counter(), 0, time.monotonic()
    numbers = [options.only] if options.only is not None else range(options.sequences)
    with ThreadPoolExecutor(WORKERS) as pool:
        for first in range(0, len(numbers), len(BOXES)):
            lab.maildrops.refill()
            batch = [(number, box, sequence(random.Random(f"{options.seed}-{number}"), box))
                     for number, box in zip(numbers[first:first + len(BOXES)], BOXES)]
            for (number, box, sessions), differences in zip(batch, list(pool.map(lambda it: lab.play(it[2], it[1]), batch))):
                done += 1
                counts.update(filter(None, map(key_of, differences)))
                if new := unknown(differences):
                    return failed(lab, options, number, sessions, new)
    report(counts, done, lab.sessions, time.monotonic() - begun)
    return 0


def failed(lab, options, number, sessions, new):
    print(f"FAILED sequence {number}: a difference without a row\n  {new}")
    print(f"play it again: --seed {options.seed} --only {number}")
    lab.out = None
    lab.maildrops.used.update(BOXES)
    short = shortest(lab, sessions, kind_of(new))
    print("the shortest sequence that shows it:")
    for at, steps in enumerate(short, 1):
        print(f"  session {at}")
        for kind, lines in steps:
            print(f"    {kind:5} " + " | ".join(repr(line)[2:-1][:100] for line in lines))
    return 1


def report(counts, done, sessions, seconds):
    for key in ROWS:
        print(f"  {counts[key]:6} {key}")
    print(f"ok {done} sequences, {sessions} sessions, {sum(counts.values())} differences, each with its row ({seconds:.0f} s)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("packages")
    parser.add_argument("--sequences", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", type=int)
    parser.add_argument("--plant", choices=PLANTS)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    if keys_of_the_table() != set(ROWS):
        print(f"FAILED: rows.py and DIFFERENCES.md don't tell of the same: {sorted(keys_of_the_table() ^ set(ROWS))}")
        return 1
    with tempfile.TemporaryDirectory(prefix="poppet-differential-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "ours").mkdir()
        house = House(options.binary, Path(folder) / "ours")
        try:
            dovecot = Dovecot(options.packages, Path(folder) / "dovecot")
        except LeftOut as why:
            print(f"left out: {why}")
            return LEFT_OUT
        try:
            house.set_up()
            # Cheap hashes; the throttle is not what is compared.
            for key, value in (("argon2_kib", "12288"), ("argon2_passes", "1"), ("connections_per_address", "1000")):
                house.poppet("set", key, value)
            house.start()
            for box in BOXES:
                house.add(box)
            dovecot.start(BOXES)
            maildrops = Maildrops(house, dovecot, BOXES, options.seed)
            return run(Lab(house, dovecot, maildrops, options.plant, print if options.only is not None else None), options)
        except (Failed, OSError) as why:
            print(f"FAILED the servers: {type(why).__name__}: {why}\n{house.log()[-800:]}\n{dovecot.log()}")
            return 1
        finally:
            house.kill()
            dovecot.stop()


if __name__ == "__main__":
    sys.exit(main())
