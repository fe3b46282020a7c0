"""Disks on QEMU's command line: the named drive (the host's side) and the guest's device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.address import DriveAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.board import is_q35
from virtctl.qemu.build import builds, controller_id, device_opt, overridden
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.drive_sources import Pairs, Place, image_pairs, object_options
from virtctl.qemu.plan import Plan

_IOTUNE = {"total_bytes_sec": "bps-total", "read_bytes_sec": "bps-read", "write_bytes_sec": "bps-write",
           "total_iops_sec": "iops-total", "read_iops_sec": "iops-read", "write_iops_sec": "iops-write",
           "total_bytes_sec_max": "bps-total-max", "read_bytes_sec_max": "bps-read-max",
           "write_bytes_sec_max": "bps-write-max", "total_iops_sec_max": "iops-total-max",
           "read_iops_sec_max": "iops-read-max", "write_iops_sec_max": "iops-write-max",
           "size_iops_sec": "iops-size", "group_name": "group", "total_bytes_sec_max_length": "bps-total-max-length",
           "read_bytes_sec_max_length": "bps-read-max-length", "write_bytes_sec_max_length": "bps-write-max-length",
           "total_iops_sec_max_length": "iops-total-max-length", "read_iops_sec_max_length": "iops-read-max-length",
           "write_iops_sec_max_length": "iops-write-max-length"}


def drive_name(disk: Disk) -> str:
    """The name by which the monitors know the disk's drive."""
    return f"drive-{disk.id}"


def local_path(disk: Disk) -> str | None:
    """The file or device on this host that holds the disk, None when there is none to look at."""
    source = disk.source
    if source is None:
        return None
    return source.file if disk.type == "file" else source.dev if disk.type == "block" else None


def is_read_only(disk: Disk) -> bool:
    """Whether the guest may only read."""
    return disk.readonly or disk.device == "cdrom"


def source_pairs(disk: Disk, plan: Plan) -> Pairs:
    """Where the bytes are, and the images below if the document tells them."""
    source = disk.source
    if source is None or disk.empty or disk.id in plan.emptied:
        return []
    pairs = image_pairs(_place(disk, source), floppy=disk.device == "floppy", writable=not is_read_only(disk))
    # The format layer must be writable or the start fails; what it stands on may be opened late, as libvirt has it.
    layers: Pairs = [("auto-read-only", False), ("file.auto-read-only", True)] if disk.type in ("file", "block") else []
    cut: Pairs = []
    for part in source.slices:
        cut += [("offset", part.offset), ("size", part.size)]
    return [*pairs, *layers, *cut, *_backing_pairs(disk)]


def _place(disk: Disk, source: DiskSource) -> Place:
    if disk.encryption or disk.auth:
        raise UnsupportedConfig(f"disk '{disk.target}': encryption and authentication need a secret store, "
                                "which this connection does not have")
    return Place(disk.type, source, f"disk '{disk.target}'", drive_name(disk))


def _backing_pairs(disk: Disk) -> Pairs:
    """The chain that the document spells out; without one QEMU reads it from the images."""
    pairs: Pairs = []
    below, prefix = disk.backing, "backing"
    while below is not None:
        if below.type is None or below.source is None:
            return [*pairs, (prefix, "")] if disk.format not in (None, "raw") else pairs
        place = Place(below.type, below.source, f"disk '{disk.target}': backing image", drive_name(disk))
        pairs.append((f"{prefix}.driver", below.format.type if below.format else None))
        pairs += [(f"{prefix}.{'file.filename' if name == 'file' else name}", value) for name, value in
                  image_pairs(place)]
        below, prefix = below.backing, f"{prefix}.backing"
    return pairs


def _throttle(disk: Disk) -> Pairs:
    tune = disk.iotune
    if tune is None:
        return []
    return [(f"throttling.{name}", getattr(tune, field, None)) for field, name in _IOTUNE.items()]


def drive_opt(disk: Disk, plan: Plan) -> Opt:
    """`-drive if=none,id=drive-ALIAS,...`: named, for the human monitor knows drives by these names."""
    return Opt("drive", drive_text(disk, plan))


def drive_text(disk: Disk, plan: Plan, interface: str = "none") -> str:
    """What follows `-drive`."""
    pairs = source_pairs(disk, plan)
    format_: Value = "raw" if disk.type == "dir" else disk.format or "raw"
    rerror = disk.rerror_policy or (None if disk.error_policy == "enospace" else disk.error_policy)
    werror = {"enospace": "enospc"}.get(disk.error_policy or "", disk.error_policy)
    zeroes = "on" if disk.detect_zeroes == "unmap" and disk.discard != "unmap" else disk.detect_zeroes
    tables = disk.metadata_cache.size if disk.metadata_cache else None
    return props(None, [
        ("if", interface), ("id", drive_name(disk)), *pairs, ("format", format_ if pairs else None),
        ("media", "cdrom" if disk.device == "cdrom" else None), ("readonly", True if is_read_only(disk) else None),
        ("cache", disk.cache), ("aio", disk.io), ("discard", disk.discard), ("detect-zeroes", zeroes),
        ("copy-on-read", disk.copy_on_read), ("werror", werror), ("rerror", rerror),
        ("cache-size", tables), ("snapshot", True if disk.transient else None), *_throttle(disk)])


def _common(disk: Disk) -> Pairs:
    wwn = disk.wwn if disk.wwn is None or disk.wwn.startswith("0x") else f"0x{disk.wwn}"
    serial = disk.serial.replace(" ", "\\ ") if disk.serial else None  # the guest sees these backslashes under libvirt
    return [("share-rw", True if disk.shareable else None), ("drive", drive_name(disk)),
            ("logical_block_size", disk.logical_block), ("physical_block_size", disk.physical_block),
            ("wwn", wwn), ("serial", serial)]


