"""Two network namespaces with a cable between them: the server's, and that of everybody else, at public-looking addresses."""

import contextlib
import ctypes
import os
import shutil
import subprocess

from house import Failed

# The addresses of examples: public to look at, and nobody has them.
SERVER = ("192.0.2.25", "2001:db8::25")
OTHER = ("192.0.2.26", "2001:db8::26")
PEER = ("192.0.2.66", "2001:db8::66")
DEVICE = ("192.0.2.40", "2001:db8::40")
NEIGHBOUR = ("192.0.2.41", "2001:db8::41")
NETWORK_NAMESPACE = 0x40000000      # CLONE_NEWNET of setns(2).


class Network:
    """The namespaces while they stand; needs root."""

    def __init__(self):
        self.inside, self.outside = f"poppet-in-{os.getpid()}", f"poppet-out-{os.getpid()}"
        self.within = ("ip", "netns", "exec", self.inside)
        self.without = ("ip", "netns", "exec", self.outside)

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
        for name in (self.inside, self.outside):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", "door", "netns", self.inside, "type", "veth", "peer", "name", "street", "netns", self.outside)
        for name, link, addresses in ((self.inside, "door", [SERVER, OTHER]), (self.outside, "street", [PEER, DEVICE, NEIGHBOUR])):
            for four, six in addresses:
                ip("-n", name, "address", "add", f"{four}/24", "dev", link)
                ip("-n", name, "address", "add", f"{six}/64", "dev", link, "nodad")
            ip("-n", name, "link", "set", link, "up")

    def __exit__(self, *_):
        for name in (self.inside, self.outside):
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    @contextlib.contextmanager
    def entered(self, name):
        """What this thread opens meanwhile is in that namespace, and stays there."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/run/netns/{name}", "rb") as there:
            set_namespace(there)
            try:
                yield
            finally:
                set_namespace(home)


def set_namespace(file):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(file.fileno(), NETWORK_NAMESPACE):
        raise Failed(f"this thread can't enter a network namespace: {os.strerror(ctypes.get_errno())}")


def ip(*words):
    done = subprocess.run(["ip", *words], text=True, capture_output=True, check=False)
    if done.returncode:
        raise Failed(f"no network namespace can be made: ip {' '.join(words)}: {done.stderr.strip()}")
