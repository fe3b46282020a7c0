"""Types of XML values. One object parses, writes and documents; `parse` raises ValueError with the reason.

The reasons are the tails of libvirt's messages ("Expected integer value"); an empty reason means that the value
alone says enough.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar
from uuid import UUID

from virtctl.errors import InvalidArgument, VirtctlError

T = TypeVar("T")


class XmlType(Generic[T]):
    """How one kind of value is read and written."""

    doc = "text"
    refused: tuple[type[VirtctlError], str] | None = None  # the error of every field of this type, %s for the value

    def parse(self, text: str) -> T:
        """The value; ValueError(reason) when the text is not one."""
        raise NotImplementedError

    def format(self, value: T) -> str:
        """The value as libvirt writes it."""
        return str(value)


class Str(XmlType[str]):
    """Any text, kept as it stands."""

    def parse(self, text: str) -> str:
        """The text itself."""
        return text


class Enum(XmlType[str]):
    """One of a few words."""

    def __init__(self, *values: str, hidden: tuple[str, ...] = ()) -> None:
        self.values = values
        self.accepted = frozenset(values + hidden)
        self.doc = "one of " + ", ".join(values)

    def parse(self, text: str) -> str:
        """The word."""
        if text not in self.accepted:
            raise ValueError("")
        return text


class YesNo(XmlType[bool]):
    """`yes` or `no`."""

    doc = "yes or no"

    def parse(self, text: str) -> bool:
        """True for yes."""
        if text not in ("yes", "no"):
            raise ValueError("")
        return text == "yes"

    def format(self, value: bool) -> str:
        """`yes` or `no`."""
        return "yes" if value else "no"


class OnOff(XmlType[bool]):
    """`on` or `off`."""

    doc = "on or off"

    def parse(self, text: str) -> bool:
        """True for on."""
        if text not in ("on", "off"):
            raise ValueError("")
        return text == "on"

    def format(self, value: bool) -> str:
        """`on` or `off`."""
        return "on" if value else "off"


ZERO = "Zero is not permitted"
_INTEGER = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)\s*\Z")


class Int(XmlType[int]):
    """A whole number. `base` 10 is decimal only; 0 takes 0x for hexadecimal and 0 for octal too, as C's strtol does."""

    def __init__(self, low: int | None = None, high: int | None = None, *, base: int = 10, reason: str = "") -> None:
        self.low, self.high, self.base = low, high, base
        self.reason = reason or ("Expected integer value" if low is None or low < 0
                                 else "Expected non-negative integer value")
        self.doc = "number" + ("" if low is None else f" from {low}") + ("" if high is None else f" to {high}")

    def parse(self, text: str) -> int:
        """The number."""
        match = _INTEGER.match(text)
        if not match or (self.base == 10 and "x" in text.lower()):
            raise ValueError(self.reason)
        word = match.group(0).strip()
        octal = self.base == 0 and word.lstrip("+-").startswith("0") and "x" not in word.lower()
        try:
            value = int(word, 16 if "x" in word.lower() else 8 if octal else 10)
        except ValueError:
            raise ValueError(self.reason) from None
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise ValueError(self.reason)
        return value


class Positive(Int):
    """A whole number above zero."""

    def __init__(self, high: int = 2**32 - 1) -> None:
        super().__init__(0, high)
        self.doc = "number above 0"

    def parse(self, text: str) -> int:
        """The number."""
        value = super().parse(text)
        if value == 0:
            raise ValueError(ZERO)
        return value


def UInt(high: int = 2**32 - 1, low: int = 0) -> Int:
    """A number that is not negative, 32 bits unless told otherwise."""
    return Int(low, high)


