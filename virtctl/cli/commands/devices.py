"""Disks and network interfaces of a domain."""

from __future__ import annotations

from virtctl.cli.operands import Flag, command, domain
from virtctl.cli.session import Session
from virtctl.render.plain import Table


@command(
    domain(),
    Flag("inactive", "those of the definition, not of the running guest"),
    Flag("details", "and what kind each is"),
    reports=True,
)
def domblklist(session: Session, domain: str, inactive: bool, details: bool) -> None:
    """Prints the disks of a domain, and where each lies."""
    session.domain(domain)
    rows = session.driver.block_rows(domain, inactive=inactive)
    headings = ["Type", "Device", "Target", "Source"] if details else ["Target", "Source"]
    cells = [[*([row.type, row.device] if details else []), row.target, row.source or "-"] for row in rows]
    session.show_table([row._asdict() for row in rows], Table(headings, cells))


@command(domain(), Flag("inactive", "those of the definition, not of the running guest"), reports=True)
def domiflist(session: Session, domain: str, inactive: bool) -> None:
    """Prints the network interfaces of a domain."""
    session.domain(domain)
    rows = session.driver.interface_rows(domain, inactive=inactive)
    cells = [[row.interface or "-", row.type, row.source or "-", row.model or "-", row.mac] for row in rows]
    session.show_table(
        [row._asdict() for row in rows], Table(["Interface", "Type", "Source", "Model", "MAC"], cells)
    )
