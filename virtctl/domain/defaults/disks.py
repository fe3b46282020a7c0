"""What a disk says when its document does not: bus, format, default ports, who decrypts."""

from __future__ import annotations

from virtctl.domain.addresses.drive import disk_number
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_chain import BackingStore
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.domain.devices.disk_tune import Iotune
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.rules.disk_addresses import kind as check_kind
from virtctl.errors import UnsupportedConfig

BUS_OF_NAME = {"sd": "scsi", "vd": "virtio", "xvd": "xen", "ubd": "uml"}


def sort_disks(domain: Domain, host: Host) -> None:
    """Puts a disk before the first one of its bus, as the document has it, whose name has a higher number."""
    if domain.devices is None:
        return
    given = domain.devices.all(Disk)
    ordered: list[Disk] = []
    for disk in given:
        place = None
        for at in reversed(range(len(ordered))):
            if ordered[at].bus == disk.bus:
                if disk_number(ordered[at].target or "") > disk_number(disk.target or ""):
                    place = at
                elif place is None:
                    place = at + 1
        ordered.insert(len(ordered) if place is None else place, disk)
    given[:] = ordered


def complete_disks(domain: Domain, host: Host) -> None:
    """Every disk's own defaults, before it gets its place."""
    disks = domain.devices.all(Disk) if domain.devices else []
    for disk in disks:
        complete_disk(disk)
    share_limits(disks)


def complete_disk(disk: Disk) -> None:
    """The defaults of one disk. Raises where its address is of another bus's kind."""
    disk.bus = disk.bus or default_bus(disk)
    if disk.model is not None and disk.bus != "virtio":
        raise UnsupportedConfig(f"disk model '{disk.model}' not supported for bus '{disk.bus}'")
    if disk.target is not None:
        check_kind(disk)
    if disk.device == "cdrom":
        disk.readonly = True
    disk.driver_name = "qemu" if disk.driver_name is None else disk.driver_name
    if disk.format is None and disk.type != "volume":
        disk.format = "raw"
    if disk.type == "vhostuser" and disk.snapshot is None:
        disk.snapshot = "no"
    if disk.readonly and disk.snapshot == "no":
        disk.snapshot = None  # what a readonly disk does anyway
    _complete_images(disk)


def _complete_images(disk: Disk) -> None:
    if disk.encryption is not None:
        disk.encryption.engine = disk.encryption.engine or "qemu"
    if disk.source is not None:
        complete_source(disk.source, disk.type)
    _complete_chain(disk.backing)


def default_bus(disk: Disk) -> str:
    """The bus that follows from the kind of drive and the target's name."""
    if disk.device == "floppy":
        return "fdc"
    return next((bus for prefix, bus in BUS_OF_NAME.items() if (disk.target or "").startswith(prefix)), "ide")


def complete_source(source: DiskSource, type: str) -> None:
    """The defaults of one source of that type."""
    if source.encryption is not None and source.encryption.engine is None:
        source.encryption.engine = "qemu"
    if type == "network":
        source.fill_ports()
        if source.protocol == "iscsi" and source.name is not None and "/" not in source.name:
            source.name += "/0"
    elif type == "nvme" and source.managed is None:
        source.managed = True
    elif type == "volume":
        source.auth = None  # the pool knows who we are


def _complete_chain(store: BackingStore | None) -> None:
    while store is not None and store.type is not None:
        if store.source is not None:
            store.source.fill_ports()
            if store.source.encryption is not None:
                store.source.encryption.engine = store.source.encryption.engine or "qemu"
        store = store.backing


def share_limits(disks: list[Disk]) -> None:
    """A disk that only names a group of limits gets those of the group's first disk that has some."""
    for disk in disks:
        tune = disk.iotune
        if tune is None or not tune.group_name or tune.limits:
            continue
        other = next((one.iotune for one in disks if one.iotune is not None and one is not disk
                      and one.iotune.group_name == tune.group_name and one.iotune.limits), None)
        if other is not None:
            disk.iotune = Iotune(**{**other.limits, "group_name": tune.group_name})
