"""A grown-up mail system for poppet to stand beside: Postfix with Dovecot's LMTP and logons, on a host of its own.

Both come out of their packages and are unpacked, not installed. Mail for people in `boxes` goes into Maildirs; where the
rest goes the test says.
"""

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
from packages import Packages

NEEDED = ("postfix", "dovecot-core", "dovecot-pop3d", "dovecot-lmtpd")
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private",
          "public", "saved", "trace")
# Postfix's master and queue want users of their own; these two every Debian has, and here they own nothing else.
OWNER, GROUP = "uucp", "list"
USER = "account@office.test"        # Who may log on at port 587.


class Office:
    """One instance on a host of `hosts`. `everybody` has every address delivered here."""

    def __init__(self, cache, folder, hosts, host, authority, boxes=(), rest=None, everybody=False, tls="may"):
        packages = Packages(cache, *NEEDED)
        self.root, self.folder, self.hosts, self.host = packages.root, Path(folder), hosts, host
        self.boxes, self.rest, self.everybody, self.tls = boxes, rest, everybody, tls
        self.folder.mkdir(parents=True)
        # Users without rights can come through to their mail.
        for path in (self.folder, *self.folder.parents):
            if str(path).startswith("/tmp/") and path != Path("/tmp"):
                path.chmod(0o711)
        self.user = pwd.getpwnam("nobody")
        self.certificate, self.key = authority.issue(f"{host}.test", f"DNS:{host}.test")
        folders = [self.root / "usr/lib/dovecot", self.root / "usr/lib/postfix", *self.root.glob("usr/lib/*-linux-*"),
                   *self.root.glob("lib/*-linux-*")]
        self.environment = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": ":".join(map(str, folders))}
        self.servers = []

    # ---- what a test does with it --------------------------------------------------------------

    def start(self):
        self.start_dovecot()
        self.start_postfix()
        for port, word in ((24, b"220 "), (25, b"220 "), (587, b"220 ")):
            self.wait(port, word)

    def mails(self, address):
        """What has been delivered for somebody, octet by octet."""
        folder = self.folder / "mail" / address / "Maildir"
        return [path.read_bytes() for part in ("new", "cur") for path in sorted((folder / part).glob("*"))]

    def queued(self):
        """What it has not got rid of."""
        return [path for queue in ("incoming", "active", "deferred") for path in (self.folder / "spool" / queue).rglob("*") if path.is_file()]

    def reload(self):
        """Postfix goes by what its settings say now."""
        self.servers[-1].send_signal(signal.SIGHUP)
        self.wait(587, b"220 ")

    def stop(self):
        for server in self.servers:
            if server.poll() is None:
                server.send_signal(signal.SIGTERM)
                try:
                    server.wait(15)
                except subprocess.TimeoutExpired:
                    os.killpg(server.pid, signal.SIGKILL)
                    server.wait()
        self.servers = []

    def log(self):
        paths = ("out", "postfix.log", "dovecot.log")
        return "".join((self.folder / path).read_text(errors="replace") for path in paths if (self.folder / path).exists())

    # ---- how it is made ------------------------------------------------------------------------

    def run(self, command):
        with open(self.folder / "out", "ab") as out:
            self.servers.append(subprocess.Popen([*self.hosts.on(self.host), *command], stdout=out, stderr=out, env=self.environment,
                                                 start_new_session=True))

    def start_dovecot(self):
        (self.folder / "users").write_text("".join(f"{user}:{{PLAIN}}{PASSWORD}\n" for user in (USER, *self.boxes)))
        (self.folder / "dovecot.conf").write_text(self.dovecot())
        mail = self.folder / "mail"
        mail.mkdir()
        os.chown(mail, self.user.pw_uid, self.user.pw_gid)
        spool = self.folder / "spool"
        for queue in QUEUES:
            (spool / queue).mkdir(parents=True)
            shutil.chown(spool / queue, "root" if queue == "pid" else OWNER)
        settings = self.folder / "dovecot.conf"
        # doveconf hands the settings over in the environment: the dovecot program would look for it in /usr/bin.
        self.run([*modules.shown(self.root, self.folder), self.root / "usr/bin/doveconf", "-c", settings, "-f", "service=master", "-p", "-e",
                  self.root / "usr/sbin/dovecot", "-F", "-c", settings])

    def dovecot(self):
        name, group = self.user.pw_name, grp.getgrgid(self.user.pw_gid).gr_name
        return f"""\
base_dir = {self.folder}/run
state_dir = {self.folder}/state
libexec_dir = {self.root}/usr/lib/dovecot
mail_plugin_dir = {self.root}/usr/lib/dovecot/modules
import_environment = PATH LD_LIBRARY_PATH
log_path = {self.folder}/dovecot.log
protocols = lmtp
listen = *
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5 scram-sha-256
auth_failure_delay = 0
auth_verbose = yes
mail_location = maildir:~/Maildir
default_internal_user = {name}
default_internal_group = {group}
default_login_user = {name}
first_valid_uid = {self.user.pw_uid}
first_valid_gid = {self.user.pw_gid}
postmaster_address = postmaster@{self.host}.test
hostname = {self.host}.test
passdb {{
  driver = passwd-file
  args = username_format=%u {self.folder}/users
}}
userdb {{
  driver = static
  args = uid={self.user.pw_uid} gid={self.user.pw_gid} home={self.folder}/mail/%u {"allow_all_users=yes" if self.everybody else ""}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
}}
service auth {{
  unix_listener {self.folder}/spool/private/auth {{
    mode = 0666
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = 24
  }}
}}
"""

    def start_postfix(self):
        etc = self.folder / "etc"
        etc.mkdir()
        (etc / "main.cf").write_text(self.postfix())
        (etc / "master.cf").write_text(self.services())
        here = "lmtp:inet:127.0.0.1:24"
        ways = [f"{box} {here}\n" for box in self.boxes]
        ways += [f"* {here}\n"] if self.everybody else [f"{domain} {way}\n" for domain, way in (self.rest or {}).items()]
        (etc / "ways").write_text("".join(ways))
        (self.folder / "data").mkdir()
        shutil.chown(self.folder / "data", OWNER)
        self.run([self.root / "usr/lib/postfix/sbin/master", "-c", etc, "-d"])

    def postfix(self):
        root, folder = self.root, self.folder
        domains = sorted({box.split("@")[1] for box in self.boxes} | set(self.rest or {}))
        return f"""\
compatibility_level = 3.6
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/etc/postfix
queue_directory = {folder}/spool
data_directory = {folder}/data
mail_owner = {OWNER}
setgid_group = {GROUP}
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
import_environment = MAIL_CONFIG PATH LD_LIBRARY_PATH
inet_interfaces = all
inet_protocols = ipv4
myhostname = {self.host}.test
mydestination =
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
alias_maps =
alias_database =
local_recipient_maps =
relay_domains = {", ".join(domains)}
transport_maps = texthash:{folder}/etc/ways
default_transport = error:5.1.2 nobody here knows the way there
in_flow_delay = 0
notify_classes =
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_tls_security_level = {self.tls}
smtpd_tls_cert_file = {self.certificate}
smtpd_tls_key_file = {self.key}
smtpd_tls_loglevel = 1
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
smtputf8_enable = yes
"""

    def services(self):
        return """\
25 inet n - n - - smtpd
587 inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes -o smtpd_tls_security_level=encrypt -o smtpd_client_restrictions=permit_sasl_authenticated,reject
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def wait(self, port, word):
        end = time.monotonic() + 30
        while time.monotonic() < end and all(server.poll() is None for server in self.servers):
            try:
                with self.hosts.entered(self.host), socket.create_connection(("127.0.0.1", port), 5) as link:
                    if link.recv(100).startswith(word):
                        return
            except OSError:
                time.sleep(0.05)
        raise Failed(f"port {port} of {self.host} does not answer: {self.log()[-1500:]}")
