"""Commands about chains of images and the sizes of disks: blockpull, blockcommit, blockresize, domblkinfo."""

from __future__ import annotations

from virtctl.cli.commands.blockcopy import MIB, Seconds, wait_for_job
from virtctl.cli.operands import Flag, Scaled, Text, command, domain, exclusive
from virtctl.cli.session import Session
from virtctl.errors import VirtctlError, attempting
from virtctl.values import BlockCommit, BlockSizes

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def speed(given: tuple[int, int | None] | None, in_bytes: bool) -> int:
    """Bytes a second; 0 for no limit."""
    number, factor = given or (0, None)
    return number * (factor or (1 if in_bytes else MIB))


def wait(session: Session, domain: str, path: str, what: str, given: dict[str, object]) -> None:
    """Waits until the job is over or ready; an interrupt or the timeout gives it up. Raises VirtctlError."""
    timeout = given["timeout"]
    try:
        wait_for_job(session, domain, path, verbose=bool(given["verbose"]),
                     seconds=timeout if isinstance(timeout, int) else None)
    except (KeyboardInterrupt, TimeoutError) as error:
        session.driver.blockjob_abort(domain, path, asynchronous=bool(given["asynchronous"]))
        raise VirtctlError(f"{what} aborted") from error


@command(
    domain(),
    Text("path", "disk, by target or path", required=True, source="disk"),
    Scaled("bandwidth", "read no more than this a second, in MiB; 0 for no limit"),
    Text("base", "image that stays below; everything is pulled when it is left out", source="file"),
    Flag("wait", "return when the job is over"),
    Flag("verbose", "show progress while waiting"),
    Seconds("timeout", "wait, and give the job up after so many seconds"),
    Flag("async", "when giving up, do not wait until the job has ended", "asynchronous"),
    Flag("keep-relative", "keep relative paths in the chain", "keep_relative"),
    Flag("bytes", "bandwidth is in bytes a second, not in MiB", "in_bytes"),
)
def blockpull(
    session: Session, domain: str, path: str, bandwidth: tuple[int, int | None] | None, base: str | None,
    in_bytes: bool, **given: object,
) -> None:
    """Fills a running guest's disk with what the images below it hold, so that it needs them no more."""
    session.domain(domain)
    driver = session.changing("virDomainBlockPull")
    driver.blockpull(domain, path, base=base, bandwidth=speed(bandwidth, in_bytes))
    if given["wait"] or given["timeout"]:
        wait(session, domain, path, "Pull", given)
        session.extra("\nPull complete")
    else:
        session.extra("Block Pull started")


