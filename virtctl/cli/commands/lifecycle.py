"""Commands that change what a guest does."""

from __future__ import annotations

from virtctl.cli.operands import Choice, Flag, command, domain
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting

MODES = ("acpi", "agent", "initctl", "signal", "paravirt")


def checked_modes(mode: str | None, last: str) -> str | None:
    """The modes, checked word by word. Raises VirtctlError."""
    for word in (mode or "acpi").split(","):
        if word not in MODES:
            raise VirtctlError(
                f"Unknown mode {word} value, expecting 'acpi', 'agent', 'initctl', 'signal'{last} 'paravirt'"
            )
    return mode


@command(
    domain(),
    Choice("mode", "how to ask: acpi, agent, initctl, signal or paravirt; several with commas", MODES),
)
def shutdown(session: Session, domain: str, mode: str | None) -> None:
    """Asks the guest's operating system to shut down. Whether and when it does is its own affair."""
    name = session.domain(domain).name
    mode = checked_modes(mode, ", or")
    with attempting(f"Failed to shutdown domain '{name}'"):
        session.changing("virDomainShutdown").shutdown(domain, mode)
    session.extra(f"Domain '{name}' is being shutdown\n")


@command(
    domain(),
    Choice("mode", "how to ask: acpi, agent, initctl, signal or paravirt; several with commas", MODES),
)
def reboot(session: Session, domain: str, mode: str | None) -> None:
    """Asks the guest's operating system to reboot."""
    name = session.domain(domain).name
    mode = checked_modes(mode, " or")
    with attempting(f"Failed to reboot domain '{name}'"):
        session.changing("virDomainReboot").reboot(domain, mode)
    session.extra(f"Domain '{name}' is being rebooted\n")


@command(domain())
def reset(session: Session, domain: str) -> None:
    """Restarts the guest at once, as the reset button of a machine does. What it had not written is lost."""
    name = session.domain(domain).name
    with attempting(f"Failed to reset domain '{name}'"):
        session.changing("virDomainReset").reset(domain)
    session.extra(f"Domain '{name}' was reset\n")


@command(
    domain(),
    Flag("graceful", "give QEMU time to write out what it holds, and fail if it does not end"),
    Flag("remove-logs", "remove the log of the domain as well"),
)
def destroy(session: Session, domain: str, graceful: bool, remove_logs: bool) -> None:
    """Ends the guest at once; its definition, disks and files stay."""
    name = session.domain(domain).name
    with attempting(f"Failed to destroy domain '{name}'"):
        session.changing("virDomainDestroy").destroy(domain, graceful=graceful)
    session.extra(f"Domain '{name}' destroyed\n")


@command(domain())
def suspend(session: Session, domain: str) -> None:
    """Stops the processors of a running guest. It keeps its memory, and `resume` lets it go on."""
    name = session.domain(domain).name
    with attempting(f"Failed to suspend domain '{name}'"):
        session.changing("virDomainSuspend").suspend(domain)
    session.extra(f"Domain '{name}' suspended\n")


@command(domain())
def resume(session: Session, domain: str) -> None:
    """Lets a guest go on that was suspended."""
    name = session.domain(domain).name
    with attempting(f"Failed to resume domain '{name}'"):
        session.changing("virDomainResume").resume(domain)
    session.extra(f"Domain '{name}' resumed\n")


@command(domain(), Flag("disable", "no longer start it with the host"))
def autostart(session: Session, domain: str, disable: bool) -> None:
    """Chooses whether a domain starts when the host does."""
    name = session.domain(domain).name
    un = "un" if disable else ""
    with attempting(f"Failed to {un}mark domain '{name}' as autostarted"):
        session.changing("virDomainSetAutostart").set_autostart(domain, not disable)
    session.extra(f"Domain '{name}' {un}marked as autostarted\n")
