#!/usr/bin/env python3
"""What testssl.sh finds at the doors with TLS: nothing below TLS 1.2, and no finding of weight.

  scan.py BINARY [--whole]     --whole asks for all that testssl.sh knows, which takes ten minutes

One line a door, `ok NAME: what was looked at` or `FAILED NAME: why`; the exit code is 1 if one failed. A server of
openssl's that offers an old suite is the control: it must not pass.
"""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from house import Failed, House, passes, read_line

DOORS = {"pop3s": (), "submissions": (), "pop3": ("--starttls", "pop3"), "submission": ("--starttls", "smtp")}
# Protocols, sorts of ciphers, forward secrecy, and the holes that need no long search.
QUICK = ("-p", "-s", "-f", "-H", "-I", "-R", "-C", "-D")
GRAVE = ("LOW", "MEDIUM", "HIGH", "CRITICAL", "WARN", "FATAL")
# What it marks and is meant so: each suite is as good as the others, and the client knows which is fast for it; our own
# authority revokes nothing; its scans are older than TLS 1.3's tickets.
MEANT = ("cipher_order", "cert_revocation", "cert_crlDistributionPoints", "cert_ocspURL", "OCSP_stapling", "DNS_CAArecord",
         "cert_chain_of_trust", "engine_problem", "sessionresumption", "scanTime", "service")


def main():
    binary, *options = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="poppet-scan-") as folder:
        folder = Path(folder)
        house = House(binary, folder)
        try:
            house.set_up()
            house.start()
            with ThreadPoolExecutor(2) as threads:
                looked = list(threads.map(lambda door: look(folder, door, house.ports[door], "--whole" in options), DOORS))
            failed = not passes("the control", control, folder)
            failed += sum(not passes(door, lambda _, found=found: judge(found), None) for door, found in zip(DOORS, looked))
        finally:
            house.kill()
    sys.exit(1 if failed else 0)


def control(folder):
    key, certificate = folder / "control.key", folder / "control.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=localhost"],
                   check=True, capture_output=True, timeout=60)
    server = subprocess.Popen(["openssl", "s_server", "-accept", "127.0.0.1:0", "-key", key, "-cert", certificate, "-cipher", "AES128-SHA",
                               "-naccept", "500"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        line = read_line(server, 30)
        while line and not line.startswith("ACCEPT"):
            line = read_line(server, 30)
        found = look(folder, "control", int(line.rsplit(":", 1)[1]), False)
    finally:
        server.kill()
        server.communicate()
    try:
        judge(found)
    except Failed as why:
        return f"it is noticed: {str(why)[:80]}"
    raise Failed("an old suite is not noticed")


def look(folder, door, port, is_whole):
    """What testssl.sh has found at a door: identifier, severity and text each."""
    found = folder / f"{door}.json"
    command = ["testssl", "--quiet", "--color", "0", "--nodns", "min", "--warnings", "batch", "--jsonfile", str(found), *DOORS.get(door, ()),
               *(() if is_whole else QUICK), f"127.0.0.1:{port}"]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=1200, check=False)
    return json.loads(found.read_text()) if found.exists() else []


def judge(found):
    """Fails if a finding is grave, or if too little was looked at."""
    severities = {row["id"]: row["severity"] for row in found}
    grave = [f"{row['id']} {row['severity']}: {row['finding']}" for row in found
             if row["severity"] in GRAVE and not row["id"].startswith(MEANT)]
    if grave:
        raise Failed("; ".join(grave))
    texts = {row["id"]: row["finding"] for row in found}
    for version, is_there in (("SSLv2", False), ("SSLv3", False), ("TLS1", False), ("TLS1_1", False), ("TLS1_2", True), ("TLS1_3", True)):
        told = texts.get(version, "nothing")
        if told.startswith("not offered") is is_there or not told.startswith(("not offered", "offered")):
            raise Failed(f"{version}: {told}")
    if len(severities) < 20:
        raise Failed(f"only {len(severities)} things were looked at")
    return f"{len(severities)} things looked at, none of weight"


if __name__ == "__main__":
    main()
