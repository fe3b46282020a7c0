"""What the human monitor's answers say. Pure functions; words that are not known are an error, never a guess.

The texts are those of QEMU 7.2 (monitor/hmp-cmds.c, block/monitor, migration/migration-hmp-cmds.c).
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from virtctl.errors import MonitorError

_STATUS = re.compile(r"VM status: (running|paused)(?: \(single step mode\))?(?: \(([a-z-]+)\))?\n")
_JOB = re.compile(
    r"(?:Type (?P<kind>[\w-]+), device|(?P<stream>Streaming) device:?) (?P<device>.+): "
    r"Completed (?P<done>\d+) of (?P<total>\d+) bytes, speed limit (?P<speed>\d+) bytes/s"
)
_DRIVE = re.compile(
    r"(?P<device>[^\s:(]*)(?: ?\((?P<node>#block\d+|[^():\s]+)\))?: "
    r"(?:\[not inserted\]|(?P<file>.*) \((?P<format>[\w.-]+)(?P<readonly>, read-only)?(?:, encrypted)?\))\n"
    r"(?P<facts>(?: {4}[A-Z][^\n]*\n)*)",
    re.DOTALL,
)
_SNAPSHOT = re.compile(
    r"(?P<id>\S+) +(?P<tag>.*?) +(?P<size>[\d.]+ [KMGTPE]?i?B|0 B) +(?P<date>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)"
    r" +(?P<clock>\d+:\d\d:\d\d\.\d{3})(?: +\S+)? *"
)
_CHARDEV = re.compile(r"(?P<id>[^\s:]+): filename=(?P<file>.*)")
_VNC_SERVER = re.compile(r" {2}Server: (?P<host>.*):(?P<port>\d+) \((?P<family>\w+)\)(?P<websocket> \(Websocket\))?")
_FAILED = re.compile(r"^(?:Error: |.*: (?:unknown option|extraneous characters|.* expected)|invalid parameter)", re.M)


class Status(NamedTuple):
    """Whether the guest runs, and QEMU's word for why not: "" (paused on request), io-error, postmigrate and so on."""

    running: bool
    reason: str = ""


class BlockJob(NamedTuple):
    """A job on a disk. HMP does not say whether a mirror is ready: `done == total` is as near as it gets."""

    kind: str
    device: str
    done: int
    total: int
    speed: int  # bytes a second, 0 is unlimited


class Drive(NamedTuple):
    """One drive: its name, the image in use now (None where the tray is empty), and what is below it."""

    device: str
    node: str | None
    file: str | None
    format: str | None
    readonly: bool
    backing: str | None
    removable: bool
    tray_open: bool
    locked: bool
    io_status: str  # ok, failed, nospace


class Migration(NamedTuple):
    """How the outgoing stream stands. `status` is "" before any; `completed` means only that the bytes left QEMU."""

    status: str
    error: str
    transferred: int  # bytes of memory
    remaining: int
    total: int


class Snapshot(NamedTuple):
    """One snapshot that all disks hold."""

    id: str
    tag: str
    size: str
    date: str
    clock: str


class VncServer(NamedTuple):
    """Where a VNC display listens."""

    display: str
    host: str
    port: int
    family: str
    websocket: bool


def unexpected(command: str, reply: str) -> NoReturn:
    """Refuses an answer that is not understood."""
    shown = reply if len(reply) <= 200 else f"{reply[:200]}..."
    raise MonitorError(f"unexpected monitor reply to '{command}': {shown!r}")


def refused(command: str, reply: str) -> None:
    """Raises MonitorError with QEMU's reason when the answer is an error of any shape."""
    if reply.startswith(f"unknown command: '{command}"):
        raise MonitorError(f"unable to execute QEMU command '{command}': QEMU does not know it")
    if _FAILED.search(reply):
        lines = [line.removeprefix("Error: ") for line in reply.splitlines() if not line.startswith('Try "help')]
        raise MonitorError(f"unable to execute QEMU command '{command}': {'; '.join(lines)}")


def nothing(command: str, reply: str) -> None:
    """The answer of a command that says nothing when it has succeeded; anything else is a failure."""
    if reply.strip():
        refused(command, reply)
        unexpected(command, reply)


def said_ok(command: str, reply: str) -> None:
    """The answer of a command that says `OK` when it has succeeded."""
    if reply.strip() != "OK":
        refused(command, reply)
        unexpected(command, reply)


def qom_names(reply: str) -> set[str]:
    """`qom-list`: the names of what is listed, without the type of the list itself."""
    found = {line.partition(" (")[0] for line in reply.splitlines() if " (" in line}
    return found - {"type"}


def status(reply: str) -> Status:
    """`info status`."""
    found = _STATUS.fullmatch(reply)
    if found is None or (found[1] == "running" and found[2]):
        unexpected("info status", reply)
    return Status(found[1] == "running", found[2] or "")


def block_jobs(reply: str) -> list[BlockJob]:
    """`info block-jobs`."""
    if reply == "No active jobs\n":
        return []
    jobs = []
    for line in _lines("info block-jobs", reply):
        found = _JOB.fullmatch(line)
        if found is None:
            unexpected("info block-jobs", reply)
        kind = "stream" if found["stream"] else found["kind"]
        jobs.append(BlockJob(kind, found["device"], int(found["done"]), int(found["total"]), int(found["speed"])))
    return jobs


