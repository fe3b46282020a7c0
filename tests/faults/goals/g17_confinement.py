"""Guests are confined in every state, and all that virtctl does with them works all the same."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.faults.goals import Result
from tests.faults.sweep import fresh_driver
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import end_guests, pids_below
from tests.support.waiting import eventually
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.values import BlockCopy, DumpCoreOptions, RestoreOptions, SaveOptions, StartOptions

TITLE = "guest confinement: the full sandbox in every state, and nothing that it breaks"
TRIALS = 200
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


def measure(trials: int, seed: int) -> Result:
    """A trial is one state that a guest was brought to. Where we are root every second guest is an unprivileged one."""
    chance = random.Random(seed)
    wrong: list[str] = []
    done = 0
    while done < trials:
        account = "nobody" if os.geteuid() == 0 and chance.random() < 0.5 else ""
        for step in _life(account):
            done += 1
            wrong += [f"seed {seed}, trial {done} ({account or 'own user'}), {line}" for line in step]
    return Result(done, wrong)


def _life(account: str) -> Iterator[list[str]]:
    """One guest's life: for each state it came to, what is wrong with it."""
    place = Path(tempfile.mkdtemp(prefix="virtctl-confined-"))
    place.chmod(0o711)
    root = place / "root"
    lab = Lab(place, fresh_driver(root))
    (root / "etc").mkdir(parents=True, mode=0o700)
    (root / "etc" / "qemu.conf").write_text(f'user = "{account}"\n' if account else "")
    lab.disk.write_bytes(bytes(65536))
    lab.disk.chmod(0o600)
    try:
        lab.driver.define(document(lab.disk))
        for name, act in _steps(lab):
            try:
                act(lab.driver)
            except VirtctlError as error:
                yield [f"{name}: failed in the sandbox: {error}"]
            else:
                yield [f"{name}: {line}" for pid in pids_below(root) for line in _open_doors(pid, account)]
        yield _escape(lab, root)
    finally:
        end_guests(root)
        shutil.rmtree(place)


def _steps(lab: Lab) -> Iterator[tuple[str, Callable[[QemuDriver], object]]]:
    yield "start", lambda driver: driver.start(NAME, StartOptions())
    yield "suspend", lambda driver: driver.suspend(NAME)
    yield "resume", lambda driver: driver.resume(NAME)
    yield "save", lambda driver: driver.save(NAME, lab.image, SaveOptions())
    yield "restore", lambda driver: driver.restore(lab.image, RestoreOptions())
    yield "dump", lambda driver: driver.dump(NAME, lab.core, DumpCoreOptions(memory_only=True))
    yield "blockcopy", lambda driver: driver.blockcopy(NAME, "vda", BlockCopy(str(lab.copy)))
    yield "ready", _await_copy
    yield "pivot", lambda driver: driver.blockjob_pivot(NAME, "vda")
    yield "managedsave", lambda driver: driver.managedsave(NAME, SaveOptions())
    yield "start from it", lambda driver: driver.start(NAME, StartOptions())
    yield "start paused", lambda driver: (driver.destroy(NAME), driver.start(NAME, StartOptions(paused=True)))


def _await_copy(driver: QemuDriver) -> None:
    eventually(lambda: (job := driver.blockjob(NAME, "vda")) is not None and job.ready, "the copy is ready")


def _open_doors(pid: int, account: str) -> list[str]:
    """What the process may do that it should not."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    found = {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    wanted = {"Seccomp": "2", "NoNewPrivs": "1"}
    if account:
        wanted |= dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"), "0" * 16)
    wrong = [f"{name} is {found[name]}" for name, value in wanted.items() if found[name] != value]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            if "Seccomp:\t2" not in (task / "status").read_text():
                wrong.append(f"thread {task.name} has no filter")
    if words[words.index("-sandbox") + 1] != SANDBOX:
        wrong.append(f"sandbox is {words[words.index('-sandbox') + 1]}")
    return wrong


def _escape(lab: Lab, root: Path) -> list[str]:
    """QEMU is told to run a program, the way that a taken over one would go; it dies rather than that."""
    marker = lab.folder / "escaped"
    with suppress(VirtctlError):
        lab.driver.monitor_hmp(NAME, f'migrate "exec:touch {marker}"')
    with suppress(VirtctlError):
        lab.driver.destroy(NAME)
    eventually(lambda: not pids_below(root), "it has ended")
    return ["spawn: QEMU has run a program"] if marker.exists() else []
