"""Messages as they come in real life; each must come back octet for octet."""

import base64
import random

HEADER = (b"From: sender@client.test\r\nTo: alice@home.lan\r\nDate: Sat, 21 Nov 2026 21:15:00 +0000\r\n"
          b"Message-ID: <%s@client.test>\r\nSubject: %s\r\n")


def corpus(seed, attachment_octets=25 * 1024 * 1024):
    """Names and messages. Every one ends with CRLF but "no final newline", which SMTP itself completes."""
    chance = random.Random(seed)
    return {
        "text": mail("text", b"Hello Alice,\r\n\r\nthe printer is out of paper.\r\n"),
        "html": mail("html", b"<html><body><p>Hello</p></body></html>\r\n", b"MIME-Version: 1.0\r\n"
                     b"Content-Type: text/html; charset=utf-8\r\n"),
        "attachment": attachment(chance, attachment_octets),
        "dot lines": mail("dot lines", b".\r\n..\r\n...\r\n.x\r\nx.\r\n\r\n.\r\n"),
        "a lone dot": mail("a lone dot", b".\r\n"),
        "8-bit": mail("8-bit", bytes(range(128, 256)) + b"\r\n" + "Grüße\r\n".encode(), b"MIME-Version: 1.0\r\n"
                      b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"),
        "long lines": mail("long lines", b"\r\n".join(bytes([65 + n]) * 5000 for n in range(4)) + b"\r\n"),
        "no header end": HEADER % (b"no-header-end", b"no header end"),
        "no final newline": mail("no final newline", b"the last line has no end"),
        "empty body": mail("empty body", b""),
        "binary-like": mail("binary-like", binary(chance)),
        "blank lines": mail("blank lines", b"\r\n" * 20 + b"text\r\n" + b"\r\n" * 20),
        "from line": mail("from line", b"From somebody Sat Nov 21 21:15:00 2026\r\n>From quoted\r\n"),
    }


def mail(name, body, fields=b""):
    word = name.replace(" ", "-").encode()
    return HEADER % (word, name.encode()) + fields + b"\r\n" + body


def attachment(chance, octets):
    head = mail("attachment", b"", b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Transfer-Encoding: base64\r\n")
    raw = chance.randbytes(octets * 54 // 74 // 54 * 54)
    lines = base64.b64encode(raw)
    return head + b"".join(lines[at:at + 72] + b"\r\n" for at in range(0, len(lines), 72))


def binary(chance):
    """Every octet but NUL, CR and LF, in lines of all lengths."""
    octets = [octet for octet in range(256) if octet not in (0, 10, 13)]
    lines = [bytes(chance.choices(octets, k=length)) for length in range(0, 300)]
    return b"\r\n".join(lines) + b"\r\n"


def completed(message):
    """What SMTP makes of a message whose last line has no end."""
    return message if message.endswith(b"\r\n") else message + b"\r\n"
