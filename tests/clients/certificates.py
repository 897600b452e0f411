#!/usr/bin/env python3
"""Users' certificates (A8) with real clients and openssl's authorities against the real binary.

  certificates.py BINARY [NAME...]     all tests, or those whose name contains a NAME

Each case of S-250 is a certificate that openssl makes. What a client can't do stands in LEFT_OUT with the reason.
"""

import base64
import poplib
import re
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone

from corpus import mail
from house import ADDRESS, PASSWORD, Failed, House
from run import passes, write_private

BOB = "bob@home.lan"
MAIL = mail("the one", b"some text\r\n")
NO_TLS = "no TLS"
MEGABYTE = 1024 * 1024
TESTS = []

LEFT_OUT = {
    "fetchmail, getmail, swaks EXTERNAL": "they know the mechanism not, or not for POP3",
    "mpop with PKCS #12": "it takes PEM only; openssl makes that of the file",
}

CONFIGURATION = """
[ca]
default_ca = lab
[lab]
database = {folder}/index
serial = {folder}/serial
crlnumber = {folder}/crlnumber
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
default_crl_days = 30
policy = anything
unique_subject = no
[anything]
commonName = supplied
"""


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def openssl(*words, codes=(0,)):
    done = subprocess.run(["openssl", *(str(word) for word in words)], capture_output=True, text=True, timeout=60)
    if done.returncode not in codes:
        raise Failed(f"openssl {' '.join(str(word) for word in words)}: {done.stderr[-300:]}")
    return done.stdout


class Authority:
    """An authority of openssl's making, in a folder of its own."""

    def __init__(self, folder, name, above=None):
        self.folder, self.name, self.above, self.made = folder, name, above, 0
        folder.mkdir()
        for file, text in (("index", ""), ("serial", "1000"), ("crlnumber", "1000"),
                           ("openssl.cnf", CONFIGURATION.format(folder=folder))):
            (folder / file).write_text(text)
        extensions = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n"
        if above:
            self.pem = above.sign(name, extensions, key=folder / "ca.key")[0]
            (folder / "ca.pem").write_text(self.pem.read_text())
        else:
            openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                    "-days", "30", "-keyout", folder / "ca.key", "-out", folder / "ca.pem",
                    "-addext", "keyUsage = critical, keyCertSign, cRLSign")
        self.pem = folder / "ca.pem"

    def sign(self, subject, extensions, begins=-1, ends=1, kind=("ec", "ec_paramgen_curve:P-256"), digest="sha256", key=None):
        """A certificate and its key; it is valid from and to so many days from now."""
        self.made += 1
        pem, key = self.folder / f"{self.made}.pem", key or self.folder / f"{self.made}.key"
        request, extras = self.folder / "request", self.folder / "extensions"
        openssl("req", "-new", "-newkey", kind[0], "-pkeyopt", kind[1], "-nodes", "-subj", f"/CN={subject}", "-keyout", key,
                "-out", request)
        extras.write_text(extensions)
        openssl("ca", "-config", self.folder / "openssl.cnf", "-batch", "-notext", "-md", digest, "-in", request, "-out", pem,
                "-startdate", moment(begins), "-enddate", moment(ends), "-extfile", extras)
        return pem, key

    def revoke(self, *certificates):
        for pem in certificates:
            openssl("ca", "-config", self.folder / "openssl.cnf", "-revoke", pem)
        openssl("ca", "-config", self.folder / "openssl.cnf", "-gencrl", "-out", self.folder / "crl.pem")
        return self.folder / "crl.pem"


