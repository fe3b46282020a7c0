"""Devices put into a document and taken out of it, on the XML itself, so that nothing else in it changes."""

from __future__ import annotations

from virtctl.domain.devices import TABLE
from virtctl.errors import DeviceMissing, InternalError, InvalidOperation, OperationFailed, UnsupportedConfig
from virtctl.schema import xmlio
from virtctl.schema.node import Node

_NAMED = {"disk": ("target/@dev",), "interface": ("mac/@address",)}  # what alone tells one from its like


def read_device(text: str | bytes) -> Node:
    """A document that is one device. Raises UnsupportedConfig for another document, XmlSyntaxError for none."""
    node = xmlio.read(text, "(device_definition)")
    if node.tag not in TABLE:
        raise UnsupportedConfig(f"unknown device type '{node.tag}'")
    return node


def devices_node(root: Node) -> Node:
    """The part of a domain document that holds its devices."""
    return root.ensure("devices")


def put_in(root: Node, device: Node) -> None:
    """Adds a device behind its like."""
    children = devices_node(root).children
    behind = [at for at, one in enumerate(children) if one.tag == device.tag]
    children.insert(behind[-1] + 1 if behind else len(children), device)


def refuse_twin(root: Node, device: Node) -> None:
    """Raises InvalidOperation when a disk of the same target is there already."""
    target = device.get("target/@dev") if device.tag == "disk" else None
    for one in devices_node(root).all("disk") if target is not None else ():
        if one.get("target/@dev") == target:
            removable = one.attrs.get("device") in ("cdrom", "floppy")
            raise InvalidOperation(f"target {target} already exists",
                                   hint="change-media changes what is in a drive" if removable else None)


def take_out(root: Node, device: Node) -> None:
    """Removes a device that `find_device` found."""
    devices = devices_node(root)
    devices.children = [one for one in devices.children if one is not device]


def find_device(root: Node, wanted: Node) -> Node:
    """The one device that `wanted` describes: by what names it, else by all that is said of it.

    Raises DeviceMissing when there is none, OperationFailed when there are several.
    """
    like = [one for one in devices_node(root).children if one.tag == wanted.tag]
    for path in _NAMED.get(wanted.tag, ()):
        name = wanted.get(path)
        if name is not None:
            found = [one for one in like if (one.get(path) or "").lower() == name.lower()]
            break
    else:
        found = [one for one in like if says(one, wanted)]
    if not found:
        raise DeviceMissing(_missing(wanted))
    if len(found) > 1:
        raise OperationFailed(f"multiple devices matching the given <{wanted.tag}> found",
                              hint="say which: by its mac, its address or its alias")
    return found[0]


def find_alias(root: Node, alias: str) -> Node:
    """The device of that alias. Raises InternalError, as libvirt has it."""
    for one in devices_node(root).children:
        if one.get("alias/@name") == alias:
            return one
    raise InternalError(f"no device found with alias {alias}")


def _missing(wanted: Node) -> str:
    if wanted.tag == "disk":
        return f"no target device {wanted.get('target/@dev')}"
    mac = wanted.get("mac/@address") if wanted.tag == "interface" else None
    return f"no device matching MAC address {mac} found" if mac else f"matching {wanted.tag} device not found"


def says(one: Node, wanted: Node) -> bool:
    """Whether all that `wanted` says holds of `one`, which may say more."""
    if one.tag != wanted.tag or not wanted.attrs.items() <= one.attrs.items():
        return False
    if (wanted.text or "").strip() and (wanted.text or "").strip() != (one.text or "").strip():
        return False
    return all(any(says(child, part) for child in one.children) for part in wanted.children)
