"""What xm's and xl's files have in common, read into a guest."""

from __future__ import annotations

from collections.abc import Callable

from virtctl.errors import UnsupportedConfig
from virtctl.xen.chardev import parse_chardev
from virtctl.xen.config import ConfigValue
from virtctl.xen.guest import MOST_DEVICES, MOST_PROCESSORS, VNC_BASE, Graphics, Guest, Port, Timer, Video
from virtctl.xen.mapping import (
    PASSTHROUGH,
    check_action,
    check_count,
    note_words,
    parse_cpuset,
    parse_pci,
    parse_sounds,
    parse_tsc_mode,
    parse_usbdevice,
    parse_uuid,
)
from virtctl.xen.vifs import parse_vif

_TRUE = ("1", "true", "True", "yes", "on", "enabled")
_FALSE = ("0", "false", "False", "no", "off", "disabled", "")

_VFB = ("type", "vnc", "sdl", "vncunused", "vncdisplay", "vnclisten", "vncpasswd", "keymap", "display", "xauthority")


class Source:
    """The assignments of a file, each taken once; what nobody took is noted at the end."""

    def __init__(self, values: dict[str, ConfigValue]) -> None:
        self._values = values
        self._taken: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether the file assigns it."""
        return name in self._values

    def raw(self, name: str) -> ConfigValue | None:
        """The value as it stands."""
        self._taken.add(name)
        return self._values.get(name)

    def text(self, name: str) -> str | None:
        """A string; None where it is absent or empty."""
        value = self.raw(name)
        if isinstance(value, list):
            raise UnsupportedConfig(f"config value {name} was malformed: expected a string")
        return None if value is None or value == "" else str(value)

    def number(self, name: str, default: int | None = None) -> int | None:
        """A number, which may stand in quotes."""
        value = self.raw(name)
        if value is None or value == "":
            return default
        try:
            number = value if isinstance(value, int) else int(value.strip(), 10) if isinstance(value, str) else None
        except ValueError:
            number = None
        if number is None or abs(number) >= 2**63:
            raise UnsupportedConfig(f"config value {name} was malformed: expected a number")
        return number

    def count(self, name: str, default: int) -> int:
        """A number that is not negative."""
        value = self.number(name, default)
        if value is None or value < 0:
            raise UnsupportedConfig(f"config value {name} was malformed: expected a number that is not negative")
        return value

    def flag(self, name: str, default: bool | None = None) -> bool | None:
        """A truth value."""
        value = self.raw(name)
        if value is None:
            return default
        word = str(value) if not isinstance(value, list) else "?"
        if word not in _TRUE + _FALSE:
            raise UnsupportedConfig(f"config value {name} was malformed: expected 0 or 1")
        return word in _TRUE

    def texts(self, name: str) -> list[str]:
        """A list of strings; one string is a list of one."""
        value = self.raw(name)
        if value is None:
            return []
        items = value if isinstance(value, list) else [value]
        check_count(len(items), f"entries of {name}", MOST_DEVICES)
        if any(isinstance(item, list) for item in items):
            raise UnsupportedConfig(f"config value {name} was malformed: expected a list of strings")
        return [str(item) for item in items]

    def left(self) -> list[str]:
        """The names that nobody took."""
        return [name for name in self._values if name not in self._taken]


def read_common(source: Source, guest: Guest) -> None:
    """All but the disks and the ways to boot, which xm and xl say differently."""
    name = source.text("name")
    if name is None:
        raise UnsupportedConfig("config value name was missing")
    guest.name = name
    guest.uuid = parse_uuid(source.text("uuid"))
    guest.description = source.text("description")
    guest.current_memory = source.count("memory", 256) * 1024
    guest.memory = max(source.count("maxmem", guest.current_memory // 1024) * 1024, guest.current_memory)
    _read_processors(source, guest)
    _read_features(source, guest)
    _read_clock(source, guest)
    for action in ("on_poweroff", "on_reboot", "on_crash"):
        text = source.text(action)
        if text is not None:
            setattr(guest, action, check_action(action, text))
    guest.emulator = source.text("device_model_override") or source.text("device_model")
    _read_graphics(source, guest)
    guest.vifs = [parse_vif(text, guest.notes) for text in source.texts("vif")]
    guest.pci = [parse_pci(text, guest.notes) for text in source.texts("pci")]
    if guest.hvm:
        guest.parallels = _ports(source.texts("parallel"))
        guest.serials = _ports(source.texts("serial"))
        guest.sounds = parse_sounds(source.text("soundhw") or "")
        guest.video = _video(source)
        guest.inputs, guest.usb = parse_usbdevice(source.texts("usbdevice"), guest.notes)
        if source.flag("usb", False) and not guest.inputs and not guest.usb:
            guest.notes.append("usb: a controller without a device has no place in a domain document")


def note_left(source: Source, guest: Guest) -> None:
    """Names what the document says nothing of."""
    guest.notes += [f"{name} has no place in a domain document" for name in source.left()]


def _read_processors(source: Source, guest: Guest) -> None:
    online, most = source.count("vcpus", 1), source.count("maxvcpus", 0)
    guest.vcpus = check_count(max(most, online), "vcpus", MOST_PROCESSORS)
    available = source.number("vcpu_avail")
    if not most and available is not None and available > 0:
        online = min(available.bit_count(), online)
    guest.online = online if online < guest.vcpus else None
    cpus = source.raw("cpus")
    if isinstance(cpus, list):
        guest.pins = [None if text == "all" else parse_cpuset(text) for text in source.texts("cpus")]
    elif cpus not in (None, "", "all"):
        guest.cpuset = parse_cpuset(str(cpus))


def _read_features(source: Source, guest: Guest) -> None:
    if guest.hvm:
        for name in ("pae", "acpi", "apic"):
            guest.features[name] = bool(source.flag(name, True))
        if source.flag("hap") is False:
            guest.features["hap"] = False
        guest.features["viridian"] = _viridian(source, guest)
    if source.flag("e820_host"):
        guest.e820_host = True
    mode = source.text("passthrough")
    if mode is not None:
        guest.passthrough = {"0": "disabled", "1": "enabled"}.get(mode, mode)
        if guest.passthrough not in PASSTHROUGH:
            raise UnsupportedConfig(f"unknown passthrough mode '{mode}'")
    _read_timers(source, guest)


def _read_timers(source: Source, guest: Guest) -> None:
    mode = source.raw("tsc_mode")
    if mode is not None:
        guest.timers.append(parse_tsc_mode(mode if isinstance(mode, int) else str(mode)))
    if guest.hvm and source.has("hpet"):
        guest.timers.append(Timer("hpet", source.flag("hpet")))


def _viridian(source: Source, guest: Guest) -> bool:
    value = source.raw("viridian")
    if isinstance(value, list):
        guest.notes.append("viridian: the single enlightenments have no place in a domain document; all are on")
        return True
    return bool(source.flag("viridian", False))


def _read_clock(source: Source, guest: Guest) -> None:
    guest.localtime = bool(source.flag("localtime", False))
    offset = source.number("rtc_timeoffset", 0) or 0
    if guest.hvm:
        guest.clock_offset = offset
    elif offset:
        guest.notes.append(f"rtc_timeoffset={offset}: a paravirtual guest has no clock chip")


def _ports(words: list[str]) -> list[Port]:
    return [Port(index, parse_chardev(word)) for index, word in enumerate(words) if word not in ("none", "")]


def _vnc(text: Callable[[str], str | None]) -> Graphics:
    listen, _, listen_display = (text("vnclisten") or "").partition(":")
    unused, display = text("vncunused"), text("vncdisplay") or listen_display
    autoport = unused in (None, *_TRUE) if not display or unused is not None else False
    port = None
    if display and not autoport:
        if not display.isdecimal() or int(display) > 65535 - VNC_BASE:
            raise UnsupportedConfig(f"config value vncdisplay was malformed: '{display}'")
        port = int(display) + VNC_BASE
    elif not autoport:
        port = VNC_BASE
    return Graphics("vnc", port=port, autoport=autoport, listen=listen or None, keymap=text("keymap"),
                    passwd=text("vncpasswd"))


def _read_graphics(source: Source, guest: Guest) -> None:
    for text in source.texts("vfb"):
        words = dict(part.strip().partition("=")[::2] for part in text.split(",") if part.strip())
        get = _nonempty(words)
        note_words(words, _VFB, "vfb", guest.notes)
        if words.get("type") == "sdl" or (words.get("type") is None and words.get("sdl") in _TRUE):
            guest.graphics.append(Graphics("sdl", display=get("display"), xauth=get("xauthority")))
        elif words.get("type", "vnc") == "vnc":
            guest.graphics.append(_vnc(get))
        else:
            raise UnsupportedConfig(f"unknown graphics type '{words['type']}'")
    # An emulated card's display, and the paravirtual one of Xen before 3.0.4.
    if source.flag("vnc", False) and not guest.graphics:
        guest.graphics.append(_vnc(source.text))
    if source.flag("sdl", False) and not guest.graphics:
        guest.graphics.append(Graphics("sdl", display=source.text("display"), xauth=source.text("xauthority")))
    for name in ("vncunused", "vncdisplay", "vnclisten", "vncpasswd", "keymap", "display", "xauthority", "opengl"):
        source.raw(name)


def _nonempty(words: dict[str, str]) -> Callable[[str], str | None]:
    return lambda name: words.get(name) or None


def _video(source: Source) -> Video | None:
    model = source.text("vga")
    if model is None:
        model = "vga" if source.flag("stdvga", False) else None
    elif model == "stdvga":
        model = "vga"
    if model not in (None, "vga", "cirrus", "qxl", "none"):
        raise UnsupportedConfig(f"unknown vga card '{model}'")
    vram = source.number("videoram")
    if model is None and vram is None:
        return None
    return Video(model or "cirrus", None if vram is None else vram * 1024)
