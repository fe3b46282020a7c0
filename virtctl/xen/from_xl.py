"""xl's files to domain documents."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig
from virtctl.schema.node import Node
from virtctl.xen.config import ConfigValue, read_config
from virtctl.xen.document import XL, write_document
from virtctl.xen.from_config import Source, note_left, read_common
from virtctl.xen.guest import HVMLOADER, OVMF, Channel, Graphics, Guest
from virtctl.xen.mapping import parse_boot, parse_cpuid, parse_usbctrl, parse_usbdev, parse_vnuma
from virtctl.xen.xldisk import parse_xl_disk

_KINDS = {"pv": "linux", "hvm": "hvm", "pvh": "xenpvh", "generic": "linux", "linux": "linux"}


def from_xl(text: str, notes: list[str] | None = None) -> Node:
    """The domain document of an xl file. What has no place in it is said in `notes`."""
    guest = guest_of_xl(text)
    if notes is not None:
        notes += guest.notes
    return write_document(guest, XL)


def guest_of_xl(text: str) -> Guest:
    """The guest that an xl file describes."""
    source = Source(read_config(text, "xl"))
    kind = source.text("type") or source.text("builder") or "pv"
    source.raw("builder")
    if kind not in _KINDS:
        raise UnsupportedConfig(f"unknown type '{kind}' of guest: expected pv, pvh or hvm")
    guest = Guest(kind=_KINDS[kind])
    read_common(source, guest)
    guest.kernel = source.text("kernel")
    guest.initrd = source.text("ramdisk")
    guest.cmdline = _cmdline(source, guest)
    if guest.hvm:
        _read_hvm(source, guest)
    else:
        guest.bootloader = source.text("bootloader")
        guest.bootloader_args = source.text("bootargs") or source.text("bootloader_args")
    _read_processor(source, guest)
    guest.grant_frames = source.number("max_grant_frames")
    guest.event_channels = source.number("max_event_channels")
    guest.disks = [parse_xl_disk(disk, guest.hvm, guest.notes) for disk in source.texts("disk")]
    _read_spice(source, guest)
    guest.usb_controllers = [parse_usbctrl(words, guest.notes) for words in source.texts("usbctrl")]
    guest.usb += [parse_usbdev(words, guest.notes) for words in source.texts("usbdev")]
    guest.channels = [_channel(words) for words in source.texts("channel")]
    for name in ("device_model_args", f"device_model_args_{'hvm' if guest.hvm else 'pv'}"):
        guest.device_model_args += source.texts(name)
    note_left(source, guest)
    return guest


def _cmdline(source: Source, guest: Guest) -> str | None:
    """`cmdline`; without it, `root` and `extra` together."""
    whole, root, extra = source.text("cmdline"), source.text("root"), source.text("extra")
    if whole is not None:
        guest.notes += [f"{name} is ignored: xl prefers cmdline" for name, text in (("root", root), ("extra", extra))
                        if text is not None]
        return whole
    return " ".join(part for part in (None if root is None else f"root={root}", extra) if part is not None) or None


def _read_hvm(source: Source, guest: Guest) -> None:
    bios, path = source.text("bios"), source.text("bios_path_override")
    guest.flash = bios == "ovmf"
    guest.loader = (path or OVMF) if guest.flash else source.text("firmware_override") or HVMLOADER
    if bios not in (None, "ovmf", "seabios", "rombios"):
        raise UnsupportedConfig(f"unknown bios '{bios}'")
    if bios in ("seabios", "rombios"):
        guest.notes.append(f"bios={bios} has no place in a domain document")
    guest.acpi_table = source.text("acpi_firmware")
    guest.boot = parse_boot(source.text("boot") or "c")


def _read_processor(source: Source, guest: Guest) -> None:
    nested = source.flag("nestedhvm") if guest.hvm else None
    if nested is not None:
        guest.host_cpu = True
    if nested is False:
        guest.cpu_features.append(("disable", "vmx"))
    cpuid = source.raw("cpuid")
    if cpuid is not None:
        if not isinstance(cpuid, str):
            raise UnsupportedConfig("cpuid as a list of registers cannot be converted",
                                    hint="write it as cpuid=\"host,FLAG=0,...\"")
        guest.host_cpu = True
        guest.cpu_features += parse_cpuid(cpuid)
    vnuma = source.raw("vnuma")
    if vnuma is not None:
        guest.cells = parse_vnuma(_nodes(vnuma), guest.notes)


def _nodes(vnuma: ConfigValue) -> list[list[str]]:
    nodes = []
    for node in vnuma if isinstance(vnuma, list) else [vnuma]:
        if not isinstance(node, list) or not all(isinstance(word, str) for word in node):
            raise UnsupportedConfig("config value vnuma was malformed: expected a list of lists of strings")
        nodes.append([str(word) for word in node])
    return nodes


def _read_spice(source: Source, guest: Guest) -> None:
    if not source.flag("spice", False):
        return
    port, tls = source.number("spiceport"), source.number("spicetls_port")
    passwd = None if source.flag("spicedisable_ticketing", False) else source.text("spicepasswd")
    client, agent = source.flag("spiceagent_mouse", False), source.flag("spicevdagent", False)
    graphics = Graphics("spice", port=port, tls_port=tls, autoport=port is None and tls is None,
                        listen=source.text("spicehost"), passwd=passwd, mouse="client" if client else "server",
                        copypaste=bool(source.flag("spice_clipboard_sharing", False)))
    if agent and not client and not graphics.copypaste:
        guest.notes.append("spicevdagent has no place in a domain document")
    guest.graphics = [graphics]


def _channel(text: str) -> Channel:
    words = dict(part.strip().partition("=")[::2] for part in text.split(","))
    kind, name = words.get("connection"), words.get("name")
    if not name or kind not in ("pty", "socket") or (kind == "socket" and not words.get("path")):
        raise UnsupportedConfig(f"channel '{text}': expected connection=pty|socket, name= and, for a socket, path=")
    return Channel(name, words["path"] if kind == "socket" else None)
