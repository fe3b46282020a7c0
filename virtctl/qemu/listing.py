"""What `list`, `domstate`, `domid` and `dominfo` show. Nothing here reads XML with a parser: it has to be quick."""

from __future__ import annotations

import re
from pathlib import Path

from virtctl.errors import VirtctlError
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.state import status as statuses
from virtctl.state.status import Status
from virtctl.values import DomainInfo, DomainRow, ListFilter

LIST_DEADLINE = 0.1  # seconds for all guests together
_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_FIELDS = {"os": re.compile(r"<type\b[^>]*>(\w+)</type>"), "vcpu": re.compile(r"<vcpu\b([^>]*)>\s*(\d+)\s*</vcpu>"),
           "memory": re.compile(r"<memory\b[^>]*unit='KiB'[^>]*>\s*(\d+)"),
           "current": re.compile(r"<currentMemory\b[^>]*unit='KiB'[^>]*>\s*(\d+)")}
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&apos;": "'", "&quot;": '"', "&amp;": "&"}


def states_of(context: Context, running: list[Status]) -> dict[str, tuple[str, str, bool]]:
    """State, reason and staleness of each running guest by uuid; all are asked at once, with one short deadline."""
    found: dict[str, tuple[str, str, bool]] = {}

    def ask(status: Status) -> None:
        found[status.uuid] = _ask(context, status)

    if len(running) < 2:
        for status in running:
            ask(status)
        return found
    import threading

    threads = [threading.Thread(target=ask, args=(status,), daemon=True) for status in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * LIST_DEADLINE)
    return {status.uuid: found.get(status.uuid, _recorded(status)) for status in running}


def _recorded(status: Status) -> tuple[str, str, bool]:
    """What is known without asking: a guest that is being started stands still, and nothing else can be said of it."""
    if status.facts.get("starting"):
        return "paused", "starting up", False
    return status.state, status.reason, True


def _ask(context: Context, status: Status) -> tuple[str, str, bool]:
    from virtctl.qemu.lifecycle import ask

    if status.facts.get("starting"):
        return _recorded(status)
    try:
        return (*ask(Guest(context, status), LIST_DEADLINE), False)
    except VirtctlError:
        return _recorded(status)


def rows(context: Context, wanted: ListFilter, *, titles: bool = False) -> list[DomainRow]:
    """Running guests by id, then the others by name."""
    running = context.running()
    defined = set(context.store.names())
    marks = _Marks(context, defined, titles)
    shown: list[DomainRow] = []
    if wanted.active:
        states = states_of(context, running)
        shown += [marks.running_row(status, *states[status.uuid]) for status in running]
    if wanted.inactive:
        names = defined - {status.name for status in running}
        broken = _broken(context, names) if wanted.inactive else set()
        shown += [marks.idle_row(name) for name in sorted(names - broken, key=lambda name: (name.lower(), name))]
    return [row for row in shown if _matches(row, wanted)]


def _broken(context: Context, names: set[str]) -> set[str]:
    """Definitions that no command can use; each is warned of once."""
    usable = {entry.name for entry in context.store.entries()}
    for text in context.store.warnings:
        context.warn(text)
    context.store.warnings.clear()
    return names - usable


def _matches(row: DomainRow, wanted: ListFilter) -> bool:
    pairs = ((wanted.persistent, row.persistent), (wanted.autostart, row.autostart),
             (wanted.managed_save, row.managed_save), (wanted.snapshots, row.snapshots > 0),
             (wanted.checkpoints, row.checkpoints > 0))
    if any(asked is not None and asked != found for asked, found in pairs):
        return False
    return not wanted.states or row.state in wanted.states


class _Marks:
    """The facts about many domains that one reading of a folder answers."""

    def __init__(self, context: Context, defined: set[str], titles: bool) -> None:
        self.context = context
        self.defined = defined
        self.titles = titles
        self.autostarted = context.store.autostarted()
        self.saved = context.store.managed_saves()
        self.uuids = {entry.name: entry.uuid for entry in context.store.entries()}

    def running_row(self, status: Status, state: str, reason: str, stale: bool) -> DomainRow:
        """The row of a running guest."""
        return DomainRow(status.name, status.uuid, status.id, state, reason, status.name in self.defined,
                         status.name in self.autostarted, status.name in self.saved,
                         title=self._title(status.name, status), stale=stale)

    def idle_row(self, name: str) -> DomainRow:
        """The row of a domain that does not run."""
        uuid = self.uuids.get(name, "")
        ended = statuses.last_end(self.context.paths, uuid)
        return DomainRow(name, uuid, None, ended.state, ended.reason, True, name in self.autostarted,
                         name in self.saved, title=self._title(name, None))

    def _title(self, name: str, status: Status | None) -> str:
        if not self.titles:
            return ""
        try:
            text = Guest(self.context, status).live_text() if status else self.context.store.load(name).decode()
        except (VirtctlError, UnicodeDecodeError):
            return ""
        found = _TITLE.search(text)
        return _plain(found[1]) if found else ""


def _plain(text: str) -> str:
    for entity, letter in _ENTITIES.items():
        text = text.replace(entity, letter)
    return text


def info(context: Context, target: Target) -> DomainInfo:
    """`dominfo`: the definition's numbers are in the canonical text that we wrote ourselves."""
    from virtctl.qemu.lifecycle import current_state

    state, _, _ = current_state(context, target)
    status = target.status
    text = Guest(context, status).live_text() if status else context.store.load(target.name).decode()
    memory = _number(text, "memory")
    vcpu = _FIELDS["vcpu"].search(text)
    kind = _FIELDS["os"].search(text)
    current = re.search(r"current='(\d+)'", vcpu[1]) if vcpu else None
    cpus = int(current[1]) if current else int(vcpu[2]) if vcpu else 1
    return DomainInfo(
        id=status.id if status else None, name=target.name, uuid=target.uuid, os_type=kind[1] if kind else "hvm",
        state=state, cpus=cpus, cpu_time=_cpu_time(status.pid) if status else None, max_memory=memory,
        used_memory=_number(text, "current") or memory, persistent=target.persistent,
        autostart=context.store.autostart(target.name), managed_save=context.store.has_managed_save(target.name),
        messages=tuple(status.facts.get("messages", ())) if status else (),
        log_losses=_log_losses(context, status) if status else ())


def _log_losses(context: Context, status: Status) -> tuple[str, ...]:
    """What log files of a running guest miss. It is a warning, too: virsh's `dominfo` has no line for it."""
    if not status.facts.get("logs"):
        return ()
    from virtctl.qemu.logkeeping import unkept
    from virtctl.state import logreport

    lines = logreport.lines(statuses.folder(context.paths, status.uuid))
    if unkept(status):
        lines.append(f"the log keeper of domain '{status.name}' has ended; the next command that changes the domain "
                     "starts it again")
    for line in lines:
        context.warn(line)
    return tuple(lines)


def _number(text: str, name: str) -> int:
    found = _FIELDS[name].search(text)
    return int(found[1]) if found else 0


def _cpu_time(pid: int) -> int:
    """Processor time of the process in nanoseconds: user and system (fields 14 and 15 of /proc/PID/stat, ticks)."""
    import os

    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")
