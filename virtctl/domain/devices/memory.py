"""`<memory>`: memory modules."""

from __future__ import annotations

from virtctl.domain.devices.device import Device
from virtctl.schema.element import Field, Flag, Size
from virtctl.schema.types import CpuSet, Enum, Str, UInt, Uuid, YesNo


class MemoryDevice(Device, tag="memory"):
    """A memory module."""

    model = Field("@model", Enum("dimm", "nvdimm", "virtio-pmem", "virtio-mem", "sgx-epc"), required=True,
                  doc="kind of module")
    access = Field("@access", Enum("shared", "private"), doc="whether other processes may map it")
    discard = Field("@discard", YesNo(), doc="discard the contents when the memory goes back to the host")
    uuid = Field("uuid", Uuid(), doc="identity of the module (nvdimm, pseries)")
    nodemask = Field("source/nodemask", CpuSet(), doc="host nodes of the memory")
    pagesize = Size("source/pagesize", doc="size of huge pages")
    path = Field("source/path", Str(), doc="file that holds the contents")
    alignsize = Size("source/alignsize", doc="alignment of the file's mapping")
    pmem = Flag("source/pmem", doc="the file is persistent memory")
    size = Size("target/size", doc="size")
    node = Field("target/node", UInt(), doc="guest NUMA cell")
    label_size = Size("target/label/size", doc="size of the label (nvdimm)")
    readonly = Flag("target/readonly", doc="the guest may not write it")
    block = Size("target/block", doc="size of a block (virtio-mem)")
    requested = Size("target/requested", doc="memory that the guest should have (virtio-mem)")
    current = Size("target/current", live=True, doc="memory that the guest has (virtio-mem)")
