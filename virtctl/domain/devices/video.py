"""`<video>`: the graphics card."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.domain.devices.hostdev import LooseYes
from virtctl.domain.devices.virtio import virtio_options
from virtctl.errors import InternalError, UnsupportedConfig, XmlError
from virtctl.schema.element import Dropped, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Str, UInt, YesNo

MODELS = ("vga", "cirrus", "vmvga", "xen", "vbox", "qxl", "parallels", "virtio", "gop", "none", "bochs", "ramfb")


def memory_field(name: str, doc: str) -> Field[int | None]:
    """A size of video memory in KiB."""
    return Field(f"model/@{name}", UInt(), doc=doc, refused=(XmlError, f"cannot parse video {name} '%s'"))


class Video(Device, tag="video"):
    """A graphics card of the guest."""

    iommu, ats, packed, page_per_vq = virtio_options()
    driver = Field("driver/@name", Enum("qemu", "vhostuser"), doc="who emulates the card")
    vgaconf = Dropped("driver/@vgaconf", doc="VGA handling (bhyve)")
    type = Field("model/@type", Enum("default", *MODELS), doc="emulated card",
                 refused=(UnsupportedConfig, "unknown video model '%s'"))
    ram = memory_field("ram", "KiB of the primary bar (qxl)")
    vram = memory_field("vram", "KiB of video memory")
    vram64 = memory_field("vram64", "KiB of the 64-bit memory bar (qxl)")
    vgamem = memory_field("vgamem", "KiB of the VGA framebuffer (qxl)")
    heads = Field("model/@heads", UInt(), doc="number of screens",
                  refused=(InternalError, "cannot parse video heads '%s'"))
    primary = Field("model/@primary", LooseYes(), doc="whether this is the first card")
    accel3d = Field("model/acceleration/@accel3d", YesNo(), doc="3D acceleration")
    accel2d = Field("model/acceleration/@accel2d", YesNo(), doc="2D acceleration")
    rendernode = Field("model/acceleration/@rendernode", Str(), doc="host's DRI device used for rendering")
    x = Field("model/resolution/@x", UInt(), doc="pixels across")
    y = Field("model/resolution/@y", UInt(), doc="pixels down")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Sizes belong to models, and what is there must be whole."""
        for name in ("ram", "vram64", "vgamem"):
            if getattr(self, name) is not None and self.type != "qxl":
                raise UnsupportedConfig(f"{name} attribute only supported for video type qxl")
        if node.find("model/acceleration") is not None and (
                self.accel2d is None and self.accel3d is None and self.rendernode is None):
            raise UnsupportedConfig("missing values for acceleration")
        if node.find("model/resolution") is not None:
            for name in ("x", "y"):
                if getattr(self, name) is None:
                    raise XmlError(f"Missing required attribute '{name}' in element 'resolution'")
        self.primary = self.primary or None

    def written(self, node: Node, mode: Mode) -> None:
        """No screens at all go without saying."""
        model = node.find("model")
        if model is not None and self.heads == 0:
            model.attrs.pop("heads", None)
