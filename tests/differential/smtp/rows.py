"""When a difference belongs to a row of DIFFERENCES.md."""

import re
from dataclasses import dataclass
from pathlib import Path

from link import Reply


@dataclass(frozen=True)
class Difference:
    """Two replies to the same octets that are not the same, or two maildrops."""

    kind: str                       # command, message, chunk, rest, stored
    line: bytes
    ours: object
    theirs: object
    previous: bytes                 # what was sent before, and what each said to it
    before_ours: str = ""
    before_theirs: str = ""

    @property
    def verb(self):
        return self.line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")

    def codes(self, ours, theirs):
        pairs = ((ours, self.ours), (theirs, self.theirs))
        return all(isinstance(reply, Reply) and re.fullmatch(code, reply.code) for code, reply in pairs)

    def __str__(self):
        line = self.line if len(self.line) < 200 else self.line[:200] + b"..."
        is_cut = self.kind == "rest" or "closed" in (getattr(self.ours, "code", ""), getattr(self.theirs, "code", ""))
        told = f"\n      before:  {self.previous[:80]!r} {self.before_ours!r} {self.before_theirs!r}" if is_cut else ""
        return f"{self.kind}: {line!r}{told}\n      ours:    {shown(self.ours)}\n      Postfix: {shown(self.theirs)}"


def shown(it):
    text = " | ".join(map(str, it)) if isinstance(it, (list, tuple)) else str(it)
    return text if len(text) < 500 else text[:500] + "..."


ROWS = {}
COMMON = set()


def row(function):
    ROWS[function.__name__.replace("_", "-")] = function
    return function


def common(function):
    """A row that every run of some thousand sessions must meet."""
    COMMON.add(function.__name__.replace("_", "-"))
    return row(function)


# ---- capabilities and commands

