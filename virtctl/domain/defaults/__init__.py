"""What libvirt fills in when a document is read: one function a step, in libvirt's order."""

from __future__ import annotations

from collections.abc import Callable

from virtctl.domain.domain import Domain
from virtctl.domain.host import Host

Step = Callable[[Domain, Host], None]
STEPS: list[Step] = []


def fill(domain: Domain, host: Host) -> None:
    """Fills in, in place. Raises what libvirt raises while it fills in."""
    for step in STEPS:
        step(domain, host)
