"""The guest's clocks on QEMU's command line."""

from __future__ import annotations

import time
from collections.abc import Iterator

from virtctl.argv import Opt, props
from virtctl.domain.clock import Clock, Timer
from virtctl.domain.domain import Domain


def _rtc_base(clock: Clock) -> str:
    if clock.offset == "absolute" and clock.start is not None:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(clock.start))
    if clock.offset == "localtime":
        return "localtime"
    shift = int(clock.adjustment) if clock.adjustment and clock.adjustment.lstrip("+-").isdecimal() else 0
    if clock.offset == "variable":
        now = time.time() + shift
        local = time.localtime(now) if clock.basis == "localtime" else time.gmtime(now)
        return time.strftime("%Y-%m-%dT%H:%M:%S", local)
    if clock.offset == "timezone" and clock.timezone:
        from datetime import datetime
        from zoneinfo import ZoneInfo

        return datetime.now(ZoneInfo(clock.timezone)).strftime("%Y-%m-%dT%H:%M:%S")
    return "utc"


def clock_options(domain: Domain) -> Iterator[Opt]:
    """The real time clock and the timers."""
    clock = domain.clock
    timers = {timer.name: timer for timer in clock.timers} if clock else {}
    rtc = timers.get("rtc")
    track = {"boot": "vm", "guest": "vm", "wall": "host", "realtime": "rt"}.get((rtc.track if rtc else None) or "")
    slew = "slew" if rtc is not None and rtc.tickpolicy == "catchup" else None
    base = _rtc_base(clock) if clock else "utc"
    yield Opt("rtc", props(None, [("base", base), ("clock", track), ("driftfix", slew)]))
    yield from _pit(timers.get("pit"))
    hpet = timers.get("hpet")
    if hpet is not None and hpet.present is False:
        yield Opt("no-hpet")


def _pit(pit: Timer | None) -> Iterator[Opt]:
    policy = pit.tickpolicy if pit is not None else None
    if policy in ("delay", "discard"):
        yield Opt("global", f"kvm-pit.lost_tick_policy={policy}")