BOTH_OFFER = {"CHUNKING", "PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}
OURS_ALONE, THEIRS_ALONE = {"HELP", "LIMITS"}, {"ETRN", "VRFY", "DSN"}
SYNCHRONIZATION = "554 5.5.0 Error: SMTP protocol synchronization"
RULES = "221 2.7.0 Error: I can break rules, too. Goodbye."


@common
def extensions(it):
    """The values of what both offer must be the same."""
    if it.kind != "command" or it.verb != "EHLO" or not it.codes("250", "250"):
        return False
    ours, theirs = set(it.ours.words), set(it.theirs.words)
    first_words = [{line.split()[0] for line in lines} for lines in (ours - theirs, theirs - ours, ours & theirs)]
    return first_words[0] <= OURS_ALONE and first_words[1] <= THEIRS_ALONE and BOTH_OFFER <= first_words[2]


@common
def help_is_given(it):
    return it.kind == "command" and it.verb == "HELP" and it.codes("214", "500")


@common
def known_and_not_offered(it):
    return it.kind == "command" and it.verb in ("EXPN", "TURN", "SEND", "SOML", "SAML", "ETRN", "BDAT", "AUTH") and it.codes("502", "459|50[0-3]")


@common
def commands_of_postfix_alone(it):
    return it.kind == "command" and it.verb in ("XCLIENT", "XFORWARD") and it.codes("500", "550|503")


@common
def nothing_is_told_of_users(it):
    return it.kind == "command" and it.verb == "VRFY" and it.codes("252", "550|501")


@common
def words_behind_a_command_without_any(it):
    return it.kind == "command" and it.verb in ("QUIT", "STARTTLS") and b" " in it.line.strip() and it.codes("501", "221")


@common
def no_command_at_all(it):
    """Postfix hangs up when a line begins with no letter or looks like a header field."""
    looks_wrong = re.match(rb"[^A-Za-z]|[^ ]+:|GET |POST |CONNECT ", it.line, re.I)
    return it.kind == "command" and bool(looks_wrong) and it.codes("50[0-3]", "221") and it.theirs.text == RULES


@common
def other_protocols(it):
    """Ours hangs up when a line is of another protocol."""
    told = "500 5.5.1 This is a mail server"
    is_one = bool(re.match(rb"[^ -~\t]|SSH-|PRI |PUT |HEAD |OPTIONS ", it.line))
    return (is_one and it.codes("500", "500") and it.ours.text == told
            or it.before_ours == told and (it.codes("closed", "...") or rest(it, "", ".*")))


@common
def blanks_that_are_none(it):
    """A verb ends with a blank, and nothing stands before it."""
    return it.kind == "command" and bool(re.match(rb"[ \t]|[A-Za-z]+[\t\x0b]", it.line)) and it.ours.code == "500" and it.theirs.code == "250"


@common
def odd_octets(it):
    """Control octets, and what is no UTF-8."""
    return it.kind == "command" and bool(re.search(rb"[\0-\x1f\x7f-\xff]", it.line)) and it.codes("501|553", "2..|5..")


@common
def pipelining_before_ehlo(it):
    return it.kind in ("command", "chunk") and it.theirs.text == SYNCHRONIZATION and it.before_theirs != SYNCHRONIZATION


@common
def patience(it):
    """One has had enough of a session's mistakes before the other."""
    enough = "421 4.7.0 Too many errors, connect again"
    return it.kind == "command" and it.ours.text == enough and it.codes("421", "[245]..") or rest(it, "(... )*421", ".*")


@common
def names_of_hosts(it):
    name = it.line[5:].strip()
    is_name = len(name) < 64 and re.fullmatch(rb"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*", name)
    return it.kind == "command" and it.verb in ("EHLO", "HELO") and it.codes("501", "250") and not is_name


@common
def long_lines(it):
    return it.kind == "command" and len(it.line) > 2046 and it.ours.text == "500 5.5.2 Line too long" and it.theirs.code[0] in "25"


@common
def tls_begins_anew(it):
    return it.kind == "command" and it.verb == "STARTTLS" and it.codes("503", "220|501|554") and it.ours.text == "503 5.5.1 Send EHLO first"


# ---- octets that are no lines, and what comes to them until the connection ends

def rest(it, ours, theirs):
    """Whether both said just that; codes with a blank between."""
    if it.kind != "rest":
        return False
    told = [" ".join(reply.code for reply in replies) for replies in (it.ours, it.theirs)]
    return bool(re.fullmatch(ours, told[0]) and re.fullmatch(theirs, told[1]))


@row
def groups_end_with_noop(it):
    return rest(it, "(250 |252 )+221|221", "554") and bool(re.match(rb"(NOOP|VRFY|QUIT)[^\r]*\r\n", it.line))


@common
def octets_behind_starttls(it):
    return rest(it, "554", "220|554 .*") and it.line.startswith(b"STARTTLS\r\n")


@row
def octets_behind_auth(it):
    return rest(it, "554", "503 500 221") and it.line.startswith(b"AUTH PLAIN\r\n")


@row
def replies_lost_on_the_way(it):
    """Who closes without reading all that comes loses his last reply with the connection."""
    is_much = len(it.line) > 60_000
    return (rest(it, "554|500", "") or is_much and rest(it, "", "554")) and (it.line.startswith(b"DATA\r\n") or is_much)


@common
def bare_lf_in_commands(it):
    return rest(it, "500", "550") and b"\n" in it.line.replace(b"\r\n", b"")


@common
def bare_cr_in_commands(it):
    return rest(it, "501( 221)?", "250|250 221|554|55. 221|555|50. 221") and bool(re.search(rb"\r(?!\n)", it.line))


@row
def nul_in_commands(it):
    return rest(it, "50[01]", "250|500") and b"\0" in it.line


@row
def random_octets(it):
    return rest(it, "50[01]", "5..|") and bool(re.search(rb"[\x80-\xff]", it.line))


# ---- chunks

@common
def chunks_refused(it):
    return it.kind == "chunk" and it.codes("503|554", "551|554")


@common
def empty_chunks(it):
    return it.kind == "chunk" and it.codes("250", "551") and bool(re.match(rb"BDAT 0\r\n", it.line, re.I))


@common
def chunks_without_a_size(it):
    return rest(it, "50[13]|55[24]", "521|554") and it.line.startswith(b"BDAT")


@row
def chunks_beyond_all_measure(it):
    return rest(it, "503|55[24]", "") and bool(re.match(rb"BDAT [0-9]{8,}", it.line))


@common
def bare_line_ends_in_chunks(it):
    return it.kind == "chunk" and it.codes("550", "250") and bool(re.search(rb"\r(?!\n)|(?<!\r)\n|\0", it.line))


# ---- addresses and parameters

def is_path(it):
    return it.kind == "command" and bool(re.match(rb"MAIL|RCPT", it.line, re.I))


@common
def two_mistakes(it):
    """Both refuse it for good, each for its own reason."""
    return it.kind == "command" and it.verb in ("MAIL", "RCPT", "STARTTLS") and it.codes("5..", "5..") and it.theirs.text != SYNCHRONIZATION


@common
def more_blanks(it):
    return is_path(it) and it.codes("501", "250") and bool(re.match(rb"(MAIL|RCPT)( +(FROM|TO):  +| {2,}(FROM|TO):)", it.line, re.I))


PATH = re.compile(rb"(?:MAIL +FROM|RCPT +TO): *(.*?)(?: +[A-Za-z0-9-]+(?:=[^ ]*)?)* *", re.I | re.S)


def path_of(it):
    found = PATH.fullmatch(it.line) if is_path(it) else None
    return found[1] if found else b""


@common
def paths_that_are_none(it):
    """Postfix mends what is no path: dots, blanks, a second @, angle brackets in angle brackets."""
    return it.codes("501", "250") and bool(re.fullmatch(
        rb"<.*(\.\.|\.@).*>|<.*\.>|<[^\"]*@.*@.*>|<.* .*>|<<.*>>|<\..*>|<.*[:;,].*>", path_of(it)))


@common
def names_without_a_domain(it):
    return it.codes("501", "250") and bool(re.fullmatch(rb'<([^@]*|".*")>', path_of(it)))


@row
def address_literals(it):
    return it.codes("550", "250") and path_of(it).endswith(b"@[127.0.0.1]>")


@row
def source_routes(it):
    return it.codes("501|550", "250") and path_of(it).startswith(b"<@")


@row
def over_long_addresses(it):
    return it.codes("501", "250") and it.ours.text.endswith("too long") and len(path_of(it)) > 64


@row
def empty_quotes(it):
    return it.codes("250|550", "501") and path_of(it).startswith(b'<""@')


@common
def parameters_twice(it):
    words = [word.split(b"=")[0].upper() for word in it.line.split()[1:] if not word.upper().startswith((b"FROM:", b"TO:"))]
    return is_path(it) and it.codes("501|555", "250") and len(words) > len(set(words))


@row
def sizes_with_zeros(it):
    return is_path(it) and it.codes("501", "250") and bool(re.search(rb"SIZE=0+[0-9]", it.line))


@row
def a_size_of_before(it):
    """Postfix remembers the SIZE of a MAIL that it has refused."""
    return is_path(it) and it.codes("250", "552") and b"SIZE" not in it.line.upper()


@common
def reports(it):
    return is_path(it) and it.codes("555", "250") and bool(re.search(rb" (RET|ENVID|NOTIFY|ORCPT)=", it.line, re.I))


@row
def identities_that_are_none(it):
    return is_path(it) and it.codes("501", "250") and bool(re.search(rb"AUTH=($| |a\+2( |$))", it.line))


# ---- messages

@row
def bare_line_ends(it):
    """Postfix takes a bare CR or a NUL, as text: it ends nothing there either."""
    is_bare = re.search(rb"\r(?!\n)|\0", it.line)
    return it.kind == "message" and bool(is_bare) and it.codes("550", "250")


@row
def sessions_after_bare_line_ends(it):
    """Ours ends with the refusal."""
    return it.kind == "command" and it.ours.code == "closed" and it.before_ours.startswith("550 5.6.") and not it.theirs.is_over


@row
def hops(it):
    return it.kind == "message" and it.line.count(b"Received:") in (49, 50) and it.codes("250", "554")


@common
def headers_are_mended(it):
    """By Postfix: an empty line where a field is followed by what is none, a field for an mbox's From line."""
    return is_as_sent(it, it.line) and mended(it.theirs[1]) == mended(it.line)


@row
def trace_is_parted_from_the_message(it):
    """In chunks Postfix doesn't part them."""
    return it.line[:1] in (b" ", b"\t") and is_as_sent(it, b"\r\n" + it.line) and mended(it.theirs[1]) == mended(it.line)


def is_as_sent(it, sent):
    """Whether ours has it octet for octet, but for a last line without an end, and from the same sender."""
    if it.kind != "stored" or not isinstance(it.ours, tuple):
        return False
    return it.ours == (it.theirs[0], sent if sent.endswith(b"\r\n") or not sent else sent + b"\r\n")


def mended(body):
    """Without all that Postfix may put in."""
    body = re.sub(rb"(\r\n)+", b"\r\n", re.sub(rb"(?m)^X-Mailbox-Line: ", b"", body).strip(b"\r\n"))
    return re.sub(rb"(?m)^([!-9;-~]+)[ \t]+:", rb"\1:", body)


def key_of(difference):
    """The row that a difference falls into; none if it is new."""
    return next((key for key, fits in ROWS.items() if fits(difference)), None)


def keys_of_the_table():
    """The rows of the table, and those of them that it calls common."""
    table = (Path(__file__).parent / "DIFFERENCES.md").read_text()
    found = re.findall(r"^\| `([a-z0-9-]+)`( \(common\))? \|", table, re.MULTILINE)
    return {key for key, _ in found}, {key for key, is_common in found if is_common}
