"""What a guest does and is: domstate, dominfo."""

from __future__ import annotations

from virtctl.cli.operands import Flag, command, domain
from virtctl.cli.report import LookupFailed
from virtctl.cli.session import Session
from virtctl.errors import NoDomain
from virtctl.values import DomainInfo

COLUMN = 16


@command(domain(), Flag("reason", "and why"), reports=True)
def domstate(session: Session, domain: str, reason: bool) -> None:
    """Prints the state of a domain: running, paused, shut off... and nothing else: what it repaired on the way is in
    the domain's `history`.
    """
    session.silent = True  # Pacemaker's agent reads both streams as one and takes any other word for an unknown state
    try:
        found = session.driver.state(domain)
    except NoDomain as error:
        raise LookupFailed(domain) from error
    session.show(found._asdict(), f"{found.state} ({found.reason})\n" if reason else f"{found.state}\n")


@command(domain(), reports=True)
def dominfo(session: Session, domain: str) -> None:
    """Prints the most important facts about a domain."""
    try:
        found = session.driver.info(domain)
    except NoDomain as error:
        raise LookupFailed(domain) from error
    from virtctl.render.plain import pairs

    session.show(found._asdict(), pairs(lines(found), COLUMN))


def lines(info: DomainInfo) -> list[tuple[str, str]]:
    """The lines of dominfo, in virsh's order."""
    found = [
        ("Id", "-" if info.id is None else str(info.id)),
        ("Name", info.name),
        ("UUID", info.uuid),
        ("OS Type", info.os_type),
        ("State", info.state),
        ("CPU(s)", str(info.cpus)),
        ("CPU time", f"{(info.cpu_time or 0) / 1e9:.1f}s"),
        ("Max memory", f"{info.max_memory} KiB"),
        ("Used memory", f"{info.used_memory} KiB"),
        ("Persistent", "yes" if info.persistent else "no"),
        ("Autostart", "enable" if info.autostart else "disable"),
        ("Managed save", "yes" if info.managed_save else "no"),
        ("Security model", info.security_model),
        ("Security DOI", info.security_doi),
    ]
    if not info.cpu_time:
        found.remove(("CPU time", "0.0s"))
    if info.security_label:
        found.append(("Security label", info.security_label))
    for number, message in enumerate(info.messages):
        found.append(("Messages", message) if number == 0 else ("", message))
    return found
