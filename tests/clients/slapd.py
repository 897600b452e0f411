"""A real OpenLDAP server out of its Debian package, on loopback, with people of odd names in it."""

import base64
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from house import Failed
from packages import ENVIRONMENT, Packages

SUFFIX = "dc=home,dc=lan"
SERVICE, SERVICE_PASSWORD = f"cn=poppet,{SUFFIX}", "the service's own"
ADMINISTRATOR, ADMINISTRATOR_PASSWORD = f"cn=admin,{SUFFIX}", "the administrator's"

# uid, mail, password.
PEOPLE = [
    ("alice", "alice@home.lan", "correct horse battery"),
    ("bob", "bob@home.lan", "bob's word"),
    ("bobby", "bobby@home.lan", "bobby's word"),
    ("bob*", "star@home.lan", "star's word"),
    ("a,b", "comma@home.lan", "comma's word"),
    ("par(en)the", "parentheses@home.lan", "parentheses' word"),
    ("back\\slash", "slash@home.lan", "slash's word"),
    ("jörg", "joerg@home.lan", "größer als ß"),
    ("twin1", "twins@home.lan", "first twin's word"),
    ("twin2", "twins@home.lan", "second twin's word"),
    ("blank", "blank@home.lan", " blanks around "),
    # No mailbox is made for him.
    ("outsider", "outsider@home.lan", "outsider's word"),
]


class Slapd:
    """The server while it runs; `restart` gives it another certificate."""

    def __init__(self, folder, cache, certificate, key):
        self.folder, self.package = Path(folder), Packages(cache, "slapd", "ldap-utils")
        (self.folder / "data").mkdir()
        self.clear, self.secure = free_ports(2)
        self.certificate, self.key = certificate, key
        self.process = None
        self.start()
        self.ask("ldapadd", tree())

    def start(self):
        settings = self.folder / "slapd.conf"
        settings.write_text(self.settings())
        urls = f"ldap://127.0.0.1:{self.clear} ldaps://127.0.0.1:{self.secure}"
        with open(self.folder / "slapd.log", "ab") as log:
            self.process = subprocess.Popen([str(self.package.program("slapd")), "-d", "stats", "-f", str(settings), "-h", urls],
                                            stdout=log, stderr=log, env={**ENVIRONMENT, **self.package.environment})
        until(lambda: self.process.poll() is not None or all(map(answers, (self.clear, self.secure))), "slapd does not listen")
        if self.process.poll() is not None:
            raise Failed(f"slapd ended with {self.process.returncode}: {self.log()[-500:]}")

    def settings(self):
        root = self.package.root
        schemas = "".join(f"include {root}/etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
        return (f"{schemas}modulepath {root}/usr/lib/ldap\nmoduleload back_mdb\n"
                f"TLSCertificateFile {self.certificate}\nTLSCertificateKeyFile {self.key}\n"
                f"database mdb\nsuffix {SUFFIX}\nrootdn {ADMINISTRATOR}\nrootpw \"{ADMINISTRATOR_PASSWORD}\"\ndirectory {self.folder}/data\n"
                f"access to attrs=userPassword by anonymous auth by * none\naccess to * by dn.exact=\"{SERVICE}\" read by * none\n")

    def stop(self):
        """Ends it, also if it is halted."""
        if self.process and self.process.poll() is None:
            self.go_on()
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def restart(self, certificate=None, key=None):
        self.stop()
        self.certificate, self.key = certificate or self.certificate, key or self.key
        self.start()

    def halt(self):
        """It takes connections from now on, by the system's queue, and answers nobody."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def log(self):
        return (self.folder / "slapd.log").read_text(errors="replace")

    def ask(self, program, text="", *words):
        """Has one of OpenLDAP's own programs ask as the administrator; what it says."""
        command = [self.package.program(program), "-x", "-H", f"ldap://127.0.0.1:{self.clear}", "-D", ADMINISTRATOR, "-w",
                   ADMINISTRATOR_PASSWORD, *words]
        done = subprocess.run([str(word) for word in command], input=text, text=True, capture_output=True, timeout=60,
                              env={**ENVIRONMENT, **self.package.environment}, check=False)
        if done.returncode:
            raise Failed(f"{program}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def change_password(self, uid, password):
        self.ask("ldapmodify", f"dn: {dn_of(uid)}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n")


def tree():
    """The people as LDIF; what OpenLDAP reads here may be UTF-8 all the same."""
    top = f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\no: home\ndc: home\n"
    unit = f"dn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n"
    service = (f"dn: {SERVICE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: poppet\n"
               f"userPassword: {SERVICE_PASSWORD}\n")
    entries = [f"dn: {dn_of(uid)}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\nmail: {mail}\n"
               f"userPassword:: {base64_of(password)}\n" for uid, mail, password in PEOPLE]
    return "\n".join([top, unit, service, *entries])


def dn_of(uid):
    """RFC 4514 §2.4."""
    return f"uid={''.join(chr(92) + letter if letter in ',+<>;=' + chr(34) + chr(92) else letter for letter in uid)},ou=people,{SUFFIX}"


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


def free_ports(count):
    links = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [link.getsockname()[1] for link in links]
    for link in links:
        link.close()
    return ports


def answers(port):
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


def until(is_so, why, seconds=20):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise Failed(why() if callable(why) else why)
        time.sleep(0.02)
