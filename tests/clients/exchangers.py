#!/usr/bin/env python3
"""The real binary delivers to the servers that the name system gives for a domain, and isn't led astray by it.

  exchangers.py BINARY [NAME...]     all tests, or those whose name contains a NAME

poppet, the name server and two mail servers stand on hosts of their own, made of network namespaces with a switch
between. This needs root. One line a test; the exit code is 1 if one failed.
"""

import contextlib
import re
import sys
import tempfile
import time
from pathlib import Path

from hosts import ETC, Hosts
from house import Failed, passes
from nameserver import REFUSED, SERVFAIL, SILENT, NameServer
from outgoing import Poppet, bounces, one_bounce
from scripted import Scripted
from slapd import until

HERE, NAMES, ONE, TWO = "192.0.2.25", "192.0.2.53", "192.0.2.61", "192.0.2.62"
ADDRESSES = {"poppet": HERE, "names": NAMES, "one": ONE, "two": TWO}
# Nobody has it, and no host is asked for it: the switch has no way out.
NOBODY = "192.0.2.77"
ARRIVES_SECONDS = 45
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Lab:
    """The hosts with what stands on them while a test runs."""

    def __init__(self, binary, folder, hosts):
        self.binary, self.folder, self.hosts = binary, Path(folder), hosts
        self.mails = self.domains = 0

    def subject(self):
        self.mails += 1
        return f"number {self.mails}"

    @contextlib.contextmanager
    def standing(self):
        folder = self.folder / "poppet"
        folder.mkdir()
        (ETC / self.hosts.namespace("poppet") / "resolv.conf").write_text(f"nameserver {NAMES}\noptions timeout:1 attempts:1\n")
        self.house = Poppet(self, folder, "poppet")
        self.house.set_up()
        for key, value in {"hostname": "poppet.test", "peers": "all", "mx": "on"}.items():
            self.house.poppet("set", key, value)
        self.house.start()
        with self.hosts.entered("names"):
            self.names = NameServer(NAMES)
        self.servers = {}
        for host, address in (("one", ONE), ("two", TWO)):
            with self.hosts.entered(host):
                self.servers[host] = Scripted(address=(address, 25))
        self.names.zone.update({"one.test": {"A": [ONE]}, "two.test": {"A": [TWO]}})
        try:
            yield
            self.house.stop()
        finally:
            self.house.kill()
            self.names.close()
            for server in self.servers.values():
                server.close()

    def domain(self, known):
        """A new domain of which that is known."""
        self.domains += 1
        name = f"domain{self.domains}.example"
        if known is not None:
            self.names.zone[name] = known
        return name

    def send(self, domain):
        """A mail for somebody there; gives its subject, by which the servers know it, and its recipient."""
        recipient = f"u@{domain}"
        return self.house.send(recipient), recipient

    def arrives(self, subject, host):
        """Comes to that host, once, and to no other."""
        def found(name):
            return sum(f"Subject: {subject}\r\n".encode() in mail for mail in self.servers[name].taken)
        until(lambda: found(host), lambda: f"{subject!r} does not come to {host}: {self.house.queue()}", ARRIVES_SECONDS)
        counted = {name: found(name) for name in self.servers}
        if sum(counted.values()) != 1:
            raise Failed(f"{subject!r} has come: {counted}")

    def returns(self, recipient, status):
        one_bounce(lambda: having(self.house.maildrop(), recipient), recipient, status, ARRIVES_SECONDS)

    def waits(self, recipient, tried=True):
        """Is in the queue after a try, and nobody is told."""
        def row():
            return next((row for row in self.house.queue() if recipient in row), None)
        until(lambda: row() and (not tried or row()[6] != "0"), lambda: f"not tried: {self.house.queue()}", ARRIVES_SECONDS)
        if having(self.house.maildrop(), recipient):
            raise Failed(f"{recipient} is told of already")

    def is_offline(self):
        return bool(re.search(r"(?m)^offline_since\t\S", self.house.poppet("status")))

    def leaves_when_tried(self, subject, host):
        self.house.poppet("queue", "retry", "all")
        self.arrives(subject, host)


def having(mails, recipient):
    return [mail for mail in mails if recipient.encode() in mail and bounces([mail])]


@test
def the_best_server_takes_the_mail(lab):
    subject, _ = lab.send(lab.domain({"MX": [(20, "two.test"), (10, "one.test")], "A": [TWO]}))
    lab.arrives(subject, "one")


@test
def the_next_server_takes_it_where_the_best_is_gone(lab):
    for bad, what in (("nowhere.test", None), ("dead.test", {"A": [HERE.replace("25", "53")]}), ("empty.test", {}), ("lame.test", SERVFAIL)):
        if what is not None:
            lab.names.zone[bad] = what
        subject, _ = lab.send(lab.domain({"MX": [(10, bad), (20, "two.test")]}))
        lab.arrives(subject, "two")


@test
def those_of_equal_preference_share_the_mail(lab):
    counts = {name: len(server.taken) for name, server in lab.servers.items()}
    for _ in range(16):
        lab.send(lab.domain({"MX": [(10, "one.test"), (10, "two.test")]}))
    until(lambda: not lab.house.queue(), lambda: f"still queued: {lab.house.queue()}", ARRIVES_SECONDS)
    shares = {name: len(server.taken) - counts[name] for name, server in lab.servers.items()}
    if sum(shares.values()) != 16 or not all(shares.values()):
        raise Failed(f"{shares}")
    return f"{shares}"


