"""One run of the program: its connection, its output, and the commands that it carries out one after the other."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from virtctl.cli.environment import default_uri, dumb_terminal, paths_for
from virtctl.cli.operands import VirshCommand
from virtctl.cli.output import OutputLost, Stream
from virtctl.cli.report import LookupFailed, lines, report
from virtctl.cli.settings import Settings, checked_format
from virtctl.cli.table import BY_NAME
from virtctl.cli.words import split_commands
from virtctl.errors import NoDomain, OperationForbidden, UsageError, VirtctlError, attempting

if TYPE_CHECKING:
    from virtctl.drivers.base import Driver
    from virtctl.render.plain import Table


class Domain(NamedTuple):
    """A domain that exists: how the user called it, and its name."""

    ref: str
    name: str


class Quit(Exception):
    """Raised by `quit` and `exit`."""


class Session:
    """What commands work with."""

    def __init__(self, program: str, settings: Settings, out: Stream, err: Stream) -> None:
        self.program = program
        self.settings = settings
        self.out = out
        self.err = err
        self.uri = settings.uri
        self.readonly = settings.readonly
        self.format = settings.output
        self.plain = settings.plain
        self.interactive = False
        self.silent = False
        self.command_line = ""
        self._driver: Driver | None = None
        self._at_end: list[Callable[[], None]] = []

    # The connection

    @property
    def driver(self) -> Driver:
        """The driver, connected at first use. Raises VirtctlError."""
        if self._driver is None:
            self.connect(self.uri or self.default_uri())
        assert self._driver is not None
        return self._driver

    @staticmethod
    def default_uri() -> str:
        """The connection when none is named."""
        return default_uri()

    def connect(self, uri: str) -> None:
        """Connects, instead of what was connected before. Raises VirtctlError."""
        from virtctl.drivers import open_driver

        self._driver = None
        with attempting("failed to connect to the hypervisor"):
            self._driver = open_driver(
                uri, paths_for(uri), command=self.command_line, lock_timeout=self.settings.lock_timeout,
                readonly=self.readonly, warn=self.warn
            )
        self.uri = uri

    def domain(self, ref: str) -> Domain:
        """The domain of a reference. Raises LookupFailed."""
        try:
            return Domain(ref, self.driver.name_of(ref))
        except NoDomain as error:
            raise LookupFailed(ref) from error

    def changing(self, function: str) -> Driver:
        """The driver, for a verb that changes something. Raises what libvirt says to a read-only connection."""
        if self.readonly:
            raise OperationForbidden(f"read only access prevents {function}")
        return self.driver

    # What is said

    def say(self, text: str) -> None:
        """Prints what was asked for, as it stands."""
        self.out.write(text)

    def extra(self, text: str) -> None:
        """Prints what --quiet leaves out: headings, messages of success, blank lines."""
        if not self.settings.quiet and self.format == "table":
            self.out.write(text)

    def warn(self, text: str) -> None:
        """Says something on standard error that is not a failure."""
        if not self.silent:
            self.note(f"warning: {text}\n")

    def note(self, text: str) -> None:
        """Writes to standard error, after what standard output already holds."""
        self.out.flush()
        self.err.write(text)
        self.err.flush()

    def show(self, data: object, text: str) -> None:
        """Shows a result: as virsh's text, or `data` as JSON or YAML."""
        if self.format == "json":
            from virtctl.render.json import json_text

            text = json_text(data)
        elif self.format == "yaml":
            from virtctl.render.yaml import yaml_text

            text = yaml_text(data)
        self.out.write(text)

    def show_table(self, data: object, table: Table) -> None:
        """Shows a result that is a table; in colour for people."""
        if self.format == "table" and self.for_people():
            from virtctl.render.pretty import print_table

            self.out.flush()
            print_table(table, self.out.file)
            return
        from virtctl.render import plain

        self.show(data, plain.table(table, headings=not self.settings.quiet) if self.format == "table" else "")

    def for_people(self) -> bool:
        """Whether the reader is a person at a capable terminal, and did not start us as virsh."""
        wants = not (self.plain or self.settings.quiet or self.program == "virsh")
        return wants and self.out.terminal and not dumb_terminal()

    def fail(self, error: BaseException) -> None:
        """Reports a failure."""
        report(error, self.note, debug=self.settings.debug, hints=self.program != "virsh")
        if self.settings.log:
            self.log(error)

    def log(self, error: BaseException) -> None:
        """Adds a failure to the file of --log."""
        stamp = f"[{time.strftime('%Y-%m-%d %H:%M:%S%z')} {self.program} {os.getpid()}] "
        with Path(self.settings.log or os.devnull).open("a", encoding="utf-8", errors="surrogateescape") as file:
            file.writelines(f"{stamp}{line}\n" for line in lines(error, hints=False))

    # Commands

    def command(self, name: str) -> VirshCommand:
        """A command of the table. Raises UsageError."""
        root = click.get_current_context().find_root()
        assert isinstance(root.command, click.Group)
        command = root.command.get_command(root, name)
        if not isinstance(command, VirshCommand):
            raise UsageError(f"unknown command: '{name}'")
        return command

    def read(self, words: list[str]) -> click.Context:
        """A command, read and ready to run. Raises UsageError."""
        root = click.get_current_context().find_root()
        return self.command(words[0]).make_context(words[0], list(words[1:]), parent=root)

    def run_string(self, text: str) -> bool:
        """Runs the commands of a string; whether the last one succeeded. Raises UsageError before anything runs."""
        return self.run([self.read(words) for words in split_commands(text)])

    def run(self, contexts: list[click.Context]) -> bool:
        """Runs commands one after the other, whatever becomes of them; whether the last one succeeded."""
        good = True
        if len(contexts) > 1:
            gc.enable()
        for context in contexts:
            good = self.run_one(context)
        return good

    def run_one(self, context: click.Context) -> bool:
        """Runs one command. Raises Quit; reports everything else."""
        started = time.perf_counter()
        self.command_line = context.info_name or ""
        before = self.format, self.plain
        self.silent = False
        try:
            good = self.attempt(context)
            if self.settings.timing:
                self.say(f"\n(Time: {(time.perf_counter() - started) * 1000:.3f} ms)\n\n")
            elif not getattr(context.command, "bare", False):
                self.extra("\n")
        finally:
            self.format, self.plain = before
        return good

    def attempt(self, context: click.Context) -> bool:
        """Runs one command and reports how it failed; whether it succeeded."""
        try:
            self.invoke(context)
        except (Quit, KeyboardInterrupt, BrokenPipeError, OutputLost):
            raise
        except Exception as error:
            self.fail(error)
            return False
        return True

    def invoke(self, context: click.Context) -> None:
        """Runs one command with the output that it asks for."""
        command = context.command
        assert isinstance(command, VirshCommand)
        if "help" in context.params:
            from virtctl.cli.help import command_help

            row = BY_NAME[context.info_name or ""]
            self.say(command_help(row.name, row.summary, command))
            return
        if command.reports:
            self.format = checked_format(context.params.get("output", self.format))
            self.plain = self.plain or "plain" in context.params
        command.invoke(context)

    # The end

    def at_end(self, action: Callable[[], None]) -> None:
        """Remembers something to be done when the connection ends, such as ending a guest of --autodestroy."""
        self._at_end.append(action)

    def close(self) -> None:
        """Does what was remembered."""
        while self._at_end:
            try:
                self._at_end.pop()()
            except VirtctlError as error:
                self.fail(error)
