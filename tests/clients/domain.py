#!/usr/bin/env python3
"""Users of a real Samba Active Directory domain log on to the real binary: by their passwords, and by SPA.

  domain.py BINARY [NAME...]     all tests, or those whose name contains a NAME

The domain controller comes out of its Debian packages and is provisioned anew, closed off from the system by namespaces
and a file system laid over this one; poppet and the clients run beside it. This needs root. What a client can't do stands
in LEFT_OUT with the reason, and is printed. One line a test; the exit code is 1 if one failed.
"""

import base64
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from controller import BASE, HOST, PEOPLE, SERVICE, SERVICE_PASSWORD, WORKGROUP, Controller
from corpus import mail
from elsewhere import LET_IN, REFUSED, TESTS, UNAVAILABLE, Doors, must_be_refused, settings, test
from house import Failed, House, passes
from run import write_private
from slapd import until

PASSWORDS = {name: password for name, _, password, _ in PEOPLE}
ADDRESSES = {name: address for name, address, _, _ in PEOPLE}
LOW = {name: how for name, _, _, how in PEOPLE if how}
# Whose account has another name than the mailbox's.
ACCOUNTS = {"jörg": "jörg"}
WITHOUT_MAILBOX = ("outsider", "poppet")
MAIL = mail("for bob", b"some text\r\n")
GIVEN_UP_SECONDS = 15
# What the log must say of each.
REASONS = {"disabled": "disabled|533", "expired": "expired|701", "must change": "must|773", "locked": "locked|775"}
NT_REASONS = {"disabled": "NT_STATUS_ACCOUNT_DISABLED", "expired": "NT_STATUS_ACCOUNT_EXPIRED",
              "must change": "NT_STATUS_PASSWORD_MUST_CHANGE", "locked": "NT_STATUS_ACCOUNT_LOCKED_OUT"}
LEFT_OUT = {
    "SPA with mpop, fetchmail and swaks": "they know NTLMv1 only, and are tested to be refused; curl logs on by it",
    "SPA with auth local at a real winbind": "its users come of winbind's NSS module on a machine that is joined, which this one is not; "
                                             "only unit tests with an invented helper have tried it",
}


class Lab(Doors):
    """poppet beside the domain's controller."""

    def __init__(self, house, controller):
        super().__init__(house, controller.enclosure.network)
        self.controller, self.runs = controller, 0

    def curl(self, user, password, scheme="pop3s", codes=(0,)):
        """A logon by SPA; all that curl says of it."""
        where = f"{scheme}://localhost:{self.house.ports['pop3s' if scheme == 'pop3s' else 'submissions']}"
        what = [f"{where}/"] if scheme == "pop3s" else ["--mail-rcpt", ADDRESSES["bob"], f"{where}/client.test"]
        return self.controller.enclosure.run("timeout", "60", "curl", "-sSv", "--interface", self.source(), "--cacert", self.house.authority, "--user", f"{user}:{password}",
                                             "--login-options", "AUTH=NTLM", *what, codes=codes)

    def spa(self, what, user, password):
        """Both doors must say so; without a message curl asks for what VRFY says, and only the logon counts here."""
        for scheme, let_in, codes in (("pop3s", r"< \+OK [^\n]*maildrop", (0,)), ("smtps", r"< 235 ", (0, 8, 56))):
            pattern = {LET_IN: let_in, REFUSED: r"< (-ERR \[AUTH\]|535 )", UNAVAILABLE: r"< (-ERR \[SYS/TEMP\]|454 )"}[what]
            trace = self.curl(user, password, scheme, codes if what == LET_IN else (67,))
            if "AUTH NTLM" not in trace or not re.search(pattern, trace):
                raise Failed(f"{user} by SPA should be {what}: {trace[-500:]}; {self.log()[-400:]}")

    def folder(self):
        self.runs += 1
        folder = self.house.folder / f"run{self.runs}"
        folder.mkdir()
        return folder


