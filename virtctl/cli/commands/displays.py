"""Where a guest can be seen."""

from __future__ import annotations

from virtctl.cli.operands import Choice, Flag, command, domain
from virtctl.cli.report import Failed
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError

TYPES = ("vnc", "spice", "rdp", "dbus")


@command(domain(), reports=True)
def ttyconsole(session: Session, domain: str) -> None:
    """Prints the terminal device of the guest's console."""
    session.domain(domain)
    path = session.driver.ttyconsole(domain) if session.driver.id_of(domain) is not None else None
    if path is None:
        raise Failed  # virsh says nothing here
    session.show({"tty": path}, f"{path}\n")


@command(domain(), reports=True)
def vncdisplay(session: Session, domain: str) -> None:
    """Prints address and number of the VNC display, for a viewer."""
    running(session, domain)
    display = session.driver.vncdisplay(domain)
    session.show({"display": display}, f"{display}\n")


@command(
    domain(),
    Flag("include-password", "with the password, where there is one"),
    Choice("type", "which display: vnc, spice, rdp or dbus", TYPES),
    Flag("all", "every display"),
    reports=True,
)
def domdisplay(session: Session, domain: str, include_password: bool, type: str | None, all: bool) -> None:
    """Prints the URI of the graphical display, for a viewer."""
    running(session, domain)
    found = session.driver.displays(domain, type=type, include_password=include_password)
    if not found:
        raise VirtctlError(
            f"No graphical display with type '{type}' found" if type else "No graphical display found"
        )
    shown = found if all else found[:1]
    session.show({"displays": shown}, "".join(f"{uri}\n" for uri in shown) if all else shown[0])


def running(session: Session, ref: str) -> None:
    """Refuses a domain that does not run. Raises VirtctlError."""
    session.domain(ref)
    if session.driver.id_of(ref) is None:
        raise VirtctlError("Domain is not running")
