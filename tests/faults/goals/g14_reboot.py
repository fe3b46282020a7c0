"""G14: the host reboots, or /run is wiped, or both: what is said of each guest is true, with nothing to do by hand."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

from tests.faults.goals import Result
from tests.faults.sweep import fresh_driver
from tests.faults.verbs import document
from tests.support.program import PROGRAM, Program, end_guests, pids_below
from tests.support.waiting import eventually

TITLE = "reboots and wiped run folders: states true, running guests found again, none started twice, nothing by hand"
TRIALS = 50
NAMES = ("one", "two", "three")
STATES = ("running", "paused", "shut off", "saved")
EVENTS = ("reboot", "wipe", "reboot and wipe")
REBOOTED = 'mount --bind "$1" /proc/sys/kernel/random/boot_id; shift; exec "$@"'


def measure(trials: int, seed: int) -> Result:
    """Each trial draws a state for each of three guests and what befalls the host."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="g14-") as folder:
        host = _Host(Path(folder))
        try:
            for number in range(trials):
                host.trial(number, draw)
        finally:
            end_guests(host.root)
    return Result(trials, host.wrong, f"{host.found} running guests were found again, {host.restarted} started after a "
                                      "reboot" + ("" if host.may_reboot else "; boots could not be faked here"))


class _Host:
    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "root"
        self.root.mkdir(mode=0o700)
        self.program = Program(self.root)
        self.wrong: list[str] = []
        self.found = self.restarted = 0
        self.may_reboot = not os.geteuid() and not subprocess.run(["unshare", "-m", "true"], check=False).returncode
        for name in NAMES:
            disk = folder / f"{name}.img"
            disk.write_bytes(bytes(65536))
            text = document(disk).replace("<name>g<", f"<name>{name}<")
            fresh_driver(self.root).define(text.partition("<uuid>")[0] + text.partition("</uuid>")[2])

    def put(self, name: str, state: str) -> None:
        """Brings a guest into a state."""
        known = self.program.ok("domstate", name).strip()
        steps = {"running": [], "paused": ["suspend"], "shut off": ["destroy"], "saved": ["managedsave"]}[state]
        if known == "paused":
            self.program.ok("resume", name)
        elif known != "running":
            self.program.ok("start", name)
        for step in steps:
            self.program.ok(step, name)

    def trial(self, number: int, draw: random.Random) -> None:
        """One event."""
        before = {name: draw.choice(STATES) for name in NAMES}
        for name, state in before.items():
            self.put(name, state)
        event = draw.choice(EVENTS) if self.may_reboot else "wipe"
        after = self.rebooted() if "reboot" in event else self.program
        if "wipe" in event:
            shutil.rmtree(self.root / "run")
        pids = sorted(pids_below(self.root))
        said = self.say(after)
        for name, state in before.items():
            lives = state in ("running", "paused") and "reboot" not in event
            expected = (state if lives else "shut off", state == "saved")
            if said.get(name) != expected:
                self.wrong.append(f"trial {number}, {event}: {name} was {state} and is said to be {said.get(name)}")
            self.found += lives and "wipe" in event
        self.start_all(after, number, event, before, pids)

    def rebooted(self) -> Program:
        """The program as it sees the host after a reboot, which ends all guests."""
        end_guests(self.root)
        eventually(lambda: not pids_below(self.root), "all guests are dead")
        boot = self.folder / "boot_id"
        boot.write_text(f"{uuid.uuid4()}\n")
        return Program(self.root, ("unshare", "-m", "sh", "-ec", REBOOTED, "sh", str(boot), PROGRAM))

    def say(self, program: Program) -> dict[str, tuple[str, bool]]:
        """State of each domain, and whether it has a managed save."""
        rows = json.loads(program("list", "--all", "--output", "json").out)
        saved = program("list", "--all", "--name", "--with-managed-save").out.split()
        return {row["name"]: (row["state"], row["name"] in saved) for row in rows}

    def start_all(self, program: Program, number: int, event: str, before: dict[str, str], pids: list[int]) -> None:
        """Starting works for those that do not run, and for no others."""
        for name, state in before.items():
            lives = state in ("running", "paused") and "reboot" not in event
            done = program("start", name)
            if (done.status == 0) == lives or (lives and "already active" not in done.err):
                self.wrong.append(f"trial {number}, {event}: start of {name}, which was {state}: {done}")
            self.restarted += not lives
        now = sorted(pids_below(self.root))
        if len(now) != len(NAMES) or not set(pids) <= set(now):
            self.wrong.append(f"trial {number}, {event}: QEMUs {pids} became {now}")
        if "reboot" in event:  # they were started in a boot that never was
            end_guests(self.root)
            eventually(lambda: not pids_below(self.root), "all guests are dead")
