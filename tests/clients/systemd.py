#!/usr/bin/env python3
"""The units under a real systemd: a machine of its own is started beside this one, in memory, with this one's /usr.

  systemd.py BINARY

It needs root and systemd-nspawn, and takes a minute, half of which is the watchdog's. One line a check, `ok NAME` or
`FAILED NAME: why`; the exit code is 1 if one failed, and 77 if no such machine can be started here.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNITS = {
    "prepare.service": "[Unit]\nBefore=poppet.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\n"
                       "ExecStart=/bin/sh /opt/in/prepare.sh\n",
    "check.service": "[Unit]\nAfter=poppet.service\nSuccessAction=poweroff-force\nFailureAction=poweroff-force\n"
                     "[Service]\nType=oneshot\nTimeoutStartSec=150\nExecStart=/bin/bash /opt/in/check.sh\n",
    "check.target": "[Unit]\nWants=check.service prepare.service poppet.service\nAfter=prepare.service\n",
    "sysusers.conf": 'u poppet - "poppet" /var/lib/poppet\n',
    "credential.conf": "[Service]\nLoadCredential=poppet.key:/var/key/poppet.key\n",
}
PLACES = {
    "sysusers.conf": "/etc/sysusers.d/poppet.conf",
    "credential.conf": "/etc/systemd/system/poppet.service.d/credential.conf",
}
PREPARE = """
exec >/opt/out/prepare 2>&1
install -d -m 0700 -o poppet -g poppet /var/lib/poppet
install -d -m 0700 /var/key
cd /
poppet() {
    setpriv --reuid poppet --regid poppet --clear-groups /opt/in/poppet --db /var/lib/poppet/poppet.redb "$@"
}
echo 'correct horse battery' | poppet setup home.lan alice --no-start --password-stdin
for pair in pop3:110 pop3s:995 smtp:25 submission:587 submissions:465; do
    poppet set "${pair%:*}" "0.0.0.0:${pair#*:},[::]:${pair#*:}"
done
poppet set plaintext always
mv /var/lib/poppet/poppet.key /var/key/
chown root:root /var/key/poppet.key
"""
# Each check is a line `NAME=what was found`.
CHECK = """
exec >/opt/out/found 2>/opt/out/errors
ip link set lo up
property() { systemctl show -P "$1" poppet.service; }
state() { echo "$1=$(property ActiveState) $(property Result) $(property NRestarts)"; }
log_on() {
    printf 'USER alice@home.lan\\r\\nPASS correct horse battery\\r\\nQUIT\\r\\n' |
        timeout 10 bash -c 'exec 3<>/dev/tcp/127.0.0.1/110; cat >&3; cat <&3' | grep -c '^+OK'
}
state started
echo "status=$(property StatusText)"
echo "logon=$(log_on)"
systemctl reload poppet.service; echo "reload=$?"
first=$(property MainPID)
systemctl restart poppet.service; echo "restart=$?"
[ "$first" = "$(property MainPID)" ]; echo "other=$?"
kill -KILL "$(property MainPID)"
for _ in $(seq 100); do [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ] && break; sleep 0.1; done
state killed
echo "again=$(log_on)"
kill -STOP "$(property MainPID)"
for _ in $(seq 500); do [ "$(property NRestarts)" = 2 ] && [ "$(property ActiveState)" = active ] && break; sleep 0.1; done
state hung
echo "awake=$(log_on)"
echo "capabilities=$(grep -h '^Cap[IPEA]' "/proc/$(property MainPID)/status" | cut -f2 | sort -u)"
echo "user=$(id -nu "$(sed -n 's/^Uid:\\t\\([0-9]*\\).*/\\1/p' "/proc/$(property MainPID)/status")")"
printf 'correct horse battery\\nlooking glass one\\n' |
    setpriv --reuid 1 --regid 1 --clear-groups /opt/in/poppet passwd --own alice@home.lan --password-stdin
echo "own=$?"
echo "said=$(journalctl -b -u poppet.service -o cat | grep -c 'Watchdog timeout')"
systemctl stop poppet.socket poppet.service; echo "stop=$?"
state stopped
journalctl -b -u poppet.service -o cat > /opt/out/journal
"""
WANTED = {
    "started": "active success 0", "logon": "4", "reload": "0", "restart": "0", "other": "1",
    "killed": "active success 1", "again": "4", "hung": "active success 2", "awake": "4", "capabilities": "0" * 16,
    "own": "0", "said": "1", "stop": "0", "stopped": "inactive success 2",
    "user": "poppet",
}


def run(binary, folder):
    inside, out = folder / "in", folder / "out"
    inside.mkdir()
    out.mkdir()
    shutil.copy(binary, inside / "poppet")
    (inside / "prepare.sh").write_text(PREPARE)
    (inside / "check.sh").write_text(CHECK)
    for name in ("poppet.service", "poppet.socket"):
        text = (ROOT / "systemd" / name).read_text()
        (inside / name).write_text(text.replace("/usr/local/bin/poppet", "/opt/in/poppet"))
    for name, text in UNITS.items():
        (inside / name).write_text(text)
    names = ["poppet.service", "poppet.socket", *UNITS]
    binds = [f"--bind-ro={inside / name}:{PLACES.get(name, '/etc/systemd/system/' + name)}" for name in names]
    command = ["systemd-nspawn", "-q", "-D", "/", "--volatile=yes", "--register=no", "--keep-unit", "--private-network",
               f"--bind-ro={inside}:/opt/in", f"--bind={out}:/opt/out", *binds, "--console=pipe", "-b",
               "systemd.unit=check.target"]
    said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    if not (out / "prepare").exists():
        print(f"no machine can be started here: {(said.stderr or said.stdout).strip()[-300:]}")
        sys.exit(77)
    return out


def read(path):
    return path.read_text(errors="replace") if path.exists() else ""


def main():
    binary = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="poppet-") as folder:
        Path(folder).chmod(0o755)
        out = run(binary, Path(folder))
        found = dict(line.split("=", 1) for line in read(out / "found").splitlines() if "=" in line)
        bad = 0
        for name, wanted in WANTED.items():
            got = found.get(name)
            bad += got != wanted
            print(f"ok {name}" if got == wanted else f"FAILED {name}: {got!r}, not {wanted!r}")
        serves = found.get("status", "").startswith("serves pop3 0.0.0.0:110, pop3 [::]:110, ")
        print("ok status" if serves else f"FAILED status: {found.get('status')!r}")
        if bad or not serves:
            print(*(read(out / name)[-3000:] for name in ("prepare", "errors", "journal")), sep="\n--\n")
            sys.exit(1)


if __name__ == "__main__":
    main()
