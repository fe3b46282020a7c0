"""`<input>`: mouse, keyboard, tablet and host event devices."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.errors import InternalError, UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import Enum, OnOff, Str

# The bus of a kind of device when the document names none.
DEFAULT_BUS = {"mouse": "ps2", "keyboard": "ps2", "passthrough": "virtio", "tablet": "usb"}
_SHARED = ("type", "bus", "model", "iommu", "ats", "packed", "page_per_vq", "boot", "alias", "master", "rom",
           "acpi_index", "address")
_SOURCE = {"passthrough": ("evdev",), "evdev": ("dev", "grab", "grab_toggle", "repeat")}


class Input(Device, tag="input"):
    """What the guest's user types and points with."""

    type = Field("@type", Enum("mouse", "tablet", "keyboard", "passthrough", "evdev"), required=True,
                 doc="kind of device", refused=(UnsupportedConfig, "unknown input device type '%s'"))
    bus = Field("@bus", Enum("ps2", "usb", "xen", "parallels", "virtio", "none"), doc="bus that carries it",
                refused=(UnsupportedConfig, "unknown input bus type '%s'"))
    model = Field("@model", Enum(*TRANSITIONAL), doc="variant of a virtio device",
                  refused=(UnsupportedConfig, "unknown input model '%s'"))
    iommu, ats, packed, page_per_vq = virtio_options()
    evdev = Field("source/@evdev", Str(), doc="host event device handed over (passthrough)")
    dev = Field("source/@dev", Str(), doc="host event device that is read (evdev)")
    grab = Field("source/@grab", Enum("all"), doc="grab all input devices, not this one alone")
    grab_toggle = Field("source/@grabToggle", Enum("ctrl-ctrl", "alt-alt", "shift-shift", "meta-meta", "scrolllock",
                                                   "ctrl-scrolllock"), doc="keys that hand the devices back and forth")
    repeat = Field("source/@repeat", OnOff(), doc="repeat a key that is held")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Reads what the kind uses."""
        kind = node.attrs.get("type")
        if kind is None:
            raise InternalError("missing input device type")
        return super().parse(relevant(node, cls.plan, _SHARED + _SOURCE.get(kind, ())), mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A bus by kind, and a path where the kind has one."""
        if self.bus is None:
            self.bus = DEFAULT_BUS.get(self.type)
        elif self.bus == "none":
            self.bus = None
        path = {"passthrough": self.evdev, "evdev": self.dev}.get(self.type, "")
        if path is None and node.find("source") is not None:
            raise XmlError("Missing evdev path for input device")
        if self.bus == "usb" and self.address is not None and self.address.type != "usb":
            raise XmlError("Invalid address for a USB device")
