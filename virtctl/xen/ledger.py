"""Reads a document and keeps account of what was read, so that the rest can be refused by name.

A conversion that looked only for what it knows would drop the rest in silence. Here every element, attribute and text
is either taken, waved through as without effect, or listed by `leftovers`.
"""

from __future__ import annotations

from virtctl.schema.node import Node

_SILENT_ATTRIBUTES = ("xmlns",)
_ENOUGH = 100


class Ledger:
    """What was taken of one document."""

    def __init__(self) -> None:
        self.nodes: set[int] = set()
        self.attributes: set[tuple[int, str]] = set()
        self.texts: set[int] = set()
        self.whole: set[int] = set()


class Cursor:
    """One element, and the account of its document."""

    __slots__ = ("_ledger", "node")

    def __init__(self, node: Node, ledger: Ledger | None = None) -> None:
        self.node = node
        self._ledger = ledger or Ledger()
        self._ledger.nodes.add(id(node))

    @property
    def tag(self) -> str:
        """The element's name."""
        return self.node.tag

    def attr(self, name: str, default: str | None = None) -> str | None:
        """An attribute."""
        self._ledger.attributes.add((id(self.node), name))
        return self.node.attrs.get(name, default)

    def text(self) -> str | None:
        """The text; None where there is none."""
        self._ledger.texts.add(id(self.node))
        return self.node.text

    def child(self, tag: str) -> Cursor | None:
        """The first element of that name."""
        found = next(self.node.all(tag), None)
        return None if found is None else Cursor(found, self._ledger)

    def children(self, *tags: str) -> list[Cursor]:
        """All elements of those names."""
        return [Cursor(child, self._ledger) for child in self.node.children if child.tag in tags]

    def get(self, tag: str, attribute: str) -> str | None:
        """An attribute of the first element of that name."""
        child = self.child(tag)
        return None if child is None else child.attr(attribute)

    def text_of(self, tag: str) -> str | None:
        """The text of the first element of that name."""
        child = self.child(tag)
        return None if child is None else child.text()

    def has(self, tag: str) -> bool:
        """Whether there is an element of that name."""
        return self.child(tag) is not None

    def skip(self, *tags: str) -> None:
        """Waves elements of those names through, with all that they hold."""
        self._ledger.whole.update(id(child) for child in self.node.children if child.tag in tags)

    def skip_all(self) -> None:
        """Waves this element through."""
        self._ledger.whole.add(id(self.node))

    def leftovers(self) -> list[str]:
        """The paths of what nobody took, this element being the first step."""
        out: list[str] = []
        self._walk(self.node, self.node.tag, out)
        return out

    def _walk(self, node: Node, path: str, out: list[str]) -> None:
        ledger = self._ledger
        if id(node) in ledger.whole or len(out) > _ENOUGH:
            return
        if id(node) not in ledger.nodes:
            out.append(path)
            return
        out += [f"{path}/@{name}" for name in node.attrs
                if (id(node), name) not in ledger.attributes and not name.startswith(_SILENT_ATTRIBUTES)]
        if node.text and node.text.strip() and id(node) not in ledger.texts:
            out.append(f"{path}/text()")
        count: dict[str, int] = {}
        for child in node.children:
            count[child.tag] = count.get(child.tag, 0) + 1
            step = child.tag if count[child.tag] == 1 else f"{child.tag}[{count[child.tag]}]"
            self._walk(child, f"{path}/{step}", out)
