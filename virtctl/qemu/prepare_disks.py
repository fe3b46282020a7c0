"""The images of a guest that is about to start: whether they are there, and what happens where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from virtctl.domain.devices import Devices
from virtctl.domain.devices.disk import Disk
from virtctl.errors import SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu.disks import drive_name, local_path
from virtctl.qemu.drive_sources import cookie_file, cookie_text
from virtctl.qemu.imagechains import check_chain
from virtctl.qemu.plan import Plan
from virtctl.qemu.privilege import inside
from virtctl.state.atomic import write_file


def prepare_disks(plan: Plan, devices: Devices, *, restoring: bool) -> None:
    """Checks every local image. A missing one whose startupPolicy allows it is left out, with a warning.

    Raises SystemFault naming the path. `restoring`: the guest's memory comes from an image.
    """
    for disk in devices.all(Disk):
        fault = _fault(disk)
        if fault is not None:
            _leave_out(disk, plan, fault, restoring=restoring)
        if disk.source is not None and disk.source.cookies:
            with inside(plan.runtime, plan.account) as place:
                write_file(place / cookie_file(drive_name(disk)), cookie_text(disk.source).encode(), sync=False)


def _fault(disk: Disk) -> VirtctlError | None:
    """Why the image cannot be opened, None when it can. Raises for one that is damaged: no policy forgives that."""
    path = local_path(disk) if not disk.empty else None
    if path is None:
        return None
    what = f"disk '{disk.target}'"
    format = None if disk.source and disk.source.slices else disk.format
    try:
        check_chain(path, format, what, deep=disk.backing is None)
        for below in _documented(disk):
            check_chain(below.image or "", below.format, what, deep=below.last)
    except (SystemFault, UnsupportedConfig) as error:
        return error
    if disk.type == "block" and not Path(path).is_block_device():
        return UnsupportedConfig(f"{what}: '{path}' is not a block device", hint="use <disk type='file'> for a file")
    return None


class _Documented(NamedTuple):
    """A local image below a disk's, as its document has it; `last`: what lies below it stands in its header."""

    image: str | None
    format: str | None
    last: bool


def _documented(disk: Disk) -> Iterator[_Documented]:
    below = disk.backing
    while below is not None and below.source is not None and below.type is not None:
        if below.type in ("file", "block"):
            yield _Documented(below.source.image(below.type), below.format.type if below.format else None,
                              below.backing is None)
        below = below.backing


def _leave_out(disk: Disk, plan: Plan, fault: VirtctlError, *, restoring: bool) -> None:
    policy = (disk.source.startup_policy if disk.source else None) or "mandatory"
    removable = disk.device in ("cdrom", "floppy")
    allowed = (policy == "optional" and (removable or not restoring)) or (policy == "requisite" and restoring)
    if not allowed:
        raise fault
    (plan.emptied if removable else plan.omitted).add(disk.id)
    how = "the drive is empty" if removable else "the guest starts without it"
    plan.warnings.append(f"disk '{disk.target}': {fault}; {how} (startupPolicy='{policy}')")
