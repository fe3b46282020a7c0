"""Commands that are told to end at any of their steps: the guest is as before, and the exit status says why."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.faults.sweep import audit, guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program
from virtctl.values import RestoreOptions

pytestmark = pytest.mark.qemu

STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def told(lab: Lab, shim: Path, number: int, which: signal.Signals) -> Program:
    fault = {"LD_PRELOAD": str(shim), "VIRTCTL_FAULT": f"{number}:{-100 - which}"}
    return Program(lab.folder.parent, environment=fault)


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