def moment(days):
    return (datetime.now(timezone.utc) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")


def user(*names, purpose="clientAuth"):
    """The extensions of a user's certificate."""
    lines = [f"subjectAltName = {','.join(f'email:{name}' for name in names)}"] if names else []
    return "\n".join(lines + ([f"extendedKeyUsage = {purpose}"] if purpose else ["keyUsage = digitalSignature"])) + "\n"


class Lab:
    """The server with a mail for alice and two for bob, an authority that it believes, and one that it doesn't."""

    def __init__(self, house):
        self.house, self.runs = house, 0
        self.company = Authority(house.folder / "company", "company")
        self.other = Authority(house.folder / "other", "other")
        house.poppet("cert", "ca", "add", str(self.company.pem))
        self.alice = self.company.sign("alice", user(ADDRESS))
        self.bob = self.company.sign("bob", user(BOB))
        self.set()

    def set(self, demand="optional", password="off"):
        self.house.poppet("set", "clientcert", demand)
        self.house.poppet("set", "certpassword", password)

    def folder(self):
        self.runs += 1
        folder = self.house.folder / f"run{self.runs}"
        folder.mkdir()
        return folder

    def trust(self, shown=None):
        context = ssl.create_default_context(cafile=self.house.authority)
        if shown:
            # What is weak is to be refused by the server, and not by OpenSSL before it is ever shown.
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            context.load_cert_chain(*shown)
        return context

    def link(self, shown=None):
        """A POP3 session inside TLS; none if there are no TLS."""
        trust = self.trust(shown)
        try:
            return poplib.POP3_SSL("localhost", self.house.ports["pop3s"], timeout=30, context=trust)
        except (ssl.SSLError, ConnectionError, poplib.error_proto):
            return None

    def logs_on(self, shown, *line):
        """What becomes of a logon: whose mail it opens, or why it opens none."""
        pop3 = self.link(shown)
        if not pop3:
            return NO_TLS
        try:
            return speak(pop3, *line)
        finally:
            pop3.close()


def speak(pop3, *line):
    try:
        pop3._shortcmd(" ".join(line))
        return {1: "alice", 2: "bob"}.get(pop3.stat()[0], "somebody")
    except poplib.error_proto as refused:
        return refused.args[0].decode().split("]")[0] + "]"


def coded(text):
    return base64.b64encode(text.encode()).decode() or "="


def external(name=""):
    return "AUTH", "EXTERNAL", coded(name)


def plain(name, password=PASSWORD):
    return "AUTH", "PLAIN", coded(f"\0{name}\0{password}")


def must_be(wanted, **cases):
    wrong = {name: told for name, told in cases.items() if told != wanted}
    if wrong:
        raise Failed(f"not {wanted!r}: {wrong}")


REFUSED = "-ERR [AUTH]"


# ---------------------------------------------------------------- whose certificate it is

@test
def a_certificate_opens_the_mailbox_it_names_and_no_other(lab):
    """S-251: of alice with the name bob, with bob's password too."""
    must_be("alice", alone=lab.logs_on(lab.alice, *external()), named=lab.logs_on(lab.alice, *external(ADDRESS)),
            large=lab.logs_on(lab.alice, *external(ADDRESS.upper())), password=lab.logs_on(lab.alice, *plain(ADDRESS)))
    must_be("bob", alone=lab.logs_on(lab.bob, *external()))
    must_be(REFUSED, other=lab.logs_on(lab.alice, *external(BOB)), password=lab.logs_on(lab.alice, *plain(BOB)),
            nobody=lab.logs_on(lab.alice, *external("carol@home.lan")), wrong=lab.logs_on(lab.alice, *plain(ADDRESS, "x")))


@test
def a_certificate_of_two_needs_the_name(lab):
    both = lab.company.sign("both", user(ADDRESS, BOB))
    must_be("alice", named=lab.logs_on(both, *external(ADDRESS)))
    must_be("bob", named=lab.logs_on(both, *external(BOB)))
    must_be(REFUSED, alone=lab.logs_on(both, *external()))


@test
def a_certificate_of_nobody_lets_nobody_in(lab):
    """S-250, CVE-2019-3814: a certificate without a name is no wild card, nor is it as good as none."""
    for shown in (lab.company.sign(ADDRESS, user()), lab.company.sign("carol", user("carol@home.lan")),
                  lab.company.sign("x", "subjectAltName = DNS:alice.home.lan\n")):
        must_be(REFUSED, password=lab.logs_on(shown, *plain(ADDRESS)))
        told = [lab.logs_on(shown, *external()), lab.logs_on(shown, *external(ADDRESS))]
        if any(not answer.startswith("-ERR") for answer in told):
            raise Failed(f"{shown}: {told}")


@test
def certificates_that_are_none_for_this_shake_no_hands(lab):
    """S-250, one by one."""
    sign, rsa = lab.company.sign, ("rsa", "rsa_keygen_bits:2048")
    must_be("alice", no_purpose=lab.logs_on(sign("a", user(ADDRESS, purpose="")), *external()),
            both_purposes=lab.logs_on(sign("a", user(ADDRESS, purpose="serverAuth, clientAuth")), *external()),
            rsa=lab.logs_on(sign("a", user(ADDRESS), kind=rsa), *external()))
    v1 = lab.folder() / "v1.pem"
    openssl("x509", "-req", "-in", lab.company.folder / "request", "-CA", lab.company.pem, "-CAkey", lab.company.folder / "ca.key",
            "-out", v1, "-days", "1")
    key = lab.company.folder / f"{lab.company.made}.key"
    own = sign("alice", user(ADDRESS))
    chain_length = MEGABYTE // len(ssl.PEM_cert_to_DER_cert(lab.other.pem.read_text())) + 1
    must_be(NO_TLS,
            expired=lab.logs_on(sign("a", user(ADDRESS), -2, -1), *external()),
            not_yet=lab.logs_on(sign("a", user(ADDRESS), 1, 2), *external()),
            other_authority=lab.logs_on(lab.other.sign("a", user(ADDRESS)), *external()),
            server_only=lab.logs_on(sign("a", user(ADDRESS, purpose="serverAuth")), *external()),
            authority=lab.logs_on(sign("a", user(ADDRESS) + "basicConstraints = CA:TRUE\n"), *external()),
            v1=lab.logs_on((v1, key), *external()),
            sha1=lab.logs_on(sign("a", user(ADDRESS), kind=rsa, digest="sha1"), *external()),
            rsa_1024=lab.logs_on(sign("a", user(ADDRESS), kind=("rsa", "rsa_keygen_bits:1024")), *external()),
            chain_of_100=lab.logs_on((repeated(lab, own[0], 100), own[1]), *external()),
            megabyte=lab.logs_on(sign("a", user(ADDRESS) + f"nsComment = {'x' * MEGABYTE}\n"), *external()),
            chain_of_a_megabyte=lab.logs_on((repeated(lab, own[0], chain_length), own[1]), *external()))
    must_be("alice", afterwards=lab.logs_on(own, *external()))
    log = lab.house.log()
    for wanted in ("ended on", "begins only on", "of no authority that is trusted here", "is for another purpose", "old version"):
        if not re.search(rf"pop3s 127\.0\.0\.1: the certificate [^\n]*{wanted}", log):
            raise Failed(f"the log does not say {wanted!r}: {log[-1500:]}")


def repeated(lab, pem, count):
    chain = lab.folder() / "chain.pem"
    chain.write_text(pem.read_text() + lab.other.pem.read_text() * count)
    return chain


@test
def an_authority_below_vouches_if_its_certificate_comes_along(lab):
    below = Authority(lab.house.folder / "below", "below", above=lab.company)
    pem, key = below.sign("alice", user(ADDRESS))
    chain = lab.folder() / "chain.pem"
    chain.write_text(pem.read_text() + below.pem.read_text())
    must_be("alice", chain=lab.logs_on((chain, key), *external()))
    must_be(NO_TLS, alone=lab.logs_on((pem, key), *external()))


@test
def what_is_revoked_is_refused_at_once(lab):
    shown = lab.company.sign("phone", user(ADDRESS))
    standing = lab.link(shown)
    must_be("alice", before=lab.logs_on(shown, *external()))
    lab.house.poppet("cert", "crl", "add", str(lab.company.revoke(shown[0])))
    must_be(NO_TLS, after=lab.logs_on(shown, *external()))
    must_be(REFUSED, standing=speak(standing, *external()))
    standing.close()
    must_be("alice", other=lab.logs_on(lab.alice, *external()))
    if "revoked" not in lab.house.log():
        raise Failed("the log says nothing of it")
    # Of somebody else's making.
    try:
        lab.house.poppet("cert", "crl", "add", str(lab.other.revoke()))
    except Failed as refused:
        if "has signed" not in str(refused):
            raise
    else:
        raise Failed("the list of a strange authority was taken")


# ---------------------------------------------------------------- allowed and issued ones

@test
def a_self_signed_certificate_is_allowed_and_denied(lab):
    folder = lab.folder()
    shown = folder / "own.pem", folder / "own.key"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=own", "-days", "1",
            "-keyout", shown[1], "-out", shown[0])
    fingerprint = openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", shown[0]).strip().split("=")[1]
    must_be(NO_TLS, before=lab.logs_on(shown, *external()))
    lab.house.poppet("cert", "allow", ADDRESS, fingerprint, "--label", "own")
    must_be("alice", allowed=lab.logs_on(shown, *external()))
    standing = lab.link(shown)
    must_be("alice", standing=speak(standing, *external()))
    lab.house.poppet("cert", "deny", ADDRESS, fingerprint[:11])
    must_be(NO_TLS, denied=lab.logs_on(shown, *external()))
    try:
        standing.noop()
    except (poplib.error_proto, OSError):
        return
    raise Failed("a session that was opened with it goes on")


