"""`<hostdev>`: a device of the host handed to the guest. One class per kind, chosen by `mode` and `type`."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.hostdev_source import (
    CapsSource,
    HostdevSource,
    MdevSource,
    PciSource,
    ScsiHostSource,
    ScsiSource,
    UsbSource,
)
from virtctl.domain.devices.virtio import TRANSITIONAL
from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import Child, Dropped, ElementClass, Field, Flag, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, OnOff, Str, YesNo

TYPES = ("usb", "pci", "scsi", "scsi_host", "mdev")
CAPS_TYPES = ("storage", "misc", "net")
_LAST = ("teaming_type", "teaming_persistent", "readonly", "shareable")


class LooseYes(YesNo):
    """`yes`, or anything else for no, as libvirt reads it here."""

    def parse(self, text: str) -> bool:
        """True for yes."""
        return text == "yes"


class Hostdev(Device, tag="hostdev"):
    """A device of the host handed to the guest."""

    mode = Field("@mode", Enum("subsystem", "capabilities"), default="subsystem",
                 doc="kind of assignment; capabilities is for containers")
    type = Field("@type", Enum(*TYPES, *CAPS_TYPES), required=True, doc="kind of device")
    managed = Field("@managed", LooseYes(), default=False, doc="whether the host's driver is detached at start (pci)")
    teaming_type = Field("teaming/@type", Enum("persistent", "transient"), doc="role in a failover pair",
                         refused=(UnsupportedConfig, "unknown teaming type '%s'"))
    teaming_persistent = Field("teaming/@persistent", Str(), doc="alias of the pair's virtio interface")
    readonly = Flag("readonly", doc="the guest may not write (scsi)")
    shareable = Flag("shareable", doc="several guests may use the device (scsi)")

    @classmethod
    def output_order(cls, found: dict[str, Declared]) -> list[Declared]:
        """Teaming, readonly and shareable follow the fields of the kind."""
        ordered = super().output_order(found)
        split = len(found) - 6
        own = [field for field in ordered[:split] if field.name not in _LAST]
        return own + [field for field in ordered[:split] if field.name in _LAST] + ordered[split:]

    @classmethod
    def variants(cls) -> tuple[ElementClass, ...]:
        """Every kind of host device."""
        return tuple(dict.fromkeys(KINDS.values())) if cls is Hostdev else (cls,)

    @classmethod
    def class_for(cls, node: Node) -> ElementClass:
        """The class of the kind that the document names."""
        mode, kind = node.attrs.get("mode", "subsystem"), node.attrs.get("type")
        if mode not in ("subsystem", "capabilities"):
            raise UnsupportedConfig(f"unknown hostdev mode '{mode}'")
        if kind is None:
            raise XmlError("missing source address type")
        if (mode, kind) not in KINDS:
            raise UnsupportedConfig(f"unknown host device source address type '{kind}'")
        if node.find("source") is None:
            raise XmlError("Missing <source> element in hostdev device")
        _check_attributes(node, kind)
        return KINDS[mode, kind]

    def parsed(self, node: Node, mode: Mode) -> None:
        """Only SCSI units know readonly and shareable."""
        if self.teaming_persistent is not None and self.teaming_type is None:
            raise UnsupportedConfig("unknown teaming type '(null)'")
        if not isinstance(self, ScsiHostdev):
            self.readonly = self.shareable = False

    @property
    def source_element(self) -> HostdevSource | None:
        """The `<source>`, whatever the kind."""
        found = self.__dict__.get("source")
        return found if isinstance(found, HostdevSource) else None


def _check_attributes(node: Node, kind: str) -> None:
    """What only some kinds have."""
    for attribute in ("sgio", "rawio"):
        if attribute in node.attrs and kind != "scsi":
            raise XmlError(f"{attribute} is only supported for scsi host device")
    if "model" in node.attrs and kind not in ("scsi_host", "mdev"):
        raise XmlError(f"'model' attribute in <hostdev> is only supported when type='{kind}'")
    if kind == "mdev" and "model" not in node.attrs:
        raise XmlError("Missing required attribute 'model' in element 'hostdev'")


class UsbHostdev(Hostdev, tag="hostdev"):
    """A USB device, by vendor and product or by its place on the host."""

    unused_display = Dropped("@display")
    unused_ramfb = Dropped("@ramfb")
    source = Child("source", UsbSource, doc="which device")


class PciHostdev(Hostdev, tag="hostdev"):
    """A PCI device."""

    unused_display = Dropped("@display")
    unused_ramfb = Dropped("@ramfb")
    driver = Field("driver/@name", Enum("kvm", "vfio", "xen", hidden=("default",)), doc="host driver that assigns it")
    source = Child("source", PciSource, doc="which device")


class ScsiHostdev(Hostdev, tag="hostdev"):
    """A SCSI unit of a host adapter, or of an iSCSI target."""

    unused_display = Dropped("@display")
    unused_ramfb = Dropped("@ramfb")
    sgio = Field("@sgio", Enum("filtered", "unfiltered"), doc="filter of SCSI commands")
    rawio = Field("@rawio", YesNo(), doc="whether QEMU gets the rawio capability")
    source = Child("source", ScsiSource, doc="which unit")


class ScsiHostHostdev(Hostdev, tag="hostdev"):
    """A vhost-scsi target with all its units."""

    unused_display = Dropped("@display")
    unused_ramfb = Dropped("@ramfb")
    model = Field("@model", Enum(*TRANSITIONAL), doc="variant of the virtio card")
    source = Child("source", ScsiHostSource, doc="which target")


class MdevHostdev(Hostdev, tag="hostdev"):
    """A mediated device."""

    model = Field("@model", Enum("vfio-pci", "vfio-ccw", "vfio-ap"), required=True,
                  doc="programming interface of the device")
    display = Field("@display", OnOff(), doc="whether the device draws the guest's screen")
    ramfb = Field("@ramfb", OnOff(), doc="a memory framebuffer for early boot")
    source = Child("source", MdevSource, doc="which device")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A PCI one says whether it draws the screen."""
        super().parsed(node, mode)
        if self.model == "vfio-pci" and self.display is None:
            self.display = False


class CapsHostdev(Hostdev, tag="hostdev"):
    """A device node or interface given to a container."""

    source = Child("source", CapsSource, doc="which device")


KINDS: dict[tuple[str, str], type[Hostdev]] = {
    ("subsystem", "usb"): UsbHostdev,
    ("subsystem", "pci"): PciHostdev,
    ("subsystem", "scsi"): ScsiHostdev,
    ("subsystem", "scsi_host"): ScsiHostHostdev,
    ("subsystem", "mdev"): MdevHostdev,
    ("capabilities", "storage"): CapsHostdev,
    ("capabilities", "misc"): CapsHostdev,
    ("capabilities", "net"): CapsHostdev,
}
