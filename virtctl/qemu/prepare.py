"""Domain to Plan: everything on the host that a start needs, opened or made, with its undoing on a stack.

What fails here fails before QEMU is started, and names the thing. Nothing here changes the stored definition.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from virtctl.domain.devices import Devices
from virtctl.domain.devices.chardev_source import Chardev, ChardevSource
from virtctl.domain.devices.filesystem import Filesystem
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.tpm import Tpm
from virtctl.domain.domain import Domain
from virtctl.domain.firmware import fill_firmware
from virtctl.domain.os import Os
from virtctl.errors import InternalError, SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu import prepare_disks, prepare_host
from virtctl.qemu.board import arch_of, nvram_path
from virtctl.qemu.bootorder import boot_order
from virtctl.qemu.context import Context
from virtctl.qemu.effects import refuse_unknown, without_effect
from virtctl.qemu.logfiles import make_way, open_log
from virtctl.qemu.plan import Plan
from virtctl.qemu.ports import choose_ports
from virtctl.qemu.privilege import acting_as, chosen_account, huge_folder, make_work
from virtctl.state.atomic import make_dir, write_file
from virtctl.state.status import folder, work

Step = Callable[[Context, Plan, Devices, ExitStack], None]


def sketch(context: Context, live: Domain) -> Plan:
    """The Plan as far as the host need only be looked at: what `prepare` begins with, and what a dry run shows.

    `live` is the copy of the document that is to run, with its aliases; firmware, sockets and paths are filled in.
    """
    devices = live.devices or Devices()
    refuse_unknown(live)
    fill_firmware(live, context.host)
    account = chosen_account(context.paths)
    runtime = (folder if account is None else work)(context.paths, live.uuid or "")
    plan = Plan(live, find_emulator(context, live), runtime, qemu_version=context.host.qemu_version,
                boot_order=boot_order(live), account=account,
                ram_folder=str(context.paths.lib / "qemu" / "ram") if account is None else ".")
    prepare_host.look(plan, devices, context.host)
    for alias, chardev in _chardevs_of(devices):
        if chardev.kind == "unix" and chardev.path is None:
            plan.sockets[alias] = f"{alias}.sock"
            chardev.sources = [ChardevSource(mode="bind", path=str(runtime / f"{alias}.sock"))]
    for graphics in devices.all(Graphics):
        if graphics.listens and graphics.listens[0].type == "socket" and graphics.listens[0].socket is None:
            graphics.listens[0].socket = str(runtime / f"{graphics.type}.sock")
    plan.warnings += without_effect(live)
    return plan


def prepare(context: Context, domain: Domain, undo: ExitStack, *, restoring: bool = False) -> Plan:
    """The Plan of a start. `undo` is unwound by the caller when the start fails, and closes our copies of
    descriptors when it succeeded. `restoring`: the guest's memory comes from an image, so no disk may go missing.
    """
    with acting_as(chosen_account(context.paths)):
        prepare_host.check_accelerator(domain)
    plan = sketch(context, domain)
    plan.restoring = restoring
    devices = domain.devices or Devices()
    make_dir(context.paths.logs)
    _runtime(context, plan, undo)
    prepare_host.check(plan, devices, context.host)
    prepare_disks.prepare_disks(plan, devices, restoring=restoring)
    for step in (_chardevs, _ports, _nvram, _ram, _nics, _companions):
        step(context, plan, devices, undo)
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


def _runtime(context: Context, plan: Plan, undo: ExitStack) -> None:
    """The folders; what a start that failed put there is taken away, unless the start is on record."""
    record = folder(context.paths, plan.domain.uuid or "")

    def clear(kind: object, error: object, trace: object) -> None:
        if kind is not None and not (record / "status.json").exists():
            shutil.rmtree(record, ignore_errors=True)
            if plan.account is not None:
                shutil.rmtree(plan.runtime, ignore_errors=True)

    undo.push(clear)
    make_dir(record)
    if plan.account is not None:
        make_work(plan.runtime, plan.account)


def _chardevs_of(devices: Devices) -> list[tuple[str, Chardev]]:
    from virtctl.qemu.chardevs import all_chardevs

    return list(all_chardevs(devices))


def _chardevs(context: Context, plan: Plan, devices: Devices, undo: ExitStack) -> None:
    for alias, chardev in _chardevs_of(devices):
        if chardev.kind == "file":
            _file_source(context, plan, alias, chardev, undo)
        elif chardev.kind == "unix" and alias not in plan.sockets:
            make_way(chardev)
        if chardev.log_file is not None:
            fd = open_log(chardev.log_file, append=chardev.log_append is not False)
            _share_log(context, plan, f"{alias}-log", chardev.log_file, fd, undo)
    if plan.logs:
        from virtctl.qemu.logkeeping import start

        plan.keeper = start(context, plan.domain.uuid or "", plan.domain.name or "", plan.logs)
        undo.callback(plan.keeper.close)


def _file_source(context: Context, plan: Plan, alias: str, chardev: Chardev, undo: ExitStack) -> None:
    source = chardev.source
    if source is None or source.path is None:
        raise InternalError(f"chardev '{alias}' has no path")
    try:
        fd = open_log(source.path, append=source.append is True)
    except VirtctlError as error:
        policy = source.startup_policy
        if policy != "optional" and not (policy == "requisite" and plan.restoring):
            raise
        plan.warnings.append(f"{alias}: {error}; its output goes to /dev/null (startupPolicy='{policy}')")
        source.path = "/dev/null"
        plan.chardev_paths[alias] = "/dev/null"
        return
    if stat.S_ISREG(os.fstat(fd).st_mode):
        _share_log(context, plan, alias, source.path, fd, undo)
    else:  # a device such as /dev/full, which QEMU must open by itself
        os.close(fd)


def _share_log(context: Context, plan: Plan, key: str, path: str, fd: int, undo: ExitStack) -> None:
    """Gives QEMU a log that is open already: a pipe to its keeper, or where nothing limits it the file itself."""
    from virtctl.state.settings import load_settings

    undo.callback(os.close, fd)
    if load_settings(context.paths).max_log_size and stat.S_ISREG(os.fstat(fd).st_mode):
        from virtctl.qemu.logkeeping import pipe_for

        plan.logs.append(pipe_for(key, path, undo))
        fd = plan.logs[-1].fd
    plan.chardev_paths[key] = _share(plan, fd)


def _share(plan: Plan, fd: int) -> str:
    """Puts a descriptor into an fd set, the form in which QEMU opens it by path."""
    number = len(plan.fd_sets) + 1
    plan.fd_sets[number] = fd
    return f"/dev/fdset/{number}"


def _ports(context: Context, plan: Plan, devices: Devices, undo: ExitStack) -> None:
    choose_ports(plan, devices)


def _nvram(context: Context, plan: Plan, devices: Devices, undo: ExitStack) -> None:
    boot = plan.domain.os
    store = nvram_path(plan.domain)
    if boot is None or boot.nvram is None or store is None:
        return
    if not Path(store).exists():
        _make_nvram(context, boot, store)
    if plan.account is not None:  # it need not become that user's: QEMU gets the open file
        for flags in (os.O_RDONLY, os.O_RDWR):  # it opens it to read before it opens it to write
            try:
                fd = os.open(store, flags | os.O_CLOEXEC | os.O_NONBLOCK)
            except OSError as error:
                raise SystemFault(f"cannot open NVRAM file '{store}'", error) from error
            undo.callback(os.close, fd)
            plan.nvram_fds.append(fd)


def _make_nvram(context: Context, boot: Os, store: str) -> None:
    if boot.nvram is None:
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


def _ram(context: Context, plan: Plan, devices: Devices, undo: ExitStack) -> None:
    backing = plan.domain.memory_backing
    cells = plan.domain.cpu.numa.cells if plan.domain.cpu and plan.domain.cpu.numa else []
    files = (backing is not None and (backing.source == "file" or backing.access)) or any(cell.access for cell in cells)
    if files and plan.account is None:
        make_dir(Path(plan.ram_folder))
    if plan.account is not None and backing is not None and backing.hugepages:
        plan.hugetlbfs = {size: huge_folder(place, plan.account) for size, place in plan.hugetlbfs.items()}


def _nics(context: Context, plan: Plan, devices: Devices, undo: ExitStack) -> None:
    from virtctl.qemu.nics import prepare_nics

    prepare_nics(context, plan, devices, undo)


def _companions(context: Context, plan: Plan, devices: Devices, undo: ExitStack) -> None:
    tpms = [tpm for tpm in devices.all(Tpm) if tpm.backend is not None and tpm.backend.type == "emulator"]
    shares = [shared for shared in devices.all(Filesystem) if shared.driver_type == "virtiofs"]
    if not tpms and not shares:
        return
    from virtctl.qemu.companions import start_tpm, start_virtiofsd

    logs = context.paths.logs
    for tpm in tpms:
        state = context.paths.lib / "qemu" / "swtpm" / (plan.domain.uuid or "")
        start_tpm(tpm, state, plan, logs / f"{plan.domain.name}-swtpm.log", undo)
    for shared in shares:
        start_virtiofsd(shared, plan, logs / f"{plan.domain.name}-{shared.id}-virtiofsd.log", undo)
