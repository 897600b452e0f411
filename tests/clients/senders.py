#!/usr/bin/env python3
"""Programs that send mail, against the real binary: what they sent lies in the mailbox octet for octet.

  senders.py BINARY [NAME...]     all programs, or those whose name contains a NAME

Each sends a mail with dots, one with 8-bit octets, one with long lines and an empty one, by itself and in its own way.
Those that a machine rarely has are unpacked from Debian's packages. One line a program with what it did, `ok NAME: the
words of our Received field`; the exit code is 1 if one failed.
"""

import email
import email.policy
import os
import poplib
import re
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from corpus import HEADER, completed, corpus
from house import Failed, House, PASSWORD, passes
from packages import Packages

poplib._MAXLINE = 1 << 20           # Its own limit of 2,048 octets is lower than what mail has.
# sSMTP and nullmailer can't have blanks in a password.
USER, WORD, DEVICE = "sender@home.lan", "scanner-2006-plain", "127.0.0.40"
MAILS = ("dot lines", "8-bit", "long lines", "empty body")
TRACE = re.compile(rb"\AReturn-Path: <([^\r\n]*)>\r\nDelivered-To: [^\r\n]+\r\nReceived: [^\r\n]+\r\n[ \t]by [^\r\n]+? with (\w+)"
                   rb"[^\r\n]*(\r\n[ \t][^\r\n]*)*\r\n")
RECEIVED = re.compile(rb"(Received: [^\r\n]+(\r\n[ \t][^\r\n]*)*\r\n)*\Z")
REPORT_SECONDS = 20
CHUNK_OCTETS = (1, 2, 3, 700, 0, 65_537)
TESTS = []


def sends(how, *ways):
    """A program, and for each way the word that our Received field must say. RFC 3848."""
    def add(function):
        name = function.__name__.replace("_", " ")
        for way, word in ways:
            TESTS.append((f"{name}, {way}", lambda lab, way=way, word=word: how(lab, function, way, word)))
        return function
    return add


PLAIN, STARTTLS, TLS, DEVICES = ("AUTH", "ESMTPA"), ("STARTTLS and AUTH", "ESMTPSA"), ("TLS and AUTH", "ESMTPSA"), ("a device", "ESMTP")


class Lab:
    """The server with a user, and a device at an address of its own."""

    def __init__(self, house, cache):
        self.house, self.cache, self.boxes = house, cache, 0
        self.trust = ssl.create_default_context(cafile=house.authority)
        self.folder = house.folder / "programs"
        self.folder.mkdir()
        house.poppet("add", USER, "--password-stdin", stdin=WORD + "\n")
        house.poppet("device", "add", "scanner", DEVICE)
        # A mail program names itself in From.
        named = HEADER.split(b"\r\n")[0], f"From: {USER}".encode()
        self.mails = {name: completed(message).replace(*named) for name, message in corpus(7, 1 << 20).items()}

    def fresh_box(self):
        self.boxes += 1
        self.house.add(f"box{self.boxes}@home.lan")
        return f"box{self.boxes}@home.lan"

    def port(self, way):
        return self.house.ports["submissions" if way == TLS[0] else "smtp" if way == DEVICES[0] else "submission"]

    def file(self, text, name="mail"):
        """Programs read files whose lines end with LF."""
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(0o600)
        return path

    def run(self, package, *command, stdin=b"", env=None, **more):
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(self.folder)}
        if package:
            found = Packages(self.cache, package)
            command, environment = [found.program(command[0]), *command[1:]], {**environment, **found.environment}
        done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, timeout=120,
                              env={**environment, **(env or {})}, check=False, **more)
        if done.returncode:
            raise Failed(f"{Path(command[0]).name} exit {done.returncode}: {(done.stderr + done.stdout)[-500:].decode(errors='replace')}")
        return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")

    def reports(self, address):
        """Reports are written behind the reply to the mail: the first is waited for."""
        end = time.monotonic() + REPORT_SECONDS
        while not (found := self.messages(address)) and time.monotonic() < end:
            time.sleep(0.1)
        return found

    def messages(self, address):
        pop3 = poplib.POP3("127.0.0.1", self.house.ports["pop3"], timeout=60)
        pop3.user(address)
        pop3.pass_(PASSWORD)
        messages = [b"".join(line + b"\r\n" for line in pop3.retr(number)[1]) for number in range(1, pop3.stat()[0] + 1)]
        pop3.quit()
        return messages


