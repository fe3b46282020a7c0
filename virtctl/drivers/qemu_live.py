"""The qemu driver's verbs about running guests and the host that programs other than people ask for."""

from __future__ import annotations

from virtctl.drivers.qemu_base import Connected
from virtctl.values import JobInfo, MemoryStats, WantedCapabilities


class LiveVerbs(Connected):
    """Jobs on a guest's memory, what the host can do, and small changes of a guest."""

    def job_info(self, ref: str) -> JobInfo | None:
        """The save or dump that another command is at."""
        from virtctl.qemu import jobinfo

        return jobinfo.job_info(self.context, self._find(ref))

    def abort_job(self, ref: str) -> None:
        """Ends it; the guest goes on."""
        from virtctl.qemu import jobinfo

        jobinfo.abort_job(self.context, self._change(ref))

    # The host

    def capabilities(self) -> str:
        """What the host offers, as a document."""
        from virtctl.qemu import hostcaps

        return hostcaps.capabilities(self.context)

    def domain_capabilities(self, wanted: WantedCapabilities) -> str:
        """What a guest can be given, as a document."""
        from virtctl.qemu import domaincaps

        return domaincaps.domain_capabilities(self.context, wanted)

    def cells(self) -> list[int]:
        """The NUMA cells."""
        from virtctl.qemu import nodememory

        return nodememory.cells()

    def free_memory(self, cell: int | None = None) -> int:
        """Free memory of a cell or of the host."""
        from virtctl.qemu import nodememory

        return nodememory.free(cell)

    def node_memory(self, cell: int | None = None) -> MemoryStats:
        """The memory of a cell or of the host."""
        from virtctl.qemu import nodememory

        return nodememory.stats(cell)
