"""The backslash escapes that s-expressions, xm's Python strings and xl's strings have in common."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "a": "\a",
            "\\": "\\", "'": "'", '"': '"', "\n": ""}


def _one(match: re.Match[str]) -> str:
    what = match[1]
    if what in _LETTERS:
        return _LETTERS[what]
    if what[0] == "x" and len(what) == 3:
        return chr(int(what[1:], 16))
    if what[0] in "01234567":
        return chr(int(what, 8))
    # An escape that nobody defines keeps its backslash, as Python does it.
    return match[0]


def unescape(text: str) -> str:
    """`text` with its escapes resolved."""
    return _ESCAPE.sub(_one, text) if "\\" in text else text