def as_they_are(lab, program, way, word):
    """The mails come as they were sent, with nothing between them and our trace but the program's own Received."""
    address = lab.fresh_box()
    for name in MAILS:
        program(lab, way, address, lab.mails[name])
    messages = lab.messages(address)
    if len(messages) != len(MAILS):
        raise Failed(f"{len(messages)} mails are there, {len(MAILS)} were sent")
    for name, message in zip(MAILS, messages):
        trace = must_be_traced(name, message, word)
        expected, rest = lab.mails[name], message[trace.end():]
        own = rest[:max(0, len(rest) - len(expected))]
        if not rest.endswith(expected) or not RECEIVED.match(own):
            raise Failed(f"{name}: {rest[:500]!r} is stored, {expected[:500]!r} was sent")
    return f"{len(MAILS)} mails, with {word}"


def as_it_composes(lab, program, way, word):
    """A program that makes the mail itself: the text is the same, however it is written."""
    texts = [".\n..\n.x\n\n.\n", "Grüße\n", "x" * 5000 + "\n", "\n"]
    address = lab.fresh_box()
    for text in texts:
        program(lab, way, address, text)
    messages = lab.messages(address)
    if len(messages) != len(texts):
        raise Failed(f"{len(messages)} mails are there, {len(texts)} were sent")
    for text, message in zip(texts, messages):
        must_be_traced("a text", message, word)
        body = email.message_from_bytes(message, policy=email.policy.SMTP).get_content().replace("\r\n", "\n")
        if body != text:
            raise Failed(f"{body[:300]!r} is stored, {text[:300]!r} was sent")
    return f"{len(texts)} mails, with {word}"


def must_be_traced(name, message, word):
    trace = TRACE.match(message)
    if not trace or trace[2] != word.encode():
        raise Failed(f"{name}: not our trace with {word}: {message[:500]!r}")
    return trace


# ---------------------------------------------------------------- libraries

@sends(as_they_are, PLAIN, STARTTLS, TLS, DEVICES)
def smtplib_of_Python(lab, way, address, message):
    source = (DEVICE, 0) if way == DEVICES[0] else None
    if way == TLS[0]:
        smtp = smtplib.SMTP_SSL("localhost", lab.port(way), "client.test", timeout=60, context=lab.trust)
    else:
        smtp = smtplib.SMTP("127.0.0.1" if source else "localhost", lab.port(way), "client.test", 60, source)
    with smtp:
        if way == STARTTLS[0]:
            smtp.starttls(context=lab.trust)
        if not source:
            smtp.login(USER, WORD)
        smtp.sendmail(USER, [address], message, ["BODY=8BITMIME"])


PERL = r"""
my ($host, $port, $source, $user, $word, $to, $notify) = @ARGV;
local $/; my $mail = <STDIN>;
my $smtp = Net::SMTP->new($host, Port => $port, Hello => "client.test", Timeout => 60, $source ? (LocalAddr => $source) : ())
    or die "no connection: $@";
if (!$source) { $smtp->auth($user, $word) or die $smtp->message; }
die "DSN is not offered" if $notify && !defined $smtp->supports("DSN");
$smtp->mail($user, Bits => "8", $notify ? (Return => "HDRS", Envelope => "QQ+314159") : ()) or die $smtp->message;
$smtp->recipient($to, $notify ? { Notify => [split /,/, $notify], ORcpt => "rfc822;$to" } : ()) or die $smtp->message;
$smtp->data($mail) or die $smtp->message;
$smtp->quit or die $smtp->message;
"""


@sends(as_they_are, PLAIN, DEVICES)
def Net_SMTP_of_Perl(lab, way, address, message):
    source = DEVICE if way == DEVICES[0] else ""
    lab.run(None, "perl", "-MNet::SMTP", "-e", PERL, "127.0.0.1", lab.port(way), source, USER, WORD, address, stdin=message)


# ---------------------------------------------------------------- programs

@sends(as_they_are, PLAIN, STARTTLS, TLS, DEVICES)
def curl(lab, way, address, message):
    scheme = "smtps" if way == TLS[0] else "smtp"
    security = {PLAIN[0]: [], DEVICES[0]: ["--interface", DEVICE]}.get(way, ["--ssl-reqd", "--cacert", lab.house.authority])
    logon = [] if way == DEVICES[0] else ["--user", f"{USER}:{WORD}"]
    host = "127.0.0.1" if way == DEVICES[0] else "localhost"
    lab.run(None, "curl", "-sS", *security, *logon, "--mail-from", USER, "--mail-rcpt", address, "--upload-file", lab.file(message),
            f"{scheme}://{host}:{lab.port(way)}/client.test")


