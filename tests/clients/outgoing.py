#!/usr/bin/env python3
"""The real binary beside real mail systems: smart host, routes, a shared domain, LMTP, forwards, and another poppet.

  outgoing.py BINARY [NAME...]     all tests, or those whose name contains a NAME

Each server stands on a host of its own, made of network namespaces with a switch between, on the real ports; the grown-up
system is Postfix with Dovecot, out of their packages. This needs root. One line a test; the exit code is 1 if one failed.
"""

import contextlib
import email
import email.policy
import hashlib
import poplib
import re
import smtplib
import ssl
import sys
import tempfile
import time
from pathlib import Path

from authority import Authority
from hosts import Hosts
from house import ADDRESS, PASSWORD, Failed, House, passes
from office import USER, Office
from slapd import until

ADDRESSES = {"poppet": "192.0.2.25", "second": "192.0.2.26", "office": "192.0.2.66", "stranger": "192.0.2.99"}
DOORS = {"smtp": 25, "submission": 587, "pop3": 110}
ARRIVES_SECONDS = 30
OUT = "someone@example.com"
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


class Lab:
    """The hosts, and what stands on them; each test has servers of its own."""

    def __init__(self, binary, cache, folder, hosts):
        self.binary, self.cache, self.folder, self.hosts = binary, cache, Path(folder), hosts
        self.authority = Authority(self.folder, "authority")
        self.mails = self.stands = 0

    @contextlib.contextmanager
    def office(self, **how):
        self.stands += 1
        office = Office(self.cache, self.folder / f"office{self.stands}", self.hosts, "office", self.authority, **how)
        try:
            office.start()
            yield office
        except Failed as why:
            raise Failed(f"{why}; the office says: {office.log()[-900:]}") from None
        finally:
            office.stop()

    @contextlib.contextmanager
    def poppet(self, *users, host="poppet", **settings):
        """A poppet for home.lan with alice and those users."""
        self.stands += 1
        folder = self.folder / f"poppet{self.stands}"
        folder.mkdir()
        house = Poppet(self, folder, host)
        try:
            house.set_up()
            for key, value in {"hostname": f"{host}.test", "peers": "all", **settings}.items():
                house.poppet("set", key, value)
            for user in users:
                house.add(user)
            house.start()
            yield house
            house.stop()
        except Failed as why:
            raise Failed(f"{why}; {host} says: {house.log()[-1500:]}") from None
        finally:
            house.kill()

    def subject(self):
        self.mails += 1
        return f"number {self.mails}"


class Poppet(House):
    """poppet on a host, at its usual ports."""

    def __init__(self, lab, folder, host):
        doors = {name: f"0.0.0.0:{port}" for name, port in DOORS.items()}
        super().__init__(lab.binary, folder, tuple(DOORS), doors, lab.hosts.on(host))
        self.lab, self.host = lab, host

    def send(self, *to, user=ADDRESS, sender=None, body="some text\n", options=(), rcpt_options=()):
        """A user of it sends a mail; gives its subject."""
        subject = self.lab.subject()
        with self.lab.hosts.entered(self.host):
            smtp = smtplib.SMTP("127.0.0.1", 587, timeout=60)
        with smtp:
            smtp.login(user, PASSWORD)
            text = f"From: {user}\nTo: {', '.join(to)}\nSubject: {subject}\nMessage-ID: <{subject.split()[-1]}@test>\n\n{body}"
            smtp.sendmail(sender or user, to, octets(text), options, rcpt_options)
        return subject

    def maildrop(self, user=ADDRESS):
        with self.lab.hosts.entered(self.host):
            pop3 = poplib.POP3("127.0.0.1", 110, timeout=60)
        pop3.user(user)
        pop3.pass_(PASSWORD)
        mails = [b"\r\n".join(pop3.retr(number)[1]) + b"\r\n" for number in range(1, pop3.stat()[0] + 1)]
        pop3.quit()
        return mails

    def rests(self):
        """Waits until no connection is left on which mail could go."""
        until(lambda: "connections_out\t0\n" in self.poppet("status"), "a connection stays open", ARRIVES_SECONDS)

    def is_offline(self):
        return any(line.split("\t")[0] == "offline_since" and line.split("\t")[1:] not in ([], [""]) for line in
                   self.poppet("status").splitlines())

    def queue(self):
        return [line.split("\t") for line in self.poppet("queue", "list").splitlines() if line]

    def smart_host(self, lab, *words, password=PASSWORD):
        self.poppet("cert", "ca", "add", str(lab.authority.certificate), "--for", "smarthost")
        self.poppet("set", "smarthost_user", USER)
        self.poppet("set", "smarthost_password", "--password-stdin", stdin=password + "\n")
        self.poppet("set", "smarthost", "office.test")

    def must_log(self, pattern, seconds=ARRIVES_SECONDS):
        until(lambda: re.search(pattern, self.log()), lambda: f"{pattern!r} is not in the log", seconds)


