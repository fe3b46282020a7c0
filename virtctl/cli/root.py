"""The program from its first word to its exit status."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click

from virtctl.cli.lazygroup import LazyGroup
from virtctl.cli.output import OutputLost, Stream, abandon, die_of_broken_pipe, open_streams
from virtctl.cli.report import report
from virtctl.cli.session import Quit, Session
from virtctl.cli.settings import Settings
from virtctl.errors import UsageError

FAILURE = 1
INTERRUPTED = 130


def main() -> int:
    """Runs the program; its exit status."""
    heed_signals()
    out, err = open_streams()
    program = Path(sys.argv[0]).name
    program = "virtctl" if program == "__main__.py" else program
    try:
        status = run(program, sys.argv[1:], out, err)
        out.flush()
    except BrokenPipeError:
        abandon(out)
        die_of_broken_pipe()
        return FAILURE
    except KeyboardInterrupt:
        out.write("\n" if out.terminal else "")
        return INTERRUPTED
    except OutputLost as error:
        abandon(out)
        say_lost(err, error)
        return FAILURE
    return status


def heed_signals() -> None:
    """Told to end, a command takes back what it has half done, as after a Ctrl-C; being told again cuts no undoing
    short.
    """

    def leave(number: int, _frame: object) -> NoReturn:
        for other in told:
            signal.signal(other, signal.SIG_IGN)
        raise SystemExit(128 + number)

    told = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in told:
        signal.signal(number, leave)


def say_lost(err: Stream, error: OutputLost) -> None:
    """Says that output was lost; when that cannot be said either, the exit status alone must tell."""
    try:
        err.write(f"error: cannot write the output: {error}\n")
        err.flush()
    except (OutputLost, BrokenPipeError):
        abandon(err)


def run(program: str, words: list[str], out: Stream, err: Stream) -> int:
    """Runs the words; the exit status. Raises OutputLost."""
    group = LazyGroup(name=program, add_help_option=False)
    if asked := os.environ.get(f"_{program}_complete".replace("-", "_").upper()):
        from virtctl.cli.completion import answer

        status, text = answer(group, program, asked)
        out.write(text)
        return status
    try:
        context = group.make_context(program, words)
    except UsageError as error:
        report(error, err.write, debug=False, hints=False)
        return FAILURE
    settings: Settings = context.obj
    if settings.action:
        from virtctl.cli.about import about

        out.write(about(settings.action, program))
        return 0
    with context:
        return carry_out(context, Session(program, settings, out, err))


def carry_out(context: click.Context, session: Session) -> int:
    """Runs the commands of the command line, or the shell when there are none; the exit status."""
    context.obj = session
    words = context.args
    for warning in session.settings.warnings:
        session.note(f"error: {warning}\n")
    try:
        good = commands(session, words)
    except UsageError as error:
        session.fail(error)
        good = False
    except Quit:
        good = True
    finally:
        session.close()
    return 0 if good else FAILURE


def commands(session: Session, words: list[str]) -> bool:
    """One word is a string of commands, several are one command, none is a conversation."""
    if not words:
        from virtctl.cli.shell import converse

        return connected(session) and converse(session)
    if len(words) == 1:
        if not words[0]:
            return False
        from virtctl.cli.words import split_commands

        contexts = [session.read(command) for command in split_commands(words[0])]
    else:
        contexts = [session.read(words)]
    return connected(session) and session.run(contexts)


def connected(session: Session) -> bool:
    """Connects to a URI that was named; without one, the first command that needs it does."""
    if not session.uri:
        return True
    try:
        session.connect(session.uri)
    except Exception as error:
        session.fail(error)
        return False
    return True
