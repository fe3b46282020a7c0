"""Random commands of many processes on a few domains, and the proof that some order explains what each was told.

    python -m tests.faults.histories --seconds 60 --seed 1

Each process notes when a command began, when it ended and what it was told. The commands of one name are then looked at
together: a history is explained when every command can be given one instant between its beginning and its end, so that
carried out one after the other at these instants they would be told exactly that (linearizability, decided by the
search of Wing and Gong over a model of the few states that a domain has). What only reads takes no lock and reads
twice: each of its columns is explained by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.racing import counting
from tests.faults.sweep import fresh_driver
from tests.faults.verbs import document
from tests.support.program import end_guests
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.values import ListFilter, SaveOptions, StartOptions, UndefineOptions

WORKERS = 8
LEAST = 25  # commands that each of them carries out, however slow the host is
NAMES = ("one", "two")
UUIDS = ("a", "b")  # of each name two domains, of which only one can be there at a time


class State(NamedTuple):
    """What a name stands for: the domain that is defined, the one that runs, whether a managed save is there."""

    defined: str | None = None
    running: str | None = None
    saved: bool = False


class Operation(NamedTuple):
    """A command and what it was told. `uuid` is which domain the document is of; times are in nanoseconds."""

    begin: int
    end: int
    verb: str
    name: str
    uuid: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.verb} {self.uuid} -> {self.outcome} [{self.begin}, {self.end}]"


# The model: what a command of that outcome makes of a state, None where it could not have been told that.


def _define(state: State, op: Operation) -> State | None:
    strange = {state.defined, state.running} - {None, op.uuid}
    return {"": None if strange else state._replace(defined=op.uuid), "exists": state if strange else None}[op.outcome]


def _create(state: State, op: Operation) -> State | None:
    free = state.running is None and state.defined in (None, op.uuid)
    legal = {"": free, "running": state.running == op.uuid, "exists": not free and state.running != op.uuid}
    return (state if op.outcome else state._replace(running=op.uuid)) if legal[op.outcome] else None


def _start(state: State, op: Operation) -> State | None:
    if op.outcome == "":
        return None if state.running or not state.defined else State(state.defined, state.defined, False)
    return state if op.outcome == "running" and state.running else _absent(state, op)


def _undefine(state: State, op: Operation) -> State | None:
    legal = {"": state.defined is not None and not state.saved, "transient": not state.defined and bool(state.running),
             "saved": state.defined is not None and state.saved}
    if not legal.get(op.outcome):
        return _absent(state, op)
    return state._replace(defined=None) if op.outcome == "" else state


def _destroy(state: State, op: Operation) -> State | None:
    if op.outcome == "":
        return state._replace(running=None) if state.running else None
    return state if op.outcome == "stopped" and state.defined and not state.running else _absent(state, op)


def _managedsave(state: State, op: Operation) -> State | None:
    persistent = state.defined is not None
    if op.outcome == "":
        return State(state.defined, None, True) if state.running and persistent else None
    legal = {"stopped": persistent and not state.running, "transient": not persistent and state.running is not None}
    return state if legal.get(op.outcome) else _absent(state, op)


def _runs(state: State, op: Operation) -> State | None:
    return state if op.outcome == str(state.running is not None) else None


def _known(state: State, op: Operation) -> State | None:
    return state if op.outcome == str(state.running is not None or state.defined is not None) else None


def _absent(state: State, op: Operation) -> State | None:
    return state if op.outcome == "none" and not state.defined and not state.running else None


MODEL: dict[str, Callable[[State, Operation], State | None]] = {
    "define": _define, "create": _create, "start": _start, "undefine": _undefine, "destroy": _destroy,
    "managedsave": _managedsave, "runs": _runs, "known": _known}

Configuration = tuple[State, frozenset[Operation]]  # with the commands that are not over but have had their instant


def explained(history: list[Operation], first: State = State()) -> Operation | None:  # noqa: B008 - a constant
    """None when some order explains the history, else the command by whose end no order does."""
    events = sorted([(op.begin, 0, op) for op in history] + [(op.end, 1, op) for op in history])
    possible: set[Configuration] = {(first, frozenset())}
    pending: set[Operation] = set()
    for _when, over, op in events:
        if not over:
            pending.add(op)
            continue
        possible = {(state, done - {op}) for state, done in _closure(possible, pending) if op in done}
        pending.discard(op)
        if not possible:
            return op
    return None


def _closure(possible: set[Configuration], pending: set[Operation]) -> set[Configuration]:
    """Every configuration that is reached when any of the pending commands have their instant now, in any order."""
    found = set(possible)
    todo = list(possible)
    while todo:
        state, done = todo.pop()
        for op in pending - done:
            after = MODEL[op.verb](state, op)
            if after is not None and (reached := (after, done | {op})) not in found:
                found.add(reached)
                todo.append(reached)
    return found


# What really happens

_WORDS = {"already exists with uuid": "exists", "is already defined with uuid": "exists", "already running": "running",
          "already active": "running", "no domain with matching": "none", "cannot undefine transient": "transient",
          "managed save for transient": "transient", "managed save image exists": "saved",
          "domain is not running": "stopped"}


def outcome_of(error: VirtctlError) -> str:
    """The model's word for an error; the error itself where it has none."""
    return next((word for words, word in _WORDS.items() if words in str(error)), f"{type(error).__name__}: {error}")


