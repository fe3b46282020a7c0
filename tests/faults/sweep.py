"""The sweep: every verb, every state-changing call, every fault; a table of what was tried and what was violated.

    python -c 'from pathlib import Path; from tests.faults.attempts import build_shim; build_shim(Path("/tmp"))'
    LD_PRELOAD=/tmp/shim.so python -m tests.faults.sweep                             # everything: some 5,000 injections
    LD_PRELOAD=/tmp/shim.so python -m tests.faults.sweep --seconds 240 --seed 7      # as many as that takes
    LD_PRELOAD=/tmp/shim.so python -m tests.faults.sweep --verb save,restore --fault KILL
    LD_PRELOAD=/tmp/shim.so python -m tests.faults.sweep --verb save --fault KILL --number 12    # one, again

With --seconds the attempts are drawn in an order that the seed decides, an equal share of each verb; a violation is
printed with the words that repeat it. A number counts the state-changing calls of the process (see shim.c); where QEMU
answers sooner or later the count moves by a few, so that a violation may need its neighbours tried as well.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.attempts import CHANGES, FAULTS, REFUSED, SUCCEEDED, UUID, Outcome, attempt
from tests.faults.verbs import NAME, Lab, Verb
from tests.faults.verbs_small import EVERY
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.qemu import process
from virtctl.qemu.saveimage import open_image
from virtctl.values import DumpOptions, StartOptions


def fresh_driver(root: Path) -> QemuDriver:
    """What the next command of a user would have."""
    return QemuDriver(Paths.under(root), command="next", lock_timeout=10.0)


def guests(root: Path) -> list[int]:
    """The pids of all QEMUs of the one domain."""
    return [stray.identity.pid for stray in process.find_strays(Paths.under(root).runtime, UUID)]


def audit(root: Path) -> list[str]:
    """Files that others could read, and temporary files that nobody will miss."""
    wrong = []
    for path in root.rglob("*"):
        if path.is_symlink() or path.is_socket() or path.name in ("disk.img",):
            continue
        if path.stat().st_mode & 0o077:
            wrong.append(f"{path.name} has mode {path.stat().st_mode & 0o777:o}")
        if path.name.startswith(".tmp-"):
            wrong.append(f"temporary file {path.relative_to(root)} is left")
    return wrong


def expected(fault: str) -> set[int]:
    """How a command may end that is not killed."""
    if fault.startswith("SIG"):
        return {SUCCEEDED, REFUSED, 128 + getattr(signal, fault)}
    return {SUCCEEDED, REFUSED}


def judge(lab: Lab, verb: Verb, outcome: Outcome, fault: str, before: list[int], root: Path) -> list[str]:
    """What is not as it must be after an attempt."""
    wrong = []
    if outcome.status not in expected(fault) and not outcome.killed:
        return [f"ended with status {outcome.status}: {outcome.text[-1500:]}"]
    if outcome.killed and not fault.startswith("KILL"):
        wrong.append("did not end in time")
    lab.driver = fresh_driver(root)
    try:
        lab.driver.recover()
        if fault == "QEMU":
            wrong += _check_bereaved(lab, verb, outcome, root)
        else:
            wrong += _check_state(lab, verb, before, root)
            if outcome.status == SUCCEEDED and not verb.done(lab):
                wrong.append("said that it succeeded, and did not")
            wrong += _try_again(lab, verb)
        wrong += audit(root)
    except VirtctlError as error:
        wrong.append(f"a next command fails: {error}")
    return wrong


def _state(lab: Lab) -> str:
    try:
        return lab.driver.state(NAME).state
    except VirtctlError:
        return "undefined"


def _check_bereaved(lab: Lab, verb: Verb, outcome: Outcome, root: Path) -> list[str]:
    """After QEMU was killed: nothing but its memory is lost, what was saved is whole, and the guest can be started."""
    wrong = []
    state = _state(lab)
    if verb.defined is True and state == "undefined":
        wrong.append("the definition was lost")
    writes = verb.name in ("save", "managedsave", "dump", "dump-crash")
    if writes and outcome.status == SUCCEEDED and not verb.done(lab):
        wrong.append("said that it succeeded, and did not")
    if lab.image.exists():
        with open_image(lab.image) as image:
            image.verify()
    if state == "shut off":
        lab.driver.start(NAME, StartOptions())
        state = _state(lab)
    if len(guests(root)) != (state != "undefined"):
        wrong.append(f"it is {state}, and QEMUs run: {guests(root)}")
    return wrong


def _check_state(lab: Lab, verb: Verb, before: list[int], root: Path) -> list[str]:
    wrong = []
    now = guests(root)
    if len(now) > 1:
        wrong.append(f"{len(now)} QEMUs run one domain")
    if verb.keeps and now != before:
        wrong.append(f"the guest was lost: {before} became {now}")
    state = _state(lab)
    legal = verb.states | ({"undefined", "shut off"} if verb.defined is None else frozenset())
    if state not in legal:
        wrong.append(f"it is {state}, which is none of {sorted(legal)}")
    if verb.defined is True:
        lab.driver.dumpxml(NAME, DumpOptions(inactive=True, security_info=True))
    return wrong


def _try_again(lab: Lab, verb: Verb) -> list[str]:
    if verb.done(lab):
        return []
    verb.act(lab)(lab.driver)
    return [] if verb.done(lab) else ["the same command does not succeed afterwards"]


def one(root: Path, verb: Verb, fault: str, number: int, kinds: int = CHANGES) -> tuple[Outcome, list[str]]:
    """One attempt from a fresh state; `kinds` are the calls that count, see shim.c."""
    lab = Lab(root / "lab", fresh_driver(root))
    lab.folder.mkdir(mode=0o700, exist_ok=True)
    lab.wipe()
    verb.prepare(lab)
    before = guests(root)
    outcome = attempt(lab.driver, verb.act(lab), number, fault, kinds)
    return outcome, judge(lab, verb, outcome, fault, before, root)


def calls_of(root: Path, verb: Verb, kinds: int = CHANGES) -> int:
    """How many state-changing calls the verb makes when nothing fails, and its folders are there."""
    one(root, verb, "EIO", 0)
    outcome, wrong = one(root, verb, "EIO", 0, kinds)
    if outcome.status != SUCCEEDED or wrong:
        raise SystemExit(f"{verb.name} fails without any fault: {outcome} {wrong}")
    return outcome.seen


def plan(root: Path, options: argparse.Namespace) -> list[tuple[Verb, str, int]]:
    """The attempts, in the order of the seed; of each verb an equal share comes first when time is short."""
    chosen = [verb for verb in EVERY if not options.verb or verb.name in options.verb.split(",")]
    faults = [options.fault] if options.fault else list(FAULTS)
    found = []
    for verb in chosen:
        numbers = [options.number] if options.number else range(1, calls_of(root, verb) + 1)
        mine = [(verb, fault, number) for number in numbers for fault in faults if fault != "QEMU" or verb.guest]
        random.Random(f"{options.seed} {verb.name}").shuffle(mine)
        found.append(mine)
    longest = max(map(len, found))
    return [mine[turn] for turn in range(longest) for mine in found if turn < len(mine)]


def report(tried: Counter[tuple[str, str]], violated: Counter[tuple[str, str]]) -> None:
    """The table: violations/attempts of each verb and fault."""
    print(f"{'verb':20}" + "".join(f"{fault:>12}" for fault in FAULTS))
    for verb in (one for one in EVERY if any(tried[one.name, fault] for fault in FAULTS)):
        cells = [f"{violated[verb.name, fault]}/{tried[verb.name, fault]}" for fault in FAULTS]
        print(f"{verb.name:20}" + "".join(f"{cell:>12}" for cell in cells))
    print(f"{sum(violated.values())} violations in {sum(tried.values())} injections")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--verb")
    parser.add_argument("--fault", choices=list(FAULTS))
    parser.add_argument("--number", type=int)
    options = parser.parse_args(words)
    root = Path(tempfile.mkdtemp(prefix="faults-"))
    tried: Counter[tuple[str, str]] = Counter()
    violated: Counter[tuple[str, str]] = Counter()
    limit = time.monotonic() + options.seconds if options.seconds else float("inf")
    try:
        for verb, fault, number in plan(root, options):
            if time.monotonic() > limit:
                break
            outcome, wrong = one(root, verb, fault, number)
            tried[verb.name, fault] += outcome.killed or outcome.seen >= number  # else it ended before its turn
            if wrong:
                violated[verb.name, fault] += 1
                print(f"VIOLATION --verb {verb.name} --fault {fault} --number {number}: {'; '.join(wrong)}\n"
                      f"    outcome: {outcome.status} {outcome.text[:300]}", flush=True)
    finally:
        Lab(root / "lab", fresh_driver(root)).wipe()
        shutil.rmtree(root, ignore_errors=True)
    report(tried, violated)
    return 1 if violated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
