"""virsh's text, to the byte: tables whose columns are as wide as their widest cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Table(NamedTuple):
    """Headings and rows of cells."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def safe(text: str) -> str:
    """A cell: what cannot be printed is spelled out byte by byte, `\\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))


def width(text: str) -> int:
    """Columns that a text takes on a terminal: two for East Asian wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def table(content: Table, *, headings: bool = True) -> str:
    """The table; without headings, columns are as wide as the cells alone need."""
    rows = [[safe(cell) for cell in row] for row in content.rows]
    shown = [list(content.headings), *rows] if headings else rows
    if not shown:
        return ""
    widths = [max(map(width, column)) for column in zip(*shown, strict=True)]
    lines = [_line(row, widths) for row in shown]
    if headings:
        lines.insert(1, "-" * sum(wide + 3 for wide in widths))
    return "".join(f"{line}\n" for line in lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [f" {cell}{' ' * (wide - width(cell))}" for cell, wide in zip(row, widths, strict=True)]
    return "  ".join([*cells[:-1], f" {row[-1]}"])


def pairs(fields: Sequence[tuple[str, str]], column: int) -> str:
    """`Name:      value` lines; values start at a column. A nameless value continues the one above."""
    return "".join(f"{name + ':' if name else '':<{column}}{safe(value)}\n" for name, value in fields)
