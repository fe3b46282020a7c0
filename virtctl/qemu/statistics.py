"""`domstats`: the figures of one domain under libvirt's names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain
from virtctl.errors import VirtctlError
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import drive_name
from virtctl.qemu.documents import devices_of, document
from virtctl.qemu.guest import Guest
from virtctl.qemu.memsize import memory_stats, resident

Figures = Iterator[tuple[str, object]]
STATES = ("no state", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended")
REASONS = {
    "running": ("unknown", "booted", "migrated", "restored", "from snapshot", "unpaused", "migration canceled",
                "save canceled", "event wakeup", "crashed", "post-copy"),
    "paused": ("unknown", "user", "migrating", "saving", "dumping", "I/O error", "watchdog", "from snapshot",
               "shutting down", "creating snapshot", "crashed", "starting up"),
    "in shutdown": ("unknown", "user"),
    "shut off": ("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from snapshot",
                 "daemon"),
    "crashed": ("unknown", "panicked"),
}
PATIENCE = 2.0  # seconds in which a guest that stands still may go on
NET = ("bytes", "packets", "errors", "dropped")
NET_NAMES = ("bytes", "pkts", "errs", "drop")


def statistics(context: Context, target: Target, groups: frozenset[str]) -> dict[str, object]:
    """The figures of the groups that are wanted, of all groups when none is named."""
    if target.status is not None and (not groups or groups - {"state"}):
        Guest(context, target.status).await_awake(PATIENCE)  # once, not once for each group
    domain = document(context, target)
    found: dict[str, object] = {}
    for name, figures in _GROUPS.items():
        if not groups or name in groups:
            found.update(figures(context, target, domain))
    return found


def _state(context: Context, target: Target, domain: Domain) -> Figures:
    from virtctl.qemu.lifecycle import current_state

    state, reason, _ = current_state(context, target)
    reasons = REASONS.get(state, ())
    yield "state.state", STATES.index(state) if state in STATES else 0
    yield "state.reason", reasons.index(reason) if reason in reasons else 0


def _ticks(place: str) -> tuple[int, int]:
    """User and system time of a process or thread, in nanoseconds."""
    try:
        fields = Path(f"{place}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0, 0
    unit = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    return int(fields[11]) * unit, int(fields[12]) * unit


def _cpu(context: Context, target: Target, domain: Domain) -> Figures:
    if target.status is None:
        return
    user, system = _ticks(f"/proc/{target.status.pid}")
    yield "cpu.time", user + system
    yield "cpu.user", user
    yield "cpu.system", system
    for name in ("cache.monitor.count", "haltpoll.success.time", "haltpoll.fail.time"):
        yield f"cpu.{name}", 0


def _balloon(context: Context, target: Target, domain: Domain) -> Figures:
    running = target.status is not None
    told = memory_stats(context, target) if running else {}
    yield "balloon.current", told.pop("actual", domain.current_memory or domain.memory or 0)
    yield "balloon.maximum", domain.memory or 0
    for name, value in told.items():
        if name != "rss":
            yield f"balloon.{name.replace('_', '-') if name == 'last_update' else name}", value
    if target.status is not None:
        yield "balloon.rss", resident(target.status.pid)


def _vcpu(context: Context, target: Target, domain: Domain) -> Figures:
    yield "vcpu.current", domain.vcpu_current or domain.vcpu or 1
    yield "vcpu.maximum", domain.vcpu or 1
    if target.status is None:
        return
    for cpu in _asked(Guest(context, target.status), "query-cpus-fast"):
        place = f"/proc/{target.status.pid}/task/{cpu['thread-id']}"
        name = f"vcpu.{cpu['cpu-index']}"
        yield f"{name}.state", 1
        yield f"{name}.time", sum(_ticks(place))
        yield f"{name}.wait", 0
        with suppress(OSError, IndexError):
            yield f"{name}.delay", int(Path(f"{place}/schedstat").read_text(encoding="ascii").split()[1])


def _asked(guest: Guest, command: str) -> list[dict[str, Any]]:
    from virtctl.qemu.qmp import Qmp

    with Qmp.connect(guest.folder, name=guest.status.name) as qmp:
        return list(qmp.execute(command))


def _net(context: Context, target: Target, domain: Domain) -> Figures:
    if target.status is None:
        return
    cards = devices_of(domain).all(Interface)
    yield "net.count", len(cards)
    for number, card in enumerate(cards):
        folder = Path(f"/sys/class/net/{card.target}/statistics")
        if not card.target or not folder.is_dir():
            continue
        yield f"net.{number}.name", card.target
        for ours, theirs in (("rx", "tx"), ("tx", "rx")):  # what the host sends is what the guest receives
            for name, file in zip(NET_NAMES, NET, strict=True):
                with suppress(OSError):
                    yield f"net.{number}.{ours}.{name}", int((folder / f"{theirs}_{file}").read_text(encoding="ascii"))


def _block(context: Context, target: Target, domain: Domain) -> Figures:
    disks = devices_of(domain).all(Disk)
    running = target.status is not None
    drives = {one["device"]: one["stats"] for one in _asked(Guest(context, target.active), "query-blockstats")
              } if running else {}
    yield "block.count", len(disks)
    for number, disk in enumerate(disks):
        name = f"block.{number}"
        yield f"{name}.name", disk.target
        if disk.image:
            yield f"{name}.path", disk.image
        stats = drives.get(drive_name(disk)) if running else None
        if stats is not None:
            yield from _transfers(name, stats)
        yield from _sizes(context, target, disk, name, stats)


def _transfers(name: str, stats: dict[str, Any]) -> Figures:
    for short in ("rd", "wr", "fl"):
        word = "flush" if short == "fl" else short
        yield f"{name}.{short}.reqs", stats[f"{word}_operations"]
        if short != "fl":
            yield f"{name}.{short}.bytes", stats[f"{word}_bytes"]
        yield f"{name}.{short}.times", stats[f"{word}_total_time_ns"]


def _sizes(context: Context, target: Target, disk: Disk, name: str, stats: dict[str, Any] | None) -> Figures:
    from virtctl.qemu.blockinfo import sizes

    if not disk.image:
        return
    try:
        found = sizes(context, target, disk.target or "")
    except VirtctlError:  # an image that is not there is no reason to tell nothing
        return
    allocation = found.allocation if stats is None else stats.get("wr_highest_offset", 0)
    if stats is not None or allocation:
        yield f"{name}.allocation", allocation
    yield f"{name}.capacity", found.capacity
    yield f"{name}.physical", found.physical


def _dirtyrate(context: Context, target: Target, domain: Domain) -> Figures:
    if target.status is None:
        return
    for name in ("calc_status", "calc_start_time", "calc_period"):
        yield f"dirtyrate.{name}", 0
    yield "dirtyrate.calc_mode", "page-sampling"


_GROUPS: dict[str, Callable[[Context, Target, Domain], Figures]] = {
    "state": _state, "cpu-total": _cpu, "balloon": _balloon, "vcpu": _vcpu, "interface": _net, "block": _block,
    "dirtyrate": _dirtyrate,
}
