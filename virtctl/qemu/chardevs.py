"""Character devices on QEMU's command line: the host's side (-chardev) and the guest's (-device)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.chardev import Channel, Console, Parallel, Serial
from virtctl.domain.devices.chardev_source import Chardev, ChardevSource
from virtctl.domain.devices.smartcard import DATABASE, Smartcard
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.plan import Plan

Pairs = list[tuple[str, Value]]
Kind = Callable[[Chardev, ChardevSource, str, Plan], tuple[str, Pairs]]


def _file(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
    path = plan.chardev_paths.get(alias, source.path)
    return "file", [("path", path), ("append", True if plan.keeps(alias) else source.append)]


def _tcp(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
    if source.tls or chardev.protocol in ("telnets", "tls"):
        raise UnsupportedConfig(f"character device '{alias}': encrypted connections are not supported",
                                hint="use a unix socket, or a tunnel such as ssh or stunnel")
    pairs: Pairs = [("host", source.host), ("port", source.service),
                    ("telnet", True if chardev.protocol == "telnet" else None)]
    return "socket", pairs + _listening(source)


def _unix(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
    return "socket", [("path", plan.sockets.get(alias, source.path)), *_listening(source)]


def _listening(source: ChardevSource) -> Pairs:
    if source.mode == "bind":
        return [("server", True), ("wait", False)]
    again = source.reconnect
    return [("reconnect", again.timeout if again and again.enabled else None)]


def _udp(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
    bind = chardev.bind or ChardevSource()
    return "udp", [("host", source.host or ""), ("port", source.service), ("localaddr", bind.host or None),
                   ("localport", bind.service)]


def _path(backend: str) -> Kind:
    def make(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
        return backend, [("path", source.path)]
    return make


def _bare(backend: str) -> Kind:
    def make(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
        return backend, []
    return make


def _named(backend: str) -> Kind:
    def make(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
        return backend, [("name", source.channel)]
    return make


def _vdagent(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
    return "qemu-vdagent", [("name", "vdagent"), ("clipboard", source.copypaste),
                            ("mouse", None if source.mouse is None else source.mouse == "client")]


def _spicevmc(chardev: Chardev, source: ChardevSource, alias: str, plan: Plan) -> tuple[str, Pairs]:
    name = "vdagent" if isinstance(chardev, Channel) else "smartcard" if isinstance(chardev, Smartcard) else "usbredir"
    return "spicevmc", [("name", name)]


_KINDS: dict[str, Kind] = {
    "file": _file, "tcp": _tcp, "unix": _unix, "udp": _udp, "pipe": _path("pipe"), "dev": _path("serial"),
    "null": _bare("null"), "vc": _bare("vc"), "pty": _bare("pty"), "stdio": _bare("stdio"), "spicevmc": _spicevmc,
    "spiceport": _named("spiceport"), "dbus": _named("dbus"), "qemu-vdagent": _vdagent,
}


def chardev_opt(chardev: Chardev, alias: str, plan: Plan) -> Opt:
    """`-chardev BACKEND,id=charALIAS,...`."""
    kind = _KINDS.get(chardev.kind)
    if kind is None:
        raise UnsupportedConfig(f"unsupported chardev '{chardev.kind}'")
    if chardev.kind == "dev" and isinstance(chardev, Parallel):
        kind = _path("parallel")
    backend, pairs = kind(chardev, chardev.source or ChardevSource(), alias, plan)
    log: Pairs = [("logfile", plan.chardev_paths.get(f"{alias}-log", chardev.log_file)),
                  ("logappend", True if plan.keeps(f"{alias}-log") else chardev.log_append if chardev.log_file
                   else None)]
    return Opt("chardev", props(backend, [("id", f"char{alias}"), *pairs, *log]))


AGENT_PORT = "com.redhat.spice.0"
_SERIAL_DRIVERS = {"isa-serial": "isa-serial", "usb-serial": "usb-serial", "pci-serial": "pci-serial",
                   "isa-debugcon": "isa-debugcon"}


@builds(Serial)
def build_serial(serial: Serial, plan: Plan) -> Iterator[Opt]:
    """A serial port."""
    yield chardev_opt(serial, serial.id, plan)
    driver = _SERIAL_DRIVERS.get(serial.target_model or serial.target_type or "isa-serial")
    if driver is None:
        raise UnsupportedConfig(f"Serial device with target type '{serial.target_type}' and target model "
                                f"'{serial.target_model}' is not supported in this QEMU binary")
    index = serial.port if driver == "isa-serial" else None
    yield device_opt(driver, serial, plan, [("chardev", f"char{serial.id}"), ("index", index)])


@builds(Parallel)
def build_parallel(parallel: Parallel, plan: Plan) -> Iterator[Opt]:
    """A parallel port."""
    yield chardev_opt(parallel, parallel.id, plan)
    yield device_opt("isa-parallel", parallel, plan, [("chardev", f"char{parallel.id}")])


@builds(Console)
def build_console(console: Console, plan: Plan) -> Iterator[Opt]:
    """A virtio console; the first console of kind serial is the first serial port itself."""
    if console.target_type == "serial":
        return
    if console.target_type != "virtio":
        raise UnsupportedConfig(f"unsupported console target type {console.target_type}")
    yield chardev_opt(console, console.id, plan)
    yield device_opt("virtconsole", console, plan, [("chardev", f"char{console.id}")])


@builds(Channel)
def build_channel(channel: Channel, plan: Plan) -> Iterator[Opt]:
    """A virtio port, or a TCP address of the user network that leads to a character device."""
    yield chardev_opt(channel, channel.id, plan)
    target = channel.target
    if target is None or target.type != "virtio":
        address = f"{target.address}:{target.port}" if target else ""
        yield Opt("netdev", props("user", [("guestfwd", f"tcp:{address}-chardev:char{channel.id}"),
                                           ("id", channel.id)]))
        return
    name = target.name or (AGENT_PORT if channel.kind == "spicevmc" else None)
    yield device_opt("virtserialport", channel, plan, [("chardev", f"char{channel.id}"), ("name", name)])


@builds(Smartcard)
def build_smartcard(card: Smartcard, plan: Plan) -> Iterator[Opt]:
    """A smart card: of a character device, of the host, or made of certificates."""
    if card.mode == "host":
        yield device_opt("ccid-card-emulated", card, plan, [("backend", "nss-emulated")])
        return
    if card.mode == "host-certificates":
        names = {f"cert{number}": one.name for number, one in enumerate(card.certificates, start=1)}
        yield device_opt("ccid-card-emulated", card, plan, [
            ("backend", "certificates"), *names.items(), ("db", card.database or DATABASE)])
        return
    yield chardev_opt(card, card.id, plan)
    yield device_opt("ccid-card-passthru", card, plan, [("chardev", f"char{card.id}")])


def all_chardevs(devices: Devices) -> Iterator[tuple[str, Chardev]]:
    """Every character device that start prepares: alias and element."""
    for device in devices:
        if isinstance(device, Chardev) and not (isinstance(device, Console) and device.target_type == "serial"):
            yield device.id, device


def adopt_ptys(devices: Devices, ptys: dict[str, str]) -> None:
    """Writes into a live document which pty each character device got; `ptys` by alias.

    The first console of kind serial shows what the first serial port has.
    """
    for device in devices:
        if not isinstance(device, Chardev):
            continue
        alias = device.id
        if isinstance(device, Console) and device.target_type == "serial":
            alias = f"serial{device.port or 0}"
        path = ptys.get(alias)
        if path is None or device.kind != "pty":
            continue
        device.sources = [ChardevSource(path=path)]
        if isinstance(device, Console):
            device.tty = path
