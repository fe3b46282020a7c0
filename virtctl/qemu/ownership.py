"""Images and devices that QEMU opens by name when it runs as another user: tried with its rights before QEMU is.

Where `dynamic_ownership` is on, what it could not use is given to it until the guest ends; only that, and only then.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from virtctl.domain.devices import Devices
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.memory import MemoryDevice
from virtctl.domain.domain import Domain
from virtctl.errors import SystemFault
from virtctl.qemu.disks import is_read_only, local_path
from virtctl.qemu.guest import Guest
from virtctl.qemu.imagechains import check_chain
from virtctl.qemu.plan import Plan
from virtctl.qemu.privilege import Account, acting_as
from virtctl.state import owners
from virtctl.state.settings import load_settings, settings_path


class Need(NamedTuple):
    """A file that QEMU opens by its name, and whether it writes to it."""

    path: str
    write: bool


def admit_all(guest: Guest, plan: Plan) -> None:
    """Everything that a guest which is about to start opens by name. Raises SystemFault naming what it cannot use."""
    if guest.account is not None:
        for need in needs(plan):
            admit(guest, need.path, write=need.write)


def admit(guest: Guest, path: str, *, write: bool) -> None:
    """Sees to it that the guest's QEMU can open an image. Raises SystemFault naming image, user and cure."""
    account = guest.account
    if account is None or (_trouble(account, path, write=write) is None and not _is_given(path, account)):
        return
    paths = guest.context.paths
    dynamic = load_settings(paths).dynamic_ownership
    if dynamic:
        with suppress(OSError):  # a file system without owners; what counts is whether it can be opened
            owners.give(paths, guest.status.uuid, path, account.owner)
    trouble = _trouble(account, path, write=write)
    if trouble is not None:
        raise SystemFault(f"Cannot access storage file '{path}' (as uid:{account.uid}, gid:{account.gid})", trouble,
                          hint=_cure(account, path, f"{settings_path(paths)}" if not dynamic else None))


def admit_disk(guest: Guest, disk: Disk) -> None:
    """The same for a disk that is plugged in."""
    if guest.account is not None and not disk.empty:
        for need in _disk(disk):
            admit(guest, need.path, write=need.write)


def admit_chain(guest: Guest, path: str, format: str | None, *, write: bool) -> None:
    """The same for an image with all that lies below it, which is only read."""
    if guest.account is not None:
        admit(guest, path, write=write)
        for below in check_chain(path, format, "image")[1:]:
            admit(guest, below, write=False)


def hand_over(guest: Guest, path: Path) -> None:
    """An image that we have just made for the guest becomes QEMU's: until its end, or for good where the settings say
    that owners do not change with the guests.
    """
    account = guest.account
    if account is None:
        return
    if load_settings(guest.context.paths).dynamic_ownership:
        admit(guest, str(path), write=True)
        return
    try:
        os.chown(path, *account.owner, follow_symlinks=False)
    except OSError as cause:
        raise SystemFault(f"cannot give image '{path}' to user '{account.name}'", cause) from cause
    admit(guest, str(path), write=True)


def needs(plan: Plan) -> Iterator[Need]:
    """What the command line names: images with their chains, kernels, host devices."""
    domain, devices = plan.domain, plan.domain.devices or Devices()
    yield from _boot_files(domain)
    for disk in devices.all(Disk):
        if disk.id not in plan.omitted | plan.emptied and not disk.empty:
            yield from _disk(disk)
    for module in devices.all(MemoryDevice):
        if module.path:
            yield Need(module.path, write=True)
    for place in plan.host_paths.values():
        yield Need(place, write=True)


def _boot_files(domain: Domain) -> Iterator[Need]:
    boot = domain.os
    if boot is None:
        return
    named = [boot.kernel, boot.initrd, boot.dtb, boot.loader.path if boot.loader else None,
             *(table.path for table in boot.acpi_tables)]
    for path in named:
        if path:
            yield Need(path, write=False)


def _disk(disk: Disk) -> Iterator[Need]:
    path = local_path(disk)
    if path is None:
        return
    yield Need(path, write=not is_read_only(disk))
    below = disk.backing
    if below is None:
        for place in check_chain(path, disk.format, f"disk '{disk.target}'")[1:]:
            yield Need(place, write=False)
    while below is not None and below.source is not None:
        named = below.source.image(below.type) if below.type in ("file", "block") else None
        if named:
            yield Need(named, write=False)
            if below.backing is None:
                kind = below.format.type if below.format else None
                for place in check_chain(named, kind, f"disk '{disk.target}'")[1:]:
                    yield Need(place, write=False)
        below = below.backing


def _is_given(path: str, account: Account) -> bool:
    """Whether the file is that user's, for good or because another guest has it: then it is to stay so for this one."""
    with suppress(OSError):
        return os.stat(path).st_uid == account.uid  # noqa: PTH116 - the document's path as it is
    return False


def _trouble(account: Account, path: str, *, write: bool) -> OSError | None:
    """Why that user cannot open the file, None when it can."""
    flags = os.O_RDWR if write else os.O_RDONLY
    try:
        with acting_as(account):
            os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError as error:
        return error
    return None


def _cure(account: Account, path: str, settings: str | None) -> str:
    """What the administrator can do: about the first folder on the way that is shut, or about the file."""
    for folder in [*reversed(Path(os.path.realpath(path)).parents)]:
        try:
            with acting_as(account):
                shut = not os.access(folder, os.X_OK, effective_ids=True)
        except OSError:
            shut = False
        if shut:
            return f"folder '{folder}' is shut to user '{account.name}': chmod o+x '{folder}', or move the image"
    if settings is not None:
        return f"chown {account.name} '{path}', or set dynamic_ownership = 1 in {settings}"
    return f"user '{account.name}' must be able to read and write it"
