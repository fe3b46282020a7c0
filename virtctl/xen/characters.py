"""Characters that no domain document can hold: refused with their place, not lost on the way."""

from __future__ import annotations

from virtctl.errors import ConfigSyntaxError, UnsupportedConfig
from virtctl.schema.node import Node, carries


def refuse_binary(text: str) -> None:
    """Raises ConfigSyntaxError for a NUL: no configuration has one, not even in a comment."""
    if (offset := text.find("\0")) >= 0:
        raise ConfigSyntaxError(f"a NUL at {_place(text, offset)}")


def refuse_impossible(root: Node, text: str) -> None:
    """Raises UnsupportedConfig for a value of the document that was made of `text` and cannot be written in it."""
    rest = [(root, root.tag)]
    while rest:
        node, path = rest.pop()
        for value in (node.text or "", *node.attrs.values()):
            if not carries(value):
                # Escaped ones have no place of their own; bytes that are no UTF-8 were read as lone surrogates.
                found = next((offset for offset, character in enumerate(text) if not carries(character)), None)
                place = "" if found is None else f" at {_place(text, found)}"
                raise UnsupportedConfig(f"{path}: {value[:80]!a} holds a character that no document can{place}")
        rest += [(child, f"{path}/{child.tag}") for child in node.children]


def _place(text: str, offset: int) -> str:
    line = text.count("\n", 0, offset) + 1
    return f"offset {offset} (line {line}, column {offset - text.rfind(chr(10), 0, offset)})"
