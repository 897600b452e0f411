#!/usr/bin/env python3
"""The real binary is no open relay: every trick of the relay testers, from addresses outside of its network.

  relay.py BINARY [NAME...]     all tests, or those whose name contains a NAME

The server stands in a network namespace of its own, with all peers let in, at public-looking addresses on the real
ports; the tricks come out of another namespace, over IPv4 and IPv6. This needs root. One line a test, `ok NAME: what
was measured` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import base64
import collections
import contextlib
import json
import re
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

from house import ADDRESS, Failed, House, PASSWORD, passes
from network import DEVICE, NEIGHBOUR, OTHER, PEER, SERVER, Network
from packages import ENVIRONMENT, Packages

OURS, FOREIGN = "home.lan", "elsewhere.example"
DOORS = {"smtp": 25, "submission": 587, "submissions": 465}

FAMILIES = {"IPv4": 0, "IPv6": 1}
STATES = ("nobody", "a failed logon", "a user", "a user as himself")
FOREIGN_DOMAIN, UNKNOWN, SYNTAX, NO_WAY = r"550 5\.7\.1 ", r"550 5\.1\.1 ", r"501 5\.1\.3 ", r"550 5\.4\.4 "
CASES_PER_SESSION = 2               # Ten errors end one.
TESTS = []

# nmap's sixteen, S-081 to S-096: D is a foreign domain, I a literal of our address, N a domain of ours. What RCPT must hear.
PROBES = [
    ("S-081", "", "relaytest@{D}", FOREIGN_DOMAIN),
    ("S-082", "antispam@{D}", "relaytest@{D}", FOREIGN_DOMAIN),
    ("S-083", "antispam@{N}", "relaytest@{D}", FOREIGN_DOMAIN),
    ("S-084", "antispam@{I}", "relaytest@{D}", FOREIGN_DOMAIN),
    ("S-085", "antispam@{I}", "relaytest%{D}@{I}", FOREIGN_DOMAIN),
    ("S-086", "antispam@{I}", "relaytest%{D}@{N}", UNKNOWN),
    ("S-087", "antispam@{I}", '"relaytest@{D}"', SYNTAX),
    ("S-088", "antispam@{I}", '"relaytest%{D}"', SYNTAX),
    ("S-089", "antispam@{I}", "relaytest@{D}@{I}", SYNTAX),
    ("S-090", "antispam@{I}", '"relaytest@{D}"@{I}', FOREIGN_DOMAIN),
    ("S-091", "antispam@{I}", "relaytest@{D}@{N}", SYNTAX),
    ("S-092", "antispam@{I}", "@{I}:relaytest@{D}", FOREIGN_DOMAIN),
    ("S-093", "antispam@{I}", "@{N}:relaytest@{D}", FOREIGN_DOMAIN),
    ("S-094", "antispam@{I}", "{D}!relaytest", SYNTAX),
    ("S-095", "antispam@{I}", "{D}!relaytest@{I}", FOREIGN_DOMAIN),
    ("S-096", "antispam@{I}", "{D}!relaytest@{N}", UNKNOWN),
]

# What stands around an address counts here, so these are whole arguments.
TRICKS = [
    ("S-097", "<spamtest>", "<nobody@{D}>", FOREIGN_DOMAIN),
    ("S-097", "<spamtest@localhost>", "<nobody@{D}>", FOREIGN_DOMAIN),
    ("S-097", "<spamtest@{N}>", "<nobody@{D}>", FOREIGN_DOMAIN),
    ("S-098", "<a@client.test>", "<bob>", SYNTAX),
    ("S-098", "<a@client.test>", "<postmaster@{D}>", FOREIGN_DOMAIN),
    *(("S-099", "<a@client.test>", path, SYNTAX) for path in ("<a@b@c>", "<a@@b>", "<@>", "<@b>", "<a@>")),
    ("S-100", "<a@client.test>", "<@{N},@{I}:x%{D}@{N}>", FOREIGN_DOMAIN),
    ("S-100", "<a@client.test>", "<{D}!x%y@{N}>", UNKNOWN),
    ("S-101", "<a@client.test>", "<x@{N}..>", SYNTAX),
    ("S-101", "<a@client.test>", "<x@{D}.>", f"{FOREIGN_DOMAIN}|{SYNTAX}"),
    ("S-101", "<a@client.test>", "<x@.{N}>", SYNTAX),
    *(("S-102", "<a@client.test>", f"<x@[{literal}]>", f"{FOREIGN_DOMAIN}|{SYNTAX}") for literal in
      ("127.0.0.1", "IPv6:::1", "0177.0.0.1", "2130706433", "0.0.0.0", "IPv6:::ffff:192.0.2.25")),
    *(("S-103", "<a@client.test>", path, UNKNOWN) for path in ('<"a b"@{N}>', r'<"a\"b"@{N}>', r'<"\@"@{N}>')),
    ("S-103", "<a@client.test>", '<""@{N}>', f"{UNKNOWN}|{SYNTAX}"),
    *(("S-104", "<a@client.test>", path, r"501 5\.") for path in ('<"a@{D}>', "<a@{D}", "<<a@{D}>>", "< a@{D} >", "<a@{D}>x")),
    ("S-104", "<a@client.test>", "a@{D}", rf"501 5\.|{FOREIGN_DOMAIN}"),
    ("S-104", "<a@client.test>", "<a@{D}> x", r"501 5\.|555 5\.5\.4"),
    *(("S-106", "<a@client.test>", path, rf"{UNKNOWN}|{SYNTAX}") for path in
      ("<;sleep 66;@{N}>", "<`id`@{N}>", "<|cmd@{N}>", "</file@{N}>", "<:include:/etc/passwd@{N}>")),
]


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def for_doors(function):
    """One test for each family and door."""
    for family in FAMILIES:
        for door in DOORS:
            TESTS.append((f"{function.__name__.replace('_', ' ')}, {family}, {door}",
                          lambda lab, family=family, door=door: function(lab, family, door)))
    return function


class Session:
    """A peer outside, or somebody else there, in a session with one of the doors."""

    def __init__(self, lab, family, door, peer=PEER, helo="EHLO outside.example"):
        number = FAMILIES[family]
        with lab.network.entered(lab.network.outside):
            self.link = socket.create_connection((SERVER[number], DOORS[door]), 30, (peer[number], 0))
        if door == "submissions":
            self.begin_tls()
        self.greeting, self.hello = self.reply(), self.ask(helo)

    def begin_tls(self):
        # Whether the certificate is right is asked elsewhere.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.link = context.wrap_socket(self.link)

    def ask(self, line):
        self.link.sendall(line.encode() + b"\r\n")
        return self.reply()

    def reply(self):
        reply = b""
        while not re.search(rb"(\A|\n)\d{3} [^\n]*\n\Z", reply):
            octet = self.link.recv(1)
            if not octet:
                raise Failed(f"the connection ended behind {reply!r}")
            reply += octet
        return reply.decode(errors="replace").removesuffix("\r\n")

    def be(self, state, door):
        """Comes into that state; the open port knows no logon, and is asked for one all the same."""
        if state == "nobody":
            return
        if door != "submissions":
            expect(self.ask("STARTTLS"), "220 ")
            self.begin_tls()
            self.ask("EHLO outside.example")
        word = "wrong" if state == "a failed logon" else PASSWORD
        told = self.ask("AUTH PLAIN " + base64.b64encode(f"\0{ADDRESS}\0{word}".encode()).decode())
        expect(told, r"50[0-9] 5\.5\.1 " if door == "smtp" else r"535 5\.7\.8 " if word == "wrong" else r"235 2\.7\.0 ")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.close()


def expect(told, pattern):
    if not re.match(pattern, told):
        raise Failed(f"{told!r} where {pattern!r} was expected")


class Lab:
    """The server in its namespace."""

    def __init__(self, house, network, cache):
        self.house, self.network, self.cache = house, network, cache
        self.taken = 0

    def deliver(self, session, recipient, sender="<a@client.test>"):
        for line, code in ((f"MAIL FROM:{sender}", r"250 2\.1\.0 "), (f"RCPT TO:{recipient}", r"250 2\.1\.5 "), ("DATA", "354 "),
                           ("Subject: x\r\n\r\ntext\r\n.", r"250 2\.0\.0 ")):
            expect(session.ask(line), code)
        self.taken += 1

    def trick(self, session, case, sender, recipient, wanted, number, must_log_on):
        """One mail that must not be taken; returns what refused it."""
        fill = {"D": FOREIGN, "N": OURS, "I": ("[192.0.2.25]", "[IPv6:2001:db8::25]")[number]}
        sender, recipient = sender.format(**fill), recipient.format(**fill)
        told = session.ask(f"MAIL FROM:{sender}")
        after = session.ask(f"RCPT TO:{recipient}")
        data = session.ask("DATA")
        said = f"{case} MAIL FROM:{sender} {told!r}, RCPT TO:{recipient} {after!r}, DATA {data!r}"
        if not re.match(r"50[0-9] 5|530 5|554 5", data):
            raise Failed(f"a mail would be taken: {said}")
        if must_log_on:
            wanted_first, wanted = r"530 5\.7\.0 ", r"50[0-9] 5\.5\.1 |530 5\.7\.0 "
            refused_by = told
        else:
            # Who is himself may name himself only; a name without a domain is none.
            wanted_first, refused_by = r"250 2\.1\.0 |553 5\.7\.1 |501 5\.1\.7 ", after
            if not told.startswith("250"):
                wanted, refused_by = r"503 5\.5\.1 ", told
        if not re.match(wanted_first, told) or not re.match(wanted, after):
            raise Failed(f"another reply than {wanted!r}: {said}")
        session.ask("RSET")
        return " ".join(refused_by.split(" ", 2)[:2])

    def stored(self):
        """Messages that lie here, whoever they are for."""
        return sum(row["messages"] for row in json.loads(self.house.poppet("stat", OURS, "--json")))


def refusals(counted):
    return ", ".join(f"{number} x {code}" for code, number in sorted(counted.items()))


def play(lab, family, door, state, cases):
    """Several sessions at once: each failed logon waits a second."""
    must_log_on = door != "smtp" and not state.startswith("a user")

    def some(cases):
        counted = collections.Counter()
        with Session(lab, family, door) as session:
            session.be(state, door)
            for case, sender, recipient, wanted in cases:
                if state.startswith("a user"):
                    # He may send out, and there is no way.
                    wanted = f"{wanted}|{NO_WAY}"
                if state == "a user as himself":
                    sender = f"<{ADDRESS}>"
                counted[lab.trick(session, case, sender, recipient, wanted, FAMILIES[family], must_log_on)] += 1
        return counted

    with ThreadPoolExecutor(8) as pool:
        parts = (cases[first:first + CASES_PER_SESSION] for first in range(0, len(cases), CASES_PER_SESSION))
        return refusals(sum(pool.map(some, parts), collections.Counter()))


@for_doors
def the_sixteen_probes_of_nmap_are_refused(lab, family, door):
    cases = [(case, f"<{sender}>", f"<{recipient}>", wanted) for case, sender, recipient, wanted in PROBES]
    return "; ".join(f"{state}: {play(lab, family, door, state, cases)}" for state in STATES)


@for_doors
def the_other_tricks_are_refused(lab, family, door):
    return "; ".join(f"{state}: {play(lab, family, door, state, TRICKS)}" for state in ("nobody", "a user", "a user as himself"))


# ---------------------------------------------------------------- what must go on

@test
def mail_for_us_is_taken_from_outside(lab):
    """The control: the tricks fail for what they are, not for whence they come."""
    for family in FAMILIES:
        for recipient in (f"<{ADDRESS}>", "<postmaster>", f"<Postmaster@{OURS.upper()}>"):
            with Session(lab, family, "smtp") as session:
                lab.deliver(session, recipient)


@test
def a_device_is_its_address_and_relays_nowhere(lab):
    """S-115: told as IPv4 and as the IPv6 that maps it, it is one address; its neighbours have no right of its own."""
    profiles = (("printer", DEVICE[0], []), ("camera", DEVICE[1], ["--lenient"]), ("mapped", "::ffff:192.0.2.41", []))
    for name, address, options in profiles:
        must_be_refused(lab, "device", "add", name, address)
        lab.house.poppet("device", "add", name, address, "--force", *options)
    known, refused = [(DEVICE, "IPv4"), (DEVICE, "IPv6"), (NEIGHBOUR, "IPv4")], 0
    for peer, family in [(peer, family) for peer in (PEER, DEVICE, NEIGHBOUR) for family in FAMILIES]:
        for door in DOORS:
            is_let_in = door == "smtp" or (peer, family) in known
            for recipient in (f"<nobody@{FOREIGN}>", f"<nobody%{FOREIGN}@[192.0.2.25]>", f"<@{OURS}:nobody@{FOREIGN}>"):
                with Session(lab, family, door, peer) as session:
                    expect(session.ask("MAIL FROM:<a@client.test>"), r"250 2\.1\.0 " if is_let_in else r"530 5\.7\.0 ")
                    expect(session.ask(f"RCPT TO:{recipient}"), FOREIGN_DOMAIN if is_let_in else r"50[0-9] 5\.5\.1 |530 5\.7\.0 ")
                    expect(session.ask("DATA"), r"50[0-9] 5|530 5|554 5")
                    refused += 1
            if is_let_in:
                with Session(lab, family, door, peer) as session:
                    lab.deliver(session, f"<{ADDRESS}>")
    return f"{refused} mails for elsewhere refused, {len(known)} devices and no neighbour let in without a logon"


def must_be_refused(lab, *words):
    """A public address wants --force, and nothing leaves without a smart host."""
    try:
        lab.house.poppet(*words)
    except Failed as why:
        if "exit 5:" not in str(why):
            raise
        return
    raise Failed(f"{' '.join(words)} went well")


@test
def no_source_address_of_IPv6_passes_for_one_of_IPv4(lab):
    """S-115: what maps an IPv4 address is no address that a packet can come from."""
    try:
        session = Session(lab, "IPv6", "submission", ("", "::ffff:192.0.2.40"))
    except OSError as why:
        return f"the system itself refuses: {why.strerror}"
    with session:
        expect(session.ask("MAIL FROM:<a@client.test>"), r"530 5\.7\.0 ")


@test
def nmaps_smtp_open_relay_finds_none(lab):
    told = []
    for family, number in FAMILIES.items():
        for port, said in nmap(lab, "smtp-open-relay", SERVER[number]).items():
            if not re.search("doesn't seem to be an open relay, all tests failed" if port == "25" else "authentication needed", said):
                raise Failed(f"{family}, port {port}: nmap says {said!r}")
            told.append(f"{family} {port}: {said}")
    return "; ".join(told)


@test
def nmaps_smtp_open_relay_finds_one_that_is(lab):
    """The control: a server that says 250 to everything."""
    with lab.network.entered(lab.network.inside):
        server = socketserver.ThreadingTCPServer((OTHER[0], 25), Yes)
    try:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        said = nmap(lab, "smtp-open-relay", OTHER[0])["25"]
    finally:
        server.shutdown()
        server.server_close()
    if "is an open relay (16/16 tests)" not in said:
        raise Failed(f"nmap says {said!r}")


class Yes(socketserver.StreamRequestHandler):
    """Takes everything."""

    def handle(self):
        with contextlib.suppress(ConnectionError):
            self.wfile.write(b"220 yes\r\n")
            for _ in self.rfile:
                self.wfile.write(b"250 yes\r\n")


@test
def nmaps_smtp_commands_sees_what_EHLO_says(lab):
    told = []
    for family, number in FAMILIES.items():
        seen = nmap(lab, "smtp-commands", SERVER[number])
        for door, port in DOORS.items():
            with Session(lab, family, door) as session:
                words = [line[4:] for line in session.hello.split("\r\n")]
            if not seen[str(port)].startswith(", ".join(words)):
                raise Failed(f"{family}, {door}: nmap says {seen[str(port)]!r}, EHLO says {words}")
            told.append(f"{family} {port}: {len(words) - 1} extensions")
    return "; ".join(told)


def nmap(lab, script, address):
    """What one of nmap's scripts says of each open mail port."""
    package = Packages(lab.cache, "nmap")
    is_six = ":" in address
    arguments = (f"smtp-open-relay.domain={FOREIGN},smtp-open-relay.ip={'IPv6:' * is_six}{address},"
                 "smtp-commands.domain=outside.example")
    command = [*lab.network.without, package.program("nmap"), *(["-6"] if is_six else []), "-n", "-Pn", "-sT", "-oX", "-",
               "--datadir", package.root / "usr/share/nmap", "-p", ",".join(map(str, DOORS.values())), "--script", script,
               "--script-args", arguments, address]
    done = subprocess.run([str(word) for word in command], env={**ENVIRONMENT, **package.environment}, capture_output=True,
                          timeout=120, check=False)
    if done.returncode:
        raise Failed(f"nmap exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    ports = [port for port in ElementTree.fromstring(done.stdout).iter("port") if port.find("state").get("state") == "open"]
    said = {port.get("portid"): port.find(f"script[@id='{script}']") for port in ports}
    if None in said.values() or not said:
        raise Failed(f"{script} did not run at each port: {done.stdout.decode(errors='replace')[-600:]}")
    return {port: script.get("output") for port, script in said.items()}


def main():
    binary, *wanted = sys.argv[1:]
    failed = 0
    try:
        with tempfile.TemporaryDirectory(prefix="poppet-relay-") as folder, Network() as network:
            doors = {door: ",".join((f"{SERVER[0]}:{port}", f"[{SERVER[1]}]:{port}")) for door, port in DOORS.items()}
            house = House(binary, folder, tuple(DOORS), doors, network.within)
            try:
                house.set_up()
                for key, value in (("peers", "all"), ("plaintext", "tls"), ("postmaster", ADDRESS)):
                    house.poppet("set", key, value)
                house.start()
                lab = Lab(house, network, Path(binary).resolve().parent.parent / "packages")
                for name, run in TESTS:
                    if not wanted or any(word in name for word in wanted):
                        failed += not passes(name, run, lab)
                if lab.stored() != lab.taken:
                    raise Failed(f"{lab.taken} mails for us were taken, {lab.stored()} are there")
                house.stop()
            finally:
                house.kill()
    except Failed as why:
        print(f"FAILED the server: {why}")
        failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
