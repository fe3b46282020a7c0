"""A Xen guest moved here: its configuration is imported, defined and started under a real QEMU."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import guests
from tests.support.waiting import eventually
from virtctl.drivers.base import StartOptions
from virtctl.drivers.qemu import QemuDriver
from virtctl.paths import Paths
from virtctl.schema.node import to_text
from virtctl.xen.importing import import_xen

pytestmark = pytest.mark.qemu

XM = """
builder = 'hvm'
kernel = '/usr/lib/xen/boot/hvmloader'
device_model = '/usr/lib/xen/bin/qemu-dm'
name = 'old'
uuid = '09c8a6f1d0a94f4fa3c19aa7e1c3f6b2'
memory = 32
boot = 'cd'
acpi = 1
disk = [ 'tap:aio:{image},ioemu:hda,w', 'file:{iso},hdc:cdrom,r' ]
serial = 'file:{log}'
vnc = 1
vncunused = 1
usb = 1
usbdevice = 'tablet'
"""
PARAVIRTUAL = """(domain (name pv)(memory 32)(maxmem 64)(bootloader /usr/bin/pygrub)
(device (tap (dev xvda:disk)(uname tap:aio:{image})(mode w))))"""


@pytest.mark.parametrize(("text", "name"), [(XM, "old"), (PARAVIRTUAL, "pv")])
def test_an_imported_guest_starts(tmp_path: Path, text: str, name: str) -> None:
    image = guests.counter_image(tmp_path / "disk.img")
    iso, log = tmp_path / "empty.iso", tmp_path / "serial.log"
    guests.write_image(iso, b"", 2**20)
    node, notes = import_xen(text.format(image=image, iso=iso, log=log), to="qemu")
    assert ("decide: the guest was started by /usr/bin/pygrub" in "".join(notes)) == (name == "pv")
    driver = QemuDriver(Paths.under(tmp_path / "root"))
    assert driver.define(to_text(node)).name == name
    driver.start(name, StartOptions())
    try:
        assert driver.state(name).state == "running"
        if name == "old":
            eventually(lambda: log.exists() and guests.last_printed(log) >= 3, "it boots from its disk", seconds=60)
    finally:
        driver.destroy(name)
