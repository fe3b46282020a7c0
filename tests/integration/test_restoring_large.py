"""Images that are checked while QEMU loads them: whatever is wrong with one, its guest does not run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guests
from tests.support.lab import Lab
from tests.support.program import pids_below
from virtctl.errors import ImageError, VirtctlError
from virtctl.qemu import verifying
from virtctl.qemu.restoring import restore, start_saved
from virtctl.qemu.saveimage import open_image
from virtctl.qemu.saving import managed_save, save
from virtctl.values import RestoreOptions, SaveOptions

pytestmark = pytest.mark.qemu


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """With a running guest, whose small image counts as a large one."""
    monkeypatch.setattr(verifying, "LARGE", 1)
    lab = Lab(tmp_path)
    lab.start(lab.document())
    yield lab
    lab.end()


def saved(lab: Lab) -> Path:
    """The running guest's image."""
    context, image = lab.context(), lab.folder / "vm1.save"
    save(context, context.find("vm1"), image, SaveOptions())
    return image


def flip(image: Path, share: float) -> None:
    """Turns a byte of the stream over, so far into it."""
    with open_image(image) as opened:
        place = opened.stream_offset + int(opened.stream_length * share)
    with image.open("r+b") as file:
        file.seek(place)
        old = file.read(1)
        file.seek(place)
        file.write(bytes((old[0] ^ 0x10,)))


def test_a_whole_image_is_restored(lab: Lab) -> None:
    image = saved(lab)
    restore(lab.context(), image, RestoreOptions(bypass_cache=True))
    lab.goes_on()
    assert lab.said == []


@pytest.mark.fault(87)
@pytest.mark.parametrize("share", [0.00005, 0.3, 0.6, 0.9999])
def test_a_damaged_image_is_refused_before_the_guest_runs(lab: Lab, share: float) -> None:
    image = saved(lab)
    disk = (lab.folder / "vm1.img").read_bytes()
    flip(image, share)
    with pytest.raises(ImageError, match="the memory in it does not match its checksum"):
        restore(lab.context(), image, RestoreOptions())
    assert pids_below(lab.root) == []
    assert lab.context().find("vm1").status is None
    assert (lab.folder / "vm1.img").read_bytes() == disk
    flip(image, share)
    restore(lab.context(), image, RestoreOptions())
    lab.goes_on()


@pytest.mark.fault(6, 87)
def test_a_damaged_managed_save_keeps_its_name(lab: Lab) -> None:
    context = lab.context()
    managed_save(context, context.find("vm1"), SaveOptions())
    image = context.store.managed_save("vm1")
    flip(image, 0.5)
    target = context.find("vm1")
    with pytest.raises(ImageError, match="the memory in it does not match"), context.lock(target.uuid):
        start_saved(context, target, paused=False, autodestroy=False)
    assert image.exists()
    flip(image, 0.5)
    with context.lock(target.uuid):
        start_saved(context, target, paused=False, autodestroy=False)
    assert not image.exists()
    lab.goes_on()


def test_what_else_fails_is_told_as_it_is(lab: Lab) -> None:
    image = saved(lab)
    disk = lab.folder / "vm1.img"
    aside = disk.rename(lab.folder / "aside.img")
    with pytest.raises(VirtctlError, match=r"vm1\.img") as told:
        restore(lab.context(), image, RestoreOptions())
    assert "checksum" not in str(told.value)
    aside.rename(disk)
    restore(lab.context(), image, RestoreOptions())
    lab.goes_on()
    assert guests.last_printed(lab.serial()) > 0
