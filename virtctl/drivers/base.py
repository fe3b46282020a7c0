"""What a driver can do: the protocol that commands call. The values it takes and gives are in virtctl/values.py.

A domain is named by a reference (`ref`): its id, its uuid or its name, tried in that order. Every verb raises NoDomain
for an unknown one, and a `virtctl.errors` class in libvirt's words for everything else that fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from virtctl.values import (
    Affect,
    BlockCommit,
    BlockCopy,
    BlockJob,
    BlockRow,
    BlockSizes,
    ConsolePlace,
    Defined,
    DomainInfo,
    DomainRow,
    DomainState,
    DumpCoreOptions,
    DumpOptions,
    InterfaceRow,
    JobInfo,
    ListFilter,
    MemoryStats,
    NodeInfo,
    RestoreOptions,
    SaveOptions,
    StartOptions,
    UndefineOptions,
    Versions,
    WantedCapabilities,
    XenImport,
)


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

    def capabilities(self) -> str:
        """What the host offers, as a document."""
    def domain_capabilities(self, wanted: WantedCapabilities) -> str:
        """What a guest can be given, as a document."""
    def cells(self) -> list[int]:
        """The NUMA cells."""
    def free_memory(self, cell: int | None = None) -> int:
        """Free memory of a cell or of the host, in KiB."""
    def node_memory(self, cell: int | None = None) -> MemoryStats:
        """The memory of a cell or of the host."""

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
    def to_native(self, format: str, xml: str | bytes | None, ref: str | None = None,
                  xend_version: int | None = None) -> str:
        """`domxml-to-native`: a document, or a stored domain, in another program's format (qemu-argv, xen-xl...)."""
    def from_native(self, format: str, text: str, xend_version: int | None = None) -> str:
        """`domxml-from-native`."""

    def import_xen(self, text: str, wanted: XenImport) -> tuple[str, list[str]]:
        """A Xen configuration as a domain that starts here, and what a person should know."""
    def problems(self, xml: str | bytes, what: str) -> list[str]:
        """Everything that is wrong with a document, a line each."""
    def compare(self, one: str | bytes, other: str | bytes) -> list[str]:
        """What differs in meaning between two documents, a line each."""

    # What stands in a domain for others
    def description(self, ref: str, *, title: bool = False, inactive: bool = False) -> str | None:
        """Its description or title."""
    def describe(self, ref: str, text: str, affect: Affect, *, title: bool = False) -> None:
        """Sets one of them."""
    def metadata(self, ref: str, uri: str, affect: Affect) -> str:
        """The metadata of a name space."""
    def set_metadata(self, ref: str, uri: str, new: tuple[str, str] | None, affect: Affect) -> None:
        """Sets it, `(prefix, text)`, or removes it."""
    def rename(self, ref: str, new: str) -> None:
        """Gives a domain that does not run another name."""

    # Memory and figures
    def set_memory(self, ref: str, size: int, affect: Affect) -> None:
        """What memory the guest has, in KiB."""
    def set_max_memory(self, ref: str, size: int, affect: Affect) -> None:
        """What memory it can have, in KiB."""
    def set_memory_period(self, ref: str, seconds: int, affect: Affect) -> None:
        """How often its driver is asked for statistics."""
    def memory_stats(self, ref: str) -> dict[str, int]:
        """`dommemstat`, in virsh's order."""
    def block_errors(self, ref: str) -> dict[str, str]:
        """What is wrong with each disk on which a request of the guest has failed."""
    def set_vcpus(self, ref: str, count: int, affect: Affect) -> None:
        """How many processors a guest has now, or a domain at its next start."""
    def set_max_vcpus(self, ref: str, count: int) -> None:
        """How many the definition allows."""
    def statistics(self, ref: str, groups: frozenset[str]) -> dict[str, object]:
        """`domstats`: figures under libvirt's names."""

    # Keys, media, cables
    def send_keys(self, ref: str, codes: list[int], codeset: str, hold: int) -> None:
        """Presses keys, for `hold` milliseconds."""
    def inject_nmi(self, ref: str) -> None:
        """Sends a non-maskable interrupt."""
    def wake_up(self, ref: str) -> None:
        """Wakes a guest that sleeps."""
    def screenshot(self, ref: str, screen: int) -> tuple[bytes, str]:
        """A picture of what the guest shows, and its kind."""
    def change_media(self, ref: str, target: str, source: str | None, affect: Affect, *, force: bool = False) -> None:
        """Puts an image into a drive, or takes it out."""
    def attach_device(self, ref: str, xml: str | bytes, affect: Affect) -> None:
        """Adds a device, given as its XML, to a running guest or a definition."""
    def detach_device(self, ref: str, xml: str | bytes, affect: Affect) -> None:
        """Takes out the device that the XML describes."""
    def detach_alias(self, ref: str, alias: str, affect: Affect) -> None:
        """Takes out the device of that alias."""
    def update_device(self, ref: str, xml: str | bytes, affect: Affect, *, force: bool = False) -> None:
        """Puts the device that the XML describes in the place of the one that it names."""
    def link_state(self, ref: str, interface: str, *, inactive: bool = False) -> str | None:
        """`up` or `down`, None when there is no such card."""
    def set_link(self, ref: str, interface: str, state: str, affect: Affect) -> None:
        """Plugs the cable of a network card in or out."""
    def need_agent(self, ref: str) -> None:
        """Refuses what needs an agent in the guest: nobody talks to one."""

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

    def image_xml(self, path: Path, *, security_info: bool = False) -> str:
        """`save-image-dumpxml`: the document inside a saved image."""
    def define_image_xml(self, path: Path, xml: str | bytes, *, running: bool | None = None) -> None:
        """`save-image-define`."""
    def managed_image(self, ref: str) -> Path:
        """Where the domain's managed save lies, for managedsave-dumpxml, -define and -edit."""
    def dump(self, ref: str, path: Path, options: DumpCoreOptions) -> None:
        """`dump`: the guest's memory as a core file."""

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
    def blockpull(self, ref: str, disk: str, *, base: str | None = None, bandwidth: int = 0) -> None:
        """Starts filling a disk's image from those below it, down to `base`."""
    def blockcommit(self, ref: str, disk: str, commit: BlockCommit) -> None:
        """Starts writing what images hold into one below them."""
    def blockresize(self, ref: str, disk: str, size: int) -> None:
        """Changes the size of a running guest's disk, in bytes."""
    def block_sizes(self, ref: str, disk: str) -> BlockSizes:
        """How large a disk is, for the guest and on the host."""

    # Jobs on the memory
    def job_info(self, ref: str) -> JobInfo | None:
        """The save or dump that another command is at, None when there is none."""
    def abort_job(self, ref: str) -> None:
        """Ends it; the guest goes on."""

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
