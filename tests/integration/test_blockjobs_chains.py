"""Chains of images that are made shorter while the guest writes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.guests import last_printed, writer_image, written_last
from tests.support.lab import Lab
from tests.support.waiting import eventually
from virtctl.domain.devices.disk_chain import BackingStore
from virtctl.domain.domain import read_domain
from virtctl.errors import InvalidArgument, MonitorError
from virtctl.qemu import blockinfo, blockjobs, lifecycle
from virtctl.qemu.blockcopy import blockcopy
from virtctl.qemu.chains import chain
from virtctl.qemu.commit import blockcommit, blockpull
from virtctl.qemu.images import create, info
from virtctl.qemu.pivot import pivot
from virtctl.qemu.sources import find_disk
from virtctl.values import BlockCommit, BlockCopy

pytestmark = pytest.mark.qemu


class Chained(Lab):
    """A guest whose disk is top.qcow2, above mid.qcow2, above base.img."""

    @property
    def base(self) -> Path:
        return self.folder / "base.img"

    @property
    def mid(self) -> Path:
        return self.folder / "mid.qcow2"

    @property
    def top(self) -> Path:
        return self.folder / "top.qcow2"

    def paths(self) -> list[Path]:
        """The chain as QEMU has it."""
        guest = self.guest()
        return [Path(link.path) for link in chain(guest, find_disk(guest.live(), "vda"))]

    def shown(self) -> list[Path]:
        """The chain as the live document shows it, without its first image."""
        found = []
        store: BackingStore | None = find_disk(self.guest().live(), "vda").backing
        while store is not None and store.source is not None:
            found.append(Path(store.source.file or ""))
            store = store.backing
        return found

    def over(self) -> bool:
        context = self.context()
        return blockjobs.job(context, context.find("vm1"), "vda") is None

    def commit(self, **wishes: object) -> None:
        context = self.context()
        blockcommit(context, context.find("vm1"), "vda", BlockCommit()._replace(**wishes))

    def pull(self, base: Path | None = None) -> None:
        context = self.context()
        blockpull(context, context.find("vm1"), "vda", base=str(base) if base else None)

    def numbers_on(self, image: Path) -> int:
        """The last number on an image, seen whole: the guest is ended for it."""
        context = self.context()
        lifecycle.destroy(context, context.find("vm1"), graceful=False)
        flat = self.folder / "flat.img"
        subprocess.run(["qemu-img", "convert", "-O", "raw", image, flat], check=True)
        return written_last(flat)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Chained]:
    lab = Chained(tmp_path)
    writer_image(lab.base)
    create(lab.mid, "qcow2", lab.base.stat().st_size, backing=(str(lab.base), "raw"))
    create(lab.top, "qcow2", lab.base.stat().st_size, backing=(str(lab.mid), "qcow2"))
    lab.start(lab.document(image=lab.top, format="qcow2"))
    yield lab
    lab.end()


def test_a_pull_brings_everything_up(lab: Chained) -> None:
    lab.pull()
    eventually(lab.over, "the pull is over")
    assert lab.paths() == [lab.top]
    assert lab.shown() == []
    assert "backing-filename" not in info(str(lab.top))
    lab.goes_on()
    assert lab.numbers_on(lab.top) >= last_printed(lab.serial())


def test_a_job_begun_right_behind_a_pull_that_nobody_asked_for_sees_the_short_chain(lab: Chained) -> None:
    lab.pull()
    guest = lab.guest()
    blockjobs.await_end(guest, "drive-virtio-disk0")  # over, and not yet written down
    context = lab.context()
    blockcopy(context, context.find("vm1"), "vda", BlockCopy(str(lab.folder / "copy.img"), format="raw"))
    assert lab.shown() == []
    eventually(lambda: (found := blockjobs.job(context, context.find("vm1"), "vda")) and found.ready, "it is ready")
    pivot(lab.context(), context.find("vm1"), "vda")
    lab.goes_on()


def test_a_pull_down_to_a_base_keeps_it(lab: Chained) -> None:
    lab.pull(lab.base)
    eventually(lab.over, "the pull is over")
    assert lab.paths() == [lab.top, lab.base]
    assert lab.shown() == [lab.base]
    lab.goes_on()


@pytest.mark.parametrize("delete", [False, True])
def test_a_commit_below_the_top_takes_an_image_out(lab: Chained, delete: bool) -> None:
    lab.commit(top=str(lab.mid), delete=delete)
    eventually(lab.over, "the commit is over")
    assert lab.paths() == [lab.top, lab.base]
    assert lab.shown() == [lab.base]
    assert lab.mid.exists() is not delete
    lab.goes_on()
    assert lab.numbers_on(lab.top) >= last_printed(lab.serial())


@pytest.mark.parametrize("shallow", [False, True])
def test_an_active_commit_is_pivoted_to_the_base(lab: Chained, shallow: bool) -> None:
    lab.commit(active=True, shallow=shallow, delete=True)
    context = lab.context()
    target = context.find("vm1")
    found = eventually(lambda: (job := blockjobs.job(context, target, "vda")) and job.ready and job, "it is ready")
    assert found.type == "Active Block Commit"
    mirror = find_disk(lab.guest().live(), "vda").mirror
    assert mirror is not None
    assert mirror.job == "active-commit"
    pivot(context, target, "vda")
    used = lab.mid if shallow else lab.base
    assert lab.paths()[0] == used
    stored = find_disk(read_domain(context.store.load("vm1")), "vda")
    assert (stored.image, stored.format) == (str(used), "qcow2" if shallow else "raw")
    assert not lab.top.exists()
    lab.goes_on()
    assert lab.numbers_on(used) >= last_printed(lab.serial())


def test_an_active_commit_that_is_given_up_leaves_the_chain(lab: Chained) -> None:
    lab.commit(active=True, delete=True)
    context = lab.context()
    blockjobs.abort(context, context.find("vm1"), "vda")
    assert lab.paths() == [lab.top, lab.mid, lab.base]
    assert lab.top.exists()
    assert lab.over()
    lab.goes_on()


@pytest.mark.parametrize(("wishes", "words"), [
    ({}, "commit of 'vda' active layer requires active flag"),
    ({"active": True, "top": "vda[1]"}, "active commit requested but '.*mid.qcow2' is not active"),
    ({"top": "vda[2]"}, "has no backing file"),
    ({"top": "/nowhere"}, "could not find image '/nowhere' in chain"),
    ({"top": "vda[1]", "base": "vda[0]"}, "is not beneath"),
    ({"active": True, "base": "vda[2]", "shallow": True}, "is not immediately below"),
])  # fmt: skip
def test_a_commit_that_makes_no_sense_is_refused(lab: Chained, wishes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        lab.commit(**wishes)
    assert lab.over()


def test_a_disk_tells_its_sizes_and_grows(lab: Chained) -> None:
    context = lab.context()
    target = context.find("vm1")
    before = blockinfo.sizes(context, target, "vda")
    assert before.capacity == lab.base.stat().st_size
    assert before.physical == lab.top.stat().st_size
    blockinfo.resize(context, target, "vda", before.capacity * 2 - 100)
    assert blockinfo.sizes(context, target, "vda").capacity == before.capacity * 2
    with pytest.raises((InvalidArgument, MonitorError)):
        blockinfo.resize(context, target, "vdb", 512)
    lifecycle.destroy(context, target, graceful=False)
    assert blockinfo.sizes(context, context.find("vm1"), "vda").capacity == before.capacity * 2
