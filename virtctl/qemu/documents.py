"""What commands read out of a domain's documents: dumpxml, disks, interfaces, consoles, displays."""

from __future__ import annotations

from pathlib import Path

from virtctl.domain.devices import Devices
from virtctl.domain.devices.chardev import Channel, Console, Parallel, Serial
from virtctl.domain.devices.chardev_source import Chardev
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain, read_domain, write_domain
from virtctl.errors import InternalError, InvalidArgument, InvalidOperation, OperationFailed, SystemFault
from virtctl.qemu import process
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.schema.element import Mode
from virtctl.state.status import Status
from virtctl.values import BlockRow, ConsolePlace, DumpOptions, InterfaceRow

VNC_FIRST = 5900


def stored(context: Context, target: Target) -> Domain:
    """The stored definition; of a transient guest, its live document without what is live."""
    if target.persistent:
        return read_domain(context.store.load(target.name), Mode(secure=True))
    text = Guest(context, target.active).live_text()
    return read_domain(text, Mode(secure=True))


def document(context: Context, target: Target, *, inactive: bool = False) -> Domain:
    """The live document of a running guest, else the stored one."""
    if target.status is None or inactive:
        return stored(context, target)
    return Guest(context, target.status).live()


def dumpxml(context: Context, target: Target, options: DumpOptions) -> str:
    """The document in the form asked for."""
    live = target.status is not None and not options.inactive and not options.migratable
    mode = Mode(live=live, secure=options.security_info, migratable=options.migratable)
    domain = document(context, target, inactive=options.inactive)
    if live and target.status is not None:
        domain.id = target.status.id
        domain.current_memory = _balloon(context, target) or domain.current_memory
        _show_listeners(devices_of(domain))
    elif target.status is not None:
        forget_runtime(domain, Guest(context, target.status).work)
    return write_domain(domain, mode)


def _show_listeners(devices: Devices) -> None:
    """Says where a display server listens though the document left it to the default."""
    for graphics in devices.all(Graphics):
        for listen in graphics.listens[:1]:
            if graphics.type in ("vnc", "spice") and listen.type == "address":
                listen.address = listen.address or "127.0.0.1"
                graphics.listen = listen.address


def forget_runtime(domain: Domain, folder: Path) -> None:
    """Takes out the sockets that this run made up in its own folder: another run, or another host, makes others."""
    for device in devices_of(domain):
        if isinstance(device, Chardev) and device.kind == "unix" and (device.path or "").startswith(f"{folder}/"):
            device.sources = []


def _balloon(context: Context, target: Target) -> int | None:
    """What memory the guest has now, in KiB, where its balloon was moved."""
    kib = target.active.facts.get("balloon")
    return kib if isinstance(kib, int) else None


def devices_of(domain: Domain) -> Devices:
    """The devices, an empty list when the document has none."""
    return domain.devices or Devices()


def block_rows(context: Context, target: Target, *, inactive: bool) -> list[BlockRow]:
    """The disks."""
    domain = document(context, target, inactive=inactive)
    return [BlockRow(disk.type, disk.device, disk.target or "", disk.image or None)
            for disk in devices_of(domain).all(Disk)]


def interface_rows(context: Context, target: Target, *, inactive: bool) -> list[InterfaceRow]:
    """The network interfaces."""
    domain = document(context, target, inactive=inactive)
    return [_interface(one) for one in devices_of(domain).all(Interface)]


def _interface(one: Interface) -> InterfaceRow:
    source = one.source
    where = None
    if source is not None:
        where = source.network or source.bridge or source.dev or source.path or source.name
    return InterfaceRow(one.target, one.type, where, one.model, one.mac.address or "" if one.mac else "")


def ttyconsole(context: Context, target: Target) -> str | None:
    """The pty of the first console."""
    if target.status is None:
        raise InvalidOperation("domain is not running")
    devices = devices_of(Guest(context, target.status).live())
    for device in (*devices.all(Console), *devices.all(Serial)):
        if device.kind == "pty" and device.path:
            return device.path
    return None


def console(context: Context, target: Target, alias: str | None) -> ConsolePlace:
    """Where to connect: the device of that alias, else the first console or serial port."""
    if target.status is None:
        raise InvalidOperation("domain is not running")
    devices = devices_of(Guest(context, target.status).live())
    chardev = _find_chardev(devices, alias)
    if chardev is None:
        raise InternalError("cannot find character device (null)" if alias is None
                            else f"cannot find character device {alias}")
    if chardev.kind == "pty" and chardev.path:
        return _pty(target.status, chardev.path)
    if chardev.kind == "unix" and chardev.path:
        return ConsolePlace("unix", chardev.path)
    name = alias or getattr(chardev, "id", "") or "(null)"
    raise InternalError(f"character device {name} is not using a PTY")


def _pty(status: Status, path: str) -> ConsolePlace:
    """The pty as its QEMU sees it: here that number may be a stranger's, or soon be one's."""
    try:
        if process.pty_belongs_to(status.pid, path):
            return ConsolePlace("pty", path, process.slave_of(status.pid, path))
    except PermissionError as cause:
        raise SystemFault(f"cannot look at process {status.pid} of domain '{status.name}'", cause) from cause
    raise OperationFailed(f"console '{path}' does not belong to the QEMU of domain '{status.name}' (pid {status.pid})")


def _find_chardev(devices: Devices, alias: str | None) -> Chardev | None:
    if alias is None:
        return next((device for device in (*devices.all(Console), *devices.all(Serial))), None)
    for device in (*devices.all(Console), *devices.all(Serial), *devices.all(Parallel), *devices.all(Channel)):
        if device.alias is not None and device.alias.name == alias:
            return device
    return None


def vncdisplay(context: Context, target: Target) -> str:
    """`host:display`, or `:display` for a server that listens on one address only."""
    if target.status is None:
        raise InvalidOperation("Domain is not running")
    for graphics in devices_of(Guest(context, target.status).live()).all(Graphics):
        if graphics.type == "vnc":
            if graphics.port is None or graphics.port < VNC_FIRST:
                break
            return f"{_address(graphics)}:{graphics.port - VNC_FIRST}"
    raise OperationFailed("Failed to get VNC port. Is this domain using VNC?")


def _address(graphics: Graphics) -> str:
    address = next((one.address for one in graphics.listens if one.address), graphics.listen) or "127.0.0.1"
    if address in ("0.0.0.0", "::"):
        return ""
    return f"[{address}]" if ":" in address else address


def displays(context: Context, target: Target, *, type: str | None, include_password: bool) -> list[str]:
    """URIs of the graphical displays: `vnc://127.0.0.1:0`, `spice://127.0.0.1:5901`."""
    if target.status is None:
        raise InvalidOperation("Domain is not running")
    if type not in (None, "vnc", "spice", "rdp"):
        raise InvalidArgument(f"unsupported graphics type '{type}'")
    found = []
    for graphics in devices_of(Guest(context, target.status).live()).all(Graphics):
        if graphics.type not in ("vnc", "spice") or (type is not None and graphics.type != type):
            continue
        socket = graphics.socket or next((one.socket for one in graphics.listens if one.socket), None)
        secret = f":{graphics.passwd}@" if include_password and graphics.passwd else ""
        if socket:
            found.append(f"{graphics.type}+unix://{socket}")
        elif graphics.port is not None and graphics.port > 0:
            shown = graphics.port - VNC_FIRST if graphics.type == "vnc" else graphics.port
            found.append(f"{graphics.type}://{secret}{_address(graphics) or 'localhost'}:{shown}")
    return found
