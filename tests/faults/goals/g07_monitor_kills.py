"""Processes that are killed at any moment while they talk to QEMU's monitor.

QEMU itself says what it was made to run (its trace of monitor commands): each line must be one that a process meant,
run no oftener than it was meant, or one of the nonces by which the monitor is kept in step. Clients check each answer
against what only that command can have been answered, and so does the one that comes after a death.
"""

from __future__ import annotations

import os
import random
import re
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fakes.guests import EMULATOR, UUID, Guest, monitored, running
from tests.faults.goals import Result
from virtctl.errors import VirtctlError
from virtctl.qemu.images import create
from virtctl.qemu.monitor import Monitor

TITLE = "killed clients of the monitor: no command that nobody meant, no answer to another's question, in step in 50 ms"
TRIALS = 1000
LIMIT = 0.05  # seconds until the next process has its first right answer
GROWTH = 4 << 20  # bytes that QEMU may have more afterwards
LIFE = 0.004  # seconds that a client lives at most
MACHINE = ("-machine", "pc", "-accel", "tcg", "-m", "16", "-S", "-nodefaults", "-no-user-config", "-display", "none",
           "-drive", "file=disk.qcow2,if=none,id=d,format=qcow2", "-device", "virtio-blk-pci,drive=d,id=v",
           "-drive", "if=none,id=cd,media=cdrom", "-device", "ide-cd,drive=cd,id=ide",
           "-trace", "handle_hmp_command", "-D", "trace.log")
MEMORY = Path("/dev/shm")  # like /run: no disk that others keep busy is in the way
NONCE = re.compile(r"zz[0-9a-f]{16}(?: (.*))?")


class Field:
    """One QEMU, the files in which clients say what they mean and what they got, and the dice."""

    def __init__(self, guest: Guest, folder: Path, seed: int) -> None:
        self.guest = guest
        self.dice = random.Random(seed)
        self.meant = folder / "meant"
        self.wrong = folder / "wrong"
        self.meant.touch()
        self.wrong.touch()
        self.begun = len(_lines(guest))
        self.before = self.state()
        self.size = self.resident()

    def state(self) -> list[str]:
        """All that a command could have changed."""
        asked = ("info status", "info block", "info block-jobs", "info snapshots", "info chardev", "info migrate")
        for one in asked:
            _append(self.meant, one)
        with self.guest.monitor() as monitor:
            return [monitor.command(one) for one in asked]

    def resident(self) -> int:
        """Bytes of memory that QEMU has."""
        return int(Path(f"/proc/{self.guest.identity.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def ask(self, monitor: Monitor, line: str, answer: str) -> None:
        """One command that the files have as meant before QEMU can see it."""
        _append(self.meant, line)
        got = monitor.command(line)
        if got != answer:
            _append(self.wrong, f"{line!r} was answered {got!r}")

    def client(self, number: int) -> None:
        """Talks until it is killed."""
        dice = random.Random(number)
        turn = 0
        while True:
            with self.guest.monitor() as monitor:
                for _ in range(dice.randint(1, 4)):
                    turn += 1
                    mark = f"{number}-{turn}"
                    self.ask(monitor, *self.command(dice, mark))

    def command(self, dice: random.Random, mark: str) -> tuple[str, str]:
        """A command that can be told from every other, and its only right answer."""
        word = "q" * dice.randint(1, 300) + mark
        return dice.choice([
            ("info uuid", f"{UUID}\n"),
            (f"{word} stop", f"unknown command: '{word}'\n"),
            (f"device_del quit{mark}", f"Error: Device 'quit{mark}' not found\n"),
            (f'eject "-f{mark}"', f"Error: Device '-f{mark}' not found\n"),
            (f"stop{mark}", f"unknown command: 'stop{mark}'\n"),
            (f"chardev-remove c{mark}", f"Error: Chardev 'c{mark}' not found\n")])

    def kill_one(self, number: int) -> float:
        """A client is killed; how long the next one needs for its first right answer."""
        child = os.fork()
        if child == 0:
            try:
                self.client(number)
            finally:
                os._exit(1)
        time.sleep(self.dice.uniform(0, LIFE))  # the moment of death is what is tried, not waited for
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        began, waited = time.monotonic(), _waited(self.guest.identity.pid)
        with self.guest.monitor() as monitor:
            word = f"next-{number}"
            self.ask(monitor, word, f"unknown command: '{word}'\n")
        return time.monotonic() - began - (_waited(self.guest.identity.pid) - waited)

    def violations(self) -> list[str]:
        """What QEMU ran and nobody meant, what was answered wrongly, what is not as it was."""
        after = self.state()
        meant = Counter(self.meant.read_text().splitlines())
        found = [f"{line}: run {count} times, meant {meant[line]} times"
                 for line, count in self.executed().items() if count > meant[line]]
        found += self.wrong.read_text().splitlines()
        if after != self.before:
            found.append(f"the guest is not as it was: {self.before} became {after}")
        if self.resident() - self.size > GROWTH:
            found.append(f"QEMU grew from {self.size} to {self.resident()} bytes")
        return found

    def executed(self) -> Counter[str]:
        """What QEMU ran."""
        return Counter(line for line in _lines(self.guest)[self.begun:] if line.strip() and not NONCE.fullmatch(line))

    def halves(self) -> int:
        """How many deaths left something on the line."""
        return sum(bool((found := NONCE.fullmatch(line)) and found[1]) for line in _lines(self.guest))


def _lines(guest: Guest) -> list[str]:
    trace = (guest.folder / "trace.log").read_text(errors="surrogateescape")
    return re.findall(r"^handle_hmp_command mon \S+ cmdline: (.*)$", trace, re.MULTILINE)


def _append(path: Path, line: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    os.write(fd, line.encode() + b"\n")
    os.close(fd)


def _waited(pid: int) -> float:
    """Seconds that QEMU's main thread and this one could have run and had no processor: others use the machine too."""
    return sum(int(Path(f"/proc/{one}/schedstat").read_text().split()[1]) for one in ("self", pid)) / 1e9


def measure(trials: int, seed: int) -> Result:
    """Kills a client each time, at a moment that the seed draws."""
    times: list[float] = []
    violations: list[str] = []
    with tempfile.TemporaryDirectory(prefix="virtctl-g07-", dir=MEMORY if MEMORY.is_dir() else None) as place:
        folder = Path(place) / "run"
        folder.mkdir()
        create(folder / "disk.qcow2", "qcow2", 1 << 20)
        with running(monitored(EMULATOR, *MACHINE), folder) as guest:
            field = Field(guest, Path(place), seed)
            for number in range(trials):
                try:
                    times.append(field.kill_one(seed * 1000000 + number))
                except VirtctlError as error:
                    violations.append(f"after death {number} of seed {seed}: {error}")
                    continue
                if times[-1] > LIMIT:
                    violations.append(f"death {number} of seed {seed}: {times[-1] * 1000:.1f} ms until the next answer")
            violations += field.violations()
            figures = _figures(times, field)
    return Result(trials, violations, figures)


def _figures(times: list[float], field: Field) -> str:
    times.sort()
    told = [f"{name} {times[min(len(times) - 1, int(len(times) * share))] * 1000:.1f} ms"
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))] if times else []
    commands = sum(field.executed().values())
    return f"next answer {', '.join(told)}; {field.halves()} lines were left half typed, {commands} commands run"
