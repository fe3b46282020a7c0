"""xend's s-expressions to domain documents."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig
from virtctl.schema.node import Node
from virtctl.xen.chardev import parse_chardev
from virtctl.xen.disks import TAP, bus_of, kind_of, split_device, split_uname
from virtctl.xen.document import XEND, write_document
from virtctl.xen.guest import (
    MOST_DEVICES,
    MOST_PORTS,
    MOST_PROCESSORS,
    VNC_BASE,
    Disk,
    Graphics,
    Guest,
    Pci,
    Port,
    Timer,
    Video,
)
from virtctl.xen.mapping import (
    check_action,
    check_count,
    note_words,
    number,
    parse_boot,
    parse_cpuset,
    parse_sounds,
    parse_usbdevice,
    parse_uuid,
)
from virtctl.xen.sexpr import Sexpr, entries, lookup, read_sexpr, value_of
from virtctl.xen.vifs import vif_of

NEWEST = 4
"""The newest of xend's configuration versions: 1 is Xen 3.0.2, 2 is 3.0.3, 3 is 3.0.4, 4 is 3.1.0 and later."""

# What xend reports of a running domain, or keeps for itself: no part of the machine's description.
_STATE = frozenset({
    "domid", "shadow_memory", "start_time", "cpu_time",
    "online_vcpus", "up_time", "state", "status", "store_mfn", "console_mfn", "shutdown_reason", "ssidref",
    "security", "target", "pool_name", "backend", "notes", "vtpm_refs"})
_KNOWN = frozenset({
    "name", "uuid", "description", "memory", "maxmem", "vcpus", "vcpu_avail", "cpus", "bootloader",
    "bootloader_args", "on_poweroff", "on_reboot", "on_crash", "localtime", "image", "device"})
_IMAGE_STATE = frozenset({
    "vcpus", "vcpu_avail", "usb", "vncunused", "notes", "fda", "fdb", "cdrom"})
_IMAGE_KNOWN = frozenset({
    "kernel", "loader", "ramdisk", "args", "root", "boot", "acpi", "apic", "pae", "hap", "viridian", "hpet",
    "localtime", "rtc_timeoffset", "device_model", "usbdevice", "serial", "parallel", "soundhw", "vnc",
    "vnclisten", "vncpasswd", "vncdisplay", "keymap", "sdl", "display", "xauthority", "opengl", "stdvga", "videoram"})
_FEATURES = ("acpi", "apic", "pae", "hap", "viridian")
_USUAL = (["features"], ["on_xend_start", "ignore"], ["on_xend_stop", "shutdown"], ["on_xend_stop", "ignore"])
"""What xend reports of every domain that nobody told otherwise."""
_VBD = ("uname", "dev", "mode", "backend", "bootable", "uuid", "driver", "protocol", "VDI", "image", "type", "devtype")
_VFB = ("type", "vnc", "sdl", "vncunused", "vncdisplay", "vnclisten", "vncpasswd", "keymap", "display", "xauthority",
        "uuid", "location", "backend", "state")
_SILENT_DEVICES = ("vkbd", "console")


def from_sexpr(text: str, xend_version: int = NEWEST, notes: list[str] | None = None) -> Node:
    """The domain document of an s-expression. What has no place in it is said in `notes`."""
    guest = guest_of_sexpr(text, xend_version)
    if notes is not None:
        notes += guest.notes
    return write_document(guest, XEND)


def guest_of_sexpr(text: str, xend_version: int = NEWEST) -> Guest:
    """The guest that an s-expression describes."""
    notes: list[str] = []
    root = read_sexpr(text, notes)
    if not root or root[0] not in ("domain", "vm"):
        raise UnsupportedConfig("an s-expression that begins with neither (domain nor (vm")
    guest = Guest(notes=notes, kind="hvm" if lookup(root, "image/hvm") is not None else "linux")
    _read_general(root, guest)
    image = lookup(root, f"image/{guest.kind}")
    if image is not None:
        _read_image(image, guest)
    _read_clock(root, image, guest)
    _read_devices(root, guest, xend_version)
    if image is not None:
        _read_image_devices(image, guest, xend_version)
    _note_unknown(root, _STATE | _KNOWN, "", guest)
    return guest


def _note_unknown(node: list[Sexpr], known: frozenset[str], where: str, guest: Guest) -> None:
    for item in node[1:]:
        if not isinstance(item, list) or not item or item in _USUAL:
            continue
        if not isinstance(item[0], str) or item[0] not in known:
            shown = " ".join(str(word) for word in item)
            if len(guest.notes) < MOST_DEVICES:
                guest.notes.append(f"({shown}){where} has no place in a domain document")


def _integer(node: Sexpr, path: str, default: int = 0) -> int:
    text = value_of(node, path)
    if text is None:
        return default
    digits = text.removeprefix("-").partition(".")[0]
    value = number(digits, path)
    return -value if text.startswith("-") else value


