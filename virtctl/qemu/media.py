"""What can be put into and taken out of a guest: media of its drives, cables of its network cards."""

from __future__ import annotations

import os
from pathlib import Path

from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain
from virtctl.errors import DeviceMissing, InvalidArgument
from virtctl.qemu.changes import change_live, change_stored, places, recorded, refusals_end
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import drive_name
from virtctl.qemu.documents import devices_of, document, stored
from virtctl.qemu.guest import Guest
from virtctl.qemu.imagechains import check_chain
from virtctl.qemu.ownership import admit_chain
from virtctl.qemu.sources import find_disk, qemu_name, real_path
from virtctl.schema.node import carries
from virtctl.state.journal import Record
from virtctl.values import Affect


def change_media(context: Context, target: Target, name: str, source: str | None, affect: Affect, *,
                 force: bool) -> None:
    """Puts the image `source` into a drive instead of what is there, or takes that out."""
    if source is not None:
        if not carries(source):
            raise InvalidArgument(f"path {source!r} cannot be written in a domain document")
        check_chain(source, None, f"disk '{name}'")

    def edit(domain: Domain) -> None:
        _put(_drive(domain, name), source)

    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        if where.config:
            _drive(stored(context, target), name)
        if where.live:
            guest = Guest(context, target.active)
            disk = _drive(guest.live(), name)
            with recorded(context, target, "media", drive=name, source=source) as operation:
                with refusals_end(operation):
                    _change_live(guest, disk, source, force=force)
                change_live(context, target, edit)
        if where.config:
            change_stored(context, target, edit, after=where)


def _put(disk: Disk, source: str | None) -> None:
    disk.type = "block" if source is not None and Path(source).is_block_device() else "file"
    disk.source = None if source is None else (
        DiskSource(dev=source) if disk.type == "block" else DiskSource(file=source))
    disk.backing = None


def finish_media(guest: Guest | None, record: Record) -> str:
    """After a change of media that was cut off: what QEMU has in the drive is what the guest's document names."""
    from virtctl.qemu import verbs

    name, source = str(record.facts["drive"]), record.facts["source"]
    if guest is None:  # it has ended, and its document with it
        record.done()
        return ""
    live = guest.live()
    disk = _drive(live, name)
    with guest.monitor() as monitor:
        drive = verbs.drives(monitor).get(drive_name(disk))
    used = real_path(guest, drive.file) if drive is not None and drive.file else None
    if used is None or used == (source and os.path.abspath(source)):  # noqa: PTH100 - links stay links
        _put(disk, None if used is None else source)
        guest.write_live(live)
    record.done()
    return f"an interrupted change of the medium in '{name}' was looked into: the drive holds {used or 'nothing'}"


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
            guest = Guest(context, target.active)
            found = card(guest.live())
            with recorded(context, target, "link", interface=name, state=state) as operation:
                with refusals_end(operation):
                    _plug(guest, found, state)
                change_live(context, target, edit)
        if where.config:
            change_stored(context, target, edit, after=where)


def _plug(guest: Guest, card: Interface, state: str) -> None:
    from virtctl.qemu import verbs

    with guest.monitor() as monitor:
        verbs.set_link(monitor, card.id, up=state == "up")


def finish_link(guest: Guest | None, record: Record) -> str:
    """After a change of a cable that was cut off: QEMU does not tell how it is, so it is plugged again."""
    name, state = str(record.facts["interface"]), str(record.facts["state"])
    if guest is not None:
        live = guest.live()
        found = find_interface(live, name)
        if found is not None:
            _plug(guest, found, state)
            found.link_state = state
            guest.write_live(live)
    record.done()
    return f"the cable of interface '{name}', whose change was interrupted, is {state}" if guest is not None else ""
