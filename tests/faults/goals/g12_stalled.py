"""G12: a QEMU that stands still holds nobody up, and is ended or truthfully not ended."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from pathlib import Path

from tests.faults.freezing import group
from tests.faults.goals import Result
from tests.faults.sweep import fresh_driver, guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program, end_guests
from tests.support.program import Result as Command
from tests.support.waiting import eventually

TITLE = "QEMU stopped or frozen: list 0.5 s, a query 3 s, destroy 2 s; frozen: destroy tells the truth in 15 s"
TRIALS = 60
USUAL = 0.1  # seconds for a command on a host with nothing else to do
FROZEN_EVERY = 20  # trials of which one waits for a destroy that cannot succeed
QUERIES = ("domstate", "dominfo", "domblkinfo vda", "domblkstat vda", "blockjob vda --info", "domjobinfo", "domstats",
           "dommemstat", "vcpucount", "domblklist", "dumpxml", "domid", "qemu-monitor-command --hmp info")


def measure(trials: int, seed: int) -> Result:
    """Each trial is one question to a guest that stands still, or its end."""
    with tempfile.TemporaryDirectory(prefix="g12-") as folder:
        root = Path(folder) / "root"
        lab = Lab(root / "lab", fresh_driver(root))
        lab.folder.mkdir(parents=True, mode=0o700)
        lab.disk.write_bytes(bytes(65536))
        lab.define()
        try:
            return _Stalls(lab, random.Random(seed)).measure(trials)
        finally:
            end_guests(root)


class _Stalls:
    def __init__(self, lab: Lab, draw: random.Random) -> None:
        self.lab, self.draw = lab, draw
        self.program = Program(lab.folder.parent)
        self.longest: dict[str, float] = {}
        self.wrong: list[str] = []
        self.can_freeze = True

    def measure(self, trials: int) -> Result:
        for number in range(trials):
            if number % FROZEN_EVERY == FROZEN_EVERY - 1:
                self.frozen()
            else:
                self.stopped(number)
        times = ", ".join(f"{what} at most {seconds:.2f} s" for what, seconds in self.longest.items())
        return Result(trials, self.wrong, times + ("" if self.can_freeze else "; no cgroup could be frozen here"))

    def pid(self) -> int:
        """The guest's, started if need be."""
        if not guests(self.lab.folder.parent):
            self.program.ok("start", NAME)
        return guests(self.lab.folder.parent)[0]

    def timed(self, what: str, most: float, *words: str, status: int | None = 0) -> str:
        """One command, at most three times: what is asked of it is said of a host that has nothing else to do.

        So what a command that asks no guest takes longer than usual, right before, is taken off.
        """
        for _ in range(1 if what.startswith("destroy") else 3):
            busy = max(0.0, self.clocked("domuuid", NAME)[0] - USUAL)
            seconds, done = self.clocked(*words)
            seconds -= busy
            if seconds <= most:
                break
        said = done.out + done.err
        self.longest[what] = max(self.longest.get(what, 0.0), seconds)
        if seconds > most or (status is not None and done.status != status) or "Traceback" in said:
            self.wrong.append(f"{' '.join(words)} took {seconds:.2f} s and ended {done.status}: {said[-300:]}")
        return said

    def clocked(self, *words: str) -> tuple[float, Command]:
        """One command and the time that it took."""
        began = time.monotonic()
        done = self.program(*words)
        return time.monotonic() - began, done

    def stopped(self, number: int) -> None:
        """By a signal; every tenth time it is ended so."""
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            if NAME not in self.timed("list", 0.5, "list"):
                self.wrong.append("list does not show it")
            query, *rest = self.draw.choice(QUERIES).split()
            self.timed("a query", 3.0, query, NAME, *rest, status=None)
            if number % 10 == 9:
                self.timed("destroy", 2.0, "destroy", NAME)
                if guests(self.lab.folder.parent):
                    self.wrong.append(f"process {pid} still runs")
        finally:
            if guests(self.lab.folder.parent) == [pid]:
                os.kill(pid, signal.SIGCONT)

    def frozen(self) -> None:
        """In a control group: nothing can end it before it thaws."""
        pid = self.pid()
        with group("freezer") as made:
            if made is None:
                self.can_freeze = False
                return
            made.take(pid)
            with made.frozen():
                self.timed("list", 0.5, "list")
                self.timed("a query", 3.0, "dominfo", NAME)
                said = self.timed("destroy of a frozen one", 15.0, "destroy", NAME, status=1)
                if f"Failed to terminate process {pid} with SIGKILL: Device or resource busy" not in said:
                    self.wrong.append(f"destroy said {said}")
                if self.program.ok("list").split()[-1] != "running":
                    self.wrong.append("it is not said to run any more")
            eventually(lambda: not guests(self.lab.folder.parent), "the kill reaches it")
        if "shut off (destroyed)" not in self.program("domstate", NAME, "--reason").out:
            self.wrong.append("it is not said to have been destroyed")
