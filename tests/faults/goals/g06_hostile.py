"""Hostile images and documents, each in a child of its own, with its time and memory measured."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from tests.faults.goals import Result
from tests.faults.hostile_inputs import DOCUMENTS, damaged_documents, damaged_images, sealed_headers, unsealed
from tests.faults.limited import Limited
from tests.faults.sweep import fresh_driver, guests
from tests.faults.verbs import Lab
from tests.support.program import end_guests
from virtctl.values import UndefineOptions

TITLE = "hostile images and documents neither crash nor hang it; image <= 2 s, 200 MB; document <= 0.5 s, 100 MB"
TRIALS = 1500
LIMITS = {"document": (0.5, 100.0), "image": (2.0, 200.0)}
SAMPLES = Path(__file__).parents[2] / "golden" / "qemu"


def _inputs(whole: bytes, chance: random.Random) -> Iterator[tuple[str, str, bytes]]:
    """(kind, name, bytes) without end, the ones that were thought of first."""
    samples = [path.read_text() for path in sorted(SAMPLES.glob("*.xml"))]
    texts = chain(((name, data if isinstance(data, bytes) else data.encode()) for name, data in DOCUMENTS.items()),
                  damaged_documents(samples, chance))
    images = chain(unsealed(whole), sealed_headers(whole), damaged_images(whole, chance))
    while True:
        yield "document", *next(texts)
        yield "image", *next(images)


def measure(trials: int, seed: int) -> Result:
    """Tries `trials` inputs; a violation is a crash, a hang, a limit passed, or a guest that is left."""
    root = Path(tempfile.mkdtemp(prefix="hostile-"))
    lab = Lab(root / "root" / "lab", fresh_driver(root / "root"))
    most = {kind: [0.0, 0.0] for kind in LIMITS}
    counts = {"refused": 0, "taken": 0}
    violations = []
    try:
        lab.folder.mkdir(parents=True, mode=0o700)
        lab.disk.write_bytes(bytes(65536))
        lab.saved()
        lab.driver.undefine("g", UndefineOptions())
        whole, path = lab.image.read_bytes(), root / "input"
        with Limited(root / "root") as limited:
            for kind, name, data in islice(_inputs(whole, random.Random(seed)), trials):
                path.write_bytes(data)
                answer = limited.attempt(kind, path)
                most[kind] = [max(most[kind][0], answer.seconds), max(most[kind][1], answer.peak)]
                counts[answer.ended] = counts.get(answer.ended, 0) + 1
                if answer.ended not in ("refused", "taken") or answer.seconds > LIMITS[kind][0] or (
                        answer.peak > LIMITS[kind][1]) or guests(root / "root"):
                    told = answer._replace(words=answer.words[-300:])
                    violations.append(f"seed {seed}, {kind}: {name}: {told}")
    finally:
        end_guests(root)
        shutil.rmtree(root, ignore_errors=True)
    figures = "; ".join(f"{kind}: at most {seconds:.2f} s and {peak:.0f} MB" for kind, (seconds, peak) in most.items())
    return Result(trials, violations, f"{figures}; {counts['refused']} refused, {counts['taken']} taken")
