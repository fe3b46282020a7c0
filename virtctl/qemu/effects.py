"""What a document may say and no running guest will notice: refused at start, or accepted with a reason.

An element that the schema does not know is refused, by its path. One that it knows and that nothing here carries out
is in the table, with why: `start` says so once, on one line.
"""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.domain.domain import Domain
from virtctl.errors import UnsupportedConfig
from virtctl.schema.element import Element

_CGROUPS = "control groups are not managed"
_SWITCH = "the host's switches and packet filters are not managed"
_OTHER = "it is for another hypervisor or architecture"

# `tag.field` of an element: why it is accepted without effect.
TABLE = {
    "domain.bootloader": _OTHER,
    "domain.idmap": _OTHER,
    "domain.keywrap": _OTHER,
    "domain.blkiotune": _CGROUPS,
    "domain.memtune": _CGROUPS,
    "domain.cputune": "processors are neither pinned nor weighted",
    "domain.vcpu_cpuset": "processors are not pinned",
    "domain.resource": _CGROUPS,
    "domain.perf": "counters are not read",
    "domain.seclabels": "no security driver is used",
    "domain.on_lockfailure": "no lock manager is used beside QEMU's own locks",
    "domain.qemu_capabilities": "QEMU is asked what it can do each time it changes",
    "os.init": _OTHER,
    "timer.threshold": "QEMU's timers have no such setting",
    "timer.slew": "QEMU's timers have no such setting",
    "timer.limit": "QEMU's timers have no such setting",
    "timer.mode": _OTHER,
    "features.msrs": _OTHER,
    "features.gic": _OTHER,
    "features.hap": _OTHER,
    "features.viridian": _OTHER,
    "features.privnet": _OTHER,
    "features.capabilities": _OTHER,
    "features.xen": _OTHER,
    "disk.sgio": "the kernel no longer filters SCSI commands",
    "disk.rawio": "QEMU gets no capability of its own",
    "disk.backend_domain": _OTHER,
    "interface.bandwidth": _SWITCH,
    "interface.filterref": _SWITCH,
    "interface.vlan": _SWITCH,
    "interface.virtualport": _SWITCH,
    "interface.isolated": _SWITCH,
    "interface.coalesce": "interrupts of the host's card are left as they are",
    "interface.trust_guest_rx_filters": "the host's card is left as it is",
    "interface.routes": _OTHER,
    "interface.backend_domain": _OTHER,
    "interface.backend_tap": "taps are made through /dev/net/tun",
    "source.ips": "the host's end gets no address",
    "source.routes": "the host's end gets no address",
    "hostdev.sgio": "the kernel no longer filters SCSI commands",
    "hostdev.rawio": "QEMU gets no capability of its own",
    "filesystem.hard_limit": _OTHER,
    "filesystem.soft_limit": _OTHER,
    "interface.guest_device": _OTHER,
    "lease.lockspace": "no lock manager is used beside QEMU's own locks",
    "source.seclabels": "no security driver is used",
    "disk.seclabels": "no security driver is used",
}
_NOTHING = {"domain.seclabels": ("none",)}  # values that ask for nothing


def refuse_unknown(domain: Domain) -> None:
    """Raises UnsupportedConfig for what the document says and the schema does not know, naming each path."""
    found = list(_unknown(domain, ""))
    if found:
        raise UnsupportedConfig(f"not understood, so the guest is not started: {', '.join(found)}",
                                hint="edit the domain and remove it")


def _unknown(element: Element, where: str) -> Iterator[str]:
    here = f"{where}/{element.tag}" if where else element.tag
    yield from (f"{here}/{extra.path}" for extra in element.extras)
    for child in element.elements():
        yield from _unknown(child, here)


def without_effect(domain: Domain) -> list[str]:
    """The warning of a start, none or one."""
    found: dict[str, str] = {}
    for element in domain.walk():
        for field in element.fields:
            key = f"{element.tag}.{field.name}"
            if key in TABLE and _says_something(key, element.__dict__.get(field.name)):
                found[f"{element.tag}/{field.path}"] = TABLE[key]
    found |= dict(_actions(domain))
    reasons: dict[str, list[str]] = {}
    for path, why in found.items():
        reasons.setdefault(why, []).append(path)
    if not reasons:
        return []
    parts = [f"{', '.join(paths)} ({why})" for why, paths in reasons.items()]
    return [f"accepted without effect: {'; '.join(parts)}"]


def _says_something(key: str, value: object) -> bool:
    if isinstance(value, Element):
        node = value.to_node()
        return bool(node.attrs or node.children or node.text)
    if isinstance(value, list):
        return any(getattr(one, "type", None) not in _NOTHING.get(key, ()) for one in value)
    return bool(value)


def _actions(domain: Domain) -> Iterator[tuple[str, str]]:
    """What is to follow the guest's own end, where QEMU alone cannot carry it: nobody waits for it to end."""
    if domain.on_poweroff in ("restart", "rename-restart"):
        yield f"on_poweroff={domain.on_poweroff}", "the guest ends: nobody is there to start it again"
    if domain.on_reboot in ("preserve", "coredump-destroy", "coredump-restart", "rename-restart"):
        yield f"on_reboot={domain.on_reboot}", "the guest restarts"
    if domain.on_crash in ("restart", "rename-restart"):
        yield f"on_crash={domain.on_crash}", "the guest ends: nobody is there to start it again"
    if domain.on_crash in ("coredump-destroy", "coredump-restart"):
        yield f"on_crash={domain.on_crash}", "the guest is kept, paused, so that 'dump' can save its memory"
