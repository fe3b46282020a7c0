"""The root element, and the text to value functions of a domain document."""

from __future__ import annotations

from virtctl.domain.clock import Clock
from virtctl.domain.commandline import CommandLine, Deprecation, Override, QemuCapabilities
from virtctl.domain.cpu import Cpu
from virtctl.domain.devices import Devices
from virtctl.domain.features import Features
from virtctl.domain.launch import IdMap, KeyWrap, LaunchSecurity, Perf, Pm
from virtctl.domain.memory import MemoryBacking, MemTune, NumaTune
from virtctl.domain.metadata import Metadata
from virtctl.domain.os import Os
from virtctl.domain.seclabel import Seclabel
from virtctl.domain.sysinfo import Sysinfo
from virtctl.domain.tuning import NOT_NEGATIVE, BlkioTune, CpuTune, IoThread, Resource, VcpuState, not_empty
from virtctl.domain.virtualization import check_kind
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError, XmlError
from virtctl.schema import xmlio
from virtctl.schema.element import INACTIVE, Child, Children, Element, Field, Mode, Size
from virtctl.schema.fields import Declared
from virtctl.schema.node import Node, to_text
from virtctl.schema.types import CpuSet, Enum, Int, OnOff, Str, UInt, Uuid

TYPES = ("qemu", "kqemu", "kvm", "xen", "lxc", "uml", "openvz", "test", "vmware", "hyperv", "vbox", "phyp", "parallels",
         "bhyve", "vz")
ACTIONS = ("destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart")


class GenId(Element, tag="genid"):
    """The generation of the guest: changes whenever it is set back in time or copied."""

    value = Field(".", Uuid(), doc="the identifier, made up when empty",
                  refused=(InternalError, "malformed genid element"))


