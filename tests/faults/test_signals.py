"""Commands that are told to end at any of their steps: the guest is as before, and the exit status says why."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from pexpect import EOF, spawn

from tests.faults.sweep import audit, guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import PROGRAM, Program
from tests.support.waiting import eventually
from virtctl.values import DumpOptions, RestoreOptions

pytestmark = pytest.mark.qemu

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def told(lab: Lab, shim: Path, number: int, which: signal.Signals) -> Program:
    fault = {"LD_PRELOAD": str(shim), "VIRTCTL_FAULT": f"{number}:{-100 - which}"}
    return Program(lab.folder.parent, environment=fault)


@pytest.mark.fault(12)
@pytest.mark.parametrize("which", STATUS, ids=lambda one: one.name)
def test_a_save_is_whole_or_taken_back(lab: Lab, shim: Path, which: signal.Signals) -> None:
    lab.running()
    for number in range(2, 90, 11):
        result = told(lab, shim, number, which)("save", NAME, lab.image)
        if lab.image.exists():
            assert guests(lab.folder.parent) == []
            lab.driver.restore(lab.image, RestoreOptions())
            lab.image.unlink()
        else:
            assert result.status == STATUS[which], f"at {number}: {result}"
        assert lab.driver.state(NAME).state == "running"
        assert all(line.startswith("removed temporary file") for line in lab.driver.recover())
        assert audit(lab.folder.parent) == []


@pytest.mark.fault(12)
@pytest.mark.parametrize("which", STATUS, ids=lambda one: one.name)
def test_a_start_runs_or_leaves_nothing(lab: Lab, shim: Path, which: signal.Signals) -> None:
    lab.define()
    for number in range(3, 52, 9):
        result = told(lab, shim, number, which)("start", NAME)
        assert result.status in (0, STATUS[which]), f"at {number}: {result}"
        state = lab.driver.state(NAME).state
        assert len(guests(lab.folder.parent)) == (state == "running")
        if state == "running":
            lab.driver.destroy(NAME)
        else:
            assert result.status == STATUS[which]
        assert all(line.startswith("removed temporary file") for line in lab.driver.recover())
        assert audit(lab.folder.parent) == []


@pytest.mark.fault(12)
@pytest.mark.parametrize("which", STATUS, ids=lambda one: one.name)
def test_a_copy_runs_or_leaves_no_file(lab: Lab, shim: Path, which: signal.Signals) -> None:
    lab.running()
    for number in range(4, 45, 9):
        result = told(lab, shim, number, which)("blockcopy", NAME, "vda", str(lab.copy), "--transient-job")
        assert result.status in (0, STATUS[which]), f"at {number}: {result}"
        if lab.driver.blockjob(NAME, "vda") is not None:
            lab.driver.blockjob_abort(NAME, "vda")
            lab.copy.unlink()
        assert not lab.copy.exists()
        assert lab.driver.state(NAME).state == "running"
        assert all(line.startswith("removed temporary file") for line in lab.driver.recover())
        assert audit(lab.folder.parent) == []


@pytest.mark.fault(12)
def test_a_key_in_the_terminal_ends_the_command_and_no_guest(lab: Lab) -> None:
    """QEMU is in a session of its own: what the terminal sends to its foreground does not reach it."""
    program = Program(lab.folder.parent)
    lab.define()
    started = spawn(PROGRAM, ["start", NAME], env=program.environ(), timeout=60)
    started.expect("started")
    started.expect(EOF)
    started.close()
    (pid,) = guests(lab.folder.parent)
    assert os.getsid(pid) == pid
    copying = spawn(PROGRAM, ["blockcopy", NAME, "vda", str(lab.copy), "--transient-job", "--wait", "--verbose",
                              "--bandwidth", "1", "--bytes"], env=program.environ(), timeout=60)
    eventually(lambda: lab.driver.blockjob(NAME, "vda"), "the copy is under way")
    copying.sendintr()
    copying.expect(EOF)
    copying.close()
    assert copying.exitstatus in (1, 130)
    assert guests(lab.folder.parent) == [pid]
    assert lab.driver.state(NAME).state == "running"
    assert lab.driver.blockjob(NAME, "vda") is None, "what waits for a copy takes it back when it is interrupted"


@pytest.mark.fault(7)
def test_a_copy_goes_on_when_the_command_that_waits_for_it_is_killed(lab: Lab, program: Program) -> None:
    lab.running()
    words = ["blockcopy", NAME, "vda", str(lab.copy), "--transient-job", "--wait", "--bandwidth", "1", "--bytes"]
    with subprocess.Popen([PROGRAM, *words], env=program.environ(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as waiting:
        eventually(lambda: lab.driver.blockjob(NAME, "vda"), "the copy is under way")
        waiting.kill()
    assert program("blockjob", NAME, "vda", "--info").err.lstrip().startswith("Block Copy: [")
    assert lab.copy.exists()
    program.ok("blockjob", NAME, "vda", "--abort")
    assert program.ok("blockjob", NAME, "vda", "--info").strip() == "No current block job for vda"
    assert lab.copy.exists(), "the target keeps its name"
    lab.copy.unlink()
    program.ok("blockcopy", NAME, "vda", lab.copy, "--transient-job", "--wait", "--pivot")
    assert str(lab.copy) in lab.driver.dumpxml(NAME, DumpOptions())
