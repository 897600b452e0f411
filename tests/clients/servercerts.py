#!/usr/bin/env python3
"""Certificates of others for the server (T2) with openssl as authority and as client, against the real binary.

  servercerts.py BINARY [NAME...]     all tests, or those whose name contains a NAME
"""

import hashlib
import json
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from types import SimpleNamespace

from certificates import Authority, moment, openssl
from corpus import mail
from house import ADDRESS, Failed, House
from mechanisms import USER, log_on_bound
from run import passes
from slapd import until

NAME, OTHER = "mail.example.org", "pop.example.net"
P256, RSA = ("ec", "ec_paramgen_curve:P-256"), ("rsa", "rsa_keygen_bits:2048")
SESSIONS, SWAPS = 500, 10
TESTS = []


def test(function):
    TESTS.append((function.__name__.replace("_", " "), function))
    return function


def server(*names, purpose="serverAuth"):
    """The extensions of a server's certificate."""
    lines = [f"subjectAltName = {','.join(names)}"] if names else []
    return "\n".join(lines + ([f"extendedKeyUsage = {purpose}"] if purpose else ["keyUsage = digitalSignature"])) + "\n"


class Lab:
    """The server, an authority above, and one below it that signs servers."""

    def __init__(self, house):
        self.house = house
        self.root = Authority(house.folder / "root", "root")
        self.below = Authority(house.folder / "below", "below", above=self.root)
        subjects = json.loads(self.cert("request", "--json"))["subjects"]
        self.inside = next(name for name in subjects if not set(name) <= set("0123456789abcdef.:"))

    def sign(self, *names, kind=P256, **more):
        """A certificate for these names with the chain below the root, and its key."""
        purpose = more.pop("purpose", "serverAuth")
        pem, key = self.below.sign(more.pop("subject", "server"), server(*names, purpose=purpose), kind=kind, **more)
        return self.file("chain.pem", pem, self.below.pem), key

    def file(self, name, *parts):
        self.below.made += 1
        path = self.below.folder / f"{self.below.made}-{name}"
        path.write_text("".join(part if isinstance(part, str) else part.read_text() for part in parts))
        return path

    def cert(self, *words):
        return self.house.poppet("cert", *(str(word) for word in words))

    def refused(self, wanted, *words, code=5):
        """What must be refused with that text, in one line."""
        command = [str(self.house.binary), "--db", str(self.house.database), "cert", *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        told = done.stderr.strip()
        if done.returncode != code or wanted not in told or "\n" in told:
            raise Failed(f"{words}: not {wanted!r} but exit {done.returncode}: {done.stderr}{done.stdout}")

    def shown(self, name=None, port="pop3s", starttls=None, host="127.0.0.1", version="-tls1_3"):
        """The fingerprint of what openssl is shown, which must have verified if the root has signed it."""
        words = ["openssl", "s_client", "-connect", f"{host}:{self.house.ports[port]}", version, "-CAfile", self.root.pem]
        words += ["-servername", name] if name else ["-noservername"]
        words += ["-starttls", starttls] if starttls else []
        done = subprocess.run([str(word) for word in words], input="", capture_output=True, text=True, timeout=30)
        begin, end = done.stdout.find("-----BEGIN CERT"), done.stdout.find("-----END CERT")
        if begin < 0:
            raise Failed(f"{name} at {host} is shown nothing: {done.stdout[-300:]}{done.stderr[-300:]}")
        pem = done.stdout[begin:end] + "-----END CERTIFICATE-----\n"
        return fingerprint(pem), "Verify return code: 0 (ok)" in done.stdout

    def row(self, name):
        rows = json.loads(self.house.poppet("cert", "list", "--json"))
        return next((row for row in rows if row["name"] == name), None)

    def own(self):
        return next(row for row in json.loads(self.house.poppet("cert", "list", "--json")) if row["kind"] == "server")

    def clear(self):
        for row in json.loads(self.house.poppet("cert", "list", "--json")):
            if row["kind"] == "installed":
                self.cert("del", row["name"])


def fingerprint(pem):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def print_of(path):
    """Of the first certificate of a file."""
    text = path.read_text()
    return fingerprint(text[text.index("-----BEGIN"):text.index("-----END CERTIFICATE-----") + 26])


def must_be(wanted, got, what):
    if wanted != got:
        raise Failed(f"{what}: not {wanted!r} but {got!r}")


# ---------------------------------------------------------------- request and install

@test
def an_authority_signs_our_request_and_it_is_shown(lab):
    """Exchange's way: openssl checks our request and signs it."""
    request = lab.house.folder / "request.pem"
    lab.cert("request", NAME, "*.example.org", "192.0.2.7", "--out", request)
    told = openssl("req", "-in", request, "-noout", "-verify", "-text", "-subject")
    for wanted in (f"DNS:{NAME}", "DNS:*.example.org", "IP Address:192.0.2.7", "prime256v1", "Server Authentication", f"CN = {NAME}"):
        if wanted not in told:
            raise Failed(f"the request has not {wanted!r}: {told}")
    must_be(request.read_text(), lab.cert("request", "192.0.2.7", NAME, "*.example.org"), "asked for again")
    must_be("pending", lab.row(f"{NAME} *.example.org 192.0.2.7")["state"], "the request")
    pem, extras = lab.house.folder / "signed.pem", lab.below.folder / "extensions"
    extras.write_text(server(f"DNS:{NAME}", "DNS:*.example.org", "IP:192.0.2.7"))
    openssl("ca", "-config", lab.below.folder / "openssl.cnf", "-batch", "-notext", "-in", request, "-out", pem,
            "-startdate", moment(-1), "-enddate", moment(9), "-extfile", extras)
    own = lab.own()["fingerprint"]
    must_be((own, False), lab.shown(NAME), "before")
    # The authority's before the server's: the order is ours.
    lab.cert("install", lab.file("bundle.pem", lab.root.pem, lab.below.pem, pem))
    for name in (NAME, "other.example.org", None, "elsewhere.example"):
        must_be((print_of(pem), True), lab.shown(name), name)
    must_be((own, False), lab.shown(lab.inside), "who asks for poppet's own name")
    must_be(None, lab.row(f"{NAME} *.example.org 192.0.2.7"), "the request afterwards")
    # The same key signed anew needs no key.
    openssl("ca", "-config", lab.below.folder / "openssl.cnf", "-batch", "-notext", "-in", request, "-out", pem,
            "-startdate", moment(-1), "-enddate", moment(30), "-extfile", extras)
    lab.cert("install", lab.file("bundle.pem", pem, lab.below.pem))
    must_be((print_of(pem), True), lab.shown(NAME), "renewed")
    must_be(1, sum(row["kind"] == "installed" for row in json.loads(lab.house.poppet("cert", "list", "--json"))), "rows")
    lab.clear()
    must_be((own, False), lab.shown(NAME), "removed")


@test
def keys_of_every_kind_and_files_of_every_kind_are_taken(lab):
    for kind in (P256, ("ec", "ec_paramgen_curve:P-384"), RSA, ("rsa", "rsa_keygen_bits:4096")):
        chain, key = lab.sign(f"DNS:{NAME}", kind=kind)
        old = lab.file("old.key", openssl("pkey", "-in", key, "-traditional"))
        der, der_key = lab.file("der"), lab.file("der.key")
        openssl("x509", "-in", chain, "-outform", "DER", "-out", der)
        openssl("pkey", "-in", key, "-outform", "DER", "-out", der_key)
        for words in ((chain, key), (chain, old), (lab.file("both.pem", key, chain),), (lab.file("both.pem", chain, old),), (der, der_key)):
            lab.cert("install", *words, "--as", "one")
            must_be(print_of(chain), lab.shown(NAME)[0], f"{kind} {words}")
            must_be(print_of(chain), lab.shown(NAME, version="-tls1_2")[0], f"{kind} {words}")
    ed = lab.below.folder / "ed.key"
    openssl("genpkey", "-algorithm", "ed25519", "-out", ed)
    openssl("req", "-x509", "-key", ed, "-subj", "/CN=ed", "-days", "2", "-addext", f"subjectAltName = DNS:{NAME}", "-out",
            lab.below.folder / "ed.pem")
    lab.cert("install", lab.below.folder / "ed.pem", ed, "--as", "one")
    must_be(print_of(lab.below.folder / "ed.pem"), lab.shown(NAME)[0], "Ed25519")


@test
def what_does_not_fit_is_refused_and_the_old_stays(lab):
    """S-250, S-257, S-258: each in one line, against the running server."""
    chain, key = lab.sign(f"DNS:{NAME}")
    lab.cert("install", chain, key, "--as", "one")
    other, other_key = lab.sign(f"DNS:{NAME}")
    v1, p521 = lab.below.folder / "v1.pem", lab.below.folder / "p521.key"
    openssl("x509", "-req", "-in", lab.below.folder / "request", "-CA", lab.below.pem, "-CAkey", lab.below.folder / "ca.key",
            "-out", v1, "-days", "1")
    openssl("genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-521", "-out", p521)
    secret, old_secret = lab.below.folder / "secret.key", lab.below.folder / "old-secret.key"
    openssl("pkey", "-in", key, "-aes256", "-passout", "pass:x", "-out", secret)
    openssl("ec", "-in", key, "-aes256", "-passout", "pass:x", "-out", old_secret)
    bundle, p7 = lab.below.folder / "pair.p12", lab.below.folder / "chain.p7b"
    openssl("pkcs12", "-export", "-in", chain, "-inkey", key, "-passout", "pass:x", "-out", bundle)
    openssl("crl2pkcs7", "-nocrl", "-certfile", chain, "-out", p7)
    vain, vain_key = lab.below.folder / "vain.pem", lab.below.folder / "vain.key"
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha1", "-subj", "/CN=vain", "-days", "90", "-addext",
            f"subjectAltName = DNS:{NAME}", "-out", vain, "-keyout", vain_key)
    stranger = Authority(lab.house.folder / "stranger", "below")
    alone, alone_key = lab.below.sign("server", server(f"DNS:{NAME}"))
    for wanted, words in {
        "does not fit": (chain, other_key), "the key does not fit": (other, key), "no key here fits": (other,),
        "no private key": (chain, chain), "has no CERTIFICATE": (key, key), "broken": (lab.file("cut.pem", chain.read_text()[:700]), key),
        "has no CERTIFICATE: it": (lab.file("empty"), key), "key can't be used": (chain, p521), "is encrypted": (chain, secret),
        "openssl pkey -in": (chain, old_secret), "openssl pkcs12": (bundle, key), "openssl pkcs7": (p7, key),
        "is the request": (lab.below.folder / "request", key),
        "ended on": lab.sign(f"DNS:{NAME}", begins=-3, ends=-1), "begins only on": lab.sign(f"DNS:{NAME}", begins=1, ends=3),
        "another purpose": lab.sign(f"DNS:{NAME}", purpose="clientAuth"), "names no host": lab.sign(),
        "SHA-1": lab.sign(f"DNS:{NAME}", kind=RSA, digest="sha1"), "signed with SHA-1": (vain, vain_key),
        "old version": (v1, other_key),
        "was not signed by that": (lab.file("strange.pem", alone, stranger.pem), alone_key),
        "do not vouch": (lab.file("astray.pem", alone, lab.root.pem), alone_key),
        "over 10 certificates": (lab.file("many.pem", alone, *(lab.root.sign(f"x{n}", server())[0] for n in range(10))), alone_key),
        "can't be a label": (other, other_key, "--as", "poppet"),
    }.items():
        lab.refused(wanted, "install", *words)
        must_be((print_of(chain), True), lab.shown(NAME), f"after {wanted}")
    small, small_key = lab.sign(f"DNS:{NAME}", kind=("rsa", "rsa_keygen_bits:1024"))
    lab.refused("2048", "install", small, small_key)
    lab.refused("can't read", "install", "/nonexistent", code=3)
    must_be(("one", ["everybody else"]), (lab.row("one")["name"], lab.row("one")["bound"]), "the row")


