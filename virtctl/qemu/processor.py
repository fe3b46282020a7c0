"""`-cpu`: model, features, Hyper-V and KVM enlightenments."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.cpu import Cpu
from virtctl.domain.domain import Domain
from virtctl.domain.features import Features, Hyperv
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.board import arch_of

Pairs = Iterator[tuple[str, Value]]
_HYPERV = ("relaxed", "vapic", "vpindex", "runtime", "synic", "stimer", "reset", "frequencies", "reenlightenment",
           "tlbflush", "ipi", "evmcs", "avic")


def _model(domain: Domain, cpu: Cpu) -> str:
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


def _features(cpu: Cpu) -> Pairs:
    if cpu.mode in ("host-passthrough", "maximum") and cpu.migratable:
        yield "migratable", cpu.migratable
    for feature in cpu.features:
        yield feature.name, feature.policy not in ("disable", "forbid")
    if cpu.cache is not None:
        yield "host-cache-info", {"passthrough": True, "disable": False}.get(cpu.cache.mode)
        yield "l3-cache", {"emulate": True, "disable": False, "passthrough": False}.get(cpu.cache.mode)
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
    """The one `-cpu` option; properties that only KVM has are left out for an emulated guest."""
    cpu = domain.cpu or Cpu()
    pairs = list(_features(cpu))
    if domain.features is not None:
        if domain.features.hyperv is not None:
            pairs += _hyperv(domain.features.hyperv)
        pairs += [pair for pair in _kvm(domain.features) if domain.type == "kvm" or not pair[0].startswith("kvm")]
    pairs += [pair for pair in _timers(domain) if domain.type == "kvm" or pair[0] == "tsc-frequency"]
    return Opt("cpu", props(_model(domain, cpu), pairs))
