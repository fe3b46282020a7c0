"""What differs in meaning between two domains: each place, with what the one says and what the other.

Both are completed first, so units, order, defaults and what libvirt fills in do not count; nor do a uuid and MAC
addresses that one of them leaves to be made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from virtctl.domain.defaults import fill
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain, read_domain
from virtctl.domain.host import Host
from virtctl.schema.element import Mode
from virtctl.schema.node import Node

SECURE = Mode(secure=True)
# What tells one of several elements from the others: the first of these places that it has.
KEYS: dict[str, tuple[str, ...]] = {
    "disk": ("target/@dev",), "controller": ("@type", "@index"), "interface": ("mac/@address", "target/@dev"),
    "filesystem": ("target/@dir",), "channel": ("target/@name", "target/@port"), "serial": ("target/@port",),
    "console": ("target/@port",), "parallel": ("target/@port",), "graphics": ("@type",), "input": ("@type", "@bus"),
    "hostdev": ("@type", "alias/@name"), "audio": ("@id",), "shmem": ("@name",), "memory": ("address/@slot",),
    "feature": ("@name",), "timer": ("@name",), "cell": ("@id",), "vcpu": ("@id",), "iothread": ("@id",),
    "entry": ("@name",), "vcpupin": ("@vcpu",), "iothreadpin": ("@iothread",), "vcpusched": ("@vcpus",),
    "memnode": ("@cellid",), "sysinfo": ("@type",), "seclabel": ("@model",), "device": ("path",), "event": ("@name",),
    "qemu:env": ("@name",), "qemu:device": ("@alias",), "sibling": ("@id",), "page": ("@size", "@nodeset"),
}
JOINED = ("controller", "input", "page")  # all of their keys together


class Change(NamedTuple):
    """One difference. A value is None where that side has nothing."""

    path: str
    old: str | None
    new: str | None

    def __str__(self) -> str:
        if self.old is None:
            return f"+ {self.path}" + (f": {self.new}" if self.new else "")
        if self.new is None:
            return f"- {self.path}" + (f": {self.old}" if self.old else "")
        return f"~ {self.path}: {self.old} -> {self.new}"


def differences(one: Domain, other: Domain) -> list[Change]:
    """What must change in the one to make it the other."""
    return list(_compare(one.to_node(SECURE), other.to_node(SECURE), "domain"))


def compare_texts(one: str | bytes, other: str | bytes, host: Host) -> list[Change]:
    """The differences of two documents. Raises what reading them raises."""
    left, right = _completed(one, host), _completed(other, host)
    if left.uuid is None or right.uuid is None:
        left.uuid = right.uuid = None
    cards = zip(_cards(left), _cards(right), strict=False)
    for card, twin in cards:
        if card.mac is None or twin.mac is None:
            card.mac = twin.mac = None
    return differences(left, right)


def _cards(domain: Domain) -> list[Interface]:
    return domain.devices.all(Interface) if domain.devices else []


def _completed(text: str | bytes, host: Host) -> Domain:
    """A document as libvirt would complete it, without what is made up."""
    domain = read_domain(text)
    generated = [card for card in _cards(domain) if card.mac is None]
    nameless = domain.uuid is None
    fill(domain, host)
    for card in generated:
        card.mac = None
    if nameless:
        domain.uuid = None
    return domain


def _compare(one: Node, other: Node, path: str) -> Iterator[Change]:
    for key in dict.fromkeys((*one.attrs, *other.attrs)):
        old, new = one.attrs.get(key), other.attrs.get(key)
        if old != new:
            yield Change(f"{path}/@{key}", old, new)
    old, new = _text(one), _text(other)
    if old != new:
        yield Change(path, old or "", new or "")
    left, right = _named(one), _named(other)
    for name in _in_order(list(left), list(right)):
        here, there = left.get(name), right.get(name)
        if here is not None and there is not None:
            yield from _compare(here, there, f"{path}/{name}")
        elif here is not None:
            yield Change(f"{path}/{name}", _brief(here), None)
        elif there is not None:
            yield Change(f"{path}/{name}", None, _brief(there))


def _in_order(left: list[str], right: list[str]) -> list[str]:
    """All names, what only the one side has after what it follows there."""
    merged = list(left)
    place = 0
    for name in right:
        if name in left:
            place = merged.index(name) + 1
        else:
            merged.insert(place, name)
            place += 1
    return merged


def _text(node: Node) -> str | None:
    return node.raw if node.raw is not None else node.text


def _named(node: Node) -> dict[str, Node]:
    """The children by tag; where there may be several, by what tells them apart, or by number."""
    count: dict[str, int] = {}
    for child in node.children:
        count[child.tag] = count.get(child.tag, 0) + 1
    found: dict[str, Node] = {}
    for child in node.children:
        name = child.tag
        if count[child.tag] > 1 or _key(child):
            name = f"{child.tag}[{_key(child) or 1}]"
        number = 1
        while name in found:
            number += 1
            name = f"{child.tag}[{_key(child)}{'.' if _key(child) else ''}{number}]"
        found[name] = child
    return found


def _key(node: Node) -> str:
    values = [value for place in KEYS.get(node.tag, ()) if (value := node.get(place))]
    return "/".join(values) if node.tag in JOINED else "".join(values[:1])


def _brief(node: Node) -> str:
    """An element in one line: its attributes and text, and those of what stands in it."""
    words = [f"{key}={value}" for key, value in node.attrs.items()]
    if node.text and node.text.strip():
        words.append(node.text.strip())
    words += [f"{child.tag}({_brief(child)})" if child.attrs or child.text or child.children else child.tag
              for child in node.children]
    return " ".join(words)
