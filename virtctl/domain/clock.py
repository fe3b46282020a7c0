"""`<clock>`: the guest's idea of time."""

from __future__ import annotations

from virtctl.schema.element import Children, Element, Field
from virtctl.schema.types import Enum, Int, Str, UInt, YesNo

TIMERS = ("platform", "pit", "rtc", "hpet", "tsc", "kvmclock", "hypervclock", "armvtimer")


class Timer(Element, tag="timer"):
    """One time source of the guest."""

    name = Field("@name", Enum(*TIMERS), required=True, doc="kind of timer")
    present = Field("@present", YesNo(), doc="whether the guest has it")
    tickpolicy = Field("@tickpolicy", Enum("delay", "catchup", "merge", "discard"), doc="what happens to missed ticks")
    track = Field("@track", Enum("boot", "guest", "wall", "realtime"), doc="what it follows")
    frequency = Field("@frequency", UInt(2**64 - 1), doc="frequency in Hz (tsc)")
    mode = Field("@mode", Enum("auto", "native", "emulate", "paravirt", "smpsafe"), doc="how it is provided (tsc)")
    threshold = Field("catchup/@threshold", UInt(2**64 - 1), doc="lateness at which catching up begins")
    slew = Field("catchup/@slew", UInt(2**64 - 1), doc="rate of catching up")
    limit = Field("catchup/@limit", UInt(2**64 - 1), doc="lateness beyond which it gives up")


class Clock(Element, tag="clock"):
    """What the guest's hardware clock shows at start."""

    offset = Field("@offset", Enum("utc", "localtime", "variable", "timezone", "absolute"), required=True,
                   doc="what the clock follows")
    adjustment = Field("@adjustment", Str(), doc="seconds away from the basis, or reset")
    basis = Field("@basis", Enum("utc", "localtime"), doc="what the adjustment is counted from")
    timezone = Field("@timezone", Str(), doc="time zone of the host's database")
    start = Field("@start", UInt(2**63), doc="seconds since 1970 at start")
    adjustment0 = Field("@adjustment0", Int(), live=True, doc="adjustment at start")
    timers = Children("timer", Timer, doc="time sources")
