"""The processor's model, and how its processors are placed."""

from __future__ import annotations

from virtctl.domain.cpu import Cpu, CpuModel
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host

DEFAULT_MODELS = {"x86_64": "qemu64", "i686": "qemu32"}


def vcpus(domain: Domain, host: Host) -> None:
    """One processor where none is told, placed by the user."""
    domain.vcpu = domain.vcpu or 1
    if domain.vcpu_placement is None:
        domain.vcpu_placement = "static"
    if domain.vcpu_current == domain.vcpu:
        domain.vcpu_current = None


def model(domain: Domain, host: Host) -> None:
    """The processor that QEMU emulates by default, and how it is checked at start."""
    cpu = domain.cpu
    arch = domain.os.arch or "" if domain.os else ""
    if cpu is None or ((cpu.mode or "custom") == "custom" and (cpu.model is None or cpu.model.name is None)):
        name = DEFAULT_MODELS.get(arch)
        if name is None:
            return
        cpu = domain.cpu = cpu or Cpu()
        cpu.mode, cpu.match, cpu.checking = "custom", "exact", "none"
        cpu.model = CpuModel(fallback="forbid", name=name)
    for feature in cpu.features:
        feature.policy = feature.policy or "require"
    if cpu.checking is None:
        cpu.checking = _checking(cpu.mode, domain.type)


def _checking(mode: str | None, kind: str) -> str:
    if mode in ("host-passthrough", "maximum"):
        return "none"
    return "none" if mode == "custom" and kind == "qemu" else "partial"
