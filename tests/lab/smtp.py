#!/usr/bin/env python3
"""Deliveries beside Postfix, OpenSMTPD and chasquid; started by `tests/lab/run PERF smtp [OPTION...]`, which names the rest.

Senders by 1, 8 and 32, then many large mails at once, first on a file system in memory, whose device counts every flush
and octet exactly, then on the machine's disk, for the rates. Each run starts every server in turn. What is measured goes
into OUT, a line of JSON each, and the medians into the table at the end.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from pathlib import Path

COLUMNS = ("deliveries_per_s", "p50_ms", "cpu_s_per_1000", "flushes_per_message", "written_per_octet", "idle_rss_kib", "peak_rss_kib",
           "peak_pss_kib", "others_cpu_share", "errors")
SETTLES_SECONDS, SAMPLE_SECONDS = 3, 0.2


def main():
    options = arguments()
    sys.path.insert(0, str(options.perf))
    import lab
    lab.external(options.external)
    roomy_postfix(lab)
    rows = []
    recorder = lab.Recorder(options.out)
    for medium in options.media.split(","):
        loop = lab.Loop() if medium == "memory" else None
        try:
            base = loop.mount if loop else lab.LAB / "run"
            for _, server in lab.alternating(options.peers.split(","), options.runs, base, fresh=True):
                rows += measured(lab, recorder, loop, medium, server, options)
        finally:
            if loop:
                loop.close()
    with open(options.out, "a", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    show(rows)


def arguments():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("perf", type=Path)
    options.add_argument("external")
    options.add_argument("out")
    options.add_argument("--peers", default="ours,postfix,opensmtpd,chasquid")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--media", default="memory,disk")
    options.add_argument("--messages", default="300,800,1600", help="for 1, 8 and 32 senders")
    options.add_argument("--large", type=int, default=50, help="large mails at once, each from a sender of its own")
    options.add_argument("--large-mib", type=int, default=25)
    return options.parse_args()


def roomy_postfix(lab):
    """Its own limit is 10 MB."""
    plain = lab.PEERS["postfix"]

    def roomy(base):
        peer = plain(base)
        with open(base / "postfix/etc/main.cf", "a", encoding="utf-8") as settings:
            settings.write("message_size_limit = 104857600\n")
        return peer

    lab.PEERS["postfix"] = roomy


def measured(lab, recorder, loop, medium, server, options):
    """The rows of one started server."""
    lab.deliver(server, recorder, "warmup", "c4", 40, 4)
    rows = []
    cases = [(f"{senders} senders", senders, count, []) for senders, count in zip((1, 8, 32), map(int, options.messages.split(",")))]
    if options.large:
        size = ["--size-dist", f"fixed:{options.large_mib << 20}", "--max-seconds", "900"]
        cases.append((f"{options.large} x {options.large_mib} MiB", options.large, options.large, size))
    for name, senders, count, size in cases:
        time.sleep(SETTLES_SECONDS)
        before, idle = loop.counts() if loop else None, server.stats()
        with Peak(server) as peak:
            row = lab.deliver(server, recorder, "smtp-run", f"{name}, {medium}", count, senders, *size)
        time.sleep(SETTLES_SECONDS)     # What is removed from a queue late counts too.
        if loop:
            written, flushes = (after - earlier for after, earlier in zip(loop.counts(), before))
            row["written_per_octet"] = round(written / max(1, row.get("payload_bytes", 0)), 3)
            row["flushes_per_message"] = round(flushes / count, 3)
        row.update(suite="smtp", case=f"{name}, {medium}", cpu_s_per_1000=round(row["server_cpu_s"] / count * 1000, 3),
                   idle_rss_kib=idle["rss_kb"], peak_rss_kib=peak.rss, peak_pss_kib=peak.pss)
        rows.append(row)
    return rows


class Peak:
    """The most memory that a server's processes hold together meanwhile; PSS counts a page that they share once."""

    def __init__(self, server):
        self.server, self.rss, self.pss, self.is_over = server, 0, 0, threading.Event()
        self.thread = threading.Thread(target=self.watch)

    def watch(self):
        is_over = False
        while not is_over:
            # Once more at the end, for what was over at once.
            is_over = self.is_over.wait(SAMPLE_SECONDS)
            now = self.server.stats()
            self.rss, self.pss = max(self.rss, now["rss_kb"]), max(self.pss, now["pss_kb"])

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


def show(rows):
    groups = {}
    for row in rows:
        groups.setdefault((row["case"], row["peer"]), []).append(row)
    print(f"\n| case | server | runs | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 3)}")
    for (case, peer), group in groups.items():
        cells = []
        for column in COLUMNS:
            values = [row[column] for row in group if isinstance(row.get(column), (int, float))]
            cells.append(f"{statistics.median(values):.4g}" if values else "")
        print(f"| {case} | {peer} | {len(group)} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
