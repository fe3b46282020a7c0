"""Processors that the document calls hot-pluggable: they come after those that the machine starts with."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.cpu import Topology
from virtctl.domain.domain import Domain
from virtctl.qemu.board import arch_of
from virtctl.qemu.processor import cpu_model


def hot_processors(domain: Domain) -> Iterator[Opt]:
    """A `-device` for each, in the document's order; libvirt plugs them in over the monitor before the guest runs."""
    topology = (domain.cpu.topology if domain.cpu else None) or Topology(sockets=domain.vcpu or 1, cores=1, threads=1)
    suffix = "i386-cpu" if arch_of(domain) == "i686" else "x86_64-cpu"
    wanted = [one for one in domain.vcpus if one.enabled and one.hotpluggable]
    for one in sorted(wanted, key=lambda one: (one.order or 0, one.id)):
        rest, thread = divmod(one.id, topology.threads)
        rest, core = divmod(rest, topology.cores)
        socket, die = divmod(rest, topology.dies)
        place: list[tuple[str, Value]] = [("socket-id", socket), ("die-id", die), ("core-id", core),
                                          ("thread-id", thread)]
        yield Opt("device", props(f"{cpu_model(domain)}-{suffix}", [("id", f"vcpu{one.id}"), *place]))
