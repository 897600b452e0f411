"""An emulated board: qemu with a card, a serial console on which commands are run, and doors on loopback."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass

from board import Failed

SERVICES = {"smtp": 25, "pop3": 110, "submissions": 465, "submission": 587, "pop3s": 995}
PASSWORD = "correct-horse-battery"


@dataclass(frozen=True)
class Machine:
    what: str
    architecture: str
    package: str
    emulator: str
    options: tuple
    device_tree: str
    console: str
    words: str
    drive: tuple
    disk: str
    network: str
    modules: tuple


CARD, NET = ("ext4", "crc32c_generic"), ("cdc_ether", "rndis_host")
MACHINES = {
    "raspi0": Machine(
        "a Pi Zero, ARMv6", "armel", "linux-image-rpi", "qemu-system-arm",
        # On a busy machine USB asks for more than there is time for, and all stands still; so time goes by instructions.
        ("-M", "raspi0", "-serial", "stdio", "-serial", "null", "-icount", "shift=2,align=off,sleep=on"),
        # qemu lacks a part of the power block, at which this kernel would panic.
        "bcm2835-rpi-zero.dtb", "ttyAMA0,115200", "initcall_blacklist=bcm2835_pm_driver_init,bcm2835_power_driver_init",
        ("if=sd",), "mmcblk0", "usb-net", (*CARD, *NET)),
    "raspi3b": Machine(
        "a Pi 3, 64-bit", "arm64", "linux-image-arm64", "qemu-system-aarch64", ("-M", "raspi3b", "-serial", "null", "-serial", "stdio"),
        "bcm2837-rpi-3-b.dtb", "ttyS1,115200", "8250.nr_uarts=2",
        ("if=sd",), "mmcblk0", "usb-net", (*CARD, "bcm2835", "phy_generic", "dwc2", *NET)),
    "virt": Machine(
        "a board of no make, 64-bit", "arm64", "linux-image-arm64", "qemu-system-aarch64",
        ("-M", "virt", "-cpu", "cortex-a53", "-m", "256", "-serial", "stdio", "-rtc", "base=1970-01-01"), "", "ttyAMA0", "",
        ("if=virtio",), "vda", "virtio-net-pci,romfile=", (*CARD, "virtio_pci", "virtio_blk", "virtio_net")),
}


class Guest:
    """One boot, from power to power cut."""

    def __init__(self, machine, kernel, initrd, card):
        self.machine, self.lines, self.count = machine, [], 0
        self.news, self.is_over, self.marks = threading.Condition(), False, {}
        self.ports = free_ports()
        self.begun = time.monotonic()
        self.process = subprocess.Popen(self.command(kernel, initrd, card), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        threading.Thread(target=self.read, daemon=True).start()

    def command(self, kernel, initrd, card):
        """What the guest has given to the card is in this machine's memory and outlives qemu; what the guest still holds
        in its own memory is lost with it. So SIGKILL is to poppet what a power cut is: fsync alone helps."""
        machine = self.machine
        doors = ",".join(f"hostfwd=tcp:127.0.0.1:{port}-:{SERVICES[name]}" for name, port in self.ports.items())
        tree = ("-dtb", str(kernel.device_tree(machine.device_tree))) if machine.device_tree else ()
        words = f"console={machine.console} {machine.words} quiet loglevel=3 panic=-1 rdinit=/init disk={machine.disk} password={PASSWORD}"
        return [machine.emulator, *machine.options, "-display", "none", "-monitor", "none", "-no-reboot",
                "-kernel", str(kernel.image), *tree, "-initrd", str(initrd), "-append", words,
                "-drive", ",".join([f"file={card}", "format=raw", "cache=writeback", *machine.drive]),
                # It reaches no network; what comes through the doors is all there is.
                "-netdev", f"user,id=net0,restrict=on,{doors}", "-device", f"{machine.network},netdev=net0"]

    def read(self):
        for line in self.process.stdout:
            text = line.decode(errors="replace").strip("\r\n")
            with self.news:
                self.lines.append(text)
                mark = re.fullmatch(r"(MOUNTED|STARTED|READY) ([0-9.]+)", text)
                if mark:
                    self.marks[mark[1]] = float(mark[2])
                    self.marks[mark[1] + " here"] = time.monotonic() - self.begun
                self.news.notify_all()
        with self.news:
            self.is_over = True
            self.news.notify_all()

    def wait_for(self, pattern, seconds, since=0):
        """The first line that is so, and its place."""
        with self.news:
            is_there = self.news.wait_for(lambda: self.is_over or self.place(pattern, since) is not None, seconds)
            place = self.place(pattern, since)
            if not is_there or place is None:
                raise Failed(f"the board said no {pattern} within {seconds} s; its last lines: {' | '.join(self.lines[-15:])}")
            return place, re.fullmatch(pattern, self.lines[place])

    def place(self, pattern, since):
        return next((place for place in range(since, len(self.lines)) if re.fullmatch(pattern, self.lines[place])), None)

    def wait_until_ready(self, seconds=240):
        """Seconds from power to ready, and seconds that poppet itself took, by the guest's own count."""
        self.wait_for(r"READY .*|NEVER: .*", seconds)
        if "READY" not in self.marks or not self.run("cat /run/ready").startswith("ready "):
            raise Failed(f"poppet did not get ready: {' | '.join(self.lines[-10:])}; {self.log()}")
        return self.marks["READY"], self.marks["READY"] - self.marks["STARTED"]

    def ask(self, command, seconds=120):
        """Runs a command on the board; its exit code and what it printed."""
        self.count += 1
        since, end = len(self.lines), time.monotonic() + seconds
        self.type(f"{self.count} {command}")
        while True:
            try:
                place, found = self.wait_for(rf"={self.count} (\d+)", min(5, seconds), since)
                break
            except Failed:
                if self.is_over or time.monotonic() > end:
                    raise
                # The Zero's serial port forgets an interrupt now and then; the next one makes up for it.
                self.type("")
        told = self.lines[since:place]
        return int(found[1]), "\n".join(told[:-1] if told and not told[-1] else told)

    def type(self, line):
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def run(self, command, seconds=120):
        code, told = self.ask(command, seconds)
        if code:
            raise Failed(f"{command}: exit {code}: {told[-500:]}")
        return told

    def log(self):
        return self.run("tail -n 30 /run/log")

    def uptime_seconds(self):
        """Time as it passes on the board, which may be slower than here."""
        return float(self.run("cat /proc/uptime").split()[0])

    def status_kib(self, *names):
        """Values of /proc/PID/status of the server."""
        told = dict(line.split(":", 1) for line in self.run("cat /proc/$server/status").splitlines() if ":" in line)
        return [int(told[name].split()[0]) for name in names]

    def cut(self):
        """The power goes."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()


def free_ports():
    """Ports of loopback that nobody has; qemu binds them a moment later."""
    held = {name: socket.create_server(("127.0.0.1", 0)) for name in SERVICES}
    ports = {name: door.getsockname()[1] for name, door in held.items()}
    for door in held.values():
        door.close()
    return ports
