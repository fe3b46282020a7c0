"""Definitions: define, undefine, autostart, create, start; what they refuse, and what they take along."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from virtctl.domain.devices.disk import Disk
from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.pipeline import complete
from virtctl.errors import InvalidArgument, InvalidOperation, OperationFailed, UnsupportedConfig
from virtctl.qemu.board import nvram_path
from virtctl.qemu.context import Context, Target
from virtctl.qemu.disks import local_path
from virtctl.qemu.documents import devices_of, stored
from virtctl.qemu.guest import Guest
from virtctl.qemu.startup import Launch, launch
from virtctl.schema.element import Element, Mode
from virtctl.state import status as statuses
from virtctl.state.atomic import remove_file
from virtctl.state.journal import Journal, Operation, Record
from virtctl.state.names import check_name
from virtctl.values import Defined, StartOptions, UndefineOptions

SECURE = Mode(secure=True)


def read(context: Context, xml: str | bytes, what: str, *, validate: bool = False) -> Domain:
    """The finished domain of a user's document."""
    if validate:
        from virtctl.domain.validate import require_valid

        require_valid(xml, what)
    domain = complete(xml, context.host, what=what)
    check_name(domain.name or "")
    return domain


def unknown_parts(domain: Domain) -> tuple[str, ...]:
    """A line for each element or attribute that is kept but not understood."""
    return tuple(f"{path}: not understood; kept as it stands" for path in _extras(domain, ""))


def _extras(element: Element, where: str) -> list[str]:
    here = f"{where}/{element.tag}" if where else element.tag
    found = [f"{here}/{extra.path}" for extra in element.extras]
    for child in element.elements():
        found += _extras(child, here)
    return found


def define(context: Context, xml: str | bytes, *, validate: bool, what: str) -> Defined:
    """Stores a definition, durably."""
    domain = read(context, xml, what, validate=validate)
    name, uuid = domain.name or "", domain.uuid or ""
    context.running()  # a start that was cut off and would be in the way is ended
    context.store.save(name, uuid, write_domain(domain, SECURE), running=context.claims())
    _mark_persistent(context, uuid, True)
    return Defined(name, uuid, unknown_parts(domain))


def _mark_persistent(context: Context, uuid: str, persistent: bool) -> None:
    status = statuses.load(context.paths, uuid)
    if status is None or status.persistent == persistent:
        return
    with context.lock(uuid):
        status = statuses.load(context.paths, uuid)
        if status is not None and statuses.is_running(status):
            Guest(context, status).update(persistent=persistent)


def undefine(context: Context, target: Target, options: UndefineOptions) -> list[str]:
    """Removes a definition and what the options name; a line for each thing that went or could not."""
    with context.lock(target.uuid):
        target = context.again(target)
        if not target.persistent:
            raise InvalidOperation("cannot undefine transient domain")
        _refuse_leftovers(context, target, options)
        domain = stored(context, target)
        volumes = _volumes(domain, options)
        if volumes and target.status is not None:
            raise InvalidOperation("Storage volume deletion is supported only on stopped domains")
        if options.managed_save:
            _remove_saved(context, target)
        variables = variables_of(context, domain) if options.nvram else None
        with _recorded(context, target, variables) if variables else nullcontext():
            context.store.remove(target.name)
            if variables:
                remove_file(Path(variables))
        if target.status is not None:
            Guest(context, target.status).update(persistent=False)
        return [_remove_volume(domain, place) for place in volumes]


def _recorded(context: Context, target: Target, variables: str) -> Operation:
    """A record for `finish_undefine`: the file with the variables goes after the definition, or neither goes."""
    return Journal(context.paths, command=context.command).open(
        target.uuid, "undefine", name=target.name, variables=variables)


def finish_undefine(context: Context, record: Record) -> str:
    """Ends an undefine that was cut off; one line that says how. What a new domain of that name uses is left alone."""
    name, variables = str(record.facts["name"]), str(record.facts["variables"])
    if context.store.exists(name) or context.store.name_of(record.uuid) is not None:
        record.done()
        return f"an interrupted undefine of domain '{name}' was undone"
    remove_file(Path(variables))
    record.done()
    return f"an interrupted undefine of domain '{name}' was brought to its end"


