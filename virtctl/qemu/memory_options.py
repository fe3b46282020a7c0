"""`-m` and memory backends. The blocks are named as libvirt names them, so that saved images fit."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, json_opt, props
from virtctl.domain.devices.memory import MemoryDevice
from virtctl.domain.domain import Domain
from virtctl.domain.memory import MemoryBacking
from virtctl.domain.numa import Cell
from virtctl.errors import InternalError
from virtctl.qemu.plan import Plan

SYSTEM_PAGE = 4  # KiB
MODULE_ALIGNMENT = 2048  # KiB; libvirt's for memory modules
_POLICIES = {"strict": "bind", "preferred": "preferred", "interleave": "interleave"}


def round_up(size: int, step: int = 1024) -> int:
    """KiB rounded up to whole MiB, as libvirt gives memory to QEMU: the block's size is part of a saved image."""
    return -(-size // step) * step


def memory_options(plan: Plan) -> Iterator[Opt]:
    """Everything about the guest's memory that stands before the devices."""
    domain = plan.domain
    numa = domain.cpu.numa if domain.cpu else None
    cells = numa.cells if numa is not None else []
    size = sum(round_up(cell.memory or 0) for cell in cells) if cells else round_up(initial_memory(domain))
    slots: list[tuple[str, Value]] = []
    if domain.max_memory is not None:
        slots = [("slots", domain.max_memory_slots), ("maxmem", f"{round_up(domain.max_memory)}k")]
    yield Opt("m", props(None, [("size", f"{size}k"), *slots]))
    if not cells:
        yield Backend(plan, "pc.ram", size).option(system=True)
    yield Opt("overcommit", props(None, [("mem-lock", bool(domain.memory_backing and domain.memory_backing.locked))]))


def initial_memory(domain: Domain) -> int:
    """KiB of the memory that is there without any module."""
    modules = domain.devices.all(MemoryDevice) if domain.devices else []
    return (domain.memory or 0) - sum(module.size or 0 for module in modules)


class Backend:
    """A piece of memory: of the whole guest, of a NUMA cell, or behind a module. `size` in KiB."""

    def __init__(self, plan: Plan, name: str, size: int, *, cell: Cell | None = None,
                 module: MemoryDevice | None = None) -> None:
        self.plan = plan
        self.name = name
        self.size = size
        self.module = module
        self.backing = plan.domain.memory_backing or MemoryBacking()
        self.node = cell.id if cell is not None else module.node if module is not None else None
        own_access = cell.access if cell is not None else module.access if module is not None else None
        own_discard = cell.discard if cell is not None else module.discard if module is not None else None
        self.access = own_access or self.backing.access
        self.discard = bool(self.backing.discard if own_discard is None else own_discard)
        self.page = self._page_size()
        self.path = module.path if module is not None else None

    def _page_size(self) -> int | None:
        """KiB of the huge pages to use, 0 for the host's default ones, None for ordinary pages."""
        if self.module is not None and self.module.pagesize:
            return None if self.module.pagesize == SYSTEM_PAGE else self.module.pagesize
        pages = self.backing.hugepages
        if pages is None:
            return None
        if not pages.pages:
            return 0
        chosen = next((page for page in pages.pages if page.nodeset and self.node in page.nodeset), None)
        chosen = chosen or next((page for page in pages.pages if page.nodeset is None), None)
        return None if chosen is None or chosen.size == SYSTEM_PAGE else chosen.size

    @property
    def kind(self) -> str:
        """QEMU's type of the object."""
        if self.backing.source == "memfd" and not self.path:
            return "memory-backend-memfd"
        if self.page is not None or self.path or self.access or self.backing.source == "file":
            return "memory-backend-file"
        return "memory-backend-ram"

    @property
    def special(self) -> bool:
        """Whether a mere size would not do."""
        return self.kind != "memory-backend-ram" or bool(self._nodes())

    @property
    def prealloc(self) -> bool:
        """Whether all of it is allocated at start."""
        if self.backing.allocation == "immediate":
            return True
        if self.kind == "memory-backend-memfd":
            return False
        if self.path:
            return self.module is not None and not self.module.pmem and self.module.model != "virtio-pmem"
        return self.page is not None

    def option(self, *, system: bool = False) -> Opt:
        """The `-object`. `system`: it is the machine's own memory, whose name must not depend on its place."""
        found: dict[str, object] = {"qom-type": self.kind, "id": self.name}
        found |= self._file() if self.kind == "memory-backend-file" else self._memfd()
        if self.kind != "memory-backend-ram":
            if self.access is not None:
                found["share"] = self.access == "shared"
            if system:
                found["x-use-canonical-path-for-ramblock-id"] = False
        virtio_mem = self.module is not None and self.module.model == "virtio-mem"
        if virtio_mem:
            found["reserve"] = False
        if self.prealloc and not virtio_mem:
            found["prealloc"] = True
            if self.backing.threads:
                found["prealloc-threads"] = self.backing.threads
        found["size"] = self.size * 1024
        return json_opt("object", {**found, **self._module(), **self._nodes()})

    def _file(self) -> dict[str, object]:
        path = self.path or (self.plan.ram_folder if self.page is None else self._huge_folder(self.page))
        return {"mem-path": path, **({"discard-data": True} if self.discard else {})}

    def _memfd(self) -> dict[str, object]:
        if self.kind == "memory-backend-ram" or self.page is None:
            return {}
        return {"hugetlb": True, "hugetlbsize": (self.page or self.plan.huge_page_default) * 1024}

    def _huge_folder(self, page: int) -> str:
        if not self.plan.hugetlbfs:
            raise InternalError("hugetlbfs filesystem is not mounted or disabled by administrator config")
        folder = self.plan.hugetlbfs.get(page or self.plan.huge_page_default)
        if folder is None:
            raise InternalError(f"Unable to find any usable hugetlbfs mount for {page} KiB")
        return folder

    def _module(self) -> dict[str, object]:
        module = self.module
        if module is None:
            return {}
        found: dict[str, object] = {"align": module.alignsize * 1024} if module.alignsize else {}
        if module.pmem:
            found["pmem"] = True
        return found

    def _nodes(self) -> dict[str, object]:
        """The host nodes that it must come from. `restrictive` is a matter of control groups."""
        if self.module is not None and self.module.nodemask:
            return {"host-nodes": sorted(self.module.nodemask), "policy": self._policy()}
        tune = self.plan.domain.numatune
        if tune is None:
            return {}
        nodeset, mode = tune.nodeset, tune.mode or "strict"
        for node in tune.nodes:
            if node.cellid == self.node and self.node is not None:
                nodeset, mode = node.nodeset, node.mode or "strict"
        if not nodeset or mode not in _POLICIES:
            return {}
        return {"host-nodes": sorted(nodeset), "policy": _POLICIES[mode]}

    def _policy(self) -> str:
        tune = self.plan.domain.numatune
        return _POLICIES.get((tune.mode if tune else None) or "strict", "bind")