@test
def what_is_doubtful_is_told(lab):
    pem, key = lab.below.sign("server", server(f"DNS:{NAME}"))
    told = json.loads(lab.house.poppet("cert", "install", str(pem), str(key), "--json"))
    must_be(NAME, told["name"], "the label is the name")
    if not any("poppet cert bind poppet" in note for note in told["notes"]):
        raise Failed(f"nothing of those who come by an address: {told}")
    if not any("no certificate of below" in note for note in told["notes"]):
        raise Failed(f"nothing of the missing chain: {told}")
    key.chmod(0o644)
    lab.house.poppet("set", "hostname", "mail.home.lan")
    told = json.loads(lab.house.poppet("cert", "install", str(lab.file("x", pem, lab.below.pem, lab.root.sign("x", server())[0])), str(key), "--json"))
    for wanted in ("hostname, mail.home.lan", "1 of the file's certificates", "chmod 600"):
        if not any(wanted in note for note in told["notes"]):
            raise Failed(f"nothing of {wanted!r}: {told}")
    lab.house.poppet("set", "hostname", "--default")
    for names, wanted in (((NAME, OTHER), 0), ((NAME,), 1)):
        told = json.loads(lab.cert("install", *lab.sign(*(f"DNS:{name}" for name in names)), "--as", NAME, "--json"))
        must_be(wanted, sum(f"was also for {OTHER}: " in note for note in told["notes"]), f"notes of a name that goes: {told}")


