"""Processors and threads as the host runs them: vcpus, I/O threads, cputune, blkiotune, resource."""

from __future__ import annotations

from virtctl.schema.element import Children, Element, Field, Mode
from virtctl.schema.types import CpuSet, Enum, Int, Str, UInt, YesNo

PERIOD_LOW, PERIOD_HIGH = 1000, 1000000
SCHEDULERS = ("batch", "idle", "fifo", "rr")


class VcpuState(Element, tag="vcpu"):
    """One processor: whether it is there at start and may be taken away."""

    id = Field("@id", UInt(), doc="number of the processor")
    enabled = Field("@enabled", YesNo(), doc="whether it is there at start")
    hotpluggable = Field("@hotpluggable", YesNo(), doc="whether it can be added and removed")
    order = Field("@order", UInt(), doc="order in which processors are added")


class IoThread(Element, tag="iothread"):
    """One thread that does I/O."""

    id = Field("@id", UInt(), required=True, doc="number by which disks and controllers name it")
    pool_min = Field("@thread_pool_min", Int(0, 2**31 - 1), doc="least number of worker threads")
    pool_max = Field("@thread_pool_max", Int(0, 2**31 - 1), doc="greatest number of worker threads")


class VcpuPin(Element, tag="vcpupin"):
    """Host CPUs for one processor."""

    vcpu = Field("@vcpu", UInt(), required=True, doc="number of the processor")
    cpuset = Field("@cpuset", CpuSet(), required=True, doc="host CPUs")


class IoThreadPin(Element, tag="iothreadpin"):
    """Host CPUs for one I/O thread."""

    iothread = Field("@iothread", UInt(), required=True, doc="number of the thread")
    cpuset = Field("@cpuset", CpuSet(), required=True, doc="host CPUs")


class Scheduler(Element):
    """A scheduling policy of the host."""

    scheduler = Field("@scheduler", Enum(*SCHEDULERS), required=True, doc="policy")
    priority = Field("@priority", Int(), doc="priority, for fifo and rr")


class VcpuSched(Scheduler, tag="vcpusched"):
    """Scheduling of processors."""

    vcpus = Field("@vcpus", CpuSet(), required=True, doc="numbers of the processors")
    scheduler = Field("@scheduler", Enum(*SCHEDULERS), required=True, doc="policy")
    priority = Field("@priority", Int(), doc="priority, for fifo and rr")


class IoThreadSched(Scheduler, tag="iothreadsched"):
    """Scheduling of I/O threads."""

    iothreads = Field("@iothreads", CpuSet(), required=True, doc="numbers of the threads")
    scheduler = Field("@scheduler", Enum(*SCHEDULERS), required=True, doc="policy")
    priority = Field("@priority", Int(), doc="priority, for fifo and rr")


class EmulatorSched(Scheduler, tag="emulatorsched"):
    """Scheduling of QEMU's own threads."""


class CacheAllocation(Element, tag="cache"):
    """A part of a host cache."""

    id = Field("@id", UInt(), required=True, doc="number of the cache")
    level = Field("@level", UInt(), required=True, doc="level of the cache")
    type = Field("@type", Enum("both", "code", "data"), required=True, doc="what it caches")
    size = Field("@size", UInt(2**64 - 1), required=True, doc="size")
    unit = Field("@unit", Str(), doc="unit of the size")


class CacheMonitor(Element, tag="monitor"):
    """A counter of cache use."""

    level = Field("@level", UInt(), required=True, doc="level of the cache")
    vcpus = Field("@vcpus", CpuSet(), required=True, doc="processors counted")


class CacheTune(Element, tag="cachetune"):
    """Host caches held for processors."""

    vcpus = Field("@vcpus", CpuSet(), required=True, doc="processors")
    id = Field("@id", Str(), live=True, doc="name of the group")
    caches = Children("cache", CacheAllocation, doc="parts of caches")
    monitors = Children("monitor", CacheMonitor, doc="counters")


class BandwidthNode(Element, tag="node"):
    """Memory bandwidth of one host node."""

    id = Field("@id", UInt(), required=True, doc="host node")
    bandwidth = Field("@bandwidth", UInt(), required=True, doc="percent")


class BandwidthMonitor(Element, tag="monitor"):
    """A counter of memory bandwidth."""

    vcpus = Field("@vcpus", CpuSet(), required=True, doc="processors counted")


class MemoryTune(Element, tag="memorytune"):
    """Memory bandwidth held for processors."""

    vcpus = Field("@vcpus", CpuSet(), required=True, doc="processors")
    id = Field("@id", Str(), live=True, doc="name of the group")
    nodes = Children("node", BandwidthNode, doc="host nodes")
    monitors = Children("monitor", BandwidthMonitor, doc="counters")


class CpuTune(Element, tag="cputune"):
    """How the host schedules the guest's threads."""

    shares = Field("shares", UInt(2**64 - 1), doc="weight among all guests")
    period = Field("period", UInt(2**64 - 1), doc="microseconds of a processor's period")
    quota = Field("quota", Int(), doc="microseconds of run time in a period")
    global_period = Field("global_period", UInt(2**64 - 1), doc="microseconds of the whole guest's period")
    global_quota = Field("global_quota", Int(), doc="run time of the whole guest in a period")
    emulator_period = Field("emulator_period", UInt(2**64 - 1), doc="microseconds of QEMU's own period")
    emulator_quota = Field("emulator_quota", Int(), doc="run time of QEMU itself in a period")
    iothread_period = Field("iothread_period", UInt(2**64 - 1), doc="microseconds of an I/O thread's period")
    iothread_quota = Field("iothread_quota", Int(), doc="run time of an I/O thread in a period")
    vcpu_pins = Children("vcpupin", VcpuPin, doc="host CPUs of single processors")
    emulator_pin = Field("emulatorpin/@cpuset", CpuSet(), doc="host CPUs of QEMU's own threads")
    iothread_pins = Children("iothreadpin", IoThreadPin, doc="host CPUs of single I/O threads")
    emulator_scheds = Children("emulatorsched", EmulatorSched, doc="scheduling of QEMU's own threads")
    vcpu_scheds = Children("vcpusched", VcpuSched, doc="scheduling of processors")
    iothread_scheds = Children("iothreadsched", IoThreadSched, doc="scheduling of I/O threads")
    cache_tunes = Children("cachetune", CacheTune, doc="host caches")
    memory_tunes = Children("memorytune", MemoryTune, doc="memory bandwidth")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return any(value not in (None, []) for value in self.__dict__.values())


class BlkioDevice(Element, tag="device"):
    """Limits of one host block device."""

    path = Field("path", Str(), required=True, doc="the device")
    weight = Field("weight", UInt(), doc="share of the device's time")
    read_iops_sec = Field("read_iops_sec", UInt(), doc="reads a second")
    write_iops_sec = Field("write_iops_sec", UInt(), doc="writes a second")
    read_bytes_sec = Field("read_bytes_sec", UInt(2**64 - 1), doc="bytes read a second")
    write_bytes_sec = Field("write_bytes_sec", UInt(2**64 - 1), doc="bytes written a second")


class BlkioTune(Element, tag="blkiotune"):
    """Shares of the host's block devices."""

    weight = Field("weight", UInt(), doc="share of all devices' time")
    devices = Children("device", BlkioDevice, doc="single devices")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.weight is not None or bool(self.devices)


class Resource(Element, tag="resource"):
    """Where the guest's control group sits."""

    partition = Field("partition", Str(), doc="path of the group")
    fibrechannel = Field("fibrechannel/@appid", Str(), doc="identifier for the SAN")
