"""Postfix's smtpd, unpacked from its package into a folder, served on loopback; the system stays as it is.

Its own master starts it. Every mail it takes is put on hold, so what it stored is a file that can be read at once.
"""

import os
import pwd
import grp
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from dovecot import LeftOut, free_port
from house import Failed

QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private",
          "public", "saved", "trace")
# Its master and its queue want users of their own; these two every Debian has, and here they own nothing else.
OWNER, GROUP = "uucp", "list"


@dataclass(frozen=True)
class Mail:
    """What lies in a queue file."""

    sender: str
    recipients: tuple
    content: bytes


class Postfix:
    """One instance for the domain home.lan."""

    def __init__(self, packages, folder, message_octets):
        if os.getuid() != 0:
            raise LeftOut("Postfix's master runs as root only")
        for find, name in ((pwd.getpwnam, OWNER), (grp.getgrnam, GROUP)):
            try:
                find(name)
            except KeyError:
                raise LeftOut(f"there is no user or group {name}") from None
        self.folder, self.message_octets = Path(folder), message_octets
        self.root, self.spool = self.folder / "root", self.folder / "spool"
        self.root.mkdir(parents=True)
        for package in sorted(Path(packages).glob("*.deb")):
            subprocess.run(["dpkg", "-x", package, self.root], check=True)
        version = subprocess.run(["dpkg-deb", "-f", next(Path(packages).glob("postfix_*.deb")), "Version"],
                                 capture_output=True, text=True, check=True).stdout.strip()
        if tuple(int(part) for part in version.split("-")[0].split(".")[:3]) < (3, 7, 11):
            raise LeftOut(f"its settings are written for Postfix 3.7.11 and later, and this is {version}")
        self.port, self.server = free_port(), None
        libraries = [self.root / "usr/lib/postfix", *self.root.glob("usr/lib/*-linux-*"), *self.root.glob("lib/*-linux-*")]
        self.environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(map(str, libraries))}

    def start(self, boxes):
        etc = self.folder / "etc"
        etc.mkdir()
        (etc / "main.cf").write_text(self.configuration())
        (etc / "master.cf").write_text(self.services())
        (etc / "boxes").write_text("".join(f"{box} x\n" for box in (*boxes, "alice@home.lan")))
        (etc / "aliases").write_text("postmaster@home.lan alice@home.lan\nabuse@home.lan alice@home.lan\n")
        self.make_certificate(etc)
        for queue in QUEUES:
            (self.spool / queue).mkdir(parents=True)
            shutil.chown(self.spool / queue, "root" if queue == "pid" else OWNER)
        (self.folder / "data").mkdir()
        shutil.chown(self.folder / "data", OWNER)
        with open(self.folder / "out", "ab") as out:
            self.server = subprocess.Popen([self.root / "usr/lib/postfix/sbin/master", "-c", etc, "-d"], stdout=out, stderr=out,
                                           env={**self.environment, "MAIL_CONFIG": str(etc)}, start_new_session=True)
        self.wait()

    def configuration(self):
        root, folder = self.root, self.folder
        return f"""\
compatibility_level = 3.6
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/etc/postfix
queue_directory = {self.spool}
data_directory = {folder}/data
mail_owner = {OWNER}
setgid_group = {GROUP}
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
import_environment = MAIL_CONFIG PATH LD_LIBRARY_PATH
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.home.lan
myorigin = home.lan
recipient_delimiter = +
mydestination =
mynetworks = 192.0.2.1/32
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = home.lan
virtual_mailbox_maps = texthash:{folder}/etc/boxes
virtual_alias_maps = texthash:{folder}/etc/aliases
local_header_rewrite_clients =
message_drop_headers =
in_flow_delay = 0
# Who is named twice gets it once.
enable_original_recipient = no
# What a name once meant to UUCP and the ARPANET it means no more.
swap_bangpath = no
allow_percent_hack = no
resolve_dequoted_address = no
message_size_limit = {self.message_octets}
# As strict as ours, where it can be.
smtpd_helo_required = yes
strict_rfc821_envelopes = yes
strict_smtputf8 = yes
smtpd_forbid_bare_newline = reject
smtpd_forbid_bare_newline_exclusions =
smtpd_forbid_unauth_pipelining = yes
smtpd_reject_unlisted_recipient = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
smtpd_data_restrictions = check_client_access static:hold
relay_domains_reject_code = 550
# Patience is not what is compared.
smtpd_error_sleep_time = 0
smtpd_soft_error_limit = 1000
smtpd_hard_error_limit = 1000
smtpd_junk_command_limit = 1000
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = may
smtpd_tls_cert_file = {folder}/etc/cert.pem
smtpd_tls_key_file = {folder}/etc/key.pem
"""

    def services(self):
        return f"""\
127.0.0.1:{self.port} inet n - n - 64 smtpd
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
bounce unix - - n - 0 discard
defer unix - - n - 0 discard
trace unix - - n - 0 discard
postlog unix-dgram n - n - 1 postlogd
"""

    def make_certificate(self, folder):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=mail.home.lan", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                       check=True, capture_output=True)

    def mail(self, queue_id):
        """A mail that it took."""
        sender, recipients, lines = "", [], []
        for kind, value in records((self.spool / "hold" / queue_id).read_bytes()):
            if kind == b"S":
                sender = value.decode("latin-1")
            elif kind == b"R":
                recipients.append(value.decode("latin-1").lower())
            elif kind == b"N":
                lines.append(value + b"\r\n")
            elif kind == b"L":
                lines.append(value)
        return Mail(sender, tuple(recipients), b"".join(lines))

    def held(self):
        """The queue ids of all it has."""
        return {path.name for path in (self.spool / "hold").iterdir()}

    def wait(self):
        end = time.monotonic() + 30
        while time.monotonic() < end and self.server.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as link:
                    if link.recv(100).startswith(b"220 "):
                        return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"Postfix does not start: {self.log()}")

    def stop(self):
        """Its master ends all that it has started."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            try:
                self.server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()

    def log(self):
        texts = [path.read_text(errors="replace") for path in (self.folder / "out", self.folder / "log") if path.exists()]
        return "".join(texts)[-2000:]


def records(octets):
    """The records of a queue file: a letter, a length in sevens of bits, that many octets."""
    at = 0
    while at < len(octets):
        kind, at = octets[at:at + 1], at + 1
        length, shift = 0, 0
        while True:
            octet, at = octets[at], at + 1
            length |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                break
        yield kind, octets[at:at + length]
        at += length