class Domain(Element, tag="domain"):
    """One guest."""

    type = Field("@type", Enum(*TYPES), required=True, doc="hypervisor: qemu (emulation) or kvm",
                 refused=(UnsupportedConfig, "invalid domain type %s"))
    id = Field("@id", Int(), live=True, doc="number of the running guest")
    name = Field("name", Str(), doc="name, unique on the host")
    uuid = Field("uuid", Uuid(), doc="identity, unique everywhere")
    genid = Child("genid", GenId, doc="generation identifier")
    title = Field("title", Str(), doc="short description, one line")
    description = Field("description", Str(), doc="description")
    metadata = Child("metadata", Metadata, doc="what other programs keep here")
    max_memory_slots = Field("maxMemory/@slots", UInt(), doc="slots for memory added at run time",
                             refused=(XmlError, "Failed to parse memory slot count"))
    max_memory = Size("maxMemory", doc="memory that the guest can grow to")
    dump_core = Field("memory/@dumpCore", OnOff(), doc="whether the guest's memory is part of QEMU's core dump")
    memory = Size("memory", doc="memory of the guest at start")
    current_memory = Size("currentMemory", doc="memory left to the guest by the balloon")
    blkiotune = Child("blkiotune", BlkioTune, doc="shares of block devices")
    memtune = Child("memtune", MemTune, doc="limits of memory")
    memory_backing = Child("memoryBacking", MemoryBacking, doc="what backs the memory")
    vcpu_placement = Field("vcpu/@placement", Enum("static", "auto"), doc="who chooses the host's CPUs")
    vcpu_cpuset = Field("vcpu/@cpuset", CpuSet(), doc="host CPUs")
    vcpu_current = Field("vcpu/@current", UInt(), doc="processors that are there at start")
    vcpu = Field("vcpu", UInt(), doc="processors at most",
                 refused=(XmlError, "maximum vcpus count must be an integer"))
    vcpus = Children("vcpus/vcpu", VcpuState, doc="single processors")
    iothreads = Field("iothreads", UInt(), doc="number of I/O threads",
                      refused=(XmlError, "invalid iothreads count '%s'"))
    iothread_ids = Children("iothreadids/iothread", IoThread, doc="single I/O threads")
    default_pool_min = Field("defaultiothread/@thread_pool_min", NOT_NEGATIVE,
                             doc="least workers of the main loop")
    default_pool_max = Field("defaultiothread/@thread_pool_max", NOT_NEGATIVE,
                             doc="most workers of the main loop")
    cputune = Child("cputune", CpuTune, doc="scheduling")
    numatune = Child("numatune", NumaTune, doc="host NUMA nodes")
    resource = Child("resource", Resource, doc="control group")
    sysinfo = Children("sysinfo", Sysinfo, doc="tables of the firmware")
    bootloader = Field("bootloader", Str(), doc="host program that chooses a kernel (Xen)")
    bootloader_args = Field("bootloader_args", Str(), doc="its arguments")
    os = Child("os", Os, doc="how it boots")
    idmap = Child("idmap", IdMap, doc="user numbers (containers)")
    features = Child("features", Features, doc="what the machine can do")
    cpu = Child("cpu", Cpu, doc="processor")
    clock = Child("clock", Clock, doc="time")
    on_poweroff = Field("on_poweroff", Enum(*ACTIONS), doc="what follows a power off by the guest",
                        refused=(UnsupportedConfig, "unknown on_poweroff action: %s"))
    on_reboot = Field("on_reboot", Enum(*ACTIONS), doc="what follows a reboot by the guest",
                      refused=(UnsupportedConfig, "unknown on_reboot action: %s"))
    on_crash = Field("on_crash", Enum(*ACTIONS), doc="what follows a crash",
                     refused=(UnsupportedConfig, "unknown on_crash action: %s"))
    on_lockfailure = Field("on_lockfailure", Enum("poweroff", "restart", "pause", "ignore"),
                           doc="what follows the loss of a disk's lock",
                           refused=(UnsupportedConfig, "unknown on_lockfailure action: %s"))
    pm = Child("pm", Pm, doc="sleep states")
    perf = Child("perf", Perf, doc="counters of the host")
    devices = Child("devices", Devices, doc="devices")
    seclabels = Children("seclabel", Seclabel, doc="security labels")
    commandline = Child("qemu:commandline", CommandLine, doc="arguments for QEMU")
    qemu_capabilities = Child("qemu:capabilities", QemuCapabilities, doc="capabilities of QEMU")
    override = Child("qemu:override", Override, doc="properties of devices")
    deprecation = Child("qemu:deprecation", Deprecation, doc="behaviour of deprecated things")
    keywrap = Child("keywrap", KeyWrap, doc="key management (s390)")
    launch_security = Child("launchSecurity", LaunchSecurity, doc="confidential guests")

    def parsed(self, node: Node, mode: Mode) -> None:
        """An empty count is none at all, an empty set of CPUs neither."""
        vcpu = node.find("vcpu")
        if vcpu is not None and self.vcpu is None:
            raise XmlError("maximum vcpus count must be an integer")
        if vcpu is not None and self.vcpu_placement != "auto":
            not_empty(self.vcpu_cpuset, vcpu)
        if sum(1 for _ in node.all("genid")) > 1:
            raise XmlError("element 'genid' can only appear once")
        if sum(1 for _ in node.all("numatune")) > 1:
            raise XmlError("only one numatune is supported")

    def iothread_numbers(self) -> list[int]:
        """The numbers of all I/O threads, in order."""
        return [thread.id for thread in self.iothread_ids] or list(range(1, (self.iothreads or 0) + 1))

    def missing(self, field: Declared) -> VirtctlError:
        """The error for a required value that is not there."""
        return InternalError("missing domain type attribute") if field.name == "type" else super().missing(field)

    def written(self, node: Node, mode: Mode) -> None:
        """QEMU's name space is declared where it is used."""
        if any(child.tag.startswith("qemu:") for child in node.children):
            node.attrs["xmlns:qemu"] = xmlio.QEMU_NS


def read_domain(text: str | bytes, mode: Mode = INACTIVE, what: str = "(domain_definition)") -> Domain:
    """A document as it stands: nothing filled in, nothing checked beyond its types."""
    root = xmlio.read(text, what)
    if root.tag != "domain":
        raise XmlError(f"expecting root element of 'domain', not '{root.tag}'")
    if "type" in root.attrs and root.attrs["type"] in TYPES and not mode.live:
        check_kind(root.get("os/type"), root.get("os/type/@arch"))
    return Domain.parse(root, mode)


def write_domain(domain: Domain, mode: Mode = INACTIVE) -> str:
    """The document as libvirt writes it."""
    return to_text(domain.to_node(mode))
