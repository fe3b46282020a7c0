"""The texts of `help`: everything, a group, a command; in virsh's layout."""

from __future__ import annotations

import inspect
import textwrap

import click

from virtctl.cli.operands import Operand, Switch
from virtctl.cli.table import GROUPS, ROWS, of_group

WIDTH = 76


def overview() -> str:
    """All groups with their commands."""
    return "Grouped commands:\n\n" + "\n\n".join(group_help(group) for group in GROUPS) + "\n"


def group_help(group: str) -> str:
    """One group."""
    lines = [f" {GROUPS[group]} (help keyword '{group}'):"]
    lines += [f"    {row.name:<30} {row.summary}" for row in of_group(group)]
    return "\n".join(lines) + "\n"


def command_help(command: click.Command) -> str:
    """The four paragraphs of one command."""
    name = command.name or ""
    row = ROWS.get(name)
    parts = [f"  NAME\n    {name} - {row.summary if row else ''}\n", f"  SYNOPSIS\n    {synopsis(command)}\n"]
    text = description(command)
    if text:
        parts.append("  DESCRIPTION\n" + textwrap.indent(text, "    ") + "\n")
    options = [_option_line(param) for param in command.params if isinstance(param, Operand | Switch)]
    if options:
        parts.append("  OPTIONS\n" + "\n".join(options) + "\n")
    return "\n".join(parts)


def description(command: click.Command) -> str:
    """The docstring of the command's function, wrapped."""
    text = inspect.cleandoc(command.callback.__doc__ or "") if command.callback else ""
    return "\n\n".join(textwrap.fill(part, WIDTH) for part in text.split("\n\n")) if text else ""


def synopsis(command: click.Command) -> str:
    """`start <domain> [--console] ...`."""
    return " ".join([command.name or "", *(_word(param) for param in command.params
                                           if isinstance(param, Operand | Switch))])


def _word(param: Operand | Switch) -> str:
    if isinstance(param, Switch):
        return f"[--{param.word}]"
    kind = "number" if param.number else "string"
    if param.many:
        return f"[<{param.word}>]..." if not param.needed else f"{{[--{param.word}] <{kind}>}}..."
    if param.needed:
        return f"<{param.word}>"
    return f"[--{param.word} <{kind}>]"


def _option_line(param: Operand | Switch) -> str:
    if isinstance(param, Switch):
        head = f"--{param.word}"
    else:
        kind = "number" if param.number else "string"
        head = f"[--{param.word}] <{kind}>" if param.needed else f"--{param.word} <{kind}>"
    return f"    {head:<15}  {param.help}"
