#!/usr/bin/env python3
"""Users whom a real OpenLDAP server knows log on to the real binary, and don't when they must not.

  directory.py BINARY [NAME...]     all tests, or those whose name contains a NAME

slapd comes out of its Debian package, unpacked and not installed, and runs on loopback with certificates of an authority
of the test's own. One line a test, `ok NAME: what was measured` or `FAILED NAME: why`; the exit code is 1 if one failed.
"""

import contextlib
import os
import re
import smtplib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from authority import Authority
from corpus import mail
from elsewhere import LET_IN, REFUSED, REPLIES, TESTS, UNAVAILABLE, Doors, Pop3, must_be_refused, settings, test
from house import ADDRESS, PASSWORD, Failed, House, passes
from slapd import PEOPLE, SERVICE, SERVICE_PASSWORD, SUFFIX, Slapd, until

PASSWORDS = {uid: password for uid, _, password in PEOPLE}
# Whose account has another name than the mailbox's.
ACCOUNTS = {"star@home.lan": "bob*", "comma@home.lan": "a,b", "parentheses@home.lan": "par(en)the", "joerg@home.lan": "jörg"}
# Who are known by file first.
MOVED = {"alice@home.lan": "alice", "bob@home.lan": "bob", "joerg@home.lan": "jörg", "blank@home.lan": "blank"}
UNBOUND = "noentry@home.lan"
MAIL = mail("for bob", b"some text\r\n")
# In which a directory that never answers must be given up, S-197; and in which it must be asked again.
GIVEN_UP_SECONDS, ASKED_AGAIN_SECONDS = 15, 20


class Lab(Doors):
    """poppet, slapd, and certificates good and bad."""

    def __init__(self, house, slapd, authority, certificates):
        super().__init__(house)
        self.slapd, self.authority, self.certificates = slapd, authority, certificates

    @property
    def secure(self):
        return f"ldaps://127.0.0.1:{self.slapd.secure}"

    @property
    def clear(self):
        return f"ldap://127.0.0.1:{self.slapd.clear}"

    def is_back(self):
        """The directory is asked again some time after it was given up."""
        until(lambda: self.pop3_reply("bob@home.lan", PASSWORDS["bob"]).startswith("+OK"), "bob does not get in again", ASKED_AGAIN_SECONDS)


@test
def users_log_on_by_a_search_at_both_doors(lab):
    for uid, address, password in PEOPLE:
        if not uid.startswith(("twin", "outsider")):
            lab.expect(LET_IN, address, password)
            lab.expect(REFUSED, address, password + "x")


@test
def curl_logs_on_and_submits(lab):
    file = lab.house.folder / "submitted"
    file.write_bytes(MAIL)
    common = ["curl", "-sS", "--cacert", str(lab.house.authority), "--user", f"bob@home.lan:{PASSWORDS['bob']}"]
    curl(*common, "--mail-from", "bob@home.lan", "--mail-rcpt", "bob@home.lan", "--upload-file", str(file),
         f"smtps://localhost:{lab.house.ports['submissions']}/client.test")
    fetched = curl(*common, f"pop3s://localhost:{lab.house.ports['pop3s']}/1")
    if not fetched.endswith(MAIL):
        raise Failed(f"this is not the mail: {fetched[-300:]!r}")


def curl(*command):
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    if done.returncode:
        raise Failed(f"curl exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")
    return done.stdout


@test
def who_is_in_the_directory_and_has_no_mailbox_stays_out(lab):
    lab.expect(REFUSED, "outsider@home.lan", PASSWORDS["outsider"])


@test
def a_mailbox_needs_an_account_and_one_alone_S_194(lab):
    must_be_refused(lambda: lab.house.poppet("add", UNBOUND), "nobody for")
    must_be_refused(lambda: lab.house.poppet("add", "twins@home.lan"), "more than one")


@test
def two_mailboxes_never_have_one_account_S_206(lab):
    must_be_refused(lambda: lab.house.poppet("add", "second@home.lan", "--account", "bob"), "bob@home.lan")


