"""What libvirt refuses of a disk although each of its words is legal, disk by disk."""

from __future__ import annotations

from collections.abc import Callable

from virtctl.domain.addresses.drive import disk_number
from virtctl.domain.devices.disk import Disk
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.rules import disk_addresses, disk_images
from virtctl.domain.rules.filesystems import shares_memory
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError, XmlError

PRINTABLE = frozenset(map(chr, range(32, 127)))
HARD_DISKS = ("hd", "sd", "vd", "xvd", "ubd")
SAFE_SERIAL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ .+:")

VIRTIO_ONLY = {
    **dict.fromkeys(("ioeventfd", "event_idx"), "disk {name} mode supported only for virtio bus"),
    "queues": "{name} attribute in disk driver element is only supported by virtio-blk",
    **dict.fromkeys(("iommu", "ats", "packed"), "{name} driver option is only supported for virtio devices"),
    "page_per_vq": "{name} option is only supported for virtio devices",
}


def all_disks(domain: Domain) -> list[Disk]:
    """The disks of a domain."""
    return domain.devices.all(Disk) if domain.devices else []


def disks(domain: Domain, host: Host) -> None:
    """Every disk by itself."""
    for disk in all_disks(domain):
        for rule in RULES:
            rule(disk)
        iothread(disk, domain)
        if disk.type == "vhostuser" and not shares_memory(domain):
            raise UnsupportedConfig("'vhostuser' requires shared memory")
        disk_addresses.model_of_controller(disk, domain)


def beside(domain: Domain, host: Host) -> None:
    """No two disks of one target, or in one place."""
    seen: dict[str, Disk] = {}
    for disk in all_disks(domain):
        other = seen.setdefault(disk.target or "", disk)
        if other is not disk:
            raise XmlError(f"target '{disk.target}' duplicated for disk sources '{_path(other) or '<null>'}' "
                           f"and '{_path(disk) or '<null>'}'")
    disk_addresses.duplicates(domain)


def has_target(disk: Disk) -> None:
    """Every disk has a name."""
    if disk.target is None:
        what = _path(disk) if disk.type != "vhostuser" else None
        if disk.type == "volume" and disk.source is not None:
            what = f"pool = '{disk.source.pool}', volume = '{disk.source.volume}'"
        raise VirtctlError(f"missing target information for device {what or ''}")


def _path(disk: Disk) -> str | None:
    return disk.source.path_of(disk.type) if disk.source else None


def lun(disk: Disk) -> None:
    """What only a LUN may have, and what a LUN must be."""
    if disk.sgio == "unfiltered":
        raise UnsupportedConfig("unfiltered sgio is no longer supported")
    if disk.device == "lun":
        _lun_source(disk)
        return
    if disk.source is not None and disk.source.reservations is not None:
        raise UnsupportedConfig("<reservations/> allowed only for lun devices")
    for name in ("rawio", "sgio"):
        if getattr(disk, name) is not None:
            raise UnsupportedConfig(f"{name} can be used only with device='lun'")


def _lun_source(disk: Disk) -> None:
    if disk.type == "network" and disk.source is not None and disk.source.protocol != "iscsi":
        raise UnsupportedConfig(f"disk device='lun' is not supported for protocol='{disk.source.protocol}'")
    if disk.type not in ("block", "network", "volume"):
        raise UnsupportedConfig("disk device='lun' is only valid for block type disk source")
    if disk.format not in ("raw", None):
        raise UnsupportedConfig("disk device 'lun' must use 'raw' format")
    if disk.source is not None and disk.source.encryption is not None:
        raise UnsupportedConfig("disk device 'lun' doesn't support encryption")
    if disk.source is not None and disk.source.slices:
        raise UnsupportedConfig("disk device 'lun' doesn't support storage slice")


def lun_bus(disk: Disk) -> None:
    """Only two buses pass SCSI commands through."""
    if disk.device == "lun" and disk.bus not in ("scsi", "virtio"):
        raise UnsupportedConfig(f"disk device='lun' is not supported for bus='{disk.bus}'")


def medium(disk: Disk) -> None:
    """A hard disk has an image; only drives for media and LUNs may be empty."""
    if disk.empty and disk.device == "disk":
        raise VirtctlError(f"missing source information for device {disk.target}")


