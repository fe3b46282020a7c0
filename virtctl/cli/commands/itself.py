"""Commands about the program: help, echo, cd, connect, quit..."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from virtctl.cli.operands import Choice, Flag, Text, command, exclusive
from virtctl.cli.session import Quit, Session
from virtctl.errors import VirtctlError


@command(Text("command", "a command, or the keyword of a group", "subject", empty_ok=True))
def help_command(session: Session, subject: str | None) -> None:
    """Explains all commands, a group of them, or one."""
    from virtctl.cli import help
    from virtctl.cli.table import BY_NAME, GROUPS

    if not subject:
        session.say(help.all_groups(session.program))
        return
    for group in GROUPS:
        if group.keyword == subject:
            session.say(help.group_help(group, session.program))
            return
    if subject not in BY_NAME:
        raise VirtctlError(f"command or command group '{subject}' doesn't exist")
    session.say(help.command_help(subject, BY_NAME[subject].summary, session.command(subject)))


@command(
    Flag("shell", "quote for a shell"),
    Flag("xml", "escape for XML"),
    Flag("split", "take each argument apart at commas; two commas are one that stays"),
    Flag("err", "print to standard error"),
    Text("arg", "what to print", many=True, anonymous=True),
)
def echo(session: Session, shell: bool, xml: bool, split: bool, err: bool, arg: list[str]) -> None:
    """Prints the arguments."""
    exclusive(shell=shell, xml=xml)
    words = parted(" ".join(arg)) if split else arg
    words = [shlex.quote(word) for word in words] if shell else words
    words = [escaped(word) for word in words] if xml else words
    text = "\n".join(words) if split else " ".join(words)
    if err:
        session.note(f"error: {text}\n")
    else:
        session.say(f"{text}\n" if split else text)


def parted(word: str) -> list[str]:
    """A word taken apart at single commas."""
    return [part.replace("\0", ",") for part in word.replace(",,", "\0").split(",")]


def escaped(text: str) -> str:
    """Text as XML holds it."""
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&apos;")):
        text = text.replace(char, entity)
    return text


@command(Text("dir", "folder to go to; home when none is named", "folder", empty_ok=True, source="file"))
def cd(session: Session, folder: str | None) -> None:
    """Changes the working folder of the interactive shell."""
    if not session.interactive:
        raise VirtctlError("cd: command valid only in interactive mode")
    place = folder or str(Path.home())
    try:
        os.chdir(place)
    except OSError as error:
        raise VirtctlError(f"cd: {error.strerror}: {place}") from error


@command()
def pwd(session: Session) -> None:
    """Prints the working folder."""
    try:
        session.say(f"{Path.cwd()}\n")
    except OSError as error:
        raise VirtctlError(f"pwd: cannot get current directory: {error.strerror}") from error


@command(
    Text("name", "URI to connect to", "name", empty_ok=True),
    Flag("readonly", "change nothing over this connection"),
)
def connect(session: Session, name: str | None, readonly: bool) -> None:
    """Connects to a hypervisor, from here on."""
    session.readonly = readonly
    session.connect(name or session.default_uri())


@command()
def quit_shell(session: Session) -> None:
    """Leaves."""
    raise Quit


@command(Choice("shell", "bash, zsh or fish", ("bash", "zsh", "fish"), required=True), bare=True)
def completion(session: Session, shell: str) -> None:
    """Prints the script that makes a shell complete our commands, for example: source <(virtctl completion bash)"""
    from virtctl.cli.completion import script

    session.say(script(shell, session.program))


@command(bare=True)
def man(session: Session) -> None:
    """Prints the manual page, for example: virtctl man | man -l -"""
    from virtctl.cli.manual import manual

    session.say(manual(session.command))
