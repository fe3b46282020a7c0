"""What the host offers to guests: capabilities, domcapabilities, nodememstats, freecell."""

from __future__ import annotations

from virtctl.cli.operands import Flag, Number, Text, command, exclusive
from virtctl.cli.session import Session
from virtctl.errors import attempting
from virtctl.values import WantedCapabilities


@command()
def capabilities(session: Session) -> None:
    """Prints what the host and its QEMU programs offer, as XML: processor, memory, kinds of guests, machine types."""
    with attempting("failed to get capabilities"):
        found = session.driver.capabilities()
    session.say(f"{found}\n")


@command(
    Text("virttype", "kind of virtualization: kvm or qemu"),
    Text("emulatorbin", "path of the QEMU program", source="file"),
    Text("arch", "architecture of the guest"),
    Text("machine", "machine type"),
)
def domcapabilities(
    session: Session, virttype: str | None, emulatorbin: str | None, arch: str | None, machine: str | None
) -> None:
    """Prints what a guest of one machine type can be given, as XML."""
    with attempting("failed to get emulator capabilities"):
        found = session.driver.domain_capabilities(WantedCapabilities(virttype, emulatorbin, arch, machine))
    session.say(f"{found}\n")


@command(Number("cell", "only of this NUMA cell"), reports=True)
def nodememstats(session: Session, cell: int | None) -> None:
    """Prints how much memory the host has, and how much of it is free."""
    with attempting("Unable to get number of memory stats"):
        found = session.driver.node_memory(cell)
    data = {name: value for name, value in found._asdict().items() if value is not None}
    session.show(data, "".join(f"{name:<7}: {value:>20} KiB\n" for name, value in data.items()))


@command(Number("cellno", "of this NUMA cell"), Flag("all", "of every cell", "everything"), reports=True)
def freecell(session: Session, cellno: int | None, everything: bool) -> None:
    """Prints how much memory of the host is free."""
    exclusive(all=everything, cellno=cellno is not None)
    driver = session.driver
    if not everything:
        free = driver.free_memory(cellno)
        session.show({"free": free}, f"{'Total' if cellno is None else cellno}: {free} KiB\n")
        return
    cells = {cell: driver.free_memory(cell) for cell in driver.cells()}
    lines = [f"{cell:5}: {free:10} KiB\n" for cell, free in cells.items()]
    total = f"--------------------\nTotal: {sum(cells.values()):10} KiB\n"
    session.show({str(cell): free for cell, free in cells.items()}, "".join(lines) + total)
