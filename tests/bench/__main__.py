"""How long commands take, as a whole process, beside virsh and the targets: `python -m tests.bench`.

Each figure is the median of several runs. With --check the exit status is 1 when a target is missed.

`--memory` measures saving and restoring a guest of 1 GiB of random bytes instead, beside virsh and `dd conv=fsync`;
`--pivots 200` how long a guest that writes all the time stands still while its disk is switched to a copy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

from tests.bench import memory, pivots
from tests.bench.places import Place, beside, here, timed
from tests.support import documents, guests
from tests.support.libvirtd import missing

MANY = 1000
NAME = "bench"

TARGETS = {  # seconds
    "--help": 0.060,
    "list": 0.060,
    "domstate": 0.060,
    "start": 0.25,
    "save, 64 MiB": 0.4,
    "restore": 0.35,
    "destroy": 0.2,
    f"{MANY} defines": 2.7,
    f"list --all of {MANY}": 0.15,
}

Figures = dict[str, float]


def measure(place: Place, runs: int) -> Figures:
    """All figures of one program."""
    samples: dict[str, list[float]] = {name: [] for name in TARGETS}
    define_guest(place)
    for _ in range(runs):
        measure_life(place, samples)
    measure_many(place, samples)
    return {name: statistics.median(taken) for name, taken in samples.items() if taken}


def define_guest(place: Place) -> None:
    """A counting guest of 64 MiB."""
    image = guests.counter_image(place.folder / f"{NAME}.img")
    document = place.folder / f"{NAME}.xml"
    devices = documents.disk(image, "vda", "virtio") + documents.serial(None)
    document.write_text(documents.document(NAME, devices=devices, memory=64), encoding="utf-8")
    place.share(image)
    place.program.ok("define", document)


def measure_life(place: Place, samples: dict[str, list[float]]) -> None:
    """One life of the guest, and the commands that look at it while it runs."""
    program, image = place.program, place.folder / f"{NAME}.img"
    saved = place.folder / f"{NAME}.save"
    count = guests.counter_on_disk(image)
    samples["start"].append(timed(lambda: program.ok("start", NAME)))
    while guests.counter_on_disk(image) in (0, count):  # it is past its BIOS
        time.sleep(0.05)
    for _ in range(3):
        samples["--help"].append(timed(lambda: program.ok("--help")))
        samples["list"].append(timed(lambda: program.ok("list")))
        samples["domstate"].append(timed(lambda: program.ok("domstate", NAME)))
    samples["save, 64 MiB"].append(timed(lambda: program.ok("save", NAME, saved)))
    samples["restore"].append(timed(lambda: program.ok("restore", saved)))
    samples["destroy"].append(timed(lambda: program.ok("destroy", NAME)))


def measure_many(place: Place, samples: dict[str, list[float]]) -> None:
    """A thousand definitions in one batch, and a list of them."""
    program = place.program
    documents_of_many = [place.folder / f"many{number:04}.xml" for number in range(MANY)]
    for document in documents_of_many:
        text = documents.machine(document.stem, place.folder / f"{NAME}.img")
        document.write_text(text, encoding="utf-8")
    batch = "".join(f"define {document}\n" for document in documents_of_many)
    samples[f"{MANY} defines"].append(timed(lambda: program("--quiet", stdin=batch, seconds=600)))
    defined = program.ok("list", "--all", "--name").split()
    assert len(defined) == MANY + 1, f"{len(defined)} domains are defined"
    for _ in range(3):
        samples[f"list --all of {MANY}"].append(timed(lambda: program.ok("list", "--all")))
    program("--quiet", stdin="".join(f"undefine {document.stem}\n" for document in documents_of_many), seconds=600)


def table(ours: Figures, theirs: Figures) -> str:
    """The figures in milliseconds, and whether the target is met."""
    lines = [f"{'':22}{'virtctl':>10}{'virsh':>10}{'target':>10}"]
    for name, target in TARGETS.items():
        cells = [milliseconds(figures.get(name)) for figures in (ours, theirs)]
        verdict = "" if ours[name] <= target else "   missed"
        lines.append(f"{name:22}{cells[0]:>10}{cells[1]:>10}{milliseconds(target):>10}{verdict}")
    return "\n".join(lines)


def milliseconds(seconds: float | None) -> str:
    """A figure for a person."""
    return "-" if seconds is None else f"{seconds * 1000:,.0f} ms"


def main() -> int:
    """Measures, prints, and says with --check whether all targets are met."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode beside it
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, help="how often each figure is taken (default: 5, with --memory 3)")
    parser.add_argument("--alone", action="store_true", help="without virsh beside it")
    parser.add_argument("--check", action="store_true", help="exit status 1 when a target is missed")
    parser.add_argument("--memory", action="store_true", help="save and restore 1 GiB of random bytes")
    parser.add_argument("--pivots", type=int, metavar="COUNT", help="switch disks so often, shared among the buses")
    options = parser.parse_args()
    with_virsh = not options.alone and not missing()
    if options.memory:
        met = memory.measure(options.runs or 3, with_virsh=with_virsh)
    elif options.pivots:
        met = pivots.measure(options.pivots)
    else:
        met = commands(options.runs or 5, with_virsh=with_virsh)
    return int(options.check and not met)


def commands(runs: int, *, with_virsh: bool) -> bool:
    """The figures of single commands; whether all targets are met."""
    with here() as place:
        ours = measure(place, runs)
    theirs: Figures = {}
    if with_virsh:
        with beside() as place:
            theirs = measure(place, runs)
    print(f"median of {runs} lives, {os.cpu_count()} processors")
    print(table(ours, theirs))
    return all(ours[name] <= target for name, target in TARGETS.items())


if __name__ == "__main__":
    sys.exit(main())