def names(disk: Disk) -> None:
    """The target's name and the bus must suit the kind of drive."""
    target, floppy = disk.target or "", disk.device == "floppy"
    hard = disk.device in ("disk", "lun")
    if floppy and disk.bus != "fdc":
        raise InternalError(f"Invalid bus type '{disk.bus}' for floppy disk")
    if not floppy and disk.bus == "fdc":
        raise InternalError("Invalid bus type 'fdc' for disk")
    if floppy and not target.startswith("fd"):
        raise InternalError(f"Invalid floppy device name: {target}")
    if (target.startswith("fd") and not floppy) or (hard and not target.startswith(HARD_DISKS)):
        raise InternalError(f"Invalid harddisk device name: {target}")
    if disk_number(target) < 0:
        raise UnsupportedConfig(f"invalid disk target '{target}'")
    if target[-1:].isdigit():
        raise UnsupportedConfig(f"invalid disk target '{target}', partitions can't appear in disk targets")


def startup_policy(disk: Disk) -> None:
    """Whose start may go on without its medium."""
    policy = disk.source.startup_policy if disk.source else None
    if policy is None:
        return
    if disk.type == "network":
        raise XmlError(f"disk startupPolicy '{policy}' is not allowed for disk of 'network' type")
    if policy == "requisite" and disk.device not in ("cdrom", "floppy"):
        raise XmlError("disk startupPolicy 'requisite' is allowed only for cdrom or floppy")


def target(disk: Disk) -> None:
    """What the target says about the drive."""
    if disk.removable is not None and disk.bus != "usb":
        raise XmlError("removable is only valid for usb disks")


def rotation(disk: Disk) -> None:
    """Only a hard disk on a bus that can tell it turns."""
    if disk.rotation_rate is not None:
        if disk.bus not in ("scsi", "ide", "sata"):
            raise InternalError("rotation rate is only valid for SCSI/IDE/SATA bus")
        if disk.device not in ("disk", "lun"):
            raise InternalError("rotation rate is only valid for disk device")


def tray(disk: Disk) -> None:
    """Only a drive for media can be open."""
    if disk.tray is not None and disk.device not in ("cdrom", "floppy"):
        raise UnsupportedConfig("tray is only valid for cdrom and floppy")


def geometry(disk: Disk) -> None:
    """Cylinders are an old disk's, their translation an IDE disk's."""
    if disk.cylinders is None:
        return
    if disk.bus in ("usb", "sd"):
        raise UnsupportedConfig(f"CHS geometry can not be set for '{disk.bus}' bus")
    if disk.translation is not None and disk.bus != "ide":
        raise UnsupportedConfig(f"CHS translation mode can only be set for 'ide' bus not '{disk.bus}'")


def virtio_only(disk: Disk) -> None:
    """What only a virtio disk has."""
    if disk.bus == "virtio":
        return
    for name, words in VIRTIO_ONLY.items():
        value = getattr(disk, name)
        if value is not None:
            raise UnsupportedConfig(words.format(name=name, value=value, bus=disk.bus))


def media(disk: Disk) -> None:
    """A virtio disk cannot be opened."""
    if disk.device == "cdrom" and disk.bus in ("virtio", "sd"):
        raise UnsupportedConfig(f"disk type of '{disk.target}' does not support ejectable media")


def lun_passes_through(disk: Disk) -> None:
    """What the guest reads of a LUN is the host's device's own."""
    if disk.device != "lun":
        return
    if disk.copy_on_read:
        raise UnsupportedConfig(f"copy_on_read is not compatible with 'lun' disk '{disk.target}'")
    if disk.wwn is not None:
        raise UnsupportedConfig("Setting wwn is not supported for lun device")
    if _names(disk):
        raise UnsupportedConfig("Setting vendor or product is not supported for lun device")
    if disk.serial is not None and disk.bus == "scsi":
        raise UnsupportedConfig("scsi-block 'lun' devices do not support the serial property")


def readonly(disk: Disk) -> None:
    """IDE and SATA have no read-only hard disks."""
    if disk.readonly and disk.device == "disk" and disk.bus in ("ide", "sata"):
        raise UnsupportedConfig(f"readonly {disk.bus} disks are not supported")


def identity(disk: Disk) -> None:
    """What the guest reads of vendor and name must be what the hardware can carry."""
    for what, value, _ in _names(disk):
        if not PRINTABLE.issuperset(value):
            raise XmlError(f"disk {what} is not printable string")
    for what, value, length in _names(disk):
        if len(value) > length:
            raise UnsupportedConfig(f"disk {what} is more than {length} characters")
    if _names(disk) and disk.bus != "scsi":
        raise UnsupportedConfig("Only scsi disk supports vendor and product")


def world_wide_name(disk: Disk) -> None:
    """Sixteen digits, on a bus that can tell them."""
    if disk.wwn is not None:
        wwn = disk.wwn.removeprefix("0x")
        if len(wwn) != 16 or any(char not in "0123456789abcdefABCDEF" for char in wwn):
            raise InternalError(f"Malformed wwn: {disk.wwn}")
        if disk.bus not in ("ide", "scsi"):
            raise UnsupportedConfig("Only ide and scsi disk support wwn")