# ---------------------------------------------------------------- bind

@test
def each_name_and_address_has_its_own_at_every_door(lab):
    """S-252, by SNI and by the address that was come by."""
    one, two, three = (lab.sign(f"DNS:{name}") for name in (NAME, OTHER, "third.example"))
    for label, (chain, key) in {"one": one, "two": two, "three": three}.items():
        lab.cert("install", chain, key, "--as", label)
    lab.cert("bind", "three", "127.0.0.2", "*.bound.example")
    lab.cert("bind", "poppet", "127.0.0.3", "OWN.example.")
    prints = {label: print_of(chain) for label, (chain, _) in {"one": one, "two": two, "three": three}.items()}
    prints["poppet"] = lab.own()["fingerprint"]
    must_be(["127.0.0.3", "own.example"], lab.own()["bound"], "poppet's own")
    for name, host, wanted in (
        (NAME, "127.0.0.1", "one"), (None, "127.0.0.1", "one"), ("unknown.example", "127.0.0.1", "one"),
        (OTHER, "127.0.0.1", "two"), (OTHER.upper(), "127.0.0.1", "two"), ("third.example", "127.0.0.1", "three"),
        ("a.bound.example", "127.0.0.1", "three"), ("a.b.bound.example", "127.0.0.1", "one"), (None, "127.0.0.2", "three"),
        (OTHER, "127.0.0.2", "three"), ("own.example", "127.0.0.2", "poppet"), (None, "127.0.0.3", "poppet"),
        ("192.0.2.1", "127.0.0.1", "one"), ("x" * 63 + ".example", "127.0.0.1", "one"),
    ):
        must_be(prints[wanted], lab.shown(name, host=host)[0], f"{name} at {host}")
    for port, starttls in (("submissions", None), ("pop3", "pop3"), ("submission", "smtp"), ("smtp", "smtp")):
        for name, wanted in ((None, "one"), (OTHER, "two"), ("own.example", "poppet")):
            must_be(prints[wanted], lab.shown(name, port, starttls)[0], f"{name} at {port}")
    lab.refused("no certificate \"four\"", "bind", "four", code=3)
    lab.refused("is no place", "bind", "one", "a..b")
    lab.cert("bind", "poppet")
    must_be(prints["poppet"], lab.shown("unknown.example")[0], "poppet's own for everybody again")
    must_be(prints["one"], lab.shown(NAME)[0], "who asks for a name still gets it")
    lab.cert("del", "three")
    must_be(prints["poppet"], lab.shown(None, host="127.0.0.2")[0], "what was bound is no more")
    lab.refused("stays", "del", "poppet")
    lab.refused("no certificate", "del", "three", code=3)
    lab.house.stop()
    lab.house.start()
    must_be(prints["two"], lab.shown(OTHER)[0], "after a restart")


