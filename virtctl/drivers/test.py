"""test:///default: one host and one running guest, in memory, for trying commands out and for tests.

What it holds, refuses and says is what libvirt's test driver does; nothing outlives the process.
"""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

from virtctl.drivers.testhost import GUEST, Guest, NotThere, matches
from virtctl.errors import (
    InternalError,
    InvalidOperation,
    NoDomain,
    OperationFailed,
    SystemFault,
    VirtctlError,
)
from virtctl.values import (
    BlockRow,
    Defined,
    DomainInfo,
    DomainRow,
    DomainState,
    DumpOptions,
    InterfaceRow,
    ListFilter,
    NodeInfo,
    RestoreOptions,
    SaveOptions,
    StartOptions,
    UndefineOptions,
    Versions,
)


class TestDriver(NotThere):
    """The verbs, on guests that are only remembered."""

    def __init__(self, uri: str, readonly: bool = False) -> None:
        if uri != "test:///default":
            raise InternalError(f"only test:///default can be opened, not {uri}")
        self.uri = uri
        self.readonly = readonly
        first = Guest("test", "6695eb01-f6a4-8304-79aa-97f2502e193f", GUEST)
        self.guests = {first.name: first}
        self.last_id = 0
        self._run(first, "unknown")

    def _run(self, guest: Guest, reason: str, state: str = "running") -> None:
        self.last_id += 1
        guest.id = self.last_id
        guest.state = DomainState(state, reason)

    def _end(self, guest: Guest, reason: str) -> None:
        guest.id = None
        guest.state = DomainState("shut off", reason)
        if not guest.persistent:
            del self.guests[guest.name]

    def _find(self, ref: str) -> Guest:
        number = ref.strip().removeprefix("+")
        for guest in self.guests.values():
            if number.isdecimal() and guest.id == int(number):
                return guest
        for guest in self.guests.values():
            if ref.replace("-", "").lower() == guest.uuid.replace("-", ""):
                return guest
        if ref not in self.guests:
            raise NoDomain(f"no domain with matching name '{ref}'")
        return self.guests[ref]

    def _active(self, ref: str) -> Guest:
        guest = self._find(ref)
        if guest.id is None:
            raise InvalidOperation("domain is not running")
        return guest

    # The host

    def hostname(self) -> str:
        """Name of the host."""
        return os.uname().nodename

    def nodeinfo(self) -> NodeInfo:
        """A host of long ago."""
        return NodeInfo("i686", 16, 1400, 2, 2, 2, 2, 3145728)

    def versions(self) -> Versions:
        """Versions of the parts."""
        from virtctl import __version__

        return Versions(__version__, (0, 0, 2))

    # Looking

    def rows(self, wanted: ListFilter, *, titles: bool = False) -> list[DomainRow]:
        """Running guests by id, then the others by name."""
        found = [
            DomainRow(
                guest.name, guest.uuid, guest.id, guest.state.state, guest.state.reason, guest.persistent,
                guest.autostart, guest.managed_save, title=guest.title() if titles else "",
            )
            for guest in self.guests.values()
        ]
        found.sort(key=lambda row: (row.id is None, row.id or 0, row.name))
        return [row for row in found if matches(row, wanted)]

    def name_of(self, ref: str) -> str:
        """The name of a domain."""
        return self._find(ref).name

    def uuid_of(self, ref: str) -> str:
        """The uuid of a domain."""
        return self._find(ref).uuid

    def id_of(self, ref: str) -> int | None:
        """The id of a running guest."""
        return self._find(ref).id

    def state(self, ref: str) -> DomainState:
        """What the guest does, and why."""
        return self._find(ref).state

    def info(self, ref: str) -> DomainInfo:
        """The summary."""
        guest = self._find(ref)
        return DomainInfo(
            guest.id, guest.name, guest.uuid, "linux", guest.state.state, 2, time.time_ns(), 8388608, 2097152,
            guest.persistent, guest.autostart, guest.managed_save, "testSecurity", "",
            security_label="libvirt-test (enforcing)" if guest.id is not None else "",
        )

    def dumpxml(self, ref: str, options: DumpOptions) -> str:
        """The document."""
        return self._find(ref).text(inactive=options.inactive)

    def block_rows(self, ref: str, *, inactive: bool = False) -> list[BlockRow]:
        """The disks."""
        return [
            BlockRow(disk["disk@type"], disk["disk@device"], disk["target@dev"], disk.get("source@file"))
            for disk in self._find(ref).devices("disk")
        ]

    def interface_rows(self, ref: str, *, inactive: bool = False) -> list[InterfaceRow]:
        """The network interfaces."""
        return [
            InterfaceRow(
                card.get("target@dev"), card["interface@type"], card.get("source@network"), card.get("model@type"),
                card["mac@address"],
            )
            for card in self._find(ref).devices("interface")
        ]

    # Definitions

    def define(self, xml: str | bytes, *, validate: bool = False, what: str = "(domain_definition)") -> Defined:
        """Remembers a definition."""
        guest = self._read(xml, what)
        old = self.guests.get(guest.name)
        if old is not None:
            guest.id, guest.state, guest.autostart = old.id, old.state, old.autostart
        self.guests[guest.name] = guest
        return Defined(guest.name, guest.uuid)

    def _read(self, xml: str | bytes, what: str) -> Guest:
        from virtctl.domain.domain import read_domain, write_domain

        domain = read_domain(xml, what=what)
        name = domain.name or ""
        old = self.guests.get(name)
        domain.uuid = domain.uuid or str(uuid.uuid4())
        if old is not None and old.uuid != domain.uuid:
            raise OperationFailed(f"domain '{name}' already exists with uuid {old.uuid}")
        text = write_domain(domain).replace("{", "&#123;")
        return Guest(name, domain.uuid, text.replace("<domain type='test'", "<domain type='test'{id}", 1))

    def undefine(self, ref: str, options: UndefineOptions) -> list[str]:
        """Forgets a definition."""
        guest = self._find(ref)
        guest.persistent = False
        if guest.id is None:
            del self.guests[guest.name]
        return []

    def set_autostart(self, ref: str, on: bool) -> None:
        """Whether it starts with the host."""
        self._find(ref).autostart = on

    # Life

    def create(self, xml: str | bytes, options: StartOptions, what: str = "(domain_definition)") -> str:
        """Starts a transient guest."""
        guest = self._read(xml, what)
        guest.persistent = False
        self.guests[guest.name] = guest
        self._run(guest, "booted")
        return guest.name

    def start(self, ref: str, options: StartOptions) -> str:
        """Starts a defined domain."""
        guest = self._find(ref)
        if options.paused:
            raise VirtctlError("unsupported flags (0x1) in function testDomainCreateWithFlags")
        if guest.id is not None:
            raise InternalError("Domain 'test' is already running")
        guest.managed_save = False
        self._run(guest, "booted")
        return guest.name

    def shutdown(self, ref: str, mode: str | None = None) -> None:
        """It obeys at once."""
        guest = self._find(ref)
        if mode is not None:
            bits = {"acpi": 1, "agent": 2, "initctl": 4, "signal": 8, "paravirt": 16}
            flags = sum(bits[word] for word in set(mode.split(",")))
            raise VirtctlError(f"unsupported flags ({flags:#x}) in function testDomainShutdownFlags")
        if guest.id is None:
            raise InternalError(f"domain '{guest.name}' not running")
        self._end(guest, "shutdown")

    def reboot(self, ref: str, mode: str | None = None) -> None:
        """It obeys at once."""
        self._active(ref).state = DomainState("running", "booted")

    def reset(self, ref: str) -> None:
        """Presses the reset button."""
        self._active(ref)

    def destroy(self, ref: str, *, graceful: bool = False) -> None:
        """Pulls the plug."""
        self._end(self._active(ref), "destroyed")

    def suspend(self, ref: str) -> None:
        """Stops it."""
        guest = self._find(ref)
        if guest.state.state != "running":
            raise InternalError(f"domain '{guest.name}' not running")
        guest.state = DomainState("paused", "user")

    def resume(self, ref: str) -> None:
        """Lets it go on."""
        guest = self._find(ref)
        if guest.state.state != "paused":
            raise InternalError(f"domain '{guest.name}' not paused")
        guest.state = DomainState("running", "unpaused")

    # Saved memory

    def save(self, ref: str, path: Path, options: SaveOptions) -> None:
        """Writes its document, and ends it."""
        guest = self._active(ref)
        try:
            path.write_text(guest.text(inactive=True), encoding="utf-8")
        except OSError as error:
            raise SystemFault(f"saving domain '{guest.name}' to '{path}': open failed", error) from error
        self._end(guest, "saved")

    def restore(self, path: Path, options: RestoreOptions) -> str:
        """Starts a guest from such a file."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise SystemFault(f"cannot read domain image '{path}'", error) from error
        guest = self._read(text, str(path))
        guest.persistent = guest.name in self.guests
        self.guests[guest.name] = guest
        self._run(guest, "restored")
        return guest.name

    def managedsave(self, ref: str, options: SaveOptions) -> None:
        """Ends it, to go on at the next start."""
        guest = self._active(ref)
        self._end(guest, "saved")
        guest.managed_save = True

    def managedsave_remove(self, ref: str) -> bool:
        """Forgets that."""
        guest = self._find(ref)
        had, guest.managed_save = guest.managed_save, False
        return had
