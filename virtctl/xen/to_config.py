"""What xm's and xl's files have in common, written from a guest."""

from __future__ import annotations

from collections.abc import Iterable

from virtctl.errors import UnsupportedConfig
from virtctl.xen.chardev import format_chardev
from virtctl.xen.config import ConfigValue
from virtctl.xen.guest import VNC_BASE, Graphics, Guest, Port, Timer
from virtctl.xen.mapping import format_host_usb, format_pci, format_sounds, format_tsc_mode
from virtctl.xen.vifs import format_vif

Values = dict[str, ConfigValue]
_CARD_VRAM = {"cirrus": 8192, "vga": 16384, "qxl": 65536}


def refuse(what: str, wanted: Iterable[tuple[object, str]]) -> None:
    """UnsupportedConfig for the first thing that is wanted; each comes with its name in the document."""
    for present, name in wanted:
        if present:
            raise UnsupportedConfig(f"{name} cannot be expressed in {what}")


def mebibytes(kib: int) -> int:
    """KiB as MiB, rounded up."""
    return -(-kib // 1024)


def put(values: Values, name: str, value: ConfigValue | None) -> None:
    """Assigns what is there."""
    if value is not None and value != []:
        values[name] = value


def common_values(guest: Guest, what: str, paravirtual_type: str) -> Values:
    """The assignments up to the sound card, in libvirt's order."""
    values: Values = {"name": guest.name, "uuid": guest.uuid}
    put(values, "description", guest.description)
    values["maxmem"], values["memory"] = mebibytes(guest.memory), mebibytes(guest.current_memory)
    if guest.online is not None:
        values["maxvcpus"] = guest.vcpus
    values["vcpus"] = guest.vcpus if guest.online is None else guest.online
    put(values, "cpus", [pin or "all" for pin in guest.pins] if any(guest.pins) else guest.cpuset)
    _put_features(values, guest)
    for timer in guest.timers:
        _put_timer(values, timer, guest, what)
    if guest.hvm:
        values["rtc_timeoffset"] = guest.clock_offset
    values["localtime"] = int(guest.localtime)
    values["on_poweroff"], values["on_reboot"] = guest.on_poweroff, guest.on_reboot
    values["on_crash"] = guest.on_crash
    put(values, "device_model_override", guest.emulator)
    _put_graphics(values, guest, what)
    put(values, "vif", [format_vif(vif, guest.hvm, paravirtual_type) for vif in guest.vifs])
    put(values, "pci", [format_pci(pci) for pci in guest.pci])
    _put_ports(values, guest, what)
    return values


def _put_features(values: Values, guest: Guest) -> None:
    if guest.hvm:
        for name in ("pae", "acpi", "apic"):
            values[name] = int(guest.features.get(name, False))
        if "hap" in guest.features:
            values["hap"] = int(guest.features["hap"])
        values["viridian"] = int(guest.features.get("viridian", False))
    if guest.e820_host is not None:
        values["e820_host"] = int(guest.e820_host)
    put(values, "passthrough", guest.passthrough)


def _put_timer(values: Values, timer: Timer, guest: Guest, what: str) -> None:
    if timer.name == "tsc" and timer.present is not False:
        values["tsc_mode"] = format_tsc_mode(timer)
    elif timer.name == "hpet" and guest.hvm and timer.mode is None:
        values["hpet"] = int(timer.present is not False)
    else:
        raise UnsupportedConfig(f"unsupported timer type (name) '{timer.name}' in {what}")


def _put_graphics(values: Values, guest: Guest, what: str) -> None:
    refuse(what, [(len(guest.graphics) > 1, "a second graphics device")])
    if not guest.graphics:
        if guest.hvm:
            # xl would give an emulated card a vnc display unasked.
            values["sdl"], values["vnc"] = 0, 0
        return
    graphics = guest.graphics[0]
    if graphics.kind == "spice":
        # xl has words of its own for it, which come later.
        refuse(what, [(what != "xen-xl" or not guest.hvm, "graphics type 'spice'")])
    elif guest.hvm:
        values["sdl"], values["vnc"] = int(graphics.kind == "sdl"), int(graphics.kind == "vnc")
        values.update(display_words(graphics))
    else:
        words = {"type": graphics.kind, **display_words(graphics)}
        values["vfb"] = [",".join(f"{name}={value}" for name, value in words.items())]


def display_words(graphics: Graphics) -> dict[str, ConfigValue]:
    """The words of a vnc or sdl display."""
    words: dict[str, ConfigValue] = {}
    if graphics.kind == "sdl":
        put(words, "display", graphics.display)
        put(words, "xauthority", graphics.xauth)
        return words
    words["vncunused"] = int(graphics.autoport)
    if not graphics.autoport and graphics.port is not None:
        words["vncdisplay"] = display_number(graphics.port)
    put(words, "vnclisten", graphics.listen)
    put(words, "vncpasswd", graphics.passwd)
    put(words, "keymap", graphics.keymap)
    return words


def display_number(port: int) -> int:
    """The vnc display of a port."""
    if port < VNC_BASE:
        raise UnsupportedConfig(f"vnc port {port} cannot be expressed: Xen counts displays from {VNC_BASE}")
    return port - VNC_BASE


def port_words(ports: list[Port]) -> list[str]:
    """One word a port, `none` where a number is left out."""
    by_number = {port.number: format_chardev(port.chardev) for port in ports}
    highest = max(by_number, default=-1)
    if highest > 255:
        raise UnsupportedConfig(f"serial port {highest} cannot be expressed")
    return [by_number.get(number, "none") for number in range(highest + 1)]


def _put_ports(values: Values, guest: Guest, what: str) -> None:
    parallels, serials = port_words(guest.parallels), port_words(guest.serials)
    if not guest.hvm:
        refuse(what, [(parallels, "a parallel port of a paravirtual guest"),
                      (serials, "a serial port of a paravirtual guest"),
                      (guest.sounds, "a sound card of a paravirtual guest"),
                      (guest.video and guest.video.model != "xen", "an emulated video card of a paravirtual guest")])
        return
    refuse(what, [(len(parallels) > 1, "a second parallel port")])
    values["parallel"] = parallels[0] if parallels else "none"
    values["serial"] = _words(serials) if serials else "none"
    put(values, "soundhw", format_sounds(guest.sounds) or None)
    _put_video(values, guest)


def _words(words: list[str]) -> ConfigValue:
    if len(words) == 1:
        return words[0]
    listed: list[ConfigValue] = [*words]
    return listed


def _put_video(values: Values, guest: Guest) -> None:
    if guest.video is None:
        return
    model, vram = guest.video.model, guest.video.vram
    if model == "vga":
        values["stdvga"] = 1
    elif model in ("qxl", "none"):
        values["vga"] = model
    elif model != "cirrus":
        raise UnsupportedConfig(f"video model '{model}' is not one that Xen has")
    if vram is not None and vram != _CARD_VRAM.get(model):
        values["videoram"] = mebibytes(vram)


def put_usb_inputs(values: Values, guest: Guest, hosts: list[str], most: int, what: str) -> None:
    """`usb` and `usbdevice`, with the words of host devices after the inputs."""
    words = guest.inputs + hosts
    if not words:
        return
    refuse(what, [(not guest.hvm, "an emulated USB device of a paravirtual guest"),
                  (len(words) > most, "a second USB device")])
    values["usb"] = 1
    values["usbdevice"] = _words(words)


def host_words(guest: Guest) -> list[str]:
    """The `usbdevice` words of all host USB devices."""
    return [format_host_usb(usb) for usb in guest.usb]
