"""Starts that cannot be: one clear line that names the thing, and nothing left of them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.devices import Bench
from tests.support.program import Program

pytestmark = pytest.mark.qemu


@pytest.fixture
def bench(virtctl: Program, tmp_path: Path) -> Bench:
    return Bench(virtctl, tmp_path)


def disk(source: str, target: str = "vda", *, device: str = "disk", policy: str = "", kind: str = "file") -> str:
    bus = {"v": "virtio", "h": "ide", "f": "fdc", "s": "sata"}[target[0]]
    attribute = {"file": "file", "block": "dev"}[kind]
    chosen = f" startupPolicy='{policy}'" if policy else ""
    return (f"<disk type='{kind}' device='{device}'><driver name='qemu' type='raw'/>"
            f"<source {attribute}='{source}'{chosen}/><target dev='{target}' bus='{bus}'/></disk>")


def serial(path: Path | str, policy: str = "") -> str:
    chosen = f" startupPolicy='{policy}'" if policy else ""
    return f"<serial type='file'><source path='{path}'{chosen}/></serial>"


@pytest.mark.fault(46)
def test_a_missing_image(bench: Bench) -> None:
    words = bench.refused(disk("/nowhere/a.img"))
    assert "Cannot access storage file '/nowhere/a.img'" in words
    assert "No such file or directory" in words


@pytest.mark.fault(46)
def test_a_folder_for_an_image(bench: Bench) -> None:
    assert f"'{bench.folder}' is a directory" in bench.refused(disk(str(bench.folder)))


def test_a_file_for_a_device(bench: Bench) -> None:
    assert "is not a block device" in bench.refused(disk(str(bench.image("a")), kind="block"))


@pytest.mark.fault(46)
def test_an_image_that_is_not_of_its_format(bench: Bench) -> None:
    document = disk(str(bench.image("a"))).replace("type='raw'", "type='qcow2'")
    assert "qcow2" in bench.refused(document)


@pytest.mark.parametrize("policy", ["mandatory", "requisite", ""])
def test_media_that_must_be_there(bench: Bench, policy: str) -> None:
    assert "/nowhere/cd.iso" in bench.refused(disk("/nowhere/cd.iso", "hda", device="cdrom", policy=policy))


@pytest.mark.fault(46)
def test_media_that_may_be_missing(bench: Bench) -> None:
    warned = bench.start(disk("/nowhere/cd.iso", "hda", device="cdrom", policy="optional")
                         + disk("/nowhere/a.img", policy="optional")
                         + disk(str(bench.image("b")), "vdb"))
    assert warned.count("warning:") == 2
    assert "/nowhere/cd.iso" in warned
    drives = bench.monitor("info block")
    assert "drive-ide0-0-0: [not inserted]" in drives
    assert "drive-virtio-disk0" not in drives
    assert "drive-virtio-disk1 (" in drives


def test_an_image_in_use_names_its_user(bench: Bench) -> None:
    image = bench.image("one image.img")
    bench.start(disk(str(image)), name="first")
    document = bench.document(disk(str(image)), name="second")
    words = bench.program.error("create", document, "--paused")
    assert f"image '{image}' is in use by domain 'first' (process " in words


def test_an_image_in_use_by_a_stranger(bench: Bench, tmp_path: Path) -> None:
    image = bench.image("a")
    other = Bench(Program(tmp_path / "other"), tmp_path)
    other.start(disk(str(image)), name="far,away")
    try:
        words = bench.refused(disk(str(image)))
        assert f"image '{image}' is in use by guest 'far,away' (process " in words
    finally:
        other.end("far,away")


@pytest.mark.parametrize("policy", ["mandatory", "requisite", ""])
def test_logs_that_must_be_written(bench: Bench, policy: str) -> None:
    words = bench.refused(serial("/nowhere/serial.log", policy))
    assert "/nowhere/serial.log" in words
    assert "No such file or directory" in words


def test_logs_that_may_be_lost(bench: Bench) -> None:
    target = bench.folder / "target"
    target.touch()
    (bench.folder / "link").symlink_to(target)
    document = bench.document(serial("/nowhere/serial.log", "optional") + serial(bench.folder / "link", "optional")
                              + serial(bench.folder / "good.log", "optional"))
    bench.program.ok("define", document)
    result = bench.program("start", "bench", "--paused")
    assert result.status == 0
    assert result.err.count("warning:") == 2
    assert "/nowhere/serial.log" in result.err
    assert "symbolic link" in result.err
    live, stored = bench.program.ok("dumpxml", "bench"), bench.program.ok("dumpxml", "bench", "--inactive")
    assert live.count("/dev/null") == 2
    assert "/dev/null" not in stored
    assert "path='/nowhere/serial.log' startupPolicy='optional'" in stored
    assert sum(word.endswith("path=/dev/null") for word in bench.words()) == 2
    assert (bench.folder / "good.log").exists()
    bench.end()
    bench.program.ok("undefine", "bench")


def test_a_log_device_that_is_always_full(bench: Bench) -> None:
    assert not bench.start(serial("/dev/full"))


def test_startup_policy_belongs_to_files(bench: Bench) -> None:
    document = bench.document("<serial type='unix'><source mode='bind' path='/x' startupPolicy='optional'/></serial>")
    assert "startupPolicy" in bench.program.error("define", document)


@pytest.mark.fault(101)
@pytest.mark.parametrize(("script", "says"), [
    ("mount -t tmpfs none /dev && mknod /dev/null c 1 3", "/dev/kvm cannot be opened"),
    ("mount --bind /dev/null /dev/kvm", "Inappropriate ioctl for device"),
    ("mount -o bind,nodev DIR /dev && touch /dev/kvm", "Inappropriate ioctl for device"),
])
def test_kvm_that_is_none(bench: Bench, script: str, says: str) -> None:
    if os.geteuid() != 0 or not Path("/dev/kvm").exists():
        pytest.skip("needs root and /dev/kvm, to hide it")
    script = script.replace("DIR", str(bench.folder))
    inside = Program(bench.program.root, ("unshare", "-m", "sh", "-c", f'{script}; exec "$@"', "sh",
                                          *bench.program.command))
    document = bench.document("", kind="kvm")
    words = inside.error("create", document, "--paused")
    assert "/dev/kvm" in words
    assert says in words
    assert "hint" in words


def test_no_qemu(bench: Bench) -> None:
    words = bench.refused("<emulator>/nowhere/qemu</emulator>")
    assert "/nowhere/qemu" in words


def test_a_qemu_that_dies(bench: Bench) -> None:
    fake = bench.folder / "qemu"
    fake.write_text("#!/bin/sh\necho 'qemu: the stars are wrong' >&2\nexit 3\n")
    fake.chmod(0o755)
    words = bench.refused(f"<emulator>{fake}</emulator>")
    assert "the stars are wrong" in words


def test_more_memory_than_there_is(bench: Bench) -> None:
    words = bench.refused("", memory="<memory unit='TiB'>400</memory>")
    assert "memory" in words


@pytest.mark.fault(83)
def test_unknown_parts_are_named(bench: Bench) -> None:
    words = bench.refused("<serial type='null'><frobnicate level='3'/></serial>")
    assert "domain/devices/serial/frobnicate" in words


@pytest.mark.fault(83)
def test_what_has_no_effect_is_said_once(bench: Bench) -> None:
    warned = bench.start("<interface type='user'><bandwidth><inbound average='1000'/></bandwidth></interface>",
                         extra="<cputune><shares>2048</shares></cputune><on_poweroff>restart</on_poweroff>")
    assert warned.count("warning:") == 1
    for name in ("domain/cputune", "interface/bandwidth", "on_poweroff=restart"):
        assert name in warned


def test_host_devices_that_are_not_there(bench: Bench) -> None:
    usb = ("<hostdev mode='subsystem' type='usb'><source{}><vendor id='0xdead'/><product id='0xbeef'/></source>"
           "</hostdev>")
    assert "Did not find USB device dead:beef" in bench.refused(usb.format(""))
    assert "dead:beef" in bench.start(usb.format(" startupPolicy='optional'"))


def test_memory_nodes_that_are_not_there(bench: Bench) -> None:
    words = bench.refused("", extra="<numatune><memory mode='strict' nodeset='0,77'/></numatune>")
    assert "NUMA node 77 is unavailable" in words


def test_huge_pages_that_are_not_mounted(bench: Bench) -> None:
    if "hugetlbfs" in Path("/proc/mounts").read_text():
        pytest.skip("huge pages are mounted here")
    words = bench.refused("", extra="<memoryBacking><hugepages/></memoryBacking>")
    assert "hugetlbfs" in words


def test_two_starts_at_once_take_different_ports(bench: Bench) -> None:
    documents = [bench.document("<graphics type='vnc'/>", name=f"screen{number}") for number in range(3)]
    running = [subprocess.Popen([*bench.program.command, "create", str(document), "--paused"],
                                env=bench.program.environ()) for document in documents]
    assert [one.wait(60) for one in running] == [0, 0, 0]
    places = {bench.program.ok("vncdisplay", f"screen{number}").strip() for number in range(3)}
    assert len(places) == 3
