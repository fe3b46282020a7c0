"""What a command takes: flags and values, declared once for parsing, help, completion and the man page.

They are Click's options and commands; the words are read by virsh's grammar (virtctl/cli/grammar.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from virtctl.errors import InvalidArgument, UsageError, VirtctlError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Values = dict[str, Any]


class Flag(click.Option):
    """An option without a value."""

    kind = ""

    def __init__(self, name: str, doc: str, variable: str | None = None) -> None:
        super().__init__([f"--{name}", *([variable] if variable else [])], is_flag=True, help=doc)
        self.word = name


class Text(click.Option):
    """A value. `many` takes all that is left; `by_name` is never taken by position; `source` completes it."""

    kind = "string"

    def __init__(
        self,
        name: str,
        doc: str,
        variable: str | None = None,
        *,
        required: bool = False,
        many: bool = False,
        by_name: bool = False,
        empty_ok: bool = False,
        anonymous: bool = False,
        source: str = "",
    ) -> None:
        super().__init__([f"--{name}", *([variable] if variable else [])], required=required, multiple=many, help=doc)
        self.word = name
        self.by_name = by_name
        self.empty_ok = empty_ok or many
        self.anonymous = anonymous
        self.source = source

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Values for this operand."""
        from virtctl.cli.completion import value_items

        return value_items(self, ctx, incomplete)

    def convert(self, given: str) -> object:
        """The value, checked. Raises VirtctlError."""
        if not given and not self.empty_ok:
            raise VirtctlError(f"Failed to get option '{self.word}': Option argument is empty")
        return given


class Number(Text):
    """A whole number that is not negative."""

    kind = "number"

    def convert(self, given: str) -> object:
        """The number. Raises VirtctlError."""
        if not re.fullmatch(r"\s*\+?[0-9]+", given):
            raise VirtctlError(f"Numeric value '{given}' for <{self.word}> option is malformed or out of range")
        return int(given)


class Scaled(Text):
    """A number that may carry a unit: KiB, MiB, K, M... or KB, MB; the value is (number, factor or None)."""

    kind = "number"

    def convert(self, given: str) -> object:
        """The number and the factor of its unit. Raises VirtctlError."""
        found = re.fullmatch(r"\s*([+-]?[0-9]+)\s*(?:([kmgtpe])(i?b)?|b|bytes?)?", given, re.IGNORECASE)
        if not found:
            raise self.malformed(given)
        number, letter, unit = found.groups()
        step = 1000 if unit and unit.lower() == "b" else 1024
        factor = step ** ("kmgtpe".index(letter.lower()) + 1) if letter else None
        return int(number) % 2**64, 1 if factor is None and given.strip()[-1] not in "0123456789" else factor


    def malformed(self, given: str) -> VirtctlError:
        """What is said of anything else; two lines when a number is followed by something unknown."""
        text = f"Scaled numeric value '{given}' for <--{self.word}> option is malformed or out of range"
        suffix = re.fullmatch(r"\s*[+-]?[0-9]+(.+)", given, re.DOTALL)
        if not suffix:
            return VirtctlError(text)
        error = InvalidArgument(f"unknown suffix '{suffix[1]}'")
        error.attempt = text
        return error


class Choice(Text):
    """One of some words, checked by the command itself; completion offers them."""

    def __init__(self, name: str, doc: str, choices: Sequence[str], *, required: bool = False) -> None:
        super().__init__(name, doc, required=required, source="choice")
        self.choices = tuple(choices)


Parameter = Flag | Text


class VirshCommand(click.Command):
    """A Click command that is read by virsh's grammar.

    `reports` says that it shows something `--output` applies to, `bare` that another program reads its output, which
    no blank line must follow.
    """

    reports = False
    bare = False

    def own(self) -> list[Parameter]:
        """What it takes, in order of declaration."""
        return [parameter for parameter in self.params if isinstance(parameter, (Flag, Text))]

    def everywhere(self) -> list[Parameter]:
        """What it takes beside that, only by name, as every command or every reporting command does."""
        found: list[Parameter] = [Flag("help", "explain this command", "help_")]
        if self.reports:
            formats = Text("output", "how to show what was found: table, json or yaml", "output_", by_name=True)
            found += [Flag("plain", "virsh's text, also on a terminal", "plain_"), formats]
        return found

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Ours only: the grammar reads `--help` itself."""
        return self.params

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Words to `ctx.params`, still as text. Raises UsageError."""
        from virtctl.cli.grammar import Reading

        reading = Reading(ctx.info_name or "", self.own(), self.everywhere())
        ctx.params = reading.values
        try:
            reading.read(args)
        except UsageError:
            if not ctx.resilient_parsing:  # completion asks about lines that are not finished
                raise
        return []

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Options after a dash, else the next operand."""
        from virtctl.cli.completion import command_items

        return command_items(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> None:
        """Checks the values and runs the command. Raises VirtctlError."""
        assert self.callback is not None
        ctx.invoke(self.callback, **{str(p.name): value_of(p, ctx.params) for p in self.own()})


def value_of(parameter: Parameter, given: Values) -> object:
    """A flag as a bool, a number as int, `many` as a list, what is absent as None. Raises VirtctlError."""
    found = given.get(parameter.word)
    if isinstance(parameter, Flag):
        return found is not None
    if parameter.multiple:
        return [parameter.convert(word) for word in found or []]
    return None if found is None else parameter.convert(found)


def command(
    *parameters: Parameter, reports: bool = False, bare: bool = False, kind: type[VirshCommand] = VirshCommand
) -> Callable[[Callable[..., None]], VirshCommand]:
    """Makes a command of a function; its docstring becomes the description in `help`."""

    def wrap(function: Callable[..., None]) -> VirshCommand:
        made = kind(None, callback=click.pass_obj(function), params=list(parameters), help=function.__doc__)
        made.reports = reports
        made.bare = bare
        return made

    return wrap


def domain(doc: str = "domain name, id or uuid") -> Text:
    """The operand that nearly every command takes."""
    return Text("domain", doc, required=True, source="domain")


def file(doc: str) -> Text:
    """A file operand."""
    return Text("file", doc, required=True, source="file")


def exclusive(**given: object) -> None:
    """Refuses two options that contradict each other, in virsh's words. Raises VirtctlError."""
    names = [name.replace("_", "-") for name, value in given.items() if value not in (None, False, [])]
    if len(names) > 1:
        raise VirtctlError(f"Options --{names[0]} and --{names[1]} are mutually exclusive")
