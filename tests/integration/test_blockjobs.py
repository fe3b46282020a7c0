"""Copying a disk while the guest writes it, and switching to the copy."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.guests import last_printed, written_last
from tests.support.lab import TARGETS, Lab
from tests.support.waiting import eventually
from virtctl.errors import (
    BlockCopyActive,
    InvalidArgument,
    InvalidOperation,
    OperationFailed,
    SystemFault,
    UnsupportedConfig,
    VirtctlError,
)
from virtctl.qemu import blockjobs, lifecycle, verbs
from virtctl.qemu.blockcopy import blockcopy
from virtctl.qemu.images import create, info
from virtctl.qemu.pivot import pivot
from virtctl.qemu.restoring import restore
from virtctl.qemu.saving import save
from virtctl.qemu.sources import find_disk
from virtctl.values import BlockCopy, BlockJob, RestoreOptions, SaveOptions

pytestmark = pytest.mark.qemu

SLOW = 64 * 1024  # bytes a second: a copy that is not ready soon


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    yield lab
    lab.end()


def copy(lab: Lab, dest: Path, disk: str = "vda", **wishes: object) -> None:
    context = lab.context("blockcopy")
    blockcopy(context, context.find("vm1"), disk, BlockCopy(str(dest))._replace(**wishes))


def job(lab: Lab, disk: str = "vda") -> BlockJob | None:
    context = lab.context("blockjob")
    return blockjobs.job(context, context.find("vm1"), disk)


def is_ready(lab: Lab, disk: str = "vda") -> bool:
    found = job(lab, disk)
    assert found is not None
    return found.ready


def switch(lab: Lab, disk: str = "vda") -> float:
    context = lab.context("blockjob")
    return pivot(context, context.find("vm1"), disk)


def abort(lab: Lab, disk: str = "vda", *, asynchronous: bool = False) -> None:
    context = lab.context("blockjob")
    blockjobs.abort(context, context.find("vm1"), disk, asynchronous=asynchronous)


def images(lab: Lab, disk: str = "vda") -> tuple[str | None, str | None]:
    """What the live and the stored document say."""
    from virtctl.domain.domain import read_domain

    context = lab.context()
    stored = find_disk(read_domain(context.store.load("vm1")), disk).image
    return find_disk(lab.guest().live(), disk).image, stored


def still(lab: Lab) -> None:
    context = lab.context()
    lifecycle.suspend(context, context.find("vm1"))


@pytest.mark.fault(26)  # fifty times on each bus: python -m tests.bench --pivots 200
@pytest.mark.parametrize("bus", TARGETS)
def test_a_guest_that_writes_all_the_time_is_moved_and_moved_back(lab: Lab, bus: str) -> None:
    lab.start(lab.document(bus=bus))
    pauses = []
    for number in range(3):
        dest = lab.folder / f"copy{number}.img"
        copy(lab, dest, TARGETS[bus])
        eventually(lambda: is_ready(lab, TARGETS[bus]), "the copy is ready")
        pauses.append(switch(lab, TARGETS[bus]))
        assert images(lab, TARGETS[bus]) == (str(dest), str(dest))
        assert job(lab, TARGETS[bus]) is None
        lab.goes_on()
    still(lab)
    assert written_last(dest) >= last_printed(lab.serial())
    assert statistics.median(pauses) < 250  # milliseconds; about 6 where the machine has nothing else to do
    assert lab.said == []


@pytest.mark.parametrize("name", ["a b,c='d'\"\\&<>.img", "(qemu) Error: .img", "Ûě\x7f.img", "n" * 250])
def test_a_copy_may_have_any_name(lab: Lab, name: str) -> None:
    lab.start(lab.document())
    dest = lab.folder / name
    copy(lab, dest)
    eventually(lambda: is_ready(lab), "the copy is ready")
    switch(lab)
    assert dest.stat().st_mode & 0o777 == 0o600
    assert images(lab) == (str(dest), str(dest))
    lab.goes_on()


def test_a_copy_is_made_in_another_format(lab: Lab) -> None:
    lab.start(lab.document())
    dest = lab.folder / "copy.qcow2"
    copy(lab, dest, format="qcow2", granularity=65536, buffer=1 << 20)
    eventually(lambda: is_ready(lab), "the copy is ready")
    mirror = find_disk(lab.guest().live(), "vda").mirror
    assert mirror is not None
    assert (mirror.job, mirror.ready, mirror.source.file) == ("copy", "yes", str(dest))
    switch(lab)
    disk = find_disk(lab.guest().live(), "vda")
    assert (disk.format, disk.mirror, disk.image) == ("qcow2", None, str(dest))
    lab.goes_on()
    assert info(str(dest))["format"] == "qcow2"


def test_a_shallow_copy_keeps_the_image_below(lab: Lab, tmp_path: Path) -> None:
    document = lab.document()
    base = find_disk(document, "vda").image or ""
    overlay, dest = tmp_path / "overlay.qcow2", tmp_path / "copy.qcow2"
    create(overlay, "qcow2", Path(base).stat().st_size, backing=(base, "raw"))
    lab.start(lab.document(image=overlay, format="qcow2"))
    copy(lab, dest, shallow=True)
    eventually(lambda: is_ready(lab), "the copy is ready")
    switch(lab)
    assert info(str(dest))["backing-filename"] == base
    lab.goes_on()


def test_an_image_of_the_user_is_taken(lab: Lab, tmp_path: Path) -> None:
    lab.start(lab.document())
    dest = tmp_path / "made.qcow2"
    create(dest, "qcow2", 8 * 2**20)
    copy(lab, dest, reuse_external=True)
    eventually(lambda: is_ready(lab), "the copy is ready")
    switch(lab)
    assert find_disk(lab.guest().live(), "vda").format == "qcow2"


def test_an_aborted_copy_leaves_the_disk_as_it_was(lab: Lab, tmp_path: Path) -> None:
    before = lab.document()
    lab.start(before)
    dest = tmp_path / "copy.img"
    for asynchronous in (False, True):
        copy(lab, dest.with_suffix(f".{asynchronous}"))
        eventually(lambda: is_ready(lab), "the copy is ready")
        abort(lab, asynchronous=asynchronous)
        eventually(lambda: job(lab) is None, "the job is over")
        assert images(lab)[0] == images(lab)[1] == find_disk(before, "vda").image
        assert find_disk(lab.guest().live(), "vda").mirror is None
    with pytest.raises(InvalidArgument, match="disk vda does not have an active block job"):
        abort(lab)
    lab.goes_on()


@pytest.mark.parametrize("ready", [True, False])
def test_after_an_abort_that_is_not_waited_for_the_guest_is_saved_at_once(
    lab: Lab, tmp_path: Path, ready: bool
) -> None:
    lab.start(lab.document(image=lab.full_image()))
    for number in range(3):
        copy(lab, tmp_path / f"copy{number}.img", bandwidth=0 if ready else SLOW)
        if ready:
            eventually(lambda: is_ready(lab), "the copy is ready")
        abort(lab, asynchronous=True)
        context = lab.context("save")
        save(context, context.find("vm1"), tmp_path / "vm1.save", SaveOptions())
        restore(context, tmp_path / "vm1.save", RestoreOptions())
        lab.goes_on()
    assert lab.said == []


def test_a_copy_that_is_not_ready_is_not_switched_to(lab: Lab, tmp_path: Path) -> None:
    lab.start(lab.document(image=lab.full_image()))
    copy(lab, tmp_path / "copy.img", bandwidth=SLOW)
    with pytest.raises(BlockCopyActive, match="block copy still active: disk 'vda' not ready for pivot yet"):
        switch(lab)
    with pytest.raises(BlockCopyActive, match="block copy still active: disk 'vda' already in active block job"):
        copy(lab, tmp_path / "other.img")
    assert not (tmp_path / "other.img").exists()
    found = job(lab)
    assert found is not None
    assert (found.type, found.bandwidth, found.ready) == ("Block Copy", SLOW, False)
    context = lab.context()
    blockjobs.set_speed(context, context.find("vm1"), "vda", 0)
    eventually(lambda: is_ready(lab), "the copy is ready")
    switch(lab)


def test_a_paused_guest_is_switched_and_stays_paused(lab: Lab, tmp_path: Path) -> None:
    lab.start(lab.document())
    copy(lab, tmp_path / "copy.img")
    eventually(lambda: is_ready(lab), "the copy is ready")
    still(lab)
    switch(lab)
    with lab.guest().monitor() as monitor:
        assert not verbs.status(monitor).running


def refusals(folder: Path) -> list[tuple[str, BlockCopy, type[VirtctlError], str]]:
    there = folder / "there.img"
    there.write_bytes(b"somebody's")
    own = str(folder / "vm1.img")
    return [
        ("vdb", BlockCopy("/x"), InvalidArgument, "invalid argument: disk 'vdb' not found in domain"),
        ("vda", BlockCopy(str(folder / "a\ufffeb")), InvalidArgument, "cannot be written in a domain document"),
        ("vda", BlockCopy(str(folder / "a\1b")), InvalidArgument, "cannot be written in a domain document"),
        ("vda", BlockCopy("x"), InvalidArgument, "absolute path must be used as block copy target"),
        ("vda", BlockCopy(str(there)), UnsupportedConfig, "already exists and is not a block device"),
        ("vda", BlockCopy(own, reuse_external=True), UnsupportedConfig, "cannot be copied onto itself"),
        ("vda", BlockCopy(str(folder)), UnsupportedConfig, "no regular file"),
        ("vda", BlockCopy(str(folder / "gone"), reuse_external=True), SystemFault, "missing destination file"),
        ("vda", BlockCopy(str(folder / "no" / "x")), SystemFault, "No such file or directory"),
        ("vda", BlockCopy(str(there), block_device=True), InvalidArgument, "is not a block device"),
        ("vda", BlockCopy(str(folder / "r"), shallow=True), UnsupportedConfig, "into a raw file is not possible"),
        ("vda", BlockCopy(str(folder / "q"), format="nonsense"), UnsupportedConfig, "unknown driver format value"),
        ("vda", BlockCopy(str(folder / "d"), format="dmg"), OperationFailed, "cannot create image"),
    ]


def test_what_cannot_be_copied_is_refused_and_nothing_is_left(lab: Lab, tmp_path: Path) -> None:
    lab.start(lab.document())
    tried = refusals(tmp_path)
    before = sorted(tmp_path.iterdir())
    context = lab.context()
    for disk, wish, kind, words in tried:
        with pytest.raises(kind, match=words):
            blockcopy(context, context.find("vm1"), disk, wish)
        assert sorted(tmp_path.iterdir()) == before
        assert job(lab) is None
    still(lab)
    lifecycle.destroy(context, context.find("vm1"), graceful=False)
    with pytest.raises(InvalidOperation, match="domain is not running"):
        copy(lab, tmp_path / "copy.img")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip("a file system cannot be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def outcome(look: Callable[[], object]) -> str:
    try:
        look()
    except OperationFailed as error:
        return str(error)
    return ""


def test_a_copy_that_fails_is_told_once_and_the_disk_is_as_it_was(lab: Lab, small_disk: Path) -> None:
    document = lab.document(image=lab.full_image())
    lab.start(document)
    copy(lab, small_disk / "copy.img")
    said = eventually(lambda: outcome(lambda: job(lab)), "the copy fails")
    assert f"block copy of disk 'vda' to '{small_disk}/copy.img' failed: No space left on device" in said
    assert job(lab) is None
    assert images(lab)[0] == find_disk(document, "vda").image
    with pytest.raises(InvalidArgument, match="does not have an active block job"):
        switch(lab)
    lab.goes_on()
