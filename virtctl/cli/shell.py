"""Commands from standard input: the interactive shell with history and completion, or a file or pipe."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

from virtctl.cli.session import Quit, Session
from virtctl.errors import UsageError

BANNER = """\
Welcome to {program}, the virtualization interactive terminal.

Type:  'help' for help with commands
       'quit' to quit

"""


def converse(session: Session) -> bool:
    """Reads and runs commands until `quit` or the end of the input, which virsh always calls a success."""
    gc.enable()
    session.interactive = True
    session.extra(BANNER.format(program=session.program))
    person = sys.stdin.isatty() and session.out.terminal
    try:
        for line in terminal_lines(session) if person else piped_lines(session):
            carry_out(session, line, person=person)
    except Quit:
        pass
    session.say("\n")
    return True


def carry_out(session: Session, line: str, *, person: bool) -> None:
    """Runs one line. A person's interrupt ends the command; one of a script ends the script."""
    try:
        session.run_string(line)
    except UsageError as error:
        session.fail(error)
    except KeyboardInterrupt:
        if not person:
            raise
        session.say("\n")


def prompt(session: Session) -> str:
    """The prompt tells a read-only connection."""
    return f"{session.program} {'>' if session.readonly else '#'} "


def piped_lines(session: Session) -> Iterator[str]:
    """Lines of a pipe, each shown behind the prompt as a terminal would have shown it."""
    while True:
        session.say(prompt(session))
        line = sys.stdin.readline()
        if not line:
            return
        session.say(line if line.endswith("\n") else f"{line}\n")
        if line.strip():
            yield line


def terminal_lines(session: Session) -> Iterator[str]:
    """Lines that a person types, with history and completion."""
    from virtctl.cli.lines import line_reader

    with line_reader(session) as read:
        while True:
            session.out.flush()
            try:
                line = read(prompt(session))
            except KeyboardInterrupt:
                session.say("\n")
                continue
            except EOFError:
                return
            if line.strip():
                yield line
