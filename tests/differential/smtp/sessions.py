"""Random SMTP sessions: mostly sensible, often wrong in one spot, sometimes nonsense.

A session is a list of steps; a step is a kind and its octets:
`line` is a command, sent without its CRLF and answered before the next; `burst` are commands sent at once; `message` is
what follows a 354, its end included, and is left out where none came; `chunk` is a BDAT command and its octets;
`tls` is STARTTLS and the handshake; `raw` are octets without line ends that could be told, after which the session
ends; `half` is a beginning before the connection is cut, and `cut` one of a message.
"""

EHLO = b"EHLO client.test"
SENDERS = [b"<a@client.test>", b"<>", b"<A.B+c@Client.Test>", b"<a@[192.0.2.1]>", b'<"a b"@client.test>', b"<bob@home.lan>"]
ODD_SENDERS = [b"a@client.test", b"< a@client.test >", b"<a@client.test", b"a@client.test>", b"<<a@client.test>>", b"<a@b@c>",
               b"<a>", b"<@>", b"<@b>", b"<a@>", b"<a@.b>", b"<a@b.>", b"<a@b..c>", b"<.a@client.test>", b"<a.@client.test>",
               b"<a..b@client.test>", b"<a b@client.test>", b'<"a@client.test>', b'<""@client.test>', b"<a@-b.test>",
               b"<a@b_c.test>", b"<a@[999.1.1.1]>", b"<a@[IPv6:2001:db8::1]>", b"<a@[IPv6:zz]>", b"<a@[]>", b"<@r.test:a@client.test>",
               b"<@r.test,@s.test:a@client.test>", b"<a!b@client.test>", b"<a%b@client.test>", b"<\xc3\xb6@client.test>",
               b"<\xc3\x28@client.test>", b"<a@\xc3\xb6.test>", b"<a\tb@client.test>", b"<a\x01@client.test>", b"<a@client.test>x",
               b"", b"<", b">", b"<postmaster>", b"<a(comment)@client.test>", b"Name <a@client.test>", b"<a;b@client.test>",
               b"<a,b@client.test>", b"<a:b@client.test>", b"<" + b"a" * 64 + b"@client.test>", b"<" + b"a" * 65 + b"@client.test>",
               b"<a@" + b"b" * 63 + b".test>", b"<a@" + b"b" * 64 + b".test>", b"<a@" + b"b.c" * 100 + b">", b"<" + b"a" * 900 + b"@b.test>"]
NOBODIES = [b"<nobody@home.lan>", b"<x@elsewhere.example>", b"<nobody+tag@home.lan>", b'<"no body"@home.lan>']
PROBES = [b"<relaytest@elsewhere.example>", b"<relaytest%elsewhere.example@[127.0.0.1]>", b"<relaytest%elsewhere.example@home.lan>",
          b'<"relaytest@elsewhere.example">', b'<"relaytest%elsewhere.example">', b"<relaytest@elsewhere.example@[127.0.0.1]>",
          b'<"relaytest@elsewhere.example"@[127.0.0.1]>', b"<relaytest@elsewhere.example@home.lan>",
          b"<@[127.0.0.1]:relaytest@elsewhere.example>", b"<@home.lan:relaytest@elsewhere.example>", b"<elsewhere.example!relaytest>",
          b"<elsewhere.example!relaytest@[127.0.0.1]>", b"<elsewhere.example!relaytest@home.lan>", b"<x@home.lan.elsewhere.example>"]
ORDERLESS = [b"NOOP", b"NOOP x", b"RSET", b"RSET x", b"DATA", b"DATA x", b"QUIT x", b"HELP", b"HELP x", b"STARTTLS x",
             b"MAIL FROM:<a@client.test>", b"RCPT TO:<nobody@home.lan>", b"AUTH", b"AUTH PLAIN", b"AUTH PLAIN AGEAYg==", b"AUTH FOO x"]