@test
def users_log_on_by_a_search_for_their_address(lab):
    for name in ("alice", "bob", "jörg"):
        lab.expect(LET_IN, ADDRESSES[name], PASSWORDS[name])
        lab.expect(REFUSED, ADDRESSES[name], PASSWORDS[name] + "x")


@test
def users_log_on_by_their_UPN(lab):
    with settings(lab.house, directory_bind="upn:ad.home.lan"):
        for name in ("alice", "bob", "jörg"):
            lab.expect(LET_IN, ADDRESSES[name], PASSWORDS[name])
            lab.expect(REFUSED, ADDRESSES[name], PASSWORDS[name] + "x")
        lab.expect(REFUSED, ADDRESSES["bob"], PASSWORDS["alice"])


@test
def users_are_found_by_the_name_of_their_account(lab):
    with settings(lab.house, directory_filter="(&(objectCategory=person)(sAMAccountName={user}))"):
        for name in ("alice", "bob"):
            lab.expect(LET_IN, ADDRESSES[name], PASSWORDS[name])


@test
def accounts_brought_low_stay_out_and_the_log_says_why_S_204(lab):
    for bind in ("search", "upn:ad.home.lan"):
        with settings(lab.house, directory_bind=bind):
            for name, how in LOW.items():
                before = len(lab.log())
                lab.expect(REFUSED, ADDRESSES[name], PASSWORDS[name])
                until(lambda: re.search(f"({REASONS[how]})[^\n]*{ADDRESSES[name]}", lab.log()[before:]),
                      lambda: f"the log does not say that {name} is {how}: {lab.log()[before:]}", 5)


@test
def a_disabled_account_gets_no_mailbox(lab):
    lab.house.poppet("del", ADDRESSES["dora"], "--yes")
    must_be_refused(lambda: lab.house.poppet("add", ADDRESSES["dora"]), "disabled")


@test
def a_wrong_password_is_tried_once_only_S_205(lab):
    for bind in ("search", "upn:ad.home.lan"):
        with settings(lab.house, directory_bind=bind):
            lab.expect(LET_IN, ADDRESSES["bob"], PASSWORDS["bob"])
            before = lab.controller.wrong_tries("bob")
            lab.pop3_reply(ADDRESSES["bob"], f"wrong by {bind}")
            counted = lab.controller.wrong_tries("bob") - before
            if counted != 1:
                raise Failed(f"the domain has counted {counted} tries for one by {bind}")
    lab.expect(LET_IN, ADDRESSES["bob"], PASSWORDS["bob"])


@test
def an_empty_password_is_no_anonymous_bind_S_191(lab):
    for bind in ("search", "upn:ad.home.lan"):
        with settings(lab.house, directory_bind=bind):
            for told in (lab.pop3_reply(ADDRESSES["bob"], ""), lab.submission_reply(ADDRESSES["bob"], "")):
                if not re.match(r"-ERR|5", told):
                    raise Failed(f"bob without a password is told {told!r}")


@test
def a_password_that_is_changed_in_the_domain_counts_at_once(lab):
    lab.controller.tool("user", "setpassword", "alice", "--newpassword=Another.Word2")
    try:
        lab.expect(LET_IN, ADDRESSES["alice"], "Another.Word2")
        lab.spa(LET_IN, "alice", "Another.Word2")
    finally:
        lab.controller.tool("user", "setpassword", "alice", f"--newpassword={PASSWORDS['alice']}")
    lab.expect(LET_IN, ADDRESSES["alice"], PASSWORDS["alice"])


@test
def curl_logs_on_by_SPA_however_the_name_is_typed(lab):
    for user in ("bob", f"{WORKGROUP}\\bob", "bob@ad.home.lan", "BOB"):
        lab.spa(LET_IN, user, PASSWORDS["bob"])


