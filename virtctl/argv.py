"""QEMU's option syntax: `-name key=value,key=value`, and the one place where a comma is escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from virtctl.errors import UnsupportedConfig

Value = str | int | bool | None


def escape(value: str) -> str:
    """Doubles commas: inside an option value QEMU reads `,,` as one comma."""
    return value.replace(",", ",,")


def text(value: Value) -> str:
    """One value as QEMU spells it: booleans are on/off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return escape(str(value))


class Opt(NamedTuple):
    """One command line option. `value` is the finished text after the option's name, or None for a bare flag."""

    name: str
    value: str | None = None

    def words(self) -> list[str]:
        """The one or two argv words."""
        return [f"-{self.name}"] if self.value is None else [f"-{self.name}", self.value]


def props(head: str | None, pairs: Mapping[str, Value] | Iterable[tuple[str, Value]] = ()) -> str:
    """`head,key=value,...`; a pair whose value is None is left out. `head` may be None.

    Raises UnsupportedConfig for a key that would end where QEMU sees an equals sign or a comma in it.
    """
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    parts = [escape(head)] if head is not None else []
    for key, value in items:
        if value is not None:
            if "," in key or "=" in key:
                raise UnsupportedConfig(f"'{key}' is not the name of a property of QEMU's")
            parts.append(f"{key}={text(value)}")
    return ",".join(parts)


def opt(name: str, head: str | None = None, /, **pairs: Value) -> Opt:
    """`-name head,key=value`: underscores in keyword names become dashes."""
    return Opt(name, props(head, {key.rstrip("_").replace("_", "-"): value for key, value in pairs.items()}))


def json_opt(name: str, value: Mapping[str, object]) -> Opt:
    """`-name {json}` for the options that take JSON (-object, -device, -netdev, -blockdev)."""
    return Opt(name, json.dumps(value, separators=(",", ":")))


def argv(binary: str, options: Iterable[Opt]) -> list[str]:
    """The whole command line."""
    words = [binary]
    for option in options:
        words += option.words()
    return words
