"""Tables for people at a terminal: the only module that uses rich."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from virtctl.render.plain import Table, safe

STATE_STYLES = {
    "running": "green",
    "paused": "yellow",
    "shut off": "dim",
    "saved": "cyan",
    "crashed": "bold red",
    "in shutdown": "yellow",
}


def print_table(content: Table, file: TextIO) -> None:
    """Prints a table in colour; cells are text, never markup."""
    shown = RichTable(box=None, header_style="bold", pad_edge=False, padding=(0, 3, 0, 0))
    for heading in content.headings:
        shown.add_column(heading, overflow="fold")
    for row in content.rows:
        shown.add_row(*(Text(safe(cell), style=STATE_STYLES.get(cell, "")) for cell in row))
    console = Console(file=file, highlight=False)
    if console.width < 1:  # COLUMNS=0: nothing at all would be shown
        console.width = 80
    console.print(shown)
