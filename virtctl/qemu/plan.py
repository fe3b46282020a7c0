"""A start that is fully decided: the domain, and everything about the host that its command line names.

`prepare` makes a Plan and is the one that touches the host; `build` turns it into options and touches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from virtctl.domain.domain import Domain

if TYPE_CHECKING:
    from virtctl.qemu.logkeeping import Beginning, KeptLog
    from virtctl.qemu.privilege import Account


@dataclass
class Plan:
    """What `build` needs beside the document. Keys of the dictionaries are aliases (`serial0`, `virtio-disk0`).

    `chardev_paths` replaces the path of a file source (an fd set, or /dev/null), `sockets` names the socket of a
    unix source that had none, `omitted` are devices that start leaves out (startupPolicy), `fd_sets` maps the
    number of an fd set to the inherited descriptor, `taps` the descriptors of a network device, `hugetlbfs` the folder
    for each size of huge pages (KiB), `ram_folder` where file-backed memory lies, `host_paths` nodes of host devices,
    `qmp` the listening socket of the machine-readable monitor (None: QEMU makes one itself), `logs` what the
    log keeper writes, `keeper` the process that starts it, `restoring` whether the memory comes
    from an image. `account` is whom QEMU runs as, None for ourselves;
    `runtime` is its working folder. `nvram_fds` is the store of variables, open for reading and for both, where QEMU
    could not open it itself.
    """

    domain: Domain
    emulator: str
    runtime: Path
    chardev_paths: dict[str, str] = field(default_factory=dict)
    sockets: dict[str, str] = field(default_factory=dict)
    omitted: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    fd_sets: dict[int, int] = field(default_factory=dict)
    taps: dict[str, list[int]] = field(default_factory=dict)
    vhost: dict[str, list[int]] = field(default_factory=dict)
    host_paths: dict[str, str] = field(default_factory=dict)
    chosen_ports: set[int] = field(default_factory=set)
    nvram_fds: list[int] = field(default_factory=list)
    ram_folder: str = "/dev/shm"
    hugetlbfs: dict[int, str] = field(default_factory=dict)
    huge_page_default: int = 2048
    boot_order: dict[str, int] = field(default_factory=dict)
    incoming: str | None = None
    qmp: int | None = None
    account: Account | None = None
    warnings: list[str] = field(default_factory=list)
    logs: list[KeptLog] = field(default_factory=list)
    keeper: Beginning | None = None
    restoring: bool = False
    qemu_version: tuple[int, int, int] = (7, 2, 0)

    def keeps(self, key: str) -> bool:
        """Whether this log is a pipe to the log keeper, which cannot be truncated."""
        return any(log.key == key for log in self.logs)

    @property
    def pass_fds(self) -> list[int]:
        """Every descriptor that QEMU inherits."""
        shared = [fd for fds in (*self.taps.values(), *self.vhost.values()) for fd in fds]
        incoming = [int(self.incoming.removeprefix("fd:"))] if self.incoming and self.incoming.startswith("fd:") else []
        monitor = [self.qmp] if self.qmp is not None else []
        return sorted({*self.fd_sets.values(), *self.nvram_fds, *shared, *incoming, *monitor})
