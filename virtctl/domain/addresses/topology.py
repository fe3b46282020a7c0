"""The devices in libvirt's orders, and what PCI controllers are completed with."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.domain.addresses.wants import Board, text
from virtctl.domain.controllers import controllers
from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.device import Device
from virtctl.domain.domain import Domain
from virtctl.errors import UnsupportedConfig

# The order in which libvirt looks at all devices.
ALL = ("disk", "interface", "sound", "hostdev", "video", "controller", "smartcard", "serial", "parallel", "channel",
       "console", "input", "filesystem", "watchdog", "memballoon", "rng", "nvram", "hub", "shmem", "tpm", "panic",
       "redirdev", "memory", "iommu", "vsock", "crypto")
MODEL_NAMES = {"pci-bridge": "pci-bridge", "dmi-to-pci-bridge": "i82801b11-bridge",
               "pcie-to-pci-bridge": "pcie-pci-bridge", "pcie-root-port": "pcie-root-port",
               "pcie-switch-upstream-port": "x3130-upstream", "pcie-switch-downstream-port": "xio3130-downstream",
               "pci-expander-bus": "pxb", "pcie-expander-bus": "pxb-pcie"}
PORTS = ("pcie-root-port", "pcie-switch-downstream-port")
EXPANDERS = ("pci-expander-bus", "pcie-expander-bus")


def tagged(domain: Domain, tag: str) -> list[Device]:
    """The devices of a tag."""
    return domain.devices.by_tag.get(tag, []) if domain.devices else []


def pci_devices(domain: Domain) -> Iterator[Device]:
    """Every device that may have an address."""
    for tag in ALL:
        yield from tagged(domain, tag)


def serving_order(domain: Domain) -> Iterator[Device]:
    """Every device that may need a PCI address, in the order in which libvirt hands them out."""
    nets = tagged(domain, "interface")
    yield from controllers(domain, "pci")
    yield from tagged(domain, "filesystem")
    yield from (net for net in nets if text(net, "type") != "hostdev")
    yield from tagged(domain, "sound")
    for cont in tagged(domain, "controller"):
        if text(cont, "type") != "pci":
            yield cont
    yield from tagged(domain, "disk")
    yield from (net for net in nets if text(net, "type") == "hostdev")
    for tag in ("hostdev", "memballoon", "rng", "watchdog", "video", "shmem", "input", "serial", "iommu", "vsock",
                "memory", "crypto"):
        yield from tagged(domain, tag)


def virtio_ports(domain: Domain) -> Iterator[Device]:
    """Channels, then consoles, that are virtio-serial ports."""
    for channel in tagged(domain, "channel"):
        target = getattr(channel, "target", None)
        if target is not None and target.type == "virtio":
            yield channel
    for console in tagged(domain, "console"):
        if text(console, "target_type") == "virtio":
            yield console


def filler_model(board: Board) -> str:
    """The model of buses that the document skips."""
    return "pcie-root-port" if board.express else "pci-bridge"


def complete_controllers(domain: Domain) -> None:
    """Fills in QEMU's name and the numbers that the guest sees."""
    for cont in controllers(domain, "pci"):
        model, index = cont.model or "", cont.index or 0
        address = cont.address
        cont.model_name = cont.model_name or MODEL_NAMES.get(model)
        if model == "pci-bridge" and cont.chassis_nr is None:
            cont.chassis_nr = index
        elif model in PORTS:
            cont.chassis = index if cont.chassis is None else cont.chassis
            if cont.port is None and isinstance(address, PciAddress):
                root = model == "pcie-root-port"
                cont.port = (address.slot << 3) + address.function if root else address.slot
        elif model in EXPANDERS and cont.bus_nr is None:
            cont.bus_nr = _free_bus_number(domain, cont)
        if model == "pci-bridge" and isinstance(address, PciAddress) and index <= address.bus:
            raise UnsupportedConfig(f"PCI controller at index {index} (0x{index:02x}) has bus='0x{address.bus:02x}', "
                           "but index must be larger than bus")


def _free_bus_number(domain: Domain, cont: Controller) -> int:
    """Two below the lowest in use: one for the bus, one for the bridge or port behind it."""
    used = [other.bus_nr for other in controllers(domain, "pci") if other.bus_nr is not None]
    lowest = min(used, default=256)
    if lowest <= 2:
        bus = cont.address.bus if isinstance(cont.address, PciAddress) else 0
        raise UnsupportedConfig("No free busNr lower than current lowest busNr is available to auto-assign to bus "
                                f"{bus}. Must be manually assigned")
    return lowest - 2
