"""Taking over running QEMUs of ours whose runtime folder was wiped: their record and document are made anew.

What the guest was started as and a copy of its record lie in `Paths.running` as well, which a cleaner of /run does not
reach; where they are gone too, the stored definition and QEMU's own answers have to do. The machine-readable monitor's
socket is out of its reach as well and gets its link again.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from virtctl.errors import OperationFailed, OperationTimeout, VirtctlError
from virtctl.qemu import monitorsocket, process
from virtctl.qemu.context import Context
from virtctl.qemu.guest import LIVE_FILE, Guest
from virtctl.qemu.privilege import account_facts
from virtctl.qemu.process import Stray
from virtctl.state import liveness
from virtctl.state import status as statuses
from virtctl.state.atomic import make_dir, read_file, write_file
from virtctl.state.lock import DomainLock
from virtctl.state.names import identify
from virtctl.state.status import PIDFILE, Status

_MAX_LOG = 4 << 20
_ID = re.compile(rb"\A(\s*<domain[^<>]* id=')\d+'")


def find_again(context: Context, uuids: list[str]) -> list[Status]:
    """The guests among `uuids` that still run, adopted; of the others every trace is removed."""
    strays = {stray.uuid: stray for stray in process.find_strays(context.paths.runtime, work=context.paths.work)}
    found = []
    for uuid in uuids:
        try:
            with DomainLock(context.paths, uuid, command=context.command, timeout=0):
                known = statuses.load(context.paths, uuid)
                if known is not None:
                    found += [known] if statuses.is_running(known) else []
                elif uuid in strays:
                    found.append(adopt(context, strays[uuid]))
                else:
                    statuses.clear(context.paths, uuid)
        except OperationTimeout:
            continue
        except VirtctlError as error:
            context.warn(f"domain {uuid} runs, and what is known of it was lost: {error}")
    return found


def adopt(context: Context, stray: Stray) -> Status:
    """Makes record and document of a running guest anew. The caller holds the domain's lock."""
    from virtctl.qemu import verbs
    from virtctl.qemu.lifecycle import translate

    pid = stray.identity.pid
    text = _kept_text(context, stray.uuid)
    place = statuses.folder(context.paths, stray.uuid)
    make_dir(context.paths.runtime)
    make_dir(place)
    guest = Guest(context, _record_of(context, stray, text))
    monitorsocket.link(context.paths, stray.uuid, place)
    with guest.monitor() as monitor:
        found = verbs.status(monitor)
        version = ".".join(map(str, verbs.version(monitor)))
    if text is None:
        from virtctl.qemu.rebuilding import rebuilt_text

        text = rebuilt_text(guest).encode()
    status = guest.status
    text = _ID.sub(b"\\g<1>%d'" % status.id, text, count=1)
    write_file(place / LIVE_FILE, text, sync=False)
    if guest.account is None:
        write_file(place / PIDFILE, b"%d\n" % pid, sync=False)  # QEMU removes it when it ends in good order
    state, reason = translate(status, found.running, found.reason)
    guest.status = status._replace(state=state, reason=reason, qemu_version=version)
    _take_jobs(guest)
    statuses.save(context.paths, guest.status)
    context.warn(f"domain '{status.name}' runs as process {pid}, and its runtime folder was gone: it was made anew")
    return guest.status


def _record_of(context: Context, stray: Stray, text: bytes | None) -> Status:
    """Its record, from the copy that is kept elsewhere or from what the process and the definitions tell."""
    pid, paths = stray.identity.pid, context.paths
    kept = statuses.load_copy(paths, stray.uuid, pid, stray.identity.start_time)
    if kept is not None:
        taken = any(kept.id == other.id for other in statuses.all_statuses(paths))
        facts = {key: value for key, value in kept.facts.items() if key != "starting"}
        return kept._replace(id=statuses.allocate_id(paths) if taken else kept.id,
                             pty=_monitor_pty(context, pid, kept.name), persistent=context.store.exists(kept.name),
                             facts={**facts, "adopted": True})
    name = identify(text).name if text is not None else context.store.name_of(stray.uuid) or _name_of(pid)
    return Status(name=name, uuid=stray.uuid, id=statuses.allocate_id(paths), pid=pid, reason="unknown",
                  start_time=stray.identity.start_time, boot_id=liveness.boot_id(),
                  pty=_monitor_pty(context, pid, name), persistent=context.store.exists(name),
                  emulator=os.readlink(f"/proc/{pid}/exe"), facts={"adopted": True} | account_facts(pid))  # noqa: PTH115 - of /proc


def _take_jobs(guest: Guest) -> None:
    """The jobs on its disks, and QEMU's names of images that were links in the folder that is gone."""
    from virtctl.qemu.rebuilding import relink, unrecorded_jobs

    jobs = guest.status.facts.get("jobs") or {}
    try:
        jobs = {**unrecorded_jobs(guest, set(jobs)), **jobs}
        relink(guest, jobs)
    except VirtctlError as error:
        guest.context.warn(f"the block jobs of domain '{guest.status.name}' are not known: {error}")
    if jobs:
        guest.status = guest.status._replace(facts={**guest.status.facts, "jobs": jobs})


def _kept_text(context: Context, uuid: str) -> bytes | None:
    """The live document as it was last written."""
    with suppress(OSError, VirtctlError):
        return read_file(context.paths.running / f"{uuid}.xml")
    return None


def _name_of(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    for word in words[words.index(b"-name") + 1].decode().replace(",,", "\0").split(","):
        if word.startswith("guest="):
            return word.removeprefix("guest=").replace("\0", ",")
    raise OperationFailed(f"process {pid} does not say what its guest is called")


def _monitor_pty(context: Context, pid: int, name: str) -> str:
    """The pty of the human monitor: the one that QEMU holds open itself, or the one that its log names."""
    for pts in process.ptys(pid):
        if process.holds_open(pid, pts):
            return pts
    from virtctl.qemu.spawn import monitor_in

    with suppress(OSError, VirtctlError):
        said = monitor_in(read_file(context.paths.logs / f"{name}.log", _MAX_LOG))
        if said is not None and process.pty_belongs_to(pid, said):
            return said
    raise OperationFailed(f"the monitor of process {pid} cannot be found")