def _read_general(root: list[Sexpr], guest: Guest) -> None:
    name = value_of(root, "name")
    if not name:
        raise UnsupportedConfig("domain information incomplete, missing name")
    guest.name = name
    guest.uuid = parse_uuid(value_of(root, "uuid"))
    guest.description = value_of(root, "description") or None
    guest.domid = _integer(root, "domid") if value_of(root, "domid") is not None else None
    for word in ("memory", "maxmem", "vcpus"):
        if _integer(root, word) < 0:
            raise UnsupportedConfig(f"{word}: '{value_of(root, word)}' is negative")
    guest.memory = _integer(root, "maxmem", _integer(root, "memory")) * 1024
    guest.current_memory = min(_integer(root, "memory", guest.memory // 1024) * 1024, guest.memory)
    guest.vcpus = check_count(_integer(root, "vcpus", 1), "vcpus", MOST_PROCESSORS)
    online = _integer(root, "vcpu_avail").bit_count()
    guest.online = online if 0 < online < guest.vcpus else None
    _read_cpus(root, guest)
    if not guest.hvm and lookup(root, "bootloader") is not None:
        guest.bootloader = value_of(root, "bootloader") or ""
        guest.bootloader_args = value_of(root, "bootloader_args") or None
    for action in ("on_poweroff", "on_reboot", "on_crash"):
        text = value_of(root, action)
        if text:
            setattr(guest, action, check_action(action, text))


def _read_cpus(root: list[Sexpr], guest: Guest) -> None:
    found = lookup(root, "cpus")
    if found is None or len(found) < 2:
        return
    if isinstance(found[1], str):
        guest.cpuset = parse_cpuset(found[1])
        return
    # One list of processors for each virtual one, as xend reports a pinned guest.
    check_count(len(found[1]), "lists in cpus", MOST_PROCESSORS)
    lists = [item for item in found[1] if isinstance(item, list)]
    guest.pins = [parse_cpuset(",".join(str(cpu) for cpu in item)) if item else None for item in lists]


def _read_image(image: list[Sexpr], guest: Guest) -> None:
    guest.kernel = value_of(image, "kernel") or None
    guest.initrd = value_of(image, "ramdisk") or None
    guest.cmdline = value_of(image, "args") or None
    guest.root = value_of(image, "root") or None
    guest.emulator = value_of(image, "device_model") or None
    if guest.hvm:
        _read_hvm(image, guest)
    _note_unknown(image, _IMAGE_STATE | _IMAGE_KNOWN, f" of the {guest.kind} image", guest)


def _read_hvm(image: list[Sexpr], guest: Guest) -> None:
    # Before Xen 3.2 the loader stood where the kernel stands now.
    guest.loader = value_of(image, "loader") or None
    if guest.loader is None:
        guest.loader, guest.kernel = guest.kernel, None
    elif guest.kernel == guest.loader:
        guest.kernel = None
    if guest.loader is None:
        raise UnsupportedConfig("domain information incomplete, missing HVM loader")
    guest.boot = parse_boot(value_of(image, "boot") or "")
    for name in _FEATURES:
        if _integer(image, name):
            guest.features[name] = True
    if value_of(image, "hap") == "0":
        guest.features["hap"] = False
    if value_of(image, "hpet") is not None:
        guest.timers.append(Timer("hpet", bool(_integer(image, "hpet"))))


def _read_clock(root: list[Sexpr], image: list[Sexpr] | None, guest: Guest) -> None:
    local = _integer(root, "localtime")
    if image is not None:
        local = _integer(image, "localtime", local)
        guest.clock_offset = _integer(image, "rtc_timeoffset")
    guest.localtime = bool(local)


def _read_devices(root: list[Sexpr], guest: Guest, version: int) -> None:
    found = entries(root, "device")
    check_count(len(found), "devices", MOST_DEVICES)
    for entry in found:
        device = entry[1] if len(entry) > 1 else []
        if not isinstance(device, list) or not device:
            raise UnsupportedConfig("a (device) that holds no device")
        _read_device(str(device[0]), device, guest, version)


def _read_device(kind: str, device: list[Sexpr], guest: Guest, version: int) -> None:
    if kind in ("vbd", *TAP):
        _read_disk(device, guest, version)
    elif kind == "vif":
        words = {str(item[0]): str(item[1]) for item in device[1:] if isinstance(item, list) and len(item) > 1}
        guest.vifs.append(vif_of(words, guest.notes))
    elif kind == "pci":
        found = entries(device, "dev")
        check_count(len(found), "pci devices", MOST_DEVICES)
        guest.pci += [_pci(item) for item in found]
    elif kind == "vfb" and not guest.graphics:
        note_words(_heads(device), _VFB, "vfb", guest.notes)
        guest.graphics.append(_new_graphics(device))
    elif kind not in _SILENT_DEVICES:
        guest.notes.append(f"(device ({kind})) has no place in a domain document")


def _heads(node: list[Sexpr]) -> list[str]:
    return [str(item[0]) for item in node[1:] if isinstance(item, list) and item]


def _read_disk(device: list[Sexpr], guest: Guest, version: int) -> None:
    note_words(_heads(device), _VBD, "vbd", guest.notes)
    uname, dev, mode = value_of(device, "uname"), value_of(device, "dev"), value_of(device, "mode") or ""
    if not dev:
        raise UnsupportedConfig("domain information incomplete, vbd has no dev")
    # Before 3.0.3 a colon was no mark of the kind of drive.
    target, kind = split_device(dev) if version > 1 else (dev.removeprefix("ioemu:"), "disk")
    driver, form, path = (None, None, None) if uname is None else split_uname(uname)
    if path is None and (kind != "cdrom" or not guest.hvm):
        raise UnsupportedConfig(f"domain information incomplete, vbd {target} has no src")
    backend = value_of(device, "backend") or "0"
    disk = Disk(target=target, bus="ide" if target[:2] == "hd" else bus_of(target, True), source=path or None,
                kind=kind_of(driver), device=kind, driver=driver, format=form, readonly="r" in mode,
                shareable="!" in mode, backend=None if backend in ("0", "Domain-0") else backend)
    if value_of(device, "bootable") == "1":
        guest.disks.insert(0, disk)
    else:
        guest.disks.append(disk)


def _pci(item: list[Sexpr]) -> Pci:
    try:
        values = [int(value_of(item, word) or "0", 0) for word in ("domain", "bus", "slot", "func")]
    except ValueError:
        raise UnsupportedConfig("a pci device whose address is not of numbers") from None
    if not all(0 <= value <= limit for value, limit in zip(values, (0xffffffff, 0xff, 0x1f, 7), strict=True)):
        raise UnsupportedConfig("a pci device whose address is out of range")
    domain, bus, slot, function = values
    return Pci(domain, bus, slot, function)


def _new_graphics(device: list[Sexpr]) -> Graphics:
    kind = value_of(device, "type") or ("vnc" if lookup(device, "vnc") else "sdl" if lookup(device, "sdl") else "")
    if kind == "sdl":
        return Graphics("sdl", display=value_of(device, "display"), xauth=value_of(device, "xauthority"))
    if kind != "vnc":
        raise UnsupportedConfig(f"unknown graphics type '{kind or 'unknown'}'")
    return _vnc(device, _display_port(device))


def _display_port(node: list[Sexpr]) -> int | None:
    display = value_of(node, "vncdisplay")
    return None if display is None else number(display, "vncdisplay") + VNC_BASE


def _vnc(node: list[Sexpr], port: int | None) -> Graphics:
    return Graphics("vnc", port=port, autoport=value_of(node, "vncunused") == "1" or port is None,
                    listen=value_of(node, "vnclisten") or None, keymap=value_of(node, "keymap") or None,
                    passwd=value_of(node, "vncpasswd") or None)


def _old_port(image: list[Sexpr], guest: Guest, version: int) -> int | None:
    """An image's display is a wish unless it says that it may not be another; the first xend's was its number."""
    if value_of(image, "vncunused") == "0":
        return _display_port(image)
    return VNC_BASE + guest.domid if version == 1 and guest.domid is not None else None


def _read_image_devices(image: list[Sexpr], guest: Guest, version: int) -> None:
    if not guest.graphics and (value_of(image, "vnc") or "")[:1] == "1":
        guest.graphics.append(_vnc(image, _old_port(image, guest, version)))
    elif not guest.graphics and (value_of(image, "sdl") or "")[:1] == "1":
        guest.graphics.append(Graphics("sdl", display=value_of(image, "display"), xauth=value_of(image, "xauthority")))
    if guest.hvm:
        _read_drives(image, guest)
        words = [word for entry in entries(image, "usbdevice") for word in entry[1:] if isinstance(word, str)]
        guest.inputs, guest.usb = parse_usbdevice(words, guest.notes)
        guest.serials = _ports(image, "serial")
        guest.parallels = _ports(image, "parallel")
        if _integer(image, "stdvga") or value_of(image, "videoram") is not None:
            vram = _integer(image, "videoram") * 1024
            guest.video = Video("vga" if _integer(image, "stdvga") else "cirrus", vram or None)
        guest.sounds = parse_sounds(value_of(image, "soundhw") or "")


def _read_drives(image: list[Sexpr], guest: Guest) -> None:
    """Floppies, and the CD-ROM where the first xend had it; a newer one repeats it among the devices."""
    present = {disk.target for disk in guest.disks}
    cdrom = value_of(image, "cdrom")
    if cdrom and "hdc" not in present:
        guest.disks.append(Disk("hdc", "ide", cdrom, device="cdrom", driver="file", readonly=True))
    for target in ("fda", "fdb"):
        path = value_of(image, target)
        if path and target not in present:
            guest.disks.append(Disk(target, "fdc", path, device="floppy", driver="file"))


def _ports(image: list[Sexpr], name: str) -> list[Port]:
    found = lookup(image, name)
    if found is None:
        return []
    words: list[Sexpr] = found[1] if len(found) > 1 and isinstance(found[1], list) else found[1:]
    check_count(len(words), f"{name} ports", MOST_PORTS)
    return [Port(index, parse_chardev(word)) for index, word in enumerate(words)
            if isinstance(word, str) and word not in ("none", "")]