OUTSIDE = [b"", b" ", b"FOO", b"FOO BAR", b" NOOP", b"\tNOOP", b"NOOP\t", b"NO OP", b"NOOPX", b"MAILFROM:<a@client.test>", b"EXPN x", b"TURN",
           b"ETRN home.lan", b"SEND FROM:<a@b>", b"SOML FROM:<a@b>", b"SAML FROM:<a@b>", b"XCLIENT ADDR=127.0.0.1", b"XFORWARD NAME=x",
           b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2", b"VERB", b"LHLO x", b".", b"..", b"*", b"250 OK", b"Subject: x", b"BURL imap://x LAST",
           b"QUITE", b"EHLOx", b"HELO\tx", b"noop\x0bx", b"NOOP \x01", b"NOOP \xff", b"\xff\xfe", b"\x16\x03\x01", b"GET / HTTP/1.1",
           b"POST / HTTP/1.0", b"CONNECT x:25", b"PRI * HTTP/2.0", b"SSH-2.0-x"]
PARAMETERS = [b"SIZE=100", b"size=1", b"SIZE=0", b"SIZE=1048576", b"BODY=7BIT", b"BODY=8BITMIME", b"body=8bitmime"]
ODD_PARAMETERS = [b"SIZE=1048577", b"SIZE=99999999", b"SIZE=18446744073709551615", b"SIZE=18446744073709551616", b"SIZE=", b"SIZE", b"SIZE=-1",
                  b"SIZE=+1", b"SIZE=0x10", b"SIZE=00001", b"SIZE=1k", b"SIZE=1 SIZE=2", b"BODY=", b"BODY", b"BODY=BINARYMIME", b"BODY=x",
                  b"BODY=7BIT BODY=7BIT", b"SMTPUTF8", b"smtputf8", b"SMTPUTF8=x", b"SMTPUTF8 SMTPUTF8", b"AUTH=<>", b"AUTH=a@client.test",
                  b"AUTH=a+2Bb", b"AUTH=a+2", b"AUTH=", b"FOO", b"FOO=", b"FOO=1", b"=", b"=1", b"FOO==", b'="', b"SIZE=1=2", b"RET=FULL",
                  b"RET=HDRS ENVID=a", b"RET=x", b"ENVID=a+", b"ENVID=", b"XOORG=x", b"MT-PRIORITY=3", b"HOLDFOR=1", b"\xc3\xb6=1",
                  b"FOO=" + b"x" * 600]
ODD_RCPT_PARAMETERS = [b"NOTIFY=NEVER", b"NOTIFY=SUCCESS,FAILURE,DELAY", b"NOTIFY=NEVER,SUCCESS", b"NOTIFY=", b"NOTIFY=x", b"notify=never",
                       b"ORCPT=rfc822;a@client.test", b"ORCPT=rfc822;a+", b"ORCPT=", b"ORCPT=a", b"ORCPT=rfc822;a+0Ab", b"FOO=1", b"SIZE=1", b"=",
                       b"NOTIFY=NEVER NOTIFY=NEVER", b"RET=FULL"]
NEAR_ENDS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\n", b"\n.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n",
             b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n. \r\n", b"\r\n.\t\r\n", b"\n", b"\r", b"\0", b"\n\n", b"\r\r\n"]
SMUGGLED = b"MAIL FROM:<s@client.test>\r\nRCPT TO:<%s>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"


def session(chance, boxes, has_chunks):
    """A session for those mailboxes."""
    steps = hello(chance)
    for _ in range(chance.choice((0, 1, 1, 2, 2, 3, 4))):
        steps += chance.choices(*zip(*(KINDS + CHUNKED_KINDS * has_chunks)))[0](chance, boxes)
    how = chance.random()
    if how < 0.07:
        return [*steps, ("raw", odd_octets(chance, boxes))]
    if how < 0.14:
        return [*steps, ("half", chance.choice([b"QUIT", b"NOOP", b"MAIL FROM:<a@client.test>", b"QUIT\r", b"X"]))]
    if how < 0.19:
        return [*steps, *opening(chance, boxes), ("line", b"DATA"), ("cut", b"Subject: cut\r\n\r\nx" + chance.choice([b"", b"\r\n", b"\r\n.", b"\r\n.\r"]))]
    if how < 0.24:
        return [*steps, *opening(chance, boxes), ("line", b"DATA"), ("message", spoilt_text(chance, boxes)), ("line", b"NOOP")]
    return [*steps, ("line", cased(chance, b"QUIT"))]


def hello(chance):
    how = chance.random()
    if how < 0.06:
        return []
    return [("line", EHLO if how < 0.8 else chance.choice([b"HELO client.test", b"ehlo Client.Test", b"EHLO [192.0.2.1]", b"HELO x", b"EHLO client.test "]))]


