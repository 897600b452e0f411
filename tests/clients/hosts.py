"""Hosts that a test makes up: network namespaces on one switch, with names of their own, and cables that can be pulled."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from house import Failed
from network import ip, set_namespace

ETC = Path("/etc/netns")            # `ip netns exec` lays what is there over /etc.


class Hosts:
    """Namespaces while they stand, each at an address by a name; needs root. `hosts` says which."""

    def __init__(self, **hosts):
        self.addresses = hosts
        self.switch = f"poppet-switch-{os.getpid()}"

    def __enter__(self):
        if not shutil.which("ip"):
            raise Failed("ip is not here: install the package iproute2")
        if os.getuid() != 0:
            raise Failed("network namespaces are made by root only: run this as root")
        try:
            self.build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def build(self):
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "switch", "type", "bridge")
        ip("-n", self.switch, "link", "set", "switch", "up")
        names = "".join(f"{address} {name}.test {name}\n" for name, address in self.addresses.items())
        for number, (name, address) in enumerate(self.addresses.items()):
            there = self.namespace(name)
            ip("netns", "add", there)
            ip("-n", there, "link", "set", "lo", "up")
            ip("link", "add", f"port{number}", "netns", self.switch, "type", "veth", "peer", "name", "cable", "netns", there)
            ip("-n", self.switch, "link", "set", f"port{number}", "master", "switch", "up")
            ip("-n", there, "address", "add", f"{address}/24", "dev", "cable")
            ip("-n", there, "link", "set", "cable", "up")
            folder = ETC / there
            folder.mkdir(parents=True)
            (folder / "hosts").write_text(f"127.0.0.1 localhost\n{names}")
            # Nobody answers there: what isn't in that file isn't known.
            (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")

    def __exit__(self, *_):
        for name in (*map(self.namespace, self.addresses), self.switch):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
            shutil.rmtree(ETC / name, ignore_errors=True)
        with contextlib.suppress(OSError):
            ETC.rmdir()

    def namespace(self, name):
        return f"poppet-{name}-{os.getpid()}"

    def on(self, name):
        """The words that run a command on that host."""
        return ("ip", "netns", "exec", self.namespace(name))

    @contextlib.contextmanager
    def entered(self, name):
        """What this thread opens meanwhile is on that host, and stays there."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{self.namespace(name)}", "rb") as there:
            set_namespace(there)
            try:
                yield
            finally:
                set_namespace(home)

    def pull(self, name):
        """Pulls a host's cable."""
        ip("-n", self.namespace(name), "link", "set", "cable", "down")

    def plug(self, name):
        ip("-n", self.namespace(name), "link", "set", "cable", "up")
