"""`<clock>`: the guest's idea of time."""

from __future__ import annotations

from virtctl.errors import InternalError, UnsupportedConfig, XmlError
from virtctl.schema.element import Children, Element, Field, Mode
from virtctl.schema.node import Node
from virtctl.schema.types import Enum, Int, Lenient, Str, UInt, YesNo

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

    def parsed(self, node: Node, mode: Mode) -> None:
        """Zero means nothing."""
        for name in ("frequency", "threshold", "slew", "limit"):
            self.__dict__[name] = self.__dict__.get(name) or None

    def check_told(self) -> None:
        """What this kind of timer can be told at all."""
        for name in ("frequency", "mode"):
            if self.__dict__.get(name) is not None and self.name != "tsc":
                raise self._unsettable(name)
        if self.track is not None and self.name not in ("platform", "rtc"):
            raise self._unsettable("track")
        if self.tickpolicy != "catchup" and (self.threshold or self.slew or self.limit):
            raise XmlError("setting of timer catchup policies is only supported with tickpolicy='catchup'")

    def check(self) -> None:
        """What QEMU can do of it."""
        if self.name == "platform":
            raise UnsupportedConfig(f"unsupported timer type (name) '{self.name}'")
        if self.name == "rtc" and self.track == "boot":
            raise UnsupportedConfig(f"unsupported rtc timer track '{self.track}'")
        if self.tickpolicy is not None:
            self._check_tickpolicy(self.tickpolicy)

    def _check_tickpolicy(self, policy: str) -> None:
        if self.name in ("kvmclock", "hypervclock"):
            raise self._unsettable("tickpolicy")
        if self.name == "rtc" and policy in ("merge", "discard"):
            raise UnsupportedConfig(f"unsupported rtc timer tickpolicy '{policy}'")
        if self.name == "pit" and policy == "merge":
            raise UnsupportedConfig(f"unsupported pit tickpolicy '{policy}'")

    def _unsettable(self, what: str) -> UnsupportedConfig:
        return UnsupportedConfig(f"timer {self.name} doesn't support setting of timer {what}")


class Clock(Element, tag="clock"):
    """What the guest's hardware clock shows at start."""

    offset = Field("@offset", Enum("utc", "localtime", "variable", "timezone", "absolute"), default="utc",
                   doc="what the clock follows", refused=(UnsupportedConfig, "unknown clock offset '%s'"))
    adjustment = Field("@adjustment", Str(), doc="seconds away from the basis, or reset")
    basis = Field("@basis", Enum("utc", "localtime"), doc="what the adjustment is counted from",
                  refused=(UnsupportedConfig, "unknown clock basis '%s'"))
    timezone = Field("@timezone", Str(), doc="time zone of the host's database")
    start = Field("@start", Lenient(UInt(2**63)), doc="seconds since 1970 at start")
    adjustment0 = Field("@adjustment0", Int(), live=True, doc="adjustment at start")
    timers = Children("timer", Timer, doc="time sources")

    def parsed(self, node: Node, mode: Mode) -> None:
        """Keeps what this kind of clock uses; a clock with an adjustment is a variable one."""
        if self.offset in ("utc", "localtime"):
            self._parse_adjustment()
        elif self.offset == "variable":
            self.adjustment = str(_number(self.adjustment) or 0)
            self.basis = self.basis or "utc"
        elif self.offset == "timezone" and self.timezone is None:
            raise InternalError("missing 'timezone' attribute for clock with offset='timezone'")
        elif self.offset == "absolute" and self.start is None:
            raise InternalError("missing 'start' attribute for clock with offset='absolute'")
        for name in KEPT:
            if self.offset not in KEPT[name]:
                self.__dict__[name] = None

    def _parse_adjustment(self) -> None:
        if self.adjustment in (None, "reset"):
            return
        seconds = _number(self.adjustment)
        if seconds is None:
            raise XmlError(f"unknown clock adjustment '{self.adjustment}'")
        self.basis, self.offset, self.adjustment = self.offset, "variable", str(seconds)


KEPT = {"adjustment": ("utc", "localtime", "variable"), "basis": ("variable",), "adjustment0": ("variable",),
        "timezone": ("timezone",), "start": ("absolute",)}


def _number(text: str | None) -> int | None:
    try:
        return int(text, 10) if text is not None else None
    except ValueError:
        return None
