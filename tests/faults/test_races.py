"""Thirty processes at once on one domain: one QEMU, one winner, and losers who know who won."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from tests.faults.sweep import audit, fresh_driver, guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.state.lock import DomainLock
from virtctl.values import ListFilter, StartOptions, UndefineOptions

pytestmark = pytest.mark.qemu

PROCESSES = 30


def at_once(lab: Lab, acts: list[Callable[[QemuDriver], object]]) -> list[str]:
    """What each of the processes came to: "" or its error. They begin together."""
    gate, opener = os.pipe()
    reader, writer = os.pipe()
    pids = [_child(lab, act, number, gate, opener, writer) for number, act in enumerate(acts)]
    os.close(writer)
    os.close(opener)
    os.close(gate)
    with os.fdopen(reader) as told:
        lines = dict(line.rstrip("\n").split(" ", 1) for line in told)
    for pid in pids:
        assert os.waitpid(pid, 0)[1] == 0
    assert len(lines) == len(acts)
    return [lines[str(number)] for number in range(len(acts))]


def _child(lab: Lab, act: Callable[[QemuDriver], object], number: int, gate: int, opener: int, writer: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.close(opener)
        os.read(gate, 1)  # until the parent has closed the other side
        text = ""
        try:
            act(fresh_driver(lab.folder.parent))
        except VirtctlError as error:
            text = str(error).replace("\n", " ")
        os.write(writer, f"{number} {text}\n".encode())
        status = 0
    finally:
        os._exit(status)


@contextmanager
def counting(lab: Lab) -> Iterator[Counter[str]]:
    """How many QEMUs of the domain there were at once, looked at all the time by another process."""
    reader, writer = os.pipe()
    stop, stopper = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(stopper)
        os.set_blocking(stop, False)
        most = 0
        while True:
            most = max(most, len(guests(lab.folder.parent)))
            try:
                os.read(stop, 1)
                break
            except BlockingIOError:
                time.sleep(0.002)
        os.write(writer, str(most).encode())
        os._exit(0)
    seen: Counter[str] = Counter()
    try:
        yield seen
    finally:
        os.close(stopper)
        os.waitpid(pid, 0)
        seen["most"] = int(os.read(reader, 16))


def test_one_name_of_many_uuids_has_one_owner(lab: Lab) -> None:
    texts = [document(lab.disk).replace("2a11</uuid>", f"{number:04x}</uuid>") for number in range(PROCESSES)]
    told = at_once(lab, [partial(QemuDriver.define, xml=text) for text in texts])
    assert told.count("") == 1
    assert all("already exists with uuid" in text for text in told if text)
    (row,) = lab.driver.rows(ListFilter(inactive=True))
    assert row.uuid.endswith(f"{told.index(''):04x}")


def test_one_domain_is_started_once(lab: Lab) -> None:
    lab.define()
    told = at_once(lab, [lambda driver: driver.start(NAME, StartOptions())] * PROCESSES)
    assert told.count("") == 1
    assert all("already" in text for text in told if text), set(told)
    assert len(guests(lab.folder.parent)) == 1


def test_any_mixture_leaves_one_truth(lab: Lab) -> None:
    lab.define()
    chance = random.Random(7)
    acts: list[Callable[[QemuDriver], object]] = [
        lambda driver: driver.start(NAME, StartOptions()), lambda driver: driver.destroy(NAME),
        lambda driver: driver.define(document(lab.disk, "new")), lambda driver: driver.suspend(NAME),
        lambda driver: driver.resume(NAME), lambda driver: driver.undefine(NAME, UndefineOptions()),
        lambda driver: driver.rows(ListFilter(inactive=True))]
    with counting(lab) as seen:
        for _ in range(3):
            told = at_once(lab, [chance.choice(acts) for _ in range(PROCESSES)])
            assert not [text for text in told if "Traceback" in text or "internal error" in text], told
    assert seen["most"] <= 1
    state = lab.driver.rows(ListFilter(inactive=True))
    assert len(state) <= 1
    assert len(guests(lab.folder.parent)) == len([row for row in state if row.id is not None])
    assert lab.driver.recover() == []
    assert audit(lab.folder.parent) == []


def test_who_waits_is_told_for_whom_and_readers_do_not_wait(lab: Lab, program: Program) -> None:
    lab.running()
    uuid = lab.driver.uuid_of(NAME)
    with DomainLock(lab.driver.context.paths, uuid, command="save g"):
        words = program.error("--lock-timeout", "0.2", "destroy", NAME)
        assert f"held by pid {os.getpid()} 'save g' since" in words
        assert NAME in program.ok("list")
        assert program.ok("domstate", NAME).strip() == "running"
        assert NAME in program.ok("dumpxml", NAME)
        other = document(lab.folder / "other.img").replace("<name>g<", "<name>h<").replace("2a11</uuid>", "2a12</uuid>")
        (lab.folder / "other.img").write_bytes(bytes(65536))
        lab.driver.define(other)
        program.ok("--lock-timeout", "0.2", "start", "h")
        program.ok("--lock-timeout", "0.2", "destroy", "h")
    program.ok("destroy", NAME)
