"""What both servers have stored for a mailbox: for each mail who sent it, and its octets without our trace fields."""

import poplib
import re

from house import PASSWORD

poplib._MAXLINE = 1 << 22
OURS = re.compile(rb"Return-Path: <([^\r\n]*)>\r\nDelivered-To: [^\r\n]+\r\nReceived: [^\r\n]+(?:\r\n[ \t][^\r\n]*)*\r\n")
THEIRS = re.compile(rb"Received: .*?;\s+\w{3}, [^\r\n]+\r\n", re.DOTALL)


def ours(port, box):
    """Takes all mails out of a mailbox of ours."""
    pop3 = poplib.POP3("127.0.0.1", port, timeout=60)
    # Without it a mail sent with SMTPUTF8 is shown in other words.
    pop3.utf8()
    pop3.user(box)
    pop3.pass_(PASSWORD)
    mails = []
    for number in range(1, pop3.stat()[0] + 1):
        whole = b"".join(line + b"\r\n" for line in pop3.retr(number)[1])
        trace = OURS.match(whole)
        mails.append((unquoted(trace[1]), whole[trace.end():]) if trace else ("no trace fields", whole))
        pop3.dele(number)
    pop3.quit()
    return mails


def theirs(mails, box):
    """The mails of that mailbox among those that Postfix took, each with what was sent."""
    found = []
    for mail, sent in mails:
        # Named in small and in capitals, or with a tag, he stands there twice; the delivery agent finds one mailbox.
        if box in {re.sub(r"\+[^@]*", "", recipient) for recipient in mail.recipients}:
            trace = THEIRS.match(mail.content)
            found.append((sent, mail.sender, mail.content[trace.end():]) if trace else (sent, "no trace fields", mail.content))
    return found


def unquoted(sender):
    """As Postfix keeps it."""
    local, at, domain = sender.decode("latin-1").rpartition("@")
    return re.sub(r"\\(.)|\"", r"\1", local) + at + domain
