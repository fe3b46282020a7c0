"""The images of a guest that is about to start: whether they are there, and what happens where they are not."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from virtctl.domain.devices import Devices
from virtctl.domain.devices.disk import Disk
from virtctl.errors import SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu.disks import drive_name, local_path
from virtctl.qemu.drive_sources import cookie_file, cookie_text
from virtctl.qemu.plan import Plan
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
            write_file(plan.runtime / cookie_file(drive_name(disk)), cookie_text(disk.source).encode(), sync=False)


def _fault(disk: Disk) -> VirtctlError | None:
    """Why the image cannot be used, None when it can."""
    path = local_path(disk) if not disk.empty else None
    if path is None:
        return None
    try:
        mode = Path(path).stat().st_mode
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except OSError as error:
        return SystemFault(f"Cannot access storage file '{path}'", error)
    if disk.type == "file" and not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
        what = "a directory" if stat.S_ISDIR(mode) else "neither a file nor a device"
        return UnsupportedConfig(f"disk '{disk.target}': '{path}' is {what}")
    if disk.type == "block" and not stat.S_ISBLK(mode):
        return UnsupportedConfig(f"disk '{disk.target}': '{path}' is not a block device",
                                 hint="use <disk type='file'> for a file")
    return None


def _leave_out(disk: Disk, plan: Plan, fault: VirtctlError, *, restoring: bool) -> None:
    policy = (disk.source.startup_policy if disk.source else None) or "mandatory"
    removable = disk.device in ("cdrom", "floppy")
    allowed = (policy == "optional" and (removable or not restoring)) or (policy == "requisite" and restoring)
    if not allowed:
        raise fault
    (plan.emptied if removable else plan.omitted).add(disk.id)
    how = "the drive is empty" if removable else "the guest starts without it"
    plan.warnings.append(f"disk '{disk.target}': {fault}; {how} (startupPolicy='{policy}')")
