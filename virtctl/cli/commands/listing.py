"""`list`."""

from __future__ import annotations

from virtctl.cli.operands import Flag, command, exclusive
from virtctl.cli.session import Session
from virtctl.values import DomainRow, ListFilter

STATE_OPTIONS = {"state_running": "running", "state_paused": "paused", "state_shutoff": "shut off"}
OTHER_STATES = frozenset({"no state", "idle", "blocked", "in shutdown", "crashed", "pmsuspended", "dying"})

FLAGS = (
    Flag("inactive", "those that do not run"),
    Flag("all", "those that run and those that do not"),
    Flag("transient", "those without a definition"),
    Flag("persistent", "those with a definition"),
    Flag("with-snapshot", "those with a snapshot"),
    Flag("without-snapshot", "those without a snapshot"),
    Flag("with-checkpoint", "those with a checkpoint"),
    Flag("without-checkpoint", "those without a checkpoint"),
    Flag("state-running", "those that are running"),
    Flag("state-paused", "those that are paused"),
    Flag("state-shutoff", "those that are shut off"),
    Flag("state-other", "those in any other state"),
    Flag("autostart", "those that start with the host"),
    Flag("no-autostart", "those that do not start with the host"),
    Flag("with-managed-save", "those with a managed save"),
    Flag("without-managed-save", "those without a managed save"),
    Flag("uuid", "only UUIDs"),
    Flag("name", "only names"),
    Flag("id", "only ids"),
    Flag("table", "a table, as if nothing was said"),
    Flag("managed-save", "call the state of those with a managed save 'saved'"),
    Flag("title", "and their titles"),
)


@command(*FLAGS, reports=True)
def list_domains(session: Session, **given: bool) -> None:
    """Prints the domains that run, or those that the options select."""
    if given["table"]:
        exclusive(table=True, name=given["name"])
        exclusive(table=True, uuid=given["uuid"])
        exclusive(table=True, id=given["id"])
    rows = session.driver.rows(wanted(given), titles=given["title"] or session.format != "table")
    if session.format == "table" and (given["name"] or given["uuid"] or given["id"]):
        session.say("".join(bare(row, given) for row in rows))
        return
    from virtctl.render.plain import Table

    headings = ["Id", "Name", "State", *(["Title"] if given["title"] else [])]
    session.show_table([row._asdict() for row in rows], Table(headings, [cells(row, given) for row in rows]))


def wanted(given: dict[str, bool]) -> ListFilter:
    """What the options select. Two that contradict each other cancel out, as in virsh."""
    inactive = given["inactive"] or given["state_shutoff"]
    states = {word for option, word in STATE_OPTIONS.items() if given[option]}
    if given["state_other"]:
        states |= OTHER_STATES
    return ListFilter(
        active=given["all"] or not inactive,
        inactive=given["all"] or inactive,
        persistent=either(given["persistent"], given["transient"]),
        autostart=either(given["autostart"], given["no_autostart"]),
        managed_save=either(given["with_managed_save"], given["without_managed_save"]),
        snapshots=either(given["with_snapshot"], given["without_snapshot"]),
        checkpoints=either(given["with_checkpoint"], given["without_checkpoint"]),
        states=frozenset(states),
    )


def either(yes: bool, no: bool) -> bool | None:
    """True or False when exactly one was asked for."""
    return None if yes == no else yes


def state(row: DomainRow, given: dict[str, bool]) -> str:
    """The state to show."""
    saved = given["managed_save"] and row.managed_save and row.id is None
    return "saved" if saved else row.state


def cells(row: DomainRow, given: dict[str, bool]) -> list[str]:
    """One line of the table."""
    found = ["-" if row.id is None else str(row.id), row.name, state(row, given)]
    return [*found, row.title] if given["title"] else found


def bare(row: DomainRow, given: dict[str, bool]) -> str:
    """One line of --uuid, --id, --name: virsh leaves out a dash that would stand alone."""
    number = [] if row.id is None and not (given["name"] or given["uuid"]) else [number_of(row)]
    parts = [
        *([row.uuid] if given["uuid"] else []),
        *(number if given["id"] else []),
        *([row.name] if given["name"] else []),
    ]
    return f"{' '.join(parts)}\n" if parts else ""


def number_of(row: DomainRow) -> str:
    """The id, `-` for a domain that does not run."""
    return "-" if row.id is None else str(row.id)
