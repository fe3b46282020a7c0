"""How much memory a guest has: setmem, setmaxmem, dommemstat."""

from __future__ import annotations

from virtctl.cli.commands.describing import affected
from virtctl.cli.operands import Flag, Number, Scaled, command, domain
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting

CONFIG = Flag("config", "at the next start")
LIVE = Flag("live", "of the running guest")
CURRENT = Flag("current", "of what there is now")


class Size(Scaled):
    """A size in KiB unless a unit is named; virsh names this option without its dashes."""

    def malformed(self, given: str) -> VirtctlError:
        """What is said of anything else."""
        error = super().malformed(given)
        old, new = f"<--{self.word}>", f"<{self.word}>"
        error.attempt = error.attempt and error.attempt.replace(old, new)
        error.message = error.message.replace(old, new)
        return error


def kibibytes(size: tuple[int, int | None]) -> int:
    """The size in KiB, rounded up."""
    number, factor = size
    return -(-number * (factor or 1024) // 1024)


@command(domain(), Size("size", "memory, in KiB unless a unit is named", required=True), CONFIG, LIVE, CURRENT)
def setmem(
    session: Session, domain: str, size: tuple[int, int | None], config: bool, live: bool, current: bool
) -> None:
    """Asks a running guest to make do with so much memory, or with --config sets what it has at its next start."""
    affect = affected(live or not (config or current), config, current)
    session.domain(domain)
    session.changing("virDomainSetMemoryFlags").set_memory(domain, kibibytes(size), affect)


@command(domain(), Size("size", "memory, in KiB unless a unit is named", required=True), CONFIG, LIVE, CURRENT)
def setmaxmem(
    session: Session, domain: str, size: tuple[int, int | None], config: bool, live: bool, current: bool
) -> None:
    """Sets how much memory a guest can have at its next start."""
    affect = affected(live, config, current)
    session.domain(domain)
    with attempting("Unable to change MaxMemorySize"):
        session.changing("virDomainSetMemoryFlags").set_max_memory(domain, kibibytes(size), affect)


@command(
    domain(), Number("period", "ask the guest's driver every so many seconds; 0 for never"), CONFIG, LIVE, CURRENT,
    reports=True,
)
def dommemstat(
    session: Session, domain: str, period: int | None, config: bool, live: bool, current: bool
) -> None:
    """Prints how a running guest uses its memory, in KiB, or sets how often its driver is asked for that."""
    affect = affected(live, config, current)
    name = session.domain(domain).name
    if period is not None:
        with attempting("Unable to change balloon collection period."):
            session.changing("virDomainSetMemoryStatsPeriod").set_memory_period(domain, period, affect)
        return
    with attempting(f"Failed to get memory statistics for domain {name}"):
        found = session.driver.memory_stats(domain)
    session.show(found, "".join(f"{key} {value}\n" for key, value in found.items()))
