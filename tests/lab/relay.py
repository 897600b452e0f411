#!/usr/bin/env python3
"""A queue that leaves: 10,000 mails wait for a smart host that was away, and leave when it is back; beside Postfix and OpenSMTPD.

Started by `tests/lab/run PERF relay [OPTION...]`, which names the rest. The smart host is Postfix's smtp-sink. Each run
starts every server in turn, on a file system in memory, whose device counts every flush and octet exactly, then on the
machine's disk, for the rates. What is measured goes into OUT, a line of JSON each, and the medians into the table at the end.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

SINK = 5526
TO = "user%d@elsewhere.example"
COLUMNS = ("taken_per_s", "taking_cpu_s_per_1000", "left_per_s", "leaving_cpu_s_per_1000", "flushes_per_message", "written_per_message",
           "rss_kib", "others_cpu_share")
WAITS_SECONDS = 900
OPENSMTPD_QUEUE_GROUP = 5002       # As lab.py gives it.


class Sink:
    """smtp-sink while it runs; counts the mails that it has taken."""

    def __init__(self):
        program = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        self.process = subprocess.Popen([program, *user, "-c", f"127.0.0.1:{SINK}", "256"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.mails = 0
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        rest = b""
        while piece := os.read(self.process.stdout.fileno(), 4096):
            rest = (rest + piece)[-4096:]
            if counts := re.findall(rb"mesg=(\d+)", rest):
                self.mails = int(counts[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.thread.join()


def main():
    options = arguments()
    sys.path.insert(0, str(options.perf))
    import lab
    ours(lab, options)
    postfix(lab)
    opensmtpd(lab)
    recorder = lab.Recorder(options.out)
    rows = []
    for medium in options.media.split(","):
        loop = lab.Loop() if medium == "memory" else None
        try:
            base = loop.mount if loop else lab.LAB / "run"
            for _, server in lab.alternating(options.peers.split(","), options.runs, base, fresh=True):
                rows.append(measured(lab, recorder, loop, medium, base, server, options))
        finally:
            if loop:
                loop.close()
    show(rows)


def arguments():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("perf", type=Path)
    options.add_argument("external")
    options.add_argument("out")
    options.add_argument("--peers", default="ours,ours8,postfix,opensmtpd")
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--media", default="memory,disk")
    options.add_argument("--messages", type=int, default=10_000)
    options.add_argument("--senders", type=int, default=8)
    return options.parse_args()


def ours(lab, options):
    """poppet with its two connections to one server, and with eight."""
    lab.external(options.external)
    plain = lab.PEERS["ours"]
    for name, connections in (("ours", 2), ("ours8", 8)):
        def build(base, name=name, connections=connections):
            # One made for another number of connections has its mail still.
            shutil.rmtree(base / "ours", ignore_errors=True)
            peer = plain(base)
            peer.name = name
            poppet = [peer.cmd[0], "--db", peer.cmd[2]]
            for words in (["set", "smarthost", f"127.0.0.1:{SINK}"], ["set", "smarthost_tls", "opportunistic"],
                          ["set", "hop_connections", str(connections)], ["device", "add", "load", "127.0.0.1", "--to", "smarthost"]):
                subprocess.run([*poppet, *words], check=True, capture_output=True)
            peer.flush = [*poppet, "queue", "retry", "all"]
            return peer
        lab.PEERS[name] = build


def postfix(lab):
    plain = lab.PEERS["postfix"]

    def build(base):
        peer = plain(base)
        with open(base / "postfix/etc/main.cf", "a", encoding="utf-8") as settings:
            settings.write(f"virtual_mailbox_domains =\nrelayhost = [127.0.0.1]:{SINK}\nsmtp_host_lookup = native\n"
                           "message_size_limit = 104857600\n")
        peer.mail = ""
        peer.flush = ["postqueue", "-c", str(base / "postfix/etc"), "-f"]
        return peer

    lab.PEERS["postfix"] = build


def opensmtpd(lab):
    plain = lab.PEERS["opensmtpd"]

    def build(base):
        peer = plain(base)
        settings = base / "opensmtpd/smtpd.conf"
        lines = [line for line in settings.read_text().splitlines() if not line.startswith(("table", "action", "match"))]
        # It sends some 15 mails a second: "mta limit session-transaction-delay 0", which its parser knows, changes nothing of
        # that, and smtpd.conf(5) names no pause of its sending that could be taken off.
        settings.write_text("\n".join([*lines, f'action "out" relay host smtp://127.0.0.1:{SINK}', 'match from any for any action "out"', ""]))
        peer.mail = ""
        # It runs only with its group's rights by its own mode, which an unpacked program has not.
        control = base / "opensmtpd/smtpctl"
        shutil.copy(lab.PKG / "opensmtpd/usr/sbin/smtpctl", control)
        os.chown(control, 0, OPENSMTPD_QUEUE_GROUP)
        control.chmod(0o2755)
        # One that has failed rests for a time that nobody can shorten, so nothing is tried before.
        peer.hold, peer.flush = [str(control), "pause", "mta"], [str(control), "resume", "mta"]
        return peer

    lab.PEERS["opensmtpd"] = build


def measured(lab, recorder, loop, medium, base, server, options):
    """A queue filled while nobody takes it, and emptied."""
    count, peer = options.messages, server.peer
    before = loop.counts() if loop else None
    peer.user = TO
    if hasattr(peer, "hold"):
        tell(server, peer, peer.hold)
    took = lab.deliver(server, recorder, "relay", f"taken, {medium}", count, options.senders, "--max-seconds", WAITS_SECONDS)
    held = server.stats()
    with Sink() as sink:
        time.sleep(0.5)
        since, stats, busy = time.monotonic(), server.stats(), lab.busy()
        tell(server, peer, peer.flush)
        last = since
        while sink.mails < count and time.monotonic() - since < WAITS_SECONDS:
            time.sleep(0.05)
            if time.monotonic() - last > 10:        # A server may have been about to look elsewhere.
                tell(server, peer, peer.flush)
                last = time.monotonic()
        seconds, after, busy_after = time.monotonic() - since, server.stats(), lab.busy()
        taken = sink.mails
    time.sleep(3)                                   # What is removed late counts too.
    cpu = after["cpu_s"] - stats["cpu_s"]
    row = {"suite": "relay", "case": f"{count} mails, {medium}", "peer": peer.name,
           "taken": taken, "taken_per_s": took.get("deliveries_per_s"),
           "taking_cpu_s_per_1000": round(took["server_cpu_s"] / count * 1000, 3), "left_per_s": round(taken / seconds, 1),
           "leaving_cpu_s_per_1000": round(cpu / count * 1000, 3), "rss_kib": held["rss_kb"],
           "others_cpu_share": round(max(0, (busy_after[0] - busy[0]) / 100 - cpu) / max(0.01, (busy_after[1] - busy[1]) / 100), 2)}
    if taken < count:
        row["failed"] = f"only {taken} of {count} have left"
    if loop:
        written, flushes = (now - then for now, then in zip(loop.counts(), before))
        row.update(flushes_per_message=round(flushes / count, 3), written_per_message=round(written / count))
    recorder.put(row)
    return row


def tell(server, peer, command):
    """Runs a server's own command; in its mount namespace, where it has one."""
    inside = []
    if peer.name == "opensmtpd":
        children = subprocess.run(["pgrep", "-P", str(server.pid)], text=True, capture_output=True).stdout.split()
        inside = ["nsenter", "-m", "-t", children[0]]
    # Who runs already refuses to be told so.
    subprocess.run([*inside, *command], check=False, capture_output=True)


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
