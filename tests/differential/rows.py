"""When a difference belongs to a row of DIFFERENCES.md."""

import re
from dataclasses import dataclass
from pathlib import Path

from link import Reply


@dataclass(frozen=True)
class Difference:
    """Two replies to the same line that are not the same."""

    phase: str                      # authorization, exchange or transaction
    line: bytes
    ours: Reply
    theirs: Reply
    previous: bytes                 # the line before, and what Dovecot said to it
    before: str

    @property
    def words(self):
        return [word for word in self.line.split(b" ")[1:] if word]

    @property
    def verb(self):
        return self.line.split(b" ")[0].upper().decode("latin-1")

    def both(self, ours, theirs):
        return (self.ours.status, self.theirs.status) == (ours, theirs)

    def __str__(self):
        line = self.line if len(self.line) < 80 else self.line[:80] + b"..."
        return f"{self.phase}: {line!r}\n      ours:    {self.ours}\n      Dovecot: {self.theirs}"


ROWS = {}


def row(function):
    ROWS[function.__name__.replace("_", "-")] = function
    return function


# Dovecot's list has all of these, and so has ours; what else stands there is each server's own.
COMMON = {"TOP", "UIDL", "RESP-CODES", "PIPELINING", "AUTH-RESP-CODE"}
OURS_ALONE = {"EXPIRE", "IMPLEMENTATION", "STLS", "LANG", "UTF8", "LOGIN-DELAY", "USER", "SASL"}
NUMBERED = {"LIST", "UIDL", "RETR", "DELE", "TOP"}


@row
def capabilities(it):
    ours, theirs = set(it.ours.content), set(it.theirs.content)
    first_words = {line.split()[0] for line in ours ^ theirs}
    return (it.verb == "CAPA" and it.both("+OK", "+OK") and COMMON <= ours & theirs
            and {line.split()[0] for line in theirs} - {line.split()[0] for line in ours} <= {"CAPA"}
            and first_words <= OURS_ALONE | {"CAPA"} and mechanisms_of(theirs) <= mechanisms_of(ours))


def mechanisms_of(capabilities):
    return {word for line in capabilities if line.startswith("SASL ") for word in line.split()[1:]}


@row
def mechanisms(it):
    return it.verb == "AUTH" and not it.words and it.both("+OK", "+OK") and set(it.theirs.content) < set(it.ours.content)


@row
def blanks_at_the_end(it):
    return it.line.endswith(b" ") and it.ours.status == "+OK" and it.theirs.text.startswith("-ERR Noise after ")


@row
def words_behind_a_command_without_any(it):
    return it.verb in ("STAT", "NOOP", "RSET", "CAPA", "QUIT") and bool(it.words) and it.both("-ERR", "+OK")


@row
def zeros_in_front(it):
    return it.verb in NUMBERED and any(re.fullmatch(rb"0+[0-9]+", word) for word in it.words) and it.both("-ERR", "+OK")


@row
def lines_beyond_32_bits(it):
    return (it.verb == "TOP" and len(it.words) == 2 and it.words[1].isdigit() and int(it.words[1]) >= 1 << 32
            and it.both("-ERR", "+OK"))


@row
def long_lines(it):
    """Dovecot ends the session after a line that is too long for it, ours refuses the line."""
    told = ("-ERR Input line too long.", "-ERR Input buffer full, aborting")
    return len(it.line) > 510 and it.ours.text == "-ERR the line is too long" or it.theirs.status == "closed" and it.before in told


@row
def patience(it):
    """One has had enough of a session's mistakes before the other."""
    enough = "-ERR Too many invalid bad commands."
    return (it.theirs.text == enough or it.theirs.status == "closed" and it.before == enough
            or it.ours.text.endswith("too many mistakes, closing"))


@row
def a_mistake_is_no_wrong_password(it):
    return (it.phase != "transaction" and it.both("-ERR", "-ERR") and not it.ours.code and it.theirs.code == "AUTH"
            and "password is wrong" not in it.ours.text)


@row
def a_user_without_a_name(it):
    return it.verb == "USER" and not it.words and it.both("-ERR", "+OK")


@row
def blanks_behind_a_user_name(it):
    return it.previous.upper().startswith(b"USER ") and it.previous.endswith(b" ") and it.both("+OK", "-ERR")


@row
def commands_of_poppet_alone(it):
    return it.verb in ("UTF8", "LANG") and it.ours.status == "+OK" and it.theirs.text.startswith("-ERR Unknown command")


@row
def commands_of_dovecot_alone(it):
    return it.verb == "XCLIENT" and it.both("-ERR", "+OK")


def key_of(difference):
    """The row that a difference falls into; none if it is new."""
    return next((key for key, fits in ROWS.items() if fits(difference)), None)


def keys_of_the_table():
    table = (Path(__file__).parent / "DIFFERENCES.md").read_text()
    return set(re.findall(r"^\| `([a-z0-9-]+)` ", table, re.MULTILINE))
