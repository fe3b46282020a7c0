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
from virtctl.qemu.build import builds, controller_id, device_opt
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.plan import Plan

Pairs = list[tuple[str, Value]]
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


def _network(disk: Disk, source: DiskSource) -> Pairs:
    if source.auth or disk.auth:
        raise UnsupportedConfig(f"disk '{disk.target}': authentication of network disks needs a secret store, "
                                "which this connection does not have")
    host = source.hosts[0] if source.hosts else None
    name = host.name if host else None
    port: Value = host.port if host else None
    if source.protocol == "nbd":
        if host is not None and host.transport == "unix":
            return [("file.driver", "nbd"), ("file.server.type", "unix"), ("file.server.path", host.socket),
                    ("file.export", source.name)]
        return [("file.driver", "nbd"), ("file.server.type", "inet"), ("file.server.host", name),
                ("file.server.port", port), ("file.export", source.name)]
    if source.protocol in ("http", "https", "ftp", "ftps"):
        path = f"{source.protocol}://{name}:{port}/{(source.name or '').lstrip('/')}"
        return [("file.driver", source.protocol), ("file.url", path)]
    if source.protocol == "iscsi":
        target, _, lun = (source.name or "").partition("/")
        return [("file.driver", "iscsi"), ("file.transport", "tcp"), ("file.portal", f"{name}:{port}"),
                ("file.target", target), ("file.lun", lun or "0"), ("file.initiator-name", source.initiator)]
    if source.protocol == "rbd":
        pool, _, image = (source.name or "").partition("/")
        return [("file.driver", "rbd"), ("file.pool", pool), ("file.image", image), ("file.conf", source.config),
                ("file.snapshot", source.snapshot)]
    raise UnsupportedConfig(f"disk '{disk.target}': protocol '{source.protocol}' is not supported at start")


def source_pairs(disk: Disk, plan: Plan) -> Pairs:
    """Where the bytes are; an absolute path is never taken for a protocol."""
    source = disk.source
    if source is None or disk.id in plan.emptied:
        return []
    if source.encryption or disk.encryption:
        raise UnsupportedConfig(f"disk '{disk.target}': encrypted images need a secret store, "
                                "which this connection does not have")
    path = local_path(disk)
    if path is not None:
        if not path.startswith("/"):
            raise UnsupportedConfig(f"disk '{disk.target}': path '{path}' is not absolute")
        return [("file", path)]
    if disk.type == "network":
        return _network(disk, source)
    if disk.type == "dir":
        read_write = "" if is_read_only(disk) else "rw:"
        return [("file", f"fat:{'floppy:' if disk.device == 'floppy' else ''}{read_write}{source.dir}")]
    raise UnsupportedConfig(f"disk '{disk.target}': source type '{disk.type}' is not supported at start")


def _throttle(disk: Disk) -> Pairs:
    tune = disk.iotune
    if tune is None:
        return []
    return [(f"throttling.{name}", getattr(tune, field, None)) for field, name in _IOTUNE.items()]


def drive_opt(disk: Disk, plan: Plan) -> Opt:
    """`-drive if=none,id=drive-ALIAS,...`: named, for the human monitor knows drives by these names."""
    pairs = source_pairs(disk, plan)
    format_: Value = (disk.format or "raw") if pairs else None
    if disk.type == "dir":
        format_ = "raw"
    rerror = disk.rerror_policy or ("report" if disk.error_policy == "enospace" else disk.error_policy)
    werror = {"enospace": "enospc"}.get(disk.error_policy or "", disk.error_policy)
    return Opt("drive", props(None, [
        ("if", "none"), ("id", drive_name(disk)), *pairs, ("format", format_),
        ("media", "cdrom" if disk.device == "cdrom" else None), ("readonly", True if is_read_only(disk) else None),
        ("cache", disk.cache), ("aio", disk.io), ("discard", disk.discard), ("detect-zeroes", disk.detect_zeroes),
        ("copy-on-read", disk.copy_on_read), ("werror", werror), ("rerror", rerror),
        ("snapshot", True if disk.transient else None), *_throttle(disk)]))


def _common(disk: Disk) -> Pairs:
    wwn = disk.wwn if disk.wwn is None or disk.wwn.startswith("0x") else f"0x{disk.wwn}"
    return [("share-rw", True if disk.shareable else None), ("drive", drive_name(disk)),
            ("logical_block_size", disk.logical_block), ("physical_block_size", disk.physical_block),
            ("wwn", wwn), ("serial", disk.serial)]


def _geometry(disk: Disk) -> Pairs:
    return [("cyls", disk.cylinders), ("heads", disk.heads), ("secs", disk.sectors),
            ("bios-chs-trans", disk.translation)]


def _address(disk: Disk) -> DriveAddress:
    return disk.address if isinstance(disk.address, DriveAddress) else DriveAddress()


def _virtio(disk: Disk, plan: Plan) -> Opt:
    iothread = f"iothread{disk.iothread}" if disk.iothread is not None else None
    return device_opt(virtio_name("virtio-blk", disk.model), disk, plan, [
        ("iothread", iothread), ("ioeventfd", disk.ioeventfd), ("event_idx", disk.event_idx),
        ("num-queues", disk.queues), ("queue-size", disk.queue_size), *virtio_props(disk), *_geometry(disk),
        *_common(disk)])


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
    if _scsi_model(plan, place.controller) in ("lsilogic", None):
        spot: Pairs = [bus, ("scsi-id", place.unit)]
    else:
        spot = [bus, ("channel", place.bus), ("scsi-id", place.target), ("lun", place.unit)]
    extra: Pairs = [] if name == "scsi-block" else [("device_id", None if disk.serial else drive_name(disk)),
                                                    ("vendor", disk.vendor), ("product", disk.product)]
    rate: Value = disk.rotation_rate if name == "scsi-hd" else None
    return device_opt(name, disk, plan, [*spot, *extra, *(_geometry(disk) if name == "scsi-hd" else []),
                                         *_common(disk), ("rotation_rate", rate)])


def _scsi_model(plan: Plan, index: int) -> str | None:
    for controller in (plan.domain.devices or Devices()).all(Controller):
        if controller.type == "scsi" and (controller.index or 0) == index:
            return controller.model
    return None


def _usb(disk: Disk, plan: Plan) -> Opt:
    return device_opt("usb-storage", disk, plan, [*_common(disk), ("removable", bool(disk.removable))])


def _floppy(disk: Disk, plan: Plan) -> Opt:
    return device_opt("floppy", disk, plan, [("unit", _address(disk).unit), ("drive", drive_name(disk))])


_BUSES: dict[str, Callable[[Disk, Plan], Opt]] = {"virtio": _virtio, "ide": _ide, "sata": _ide, "scsi": _scsi,
                                                  "usb": _usb, "fdc": _floppy}


@builds(Disk)
def build_disk(disk: Disk, plan: Plan) -> Iterator[Opt]:
    """A drive and the device in front of it."""
    device = _BUSES.get(disk.bus or "")
    if device is None:
        raise UnsupportedConfig(f"disk '{disk.target}': bus '{disk.bus}' is not supported at start")
    yield drive_opt(disk, plan)
    yield device(disk, plan)
