"""Ports of USB controllers and hubs."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.domain.addresses.topology import tagged
from virtctl.domain.addresses.wants import text
from virtctl.domain.controllers import controllers
from virtctl.domain.devices.address import UsbAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.device import Device
from virtctl.domain.devices.hub import Hub
from virtctl.domain.domain import Domain
from virtctl.errors import InternalError, UnsupportedConfig, XmlError

HUB_PORTS = 8
MAX_DEPTH = 4
MODEL_PORTS = {"piix3-uhci": 2, "piix4-uhci": 2, "vt82c686b-uhci": 2, "ich9-uhci1": 2, "ich9-uhci2": 2,
               "ich9-uhci3": 2, "ehci": 6, "ich9-ehci1": 6, "pci-ohci": 3, "nec-xhci": 4, "qemu-xhci": 4}


def ports_of(cont: Controller) -> int:
    """How many ports a controller has."""
    if cont.master is not None:
        return 0  # a companion serves the ports of its master
    if cont.model in ("nec-xhci", "qemu-xhci") and cont.ports is not None:
        return cont.ports
    return MODEL_PORTS.get(cont.model or "", 0)


class Hubport:
    """A controller or hub: its number of ports, those in use, and the hubs behind them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.used: set[int] = set()
        self.hubs: dict[int, Hubport] = {}

    def free(self) -> int | None:
        """The lowest free port."""
        return next((port for port in range(1, self.count + 1) if port not in self.used), None)

    def find(self, depth: int = 1) -> list[int] | None:
        """The path to the nearest free port, nearer ones first."""
        port = self.free()
        if port is not None:
            return [port]
        if depth >= MAX_DEPTH:
            return None
        for number in sorted(self.hubs):
            below = self.hubs[number].find(depth + 1)
            if below is not None:
                return [number, *below]
        return None


def parse_port(text_value: str) -> list[int]:
    """`1.2` as numbers."""
    return [int(part) for part in text_value.split(".")]


def _is_usb_nic(device: Device) -> bool:
    """An interface that is a USB device of the host."""
    source = getattr(device, "source", None)
    address = getattr(source, "host_address", None)
    return text(device, "type") == "hostdev" and isinstance(address, UsbAddress)


def usb_devices(domain: Domain) -> Iterator[Device]:
    """Every device on USB but hubs, in the order in which libvirt gives them ports."""
    yield from (one for one in tagged(domain, "interface") if _is_usb_nic(one))
    yield from (one for one in tagged(domain, "hostdev") if text(one, "type") == "usb")
    yield from (one for one in tagged(domain, "disk") if text(one, "bus") == "usb")
    yield from (one for one in tagged(domain, "controller") if text(one, "type") == "ccid")
    yield from (one for one in tagged(domain, "input") if text(one, "bus") == "usb")
    yield from (one for one in tagged(domain, "serial") if text(one, "target_type") == "usb-serial")
    yield from (one for one in tagged(domain, "sound") if text(one, "model") == "usb")
    yield from tagged(domain, "redirdev")


class Ports:
    """All USB buses."""

    def __init__(self, domain: Domain) -> None:
        self.buses: dict[int, Hubport] = {}
        for cont in controllers(domain, "usb"):
            index = cont.index or 0
            if cont.model == "none" or cont.master is not None:
                continue
            if index in self.buses:
                raise XmlError(f"Duplicate USB controllers with index {index}")
            self.buses[index] = Hubport(ports_of(cont))

    def _descend(self, address: UsbAddress) -> tuple[Hubport, int]:
        if address.bus not in self.buses:
            raise XmlError(f"Missing USB bus {address.bus}")
        here, path = self.buses[address.bus], parse_port(address.port or "")
        for number in path[:-1]:
            if not 1 <= number <= here.count:
                raise XmlError(f"port {number} out of range in USB address bus: {address.bus} port: {address.port}")
            if number not in here.hubs:
                raise XmlError(f"there is no hub at port {number} in USB address bus: {address.bus} "
                               f"port: {address.port}")
            here = here.hubs[number]
        if not 1 <= path[-1] <= here.count:
            raise XmlError(f"requested USB port {address.port} not present on USB bus {address.bus}")
        return here, path[-1]

    def reserve(self, address: UsbAddress, hub: bool = False) -> None:
        """Takes a port that is decided."""
        holder, port = self._descend(address)
        if port in holder.used:
            what = "hub on" if hub else "address"
            raise XmlError(f"Duplicate USB {what} bus {address.bus} port {address.port}")
        holder.used.add(port)
        if hub:
            holder.hubs[port] = Hubport(HUB_PORTS)

    def assign(self, device: Device) -> None:
        """Gives the device the next free port, on the bus that it names or on any."""
        wanted = device.address.bus if isinstance(device.address, UsbAddress) else None
        if wanted is not None and wanted not in self.buses:
            raise XmlError(f"USB bus {wanted} requested but no controller with that index is present")
        for index in sorted(self.buses) if wanted is None else [wanted]:
            path = self.buses[index].find()
            if path is not None:
                device.address = UsbAddress(bus=index, port=".".join(map(str, path)))
                self.reserve(device.address, isinstance(device, Hub))
                return
        raise InternalError("No free USB ports")


def assign_usb(domain: Domain) -> None:
    """Gives every USB device its port, adding hubs where the ports do not suffice."""
    _add_hubs(domain)
    ports = Ports(domain)
    hubs = domain.devices.all(Hub) if domain.devices else []
    devices = list(usb_devices(domain))
    if devices and not ports.buses:
        raise UnsupportedConfig("USB is disabled for this domain, but USB devices are present in the domain XML")
    for device in [*hubs, *devices]:
        if isinstance(device.address, UsbAddress) and device.address.port is not None:
            ports.reserve(device.address, isinstance(device, Hub))
    for device in [*hubs, *devices]:
        if _needs_port(device):
            ports.assign(device)


def _needs_port(device: Device) -> bool:
    if isinstance(device.address, UsbAddress):
        return device.address.port is None
    return device.address is None or isinstance(device, Hub)


def _add_hubs(domain: Domain) -> None:
    hubs = domain.devices.all(Hub) if domain.devices else []
    usable = [cont for cont in controllers(domain, "usb") if cont.model != "none"]
    available = sum(ports_of(cont) for cont in usable) + HUB_PORTS * len(hubs)
    needed = len(hubs) + sum(1 for _ in usb_devices(domain))
    if usable and needed > available:
        # A hub brings eight ports and takes one.
        for _ in range(-(-(needed - available + 1) // (HUB_PORTS - 1))):
            hubs.append(Hub(type="usb"))
