"""Fifty processes at once define, start and destroy one domain, round after round."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from tests.faults.goals import Result
from tests.faults.racing import Act, Told, counting, timed_at_once
from tests.faults.sweep import audit, fresh_driver, guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program, end_guests
from virtctl.drivers.qemu import QemuDriver
from virtctl.state.lock import FileLock
from virtctl.values import StartOptions

TITLE = "of fifty processes that define, start or destroy one domain one wins, never two QEMUs, no endless wait"
TRIALS = 20  # rounds
PROCESSES = 50
BOUND = 30.0  # seconds, the time that a command waits for the lock
IMPATIENT = 0.2

_LOSERS = {"define": "already exists with uuid", "start": "domain is already running",
           "destroy": "domain is not running"}


def _acts(lab: Lab) -> dict[str, list[Act]]:
    """What the fifty do at once. The definitions are of fifty domains of one name."""
    texts = [document(lab.disk).replace("2a11</uuid>", f"{number:04x}</uuid>") for number in range(PROCESSES)]
    return {"define": [partial(QemuDriver.define, xml=text) for text in texts],
            "start": [lambda driver: driver.start(NAME, StartOptions())] * PROCESSES,
            "destroy": [lambda driver: driver.destroy(NAME)] * PROCESSES}


def _judge(verb: str, told: list[str]) -> list[str]:
    winners = told.count("")
    strange = {text for text in told if text and _LOSERS[verb] not in text}
    return ([f"{winners} winners"] if winners != 1 else []) + sorted(strange)


def _impatient(driver: QemuDriver) -> None:
    driver.context.lock_timeout = IMPATIENT
    driver.destroy(NAME)


def _waiters(lab: Lab) -> tuple[list[str], list[Told]]:
    """What fifty are told who will not wait, while another holds the lock for long."""
    uuid = lab.driver.uuid_of(NAME)
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, str(lab.driver.context.paths.locks / f"{uuid}.lock")],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    told = timed_at_once(lab.folder.parent, [_impatient] * PROCESSES)
    holder.communicate()
    words = f"held by pid {holder.pid} 'a long step' since "
    return [one.text for one in told if words not in one.text], told


_HOLD = f"""
import sys
from pathlib import Path
from {FileLock.__module__} import FileLock
with FileLock(Path(sys.argv[1]), command="a long step"):
    print("held", flush=True)
    sys.stdin.read()
"""


def _round(lab: Lab, slowest: Counter[str]) -> list[str]:
    """One round on a domain that is not there at its beginning nor at its end."""
    wrong = []
    for verb, acts in _acts(lab).items():
        told = timed_at_once(lab.folder.parent, acts)
        wrong += [f"{verb}: {text}" for text in _judge(verb, [one.text for one in told])]
        slowest[verb] = max(slowest[verb], *(round(one.seconds * 1000) for one in told))
        if verb == "start":
            unnamed, waited = _waiters(lab)
            wrong += [f"the holder is not named: {text or 'it did not wait'}" for text in unnamed]
            slowest["wait"] = max(slowest["wait"], *(round(one.seconds * 1000) for one in waited))
    lab.wipe()
    return wrong


def _with_programs(lab: Lab) -> list[str]:
    """The same by fifty processes of the real program."""
    program = Program(lab.folder.parent)
    lab.define()
    wrong = []
    for verb in ("start", "destroy"):
        running = [subprocess.Popen([*program.command, verb, NAME], env=program.environ(), text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(PROCESSES)]
        ended = [(one.communicate(timeout=120)[1], one.returncode) for one in running]
        if [status for _, status in ended].count(0) != 1:
            wrong.append(f"programs: {verb} won {[status for _, status in ended].count(0)} times")
        legal = (_LOSERS[verb], "Domain is already active")
        wrong += sorted({f"programs: {verb}: {said}" for said, status in ended
                         if status and not any(words in said for words in legal)})
    lab.wipe()
    return wrong


def _bounded(slowest: Counter[str]) -> list[str]:
    late = [f"{verb} took {most} ms" for verb, most in slowest.items() if most > BOUND * 1000]
    return late + ([f"a wait of {IMPATIENT} s took {slowest['wait']} ms"] if slowest["wait"] > 10000 else [])


def measure(trials: int, seed: int) -> Result:
    """Rounds, and from ten rounds on one of the real program. There is no chance in it but the scheduler's."""
    wrong: list[str] = []
    slowest: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        lab = Lab(root / "lab", fresh_driver(root))
        lab.folder.mkdir(parents=True, mode=0o700)
        lab.define()  # what QEMU can do is asked for once, and kept
        lab.wipe()
        try:
            with counting(root, lambda _uuid: NAME) as seen:
                for number in range(trials):
                    wrong += [f"round {number}: {text}" for text in _round(lab, slowest)]
                if trials >= 10:
                    wrong += _with_programs(lab)
            wrong += [f"{seen.most} QEMUs at once"] if seen.most != 1 else []
            wrong += audit(root) + [f"left behind: {pid}" for pid in guests(root)] + _bounded(slowest)
        finally:
            end_guests(root)
    times = ", ".join(f"{verb} {most} ms" for verb, most in slowest.items())
    figures = (f"{trials * PROCESSES * 4 + (100 if trials >= 10 else 0)} processes, at most {seen.most} QEMU in "
               f"{seen.looks} looks; slowest of fifty: {times}")
    return Result(trials, wrong, figures)
