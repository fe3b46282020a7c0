"""Flips and truncations over a whole saved image: refused before a guest could be made from it."""

from __future__ import annotations

import os
import random
import tempfile
import time
from pathlib import Path

from tests.faults.goals import Result
from virtctl.errors import VirtctlError
from virtctl.qemu.saveimage import open_image
from virtctl.qemu.savewriter import ImageWriter

TITLE = "1000 bit flips and 500 truncations of a saved image are all refused before a guest runs"
TRIALS = 1500
STREAM = 400_000
TIMED = 512 * 2**20


def _refused(path: Path) -> bool:
    """What a restore does before it starts QEMU."""
    try:
        with open_image(path) as image:
            return not image.verify()
    except VirtctlError:
        return True


def _write(path: Path, length: int, chance: random.Random) -> None:
    piece = chance.randbytes(min(length, 2**20))
    with ImageWriter(path, "<domain type='qemu'><name>g</name></domain>", cookie="<cookie/>") as writer:
        writer.write(b"QEVM\0\0\0\3")
        for _ in range(length // len(piece)):
            writer.write(piece)
        writer.finish(running=True)


def _seconds_per_gigabyte(folder: Path, chance: random.Random) -> float:
    """Of processor time: other processes share the machine."""
    path = folder / "timed"
    _write(path, TIMED, chance)
    begin = time.process_time()
    with open_image(path) as image:
        image.verify()
    seconds = time.process_time() - begin
    path.unlink()
    return seconds * 2**30 / TIMED


def measure(trials: int, seed: int) -> Result:
    """Two flips to each truncation. A violation is an image that passes, and one that is slow to check."""
    chance = random.Random(seed)
    violations = []
    with tempfile.TemporaryDirectory(prefix="flips-") as name:
        path = Path(name) / "image"
        _write(path, STREAM, chance)
        whole = path.read_bytes()
        if _refused(path):
            violations.append("the whole image is refused")
        with path.open("r+b", buffering=0) as file:
            for number in range(trials):
                if number % 3 < 2:
                    place, bit = chance.randrange(len(whole)), chance.randrange(8)
                    os.pwrite(file.fileno(), bytes([whole[place] ^ 1 << bit]), place)
                    what = f"bit {bit} of byte {place}"
                else:
                    place = chance.randrange(len(whole))
                    file.truncate(place)
                    what = f"cut to {place} bytes"
                if not _refused(path):
                    violations.append(f"seed {seed}: {what}")
                os.pwrite(file.fileno(), whole[place:] if number % 3 == 2 else whole[place:place + 1], place)
        if path.read_bytes() != whole or _refused(path):
            violations.append("the image was not itself again in the end")
        speed = _seconds_per_gigabyte(Path(name), chance)
        if speed > 2:
            violations.append(f"{speed:.1f} s of processor for a gigabyte")
    return Result(trials, violations, f"verified at {speed:.2f} s of processor per GiB")