class Hex(Int):
    """A number written in hexadecimal with a fixed number of digits, read in any base."""

    def __init__(self, digits: int, high: int | None = None) -> None:
        super().__init__(0, high if high is not None else 16**digits - 1, base=0)
        self.digits = digits
        self.doc = f"hexadecimal number up to 0x{self.high:x}"

    def format(self, value: int) -> str:
        """`0x` and the digits."""
        return f"0x{value:0{self.digits}x}"


class Uuid(XmlType[str]):
    """A UUID, with or without dashes; written in lower case with dashes."""

    doc = "UUID"

    def parse(self, text: str) -> str:
        """The canonical spelling."""
        squeezed = text.strip().replace("-", "")
        if len(squeezed) != 32 or not re.fullmatch(r"[0-9a-fA-F]{32}", squeezed):
            raise ValueError("Expected UUID")
        return str(UUID(squeezed))


_MAC = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}\Z")


class Mac(XmlType[str]):
    """A MAC address, written in lower case with two digits a byte."""

    doc = "MAC address"

    def parse(self, text: str) -> str:
        """The canonical spelling."""
        if not _MAC.match(text):
            raise ValueError("")
        return ":".join(f"{int(part, 16):02x}" for part in text.split(":"))


_BIT_RANGE = re.compile(r"\s*(?:\^(\d+)|(\d+)\s*(?:-\s*(\d+))?)\s*(,|\Z)")


class CpuSet(XmlType[frozenset[int]]):
    """A set of numbers such as `0-3,^2,8`, written in libvirt's shortest form."""

    doc = "set of numbers, such as 0-3,^2,8"
    refused = (InvalidArgument, "Failed to parse bitmap '%s'")

    def __init__(self, high: int = 16383) -> None:
        self.high = high

    def parse(self, text: str) -> frozenset[int]:
        """The members."""
        members: set[int] = set()
        place = 0
        while True:
            match = _BIT_RANGE.match(text, place)
            if match is None:
                raise ValueError("")
            without, first, last, _ = match.groups()
            low = int(first or without)
            high = int(last) if last else low
            if high < low or high > self.high:
                raise ValueError("")
            (members.difference_update if without else members.update)(range(low, high + 1))
            place = match.end()
            if place >= len(text):
                return frozenset(members)

    def format(self, value: frozenset[int]) -> str:
        """Runs joined by commas."""
        out: list[str] = []
        ordered = sorted(value)
        start = 0
        for index, number in enumerate(ordered):
            if index + 1 < len(ordered) and ordered[index + 1] == number + 1:
                continue
            first = ordered[start]
            out.append(str(first) if first == number else f"{first}-{number}")
            start = index + 1
        return ",".join(out)


_UNITS = {"b": 1, "byte": 1, "bytes": 1, "k": 1024, "kb": 1000, "kib": 1024}
for _power, _letter in enumerate("mgtpe", start=2):
    _UNITS |= {_letter: 1024**_power, f"{_letter}b": 1000**_power, f"{_letter}ib": 1024**_power}


def unit_bytes(unit: str) -> int:
    """How many bytes a memory unit is: b, KiB, k, KB, M, MiB, ... Raises ValueError for an unknown one."""
    try:
        return _UNITS[unit.lower()]
    except KeyError:
        raise ValueError(f"unknown suffix '{unit}'") from None


def pretty_size(size: int) -> tuple[int, str]:
    """A number of bytes in the largest unit that keeps it whole."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        if size == 0 or size % 1024:
            break
        size, unit = size // 1024, larger
    return size, unit


class Ignored(ValueError):
    """A value that is read as if it were not there."""


class Lenient(XmlType[T]):
    """Another type, whose wrong values count as absent, as libvirt reads a few."""

    def __init__(self, type: XmlType[T]) -> None:
        self.type = type
        self.doc = type.doc

    def parse(self, text: str) -> T:
        """The value; Ignored for a wrong one."""
        try:
            return self.type.parse(text)
        except ValueError as error:
            raise Ignored from error

    def format(self, value: T) -> str:
        """As the other type writes it."""
        return self.type.format(value)