@sends(as_they_are, PLAIN, STARTTLS, TLS, DEVICES)
def swaks(lab, way, address, message):
    security = {STARTTLS[0]: ["--tls"], TLS[0]: ["--tls-on-connect"], DEVICES[0]: ["--local-interface", DEVICE]}.get(way, [])
    logon = [] if way == DEVICES[0] else ["--auth", "LOGIN", "--auth-user", USER, "--auth-password", WORD]
    # It takes off a last line that is a dot, and puts in words for %WORD%.
    file = lab.file(message.replace(b"%", b"%%").replace(b"\r\n", b"\n") + b".\n")
    lab.run(None, "swaks", "--server", "127.0.0.1", "--port", lab.port(way), *security, *logon, "--helo", "client.test",
            "--from", USER, "--to", address, "--data", f"@{file}")


@sends(as_they_are, PLAIN, STARTTLS, TLS, DEVICES)
def msmtp(lab, way, address, message):
    logon = f"source_ip {DEVICE}\n" if way == DEVICES[0] else f"auth scram-sha-256\nuser {USER}\npassword {WORD}\n"
    tls = {STARTTLS[0]: "tls on\ntls_starttls on\n", TLS[0]: "tls on\ntls_starttls off\n"}.get(way, "tls off\n")
    trust = f"tls_trust_file {lab.house.authority}\n" if "on\n" in tls else ""
    host = "127.0.0.1" if way == DEVICES[0] else "localhost"
    rc = lab.file(f"account lab\nhost {host}\nport {lab.port(way)}\ndomain client.test\nfrom {USER}\n{logon}{tls}{trust}"
                  "set_date_header off\nset_msgid_header off\n", "msmtprc")
    # Where reports are offered, it asks for them by itself.
    asks = ["-N", "failure,delay", "-R", "hdrs"] if "DSN" in lab.run("msmtp", "msmtp", "-C", rc, "-a", "lab", "-S") else []
    lab.run("msmtp", "msmtp", "-C", rc, "-a", "lab", *asks, address, stdin=message.replace(b"\r\n", b"\n"))


@sends(as_they_are, PLAIN, STARTTLS, TLS)
def sSMTP(lab, way, address, message):
    tls = {STARTTLS[0]: "UseTLS=YES\nUseSTARTTLS=YES\n", TLS[0]: "UseTLS=YES\n"}.get(way, "")
    settings = lab.file(f"mailhub=localhost:{lab.port(way)}\nhostname=client.test\nAuthUser={USER}\nAuthPass={WORD}\nAuthMethod=LOGIN\n"
                        f"FromLineOverride=YES\n{tls}", "ssmtp.conf")
    lab.run("ssmtp", "ssmtp", f"-C{settings}", "-f", USER, address, stdin=message.replace(b"\r\n", b"\n"))


@sends(as_they_are, PLAIN, STARTTLS, TLS, (DEVICES[0], "SMTP"))
def nullmailer(lab, way, address, message):
    logon = f"source={DEVICE}\n" if way == DEVICES[0] else f"user={USER}\npass={WORD}\n"
    tls = {STARTTLS[0]: "starttls\n", TLS[0]: "tls\n"}.get(way, "")
    trust = f"x509cafile={lab.house.authority}\n" if tls else ""
    host = "127.0.0.1" if way == DEVICES[0] else "localhost"
    mail = lab.file(f"{USER}\n{address}\n\n".encode() + message.replace(b"\r\n", b"\n"))
    sender = Packages(lab.cache, "nullmailer").root / "usr/lib/nullmailer/smtp"
    lab.run(None, "sh", "-c", f"exec {sender} 3< {mail}", stdin=f"host={host}\nport={lab.port(way)}\n{logon}{tls}{trust}".encode(),
            env={**Packages(lab.cache, "nullmailer").environment, "HELOHOST": "client.test"})


