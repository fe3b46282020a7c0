"""Lines that a person types: history and completion by GNU readline."""

from __future__ import annotations

import readline
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from virtctl.cli.environment import history_file
from virtctl.cli.session import Session

HISTORY_LENGTH = 500


@contextmanager
def line_reader(session: Session) -> Iterator[Callable[[str], str]]:
    """A function that prompts for a line; it raises EOFError and KeyboardInterrupt. History is kept in a file."""
    history = history_file()
    with suppress(OSError):
        readline.read_history_file(history)
    readline.set_history_length(HISTORY_LENGTH)
    readline.set_completer(Completer(session).complete)
    readline.set_completer_delims(" \t\n;=")
    readline.parse_and_bind("tab: complete")
    try:
        yield input
    finally:
        with suppress(OSError):
            history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            readline.write_history_file(history)


class Completer:
    """Completes the word at the cursor, by the same rules as the shells' scripts."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.context = click.get_current_context().find_root()
        self.found: list[str] = []

    def complete(self, text: str, state: int) -> str | None:
        """readline's protocol: the state-th possibility, None after the last."""
        if state == 0:
            self.found = self.possibilities(text)
        return self.found[state] if state < len(self.found) else None

    def possibilities(self, text: str) -> list[str]:
        """What the word may become."""
        before = readline.get_line_buffer()[: readline.get_begidx()].replace("\n", ";").rpartition(";")[2].split()
        group = self.context.command
        assert isinstance(group, click.Group)
        if not before:
            return [item.value + " " for item in group.shell_complete(self.context, text)]
        command = group.get_command(self.context, before[0])
        if command is None:
            return []
        asked = command.make_context(before[0], before[1:], parent=self.context, resilient_parsing=True)
        items = command.shell_complete(asked, text)
        if [item.type for item in items] == ["file"]:
            return file_names(text)
        return [item.value + " " for item in items]


def file_names(text: str) -> list[str]:
    """Files whose path begins so; folders end with a slash."""
    folder, slash, start = text.rpartition("/")
    try:
        inside = sorted(Path(folder + slash or ".").iterdir())
    except OSError:
        return []
    found = [path for path in inside if path.name.startswith(start)]
    return [f"{folder}{slash}{path.name}{'/' if path.is_dir() else ''}" for path in found]
