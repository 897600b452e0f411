#!/usr/bin/env python3
"""Clients that are slow, greedy or many against the real binary: memory stays in bounds, everybody else is served.

  slow.py BINARY [NAME...]          all tests, or those whose name contains a NAME
  slow.py BINARY --million [COUNT]  a maildrop of a million messages, or of COUNT; takes many minutes

Bounds are on memory, on octets and on order, not on time; the numbers behind each `ok` are what was measured.
"""

import os
import poplib
import resource
import smtplib
import socket
import ssl
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from corpus import mail
from house import ADDRESS, PASSWORD, Failed, House

poplib._MAXLINE = 1 << 20
KIB = 1024
MIB = 1024 * KIB
DESCRIPTORS = 2600                  # A thousand sessions, twice: their ends here and there.
SESSIONS = 1000
PIPELINED = 10_000
SLOW_READERS = 200
SLOW_SECONDS = 8
FOUND_OUT_SECONDS = 3               # After so long each slow reader is known to be one.
PATIENCE_SECONDS = 30               # What "in time" means on a machine that does other things too.

# The budgets of an idle session, and of one whose client is slow to take a message: what is on its way to him, and
# before that is found out the chunk that it was made of, and the next one.
PLAIN_SESSION_OCTETS = 15 * 1000
TLS_SESSION_OCTETS = 40 * 1000
SLOW_SESSION_OCTETS = 64 * KIB
SENDING_SESSION_OCTETS = 192 * KIB
MILLION_OCTETS = 64 * MIB


class Lab:
    """The server, and what is measured of it."""

    def __init__(self, house):
        self.house = house
        self.trust = ssl.create_default_context(cafile=house.authority)

    def memory(self, field="VmRSS"):
        status = Path(f"/proc/{self.house.server.pid}/status").read_text()
        return next(int(line.split()[1]) * KIB for line in status.splitlines() if line.startswith(field + ":"))

    def settled_memory(self):
        """What is left once the server has given back what it needs no more: the lowest of some seconds."""
        lowest, end = self.memory(), time.monotonic() + 4
        while time.monotonic() < end:
            time.sleep(0.25)
            lowest = min(lowest, self.memory())
        return lowest

    def pop3(self, address, receive_octets=None, tls=False):
        """A logged-on connection, bare."""
        link = socket.socket()
        if receive_octets:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_octets)
        link.settimeout(PATIENCE_SECONDS)
        link.connect(("127.0.0.1", self.house.ports["pop3s" if tls else "pop3"]))
        if tls:
            link = self.trust.wrap_socket(link, server_hostname="localhost")
        read_line(link)
        for command in (f"USER {address}", f"PASS {PASSWORD}"):
            link.sendall(command.encode() + b"\r\n")
            if not (answer := read_line(link)).startswith(b"+OK"):
                raise Failed(f"{command.split()[0]}: {answer!r}")
        return link

    def deliver(self, address, *messages):
        with smtplib.SMTP("127.0.0.1", self.house.ports["smtp"], timeout=120) as smtp:
            for message in messages:
                smtp.sendmail("sender@client.test", [address], message)

    def fetch(self, address):
        """An everyday session; the seconds it takes."""
        begun = time.monotonic()
        pop3 = poplib.POP3("127.0.0.1", self.house.ports["pop3"], timeout=PATIENCE_SECONDS)
        pop3.user(address)
        pop3.pass_(PASSWORD)
        for number in range(1, pop3.stat()[0] + 1):
            pop3.retr(number)
        pop3.quit()
        return time.monotonic() - begun

    def file_octets(self):
        """What the file takes of the disk; its length grows in leaps."""
        return self.house.database.stat().st_blocks * 512


def read_line(link):
    line = b""
    while not line.endswith(b"\n"):
        if not (octet := link.recv(1)):
            raise Failed(f"the connection ended behind {line!r}")
        line += octet
    return line


# ---------------------------------------------------------------- the tests