@test
def logons_are_bound_to_the_connection_over_every_certificate(lab):
    """SCRAM-SHA-256-PLUS; a binding that is another connection's is refused still."""
    # Its client asks for localhost.
    client = SimpleNamespace(house=SimpleNamespace(ports=lab.house.ports, authority=lab.root.pem))
    for kind in (P256, RSA):
        chain, key = lab.sign("DNS:localhost", kind=kind)
        lab.cert("install", chain, key, "--as", "one")
        if not (told := log_on_bound(client)).startswith(b"+OK"):
            raise Failed(f"{kind}: {told}")
        if not (told := log_on_bound(client, lambda exporter: exporter[::-1])).startswith(b"-ERR"):
            raise Failed(f"{kind}: {told}")


@test
def certificates_are_swapped_under_sessions(lab):
    """S-257: 500 sessions stand, certificates come and go, every session goes on and every new one is shown a whole one."""
    lab.house.poppet("set", "connections_per_address", "1000")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = lab.house.ports["submissions"]
    standing = [smtplib.SMTP_SSL("127.0.0.1", port, timeout=60, context=context) for _ in range(SESSIONS)]
    pairs = [lab.sign(f"DNS:{NAME}") for _ in range(2)]
    known = {print_of(chain) for chain, _ in pairs} | {lab.own()["fingerprint"]}
    strange, is_over = [], threading.Event()

    def come_and_go():
        while not is_over.is_set():
            with socket.create_connection(("127.0.0.1", lab.house.ports["pop3s"]), 30) as link:
                with context.wrap_socket(link, server_hostname=NAME) as secure:
                    found = hashlib.sha256(secure.getpeercert(True)).hexdigest()
                    if found not in known or not secure.recv(3).startswith(b"+OK"):
                        strange.append(found)

    comers = [threading.Thread(target=come_and_go, daemon=True) for _ in range(4)]
    for comer in comers:
        comer.start()
    for number in range(SWAPS):
        chain, key = pairs[number % 2]
        lab.cert("install", chain, key, "--as", "one")
        must_be(print_of(chain), lab.shown(NAME)[0], "at once")
        lab.refused("does not fit", "install", chain, pairs[(number + 1) % 2][1], "--as", "one")
    lab.cert("del", "one")
    is_over.set()
    for comer in comers:
        comer.join()
    if strange:
        raise Failed(f"{len(strange)} were shown something else: {strange[:3]}")
    for session in standing:
        if session.noop()[0] != 250:
            raise Failed("a session is broken")
        session.close()
    return f"{SESSIONS} sessions, {SWAPS} swaps"


