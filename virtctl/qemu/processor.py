"""`-cpu`: model, features, Hyper-V and KVM enlightenments."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.cpu import Cpu
from virtctl.domain.devices import Devices
from virtctl.domain.devices.panic import Panic
from virtctl.domain.domain import Domain
from virtctl.domain.features import Features, Hyperv
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.board import arch_of

Pairs = Iterator[tuple[str, Value]]
WIDE = ("host-passthrough", "maximum")
_RENAMED = {"pclmuldq": "pclmulqdq"}
_HOST_ONLY = frozenset({"cmt", "mbm_total", "mbm_local"})  # of the host's monitoring; no guest has them
_HYPERV = ("relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "reset", "frequencies", "reenlightenment",
           "tlbflush", "ipi", "evmcs", "avic")


def cpu_model(domain: Domain) -> str:
    """QEMU's name of the processor model."""
    cpu = domain.cpu or Cpu()
    mode = cpu.mode or ("custom" if cpu.model else None)
    if mode == "host-passthrough":
        if domain.type != "kvm":
            raise UnsupportedConfig(f"CPU mode 'host-passthrough' for x86_64 {domain.type} domain on x86_64 host is "
                                    "not supported by hypervisor")
        return "host"
    if mode == "maximum":
        return "max"
    if mode == "host-model":
        return "host" if domain.type == "kvm" else "max"
    if cpu.model is not None and cpu.model.name:
        return cpu.model.name
    return "qemu32" if arch_of(domain) == "i686" else "qemu64"


def qemu_feature(name: str) -> str:
    """QEMU's name of a processor feature: libvirt's, with its underscores written as dashes."""
    return _RENAMED.get(name, name.replace("_", "-"))


def _features(cpu: Cpu) -> Pairs:
    if cpu.mode in WIDE and cpu.migratable:  # libvirt says no word for `off`, which so is QEMU's default: on
        yield "migratable", True
    if cpu.model is not None and cpu.model.vendor_id:
        yield "vendor", cpu.model.vendor_id
    for feature in cpu.features:
        if feature.name not in _HOST_ONLY:
            yield qemu_feature(feature.name), feature.policy not in ("disable", "forbid")
    yield from _width(cpu)


def _width(cpu: Cpu) -> Pairs:
    """The caches and the physical addresses that the guest is told of."""
    if cpu.cache is not None:
        if cpu.cache.mode == "passthrough" or cpu.mode in WIDE:
            yield "host-cache-info", cpu.cache.mode == "passthrough"
        yield "l3-cache", cpu.cache.mode == "emulate"
    if cpu.maxphysaddr is not None:
        if cpu.maxphysaddr.mode == "passthrough":
            yield "host-phys-bits", True
        yield "phys-bits", cpu.maxphysaddr.bits


def _hyperv(hyperv: Hyperv) -> Pairs:
    if hyperv.mode == "passthrough":
        yield "hv-passthrough", True
    if hyperv.spinlocks:
        yield "hv-spinlocks", f"0x{hyperv.spinlocks_retries or 4095:x}"
    if hyperv.vendor_id:
        yield "hv-vendor-id", hyperv.vendor_id_value
    for name in _HYPERV:
        if getattr(hyperv, name):
            yield f"hv-{name.replace('_', '-')}", True
    if hyperv.stimer_direct:
        yield "hv-stimer-direct", True


def _kvm(features: Features) -> Pairs:
    if features.kvm is not None:
        if features.kvm.hidden:
            yield "kvm", False
        if features.kvm.hint_dedicated:
            yield "kvm-hint-dedicated", True
        if features.kvm.poll_control:
            yield "kvm-poll-control", True
        yield "kvm-pv-ipi", False if features.kvm.pv_ipi is False else None
    if features.apic is not None and features.apic.eoi is not None:
        yield "kvm-pv-eoi", features.apic.eoi
    if features.pvspinlock is not None:
        yield "kvm-pv-unhalt", features.pvspinlock
    if features.pmu is not None:
        yield "pmu", features.pmu


def _timers(domain: Domain) -> Pairs:
    for timer in domain.clock.timers if domain.clock else ():
        if timer.name == "kvmclock" and timer.present is not None:
            yield "kvmclock", timer.present
        elif timer.name == "hypervclock" and timer.present:
            yield "hv-time", True
        elif timer.name == "tsc" and timer.frequency:
            yield "tsc-frequency", timer.frequency


def cpu_option(domain: Domain) -> Opt:
    """The one `-cpu` option. What only KVM has is named for an emulated guest too, as libvirt does, without effect."""
    cpu = domain.cpu or Cpu()
    pairs = list(_features(cpu))
    if domain.features is not None:
        if domain.features.hyperv is not None:
            pairs += _hyperv(domain.features.hyperv)
        pairs += _kvm(domain.features)
    pairs += _timers(domain)
    if any(panic.model == "hyperv" for panic in (domain.devices or Devices()).all(Panic)):
        pairs.append(("hv-crash", True))
    model = cpu_model(domain)
    for value in (model, *(value for _, value in pairs)):
        if isinstance(value, str) and "," in value:  # here, and here alone, QEMU knows no way to write one
            raise UnsupportedConfig(f"processor '{value}': a comma cannot be part of a model or feature")
    return Opt("cpu", props(model, pairs))