@test
def who_becomes_two_is_nobody_S_194(lab):
    lab.slapd.ask("ldapmodify", f"dn: uid=twin1,ou=people,{SUFFIX}\nchangetype: modify\nreplace: mail\nmail: blank@home.lan\n")
    try:
        lab.expect(REFUSED, "blank@home.lan", PASSWORDS["blank"])
        lab.expect(REFUSED, "blank@home.lan", PASSWORDS["twin1"])
        lab.must_log("more than one for blank@home.lan")
    finally:
        lab.slapd.ask("ldapmodify", f"dn: uid=twin1,ou=people,{SUFFIX}\nchangetype: modify\nreplace: mail\nmail: twins@home.lan\n")
    lab.expect(LET_IN, "blank@home.lan", PASSWORDS["blank"])


@test
def names_that_are_filters_find_nobody_S_192(lab):
    names = ["*", "*@home.lan", "b*@home.lan", "*)(uid=*", "*)(uid=*@home.lan", "bob)(|(uid=*@home.lan", "bob@home.lan)(uid=*",
             "\\2a@home.lan", "bo\\62@home.lan", "bob,ou=people@home.lan", "bob\\@home.lan"]
    for name in names:
        for password in (PASSWORDS["bob"], PASSWORDS["alice"]):
            told = lab.pop3_reply(name, password)
            if not told.startswith("-ERR"):
                raise Failed(f"{name} is told {told!r}")
    # A star that is a name's own is no joker.
    lab.expect(REFUSED, "star@home.lan", PASSWORDS["bobby"])
    lab.expect(LET_IN, "star@home.lan", PASSWORDS["bob*"])
    return f"{len(names)} names"


@test
def an_empty_password_never_reaches_the_directory_S_191(lab):
    asked = lab.slapd.log().count(" BIND ")
    for name in ("alice@home.lan", "bob@home.lan"):
        for told in (lab.pop3_reply(name, ""), lab.submission_reply(name, "")):
            if not re.match(r"-ERR|5", told):
                raise Failed(f"{name} without a password is told {told!r}")
    lab.expect(REFUSED, "alice@home.lan", " ")
    # The blank one has been asked, so all before it would be in the log.
    binds = re.findall(r' BIND dn="(uid=[^"]*)"', " BIND ".join(lab.slapd.log().split(" BIND ")[asked + 1:]))
    if any("alice" not in bind for bind in binds):
        raise Failed(f"slapd was asked about {binds}")


@test
def a_template_of_names_takes_each_name_as_one_S_193(lab):
    with settings(lab.house, directory_bind=f"dn:uid={{user}},ou=people,{SUFFIX}"):
        for address in ("alice@home.lan", "bob@home.lan"):
            lab.expect(LET_IN, address, PASSWORDS[address.split("@")[0]])
        for address, uid in ACCOUNTS.items():
            lab.expect(LET_IN, address, PASSWORDS[uid])
        lab.expect(REFUSED, "bob@home.lan", PASSWORDS["alice"])
        for name in ("bob,ou=people@home.lan", "bob+cn=bob@home.lan", "uid=bob@home.lan"):
            lab.expect(REFUSED, name, PASSWORDS["bob"])


@test
def StartTLS_serves_as_well(lab):
    with settings(lab.house, directory_servers=lab.clear):
        # The sandbox learns of a port that is no directory's usual one when the server starts.
        restart(lab.house)
        asked = lab.slapd.log().count("STARTTLS")
        lab.expect(LET_IN, "bob@home.lan", PASSWORDS["bob"])
        lab.expect(REFUSED, "bob@home.lan", "wrong")
        if lab.slapd.log().count("STARTTLS") == asked:
            raise Failed("slapd was not asked for StartTLS")
    restart(lab.house)


def restart(house):
    house.stop()
    house.start()


