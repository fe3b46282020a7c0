"""An XML tree as plain values, between the text (xmlio) and the declared elements (element).

Text is written as libvirt writes it: two spaces a level, single quotes, `<a/>` for an empty element.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

# A reader makes a line feed of a carriage return, and a blank of each of the three in an attribute.
_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("'"): "&apos;", ord('"'): "&quot;", 13: "&#13;"}
# libvirt drops what XML 1.0 cannot carry instead of writing a document that nobody can read back.
_ESCAPES_DROPPING: dict[int, str | None] = {code: None for code in range(32) if code not in (9, 10, 13)} | _ESCAPES
_IN_ATTRIBUTES = _ESCAPES_DROPPING | {9: "&#9;", 10: "&#10;"}
_UNWRITABLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def escape(value: str, *, attribute: bool = False) -> str:
    """`value` as it stands in text, or in an attribute."""
    if value.isalnum():
        return value
    return value.translate(_IN_ATTRIBUTES if attribute else _ESCAPES_DROPPING)


def carries(value: str) -> bool:
    """Whether a document can carry the text: XML 1.0 has no other control characters, UTF-8 no bytes of its own."""
    return not _UNWRITABLE.search(value)


class Node:
    """One element. `raw` is the whole element as finished XML (metadata), written as it stands."""

    __slots__ = ("attrs", "children", "line", "raw", "tag", "text")

    def __init__(self, tag: str, attrs: Mapping[str, str] | None = None, text: str | None = None,
                 line: int = 0) -> None:
        self.tag = tag
        self.attrs: dict[str, str] = dict(attrs) if attrs else {}
        self.children: list[Node] = []
        self.text = text
        self.line = line
        self.raw: str | None = None

    def __repr__(self) -> str:
        return f"Node({to_text(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node):
            return NotImplemented
        return to_text(self) == to_text(other)

    __hash__ = object.__hash__

    def add(self, tag: str, attrs: Mapping[str, str | None] | None = None, text: str | None = None) -> Node:
        """Appends a new child and returns it; attributes whose value is None are left out."""
        present = {key: value for key, value in attrs.items() if value is not None} if attrs else None
        child = Node(tag, present, text)
        self.children.append(child)
        return child

    def find(self, path: str) -> Node | None:
        """The first element at `a/b/c` below this one."""
        here: Node | None = self
        for step in path.split("/"):
            if here is None:
                return None
            here = next((child for child in here.children if child.tag == step), None)
        return here

    def all(self, tag: str) -> Iterator[Node]:
        """Every child of that tag."""
        return (child for child in self.children if child.tag == tag)

    def get(self, path: str, default: str | None = None) -> str | None:
        """An attribute (`a/b/@c`, `@c`) or the text of an element (`a/b`); `default` where it is absent."""
        where, _, attribute = path.rpartition("@")
        if not attribute or not path.count("@"):
            node = self.find(path)
            return default if node is None or node.text is None else node.text
        holder = self.find(where.rstrip("/")) if where else self
        return default if holder is None else holder.attrs.get(attribute, default)

    def ensure(self, tag: str) -> Node:
        """The last child of that tag, made when there is none."""
        for child in reversed(self.children):
            if child.tag == tag:
                return child
        return self.add(tag)


def _open_tag(node: Node) -> str:
    return "<" + node.tag + "".join([f" {key}='{escape(value, attribute=True)}'" for key, value in node.attrs.items()])


def _lines(node: Node, indent: str, out: list[str]) -> None:
    head = indent + _open_tag(node)
    if node.raw is not None:
        out.append(indent + node.raw)
    elif node.children:
        out.append(head + ">")
        deeper = indent + "  "
        if node.text and node.text.strip():
            out.append(deeper + escape(node.text))
        for child in node.children:
            _lines(child, deeper, out)
        out.append(f"{indent}</{node.tag}>")
    elif node.text == "\n":  # libvirt opens and closes some elements although nothing stands between
        out += [head + ">", f"{indent}</{node.tag}>"]
    elif node.text is not None:
        out.append(f"{head}>{escape(node.text)}</{node.tag}>")
    else:
        out.append(head + "/>")


def to_text(node: Node, indent: int = 0) -> str:
    """The document, ending in a newline. `indent` is the number of spaces before the first line."""
    out: list[str] = []
    _lines(node, " " * indent, out)
    out.append("")
    return "\n".join(out)
