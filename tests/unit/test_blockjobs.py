"""What is decided about jobs on disks before QEMU is asked: which disk, which images, what is kept in records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from virtctl.domain.devices.disk_chain import BackingStore
from virtctl.domain.domain import Domain, read_domain, write_domain
from virtctl.errors import InvalidArgument
from virtctl.qemu.blockjobs import COPY, Job
from virtctl.qemu.chains import Link, find_link, show_chain
from virtctl.qemu.sources import Image, find_disk, image_of, put_image, put_mirror
from virtctl.schema.element import Mode

LIVE = Mode(live=True, secure=True)
DOCUMENT = """
<domain type='qemu'>
  <name>vm1</name>
  <devices>
    <disk type='file' device='disk'>
      <source file='/a.img' startupPolicy='optional'/><target dev='vda' bus='virtio'/>
      <backingStore type='file'><format type='raw'/><source file='/below.img'/></backingStore>
    </disk>
    <disk type='block' device='disk'><source dev='/dev/b'/><target dev='vdb' bus='virtio'/></disk>
    <disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>
    <disk type='network' device='disk'>
      <source protocol='nbd' name='c'><host name='there'/></source><target dev='vdc' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture
def domain() -> Domain:
    return read_domain(DOCUMENT, LIVE)


@pytest.mark.parametrize(("name", "target"), [("vda", "vda"), ("/a.img", "vda"), ("/dev/b", "vdb"), ("hda", "hda")])
def test_a_disk_is_named_by_its_target_or_its_image(domain: Domain, name: str, target: str) -> None:
    assert find_disk(domain, name).target == target


def test_an_unknown_disk_is_refused_in_libvirts_words(domain: Domain) -> None:
    with pytest.raises(InvalidArgument, match=r"^invalid argument: disk 'vdz' not found in domain$"):
        find_disk(domain, "vdz")


def test_the_image_of_a_disk(domain: Domain) -> None:
    assert image_of(find_disk(domain, "vda")) == Image("/a.img", "raw", "file")
    assert image_of(find_disk(domain, "vdb")) == Image("/dev/b", "raw", "block")
    with pytest.raises(InvalidArgument, match="disk 'hda' does not have a source"):
        image_of(find_disk(domain, "hda"))
    with pytest.raises(InvalidArgument, match="disk 'vdc' is not on a local file or device"):
        image_of(find_disk(domain, "vdc"))


def test_a_new_image_keeps_what_belongs_to_the_disk(domain: Domain) -> None:
    disk = find_disk(domain, "vda")
    put_mirror(disk, Image("/new.qcow2", "qcow2"), job=COPY)
    put_image(disk, Image("/new.qcow2", "qcow2"), keep_backing=False)
    again = find_disk(read_domain(write_domain(domain, LIVE), LIVE), "vda")
    assert (again.image, again.format, again.mirror) == ("/new.qcow2", "qcow2", None)
    assert again.source is not None
    assert again.source.startup_policy == "optional"
    assert again.backing is not None
    assert again.backing.source is None


def test_a_device_in_place_of_a_file(domain: Domain) -> None:
    disk = find_disk(domain, "vda")
    put_image(disk, Image("/dev/c", "raw", "block"), keep_backing=True)
    again = find_disk(read_domain(write_domain(domain, LIVE), LIVE), "/dev/c")
    assert (again.type, again.target) == ("block", "vda")
    assert again.backing is not None
    assert again.backing.source is not None


def test_a_job_comes_back_from_its_record() -> None:
    job = Job(COPY, "vda", "drive-virtio-disk0", Image("/a", "raw"), Image("/b", "qcow2"), "/a", "path-1",
              gone=("/x", "/y"), ready=True)
    assert Job.read(json.loads(json.dumps(job.facts()))) == job


def test_images_of_a_chain_are_named_by_path_place_or_another_name_of_the_file(domain: Domain, tmp_path: Path) -> None:
    top, base = tmp_path / "top", tmp_path / "base"
    top.touch()
    base.touch()
    (tmp_path / "link").symlink_to(base)
    links = [Link(str(top), str(top), "qcow2", 1), Link(str(base), "path-1", "raw", 1)]
    disk = find_disk(domain, "vda")
    assert [find_link(links, disk, name) for name in (str(top), "vda[0]")] == [0, 0]
    assert [find_link(links, disk, name) for name in (str(base), "vda[1]", "path-1", str(tmp_path / "link"))] == [1] * 4
    for name in ("vda[2]", "vda", "", "nothing\0"):
        with pytest.raises(InvalidArgument, match="could not find image"):
            find_link(links, disk, name)


def test_the_chain_is_shown_down_to_its_end(domain: Domain) -> None:
    disk = find_disk(domain, "vda")
    show_chain(disk, [Link(name, name, "qcow2", 1) for name in ("/top", "/mid", "/base")])
    found = []
    store: BackingStore | None = find_disk(read_domain(write_domain(domain, LIVE), LIVE), "vda").backing
    while store is not None and store.source is not None:
        found.append(store.source.file)
        store = store.backing
    assert found == ["/mid", "/base"]
    assert store is not None, "an empty element says that there is nothing below"