def send_from(lab, host, to, *rcpt, sender="someone@stranger.test", body="some text\n"):
    """Mail of a host's to a host's port 25; gives its subject."""
    subject = lab.subject()
    with lab.hosts.entered(host):
        smtp = smtplib.SMTP(ADDRESSES[to], 25, timeout=60)
    with smtp:
        text = f"From: {sender or 'nobody'}\nTo: {', '.join(rcpt)}\nSubject: {subject}\nMessage-ID: <{subject.split()[-1]}@test>\n\n{body}"
        smtp.sendmail(sender, rcpt, octets(text))
    return subject


def octets(text):
    """As it travels; smtplib leaves the line ends of octets as they are."""
    return text.replace("\n", "\r\n").encode()


def having(mails, subject):
    return [mail for mail in mails if f"Subject: {subject}\n".encode() in mail.replace(b"\r\n", b"\n").split(b"\n\n")[0] + b"\n"]


def arrives(mails, subject, seconds=ARRIVES_SECONDS):
    """The one mail of that subject, once it is there."""
    until(lambda: having(mails(), subject), lambda: f"{subject!r} does not arrive", seconds)
    found = having(mails(), subject)
    if len(found) != 1:
        raise Failed(f"{subject!r} is there {len(found)} times")
    return found[0]


def bounces(mails):
    """Reports among mails, as the email package reads them."""
    read = [email.message_from_bytes(mail, policy=email.policy.default) for mail in mails]
    return [mail for mail in read if mail.get_content_type() == "multipart/report"]


def one_bounce(mails, recipient, status, seconds=ARRIVES_SECONDS):
    """The only report, once it is there; it must tell of that recipient with that status."""
    until(lambda: bounces(mails()), lambda: f"no bounce for {recipient}", seconds)
    time.sleep(1)                                   # Another one would come at once.
    found = bounces(mails())
    if len(found) != 1:
        raise Failed(f"{len(found)} bounces instead of one")
    blocks = [block for part in found[0].walk() if part.get_content_type() == "message/delivery-status" for block in part.get_payload()]
    told = [(str(block["Final-Recipient"]).split(";")[-1].strip(), str(block["Action"]), str(block["Status"])) for block in blocks[1:]]
    if not any(who == recipient and action == "failed" and re.match(status, code) for who, action, code in told):
        raise Failed(f"the bounce tells of {told}, not of {recipient} with {status}")
    return found[0]


def empties(house):
    until(lambda: not house.queue(), lambda: f"still queued: {house.queue()}", ARRIVES_SECONDS)


# ---- the smart host ------------------------------------------------------------------------------


@test
def a_smart_host_takes_mail_after_a_logon_inside_verified_tls(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab)
        mail = arrives(lambda: office.mails(OUT), house.send(OUT, body="Grüße\n.\n..a dot\n" + "x" * 900 + "\n"))
        if b"\n\nGr\xc3\xbc\xc3\x9fe\n.\n..a dot\n" + b"x" * 900 + b"\n" not in mail:
            raise Failed(f"it is not what was sent: {mail[-400:]!r}")
        if f"Return-Path: <{ADDRESS}>".encode() not in mail:
            raise Failed(f"the envelope's sender is another: {mail[:200]!r}")
        if not re.search(rf"sasl_method=SCRAM-SHA-256, sasl_username={USER}", office.log()):
            raise Failed("it did not log on by SCRAM-SHA-256")
        empties(house)
        return "by SCRAM-SHA-256"


