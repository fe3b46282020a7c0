"""`<video>`: the graphics card."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.virtio import virtio_options
from virtctl.schema.element import Field
from virtctl.schema.types import Enum, OnOff, Str, UInt, YesNo

MODELS = ("vga", "cirrus", "vmvga", "xen", "vbox", "qxl", "parallels", "virtio", "gop", "none", "bochs", "ramfb")


class Video(Device, tag="video"):
    """A graphics card of the guest."""

    iommu, ats, packed, page_per_vq = virtio_options()
    driver = Field("driver/@name", Enum("default", "qemu", "vhostuser"), doc="who emulates the card")
    vgaconf = Field("driver/@vgaconf", Enum("io", "on", "off"), doc="VGA handling (bhyve)")
    type = Field("model/@type", Enum("default", *MODELS), doc="emulated card")
    ram = Field("model/@ram", UInt(), doc="KiB of the primary bar (qxl)")
    vram = Field("model/@vram", UInt(), doc="KiB of video memory")
    vram64 = Field("model/@vram64", UInt(), doc="KiB of the 64-bit memory bar (qxl)")
    vgamem = Field("model/@vgamem", UInt(), doc="KiB of the VGA framebuffer (qxl)")
    heads = Field("model/@heads", UInt(), doc="number of screens")
    primary = Field("model/@primary", YesNo(), doc="whether this is the first card")
    blob = Field("model/@blob", OnOff(), doc="blob resources (virtio)")
    accel2d = Field("model/acceleration/@accel2d", YesNo(), doc="2D acceleration")
    accel3d = Field("model/acceleration/@accel3d", YesNo(), doc="3D acceleration")
    rendernode = Field("model/acceleration/@rendernode", Str(), doc="host's DRI device used for rendering")
    x = Field("model/resolution/@x", UInt(), doc="pixels across")
    y = Field("model/resolution/@y", UInt(), doc="pixels down")
