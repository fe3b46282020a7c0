"""The files of xm and xl: NAME = VALUE lines of strings, numbers and lists.

xm's are Python assignments and xl's have a grammar of their own; one reader takes both, by dialect. Nothing is ever
evaluated: a name, a call or an operator where a value belongs is an error that says so. A name that is assigned twice
has its last value, as in both programs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, TypeAlias

from virtctl.errors import ConfigSyntaxError
from virtctl.xen.escapes import unescape

ConfigValue: TypeAlias = str | int | list["ConfigValue"]
Dialect = Literal["xm", "xl"]

MAX_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 16

_TOKEN = re.compile(r'''
    (?P<blank>(?:[ \t\r\f\v\ufeff]|\\\r?\n|\#[^\n]*)+)
  | (?P<end>[\n;])
  | (?P<append>\+=)
  | (?P<mark>[=\[\](),])
  | (?P<raw>[rR]?)(?P<string>
        """[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""
      | \'\'\'[^'\\]*(?:(?:\\.|'(?!\'\'))[^'\\]*)*\'\'\'
      | "[^"\\\n]*(?:\\.[^"\\\n]*)*"
      | '[^'\\\n]*(?:\\.[^'\\\n]*)*')
  | (?P<real>[+-]?[0-9]+\.[0-9]*(?![\w.]))
  | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)(?![\w.]))
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
''', re.VERBOSE | re.DOTALL)
_WORDS: dict[str, ConfigValue] = {"True": 1, "False": 0, "None": ""}
_CLOSING = {"[": "]", "(": ")"}
_UNEVALUATED = "expressions are not evaluated: write the value itself"


class _Token:
    __slots__ = ("kind", "start", "text", "value")

    def __init__(self, kind: str, text: str, start: int, value: ConfigValue = "") -> None:
        self.kind, self.text, self.start, self.value = kind, text, start, value


class _Reader:
    """Turns text into tokens, one ahead of what is being read."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text, self.dialect = text, dialect
        self.position = 0
        self.token = self._next()

    def fail(self, what: str, start: int, hint: str | None = None) -> ConfigSyntaxError:
        """The error, with the line and column of `start`."""
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        return ConfigSyntaxError(f"{what} at line {line}, column {column}", hint=hint)

    def take(self) -> _Token:
        """The current token; the reader goes on to the next."""
        token, self.token = self.token, self._next()
        return token

    def skip_ends(self) -> None:
        """Past newlines, which mean nothing inside a list."""
        while self.token.kind == "end" and self.token.text == "\n":
            self.take()

    def _next(self) -> _Token:
        while self.position < len(self.text):
            start = self.position
            match = _TOKEN.match(self.text, start)
            if match is None:
                what = "unterminated string" if self.text[start] in "'\"" else f"unexpected {self.text[start]!r}"
                raise self.fail(what, start, None if self.text[start] in "'\"" else _UNEVALUATED)
            self.position = match.end()
            if match["blank"] is None:
                return self._token(match)
        return _Token("eof", "", self.position)

    def _token(self, match: re.Match[str]) -> _Token:
        start = match.start()
        if match["string"] is not None:
            return _Token("value", match[0], start, self._string(match))
        if match["number"] is not None:
            return _Token("value", match[0], start, self._number(match["number"], start))
        if match["real"] is not None:
            return _Token("value", match[0], start, match["real"])
        if match["name"] is not None:
            return _Token("name", match[0], start)
        return _Token("end" if match["end"] is not None else "mark", match[0], start)

    def _string(self, match: re.Match[str]) -> str:
        literal = match["string"]
        width = 3 if literal.startswith(('"""', "'''")) else 1
        inside = literal[width:-width]
        return inside if match["raw"] else unescape(inside)

    def _number(self, digits: str, start: int) -> int:
        if len(digits) > 20:
            raise self.fail("number too long", start)
        body = digits.lstrip("+-")
        octal = len(body) > 1 and body[0] == "0" and body.isdecimal()
        try:
            value = int(body, 8) if octal else int(body, 0)
        except ValueError:
            raise self.fail(f"'{digits}' is not a number", start) from None
        value = -value if digits[0] == "-" else value
        if not -(2**63) <= value < 2**64:
            raise self.fail("number out of range", start)
        return value