def odd_hello(chance, boxes):
    name = chance.choice([b"", b" ", b"a b", b"-bad-", b"[999.1.1.1]", b"[IPv6:::1]", b"[IPv6:zz]", b"x" * 255, b"x" * 256, b"x" * 1000,
                          b"a_b.test", b"a..b", b".", b"\xc3\xb6.test", b"a\x01b", b"<x>", b"NPIF65E56", b"localhost", b"client.test."])
    return [("line", chance.choice([b"EHLO ", b"HELO ", b"EHLO", b"HELO"]) + name)]


# ---------------------------------------------------------------- mails

def mail(chance, boxes):
    """A mail, line by line, with an odd spot here and there."""
    return [*opening(chance, boxes), ("line", b"DATA" if chance.random() < 0.9 else chance.choice([b"data", b"DATA ", b"DATA x"])),
            ("message", text(chance))]


def opening(chance, boxes):
    steps = [("line", mail_command(chance))]
    steps += [("line", rcpt_command(chance, boxes)) for _ in range(chance.choice((0, 1, 1, 1, 2, 3, 5)))]
    if chance.random() < 0.15:
        steps.insert(chance.randrange(len(steps) + 1), ("line", stray(chance, boxes)))
    return steps


def pipelined_mail(chance, boxes):
    """RFC 2920: the commands of a mail in one segment."""
    lines = [mail_command(chance), *(rcpt_command(chance, boxes) for _ in range(chance.choice((1, 2, 3, 10, 30)))), b"DATA"]
    if chance.random() < 0.1:
        lines.insert(0, b"RSET")
    if chance.random() < 0.08:
        # Something behind what must end a group.
        return [("burst", lines[:-1]), ("raw", b"DATA\r\n" + text(chance) + b"QUIT\r\n")]
    if any(len(line) > 1500 for line in lines):
        return [("line", line) for line in lines] + [("message", text(chance))]
    return [("burst", lines), ("message", text(chance))]


def long_list(chance, boxes):
    """More recipients than a mail may have, each of them known."""
    box = chance.choice(boxes).encode()
    return [("line", b"MAIL FROM:<a@client.test>"), ("burst", [b"RCPT TO:<" + box + b">"] * chance.choice((999, 1000, 1001, 1010))),
            ("line", b"DATA"), ("message", text(chance))]


def odd_chunk(chance, boxes):
    """RFC 3030: sizes that are none, and chunks where none belong."""
    if chance.random() < 0.5:
        return [("raw", b"BDAT" + chance.choice([b"", b" ", b" x", b" -1", b" 0x5", b" 18446744073709551615", b" 18446744073709551616", b" 5 FIRST", b" 5 LAST x",
                                                 b" 99999999999 LAST"]) + b"\r\nhello\r\nQUIT\r\n")]
    octets = chance.choice([b"", b"hello", b"QUIT\r\n", b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"no end", b".\r\n"])
    last = chance.choice([b"", b" LAST"])
    return [*opening(chance, boxes)[:chance.choice((0, 1, 2, 9))], ("chunk", b"BDAT %d%s\r\n" % (len(octets), last) + octets),
            ("line", chance.choice([b"RSET", b"DATA", b"MAIL FROM:<a@client.test>", b"NOOP"])), ("message", text(chance))]


def chunked_mail(chance, boxes):
    """RFC 3030: in chunks."""
    steps, whole = opening(chance, boxes), octets_of(chance)
    at = 0
    while at < len(whole) and chance.random() < 0.7:
        octets = whole[at:at + chance.choice((0, 1, 5, 100, 5000))]
        at += len(octets)
        steps.append(("chunk", b"BDAT %d\r\n" % len(octets) + octets))
        if chance.random() < 0.1:
            steps.append(("line", stray(chance, boxes)))
    last = whole[at:]
    steps.append(("chunk", chance.choice([b"BDAT", b"bdat"]) + b" %d " % len(last) + chance.choice([b"LAST", b"last"]) + b"\r\n" + last))
    return steps


