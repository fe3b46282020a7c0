"""Commands about the host and the connection."""

from __future__ import annotations

from virtctl.cli.about import LIBVIRT
from virtctl.cli.operands import Flag, command
from virtctl.cli.session import Session
from virtctl.errors import attempting

COLUMN = 21


@command(reports=True)
def hostname(session: Session) -> None:
    """Prints the name of the host."""
    with attempting("failed to get hostname"):
        name = session.driver.hostname()
    session.show({"hostname": name}, f"{name}\n")


@command(reports=True)
def uri(session: Session) -> None:
    """Prints the URI of the connection."""
    session.show({"uri": session.driver.uri}, f"{session.driver.uri}\n")


@command(reports=True)
def nodeinfo(session: Session) -> None:
    """Prints the processors and the memory of the host."""
    from virtctl.render.plain import pairs

    with attempting("failed to get node information"):
        node = session.driver.nodeinfo()
    fields = [
        ("CPU model", node.model),
        ("CPU(s)", str(node.cpus)),
        ("CPU frequency", f"{node.mhz} MHz"),
        ("CPU socket(s)", str(node.sockets)),
        ("Core(s) per socket", str(node.cores)),
        ("Thread(s) per core", str(node.threads)),
        ("NUMA cell(s)", str(node.nodes)),
        ("Memory size", f"{node.memory} KiB"),
    ]
    session.show(node._asdict(), pairs([field for field in fields if field != ("CPU frequency", "0 MHz")], COLUMN))


@command(Flag("daemon", "and of the daemon; there is none, so it is this program's"), reports=True)
def version(session: Session, daemon: bool) -> None:
    """Prints versions: of the libvirt whose behaviour this program follows, and of QEMU."""
    found = session.driver.versions()
    hypervisor = session.driver.uri.partition(":")[0].partition("+")[0].upper()
    number = ".".join(map(str, found.hypervisor)) if found.hypervisor else None
    text = (
        f"Compiled against library: libvirt {LIBVIRT}\nUsing library: libvirt {LIBVIRT}\n"
        f"Using API: {hypervisor} {LIBVIRT}\n"
    )
    text += f"Running hypervisor: {hypervisor} {number}\n" if number else (
        f"Cannot extract running {hypervisor} hypervisor version\n"
    )
    text += f"Running against daemon: {LIBVIRT}\n" if daemon else ""
    data = {"virtctl": found.own, "libvirt": LIBVIRT, "hypervisor": hypervisor, "hypervisor_version": number}
    session.show(data, text)
