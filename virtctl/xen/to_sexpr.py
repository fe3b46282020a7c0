"""Domain documents to xend's s-expressions."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig
from virtctl.schema.node import Node
from virtctl.schema.types import CpuSet
from virtctl.xen.chardev import format_chardev
from virtctl.xen.disks import TAP, join_uname, uname_driver
from virtctl.xen.from_sexpr import NEWEST
from virtctl.xen.guest import Disk, Graphics, Guest, Pci, Vif
from virtctl.xen.mapping import format_boot, format_sounds
from virtctl.xen.reading import read_document
from virtctl.xen.sexpr import Quoted, Sexpr, write_sexpr
from virtctl.xen.to_config import display_number, host_words, mebibytes, port_words, refuse
from virtctl.xen.vifs import BRIDGE_SCRIPT, bridge_name, format_rate

_WHAT = "xen-sxpr"
_FEATURES = ("acpi", "apic", "pae", "hap", "viridian")
_DEFAULT_VRAM = {"cirrus": (None, 8192, 16384), "vga": (None, 16384)}


def to_sexpr(domain: Node, xend_version: int = NEWEST, notes: list[str] | None = None) -> str:
    """The s-expression of a domain document. Raises UnsupportedConfig for what xend cannot be told."""
    guest = read_document(domain, _WHAT)
    text = sexpr_of_guest(guest, xend_version)
    if notes is not None:
        notes += guest.notes
    return text


def sexpr_of_guest(guest: Guest, xend_version: int = NEWEST) -> str:
    """The s-expression of a guest."""
    _refuse_new(guest)
    out: list[Sexpr] = ["vm", ["name", Quoted(guest.name)], ["memory", str(mebibytes(guest.current_memory))],
                        ["maxmem", str(mebibytes(guest.memory))], ["vcpus", str(guest.vcpus)]]
    if guest.online is not None:
        out.append(["vcpu_avail", str((1 << guest.online) - 1)])
    if any(guest.pins):
        out.append(["cpus", [_members(pin) for pin in guest.pins]])
    else:
        _put(out, "cpus", guest.cpuset)
    out.append(["uuid", Quoted(guest.uuid)])
    _put(out, "description", guest.description)
    if guest.bootloader is not None:
        out.append(["bootloader", Quoted(guest.bootloader)] if guest.bootloader else ["bootloader"])
        _put(out, "bootloader_args", guest.bootloader_args)
    out += [["on_poweroff", Quoted(guest.on_poweroff)], ["on_reboot", Quoted(guest.on_reboot)],
            ["on_crash", Quoted(guest.on_crash)]]
    out.append(["image", _image(guest, xend_version)])
    out.append(["localtime", str(int(guest.localtime))])
    out += [["device", _disk(disk, guest, xend_version)] for disk in guest.disks
            if not _in_image(disk, guest, xend_version)]
    out += [["device", _vif(vif, guest, xend_version)] for vif in guest.vifs]
    if guest.pci:
        out.append(["device", ["pci", *(_pci(pci) for pci in guest.pci)]])
    if not guest.hvm and xend_version >= 3:
        for graphics in guest.graphics:
            out += [["device", ["vkbd"]], ["device", ["vfb", ["type", graphics.kind], *_display(graphics)]]]
    return write_sexpr(out)


def _refuse_new(guest: Guest) -> None:
    refuse(_WHAT, [
        (guest.kind == "xenpvh", "os type 'xenpvh'"), (guest.host_cpu, "domain/cpu"), (guest.cells, "domain/cpu/numa"),
        (guest.e820_host is not None, "e820_host"),
        (guest.passthrough, "domain/features/xen/passthrough"), (guest.acpi_table, "domain/os/acpi"),
        (guest.flash, "a flash loader"), (guest.grant_frames is not None, "maxGrantFrames"),
        (guest.event_channels is not None, "maxEventChannels"), (guest.channels, "a channel"),
        (guest.usb_controllers, "a USB controller"), (guest.device_model_args, "domain/xen:commandline"),
        (len(guest.graphics) > 1, "a second graphics device"), (len(guest.parallels) > 1, "a second parallel port"),
        (any(graphics.kind == "spice" for graphics in guest.graphics), "graphics type 'spice'"),
        (any(pci.managed or not pci.filtered for pci in guest.pci), "a managed or unfiltered hostdev"),
        (any(disk.discard for disk in guest.disks), "discard of a disk")])
    if not guest.hvm:
        refuse(_WHAT, [
            (guest.serials, "a serial port of a paravirtual guest"), (guest.sounds, "a sound card of such a guest"),
            (guest.parallels, "a parallel port of a paravirtual guest"), (guest.boot, "domain/os/boot of such a guest"),
            (guest.inputs or guest.usb, "an emulated USB device of a paravirtual guest"),
            (guest.timers, "a timer of a paravirtual guest"),
            (guest.loader, "domain/os/loader of a paravirtual guest"),
            (guest.video and guest.video.model != "xen", "an emulated video card of a paravirtual guest")])


def _members(cpus: str | None) -> list[Sexpr]:
    """A set of processors, each by itself; an empty list runs anywhere."""
    return [] if cpus is None else [str(cpu) for cpu in sorted(CpuSet().parse(cpus))]


def _put(out: list[Sexpr], name: str, text: str | None) -> None:
    """`(name 'text')`, where there is a text."""
    if text is not None:
        out.append([name, Quoted(text)])


def _image(guest: Guest, version: int) -> list[Sexpr]:
    out: list[Sexpr] = ["hvm" if guest.hvm else "linux"]
    if guest.hvm and guest.loader is None:
        raise UnsupportedConfig("no HVM domain loader: domain/os/loader is missing")
    _put(out, "kernel", guest.kernel)
    _put(out, "ramdisk", guest.initrd)
    _put(out, "root", guest.root)
    _put(out, "args", guest.cmdline)
    if guest.hvm:
        _put(out, "loader" if guest.kernel else "kernel", guest.loader)
        _put_hvm(out, guest, version)
    _put(out, "device_model", guest.emulator)
    for timer in guest.timers:
        if timer.name != "hpet" or timer.mode is not None:
            raise UnsupportedConfig(f"unsupported timer type (name) '{timer.name}' in {_WHAT}")
        out.append(["hpet", str(int(timer.present is not False))])
    if guest.graphics and (guest.hvm or version < 3):
        _put_graphics(out, guest, version)
    if guest.hvm:
        _put_video(out, guest)
        out.append(["rtc_timeoffset", str(guest.clock_offset)])
    out.append(["localtime", str(int(guest.localtime))])
    return out


def _put_hvm(out: list[Sexpr], guest: Guest, version: int) -> None:
    out.append(["vcpus", str(guest.vcpus)])
    if guest.online is not None:
        out.append(["vcpu_avail", str((1 << guest.online) - 1)])
    if guest.boot:
        out.append(["boot", format_boot(guest.boot)])
    for disk in guest.disks:
        if _in_image(disk, guest, version):
            _put(out, "cdrom" if disk.device == "cdrom" else disk.target, disk.source)
    out += [[name, str(int(guest.features[name]))] for name in _FEATURES
            if guest.features.get(name) or (name == "hap" and name in guest.features)]
    out.append(["usb", "1"])
    out += [["usbdevice", word] for word in guest.inputs + host_words(guest)]
    out.append(["parallel", format_chardev(guest.parallels[0].chardev) if guest.parallels else "none"])
    serials = port_words(guest.serials)
    out.append(["serial", serials[0] if len(serials) == 1 else [*serials] if serials else "none"])
    if guest.sounds:
        out.append(["soundhw", Quoted(format_sounds(guest.sounds))])


def _put_graphics(out: list[Sexpr], guest: Guest, version: int) -> None:
    graphics = guest.graphics[0]
    out.append([graphics.kind, "1"])
    if version > 1 or graphics.kind == "sdl":
        out += _display(graphics)
        return
    lost = [name for name, value in (("port", None if graphics.autoport else graphics.port),
                                     ("listen", graphics.listen), ("passwd", graphics.passwd),
                                     ("keymap", graphics.keymap)) if value is not None]
    guest.notes += [f"graphics/@{name} is not carried over: the first xend chose all of a display by itself"
                    for name in lost]


def _display(graphics: Graphics) -> list[Sexpr]:
    out: list[Sexpr] = []
    if graphics.kind == "sdl":
        _put(out, "display", graphics.display)
        _put(out, "xauthority", graphics.xauth)
        return out
    out.append(["vncunused", str(int(graphics.autoport))])
    if not graphics.autoport and graphics.port is not None:
        out.append(["vncdisplay", str(display_number(graphics.port))])
    _put(out, "vnclisten", graphics.listen)
    _put(out, "vncpasswd", graphics.passwd)
    _put(out, "keymap", graphics.keymap)
    return out


def _put_video(out: list[Sexpr], guest: Guest) -> None:
    if guest.video is None:
        return
    if guest.video.model not in _DEFAULT_VRAM:
        raise UnsupportedConfig(f"video model '{guest.video.model}' cannot be expressed in {_WHAT}")
    if guest.video.model == "vga":
        out.append(["stdvga", "1"])
    if guest.video.vram not in _DEFAULT_VRAM[guest.video.model]:
        out.append(["videoram", str(mebibytes(guest.video.vram or 0))])


def _in_image(disk: Disk, guest: Guest, version: int) -> bool:
    """Floppies of every xend, and the CD-ROM of the first, stand in the hvm image."""
    if not guest.hvm or disk.device == "disk":
        return False
    if disk.device == "cdrom":
        if version == 1 and disk.target != "hdc":
            raise UnsupportedConfig(f"cdrom '{disk.target}': a xend of version 1 has its cdrom at hdc")
        return version == 1
    if disk.target not in ("fda", "fdb"):
        raise UnsupportedConfig(f"floppy '{disk.target}' cannot be expressed in {_WHAT}")
    return True


def _disk(disk: Disk, guest: Guest, version: int) -> list[Sexpr]:
    driver = uname_driver(disk) if uname_driver(disk) in TAP else "vbd"
    needed = {"vbd": 1, "tap": 2, "tap2": 4}[driver]
    if version < needed:
        raise UnsupportedConfig(f"disk '{disk.target}': driver '{driver}' needs a xend of version {needed}")
    suffix = ":cdrom" if disk.device == "cdrom" else ":disk"
    name = (f"{disk.target}{suffix}" if version > 1 else f"ioemu:{disk.target}") if guest.hvm else disk.target
    out: list[Sexpr] = [driver, ["dev", Quoted(name)]]
    _put(out, "uname", join_uname(disk))
    out.append(["mode", Quoted("r" if disk.readonly else "w!" if disk.shareable else "w")])
    _put(out, "backend", disk.backend)
    return out


def _vif(vif: Vif, guest: Guest, version: int) -> list[Sexpr]:
    out: list[Sexpr] = ["vif"]
    _put(out, "mac", vif.mac)
    _put(out, "rate", None if vif.rate is None else format_rate(vif.rate))
    _put(out, "bridge", bridge_name(vif))
    _put(out, "script", vif.script or (BRIDGE_SCRIPT if vif.kind == "bridge" else None))
    _put(out, "ip", " ".join(vif.ips) or None)
    _put(out, "vifname", vif.ifname)
    if guest.hvm and vif.model == "netfront":
        out.append(["type", "netfront"])
    else:
        _put(out, "model", vif.model)
        if guest.hvm and version < NEWEST:
            # A newer xend takes every card of an hvm guest for an emulated one; with the word it has no other.
            out.append(["type", "ioemu"])
    _put(out, "backend", vif.backend)
    return out


def _pci(pci: Pci) -> list[Sexpr]:
    return ["dev", ["domain", f"0x{pci.domain:04x}"], ["bus", f"0x{pci.bus:02x}"], ["slot", f"0x{pci.slot:02x}"],
            ["func", f"0x{pci.function:x}"]]
