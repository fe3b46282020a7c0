"""How large a disk is, for the guest and on the host, and making it larger."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from virtctl.domain.devices.disk import Disk
from virtctl.errors import SystemFault
from virtctl.qemu import images
from virtctl.qemu.chains import chain
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import drive_name
from virtctl.qemu.documents import devices_of, document
from virtctl.qemu.guest import Guest
from virtctl.qemu.imagechains import check_chain
from virtctl.qemu.sources import find_disk, image_of
from virtctl.values import BlockSizes

SECTOR = 512


def sizes(context: Context, target: Target, disk: str) -> BlockSizes:
    """`domblkinfo`: in bytes; of a running guest what QEMU says, else what the image says."""
    found = find_disk(document(context, target), disk)
    image = image_of(found)
    try:
        held = os.stat(image.path)  # noqa: PTH116 - the document's path as it is
    except OSError as cause:
        raise SystemFault(f"cannot stat file '{image.path}'", cause) from cause
    if target.status is None:
        check_chain(image.path, None, f"disk '{found.target}'")
    capacity = _capacity(context, target, found)
    if stat.S_ISBLK(held.st_mode):
        length = _device_length(Path(image.path))
        return BlockSizes(capacity, length, length)
    return BlockSizes(capacity, held.st_blocks * SECTOR, held.st_size)


def _capacity(context: Context, target: Target, disk: Disk) -> int:
    if target.status is not None:
        return chain(Guest(context, target.status), disk)[0].size
    return int(images.info(disk.image or "", disk.format or "raw")["virtual-size"])


def _device_length(path: Path) -> int:
    try:
        with path.open("rb") as device:
            return device.seek(0, os.SEEK_END)
    except OSError as cause:
        raise SystemFault(f"cannot open '{path}'", cause) from cause


def resize(context: Context, target: Target, disk: str, size: int) -> None:
    """`blockresize`: makes the disk of a running guest `size` bytes long, in whole sectors."""
    from virtctl.qemu import verbs

    with context.lock(target.uuid):
        guest = Guest(context, context.again(target).active)
        found = find_disk(guest.live(), disk)
        image_of(found)
        with guest.monitor() as monitor:
            verbs.block_resize(monitor, drive_name(found), -(-size // SECTOR) * SECTOR)


_ERRORS = {"failed": "unspecified error", "nospace": "no space"}  # QEMU's words and virsh's


def block_errors(context: Context, target: Target) -> dict[str, str]:
    """What is wrong with each disk of a running guest on which a request has failed."""
    from virtctl.qemu.qmp import Qmp

    guest = Guest(context, target.active)
    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        told = {one["device"]: one.get("io-status", "ok") for one in qmp.execute("query-block")}
    disks = devices_of(guest.live()).all(Disk)
    found = {disk.target or "": told.get(drive_name(disk), "ok") for disk in disks}
    return {name: _ERRORS[status] for name, status in found.items() if status in _ERRORS}
