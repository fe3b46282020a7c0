"""The plain values that commands and drivers exchange: what is asked for, and what is reported.

Sizes are in KiB where virsh prints KiB and in bytes elsewhere, as each value says. Imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

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
    security_label: str = ""
    log_losses: tuple[str, ...] = ()


class Affect(NamedTuple):
    """What a change is about: the running guest, the definition, both; neither means what there is now."""

    live: bool = False
    config: bool = False


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
    """`blockjob --info`. `type` is virsh's word (Block Copy...), `bandwidth` bytes a second, 0: no limit."""

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


class BlockCommit(NamedTuple):
    """What `blockcommit` is asked for. `top` and `base` are paths or `vda[1]`; `bandwidth` in bytes a second."""

    base: str | None = None
    top: str | None = None
    bandwidth: int = 0
    active: bool = False
    shallow: bool = False
    delete: bool = False


class JobInfo(NamedTuple):
    """`domjobinfo`: `operation` is virsh's word; times in milliseconds, sizes in bytes, `bandwidth` bytes a second."""

    operation: str
    elapsed: int = 0
    processed: int = 0
    remaining: int = 0
    total: int = 0
    bandwidth: int = 0
    constant: int = 0
    normal: int = 0
    normal_bytes: int = 0
    dirty_rate: int = 0
    page_size: int = 0
    iteration: int = 0
    downtime: int = 0
    setup: int = 0


class BlockSizes(NamedTuple):
    """`domblkinfo`, in bytes: what the guest sees, what is taken on the host, how long the file is."""

    capacity: int
    allocation: int
    physical: int


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


class MemoryStats(NamedTuple):
    """`nodememstats`, in KiB; only the whole host tells of buffers and cache."""

    total: int
    free: int
    buffers: int | None = None
    cached: int | None = None


class WantedCapabilities(NamedTuple):
    """Of what guest `domcapabilities` speaks; None is the usual."""

    virttype: str | None = None
    emulator: str | None = None
    arch: str | None = None
    machine: str | None = None


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
    """`save` and `managedsave`; `running` True or False overrides the state in which the guest will be restored;
    `compression` None is what the settings say.
    """

    xml: str | None = None
    running: bool | None = None
    bypass_cache: bool = False
    compression: str | None = None
    progress: Progress | None = None


class DumpCoreOptions(NamedTuple):
    """`dump`: the guest's memory as a file. `format` is elf or one of kdump's."""

    memory_only: bool = False
    format: str | None = None
    live: bool = False
    crash: bool = False
    reset: bool = False
    bypass_cache: bool = False
    progress: Progress | None = None


class RestoreOptions(NamedTuple):
    """`restore`; with `trust` the image may name programs that its domain's definition does not."""

    xml: str | None = None
    running: bool | None = None
    bypass_cache: bool = False
    reset_nvram: bool = False
    trust: bool = False


class XenImport(NamedTuple):
    """`import`: a Xen configuration for this host. `format` None guesses; `to` is kvm or qemu."""

    format: str | None = None
    to: str = "kvm"
    kernel: str | None = None
    initrd: str | None = None
    cmdline: str | None = None


class ConsolePlace(NamedTuple):
    """What `console` connects to: `kind` is `pty` or `unix`; `door` is what to open where that is not `path`."""

    kind: str
    path: str
    door: str = ""
