"""Loss of power at any moment of a verb: what was written and not synced may be gone, in whole or in part.

    python -m tests.faults.powerloss                        # every verb, every moment, every policy
    python -m tests.faults.powerloss --trials 100 --seed 4  # as many as that, drawn
    python -m tests.faults.powerloss --verb save --moment 31 --policy torn --seed 4

A verb runs once under strace. Its trace is played back up to each moment on a model of the disk, in which each file
knows what of it was synced, and each folder which of its names were. Then the folder of the state is made anew as the
disk may have it when the power comes back: no guest runs, the run folder is empty. The policies: `strict` keeps what
was synced only; `names` keeps all names but only synced data (a rename that overtakes the data); `data` the reverse;
`all` everything; `torn` some first part of what each file and each folder still had to write, drawn by the seed.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.diskmodel import POLICIES, Disk
from tests.faults.disktrace import Call, record
from tests.faults.goals import Result
from tests.faults.sweep import audit, fresh_driver, guests
from tests.faults.verbs import NAME, Lab, Verb
from tests.faults.verbs_small import EVERY
from tests.support.program import end_guests
from virtctl.errors import VirtctlError
from virtctl.qemu.saveimage import open_image
from virtctl.values import DumpOptions, ListFilter, StartOptions

VERBS = ("define", "redefine", "undefine", "undefine-nvram", "domrename", "autostart", "save", "save-over",
         "managedsave", "start-managed", "pivot", "commit-pivot", "change-media")
ENDS = ("save", "save-over", "managedsave")  # the guest is ended when its memory is on the disk, not before
DURABLE = {"define", "redefine", "undefine", "undefine-nvram", "domrename", "autostart", *ENDS}
_ALL = ListFilter(inactive=True)


class Story(NamedTuple):
    """A verb that was recorded: the disk before it, what it did, which file had which inode."""

    verb: Verb
    disk: Disk
    calls: list[Call]
    inodes: dict[str, int]

    def after(self, what: bytes) -> int:
        """The moment from which on the guest was told that (`cont`), or was ended; past the end when it never was."""
        told = [number for number, call in enumerate(self.calls, 1) if _tells(call, what)]
        return told[-1] if told else len(self.calls) + 1


def _tells(call: Call, what: bytes) -> bool:
    if what == b"end":
        return call.name == "pidfd_send_signal"
    return call.name in ("write", "sendto") and any(
        what in text and b"format" not in text for text in call.strings if len(text) < 200)


def tell(root: Path, verb: Verb) -> Story:
    """Prepares the lab, looks at the disk, carries the verb out, and ends the guest."""
    lab = Lab(root / "lab", fresh_driver(root))
    lab.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lab.wipe()
    verb.prepare(lab)
    disk = Disk.of(root)
    with tempfile.TemporaryDirectory() as folder:
        calls = record(root, verb.name, Path(folder) / "log")
    inodes = {str(path): path.lstat().st_ino for path in root.rglob("*")}
    end_guests(root)
    return Story(verb, disk, calls, inodes)


def come_back(root: Path, story: Story, moment: int, policy: str, seed: int) -> Lab:
    """Makes the folder of the state as the disk may have it after the power went at that moment."""
    end_guests(root)
    shutil.rmtree(root)
    disk = story.disk.copy()
    for call in story.calls[:moment]:
        disk.apply(call)
    made = disk.write(root, policy, random.Random(f"{story.verb.name} {moment} {seed}"), leave_out=root / "run")
    (root / "run").mkdir(mode=0o700)
    _renumber(root, story, made)
    lab = Lab(root / "lab", fresh_driver(root))
    lab.folder.mkdir(mode=0o700, exist_ok=True)
    return lab


def _renumber(root: Path, story: Story, made: dict[int, int]) -> None:
    """A record that names a file by its inode names the one that stands for it now."""
    final = story.disk.copy()
    for call in story.calls:
        final.apply(call)
    known = {story.inodes[path]: made[node] for path, node in final.nodes().items()
             if path in story.inodes and node in made}
    for path in (root / "lib" / "qemu" / "journal").glob("*.json"):
        try:
            record = json.loads(path.read_text())
        except ValueError:
            continue
        file = record.get("facts", {}).get("file")
        if file:
            record["facts"]["file"] = [root.stat().st_dev, known.get(file[1], 0)]
            path.write_text(json.dumps(record))


def judge(root: Path, lab: Lab, story: Story, moment: int, *, start: bool) -> list[str]:
    """What is not as it must be."""
    try:
        lab.driver.recover()
        return [*_stored(root, lab, story, moment), *(_start(root, lab) if start else [])]
    except (VirtctlError, OSError) as error:
        return [f"a next command fails: {error}"]


def _stored(root: Path, lab: Lab, story: Story, moment: int) -> Iterator[str]:
    name = story.verb.name
    yield from audit(root)
    if story.verb.defined is True and lab.driver.state(NAME).state != "shut off":
        yield "a guest is said to run"
    saves = root / "lib" / "qemu" / "save"
    images = [path for path in (lab.image, saves / "g.save") if path.exists()]
    for path in images:
        with open_image(path) as image:
            image.verify()
    yield from _memory(story, moment, saves, images)
    if name in ("pivot", "commit-pivot") and moment >= story.after(b"cont"):
        new = lab.copy if name == "pivot" else lab.disk
        if str(new) not in lab.driver.dumpxml(NAME, DumpOptions(inactive=True)):
            yield "the guest went on with its new image, and the definition names the old one"
    if moment == len(story.calls) and name in DURABLE and not story.verb.done(lab):
        yield "said that it succeeded, and did not"


def _memory(story: Story, moment: int, saves: Path, images: list[Path]) -> Iterator[str]:
    """Where the guest's memory must be, or must not be."""
    name = story.verb.name
    if name in ENDS and moment >= story.after(b"end") and not images:
        yield "the guest was ended and its memory is not on the disk"
    if name == "save-over" and not images:
        yield "the older image is lost"
    if name == "start-managed":
        went_on = moment >= story.after(b"cont")
        if went_on and (saves / "g.save").exists():
            yield "a memory that ran on can be restored again"
        if not went_on and not list(saves.glob("g.*")):
            yield "the saved memory is lost, and the guest had not gone on"


