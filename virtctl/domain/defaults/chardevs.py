"""Serial ports, consoles and channels: numbers, cards, and the console that is the first serial port."""

from __future__ import annotations

import re

from virtctl.domain.devices.chardev import Channel, Console, Parallel, Serial
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import InternalError, UnsupportedConfig

MODEL_OF_TARGET = {
    "isa-serial": "isa-serial", "usb-serial": "usb-serial", "pci-serial": "pci-serial",
    "spapr-vio-serial": "spapr-vty", "sclp-serial": "sclpconsole", "isa-debug": "isa-debugcon",
}
CONSOLE_TARGETS = ("isa-serial", "spapr-vio-serial", "system-serial", "sclp-serial", None)
ISA_SERIALS = 4
_MADE_UP_PATH = re.compile(r"/channel/target/(domain-[^/]+/|[^/]+\.)?")


def pair_console(domain: Domain, host: Host) -> None:
    """The first console of kind serial is the first serial port: each makes the other."""
    if domain.devices is None:
        return
    serials, consoles = domain.devices.all(Serial), domain.devices.all(Console)
    for number, console in enumerate(consoles):
        console.port = number
    if any(console.target_type == "serial" for console in consoles[1:]):
        raise UnsupportedConfig("Only the first console can be a serial port")
    if consoles and consoles[0].target_type == "serial":
        if not serials:
            serials.append(serial_of(consoles[0]))
        consoles[0] = Console(type="pty", target_type="serial")
    elif serials and serials[0].target_type in CONSOLE_TARGETS:
        consoles.insert(0, Console(type="pty", target_type="serial"))


def serial_of(console: Console) -> Serial:
    """The serial port that a console stands for."""
    values = {key: value for key, value in console.clone().__dict__.items()
              if key not in ("target_type", "port", "tty")}
    serial = Serial()
    serial.__dict__.update(values)
    return serial


def complete_chardevs(domain: Domain, host: Host) -> None:
    """Numbers the ports and names the cards."""
    if domain.devices is None:
        return
    number_isa(domain.devices.all(Serial))
    for serial in domain.devices.all(Serial):
        serial.target_type = serial.target_type or "isa-serial"
        serial.target_model = serial.target_model or MODEL_OF_TARGET.get(serial.target_type)
    number_ports(domain.devices.all(Serial))
    number_parallels(domain.devices.all(Parallel))
    for channel in domain.devices.all(Channel):
        drop_made_up_path(channel)


def number_isa(serials: list[Serial]) -> None:
    """Ports that the document itself puts on the ISA bus come first: there are four, each for one."""
    found = [one for one in serials if one.target_type == "isa-serial"]
    taken: set[int] = set()
    for one in found:
        if one.port is not None and one.port >= 0:
            if one.port >= ISA_SERIALS:
                raise InternalError(f"Maximum supported number of ISA serial ports is '{ISA_SERIALS}'")
            if one.port in taken:
                raise InternalError(f"target port '{one.port}' already allocated")
            taken.add(one.port)
    for one in found:
        if one.port is None or one.port < 0:
            one.port = next((number for number in range(ISA_SERIALS) if number not in taken), None)
            if one.port is None:
                raise InternalError(f"Maximum supported number of ISA serial ports is '{ISA_SERIALS}'")
            taken.add(one.port)


def number_parallels(ports: list[Parallel]) -> None:
    """An unset number becomes one more than the highest before it."""
    highest = -1
    for one in ports:
        if one.port is None or one.port < 0:
            one.port = highest + 1
        highest = max(highest, one.port)


def number_ports(ports: list[Serial]) -> None:
    """An unset number becomes one more than the highest of all."""
    for one in ports:
        if one.port is None or one.port < 0:
            one.port = 1 + max((other.port for other in ports if other.port is not None), default=-1)


def drop_made_up_path(channel: Channel) -> None:
    """A socket whose path was made up at start has none in the definition."""
    target, source = channel.target, channel.source
    if target is None or target.type != "virtio" or channel.type != "unix" or source is None or not target.name:
        return
    made_up = _MADE_UP_PATH.search(source.path or "")
    if made_up and (source.path or "")[made_up.end():] == target.name:
        channel.sources = []


def mirror_console(domain: Domain, host: Host) -> None:
    """Shows in the first console what the first serial port is, once that has its address and alias."""
    if domain.devices is None:
        return
    serials, consoles = domain.devices.all(Serial), domain.devices.all(Console)
    if not serials or not consoles or consoles[0].target_type != "serial":
        return
    values = serials[0].clone().__dict__
    console = Console()
    console.__dict__.update({key: value for key, value in values.items() if key not in ("target_type", "target_model")})
    console.target_type = "serial"
    if console.type == "pty" and console.path is not None:
        console.tty = console.path
    consoles[0] = console