@test
def every_mechanism_that_it_needs_is_spoken(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab)
        for mechanism in ("SCRAM-SHA-256", "PLAIN", "LOGIN", "CRAM-MD5"):
            settings = office.folder / "etc/main.cf"
            kept = [line for line in settings.read_text().splitlines() if "mechanism_filter" not in line]
            settings.write_text("\n".join(kept) + f"\nsmtpd_sasl_mechanism_filter = {mechanism.lower()}\n")
            office.reload()
            house.rests()
            arrives(lambda: office.mails(OUT), house.send(OUT))
            if f"sasl_method={mechanism}," not in office.log():
                raise Failed(f"it did not log on by {mechanism}")
        return "SCRAM-SHA-256, PLAIN, LOGIN, CRAM-MD5"


@test
def a_refused_logon_holds_all_with_one_alarm_until_somebody_mends_it(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab, password="wrong")
        subjects = [house.send(OUT) for _ in range(5)]
        house.must_log(r"smarthost_password")
        time.sleep(2)
        alarms = [line for line in house.log().splitlines() if "smarthost_password" in line]
        tries = office.log().count("authentication failed")
        if len(alarms) != 1 or tries > 2:
            raise Failed(f"{len(alarms)} alarms and {tries} tries: {alarms}")
        if office.mails(OUT) or len(house.queue()) != len(subjects):
            raise Failed("mail is not held")
        house.poppet("set", "smarthost_password", "--password-stdin", stdin=PASSWORD + "\n")
        for subject in subjects:
            arrives(lambda: office.mails(OUT), subject)
        empties(house)
        return f"{tries} tries"


