"""What the guest's NUMA cells leave open, and what refers to them."""

from __future__ import annotations

from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.memory import HugePage
from virtctl.domain.numa import Cell
from virtctl.errors import InternalError, XmlDetail, XmlError


def cells_of(domain: Domain) -> list[Cell]:
    """The guest's NUMA cells."""
    return domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []


def claims(domain: Domain, host: Host) -> None:
    """Cells can claim only processors that there are."""
    count = domain.vcpu or 1
    claimed = [number for cell in cells_of(domain) for number in cell.cpus or ()]
    if len(claimed) > count:
        raise InternalError("Number of CPUs in <numa> exceeds the <vcpu> count")
    if claimed and max(claimed) >= count:
        raise InternalError("CPU IDs in <numa> exceed the <vcpu> count")


def spare_processors(domain: Domain, host: Host) -> None:
    """Processors that no cell claims belong to the first."""
    cells = cells_of(domain)
    if cells:
        claimed = frozenset().union(*(cell.cpus or frozenset() for cell in cells))
        spare = frozenset(range(domain.vcpu or 1)) - claimed
        if spare:
            cells[0].cpus = (cells[0].cpus or frozenset()) | spare


def _pages(domain: Domain) -> list[HugePage]:
    backing = domain.memory_backing
    return backing.hugepages.pages if backing and backing.hugepages else []


def huge_pages(domain: Domain, host: Host) -> None:
    """Without cells, pages for cell 0 are pages for all."""
    for page in _pages(domain):
        if page.nodeset is not None and not cells_of(domain) and page.nodeset == {0}:
            page.nodeset = None


def page_sizes(domain: Domain, host: Host) -> None:
    """Only one size may be meant for everything."""
    masters: list[HugePage] = []
    for page in _pages(domain):
        if page.size == 0:
            raise XmlDetail("hugepage size can't be zero")
        if page.nodeset is None:
            masters.append(page)
        if len(masters) > 1:
            raise XmlDetail(f"two master hugepages detected: {masters[1].size} and {masters[0].size}")


def page_cells(domain: Domain, host: Host) -> None:
    """A cell that pages are for must be there."""
    count = len(cells_of(domain))
    for page in _pages(domain):
        beyond = [number for number in sorted(page.nodeset or ()) if number >= count]
        if beyond:
            raise XmlDetail(f"hugepages: node {beyond[0]} not found")


def memory_nodes(domain: Domain, host: Host) -> None:
    """Cells that numatune names must be there, once."""
    nodes = domain.numatune.nodes if domain.numatune else []
    cells = cells_of(domain)
    if nodes and not cells:
        raise XmlError("Element 'memnode' is invalid without any guest NUMA cells")
    strict = domain.numatune.mode if domain.numatune else None
    for place, node in enumerate(nodes):
        if node.cellid >= len(cells):
            raise XmlError("Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell")
        if node.cellid in [other.cellid for other in nodes[:place]]:
            raise XmlError(f"Multiple memnode elements with cellid {node.cellid}")
        if strict == "restrictive" and node.mode != "restrictive":
            raise XmlError("'restrictive' mode is required in memnode element when mode is 'restrictive' "
                           "in memory element")