@sends(as_it_composes, PLAIN, STARTTLS, TLS)
def s_nail(lab, way, address, text):
    scheme, tls = ("smtps" if way == TLS[0] else "smtp"), (["-S", "smtp-use-starttls"] if way == STARTTLS[0] else [])
    settings = ("v15-compat", f"mta={scheme}://{USER.replace('@', '%40')}:{WORD}@localhost:{lab.port(way)}", "smtp-config=plain",
                f"tls-ca-file={lab.house.authority}", "tls-ca-no-defaults", "tls-verify=strict", f"from={USER}", "sendcharsets=utf-8",
                "mime-encoding=8bit", "sendwait", "hostname=client.test")
    options = [word for setting in settings for word in ("-S", setting)]
    lab.run("s-nail", "s-nail", "-:/", *options, *tls, "-s", "a text", address, stdin=text.encode())


# ---------------------------------------------------------------- reports

def asks_for_reports(lab, program, way, word):
    """Who asks for it hears that his mail is in the mailbox, and who doesn't hears nothing. RFC 3461 §5.2.3, §6."""
    sender, address = lab.fresh_box(), lab.fresh_box()
    for notify in ("NEVER", "FAILURE", "SUCCESS,FAILURE,DELAY"):
        program(lab, sender, address, notify)
    if len(lab.messages(address)) != 3:
        raise Failed(f"{len(lab.messages(address))} mails are there, 3 were sent")
    reports = lab.reports(sender)
    if len(reports) != 1:
        raise Failed(f"{len(reports)} reports are there, one was asked for")
    report = email.message_from_bytes(reports[0], policy=email.policy.SMTP)
    if report.get_content_type() != "multipart/report" or report.get_param("report-type") != "delivery-status":
        raise Failed(f"this is no report: {reports[0][:600]!r}")
    if not reports[0].startswith(b"Return-Path: <>\r\n"):
        raise Failed(f"a report must come from nobody: {reports[0][:100]!r}")
    status = report.get_payload(1).as_string()
    for field in ("Original-Envelope-Id: QQ+314159", f"Original-Recipient: rfc822;{address}", f"Final-Recipient: rfc822;{address}",
                  "Action: delivered", "Status: 2."):
        if field.replace(" ", "").lower() not in status.replace(" ", "").lower():
            raise Failed(f"{field} is not in the report: {status}")
    return f"3 mails and one report, with {word}"


@sends(asks_for_reports, TLS)
def smtplib_with_NOTIFY(lab, sender, address, notify):
    with smtplib.SMTP_SSL("localhost", lab.port(TLS[0]), "client.test", timeout=60, context=lab.trust) as smtp:
        smtp.login(sender, PASSWORD)
        smtp.sendmail(sender, [address], lab.mails["dot lines"], ["RET=HDRS", "ENVID=QQ+2B314159"],
                      [f"NOTIFY={notify}", f"ORCPT=rfc822;{address}"])


@sends(asks_for_reports, PLAIN)
def Net_SMTP_with_Notify(lab, sender, address, notify):
    lab.run(None, "perl", "-MNet::SMTP", "-e", PERL, "127.0.0.1", lab.port(PLAIN[0]), "", sender, PASSWORD, address, notify,
            stdin=lab.mails["dot lines"])


# ---------------------------------------------------------------- chunks

@sends(as_they_are, ("BDAT to the open port", "ESMTP"), ("STARTTLS and BDAT", "ESMTPS"))
def Exim(lab, way, address, message):
    """Exim sends BDAT wherever it is offered, and says so in its log. RFC 3030."""
    folder = lab.folder / "exim"
    if not folder.exists():
        exims_house(lab, folder)
    (folder / "exim.conf").write_text(EXIM.format(
        folder=folder, port=lab.house.ports["smtp"], authority=lab.house.authority,
        tls="hosts_avoid_tls = *" if way.startswith("BDAT") else "hosts_require_tls = *\n  tls_verify_cert_hostnames ="))
    (folder / "exim-mainlog").unlink(missing_ok=True)
    lab.run(None, folder / "exim4", "-C", folder / "exim.conf", "-odi", "-oi", "-f", "a@client.test", address,
            stdin=message.replace(b"\r\n", b"\n"), env=exims_names(folder))
    log = (folder / "exim-mainlog").read_text()
    if not re.search(r" => .* K .*C=\"250 ", log):
        raise Failed(f"it did not send the mail by BDAT: {log}")


