"""A QEMU that is stopped: what needs no answer of it is answered at once, and it can be ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program, Result

pytestmark = pytest.mark.qemu


def timed(act: Callable[[], Result], tries: int = 1) -> tuple[Result, float]:
    """The shortest of some tries: the machine may have other work."""
    best = float("inf")
    for _ in range(tries):
        began = time.monotonic()
        result = act()
        best = min(best, time.monotonic() - began)
    return result, best


def busy(program: Program) -> float:
    """How much longer than usual a command takes now that asks no guest: the machine may have other work."""
    return max(0.0, timed(lambda: program("domuuid", NAME))[1] - 0.1)


@pytest.mark.fault(19)
def test_a_stopped_qemu_stops_nobody_else(lab: Lab, program: Program) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    os.kill(pid, signal.SIGSTOP)
    shown, seconds = timed(lambda: program("list"), 5)
    assert NAME in shown.out
    assert shown.status == 0
    assert seconds < 0.5 + busy(program)
    asked, seconds = timed(lambda: program("domstate", NAME), 2)
    assert asked.out.strip() == "running"
    assert seconds < 2 + busy(program)
    assert json.loads(program.ok("domstate", NAME, "--output", "json"))["stale"] is True
    told = program("dominfo", NAME).err
    assert f"its process {pid} is stopped; 'running' is what was last known" in told
    assert f"its process {pid} is stopped" in program.error("suspend", NAME)
    ended, seconds = timed(lambda: program("destroy", NAME))
    assert ended.status == 0
    assert seconds < 2 + busy(program)
    assert guests(lab.folder.parent) == []
    assert program.ok("domstate", NAME).strip() == "shut off"


def test_a_stopped_qemu_is_not_saved_and_goes_on_afterwards(lab: Lab, program: Program) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    os.kill(pid, signal.SIGSTOP)
    program.error("save", NAME, lab.image)
    os.kill(pid, signal.SIGCONT)
    assert program("domstate", NAME).out.strip() == "running"
    assert not lab.image.exists()
    program.ok("save", NAME, lab.image)
    program.ok("restore", lab.image)
