"""`<features>`: what the emulated machine can do."""

from __future__ import annotations

from typing import Self

from virtctl.errors import UnsupportedConfig, XmlError
from virtctl.schema.element import INACTIVE, Child, Element, Field, Flag, Mode, Size
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, OnOff, Str, UInt

Switch = Field[bool | None]
TOGGLES = ("hap", "pmu", "pvspinlock", "vmport", "smm", "vmcoreinfo")
NEEDED = {"htm": "state", "nested-hv": "state", "ccf-assist": "state", "msrs": "unknown"}


def _switch(path: str, doc: str) -> Switch:
    return Field(f"{path}/@state", OnOff(), doc=doc)


class Group(Element):
    """Switches under one feature: each there must have a state, and none may be unknown."""

    WORDS = "unsupported feature: %s"
    INNER = ""  # words for what is unknown inside a switch

    def unknown(self, child: Node, where: str, mode: Mode) -> None:
        """A switch that nobody knows is refused, as libvirt does."""
        if where and not self.INNER:
            super().unknown(child, where, mode)
        else:
            raise UnsupportedConfig((self.INNER if where else self.WORDS) % child.tag)

    def parsed(self, node: Node, mode: Mode) -> None:
        """A switch says on or off."""
        for child in node.children:
            if "state" not in child.attrs:
                raise XmlError(f"Missing required attribute 'state' in element '{child.tag}'")

    def written(self, node: Node, mode: Mode) -> None:
        """A group without switches is still written in two lines, as libvirt writes it."""
        if not node.children:
            mode_text = "".join(f" {key}='{value}'" for key, value in node.attrs.items())
            node.raw = f"<{node.tag}{mode_text}>\n    </{node.tag}>"


class Hyperv(Group, tag="hyperv"):
    """Enlightenments for Windows guests."""

    WORDS = "unsupported HyperV Enlightenment feature: %s"
    INNER = "unsupported Hyper-V stimer feature: %s"

    mode = Field("@mode", Enum("custom", "passthrough"), default="custom",
                 doc="the list below, or all that the host can do")
    relaxed = _switch("relaxed", "relaxed timer constraints")
    vapic = _switch("vapic", "virtual APIC")
    spinlocks = _switch("spinlocks", "spinlock support")
    spinlocks_retries = Field("spinlocks/@retries", UInt(), doc="attempts before a spinlock yields, 4095 at least")
    vpindex = _switch("vpindex", "virtual processor index")
    runtime = _switch("runtime", "processor time spent in the guest and in the hypervisor")
    synic = _switch("synic", "synthetic interrupt controller")
    stimer = _switch("stimer", "synthetic timers")
    stimer_direct = _switch("stimer/direct", "direct mode of synthetic timers")
    reset = _switch("reset", "reset by the hypervisor")
    vendor_id = _switch("vendor_id", "vendor id")
    vendor_id_value = Field("vendor_id/@value", Str(), doc="vendor id, 12 characters at most")
    frequencies = _switch("frequencies", "frequency registers")
    reenlightenment = _switch("reenlightenment", "notification of migration")
    tlbflush = _switch("tlbflush", "paravirtual TLB flush")
    ipi = _switch("ipi", "paravirtual inter-processor interrupts")
    evmcs = _switch("evmcs", "enlightened VMCS")
    avic = _switch("avic", "use of AVIC/APICv with synic")

    def parsed(self, node: Node, mode: Mode) -> None:
        """What goes with a switch counts where it is on."""
        super().parsed(node, mode)
        self._parsed_values()
        for direct in (child for child in (node.find("stimer") or node).all("direct")):
            if self.stimer and "state" not in direct.attrs:
                raise XmlError("Missing required attribute 'state' in element 'direct'")
        if not (self.stimer and self.stimer_direct):
            self.stimer_direct = None

    def _parsed_values(self) -> None:
        if not self.spinlocks:
            self.spinlocks_retries = None
        elif self.spinlocks_retries is None:
            raise XmlError("Missing required attribute 'retries' in element 'spinlocks'")
        elif self.spinlocks_retries < 0xFFF:
            raise XmlError("HyperV spinlock retry count must be at least 4095")
        if not self.vendor_id:
            self.vendor_id_value = None
        elif self.vendor_id_value is None:
            raise XmlError("missing 'value' attribute for HyperV feature 'vendor_id'")
        elif len(self.vendor_id_value) > 12:
            raise XmlError("HyperV vendor_id value must not be more than 12 characters.")
        elif "," in self.vendor_id_value:
            raise XmlError("HyperV vendor_id value is invalid")


class Kvm(Group, tag="kvm"):
    """Features of KVM as the guest sees them."""

    WORDS = "unsupported KVM feature: %s"

    hidden = _switch("hidden", "hide KVM from the guest's usual discovery")
    hint_dedicated = _switch("hint-dedicated", "tell the guest that its processors are its own")
    poll_control = _switch("poll-control", "let the guest poll before it halts")
    pv_ipi = _switch("pv-ipi", "paravirtual inter-processor interrupts")
    dirty_ring = _switch("dirty-ring", "dirty pages tracked in a ring")
    dirty_ring_size = Field("dirty-ring/@size", UInt(), doc="entries of the ring, a power of 2 from 1024 to 65536")

    def parsed(self, node: Node, mode: Mode) -> None:
        """A ring that is used has a size."""
        super().parsed(node, mode)
        if not self.dirty_ring:
            self.dirty_ring_size = None
        elif self.dirty_ring_size is None:
            raise XmlError("Missing required attribute 'size' in element 'dirty-ring'")
        elif not 1024 <= self.dirty_ring_size <= 65536 or self.dirty_ring_size & (self.dirty_ring_size - 1):
            raise XmlError("dirty ring must be power of 2 and ranges [1024, 65536]")


