"""Random POP3 sessions: mostly sensible, often wrong in one spot, sometimes nonsense.

A sequence is a list of sessions on one maildrop; a session is a list of steps; a step is a kind and its lines:
`line` is sent and answered before the next, `burst` is sent at once, `half` is a line without its end before the
connection is cut. A session whose last step is no QUIT is cut, too.
"""

import base64

from house import PASSWORD

MESSAGES = 18                       # As many as the maildrop has, about: numbers go a bit beyond.
STRANGE_NUMBERS = [b"0", b"-1", b"+1", b"01", b"001", b"1x", b"x", b"0x1", b"1.", b"1,2", b"*", b"1-3", b"4294967295",
                   b"4294967296", b"4294967297", b"18446744073709551615", b"18446744073709551616",
                   b"18446744073709551617", b"99999999999999999999999", b"1 2", b"1 2 3", b"", b" ", b" 1", b"1 ", b"1  ", b"\t1",
                   b"1\t", b"\xc2\xb2", b"1\x7f"]
OUTSIDE = [b"", b" ", b"FOO", b"FOO BAR", b"RETR1", b"LISTS", b"ST AT", b" STAT", b"\tSTAT", b"STAT\t", b"XTND XLST", b"HELP", b"RPOP x",
           b"LAST", b"+OK", b"-ERR", b".", b"..", b"*", b"NOOPNOOP", b"ID x", b"XCLIENT ADDR=1", b"QUITE", b"A1 NOOP"]
ALONE = [b"STAT", b"NOOP", b"RSET", b"LIST", b"UIDL", b"CAPA"]
NUMBERED = [b"LIST", b"UIDL", b"RETR", b"DELE"]


def sequence(chance, user):
    """One to three sessions of that user."""
    sessions = [session(chance, user) for _ in range(chance.choice((1, 2, 2, 3)))]
    if any(b"DELE" in line.upper() for steps in sessions for _, lines in steps for line in lines):
        # What is left shows in the end.
        sessions.append([*plain_logon(user), ("burst", [b"STAT", b"LIST", b"UIDL", b"QUIT"])])
    return sessions


def session(chance, user):
    steps = authorization(chance, user)
    if steps is None:
        return stranger(chance, user)
    steps += transaction(chance)
    if chance.random() < 0.8:
        steps.append(("line", [cased(chance, b"QUIT")]))
    elif chance.random() < 0.5:
        steps.append(("half", [chance.choice([b"QUIT", b"DELE 1", b"RETR", b"Q", b"QUIT\r"])]))
    return steps


# ---------------------------------------------------------------- before logon

