"""QEMU is told here what libvirt tells it, for each document of tests/golden/qemu."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.argv import differences, libvirt_words, our_words
from tests.support.libvirtd import PrivateLibvirtd

pytestmark = [pytest.mark.libvirt, pytest.mark.xdist_group("libvirtd")]

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "qemu"

# What stays different on purpose, by document: the beginnings of the lines that `differences` may hand back.
KNOWN = {
    "disk-chain": ("-device virtio-disk0: drive.backing.backing.backing",),  # a raw image has nothing below it
    "disk-network": ("-device virtio-disk4: drive.file.server.1.port",),  # libvirt: port 0
    "disk-options": ("-device virtio-disk2: drive.copy-on-read", "-device virtio-disk3: drive.snapshot"),
    "host-devices": ("-device hostdev3: ",),  # iSCSI through two nodes instead of one drive
    "networks-user": ("-chardev charnet8: ",),  # libvirt prints no vhost-user interface
    "own-words": ("-device a,b",),
    "processors": ("-device vcpu",),  # plugged in by libvirt over the monitor before the guest runs
    "scsi-controllers": ("-device scsi5: driver",),  # libvirt's name for it is one that QEMU does not know
    "sounds": ("-machine machine0: pcspk-audiodev", "-soundhw "),
    "tables": ("-fw_cfg ",),  # libvirt doubles no commas there
    "tpm-emulator": ("-chardev chrtpm: ",),  # libvirt prints no socket
    "vnc-chosen": ("-vnc vnc0: websocket",),
    "watchers": ("-device crypto0", "-object objcrypto0"),  # libvirt 9.0 has no crypto cards
}


@pytest.mark.parametrize("document", sorted(FOLDER.glob("*.xml")), ids=lambda path: path.stem)
def test_same_machine(libvirtd: PrivateLibvirtd, document: Path, tmp_path: Path) -> None:
    shared = libvirtd.files / document.name
    shared.write_bytes(document.read_bytes())
    libvirtd.share(shared)
    printed = libvirtd.virsh("domxml-to-native", "qemu-argv", "--xml", shared)
    if printed.status != 0:
        pytest.skip(f"libvirt cannot print it here: {printed.err.strip()}")
    found = differences(our_words(document.read_bytes(), tmp_path), libvirt_words(printed.out))
    known = KNOWN.get(document.stem, ())
    assert not [line for line in found if not line.startswith(known)]
