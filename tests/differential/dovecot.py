"""Dovecot as an ordinary user, unpacked from its packages into a folder, served on loopback; the system stays as it is."""

import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import modules
from house import PASSWORD, Failed


class LeftOut(Exception):
    """This Dovecot can't be compared with; the text says why."""


class Dovecot:
    """One instance with a Maildir for every user under `mail/`."""

    def __init__(self, packages, folder):
        self.folder = Path(folder)
        self.root, self.mail = self.folder / "root", self.folder / "mail"
        self.root.mkdir(parents=True)
        for package in sorted(Path(packages).glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, self.root], check=True)
        self.port, self.server = free_port(), None
        version = subprocess.run(["dpkg-deb", "-f", next(Path(packages).glob("dovecot-core_*.deb")), "Version"],
                                 capture_output=True, text=True, check=True).stdout.split(":")[-1]
        if not version.startswith("2.3."):
            raise LeftOut(f"its settings are written for Dovecot 2.3, and this is {version.strip()}")
        # Everything runs as one user without rights, also where the tests run as root.
        self.user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        libraries = [self.root / "usr/lib/dovecot", *self.root.glob("usr/lib/*-linux-*"), *self.root.glob("lib/*-linux-*")]
        self.environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(map(str, libraries))}

    def start(self, users):
        (self.folder / "users").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in users))
        settings = self.folder / "dovecot.conf"
        settings.write_text(self.configuration())
        self.mail.mkdir()
        for path in (self.folder, self.mail):
            self.give(path)
        # doveconf hands the settings over in the environment: the dovecot program would look for it in /usr/bin.
        with open(self.folder / "out", "ab") as out:
            self.server = subprocess.Popen(
                [*modules.shown(self.root, self.folder, self.user), self.root / "usr/bin/doveconf", "-c", settings, "-f",
                 "service=master", "-p", "-e", self.root / "usr/sbin/dovecot", "-F", "-c", settings],
                stdout=out, stderr=out, env=self.environment, start_new_session=True)
        self.wait()

    def configuration(self):
        name, group = self.user.pw_name, self.group()
        return f"""\
base_dir = {self.folder}/run
state_dir = {self.folder}/state
libexec_dir = {self.root}/usr/lib/dovecot
mail_plugin_dir = {self.root}/usr/lib/dovecot/modules
import_environment = PATH LD_LIBRARY_PATH
log_path = {self.folder}/log
protocols = pop3
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = maildir:~/Maildir
mail_max_userip_connections = 1000
mail_fsync = never
pop3_uidl_format = %08Xu%08Xv
pop3_lock_session = no
default_internal_user = {name}
default_internal_group = {group}
default_login_user = {name}
first_valid_uid = {self.user.pw_uid}
first_valid_gid = {self.user.pw_gid}
passdb {{
  driver = passwd-file
  args = username_format=%u {self.folder}/users
}}
userdb {{
  driver = static
  args = uid={self.user.pw_uid} gid={self.user.pw_gid} home={self.mail}/%u
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service pop3-login {{
  chroot =
  service_count = 0
  process_min_avail = 1
  client_limit = 200
  inet_listener pop3 {{
    port = {self.port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service pop3 {{
  service_count = 0
  process_limit = 64
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
"""

    def fill(self, user, messages):
        """Gives a user these messages and no others, numbered in this order."""
        box = self.mail / user
        shutil.rmtree(box, ignore_errors=True)
        folder = box / "Maildir"
        for part in ("cur", "new", "tmp"):
            (folder / part).mkdir(parents=True)
        for number, message in enumerate(messages, 1):
            (folder / "new" / f"{1_700_000_000 + number}.M{number:06}P1.lab").write_bytes(message)
        for path in [box, *box.rglob("*")]:
            self.give(path)

    def give(self, path):
        if os.getuid() == 0:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def group(self):
        return grp.getgrgid(self.user.pw_gid).gr_name

    def wait(self):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.server.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as link:
                    if link.recv(100).startswith(b"+OK"):
                        return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"Dovecot does not start: {self.log()}")

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()

    def log(self):
        texts = [path.read_text(errors="replace") for path in (self.folder / "out", self.folder / "log") if path.exists()]
        return "".join(texts)[-1000:]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