class Xen(Group, tag="xen"):
    """Features of Xen guests."""

    WORDS = "unsupported Xen feature: %s"

    e820_host = _switch("e820_host", "show the host's e820 map")
    passthrough = _switch("passthrough", "IOMMU mappings for PCI passthrough")
    passthrough_mode = Field("passthrough/@mode", Enum("sync_pt", "share_pt"), doc="how they are shared")


class Tcg(Element, tag="tcg"):
    """Features of QEMU's emulation."""

    tb_cache = Size("tb-cache", place="./tb-cache", doc="size of the translated code's cache")

    def parsed(self, node: Node, mode: Mode) -> None:
        """QEMU counts in MiB."""
        if (self.tb_cache or 0) % 1024:
            raise UnsupportedConfig("tb-cache size must be an integer multiple of MiB")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return self.tb_cache is not None


class Apic(Element, tag="apic"):
    """The programmable interrupt controller."""

    eoi = Field("@eoi", OnOff(), doc="paravirtual end of interrupt")


class Gic(Element, tag="gic"):
    """ARM's interrupt controller."""

    version = Field("@version", Enum("host", "2", "3"), doc="its version")


class Capabilities(Element, tag="capabilities"):
    """Capabilities of containers."""

    policy = Field("@policy", Enum("default", "allow", "deny"), doc="what holds for those not listed")

    def visible(self, mode: Mode) -> bool:
        """One that says nothing is not written."""
        return self.policy not in (None, "default") or bool(self.extras)


class Features(Element, tag="features"):
    """What the emulated machine can do."""

    acpi = Flag("acpi", doc="ACPI tables")
    apic = Child("apic", Apic, doc="programmable interrupt controller")
    pae = Flag("pae", doc="physical address extension")
    hap = _switch("hap", "hardware assisted paging")
    viridian = Flag("viridian", doc="Hyper-V extensions of Xen")
    privnet = Flag("privnet", doc="a network name space of its own (containers)")
    hyperv = Child("hyperv", Hyperv, doc="enlightenments for Windows guests")
    kvm = Child("kvm", Kvm, doc="features of KVM as the guest sees them")
    pvspinlock = _switch("pvspinlock", "paravirtual spinlocks")
    capabilities = Child("capabilities", Capabilities, doc="capabilities of containers")
    pmu = _switch("pmu", "performance counters")
    vmport = _switch("vmport", "VMware's I/O port")
    gic = Child("gic", Gic, doc="ARM's interrupt controller")
    smm = _switch("smm", "system management mode")
    tseg = Size("smm/tseg", place="string(./features/smm/tseg)", unit="MiB", pretty=True,
                doc="memory of system management mode")
    ioapic = Field("ioapic/@driver", Enum("kvm", "qemu"), doc="who emulates the I/O APIC")
    hpt_resizing = Field("hpt/@resizing", Enum("enabled", "disabled", "required"), doc="resizing of the page table")
    hpt_maxpagesize = Size("hpt/maxpagesize", pretty=True, doc="greatest page size (pseries)")
    vmcoreinfo = _switch("vmcoreinfo", "dump information for the guest's kernel")
    htm = _switch("htm", "hardware transactional memory (pseries)")
    nested_hv = _switch("nested-hv", "nested virtualization (pseries)")
    msrs = Field("msrs/@unknown", Enum("ignore", "fault"), doc="what becomes of unknown model specific registers")
    ccf_assist = _switch("ccf-assist", "count cache flush assist (pseries)")
    xen = Child("xen", Xen, doc="features of Xen guests")
    cfpc = Field("cfpc/@value", Enum("broken", "workaround", "fixed"), doc="cache flush on privilege change (pseries)")
    sbbc = Field("sbbc/@value", Enum("broken", "workaround", "fixed"), doc="bounds checking (pseries)")
    ibs = Field("ibs/@value", Enum("broken", "workaround", "fixed-ibs", "fixed-ccd", "fixed-na"),
                doc="indirect branch speculation (pseries)")
    tcg = Child("tcg", Tcg, doc="features of QEMU's emulation")

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Management mode that is off has no memory."""
        for smm in node.all("smm"):
            if smm.attrs.get("state") == "off":
                smm.children = [child for child in smm.children if child.tag != "tseg"]
        return super().parse(node, mode)

    def parsed(self, node: Node, mode: Mode) -> None:
        """An element without a state means on."""
        for child in node.children:
            if child.tag in TOGGLES and "state" not in child.attrs:
                self.__dict__[child.tag] = True
            needed = NEEDED.get(child.tag, "state")
            if child.tag in NEEDED and needed not in child.attrs:
                raise XmlError(f"Missing required attribute '{needed}' in element '{child.tag}'")
        if not self.smm:
            self.tseg = None

    def unknown(self, child: Node, where: str, mode: Mode) -> None:
        """A feature that nobody knows is refused, as libvirt does."""
        if where:
            super().unknown(child, where, mode)
        else:
            raise UnsupportedConfig(f"unexpected feature '{child.tag}'")

    def visible(self, mode: Mode) -> bool:
        """An empty one is not written."""
        return bool(self.to_node(mode).children)
