"""A guest that prints as fast as it can: what its log takes on the host, and what a broken log disk does to it.

A trial is a second. For three quarters of them the log is turned over; then its disk is full, then it is gone. Where
the number of trials is not the whole one, the limit of a log is smaller in proportion, so that as much happens.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.goals import Result
from tests.support import documents, guests
from tests.support.keepers import keepers, kept, losses, size_of
from tests.support.program import Program, end_guests
from tests.support.waiting import eventually
from virtctl.qemu.logkeeper import BUFFER

TITLE = "a flood of output: at most 8 MiB on the host, the oldest goes; a full or vanished log disk never stops a guest"
TRIALS = 60
LIMIT, BACKUPS = 2 << 20, 3
SMALL = 64  # KiB of the disk that is full


class Flood:
    """One flooding guest and its log."""

    def __init__(self, virtctl: Program, folder: Path, name: str, log: Path) -> None:
        self.virtctl = virtctl
        self.name = name
        self.log = log
        self.image = guests.flood_image(folder / f"{name}.img")
        document = folder / f"{name}.xml"
        devices = documents.disk(self.image, "vda", "virtio") + documents.serial(log)
        document.write_text(documents.document(name, devices=devices), encoding="utf-8")
        virtctl.ok("create", document)
        eventually(lambda: guests.counter_on_disk(self.image) > 0, f"{name} prints")

    def runs_on(self) -> bool:
        """Whether the guest gets on, and QEMU answers."""
        before = guests.counter_on_disk(self.image)
        eventually(lambda: guests.counter_on_disk(self.image) > before, f"{self.name} runs on")
        return self.virtctl.ok("domstate", self.name).strip() == "running"

    def told(self, why: str) -> bool:
        """Whether a command tells of the loss."""
        return why in self.virtctl("dominfo", self.name).err

    def halt(self) -> None:
        """Stops the guest and waits until all is written that it printed."""
        self.virtctl.ok("suspend", self.name)
        sizes = [0, 1]
        while sizes[-1] != sizes[-2]:
            sizes.append(size_of(self.log))
            time.sleep(0.1)  # ten times as long as the keeper takes between two looks


def measure(trials: int, seed: int) -> Result:
    """Whether the host's bytes stay bounded and the guest goes on, whatever becomes of its log."""
    violations: list[str] = []
    limit = max(BUFFER, min(LIMIT, LIMIT * trials // TRIALS))
    pick = random.Random(seed)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        virtctl = Program(folder / "root")
        settings = folder / "root" / "etc" / "qemu.conf"
        settings.parent.mkdir(parents=True, mode=0o700)
        settings.write_text(f"max_log_size = {limit}\nmax_log_backups = {BACKUPS}\n")
        settings.chmod(0o600)
        try:
            figures = _flood(virtctl, folder, limit, trials * 0.75, violations)
            with _small_disk(folder / "disk") as disk:
                _full(virtctl, folder, disk, pick.randrange(4, SMALL, 4), violations)
                _gone(virtctl, folder, disk, violations)
            eventually(lambda: not keepers(folder), "no log keeper outlives its guest")
        except AssertionError as error:
            violations.append(str(error))
        finally:
            end_guests(folder)
    return Result(trials, violations, figures)


def _check(well: bool, what: str, violations: list[str]) -> None:
    if not well:
        violations.append(what)


def _flood(virtctl: Program, folder: Path, limit: int, seconds: float, violations: list[str]) -> str:
    guest = Flood(virtctl, folder, "flood", folder / "log")
    bound = limit * (1 + BACKUPS) + BUFFER
    most = looks = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, size_of(guest.log))
        looks += 1
        time.sleep(0.002)  # the other processor is the guest's
    _check(most <= bound, f"{most} bytes on the host, more than {bound}", violations)
    guest.halt()
    text = kept(guest.log)
    _check(losses(text) == [], "something was lost", violations)
    last = guests.last_printed(guest.log)
    size = last * len(guests.FLOOD_LINE % 0)
    _check(size < bound or len(text) > limit * BACKUPS, f"only {len(text)} bytes are kept", violations)
    virtctl.ok("destroy", guest.name)
    return f"{size >> 10} KiB printed, at most {most >> 10} KiB on the host in {looks} looks"


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    _mount(place, SMALL)
    try:
        yield place
    finally:
        while subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False).returncode == 0:
            continue


def _mount(place: Path, kib: int, *more: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join((f"size={kib}k,mode=700", *more)), "logs", str(place)],
                   check=True)


def _until(look: Callable[[], bool], what: str) -> None:
    eventually(look, what, 30)


def _full(virtctl: Program, folder: Path, disk: Path, ballast: int, violations: list[str]) -> None:
    (disk / "ballast").write_bytes(bytes(ballast << 10))
    guest = Flood(virtctl, folder, "full", disk / "log")
    _until(lambda: os.statvfs(disk).f_bfree == 0, "the log disk is full")
    for _ in range(3):
        _check(guest.runs_on(), "a full log disk stops the guest", violations)
    _until(lambda: guest.told("No space left on device"), "the loss is reported")
    _mount(disk, 64 << 10, "remount")
    _until(lambda: b"[virtctl: " in guest.log.read_bytes(), "the log goes on")
    _check(guest.runs_on(), "a log disk with space again stops the guest", violations)
    guest.halt()
    found = losses(kept(guest.log))
    _check({why for _, why in found} <= {"No space left on device"}, f"lost: {found}", violations)
    virtctl.ok("destroy", guest.name)
    _check("No space left on device" in virtctl.ok("history", guest.name), "the history knows of no loss", violations)


def _gone(virtctl: Program, folder: Path, disk: Path, violations: list[str]) -> None:
    guest = Flood(virtctl, folder, "gone", disk / "log2")
    subprocess.run(["umount", "-l", str(disk)], check=True)
    _until(lambda: guest.told("nothing is mounted on"), "the loss is reported")
    for _ in range(3):
        _check(guest.runs_on(), "a vanished log disk stops the guest", violations)
    _check(not list(disk.iterdir()), "the log goes on in the place where its disk was", violations)
    guest.virtctl.ok("suspend", guest.name)
    _mount(disk, 64 << 10)
    _until(lambda: size_of(guest.log) > 0, "the loss is told at its place")
    _check(b" bytes lost: nothing is mounted on " in guest.log.read_bytes(), "the loss is not told", violations)
    guest.virtctl.ok("resume", guest.name)
    _until(lambda: size_of(guest.log) > BUFFER, "the log goes on")
    _check(guest.runs_on(), "a log disk that is back stops the guest", violations)
    guest.halt()
    losses(kept(guest.log))
    virtctl.ok("destroy", guest.name)
