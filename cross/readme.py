"""The README's table of boards: written from what was built, and held against it."""

import re

from board import ROOT, Failed, boards

README = ROOT / "README.md"
HEAD = "| board | target | octets | what has it |"
# Each commit changes the sizes a little; the README follows when it is worth it.
OFF_PERCENT = 3


def write():
    """Writes a row for each board; one that was not built keeps its size."""
    before, rows, after = parts()
    known = sizes(rows)
    made = [row(board, octets(board) or known.get(board.name, 0)) for board in boards()]
    README.write_text("\n".join([*before, HEAD, "|---|---|---|---|", *made, *after]))
    return 0


def check():
    """Fails where a size has run away from the README's."""
    known, wrong = sizes(parts()[1]), []
    for board in boards():
        built, told = octets(board), known.get(board.name, 0)
        if built and abs(built - told) * 100 > OFF_PERCENT * built:
            wrong.append(f"{board.name} has {built:,} octets, the README says {told:,}")
    if wrong:
        raise Failed("; ".join(wrong) + ": cross/build --table writes it")
    return 0


def row(board, size):
    told = f"{size:,}" if size else "not measured"
    return f"| {board.name} | `{board.target}` | {told} | {board.what} |"


def octets(board):
    return board.binary.stat().st_size if board.binary.exists() else 0


def sizes(rows):
    found = {}
    for line in rows:
        cells = [cell.strip() for cell in line.split("|")]
        found[cells[1]] = int(re.sub(r"\D", "", cells[3]) or 0)
    return found


def parts():
    """The lines before the table, its rows, and the lines behind it."""
    lines = README.read_text().split("\n")
    if HEAD not in lines:
        raise Failed(f"the README has no table that begins with {HEAD}")
    begin = lines.index(HEAD)
    end = next(number for number in range(begin, len(lines)) if not lines[number].startswith("|"))
    return lines[:begin], lines[begin + 2:end], lines[end:]
