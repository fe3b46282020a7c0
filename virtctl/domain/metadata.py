"""`<metadata>`: what other programs keep in the document, verbatim."""

from __future__ import annotations

from typing import Self

from virtctl.schema.element import INACTIVE, Element, Mode
from virtctl.schema.node import Node


class Metadata(Element, tag="metadata"):
    """Elements of other name spaces, one of each."""

    @property
    def node(self) -> Node:
        """The element as it is written."""
        found: Node = self.__dict__.setdefault("_node", Node("metadata"))
        return found

    @classmethod
    def parse(cls, node: Node, mode: Mode = INACTIVE) -> Self:
        """Takes the element as it stands."""
        made = cls()
        made.__dict__["_node"] = node
        return made

    def to_node(self, mode: Mode = INACTIVE, tag: str | None = None) -> Node:
        """The element as it stands."""
        return self.node
