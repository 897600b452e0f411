"""What a binary must be so that it runs on any Linux and gives an attacker little: read from its ELF headers."""

import struct
from dataclasses import dataclass

from board import Failed

LOAD, DYNAMIC, INTERPRETER, STACK, RELRO = 1, 2, 3, 0x6474E551, 0x6474E552
EXECUTABLE, WRITABLE = 1, 2
NEEDED, TEXTREL = 1, 22
KINDS = {2: "at a fixed address", 3: "position-independent"}
# The class in bits and the machine's number of each target's first word.
MACHINES = {"x86_64": (64, 62), "i686": (32, 3), "aarch64": (64, 183), "armv7": (32, 40), "arm": (32, 40), "riscv64gc": (64, 243)}


@dataclass
class Segment:
    kind: int
    flags: int
    offset: int
    octets: int


class Binary:
    """The headers of one ELF file, little-endian as all our boards are."""

    def __init__(self, content):
        if content[:4] != b"\x7fELF" or content[5] != 1:
            raise Failed("it is no little-endian ELF file")
        self.content = content
        self.bits = {1: 32, 2: 64}.get(content[4])
        word = "Q" if self.bits == 64 else "I"
        self.kind, self.machine = struct.unpack_from("<HH", content, 16)
        at = 24 + struct.calcsize(word)
        (table,) = struct.unpack_from(f"<{word}", content, at)
        entry, count = struct.unpack_from("<HH", content, at + 2 * struct.calcsize(word) + 4 + 2)
        self.segments = [self.segment(table + number * entry) for number in range(count)]
        self.dynamic = [tag for segment in self.of(DYNAMIC) for tag in self.tags(segment)]

    def segment(self, at):
        if self.bits == 64:
            kind, flags, offset, _, _, octets = struct.unpack_from("<IIQQQQ", self.content, at)
        else:
            kind, offset, _, _, octets, _, flags = struct.unpack_from("<IIIIIII", self.content, at)
        return Segment(kind, flags, offset, octets)

    def tags(self, segment):
        pair = "<QQ" if self.bits == 64 else "<II"
        content = self.content[segment.offset:segment.offset + segment.octets]
        return [tag for tag, _ in struct.iter_unpack(pair, content)]

    def of(self, kind):
        return [segment for segment in self.segments if segment.kind == kind]


def check(path, target):
    """Fails with all that is wrong with the binary; else tells in words what it is."""
    binary = Binary(path.read_bytes())
    wrong = []
    if (binary.bits, binary.machine) != MACHINES[target.split("-")[0]]:
        wrong.append(f"it is for machine {binary.machine} with {binary.bits} bits")
    if binary.of(INTERPRETER) or NEEDED in binary.dynamic:
        wrong.append("it is not static: it needs a loader or a library")
    if TEXTREL in binary.dynamic:
        wrong.append("its code is changed while it is loaded (TEXTREL)")
    if not binary.of(STACK) or any(segment.flags & EXECUTABLE for segment in binary.of(STACK)):
        wrong.append("its stack can be executed")
    if any(segment.flags & EXECUTABLE and segment.flags & WRITABLE for segment in binary.of(LOAD)):
        wrong.append("some of its memory can be written and executed")
    if not binary.of(RELRO):
        wrong.append("its tables of addresses stay writable (no RELRO)")
    if binary.kind != 3:
        wrong.append(f"it stands {KINDS.get(binary.kind, 'nowhere')}, not where the kernel likes (no PIE)")
    if wrong:
        raise Failed("; ".join(wrong))
    return "static, PIE, NX, RELRO"
