"""QEMU in a control group that is frozen, or that has too little memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.freezing import Group, group
from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program
from tests.support.waiting import eventually
from virtctl.errors import VirtctlError
from virtctl.qemu import lifecycle
from virtctl.values import BlockCopy, StartOptions

pytestmark = pytest.mark.qemu


@pytest.fixture
def freezer() -> Iterator[Group]:
    """A control group that can be frozen."""
    with group("freezer") as made:
        if made is None:
            pytest.skip("needs the right to make a control group of the freezer (v1 or v2)")
        yield made


@pytest.fixture
def small_memory() -> Iterator[Group]:
    """A control group whose memory can be limited."""
    with group("memory") as made:
        if made is None:
            pytest.skip("needs the right to make a control group of the memory (v1 or v2)")
        yield made


@pytest.mark.fault(20)
def test_a_frozen_qemu_cannot_be_ended_and_is_not_said_to_be(
        lab: Lab, program: Program, freezer: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lifecycle.DESTROY_DEADLINE < 15
    monkeypatch.setattr(lifecycle, "DESTROY_DEADLINE", 1.5)
    lab.running()
    (pid,) = guests(lab.folder.parent)
    freezer.take(pid)
    with freezer.frozen():
        with pytest.raises(VirtctlError) as caught:
            lab.driver.destroy(NAME)
        assert str(caught.value).endswith(f"Failed to terminate process {pid} with SIGKILL: Device or resource busy")
        assert program.ok("list").split()[-1] == "running"
        assert "already active" in program.error("start", NAME)
        assert guests(lab.folder.parent) == [pid]
    eventually(lambda: not guests(lab.folder.parent), "the signal reaches it")
    assert program.ok("domstate", NAME, "--reason").strip() == "shut off (destroyed)"
    program.ok("start", NAME)
    program.ok("destroy", NAME)


@pytest.mark.fault(20)
def test_a_guest_that_was_frozen_for_a_while_goes_on_and_can_be_ended(
        lab: Lab, program: Program, freezer: Group) -> None:
    lab.running()
    freezer.take(guests(lab.folder.parent)[0])
    with freezer.frozen():
        assert program("domstate", NAME).out.strip() == "running"
    assert program.ok("domstate", NAME).strip() == "running"
    program.ok("destroy", NAME)
    assert program.ok("domstate", NAME, "--reason").strip() == "shut off (destroyed)"


@pytest.mark.fault(22)
def test_a_qemu_that_has_no_memory_left_is_a_crash_that_names_the_signal(lab: Lab, small_memory: Group) -> None:
    lab.disk.write_bytes(os.urandom(8 << 20))
    lab.running()
    (pid,) = guests(lab.folder.parent)
    small_memory.take(pid)
    small_memory.limit(small_memory.used() + (1 << 20))
    with suppress(VirtctlError):  # the copy needs more than is left, at once or a little later
        lab.driver.blockcopy(NAME, "vda", BlockCopy(str(lab.copy)))
    eventually(lambda: not guests(lab.folder.parent), "the copy has taken more memory than there is", 20)
    state = lab.driver.state(NAME)
    assert (state.state, state.reason) == ("shut off", "crashed")
    assert any("killed by signal 9" in str(entry["what"]) for entry in lab.driver.history(NAME))
    lab.driver.start(NAME, StartOptions())


@pytest.mark.fault(22)
def test_a_guest_that_never_had_the_memory_to_start_says_the_signal(
        lab: Lab, program: Program, small_memory: Group) -> None:
    lab.define()
    path = lab.folder.parent / "etc" / "qemu" / f"{NAME}.xml"
    text = path.read_text().replace("<memory unit='KiB'>8192<", "<memory unit='MiB'>512<")
    text = text.replace("<currentMemory unit='KiB'>8192<", "<currentMemory unit='MiB'>512<")
    document = lab.folder / "large.xml"
    document.write_text(text.replace("<vcpu", "<memoryBacking><allocation mode='immediate'/></memoryBacking><vcpu", 1))
    program.ok("define", document)
    small_memory.limit(200 << 20)
    inside = Program(program.root, ("sh", "-c", f"echo $$ > {small_memory.procs}; exec \"$@\"", "sh", *program.command))
    said = inside.error("start", NAME)
    assert f"Failed to start domain '{NAME}'" in said
    assert "killed by signal 9" in said
    assert guests(lab.folder.parent) == []
    assert Path(document).exists()
