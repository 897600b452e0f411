#!/usr/bin/env python3
"""The real binary with 100,000 recipients queued for one host that is dead: mail for others leaves, memory stays flat.

  deep.py BINARY [--count COUNT] [--each RECIPIENTS]     takes a minute

COUNT recipients, RECIPIENTS of each mail, wait for a host that takes connections and says nothing, and then for one that
refuses them. Beside all that is done with this queue, a mail for another host is sent every moment, and how long it takes
until it is there is measured. One line, `ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if it failed.
"""

import argparse
import re
import resource
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from house import ADDRESS, PASSWORD, Failed, House, passes
from scripted import Scripted, silent
from slapd import until

MIB = 1 << 20
# Beside what the cache of the database may have anyway.
GROWTH_MIB = 12
OTHER_SECONDS = 5
# A connection that nobody tells of mail waits for two.
USUAL_SECONDS = 1
READY_SECONDS = 5
DEAD, ALIVE = "dead.example", "alive.example"
SENDERS = 4
BODY = "Subject: one of many\r\n\r\n" + "some text of a line that is as long as others\r\n" * 40


class Lab:
    """A poppet, a host that is dead, and one that takes mail."""

    def __init__(self, house):
        self.house = house
        # How long others' mail took.
        self.times = []
        self.dead, self.alive = Scripted({"greeting": silent}), Scripted()
        house.poppet("route", DEAD, f"127.0.0.1:{self.dead.port}", "--tls", "opportunistic")
        house.poppet("route", ALIVE, f"127.0.0.1:{self.alive.port}", "--tls", "opportunistic")

    def session(self):
        smtp = smtplib.SMTP("127.0.0.1", self.house.ports["submission"], timeout=120)
        smtp.login(ADDRESS, PASSWORD)
        return smtp

    def fill(self, count, each):
        def one(sender):
            with self.session() as smtp:
                for first in range(sender * each, count, SENDERS * each):
                    smtp.sendmail(ADDRESS, [f"u{number}@{DEAD}" for number in range(first, min(first + each, count))], BODY)
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(one, range(SENDERS)))

    def memory(self, field):
        """In MiB."""
        status = Path(f"/proc/{self.house.server.pid}/status").read_text()
        return int(re.search(field + r":\s+(\d+)", status)[1]) / 1024

    def forget_peak(self):
        Path(f"/proc/{self.house.server.pid}/clear_refs").write_text("5")


class Others:
    """Sends mail to the host that lives, one after the other, and keeps how long the slowest took."""

    def __init__(self, lab):
        self.lab, self.slowest, self.count, self.why = lab, 0, 0, None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        try:
            with self.lab.session() as smtp:
                while self.count == 0 or not self.is_over.is_set():
                    before, begun = len(self.lab.alive.taken), time.monotonic()
                    smtp.sendmail(ADDRESS, [f"u@{ALIVE}"], BODY)
                    until(lambda: len(self.lab.alive.taken) > before, "mail for another host does not leave", 60)
                    self.lab.times.append(time.monotonic() - begun)
                    self.slowest = max(self.slowest, self.lab.times[-1])
                    self.count += 1
                    self.is_over.wait(0.1)
        except (Failed, OSError, smtplib.SMTPException) as why:
            self.why = why

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def beside(lab, name, act):
    """Does something while others' mail leaves; says how long both took, and the most memory."""
    # The first logon hashes: what that takes is another budget.
    lab.session().quit()
    lab.forget_peak()
    base, begun = lab.memory("VmRSS"), time.monotonic()
    with Others(lab) as others:
        act()
        seconds = time.monotonic() - begun
    if others.why:
        raise Failed(f"{name}: {others.why}")
    if others.slowest > OTHER_SECONDS:
        raise Failed(f"{name}: mail for another host took {others.slowest:.1f} s, {OTHER_SECONDS} are allowed")
    peak = lab.memory("VmHWM")
    told = f"{name} {seconds:.1f} s (others {others.slowest:.2f} s, peak {peak:.1f} MiB)"
    print(f"   {told}", flush=True)
    if peak - base > GROWTH_MIB:
        raise Failed(f"{told}: {peak - base:.1f} MiB more, {GROWTH_MIB} are allowed")
    return told


def run(lab, count, each):
    lab.fill(min(count, 2000), each)
    first = lab.memory("VmRSS")
    told = [beside(lab, "filled", lambda: lab.fill(count - min(count, 2000), each))]
    told.append(f"at rest {first:.1f} -> {lab.memory('VmRSS'):.1f} MiB")
    told.append(beside(lab, "silent host", lambda: time.sleep(5)))
    lab.dead.close()
    told.append(beside(lab, "queue retry all", lambda: lab.house.poppet("queue", "retry", "all")))
    told.append(beside(lab, "another route", lambda: lab.house.poppet("route", "third.example", "127.0.0.1:9")))
    told.append(beside(lab, "queue list", lambda: listed(lab, count)))
    told.append(beside(lab, "queue hold", lambda: lab.house.poppet("queue", "hold", f"@{DEAD}")))
    told.append(beside(lab, "queue release", lambda: lab.house.poppet("queue", "release", f"@{DEAD}")))
    for how, end in (("stop", lab.house.stop), ("kill", lab.house.kill)):
        end()
        ready = lab.house.start()
        told.append(beside(lab, f"ready {ready:.2f} s after a {how}, then", lambda: None))
        if ready > READY_SECONDS:
            raise Failed(f"ready only {ready:.1f} s after a {how}, {READY_SECONDS} are allowed")
    told.append(beside(lab, "queue del", lambda: lab.house.poppet("queue", "del", f"@{DEAD}", "--yes")))
    if left := lab.house.poppet("queue", "list"):
        raise Failed(f"left in the queue: {left[:300]!r}")
    usual = statistics.median(lab.times)
    if usual > USUAL_SECONDS:
        raise Failed(f"mail for another host mostly took {usual:.2f} s, {USUAL_SECONDS} is allowed")
    return f"{count} recipients, {each} a mail, others mostly {usual:.2f} s: {', '.join(told)}"


def listed(lab, count):
    """`poppet queue | head` ends at once, and the whole list has all."""
    command = [str(lab.house.binary), "--db", str(lab.house.database), "queue", "list"]
    begun = time.monotonic()
    head = subprocess.run(f"{' '.join(command)} | head -n 3", shell=True, capture_output=True, text=True, timeout=120)
    seconds = time.monotonic() - begun
    if head.stdout.count("\n") != 3 or head.stderr:
        raise Failed(f"queue list | head: {head.stdout!r} {head.stderr!r}")
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as whole:
        lines = sum(1 for line in whole.stdout if DEAD.encode() in line)
    if lines != count:
        raise Failed(f"queue list tells {lines} of {count}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"   head after {seconds:.2f} s, all after {time.monotonic() - begun:.2f} s, at most {peak:.1f} MiB in a child", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary", type=Path)
    arguments.add_argument("--count", type=int, default=100_000)
    arguments.add_argument("--each", type=int, default=100)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="poppet-deep-") as folder:
        house = House(options.binary.resolve(), folder, ("pop3", "submission"))
        house.set_up()
        # Counted is each recipient.
        house.poppet("set", "mails_per_day", "none")
        # The server that is played gets its port after the start.
        house.poppet("set", "sandbox", "off")
        house.start()
        try:
            is_well = passes("a deep queue", lambda lab: run(lab, options.count, options.each), Lab(house))
            house.stop()
        finally:
            house.kill()
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
