"""Completion: what may stand at a place, for the interactive shell and for bash, zsh and fish.

The scripts are Click's; they call the program with `_VIRTCTL_COMPLETE` set.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from virtctl.cli.operands import Choice, Text, VirshCommand
from virtctl.errors import VirtctlError

if TYPE_CHECKING:
    from virtctl.cli.session import Session
    from virtctl.cli.settings import Settings
    from virtctl.drivers.base import Driver

SHELLS = ("bash", "zsh", "fish")


def matching(incomplete: str, words: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    """Those words, each with its explanation, that begin so."""
    return [CompletionItem(word, help=doc) for word, doc in words if word.startswith(incomplete)]


def global_options(incomplete: str) -> list[CompletionItem]:
    """The options before the command."""
    from virtctl.cli.settings import OPTIONS

    return matching(incomplete, ((f"--{option.name}", "") for option in OPTIONS if option.name))


def command_items(command: VirshCommand, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """What may come next in a command: an option after a dash, else the next operand."""
    if incomplete.startswith("-"):
        left = [p for p in [*command.own(), *command.everywhere()] if p.multiple or p.word not in ctx.params]
        return matching(incomplete, ((f"--{p.word}", p.help or "") for p in left))
    for parameter in command.own():
        wanted = isinstance(parameter, Text) and (parameter.required or parameter.source)
        if isinstance(parameter, Text) and wanted and parameter.word not in ctx.params:
            return value_items(parameter, ctx, incomplete)
    return []


def value_items(parameter: Text, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """Values for an operand."""
    if parameter.source == "file":
        return [CompletionItem(incomplete, type="file")]
    if isinstance(parameter, Choice):
        return matching(incomplete, ((choice, "") for choice in parameter.choices))
    if parameter.source == "domain":
        return matching(incomplete, ((name, "") for name in domain_names(ctx.find_root().obj)))
    if parameter.source == "disk":
        given = ctx.params.get("domain")
        return matching(incomplete, ((target, "") for target in disk_targets(ctx.find_root().obj, given)))
    return []


def domain_names(obj: Session | Settings) -> list[str]:
    """The names of all domains; none when they cannot be had."""
    from virtctl.values import ListFilter

    try:
        return sorted(row.name for row in driver_of(obj).rows(ListFilter(active=True, inactive=True)))
    except (VirtctlError, OSError):
        return []


def disk_targets(obj: Session | Settings, ref: str | None) -> list[str]:
    """The disks of a domain."""
    try:
        return [row.target for row in driver_of(obj).block_rows(ref)] if ref else []
    except (VirtctlError, OSError):
        return []


def driver_of(obj: Session | Settings) -> Driver:
    """The driver of a session, or for the settings that a completion is asked with."""
    if not isinstance(obj, tuple):
        return obj.driver
    from virtctl.cli.environment import default_uri, paths_for
    from virtctl.drivers import open_driver

    uri = obj.uri or default_uri()
    return open_driver(uri, paths_for(uri), readonly=True)


def script(shell: str, program: str) -> str:
    """The script that a shell reads to complete our commands. Raises VirtctlError."""
    kind = get_completion_class(shell)
    if kind is None or shell not in SHELLS:
        raise VirtctlError(f"Unknown shell '{shell}', expecting 'bash', 'zsh' or 'fish'")
    made = kind(click.Group(), {}, program, variable(program))
    return ShellComplete.source(made)  # bash's own source() starts bash to ask its version


def variable(program: str) -> str:
    """The environment variable by which a script asks."""
    return f"_{program}_complete".replace("-", "_").upper()


def answer(group: click.Group, program: str, instruction: str) -> tuple[int, str]:
    """Answers a script: exit status and text."""
    shell, _, verb = instruction.partition("_")
    if verb == "source":
        return 0, script(shell, program)
    kind = get_completion_class(shell)
    if kind is None or verb != "complete":
        return 1, ""
    made = kind(group, {}, program, variable(program))
    return 0, made.complete() + "\n"
