"""What every verb works with: the folders, the definitions, the host's facts, and where warnings go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import NamedTuple

from virtctl.domain.host import Host
from virtctl.errors import InvalidOperation, NoDomain, OperationTimeout, VirtctlError
from virtctl.paths import Paths
from virtctl.state import status as statuses
from virtctl.state.journal import Journal
from virtctl.state.lock import DEFAULT_TIMEOUT, DefinitionsLock, DomainLock
from virtctl.state.status import Status
from virtctl.state.store import Entry, Store


class Target(NamedTuple):
    """A domain that a command names: what it is called, whether it is defined, and what runs of it."""

    name: str
    uuid: str
    persistent: bool
    status: Status | None

    @property
    def active(self) -> Status:
        """The running guest. Raises InvalidOperation when nothing runs."""
        if self.status is None:
            raise InvalidOperation("domain is not running")
        return self.status


class Context:
    """One connection. `warn` receives one-line texts for the user; `command` names us in locks and history."""

    def __init__(self, paths: Paths, *, uri: str = "qemu:///system", command: str = "",
                 lock_timeout: float = DEFAULT_TIMEOUT, warn: Callable[[str], None] = lambda text: None) -> None:
        self.paths = paths
        self.uri = uri
        self.command = command
        self.lock_timeout = lock_timeout
        self.warn = warn
        self.store = Store(paths, command=command, lock_timeout=lock_timeout)
        self._journal = Journal(paths, command=command)

    @cached_property
    def host(self) -> Host:
        """The host's facts, asked for once a process."""
        from virtctl.qemu.hostfacts import host_facts

        return host_facts(self.paths)

    @contextmanager
    def lock(self, uuid: str) -> Iterator[None]:
        """The turn to change one domain. An error while its QEMU ended says how that ended."""
        with DomainLock(self.paths, uuid, command=self.command, timeout=self.lock_timeout):
            try:
                yield
            except VirtctlError as error:
                from virtctl.qemu.lastwords import explain

                explain(self, uuid, error)
                raise

    def running(self) -> list[Status]:
        """Every guest that runs now; what died is cleared away as it is met, what is half started finished or ended."""
        from virtctl.qemu.endings import settle

        found = []
        known = statuses.all_statuses(self.paths)
        for status in known:
            if statuses.is_running(status) and not status.facts.get("starting"):
                found.append(status)
            else:
                found += settle(self, status)
        missing = statuses.lost(self.paths, {status.uuid for status in known})
        if missing:
            from virtctl.qemu.adoption import find_again

            found += find_again(self, missing)
        return found

    def claims(self) -> Iterator[Entry]:
        """Name and uuid of every guest that runs or is being started; nobody adds one under the definitions' lock."""
        for status in statuses.all_statuses(self.paths):
            if statuses.is_running(status) or (status.facts.get("starting") and self._is_held(status.uuid)):
                yield Entry(status.name, status.uuid)

    def _is_held(self, uuid: str) -> bool:
        """Whether another process is at work on a domain: whoever starts a guest is."""
        try:
            with DomainLock(self.paths, uuid, command=self.command, timeout=0):
                return False
        except OperationTimeout:
            return True

    def claim(self, status: Status) -> None:
        """Records a guest that is about to start without a definition, unless another has its name or uuid by now."""
        with DefinitionsLock(self.paths, command=self.command, timeout=self.lock_timeout):
            others = [entry for entry in self.claims() if entry.uuid != status.uuid]
            self.store.check(status.name, status.uuid, others)
            statuses.save(self.paths, status)

    def find(self, reference: str) -> Target:
        """The domain of that id, uuid or name, in virsh's order; what was interrupted on it is put right first.

        Raises NoDomain, OperationFailed for one whose definition cannot be used.
        """
        target = self._look(reference)
        return self._look(target.uuid) if self._mend(target.uuid) else target

    def _look(self, reference: str) -> Target:
        """Guests that run, then definitions; then again those that run, for one may have been started and undefined
        between the two looks.
        """
        running = self.running()
        found = (self._running_one(reference, running) or self._defined_one(reference, running)
                 or self._running_one(reference, self.running()))
        if found is None:
            self.store.refuse_broken(reference)
            raise NoDomain(f"no domain with matching name '{reference}'")
        return found

    def _running_one(self, reference: str, running: list[Status]) -> Target | None:
        if reference.isdecimal():
            for status in running:
                if status.id == int(reference):
                    return self._target(status.name, status.uuid, status)
        uuid = _as_uuid(reference)
        for status in running:
            if reference == status.name or uuid == status.uuid:
                return self._target(status.name, status.uuid, status)
        return None

    def _defined_one(self, reference: str, running: list[Status]) -> Target | None:
        uuid = _as_uuid(reference)
        name = (self.store.name_of(uuid) if uuid else None) or reference
        found = self.store.uuid_of(name)
        if found is None:
            return None
        return Target(name, found, True, next((s for s in running if s.uuid == found), None))

    def again(self, target: Target) -> Target:
        """The same domain, read anew: for use right after its lock was taken."""
        if self._mend(target.uuid):
            self._journal.refuse_newer(target.uuid)
        status = statuses.load(self.paths, target.uuid)
        if status is not None and (status.facts.get("starting") or not statuses.is_running(status)):
            from virtctl.qemu.endings import settle

            status = next(iter(settle(self, status)), None)
        name = self.store.name_of(target.uuid)
        if status is None and name is None:
            raise NoDomain(f"no domain with matching name '{target.name}'")
        if status is not None and status.facts.get("logs"):
            from virtctl.qemu.logkeeping import revive

            revive(self, status)
        return Target(status.name if status else name or target.name, target.uuid, name is not None, status)

    def _mend(self, uuid: str) -> bool:
        """Puts right what a command that died left half done on this domain; whether there was anything."""
        if not self._journal.holds(uuid):
            return False
        from virtctl.qemu.recovery import repair

        return repair(self, uuid)

    def _target(self, name: str, uuid: str, status: Status) -> Target:
        return Target(name, uuid, self.store.exists(name), status)


def _as_uuid(text: str) -> str | None:
    squeezed = text.replace("-", "").lower()
    if len(squeezed) != 32 or any(letter not in "0123456789abcdef" for letter in squeezed):
        return None
    return f"{squeezed[:8]}-{squeezed[8:12]}-{squeezed[12:16]}-{squeezed[16:20]}-{squeezed[20:]}"
