"""The options before the command, read as virsh reads them: getopt's rules, virsh's words."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from virtctl.errors import UsageError


class Settings(NamedTuple):
    """What was said before the command. `action` is what to do instead of a command: help, version or long-version."""

    uri: str | None = None
    quiet: bool = False
    readonly: bool = False
    timing: bool = False
    escape: str = "^]"
    output: str = "table"
    plain: bool = False
    debug: bool = False
    log: str | None = None
    action: str = ""
    warnings: tuple[str, ...] = ()
    lock_timeout: float = 30.0


class Option(NamedTuple):
    """A global option. `takes` is what follows it: nothing, a value, or perhaps one (`maybe`)."""

    letter: str
    name: str
    takes: str = ""


OPTIONS = (
    Option("c", "connect", "value"),
    Option("d", "debug", "number"),
    Option("e", "escape", "value"),
    Option("h", "help"),
    Option("k", "keepalive-interval", "value"),
    Option("K", "keepalive-count", "value"),
    Option("l", "log", "value"),
    Option("q", "quiet"),
    Option("r", "readonly"),
    Option("t", "timing"),
    Option("v", "version", "maybe"),
    Option("V", "", ""),
    Option("", "lock-timeout", "value"),
    Option("", "output", "value"),
    Option("", "plain"),
)
FORMATS = ("table", "json", "yaml")


def read_settings(words: list[str]) -> tuple[Settings, list[str]]:
    """The settings, and the words from the command on. Raises UsageError."""
    reading = _Reading(list(words))
    while reading.rest and reading.rest[0].startswith("-") and reading.rest[0] != "-":
        word = reading.rest.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            reading.long(word)
        else:
            reading.cluster(word)
        if "action" in reading.given:
            break
    return Settings(**reading.given), reading.rest


class _Reading:
    def __init__(self, rest: list[str]) -> None:
        self.rest = rest
        self.given: dict[str, Any] = {}

    def long(self, word: str) -> None:
        name, equals, value = word[2:].partition("=")
        exact = [option for option in OPTIONS if option.name == name]
        found = exact or [option for option in OPTIONS if name and option.name.startswith(name)]
        if len(found) > 1:
            found = [option for option in found if option.letter]  # virsh's own keep their short forms
        if len(found) != 1:
            raise UsageError(f"unsupported option '{word}'. See --help.")
        option = found[0]
        if equals and not option.takes:
            raise UsageError(f"unsupported option '{f'-{option.letter}' if option.letter else word}'. See --help.")
        if not equals and option.takes in ("value", "number"):
            value = self.value_of(option, bare=option.takes == "number")
        self.apply(option, value, f"--{option.name}")

    def cluster(self, word: str) -> None:
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            found = [option for option in OPTIONS if option.letter == letter]
            if not found:
                raise UsageError(f"unsupported option '-{letter}'. See --help.")
            value = ""
            if found[0].takes in ("value", "number"):
                value, letters = letters or self.value_of(found[0], bare=False), ""
            self.apply(found[0], value, f"-{letter}")

    def value_of(self, option: Option, *, bare: bool) -> str:
        if bare and not (self.rest and self.rest[0].isdigit()):
            return ""
        if not self.rest:
            named = f"'-{option.letter}'/'--{option.name}'" if option.letter else f"'--{option.name}'"
            raise UsageError(f"option {named} requires an argument")
        return self.rest.pop(0)

    def apply(self, option: Option, value: str, shown: str) -> None:
        setters = {
            "connect": self.connect,
            "debug": self.debug,
            "escape": self.escape,
            "keepalive-interval": self.keepalive,
            "keepalive-count": self.keepalive,
            "log": self.log,
            "lock-timeout": self.lock_timeout,
            "version": self.version,
            "output": self.output,
        }
        if option.name in setters:
            setters[option.name](value, shown)
        elif option.letter in ("h", "V"):
            self.change(action="help" if option.letter == "h" else "long-version")
        else:
            self.change(**{option.name: True})

    def lock_timeout(self, value: str, shown: str) -> None:
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1
        if not 0 <= seconds < 1e6:
            raise UsageError(f"Invalid value for option {shown}")
        self.change(lock_timeout=seconds)

    def change(self, **values: str | float | bool | tuple[str, ...]) -> None:
        self.given |= values

    def connect(self, value: str, shown: str) -> None:
        self.change(uri=value)

    def debug(self, value: str, shown: str) -> None:
        if not value:
            self.change(debug=True)
        elif not value.isdigit():
            raise UsageError(f"option {shown} takes a numeric argument")
        elif int(value) > 4:
            text = f"ignoring debug level {value} out of range [0-4]"
            self.change(warnings=(*self.given.get("warnings", ()), text))

    def escape(self, value: str, shown: str) -> None:
        if len(value) != 1 and not (len(value) == 2 and value[0] == "^"):
            raise UsageError(f"Invalid string '{value}' for escape sequence")
        self.change(escape=value)

    def keepalive(self, value: str, shown: str) -> None:
        if not value.lstrip("+-").isdigit():
            raise UsageError(f"Invalid value for option {shown}")
        if int(value) < 0:
            raise UsageError(f"option {shown} requires a positive integer argument")

    def log(self, value: str, shown: str) -> None:
        try:
            Path(value).open("a").close()
        except OSError as error:
            raise UsageError("failed to open the log file. check the log file path") from error
        self.change(log=value)

    def version(self, value: str, shown: str) -> None:
        self.change(action="long-version" if value == "long" else "version")

    def output(self, value: str, shown: str) -> None:
        self.change(output=checked_format(value))


def checked_format(value: str) -> str:
    """One of the output formats. Raises UsageError."""
    if value not in FORMATS:
        raise UsageError(f"unknown output format '{value}', expecting 'table', 'json' or 'yaml'")
    return value
