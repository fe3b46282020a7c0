"""Devices plugged into a running guest and out of it, and into and out of definitions.

A record on disk says what was begun, so that whoever finds it asks QEMU whether the device is there and makes the
documents say the same: see `plugrepair`.
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
from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.pipeline import complete
from virtctl.errors import (
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
from virtctl.qemu.plugrepair import ATTACH, DETACH, LIVE, STORED, finish_interrupted, forget_live
from virtctl.qemu.sources import absolute_name
from virtctl.schema import xmlio
from virtctl.schema.node import Node, to_text
from virtctl.state.journal import Journal, Operation
from virtctl.values import Affect

PLUGGABLE = ("disk", "interface", "controller", "rng", "input", "hostdev", "watchdog")
_NO_HOTPLUG = "PCI devices are plugged in by ACPI: the guest needs <features><acpi/></features> from its start on"
DISK_BUSES = ("virtio", "scsi", "usb")


def attach(context: Context, target: Target, xml: str | bytes, affect: Affect) -> None:
    """Adds a device to the running guest, to the definition, or to both: then to both or to neither.

    Raises what `complete` says of the document with the device in it, OperationUnsupported for what cannot be plugged
    into a running guest.
    """
    device = plugging.read_device(xml)
    _name_card(device)
    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        stored = edited(context, target, lambda root: _add(root, device)) if where.config else None
        if where.live:
            _attach_live(context, Guest(context, target.active), device, stored)
        elif stored is not None:
            store_domain(context, stored)


def detach(context: Context, target: Target, find: Callable[[Node], Node], affect: Affect) -> None:
    """Takes the device that `find` finds in a document out of the guest, the definition, or both.

    The guest comes first. Raises OperationTimeout when it does not let go in time: it was asked, the definition is
    changed, and the live document follows as soon as the device is gone.
    """
    with context.lock(target.uuid):
        target = context.again(target)
        where = places(target, affect)
        stored = (edited(context, target, lambda root: plugging.take_out(root, find(root)))
                  if where.config else None)
        if where.live:
            _detach_live(context, Guest(context, target.active), find, stored)
        elif stored is not None:
            store_domain(context, stored)


def edited(context: Context, target: Target, edit: Callable[[Node], None]) -> Domain:
    """The definition after the change, complete and checked."""
    root = xmlio.read(context.store.load(target.name))
    edit(root)
    return complete(to_text(root), context.host, STORED)


def _name_card(device: Node) -> None:
    """A network card gets its address here, so that guest and definition have the same."""
    from virtctl.domain.defaults.interfaces import random_mac

    if device.tag == "interface" and device.get("mac/@address") is None:
        device.children.insert(0, Node("mac", {"address": random_mac()}))


def _add(root: Node, device: Node) -> None:
    plugging.refuse_twin(root, device)
    plugging.put_in(root, device)


# Into a running guest


def _attach_live(context: Context, guest: Guest, device: Node, stored: Domain | None) -> None:
    """Plugs in the device; before it, and to stay, a controller that it needs and the guest has not."""
    if device.tag not in PLUGGABLE:
        raise OperationUnsupported(f"live attach of device '{device.tag}' is not supported")
    root = xmlio.read(guest.live_text())
    known = {one.get("alias/@name", "") or "" for one in plugging.devices_node(root).children}
    _add(root, device)
    live = complete(to_text(root), context.host, LIVE)
    *controllers, wanted = _new_devices(live, known)
    with ExitStack() as undo:
        plan = _plan(context, guest, live)
        _prepare(context, plan, [wanted], undo)
        if isinstance(wanted, Disk):
            admit_disk(guest, wanted)
        for controller in controllers:
            _attach_live(context, guest, controller.to_node(LIVE), None)
        _plug(context, guest, plan, wanted, stored)


def _plug(context: Context, guest: Guest, plan: Plan, device: Device, stored: Domain | None) -> None:
    """The definition is written first, for that can be taken back; a guest may not give a device back."""
    options = build_device(_spoken(guest, device), plan)
    if not plugs.pluggable(options):
        raise OperationUnsupported(f"<{device.tag}> of this kind is part of the machine and cannot be hot plugged")
    record = Journal(context.paths, command=context.command).open(
        guest.status.uuid, ATTACH, name=guest.status.name, alias=device.id, backs=plugs.behind(options),
        devices=[to_text(device.to_node(LIVE))],
        before=None if stored is None else context.store.load(guest.status.name).decode())
    try:
        if stored is not None:
            store_domain(context, stored)
        with explained(context.paths):
            plugs.plug(guest, options, device if isinstance(device, Interface) else None, plan)
        guest.write_live(plan.domain)
    except BaseException as error:
        if isinstance(error, VirtctlError) and "does not support hotplugging" in error.message:
            error.hint = _NO_HOTPLUG
        _give_up(context, guest, record)
        raise
    record.done()


def _give_up(context: Context, guest: Guest, record: Operation) -> None:
    """Undoes what was begun; what cannot be undone now the next command undoes."""
    try:
        finish_interrupted(context, guest, record.record)
    except VirtctlError:
        with suppress(VirtctlError):
            record.abandon()


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


def _detach_live(context: Context, guest: Guest, find: Callable[[Node], Node], stored: Domain | None) -> None:
    live = guest.live()
    device = _to_detach(guest, live, find(xmlio.read(guest.live_text())))
    backs = plugs.behind(build_device(device, _plan(context, guest, live)))
    record = Journal(context.paths, command=context.command).open(
        guest.status.uuid, DETACH, name=guest.status.name, alias=device.id, backs=backs,
        after=None if stored is None else write_domain(stored, STORED))
    try:
        plugs.unplug(guest, device.id, backs)
        forget_live(guest, device.id)
        if stored is not None:
            store_domain(context, stored)
    except MonitorError:
        record.done()
        raise
    except OperationTimeout:
        if stored is not None:
            store_domain(context, stored)
        record.phase("asked", after=None)  # the guest may let go later, when the definition may be another
        record.abandon()
        raise
    except BaseException:
        record.abandon()  # the next command looks how far it came
        raise
    record.done()


def _to_detach(guest: Guest, live: Domain, node: Node) -> Device:
    """The device that the live document has at `node`. Raises OperationUnsupported for what cannot be taken out."""
    if node.tag not in PLUGGABLE:
        raise OperationUnsupported(f"live detach of device '{node.tag}' is not supported")
    alias = node.get("alias/@name")
    device = next(one for one in devices_of(live) if one.id == alias and one.tag == node.tag)
    _check(device)
    if isinstance(device, Disk) and device.target in remembered(guest):
        raise OperationFailed(f"disk '{device.target}' already in active block job",
                              hint=f"end it first: blockjob {guest.status.name} {device.target} --abort")
    return device
