"""The qemu driver's verbs about the jobs on a running guest's disks."""

from __future__ import annotations

from virtctl.drivers.qemu_base import Connected
from virtctl.values import BlockCommit, BlockCopy, BlockJob, BlockSizes


class JobVerbs(Connected):
    """Copy, and what can be done with any job."""

    def blockcopy(self, ref: str, disk: str, copy: BlockCopy) -> None:
        """Starts copying a disk."""
        from virtctl.qemu.blockcopy import blockcopy

        blockcopy(self.context, self._change(ref), disk, copy)

    def blockjob(self, ref: str, disk: str) -> BlockJob | None:
        """The job on a disk."""
        from virtctl.qemu import blockjobs

        return blockjobs.job(self.context, self._find(ref), disk)

    def blockjob_abort(self, ref: str, disk: str, *, asynchronous: bool = False) -> None:
        """Gives the job up."""
        from virtctl.qemu import blockjobs

        blockjobs.abort(self.context, self._change(ref), disk, asynchronous=asynchronous)

    def blockjob_pivot(self, ref: str, disk: str) -> float:
        """Switches the disk to the copy."""
        from virtctl.qemu.pivot import pivot

        return pivot(self.context, self._change(ref), disk)

    def blockjob_speed(self, ref: str, disk: str, bandwidth: int) -> None:
        """Limits the job."""
        from virtctl.qemu import blockjobs

        blockjobs.set_speed(self.context, self._change(ref), disk, bandwidth)

    def blockpull(self, ref: str, disk: str, *, base: str | None = None, bandwidth: int = 0) -> None:
        """Starts filling a disk's image from those below it."""
        from virtctl.qemu.commit import blockpull

        blockpull(self.context, self._change(ref), disk, base=base, bandwidth=bandwidth)

    def blockcommit(self, ref: str, disk: str, commit: BlockCommit) -> None:
        """Starts writing what images hold into one below them."""
        from virtctl.qemu.commit import blockcommit

        blockcommit(self.context, self._change(ref), disk, commit)

    def blockresize(self, ref: str, disk: str, size: int) -> None:
        """Changes the size of a running guest's disk."""
        from virtctl.qemu import blockinfo

        blockinfo.resize(self.context, self._change(ref), disk, size)

    def block_sizes(self, ref: str, disk: str) -> BlockSizes:
        """How large a disk is."""
        from virtctl.qemu import blockinfo

        return blockinfo.sizes(self.context, self._find(ref), disk)