def _value(reader: _Reader, depth: int) -> ConfigValue:
    token = reader.token
    if token.kind == "value":
        reader.take()
        value = token.value
        # Python joins strings that stand side by side.
        while isinstance(value, str) and reader.dialect == "xm" and _is_string(reader.token):
            value += str(reader.take().value)
        return value
    if token.text == "[" or (token.text == "(" and reader.dialect == "xm"):
        return _list(reader, depth)
    if token.kind == "name" and reader.dialect == "xm" and token.text in _WORDS:
        reader.take()
        return _WORDS[token.text]
    raise reader.fail("expecting a value", token.start, _UNEVALUATED if token.kind == "name" else None)


def _is_string(token: _Token) -> bool:
    return token.kind == "value" and isinstance(token.value, str) and token.text[-1] in "'\""


def _list(reader: _Reader, depth: int) -> list[ConfigValue]:
    opening = reader.take()
    if depth >= MAX_DEPTH:
        raise reader.fail(f"more than {MAX_DEPTH} lists in one another", opening.start)
    closing = _CLOSING[opening.text]
    items: list[ConfigValue] = []
    reader.skip_ends()
    while reader.token.text != closing or reader.token.kind != "mark":
        items.append(_value(reader, depth + 1))
        reader.skip_ends()
        if reader.token.kind == "mark" and reader.token.text == ",":
            reader.take()
            reader.skip_ends()
        elif reader.token.kind != "mark" or reader.token.text != closing:
            raise reader.fail(f"expecting ',' or '{closing}'", reader.token.start)
    reader.take()
    return items


class _Pieces(list[ConfigValue]):
    """A string while `+=` still adds to it: joined once, at the end, so that many additions stay cheap."""


def _add(values: dict[str, ConfigValue], name: str, value: ConfigValue) -> bool:
    """`name += value`; False where the two do not go together."""
    before = values.get(name)
    if isinstance(before, list) and isinstance(before, _Pieces) == isinstance(value, str):
        if isinstance(value, int):
            return False
        before.extend([value] if isinstance(value, str) else value)
    elif isinstance(before, str) and isinstance(value, str):
        values[name] = _Pieces([before, value])
    elif before is None:
        values[name] = value
    else:
        return False
    return True


def _statement(reader: _Reader, values: dict[str, ConfigValue]) -> None:
    name = reader.take()
    if name.kind != "name":
        raise reader.fail("expecting a name", name.start)
    mark = reader.take()
    if mark.text not in ("=", "+="):
        raise reader.fail("expecting '='", mark.start, _UNEVALUATED)
    value = _value(reader, 0)
    if mark.text == "=":
        values.pop(name.text, None)
        values[name.text] = value
    elif not _add(values, name.text, value):
        raise reader.fail(f"'{name.text}' was of another type", name.start)
    if reader.token.kind not in ("end", "eof"):
        raise reader.fail("expecting the end of the line", reader.token.start, _UNEVALUATED)


def read_config(text: str, dialect: Dialect) -> dict[str, ConfigValue]:
    """The assignments of an xm or xl file. Raises ConfigSyntaxError with line and column."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigSyntaxError(f"a file of {len(text)} characters: more than {MAX_CHARACTERS}")
    reader = _Reader(text, dialect)
    values: dict[str, ConfigValue] = {}
    while reader.token.kind != "eof":
        if reader.token.kind == "end":
            reader.take()
        else:
            _statement(reader, values)
    return {name: "".join(map(str, value)) if isinstance(value, _Pieces) else value for name, value in values.items()}


def _escape(text: str, quote: str) -> str:
    out = []
    for character in text:
        if character in (quote, "\\"):
            out.append("\\" + character)
        elif character == "\n":
            out.append("\\n")
        elif character < " " or character == "\x7f":
            out.append(f"\\x{ord(character):02x}")
        else:
            out.append(character)
    return quote + "".join(out) + quote


def _string(text: str, dialect: Dialect) -> str:
    """A string as libvirt writes it: double quotes, else single ones, else (for xm) three double ones."""
    if '"' not in text:
        return _escape(text, '"')
    if "'" not in text:
        return _escape(text, "'")
    if dialect == "xm" and text.isprintable() and "\\" not in text and '"""' not in text and not text.endswith('"'):
        return f'"""{text}"""'
    return _escape(text, '"')


def _written(value: ConfigValue, dialect: Dialect) -> str:
    if isinstance(value, str):
        return _string(value, dialect)
    if isinstance(value, int):
        return str(int(value))
    return "[ " + "".join(", " * bool(index) + _written(item, dialect) for index, item in enumerate(value)) + " ]"


def write_config(values: Mapping[str, ConfigValue], dialect: Dialect) -> str:
    """One `NAME = VALUE` line for each value."""
    return "".join(f"{name} = {_written(value, dialect)}\n" for name, value in values.items())
