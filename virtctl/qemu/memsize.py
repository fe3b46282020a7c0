"""How much memory a guest has: the balloon of a running one, and the sizes in its definition."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from virtctl.domain.devices.memballoon import Memballoon
from virtctl.domain.domain import Domain
from virtctl.errors import InvalidArgument, InvalidOperation, MonitorError, VirtctlError
from virtctl.qemu.changes import change_live, change_stored, places
from virtctl.qemu.context import Context, Target
from virtctl.qemu.documents import devices_of, stored
from virtctl.qemu.guest import Guest
from virtctl.values import Affect

if TYPE_CHECKING:
    from virtctl.qemu.qmp import Qmp

SETTLE = 0.3  # seconds in which a guest with a driver usually follows
# virsh's names of what the guest's driver tells, in virsh's order, QEMU's names, and the factor to virsh's unit.
_TOLD = (("swap_in", "stat-swap-in", 1024), ("swap_out", "stat-swap-out", 1024),
         ("major_fault", "stat-major-faults", 1), ("minor_fault", "stat-minor-faults", 1),
         ("unused", "stat-free-memory", 1024), ("available", "stat-total-memory", 1024),
         ("usable", "stat-available-memory", 1024), ("disk_caches", "stat-disk-caches", 1024),
         ("hugetlb_pgalloc", "stat-htlb-pgalloc", 1), ("hugetlb_pgfail", "stat-htlb-pgfail", 1))
LATE = ("disk_caches", "hugetlb_pgalloc", "hugetlb_pgfail")  # these come behind the time


def balloon_of(domain: Domain) -> Memballoon | None:
    """The balloon device, None for a guest without one."""
    return next((one for one in devices_of(domain).all(Memballoon) if one.model != "none"), None)


def actual(qmp: Qmp) -> int:
    """What the guest has now, in KiB."""
    return int(qmp.execute("query-balloon")["actual"]) // 1024


def _session(guest: Guest) -> Qmp:
    from virtctl.qemu.qmp import Qmp

    return Qmp.connect(guest.folder, name=guest.status.name)


def set_memory(context: Context, target: Target, size: int, affect: Affect) -> None:
    """`setmem`: so many KiB."""
    if size == 0:
        raise VirtctlError("memory in virDomainSetMemoryFlags must not be zero")
    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        domains = [Guest(context, target.active).live()] if where.live else []
        domains += [stored(context, target)] if where.config else []
        if any(size > (domain.memory or 0) for domain in domains):
            raise InvalidArgument("cannot set memory higher than max memory")
        if where.live:
            _inflate(Guest(context, target.active), domains[0], size)
        if where.config:
            change_stored(context, target, lambda domain: setattr(domain, "current_memory", size))


def _inflate(guest: Guest, domain: Domain, size: int) -> None:
    if balloon_of(domain) is None:
        raise InvalidOperation("Unable to change memory of active domain without the balloon device and guest OS "
                               "balloon driver")
    with _session(guest) as qmp:
        qmp.execute("balloon", value=size * 1024)
        limit = time.monotonic() + SETTLE
        while (now := actual(qmp)) != size and time.monotonic() < limit:
            time.sleep(0.02)
    guest.set_facts(balloon=now)


def set_max_memory(context: Context, target: Target, size: int, affect: Affect) -> None:
    """`setmaxmem`: so many KiB, at the next start."""
    if size == 0:
        raise VirtctlError("memory in virDomainSetMemoryFlags must not be zero")

    def edit(domain: Domain) -> None:
        if domain.cpu is not None and domain.cpu.numa is not None:
            raise InvalidOperation("initial memory size of a domain with NUMA nodes cannot be modified with this API")
        domain.memory = size
        domain.current_memory = min(domain.current_memory or size, size)

    with context.lock(target.uuid):
        target = context.again(target)
        if places(target, affect).live:
            raise InvalidOperation("cannot resize the maximum memory on an active domain")
        change_stored(context, target, edit)


def set_period(context: Context, target: Target, seconds: int, affect: Affect) -> None:
    """How often the guest's driver is asked for statistics; 0 for never."""

    def edit(domain: Domain) -> None:
        found = balloon_of(domain)
        if found is None:
            raise InvalidOperation("No memory balloon device configured, can not set the collection period")
        found.period = seconds or None

    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        if where.live:
            guest = Guest(context, target.active)
            edit(guest.live())
            with _session(guest) as qmp:
                qmp.execute("qom-set", path=_device(guest), property="guest-stats-polling-interval", value=seconds)
            change_live(context, target, edit)
        if where.config:
            change_stored(context, target, edit)


def _device(guest: Guest) -> str:
    found = balloon_of(guest.live())
    return f"/machine/peripheral/{found.id if found is not None else ''}"


def memory_stats(context: Context, target: Target) -> dict[str, int]:
    """`dommemstat`, in virsh's order and units."""
    guest = Guest(context, target.active)
    found: dict[str, int] = {}
    if balloon_of(guest.live()) is not None:
        with _session(guest) as qmp:
            found["actual"] = actual(qmp)
            try:
                told = qmp.execute("qom-get", path=_device(guest), property="guest-stats")
            except MonitorError:  # asked for and not there yet
                told = {"stats": {}, "last-update": 0}
        values = {name: int(told["stats"].get(key, -1)) for name, key, _ in _TOLD}
        known = {name: values[name] // factor for name, _, factor in _TOLD if 0 <= values[name] < 2**64 - 1}
        found |= {name: value for name, value in known.items() if name not in LATE}
        found["last_update"] = int(told["last-update"])
        found |= {name: value for name, value in known.items() if name in LATE}
    found["rss"] = resident(guest.status.pid)
    return found


def resident(pid: int) -> int:
    """What a process holds of the host's memory, in KiB."""
    import os

    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
