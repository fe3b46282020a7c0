"""The s-expressions of xend: a list is a Python list, an atom a str.

Atoms stand bare or in single or double quotes, in which a backslash escapes as in C. `#` at the start of a token
begins a comment. The reader keeps its own stack, so that depth is a limit of ours and not of the interpreter.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from virtctl.errors import ConfigSyntaxError
from virtctl.xen.escapes import unescape

Sexpr: TypeAlias = str | list["Sexpr"]

MAX_CHARACTERS = 4 * 1024 * 1024
MAX_DEPTH = 64

_TOKEN = re.compile(r"""
    (?P<space>(?:\s+|\#[^\n]*)+)
  | (?P<open>\()
  | (?P<close>\))
  | (?P<quoted>(?:'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")(?=[\s()'"]|\Z))
  | (?P<bare>[^\s()'"][^\s()]*)
""", re.VERBOSE | re.DOTALL)
_BARE = re.compile(r"[^\s()'\"#\\\0-\x1f][^\s()'\"\\\0-\x1f]*\Z")
_ESCAPED = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\000"}


class Quoted(str):
    """An atom that is written in quotes whether it needs them or not."""

    __slots__ = ()


def _fail(what: str, offset: int) -> ConfigSyntaxError:
    return ConfigSyntaxError(f"{what} at offset {offset}")


def read_sexpr(text: str, notes: list[str] | None = None) -> list[Sexpr]:
    """The one list that `text` holds. Raises ConfigSyntaxError with the offset of what is wrong.

    With `notes`, a text that lacks nothing but its very last ')' is taken, as libvirt takes it, and noted.
    """
    _check_size(text)
    outer: list[Sexpr] = []
    stack: list[list[Sexpr]] = [outer]
    position = 0
    for match in _TOKEN.finditer(text):
        if match.start() != position:
            break
        kind = match.lastgroup
        if len(stack) == 1:
            _check_outside(kind, outer, position)
        if kind == "open":
            _open(stack, position)
        elif kind == "close":
            stack.pop()
        elif kind != "space":
            stack[-1].append(match[0] if kind == "bare" else unescape(match[0][1:-1]))
        position = match.end()
    if position < len(text):
        raise _fail("unterminated string or junk after one", position)
    return _whole(outer, stack, position, notes)


def _check_size(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise ConfigSyntaxError(f"an s-expression of {len(text)} characters: more than {MAX_CHARACTERS}")


def _check_outside(kind: str | None, outer: list[Sexpr], offset: int) -> None:
    if outer and kind != "space":
        raise _fail("expecting the end", offset)
    if kind not in ("open", "space"):
        raise _fail("expecting '('", offset)


def _open(stack: list[list[Sexpr]], offset: int) -> None:
    if len(stack) > MAX_DEPTH:
        raise _fail(f"more than {MAX_DEPTH} lists in one another", offset)
    inner: list[Sexpr] = []
    stack[-1].append(inner)
    stack.append(inner)


def _whole(outer: list[Sexpr], stack: list[list[Sexpr]], offset: int, notes: list[str] | None) -> list[Sexpr]:
    """The one list that was read, if it was read to its end."""
    if len(stack) == 2 and notes is not None:
        notes.append(f"the last ')' is missing at offset {offset}")
    elif len(stack) > 1:
        raise _fail(f"{len(stack) - 1} ')' missing", offset)
    found = outer[0] if outer else None
    if not isinstance(found, list):
        raise _fail("expecting '('", offset)
    return found


def _atom(text: str) -> str:
    if not isinstance(text, Quoted) and _BARE.match(text):
        return text
    return "'" + "".join(_ESCAPED.get(character, character) for character in text) + "'"


def write_sexpr(value: Sexpr, depth: int = 0) -> str:
    """The text, as libvirt spaces it: a blank between two words, none between two lists."""
    if isinstance(value, str):
        return _atom(value)
    if depth >= MAX_DEPTH:
        raise ConfigSyntaxError(f"more than {MAX_DEPTH} lists in one another")
    out = []
    for index, item in enumerate(value):
        if index and not (isinstance(item, list) and isinstance(value[index - 1], list)):
            out.append(" ")
        out.append(write_sexpr(item, depth + 1))
    return "(" + "".join(out) + ")"


def entries(node: Sexpr, name: str) -> list[list[Sexpr]]:
    """The lists directly inside `node` that begin with the word `name`."""
    if isinstance(node, str):
        return []
    return [item for item in node if isinstance(item, list) and item and item[0] == name]


def lookup(node: Sexpr, path: str) -> list[Sexpr] | None:
    """The first list at `a/b/c` inside `node`."""
    here: list[Sexpr] | None = node if isinstance(node, list) else None
    for step in path.split("/"):
        found = entries(here, step) if here is not None else []
        here = found[0] if found else None
    return here


def value_of(node: Sexpr, path: str) -> str | None:
    """The atom that follows the last word of `path`; None where it is absent, empty or a list."""
    found = lookup(node, path)
    if found is None or len(found) < 2 or not isinstance(found[1], str):
        return None
    return found[1]
