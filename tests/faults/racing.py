"""Many processes that begin together on one domain, and a watcher that counts its QEMUs all the while."""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.faults.sweep import fresh_driver
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.qemu import process

Act = Callable[[QemuDriver], object]
LOOK_EVERY = 0.005  # seconds


class Told(NamedTuple):
    """What one process came to: "" or its error, and how many seconds it took from the common beginning."""

    text: str
    seconds: float


def at_once(root: Path, acts: list[Act]) -> list[str]:
    """What each of the processes came to: "" or its error, a traceback in one line for what is none of ours. They
    begin together.
    """
    return [told.text for told in timed_at_once(root, acts)]


def timed_at_once(root: Path, acts: list[Act]) -> list[Told]:
    """The same, with the time that each took."""
    gate, opener = os.pipe()
    reader, writer = os.pipe()
    pids = [_child(root, act, number, (gate, opener, writer)) for number, act in enumerate(acts)]
    os.close(writer)
    os.close(gate)
    begin = time.monotonic()
    os.close(opener)
    found: dict[int, Told] = {}
    with os.fdopen(reader) as lines:
        for line in lines:
            number, end, text = line.rstrip("\n").split(" ", 2)
            found[int(number)] = Told(text, float(end) - begin)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert len(found) == len(acts)
    return [found[number] for number in range(len(acts))]


def _child(root: Path, act: Act, number: int, pipes: tuple[int, int, int]) -> int:
    pid = os.fork()
    if pid:
        return pid
    gate, opener, writer = pipes
    status = 1
    try:
        os.close(opener)
        os.read(gate, 1)  # until the parent has closed the other side
        text = ""
        try:
            act(fresh_driver(root))
        except VirtctlError as error:
            text = str(error).replace("\n", " ")
        except Exception as error:
            text = f"internal error: {''.join(traceback.format_exception(error))}".replace("\n", " ")
        os.write(writer, f"{number} {time.monotonic()} {text}\n".encode())
        status = 0
    finally:
        os._exit(status)


class Seen:
    """How many QEMUs of one domain there were at once, at most; known when the watching is over."""

    most = 0
    looks = 0


@contextmanager
def counting(root: Path, domain_of: Callable[[str], str] = str) -> Iterator[Seen]:
    """Counts the QEMUs of each domain all the time, in another process. `domain_of` makes a uuid what is counted."""
    reader, writer = os.pipe()
    stop, stopper = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(stopper)
        os.set_blocking(stop, False)
        _watch(root, domain_of, stop, writer)
    os.close(stop)
    os.close(writer)
    seen = Seen()
    try:
        yield seen
    finally:
        os.close(stopper)
        os.waitpid(pid, 0)
        with os.fdopen(reader) as told:
            seen.most, seen.looks = map(int, told.read().split())


def _watch(root: Path, domain_of: Callable[[str], str], stop: int, writer: int) -> None:
    runtime = Paths.under(root).runtime
    most = looks = 0
    strangers = frozenset(os.listdir("/proc"))  # noqa: PTH208 - names only
    with suppress(PermissionError):
        os.nice(-10)  # it must look in time, however busy the others are
    while True:
        most = max(most, _most_at_once(runtime, domain_of, strangers))
        looks += 1
        try:
            os.read(stop, 1)
            break
        except BlockingIOError:
            time.sleep(LOOK_EVERY)
    os.write(writer, f"{most} {looks}".encode())
    os._exit(0)


def _most_at_once(runtime: Path, domain_of: Callable[[str], str], strangers: frozenset[str]) -> int:
    """How many QEMUs the domain has that has most; looked at closely only where there may be two."""
    works_in = []
    for number in os.listdir("/proc"):  # noqa: PTH208 - some hundred times a second
        if number.isdigit() and number not in strangers:
            with suppress(OSError):
                parent, _, uuid = os.readlink(f"/proc/{number}/cwd").rpartition("/")  # noqa: PTH115 - the same
                if parent == str(runtime):
                    works_in.append(domain_of(uuid.removesuffix(" (deleted)")))
    most = max(Counter(works_in).values(), default=0)
    if most < 2:
        return most
    return max(Counter(domain_of(stray.uuid) for stray in process.find_strays(runtime)).values(), default=0)
