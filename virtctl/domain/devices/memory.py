"""`<memory>`: memory modules."""

from __future__ import annotations

from typing import Self

from virtctl.domain.devices.address import DimmAddress, PciAddress
from virtctl.domain.devices.device import Device
from virtctl.errors import InternalError, UnsupportedConfig, XmlDetail, XmlError
from virtctl.schema.element import INACTIVE, Field, Flag, Mode, Size
from virtctl.schema.node import Node
from virtctl.schema.relevant import relevant
from virtctl.schema.types import CpuSet, Enum, Str, UInt, Uuid, YesNo

ALL = ("model", "access", "discard", "uuid", "size", "node", "boot", "alias", "master", "rom", "acpi_index", "address")
USES = {"dimm": ("nodemask", "pagesize"),
        "nvdimm": ("path", "alignsize", "pmem", "label_size", "readonly"),
        "virtio-pmem": ("path",),
        "virtio-mem": ("nodemask", "pagesize", "block", "requested", "current"),
        "sgx-epc": ("nodemask",)}


class MemoryDevice(Device, tag="memory"):
    """A memory module."""

    model = Field("@model", Enum(*USES), required=True, doc="kind of module")
    access = Field("@access", Enum("shared", "private"), doc="whether other processes may map it")
    discard = Field("@discard", YesNo(), doc="discard the contents when the memory goes back to the host")
    uuid = Field("uuid", Uuid(), doc="identity of the module (nvdimm, pseries)",
                 refused=(InternalError, "malformed uuid element"))
    nodemask = Field("source/nodemask", CpuSet(), doc="host nodes of the memory")
    pagesize = Size("source/pagesize", place="./pagesize", doc="size of huge pages")
    path = Field("source/path", Str(), doc="file that holds the contents")
    alignsize = Size("source/alignsize", place="./alignsize", doc="alignment of the file's mapping")
    pmem = Flag("source/pmem", doc="the file is persistent memory")
    size = Size("target/size", place="./size", required=True, doc="size")
    node = Field("target/node", UInt(), doc="guest NUMA cell",
                 refused=(XmlError, "invalid value of memory device node"))
    label_size = Size("target/label/size", place="./label/size", doc="size of the label (nvdimm)")
    readonly = Flag("target/readonly", doc="the guest may not write it (nvdimm)")
    block = Size("target/block", place="./block", doc="size of a block (virtio-mem)")
    requested = Size("target/requested", place="./requested", doc="memory that the guest should have (virtio-mem)")
    current = Size("target/current", place="./current", live=True, doc="memory that the guest has (virtio-mem)")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Each kind reads its own."""
        kind = node.attrs.get("model", "")
        if kind in USES and node.find("target") is None:
            raise XmlError("missing <target> element for <memory> device")
        return super().parse(relevant(node, cls.plan, ALL + USES.get(kind, ())), mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Refuses what is incomplete; fills in what is always so."""
        super().parsed(node, mode)
        if self.nodemask is not None and not self.nodemask:
            raise UnsupportedConfig(f"Invalid value of 'nodemask': {node.get('source/nodemask')}")
        if self.model in ("nvdimm", "virtio-pmem") and not self.path:
            raise XmlDetail(f"path is required for model '{self.model}'")
        if self.label_size is not None:
            self._parsed_label(self.label_size)
        if self.model != "nvdimm":
            self.uuid = None
        if self.model == "virtio-mem":
            self.requested = self.requested or 0
        if self.model == "virtio-pmem" and self.access is None:
            self.access = "shared"

    def _parsed_label(self, size: int) -> None:
        if size < 128:
            raise XmlError("nvdimm label must be at least 128KiB")
        if size >= self.size:
            raise XmlError("label size must be smaller than NVDIMM size")

    def check(self) -> None:
        """What each kind can be."""
        super().check()
        if self.model == "nvdimm":
            self._check_nvdimm()
        elif self.model == "virtio-pmem":
            self._check_pmem()
        elif self.model == "virtio-mem":
            self._check_virtio_mem()
        elif self.model == "sgx-epc":
            raise UnsupportedConfig("sgx epc isn't supported by this QEMU binary")
        virtual = self.model in ("virtio-pmem", "virtio-mem")
        wanted = PciAddress if virtual else DimmAddress
        if self.address is not None and not isinstance(self.address, wanted):
            kind = "pci" if virtual else "dimm"
            raise UnsupportedConfig(f"only '{kind}' addresses are supported for the {self.model} device")
        if self.node is None and self.model in ("dimm", "nvdimm", "virtio-mem"):
            raise UnsupportedConfig("target NUMA node needs to be specified for memory device")

    def _check_nvdimm(self) -> None:
        if self.discard:
            raise UnsupportedConfig("discard is not supported for nvdimms")
        if self.uuid is not None:
            raise UnsupportedConfig("UUID is not supported for NVDIMM device")

    def _check_pmem(self) -> None:
        if self.access != "shared":
            raise UnsupportedConfig("shared access mode required for virtio-pmem device")
        if self.node is not None:
            raise UnsupportedConfig("virtio-pmem does not support NUMA nodes")

    def _check_virtio_mem(self) -> None:
        block, requested = self.block or 0, self.requested or 0
        if block == 0 or block & (block - 1):
            raise XmlDetail("block size must be a power of two")
        if block < 2048:
            raise XmlDetail("block size too small, must be at least 2048KiB")
        if requested % block:
            raise XmlDetail("requested size must be an integer multiple of block size")
        if requested > self.size:
            raise XmlDetail(f"requested size must be smaller than or equal to @size ({self.size}KiB)")
