#!/usr/bin/env python3
"""Floods of slow connections against the real binary: honest clients are served, and memory and processor stay in
bounds (S-264-S-272).

  flood.py BINARY [NAME...]     all tests, or those whose name contains a NAME

The attackers come from many addresses of 127.0.0.0/8; 127.0.0.1 counts as known to the server, the others don't.
"""

import json
import os
import poplib
import resource
import selectors
import signal
import smtplib
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpus import mail
from house import ADDRESS, PASSWORD, Failed, House

KIB = 1024
MIB = 1024 * KIB
SLOW = 5000
DESCRIPTORS = 6000                  # This process holds the attackers, the server holds them too.
OF_ONE_ADDRESS = 40                 # Below the limit of one address.
TRICKLE_SECONDS = 4
AGAIN_SECONDS = 15                  # After so long who was sent away is there again.
PATIENCE_SECONDS = 60
MEMORY_OCTETS = 64 * MIB
LINES_A_SECOND = 20
STOPPING_SECONDS = 6                # Five for what is under way, and some for a busy machine.
KNOWN, LOGGED_ON = "127.0.0.1", "127.8.8.8"

HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)) + b"\x00" * 400

# What each kind says, one line for each that the server says, and the octets that it trickles then.
KINDS = (
    ("smtp", (), b""),
    ("pop3", (b"",), b"U"),
    ("smtp", (b"HELO x\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<%s>\r\n" % ADDRESS.encode(), b"DATA\r\n"), b"x"),
    ("pop3s", (), HELLO),
    ("submission", (b"HELO x\r\n", b"AUTH PLAIN\r\n"), b"A"),
)


class Attackers(threading.Thread):
    """So many slow connections of all kinds, one after the other; who is sent away may come again."""

    def __init__(self, ports, count, come_again):
        super().__init__(daemon=True)
        self.ports, self.count, self.come_again = ports, count, come_again
        self.links, self.due, self.ended = {}, [], threading.Event()
        self.begun = 0

    def run(self):
        with selectors.DefaultSelector() as selector:
            self.due = [(0, number) for number in range(self.count)]
            while not self.ended.is_set():
                self.begin_those_due(selector)
                for key, _ in selector.select(0.05):
                    self.listen(selector, key.data)
                self.trickle(selector)
            for attacker in list(self.links.values()):
                attacker.link.close()
            self.links.clear()

    def begin_those_due(self, selector):
        now, batch = time.monotonic(), self.due[:100]
        for at, number in batch:
            if at <= now:
                attacker = Attacker(self.ports, number)
                self.links[number] = attacker
                self.begun += 1
                selector.register(attacker.link, selectors.EVENT_READ, attacker)
        self.due = [entry for entry in batch if entry[0] > now] + self.due[100:]

    def listen(self, selector, attacker):
        if not attacker.heard():
            selector.unregister(attacker.link)
            attacker.link.close()
            del self.links[attacker.number]
            if self.come_again:
                self.due.append((time.monotonic() + AGAIN_SECONDS, attacker.number))

    def trickle(self, selector):
        now = time.monotonic()
        for attacker in list(self.links.values()):
            if attacker.next_octet <= now:
                attacker.next_octet = now + TRICKLE_SECONDS
                attacker.trickle()

    def standing(self):
        return len(self.links)

    def end(self):
        self.ended.set()
        self.join()


class Attacker:
    """One slow connection."""

    def __init__(self, ports, number):
        self.number = number
        name, words, self.octets = KINDS[number % len(KINDS)]
        self.words = list(words)
        self.next_octet = time.monotonic() + number % 97 / 97 * TRICKLE_SECONDS
        self.link = socket.socket()
        self.link.setblocking(False)
        network = number // OF_ONE_ADDRESS
        self.link.bind((f"127.{20 + network // 200}.{network % 200}.1", 0))
        self.link.connect_ex(("127.0.0.1", ports[name]))

    def heard(self):
        """Answers what came; false if the server has hung up."""
        try:
            if not self.link.recv(4096):
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False
        if self.words:
            self.say(self.words.pop(0))
        return True

    def trickle(self):
        if self.octets and not self.words:
            self.say(self.octets[:1])
            self.octets = self.octets[1:] + self.octets[:1]

    def say(self, octets):
        try:
            if octets:
                self.link.send(octets)
        except OSError:
            pass                    # That he is sent away is heard.


# ---------------------------------------------------------------- honest clients

def send(house, source):
    with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=PATIENCE_SECONDS, source_address=(source, 0)) as smtp:
        smtp.sendmail("sender@client.test", [ADDRESS], mail("honest", b"text\r\n"))


def fetch(house, source, user=ADDRESS.encode(), password=PASSWORD.encode()):
    link = socket.create_connection(("127.0.0.1", house.ports["pop3"]), PATIENCE_SECONDS, (source, 0))
    with link, link.makefile("rb") as answers:
        for command in (b"", b"USER %s\r\n" % user, b"PASS %s\r\n" % password, b"QUIT\r\n"):
            link.sendall(command)
            if not (answer := answers.readline()).startswith(b"+OK"):
                raise Failed(f"{command[:4]!r}: {answer!r}")


