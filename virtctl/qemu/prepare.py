"""Domain to Plan: everything on the host that a start needs, opened or made, with its undoing on a stack.

What fails here fails before QEMU is started, and names the thing. Nothing here changes the stored definition.
"""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from pathlib import Path

from virtctl.domain.devices import Devices
from virtctl.domain.devices.chardev_source import Chardev, ChardevSource
from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.domain import Domain
from virtctl.errors import InternalError, SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu.board import arch_of, nvram_path
from virtctl.qemu.bootorder import boot_order
from virtctl.qemu.context import Context
from virtctl.qemu.disks import local_path
from virtctl.qemu.logfiles import open_log
from virtctl.qemu.plan import Plan
from virtctl.state.atomic import make_dir, write_file
from virtctl.state.status import folder

VNC_FIRST, VNC_LAST = 5900, 65535


def prepare(context: Context, domain: Domain, undo: ExitStack, *, restoring: bool = False) -> Plan:
    """The Plan of a start. `undo` is unwound by the caller when the start fails, and closes our copies of
    descriptors when it succeeded. `restoring`: the guest's memory comes from an image, so no disk may go missing.
    """
    devices = domain.devices or Devices()
    check_accelerator(domain)
    runtime = folder(context.paths, domain.uuid or "")
    plan = Plan(domain, find_emulator(context, domain), runtime,
                qemu_version=context.host.qemu_version, boot_order=boot_order(domain))
    make_dir(context.paths.logs)
    for step in (_disks, _chardevs, _graphics, _nvram):
        step(context, plan, devices, undo, restoring)
    from virtctl.qemu.nics import prepare_nics

    prepare_nics(context, plan, devices, undo)
    return plan


def find_emulator(context: Context, domain: Domain) -> str:
    """The QEMU program of the document, or the host's for its architecture."""
    named = domain.devices.emulator if domain.devices else None
    path = named or context.host.emulator(arch_of(domain))
    if path is None:
        raise UnsupportedConfig(f"No emulator found for arch '{arch_of(domain)}'",
                                hint="install Debian's package qemu-system-x86")
    if not Path(path).exists():
        raise SystemFault(f"Cannot check QEMU binary {path}", FileNotFoundError(2, "No such file or directory"),
                          hint="install Debian's package qemu-system-x86")
    return path


def check_accelerator(domain: Domain) -> None:
    """A kvm domain never becomes an emulated one in silence."""
    if domain.type != "kvm":
        return
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise SystemFault("Domain of type 'kvm' needs /dev/kvm, which cannot be opened", error,
                          hint="load the module kvm_intel or kvm_amd, join the group kvm, or use <domain type='qemu'>",
                          ) from error


def _disks(context: Context, plan: Plan, devices: Devices, undo: ExitStack, restoring: bool) -> None:
    for disk in devices.all(Disk):
        path = local_path(disk)
        if path is None or Path(path).exists():
            continue
        policy = (disk.source.startup_policy if disk.source else None) or "mandatory"
        removable = disk.device in ("cdrom", "floppy")
        if policy == "optional" or (policy == "requisite" and restoring):
            (plan.emptied if removable else plan.omitted).add(disk.id)
            plan.warnings.append(f"disk '{disk.target}': '{path}' is missing; the guest starts without it "
                                 f"(startupPolicy='{policy}')")
            continue
        raise SystemFault(f"Cannot access storage file '{path}'", FileNotFoundError(2, "No such file or directory"))


def _chardevs(context: Context, plan: Plan, devices: Devices, undo: ExitStack, restoring: bool) -> None:
    from virtctl.qemu.chardevs import all_chardevs

    for alias, chardev in all_chardevs(devices):
        if chardev.kind == "file":
            _file_source(plan, alias, chardev, undo)
        elif chardev.kind == "unix" and chardev.path is None:
            plan.sockets[alias] = f"{alias}.sock"
            chardev.sources = [ChardevSource(mode="bind", path=str(plan.runtime / f"{alias}.sock"))]
        elif chardev.kind == "unix":
            _make_way(chardev)
        if chardev.log_file is not None:
            fd = open_log(chardev.log_file, append=chardev.log_append is not False)
            plan.chardev_paths[f"{alias}-log"] = _share(plan, fd, undo)


def _file_source(plan: Plan, alias: str, chardev: Chardev, undo: ExitStack) -> None:
    source = chardev.source
    if source is None or source.path is None:
        raise InternalError(f"chardev '{alias}' has no path")
    try:
        fd = open_log(source.path, append=source.append is True)
    except VirtctlError as error:
        if source.startup_policy != "optional":
            raise
        plan.warnings.append(f"{alias}: {error}; its output goes to /dev/null (startupPolicy='optional')")
        source.path = "/dev/null"
        plan.chardev_paths[alias] = "/dev/null"
        return
    plan.chardev_paths[alias] = _share(plan, fd, undo)


def _share(plan: Plan, fd: int, undo: ExitStack) -> str:
    """Puts a descriptor into an fd set, the form in which QEMU opens it by path."""
    undo.callback(os.close, fd)
    number = len(plan.fd_sets) + 1
    plan.fd_sets[number] = fd
    return f"/dev/fdset/{number}"


def _make_way(chardev: Chardev) -> None:
    """A socket that a dead guest left behind would stop QEMU from listening."""
    source = chardev.source
    if source is None or source.mode != "bind" or source.path is None:
        return
    path = Path(source.path)
    if path.is_socket():
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(source.path)
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                return


def _graphics(context: Context, plan: Plan, devices: Devices, undo: ExitStack, restoring: bool) -> None:
    taken: set[int] = set()
    for graphics in devices.all(Graphics):
        on_socket = graphics.socket or any(one.type == "socket" for one in graphics.listens)
        if graphics.type not in ("vnc", "spice") or on_socket:
            continue
        if graphics.port in (None, -1, 0) or graphics.autoport:
            port = free_port(taken)
            graphics.port = port
            plan.vnc_displays[0] = port - VNC_FIRST
        if graphics.port is not None:
            taken.add(graphics.port)


def free_port(taken: set[int]) -> int:
    """The first port from 5900 up on which nobody listens."""
    for port in range(VNC_FIRST, VNC_LAST):
        if port in taken:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise InternalError("Unable to find an unused port in range 'vnc' (5900-65535)")


def _nvram(context: Context, plan: Plan, devices: Devices, undo: ExitStack, restoring: bool) -> None:
    boot = plan.domain.os
    store = nvram_path(plan.domain)
    if boot is None or boot.nvram is None or store is None or Path(store).exists():
        return
    template = boot.nvram.template
    if template is None:
        loader = boot.loader.path if boot.loader else None
        raise UnsupportedConfig(f"unable to find any master var store for loader: {loader}")
    make_dir(context.paths.nvram)
    try:
        data = Path(template).read_bytes()
    except OSError as error:
        raise SystemFault(f"cannot make NVRAM file '{store}' from '{template}'", error) from error
    write_file(Path(store), data)