def secured(chance, boxes):
    how = chance.random()
    if how < 0.15:
        return [("raw", b"STARTTLS\r\n" + chance.choice([b"EHLO x\r\n", b"NOOP\r\n", b"X", b"\x16\x03\x01\x00\x05"]))]
    return [("tls", b"STARTTLS"), ("line", chance.choice([EHLO, EHLO, EHLO, b"NOOP", b"MAIL FROM:<a@client.test>", b"STARTTLS", b"DATA"]))]


def mail_command(chance):
    how = chance.random()
    path = chance.choice(SENDERS) if how < 0.88 else chance.choice(ODD_SENDERS)
    word = chance.choice([b"MAIL FROM:"] * 60 + [b"mail from:", b"Mail From:", b"MAIL FROM: ", b"MAIL FROM:  ", b"MAIL  FROM:", b"MAIL FROM :", b"MAIL FROM ", b"MAIL",
                                                b"MAIL TO:", b"MAIL:"])
    if how < 0.6:
        parameters = b""
    else:
        pool = PARAMETERS if how < 0.76 or how > 0.88 else ODD_PARAMETERS + PARAMETERS
        parameters = b"".join(chance.choice([b" "] * 9 + [b"  "]) + chance.choice(pool) for _ in range(chance.choice((1, 1, 2))))
    return word + path + parameters + (b" " if chance.random() < 0.03 else b"")


def rcpt_command(chance, boxes):
    how = chance.random()
    box = chance.choice(boxes).encode()
    local, _, domain = box.partition(b"@")
    if how < 0.65:
        path = b"<" + box + b">"
    elif how < 0.76:
        path = chance.choice([b"<" + box.upper() + b">", b"<" + local + b"@Home.LAN>", b'<"' + local + b'"@home.lan>', b"<postmaster>",
                              b"<Postmaster@home.lan>", b"<POSTMASTER>", b"<abuse@home.lan>", b"<" + local + b"+tag@home.lan>"])
    elif how < 0.88:
        path = chance.choice(NOBODIES)
    elif how < 0.94:
        path = chance.choice(PROBES)
    else:
        path = chance.choice(ODD_SENDERS + [b"<" + local + b">", b"<" + box + b".>", b"<" + local + b"@home.lan..>", b"<" + local + b"@[127.0.0.1]>",
                                            b"<" + local + b"%home.lan@home.lan>", b"<home.lan!" + local + b">", b"<@home.lan:" + box + b">",
                                            b"< " + box + b">", b"<" + box + b" >", b"<" + local + b" @home.lan>", b"<" + local + b"@ home.lan>",
                                            b'<"' + local + b'@home.lan">', b"<" + local + b"\x02@home.lan>"])
    word = chance.choice([b"RCPT TO:"] * 80 + [b"rcpt to:", b"RCPT TO: ", b"RCPT  TO:", b"RCPT TO :", b"RCPT FROM:", b"RCPT"])
    parameters = b"" if chance.random() < 0.95 else b" " + chance.choice(ODD_RCPT_PARAMETERS)
    return word + path + parameters


def relay_probe(chance, boxes):
    return [("line", b"MAIL FROM:" + chance.choice([b"<>", b"<antispam@home.lan>", b"<antispam@[127.0.0.1]>", b"<spamtest>"])),
            ("line", b"RCPT TO:" + chance.choice(PROBES)), ("line", chance.choice([b"RSET", b"DATA"])), ("message", text(chance))]


def disorder(chance, boxes):
    return [("line", stray(chance, boxes)) for _ in range(chance.choice((1, 2, 3)))]


def stray(chance, boxes):
    """A command where it may have no business."""
    how = chance.random()
    if how < 0.4:
        return cased(chance, chance.choice(ORDERLESS))
    if how < 0.5:
        return chance.choice([b"VRFY", b"VRFY x", b"VRFY postmaster", b"VRFY " + chance.choice(boxes).encode(), b"VRFY <x@elsewhere.example>", b"vrfy a b"])
    if how < 0.62:
        return chance.choice([b"NOOP ", b"FOO ", b"HELP ", b"MAIL FROM:<a@client.test> "]) + b"x" * chance.choice((400, 505, 1000, 2030, 2039, 2040, 2041, 2050, 3000, 9000))
    return chance.choice(OUTSIDE)


def cased(chance, word):
    how = chance.random()
    return word if how < 0.7 else word.lower() if how < 0.85 else word.swapcase()


