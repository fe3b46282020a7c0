"""Processors and threads as the host runs them: vcpus, I/O threads, cputune, blkiotune, resource."""

from __future__ import annotations

from virtctl.domain.resctrl import CacheTune, MemoryTune
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema.element import Children, Element, Field, Mode
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node
from virtctl.schema.types import CpuSet, Enum, Int, Lenient, Positive, Str, UInt, YesNo

PERIOD_LOW, PERIOD_HIGH = 1000, 1000000
QUOTA_HIGH = 17592186044415
SCHEDULERS = ("batch", "idle", "fifo", "rr")


def not_empty(members: frozenset[int] | None, node: Node) -> None:
    """Refuses a set of CPUs that excludes all it includes."""
    if members is not None and not members:
        raise UnsupportedConfig(f"Invalid value of 'cpuset': {node.attrs['cpuset']}")


def _missing_cpuset(pin: Element) -> VirtctlError:
    return InternalError(f"missing cpuset for {pin.tag}")


NOT_NEGATIVE = Int(0, 2**31 - 1, reason="Expected non-negative value")


class VcpuState(Element, tag="vcpu"):
    """One processor: whether it is there at start and may be taken away."""

    id = Field("@id", UInt(), required=True, doc="number of the processor")
    enabled = Field("@enabled", YesNo(), required=True, doc="whether it is there at start")
    hotpluggable = Field("@hotpluggable", YesNo(), doc="whether it can be added and removed")
    order = Field("@order", UInt(), doc="order in which processors are added")


class IoThread(Element, tag="iothread"):
    """One thread that does I/O."""

    id = Field("@id", Positive(), required=True, doc="number by which disks and controllers name it")
    pool_min = Field("@thread_pool_min", NOT_NEGATIVE, doc="least number of worker threads")
    pool_max = Field("@thread_pool_max", NOT_NEGATIVE, doc="greatest number of worker threads")

    def check(self) -> None:
        """The least must not exceed the greatest."""
        check_pool(self.pool_min, self.pool_max)


def check_pool(least: int | None, most: int | None) -> None:
    """The rules for a pool of worker threads."""
    if most == 0:
        raise UnsupportedConfig("thread_pool_max must be a positive integer")
    if least is not None and (most is None or least > most):
        raise UnsupportedConfig("thread_pool_min must be smaller or equal to thread_pool_max")


class VcpuPin(Element, tag="vcpupin"):
    """Host CPUs for one processor."""

    vcpu = Field("@vcpu", UInt(), required=True, doc="number of the processor")
    cpuset = Field("@cpuset", CpuSet(), required=True, doc="host CPUs")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        return _missing_cpuset(self) if field.name == "cpuset" else super().missing(field)

    def parsed(self, node: Node, mode: Mode) -> None:
        """The set must have a member."""
        not_empty(self.cpuset, node)


class IoThreadPin(Element, tag="iothreadpin"):
    """Host CPUs for one I/O thread."""

    iothread = Field("@iothread", Positive(), required=True, doc="number of the thread")
    cpuset = Field("@cpuset", CpuSet(), required=True, doc="host CPUs")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        return _missing_cpuset(self) if field.name == "cpuset" else super().missing(field)

    def parsed(self, node: Node, mode: Mode) -> None:
        """The set must have a member."""
        not_empty(self.cpuset, node)


class EmulatorPin(Element, tag="emulatorpin"):
    """Host CPUs for QEMU's own threads."""

    cpuset = Field("@cpuset", CpuSet(), required=True, doc="host CPUs")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        return _missing_cpuset(self)

    def parsed(self, node: Node, mode: Mode) -> None:
        """The set must have a member."""
        not_empty(self.cpuset, node)


