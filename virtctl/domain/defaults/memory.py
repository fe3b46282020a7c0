"""Sizes of memory that follow from each other."""

from __future__ import annotations

from virtctl.domain.devices.address import DimmAddress
from virtctl.domain.devices.memory import MemoryDevice
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import InternalError, UnsupportedConfig, XmlError


def memory(domain: Domain, host: Host) -> None:
    """The NUMA cells and modules decide the total where there are any; the balloon begins full."""
    modules = sum(module.size or 0 for module in domain.devices.all(MemoryDevice)) if domain.devices else 0
    cells = domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []
    in_cells = sum(cell.memory for cell in cells)
    if in_cells:
        domain.memory = in_cells + modules
    elif modules > (domain.memory or 0):
        raise XmlError("Total size of memory devices exceeds the total memory size")
    total = domain.memory or 0
    if total - modules == 0:
        raise XmlError("Memory size must be specified via <memory> or in the <numa> configuration")
    if not domain.current_memory or domain.current_memory > total:
        domain.current_memory = total
    if bool(domain.max_memory) != bool(domain.max_memory_slots):
        raise XmlError("both maximum memory size and memory slot count must be specified")
    if domain.max_memory and domain.max_memory < total:
        raise XmlError("maximum memory size must be equal or greater than the actual memory size")


def module_slots(domain: Domain, host: Host) -> None:
    """Memory modules without a slot get the lowest free ones."""
    found = domain.devices.all(MemoryDevice) if domain.devices else []
    modules = [module for module in found if module.model in ("dimm", "nvdimm")]
    count = domain.max_memory_slots or 0
    if count == 0:
        return  # refused later, by the rule that modules need slots
    taken = _taken(modules, count)
    for module in modules:
        if module.address is None:
            free = next((slot for slot in range(count) if slot not in taken), None)
            if free is None:
                raise InternalError("failed to find an empty memory slot")
            module.address = DimmAddress(slot=free)
            taken.add(free)


def _taken(modules: list[MemoryDevice], count: int) -> set[int]:
    taken: set[int] = set()
    for module in modules:
        if not isinstance(module.address, DimmAddress):
            continue
        slot = module.address.slot
        if slot >= count:
            raise UnsupportedConfig(f"memory device slot '{slot}' exceeds slots count '{count}'")
        if slot in taken:
            raise UnsupportedConfig(f"memory device slot '{slot}' is already being used by another memory device")
        taken.add(slot)
    return taken
