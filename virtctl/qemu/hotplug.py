"""Devices plugged into a running guest and out of it, and into and out of definitions.

A record on disk says what was begun and how the live document will read, so that whoever finds it asks QEMU whether
the device is there and makes the document say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, suppress
from importlib import import_module

from virtctl.domain import plugging
from virtctl.domain.aliases import assign_aliases
from virtctl.domain.devices import Devices
from virtctl.domain.devices.controller import Controller
from virtctl.domain.devices.device import Device
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.input import Input
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain, read_domain
from virtctl.domain.pipeline import complete
from virtctl.errors import (
    InternalError,
    InvalidOperation,
    MonitorError,
    OperationFailed,
    OperationTimeout,
    OperationUnsupported,
    VirtctlError,
)
from virtctl.qemu import plugs, prepare_disks
from virtctl.qemu.blockjobs import remembered
from virtctl.qemu.build import MODULES, build_device
from virtctl.qemu.changes import places, store_domain
from virtctl.qemu.context import Context, Target
from virtctl.qemu.documents import devices_of
from virtctl.qemu.failures import explained
from virtctl.qemu.guest import Guest
from virtctl.qemu.nics import prepare_nics
from virtctl.qemu.ownership import admit_disk
from virtctl.qemu.plan import Plan
from virtctl.qemu.sources import absolute_name
from virtctl.schema import xmlio
from virtctl.schema.element import Mode
from virtctl.schema.node import Node, to_text
from virtctl.state.journal import Journal, Record
from virtctl.values import Affect

LIVE, STORED = Mode(live=True, secure=True), Mode(secure=True)
PLUGGABLE = ("disk", "interface", "controller", "rng", "input", "hostdev", "watchdog")
DISK_BUSES = ("virtio", "scsi", "usb")
ATTACH, DETACH = "attach", "detach"


def attach(context: Context, target: Target, xml: str | bytes, affect: Affect) -> None:
    """Adds a device to the running guest, to the definition, or to both.

    Raises what `complete` says of the document with the device in it, OperationUnsupported for what cannot be plugged
    into a running guest. The guest comes first; when the definition cannot be written after it, the error says so.
    """
    device = plugging.read_device(xml)
    _name_card(device)
    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        stored = _edited(context, target, lambda root: _add(root, device)) if where.config else None
        if where.live:
            _attach_live(context, Guest(context, target.active), device)
        _store(context, stored, after_live=where.live)


def detach(context: Context, target: Target, find: Callable[[Node], Node], affect: Affect) -> None:
    """Takes the device that `find` finds in a document out of the guest, the definition, or both."""
    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        stored = (_edited(context, target, lambda root: plugging.take_out(root, find(root)))
                  if where.config else None)
        try:
            if where.live:
                _detach_live(context, Guest(context, target.active), find)
        except OperationTimeout:
            _store(context, stored, after_live=False)  # the guest was asked, and is not asked again
            raise
        _store(context, stored, after_live=where.live)


def _edited(context: Context, target: Target, edit: Callable[[Node], None]) -> Domain:
    """The definition after the change, complete and checked."""
    root = xmlio.read(context.store.load(target.name))
    edit(root)
    return complete(to_text(root), context.host, STORED)


def _store(context: Context, stored: Domain | None, *, after_live: bool) -> None:
    if stored is None:
        return
    try:
        store_domain(context, stored)
    except VirtctlError:
        if after_live:
            context.warn(f"the running guest was changed, the definition of domain '{stored.name}' was not")
        raise


def _name_card(device: Node) -> None:
    """A network card gets its address here, so that guest and definition have the same."""
    from virtctl.domain.defaults.interfaces import random_mac

    if device.tag == "interface" and device.get("mac/@address") is None:
        device.children.insert(0, Node("mac", {"address": random_mac()}))


def _add(root: Node, device: Node) -> None:
    plugging.refuse_twin(root, device)
    plugging.put_in(root, device)


# Into a running guest


def _attach_live(context: Context, guest: Guest, device: Node) -> None:
    """Plugs in the device; before it, and to stay, a controller that it needs and the guest has not."""
    if device.tag not in PLUGGABLE:
        raise OperationUnsupported(f"live attach of device '{device.tag}' is not supported")
    root = xmlio.read(guest.live_text())
    _add(root, device)
    live = complete(to_text(root), context.host, LIVE)
    *controllers, wanted = _new_devices(live, {one.id for one in devices_of(guest.live())})
    with ExitStack() as undo:
        plan = _plan(context, guest, live)
        _prepare(context, plan, [wanted], undo)
        if isinstance(wanted, Disk):
            admit_disk(guest, wanted)
        for controller in controllers:
            _attach_live(context, guest, controller.to_node(LIVE))
        _plug(context, guest, plan, wanted)


def _plug(context: Context, guest: Guest, plan: Plan, device: Device) -> None:
    options = build_device(_spoken(guest, device), plan)
    if not plugs.pluggable(options):
        raise OperationUnsupported(f"<{device.tag}> of this kind is part of the machine and cannot be hot plugged")
    record = Journal(context.paths, command=context.command).open(
        guest.status.uuid, ATTACH, name=guest.status.name, alias=device.id, backs=plugs.behind(options),
        devices=[to_text(device.to_node(LIVE))])
    try:
        with explained(context.paths):
            plugs.plug(guest, options, device if isinstance(device, Interface) else None, plan)
        guest.write_live(plan.domain)
    except BaseException:
        finish_interrupted(guest, record.record)
        raise
    record.done()


def _new_devices(live: Domain, known: set[str]) -> list[Device]:
    """What the document has and the guest has not: the controllers that are needed, and the device last.

    Raises OperationUnsupported for what a running guest cannot be given.
    """
    added = [one for one in devices_of(live) if one.tag in PLUGGABLE and (not one.id or one.id not in known)]
    taken = set(known)
    assign_aliases(live)
    for one in added:
        if one.id in taken:
            raise InvalidOperation(f"a device with alias '{one.id}' already exists")
        taken.add(one.id)
        _check(one)
    return sorted(added, key=lambda one: not isinstance(one, Controller))


def _check(device: Device) -> None:
    if isinstance(device, Disk) and device.device == "floppy":
        raise OperationUnsupported("floppy device hotplug isn't supported")
    if isinstance(device, Disk) and device.bus not in DISK_BUSES:
        raise OperationUnsupported(f"disk bus '{device.bus}' cannot be hotplugged.")
    if isinstance(device, Input) and device.bus not in ("usb", "virtio"):
        raise OperationUnsupported(f"input device on bus '{device.bus}' cannot be hot plugged.")
    if isinstance(device, Controller) and device.type == "pci":
        raise OperationUnsupported("No more available PCI slots",
                                   hint="a q35 guest needs a free <controller type='pci' model='pcie-root-port'/> "
                                        "from its start on")
    if isinstance(device, Controller) and device.type not in ("scsi", "virtio-serial", "usb"):
        raise OperationUnsupported(f"'{device.type}' controller cannot be hot plugged.")


def _plan(context: Context, guest: Guest, live: Domain) -> Plan:
    for module in MODULES:
        import_module(f"virtctl.qemu.{module}")
    version = [int(part) for part in guest.status.qemu_version.split(".")]
    return Plan(live, guest.status.emulator, guest.work, qemu_version=(version[0], version[1], version[2]),
                account=guest.account)


def _prepare(context: Context, plan: Plan, new: list[Device], undo: ExitStack) -> None:
    """Makes the host's side ready, and refuses what the host lacks."""
    only = Devices()
    for device in new:
        only.by_tag.setdefault(device.tag, []).append(device)
    prepare_disks.prepare_disks(plan, only, restoring=False)
    prepare_nics(context, plan, only, undo)