@test
def a_certificate_that_nobody_vouches_for_gets_no_mail_unless_it_is_pinned(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.poppet("set", "smarthost", "office.test")
        house.poppet("set", "smarthost_user", USER)
        house.poppet("set", "smarthost_password", "--password-stdin", stdin=PASSWORD + "\n")
        subject = house.send(OUT)
        house.must_log(r"its certificate ")
        if office.mails(OUT) or "sasl" in office.log():
            raise Failed("something was sent")
        der = ssl.PEM_cert_to_DER_cert(office.certificate.read_text())
        house.poppet("set", "smarthost_pin", hashlib.sha256(der).hexdigest())
        arrives(lambda: office.mails(OUT), subject)


@test
def what_is_mended_while_a_try_is_under_way_counts(lab):
    """A fingerprint was set while the certificate was still being refused: the refusal came later, and held all for hours."""
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.poppet("set", "smarthost_user", USER)
        house.poppet("set", "smarthost_password", "--password-stdin", stdin=PASSWORD + "\n")
        for _ in range(5):
            house.poppet("set", "smarthost", "office.test")
            house.poppet("set", "smarthost_pin", "off")
            subject = house.send(OUT)
            der = ssl.PEM_cert_to_DER_cert(office.certificate.read_text())
            house.poppet("set", "smarthost_pin", hashlib.sha256(der).hexdigest())
            arrives(lambda: office.mails(OUT), subject)


@test
def a_pulled_cable_is_no_try_and_mail_leaves_when_it_is_back(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab)
        arrives(lambda: office.mails(OUT), house.send(OUT))
        house.rests()
        lab.hosts.pull("poppet")
        try:
            subject = house.send(OUT)
            until(house.is_offline, lambda: f"status: {house.poppet('status')}", ARRIVES_SECONDS)
            if any('"tries":0' not in row.replace(" ", "") for row in house.poppet("queue", "list", "--json").splitlines() if '"tries"' in row):
                raise Failed(f"it counts as a try: {house.poppet('queue', 'list', '--json')}")
        finally:
            lab.hosts.plug("poppet")
        begun = time.monotonic()
        arrives(lambda: office.mails(OUT), subject)
        seconds = time.monotonic() - begun
        if seconds > 10:
            raise Failed(f"it took {seconds:.1f} s after the cable was back")
        return f"{seconds:.1f} s after the cable was back"


@test
def all_leaves_in_the_name_of_one_account_and_the_writer_gets_the_answers(lab):
    with lab.office(everybody=True) as office, lab.poppet(smarthost_sender=USER) as house:
        house.smart_host(lab)
        mail = arrives(lambda: office.mails(OUT), house.send(OUT))
        read = email.message_from_bytes(mail, policy=email.policy.default)
        if read["From"].addresses[0].addr_spec != USER or read["Reply-To"].addresses[0].addr_spec != ADDRESS:
            raise Failed(f"From: {read['From']}, Reply-To: {read['Reply-To']}")
        if f"Return-Path: <{USER}>".encode() not in mail:
            raise Failed(f"the envelope's sender is another: {mail[:200]!r}")


@test
def doctor_says_what_is_wrong_with_the_smart_host(lab):
    with lab.office(everybody=True), lab.poppet() as house:
        house.smart_host(lab)
        house.poppet("doctor")
        house.poppet("set", "smarthost_password", "--password-stdin", stdin="wrong\n")
        try:
            told = house.poppet("doctor")
        except Failed as why:
            told = str(why)
        else:
            raise Failed(f"all is well with a wrong password: {told}")


# ---- a domain that two servers share -----------------------------------------------------------------

BOB = "bob@home.lan"                # The office's user of the same domain.


def shared(lab, house):
    house.poppet("share", "home.lan", "office.test:25")


@test
def poppet_is_the_front_of_a_shared_domain(lab):
    with lab.office(boxes=(BOB,), rest={"home.lan": "smtp:[192.0.2.25]:25", "stranger.test": "smtp:[192.0.2.99]:25"}) as office, lab.poppet() as house:
        shared(lab, house)
        arrives(lambda: office.mails(BOB), send_from(lab, "stranger", "poppet", BOB))
        arrives(lambda: house.maildrop(), send_from(lab, "stranger", "poppet", ADDRESS))
        arrives(lambda: office.mails(BOB), house.send(BOB))
        arrives(lambda: house.maildrop(), send_from(lab, "office", "office", ADDRESS, sender=BOB))
        both = house.send(BOB, ADDRESS)
        arrives(lambda: office.mails(BOB), both)
        arrives(lambda: house.maildrop(), both)
        empties(house)


@test
def the_office_is_the_front_of_a_shared_domain(lab):
    with lab.office(boxes=(BOB,), rest={"home.lan": "smtp:[192.0.2.25]:25"}) as office, lab.poppet() as house:
        shared(lab, house)
        arrives(lambda: house.maildrop(), send_from(lab, "stranger", "office", ADDRESS))
        arrives(lambda: office.mails(BOB), send_from(lab, "stranger", "office", BOB))
        arrives(lambda: office.mails(BOB), house.send(BOB))
        empties(house)


@test
def who_is_unknown_on_both_sides_makes_one_bounce_and_no_loop(lab):
    nobody = "nobody@home.lan"
    with lab.office(boxes=(BOB,), rest={"home.lan": "smtp:[192.0.2.25]:25"}) as office, lab.poppet() as house:
        shared(lab, house)
        house.send(nobody)
        one_bounce(house.maildrop, nobody, r"5\.[14]\.")
        send_from(lab, "office", "office", nobody, sender=BOB)
        one_bounce(lambda: office.mails(BOB), nobody, r"5\.[14]\.")
        empties(house)
        until(lambda: not office.queued(), lambda: f"the office still has {office.queued()}", ARRIVES_SECONDS)
        passed = office.log().count(f"to=<{nobody}>")
        if passed > 4:
            raise Failed(f"it passed the office {passed} times")


@test
def users_move_to_lmtp_one_by_one_and_then_the_whole_domain(lab):
    with lab.office(boxes=(BOB, ADDRESS, "carol@home.lan"), rest={}) as office, lab.poppet("carol@home.lan") as house:
        house.poppet("route", ADDRESS, "lmtp:office.test")
        arrives(lambda: office.mails(ADDRESS), send_from(lab, "stranger", "poppet", ADDRESS))
        arrives(lambda: house.maildrop("carol@home.lan"), send_from(lab, "stranger", "poppet", "carol@home.lan"))
        house.poppet("route", "home.lan", "lmtp:office.test")
        arrives(lambda: office.mails("carol@home.lan"), send_from(lab, "stranger", "poppet", "carol@home.lan"))
        subject = house.send(BOB, "nobody@home.lan", "carol@home.lan", user="carol@home.lan")
        arrives(lambda: office.mails(BOB), subject)
        arrives(lambda: office.mails("carol@home.lan"), subject)
        # A reply for each recipient: one is refused, the others are not sent again.
        one_bounce(lambda: office.mails("carol@home.lan"), "nobody@home.lan", r"5\.1\.1")
        empties(house)


@test
def two_poppets_share_a_domain(lab):
    # As "poppet setup" names both.
    name = "mail.home.lan"
    with lab.poppet(hostname=name) as house, lab.poppet("bob@home.lan", host="second", hostname=name) as second:
        second.poppet("del", ADDRESS, "--yes")
        house.poppet("share", "home.lan", "second.test:25")
        second.poppet("share", "home.lan", "poppet.test:25")
        arrives(lambda: second.maildrop(BOB), house.send(BOB))
        arrives(lambda: house.maildrop(), second.send(ADDRESS, user=BOB))
        house.send("nobody@home.lan")
        one_bounce(house.maildrop, "nobody@home.lan", r"5\.[14]\.")
        second.send("nobody@home.lan", user=BOB)
        one_bounce(lambda: second.maildrop(BOB), "nobody@home.lan", r"5\.[14]\.")
        for each in (house, second):
            empties(each)


@test
def two_smart_hosts_of_each_other_stop_and_tell_the_sender_once(lab):
    with lab.poppet() as house, lab.poppet(host="second") as second:
        # Else the report would find alice's other mailbox.
        second.poppet("del", "home.lan", "--yes")
        for one, other in ((house, "second"), (second, "poppet")):
            one.poppet("set", "smarthost", f"{other}.test:25")
            one.poppet("set", "smarthost_tls", "opportunistic")
            one.poppet("device", "add", "other", ADDRESSES[other], "--to", "smarthost", "--force")
        house.send(OUT)
        one_bounce(house.maildrop, OUT, r"5\.4\.6", 60)
        for each in (house, second):
            empties(each)


@test
def a_forwarded_mailbox_sends_on_and_bounces_find_home(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab)
        house.poppet("forward", ADDRESS, OUT)
        subject = send_from(lab, "stranger", "poppet", ADDRESS)
        arrives(lambda: house.maildrop(), subject)
        mail = arrives(lambda: office.mails(OUT), subject)
        if b"Return-Path: <someone@stranger.test>" not in mail:
            raise Failed(f"the sender is not kept: {mail[:300]!r}")
        house.poppet("set", "forward_sender", "rewrite")
        house.poppet("forward", ADDRESS, OUT, "--only")
        mail = arrives(lambda: office.mails(OUT), send_from(lab, "stranger", "poppet", ADDRESS))
        path = re.search(rb"Return-Path: <(.*)>", mail)[1].decode()
        if not path.endswith("@home.lan"):
            raise Failed(f"the sender is not rewritten: {path}")
        back = send_from(lab, "stranger", "poppet", path, sender="")
        arrives(lambda: office.mails("someone@stranger.test"), back)
        empties(house)


@test
def an_alias_leads_to_an_address_elsewhere(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab)
        house.poppet("alias", "all@home.lan", ADDRESS, OUT)
        subject = send_from(lab, "stranger", "poppet", "all@home.lan")
        arrives(lambda: house.maildrop(), subject)
        arrives(lambda: office.mails(OUT), subject)


@test
def a_success_is_reported_by_who_delivers(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab)
        subject = house.send(OUT, options=["RET=HDRS", "ENVID=x1"], rcpt_options=["NOTIFY=SUCCESS,FAILURE"])
        arrives(lambda: office.mails(OUT), subject)
        until(lambda: bounces(house.maildrop()) or bounces(office.mails(ADDRESS)), "nobody reports", ARRIVES_SECONDS)


@test
def strangers_reach_nobody_elsewhere(lab):
    with lab.office(everybody=True) as office, lab.poppet() as house:
        house.smart_host(lab)
        house.poppet("route", "example.com", "office.test:25")
        try:
            send_from(lab, "stranger", "poppet", OUT)
        except smtplib.SMTPRecipientsRefused as refused:
            code, text = refused.recipients[OUT]
            if code != 550:
                raise Failed(f"{code} {text}") from None
        else:
            raise Failed("a stranger's mail was taken for somebody elsewhere")
        if office.mails(OUT):
            raise Failed("it has left")


def main():
    binary, *wanted = sys.argv[1:]
    binary = Path(binary).resolve()
    cache = binary.parent.parent / "packages"
    failed = 0
    with tempfile.TemporaryDirectory(prefix="poppet-outgoing-") as folder, Hosts(**ADDRESSES) as hosts:
        lab = Lab(binary, cache, folder, hosts)
        for name, run in TESTS:
            if not wanted or any(word in name for word in wanted):
                failed += not passes(name, run, lab)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
