"""Progress of a job, as virsh shows it: one line on standard error that is written over."""

from __future__ import annotations

from virtctl.cli.session import Session
from virtctl.values import Progress


def percent(done: int, total: int) -> int:
    """Whole percents; 100 only when nothing is left."""
    if done >= total:
        return 100
    return min(99, done * 100 // total)


def show(session: Session, label: str, done: int, total: int) -> None:
    """Shows how far a job is."""
    session.note(f"\r{label}: [{percent(done, total):3} %]")


def reporter(session: Session, label: str) -> Progress:
    """A function that a driver calls as it goes on; what did not change is not shown again."""
    last = -1

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = percent(done, total)
        if now != last:
            last = now
            show(session, label, done, total)

    return progress
