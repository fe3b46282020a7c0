"""A Click group that knows its commands from the table and imports one only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

from virtctl.cli.operands import VirshCommand
from virtctl.cli.settings import read_settings
from virtctl.cli.table import BY_NAME, ROWS
from virtctl.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class LazyGroup(click.Group):
    """The program: global options, then a command of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return sorted(BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> VirshCommand | None:
        """The command of a name, imported now."""
        row = BY_NAME.get(cmd_name)
        if row is None:
            return None
        module, _, attribute = row.target.partition(":")
        command = getattr(import_module(f"virtctl.cli.commands.{module}"), attribute)
        assert isinstance(command, VirshCommand)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Global options into `ctx.obj`; what follows them is the command. Raises UsageError."""
        try:
            ctx.obj, rest = read_settings(args)
        except UsageError:
            if not ctx.resilient_parsing:
                raise
            rest = []
        ctx.args = rest
        return ctx.args

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, not the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(row.name, row.summary) for row in ROWS])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names and summaries from the table; global options after a dash."""
        from virtctl.cli.completion import global_options, matching

        if incomplete.startswith("-"):
            return global_options(incomplete)
        return matching(incomplete, ((row.name, row.summary) for row in ROWS))