def drives(reply: str) -> dict[str, Drive]:
    """`info block`, by drive name.

    A file name may hold anything, also what looks like another drive: what does not come out even, or names one
    drive twice, is refused.
    """
    found: dict[str, Drive] = {}
    for part in re.split(r"\n(?=\n|\Z)", reply):
        text = part.strip("\n")
        if not text:
            continue
        entry = _drive(text + "\n", reply)
        if entry.device in found:
            unexpected("info block", reply)
        found[entry.device] = entry
    return found


def _drive(text: str, reply: str) -> Drive:
    match = _DRIVE.fullmatch(text)
    if match is None:
        unexpected("info block", reply)
    facts = {}
    for line in match["facts"].split("\n")[:-1]:
        key, colon, value = line.strip().partition(":")
        if not colon or key in facts:
            unexpected("info block", reply)
        facts[key] = value.strip()
    removable = facts.get("Removable device")
    below = facts.get("Backing file")
    return Drive(
        device=match["device"],
        node=match["node"],
        file=match["file"],
        format=match["format"],
        readonly=bool(match["readonly"]),
        backing=None if below is None else re.sub(r" \(chain depth: \d+\)$", "", below),
        removable=removable is not None,
        tray_open="tray open" in (removable or ""),
        locked=bool(removable) and not (removable or "").startswith("not locked"),
        io_status=facts.get("I/O status", "ok"),
    )


def migration(reply: str) -> Migration:
    """`info migrate`. The last result stays until the next migration begins."""
    if not reply.startswith("globals:\n"):
        unexpected("info migrate", reply)
    state = re.search(r"^Migration status: ([a-z-]+)(?: \((.*)\))?$", reply, re.MULTILINE | re.DOTALL)
    if state is None and "Migration status" in reply:
        unexpected("info migrate", reply)
    sizes = dict(re.findall(r"^(transferred|remaining|total) ram: (\d+) kbytes$", reply, re.MULTILINE))
    transferred, remaining, total = (int(sizes.get(key, 0)) * 1024 for key in ("transferred", "remaining", "total"))
    word, error = (state[1], state[2] or "") if state else ("", "")
    return Migration(word, error, transferred, remaining, total)


def snapshots(reply: str) -> list[Snapshot]:
    """`info snapshots`: those that all disks hold."""
    if reply in ("There is no snapshot available.\n", "no block device can store vmstate for snapshot\n"):
        return []
    lines = _lines("info snapshots", reply.partition("\nList of partial")[0])
    if len(lines) < 2 or lines[0] != "List of snapshots present on all disks:" or not lines[1].startswith("ID "):
        refused("info snapshots", reply)
        unexpected("info snapshots", reply)
    found = []
    for line in lines[2:]:
        match = _SNAPSHOT.fullmatch(line)
        if match is not None:
            found.append(Snapshot(match["id"], match["tag"], match["size"], match["date"], match["clock"]))
        elif line.strip() and line != "None":
            unexpected("info snapshots", reply)
    return found


def chardevs(reply: str) -> dict[str, str]:
    """`info chardev`: what each character device is connected to, `pty:/dev/pts/5` for example."""
    found = {}
    for line in _lines("info chardev", reply):
        match = _CHARDEV.fullmatch(line)
        if match is None or match["id"] in found:
            unexpected("info chardev", reply)
        found[match["id"]] = match["file"]
    return found


def vnc_servers(reply: str) -> list[VncServer]:
    """`info vnc`: where each display listens; clients are left out."""
    found = []
    display = ""
    for line in _lines("info vnc", reply):
        if re.fullmatch(r"\S+:", line):
            display = line[:-1]
        elif match := _VNC_SERVER.fullmatch(line):
            port, websocket = int(match["port"]), bool(match["websocket"])
            found.append(VncServer(display, match["host"], port, match["family"], websocket))
        elif line != "None" and not line.startswith("  "):
            unexpected("info vnc", reply)
    return found


def uuid(reply: str) -> str:
    """`info uuid`."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n", reply):
        unexpected("info uuid", reply)
    return reply.strip()


def version(reply: str) -> tuple[int, int, int]:
    """`info version`: 7.2.22Debian 1:7.2+dfsg-7 is (7, 2, 22)."""
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)[^\n]*\n", reply)
    if found is None:
        unexpected("info version", reply)
    return int(found[1]), int(found[2]), int(found[3])


def balloon(reply: str) -> int:
    """`info balloon`: what the guest has now, in MiB."""
    refused("info balloon", reply)
    found = re.fullmatch(r"balloon: actual=(\d+)[^\n]*\n", reply)
    if found is None:
        unexpected("info balloon", reply)
    return int(found[1])


def _lines(command: str, reply: str) -> list[str]:
    if reply and not reply.endswith("\n") and "\n" not in reply:
        unexpected(command, reply)
    return [line for line in reply.split("\n") if line]