def insist(act):
    """Tries until it is served; how often it was sent away."""
    end, tries = time.monotonic() + PATIENCE_SECONDS, 0
    while True:
        try:
            act()
            return tries
        except (OSError, smtplib.SMTPException, Failed) as why:
            tries += 1
            if time.monotonic() > end:
                raise Failed(f"an honest stranger was sent away {tries} times, at last: {why}") from None
            time.sleep(0.5)


# ---------------------------------------------------------------- what is measured

def memory(house, field="VmRSS"):
    status = Path(f"/proc/{house.server.pid}/status").read_text()
    return next(int(line.split()[1]) * KIB for line in status.splitlines() if line.startswith(field + ":"))


def processor_seconds(house):
    fields = Path(f"/proc/{house.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(what, is_so, seconds=PATIENCE_SECONDS):
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() > begun + seconds:
            raise Failed(f"not within {seconds} seconds: {what}")
        time.sleep(0.02)
    return time.monotonic() - begun


# ---------------------------------------------------------------- the tests

def five_thousand_slow_connections_for_a_thousand_places(house):
    """They come again whenever they are sent away. Who is known is served at once, each time; an honest stranger is
    after some tries, and so is an administrator."""
    house.start()
    fetch(house, LOGGED_ON)
    attackers = Attackers(house.ports, SLOW, come_again=True)
    attackers.start()
    try:
        wait_until("all places of strangers are taken", lambda: attackers.begun >= SLOW and attackers.standing() >= 700)
        slowest, rounds, refused = 0, 0, []
        end = time.monotonic() + 20
        while time.monotonic() < end:
            for source in (KNOWN, LOGGED_ON):
                begun = time.monotonic()
                send(house, source)
                fetch(house, source)
                slowest, rounds = max(slowest, time.monotonic() - begun), rounds + 1
            refused.append(insist(lambda: send(house, f"127.7.7.{len(refused) % 250 + 1}")))
            house.poppet("status")
        octets = memory(house)
    finally:
        attackers.end()
    lines = house.log().count("\n")
    return (f"{rounds} rounds of known clients, {slowest * 1000:.0f} ms at most; {len(refused)} strangers sent away "
            f"{max(refused)} times at most before they were served; RSS {octets / MIB:.1f} MiB; {lines} log lines for "
            f"{attackers.begun} attempts")


def five_thousand_slow_connections_that_have_places(house):
    """With 7,000 places (from 5,250 on they are scarce) all are held, and each costs little."""
    house.poppet("set", "connections", "7000")
    house.start()
    fetch(house, KNOWN)
    time.sleep(3)                   # The memory of the password's hash goes back.
    base, at = memory(house), {}
    for count in (1000, SLOW):
        attackers = Attackers(house.ports, count, come_again=False)
        attackers.start()
        try:
            # Those within TLS have ten seconds, which on a slow machine are over before the last one has come.
            expected = count - count // len(KINDS)
            wait_until(f"{count} have come", lambda: attackers.begun == count and not attackers.due)
            wait_until("the server has them", lambda: sessions(house) >= expected)
            time.sleep(TRICKLE_SECONDS + 1)
            if attackers.standing() < expected:
                raise Failed(f"{count} have places, and only {attackers.standing()} stand")
            at[count] = memory(house) - base
            send(house, KNOWN)
            send(house, "127.7.7.7")
        finally:
            attackers.end()
        wait_until("they are gone", lambda: sessions(house) == 0)
    if max(at.values()) > MEMORY_OCTETS:
        raise Failed(f"{at} octets more, {MEMORY_OCTETS} are allowed")
    return (f"RSS {base / MIB:.1f} MiB at first, {at[1000] / MIB:.1f} more with 1000, {at[SLOW] / MIB:.1f} more with "
            f"{SLOW}")


def sessions(house):
    told = json.loads(house.poppet("status", "--json"))
    return sum(int(entry.split("=")[1]) for entry in told["sessions"])


def few_descriptors(house):
    """64 descriptors and 200 connections that are held: no spin, no end, and all is well a second after."""
    house.poppet("set", "connections_per_address", "1000")
    house.start(descriptors=64)
    measured, held = hold_200(house, "")
    # No more than it held with all places taken, and it has counted on more: now accept itself fails.
    resource.prlimit(house.server.pid, resource.RLIMIT_NOFILE, (held, 64))
    return f"{measured}; {hold_200(house, 'with fewer than it knows of: ')[0]}"


def hold_200(house, what):
    """Tells what was measured, and how many descriptors the server held."""
    links = [socket.create_connection(("127.0.0.1", house.ports["pop3"])) for _ in range(200)]
    time.sleep(1)
    held = len(os.listdir(f"/proc/{house.server.pid}/fd"))
    before, seconds = processor_seconds(house), 5
    time.sleep(seconds)
    spent = processor_seconds(house) - before
    if spent > 0.25 * seconds:
        raise Failed(f"{what}{spent:.2f} s of the processor in {seconds} s")
    begun = time.monotonic()
    house.poppet("status")
    told = time.monotonic() - begun
    if told > 2:
        raise Failed(f"{what}{told:.1f} s until the administrator got an answer")
    for link in links:
        link.close()
    begun = time.monotonic()
    insist(lambda: fetch(house, KNOWN))
    took = time.monotonic() - begun
    if took > 1.5:
        raise Failed(f"{what}{took:.1f} s until it served again")
    return (f"{what}{spent:.2f} s of the processor in {seconds} s, status after {told * 1000:.0f} ms, served "
            f"{took * 1000:.0f} ms after"), held


def many_mails_at_once(house):
    """200 sessions with 2 MiB each: they stream into the file within one budget of memory (S-271, S-272)."""
    house.poppet("set", "connections_per_address", "1000")
    house.start()
    body = b"a line of seventy-two octets, as a mail program makes of an attachment..\r\n" * (2 * MIB // 74)
    base = memory(house)

    def one(number):
        with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=120) as smtp:
            smtp.sendmail("sender@client.test", [ADDRESS], mail(f"large {number}", body))

    with ThreadPoolExecutor(200) as pool:
        list(pool.map(one, range(200)))
    peak = memory(house, "VmHWM")
    if peak > 128 * MIB:
        raise Failed(f"{peak // MIB} MiB at the peak, 128 are allowed")
    return f"RSS {base / MIB:.1f} MiB before, {peak / MIB:.1f} at the peak"


def wrong_passwords_and_the_log(house):
    """Whoever tries thousands of passwords does not fill the log."""
    house.poppet("set", "connections_per_address", "1000")
    house.start()
    begun = time.monotonic()
    ended = begun + 4

    def guess(number):
        tries = 0
        while time.monotonic() < ended:
            source = f"127.{30 + number}.{tries % 250}.1"
            try:
                fetch(house, source, b"user%d-%d@home.lan" % (number, tries), b"wrong")
            except (OSError, Failed):
                tries += 1
        return tries

    with ThreadPoolExecutor(100) as pool:
        tries = sum(pool.map(guess, range(100)))
    seconds = time.monotonic() - begun
    most = {}
    for line in house.log().splitlines():
        kind = next((word for word in ("logons refused", " refused,", " put off,") if word in line), "other").strip(" ,")
        most[kind] = most.get(kind, 0) + 1
    for kind, count in most.items():
        if count > LINES_A_SECOND * (seconds + 2):
            raise Failed(f"{count} lines of the kind {kind!r} in {seconds:.0f} s")
    told = ", ".join(f"{kind}: {count}" for kind, count in sorted(most.items()))
    return f"{tries} tries in {seconds:.0f} s; lines: {told}"


def a_storm_of_signals(house):
    """SIGHUP a thousand times ends nothing; SIGTERM, twice, ends all within its time, whatever the sessions do."""
    house.start()
    for _ in range(1000):
        house.server.send_signal(signal.SIGHUP)
    begun = time.monotonic()
    send(house, KNOWN)
    served = time.monotonic() - begun
    attackers = Attackers(house.ports, 100, come_again=False)
    attackers.start()
    try:
        wait_until("they have come", lambda: attackers.begun == 100 and not attackers.due)
        time.sleep(2)               # Each kind has come to where it trickles.
        begun = time.monotonic()
        house.server.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        house.server.send_signal(signal.SIGTERM)
        code = house.server.wait(30)
        took = time.monotonic() - begun
    finally:
        attackers.end()
    if code or took > STOPPING_SECONDS:
        raise Failed(f"it ended with {code} after {took:.1f} s")
    house.start()
    fetch(house, KNOWN)
    told = house.log().count("the certificate is loaded")
    return f"served {served * 1000:.0f} ms after, {told} times loaded, ended within {took:.1f} s"


TESTS = [five_thousand_slow_connections_for_a_thousand_places, five_thousand_slow_connections_that_have_places,
         few_descriptors, many_mails_at_once, wrong_passwords_and_the_log, a_storm_of_signals]


def main():
    binary, *wanted = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < DESCRIPTORS:
        print(f"left out: {DESCRIPTORS} descriptors are needed, the limit is {most}; raise it with ulimit -Hn")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most != resource.RLIM_INFINITY else DESCRIPTORS, most))
    tests = [(test.__name__.replace("_", " "), test) for test in TESTS]
    failed = [name for name, test in tests
              if (not wanted or any(word in name for word in wanted)) and not passes(name, test, binary)]
    return 1 if failed else 0


def passes(name, test, binary):
    with tempfile.TemporaryDirectory(prefix="poppet-flood-") as folder:
        house, begun = House(binary, folder), time.monotonic()
        try:
            house.set_up()
            for key, value in (("argon2_kib", "12288"), ("argon2_passes", "1"), ("argon2_permits", "1")):
                house.poppet("set", key, value)
            measured = test(house)
            house.stop()
        except (Failed, OSError, poplib.error_proto, smtplib.SMTPException) as why:
            print(f"FAILED {name}: {type(why).__name__}: {why} {house.log()[-300:]}", flush=True)
            return False
        finally:
            house.kill()
    print(f"ok {name}, {time.monotonic() - begun:.0f} s: {measured}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
