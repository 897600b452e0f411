#!/usr/bin/env python3
"""Random SMTP sessions against poppet and Postfix's smtpd: every difference has a row in DIFFERENCES.md.

  run.py BINARY PACKAGES [--sessions 3000] [--seed N] [--only NUMBER] [--plant NAME] [--survey]

PACKAGES is a folder with Postfix's .deb files. Compared are the codes of all replies, whether the session goes on, and
what lies in the mailboxes after it. The first difference without a row is shown as the shortest session that still
shows it. `--only` plays one session of a seed again, step by step; `--plant` spoils what ours does in one spot (code,
goes-on, body, ghost), which the test must find; `--survey` counts differences without a row instead of stopping.
"""

import argparse
import collections
import random
import re
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "clients")]

import stored
from dovecot import LeftOut
from house import Failed, House
from link import CLOSED, Link
from postfix import Postfix
from rows import COMMON, ROWS, Difference, key_of, keys_of_the_table
from sessions import EHLO, session

WORKERS = 4
BOXES = [[f"{letter}{worker}@home.lan" for letter in "abc"] for worker in range(WORKERS)]
MESSAGE_MIB = 1
LEFT_OUT = 77
TRIALS = 200                        # Of a shorter session, until the shortest is shown.
ENOUGH = 3000                       # Sessions in which every common row is met.
QUEUED, STORED = re.compile(r"queued as ([0-9A-F]+)"), "250 2.0.0 Stored"
# The mail of who alone is waiting for one.
SETTLED = b"Subject: not compared\r\n\r\n.\r\n"
CHANGING = (b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"BDAT", b"STAR")

REPLY_PLANTS = {
    "code": lambda line, code: "250" if line[:4].upper() == b"RCPT" and code == "550" else code,
    "goes-on": lambda line, code: "354" if line.upper() == b"DATA" and code == "554" else code,
}
MAIL_PLANTS = {
    "body": lambda mails: [(sender, body.replace(b"\r\n..", b"\r\n.")) for sender, body in mails],
    "ghost": lambda mails: mails + mails[:1],
}


class Lab:
    """Both servers, and how many sessions they have had."""

    def __init__(self, house, postfix, plant, out):
        self.house, self.postfix, self.plant, self.out = house, postfix, plant, out
        self.sessions, self.lock, self.ids = 0, threading.Lock(), set()
        self.free = list(BOXES)

    def play(self, steps_for):
        """All differences of a session; `steps_for` gives its steps for some mailboxes."""
        with self.lock:
            boxes = self.free.pop()
            self.sessions += 1
            number = self.sessions
        try:
            source = f"127.{10 + number // 60000 % 200}.{number // 250 % 240}.{1 + number % 250}"
            steps = steps_for(boxes)
            ours = Link(self.house.ports["smtp"], source, REPLY_PLANTS.get(self.plant))
            theirs = Link(self.postfix.port, source)
            played = Session(ours, theirs, self.out)
            played.play(steps)
            self.compare_mail(boxes, played)
            with self.lock:
                self.ids |= played.ids
            return played.differences
        finally:
            with self.lock:
                self.free.append(boxes)

    def compare_mail(self, boxes, played):
        """Of each mail that both have taken, the same must lie there; of no other may ours have any."""
        mails = [(self.postfix.mail(queue_id), sent) for queue_id, sent in played.taken_by_both]
        for box in boxes:
            ours = MAIL_PLANTS.get(self.plant, list)(stored.ours(self.house.ports["pop3"], box))
            ours = [mail for mail in ours if mail[1] != SETTLED[:-3]]
            theirs = stored.theirs(mails, box)
            if played.is_ours_alone:
                continue
            if len(ours) != len(theirs):
                played.differ("stored", box.encode(), ours, theirs)
                continue
            for one, (sent, *other) in zip(ours, theirs):
                if one != tuple(other):
                    played.differ("stored", sent, one, tuple(other))