@test
def a_domain_without_mx_is_its_own_server(lab):
    subject, _ = lab.send(lab.domain({"A": [ONE]}))
    lab.arrives(subject, "one")


@test
def an_alias_is_followed(lab):
    lab.names.zone["real.example"] = {"MX": [(10, "one.test")]}
    subject, _ = lab.send(lab.domain({"CNAME": ["real.example"]}))
    lab.arrives(subject, "one")
    lab.names.zone["alias.test"] = {"CNAME": ["two.test"]}
    subject, _ = lab.send(lab.domain({"MX": [(10, "alias.test")]}))
    lab.arrives(subject, "two")


@test
def a_circle_of_aliases_waits_and_ends(lab):
    lab.names.zone.update({"a.example": {"CNAME": ["b.example"]}, "b.example": {"CNAME": ["a.example"]}})
    _, recipient = lab.send("a.example")
    lab.waits(recipient)
    lab.house.poppet("queue", "del", "mx:a.example", "--yes")


@test
def what_is_not_there_or_takes_no_mail_is_returned_at_once(lab):
    for known, status in ((None, r"5\.(1\.2|4\.4)"), ({"MX": [(0, "")], "A": [ONE]}, r"5\.1\.10"), ({}, r"5\.(1\.2|4\.4)")):
        _, recipient = lab.send(lab.domain(known))
        lab.returns(recipient, status)


@test
def nobody_is_led_to_poppet_itself_s_137(lab):
    """A server that would hand its mail to itself for ever."""
    lab.names.zone.update({
        "liar.test": {"A": ["127.0.0.1", "127.9.9.9"]}, "zero.test": {"A": ["0.0.0.0"]}, "own.test": {"A": [HERE]},
        "many.test": {"AAAA": ["ff02::1"]}, "poppet.test": {"A": [HERE]},
    })
    for host in ("liar.test", "zero.test", "own.test", "many.test", "poppet.test"):
        domain = lab.domain({"MX": [(10, host)]})
        _, recipient = lab.send(domain)
        lab.returns(recipient, r"5\.\d+\.\d+")
    # Who stands behind us in the list doesn't get it from us, who stands before us does.
    _, recipient = lab.send(lab.domain({"MX": [(10, "poppet.test"), (20, "two.test")]}))
    lab.returns(recipient, r"5\.\d+\.\d+")
    subject, _ = lab.send(lab.domain({"MX": [(10, "two.test"), (20, "poppet.test")]}))
    lab.arrives(subject, "two")


@test
def of_a_thousand_addresses_five_are_tried_s_137(lab):
    addresses = [f"192.0.2.{number % 40 + 100}" for number in range(999)]
    lab.names.zone["thousand.test"] = {"A": [ONE, *addresses]}
    subject, _ = lab.send(lab.domain({"MX": [(10, "thousand.test")]}))
    lab.arrives(subject, "one")


@test
def an_address_of_a_family_without_a_way_out_is_passed_over(lab):
    lab.names.zone["both.test"] = {"AAAA": ["2001:db8::61"], "A": [ONE]}
    begun = time.monotonic()
    subject, _ = lab.send(lab.domain({"MX": [(10, "both.test")]}))
    lab.arrives(subject, "one")
    return f"{time.monotonic() - begun:.1f} s"


@test
def a_domain_whose_name_servers_fail_waits_and_others_flow(lab):
    for fate in (SERVFAIL, SILENT, REFUSED):
        domain = lab.domain(fate)
        subject, recipient = lab.send(domain)
        lab.waits(recipient)
        other, _ = lab.send(lab.domain({"MX": [(10, "two.test")]}))
        lab.arrives(other, "two")
        if lab.is_offline():
            raise Failed(f"one domain's {fate} counts as being offline")
        lab.names.zone[domain] = {"MX": [(10, "one.test")]}
        lab.leaves_when_tried(subject, "one")


@test
def without_name_service_the_queue_rests_and_nothing_is_a_try_o8(lab):
    for fate in (SILENT, SERVFAIL):
        lab.names.fails = fate
        subject, recipient = lab.send(lab.domain({"MX": [(10, "one.test")]}))
        until(lab.is_offline, lambda: lab.house.poppet("status"), ARRIVES_SECONDS)
        lab.waits(recipient, tried=False)
        tries = [row[6] for row in lab.house.queue() if recipient in row]
        if tries != ["0"]:
            raise Failed(f"it counts as {tries} tries")
        lab.names.fails = None
        lab.leaves_when_tried(subject, "one")


@test
def a_cable_that_is_plugged_in_again_wakes_the_queue_o8(lab):
    lab.hosts.pull("poppet")
    try:
        subject, recipient = lab.send(lab.domain({"MX": [(10, "one.test")]}))
        until(lab.is_offline, lambda: lab.house.poppet("status"), ARRIVES_SECONDS)
        lab.waits(recipient, tried=False)
    finally:
        lab.hosts.plug("poppet")
    begun = time.monotonic()
    lab.arrives(subject, "one")
    seconds = time.monotonic() - begun
    if seconds > 10:
        raise Failed(f"it took {seconds:.1f} s")
    return f"{seconds:.1f} s after the cable was back"


def main():
    binary, *wanted = sys.argv[1:]
    binary = Path(binary).resolve()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="poppet-exchangers-") as folder, Hosts(**ADDRESSES) as hosts:
        lab = Lab(binary, folder, hosts)
        with lab.standing():
            for name, run in TESTS:
                if not wanted or any(word in name for word in wanted):
                    failed += not passes(name, run, lab)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