@test
def a_wrong_authority_is_not_believed_S_202(lab):
    lab.slapd.restart(*lab.certificates["foreign"])
    with bad_certificate(lab):
        for servers in (lab.secure, lab.clear):
            with settings(lab.house, directory_servers=servers):
                lab.expect(UNAVAILABLE, "bob@home.lan", PASSWORDS["bob"])
        lab.must_log("authority that is not known")


@test
def an_expired_certificate_is_not_believed_S_202(lab):
    lab.slapd.restart(*lab.certificates["expired"])
    with bad_certificate(lab):
        lab.expect(UNAVAILABLE, "bob@home.lan", PASSWORDS["bob"])
        lab.must_log("not valid now")


@test
def a_certificate_for_another_name_is_not_believed_S_202(lab):
    lab.slapd.restart(*lab.certificates["other name"])
    with bad_certificate(lab):
        lab.expect(UNAVAILABLE, "bob@home.lan", PASSWORDS["bob"])
        lab.must_log("not for 127.0.0.1")


@contextlib.contextmanager
def bad_certificate(lab):
    """No password may come to a server that has not proved who it is."""
    asked = lab.slapd.log().count(" BIND ")
    try:
        with lab.nothing_counts("bob@home.lan"):
            yield
        if lab.slapd.log().count(" BIND ") != asked:
            raise Failed("slapd was told a password")
    finally:
        lab.slapd.restart(*lab.certificates["good"])
        lab.is_back()


@test
def a_directory_that_is_down_is_no_wrong_password_S_196(lab):
    lab.slapd.stop()
    try:
        with lab.nothing_counts("bob@home.lan"):
            for _ in range(5):
                lab.expect(UNAVAILABLE, "bob@home.lan", PASSWORDS["bob"], GIVEN_UP_SECONDS)
                lab.expect(UNAVAILABLE, "bob@home.lan", "wrong", GIVEN_UP_SECONDS)
    finally:
        lab.slapd.start()
    begun = time.monotonic()
    lab.is_back()
    return f"asked again after {time.monotonic() - begun:.1f} s"


@test
def a_directory_that_never_answers_holds_nobody_else_up_S_197(lab):
    session, _ = lab.pop3("alice@home.lan", PASSWORDS["alice"])
    lab.slapd.halt()
    failures = lab.failures("bob@home.lan")
    try:
        begun = time.monotonic()
        lab.expect(UNAVAILABLE, "bob@home.lan", PASSWORDS["bob"], GIVEN_UP_SECONDS)
        taken = time.monotonic() - begun
        waiting = [start_logon(lab) for _ in range(20)]
        begun = time.monotonic()
        for _ in range(20):
            session.noop()
        with smtplib.SMTP("127.0.0.1", lab.house.ports["smtp"], timeout=60) as smtp:
            smtp.sendmail("sender@client.test", ["bob@home.lan"], MAIL)
        lab.house.poppet("status")
        seconds = time.monotonic() - begun
        if seconds > 2:
            raise Failed(f"others are served after {seconds:.1f} s")
        for logon in waiting:
            told = logon()
            if not told.startswith(b"-ERR [SYS/TEMP]"):
                raise Failed(f"one who waited is told {told!r}")
        lab.no_failures("bob@home.lan", failures)
    finally:
        lab.slapd.go_on()
    session.quit()
    lab.is_back()
    return f"both doors gave up in {taken:.1f} s, others waited {seconds:.2f} s for 20 NOOP, a mail and a status"


def start_logon(lab):
    """Sends a logon; what is given back waits for the reply."""
    session = Pop3(lab.source(), lab.house.ports["pop3s"], lab.trust)
    session.user("bob@home.lan")
    session.sock.sendall(f"PASS {PASSWORDS['bob']}\r\n".encode())

    def reply():
        line = session.file.readline()
        session.close()
        return line
    return reply


