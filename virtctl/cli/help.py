"""The layout of help, as virsh lays it out."""

from __future__ import annotations

import inspect

from virtctl.cli.operands import Flag, Parameter, VirshCommand
from virtctl.cli.table import GROUPS, Group, group_title, rows_of

GLOBAL_OPTIONS = (
    ("-c | --connect=URI", "connection to work on"),
    ("-d | --debug=NUM", "debug level 0 to 4; without a number: show where errors come from"),
    ("-e | --escape <char>", "key that leaves a console, ^] unless told"),
    ("-h | --help", "this help"),
    ("-k | --keepalive-interval=NUM", ""),
    ("", "taken for virsh's sake, without effect"),
    ("-K | --keepalive-count=NUM", ""),
    ("", "taken for virsh's sake, without effect"),
    ("-l | --log=FILE", "write errors to a file as well"),
    ("-q | --quiet", "no headings, no messages of success"),
    ("-r | --readonly", "change nothing"),
    ("-t | --timing", "say how long each command took"),
    ("-v", "version"),
    ("-V", "version, and what it can do"),
    ("     --version[=TYPE]", "the same, TYPE is short or long"),
    ("     --output=FORMAT", "show results as table, json or yaml"),
    ("     --lock-timeout=SEC", "how long to wait while another command changes the domain (30)"),
    ("     --plain", "virsh's text, also on a terminal"),
)


def command_rows(group: Group) -> str:
    """The commands of a group, a line each."""
    return "".join(f"    {row.name:<30} {row.summary}\n" for row in rows_of(group))


def group_help(group: Group, program: str) -> str:
    """`help GROUP`."""
    return f" {group_title(group, program)} (help keyword '{group.keyword}'):\n{command_rows(group)}"


def all_groups(program: str) -> str:
    """`help`."""
    return "Grouped commands:\n\n" + "".join(group_help(group, program) + "\n" for group in GROUPS)


def usage(program: str) -> str:
    """`--help`."""
    options = "".join(f"    {option:<23} {doc}".rstrip() + "\n" for option, doc in GLOBAL_OPTIONS)
    groups = "".join(
        f" {group_title(group, program)} (help keyword '{group.keyword}')\n{command_rows(group)}\n" for group in GROUPS
    )
    return (
        f"\n{program} [options]... [<command_string>]\n{program} [options]... <command> [args...]\n\n"
        f"  options:\n{options}  commands (non interactive mode):\n\n{groups}"
        "\n  (specify help <group> for details about the commands in the group)\n"
        "\n  (specify help <command> for details about the command)\n\n"
    )


def in_synopsis(parameter: Parameter) -> str:
    """`<domain>`, `[--all]`, `[--mode <string>]`, `{[--cmd] <string>}...`."""
    if isinstance(parameter, Flag):
        return f"[--{parameter.word}]"
    if not parameter.multiple:
        by_position = parameter.required and not parameter.by_name
        return f"<{parameter.word}>" if by_position else f"[--{parameter.word} <{parameter.kind}>]"
    if parameter.anonymous:
        return f"[<{parameter.kind}>]..."
    value = f"[--{parameter.word}] <{parameter.kind}>"
    return f"{{{value}}}..." if parameter.required else f"[{value}]..."


def in_options(parameter: Parameter) -> str:
    """How an option is headed in the list of options."""
    if isinstance(parameter, Flag):
        return f"--{parameter.word}"
    if parameter.multiple and parameter.anonymous:
        return f"<{parameter.kind}>"
    if parameter.required or parameter.multiple:
        return f"[--{parameter.word}] <{parameter.kind}>"
    return f"--{parameter.word} <{parameter.kind}>"


def synopsis(name: str, command: VirshCommand) -> str:
    """The command with all that it takes, on one line."""
    return " ".join([name, *map(in_synopsis, command.own())])


def description(command: VirshCommand) -> str:
    """What the command does, in sentences."""
    return inspect.cleandoc(command.help or "")


def command_help(name: str, summary: str, command: VirshCommand) -> str:
    """`help COMMAND`."""
    parts = [f"  NAME\n    {name} - {summary}\n", f"  SYNOPSIS\n    {synopsis(name, command)}\n"]
    if description(command):
        text = "".join(f"    {line}".rstrip() + "\n" for line in description(command).splitlines())
        parts.append(f"  DESCRIPTION\n{text}")
    if command.own():
        parts.append("  OPTIONS\n" + "".join(f"    {in_options(p):<15}  {p.help}\n" for p in command.own()))
    return "\n".join(parts) + "\n"
