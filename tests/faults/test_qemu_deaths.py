"""QEMU ends, or stands still, when nobody expects it: what is told of it, and what is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.drawn import draw
from tests.faults.sweep import audit, guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program
from tests.support.waiting import eventually
from virtctl.errors import VirtctlError
from virtctl.qemu.monitor import Monitor
from virtctl.values import RestoreOptions, SaveOptions, StartOptions

pytestmark = pytest.mark.qemu


def end(lab: Lab, which: signal.Signals) -> int:
    """Ends the QEMU; its pid."""
    (pid,) = guests(lab.folder.parent)
    os.kill(pid, which)
    eventually(lambda: not guests(lab.folder.parent), "QEMU has ended")
    return pid


def leftovers(lab: Lab) -> list[Path]:
    """What is kept of guests that run."""
    root = lab.folder.parent
    folders = (root / "run" / "qemu", root / "lib" / "qemu" / "running", root / "lib" / "qemu" / "monitor")
    return [path for folder in folders for path in folder.iterdir()]


@contextmanager
def before_command(number: int, which: signal.Signals, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Right before the n-th question to the human monitor QEMU gets a signal."""
    asked = 0
    command = Monitor.command

    def counted(self: Monitor, line: str, deadline: float = 3.0) -> str:
        nonlocal asked
        asked += 1
        if asked == number:
            (pid,) = guests(lab.folder.parent)
            os.kill(pid, which)
        return command(self, line, deadline)

    with monkeypatch.context() as patch:
        patch.setattr(Monitor, "command", counted)
        yield
    assert asked >= number


@pytest.mark.fault(15)
def test_a_killed_qemu_is_a_crash_at_once_and_leaves_nothing(lab: Lab, program: Program) -> None:
    lab.running()
    end(lab, signal.SIGKILL)
    assert program.ok("domstate", NAME, "--reason").strip() == "shut off (crashed)"
    assert leftovers(lab) == []
    program.ok("start", NAME)
    assert program.ok("domstate", NAME, "--reason").strip() == "running (booted)"


@pytest.mark.fault(16)
@pytest.mark.parametrize("which", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda one: one.name)
def test_who_told_qemu_to_end_is_told(lab: Lab, program: Program, which: signal.Signals) -> None:
    lab.running()
    pid = end(lab, which)
    assert program.ok("domstate", NAME, "--reason").strip() == "shut off (shutdown)"
    said = program.ok("history", NAME)
    assert f"process {pid} ended in good order: terminating on signal {which.value} from pid {os.getpid()}" in said
    assert leftovers(lab) == []
    program.ok("start", NAME)


@pytest.mark.fault(22)
def test_a_kill_is_kept_in_the_history_with_its_signal(lab: Lab, program: Program) -> None:
    lab.running()
    pid = end(lab, signal.SIGKILL)
    assert program.ok("list", "--all").split()[-2:] == ["shut", "off"]
    assert f"ended: crashed: process {pid} was killed by signal 9 " in program.ok("history", NAME)


@pytest.mark.fault(17)
@pytest.mark.parametrize("which", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL], ids=lambda one: one.name)
def test_a_crash_during_a_command_is_told_with_qemus_last_words(
        lab: Lab, which: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    (log,) = (lab.folder.parent / "log" / "qemu").glob(f"{NAME}.log")
    with log.open("a") as file:
        file.write("2026-01-01T00:00:00.000000Z qemu-system-x86_64: the last words\n")
    with pytest.raises(VirtctlError) as caught, before_command(2, which, lab, monkeypatch):
        lab.driver.suspend(NAME)
    assert f"QEMU process {pid} was killed by signal 9" in str(caught.value)
    assert str(caught.value).endswith("its last words: the last words")
    assert NAME in str(caught.value)
    state = lab.driver.state(NAME)
    assert (state.state, state.reason) == ("shut off", "crashed")
    lab.driver.start(NAME, StartOptions())


@pytest.mark.fault(21)
def test_qemu_ends_between_any_two_questions_of_a_save(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.define()
    for number in range(1, 8):
        lab.driver.start(NAME, StartOptions())
        with pytest.raises(VirtctlError), before_command(number, signal.SIGKILL, lab, monkeypatch):
            lab.driver.save(NAME, lab.image, SaveOptions())
        assert not lab.image.exists(), f"at question {number}"
        assert lab.driver.state(NAME).state == "shut off"
        assert leftovers(lab) == audit(lab.folder.parent) == []


@pytest.mark.slow
@pytest.mark.fault(18, 21)
@pytest.mark.parametrize(("fault", "trials"), [("QEMU", 10), ("FREEZE", 5)])
def test_qemu_dies_or_stands_still_in_a_wait(fault: str, trials: int) -> None:
    verbs = "save,restore,blockcopy,pivot,commit-pivot"
    found = draw(fault, trials, 1, verbs=verbs, calls="waits")
    assert found.trials >= trials
    assert found.violations == []


@pytest.mark.fault(19)
def test_a_save_of_a_qemu_that_stands_still_is_taken_back_when_it_goes_on(lab: Lab, program: Program) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    os.kill(pid, signal.SIGSTOP)
    assert f"process {pid} is stopped" in program.error("save", NAME, lab.image)
    os.kill(pid, signal.SIGCONT)
    assert lab.driver.state(NAME).state == "running"
    assert not lab.image.exists()
    lab.driver.save(NAME, lab.image, SaveOptions())
    lab.driver.restore(lab.image, RestoreOptions())
