#!/usr/bin/env python3
"""kill -9 of the real binary with a busy queue: what was acknowledged leaves, and hardly anything leaves twice.

  kill_queue.py BINARY [--rounds 15] [--seed N]

Users send mail to the outside and note every 250; a smart host of the test's own takes it, refuses some for now and some
for good, and drops some connections, and notes every 250 that it says. After the last kill all must have left or have come
back as a report. Twice may come only what the smart host had answered at most a moment before a kill, or a dropped
connection. The control, `--lose`, forgets one mail that the smart host took and must fail.
"""

import argparse
import random
import socket
import socketserver
import smtplib
import sys
import tempfile
import threading
import time

from house import ADDRESS, PASSWORD, Failed, House
from kill import body, log_on
from slapd import until

SENDERS = 6
WINDOW_SECONDS = 2.0                # An answer and its commit, on a machine that is slow.
READ_ON_SECONDS = 1.0               # What the dead server had sent is still read, and its answer has nobody to hear it.
EMPTIES_SECONDS = 120
BROKEN = (OSError, EOFError, smtplib.SMTPException)


class SmartHost(socketserver.ThreadingTCPServer):
    """Takes mail, not always at once; notes what it has taken, and when it was unsure whether that was heard."""

    daemon_threads, allow_reuse_address = True, True

    def __init__(self, seed):
        super().__init__(("127.0.0.1", 0), Talk)
        self.chance, self.lock, self.is_kind = random.Random(seed), threading.Lock(), False
        self.taken, self.refused, self.unheard = {}, set(), set()

    def mood(self):
        with self.lock:
            return 1.0 if self.is_kind else self.chance.random()

    def take(self, name, text):
        if text.split(b"\r\n\r\n", 1)[1] != body(name).split(b"\r\n\r\n", 1)[1]:
            raise SystemExit(f"{name} is not what was sent")
        with self.lock:
            self.taken.setdefault(name, []).append(time.monotonic())


class Talk(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            self.talk()
        except OSError:
            pass

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def talk(self):
        self.say("220 smarthost.test ESMTP")
        while line := self.rfile.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say("250-smarthost.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
            elif verb == b"QUIT":
                return self.say("221 2.0.0 good-bye")
            elif verb == b"DATA":
                if not self.data():
                    return
            elif verb == b"RCPT" and self.server.mood() < 0.02:
                self.say("450 4.2.0 not now")
            else:
                self.say("250 2.0.0 fine")

    def data(self):
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line[1:] if line.startswith(b".") else line)
        text = b"".join(lines)
        if not text:
            self.say("554 5.5.1 nobody is to get it")   # Its only recipient was refused.
            return True
        name = text.split(b"Subject: ", 1)[1].split(b"\r\n", 1)[0].decode()
        mood = self.server.mood()
        if mood < 0.02:
            return False                # Nobody knows whether it was taken: it was not.
        if mood < 0.04:
            self.say("451 4.3.0 not now")
            return True
        if mood < 0.05 and name not in self.server.taken:
            self.server.refused.add(name)
            self.say("554 5.7.1 never")
            return True
        self.server.take(name, text)
        if mood < 0.07:
            with self.server.lock:
                self.server.unheard.add(name)
            return False                # It was taken, and nobody hears of it.
        self.say("250 2.0.0 taken")
        return True


def send(port, noted, lock, stop, prefix):
    number = 0
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
            smtp.login(ADDRESS, PASSWORD)
            while number < 900:
                name, number = f"{prefix}-{number}", number + 1
                smtp.sendmail(ADDRESS, [f"{name}@example.com"], body(name))
                with lock:
                    noted.add(name)
    except BROKEN:
        if not stop.is_set():
            raise


def one_round(house, noted, lock, chance, number):
    stop, failures = threading.Event(), []

    def guarded(*arguments):
        try:
            send(*arguments)
        except Exception as why:
            failures.append(why)
            stop.set()

    port = house.ports["submission"]
    threads = [threading.Thread(target=guarded, args=(port, noted, lock, stop, f"r{number}s{sender}")) for sender in range(SENDERS)]
    for thread in threads:
        thread.start()
    cut_short = stop.wait(chance.uniform(0.3, 1.5))
    stop.set()
    killed = time.monotonic()
    house.kill()
    for thread in threads:
        thread.join()
    if cut_short:
        raise failures[0]
    return killed


def reported(house):
    """Of whom the sender has been told that his mail came to nothing; those reports go."""
    names, pop3 = set(), log_on(house.ports["pop3"], ADDRESS)
    for number in range(1, pop3.stat()[0] + 1):
        lines = pop3.retr(number)[1]
        names |= {line.split(b";")[1].split(b"@")[0].strip().decode() for line in lines if line.startswith(b"Final-Recipient:")}
    pop3.quit()
    return names


def check(noted, host, kills, reports, forgotten):
    taken = {name: times for name, times in host.taken.items() if name not in forgotten}
    if lost := {name for name in noted if name not in taken and name not in reports}:
        raise Failed(f"{len(lost)} acknowledged mails are lost, {sorted(lost)[:3]}")
    if false := {name for name in reports if name in taken and name not in host.refused}:
        raise Failed(f"{len(false)} mails were taken and reported as lost, {sorted(false)[:3]}")
    twice = {name: times for name, times in host.taken.items() if len(times) > 1}
    for name, times in twice.items():
        for first in times[:-1]:
            near = any(first - READ_ON_SECONDS <= killed <= first + WINDOW_SECONDS for killed in kills)
            if not near and name not in host.unheard:
                raise Failed(f"{name} was sent again though its 250 was heard")
    return len(twice)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("binary")
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options.add_argument("--lose", action="store_true")
    options = options.parse_args()
    chance = random.Random(options.seed)
    host = SmartHost(options.seed)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    noted, lock, kills = set(), threading.Lock(), []
    with tempfile.TemporaryDirectory(prefix="poppet-kill-queue-") as folder:
        house = House(options.binary, folder, listeners=("pop3", "submission"))
        try:
            house.set_up()
            for key, value in (("smarthost", f"127.0.0.1:{host.server_address[1]}"), ("smarthost_tls", "opportunistic"),
                               ("mails_per_day", "none"), ("hop_connections", "4")):
                house.poppet("set", key, value)
            for number in range(options.rounds):
                house.start()
                kills.append(one_round(house, noted, lock, chance, number))
            host.is_kind = True
            house.start()

            def is_empty():
                house.poppet("queue", "retry", "all")
                time.sleep(0.5)
                return not house.poppet("queue", "list").strip()

            until(is_empty, lambda: f"still queued: {house.poppet('queue', 'list')[:500]}", EMPTIES_SECONDS)
            reports = reported(house)
            forgotten = {next(iter(sorted(set(host.taken) & noted)))} if options.lose else set()
            twice = check(noted, host, kills, reports, forgotten)
            house.stop()
        except Failed as why:
            print(f"FAILED {why} (seed {options.seed}); {house.log()[-600:]}")
            sys.exit(1)
        finally:
            house.kill()
    print(f"ok {options.rounds} kills, {len(noted)} mails acknowledged, {len(host.taken)} taken, {len(reports)} reported, "
          f"{twice} came twice within the window (seed {options.seed})")


if __name__ == "__main__":
    main()
