"""Jobs on a guest's memory that another command is at: domjobinfo, domjobabort."""

from __future__ import annotations

from virtctl.cli.operands import Flag, command, domain
from virtctl.cli.session import Session
from virtctl.values import JobInfo

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
OPERATIONS = {"Save": 2, "Dump": 4}  # libvirt's numbers, for --rawstats
COLUMN = 17


@command(
    domain(),
    Flag("completed", "the last job that is over; none is remembered"),
    Flag("keep-completed", "and do not forget it", "keep"),
    Flag("anystats", "also a job that failed"),
    Flag("rawstats", "bare names and numbers"),
    reports=True,
)
def domjobinfo(session: Session, domain: str, completed: bool, keep: bool, anystats: bool, rawstats: bool) -> None:
    """Prints how far the saving of a guest's memory by another command is."""
    session.domain(domain)
    found = session.driver.job_info(domain)
    job = None if completed else found
    data = {"type": "none"} if job is None else {"type": "unbounded", **job._asdict()}
    session.show(data, raw(job) if rawstats else laid_out(job))


def raw(job: JobInfo | None) -> str:
    """The text of --rawstats."""
    if job is None:
        return "Job type: 0\n\n"
    lines = [("operation", OPERATIONS[job.operation]), ("time_elapsed", job.elapsed)]
    if job.total:
        lines += [("downtime", job.downtime), ("setup_time", job.setup)]
        lines += [(f"{kind}_{name}", getattr(job, name)) for kind in ("data", "memory")
                  for name in ("total", "processed", "remaining")]
        lines += [("memory_bps", job.bandwidth)] if job.bandwidth else []
        lines += [("memory_constant", job.constant), ("memory_normal", job.normal),
                  ("memory_normal_bytes", job.normal_bytes), ("memory_dirty_rate", job.dirty_rate),
                  ("memory_iteration", job.iteration), ("memory_postcopy_requests", 0),
                  ("memory_page_size", job.page_size)]
    return "Job type: 2\n\n" + "".join(f"{name}: {value}\n" for name, value in lines)


def laid_out(job: JobInfo | None) -> str:
    """virsh's lines; the value is padded, as virsh does it."""
    if job is None:
        return _line("Job type", "None")
    text = _line("Job type", "Unbounded") + _line("Operation", job.operation) + _line("Time elapsed", job.elapsed, "ms")
    if not job.total:
        return text
    for kind in ("Data", "Memory"):
        for name in ("processed", "remaining", "total"):
            text += f"{f'{kind} {name}:':<{COLUMN}} {amount(getattr(job, name))}\n"
    if job.bandwidth:
        text += f"{'Memory bandwidth:':<{COLUMN}} {amount(job.bandwidth)}/s\n"
    text += _line("Dirty rate", job.dirty_rate, "pages/s") + _line("Page size", job.page_size, "bytes")
    text += _line("Iteration", job.iteration) + _line("Postcopy requests", 0)
    text += _line("Constant pages", job.constant) + _line("Normal pages", job.normal)
    text += f"{'Normal data:':<{COLUMN}} {amount(job.normal_bytes)}\n"
    return text + _line("Expected downtime", job.downtime, "ms") + _line("Setup time", job.setup, "ms")


def _line(name: str, value: object, unit: str = "") -> str:
    return f"{name + ':':<{COLUMN}} {value!s:<12}{unit and f' {unit}'}\n"


def amount(size: int) -> str:
    """Bytes with the largest unit that leaves at least one."""
    power = min(max(size.bit_length() - 1, 0) // 10, len(UNITS) - 1)
    return f"{size / 1024**power:.3f} {UNITS[power]}"


@command(domain(), Flag("postcopy", "of a migration that runs in the new place already; there is none"))
def domjobabort(session: Session, domain: str, postcopy: bool) -> None:
    """Ends the saving of a guest by another command; the guest goes on."""
    session.domain(domain)
    session.changing("virDomainAbortJob").abort_job(domain)
