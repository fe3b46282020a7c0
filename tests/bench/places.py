"""Where one program is measured, and how: ours with its state in a temporary folder, virsh with a daemon of its own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.libvirtd import PrivateLibvirtd
from tests.support.program import Program, end_guests


class Place(NamedTuple):
    """Where one program's disks and documents stand, and how they are made its own."""

    program: Program
    folder: Path
    share: Callable[[Path], None]


def timed(work: Callable[[], object]) -> float:
    """Seconds that it took."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@contextmanager
def here() -> Iterator[Place]:
    """The program, with its state in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="virtctl-bench-") as name:
        folder = Path(name)
        try:
            yield Place(Program(folder / "root"), folder, lambda path: None)
        finally:
            end_guests(folder)


@contextmanager
def beside() -> Iterator[Place]:
    """virsh and a private libvirtd."""
    daemon = PrivateLibvirtd.start()
    try:
        yield Place(daemon.virsh, daemon.files, daemon.share)
    finally:
        daemon.end()
