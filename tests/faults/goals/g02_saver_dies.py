"""G2: whoever saves a guest is killed; the guest runs again at once, or its image is whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests.faults.goals import Result
from tests.support.lab import Lab
from tests.support.program import PROGRAM, Program
from virtctl.errors import VirtctlError
from virtctl.qemu import verbs
from virtctl.qemu.guest import Guest
from virtctl.qemu.process import alive
from virtctl.qemu.restoring import restore
from virtctl.qemu.saveimage import open_image
from virtctl.values import RestoreOptions

TITLE = "the saver killed at any moment: the guest runs within 1 s with no further command, or its image is whole"
TRIALS = 50


def measure(trials: int, seed: int) -> Result:
    """Each trial is one kill, at a moment that the seed draws."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="g02-") as folder:
        lab = Lab(Path(folder))
        try:
            lab.start(lab.document(image=lab.full_image()))
            longest = min(_undisturbed(lab) for _ in range(3)) * 1.3
            outcomes = [_kill(lab, draw.uniform(0.1, longest)) for _ in range(trials)]
        finally:
            lab.end()
    waits = [seconds for seconds, _ in outcomes if seconds is not None]
    wrong = [text for _, text in outcomes if text]
    return Result(trials, wrong, f"{len(waits)} times it ran on, after {max(waits, default=0):.2f} s at most; "
                                 f"{trials - len(waits)} images were whole")


def _undisturbed(lab: Lab) -> float:
    """How long a save takes as a program, in seconds; the kills are spread over that time."""
    image = lab.folder / "memory.save"
    began = time.monotonic()
    Program(lab.root).ok("save", "vm1", image)
    seconds = time.monotonic() - began
    restore(lab.context("restore"), image, RestoreOptions())
    lab.goes_on()
    return seconds


def _running(guest: Guest) -> bool | None:
    """Whether it runs, of QEMU itself; None when QEMU has ended."""
    if not alive(guest.identity):
        return None
    try:
        with guest.monitor() as monitor:
            return verbs.status(monitor).running
    except VirtctlError:
        return False


def _kill(lab: Lab, moment: float) -> tuple[float | None, str]:
    """One kill: after how long the guest ran (None: it was saved), and what was wrong."""
    guest, image = lab.guest(), lab.folder / "memory.save"
    image.unlink(missing_ok=True)
    environment = Program(lab.root).environ()
    with subprocess.Popen([PROGRAM, "save", "vm1", image], env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as saver:
        try:
            saver.wait(moment)
        except subprocess.TimeoutExpired:
            os.kill(saver.pid, signal.SIGKILL)
    began = time.monotonic()
    while (running := _running(guest)) is False and time.monotonic() < began + 5:
        time.sleep(0.005)
    seconds = time.monotonic() - began
    if running is None:
        return None, _check_image(lab, image, moment)
    if not running or seconds > 1.0:
        return seconds, f"killed after {moment:.3f} s: it runs: {running}, after {seconds:.2f} s"
    left = [path.name for path in lab.folder.iterdir() if path.name.startswith((".tmp", "memory"))]
    return seconds, f"killed after {moment:.3f} s: {left} is left" if left and not _reaped(lab) else ""


def _reaped(lab: Lab) -> bool:
    """What the guard may still be at, which no command waits for, is gone with a next command soon."""
    limit = time.monotonic() + 2
    while time.monotonic() < limit:
        lab.context("next").find("vm1")
        if not [path for path in lab.folder.iterdir() if path.name.startswith((".tmp", "memory"))]:
            return True
        time.sleep(0.01)
    return False


def _check_image(lab: Lab, image: Path, moment: float) -> str:
    try:
        with open_image(image) as saved:
            saved.verify()
        restore(lab.context("restore"), image, RestoreOptions())
        lab.goes_on()
    except (VirtctlError, OSError, AssertionError) as error:
        return f"killed after {moment:.3f} s: the guest has ended, and its image is not whole: {error}"
    return ""
