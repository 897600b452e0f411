"""The system as it is, with more packages in it, and nothing of that outside: a file system laid over this one, and own
processes, names and network."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from house import Failed
from network import set_namespace
from packages import ENVIRONMENT

# What must be the same inside.
SHARED = ("/dev", "/tmp")
# Says its number once everything stands, and stays. A shell that waits buries whom nobody waits for, as a first process must:
# who stops a service waits until it is gone.
BUILD = """
mount --make-rprivate / &&
mount -t tmpfs -o size=1g tmpfs "$0" &&
mkdir "$0/new" "$0/work" "$0/root" &&
cp -a "$1"/. "$0/new" &&
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/new,workdir=$0/work" "$0/root" &&
mount -t proc proc "$0/root/proc" || exit 1
for folder in "${@:3}"; do mount --rbind "$folder" "$0/root$folder" || exit 1; done
ip link set lo up && hostname "$2" && chroot "$0/root" ldconfig && echo stands || exit 1
sleep infinity & wait
"""


class Enclosure:
    """It while it stands; needs root. `within` is a command that runs another inside; `beside` one that does so but for
    processes, so that signals reach it from here."""

    def __init__(self, folder, packages, hostname, *shared):
        self.mount = Path(folder) / "enclosure"
        self.mount.mkdir()
        self.packages, self.hostname = packages, hostname
        # A folder below one that is shared is there anyway.
        self.shared = [*SHARED, *(str(path) for path in map(Path, shared) if not path.is_relative_to("/tmp"))]
        self.holder, self.within, self.beside, self.number = None, (), (), None

    def __enter__(self):
        if os.getuid() != 0:
            raise Failed("a file system is laid over another by root only: run this as root")
        for tool in ("unshare", "nsenter", "ip"):
            if not shutil.which(tool):
                raise Failed(f"{tool} is not here: install the packages util-linux and iproute2")
        merge_folders(self.packages)
        try:
            return self.stand()
        except BaseException:
            self.__exit__()
            raise

    def stand(self):
        command = ["unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "bash", "-c", BUILD]
        self.holder = subprocess.Popen([*command, str(self.mount), str(self.packages), self.hostname, *self.shared],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "stands\n":
            why = self.holder.communicate()[1].strip()[-300:]
            raise Failed(f"no file system can be laid over this one: {why}")
        self.number = Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()[0]
        enter, root = ("nsenter", "--target", self.number, "--mount", "--net", "--uts", "--ipc"), ("chroot", f"{self.mount}/root")
        self.within, self.beside = (*enter, "--pid", *root), (*enter, *root)
        return self

    def __exit__(self, *_):
        if self.holder:
            # What runs inside ends with the first process there.
            self.holder.kill()
            self.holder.communicate()

    @contextlib.contextmanager
    def network(self):
        """What this thread opens meanwhile is in the network of the inside, and stays there."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(f"/proc/{self.number}/ns/net", "rb") as there:
            set_namespace(there)
            try:
                yield
            finally:
                set_namespace(home)

    def run(self, *words, stdin="", codes=(0,)):
        """Runs a command inside; all that it says."""
        done = subprocess.run([*self.within, *map(str, words)], input=stdin, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120, env=ENVIRONMENT, check=False)
        if done.returncode not in codes:
            raise Failed(f"{' '.join(map(str, words))}: exit {done.returncode}: {done.stdout.strip()[-500:]}")
        return done.stdout

    def start(self, log, *words):
        """Starts a command inside that stays."""
        with open(log, "ab") as file:
            return subprocess.Popen([*self.within, *map(str, words)], stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=ENVIRONMENT)


def merge_folders(root):
    """Debian has /lib, /bin and /sbin in /usr; a folder of that name in a package must not hide that."""
    for name in ("lib", "bin", "sbin"):
        folder = Path(root) / name
        if Path(f"/{name}").is_symlink() and folder.is_dir() and not folder.is_symlink():
            shutil.copytree(folder, Path(root) / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(folder)