def _spoken(guest: Guest, device: Device) -> Device:
    """The device with its image under a name that a monitor command can carry."""
    if not isinstance(device, Disk) or device.source is None:
        return device
    copy = device.clone()
    if copy.source is not None and copy.source.file is not None:
        copy.source.file = absolute_name(guest, copy.source.file)
    elif copy.source is not None and copy.source.dev is not None:
        copy.source.dev = absolute_name(guest, copy.source.dev)
    return copy


# Out of a running guest


def _detach_live(context: Context, guest: Guest, find: Callable[[Node], Node]) -> None:
    root = xmlio.read(guest.live_text())
    node = find(root)
    if node.tag not in PLUGGABLE:
        raise OperationUnsupported(f"live detach of device '{node.tag}' is not supported")
    alias = node.get("alias/@name") or ""
    plan = _plan(context, guest, guest.live())
    device = next(one for one in devices_of(plan.domain) if one.id == alias and one.tag == node.tag)
    _check(device)
    if isinstance(device, Disk) and device.target in remembered(guest):
        raise OperationFailed(f"disk '{device.target}' already in active block job",
                              hint=f"end it first: blockjob {guest.status.name} {device.target} --abort")
    backs = plugs.behind(build_device(device, plan))
    record = Journal(context.paths, command=context.command).open(
        guest.status.uuid, DETACH, name=guest.status.name, alias=alias, backs=backs)
    try:
        plugs.unplug(guest, device, backs)
        _forget_live(guest, alias)
    except MonitorError:
        record.done()
        raise
    except BaseException:
        record.abandon()  # the request may stand: the next command looks whether the guest has let go
        raise
    record.done()


def _forget_live(guest: Guest, alias: str) -> None:
    root = xmlio.read(guest.live_text())
    with suppress(InternalError):  # it is gone from the document already
        plugging.take_out(root, plugging.find_alias(root, alias))
    guest.write_live(read_domain(to_text(root), LIVE))


# What a command that died left


def finish_interrupted(guest: Guest | None, record: Record) -> str:
    """Makes the live document say what QEMU has. One line about it; nothing while a guest has not decided yet."""
    facts = record.facts
    if guest is None:
        record.done()
        return ""
    there = plugs.present(guest, facts["alias"])
    if record.op == DETACH and there:
        return ""
    if record.op == ATTACH and there:
        _remember_live(guest, facts["devices"])
    else:
        with guest.monitor() as monitor:
            plugs.remove(monitor, [(kind, name) for kind, name in facts["backs"]])
    if record.op == DETACH:
        _forget_live(guest, facts["alias"])
    record.done()
    what = f"device '{facts['alias']}' of domain '{facts['name']}'"
    if record.op == DETACH:
        return f"the guest has let go of {what}"
    return f"the interrupted plugging in of {what} was {'brought to its end' if there else 'undone'}"


def _remember_live(guest: Guest, devices: list[str]) -> None:
    root = xmlio.read(guest.live_text())
    known = {one.get("alias/@name") for one in plugging.devices_node(root).children}
    for text in devices:
        device = xmlio.read(text)
        if device.get("alias/@name") not in known:
            plugging.put_in(root, device)
    guest.write_live(read_domain(to_text(root), LIVE))
