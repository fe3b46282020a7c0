"""`<controller>`: what gives the guest its buses."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.errors import InvalidArgument, UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, Int, OnOff, Str, UInt, unit_bytes

TYPES = ("ide", "fdc", "scsi", "sata", "virtio-serial", "ccid", "usb", "pci", "xenbus", "isa")
PCI_MODELS = ("pci-root", "pcie-root", "pci-bridge", "dmi-to-pci-bridge", "pcie-to-pci-bridge", "pcie-root-port",
              "pcie-switch-upstream-port", "pcie-switch-downstream-port", "pci-expander-bus", "pcie-expander-bus")
USB_MODELS = ("piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3",
              "vt82c686b-uhci", "pci-ohci", "nec-xhci", "qusb1", "qusb2", "qemu-xhci", "none")
SCSI_MODELS = ("auto", "buslogic", "lsilogic", "lsisas1068", "vmpvscsi", "ibmvscsi", "virtio-scsi", "lsisas1078",
               "virtio-transitional", "virtio-non-transitional", "ncr53c90", "dc390", "am53c974")


MODELS: dict[str, tuple[str, ...]] = {
    "pci": PCI_MODELS, "usb": USB_MODELS, "scsi": SCSI_MODELS, "virtio-serial": TRANSITIONAL,
    "ide": ("piix3", "piix4", "ich6"),
}
ALL_MODELS = dict.fromkeys(name for names in MODELS.values() for name in names)
MODEL_NAMES = ("pci-bridge", "i82801b11-bridge", "ioh3420", "x3130-upstream", "xio3130-downstream", "pxb", "pxb-pcie",
               "pcie-root-port", "spapr-pci-host-bridge", "pcie-pci-bridge")
COMPANION_PORTS = {"ich9-uhci1": 0, "ich9-uhci2": 2, "ich9-uhci3": 4}
_PCI_FIELDS = ("model_name", "chassis_nr", "chassis", "port", "bus_nr", "target_index", "hotplug", "node", "pcihole64",
               "pcihole64_unit")
_OWN = {"pci": _PCI_FIELDS, "usb": ("ports",), "virtio-serial": ("ports", "vectors"),
        "xenbus": ("max_grant_frames", "max_event_channels")}
_SHARED = ("type", "index", "model", "queues", "cmd_per_lun", "max_sectors", "ioeventfd", "iothread", "iommu", "ats",
           "packed", "page_per_vq", "boot", "alias", "master", "rom", "acpi_index", "address")


class NonNegative(Int):
    """A number from 0 up; libvirt tells what is no number from what is below 0."""

    def __init__(self) -> None:
        super().__init__(-2**31, 2**31 - 1, reason="Expected integer value")
        self.doc = "number from 0"

    def parse(self, text: str) -> int:
        """The number."""
        value = super().parse(text)
        if value < 0:
            raise ValueError("Expected non-negative value")
        return value


class Loose(NonNegative):
    """A number in decimal, hexadecimal (0x) or octal (0); its range is judged later."""

    def __init__(self) -> None:
        super().__init__()
        self.base = 0


class LooseHex(Loose):
    """The same, written in hexadecimal."""

    def format(self, value: int) -> str:
        """`0x` and the digits."""
        return f"0x{value:x}"


class Controller(Device, tag="controller"):
    """A controller: a bus, and the card that drives it."""

    type = Field("@type", Enum(*TYPES), default="ide", doc="kind of bus")
    index = Field("@index", NonNegative(), doc="number by which addresses name it")
    model = Field("@model", Enum(*ALL_MODELS), doc="emulated card")
    ports = Field("@ports", NonNegative(), doc="number of ports (virtio-serial, usb)")
    vectors = Field("@vectors", NonNegative(), doc="number of MSI vectors (virtio-serial)")
    max_grant_frames = Field("@maxGrantFrames", NonNegative(), doc="grant frames (xenbus)")
    max_event_channels = Field("@maxEventChannels", NonNegative(), doc="interrupts (xenbus)")
    model_name = Field("model/@name", Enum(*MODEL_NAMES), doc="QEMU's name of the PCI bridge device")
    chassis_nr = Field("target/@chassisNr", Loose(), doc="chassis number of a pci-bridge")
    chassis = Field("target/@chassis", Loose(), doc="chassis number of a port")
    port = Field("target/@port", LooseHex(), doc="port number")
    bus_nr = Field("target/@busNr", Loose(), doc="first bus number behind an expander bus")
    target_index = Field("target/@index", Loose(), doc="order of pci-root controllers (pseries)")
    hotplug = Field("target/@hotplug", OnOff(), doc="whether devices may be plugged in and out")
    node = Field("target/node", UInt(), doc="NUMA node of an expander bus",
                 refused=(XmlError, "invalid NUMA node in target"))
    queues = Field("driver/@queues", UInt(), doc="number of queues (virtio-scsi)")
    cmd_per_lun = Field("driver/@cmd_per_lun", UInt(), doc="commands that may be queued for a unit")
    max_sectors = Field("driver/@max_sectors", UInt(), doc="sectors that one command may transfer")
    ioeventfd = Field("driver/@ioeventfd", OnOff(), doc="handle I/O in another thread than the guest's")
    iothread = Field("driver/@iothread", UInt(), doc="I/O thread that serves it (virtio-scsi)")
    iommu, ats, packed, page_per_vq = virtio_options()
    pcihole64_unit = Field("pcihole64/@unit", Str(), doc="its unit, KiB by default")
    pcihole64 = Field("pcihole64", UInt(2**64 - 1), doc="size of the 64-bit PCI hole (roots)",
                      refused=(XmlError, "Invalid value '%s' for element or attribute './pcihole64'"))

    def __str__(self) -> str:
        return f"{self.type}{self.index}"

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what the kind of controller uses."""
        kind, model = node.attrs.get("type", "ide"), node.attrs.get("model")
        if model is not None and kind in TYPES and model not in MODELS.get(kind, ()):
            raise UnsupportedConfig(f"Unknown model type '{model}'")
        return super().parse(relevant(node, cls.plan, _SHARED + _OWN.get(kind, ())), mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Companions know their master's port."""
        if self.type == "usb" and self.master is None:
            self.master = COMPANION_PORTS.get(self.model or "")
        self.iothread = self.iothread or None
        self._settle_hole()

    def _settle_hole(self) -> None:
        """The 64-bit hole is the roots', in KiB."""
        if self.pcihole64 is None or self.model not in ("pci-root", "pcie-root"):
            self.pcihole64 = self.pcihole64_unit = None
            return
        try:
            size = self.pcihole64 * unit_bytes(self.pcihole64_unit or "KiB")
        except ValueError as error:
            raise InvalidArgument(str(error)) from error
        self.pcihole64, self.pcihole64_unit = -(-size // 1024), "KiB"