def a_client_that_pipelines_and_does_not_read(lab):
    """10,000 RETRs at once: memory stays, others are served, and all comes in order once he reads."""
    lab.house.add("greedy@home.lan")
    lab.house.add("other@home.lan")
    lab.deliver("greedy@home.lan", *(mail(f"number {number}", b"%04d\r\n" % number * 700) for number in range(10)))
    lab.deliver("other@home.lan", mail("small", b"small\r\n"))
    lab.fetch("other@home.lan")
    expected = answers_one_by_one(lab, "greedy@home.lan", 10)
    base = lab.settled_memory()
    with lab.pop3("greedy@home.lan") as link:
        sender = threading.Thread(target=link.sendall, args=(b"".join(b"RETR %d\r\n" % (1 + n % 10) for n in range(PIPELINED)),))
        sender.start()
        highest, slowest, end = 0, 0, time.monotonic() + SLOW_SECONDS
        while time.monotonic() < end:
            slowest = max(slowest, lab.fetch("other@home.lan"))
            highest = max(highest, lab.memory() - base)
            time.sleep(0.1)
        if highest > MIB:
            raise Failed(f"{highest // KIB} KiB more for a client that doesn't read")
        for number in range(PIPELINED):
            answer = expected[number % 10]
            if read_exactly(link, len(answer)) != answer:
                raise Failed(f"answer {number + 1} is another one")
        sender.join()
    return f"{highest // KIB} KiB more, others waited {slowest * 1000:.0f} ms at most"


def answers_one_by_one(lab, address, count):
    answers = []
    with lab.pop3(address) as link:
        for number in range(1, count + 1):
            link.sendall(b"RETR %d\r\n" % number)
            answer = b""
            while not answer.endswith(b"\r\n.\r\n"):
                answer += link.recv(1 << 16)
            answers.append(answer)
        link.sendall(b"QUIT\r\n")
        read_line(link)
    return answers


def read_exactly(link, octets):
    whole = b""
    while len(whole) < octets:
        if not (piece := link.recv(min(1 << 16, octets - len(whole)))):
            raise Failed(f"cut after {len(whole)} of {octets} octets")
        whole += piece
    return whole


