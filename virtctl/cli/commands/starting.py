"""`start`, and what it shares with `create`."""

from __future__ import annotations

import sys

from virtctl.cli.operands import Flag, Text, command, domain
from virtctl.cli.session import Session
from virtctl.errors import NoDomain, NoSupport, VirtctlError, attempting
from virtctl.values import StartOptions


def refuse_descriptors(pass_fds: str | None) -> None:
    """--pass-fds has a meaning for containers only. Raises VirtctlError."""
    if pass_fds is None:
        return
    if not all(number.isdecimal() for number in pass_fds.split(",")):
        raise VirtctlError(f"Unable to parse FD number '{pass_fds}'")
    raise NoSupport("virDomainCreateWithFiles")


def destroy_at_end(session: Session, name: str) -> None:
    """--autodestroy: the guest ends with the connection."""

    def destroy() -> None:
        try:
            session.driver.destroy(name)
        except NoDomain:
            return  # it ended by itself, and was transient

    session.at_end(destroy)


def after_start(session: Session, name: str, *, console: bool, autodestroy: bool, resume: bool) -> None:
    """What --autodestroy and --console ask for; `resume` when the guest was held for the console."""
    if autodestroy:
        destroy_at_end(session, name)
    if console:
        from virtctl.cli.commands.console import open_console

        try:
            open_console(session, name, resume=resume)
        except VirtctlError:
            if resume:
                session.driver.resume(name)
            raise


def held_for_console(console: bool, paused: bool) -> bool:
    """Whether the guest shall wait until its console is connected, so that nothing it prints is missed."""
    return console and not paused and sys.stdin.isatty()


@command(
    domain("name of a domain that does not run"),
    Flag("console", "connect to its console afterwards"),
    Flag("paused", "leave its processors stopped"),
    Flag("autodestroy", "end the guest when this program ends"),
    Flag("bypass-cache", "read a saved image around the host's cache"),
    Flag("force-boot", "boot afresh, and forget a managed save"),
    Text("pass-fds", "open descriptors for the guest, N,M,..."),
    Flag("reset-nvram", "make the UEFI variables anew from their template"),
    Flag("dry-run", "print the command line of QEMU, and start nothing"),
)
def start(
    session: Session, domain: str, console: bool, paused: bool, autodestroy: bool, bypass_cache: bool,
    force_boot: bool, pass_fds: str | None, reset_nvram: bool, dry_run: bool,
) -> None:
    """Starts a defined domain: from its managed save if there is one, which is used up, else by booting."""
    name = session.domain(domain).name
    if dry_run:
        session.say(f"{session.driver.start_argv(domain)}\n")
        return
    if session.driver.id_of(domain) is not None:
        raise VirtctlError("Domain is already active")
    refuse_descriptors(pass_fds)
    held = held_for_console(console, paused)
    options = StartOptions(paused or held, autodestroy, bypass_cache, force_boot, reset_nvram)
    with attempting(f"Failed to start domain '{name}'"):
        session.changing("virDomainCreateWithFlags").start(domain, options)
    session.extra(f"Domain '{name}' started\n")
    after_start(session, name, console=console, autodestroy=autodestroy, resume=held)