class Session:
    """One session with both servers at once."""

    def __init__(self, ours, theirs, out):
        self.ours, self.theirs, self.out = ours, theirs, out
        self.differences, self.ids, self.taken_by_both, self.is_ours_alone = [], set(), [], False
        self.previous, self.before, self.last = b"", ("", ""), (CLOSED, CLOSED)
        self.is_over = self.is_abandoned = False
        self.sent = b""             # Of the mail under way.

    @property
    def codes(self):
        return tuple(reply.code for reply in self.last)

    def play(self, steps):
        self.compare("greeting", b"")
        for kind, octets in steps:
            if self.is_over:
                break
            if self.out:
                self.out(f"  {kind} {octets if len(octets) < 200 else octets[:200]}")
            if kind not in ("message", "cut"):
                # Both may wait for a message that doesn't come.
                self.play_message(b"Subject: short\r\n\r\n.\r\n")
            if not self.is_over:
                getattr(self, f"play_{kind}")(octets)
        self.compare_rest()

    def play_line(self, line):
        self.send(line + b"\r\n")
        self.settle(line, self.compare("command", line))

    def play_burst(self, lines):
        self.send(b"".join(line + b"\r\n" for line in lines))
        is_same = True
        for line in lines:
            if is_same and not self.is_over:
                is_same = self.compare("command", line) or not line[:4].upper().startswith(CHANGING)
            elif not self.is_over:
                # They stand in two states: what they say now can't be the same.
                self.pass_over(line)
        self.settle(lines[-1] if is_same else EHLO, is_same)

    def play_message(self, octets):
        if self.codes == ("354", "354"):
            self.sent = re.sub(rb"(?m)^\.", b"", octets.removesuffix(b".\r\n"))
            self.send(octets)
            self.settle(b"DATA", self.compare("message", octets))

    def play_chunk(self, octets):
        self.send(octets)
        self.sent += octets.partition(b"\r\n")[2]
        is_same = self.compare("chunk", octets)
        # RFC 3030 §2: after a refused chunk a transaction is in no known state.
        self.settle(b"BDAT", is_same and self.codes == ("250", "250"))

    def play_tls(self, line):
        self.send(line + b"\r\n")
        self.compare("command", line)
        if self.codes == ("220", "220"):
            self.is_over = not (self.ours.begin_tls() and self.theirs.begin_tls())
        elif "220" in self.codes:
            self.abandon()

    def play_cut(self, octets):
        if self.codes == ("354", "354"):
            self.play_raw(octets)

    def play_raw(self, octets):
        self.send(octets)
        self.previous, self.is_over = octets, True

    play_half = play_raw

    def send(self, octets):
        self.ours.send(octets)
        self.theirs.send(octets)

    def compare(self, kind, line):
        """Whether both are still in the same state."""
        ours, theirs = self.ours.reply(line), self.note(self.theirs.reply(line))
        if ours != theirs:
            self.differ(kind, line, ours, theirs)
        # One has closed: this is told once, and nothing can be compared any more.
        self.is_abandoned |= ours.is_over != theirs.is_over
        found = QUEUED.findall(theirs.text)
        if ours.text.startswith(STORED):
            self.taken_by_both += [(queue_id, self.sent) for queue_id in found]
            self.is_ours_alone |= not found
        begins_anew = ours.code == "250" and line[:4].upper() in (b"MAIL", b"RSET", b"EHLO", b"HELO")
        if kind == "message" or begins_anew or ours.text.startswith(STORED):
            self.sent = b""
        self.previous, self.before, self.last = line, (ours.text, theirs.text), (ours, theirs)
        self.is_over = ours.is_over or theirs.is_over or ours.is_last or theirs.is_last
        return ours.code[0] == theirs.code[0]

    def pass_over(self, line):
        self.last = self.ours.reply(line), self.note(self.theirs.reply(line))
        self.is_over = any(reply.is_over or reply.is_last for reply in self.last)

    def abandon(self):
        """They can't be brought into one state again."""
        self.is_over = self.is_abandoned = True

    def settle(self, line, is_same):
        """After a difference that left them in two states, begins again in one."""
        if is_same or self.is_over or not line[:4].upper().startswith(CHANGING):
            return
        self.sent = b""
        for link, code in zip((self.ours, self.theirs), self.codes):
            if code == "354":
                link.send(SETTLED)
                self.note(link.reply())
        self.send(EHLO + b"\r\n")
        self.last = self.ours.reply(), self.theirs.reply()
        if self.codes != ("250", "250"):
            self.abandon()

    def compare_rest(self):
        ours, theirs = self.ours.rest(), self.theirs.rest()
        for reply in theirs:
            self.note(reply)
        self.is_ours_alone |= any(reply.text.startswith(STORED) for reply in ours)
        # What one says after the other has taken his leave is his own, but nobody speaks after that.
        if self.is_abandoned or self.last[0].is_last and not ours or self.last[1].is_last and not theirs:
            return
        if ours != theirs:
            self.differ("rest", self.previous, ours, theirs)

    def note(self, reply):
        self.ids |= set(QUEUED.findall(reply.text))
        return reply

    def differ(self, kind, line, ours, theirs):
        difference = Difference(kind, line, ours, theirs, self.previous, *self.before)
        if self.out:
            self.out(f"    {difference}")
        self.differences.append(difference)


def unknown(differences):
    return [difference for difference in differences if not key_of(difference)]


def kind_of(difference):
    codes = [getattr(it, "code", "") for it in (difference.ours, difference.theirs)]
    return (difference.kind, difference.verb if difference.kind == "command" else "", *codes)


