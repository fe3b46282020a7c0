"""`<controller>`: what gives the guest its buses."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import virtio_options
from virtctl.schema.element import Field
from virtctl.schema.types import Enum, Hex, Int, OnOff, Str, UInt

TYPES = ("ide", "fdc", "scsi", "sata", "virtio-serial", "ccid", "usb", "pci", "xenbus", "isa")
PCI_MODELS = ("pci-root", "pcie-root", "pci-bridge", "dmi-to-pci-bridge", "pcie-to-pci-bridge", "pcie-root-port",
              "pcie-switch-upstream-port", "pcie-switch-downstream-port", "pci-expander-bus", "pcie-expander-bus")
USB_MODELS = ("piix3-uhci", "piix4-uhci", "ehci", "ich9-ehci1", "ich9-uhci1", "ich9-uhci2", "ich9-uhci3",
              "vt82c686b-uhci", "pci-ohci", "nec-xhci", "qusb1", "qusb2", "qemu-xhci", "none")
SCSI_MODELS = ("auto", "buslogic", "lsilogic", "lsisas1068", "vmpvscsi", "ibmvscsi", "virtio-scsi", "lsisas1078",
               "virtio-transitional", "virtio-non-transitional", "ncr53c90", "dc390", "am53c974")


class Controller(Device, tag="controller"):
    """A controller: a bus, and the card that drives it."""

    type = Field("@type", Enum(*TYPES), required=True, doc="kind of bus")
    index = Field("@index", Int(0, 2**31 - 1, reason="Expected non-negative value"),
                  doc="number by which addresses name it")
    model = Field("@model", Str(), doc="emulated card")
    ports = Field("@ports", Int(0, 2**31 - 1), doc="number of ports (virtio-serial, usb)")
    vectors = Field("@vectors", Int(0, 2**31 - 1), doc="number of MSI vectors (virtio-serial)")
    max_grant_frames = Field("@maxGrantFrames", Int(0, 2**31 - 1), doc="grant frames (xenbus)")
    max_event_channels = Field("@maxEventChannels", Int(0, 2**31 - 1), doc="interrupts (xenbus)")
    model_name = Field("model/@name", Str(), doc="QEMU's name of the PCI bridge device")
    chassis_nr = Field("target/@chassisNr", UInt(), doc="chassis number of a pci-bridge")
    chassis = Field("target/@chassis", UInt(), doc="chassis number of a port")
    port = Field("target/@port", Hex(1, 255), doc="port number")
    bus_nr = Field("target/@busNr", UInt(), doc="first bus number behind an expander bus")
    target_index = Field("target/@index", UInt(), doc="order of pci-root controllers (pseries)")
    hotplug = Field("target/@hotplug", OnOff(), doc="whether devices may be plugged in and out")
    node = Field("target/node", UInt(), doc="NUMA node of an expander bus")
    queues = Field("driver/@queues", UInt(), doc="number of queues (virtio-scsi)")
    cmd_per_lun = Field("driver/@cmd_per_lun", UInt(), doc="commands that may be queued for a unit")
    max_sectors = Field("driver/@max_sectors", UInt(), doc="sectors that one command may transfer")
    ioeventfd = Field("driver/@ioeventfd", OnOff(), doc="handle I/O in another thread than the guest's")
    iothread = Field("driver/@iothread", UInt(), doc="I/O thread that serves it (virtio-scsi)")
    iommu, ats, packed, page_per_vq = virtio_options()
    pcihole64 = Field("pcihole64", UInt(2**64 - 1), doc="size of the 64-bit PCI hole (roots)")
    pcihole64_unit = Field("pcihole64/@unit", Str(), doc="its unit, KiB by default")

    def __str__(self) -> str:
        return f"{self.type}{self.index}"
