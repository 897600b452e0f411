"""A real Samba Active Directory domain controller out of its Debian packages, provisioned anew, closed off from this system."""

import re
from pathlib import Path

from authority import Authority
from enclosure import Enclosure
from house import Failed
from packages import Packages
from slapd import until

PACKAGES = ("samba", "winbind", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "python3-samba", "tdb-tools")
REALM, WORKGROUP, HOST = "ad.home.lan", "AD", "dc1.ad.home.lan"
BASE = "dc=ad,dc=home,dc=lan"
SERVICE, SERVICE_PASSWORD = "poppet@ad.home.lan", "Service.Pass1"
SETTINGS = "/etc/samba/smb.conf"

# What samba-tool is told of each: name, mail, password, how the account is.
PEOPLE = [
    ("alice", "alice@home.lan", "Correct.Horse1", ""),
    ("bob", "bob@home.lan", "Bobs.Word22", ""),
    ("jörg", "joerg@home.lan", "Größer.als.ß1", ""),
    ("dora", "dora@home.lan", "Doras.Word22", "disabled"),
    ("eric", "eric@home.lan", "Erics.Word22", "expired"),
    ("mona", "mona@home.lan", "Monas.Word22", "must change"),
    ("lars", "lars@home.lan", "Larss.Word22", "locked"),
    ("outsider", "outsider@home.lan", "Outsiders.Word2", ""),
    ("poppet", "poppet@ad.home.lan", SERVICE_PASSWORD, ""),
]


class Controller:
    """The controller while it runs; `enclosure` is where."""

    def __init__(self, folder, cache, repository):
        self.folder = Path(folder)
        self.enclosure = Enclosure(folder, Packages(cache, *PACKAGES).root, HOST.split(".")[0], folder, repository)
        self.samba = None

    def __enter__(self):
        self.enclosure.__enter__()
        try:
            self.provision()
            self.start()
            self.populate()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.enclosure.__exit__()

    def provision(self):
        run = self.enclosure.run
        run("mkdir", "-p", "/run/samba")
        run("rm", "-f", SETTINGS)
        run("samba-tool", "domain", "provision", f"--realm={REALM.upper()}", f"--domain={WORKGROUP}", "--server-role=dc",
            "--dns-backend=SAMBA_INTERNAL", "--adminpass=Administrators.Own1", "--host-name=dc1", "--host-ip=127.0.0.1",
            "--option=interfaces=lo", "--option=bind interfaces only=yes")
        self.authority = Authority(self.folder, "domain")
        certificate, key = self.authority.issue(HOST, f"DNS:{HOST}", "IP:127.0.0.1")
        run("tee", "-a", SETTINGS, stdin=f"[global]\ntls certfile = {certificate}\ntls keyfile = {key}\ntls cafile = {self.authority.certificate}\n"
            # So that who is refused for NTLMv1 is refused by poppet.
            "ntlm auth = ntlmv1-permitted\n")
        run("cp", "/var/lib/samba/private/krb5.conf", "/etc/krb5.conf")
        run("tee", "/etc/resolv.conf", stdin=f"search {REALM}\nnameserver 127.0.0.1\n")
        run("tee", "-a", "/etc/hosts", stdin=f"127.0.0.1 {HOST}\n")

    def start(self):
        self.samba = self.enclosure.start(self.folder / "samba.log", "samba", "-i", "-M", "single", "--debug-stdout")
        until(lambda: self.samba.poll() is not None or self.is_up(), "the domain controller is not up after 60 s", 60)
        if self.samba.poll() is not None:
            raise Failed(f"samba ended with {self.samba.returncode}: {(self.folder / 'samba.log').read_text()[-500:]}")

    def is_up(self):
        listens = self.enclosure.run("ss", "-ltnH", "sport = :636")
        return bool(listens) and "succeeded" in self.enclosure.run("wbinfo", "-p", codes=(0, 1))

    def populate(self):
        self.tool("domain", "passwordsettings", "set", "--account-lockout-threshold=5", "--min-pwd-age=0")
        for name, mail, password, _ in PEOPLE:
            self.tool("user", "create", name, password, f"--mail-address={mail}")

    def bring_low(self):
        """Makes the accounts what they are to be; what is disabled can be given no mailbox."""
        for name, _, password, how in PEOPLE:
            if how == "disabled":
                self.tool("user", "disable", name)
            elif how == "expired":
                self.tool("user", "setexpiry", name, "--days=-1")
            elif how == "must change":
                self.tool("user", "setpassword", name, f"--newpassword={password}", "--must-change-at-next-login")
            elif how == "locked":
                for _ in range(5):
                    self.asks_ntlm(name, "wrong")

    def wrong_tries(self, name):
        """How many the domain has counted."""
        found = re.search(r"badPwdCount: (\d+)", self.tool("user", "show", name, "--attributes=badPwdCount"))
        return int(found[1]) if found else 0

    def tool(self, *words):
        return self.enclosure.run("samba-tool", *words)

    def asks_ntlm(self, name, password):
        """What Samba itself says of a password; its own reference for what poppet says."""
        return self.enclosure.run("ntlm_auth", f"--username={name}", f"--password={password}", codes=(0, 1))

    def halt_winbind(self):
        """It takes connections from now on, by the system's queue, and answers nobody."""
        self.signal_winbind("STOP")

    def let_winbind_go_on(self):
        self.signal_winbind("CONT")

    def signal_winbind(self, how):
        # The processes of the inside, and no others.
        self.enclosure.run("bash", "-c", 'for it in /proc/[0-9]*; do case "$(cat "$it/comm")" in '
                           f'winbindd*) kill -{how} "${{it#/proc/}}";; esac; done 2>/dev/null; true')
