"""Ports of virtio-serial controllers, for channels and virtio consoles."""

from __future__ import annotations

from virtctl.domain.addresses.topology import virtio_ports
from virtctl.domain.controllers import add_controller, controllers
from virtctl.domain.devices.address import VirtioSerialAddress
from virtctl.domain.devices.device import Device
from virtctl.domain.domain import Domain
from virtctl.errors import XmlError

DEFAULT_PORTS = 31


class Ports:
    """The ports of every controller in use."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.count = {cont.index or 0: cont.ports if cont.ports is not None else DEFAULT_PORTS
                      for cont in controllers(domain, "virtio-serial")}
        self.used: dict[int, set[int]] = {index: set() for index in self.count}

    def reserve(self, address: VirtioSerialAddress) -> None:
        """Takes a port that the document names."""
        index, port = address.controller, address.port or 0
        if index not in self.count:
            raise XmlError(f"virtio serial controller {index} is missing")
        if port >= self.count[index]:
            raise XmlError(f"virtio serial controller {index} does not have port {port}")
        if port in self.used[index]:
            raise XmlError(f"virtio serial port {port} on controller {index} is already occupied")
        self.used[index].add(port)

    def first_free(self, index: int) -> int | None:
        """The lowest free port of one controller; port 0 is for consoles."""
        taken = self.used[index]
        return next((port for port in range(1, self.count[index]) if port not in taken), None)

    def take(self, device: Device) -> None:
        """Gives the device a port: on the controller it names, or on the first that has one."""
        if isinstance(device.address, VirtioSerialAddress):
            index = device.address.controller
            port = self.first_free(index) if index in self.count else None
            if port is None:
                raise XmlError(f"Unable to find a free port on virtio-serial controller {index}")
        else:
            index, port = self._anywhere()
        device.address = VirtioSerialAddress(controller=index, port=port)
        self.used[index].add(port)

    def _anywhere(self) -> tuple[int, int]:
        for index in sorted(self.count):
            port = self.first_free(index)
            if port is not None:
                return index, port
        index = next(number for number in range(len(self.count) + 1) if number not in self.count)
        add_controller(self.domain, "virtio-serial", index)
        self.count[index], self.used[index] = DEFAULT_PORTS, set()
        return index, 1


def assign_virtio_serial(domain: Domain) -> None:
    """Gives every virtio channel its port, and every console that asks for one by an address."""
    if not any(True for _ in virtio_ports(domain)):
        return
    ports = Ports(domain)
    for device in virtio_ports(domain):
        if isinstance(device.address, VirtioSerialAddress) and device.address.port:
            ports.reserve(device.address)
    found = list(virtio_ports(domain))
    consoles = [one for one in found if one.tag == "console" and isinstance(one.address, VirtioSerialAddress)]
    for device in consoles + [one for one in found if one.tag == "channel"]:
        if not (isinstance(device.address, VirtioSerialAddress) and device.address.port):
            ports.take(device)
            if device.tag == "console" and isinstance(device.address, VirtioSerialAddress):
                device.address.port = 0  # libvirt keeps the port free for it, and does not say which
