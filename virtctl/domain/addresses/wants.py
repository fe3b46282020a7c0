"""What each device plugs into, as libvirt decides it from its kind and model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from virtctl.domain.addresses.connect import NOTHING, PCI, PCIE, WANTS, Connect
from virtctl.domain.devices.address import PciAddress
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.device import Device
from virtctl.domain.devices.hostdev import Hostdev


class Board(NamedTuple):
    """How endpoints are connected on a board: PCI Express ones, and virtio cards of the plain model."""

    express: bool

    @property
    def pcie(self) -> int:
        """The connection of a PCI Express card."""
        return PCIE if self.express else PCI

    def virtio(self, model: str | None) -> int:
        """The connection of a virtio card of that model."""
        return PCI if model == "virtio-transitional" else self.pcie


def text(device: Device, name: str) -> str | None:
    """A field that some kinds of device have."""
    value: str | None = getattr(device, name, None)
    return value


def _controller(device: Device, board: Board) -> int:
    assert isinstance(device, Controller)
    model = device.model
    match device.type:
        case "pci":
            return WANTS.get(model or "", NOTHING)
        case "usb":
            if model in ("nec-xhci", "qemu-xhci"):
                return board.pcie
            return NOTHING if model in ("none", "qusb1", "qusb2") else PCI
        case "ide" | "sata":
            return PCI
        case "scsi":
            if model in ("virtio-scsi", "virtio-transitional", "virtio-non-transitional"):
                return board.virtio(model)
            return NOTHING if model is None else PCI
        case "virtio-serial":
            return board.virtio(model)
    return NOTHING


def _disk(device: Device, board: Board) -> int:
    return board.virtio(text(device, "model")) if text(device, "bus") == "virtio" else NOTHING


def _filesystem(device: Device, board: Board) -> int:
    return board.virtio(text(device, "model"))


# The conventional cards that libvirt knows by name; it takes any other for a PCI Express one.
KNOWN_NICS = frozenset(("", "netfront", "rtl8139", "e1000", "spapr-vlan", "lan9118", "smc91c111", "vlance", "vmxnet",
                        "vmxnet2", "vmxnet3", "Am79C970A", "Am79C973", "82540EM", "82545EM", "82543GC"))


def _interface(device: Device, board: Board) -> int:
    model = text(device, "model") or ""
    if text(device, "type") == "hostdev":
        source = getattr(device, "source", None)
        return board.pcie if source is not None and isinstance(source.host_address, PciAddress) else NOTHING
    if model == "usb-net":
        return NOTHING
    if model.startswith("virtio"):
        return board.virtio(model)
    return PCI if model in KNOWN_NICS else board.pcie


def _sound(device: Device, board: Board) -> int:
    return NOTHING if text(device, "model") in ("sb16", "pcspk", "usb") else PCI


def _hostdev(device: Device, board: Board) -> int:
    assert isinstance(device, Hostdev)
    match device.type:
        case "pci":
            return board.pcie
        case "mdev":
            return board.pcie if text(device, "model") == "vfio-pci" else NOTHING
        case "scsi_host":
            return board.virtio(text(device, "model"))
    return NOTHING


def _memballoon(device: Device, board: Board) -> int:
    model = text(device, "model") or ""
    return board.virtio(model) if model.startswith("virtio") else NOTHING


def _watchdog(device: Device, board: Board) -> int:
    return PCI if text(device, "model") == "i6300esb" else NOTHING


def _video(device: Device, board: Board) -> int:
    match text(device, "type"):
        case "virtio":
            return board.pcie
        case "vga" | "cirrus" | "vmvga" | "qxl":
            return PCI
        case "bochs":
            return board.pcie
    return NOTHING


def _input(device: Device, board: Board) -> int:
    return board.virtio(text(device, "model")) if text(device, "bus") == "virtio" else NOTHING


def _serial(device: Device, board: Board) -> int:
    return PCI if text(device, "target_type") == "pci-serial" else NOTHING


def _iommu(device: Device, board: Board) -> int:
    kind = Connect.PCIE_DEVICE if board.express else Connect.PCI_DEVICE
    return kind | Connect.INTEGRATED if text(device, "model") == "virtio" else NOTHING


def _memory(device: Device, board: Board) -> int:
    return board.pcie if (text(device, "model") or "").startswith("virtio") else NOTHING


def _virtio(device: Device, board: Board) -> int:
    return board.virtio(text(device, "model"))


WANTED: dict[str, Callable[[Device, Board], int]] = {
    "controller": _controller, "disk": _disk, "filesystem": _filesystem, "interface": _interface, "sound": _sound,
    "hostdev": _hostdev, "memballoon": _memballoon, "rng": _virtio, "watchdog": _watchdog, "video": _video,
    "input": _input, "serial": _serial, "iommu": _iommu, "memory": _memory, "vsock": _virtio, "crypto": _virtio,
    "shmem": lambda device, board: PCI,
}


def wants(device: Device, board: Board) -> int:
    """What the device plugs into; 0 for what is no PCI device."""
    rule = WANTED.get(device.tag)
    return rule(device, board) if rule else NOTHING