@test
def an_issued_certificate_is_read_by_openssl_and_curl(lab):
    folder = lab.folder()
    file = folder / "alice.p12"
    told = lab.house.poppet("cert", "issue", ADDRESS, "--out", str(file), "--label", "phone").rstrip("\n").split("\t")
    if file.stat().st_mode & 0o777 != 0o600:
        raise Failed(f"others can read the file: {file.stat().st_mode:o}")
    pem = folder / "alice.pem"
    openssl("pkcs12", "-in", file, "-passin", f"pass:{told[1]}", "-nodes", "-out", pem)
    must_be("alice", issued=lab.logs_on((pem, pem), *external()))
    curl(lab, "pop3s", "alice", "--cert-type", "P12", "--cert", f"{file}:{told[1]}")
    lab.house.poppet("cert", "deny", ADDRESS, told[2])
    must_be(NO_TLS, denied=lab.logs_on((pem, pem), *external()))


@test
def an_issued_certificate_is_nobody_s_once_its_mailbox_is_gone(lab):
    lab.house.add("dora@home.lan")
    folder = lab.folder()
    file, pem = folder / "dora.p12", folder / "dora.pem"
    told = lab.house.poppet("cert", "issue", "dora@home.lan", "--out", str(file)).split("\t")
    openssl("pkcs12", "-in", file, "-passin", f"pass:{told[1]}", "-nodes", "-out", pem)
    must_be("somebody", before=lab.logs_on((pem, pem), *external()))
    lab.house.poppet("del", "dora@home.lan", "--yes")
    lab.house.add("dora@home.lan")
    told = lab.logs_on((pem, pem), *external("dora@home.lan"))
    if not told.startswith("-ERR"):
        raise Failed(f"a new mailbox is opened by an old device: {told}")


