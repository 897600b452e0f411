"""A name server that tells what a test wants, over UDP and TCP, true or not."""

import contextlib
import ipaddress
import socket
import struct
import threading

NUMBERS = {"A": 1, "NS": 2, "CNAME": 5, "MX": 15, "AAAA": 28}
KINDS = {number: kind for kind, number in NUMBERS.items()}
MOST_OCTETS = 512                   # Of a datagram.
# What may stand in the zone in place of records.
SERVFAIL, NXDOMAIN, REFUSED, SILENT = 2, 3, 5, "silent"


class NameServer:
    """`zone` says what is known: by name, either how every question about it fails, or records by their kind. Names that
    aren't there don't exist. `asked` is what was asked, in its order."""

    def __init__(self, address, port=53):
        self.zone, self.asked, self.fails = {"": {"NS": ["ns.test"]}}, [], None
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.datagrams = socket.socket(family, socket.SOCK_DGRAM)
        self.datagrams.bind((address, port))
        self.streams = socket.create_server((address, port), family=family)
        for serve in (self.serve_datagrams, self.serve_streams):
            threading.Thread(target=serve, daemon=True).start()

    def close(self):
        for each in (self.datagrams, self.streams):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def serve_datagrams(self):
        with contextlib.suppress(OSError):
            while True:
                octets, peer = self.datagrams.recvfrom(4096)
                if not octets:
                    return          # It is closed.
                said = self.answer(octets)
                if said and len(said) > MOST_OCTETS:
                    end = question_end(octets)
                    said = said[:2] + bytes([said[2] | 2, said[3]]) + b"\0\1\0\0\0\0\0\0" + octets[12:end]
                if said:
                    self.datagrams.sendto(said, peer)

    def serve_streams(self):
        with contextlib.suppress(OSError):
            while True:
                link, _ = self.streams.accept()
                with contextlib.suppress(OSError, struct.error), link:
                    link.settimeout(10)
                    length, = struct.unpack(">H", link.recv(2, socket.MSG_WAITALL))
                    said = self.answer(link.recv(length, socket.MSG_WAITALL))
                    if said:
                        link.sendall(struct.pack(">H", len(said)) + said)

    def answer(self, octets):
        end = question_end(octets)
        name, kind = read_name(octets), KINDS.get(struct.unpack(">H", octets[end - 4:end - 2])[0])
        self.asked.append((name, kind))
        known = self.zone.get(name, NXDOMAIN) if self.fails is None else self.fails
        if known == SILENT:
            return None
        outcome, records = (known, []) if isinstance(known, int) else (0, self.records(name, known, kind))
        head = octets[:2] + bytes([0x81, 0x80 | outcome]) + struct.pack(">HHHH", 1, len(records), 0, 0)
        return head + octets[12:end] + b"".join(records)

    def records(self, name, known, kind):
        """Records of the kind; behind an alias those of the name that it leads to, if that is known here."""
        found = [record(name, kind, value) for value in known.get(kind, [])]
        for target in known.get("CNAME", []) if kind != "CNAME" else []:
            found.append(record(name, "CNAME", target))
            there = self.zone.get(target)
            if isinstance(there, dict) and "CNAME" not in there:
                found += self.records(target, there, kind)
        return found


def record(name, kind, value):
    if kind in ("A", "AAAA"):
        content = ipaddress.ip_address(value).packed
    elif kind == "MX":
        content = struct.pack(">H", value[0]) + wire(value[1])
    else:
        content = wire(value)
    return wire(name) + struct.pack(">HHIH", NUMBERS[kind], 1, 60, len(content)) + content


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def question_end(octets):
    at = 12
    while octets[at]:
        at += 1 + octets[at]
    return at + 5


def read_name(octets):
    at, labels = 12, []
    while octets[at]:
        labels.append(octets[at + 1:at + 1 + octets[at]].decode(errors="replace").lower())
        at += 1 + octets[at]
    return ".".join(labels)
