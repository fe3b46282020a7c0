"""How long a guest that writes all the time stands still while its disk is switched to a copy, on each bus.

The disk goes from one file to another and on again, so often as is asked for. QEMU tells by two events, STOP and
RESUME, how long the guest stood still; beside it stands what virtctl says, its own conversation with QEMU included.
After each switch both images are read: no write may be missing from either, none may be half there.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path
from typing import NamedTuple

from examples.counter_guest import SECTOR
from tests.support.guests import WRITER_FIRST, WRITER_SPAN, last_printed, printed_numbers
from tests.support.lab import TARGETS, Lab
from tests.support.waiting import eventually
from virtctl.domain.domain import Domain, write_domain
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError
from virtctl.qemu.blockcopy import blockcopy
from virtctl.qemu.blockjobs import job
from virtctl.qemu.lifecycle import suspend
from virtctl.qemu.pivot import pivot
from virtctl.qemu.qmp import Qmp
from virtctl.schema.element import Mode
from virtctl.values import BlockCopy

MEDIAN, LONGEST = 20.0, 50.0  # milliseconds
LOOK_BACK = WRITER_SPAN // 4  # writes before a switch that must be in both images; the guest writes over none so soon
EVENTS = "events.sock"
NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"


class Pause(NamedTuple):
    """One switch, in milliseconds: from STOP to RESUME, and by virtctl's own clock."""

    guest: float
    told: float


def measure(count: int) -> bool:
    """Prints the pauses on each bus and what went wrong; whether the targets are met."""
    pauses: dict[str, list[Pause]] = {}
    wrong: list[str] = []
    for number, bus in enumerate(TARGETS):
        share = count // len(TARGETS) + (number < count % len(TARGETS))
        pauses[bus] = on_bus(bus, share, wrong) if share else []
    print(f"pivots under write load, {os.cpu_count()} processors; milliseconds from QEMU's STOP to its RESUME")
    print(f"{'':8}{'count':>7}{'median':>8}{'p90':>8}{'p99':>8}{'max':>8}   virtctl's clock: median, max")
    for bus, found in (*pauses.items(), ("all", [one for several in pauses.values() for one in several])):
        if found:
            print(line(bus, found))
    print("\n".join(wrong) if wrong else "no write lost or torn, no QEMU aborted")
    paused = [one.guest for found in pauses.values() for one in found]
    return not wrong and statistics.median(paused) < MEDIAN and max(paused) <= LONGEST


def line(bus: str, pauses: list[Pause]) -> str:
    """The figures of one bus."""
    guest, told = sorted(one.guest for one in pauses), [one.told for one in pauses]
    cells = [statistics.median(guest), *(guest[int((len(guest) - 1) * part)] for part in (0.9, 0.99)), guest[-1]]
    figures = "".join(f"{cell:8.1f}" for cell in cells)
    return f"{bus:8}{len(guest):7}{figures}   {statistics.median(told):8.1f}{max(told):8.1f}"


def on_bus(bus: str, count: int, wrong: list[str]) -> list[Pause]:
    """The pauses of so many switches of one guest; what goes wrong is added to `wrong`."""
    with tempfile.TemporaryDirectory(prefix="virtctl-bench-") as name:
        lab = Lab(Path(name))
        try:
            lab.start(with_events(lab, bus))
            with Qmp.connect(lab.guest().folder, name="vm1", file=EVENTS) as qmp:
                return [switch(lab, bus, number, qmp, wrong) for number in range(count)]
        except (VirtctlError, AssertionError) as error:
            wrong.append(f"{bus}: {error}")
            return []
        finally:
            see_all_printed(lab, bus, wrong)
            lab.end()


def with_events(lab: Lab, bus: str) -> Domain:
    """The writing guest, with a monitor of our own that tells QEMU's events."""
    text = write_domain(lab.document(bus=bus), Mode(secure=True))
    monitor = f"<qemu:arg value='-qmp'/><qemu:arg value='unix:{EVENTS},server=on,wait=off'/>"
    text = text.replace("<domain ", f"<domain xmlns:qemu='{NAMESPACE}' ", 1)
    text = text.replace("</domain>", f"<qemu:commandline>{monitor}</qemu:commandline></domain>")
    return complete(text, lab.context().host)


def switch(lab: Lab, bus: str, number: int, qmp: Qmp, wrong: list[str]) -> Pause:
    """Copies the disk and switches to the copy, which is looked at, as is what was left behind."""
    old, new = (lab.folder / (f"copy{one}.img" if one else "vm1.img") for one in (number, number + 1))
    context = lab.context("blockcopy")
    target = context.find("vm1")
    blockcopy(context, target, TARGETS[bus], BlockCopy(str(new), format="raw"))
    eventually(lambda: (found := job(context, target, TARGETS[bus])) is not None and found.ready, "the copy is ready")
    qmp.events()
    told = pivot(context, target, TARGETS[bus])
    numbers = {image: read_numbers(image) for image in (new, old)}
    last = max(numbers[old])
    for image, found in numbers.items():
        wrong += [f"{bus}, pivot {number}: write {one} of {last} is not on {image.name}"
                  for one in range(max(1, last - LOOK_BACK), last + 1) if (found[one % WRITER_SPAN] - one) % WRITER_SPAN
                  or found[one % WRITER_SPAN] < one]
    old.unlink()
    stopped, resumed = (moment(qmp.wait_event(event)) for event in ("STOP", "RESUME"))
    lab.goes_on()
    return Pause((resumed - stopped) * 1000, told)


def moment(event: dict[str, dict[str, int]]) -> float:
    """When QEMU sent it, in seconds."""
    return event["timestamp"]["seconds"] + event["timestamp"]["microseconds"] / 1e6


def read_numbers(image: Path) -> list[int]:
    """The number in each of the sectors that the guest writes, 0 where there is none; -1 for half a number."""
    with image.open("rb") as disk:
        disk.seek(WRITER_FIRST * SECTOR)
        data = disk.read(WRITER_SPAN * SECTOR)
    return [number(data[place : place + SECTOR]) for place in range(0, WRITER_SPAN * SECTOR, SECTOR)]


def number(sector: bytes) -> int:
    """What one sector says."""
    if not any(sector):
        return 0
    text, rest = sector[:17], sector[17:]
    whole = text.startswith(b"sector ") and text.endswith(b"\r\n") and text[7:15].isdigit() and not any(rest)
    return int(text[7:15]) if whole else -1


def see_all_printed(lab: Lab, bus: str, wrong: list[str]) -> None:
    """The guest's own account: it printed each 64th number, and never that its disk cannot be written."""
    try:
        context = lab.context()
        suspend(context, context.find("vm1"))
    except VirtctlError as error:
        wrong.append(f"{bus}: {error}")
    printed = printed_numbers(lab.serial())
    if printed != list(range(64, last_printed(lab.serial()) + 1, 64)):
        wrong.append(f"{bus}: the guest's numbers have a gap")
    if b"cannot be written" in lab.serial().read_bytes():
        wrong.append(f"{bus}: the guest could not write its disk")