@command(
    domain(),
    Text("path", "disk, by target or path", required=True, source="disk"),
    Scaled("bandwidth", "write no more than this a second, in MiB; 0 for no limit"),
    Text("base", "image that receives it: a path or vda[2]; the lowest when left out", source="file"),
    Flag("shallow", "the image right below the top receives it"),
    Text("top", "image from which down it is written: a path or vda[1]; the disk's own when left out", source="file"),
    Flag("active", "the disk's own image, which the guest writes, is the top"),
    Flag("delete", "remove the images that are no longer needed"),
    Flag("wait", "return when the job is over, or ready"),
    Flag("verbose", "show progress while waiting"),
    Seconds("timeout", "wait, and give the job up after so many seconds"),
    Flag("pivot", "wait, then move the disk to the base"),
    Flag("keep-overlay", "wait, then leave the disk where it is", "keep_overlay"),
    Flag("async", "when giving up, do not wait until the job has ended", "asynchronous"),
    Flag("keep-relative", "keep relative paths in the chain", "keep_relative"),
    Flag("bytes", "bandwidth is in bytes a second, not in MiB", "in_bytes"),
)
def blockcommit(session: Session, domain: str, path: str, **given: object) -> None:
    """Writes what images of a running guest's disk hold into one below them. With the disk's own image (--active) the
    job becomes ready, and `--pivot` or `blockjob` moves the disk to the base.
    """
    exclusive(base=given["base"], shallow=given["shallow"])
    exclusive(**{"pivot": given["pivot"], "keep-overlay": given["keep_overlay"]})
    session.domain(domain)
    bandwidth = given["bandwidth"] if isinstance(given["bandwidth"], tuple) else None
    ends = bool(given["pivot"] or given["keep_overlay"])
    commit = BlockCommit(_text(given["base"]), _text(given["top"]), speed(bandwidth, bool(given["in_bytes"])),
                         active=bool(given["active"]) or ends, shallow=bool(given["shallow"]),
                         delete=bool(given["delete"]))
    session.changing("virDomainBlockCommit").blockcommit(domain, path, commit)
    if not (ends or given["wait"] or given["timeout"]):
        session.extra("Active Block Commit started" if commit.active else "Block Commit started")
        return
    wait(session, domain, path, "Commit", given)
    _end_commit(session, domain, path, given, active=commit.active)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _end_commit(session: Session, domain: str, path: str, given: dict[str, object], *, active: bool) -> None:
    if given["pivot"]:
        paused = session.driver.blockjob_pivot(domain, path)
        session.extra("\nSuccessfully pivoted")
        if given["verbose"]:
            session.extra(f"\nGuest was paused for {paused:.1f} ms")
    elif given["keep_overlay"]:
        session.driver.blockjob_abort(domain, path)
        session.extra("\nCommit complete, overlay image kept")
    else:
        session.extra("\nNow in synchronized phase" if active else "\nCommit complete")


@command(
    domain(),
    Text("path", "disk, by target or path", required=True, source="disk"),
    Scaled("size", "its new size, in KiB unless a unit is named", required=True),
)
def blockresize(session: Session, domain: str, path: str, size: tuple[int, int | None]) -> None:
    """Changes the size of a running guest's disk; the guest sees it at once."""
    session.domain(domain)
    number, factor = size
    with attempting(f"Failed to resize block device '{path}'"):
        session.changing("virDomainBlockResize").blockresize(domain, path, number * (factor or 1024))
    session.extra(f"Block device '{path}' is resized\n")


@command(
    domain(),
    Text("device", "disk, by target or path", source="disk"),
    Flag("human", "sizes with units"),
    Flag("all", "every disk", "everything"),
    reports=True,
)
def domblkinfo(session: Session, domain: str, device: str | None, human: bool, everything: bool) -> None:
    """Prints how large a disk is: what the guest sees, what it takes on the host, and how long its file is."""
    from virtctl.render.plain import Table

    session.domain(domain)
    if not everything:
        if device is None:
            raise VirtctlError("command 'domblkinfo' requires <device> option")
        sizes = session.driver.block_sizes(domain, device)
        lines = [f"{name + ':':<15} {_amount(size, human)}\n" for name, size in _named(sizes)]
        session.show(sizes._asdict(), "".join(lines))
        return
    found = {row.target: session.driver.block_sizes(domain, row.target) if row.source else None
             for row in session.driver.block_rows(domain)}
    rows = [[target, *(["-"] * 3 if sizes is None else [_amount(size, human) for size in sizes])]
            for target, sizes in found.items()]
    data = {target: None if sizes is None else sizes._asdict() for target, sizes in found.items()}
    session.show_table(data, Table(["Target", "Capacity", "Allocation", "Physical"], rows))


def _named(sizes: BlockSizes) -> list[tuple[str, int]]:
    return [("Capacity", sizes.capacity), ("Allocation", sizes.allocation), ("Physical", sizes.physical)]


def _amount(size: int, human: bool) -> str:
    if not human:
        return str(size)
    power = min(max(size.bit_length() - 1, 0) // 10, len(UNITS) - 1)
    return f"{size / 1024**power:.3f} {UNITS[power]}"
