"""virsh's grammar for the words of one command.

A value may be given by position, in the order of declaration, or by name (`--domain vm1`, `--domain=vm1`). Options may
be abbreviated where that is unambiguous; after `--` everything is data. Whether a value is acceptable is looked at
when the command runs, not when it is read: virsh reads all commands of a string before it runs the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from virtctl.cli.operands import Flag, Parameter, Text, Values
from virtctl.errors import UsageError


class Reading:
    """Reads the words of one command into `values`, keyed by option name."""

    def __init__(self, name: str, own: Sequence[Parameter], everywhere: Sequence[Parameter] = ()) -> None:
        self.name = name
        self.own = own
        self.options = {parameter.word: parameter for parameter in [*everywhere, *own]}
        self.values: Values = {}
        self.lenient = name == "help"

    def read(self, words: Sequence[str]) -> None:
        """Reads all words. Raises UsageError, with what was read so far in `values`."""
        rest = list(words)
        only_data = False
        while rest:
            word = rest.pop(0)
            if word == "--" and not only_data:
                only_data = True
            elif word.startswith("--") and not only_data:
                self.option(word[2:], rest)
            else:
                self.data(word)
        if "help" not in self.values:
            self.require()

    def option(self, word: str, rest: list[str]) -> None:
        """An option, and its value where it takes one. Raises UsageError."""
        name, equals, value = word.partition("=")
        parameter = self.find(name)
        if parameter is None:
            if not self.lenient:
                raise UsageError(f"command '{self.name}' doesn't support option --{name}")
        elif isinstance(parameter, Flag):
            if equals:
                raise UsageError(f"invalid '=' after option --{parameter.word}")
            self.put(parameter, True)
        elif equals or rest:
            self.put(parameter, value if equals else rest.pop(0))
        else:
            raise UsageError(f"expected syntax: --{parameter.word} <{parameter.kind}>")

    def find(self, name: str) -> Parameter | None:
        """The option of that name, or the only one that begins so."""
        if name in self.options:
            return self.options[name]
        likely = [word for word in self.options if name and word.startswith(name)]
        return self.options[likely[0]] if len(likely) == 1 else None

    def data(self, word: str) -> None:
        """A value by position: for the first operand that has none yet. Raises UsageError."""
        for parameter in self.own:
            if isinstance(parameter, Flag) or parameter.by_name:
                continue
            if parameter.multiple or parameter.word not in self.values:
                self.put(parameter, word)
                return
        if not self.lenient:
            raise UsageError(f"unexpected data '{word}'")

    def put(self, parameter: Parameter, value: str | bool) -> None:
        """Keeps a value. Raises UsageError when there is one already."""
        if parameter.multiple:
            self.values.setdefault(parameter.word, []).append(value)
        elif parameter.word in self.values:
            raise UsageError(f"option --{parameter.word} already seen")
        else:
            self.values[parameter.word] = value

    def require(self) -> None:
        """Asks for what must be there. Raises UsageError, a line for each operand that is missing."""
        missing = [p for p in self.own if p.required and p.word not in self.values]
        if missing:
            raise UsageError("\n".join(f"command '{self.name}' requires {named(p)} option" for p in missing))


def named(parameter: Parameter) -> str:
    """How an operand is called in messages."""
    by_name = isinstance(parameter, Text) and parameter.by_name
    return f"--{parameter.word}" if by_name else f"<{parameter.word}>"
