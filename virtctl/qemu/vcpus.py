"""How many processors a guest has: those plugged into a running one, and the numbers in its definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from virtctl.domain.domain import Domain
from virtctl.domain.tuning import VcpuState
from virtctl.errors import InvalidArgument, UnsupportedConfig
from virtctl.qemu import plugs
from virtctl.qemu.changes import change_stored, places, recorded, refusals_end
from virtctl.qemu.context import Context, Target
from virtctl.qemu.documents import stored
from virtctl.qemu.guest import Guest
from virtctl.state.journal import Record
from virtctl.values import Affect

if TYPE_CHECKING:
    from virtctl.qemu.qmp import Qmp

_PLACE = ("socket-id", "die-id", "core-id", "thread-id")


def counts(domain: Domain) -> tuple[int, int]:
    """How many there are at start, or now, and how many there can be."""
    most = domain.vcpu or 1
    return domain.vcpu_current or most, most


def set_maximum(context: Context, target: Target, count: int) -> None:
    """How many the definition allows; what is beyond is not there at start either."""
    def edit(domain: Domain) -> None:
        now, _ = counts(domain)
        domain.vcpu, domain.vcpu_current, domain.vcpus = count, min(now, count), []
        if domain.vcpu_current == count:
            domain.vcpu_current = None

    with context.lock(target.uuid):
        target = context.again(target)
        topology = cpu.topology if (cpu := stored(context, target).cpu) is not None else None
        if topology is not None:
            raise InvalidArgument("CPU topology doesn't match the desired vcpu count",
                                  hint="change <topology> and <vcpu> together: edit")
        change_stored(context, target, edit)


def set_count(context: Context, target: Target, count: int, affect: Affect) -> None:
    """How many there are. Raises InvalidArgument beyond what is allowed, UnsupportedConfig for a running guest whose
    processors cannot be taken away, OperationTimeout when it does not let go of them.
    """
    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        if where.config:
            _refuse_more(stored(context, target), count, "persistent")
        if where.live:
            guest = Guest(context, target.active)
            _refuse_more(guest.live(), count, "live")
            with recorded(context, target, "vcpus") as operation, refusals_end(operation):
                try:
                    _plug(guest, count)
                finally:
                    _show(guest)
        if where.config:
            change_stored(context, target, lambda domain: _put(domain, count), after=where)


def _refuse_more(domain: Domain, count: int, which: str) -> None:
    most = counts(domain)[1]
    if count > most:
        raise InvalidArgument("requested vcpus is greater than max allowable vcpus for the "
                              f"{which} domain: {count} > {most}")


def _put(domain: Domain, count: int) -> None:
    domain.vcpu_current = None if count == domain.vcpu else count
    domain.vcpus = []


def _plug(guest: Guest, count: int) -> None:
    from virtctl.qemu.qmp import Qmp

    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        slots = _slots(qmp)
        here = [at for at, slot in enumerate(slots) if "qom-path" in slot]
        free = [at for at in range(len(slots)) if at not in here]
        added = [at for at in reversed(here) if slots[at]["qom-path"].endswith(f"/vcpu{at}")]
        for at in free[: max(0, count - len(here))]:
            qmp.execute("device_add", driver=slots[at]["type"], id=f"vcpu{at}", **_spelled(slots[at]["props"]))
    gone = added[: max(0, len(here) - count)]
    if len(gone) < len(here) - count:
        raise UnsupportedConfig("failed to find appropriate hotpluggable vcpus to reach the desired target vcpu count")
    for at in gone:
        plugs.unplug(guest, f"vcpu{at}", [])


def _slots(qmp: Qmp) -> list[dict[str, Any]]:
    """QEMU's places for processors, in the order of their numbers."""
    found: list[dict[str, Any]] = qmp.execute("query-hotpluggable-cpus")
    return sorted(found, key=lambda slot: tuple(slot["props"].get(name, 0) for name in _PLACE))


def _spelled(props: dict[str, int]) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in props.items() if name in _PLACE}


def _show(guest: Guest) -> None:
    """Makes the live document say which processors QEMU has."""
    from virtctl.qemu.qmp import Qmp

    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        paths = [slot.get("qom-path", "") for slot in _slots(qmp)]
    states, order = [], 0
    for at, path in enumerate(paths):
        order += bool(path)
        later = not path or path.endswith(f"/vcpu{at}")
        states.append(VcpuState(id=at, enabled=bool(path), hotpluggable=later, order=order if path else None))
    live = guest.live()
    live.vcpu_current = None if order == live.vcpu else order
    live.vcpus = states
    guest.write_live(live)


def finish_interrupted(guest: Guest | None, record: Record) -> str:
    """What became of a change whose command died, as QEMU has it."""
    if guest is not None:
        _show(guest)
    record.done()
    return f"an interrupted change of the processors of domain '{record.facts['name']}' was looked up in QEMU"
