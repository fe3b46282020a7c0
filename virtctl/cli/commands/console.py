"""`console`."""

from __future__ import annotations

import sys

from virtctl.cli.operands import Flag, Text, command, domain
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError


@command(
    domain(),
    Text("devname", "alias of the serial port, console or channel to talk to"),
    Flag("force", "end a session that others have with it"),
    Flag("safe", "only where two sessions cannot get in each other's way; ours never do"),
    Flag("resume", "let a paused guest go on once connected"),
)
def console(session: Session, domain: str, devname: str | None, force: bool, safe: bool, resume: bool) -> None:
    """Connects the terminal to a guest's serial console until the escape key is pressed or the guest ends."""
    session.domain(domain)
    open_console(session, domain, devname, force=force, safe=safe, resume=resume)


def open_console(
    session: Session, ref: str, device: str | None = None, *, force: bool = False, safe: bool = False,
    resume: bool = False,
) -> None:
    """Connects to a console. Raises VirtctlError."""
    name = session.domain(ref).name
    if session.driver.id_of(ref) is None:
        raise VirtctlError("The domain is not running")
    if not sys.stdin.isatty():
        raise VirtctlError("Cannot run interactive console without a controlling TTY")
    from virtctl.cli.console import Link, escape_byte, talk, unechoed

    driver = session.changing("virDomainOpenConsole")
    escape = session.settings.escape
    with Link(driver.console(ref, device, force=force, safe=safe), force=force) as link, unechoed():
        session.extra(f"Connected to domain '{name}'\nEscape character is {escape}")
        session.extra(f" (Ctrl + {escape[1]})\n" if len(escape) == 2 else "\n")
        session.out.flush()
        if resume and driver.state(ref).state == "paused":
            driver.resume(ref)
        talk(link, escape_byte(escape))
