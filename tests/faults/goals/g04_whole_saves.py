"""Saves that fail late, or lose a part: none may say that it succeeded. The trials run below shim.c, see `main`."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.faults.attempts import CHANGES, CLOSES, CRASHED, SUCCEEDED, Outcome, attempt, build_shim
from tests.faults.goals import Result
from tests.faults.sweep import fresh_driver, guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program, end_guests
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.qemu.saveimage import open_image
from virtctl.qemu.savewriter import ImageWriter
from virtctl.values import RestoreOptions, SaveOptions

TITLE = "a save that lost a byte or failed late never says that it succeeded; it writes, syncs, renames and syncs"
TRIALS = 200
ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EFBIG")
ROOT = Path(__file__).resolve().parents[3]
Act = Callable[[QemuDriver], object]


def measure(trials: int, seed: int) -> Result:
    """A false success, a lost older image, a lost guest or a file that is left is a violation."""
    with tempfile.TemporaryDirectory(prefix="saves-") as name:
        shim = build_shim(Path(name))
        command = [sys.executable, "-m", "tests.faults.goals.g04_whole_saves", name, str(trials), str(seed)]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, "LD_PRELOAD": str(shim)}, capture_output=True,
                              text=True, timeout=60 + 5 * trials, check=False)
        if done.returncode != 0:
            return Result(trials, [f"the trials broke off: {done.stderr[-2000:]}"])
        violations, figures = json.loads(done.stdout.splitlines()[-1])
        if shutil.which("strace"):
            violations += wrong_order(Path(name) / "traced")
    return Result(trials, violations, figures)


def _limited_to(lab: Lab, length: int) -> Act:
    def act(driver: QemuDriver) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (length, resource.RLIM_INFINITY))
        driver.save(NAME, lab.image, SaveOptions())

    return act


def _cut_to(lab: Lab, length: int) -> Act:
    """Somebody else cuts the file before it is complete."""
    def act(driver: QemuDriver) -> None:
        finish = ImageWriter.finish

        def cut_first(writer: ImageWriter, *, running: bool) -> None:
            assert writer.temp is not None
            os.truncate(writer.temp, length)
            finish(writer, running=running)

        ImageWriter.finish = cut_first  # type: ignore[method-assign] - this process ends with the attempt
        driver.save(NAME, lab.image, SaveOptions())

    return act


class _Trials:
    """One guest and an older image, as long as they last."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self.seed, self.chance = root, seed, random.Random(seed)
        self.lab = Lab(root / "lab", fresh_driver(root))
        self.lab.folder.mkdir(parents=True, mode=0o700)
        self.lab.disk.write_bytes(bytes(65536))
        self.lab.saved()
        self.old = self.lab.image.read_bytes()
        self.calls = {kinds: self._count(kinds) for kinds in (CHANGES, CLOSES)}
        self.ended = {"succeeded": 0, "refused": 0}

    def _save(self, driver: QemuDriver) -> None:
        driver.save(NAME, self.lab.image, SaveOptions())

    def _count(self, kinds: int) -> int:
        self._ready()
        return attempt(self.lab.driver, self._save, 0, "EIO", kinds).seen

    def _ready(self) -> None:
        self.lab.driver = fresh_driver(self.root)
        self.lab.driver.recover()
        self.lab.image.write_bytes(self.old)
        if not guests(self.root):
            self.lab.driver.restore(self.lab.image, RestoreOptions(running=True))

    def one(self) -> list[str]:
        """Draws a fault; what was wrong."""
        self._ready()
        before = guests(self.root)
        kind = self.chance.choice(("call", "call", "close", "length", "length", "cut", "cut"))
        length = self.chance.randrange(0, len(self.old) - 1)
        number, error, kinds, act = 0, self.chance.choice(ERRORS), CHANGES, self._save
        if kind in ("call", "close"):
            kinds = CLOSES if kind == "close" else CHANGES
            number = self.chance.randint(1, self.calls[kinds])
        else:
            act = _limited_to(self.lab, length) if kind == "length" else _cut_to(self.lab, length)
        outcome = attempt(self.lab.driver, act, number, error, kinds)
        what = f"seed {self.seed}: {kind} {number or length} {error}: {outcome.text[:300]}"
        wrong = [f"{what}: {line}" for line in self._judge(outcome, before)]
        if outcome.status == SUCCEEDED and kind in ("length", "cut"):
            wrong.append(f"{what}: it succeeded")
        return wrong

    def _judge(self, outcome: Outcome, before: list[int]) -> list[str]:
        if outcome.status == CRASHED or outcome.killed:
            return [f"it ended with {outcome.status}"]
        succeeded = outcome.status == SUCCEEDED
        self.ended["succeeded" if succeeded else "refused"] += 1
        fresh_driver(self.root).recover()
        wrong = []
        try:
            with open_image(self.lab.image) as image:
                image.verify()
        except VirtctlError as error:
            wrong.append(f"the image is not whole: {error}")
        new = self.lab.image.read_bytes() != self.old
        if succeeded and not new:
            wrong.append("it said that it succeeded, and the older image is there")
        # An error behind the end of a save, when its record is put away, is one of a guest that is saved.
        if guests(self.root) != ([] if succeeded else before) and not (new and not guests(self.root)):
            wrong.append(f"guests were {before}, are {guests(self.root)}")
        wrong += [f"'{path}' is left" for path in self.lab.folder.glob(".*")]
        return wrong


def wrong_order(root: Path) -> list[str]:
    """Whether a real save writes, syncs, renames and syncs the folder in this order; what is not so."""
    lab, program = Lab(root / "lab", fresh_driver(root)), Program(root)
    lab.folder.mkdir(parents=True, mode=0o700)
    lab.disk.write_bytes(bytes(65536))
    try:
        lab.running()
        trace = root / "trace"
        traced = ("strace", "-qq", "-y", "-o", str(trace), "-e", "trace=write,pwrite64,fsync,rename,renameat,renameat2")
        Program(root, (*traced, *program.command)).ok("save", NAME, lab.image)
        lines = trace.read_text().splitlines()
    finally:
        end_guests(root)
    temp, folder = rf"{re.escape(str(lab.folder))}/\.tmp-[^>\"]*", re.escape(str(lab.folder))
    steps = [("written", rf"p?write(64)?\(\d+<{temp}>"), ("synced", rf"fsync\(\d+<{temp}>"),
             ("renamed", rf"rename.*\"{temp}\".*memory\.save\""), ("folder synced", rf"fsync\(\d+<{folder}>\)")]
    last = [max((number for number, line in enumerate(lines) if re.match(pattern, line)), default=-1)
            for _, pattern in steps]
    if -1 in last or last != sorted(last):
        return [f"order of a save: {dict(zip((name for name, _ in steps), last, strict=True))}"]
    return []


def main(folder: str, trials: str, seed: str) -> None:
    """Prints violations and figures as JSON."""
    root = Path(folder) / "root"
    try:
        made = _Trials(root, int(seed))
        violations = [line for _ in range(int(trials)) for line in made.one()]
        print(json.dumps([violations, ", ".join(f"{count} {how}" for how, count in made.ended.items())]))
    finally:
        end_guests(root)


if __name__ == "__main__":
    main(*sys.argv[1:])
