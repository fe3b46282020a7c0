"""One running guest: its record, its monitor, its live document."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from virtctl.errors import MonitorTimeout, OperationFailed
from virtctl.qemu.context import Context
from virtctl.qemu.process import ProcessId, standing_still
from virtctl.state import status as statuses
from virtctl.state.status import Status

if TYPE_CHECKING:
    from virtctl.domain.domain import Domain
    from virtctl.qemu.monitor import Monitor
    from virtctl.qemu.privilege import Account

LIVE_FILE = "live.xml"
MONITOR_LOCK = "monitor.lock"
SMALL_LOG = 1 << 16  # bytes; no limit of a log's size is looked up for less


class Guest:
    """A guest that runs, as the record in its runtime folder has it."""

    def __init__(self, context: Context, status: Status) -> None:
        self.context = context
        self.status = status

    @property
    def identity(self) -> ProcessId:
        """The QEMU process."""
        return ProcessId(self.status.pid, self.status.start_time, self.status.boot_id)

    @property
    def folder(self) -> Path:
        """Where its record is."""
        return statuses.folder(self.context.paths, self.status.uuid)

    @property
    def account(self) -> Account | None:
        """Whom QEMU runs as, None when as whoever started it."""
        if not self.status.facts.get("account"):
            return None
        from virtctl.qemu.privilege import Account

        return Account.read(self.status.facts)

    @property
    def work(self) -> Path:
        """QEMU's working folder: that of the record, or one of its user's own."""
        return statuses.work(self.context.paths, self.status.uuid) if self.status.facts.get("account") else self.folder

    def reach(self, name: str) -> str:
        """The name by which QEMU reaches a file of its folder: short, unless the folder was wiped and made anew."""
        try:
            same = os.path.samestat(os.stat(f"/proc/{self.status.pid}/cwd"), self.work.stat())  # noqa: PTH116 - of /proc
        except OSError:
            same = False
        return name if same else str(self.work / name)

    def monitor(self, deadline: float = 2.5) -> Monitor:
        """The human monitor, for a `with` block. Raises MonitorTimeout, MonitorGone."""
        from virtctl.qemu.monitor import Monitor

        self.await_awake(deadline)
        self.trim_log()
        return Monitor.connect(self.status.pty, pid=self.status.pid, lock_path=self.folder / MONITOR_LOCK,
                               name=self.status.name, deadline=deadline, started=self.status.start_time)

    def trim_log(self) -> None:
        """Looks after the log of QEMU's own words, which QEMU itself writes and nobody else watches."""
        with suppress(OSError):
            if (self.context.paths.logs / f"{self.status.name}.log").lstat().st_size > SMALL_LOG:
                from virtctl.qemu.logfiles import trim_own_log

                trim_own_log(self.context.paths, self.status.name)

    def await_awake(self, deadline: float) -> None:
        """A process that stands still cannot answer; it is not asked what would be carried out much later."""
        limit = time.monotonic() + deadline
        while why := standing_still(self.identity):
            if time.monotonic() > limit:
                cure = f"kill -CONT {self.status.pid}" if why == "stopped" else "thawing its control group"
                raise MonitorTimeout(f"domain '{self.status.name}' does not answer: its process {self.status.pid} is "
                                     f"{why}", hint=f"{cure} lets it go on")
            time.sleep(0.01)

    def update(self, **changes: Any) -> Status:  # noqa: ANN401 - any field of Status
        """Writes changed fields of the record; the caller holds the domain's lock."""
        self.status = self.status._replace(**changes)
        statuses.save(self.context.paths, self.status)
        return self.status

    def set_facts(self, **facts: Any) -> None:  # noqa: ANN401 - any JSON value
        """Adds to the record's facts; a value of None takes the fact away."""
        merged = {key: value for key, value in {**self.status.facts, **facts}.items() if value is not None}
        self.update(facts=merged)

    def live_text(self) -> str:
        """The live document as it is kept: everything in it, secrets too.

        A reader may come when the guest is just being started or has just ended: then the stored one is the answer.
        """
        try:
            return (self.folder / LIVE_FILE).read_text()
        except OSError as error:
            if self.status.facts.get("starting") or not statuses.is_running(self.status):
                return self.context.store.load(self.status.name).decode()
            raise OperationFailed(f"the live definition of domain '{self.status.name}' cannot be read: "
                                  f"{error.strerror}") from error

    def live(self) -> Domain:
        """The live document."""
        from virtctl.domain.domain import read_domain
        from virtctl.schema.element import Mode

        return read_domain(self.live_text(), Mode(live=True, secure=True))

    def write_live(self, domain: Domain) -> None:
        """Replaces the live document; the caller holds the domain's lock."""
        from virtctl.domain.domain import write_domain
        from virtctl.schema.element import Mode

        self.write_live_text(write_domain(domain, Mode(live=True, secure=True)))

    def write_live_text(self, text: str) -> None:
        """The same for a document that is written out already; a copy of it survives a wiped runtime folder."""
        from virtctl.state.atomic import make_dir, write_file

        write_file(self.folder / LIVE_FILE, text.encode(), sync=False)
        make_dir(self.context.paths.running)
        write_file(self.context.paths.running / f"{self.status.uuid}.xml", text.encode(), sync=False)