# ---------------------------------------------------------------- texts

def text(chance):
    """A message as it follows 354, good as a rule."""
    how = chance.random()
    if how < 0.03:
        return b".\r\n"
    if how < 0.06:
        return b"no header here\r\n.\r\n"
    if how < 0.08:
        return b"Subject: loop\r\n" + b"Received: from a by b; x\r\n" * chance.choice((49, 50, 51, 52, 100)) + b"\r\nx\r\n.\r\n"
    if how < 0.10:
        return b"Subject: large\r\n\r\n" + (b"x" * 76 + b"\r\n") * 14_000 + b".\r\n"
    stuffed = b"".join(b"." * line.startswith(b".") + line for line in octets_of(chance).splitlines(True))
    return stuffed + b".\r\n"


def octets_of(chance):
    """A message's octets, line ends in order."""
    head = chance.choice([b"Subject: s\r\nFrom: a@client.test\r\n", b"Subject: s\r\n folded\r\nX-Y: z\r\n", b"From a Sat Nov 21\r\nSubject: s\r\n", b"Return-Path: <x@y>\r\nBcc: a\r\n",
                          b"", b"Subject : blank\r\n", b" begins with a blank\r\n", b"To: undisclosed\r\nSubject: \xc3\xb6\r\n", b"no colon\r\nSubject: s\r\n",
                          b"Content-Length: 7\r\nDate: x\r\nMessage-ID: <x>\r\n", b"From: a\r\nTo: b (c\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n"])
    lines = [chance.choice([b"text", b"", b".", b"..", b"...", b".x", b". ", b".\t", b"From me", b">From me", b"\xc3\xb6", b"\xff\x80", b" ", b"\t",
                            b"-" * 70, b"y" * 998, b"y" * 2047, b"y" * 2048, b"y" * 2049, b"z" * 5000, b"--b", b"--b--", b"Subject: body", b"RCPT TO:<x@y>", b"QUIT"])
             for _ in range(chance.choice((0, 1, 2, 5, 12)))]
    return head + chance.choice([b"\r\n", b"\r\n", b"\r\n", b""]) + b"".join(line + b"\r\n" for line in lines)


def spoilt_text(chance, boxes):
    """A message with something in it that looks like its end, or with a line end that is none."""
    near = chance.choice(NEAR_ENDS)
    smuggled = SMUGGLED % chance.choice(boxes).encode() if chance.random() < 0.6 else b"more\r\n"
    return b"Subject: spoilt\r\n" + chance.choice([b"\r\n", b"\r\n", b""]) + chance.choice([b"x", b""]) + near + smuggled + b"\r\n.\r\n"


def odd_octets(chance, boxes):
    """Octets that are no lines."""
    box = chance.choice(boxes).encode()
    return chance.choice([
        lambda: b"NOOP\nNOOP\n", lambda: b"NOOP\n", lambda: b"NOOP\rNOOP\r\n", lambda: b"NOOP\0QUIT\r\n",
        lambda: b"MAIL FROM:<a@client.test>\rRCPT TO:<" + box + b">\r\nQUIT\r\n", lambda: b"MAIL FROM:<a@client.test>\nRCPT TO:<" + box + b">\nDATA\nSubject: x\n\nx\n.\nQUIT\n",
        lambda: b"NOOP\r\r\nQUIT\r\n", lambda: b"x" * 70_000, lambda: b"\0\0\0\0\r\n", lambda: bytes(chance.randrange(256) for _ in range(40)) + b"\r\n",
        lambda: b"EHLO x\r\nMAIL FROM:<a@client.test>\r\nQUIT\r\n", lambda: b"NOOP\r\nNOOP\r\nRSET\r\nQUIT\r\n", lambda: b"QUIT\r\nNOOP\r\n",
        lambda: b"VRFY x\r\nQUIT\r\n", lambda: b"AUTH PLAIN\r\nAGEAYg==\r\nQUIT\r\n", lambda: b"HELO x\r\nQUIT\r\n",
    ])()


KINDS = [(mail, 80), (pipelined_mail, 50), (relay_probe, 20), (disorder, 30), (odd_hello, 10), (secured, 10), (long_list, 2)]
CHUNKED_KINDS = [(chunked_mail, 40), (odd_chunk, 15)]