def _geometry(disk: Disk) -> Pairs:
    return [("cyls", disk.cylinders), ("heads", disk.heads), ("secs", disk.sectors),
            ("bios-chs-trans", disk.translation)]


def _address(disk: Disk) -> DriveAddress:
    return disk.address if isinstance(disk.address, DriveAddress) else DriveAddress()


def _virtio(disk: Disk, plan: Plan) -> Opt:
    iothread = f"iothread{disk.iothread}" if disk.iothread is not None else None
    return device_opt(virtio_name("virtio-blk", disk.model), disk, plan, [
        ("iothread", iothread), ("ioeventfd", disk.ioeventfd), ("event_idx", disk.event_idx),
        ("num-queues", disk.queues), ("queue-size", disk.queue_size),
        ("scsi", True if disk.device == "lun" else None), *virtio_props(disk), *_geometry(disk), *_common(disk)])


def _ide(disk: Disk, plan: Plan) -> Opt:
    place = _address(disk)
    name = "ide-cd" if disk.device == "cdrom" else "ide-hd"
    carrier = controller_id(plan, disk.bus or "ide", place.controller)
    spot: Pairs = [("bus", f"{carrier}.{place.bus}"), ("unit", place.unit)]
    if disk.bus == "sata":
        spot = [("bus", f"{carrier}.{place.unit}")]
    rate: Value = disk.rotation_rate if name == "ide-hd" else None
    return device_opt(name, disk, plan, [*spot, *(_geometry(disk) if name == "ide-hd" else []), *_common(disk),
                                         ("model", disk.product), ("rotation_rate", rate)])


def _scsi(disk: Disk, plan: Plan) -> Opt:
    place = _address(disk)
    name = {"cdrom": "scsi-cd", "lun": "scsi-block"}.get(disk.device, "scsi-hd")
    bus: tuple[str, Value] = ("bus", f"{controller_id(plan, 'scsi', place.controller)}.0")
    if _scsi_model(plan, place.controller) in _NARROW:
        spot: Pairs = [bus, ("scsi-id", place.unit)]
    else:
        spot = [bus, ("channel", place.bus), ("scsi-id", place.target), ("lun", place.unit)]
    extra: Pairs = [] if name == "scsi-block" else [("device_id", disk.serial or drive_name(disk)),
                                                    ("vendor", disk.vendor), ("product", disk.product)]
    rate: Value = disk.rotation_rate if name == "scsi-hd" else None
    return device_opt(name, disk, plan, [*spot, *extra, *(_geometry(disk) if name == "scsi-hd" else []),
                                         *_common(disk), ("rotation_rate", rate)])


_NARROW = ("lsilogic", "am53c974", "dc390", None)  # controllers whose disks have a number and nothing else


def _scsi_model(plan: Plan, index: int) -> str | None:
    for controller in (plan.domain.devices or Devices()).all(Controller):
        if controller.type == "scsi" and (controller.index or 0) == index:
            return controller.model
    return None


def _usb(disk: Disk, plan: Plan) -> Opt:
    return device_opt("usb-storage", disk, plan, [*_common(disk), ("removable", bool(disk.removable))])


def _floppy(disk: Disk, plan: Plan) -> Opt:
    """The floppy's place in the boot order belongs to its controller: see `floppy_controller`."""
    pairs: Pairs = [("unit", _address(disk).unit), ("drive", drive_name(disk)), ("id", disk.id)]
    return Opt("device", props("floppy", overridden(disk.id, pairs, plan)))


def floppy_controller(plan: Plan) -> Iterator[Opt]:
    """The controller of newer machines, or the properties of the one that older machines bring along."""
    disks = [disk for disk in (plan.domain.devices or Devices()).all(Disk) if disk.bus == "fdc"]
    letters: Pairs = []
    for disk in disks:
        order = disk.boot.order if disk.boot else plan.boot_order.get(disk.id)
        letters.append((f"bootindex{'AB'[min(_address(disk).unit, 1)]}", order))
    if is_q35(plan.domain) and disks:
        yield Opt("device", props("isa-fdc", letters))
        return
    for name, index in letters:
        if index is not None:
            yield Opt("global", f"isa-fdc.{name}={index}")


_BUSES: dict[str, Callable[[Disk, Plan], Opt]] = {"virtio": _virtio, "ide": _ide, "sata": _ide, "scsi": _scsi,
                                                  "usb": _usb, "fdc": _floppy}


def _vhost_user(disk: Disk, plan: Plan) -> Iterator[Opt]:
    """A disk that another process serves."""
    name, source = f"chr-vu-{disk.id}", disk.source or DiskSource()
    again = source.reconnect.timeout if source.reconnect and source.reconnect.enabled else None
    yield Opt("chardev", props("socket", [("id", name), ("reconnect", again), ("path", source.path)]))
    yield device_opt(virtio_name("vhost-user-blk", disk.model), disk, plan, [
        *virtio_props(disk), ("num-queues", disk.queues), ("queue-size", disk.queue_size), ("chardev", name)])


@builds(Disk)
def build_disk(disk: Disk, plan: Plan) -> Iterator[Opt]:
    """A drive and the device in front of it."""
    if disk.type == "vhostuser":
        yield from _vhost_user(disk, plan)
        return
    if disk.source is not None and not disk.empty:
        yield from object_options(_place(disk, disk.source))
    if disk.bus == "sd":
        yield Opt("drive", drive_text(disk, plan, interface="sd"))
        return
    device = _BUSES.get(disk.bus or "")
    if device is None:
        raise UnsupportedConfig(f"disk '{disk.target}': bus '{disk.bus}' is not supported at start")
    yield drive_opt(disk, plan)
    yield device(disk, plan)