def _refuse_leftovers(context: Context, target: Target, options: UndefineOptions) -> None:
    if context.store.has_managed_save(target.name) and not options.managed_save:
        raise InvalidOperation("Refusing to undefine while domain managed save image exists")
    if options.nvram and options.keep_nvram:
        raise InvalidArgument("can't both keep and delete nvram")
    store = variables_of(context, stored(context, target))
    if store and Path(store).exists() and not (options.nvram or options.keep_nvram):
        raise InvalidOperation("cannot undefine domain with nvram", hint="use --nvram or --keep-nvram")


def _remove_saved(context: Context, target: Target) -> None:
    from virtctl.qemu.saveimage import remove_image

    remove_image(context.store.managed_save(target.name))


def variables_of(context: Context, domain: Domain) -> str | None:
    """The file of the firmware's variables: the document's, or the one that start made for what it chose itself."""
    made = context.paths.nvram / f"{domain.name}_VARS.fd"
    return nvram_path(domain) or (str(made) if domain.os and domain.os.firmware == "efi" and made.exists() else None)


def _volumes(domain: Domain, options: UndefineOptions) -> list[str]:
    """The targets of the disks whose files are to go."""
    disks = {disk.target or "": local_path(disk) for disk in devices_of(domain).all(Disk)}
    if options.remove_all_storage:
        return [target for target, path in disks.items() if path]
    for wanted in options.storage:
        if wanted not in disks and wanted not in disks.values():
            raise OperationFailed(f"Volume '{wanted}' was not found in domain's definition.")
    return [target for target, path in disks.items() if target in options.storage or (path and path in options.storage)]


def _remove_volume(domain: Domain, target: str) -> str:
    for disk in devices_of(domain).all(Disk):
        path = local_path(disk)
        if disk.target != target or path is None:
            continue
        if disk.readonly or disk.device == "cdrom":
            return f"error: Storage volume '{target}'({path}) is read-only and was not removed"
        try:
            Path(path).unlink()
        except OSError as error:
            return f"error: Failed to remove storage volume '{target}'({path}): {error.strerror}"
        return f"Volume '{target}'({path}) removed."
    return f"error: Storage volume '{target}' was not found"


def set_autostart(context: Context, target: Target, on: bool) -> None:
    """Marks the domain."""
    if not target.persistent:
        raise InvalidOperation("cannot set autostart for transient domain")
    context.store.set_autostart(target.name, on)


def start(context: Context, target: Target, options: StartOptions) -> str:
    """Starts a defined domain: from its managed save where there is one, else from its disks."""
    with context.lock(target.uuid):
        target = context.again(target)
        if target.status is not None:
            raise InvalidOperation("domain is already running")
        if context.store.has_managed_save(target.name):
            if not options.force_boot:
                from virtctl.qemu.restoring import start_saved

                start_saved(context, target, paused=options.paused, autodestroy=options.autodestroy)
                return target.name
            _remove_saved(context, target)
        domain = complete(context.store.load(target.name), context.host, what=str(context.store.path_of(target.name)))
        if options.reset_nvram:
            _reset_nvram(variables_of(context, domain))
        boot(context, domain, options, persistent=True)
    return target.name


def _reset_nvram(path: str | None) -> None:
    if path is None:
        raise UnsupportedConfig("cannot reset NVRAM: the domain has none")
    remove_file(Path(path))


def boot(context: Context, domain: Domain, options: StartOptions, *, persistent: bool) -> Guest:
    """Starts what is understood; an element that nothing here honours stops the start, by name."""
    strange = _extras(domain, "")
    if strange:
        raise UnsupportedConfig(f"{strange[0]} is not understood, so the guest would not be what the document says",
                                hint="remove it from the definition")
    return launch(context, domain, Launch(persistent=persistent, paused=options.paused,
                                          autodestroy=options.autodestroy))


def create(context: Context, xml: str | bytes, options: StartOptions, what: str) -> str:
    """Starts a guest that leaves no definition behind (or a defined one, by this document)."""
    domain = read(context, xml, what, validate=options.validate)
    name, uuid = domain.name or "", domain.uuid or ""
    with context.lock(uuid):
        for status in context.running():
            if uuid == status.uuid and status.name == name:
                raise InvalidOperation(f"domain '{status.name}' is already active")
            if name == status.name:
                raise OperationFailed(f"domain '{name}' already exists with uuid {status.uuid}")
        context.store.check(name, uuid)
        boot(context, domain, options, persistent=context.store.uuid_of(name) == uuid)
    return name
