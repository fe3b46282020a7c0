"""What can be put into and taken out of a guest: media of its drives, cables of its network cards."""

from __future__ import annotations

import os
from pathlib import Path

from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain
from virtctl.errors import DeviceMissing, InvalidArgument
from virtctl.qemu.changes import change_live, change_stored, places
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import drive_name
from virtctl.qemu.documents import devices_of, document, stored
from virtctl.qemu.guest import Guest
from virtctl.qemu.imagechains import check_chain
from virtctl.qemu.ownership import admit_chain
from virtctl.qemu.sources import find_disk, qemu_name
from virtctl.schema.node import carries
from virtctl.values import Affect


def change_media(context: Context, target: Target, name: str, source: str | None, affect: Affect, *,
                 force: bool) -> None:
    """Puts the image `source` into a drive instead of what is there, or takes that out."""
    if source is not None:
        if not carries(source):
            raise InvalidArgument(f"path {source!r} cannot be written in a domain document")
        check_chain(source, None, f"disk '{name}'")

    def edit(domain: Domain) -> None:
        disk = _drive(domain, name)
        disk.type = "block" if source is not None and Path(source).is_block_device() else "file"
        disk.source = None if source is None else (
            DiskSource(dev=source) if disk.type == "block" else DiskSource(file=source))
        disk.backing = None

    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        if where.config:
            _drive(stored(context, target), name)
        if where.live:
            guest = Guest(context, target.active)
            _change_live(guest, _drive(guest.live(), name), source, force=force)
            change_live(context, target, edit)
        if where.config:
            change_stored(context, target, edit)


def _drive(domain: Domain, name: str) -> Disk:
    found = find_disk(domain, name)
    if found.device not in ("cdrom", "floppy"):
        raise InvalidArgument(f"disk '{name}' is not removable media")
    return found


def _change_live(guest: Guest, disk: Disk, source: str | None, *, force: bool) -> None:
    from virtctl.qemu import verbs

    readonly = disk.device == "cdrom" or bool(disk.readonly)
    if source is not None:
        admit_chain(guest, os.path.abspath(source), None, write=not readonly)  # noqa: PTH100 - links stay links
    path = None if source is None else qemu_name(guest, os.path.abspath(source))  # noqa: PTH100 - links stay links
    with guest.monitor() as monitor:
        if path is None:
            verbs.eject(monitor, drive_name(disk), force=force)
        else:
            verbs.change(monitor, drive_name(disk), path, format=disk.format or "raw", readonly=readonly, force=force)


def find_interface(domain: Domain, name: str) -> Interface | None:
    """The network card with that address or that name on the host."""
    return next((one for one in devices_of(domain).all(Interface)
                 if name in (one.target, one.mac.address if one.mac else None)), None)


def link_state(context: Context, target: Target, name: str, *, inactive: bool) -> str | None:
    """`up` or `down`, None when there is no such card."""
    found = find_interface(document(context, target, inactive=inactive), name.lower() if ":" in name else name)
    return None if found is None else found.link_state or "up"


def set_link(context: Context, target: Target, name: str, state: str, affect: Affect) -> None:
    """Plugs the cable of a network card in or out."""
    name = name.lower() if ":" in name else name

    def edit(domain: Domain) -> None:
        card(domain).link_state = state

    def card(domain: Domain) -> Interface:
        found = find_interface(domain, name)
        if found is None:
            raise DeviceMissing(f"interface '{name}' not found")
        return found

    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        if where.config:
            card(stored(context, target))
        if where.live:
            _plug(Guest(context, target.active), card(Guest(context, target.active).live()), state)
            change_live(context, target, edit)
        if where.config:
            change_stored(context, target, edit)


def _plug(guest: Guest, card: Interface, state: str) -> None:
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        verbs.set_link(monitor, card.id, up=state == "up")
