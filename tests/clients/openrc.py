#!/usr/bin/env python3
"""A machine whose services OpenRC starts, on which poppet is set up, ended, killed, upgraded and removed.

  openrc.py BINARY [NAME...]     all tests, or those whose name contains a NAME, after the first, which sets poppet up

OpenRC comes out of Debian's packages, closed off from the system by namespaces and a file system laid over this one, where
nobody keeps a log, so that the service's is a file. This needs root. One line a test,
`ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import os
import poplib
import smtplib
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

from enclosure import Enclosure
from house import ADDRESS, Failed, PASSWORD, passes
from packages import Packages
from slapd import until

INSTALLED = "/usr/local/bin/poppet"
DATABASE = "/var/lib/poppet/poppet.redb"
# What a machine has beside OpenRC: nothing of this one's, no services yet but what others need, and nobody who keeps a log.
# What it knows of its services is from a boot that was some time ago.
MACHINE = """
mount -t tmpfs tmpfs /run &&
rm -rf /etc/poppet /etc/init.d/poppet /etc/conf.d/poppet /etc/runlevels /var/lib/poppet /usr/local/bin/poppet* /var/log/poppet.log* &&
mkdir -p /etc/runlevels/sysinit /etc/runlevels/boot /etc/runlevels/default /etc/runlevels/shutdown && touch /etc/insserv.conf &&
printf '#!/sbin/openrc-run\\nstart() { :; }\\n' > /etc/init.d/localmount && chmod 755 /etc/init.d/localmount &&
openrc sysinit && openrc boot && openrc default &&
touch -d '1 minute ago' /run/openrc/deptree
"""
ANY = range(256)
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Machine:
    """The machine while it runs."""

    sent = 0

    def __init__(self, enclosure, binary):
        self.enclosure, self.binary = enclosure, binary
        self.run("sh", "-c", MACHINE)

    def run(self, *words, stdin="", codes=(0,)):
        return self.enclosure.run(*words, stdin=stdin, codes=codes)

    def set_up(self, *words, binary=None, codes=(0,)):
        return self.run(binary or self.binary, "setup", "home.lan", "alice", "--password-stdin", *words, stdin=PASSWORD + "\n", codes=codes)

    def service(self, *words, codes=(0,)):
        return self.run("rc-service", "poppet", *words, codes=codes)

    def pid(self):
        """The server's process; none if it doesn't run."""
        found = self.run("sh", "-c", "grep -lsx poppet /proc/[0-9]*/comm", codes=ANY).split()
        if len(found) > 1:
            raise Failed(f"more than one server runs: {found}")
        return found[0].split("/")[2] if found else None

    def comes_up(self, former=None):
        """Waits for another server than the former one that answers; its process."""
        def is_up():
            return self.pid() not in (None, former) and "server\trunning" in self.run(INSTALLED, "status", codes=ANY)
        until(is_up, lambda: f"the server does not come up: {self.log()[-500:]}")
        return self.pid()

    def log(self):
        return self.run("cat", "/var/log/poppet.log", codes=(0, 1))

    def send(self):
        """A mail by the port of other servers, as a printer sends it."""
        self.sent += 1
        with self.enclosure.network(), smtplib.SMTP("127.0.0.1", 25, timeout=60) as smtp:
            smtp.sendmail("printer@home.lan", [ADDRESS], f"Subject: number {self.sent}\r\n\r\nbody\r\n")

    def must_have_all(self):
        """Alice finds each mail, in order, inside TLS that the authority of setup has signed."""
        context = ssl.create_default_context(cadata=self.run("cat", "/etc/poppet/authority.pem"))
        with self.enclosure.network():
            pop3 = poplib.POP3_SSL("127.0.0.1", 995, timeout=60, context=context)
            pop3.user(ADDRESS)
            pop3.pass_(PASSWORD)
            count = pop3.stat()[0]
            found = [line for number in range(1, count + 1) for line in pop3.top(number, 0)[1] if line.startswith(b"Subject:")]
            pop3.quit()
        if found != [f"Subject: number {number}".encode() for number in range(1, self.sent + 1)]:
            raise Failed(f"{self.sent} mails were taken, and these are there: {found}")

    def serves(self):
        self.send()
        self.must_have_all()


@test
def setup_makes_a_service_that_serves_and_starts_with_the_machine(machine):
    """Under dash, which takes one limit at a time, two of them in a line were refused, and the server had the system's."""
    told = machine.set_up()
    if "It runs as a service and starts with the machine" not in told or "unable" in told:
        raise Failed(told)
    pid = machine.comes_up()
    limits = {line[:26].strip(): line[26:].split()[0] for line in machine.run("cat", f"/proc/{pid}/limits").splitlines()}
    wanted = {"Max open files": "16384", "Max core file size": "0"}
    if {name: limits[name] for name in wanted} != wanted:
        raise Failed(f"it has other limits: {limits}")
    if (user := machine.run("stat", "-c", "%U", f"/proc/{pid}").strip()) != "poppet":
        raise Failed(f"it runs as {user}")
    if machine.run("ls", "/etc/runlevels/default") != "poppet\n":
        raise Failed("it does not start with the machine")
    said = machine.service("restart")
    if "unable" in said or "rror" in said:
        raise Failed(said)
    machine.comes_up(pid)
    machine.serves()


