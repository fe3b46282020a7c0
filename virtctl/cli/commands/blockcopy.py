"""`blockcopy`, and waiting for a job of a disk."""

from __future__ import annotations

import time
from typing import NamedTuple

from virtctl.cli.files import read_file
from virtctl.cli.operands import Flag, Number, Scaled, Text, command, domain, exclusive
from virtctl.cli.progress import percent, show
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, XmlError
from virtctl.values import BlockCopy, BlockJob

MIB = 1024 * 1024
POLL = 0.05  # seconds between two questions; QEMU's answer costs a millisecond


class Seconds(Number):
    """A number of seconds, at least one."""

    def convert(self, given: str) -> object:
        """The number. Raises VirtctlError."""
        number = super().convert(given)
        if not number:
            raise VirtctlError(f"Numeric value '{given}' for <{self.word}> option is malformed or out of range")
        return number


class Destination(NamedTuple):
    """Where a copy goes."""

    path: str
    format: str | None
    block_device: bool


@command(
    domain(),
    Text("path", "disk to copy, by target or path", required=True, source="disk"),
    Text("dest", "where the copy goes", source="file"),
    Scaled("bandwidth", "copy no more than this a second, in MiB; 0 for no limit"),
    Flag("shallow", "copy only the top of a backing chain, and share the rest"),
    Flag("reuse-external", "write into a file that is there already"),
    Flag("blockdev", "the copy goes to a block device"),
    Flag("wait", "return when the copy is complete"),
    Flag("verbose", "show progress while waiting, and how long a pivot paused the guest"),
    Seconds("timeout", "wait, and give the copy up after so many seconds"),
    Flag("pivot", "wait, then move the disk to the copy"),
    Flag("finish", "wait, then leave the disk where it is and the copy as it is"),
    Flag("async", "when giving up, do not wait until the job has ended", "asynchronous"),
    Text("xml", "file that describes the destination as a disk in XML", source="file"),
    Text("format", "image format of the copy"),
    Number("granularity", "bytes that are copied as one; a power of two"),
    Number("buf-size", "bytes in flight at most"),
    Flag("bytes", "bandwidth is in bytes a second, not in MiB"),
    Flag("transient-job", "the copy need not go on when the guest is started again"),
    Flag("synchronous-writes", "the guest's writes wait until they are in the copy, too"),
    Flag("print-xml", "print the destination as XML, and copy nothing"),
)
def blockcopy(session: Session, domain: str, path: str, **given: object) -> None:
    """Copies a disk of a running guest; what the guest writes meanwhile goes to both. `blockjob` then pivots the disk
    to the copy, or gives the copy up.
    """
    check(given)
    session.domain(domain)
    where = destination(given)
    if given["print_xml"]:
        session.say(destination_xml(where))
        return
    session.changing("virDomainBlockCopy").blockcopy(domain, path, request(where, given))
    if any(given[option] for option in ("wait", "timeout", "pivot", "finish")):
        wait_and_end(session, domain, path, given)
    else:
        session.extra("Block Copy started")


def check(given: dict[str, object]) -> None:
    """Options that contradict or need each other. Raises VirtctlError."""
    exclusive(dest=given["dest"], xml=given["xml"])
    exclusive(format=given["format"], xml=given["xml"])
    exclusive(blockdev=given["blockdev"], xml=given["xml"])
    exclusive(pivot=given["pivot"], finish=given["finish"])
    waits = any(given[option] for option in ("timeout", "wait", "pivot", "finish"))
    for option, value in (("verbose", given["verbose"]), ("async", given["asynchronous"])):
        if value and not waits:
            raise VirtctlError(f"--{option} requires at least one of --timeout, --wait, --pivot, or --finish")
    if not given["dest"] and not given["xml"]:
        raise VirtctlError("need either --dest or --xml")


def destination(given: dict[str, object]) -> Destination:
    """Where the copy goes. Raises VirtctlError."""
    if given["dest"]:
        text = given["format"]
        return Destination(str(given["dest"]), None if text is None else str(text), bool(given["blockdev"]))
    from virtctl.schema.xmlio import read

    disk = read(read_file(str(given["xml"])), "(disk_definition)")
    source = disk.find("source")
    driver = disk.find("driver")
    path = source and (source.attrs.get("file") or source.attrs.get("dev"))
    if disk.tag != "disk" or not path:
        raise XmlError("the destination must be a <disk> with a <source file='...'> or <source dev='...'>")
    format = driver.attrs.get("type") if driver else None
    return Destination(path, format, disk.attrs.get("type") == "block")


def destination_xml(where: Destination) -> str:
    """The destination as virsh describes it to libvirt."""
    kind, attribute = ("block", "dev") if where.block_device else ("file", "file")
    driver = f"  <driver type={quoted(where.format)}/>\n" if where.format else ""
    return f"<disk type='{kind}'>\n  <source {attribute}={quoted(where.path)}/>\n{driver}</disk>\n"


def quoted(text: str) -> str:
    """Text as an attribute, in single quotes."""
    return "'" + text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;") + "'"


def request(where: Destination, given: dict[str, object]) -> BlockCopy:
    """What the driver is asked for."""
    bandwidth = given["bandwidth"]
    number, factor = bandwidth if isinstance(bandwidth, tuple) else (0, None)
    return BlockCopy(
        where.path, where.format, where.block_device,
        shallow=bool(given["shallow"]), reuse_external=bool(given["reuse_external"]),
        bandwidth=number * (factor or (1 if given["bytes"] else MIB)),
        granularity=whole(given["granularity"]), buffer=whole(given["buf_size"]),
        transient_job=bool(given["transient_job"]), synchronous_writes=bool(given["synchronous_writes"]),
    )


def whole(value: object) -> int:
    """A number that was given, else 0."""
    return value if isinstance(value, int) else 0


def wait_and_end(session: Session, domain: str, path: str, given: dict[str, object]) -> None:
    """Waits for the copy and ends the job as asked. An interrupt or the timeout gives the copy up."""
    verbose, timeout = bool(given["verbose"]), whole(given["timeout"])
    try:
        wait_for_job(session, domain, path, verbose=verbose, seconds=timeout or None)
    except (KeyboardInterrupt, TimeoutError) as error:
        session.driver.blockjob_abort(domain, path, asynchronous=bool(given["asynchronous"]))
        raise VirtctlError("Copy aborted") from error
    if given["pivot"]:
        paused = session.driver.blockjob_pivot(domain, path)
        session.extra("\nSuccessfully pivoted")
        if verbose:
            session.extra(f"\nGuest was paused for {paused:.1f} ms")
    elif given["finish"]:
        session.driver.blockjob_abort(domain, path)
        session.extra("\nSuccessfully copied")
    else:
        session.extra("\nNow in mirroring phase")


def wait_for_job(
    session: Session, domain: str, path: str, *, verbose: bool, seconds: float | None = None
) -> BlockJob | None:
    """Waits until the job is ready, or gone. Raises TimeoutError, and VirtctlError for a job that failed."""
    deadline = None if seconds is None else time.monotonic() + seconds
    last = -1
    while True:
        job = session.driver.blockjob(domain, path)
        if job is None:
            return None
        if verbose and percent(job.done, job.total) != last:
            last = percent(job.done, job.total)
            show(session, job.type, job.done, job.total)
        if job.ready:
            return job
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(POLL)
