"""The qemu driver's verbs about running guests and the host that programs other than people ask for."""

from __future__ import annotations

from virtctl.drivers.qemu_base import Connected
from virtctl.values import JobInfo


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
