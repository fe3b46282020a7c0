"""Devices put into documents and found in them."""

import pytest

from virtctl.domain.plugging import find_alias, find_device, put_in, read_device, refuse_twin, take_out
from virtctl.errors import InternalError, InvalidOperation, VirtctlError
from virtctl.schema import xmlio
from virtctl.schema.node import Node, to_text

DOCUMENT = """<domain><name>g</name><devices>
<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/><alias name='virtio-disk0'/></disk>
<interface type='user'><mac address='52:54:00:00:00:01'/><model type='virtio'/></interface>
<interface type='user'><mac address='52:54:00:00:00:02'/><model type='e1000'/></interface>
<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng></devices></domain>"""


@pytest.fixture
def root() -> Node:
    return xmlio.read(DOCUMENT)


def test_a_device_stands_behind_its_like_and_the_rest_stays(root: Node) -> None:
    before = to_text(root)
    disk = read_device("<disk type='file'><target dev='vdb'/></disk>")
    put_in(root, disk)
    assert [one.tag for one in root.children[1].children] == ["disk", "disk", "interface", "interface", "rng"]
    take_out(root, find_device(root, disk))
    assert to_text(root) == before


def test_a_target_is_taken_once(root: Node) -> None:
    with pytest.raises(InvalidOperation, match="target vda already exists"):
        refuse_twin(root, read_device("<disk type='file'><target dev='vda'/></disk>"))


@pytest.mark.parametrize(("wanted", "found"), [
    ("<disk type='block'><target dev='vda'/></disk>", "virtio-disk0"),
    ("<interface type='bridge'><mac address='52:54:00:00:00:02'/></interface>", "e1000"),
    ("<interface type='user'><model type='e1000'/></interface>", "e1000"),
    ("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", "/dev/urandom"),
])
def test_a_device_is_found_by_what_tells_it_from_others(root: Node, wanted: str, found: str) -> None:
    assert found in to_text(find_device(root, read_device(wanted)))


@pytest.mark.parametrize(("wanted", "words"), [
    ("<disk type='file'><target dev='vdz'/></disk>", "device not found: no target device vdz"),
    ("<interface type='user'><mac address='52:54:00:00:00:09'/></interface>",
     "device not found: no device matching MAC address 52:54:00:00:00:09 found"),
    ("<rng model='virtio'><backend model='random'>/dev/random</backend></rng>",
     "device not found: matching rng device not found"),
    ("<interface type='user'/>", "operation failed: multiple devices matching the given <interface> found"),
    ("<domain/>", "unsupported configuration: unknown device type 'domain'"),
])
def test_what_is_not_there_or_not_told_is_refused(root: Node, wanted: str, words: str) -> None:
    with pytest.raises(VirtctlError) as refusal:
        find_device(root, read_device(wanted))
    assert str(refusal.value) == words


def test_an_alias_names_a_device(root: Node) -> None:
    assert find_alias(root, "virtio-disk0").tag == "disk"
    with pytest.raises(InternalError, match="no device found with alias net7"):
        find_alias(root, "net7")
