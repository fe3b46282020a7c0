"""What a driver can do: the protocol that commands call, and the plain values it answers with.

A domain is named by a reference (`ref`): its id, its uuid or its name, tried in that order. Every verb raises NoDomain
for an unknown one, and a `virtctl.errors` class in libvirt's words for everything else that fails. Sizes are in KiB
where virsh prints KiB and in bytes elsewhere, as each value says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

Progress = Callable[[int, int], None]  # done, total: bytes


class DomainRow(NamedTuple):
    """One line of `list`. `id` is None for a guest that does not run; `state` is virsh's word."""

    name: str
    uuid: str
    id: int | None
    state: str
    reason: str = ""
    persistent: bool = True
    autostart: bool = False
    managed_save: bool = False
    snapshots: int = 0
    checkpoints: int = 0
    title: str = ""
    stale: bool = False  # the guest did not answer in time: this is its last recorded state


class ListFilter(NamedTuple):
    """Which domains `list` shows; None means either. `states` are virsh's words, empty means all."""

    active: bool = True
    inactive: bool = False
    persistent: bool | None = None
    autostart: bool | None = None
    managed_save: bool | None = None
    snapshots: bool | None = None
    checkpoints: bool | None = None
    states: frozenset[str] = frozenset()


class DomainState(NamedTuple):
    """`domstate --reason`; `stale` as in DomainRow."""

    state: str
    reason: str
    stale: bool = False


class DomainInfo(NamedTuple):
    """`dominfo`. `cpu_time` is in nanoseconds, None when it does not run; memory is in KiB."""

    id: int | None
    name: str
    uuid: str
    os_type: str
    state: str
    cpus: int
    cpu_time: int | None
    max_memory: int
    used_memory: int
    persistent: bool
    autostart: bool
    managed_save: bool
    security_model: str = "none"
    security_doi: str = "0"
    messages: tuple[str, ...] = ()


class BlockRow(NamedTuple):
    """One line of `domblklist`; `source` is None for an empty drive."""

    type: str
    device: str
    target: str
    source: str | None


class InterfaceRow(NamedTuple):
    """One line of `domiflist`."""

    interface: str | None
    type: str
    source: str | None
    model: str | None
    mac: str


class BlockJob(NamedTuple):
    """`blockjob --info`. `type` is virsh's word (Block Copy, Block Pull...), `bandwidth` bytes a second, 0: no limit."""

    type: str
    bandwidth: int
    done: int
    total: int
    ready: bool = False


class BlockCopy(NamedTuple):
    """What `blockcopy` is asked for. `granularity` and `buffer` in bytes, `bandwidth` in bytes a second."""

    dest: str
    format: str | None = None
    block_device: bool = False
    shallow: bool = False
    reuse_external: bool = False
    bandwidth: int = 0
    granularity: int = 0
    buffer: int = 0
    transient_job: bool = False
    synchronous_writes: bool = False


class NodeInfo(NamedTuple):
    """`nodeinfo`; memory in KiB, frequency in MHz."""

    model: str
    cpus: int
    mhz: int
    sockets: int
    cores: int
    threads: int
    nodes: int
    memory: int


class Versions(NamedTuple):
    """`version`: of this program, of the library it stands for, and of QEMU (None when there is none)."""

    own: str
    hypervisor: tuple[int, int, int] | None


class Defined(NamedTuple):
    """What `define` made of a document; `warnings` are about what is kept but not understood."""

    name: str
    uuid: str
    warnings: tuple[str, ...] = ()


class StartOptions(NamedTuple):
    """`start` and `create`."""

    paused: bool = False
    autodestroy: bool = False
    bypass_cache: bool = False
    force_boot: bool = False
    reset_nvram: bool = False
    validate: bool = False


class UndefineOptions(NamedTuple):
    """`undefine`."""

    managed_save: bool = False
    snapshots_metadata: bool = False
    checkpoints_metadata: bool = False
    nvram: bool = False
    keep_nvram: bool = False
    remove_all_storage: bool = False
    storage: tuple[str, ...] = ()
    delete_snapshots: bool = False
    wipe_storage: bool = False


class DumpOptions(NamedTuple):
    """`dumpxml`."""

    inactive: bool = False
    security_info: bool = False
    update_cpu: bool = False
    migratable: bool = False


class SaveOptions(NamedTuple):
    """`save` and `managedsave`; `running` True or False overrides the state in which the guest will be restored."""

    xml: str | None = None
    running: bool | None = None
    bypass_cache: bool = False
    compression: str = "raw"
    progress: Progress | None = None


class RestoreOptions(NamedTuple):
    """`restore`."""

    xml: str | None = None
    running: bool | None = None
    bypass_cache: bool = False
    reset_nvram: bool = False


class ConsolePlace(NamedTuple):
    """What `console` connects to: `kind` is `pty` or `unix`."""

    kind: str
    path: str


