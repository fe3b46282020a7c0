"""qemu:///system and qemu:///session: every verb resolves its domain and calls one function of virtctl/qemu.

The modules are imported where they are used: `list` must not pay for what `start` needs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from virtctl.drivers.qemu_documents import DocumentVerbs
from virtctl.drivers.qemu_jobs import JobVerbs
from virtctl.drivers.qemu_live import LiveVerbs
from virtctl.errors import NoDomain
from virtctl.paths import Paths
from virtctl.qemu.context import Context
from virtctl.values import (
    BlockRow,
    ConsolePlace,
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

if TYPE_CHECKING:
    from virtctl.qemu.guest import Guest


class QemuDriver(DocumentVerbs, JobVerbs, LiveVerbs):
    """QEMU processes on this host, and the files that describe them."""

    def __init__(self, paths: Paths, *, uri: str = "qemu:///system", command: str = "", lock_timeout: float = 30.0,
                 readonly: bool = False, warn: Callable[[str], None] = lambda text: None) -> None:
        super().__init__(Context(paths, uri=uri, command=command, lock_timeout=lock_timeout, warn=warn), readonly)
        self.uri = uri

    def _guest(self, ref: str) -> Guest:
        from virtctl.qemu.guest import Guest

        return Guest(self.context, self._change(ref).active)

    # The host

    def hostname(self) -> str:
        """Name of the host."""
        from virtctl.qemu import node

        return node.hostname()

    def nodeinfo(self) -> NodeInfo:
        """The host's processors and memory."""
        from virtctl.qemu import node

        return node.nodeinfo()

    def versions(self) -> Versions:
        """Versions of the parts."""
        from virtctl import __version__

        return Versions(__version__, self.context.host.qemu_version)

    # Looking

    def rows(self, wanted: ListFilter, *, titles: bool = False) -> list[DomainRow]:
        """Running guests by id, then the others by name."""
        from virtctl.qemu import listing

        return listing.rows(self.context, wanted, titles=titles)

    def name_of(self, ref: str) -> str:
        """The name of a domain."""
        return self._find(ref).name

    def uuid_of(self, ref: str) -> str:
        """The uuid of a domain."""
        return self._find(ref).uuid

    def id_of(self, ref: str) -> int | None:
        """The id of a running guest."""
        status = self._find(ref).status
        return status.id if status else None

    def state(self, ref: str) -> DomainState:
        """What the guest does, and why."""
        from virtctl.qemu import lifecycle

        return DomainState(*lifecycle.current_state(self.context, self._find(ref)))

    def info(self, ref: str) -> DomainInfo:
        """The summary."""
        from virtctl.qemu import listing

        return listing.info(self.context, self._find(ref))

    def dumpxml(self, ref: str, options: DumpOptions) -> str:
        """The document."""
        from virtctl.qemu import documents

        if options.security_info:
            self._may_write()
        return documents.dumpxml(self.context, self._find(ref), options)

    def block_rows(self, ref: str, *, inactive: bool = False) -> list[BlockRow]:
        """The disks."""
        from virtctl.qemu import documents

        return documents.block_rows(self.context, self._find(ref), inactive=inactive)

    def interface_rows(self, ref: str, *, inactive: bool = False) -> list[InterfaceRow]:
        """The network interfaces."""
        from virtctl.qemu import documents

        return documents.interface_rows(self.context, self._find(ref), inactive=inactive)

    def ttyconsole(self, ref: str) -> str | None:
        """The pty of the first console."""
        from virtctl.qemu import documents

        return documents.ttyconsole(self.context, self._find(ref))

    def console(self, ref: str, device: str | None = None, *, force: bool = False, safe: bool = False) -> ConsolePlace:
        """Where to connect for a console."""
        from virtctl.qemu import documents

        return documents.console(self.context, self._change(ref), device)

    def vncdisplay(self, ref: str) -> str:
        """`127.0.0.1:0`."""
        from virtctl.qemu import documents

        return documents.vncdisplay(self.context, self._find(ref))

    def displays(self, ref: str, *, type: str | None = None, include_password: bool = False) -> list[str]:
        """URIs of the graphical displays."""
        from virtctl.qemu import documents

        if include_password:
            self._may_write()
        return documents.displays(self.context, self._find(ref), type=type, include_password=include_password)

    # Definitions

    def define(self, xml: str | bytes, *, validate: bool = False, what: str = "(domain_definition)") -> Defined:
        """Stores a definition, durably."""
        from virtctl.qemu import definitions

        self._may_write()
        return definitions.define(self.context, xml, validate=validate, what=what)

    def undefine(self, ref: str, options: UndefineOptions) -> list[str]:
        """Removes a definition."""
        from virtctl.qemu import definitions

        return definitions.undefine(self.context, self._change(ref), options)

    def set_autostart(self, ref: str, on: bool) -> None:
        """Whether it starts with the host."""
        from virtctl.qemu import definitions

        definitions.set_autostart(self.context, self._change(ref), on)

    # Life

    def create(self, xml: str | bytes, options: StartOptions, what: str = "(domain_definition)") -> str:
        """Starts a transient guest."""
        from virtctl.qemu import definitions

        self._may_write()
        return definitions.create(self.context, xml, options, what)

    def start(self, ref: str, options: StartOptions) -> str:
        """Starts a defined domain."""
        from virtctl.qemu import definitions

        return definitions.start(self.context, self._change(ref), options)

    def start_argv(self, ref: str) -> str:
        """The command line that `start` would run."""
        return self.to_native("qemu-argv", None, ref)

    def shutdown(self, ref: str, mode: str | None = None) -> None:
        """Asks the guest to shut down."""
        from virtctl.qemu import lifecycle

        lifecycle.shutdown(self.context, self._change(ref), mode)

    def reboot(self, ref: str, mode: str | None = None) -> None:
        """Asks the guest to reboot."""
        from virtctl.qemu import lifecycle

        lifecycle.reboot(self.context, self._change(ref), mode)

    def reset(self, ref: str) -> None:
        """Presses the reset button."""
        from virtctl.qemu import lifecycle

        lifecycle.reset(self.context, self._change(ref))

    def destroy(self, ref: str, *, graceful: bool = False) -> None:
        """Pulls the plug."""
        from virtctl.qemu import lifecycle

        lifecycle.destroy(self.context, self._change(ref), graceful=graceful)

    def suspend(self, ref: str) -> None:
        """Stops the guest's processors."""
        from virtctl.qemu import lifecycle

        lifecycle.suspend(self.context, self._change(ref))

    def resume(self, ref: str) -> None:
        """Lets them go on."""
        from virtctl.qemu import lifecycle

        lifecycle.resume(self.context, self._change(ref))

    # Saved memory

    def save(self, ref: str, path: Path, options: SaveOptions) -> None:
        """Saves the memory into a file and ends the guest."""
        from virtctl.qemu import saving

        saving.save(self.context, self._change(ref), path, options)

    def restore(self, path: Path, options: RestoreOptions) -> str:
        """Starts a guest from such a file."""
        from virtctl.qemu import restoring

        self._may_write()
        return restoring.restore(self.context, path, options)

    def managedsave(self, ref: str, options: SaveOptions) -> None:
        """Saves it where the next start finds it."""
        from virtctl.qemu import saving

        saving.managed_save(self.context, self._change(ref), options)

    def managedsave_remove(self, ref: str) -> bool:
        """Removes that file."""
        from virtctl.qemu import saving

        return saving.remove_managed(self.context, self._change(ref))

    # The monitor

    def monitor_hmp(self, ref: str, command: str) -> str:
        """A command of the human monitor."""
        guest = self._guest(ref)
        with guest.monitor() as monitor:
            return monitor.command(command, 30.0)

    def monitor_qmp(self, ref: str, command: str) -> str:
        """A command of the machine monitor."""
        from virtctl.qemu import consoles

        return consoles.qmp_text(self._guest(ref), command)

    # Safety

    def recover(self, ref: str | None = None) -> list[str]:
        """Finishes or undoes what was interrupted."""
        from virtctl.qemu import recovery

        self._may_write()
        return recovery.recover(self.context, self._find(ref).uuid if ref else None)

    def history(self, ref: str) -> list[dict[str, object]]:
        """What was changed, when, by which command."""
        from virtctl.state import history

        try:
            uuids = [self._find(ref).uuid]
        except NoDomain:
            uuids = history.uuids_named(self.context.paths, ref)
            if not uuids:
                raise
        return [entry._asdict() for uuid in uuids for entry in history.read(self.context.paths, uuid)]

    def undo(self, ref: str) -> Defined:
        """Brings the last definition back."""
        self._may_write()
        entry = self.context.store.undo(ref, self.context.claims())
        return Defined(entry.name, entry.uuid)
