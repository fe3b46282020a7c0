"""Everything that is wrong with a document, each with its line: for `define --validate` and `virtctl validate`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from virtctl.domain.defaults import fill
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.rules import RULES, WHOLE
from virtctl.errors import VirtctlError, XmlSchemaError
from virtctl.schema import xmlio
from virtctl.schema.element import Element
from virtctl.schema.fields import Mode, Refusal
from virtctl.schema.node import Node

_PLACE = re.compile(r"^(?P<what>.*):(?P<line>\d+): (?P<reason>.*)$", re.DOTALL)
_MISSING = re.compile(r"Missing required attribute '([^']*)'")


class Problem(NamedTuple):
    """One thing that is wrong. `line` is 0 where it belongs to no line, `path` then empty."""

    line: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        return where + (f"{self.path}: {self.message}" if self.path else self.message)


def problems(text: str | bytes, host: Host | None = None, what: str = "(domain_definition)") -> list[Problem]:
    """All that is wrong, in the order of the document, then what only the whole shows. Empty for a good one."""
    try:
        root = xmlio.read(text, what)
    except VirtctlError as error:
        match = _PLACE.match(str(error))
        return [Problem(int(match["line"]), "", match["reason"]) if match else Problem(0, "", str(error))]
    if root.tag != "domain":
        return [Problem(root.line, root.tag, f"expecting root element of 'domain', not '{root.tag}'")]
    refusals: list[Refusal] = []
    domain = Domain.parse(root, Mode(refusals=refusals))
    places = dict(_places(root, "domain"))
    found = [Problem(refusal.node.line, _place(refusal.node, places), str(refusal.error)) for refusal in refusals
             if not _follows(refusal)]
    found += _unknown(domain, root, places)
    found.sort(key=lambda problem: problem.line)
    if not refusals:
        found += [Problem(0, "", str(error)) for error in _whole(domain, host or Host())]
    return list(dict.fromkeys(found))


def require_valid(text: str | bytes, what: str = "(domain_definition)", host: Host | None = None) -> None:
    """Raises XmlSchemaError that lists every problem, one a line."""
    found = problems(text, host, what)
    if found:
        raise XmlSchemaError("\n".join(str(problem) for problem in found))


def _follows(refusal: Refusal) -> bool:
    """Whether a value is missed only because what stands there was refused already."""
    match = _MISSING.search(str(refusal.error))
    return match is not None and match[1] in refusal.node.attrs


def _whole(domain: Domain, host: Host) -> Iterator[VirtctlError]:
    """The refusals that need the whole document: filling in stops at its first, each rule tells its own."""
    try:
        fill(domain, host)
    except VirtctlError as error:
        yield error
        return
    for element in domain.walk():
        try:
            element.check()
        except VirtctlError as error:
            yield error
    for rule in (*WHOLE, *RULES):
        try:
            rule(domain, host)
        except VirtctlError as error:
            yield error


def _places(node: Node, path: str) -> Iterator[tuple[int, str]]:
    """The path of every node, by identity."""
    yield id(node), path
    count: dict[str, int] = {}
    for child in node.children:
        count[child.tag] = count.get(child.tag, 0) + 1
    number: dict[str, int] = {}
    for child in node.children:
        number[child.tag] = number.get(child.tag, 0) + 1
        suffix = f"[{number[child.tag]}]" if count[child.tag] > 1 else ""
        yield from _places(child, f"{path}/{child.tag}{suffix}")


def _place(node: Node, places: dict[int, str]) -> str:
    """The path of a node; its tag alone when it was copied while it was read."""
    return places.get(id(node), node.tag)


def _unknown(domain: Domain, root: Node, places: dict[int, str]) -> Iterator[Problem]:
    """Elements and attributes that nothing is declared for."""
    by_line = {(node.line, node.tag): node for node in _nodes(root)}
    for element in domain.walk():
        for extra in element.extras:
            if extra.node is not None:
                yield Problem(extra.line, _place(extra.node, places), "unknown element")
                continue
            owner = _owner(element, extra.where, extra.line, by_line)
            where = _place(owner, places) if owner is not None else f"{element.tag}/{extra.where}".rstrip("/")
            yield Problem(extra.line, f"{where}/@{extra.attr}", "unknown attribute")


def _owner(element: Element, where: str, line: int, by_line: dict[tuple[int, str], Node]) -> Node | None:
    tag = where.rstrip("/").rpartition("/")[2] or element.tag
    return by_line.get((line, tag))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _nodes(child)
