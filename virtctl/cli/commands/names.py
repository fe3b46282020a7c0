"""Commands that turn one way of naming a domain into another."""

from __future__ import annotations

import re

from virtctl.cli.operands import command, domain
from virtctl.cli.report import LookupFailed
from virtctl.cli.session import Session

_UUID = re.compile(r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}")


@command(domain("domain name or uuid"), reports=True)
def domid(session: Session, domain: str) -> None:
    """Prints the id of a running guest, `-` for one that does not run."""
    found = session.domain(domain)
    if found.name != domain and not _UUID.fullmatch(domain):
        raise LookupFailed(domain)
    number = session.driver.id_of(domain)
    session.show({"id": number}, f"{'-' if number is None else number}\n")


@command(domain("domain id or uuid"), reports=True)
def domname(session: Session, domain: str) -> None:
    """Prints the name of a domain."""
    found = session.domain(domain)
    if not (domain.strip().lstrip("+").isdecimal() or _UUID.fullmatch(domain)):
        raise LookupFailed(domain)
    session.show({"name": found.name}, f"{found.name}\n")


@command(domain("domain id or name"), reports=True)
def domuuid(session: Session, domain: str) -> None:
    """Prints the UUID of a domain."""
    session.domain(domain)
    uuid = session.driver.uuid_of(domain)
    session.show({"uuid": uuid}, f"{uuid}\n")