def _names(disk: Disk) -> list[tuple[str, str, int]]:
    found = (("vendor", disk.vendor, 8), ("product", disk.product, 16))
    return [(what, value, length) for what, value, length in found if value is not None]


def serial(disk: Disk) -> None:
    """A serial number that QEMU's option syntax and the guest can carry."""
    if disk.serial is not None and disk.bus == "sd":
        raise InternalError("Serial property not supported for drive bus 'sd'")
    if disk.serial is not None and not SAFE_SERIAL.issuperset(disk.serial):
        raise InternalError(f"driver serial '{disk.serial}' contains unsafe characters")


def driver(disk: Disk) -> None:
    """What the driver's attributes exclude in each other."""
    if disk.driver_name != "qemu":
        raise UnsupportedConfig(f"unsupported driver name '{disk.driver_name}' for disk '{disk.target}'")
    if disk.copy_on_read and disk.readonly:
        raise UnsupportedConfig(f"copy_on_read is not compatible with read-only disk '{disk.target}'")
    if disk.rerror_policy == "enospace":
        raise UnsupportedConfig("Invalid disk read error policy: 'enospace'")
    if disk.io == "native" and disk.cache not in ("none", "directsync"):
        raise UnsupportedConfig("io='native' needs either no disk cache or directsync cache mode")
    if disk.shareable and disk.format not in ("raw", None):
        raise UnsupportedConfig(f"shared access for disk '{disk.target}' requires use of supported storage format")
    if disk.metadata_cache is not None and disk.metadata_cache.size and disk.format != "qcow2":
        raise UnsupportedConfig("metadata cache max size control is supported only with qcow2 images")


def transient(disk: Disk) -> None:
    """A transient disk must be an image that something can be written beside."""
    if disk.transient is None:
        return
    if disk.readonly:
        raise UnsupportedConfig(f"transient disk '{disk.target}' must not be read-only")
    if disk.type != "file":
        raise UnsupportedConfig(f"transient disk supported only with 'file' type ({disk.target})")
    if disk.device != "disk":
        raise UnsupportedConfig(f"transient disk supported only with 'disk' device ({disk.target})")
    if disk.transient.share_backing and disk.bus not in ("virtio", "scsi", "usb"):
        raise UnsupportedConfig(f"disk bus '{disk.bus}' doesn't support transiend disk backing image sharing")


def vhostuser_readonly(disk: Disk) -> None:
    """A vhost-user daemon's disk can always be written."""
    if disk.type == "vhostuser" and disk.readonly:
        raise UnsupportedConfig("readonly is not supported with vhostuser disk")


def vhostuser(disk: Disk) -> None:
    """A vhost-user daemon does the work, so most of what a disk can be told has nobody to tell it to."""
    if disk.type != "vhostuser":
        return
    if disk.bus != "virtio":
        raise UnsupportedConfig("vhostuser disk supports only virtio bus")
    if disk.snapshot != "no":
        raise UnsupportedConfig("only snapshot=no is supported with vhostuser disk")
    for name in ("cache", "copy_on_read", "discard", "iothread", "detect_zeroes", "serial", "wwn", "vendor", "product"):
        if getattr(disk, name) is not None:
            raise UnsupportedConfig(f"{name} is not supported with vhostuser disk")


def iothread(disk: Disk, domain: Domain) -> None:
    """The I/O thread must be one of the domain's, and the disk one that can use it."""
    if disk.iothread is None:
        return
    if disk.bus != "virtio":
        raise UnsupportedConfig(f"IOThreads not available for bus {disk.bus} target {disk.target}")
    if disk.iothread not in iothread_numbers(domain):
        raise UnsupportedConfig(f"Disk iothread '{disk.iothread}' not defined in iothreadid")


def iothread_numbers(domain: Domain) -> set[int]:
    """The numbers of the domain's I/O threads: those it names, and the lowest free ones up to its count."""
    numbers = {one.id for one in domain.iothread_ids if one.id is not None}
    free = 1
    while len(numbers) < (domain.iothreads or 0):
        numbers.add(free)
        free += 1
    return numbers


RULES: tuple[Callable[[Disk], None], ...] = (
    has_target, lun, virtio_only, tray, names, lun_bus, target, medium, rotation, startup_policy, transient, geometry,
    disk_addresses.place, disk_images.source, vhostuser_readonly, media, readonly,
    lun_passes_through, world_wide_name, identity, serial, driver,
    vhostuser, disk_images.chain, disk_images.limits,
)