class Driver(Protocol):
    """The verbs of a connection."""

    uri: str
    readonly: bool

    # The host
    def hostname(self) -> str:
        """Name of the host."""
    def nodeinfo(self) -> NodeInfo:
        """The host's processors and memory."""
    def versions(self) -> Versions:
        """Versions of the parts."""

    # Looking
    def rows(self, wanted: ListFilter, *, titles: bool = False) -> list[DomainRow]:
        """Running guests by id, then the others by name. `titles` asks for titles, which costs reading each file."""
    def name_of(self, ref: str) -> str:
        """The name of a domain."""
    def uuid_of(self, ref: str) -> str:
        """The uuid of a domain."""
    def id_of(self, ref: str) -> int | None:
        """The id of a running guest, None when it does not run."""
    def state(self, ref: str) -> DomainState:
        """What the guest does, and why."""
    def info(self, ref: str) -> DomainInfo:
        """The summary."""
    def dumpxml(self, ref: str, options: DumpOptions) -> str:
        """The document."""
    def block_rows(self, ref: str, *, inactive: bool = False) -> list[BlockRow]:
        """The disks."""
    def interface_rows(self, ref: str, *, inactive: bool = False) -> list[InterfaceRow]:
        """The network interfaces."""
    def ttyconsole(self, ref: str) -> str | None:
        """The pty of the first console, None when it has none."""
    def console(self, ref: str, device: str | None = None, *, force: bool = False, safe: bool = False) -> ConsolePlace:
        """Where to connect for a console."""
    def vncdisplay(self, ref: str) -> str:
        """`127.0.0.1:0`."""
    def displays(self, ref: str, *, type: str | None = None, include_password: bool = False) -> list[str]:
        """URIs of the graphical displays, such as `vnc://127.0.0.1:0`."""

    # Definitions
    def define(self, xml: str | bytes, *, validate: bool = False, what: str = "(domain_definition)") -> Defined:
        """Stores a definition, durably."""
    def undefine(self, ref: str, options: UndefineOptions) -> list[str]:
        """Removes a definition; says, a line each, what else was removed or could not be."""
    def set_autostart(self, ref: str, on: bool) -> None:
        """Whether it starts with the host."""
    def to_native(self, format: str, xml: str | bytes | None, ref: str | None = None) -> str:
        """`domxml-to-native`: a document, or a stored domain, in another program's format (qemu-argv, xen-xl...)."""
    def from_native(self, format: str, text: str) -> str:
        """`domxml-from-native`."""

    # Life
    def create(self, xml: str | bytes, options: StartOptions, what: str = "(domain_definition)") -> str:
        """Starts a transient guest (or a defined one with another document); its name."""
    def start(self, ref: str, options: StartOptions) -> str:
        """Starts a defined domain; its name."""
    def start_argv(self, ref: str) -> str:
        """`start --dry-run`: the command line that it would run, quoted for a shell."""
    def shutdown(self, ref: str, mode: str | None = None) -> None:
        """Asks the guest to shut down (modes acpi, agent, signal...)."""
    def reboot(self, ref: str, mode: str | None = None) -> None:
        """Asks the guest to reboot."""
    def reset(self, ref: str) -> None:
        """Presses the reset button."""
    def destroy(self, ref: str, *, graceful: bool = False) -> None:
        """Pulls the plug."""
    def suspend(self, ref: str) -> None:
        """Stops the guest's processors."""
    def resume(self, ref: str) -> None:
        """Lets them go on."""

    # Saved memory
    def save(self, ref: str, path: Path, options: SaveOptions) -> None:
        """Saves the memory into a file and ends the guest."""
    def restore(self, path: Path, options: RestoreOptions) -> str:
        """Starts a guest from such a file; its name."""
    def managedsave(self, ref: str, options: SaveOptions) -> None:
        """Saves it where the next start finds it."""
    def managedsave_remove(self, ref: str) -> bool:
        """Removes that file; False when there is none."""

    # Block jobs
    def blockcopy(self, ref: str, disk: str, copy: BlockCopy) -> None:
        """Starts copying a disk while the guest runs."""
    def blockjob(self, ref: str, disk: str) -> BlockJob | None:
        """The job on a disk, None when there is none."""
    def blockjob_abort(self, ref: str, disk: str, *, asynchronous: bool = False) -> None:
        """Gives the job up; the disk stays with its file."""
    def blockjob_pivot(self, ref: str, disk: str) -> float:
        """Switches the disk to the copy; the milliseconds for which the guest was paused."""
    def blockjob_speed(self, ref: str, disk: str, bandwidth: int) -> None:
        """Limits the job, in bytes a second; 0 for no limit."""

    # The monitor
    def monitor_hmp(self, ref: str, command: str) -> str:
        """A command of the human monitor, and its answer."""
    def monitor_qmp(self, ref: str, command: str) -> str:
        """A command of the machine monitor as JSON, and its answer as JSON."""

    # Safety
    def recover(self, ref: str | None = None) -> list[str]:
        """Finishes or undoes what was interrupted; a line for each thing done."""
    def history(self, ref: str) -> list[dict[str, object]]:
        """What was changed, when, by which command."""
    def undo(self, ref: str) -> Defined:
        """Brings the last overwritten or undefined definition back."""
