"""The files of xm and xl: NAME = VALUE lines of strings, numbers and lists.

xm's are Python assignments and xl's have a grammar of their own; one reader takes both, by dialect. Nothing is ever
evaluated: a name, a call or an operator where a value belongs is an error that says so. A name that is assigned twice
has its last value, as in both programs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
# The kinds of token that have no value.
_PLAIN = {"mark": "mark", "append": "mark", "end": "end", "name": "name"}
_CLOSING = {"[": "]", "(": ")"}
_UNEVALUATED = "expressions are not evaluated: write the value itself"


_Token: TypeAlias = tuple[str, str, int, ConfigValue]
"""(kind, text, where it begins, value)."""


class _Reader:
    """Turns text into tokens; `kind`, `word`, `start` and `value` are those of the current one."""

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text, self.dialect = text, dialect
        self._tokens = self._all_tokens()
        self.kind, self.word, self.start, self.value = next(self._tokens)

    def fail(self, what: str, start: int, hint: str | None = None) -> ConfigSyntaxError:
        """The error, with the line and column of `start`."""
        line = self.text.count("\n", 0, start) + 1
        column = start - (self.text.rfind("\n", 0, start) + 1) + 1
        return ConfigSyntaxError(f"{what} at line {line}, column {column}", hint=hint)

    def advance(self) -> None:
        """On to the next token; the end of the text stays the end."""
        if self.kind != "eof":
            self.kind, self.word, self.start, self.value = next(self._tokens)

    def skip_ends(self) -> None:
        """Past newlines, which mean nothing inside a list."""
        while self.kind == "end" and self.word == "\n":
            self.advance()

    def is_string(self) -> bool:
        """Whether the current token is a string."""
        return self.kind == "value" and isinstance(self.value, str) and self.word[-1] in "'\""

    def _all_tokens(self) -> Iterator[_Token]:
        position = 0
        for match in _TOKEN.finditer(self.text):
            start = match.start()
            if start != position:
                break
            position = match.end()
            kind = match.lastgroup or ""
            if kind in _PLAIN:
                yield _PLAIN[kind], match[0], start, ""
            elif kind != "blank":
                yield "value", match[0], start, self._value(kind, match)
        if position < len(self.text):
            quoted = self.text[position] in "'\""
            what = "unterminated string" if quoted else f"unexpected {self.text[position]!r}"
            raise self.fail(what, position, None if quoted else _UNEVALUATED)
        yield "eof", "", position, ""

    def _value(self, kind: str, match: re.Match[str]) -> ConfigValue:
        if kind == "string":
            return self._string(match)
        return self._number(match[0], match.start()) if kind == "number" else match[0]

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
    if reader.kind == "value":
        value = reader.value
        reader.advance()
        # Python joins strings that stand side by side.
        while isinstance(value, str) and reader.dialect == "xm" and reader.is_string():
            value += str(reader.value)
            reader.advance()
        return value
    if reader.word == "[" or (reader.word == "(" and reader.dialect == "xm"):
        return _list(reader, depth)
    if reader.kind == "name" and reader.dialect == "xm" and reader.word in _WORDS:
        value = _WORDS[reader.word]
        reader.advance()
        return value
    raise reader.fail("expecting a value", reader.start, _UNEVALUATED if reader.kind == "name" else None)


def _list(reader: _Reader, depth: int) -> list[ConfigValue]:
    if depth >= MAX_DEPTH:
        raise reader.fail(f"more than {MAX_DEPTH} lists in one another", reader.start)
    closing = _CLOSING[reader.word]
    reader.advance()
    items: list[ConfigValue] = []
    reader.skip_ends()
    while reader.kind != "mark" or reader.word != closing:
        items.append(_value(reader, depth + 1))
        reader.skip_ends()
        if reader.kind == "mark" and reader.word == ",":
            reader.advance()
            reader.skip_ends()
        elif reader.kind != "mark" or reader.word != closing:
            raise reader.fail(f"expecting ',' or '{closing}'", reader.start)
    reader.advance()
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
    name, start = reader.word, reader.start
    if reader.kind != "name":
        raise reader.fail("expecting a name", start)
    reader.advance()
    mark = reader.word
    if mark not in ("=", "+="):
        raise reader.fail("expecting '='", reader.start, _UNEVALUATED)
    reader.advance()
    value = _value(reader, 0)
    if mark == "=":
        values.pop(name, None)
        values[name] = value
    elif not _add(values, name, value):
        raise reader.fail(f"'{name}' was of another type", start)
    if reader.kind not in ("end", "eof"):
        raise reader.fail("expecting the end of the line", reader.start, _UNEVALUATED)


def read_config(text: str, dialect: Dialect) -> dict[str, ConfigValue]:
    """The assignments of an xm or xl file. Raises ConfigSyntaxError with line and column."""
    if len(text) > MAX_CHARACTERS:
        raise ConfigSyntaxError(f"a file of {len(text)} characters: more than {MAX_CHARACTERS}")
    reader = _Reader(text, dialect)
    values: dict[str, ConfigValue] = {}
    while reader.kind != "eof":
        if reader.kind == "end":
            reader.advance()
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
