"""A paused guest whose save fails is paused as before: it has its disks, has not run, and is saved at the next try."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guests
from tests.support.lab import Lab
from tests.support.waiting import eventually
from virtctl.errors import OperationFailed, VirtctlError
from virtctl.qemu import verbs
from virtctl.qemu.lifecycle import resume, suspend
from virtctl.qemu.restoring import restore
from virtctl.qemu.saveimage import open_image
from virtctl.qemu.savewriter import ImageWriter
from virtctl.qemu.saving import save
from virtctl.values import RestoreOptions, SaveOptions

pytestmark = pytest.mark.qemu

OLDER = b"an older file of that name"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.end()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Where the guest is saved."""
    place = tmp_path / "saves" / "vm1.save"
    place.parent.mkdir()
    return place


FAULTY_SAVE = """
import os, signal
from pathlib import Path
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.qemu import saving
from virtctl.qemu.context import Context
from virtctl.values import SaveOptions

owner, call, fault, image, root = {owner}, {call!r}, {fault!r}, Path({image!r}), Path({root!r})
whole = getattr(owner, call)
stream = saving.stream

def fails_once(*_, **__):
    if fault == "KILL":
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(owner, call, whole)
    raise OSError(28, os.strerror(28))

def then_fail(*arguments):
    stream(*arguments)
    setattr(owner, call, fails_once)

saving.stream = then_fail
context = Context(Paths.under(root), warn=print, command="save", lock_timeout=10)
try:
    saving.save(context, context.find("vm1"), image, SaveOptions())
except VirtctlError as error:
    print(error)
"""


def save_with(fault: str, owner: str, call: str, lab: Lab, image: Path) -> str:
    """Saves in a process that meets the fault at the first such call after the whole stream; what it said."""
    text = FAULTY_SAVE.format(owner=owner, call=call, fault=fault, image=str(image), root=str(lab.root))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.stdout


def registers(lab: Lab) -> str:
    """What the guest's processor holds: any instruction would change it."""
    with lab.guest().monitor() as monitor:
        return monitor.command("info registers")


def is_plainly_paused(lab: Lab) -> bool:
    try:
        with lab.guest().monitor() as monitor:
            return verbs.status(monitor) == (False, "")
    except VirtctlError:
        return False


def has_its_disk(lab: Lab) -> bool:
    """Whether QEMU holds the locks by which others are kept from the image."""
    look = ["qemu-io", "-f", "raw", "-c", "quit", str(lab.folder / "vm1.img")]
    return subprocess.run(look, capture_output=True, check=False).returncode != 0


@pytest.mark.fault(4, 37)
@pytest.mark.parametrize("bus", ["virtio", "ide"])
def test_a_save_that_fails_at_its_end_leaves_it_paused(lab: Lab, image: Path, bus: str) -> None:
    lab.start(lab.document(bus=bus))
    context = lab.context()
    suspend(context, context.find("vm1"))
    image.write_bytes(OLDER)
    before = registers(lab)
    for owner, call in (("os", "pwrite"), ("os", "fsync"), ("Path", "rename")):
        for fault in ("ENOSPC", "KILL"):
            said = save_with(fault, owner, call, lab, image)
            assert said == ("" if fault == "KILL" else f"cannot write save image '{image}': No space left on device\n")
            what = f"after {fault} at {call}"
            eventually(lambda: is_plainly_paused(lab), f"it is paused {what}", 5)
            eventually(lambda: list(image.parent.iterdir()) == [image], f"all is cleared up {what}", 5)
            assert has_its_disk(lab), what
            assert registers(lab) == before, what
            assert image.read_bytes() == OLDER, what
    context = lab.context()
    save(context, context.find("vm1"), image, SaveOptions())
    with open_image(image) as saved:
        assert saved.verify()
        assert not saved.was_running
    restore(context, image, RestoreOptions(running=True))
    lab.goes_on()
    suspend(context, context.find("vm1"))
    assert guests.written_last(lab.folder / "vm1.img") >= guests.last_printed(lab.serial())


@pytest.mark.fault(55)
def test_its_disks_are_another_guests_by_the_time_that_it_wants_them_back(
    lab: Lab, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one moment in which QEMU itself lets another guest have them: that is told, and nothing is lost."""
    lab.start(lab.document())
    context = lab.context()
    save(context, context.find("vm1"), image, SaveOptions())
    restore(context, image, RestoreOptions(running=False))
    before = registers(lab)
    other = lab.document("vm2", image=lab.folder / "vm1.img")

    def finish(*_: object, **__: object) -> None:
        lab.start(other, paused=True)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ImageWriter, "finish", finish)
    with pytest.raises(OSError, match="No space left"):
        save(context, context.find("vm1"), image, SaveOptions())
    told = "".join(lab.said)
    assert "the disks of domain 'vm1' cannot be taken back" in told
    assert 'Failed to get "write" lock' in told
    assert registers(lab) == before
    monkeypatch.undo()
    with pytest.raises(OperationFailed, match="cannot be taken back"):
        save(context, context.find("vm1"), image, SaveOptions())
    with lab.guest("vm2").monitor() as monitor:
        verbs.quit(monitor)
    save(context, context.find("vm1"), image, SaveOptions())
    restore(context, image, RestoreOptions(running=False))
    resume(context, context.find("vm1"))
    lab.goes_on()