def shortest(lab, steps, wanted):
    """Leaves out whatever a difference of that kind doesn't need."""
    trials, again = 0, True

    def still_fails(candidate):
        return wanted in map(kind_of, unknown(lab.play(lambda boxes: candidate)))

    while again:
        again = False
        for candidate in shorter(steps):
            trials += 1
            if trials > TRIALS:
                return steps
            if still_fails(candidate):
                steps, again = candidate, True
                break
    return steps


def shorter(steps):
    for at, (kind, octets) in enumerate(steps):
        yield steps[:at] + steps[at + 1:]
        for less in [octets[:n] + octets[n + 1:] for n in range(len(octets))] if kind == "burst" and 1 < len(octets) < 40 else []:
            yield steps[:at] + [(kind, less)] + steps[at + 1:]


def run(lab, options, has_chunks):
    counts, surveyed, begun = collections.Counter(), {}, time.monotonic()
    numbers = [options.only] if options.only is not None else range(options.sessions)

    def steps_of(number):
        return lambda boxes: session(random.Random(f"{options.seed}-{number}"), boxes, has_chunks)

    with ThreadPoolExecutor(WORKERS) as pool:
        for first in range(0, len(numbers), 20 * WORKERS):
            batch = numbers[first:first + 20 * WORKERS]
            for number, differences in zip(batch, list(pool.map(lambda number: lab.play(steps_of(number)), batch))):
                counts.update(filter(None, map(key_of, differences)))
                for new in unknown(differences):
                    if not options.survey:
                        return failed(lab, options, number, steps_of(number), new)
                    surveyed.setdefault(kind_of(new), []).append((number, new))
    for kind, found in sorted(surveyed.items(), key=lambda it: -len(it[1])):
        print(f"{len(found)} {kind}")
        for number, new in found[:options.survey]:
            print(f"   in {number}: {new}")
    return report(lab, counts, len(numbers), time.monotonic() - begun)


def failed(lab, options, number, steps_for, new):
    print(f"FAILED session {number}: a difference without a row\n  {new}")
    print(f"play it again: --seed {options.seed} --only {number}")
    lab.out, lab.free = None, BOXES[:1]
    print("the shortest session that shows it:")
    for kind, octets in shortest(lab, steps_for(BOXES[0]), kind_of(new)):
        for piece in octets if kind == "burst" else [octets]:
            print(f"    {kind:7} {repr(piece)[2:-1][:200]}")
    return 1


def report(lab, counts, done, seconds):
    for key in ROWS:
        print(f"  {counts[key]:6} {key}")
    if extra := lab.postfix.held() - lab.ids:
        print(f"FAILED: Postfix holds {len(extra)} mails that it never told of")
        return 1
    if done >= ENOUGH and (unmet := [key for key in COMMON if not counts[key]]):
        print(f"FAILED: these differences are no more: {' '.join(unmet)}")
        return 1
    print(f"ok {done} sessions, {len(lab.ids)} mails, {sum(counts.values())} differences, each with its row ({seconds:.0f} s)")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("packages")
    parser.add_argument("--sessions", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--only", type=int)
    parser.add_argument("--plant", choices=[*REPLY_PLANTS, *MAIL_PLANTS])
    parser.add_argument("--survey", type=int, nargs="?", const=3)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    print(f"seed {options.seed}", flush=True)
    if keys_of_the_table() != (set(ROWS), COMMON):
        print("FAILED: rows.py and DIFFERENCES.md don't tell of the same rows, or not of the same as common")
        return 1
    with tempfile.TemporaryDirectory(prefix="poppet-differential-") as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "ours").mkdir()
        house = House(options.binary, Path(folder) / "ours")
        try:
            postfix = Postfix(options.packages, Path(folder) / "postfix", MESSAGE_MIB << 20)
        except LeftOut as why:
            print(f"left out: {why}")
            return LEFT_OUT
        try:
            house.set_up()
            for key, value in (("argon2_kib", "12288"), ("argon2_passes", "1"), ("message_mib", str(MESSAGE_MIB))):
                house.poppet("set", key, value)
            house.start()
            boxes = [box for boxes in BOXES for box in boxes]
            for box in boxes:
                house.add(box)
            postfix.start(boxes)
            lab = Lab(house, postfix, options.plant, print if options.only is not None else None)
            return run(lab, options, offers_chunks(house.ports["smtp"]))
        except (Failed, OSError) as why:
            print(f"FAILED the servers: {type(why).__name__}: {why}\n{house.log()[-800:]}\n{postfix.log()}")
            return 1
        finally:
            house.kill()
            postfix.stop()


def offers_chunks(port):
    link = Link(port, "127.0.0.1")
    link.reply()
    link.send(EHLO + b"\r\n")
    words = link.reply(EHLO).words
    link.close()
    return "CHUNKING" in words


if __name__ == "__main__":
    sys.exit(main())
