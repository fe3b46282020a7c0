"""What lies below a disk's image, and how pulls and commits change it."""

from __future__ import annotations

from virtctl.qemu.blockjobs import Job, clear_job
from virtctl.qemu.guest import Guest


def settle_chain(guest: Guest, ours: Job) -> None:
    """A pull or commit that is over: the job is forgotten. The caller holds the domain's lock."""
    clear_job(guest, ours)
