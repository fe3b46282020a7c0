"""Starting guests from saved memory: restore, and the managed save that `start` finds by itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from virtctl.errors import (
    ImageError,
    InvalidOperation,
    MonitorGone,
    MonitorTimeout,
    OperationFailed,
    SystemFault,
    VirtctlError,
    XmlError,
)
from virtctl.qemu.context import Context, Target
from virtctl.qemu.guest import Guest
from virtctl.qemu.startup import Launch, launch
from virtctl.state.atomic import remove_file, sync_folder
from virtctl.state.journal import Journal, Record
from virtctl.values import RestoreOptions

if TYPE_CHECKING:
    from virtctl.domain.domain import Domain
    from virtctl.qemu.saveimage import SaveImage

UNPACK_MORE = 512 * 2**20  # bytes that a compressed image may unpack to beside three times the guest's memory


def restore(context: Context, path: Path, options: RestoreOptions) -> str:
    """Starts a guest from the file; its name. The file is checked whole before the guest runs."""
    from virtctl.qemu.saveimage import open_image

    with open_image(path) as image:
        domain = _document(context, image, options.xml)
        if options.xml is None and not options.trust:
            _refuse_strangers(context, image, domain)
        with context.lock(domain.uuid or ""):
            persistent = _refuse_conflict(context, domain)
            paused = not image.was_running if options.running is None else not options.running
            _launch_from(context, image, domain, Launch(persistent=persistent, paused=paused, reason="restored"))
        if options.bypass_cache:
            image.drop_cache()
    return domain.name or ""


def _document(context: Context, image: SaveImage, replacement: str | None) -> Domain:
    """The domain to start: the image's own, the one it names (2007), or what the user says instead."""
    from virtctl.domain.pipeline import complete

    if image.xml is None:
        name = context.store.name_of(image.uuid or "")
        if name is None:
            raise OperationFailed(f"save image '{image.path}' is of domain {image.uuid}, which is not defined")
        return complete(replacement or context.store.load(name), context.host)
    own = complete(image.xml, context.host)
    if replacement is None:
        return own
    changed = complete(replacement, context.host)
    if changed.uuid != own.uuid or changed.name != own.name:
        raise XmlError(f"the document is of domain '{changed.name}', the image of '{own.name}'")
    return changed


def _refuse_strangers(context: Context, image: SaveImage, domain: Domain) -> None:
    """Programs that nobody here named are not run because an image says so."""
    from virtctl.domain.pipeline import complete
    from virtctl.qemu.trust import refuse_strangers

    name = context.store.name_of(domain.uuid or "")
    definition = None if name is None else complete(context.store.load(name), context.host)
    refuse_strangers(domain, definition, context.host, str(image.path))


def _refuse_conflict(context: Context, domain: Domain) -> bool:
    """Whether the domain is also defined. Raises when it runs, or when another has its name or uuid."""
    for status in context.running():
        if status.uuid == domain.uuid:
            raise InvalidOperation(f"domain '{status.name}' is already active")
        if status.name == domain.name:
            raise OperationFailed(f"domain '{status.name}' already exists with uuid {status.uuid}")
    context.store.check(domain.name or "", domain.uuid or "")
    return context.store.uuid_of(domain.name or "") == domain.uuid


def _launch_from(context: Context, image: SaveImage, domain: Domain, how: Launch) -> Guest:
    from virtctl.qemu.verifying import verifying
    from virtctl.state.atomic import make_dir

    make_dir(context.paths.saves)
    with verifying(image) as be_sound:

        def before_run() -> None:
            be_sound()
            how.before_run()

        fd = image.open_stream(context.paths.saves, _unpack_limit(domain))
        try:
            return launch(context, domain, how._replace(incoming=fd, before_run=before_run))
        except ImageError:
            raise
        except VirtctlError:
            be_sound()  # QEMU may have stumbled over what is damaged: then that is what to tell
            raise
        finally:
            os.close(fd)


def _unpack_limit(domain: Domain) -> int:
    """What a stream can be long: a page may be sent more than once, and the devices have memory too."""
    most = max(domain.memory or 0, domain.max_memory or 0)
    return 3 * most * 1024 + UNPACK_MORE


def start_saved(context: Context, target: Target, *, paused: bool, autodestroy: bool) -> Guest:
    """Starts a domain from its managed save. The file loses its name before the guest goes on, so that no crash can
    put this memory over a newer disk; a damaged one stays where it is and the start fails.
    """
    from virtctl.qemu.saveimage import open_image

    path = context.store.managed_save(target.name)
    used = path.with_suffix(".used")
    try:
        with open_image(path) as image:
            domain = _document(context, image, None)
            if domain.uuid != target.uuid:
                raise ImageError(f"it is of domain '{domain.name}' with uuid {domain.uuid}")
            stay = paused or not image.was_running
            how = Launch(paused=stay, autodestroy=autodestroy, reason="restored",
                         before_run=lambda: _retire(path, used))
            return _start_recorded(context, image, domain, how, used)
    except ImageError as error:
        error.hint = error.hint or ("start --force-boot starts without it, managedsave-remove removes it; "
                                    f"the file is {path}")
        raise


def _start_recorded(context: Context, image: SaveImage, domain: Domain, how: Launch, used: Path) -> Guest:
    """With a record on disk, from which a later command knows what the image without its name means."""
    record = Journal(context.paths, command=context.command).open(
        domain.uuid or "", "start-saved", name=domain.name, save=str(image.path), used=str(used))
    try:
        guest = _launch_from(context, image, domain, how)
    except BaseException as error:
        certain = isinstance(error, VirtctlError) and not isinstance(error, MonitorGone | MonitorTimeout)
        told = conclude_start(record.record, ran=False if certain else None)
        if used.exists():
            context.warn(told)
        raise
    conclude_start(record.record, ran=True)
    return guest


def conclude_start(record: Record, *, ran: bool | None) -> str:
    """What becomes of the image after a start from it: removed when the guest has run, given its name back when it
    has not; kept without its name when nobody can know. One line that says so.
    """
    name, save, used = str(record.facts["name"]), Path(str(record.facts["save"])), Path(str(record.facts["used"]))
    retired = used.exists() and not save.exists()
    if ran:
        remove_file(used, sync=False)
        told = f"an interrupted start of domain '{name}' from its managed save was brought to its end"
    elif ran is False and retired:
        used.rename(save)
        sync_folder(save.parent)
        told = f"an interrupted start of domain '{name}' was undone: its managed save is there as before"
    elif retired:
        told = (f"domain '{name}' ended just when it was started from its managed save, which cannot be used again: "
                f"the next start boots it; the image is kept as '{used}'")
    else:
        told = f"an interrupted start of domain '{name}' left its managed save as it was"
    record.done()
    return told


def _retire(path: Path, used: Path) -> None:
    try:
        path.rename(used)
    except OSError as error:
        raise SystemFault(f"cannot rename managed save '{path}'", error) from error
    sync_folder(path.parent)
