"""A disk moved to another file while its guest writes to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import guests
from tests.support.machines import Machine
from tests.support.program import Program

pytestmark = pytest.mark.qemu

PAUSE = 25.0  # milliseconds, with a guest that writes all the time


def copy(machine: Machine, target: str, destination: Path) -> None:
    """Copies a disk until the copy follows each write."""
    copied = machine.program(
        *("blockcopy", machine.name, target, destination, "--format", "raw"),
        *("--transient-job", "--wait", "--verbose"),
    )
    assert copied.status == 0, copied.err
    assert "Now in mirroring phase" in copied.out


@pytest.mark.parametrize(("bus", "target"), [("virtio", "vda"), ("ide", "hda")])
@pytest.mark.parametrize("form", ["pivot", "--pivot"])
def test_pivot_under_load_loses_no_write(virtctl: Program, tmp_path: Path, bus: str, target: str, form: str) -> None:
    machine = Machine.make(virtctl, tmp_path, writer=True, bus=bus)
    machine.start()
    machine.counts(beyond=500)
    destination = tmp_path / "copy.img"
    copy(machine, target, destination)
    virtctl.ok(
        *(("blockjob", "pivot", "counter", target) if form == "pivot" else ("blockjob", "counter", target, form))
    )
    assert str(destination) in virtctl.ok("domblklist", "counter")
    left_behind = guests.written_last(machine.image)
    machine.counts(beyond=left_behind + 500)
    assert guests.written_last(machine.image) == left_behind
    virtctl.ok("destroy", "counter")
    assert guests.written_last(destination) >= guests.last_printed(machine.log)


def test_pivot_pauses_a_writing_guest_for_a_moment_only(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path, writer=True)
    machine.start()
    pauses = []
    for number in range(5):
        copy(machine, "vda", tmp_path / f"copy{number}.img")
        said = virtctl.ok("blockjob", "pivot", "counter", "vda", "--verbose")
        found = re.search(r"([0-9.]+) ms", said)
        assert found, said
        pauses.append(float(found[1]))
    assert min(pauses) < PAUSE, "the shortest says what the switch takes; a longer one, what else the machine did"
    assert virtctl.ok("domstate", "counter").strip() == "running"


def test_pivoted_disk_is_the_one_that_is_started_next(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    destination = tmp_path / "copy.img"
    copy(machine, "vda", destination)
    virtctl.ok("blockjob", "counter", "vda", "--pivot")
    assert str(destination) in virtctl.ok("domblklist", "counter", "--inactive")
    virtctl.ok("destroy", "counter")
    virtctl.ok("start", "counter")
    assert str(destination) in virtctl.ok("domblklist", "counter")


def test_aborted_copy_leaves_the_guest_on_its_disk(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    copy(machine, "vda", tmp_path / "copy.img")
    told = virtctl("blockjob", "counter", "vda", "--info")
    assert "Block Copy: [100 %]" in told.out + told.err
    virtctl.ok("blockjob", "counter", "vda", "--abort")
    assert virtctl.ok("blockjob", "counter", "vda", "--info").strip() == "No current block job for vda"
    assert str(machine.image) in virtctl.ok("domblklist", "counter")
    machine.counts(beyond=guests.last_printed(machine.log) + 3)
    assert 0 <= guests.counter_on_disk(machine.image) - guests.last_printed(machine.log) <= 1


def test_nothing_to_pivot_is_an_error(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    said = virtctl.error("blockjob", "counter", "vda", "--pivot")
    assert said == "error: invalid argument: disk vda does not have an active block job\n"
    assert virtctl.ok("domstate", "counter").strip() == "running"
