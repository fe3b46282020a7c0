"""Disks: xend's `uname`, xm's strings, xl's specifications, and the buses that names imply."""

from __future__ import annotations

import re

from virtctl.errors import UnsupportedConfig
from virtctl.xen.guest import Disk

FORMATS = ("raw", "bochs", "cloop", "dmg", "iso", "vpc", "vdi", "vhd", "qcow", "qcow2", "qed", "vmdk", "ploop", "fat")
TAP = ("tap", "tap2")
_MODES = ("r", "ro", "w", "rw", "w!", "!", "r!", "")
_NUMBERED = re.compile(r"(?:xvd|hd|sd|vd|fd)([a-z]+)")


def bus_of(target: str, hvm: bool) -> str:
    """The bus that a device name implies: xvd* is Xen's own, and so is everything in a paravirtual guest."""
    if target.startswith("xvd") or not hvm:
        return "xen"
    if target.startswith("fd"):
        return "fdc"
    return "scsi" if target.startswith("sd") else "ide"


def index_of(target: str) -> int:
    """The number of a disk name: 0 for hda, 26 for xvdaa; -1 for a name that is not of that form."""
    match = _NUMBERED.match(target)
    if not match:
        return -1
    number = 0
    for letter in match[1][:6]:
        number = number * 26 + ord(letter) - ord("a") + 1
    return number - 1


def split_uname(text: str) -> tuple[str, str | None, str]:
    """(driver, format, path) of `phy:/dev/x`, `file:/x` or `tap:qcow2:/x`. `tap:tapdisk:aio:` is `tap:aio:`."""
    driver, colon, path = text.partition(":")
    if not colon:
        raise UnsupportedConfig(f"cannot parse vbd filename '{text}', missing driver name")
    if driver not in TAP:
        return driver, None, path
    kind, colon, path = path.removeprefix("tapdisk:").partition(":")
    if not colon:
        raise UnsupportedConfig(f"cannot parse vbd filename '{text}', missing driver type")
    kind = "raw" if kind == "aio" else kind
    if kind not in FORMATS:
        raise UnsupportedConfig(f"Unknown driver type {kind}")
    return driver, kind, path


def join_uname(disk: Disk) -> str | None:
    """`driver:path` as xend and xm take it; None for an empty drive."""
    if disk.source is None:
        return None
    if disk.kind == "network":
        raise UnsupportedConfig(f"disk '{disk.target}': a network disk can only be written for xen-xl")
    driver = uname_driver(disk)
    if driver in TAP:
        kind = "aio" if disk.format in (None, "raw") else disk.format
        return f"{driver}:{kind}:{disk.source}"
    if disk.format not in (None, "raw"):
        raise UnsupportedConfig(f"disk '{disk.target}': driver '{driver}' takes raw images only, not '{disk.format}'",
                                hint="use <driver name='tap'/> or tap2 for other formats")
    if driver == "phy" and not disk.source.startswith("/"):
        return f"phy:/dev/{disk.source}"
    return f"{driver}:{disk.source}"


def uname_driver(disk: Disk) -> str:
    """The driver as xend and xm call it. qdisk came with xl: an older Xen reads the same image in its own ways."""
    native = "phy" if disk.kind == "block" else "file"
    if disk.driver == "qemu":
        return native if disk.format in (None, "raw") else "tap"
    return disk.driver or native


def kind_of(driver: str | None) -> str:
    """What a driver reads."""
    return "block" if driver == "phy" else "file"


def split_device(text: str) -> tuple[str, str]:
    """(target, device) of `ioemu:hda`, `hdc:cdrom` or `xvda:disk`."""
    target, colon, device = text.removeprefix("ioemu:").rpartition(":")
    if not colon:
        return device, "disk"
    return target, "cdrom" if device == "cdrom" else "floppy" if device == "floppy" else "disk"


def parse_xm_disk(text: str, hvm: bool) -> Disk:
    """The disk of xm's `driver:path,device[:cdrom],mode[,backend domain]`. A path may hold commas."""
    parts = text.split(",")
    backend = parts.pop().strip() if len(parts) > 3 and parts[-2].strip() in _MODES else ""
    if len(parts) == 2:
        parts.append("w")
    if len(parts) < 3 or not parts[-2].strip():
        raise UnsupportedConfig(f"disk '{text}': expected SOURCE,DEVICE,MODE")
    name, mode = ",".join(parts[:-2]).strip(), parts[-1].strip()
    if mode not in _MODES:
        raise UnsupportedConfig(f"disk '{text}': unknown mode '{mode}'")
    target, device = split_device(parts[-2].strip())
    driver, form, path = ("phy", None, None) if not name else _xm_source(name)
    return Disk(target=target, bus=bus_of(target, hvm), source=path or None, kind=kind_of(driver), device=device,
                driver=driver, format=form or "raw", readonly=mode in ("r", "ro"), shareable=mode.endswith("!"),
                backend=None if backend in ("", "0", "Domain-0") else backend)


def _xm_source(name: str) -> tuple[str, str | None, str]:
    return split_uname(name) if ":" in name else ("phy", None, name)


def format_xm_disk(disk: Disk) -> str:
    """The string of xm."""
    if disk.device == "floppy":
        raise UnsupportedConfig(f"disk '{disk.target}': a floppy cannot be written in this form")
    suffix = ":cdrom" if disk.device == "cdrom" else ""
    mode = "r" if disk.readonly else "!" if disk.shareable else "w"
    return f"{join_uname(disk) or ''},{disk.target}{suffix},{mode}" + (f",{disk.backend}" if disk.backend else "")


def in_libvirts_order(disks: list[Disk]) -> list[Disk]:
    """Disks of one bus stand together, where the bus came first, in the order of their names."""
    buses: dict[str, list[Disk]] = {}
    for disk in disks:
        buses.setdefault(disk.bus, []).append(disk)
    return [disk for group in buses.values() for disk in sorted(group, key=lambda disk: index_of(disk.target))]
