"""What a field says about QEMU's command line: the lowest rung of the ladder, read by qemu/build.py."""

from __future__ import annotations

from typing import NamedTuple


class Prop(NamedTuple):
    """The field is this property of the device's `-device` option."""

    name: str


class Driver(NamedTuple):
    """The field's value chooses the device: `drivers` maps a value to the name after `-device`."""

    drivers: dict[str, str]


class NoEffect(NamedTuple):
    """The field is accepted and has no effect here; `start` says why, once."""

    why: str
