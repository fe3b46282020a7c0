"""`blockjob`, also as `blockjob pivot DOMAIN DISK`."""

from __future__ import annotations

import click

from virtctl.cli.operands import Flag, Scaled, Text, VirshCommand, command, domain, exclusive
from virtctl.cli.progress import show
from virtctl.cli.session import Session
from virtctl.values import BlockJob

VERBS = ("abort", "info", "pivot", "wait")
MIB = 1024 * 1024


class BlockJobCommand(VirshCommand):
    """Reads `pivot DOMAIN DISK` as `DOMAIN DISK --pivot`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Three words of which the first is a verb; a domain called `pivot` is still `blockjob pivot vda`."""
        data = [word for word in args if not word.startswith("--")]
        if len(data) >= 3 and args[0] in VERBS:
            args = [*args[1:], f"--{args[0]}"]
        return super().parse_args(ctx, args)


@command(
    domain(),
    Text("path", "disk, by target or path", required=True, source="disk"),
    Flag("abort", "give the job up; the disk stays where it is"),
    Flag("async", "give it up, and do not wait until it has ended", "asynchronous"),
    Flag("pivot", "end the job by moving the disk to the copy"),
    Flag("info", "print how far the job is"),
    Flag("bytes", "bandwidth is in bytes a second, not in MiB"),
    Flag("raw", "print the details of the job as they are"),
    Scaled("bandwidth", "let the job move no more than this a second, in MiB; 0 for no limit"),
    Flag("wait", "return when the job is ready or has ended"),
    Flag("verbose", "show progress, and how long a pivot paused the guest"),
    reports=True,
    kind=BlockJobCommand,
)
def blockjob(
    session: Session, domain: str, path: str, abort: bool, asynchronous: bool, pivot: bool, info: bool, bytes: bool,
    raw: bool, bandwidth: tuple[int, int | None] | None, wait: bool, verbose: bool,
) -> None:
    """Prints the job of a disk, limits its speed, waits for it, gives it up, or pivots the disk to its copy.
    `blockjob pivot DOMAIN DISK` is `blockjob DOMAIN DISK --pivot`; abort, info and wait likewise.
    """
    refuse_contradictions(abort, asynchronous, pivot, info, bytes, raw, bandwidth)
    session.domain(domain)
    if bandwidth is not None:
        speed = bandwidth[0] * (bandwidth[1] or (1 if bytes else MIB))
        session.changing("virDomainBlockJobSetSpeed").blockjob_speed(domain, path, speed)
    elif pivot:
        paused = session.changing("virDomainBlockJobAbort").blockjob_pivot(domain, path)
        if verbose:
            session.extra(f"Guest was paused for {paused:.1f} ms\n")
    elif abort or asynchronous:
        session.changing("virDomainBlockJobAbort").blockjob_abort(domain, path, asynchronous=asynchronous)
    elif wait:
        from virtctl.cli.commands.blockcopy import wait_for_job

        wait_for_job(session, domain, path, verbose=verbose)
    else:
        show_job(session, path, session.driver.blockjob(domain, path), raw=raw)


def refuse_contradictions(
    abort: bool, asynchronous: bool, pivot: bool, info: bool, bytes: bool, raw: bool, bandwidth: object
) -> None:
    """virsh's pairs of options that contradict each other. Raises VirtctlError."""
    ways = {"abort": abort, "async": asynchronous, "pivot": pivot}
    for name, way in ways.items():
        exclusive(raw=raw, **{name: way})
        exclusive(info=info, **{name: way})
        exclusive(bytes=bytes, **{name: way})
    exclusive(raw=raw, bandwidth=bandwidth)
    exclusive(info=info, bandwidth=bandwidth)


def show_job(session: Session, disk: str, job: BlockJob | None, *, raw: bool) -> None:
    """Prints a job."""
    if session.format != "table":
        session.show(job._asdict() if job else None, "")
    elif raw:
        session.say(raw_lines(job) if job else "")
    elif job is None:
        session.extra(f"No current block job for {disk}")
    else:
        show(session, job.type, job.done, job.total)
        if job.bandwidth:
            mib = job.bandwidth / MIB
            session.say(f"    Bandwidth limit: {job.bandwidth} bytes/s ({mib:.3f} MiB/s)")
        session.say("\n")


def raw_lines(job: BlockJob) -> str:
    """The details as they are."""
    return f" type={job.type}\n bandwidth={job.bandwidth}\n cur={job.done}\n end={job.total}\n"
