"""What was done, and how to take it back."""

from __future__ import annotations

import time

from virtctl.cli.operands import Text, command, domain
from virtctl.cli.session import Session
from virtctl.errors import attempting

KEYS = ("what", "name", "command")


@command(domain(), reports=True)
def history(session: Session, domain: str) -> None:
    """Prints what was changed in a domain, when, and by which command; also of one that was undefined."""
    from virtctl.render.plain import Table

    entries = session.driver.history(domain)
    rows = [[moment(entry.get("when")), *(str(entry.get(key) or "") for key in KEYS)] for entry in entries]
    session.show_table(entries, Table(["When", *(key.capitalize() for key in KEYS)], rows))


def moment(when: object) -> str:
    """A time, as people here write it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when)) if isinstance(when, (int, float)) else ""


@command(Text("domain", "domain name, id or uuid; all when none is named", source="domain"), reports=True)
def recover(session: Session, domain: str | None) -> None:
    """Finishes or takes back work that was interrupted, and says what it did."""
    done = session.changing("virDomainRecover").recover(domain)
    session.show(done, "".join(f"{line}\n" for line in done))


@command(domain("name of a domain, or of one that was undefined"))
def undo(session: Session, domain: str) -> None:
    """Brings back the definition that was last changed or removed."""
    with attempting(f"Failed to undo the last change of '{domain}'"):
        defined = session.changing("virDomainUndo").undo(domain)
    session.extra(f"Domain '{defined.name}' is defined as before\n")