def _start(root: Path, lab: Lab) -> Iterator[str]:
    for row in lab.driver.rows(_ALL):
        lab.driver.start(row.name, StartOptions())
        if lab.driver.state(row.name).state != "running" or len(guests(root)) != 1:
            yield f"'{row.name}' does not run when it is started"
        lab.driver.destroy(row.name)


def moments(story: Story) -> list[int]:
    """The calls after which the disk, or the guest, is another than before."""
    telling = {story.after(b"end"), story.after(b"cont")}
    idle = ("close", "stat", "newfstatat", "access")
    changing = {number for number, call in enumerate(story.calls, 1)
                if call.name not in idle and (call.name != "openat" or "O_CREAT" in call.text)}
    return sorted({0, *changing, *telling, len(story.calls)} & set(range(len(story.calls) + 1)))


def try_one(root: Path, story: Story, moment: int, policy: str, seed: int, *, start: bool = True) -> list[str]:
    """One loss of power; a line for each violation, with what repeats it."""
    lab = come_back(root, story, moment, policy, seed)
    wrong = judge(root, lab, story, moment, start=start)
    end_guests(root)
    where = f"--verb {story.verb.name} --moment {moment} --policy {policy} --seed {seed}"
    after = story.calls[moment - 1] if moment else None
    return [f"{where}: {text} (after {after.name if after else 'nothing'} of {len(story.calls)})" for text in wrong]


def measure(root: Path, verbs: list[str], trials: int, seed: int) -> Result:
    """So many losses, an equal share of each verb."""
    violations: list[str] = []
    count = 0
    for number, name in enumerate(verbs):
        story = tell(root, next(verb for verb in EVERY if verb.name == name))
        choices = [(moment, policy) for moment in moments(story) for policy in POLICIES]
        random.Random(f"{seed} {name}").shuffle(choices)
        ends = [(len(story.calls), policy) for policy in POLICIES]
        share = max(1, (trials - count) // (len(verbs) - number))
        for turn, (moment, policy) in enumerate([*ends, *choices][: share]):
            violations += try_one(root, story, moment, policy, seed, start=turn % 4 == 0)
            count += 1
    return Result(count, violations, f"{len(verbs)} verbs")


def main(words: list[str]) -> int:
    """As a program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=10**6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--verb")
    parser.add_argument("--moment", type=int)
    parser.add_argument("--policy", choices=POLICIES, default="strict")
    options = parser.parse_args(words)
    verbs = options.verb.split(",") if options.verb else list(VERBS)
    with tempfile.TemporaryDirectory(prefix="powerloss-") as folder:
        root = Path(folder) / "root"
        root.mkdir(mode=0o700)
        try:
            if options.moment is None:
                found = measure(root, verbs, options.trials, options.seed)
            else:
                story = tell(root, next(verb for verb in EVERY if verb.name == verbs[0]))
                found = Result(1, try_one(root, story, options.moment, options.policy, options.seed))
        finally:
            end_guests(root)
    for line in found.violations:
        print(line)
    print(f"{len(found.violations)} violations in {found.trials} losses of power")
    return 1 if found.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