def _text(folder: Path, name: str, uuid: str) -> str:
    number = NAMES.index(name) * len(UUIDS) + UUIDS.index(uuid)
    return (document(folder / f"{name}-{uuid}.img").replace("<name>g<", f"<name>{name}<")
            .replace("2a11</uuid>", f"3b{number:02d}</uuid>"))


def _carry_out(driver: QemuDriver, verb: str, name: str, text: str) -> None:
    verbs: dict[str, Callable[[], object]] = {
        "define": lambda: driver.define(text), "create": lambda: driver.create(text, StartOptions()),
        "start": lambda: driver.start(name, StartOptions()), "destroy": lambda: driver.destroy(name),
        "undefine": lambda: driver.undefine(name, UndefineOptions()),
        "managedsave": lambda: driver.managedsave(name, SaveOptions())}
    verbs[verb]()


def _one(driver: QemuDriver, folder: Path, verb: str, name: str, uuid: str) -> Iterator[Operation]:
    begin = time.monotonic_ns()
    if verb == "list":
        rows = {row.name: row for row in driver.rows(ListFilter(inactive=True))}
        end = time.monotonic_ns()
        for one in NAMES:
            runs = one in rows and rows[one].id is not None
            yield Operation(begin, end, "runs", one, "", str(runs))
            yield Operation(begin, end, "known", one, "", str(one in rows))
        return
    outcome = ""
    try:
        _carry_out(driver, verb, name, _text(folder, name, uuid))
    except VirtctlError as error:
        outcome = outcome_of(error)
    yield Operation(begin, time.monotonic_ns(), verb, name, uuid if verb in ("define", "create") else "", outcome)


CHOICES = ("define", "define", "create", "start", "start", "start", "undefine", "destroy", "destroy", "managedsave",
           "list")


def _work(root: Path, chance: random.Random, until: float, notes: Path) -> None:
    folder, count = root / "lab", 0
    with notes.open("w") as file:
        while time.monotonic() < until or count < LEAST:
            count += 1
            verb, name, uuid = chance.choice(CHOICES), chance.choice(NAMES), chance.choice(UUIDS)
            for op in _one(fresh_driver(root), folder, verb, name, uuid):
                file.write(json.dumps(op) + "\n")


def _fork(act: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        act()
        status = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def record(root: Path, seconds: float, seed: int) -> tuple[list[Operation], int]:
    """What the processes did and were told, a last look by this one included, and how many QEMUs one domain had."""
    folder = root / "lab"
    folder.mkdir(parents=True, mode=0o700)
    for name in NAMES:
        for uuid in UUIDS:
            (folder / f"{name}-{uuid}.img").write_bytes(bytes(65536))
    fresh_driver(root).context.host  # noqa: B018 - asked for once: what QEMU can do is kept in a file
    until = time.monotonic() + seconds
    notes = [folder / f"{number}.notes" for number in range(WORKERS)]
    with counting(root, lambda uuid: NAMES[int(uuid[-2:]) // len(UUIDS)]) as seen:
        pids = [_fork(lambda number=number, path=path: _work(root, random.Random(seed * 1000 + number), until, path))
                for number, path in enumerate(notes)]
        ended = [os.waitpid(pid, 0)[1] for pid in pids]
    assert not any(ended), f"a worker ended with {ended}"
    history = [Operation(*json.loads(line)) for path in notes for line in path.read_text().splitlines()]
    history += _one(fresh_driver(root), folder, "list", "", "")
    return history, seen.most


def violations(history: list[Operation], most: int) -> list[str]:
    """What no order explains, and what should not have been told at all."""
    known = {*_WORDS.values(), "", "True", "False"}
    wrong = [str(op) for op in history if op.outcome not in known]
    for name in NAMES if not wrong else ():
        ours = [op for op in history if op.name == name]
        bad = explained(ours)
        if bad is not None:
            around = sorted(op for op in ours if op.end >= bad.begin - 10**8 and op.begin <= bad.end)
            wrong.append(f"no order explains {name}: {bad}; around it: {'; '.join(map(str, around))}")
    return wrong + ([f"{most} QEMUs ran one domain"] if most > 1 else [])


def main() -> int:
    """Records for a while, judges, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        try:
            history, most = record(root, args.seconds, args.seed)
        finally:
            end_guests(root)
    wrong = violations(history, most)
    told = Counter(f"{op.verb}{' ' if op.outcome else ''}{op.outcome}" for op in history)
    print(f"histories: {len(wrong)} violations / {len(history)} commands of {WORKERS} processes (seed {args.seed}, "
          f"{args.seconds:g} s); {', '.join(f'{count} {what}' for what, count in sorted(told.items()))}")
    for line in wrong:
        print(f"     {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