@test
def another_server_is_asked_where_one_is_down(lab):
    for others in ("ldaps://127.0.0.1:9", f"{lab.secure.replace('ldaps', 'ldap')}"):
        with settings(lab.house, directory_servers=f"{others},{lab.secure}"):
            lab.expect(LET_IN, "bob@home.lan", PASSWORDS["bob"])
            lab.expect(REFUSED, "bob@home.lan", "wrong")


@test
def a_password_that_is_changed_in_the_directory_counts_at_once(lab):
    lab.expect(LET_IN, "bobby@home.lan", PASSWORDS["bobby"])
    lab.slapd.change_password("bobby", "another word")
    try:
        lab.expect(REFUSED, "bobby@home.lan", PASSWORDS["bobby"])
        lab.expect(LET_IN, "bobby@home.lan", "another word")
    finally:
        lab.slapd.change_password("bobby", PASSWORDS["bobby"])
    lab.expect(LET_IN, "bobby@home.lan", PASSWORDS["bobby"])


@test
def who_is_recognised_gets_in_while_the_directory_is_down(lab):
    with settings(lab.house, recognise="all"):
        lab.expect(LET_IN, "bob@home.lan", PASSWORDS["bob"])
        lab.slapd.stop()
        try:
            lab.expect(LET_IN, "bob@home.lan", PASSWORDS["bob"])
            lab.expect(UNAVAILABLE, "bob@home.lan", "wrong", GIVEN_UP_SECONDS)
            lab.expect(UNAVAILABLE, "bobby@home.lan", "bobby's other word", GIVEN_UP_SECONDS)
        finally:
            lab.slapd.start()
        lab.is_back()
        lab.expect(LET_IN, "bob@home.lan", PASSWORDS["bob"])


@test
def a_removed_account_with_the_same_name_is_another_one_S_220(lab):
    entry = lab.slapd.ask("ldapsearch", "", "-LLL", "-o", "ldif-wrap=no", "-b", f"uid=bobby,ou=people,{SUFFIX}")
    lab.slapd.ask("ldapdelete", f"uid=bobby,ou=people,{SUFFIX}\n")
    lab.expect(REFUSED, "bobby@home.lan", PASSWORDS["bobby"])
    lab.slapd.ask("ldapadd", entry)
    lab.expect(REFUSED, "bobby@home.lan", PASSWORDS["bobby"])
    lab.must_log("another account")
    lab.must_log("poppet account bobby@home.lan 'bobby@home.lan'")
    lab.house.poppet("account", "bobby@home.lan", "bobby@home.lan")
    lab.expect(LET_IN, "bobby@home.lan", PASSWORDS["bobby"])


@test
def mailboxes_move_from_file_to_the_directory_and_back_with_their_mail_A2(lab):
    folder = lab.house.folder / "moved"
    folder.mkdir()
    house = House(lab.house.binary, folder)
    house.set_up()
    by_file = {address: PASSWORD for address in MOVED}
    by_directory = {address: PASSWORDS[uid] for address, uid in MOVED.items()}
    for address in MOVED:
        if address != ADDRESS:
            house.add(address)
    use_directory(house, lab.slapd, lab.authority)
    house.start()
    try:
        doors = Doors(house)
        for number, address in enumerate(MOVED):
            with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=60) as smtp:
                for letter in range(4 + number):
                    smtp.sendmail("sender@client.test", [address], mail(f"{letter} for {address}", b"text\r\n" * 999 * letter))
            # UIDs are no longer what a count would give.
            session, _ = doors.pop3(address, PASSWORD)
            session.dele(2)
            session.quit()
        before = all_mail(doors, by_file)
        house.poppet("auth", "directory", "--migrate", "--password-stdin", stdin=SERVICE_PASSWORD + "\n")
        must_be_same(before, all_mail(doors, by_directory), "directory")
        # One of each: who is wrong more often waits longer.
        must_not_come_in(doors, "joerg@home.lan", PASSWORD)
        house.poppet("auth", "file", "--migrate", "--learn")
        must_not_come_in(doors, "bob@home.lan", PASSWORD)
        must_be_same(before, all_mail(doors, by_directory), "file, learning")
        lab.slapd.stop()
        try:
            doors.fresh()
            # The directory is not there to be asked: these were learnt.
            must_be_same(before, all_mail(doors, by_directory), "file")
            must_not_come_in(doors, "blank@home.lan", PASSWORD)
        finally:
            lab.slapd.start()
        house.stop()
    finally:
        house.kill()
    return f"{len(MOVED)} mailboxes, {sum(map(len, before.values()))} mails"