class Scheduler(Element):
    """A scheduling policy of the host."""

    scheduler = Field("@scheduler", Enum(*SCHEDULERS), required=True, doc="policy")
    priority = Field("@priority", Int(), doc="priority, for fifo and rr")

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a value that is not there."""
        if field.name in ("vcpus", "iothreads"):
            return XmlError(f"Missing attribute '{field.name}' in element '{self.tag}'")
        return super().missing(field)

    def parsed(self, node: Node, mode: Mode) -> None:
        """Only two policies have priorities, and they must have one."""
        if self.scheduler not in ("fifo", "rr"):
            self.priority = None
        elif self.priority is None:
            raise self.missing(Scheduler.priority)


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


BANDWIDTHS = ("period", "quota", "global_period", "global_quota", "emulator_period", "emulator_quota",
              "iothread_period", "iothread_quota")


class CpuTune(Element, tag="cputune"):
    """How the host schedules the guest's threads."""

    shares = Field("shares", UInt(2**64 - 1), doc="weight among all guests",
        refused=(XmlError, "can't parse cputune shares value"))
    period = Field("period", UInt(2**64 - 1), doc="microseconds of a processor's period",
        refused=(XmlError, "can't parse cputune period value"))
    quota = Field("quota", Int(), doc="microseconds of run time in a period",
        refused=(XmlError, "can't parse cputune quota value"))
    global_period = Field("global_period", UInt(2**64 - 1), doc="microseconds of the whole guest's period",
        refused=(XmlError, "can't parse cputune global period value"))
    global_quota = Field("global_quota", Int(), doc="run time of the whole guest in a period",
        refused=(XmlError, "can't parse cputune global quota value"))
    emulator_period = Field("emulator_period", UInt(2**64 - 1), doc="microseconds of QEMU's own period",
        refused=(XmlError, "can't parse cputune emulator period value"))
    emulator_quota = Field("emulator_quota", Int(), doc="run time of QEMU itself in a period",
        refused=(XmlError, "can't parse cputune emulator quota value"))
    iothread_period = Field("iothread_period", UInt(2**64 - 1), doc="microseconds of an I/O thread's period",
        refused=(XmlError, "can't parse cputune iothread period value"))
    iothread_quota = Field("iothread_quota", Int(), doc="run time of an I/O thread in a period",
        refused=(XmlError, "can't parse cputune iothread quota value"))
    vcpu_pins = Children("vcpupin", VcpuPin, doc="host CPUs of single processors")
    emulator_pins = Children("emulatorpin", EmulatorPin, doc="host CPUs of QEMU's own threads, one at most")
    iothread_pins = Children("iothreadpin", IoThreadPin, doc="host CPUs of single I/O threads")
    emulator_scheds = Children("emulatorsched", EmulatorSched, doc="scheduling of QEMU's own threads")
    vcpu_scheds = Children("vcpusched", VcpuSched, doc="scheduling of processors")
    iothread_scheds = Children("iothreadsched", IoThreadSched, doc="scheduling of I/O threads")
    cache_tunes = Children("cachetune", CacheTune, doc="host caches")
    memory_tunes = Children("memorytune", MemoryTune, doc="memory bandwidth")

    def parsed(self, node: Node, mode: Mode) -> None:
        """What says nothing is dropped, what stands twice is refused."""
        for name in BANDWIDTHS:
            self.__dict__[name] = self.__dict__.get(name) or None
        for found in (self.emulator_pins, self.emulator_scheds):
            if len(found) > 1:
                raise XmlError(f"only one {found[0].tag} is supported")
        _twice([pin.vcpu for pin in self.vcpu_pins], "duplicate vcpupin for vcpu '%d'")
        _twice([pin.iothread for pin in self.iothread_pins], "duplicate iothreadpin for same iothread '%d'")
        self.vcpu_pins.sort(key=lambda pin: pin.vcpu)

    def check(self) -> None:
        """The ranges that the kernel has."""
        if self.shares and not 2 <= self.shares <= 262144:
            raise UnsupportedConfig("Value of cputune 'shares' must be in range [2, 262144]")
        for name in BANDWIDTHS:
            value, top = self.__dict__.get(name), PERIOD_HIGH if name.endswith("period") else QUOTA_HIGH
            if value and value > 0 and not PERIOD_LOW <= value <= top:
                raise UnsupportedConfig(f"Value of cputune '{name}' must be in range [{PERIOD_LOW}, {top}]")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.to_node(mode).children)


def _twice(numbers: list[int], words: str) -> None:
    for place, number in enumerate(numbers):
        if number in numbers[:place]:
            raise InternalError(words % number)


class BlkioDevice(Element, tag="device"):
    """Limits of one host block device."""

    path = Field("path", Str(), required=True, doc="the device")
    weight = Field("weight", UInt(), doc="share of the device's time",
                   refused=(UnsupportedConfig, "could not parse weight %s"))
    read_iops_sec = Field("read_iops_sec", UInt(), doc="reads a second",
                          refused=(UnsupportedConfig, "could not parse read iops sec %s"))
    write_iops_sec = Field("write_iops_sec", UInt(), doc="writes a second",
                           refused=(UnsupportedConfig, "could not parse write iops sec %s"))
    read_bytes_sec = Field("read_bytes_sec", UInt(2**64 - 1), doc="bytes read a second",
                           refused=(UnsupportedConfig, "could not parse read bytes sec %s"))
    write_bytes_sec = Field("write_bytes_sec", UInt(2**64 - 1), doc="bytes written a second",
                            refused=(UnsupportedConfig, "could not parse write bytes sec %s"))

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a path that is not there."""
        return UnsupportedConfig("missing per-device path")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Zero is no limit."""
        for field in self.fields:
            self.__dict__[field.name] = self.__dict__.get(field.name) or None

    def visible(self, mode: Mode) -> bool:
        """A device without limits is not written."""
        return any(self.__dict__.get(field.name) for field in self.fields[1:])


class BlkioTune(Element, tag="blkiotune"):
    """Shares of the host's block devices."""

    weight = Field("weight", Lenient(UInt()), doc="share of all devices' time")
    devices = Children("device", BlkioDevice, doc="single devices")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Each device once."""
        self.weight = self.weight or None
        paths = [device.path for device in self.devices]
        for place, path in enumerate(paths):
            if path in paths[:place]:
                raise UnsupportedConfig(f"duplicate blkio device path '{path}'")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.to_node(mode).children)


class Resource(Element, tag="resource"):
    """Where the guest's control group sits."""

    partition = Field("partition", Str(), doc="path of the group")
    fibrechannel = Field("fibrechannel/@appid", Str(), doc="identifier for the SAN")

    def parsed(self, node: Node, mode: Mode) -> None:
        """One of the two must be told."""
        if not self.partition and not self.fibrechannel:
            raise XmlError("missing partition or appid in element 'resource'")

    def check(self) -> None:
        """The identifier goes into the SAN's frames as it stands."""
        if self.fibrechannel and not (self.fibrechannel.isascii() and self.fibrechannel.isprintable()):
            raise XmlError("Fibre Channel 'appid' is not a printable string")