@test
def curl_is_refused_by_SPA_and_the_try_counts(lab):
    lab.spa(REFUSED, "bob", PASSWORDS["bob"] + "x")
    lab.spa(REFUSED, "nobody", PASSWORDS["bob"])
    lab.must_log("NT_STATUS_LOGON_FAILURE")
    told = lab.house.poppet("fails")
    if "bob" not in told:
        raise Failed(f"it is not counted: {told!r}")
    lab.spa(LET_IN, "bob", PASSWORDS["bob"])


@test
def an_empty_password_is_refused_by_SPA_S_191(lab):
    before = lab.controller.wrong_tries("bob")
    lab.spa(REFUSED, "bob", "")
    if lab.controller.wrong_tries("bob") != before:
        raise Failed("the domain was asked")
    lab.must_log("the password is empty")


@test
def who_is_in_the_domain_and_has_no_mailbox_stays_out(lab):
    lab.expect(REFUSED, ADDRESSES["outsider"], PASSWORDS["outsider"])
    lab.spa(REFUSED, "outsider", PASSWORDS["outsider"])


@test
def accounts_brought_low_stay_out_by_SPA_S_204(lab):
    for name, how in LOW.items():
        if name in ("dora",):
            continue
        lab.spa(REFUSED, name, PASSWORDS[name])
        lab.must_log(NT_REASONS[how])


@test
def NTLMv1_is_refused_whatever_the_domain_allows_S_187(lab):
    """mpop, fetchmail and swaks know nothing else."""
    for client in (mpop, fetchmail, swaks):
        before = lab.controller.wrong_tries("bob")
        trace = client(lab, "bob", PASSWORDS["bob"])
        messages = [base64.b64decode(word) for word in re.findall(r"TlRMTVNTUAADAAAA[A-Za-z0-9+/=]+", trace)]
        if not messages or int.from_bytes(messages[0][20:22], "little") != 24:
            raise Failed(f"this is no NTLMv1, so it should log on: {trace[-500:]}")
        if not re.search(r"-ERR \[AUTH\]|535 5\.7\.8", trace):
            raise Failed(f"it is not refused: {trace[-500:]}")
        lab.must_log("NTLMv1")
        if lab.controller.wrong_tries("bob") != before:
            raise Failed("the domain was asked")
    return "mpop, fetchmail, swaks"


def mpop(lab, user, password):
    folder = lab.folder()
    write_private(folder / "mpoprc", f"account lab\nhost localhost\nport {lab.house.ports['pop3s']}\ntls on\ntls_starttls off\n"
                  f"tls_trust_file {lab.house.authority}\nuser {user}\npassword {password}\nntlmdomain {WORKGROUP}\nauth ntlm\nkeep on\n"
                  f"delivery mbox {folder}/mbox\nuidls_file {folder}/uidls\n")
    return lab.controller.enclosure.run("mpop", "--debug", "-C", folder / "mpoprc", "lab", codes=(77,))


def fetchmail(lab, user, password):
    folder = lab.folder()
    write_private(folder / "rc", f"set invisible\npoll localhost protocol pop3 port {lab.house.ports['pop3s']} auth ntlm\n"
                  f" user '{user}' password '{password}' is 'nobody' here ssl sslcertck sslcertfile {lab.house.authority}\n"
                  " keep fetchall mda 'cat'\n")
    return lab.controller.enclosure.run("env", f"HOME={folder}", "fetchmail", "-v", "-v", "-f", folder / "rc", "--nosyslog", "--nodetach",
                                        "--pidfile", folder / "pid", codes=(3,))


def swaks(lab, user, password):
    return lab.controller.enclosure.run("swaks", "--server", "localhost", "--port", lab.house.ports["submission"], "--tls", "--tls-verify",
                                        "--tls-ca-path", lab.house.authority, "--auth", "NTLM", "--auth-user", user, "--auth-password",
                                        password, "--from", ADDRESSES["bob"], "--to", ADDRESSES["bob"], "--quit-after", "RCPT", "--helo",
                                        "client.test", codes=(28,))