def authorization(chance, user):
    """Steps that log on, after some that don't; none for a session that shall not come in."""
    if chance.random() < 0.12:
        return None
    steps = [("line", [early(chance, user)]) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
    return steps + chance.choice([plain_logon, plain_logon, sasl_plain, sasl_plain_in_two, sasl_login])(user)


def plain_logon(user):
    return [("line", [b"USER " + user.encode()]), ("line", [b"PASS " + PASSWORD.encode()])]


def sasl_plain(user):
    return [("line", [b"AUTH PLAIN " + plain(user)])]


def sasl_plain_in_two(user):
    return [("line", [b"auth plain"]), ("line", [plain(user)])]


def sasl_login(user):
    return [("line", [b"AUTH LOGIN"]), ("line", [coded(user)]), ("line", [coded(PASSWORD)])]


def plain(user, password=PASSWORD):
    return coded(f"\0{user}\0{password}")


def coded(text):
    return base64.b64encode(text.encode())


def early(chance, user):
    """A line that brings nobody in."""
    return chance.choice([
        lambda: chance.choice([b"CAPA", b"capa", b"CAPA ", b"CAPA x"]),
        lambda: chance.choice([b"AUTH", b"AUTH ", b"auth", b"AUTH FOO", b"AUTH FOO =", b"AUTH PLAIN x y"]),
        lambda: chance.choice(ALONE) + chance.choice([b"", b" ", b" 1"]),
        lambda: chance.choice([b"RETR", b"DELE", b"TOP", b"LIST"]) + b" 1" + chance.choice([b"", b" 1"]),
        lambda: b"USER " + chance.choice([user.encode(), b"nobody@home.lan", b"x", b"\xc3\xbc"]),
        lambda: chance.choice([b"USER", b"USER ", b"user  ", b"PASS", b"PASS x", b"PASS "]),
        # Another language than English would change the texts by which rows.py knows why something was refused.
        lambda: chance.choice([b"UTF8", b"utf8", b"UTF8 x", b"LANG", b"LANG en", b"LANG xx", b"APOP x y", b"APOP"]),
        lambda: chance.choice(OUTSIDE),
        lambda: b"X" * chance.choice((100, 511, 600, 5000)),
    ])()


def stranger(chance, user):
    """Sessions that end before logon, most of them by a mistake of the peer."""
    wrong = f"wrong {chance.randrange(3)}"
    nobody = f"nobody{chance.randrange(10**9)}@home.lan"
    end = [("line", [b"QUIT"])]
    return chance.choice([
        lambda: end,
        lambda: [("line", [b"USER " + user.encode()])] + end,
        lambda: [("line", [b"USER " + nobody.encode()]), ("line", [b"PASS " + wrong.encode()])] + end,
        lambda: [("line", [b"AUTH PLAIN " + plain(nobody, wrong)])] + end,
        lambda: [("line", [b"AUTH PLAIN"]), ("line", [b"*"])] + plain_logon(user) + end,
        lambda: [("line", [b"AUTH PLAIN"]), ("line", [b"no base64!"])] + plain_logon(user) + end,
        lambda: [("line", [b"AUTH LOGIN"]), ("line", [coded(user)]), ("line", [b"*"])] + plain_logon(user) + end,
        lambda: [("line", [b"AUTH PLAIN " + coded("no nul here")])] + end,
        lambda: [("line", [b"AUTH PLAIN ="])] + end,
        lambda: [("line", [b"USER " + user.encode()]), ("line", [b"NOOP"]), ("line", [b"PASS " + PASSWORD.encode()])] + end,
        lambda: [("line", [b"USER " + user.encode()]), ("line", [b"CAPA"]), ("line", [b"PASS " + PASSWORD.encode()])] + end,
        lambda: [("line", [b"PASS " + PASSWORD.encode()])] + plain_logon(user) + end,
        lambda: [("line", [b"USER " + user.encode() + b"  "]), ("line", [b"PASS " + PASSWORD.encode()])] + end,
        lambda: [("burst", [b"CAPA", b"USER " + user.encode(), b"PASS " + PASSWORD.encode(), b"STAT", b"LIST", b"QUIT"])],
        lambda: [("line", [early(chance, user)]) for _ in range(3)] + end,
        lambda: [("half", [b"USER " + user.encode()])],
    ])()


# ---------------------------------------------------------------- after it

def transaction(chance):
    steps = []
    for _ in range(chance.choice((0, 1, 3, 5, 8, 12))):
        if chance.random() < 0.25:
            lines = [command(chance) for _ in range(chance.randrange(2, 9))]
            # What makes a server hang up stands alone: a connection closed on unread input loses the replies before.
            steps.append(("burst", [line for line in lines if len(line) < 500 and not line.startswith(b"QUIT")] or [b"STAT"]))
        else:
            steps.append(("line", [command(chance)]))
    return steps


def command(chance):
    kind = chance.random()
    if kind < 0.22:
        return cased(chance, chance.choice(ALONE)) + blanks_behind(chance)
    if kind < 0.62:
        return cased(chance, chance.choice(NUMBERED)) + b" " + number(chance) + blanks_behind(chance)
    if kind < 0.74:
        return cased(chance, b"TOP") + b" " + number(chance) + b" " + lines(chance) + blanks_behind(chance)
    if kind < 0.90:
        return strange(chance)
    return chance.choice(OUTSIDE) if kind < 0.98 else b"NOOP " + b"x" * chance.choice((300, 505, 506, 507, 508, 600, 3000))


def number(chance):
    return str(chance.randrange(1, MESSAGES + 3)).encode()


def lines(chance):
    return str(chance.choice((0, 0, 1, 2, 3, 10, 10**6))).encode()


def strange(chance):
    """A command whose arguments no client should send."""
    odd = chance.choice(STRANGE_NUMBERS)
    return chance.choice([
        lambda: chance.choice(NUMBERED) + b" " + odd,
        lambda: chance.choice(NUMBERED),
        lambda: b"TOP " + number(chance) + b" " + odd,
        lambda: b"TOP " + odd + b" 1",
        lambda: chance.choice([b"TOP", b"TOP 1", b"TOP 1 1 1", b"TOP  1  1"]),
        lambda: chance.choice(ALONE[:3] + ALONE[5:]) + b" " + odd,
        lambda: chance.choice([b"USER x", b"PASS x", b"AUTH", b"AUTH PLAIN", b"STLS", b"APOP x y", b"UTF8", b"LANG", b"LANG en", b"LANG xx",
                               b"QUIT x"]),
        lambda: chance.choice(NUMBERED) + b"\t1",
        lambda: chance.choice(NUMBERED) + b"  1",
    ])()


def cased(chance, word):
    how = chance.random()
    return word if how < 0.7 else word.lower() if how < 0.85 else word.title()


def blanks_behind(chance):
    return b"" if chance.random() < 0.9 else b" " * chance.randrange(1, 4)
