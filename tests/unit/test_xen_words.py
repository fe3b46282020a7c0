"""The words that the three forms share: what is written reads back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.errors import UnsupportedConfig
from virtctl.xen.chardev import format_chardev, parse_chardev
from virtctl.xen.disks import format_xm_disk, in_libvirts_order, index_of, join_uname, parse_xm_disk, split_uname
from virtctl.xen.guest import Cell, Chardev, Disk, Pci, Vif
from virtctl.xen.mapping import format_boot, format_pci, format_vnuma, parse_boot, parse_pci, parse_uuid, parse_vnuma
from virtctl.xen.vifs import format_vif, parse_rate, parse_vif
from virtctl.xen.xldisk import format_xl_disk, parse_xl_disk

WORD = st.from_regex(r"[A-Za-z0-9_.-]{1,10}", fullmatch=True)
PATH = st.from_regex(r"/[A-Za-z0-9_./=:+-]{1,30}[a-z]", fullmatch=True)
TARGET = st.from_regex(r"(xvd|hd|sd)[a-z]", fullmatch=True)
NUMBER = st.integers(0, 65535).map(str)


@st.composite
def disks(draw: st.DrawFn, formats: tuple[str, ...], drivers: tuple[str, ...]) -> Disk:
    target, driver = draw(TARGET), draw(st.sampled_from(drivers))
    bus = {"x": "xen", "h": "ide", "s": "scsi"}[target[0]]
    form = draw(st.sampled_from(formats)) if driver in ("tap", "tap2", "qemu") else "raw"
    readonly = draw(st.booleans())
    return Disk(target=target, bus=bus, source=draw(PATH), kind="block" if driver == "phy" else "file", driver=driver,
                format=form, readonly=readonly, shareable=not readonly and draw(st.booleans()))


@given(disks(("raw", "qcow", "qcow2", "vmdk", "vhd"), ("phy", "file", "tap", "tap2")))
def test_disks_of_xm(disk: Disk) -> None:
    assert parse_xm_disk(format_xm_disk(disk), hvm=True) == disk
    driver, form, path = split_uname(join_uname(disk) or "")
    assert (driver, form or "raw", path) == (disk.driver, disk.format, disk.source)


@given(disks(("raw", "qcow", "qcow2", "qed", "vhd"), ("phy", "qemu")), st.booleans(),
       st.sampled_from([None, "unmap", "ignore"]))
def test_disks_of_xl(disk: Disk, cdrom: bool, discard: str | None) -> None:
    disk = disk._replace(discard=discard)
    if cdrom:
        disk = disk._replace(device="cdrom", driver="qemu", kind="file", readonly=True, shareable=False)
    assert parse_xl_disk(format_xl_disk(disk), hvm=True, notes=[]) == disk


def made(of: type[Vif] | type[Chardev], /, **fields: st.SearchStrategy) -> st.SearchStrategy:
    """Values with those fields drawn and the others at their defaults."""
    return st.fixed_dictionaries(fields).map(lambda drawn: of(**drawn))


@given(made(Vif, mac=st.just("00:16:3e:00:00:0a"), bridge=st.one_of(st.none(), WORD), script=WORD,
                 model=st.sampled_from([None, "netfront", "e1000"]), ifname=st.one_of(st.none(), WORD),
                 ips=st.lists(st.sampled_from(["192.0.2.1", "2001:db8::1"]), max_size=2).map(tuple),
                 rate=st.one_of(st.none(), st.integers(1, 10**9)), backend=st.one_of(st.none(), st.just("netdom"))),
       st.booleans())
def test_interfaces(vif: Vif, hvm: bool) -> None:
    vif = vif._replace(kind="bridge" if vif.bridge else "ethernet", script=f"x-{vif.script}")
    for word in ("vif", "netfront"):
        assert parse_vif(format_vif(vif, hvm, word), []) == vif


@given(st.one_of(
    made(Chardev, kind=st.sampled_from(["pty", "null", "stdio", "vc"])),
    made(Chardev, kind=st.sampled_from(["file", "pipe", "dev"]), path=PATH),
    made(Chardev, kind=st.just("unix"), path=PATH, listen=st.booleans()),
    made(Chardev, kind=st.just("tcp"), host=st.sampled_from([None, "here", "::1"]), service=NUMBER,
         listen=st.booleans(), telnet=st.booleans()),
    made(Chardev, kind=st.just("udp"), host=st.sampled_from([None, "here"]), service=NUMBER, bind_host=WORD,
         bind_service=NUMBER)))
def test_serial_strings(chardev: Chardev) -> None:
    assert parse_chardev(format_chardev(chardev)) == chardev


@given(st.lists(st.sampled_from("acdn"), max_size=5).map("".join))
def test_boot_letters(letters: str) -> None:
    assert format_boot(parse_boot(letters)) == letters


def test_a_boot_device_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(UnsupportedConfig, match="unknown boot device 'usb'"):
        format_boot(["hd", "usb"])


@given(st.builds(Pci, st.integers(0, 0xffff), st.integers(0, 255), st.integers(0, 31), st.integers(0, 7), st.booleans(),
                 st.booleans()))
def test_pci_addresses(pci: Pci) -> None:
    assert parse_pci(format_pci(pci), []) == pci


def test_distances_between_nodes_are_completed() -> None:
    cells = [Cell("0", 1024, ((1, 31),)), Cell("1", 1024), Cell("2", 1024, ((0, 15),))]
    rows = format_vnuma(cells)
    assert [row[3] for row in rows] == ["vdistances=10,31,15", "vdistances=31,10,20", "vdistances=15,20,10"]
    assert parse_vnuma(rows, [])[0] == Cell("0", 1024, ((0, 10), (1, 31), (2, 15)))


@pytest.mark.parametrize(("text", "kib"), [
    ("10240KB/s", 10240), ("1MB/s", 1024), ("8Mb/s", 1024), ("1GB/s@20ms", 1048576), ("4096B/s", 4)])
def test_rates(text: str, kib: int) -> None:
    assert parse_rate(text) == kib


@pytest.mark.parametrize("text", ["596a5d2171f48fb2e068e2386a5c413e", "596A5D21-71F4-8FB2-E068-E2386A5C413E"])
def test_uuids_with_and_without_dashes(text: str) -> None:
    assert parse_uuid(text) == "596a5d21-71f4-8fb2-e068-e2386a5c413e"


def test_a_missing_uuid_is_made() -> None:
    assert parse_uuid(None) != parse_uuid(None)


def test_disks_stand_by_bus_and_name() -> None:
    names = ["hdc", "xvdb", "hda", "xvda", "hdaa", "hdb"]
    disks_ = [Disk(name, "xen" if name[0] == "x" else "ide") for name in names]
    assert [disk.target for disk in in_libvirts_order(disks_)] == ["hda", "hdb", "hdc", "hdaa", "xvda", "xvdb"]
    assert [index_of(name) for name in ("hda", "xvdz", "sdaa", "sda1", "c0d0")] == [0, 25, 26, 0, -1]