# ---------------------------------------------------------------- what listeners ask for

@test
def who_shows_none_logs_on_by_password_or_not_at_all(lab):
    must_be("alice", optional=lab.logs_on(None, *plain(ADDRESS)))
    offered = lab.link().capa()["SASL"]
    if "EXTERNAL" in offered or "EXTERNAL" not in lab.link(lab.alice).capa()["SASL"]:
        raise Failed(f"EXTERNAL is offered to whom it does not serve: {offered}")
    lab.set("required")
    try:
        must_be(NO_TLS, none=lab.logs_on(None, *plain(ADDRESS)))
        must_be("alice", certificate=lab.logs_on(lab.alice, *external()), both=lab.logs_on(lab.alice, *plain(ADDRESS)))
        clear = poplib.POP3("localhost", lab.house.ports["pop3"], timeout=30)
        if not (told := speak(clear, *plain(ADDRESS))).startswith("-ERR"):
            raise Failed(f"a logon in the clear was taken: {told}")
        clear.stls(context=lab.trust(lab.alice))
        must_be("alice", stls=speak(clear, *external()))
        clear.quit()
        lab.set("submissions=required")
        must_be("alice", other_door=lab.logs_on(None, *plain(ADDRESS)))
    finally:
        lab.set()


@test
def with_certpassword_both_are_needed(lab):
    lab.set(password="on")
    try:
        must_be("alice", both=lab.logs_on(lab.alice, *plain(ADDRESS)), none=lab.logs_on(None, *plain(ADDRESS)))
        told = [lab.logs_on(lab.alice, *external()), lab.logs_on(lab.alice, *plain(ADDRESS, "x")),
                lab.logs_on(lab.alice, *plain(BOB))]
        if any(not answer.startswith("-ERR") for answer in told):
            raise Failed(f"one of both was enough: {told}")
        lab.set("required", "on")
        must_be("alice", required=lab.logs_on(lab.alice, *plain(ADDRESS)))
        must_be(NO_TLS, none=lab.logs_on(None, *plain(ADDRESS)))
    finally:
        lab.set()