def all_mail(doors, passwords):
    """Each mailbox's UIDLs with their messages, as its user gets them."""
    found = {}
    for address, password in passwords.items():
        session, told = doors.pop3(address, password)
        if not session:
            raise Failed(f"{address} is told {told!r}; {doors.log()[-400:]}")
        numbers = [line.decode().split() for line in session.uidl()[1]]
        found[address] = [(uidl, session.retr(number)[1]) for number, uidl in numbers]
        session.quit()
    return found


def must_not_come_in(doors, address, password):
    told = doors.pop3_reply(address, password)
    if not re.match(REPLIES[REFUSED][0], told):
        raise Failed(f"{address} with {password!r} is told {told!r}; {doors.log()[-400:]}")


def must_be_same(before, after, method):
    for address, mails in before.items():
        if not mails or mails != after[address]:
            raise Failed(f"{address} by {method} has {[uidl for uidl, _ in after[address]]}, not {[uidl for uidl, _ in mails]}, or other mails")


def use_directory(house, slapd, authority):
    for key, value in (("servers", f"ldaps://127.0.0.1:{slapd.secure}"), ("base", f"ou=people,{SUFFIX}"), ("account", SERVICE)):
        house.poppet("set", f"directory_{key}", value)
    house.poppet("cert", "ca", "add", str(authority.certificate), "--for", "directory")


def set_up(house, slapd, authority):
    """The server as an administrator sets it up, from the first command to the last mailbox."""
    house.set_up()
    house.poppet("set", "plaintext", "tls")
    must_be_refused(lambda: house.poppet("auth", "directory"), "home.lan")
    house.poppet("del", "home.lan", "--yes")
    must_be_refused(lambda: house.poppet("auth", "directory"), "directory_servers")
    use_directory(house, slapd, authority)
    house.poppet("auth", "directory", "--password-stdin", stdin=SERVICE_PASSWORD + "\n")
    house.poppet("add", "home.lan")
    for uid, address, _ in PEOPLE:
        if not uid.startswith(("twin", "outsider")):
            house.poppet("add", address, *(["--account", ACCOUNTS[address]] if address in ACCOUNTS else []))
    if SERVICE_PASSWORD.encode() in house.database.read_bytes():
        raise Failed("the service's password lies open in the database (S-208)")


def main():
    binary, *wanted = sys.argv[1:]
    failed, slapd = 0, None
    with tempfile.TemporaryDirectory(prefix="poppet-directory-") as folder:
        house = House(os.path.abspath(binary), folder)
        try:
            own, foreign = Authority(folder, "own"), Authority(folder, "foreign")
            certificates = {
                "good": own.issue("ldap", "IP:127.0.0.1"), "expired": own.issue("old", "IP:127.0.0.1", is_expired=True),
                "other name": own.issue("other", "DNS:elsewhere.example"), "foreign": foreign.issue("false", "IP:127.0.0.1"),
            }
            slapd = Slapd(folder, Path(binary).resolve().parent.parent / "packages", *certificates["good"])
            set_up(house, slapd, own)
            house.start()
            lab = Lab(house, slapd, own, certificates)
            for name, run in TESTS:
                if not wanted or any(word in name for word in wanted):
                    lab.fresh()
                    failed += not passes(name, run, lab)
            house.stop()
        except (Failed, OSError, subprocess.SubprocessError) as why:
            print(f"FAILED the server: {why}")
            failed += 1
        finally:
            house.kill()
            if slapd:
                slapd.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