@test
def its_log_is_where_setup_says(machine):
    """Before 0.51 the supervisor feeds no logger, and all that the server said was lost."""
    told = machine.set_up()
    command = told.rpartition("Its log: ")[2].strip()
    said = machine.run("sh", "-c", command)
    if "info: " not in said:
        raise Failed(f"{command}: {said}")
    machine.run("sh", "-c", "yes | head -c 600000 > /var/log/poppet.log")
    machine.service("restart")
    machine.comes_up()
    if (octets := len(machine.log())) > 100_000 or int(machine.run("stat", "-c", "%s", "/var/log/poppet.log.old")) < 600_000:
        raise Failed(f"a long log is not begun anew: {octets} octets")
    return command


@test
def it_serves_also_where_no_log_can_be_kept(machine):
    """The supervisor, which could not open it, tried for ever."""
    pid = machine.pid()
    machine.run("sh", "-c", "rm -f /var/log/poppet.log && mkdir /var/log/poppet.log")
    machine.service("restart")
    pid = machine.comes_up(pid)
    machine.serves()
    machine.run("rmdir", "/var/log/poppet.log")
    machine.service("restart")
    machine.comes_up(pid)


@test
def a_killed_server_is_started_again_by_itself_with_all_mail(machine):
    machine.send()
    pid = machine.pid()
    machine.run("kill", "-9", pid)
    machine.comes_up(pid)
    machine.must_have_all()
    machine.serves()


@test
def reload_leaves_the_process_and_stop_ends_it_in_good_order(machine):
    pid = machine.comes_up()
    before = machine.log().count("the certificate is loaded")
    machine.service("reload")
    until(lambda: machine.log().count("the certificate is loaded") > before, "the log says nothing of a certificate that is loaded anew")
    if machine.pid() != pid:
        raise Failed("another process serves")
    machine.serves()
    machine.service("stop")
    if machine.pid() is not None:
        raise Failed("it runs on")
    machine.service("status", codes=(3,))
    if not machine.log().endswith("info: stopping\n"):
        raise Failed(f"it did not end in good order: {machine.log()[-300:]}")
    machine.service("start")
    machine.comes_up()
    machine.serves()


@test
def a_machine_that_starts_anew_serves(machine):
    pid = machine.comes_up()
    said = machine.run("openrc", "shutdown")
    until(lambda: machine.pid() is None, f"it runs on when the machine goes down: {said}")
    machine.run("openrc", "default")
    machine.comes_up(pid)
    machine.serves()


@test
def another_version_takes_over_and_the_former_is_kept(machine):
    machine.run("sh", "-c", f"cp {machine.binary} /run/newer && printf x >> /run/newer")
    pid = machine.comes_up()
    told = machine.set_up(binary="/run/newer")
    machine.comes_up(pid)
    machine.run("cmp", "/run/newer", INSTALLED)
    machine.run("cmp", machine.binary, f"{INSTALLED}.old")
    machine.serves()
    return told.strip().splitlines()[-1]


@test
def a_server_that_is_down_is_told_and_brought_up_by_setup(machine):
    machine.service("stop")
    told = machine.run(INSTALLED, "doctor", codes=(1, 2, 3, 4, 5, 6))
    if 'server\twrong\tit does not run' not in told or '"rc-service poppet start" starts it' not in told:
        raise Failed(f"doctor does not see it: {told}")
    machine.set_up()
    machine.comes_up()
    machine.serves()


@test
def a_script_that_was_changed_is_left_alone(machine):
    machine.run("sh", "-c", "echo '# mine' >> /etc/init.d/poppet")
    told = machine.set_up(codes=(5,))
    if 'say "rc-service poppet stop", put your changes into /etc/conf.d/poppet, move it away, then run setup again' not in told:
        raise Failed(told)
    machine.service("stop")
    machine.run("sh", "-c", "mv /etc/init.d/poppet /run/mine && mkdir -p /etc/conf.d && echo poppet_files=4096 > /etc/conf.d/poppet")
    machine.set_up()
    pid = machine.comes_up()
    machine.service("restart")
    if " 4096 " not in machine.run("grep", "Max open files", f"/proc/{machine.comes_up(pid)}/limits"):
        raise Failed("what stands in conf.d does not count")
    machine.serves()


@test
def remove_takes_all_but_the_mail(machine):
    machine.run(machine.binary, "setup", "--remove", "--yes")
    if machine.pid() is not None:
        raise Failed("it runs on")
    left = machine.run("sh", "-c", f"ls -d /etc/init.d/poppet {INSTALLED}* /etc/runlevels/default/poppet /var/log/poppet* 2>/dev/null", codes=ANY)
    if left.strip():
        raise Failed(f"these are left: {left}")
    machine.run("test", "-f", DATABASE)
    machine.set_up()
    machine.comes_up()
    machine.serves()


def main():
    binary, *wanted = sys.argv[1:]
    binary = Path(binary).resolve()
    if os.getuid():
        print("FAILED the machine: services are started by root only")
        sys.exit(1)
    chosen = [TESTS[0], *((name, run) for name, run in TESTS[1:] if not wanted or any(word in name for word in wanted))]
    try:
        packages = Packages(binary.parent.parent / "packages", "openrc")
        with tempfile.TemporaryDirectory(prefix="poppet-openrc-") as folder, Enclosure(folder, packages.root, "corner", binary.parent) as enclosure:
            machine = Machine(enclosure, binary)
            passed = [passes(name, run, machine) for name, run in chosen]
    except (Failed, OSError, subprocess.SubprocessError) as why:
        print(f"FAILED the machine: {why}")
        sys.exit(1)
    sys.exit(0 if passed and all(passed) else 1)


if __name__ == "__main__":
    main()