# ---------------------------------------------------------------- clients

@test
def curl_logs_on_to_POP3_and_SMTP(lab):
    pem, key = lab.alice
    curl(lab, "pop3s", "alice", "--cert", pem, "--key", key)
    letter = lab.folder() / "letter"
    letter.write_bytes(MAIL)
    run("curl", "-sSv", "--cacert", lab.house.authority, "--cert", lab.bob[0], "--key", lab.bob[1], "--user", f"{BOB}:",
        "--login-options", "AUTH=EXTERNAL", "--mail-from", BOB, "--mail-rcpt", "eve@home.lan", "--upload-file", letter,
        f"smtps://localhost:{lab.house.ports['submissions']}", shows=b"> AUTH EXTERNAL")


def curl(lab, scheme, name, *shown):
    run("curl", "-sSv", "--cacert", lab.house.authority, *shown, "--user", f"{name}@home.lan:", "--login-options",
        "AUTH=EXTERNAL", f"{scheme}://localhost:{lab.house.ports[scheme]}/1", shows=b"> AUTH EXTERNAL")


@test
def mpop_logs_on(lab):
    folder = lab.folder()
    pem, key = lab.alice
    write_private(folder / "mpoprc", f"account lab\nhost localhost\nport {lab.house.ports['pop3s']}\ntls on\ntls_starttls off\n"
                  f"tls_trust_file {lab.house.authority}\ntls_cert_file {pem}\ntls_key_file {key}\nuser {ADDRESS}\n"
                  f"auth external\nkeep on\nreceived_header off\ndelivery mbox {folder}/mbox\nuidls_file {folder}/uidls\n")
    run("mpop", "--debug", "-C", folder / "mpoprc", "lab", shows=b"--> AUTH EXTERNAL")
    if b"some text" not in (folder / "mbox").read_bytes():
        raise Failed("the mail did not come")


@test
def smtplib_logs_on_behind_STARTTLS(lab):
    with smtplib.SMTP("localhost", lab.house.ports["submission"], timeout=30) as smtp:
        smtp.starttls(context=lab.trust(lab.bob))
        smtp.ehlo()
        code, text = smtp.docmd("AUTH", "EXTERNAL " + coded(BOB))
        if code != 235:
            raise Failed(f"{code} {text!r}")
        smtp.sendmail(BOB, ["eve@home.lan"], MAIL)


def run(*command, shows):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if done.returncode or shows not in done.stdout:
        raise Failed(f"{command[0]} exit {done.returncode}: {done.stdout.decode(errors='replace')[-600:]}")


@test
def many_names_in_handshakes_take_no_memory(lab):
    """S-252, CVE-2017-15130."""
    context = lab.trust()
    context.check_hostname = False

    def shake(count, begin):
        for number in range(begin, begin + count):
            with socket.create_connection(("localhost", lab.house.ports["pop3s"]), 30) as link:
                with context.wrap_socket(link, server_hostname=f"host{number}.example") as secure:
                    secure.recv(100)

    shake(200, 0)
    before = memory(lab.house)
    shake(2000, 200)
    if (grown := memory(lab.house) - before) > 512:
        raise Failed(f"{grown} KiB more after 2000 names")


def memory(house):
    with open(f"/proc/{house.server.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def main():
    binary, *wanted = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="poppet-certificates-") as folder:
        house = House(binary, folder)
        try:
            house.set_up()
            for address in (BOB, "eve@home.lan"):
                house.add(address)
            house.start()
            with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=60) as smtp:
                smtp.sendmail("sender@client.test", [ADDRESS, BOB], MAIL)
                smtp.sendmail("sender@client.test", [BOB], MAIL)
            lab = Lab(house)
            for name, run_test in TESTS:
                if not wanted or any(word in name for word in wanted):
                    failed += not passes(name, run_test, lab)
            house.stop()
        except (Failed, OSError, subprocess.SubprocessError) as why:
            failed += 1
            print(f"FAILED the server: {why}")
        finally:
            house.kill()
    for what, why in LEFT_OUT.items():
        print(f"left out {what}: {why}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
