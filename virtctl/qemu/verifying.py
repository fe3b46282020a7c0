"""Checking a saved image while QEMU loads it, so that a restore takes no longer than the slower of the two.

The guest does not run before both are done. A small image is checked before QEMU is started, and so is a compressed
one, which has to be unpacked first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from virtctl.qemu.saveimage import SaveImage

LARGE = 256 * 2**20  # bytes from which on a second process is worth its while


@contextmanager
def verifying(image: SaveImage) -> Iterator[Callable[[], None]]:
    """Has the image checked within the block. What it gives waits for the outcome, and raises what `verify` raises."""
    if image.seal is None or image.compression != "raw" or image.stream_length < LARGE:
        image.verify()
        yield lambda: None
        return
    ours = os.getpid()
    pid = os.fork()
    if pid == 0:
        _check(image, ours)
    sound: list[bool] = []

    def outcome() -> None:
        if not sound:
            sound.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0)
        if not sound[0]:
            image.verify()  # once more, to say what is wrong; nothing is, when the process was merely killed

    try:
        yield outcome
    finally:
        if not sound:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _check(image: SaveImage, parent: int) -> NoReturn:
    """The process: it ends with its parent, whose locks it holds as well."""

    def look(_done: int, _all: int) -> None:
        if os.getppid() != parent:
            os._exit(1)

    status = 1
    try:
        image.verify(look)
        status = 0
    finally:
        os._exit(status)
