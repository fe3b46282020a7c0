"""`<input>`: mouse, keyboard, tablet and host event devices."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import TRANSITIONAL, virtio_options
from virtctl.schema.element import Field
from virtctl.schema.types import Enum, OnOff, Str


class Input(Device, tag="input"):
    """What the guest's user types and points with."""

    type = Field("@type", Enum("mouse", "tablet", "keyboard", "passthrough", "evdev"), required=True,
                 doc="kind of device")
    bus = Field("@bus", Enum("ps2", "usb", "xen", "parallels", "virtio", "none"), doc="bus that carries it")
    model = Field("@model", Enum(*TRANSITIONAL), doc="variant of a virtio device")
    iommu, ats, packed, page_per_vq = virtio_options()
    evdev = Field("source/@evdev", Str(), doc="host event device handed over (passthrough)")
    dev = Field("source/@dev", Str(), doc="host event device that is read (evdev)")
    grab = Field("source/@grab", Enum("all"), doc="grab all input devices, not this one alone")
    grab_toggle = Field("source/@grabToggle", Enum("ctrl-ctrl", "alt-alt", "shift-shift", "meta-meta", "scrolllock",
                                                   "ctrl-scrolllock"), doc="keys that hand the devices back and forth")
    repeat = Field("source/@repeat", OnOff(), doc="repeat a key that is held")
