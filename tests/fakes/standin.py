"""A fake QEMU that virtctl takes for the running guest of a domain: its monitor says what a test wants it to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.fake_qemu import install
from tests.fakes.guests import UUID as PLACEHOLDER
from tests.fakes.guests import Guest, monitored, running
from virtctl.domain.aliases import assign_aliases
from virtctl.domain.domain import read_domain
from virtctl.drivers.qemu import QemuDriver
from virtctl.qemu.guest import Guest as Record
from virtctl.schema.element import Mode
from virtctl.state import status as statuses
from virtctl.state.status import Status
from virtctl.values import DumpOptions


@contextmanager
def standin(driver: QemuDriver, name: str, disk: Path, folder: Path, **script: object) -> Iterator[Guest]:
    """The defined domain `name`, with one virtio disk, runs on a fake with this script, installed in `folder`."""
    context = driver.context
    uuid = driver.uuid_of(name)
    drive = ("-drive", f"id=drive-virtio-disk0,file={disk},format=raw")
    argv = [word.replace(PLACEHOLDER, uuid) for word in monitored(install(folder, **script), *drive)]
    place = statuses.folder(context.paths, uuid)
    place.mkdir(parents=True, mode=0o700)
    with running(argv, place) as guest:
        live = read_domain(driver.dumpxml(name, DumpOptions(inactive=True, security_info=True)), Mode(secure=True))
        assign_aliases(live)
        record = Record(context, Status(name, uuid, 1, *guest.identity, pty=guest.pts))
        record.write_live(live)
        statuses.save(context.paths, record.status)
        yield guest
