"""The embedded guests themselves, under a QEMU started by hand: what all other integration tests stand on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import guests, linux_guest
from tests.support.plain_qemu import PlainQemu
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu

Start = Callable[..., PlainQemu]

DISKS = {
    "ide": ("pc", "ide-hd,drive=disk"),
    "sata": ("q35", "ide-hd,drive=disk"),
    "virtio": ("pc", "virtio-blk-pci,drive=disk"),
    "virtio-q35": ("q35", "virtio-blk-pci,drive=disk"),
    "scsi": ("pc", "scsi-hd,drive=disk"),
}


def disk_options(kind: str, image: Path) -> list[str]:
    machine, device = DISKS[kind]
    options = ["-machine", machine, "-m", "32", "-drive", f"if=none,id=disk,format=raw,file={image}"]
    return [*options, *(["-device", "virtio-scsi-pci"] if kind == "scsi" else []), "-device", device]


@pytest.mark.parametrize("kind", DISKS)
def test_counter_counts_on_its_serial_port_and_on_its_disk(plain_qemu: Start, tmp_path: Path, kind: str) -> None:
    image = guests.counter_image(tmp_path / "counter.img")
    qemu = plain_qemu(*disk_options(kind, image))
    eventually(lambda: guests.last_printed(qemu.log) >= 12, "twelve lines", seconds=60)
    qemu.end()
    printed = guests.printed_numbers(qemu.log)
    assert printed == list(range(1, len(printed) + 1))
    assert 0 <= guests.counter_on_disk(image) - printed[-1] <= 1


@pytest.mark.parametrize("kind", ["ide", "virtio"])
def test_writer_leaves_every_sector_it_wrote(plain_qemu: Start, tmp_path: Path, kind: str) -> None:
    image = guests.writer_image(tmp_path / "writer.img")
    qemu = plain_qemu(*disk_options(kind, image))
    eventually(lambda: guests.last_printed(qemu.log) >= 2000, "two thousand sectors", seconds=60)
    qemu.end()
    assert guests.written_last(image) >= guests.last_printed(qemu.log)


def test_linux_boots_writes_its_disk_and_obeys_the_power_button(
    plain_qemu: Start, tmp_path: Path, linux: tuple[Path, Path]
) -> None:
    kernel, initramfs = linux
    image = tmp_path / "linux.img"
    guests.write_image(image, b"", 8 * 2**20)
    qemu = plain_qemu(
        *("-machine", "pc", "-m", "128", "-drive", f"if=none,id=disk,format=raw,file={image}"),
        *("-device", "virtio-blk-pci,drive=disk", "-kernel", str(kernel), "-initrd", str(initramfs)),
        *("-append", linux_guest.CMDLINE),
    )
    eventually(lambda: guests.last_printed(qemu.log) >= 3, "three sectors written", seconds=60)
    assert b"READY" in qemu.log.read_bytes()
    qemu.monitor("system_powerdown")
    assert qemu.process.wait(timeout=30) == 0
    assert b"power button" in qemu.log.read_bytes()
    assert guests.written_last(image) >= guests.last_printed(qemu.log)