@test
def a_renewal_without_a_name_is_told_with_a_remedy_for_this_database(lab):
    """The list told to say a command that was about another database than the one that --db had named."""
    followed = lab.house.folder / "followed"
    followed.mkdir()

    def renew(*names):
        chain, key = lab.sign(*(f"DNS:{name}" for name in names))
        shutil.copy(key, followed / "key.pem")
        shutil.copy(chain, followed / "chain.pem")
        return print_of(chain)

    first = renew(NAME, OTHER)
    lab.cert("watch", followed / "chain.pem", followed / "key.pem", "--as", "one")
    must_be(first, lab.shown(OTHER)[0], "followed")
    second = renew(NAME)
    lab.house.server.send_signal(signal.SIGHUP)
    until(lambda: (lab.row("one") or {}).get("trouble"), "nothing is said of the renewal")
    # It is stored and told of before handshakes go by it.
    until(lambda: lab.shown(NAME)[0] == second, "the renewed one is not shown")
    told = lab.row("one")["trouble"]
    if not told.startswith(f"renewed without {OTHER}, ") or f'"poppet cert watch CHAIN KEY --db {lab.house.database}"' not in told:
        raise Failed(told)
    return told


def main():
    binary, *wanted = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="poppet-servercerts-") as folder:
        doors = ("pop3", "pop3s", "smtp", "submission", "submissions")
        house = House(binary, folder, addresses={door: "0.0.0.0:0" for door in doors})
        try:
            house.set_up()
            house.add(USER)
            house.start()
            with smtplib.SMTP("127.0.0.1", house.ports["smtp"], timeout=60) as smtp:
                smtp.sendmail("sender@client.test", [ADDRESS], mail("the one", b"some text\r\n"))
            lab = Lab(house)
            for name, run_test in TESTS:
                if not wanted or any(word in name for word in wanted):
                    failed += not passes(name, run_test, lab)
                    lab.clear()
            house.stop()
        except (Failed, OSError, subprocess.SubprocessError) as why:
            failed += 1
            print(f"FAILED the server: {why}")
        finally:
            house.kill()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
