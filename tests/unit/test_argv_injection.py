"""No value of a document, whichever it is, can say more on QEMU's command line than itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.test_build_golden import FOLDER, HOST
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.qemu.build import build_argv
from virtctl.qemu.context import Context
from virtctl.qemu.startup import dry_plan
from virtctl.schema.node import Node, to_text
from virtctl.schema.xmlio import read

EVIL = ",zz-evil=/etc/shadow"
TIMES = 2  # that one place is tried, over all documents
UNPARSED = ("append", "kernel", "initrd", "dtb", "bios", "pidfile", "uuid", "k")
FREE = ("disk/source/@file", "serial/source/@path", "os/kernel", "os/cmdline", "graphics/listen/@socket",
        "domain/name", "interface/source/@path", "loader", "os/type/@machine")
"""Places that take any text, so that the test is seen to try what it should."""


def option_parts(option: str, value: str) -> list[str]:
    """What QEMU makes of an option's value: parts between commas, where two commas are one of the text."""
    if option == "cpu":
        return value.split(",")  # the one option that knows no such pairs
    return [part.replace("\0", ",") for part in value.replace(",,", "\0").split(",")]


def places(node: Node, path: str) -> Iterator[tuple[str, Node, str | None]]:
    """Every attribute and text: its path, its element, and the attribute's name or None."""
    if node.tag.startswith("qemu:") or node.tag == "metadata":
        return  # what is QEMU's own stands there on purpose
    for name in node.attrs:
        if not name.startswith("xmlns"):
            yield f"{path}/@{name}", node, name
    if node.text is not None and node.text.strip():
        yield path, node, None
    for child in node.children:
        yield from places(child, f"{path}/{child.tag}")


def argv_of(text: str) -> list[str]:
    context = Context(Paths.under(Path("/state")))
    context.__dict__["host"] = HOST
    plan = dry_plan(context, complete(text, HOST))
    plan.hugetlbfs, plan.huge_page_default = {2048: "/dev/hugepages", 1048576: "/dev/hugepages1G"}, 2048
    return build_argv(plan)


def injected(argv: list[str]) -> list[str]:
    option, wrong = "", []
    for word in argv:
        if word.startswith("-"):
            option = word.lstrip("-")
        elif option not in UNPARSED and not word.startswith("{"):
            wrong += [word for part in option_parts(option, word) if part.startswith("zz-evil")]
    return wrong


@pytest.mark.fault(79)
def test_no_value_says_more_than_itself() -> None:
    tried: Counter[str] = Counter()
    reached: set[str] = set()
    for document in sorted(FOLDER.glob("*.xml")):
        root = read(document.read_bytes())
        for path, node, name in list(places(root, "domain")):
            tried[path] += 1
            if tried[path] > TIMES:
                continue
            before = node.attrs.get(name) if name else node.text
            put(node, name, f"{(before or '').strip()}{EVIL}")
            try:
                argv = argv_of(to_text(root))
            except VirtctlError:
                argv = []
            put(node, name, before)
            assert injected(argv) == [], f"{document.name}: {path}"
            if any(re.search("zz-evil", word) for word in argv):
                reached.add(path)
    assert len(tried) > 500
    missed = [place for place in FREE if not any(path.endswith(place) for path in reached)]
    assert not missed


def put(node: Node, name: str | None, value: str | None) -> None:
    if name is None:
        node.text = value
    elif value is not None:
        node.attrs[name] = value
