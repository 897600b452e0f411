"""Inputs to begin with: those of `seeds/TARGET.txt`, and for sessions what the clients of the dialogs say."""

import base64
import hashlib
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
# The octets of choices before what a peer says; a semicolon lets most things go well.
CHOICES = 16
PAUSE = b"\x1e"
DIALOGS = {"pop3_session": ("pop3", ("xCA", "xoA")), "smtp_session": ("smtp", ("x@B", "xCC", "xoA"))}
NAMES = {
    "user": "alice@home.lan", "other": "bob@home.lan", "name": "alice", "domain": "home.lan",
    "host": "home.lan", "pass": "secret",
}


def write(target, corpus):
    """Puts a target's seeds into a folder, and gives the folder."""
    corpus.mkdir(parents=True, exist_ok=True)
    octets = []
    path = HERE / "seeds" / f"{target}.txt"
    for line in path.read_text().splitlines() if path.exists() else []:
        if line and not line.startswith("#"):
            choices, said = line.split("|", 1)
            octets.append(plain(choices).ljust(CHOICES, b";") + plain(said) if choices else plain(said))
    if target in DIALOGS:
        folder, shapes = DIALOGS[target]
        for dialog in sorted((HERE.parent / "dialogs" / folder).glob("*.txt")):
            said = flights(dialog.read_text())
            octets += [shape.encode().ljust(CHOICES, b";") + said for shape in shapes if len(said) < 2000]
    for seed in octets:
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    return corpus


def flights(dialog):
    """What the client of a dialog says; it waits for each reply."""
    said, is_waiting = b"", False
    for line in dialog.splitlines():
        word, _, text = line.partition(" ")
        if word == "LOGIN":
            said += PAUSE + plain("USER {user}\\r\\n") + PAUSE + plain("PASS {pass}\\r\\n")
            is_waiting = True
        elif re.fullmatch(r"C\d?[:-]", word):
            said += PAUSE if is_waiting else b""
            said += plain(text) + (b"\r\n" if word.endswith(":") else b"")
            is_waiting = False
        elif word[:1] in ("S", "T"):
            is_waiting = True
    return said


def plain(text):
    """A text's octets: its escapes, names, base64 and repetitions undone."""
    octets = b""
    escape = r"\\x[0-9A-Fa-f]{2}|\\.|\{b64:(?:[^{}]|\{\w+\})*\}|\{[^{}]*\}|[^\\{]+|."
    for part in re.findall(escape, text, re.S):
        octets += undone(part)
    return octets


def undone(part):
    if part.startswith("\\x"):
        return bytes([int(part[2:], 16)])
    if part.startswith("\\"):
        return {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0"}.get(part[1:], part[1:].encode())
    if part.startswith("{b64:"):
        return base64.b64encode(plain(part[5:-1]))
    if part.startswith("{") and part.endswith("}"):
        repeated = re.fullmatch(r"\{(.*)\*(\d+)\}", part)
        if repeated:
            return plain(repeated[1]) * min(int(repeated[2]), 600)
        return NAMES.get(part[1:-1], "").encode()
    return part.encode()
