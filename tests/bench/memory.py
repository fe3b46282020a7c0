"""How fast 1 GiB of memory that cannot be compressed is saved and restored, beside virsh and `dd conv=fsync`.

Each round does all of them, one after the other, on one file system; the figures are the medians of the rounds, in
megabytes a second of the whole command, from its start to its exit. Half of what dd reaches is the target, and more
than virsh; a gigabyte is to be checked against its digest within a second.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench.places import Place, beside, here, timed
from tests.support import documents, guests
from tests.support.memory_guest import random_image
from tests.support.waiting import eventually
from virtctl.qemu.saveimage import open_image

MEMORY = 1024  # MiB
NAME = "random"
SHARE = 0.5  # of dd's rate, which save and restore have to reach
VERIFY = 1.0  # seconds for a gigabyte
DD, CHECK = "dd conv=fsync", "digest alone"

Rates = dict[str, list[float]]


def measure(rounds: int, *, with_virsh: bool) -> bool:
    """Prints the rates; whether the targets are met."""
    rates: Rates = {}
    with ExitStack() as stack:
        places = {"virtctl": stack.enter_context(here())}
        if with_virsh:
            places["virsh"] = stack.enter_context(beside())
        for place in places.values():
            start(place)
        source = stack.enter_context(random_file())
        for _ in range(rounds):
            for program, place in places.items():
                note(rates, save_and_restore(program, place))
            note(rates, [(DD, MEMORY * 2**20 / dd_seconds(source, places["virtctl"].folder))])
    medians = {name: statistics.median(found) / 1e6 for name, found in rates.items()}
    print(f"{MEMORY} MiB of random bytes, medians of {rounds} rounds, {os.cpu_count()} processors")
    for name, rate in sorted(medians.items()):
        samples = ", ".join(f"{one / 1e6:.0f}" for one in rates[name])
        print(f"{name:20}{rate:7.0f} MB/s   ({samples})")
    missed = list(shortcomings(medians))
    print("\n".join(missed))
    return not missed


def note(rates: Rates, found: list[tuple[str, float]]) -> None:
    """Adds what was seen in one round."""
    for name, rate in found:
        rates.setdefault(name, []).append(rate)


def shortcomings(medians: dict[str, float]) -> Iterator[str]:
    """A line for each target that is missed."""
    for verb in ("save", "restore"):
        ours, theirs = medians[f"virtctl {verb}"], medians.get(f"virsh {verb}", 0.0)
        if ours < SHARE * medians[DD]:
            yield f"missed: {verb} reaches {ours / medians[DD]:.0%} of dd's rate"
        if ours <= theirs:
            yield f"missed: virsh's {verb} is faster"
    if medians[CHECK] * VERIFY < 1000:
        yield f"missed: a gigabyte is checked in {1000 / medians[CHECK]:.2f} s"


def start(place: Place) -> None:
    """The guest, once its memory is full of random bytes."""
    image = random_image(place.folder / f"{NAME}.img", MEMORY)
    document = place.folder / f"{NAME}.xml"
    devices = documents.disk(image, "vda", "virtio") + documents.serial(None)
    document.write_text(documents.document(NAME, devices=devices, memory=MEMORY), encoding="utf-8")
    place.share(image)
    place.program.ok("define", document)
    place.program.ok("start", NAME)
    eventually(lambda: guests.counter_on_disk(image), "the memory is full")


def save_and_restore(program: str, place: Place) -> list[tuple[str, float]]:
    """The rates of one program; its guest goes on where it was."""
    saved, image = place.folder / f"{NAME}.save", place.folder / f"{NAME}.img"
    os.sync()
    save = timed(lambda: place.program.ok("save", NAME, saved))
    size, count = saved.stat().st_size, guests.counter_on_disk(image)
    assert size > 0.98 * MEMORY * 2**20, f"{size} bytes are not the whole memory"
    os.sync()
    restore = timed(lambda: place.program.ok("restore", saved))
    eventually(lambda: guests.counter_on_disk(image) > count, "it goes on")
    assert guests.counter_on_disk(image) - count < 100
    found = [(f"{program} save", size / save), (f"{program} restore", size / restore)]
    if program == "virtctl":
        found.append((CHECK, size / timed(lambda: verify(saved))))
    saved.unlink()
    return found


def verify(saved: Path) -> None:
    """Compares the whole image with its digest."""
    with open_image(saved) as image:
        assert image.verify()


@contextmanager
def random_file() -> Iterator[Path]:
    """As many random bytes in a file that needs no disk to be read."""
    with tempfile.NamedTemporaryFile(dir="/dev/shm", prefix="virtctl-bench-") as file:
        for _ in range(MEMORY):
            file.write(os.urandom(2**20))
        file.flush()
        yield Path(file.name)


def dd_seconds(source: Path, folder: Path) -> float:
    """What dd takes to write them; they are on the disk when it ends."""
    target = folder / "dd.out"
    command = ["dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync", "status=none"]
    os.sync()
    seconds = timed(lambda: subprocess.run(command, check=True))
    target.unlink()
    return seconds