def slow_readers_of_a_large_message(lab):
    """200 clients take about 1 KiB a second of 49 MiB each: memory, other clients and the file don't mind, and who
    hurries up at last gets his message whole."""
    readers = [f"slow{number:03}@home.lan" for number in range(SLOW_READERS)]
    add_all(lab, [*readers, "small@home.lan", "much@home.lan"])
    large = mail("large", b"a line of seventy-two octets, as a mail program makes of an attachment..\r\n" * (49 * MIB // 74))
    deliver_to_all(lab, readers, large)
    lab.deliver("small@home.lan", mail("small", b"small\r\n"))
    log_on_once(lab, [*readers, "small@home.lan"])
    unhindered = growth_of_deliveries(lab)
    base = lab.settled_memory()
    links = []
    try:
        for reader in readers:
            links.append(lab.pop3(reader, receive_octets=4 * KIB))
            links[-1].sendall(b"RETR 1\r\n")
        at_first, highest, slowest, taken = 0, 0, 0, b""
        found_out = time.monotonic() + FOUND_OUT_SECONDS
        end = found_out + SLOW_SECONDS
        before = lab.file_octets()
        delivering = threading.Thread(target=deliver_many, args=(lab,))
        delivering.start()
        while time.monotonic() < end:
            for link in links:
                if not (piece := link.recv(KIB)):
                    raise Failed("a slow reader was cut off")
                taken += piece if link is links[0] else b""
            slowest = max(slowest, lab.fetch("small@home.lan"))
            if time.monotonic() < found_out:
                at_first = max(at_first, lab.memory() - base)
            else:
                highest = max(highest, lab.memory() - base)
            time.sleep(1)
        delivering.join()
        if large not in taken + read_to_the_end(links[0]):
            raise Failed("the message of a slow reader is not the one that was sent")
        grown = lab.file_octets() - before
    finally:
        for link in links:
            link.close()
    for octets, allowed in ((at_first, SENDING_SESSION_OCTETS), (highest, SLOW_SESSION_OCTETS)):
        if octets > SLOW_READERS * allowed:
            raise Failed(f"{octets // SLOW_READERS / KIB:.1f} KiB more a session, {allowed // KIB} are allowed")
    if grown > 1.5 * unhindered + 2 * MIB:
        raise Failed(f"the file grew by {grown // KIB} KiB, without slow readers by {unhindered // KIB}")
    return (f"{at_first / SLOW_READERS / KIB:.1f} KiB a session at first, then {highest / SLOW_READERS / KIB:.1f}, others waited {slowest * 1000:.0f} ms at most, "
            f"the file grew by {grown // KIB} KiB, without them by {unhindered // KIB}")


def read_to_the_end(link):
    pieces = [link.recv(1 << 16)]
    while not (pieces[-1] and b"".join(pieces[-2:]).endswith(b"\r\n.\r\n")):
        pieces.append(link.recv(1 << 16))
        if not pieces[-1]:
            raise Failed("a slow reader's message broke off")
    return b"".join(pieces)


def growth_of_deliveries(lab):
    before = lab.file_octets()
    deliver_many(lab)
    return lab.file_octets() - before


def deliver_many(lab):
    lab.deliver("much@home.lan", *(mail(f"one of many {number}", b"some text\r\n" * 1500) for number in range(300)))


def idle_sessions(lab):
    """A thousand sessions that have logged on and say nothing, in the clear and then inside TLS."""
    boxes = [f"idle{number:04}@home.lan" for number in range(SESSIONS)]
    add_all(lab, boxes)
    # The first logons hash: what that takes is another budget.
    log_on_once(lab, boxes)
    base = lab.settled_memory()
    plain, tls = octets_of_a_session(lab, boxes, False, base), octets_of_a_session(lab, boxes, True, base)
    if plain > PLAIN_SESSION_OCTETS or tls > TLS_SESSION_OCTETS:
        raise Failed(f"{plain} and inside TLS {tls} octets a session, {PLAIN_SESSION_OCTETS} and {TLS_SESSION_OCTETS} are allowed")
    return f"{plain} octets a session, inside TLS {tls}"


def octets_of_a_session(lab, boxes, tls, base):
    links = []
    try:
        with ThreadPoolExecutor(4) as pool:
            links = list(pool.map(lambda box: lab.pop3(box, tls=tls), boxes))
        octets = (lab.settled_memory() - base) // len(boxes)
        for link in links[::100]:
            link.sendall(b"NOOP\r\n")
            if not read_line(link).startswith(b"+OK"):
                raise Failed("an idle session is served no more")
        for link in links:
            link.sendall(b"QUIT\r\n")
            read_line(link)
    finally:
        for link in links:
            link.close()
    return octets


def a_million_messages(lab, count):
    """Log on, STAT, LIST and UIDL of a huge maildrop; the most memory that takes."""
    begun = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda first: fill(lab, min(900, count - first)), range(0, count, 900)))
    print(f"   {count} messages delivered in {time.monotonic() - begun:.0f} s, {lab.file_octets() // MIB} MiB", flush=True)
    lab.pop3(ADDRESS).close()
    lab.settled_memory()
    Path(f"/proc/{lab.house.server.pid}/clear_refs").write_text("5")     # The peak counts from now on.
    took = {}
    begun = time.monotonic()
    with lab.pop3(ADDRESS) as link:
        took["logon"], begun = time.monotonic() - begun, time.monotonic()
        with link.makefile("rb") as answers:
            for command in ("STAT", "LIST", "UIDL"):
                link.sendall(command.encode() + b"\r\n")
                line, lines = answers.readline(), 0
                if command == "STAT" and int(line.split()[1]) != count:
                    raise Failed(f"{count} messages were delivered, STAT says {line!r}")
                while command != "STAT" and answers.readline() != b".\r\n":
                    lines += 1
                if command != "STAT" and lines != count:
                    raise Failed(f"{command} tells {lines} of {count}")
                took[command], begun = time.monotonic() - begun, time.monotonic()
    peak = lab.memory("VmHWM")
    if peak > MILLION_OCTETS:
        raise Failed(f"{peak // MIB} MiB at the peak, {MILLION_OCTETS // MIB} are allowed")
    return f"{', '.join(f'{name} {seconds * 1000:.0f} ms' for name, seconds in took.items())}, peak {peak / MIB:.1f} MiB"