EXIM = """\
primary_hostname = client.test
exim_path = {folder}/exim4
exim_user = Debian-exim
exim_group = Debian-exim
deliver_drop_privilege = true
spool_directory = {folder}/spool
log_file_path = {folder}/exim-%slog
keep_environment = LD_PRELOAD : LD_LIBRARY_PATH : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
trusted_users = root
untrusted_set_sender = *
local_from_check = false
begin routers
all:
  driver = manualroute
  route_list = * 127.0.0.1 byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = {port}
  allow_localhost
  hosts_try_chunking = *
  message_linelength_limit = 1000000
  tls_verify_certificates = {authority}
  {tls}
"""


def exims_house(lab, folder):
    """Exim wants a user of its own, whom a preloaded library makes up; he can't read where the packages may lie."""
    for path in (lab.house.folder, lab.folder):
        path.chmod(0o711)
    (folder / "spool").mkdir(parents=True)
    shutil.copy(Packages(lab.cache, "exim4-daemon-light").program("exim4"), folder / "exim4")
    (folder / "exim4").chmod(0o755)
    for name in ("exim4-daemon-light", "libnss-wrapper"):
        for path in filter(None, Packages(lab.cache, name).environment["LD_LIBRARY_PATH"].split(":")):
            shutil.copytree(path, folder / "lib", dirs_exist_ok=True)
    number = 65_533 if os.getuid() == 0 else os.getuid()
    (folder / "passwd").write_text(Path("/etc/passwd").read_text() + f"Debian-exim:x:{number}:{number}::/:/bin/false\n")
    (folder / "group").write_text(Path("/etc/group").read_text() + f"Debian-exim:x:{number}:\n")
    if os.getuid() == 0:
        for path in (folder, folder / "spool"):
            os.chown(path, number, number)


def exims_names(folder):
    return {"LD_PRELOAD": str(folder / "lib/libnss_wrapper.so"), "LD_LIBRARY_PATH": str(folder / "lib"),
            "NSS_WRAPPER_PASSWD": str(folder / "passwd"), "NSS_WRAPPER_GROUP": str(folder / "group")}


@sends(as_they_are, PLAIN, STARTTLS, TLS, DEVICES)
def BDAT_by_hand(lab, way, address, message):
    """In chunks of odd sizes, which cut line ends in two; nothing is stuffed in them."""
    context, source = lab.trust if way == TLS[0] else None, (DEVICE, 0) if way == DEVICES[0] else None
    host = "127.0.0.1" if source else "localhost"
    smtp = (smtplib.SMTP_SSL(host, lab.port(way), "client.test", timeout=60, context=context) if context
            else smtplib.SMTP(host, lab.port(way), "client.test", 60, source))
    with smtp:
        if way == STARTTLS[0]:
            smtp.starttls(context=lab.trust)
        if not source:
            smtp.login(USER, WORD)
        smtp.ehlo_or_helo_if_needed()
        if not smtp.has_extn("CHUNKING"):
            raise Failed("CHUNKING is not offered")
        for told in (smtp.mail(USER, ["BODY=8BITMIME"]), smtp.rcpt(address)):
            must_say(told, 250)
        at, sizes = 0, 0
        while at < len(message):
            octets = CHUNK_OCTETS[sizes % len(CHUNK_OCTETS)]
            chunk, at, sizes = message[at:at + octets], at + octets, sizes + 1
            smtp.send(b"BDAT %d\r\n" % len(chunk) + chunk)
            must_say(smtp.getreply(), 250)
        smtp.send(b"BDAT 0 LAST\r\n")
        must_say(smtp.getreply(), 250)


def must_say(told, code):
    if told[0] != code:
        raise Failed(f"{told} where {code} was expected")


def main():
    binary, *wanted = sys.argv[1:]
    missing = [tool for tool in ("curl", "swaks", "perl") if not shutil.which(tool)]
    if missing:
        print(f"FAILED: not installed: {' '.join(missing)}")
        return 1
    failed = 0
    with tempfile.TemporaryDirectory(prefix="poppet-senders-") as folder:
        house = House(binary, folder)
        try:
            house.set_up()
            house.start()
            lab = Lab(house, Path(binary).resolve().parent.parent / "packages")
            for name, run in TESTS:
                if not wanted or any(word in name for word in wanted):
                    failed += not passes(name, run, lab)
            house.stop()
        except (Failed, OSError) as why:
            failed += 1
            print(f"FAILED the server: {why}")
        finally:
            house.kill()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
