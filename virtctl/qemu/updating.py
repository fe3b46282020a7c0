"""Devices changed where they are: in a running guest what QEMU can change there, in a definition anything."""

from __future__ import annotations

from virtctl.domain import plugging
from virtctl.errors import OperationUnsupported
from virtctl.qemu import media
from virtctl.qemu.changes import places, store_domain
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.qemu.hotplug import edited
from virtctl.schema import xmlio
from virtctl.schema.node import Node
from virtctl.values import Affect

_KEPT = ("address", "alias")  # what a device keeps where the new one says nothing


def update(context: Context, target: Target, xml: str | bytes, affect: Affect, *, force: bool) -> None:
    """Puts a device in the place of the one that it names, or that is alone of its kind.

    Raises DeviceMissing when there is none, OperationUnsupported for a change that a running guest cannot be given.
    """
    device = plugging.read_device(xml)
    where = places(target, affect)
    if where.config:  # refused before the guest is changed, if it is
        edited(context, target, lambda root: _replace(root, device))
    if where.live:
        _update_live(context, target, device, force=force)
    if where.config:
        with context.lock(target.uuid):
            store_domain(context, edited(context, context.again(target), lambda root: _replace(root, device)))


def _replace(root: Node, device: Node) -> None:
    old = _counterpart(root, device)
    children = plugging.devices_node(root).children
    for tag in _KEPT:
        kept = old.find(tag)
        if kept is not None and device.find(tag) is None:
            device.children.append(kept)
    children[next(at for at, one in enumerate(children) if one is old)] = device


def _counterpart(root: Node, device: Node) -> Node:
    """The device that is meant: by its name, or the only one of its kind."""
    like = [one for one in plugging.devices_node(root).children if one.tag == device.tag]
    if device.tag not in ("disk", "interface") and len(like) == 1:
        return like[0]
    return plugging.find_device(root, device)


def _update_live(context: Context, target: Target, device: Node, *, force: bool) -> None:
    old = _counterpart(xmlio.read(Guest(context, target.active).live_text()), device)
    if device.tag == "disk" and old.attrs.get("device") in ("cdrom", "floppy"):
        source = device.get("source/@file") or device.get("source/@dev")
        media.change_media(context, target, old.get("target/@dev") or "", source, Affect(live=True), force=force)
    elif device.tag == "interface" and _same_but_link(old, device):
        state = device.get("link/@state") or "up"
        media.set_link(context, target, old.get("mac/@address") or "", state, Affect(live=True))
    else:
        raise OperationUnsupported(f"live update of device '{device.tag}' is not supported")


def _same_but_link(old: Node, new: Node) -> bool:
    """Whether nothing but the cable differs, as far as the new one says anything."""
    rest = Node(new.tag, new.attrs)
    rest.children = [child for child in new.children if child.tag != "link"]
    return plugging.says(old, rest)