def fill(lab, count):
    """Delivers so many small mails in one session, each with one wait for the server."""
    with smtplib.SMTP("127.0.0.1", lab.house.ports["smtp"], timeout=300) as smtp:
        smtp.ehlo()
        begin = f"MAIL FROM:<sender@client.test>\r\nRCPT TO:<{ADDRESS}>\r\nDATA\r\n".encode()
        message = mail("one of a million", b"text\r\n") + b".\r\n"
        smtp.send(begin)
        for number in range(1, count + 1):
            codes = [smtp.getreply()[0] for _ in range(3)]
            smtp.send(message + (begin if number < count else b""))
            codes.append(smtp.getreply()[0])
            if codes != [250, 250, 354, 250]:
                raise Failed(f"a mail is not taken: {codes}")


# ---------------------------------------------------------------- mailboxes

def add_all(lab, addresses):
    there = set(lab.house.poppet("list", "home.lan").split())
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lab.house.add, [address for address in addresses if address not in there]))


def deliver_to_all(lab, addresses, message):
    with smtplib.SMTP("127.0.0.1", lab.house.ports["smtp"], timeout=120) as smtp:
        smtp.sendmail("sender@client.test", addresses, message)


def log_on_once(lab, addresses):
    def one(address):
        with lab.pop3(address) as link:
            link.sendall(b"QUIT\r\n")
            read_line(link)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, addresses))


TESTS = [a_client_that_pipelines_and_does_not_read, slow_readers_of_a_large_message, idle_sessions]


def main():
    binary, *wanted = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < DESCRIPTORS:
        print(f"left out: {DESCRIPTORS} descriptors are needed, the limit is {most}; raise it with ulimit -Hn")
        return 77
    resource.setrlimit(resource.RLIMIT_NOFILE, (most if most != resource.RLIM_INFINITY else DESCRIPTORS, most))
    tests = [(test.__name__.replace("_", " "), test) for test in TESTS]
    if wanted[:1] == ["--million"]:
        count = int(wanted[1]) if wanted[1:] else 1_000_000
        tests, wanted = [(f"a maildrop of {count} messages", lambda lab: a_million_messages(lab, count))], []
    failed = 0
    for name, test in tests:
        if not wanted or any(word in name for word in wanted):
            failed += not passes(name, test, binary)
    return 1 if failed else 0


def passes(name, test, binary):
    """Each test has a server of its own: memory that one has needed would blur what the next one measures."""
    with tempfile.TemporaryDirectory(prefix="poppet-slow-") as folder:
        house = House(binary, folder)
        try:
            house.set_up()
            for key, value in (("argon2_kib", "12288"), ("argon2_passes", "1"), ("argon2_permits", "1"),
                               ("connections", "2500"), ("connections_per_address", "2500")):
                house.poppet("set", key, value)
            house.start()
            measured = test(Lab(house))
            house.stop()
        except (Failed, OSError, poplib.error_proto, smtplib.SMTPException) as why:
            print(f"FAILED {name}: {type(why).__name__}: {why} {house.log()[-300:] if house.server is None else ''}", flush=True)
            return False
        finally:
            house.kill()
    print(f"ok {name}: {measured}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