@test
def a_winbind_that_never_answers_holds_nobody_else_up_S_189(lab):
    session, _ = lab.pop3(ADDRESSES["bob"], PASSWORDS["bob"])
    failures = lab.failures(ADDRESSES["alice"])
    lab.controller.halt_winbind()
    try:
        begun = time.monotonic()
        waiting = [subprocess.Popen([*lab.controller.enclosure.beside, "curl", "-sS", "--cacert", str(lab.house.authority), "--user",
                                     f"alice:{PASSWORDS['alice']}", "--login-options", "AUTH=NTLM",
                                     f"pop3s://localhost:{lab.house.ports['pop3s']}/"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                   for _ in range(12)]
        for _ in range(20):
            session.noop()
        lab.expect(LET_IN, ADDRESSES["jörg"], PASSWORDS["jörg"], 5)
        seconds = time.monotonic() - begun
        for curl in waiting:
            curl.communicate(timeout=60)
            if curl.returncode != 67:
                raise Failed(f"curl exit {curl.returncode}")
        taken = time.monotonic() - begun
        if taken > GIVEN_UP_SECONDS:
            raise Failed(f"they are answered after {taken:.1f} s")
        lab.spa(UNAVAILABLE, "alice", PASSWORDS["alice"])
        lab.no_failures(ADDRESSES["alice"], failures)
    finally:
        lab.controller.let_winbind_go_on()
    session.quit()
    lab.spa(LET_IN, "alice", PASSWORDS["alice"])
    return f"12 gave up in {taken:.1f} s, meanwhile others logged on in {seconds:.1f} s"


@test
def SPA_is_not_offered_while_it_is_off(lab):
    with settings(lab.house, spa="off"):
        trace = lab.curl("bob", PASSWORDS["bob"], codes=(67,))
        if "AUTH NTLM" in trace or re.search(r"< SASL[^\n]*NTLM", trace):
            raise Failed(f"it is offered: {trace[-500:]}")
    with settings(lab.house, ntlm_auth="/nowhere/ntlm_auth"):
        if re.search(r"< SASL[^\n]*NTLM", lab.curl("bob", PASSWORDS["bob"], codes=(67,))):
            raise Failed("it is offered without the program")


def set_up(house, controller):
    """The server as an administrator sets it up, from the first command to the last mailbox."""
    house.set_up()
    house.poppet("del", "home.lan", "--yes")
    for key, value in (("plaintext", "tls"), ("directory_servers", f"ldaps://{HOST}"), ("directory_base", BASE),
                       ("directory_account", SERVICE), ("spa", "on")):
        house.poppet("set", key, value)
    house.poppet("cert", "ca", "add", str(controller.authority.certificate), "--for", "directory")
    house.poppet("auth", "directory", "--password-stdin", stdin=SERVICE_PASSWORD + "\n")
    house.poppet("add", "home.lan")
    for name, address in ADDRESSES.items():
        if name not in WITHOUT_MAILBOX:
            house.poppet("add", address, *(["--account", ACCOUNTS[name]] if name in ACCOUNTS else []))
    controller.bring_low()


def main():
    binary, *wanted = sys.argv[1:]
    binary, failed, begun = Path(binary).resolve(), 0, time.monotonic()
    try:
        with (tempfile.TemporaryDirectory(prefix="poppet-domain-") as folder,
              Controller(folder, binary.parent.parent / "packages", binary.parent) as controller):
            print(f"the domain stands after {time.monotonic() - begun:.0f} s", flush=True)
            house = House(binary, folder, within=controller.enclosure.beside)
            try:
                set_up(house, controller)
                house.start()
                lab = Lab(house, controller)
                for name, run in TESTS:
                    if not wanted or any(word in name for word in wanted):
                        lab.fresh()
                        failed += not passes(name, run, lab)
                house.stop()
            finally:
                house.kill()
    except (Failed, OSError, subprocess.SubprocessError) as why:
        print(f"FAILED the server: {why}")
        failed += 1
    for what, why in LEFT_OUT.items():
        print(f"left out {what}: {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
