"""A guest that was killed, its record as it was, and a stranger who has its pid or its pty by now: every command.

    unshare -pf --mount-proc python -m tests.faults.strangers pid 100 1     # violations, a line each
    python -m tests.faults.strangers pty 100 1

Pids are given out again at will only in a pid namespace of our own, where the kernel can be told the next one.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.attempts import UUID
from tests.faults.sweep import fresh_driver, guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import end_guests
from virtctl.drivers.qemu import QemuDriver
from virtctl.errors import VirtctlError
from virtctl.qemu.monitor import Monitor
from virtctl.state import status as statuses
from virtctl.values import Affect, BlockCopy, DumpCoreOptions, ListFilter, SaveOptions, StartOptions

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
Act = Callable[[QemuDriver, Lab], object]
COMMANDS: dict[str, Act] = {
    "list": lambda d, lab: d.rows(ListFilter(inactive=True)),
    "domstate": lambda d, lab: d.state(NAME),
    "dominfo": lambda d, lab: d.info(NAME),
    "domstats": lambda d, lab: d.statistics(NAME, frozenset()),
    "domjobinfo": lambda d, lab: d.job_info(NAME),
    "domjobabort": lambda d, lab: d.abort_job(NAME),
    "domblkinfo": lambda d, lab: d.block_sizes(NAME, "vda"),
    "dommemstat": lambda d, lab: d.memory_stats(NAME),
    "screenshot": lambda d, lab: d.screenshot(NAME, 0),
    "send-key": lambda d, lab: d.send_keys(NAME, [28], "linux", 0),
    "inject-nmi": lambda d, lab: d.inject_nmi(NAME),
    "setmem": lambda d, lab: d.set_memory(NAME, 4096, Affect(live=True)),
    "suspend": lambda d, lab: d.suspend(NAME),
    "resume": lambda d, lab: d.resume(NAME),
    "reset": lambda d, lab: d.reset(NAME),
    "reboot": lambda d, lab: d.reboot(NAME),
    "shutdown": lambda d, lab: d.shutdown(NAME),
    "shutdown --mode signal": lambda d, lab: d.shutdown(NAME, "signal"),
    "destroy": lambda d, lab: d.destroy(NAME),
    "destroy --graceful": lambda d, lab: d.destroy(NAME, graceful=True),
    "save": lambda d, lab: d.save(NAME, lab.image, SaveOptions()),
    "managedsave": lambda d, lab: d.managedsave(NAME, SaveOptions()),
    "dump": lambda d, lab: d.dump(NAME, lab.core, DumpCoreOptions(memory_only=True, crash=True)),
    "blockcopy": lambda d, lab: d.blockcopy(NAME, "vda", BlockCopy(str(lab.copy))),
    "blockjob": lambda d, lab: d.blockjob(NAME, "vda"),
    "blockjob --abort": lambda d, lab: d.blockjob_abort(NAME, "vda"),
    "blockjob --pivot": lambda d, lab: d.blockjob_pivot(NAME, "vda"),
    "qemu-monitor-command": lambda d, lab: d.monitor_hmp(NAME, "quit"),
    "recover": lambda d, lab: d.recover(),
    "start": lambda d, lab: d.start(NAME, StartOptions())}


class Bereaved:
    """A domain whose QEMU was killed, and what it left: put back before each command, as if that were the first."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lab = Lab(root / "lab", fresh_driver(root))
        self.lab.folder.mkdir(parents=True, mode=0o700)
        self.lab.wipe()
        self.lab.running()
        self.paths = self.lab.driver.context.paths
        found = statuses.load(self.paths, UUID)
        assert found is not None
        self.status = found
        pidfd = os.pidfd_open(found.pid)
        self.left = {path: path.read_bytes() for path in self._places() if path.is_file()}
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitpid(found.pid, 0)
        os.close(pidfd)

    def _places(self) -> list[Path]:
        return [*statuses.folder(self.paths, UUID).rglob("*"), *self.paths.running.rglob("*")]

    def restore(self) -> None:
        """All that the guest left, and nothing else."""
        end_guests(self.root)
        shutil.rmtree(self.paths.journal, ignore_errors=True)
        for path, data in self.left.items():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data)

    def run(self, name: str) -> str | None:
        """One command; what is wrong with how it ended."""
        self.restore()
        driver = fresh_driver(self.root)
        with suppress(VirtctlError):
            COMMANDS[name](driver, self.lab)
        state = driver.state(NAME)
        right = ("running", "booted") if name == "start" else ("shut off", "crashed")
        if tuple(state[:2]) != right:
            return f"afterwards it is {state}"
        return None if len(guests(self.root)) == (name == "start") else f"QEMUs run: {guests(self.root)}"

    def speak(self, pid: int) -> str | None:
        """Straight to the monitor, for the case that QEMU dies after a command has looked whether it runs."""
        try:
            Monitor.connect(self.status.pty, pid=pid, lock_path=self.root / "lock", name=NAME,
                            started=self.status.start_time).close()
        except VirtctlError:
            return None
        return "the monitor of a stranger was opened"


@contextmanager
def _pty(pts: str) -> Iterator[int]:
    """The pty of that number, ours now: its master side."""
    ends = []
    try:
        while not ends or os.ttyname(ends[-1][1]) != pts:
            assert len(ends) < 200, f"{pts} does not come back"
            ends.append(os.openpty())
        yield ends[-1][0]
    finally:
        for master, slave in ends:
            os.close(master)
            os.close(slave)


def ptys(trials: int, seed: int, place: Path) -> list[str]:
    """The stranger is this process, and has the guest's pty."""
    dice = random.Random(seed)
    wrong = []
    for number in range(trials):
        bereaved = Bereaved(place / str(number))
        with _pty(bereaved.status.pty) as master:
            for name in dice.sample(list(COMMANDS), len(COMMANDS)):
                found = bereaved.run(name)
                found = found or bereaved.speak(dice.choice([os.getpid(), bereaved.status.pid]))
                if select.select([master], [], [], 0)[0]:
                    found = f"wrote {os.read(master, 4096)!r} to a stranger"
                wrong += [f"pty {number} of seed {seed}, {name}: {found}"] if found else []
        end_guests(bereaved.root)
    return wrong


@contextmanager
def _process(pid: int) -> Iterator[int]:
    """A process of that pid; the descriptor from which can be read which signals it got."""
    reader, writer = os.pipe()
    LAST_PID.write_text(str(pid - 1))
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        os.write(writer, b"!")
        while True:
            os.write(writer, b"%d " % signal.sigwait(signal.valid_signals()))
    try:
        assert child == pid, f"the process has the pid {child}, not {pid}"
        os.read(reader, 1)
        yield reader
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(reader)
        os.close(writer)


def _ended(child: int) -> bool:
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # killed, and waited for by who killed it
        return True


def pids(trials: int, seed: int, place: Path) -> list[str]:
    """The stranger is a process of the guest's pid, every other time with its pty as well."""
    dice = random.Random(seed)
    wrong = []
    for number in range(trials):
        bereaved = Bereaved(place / str(number))
        pid = bereaved.status.pid
        with _process(pid) as signals:
            for name in dice.sample(list(COMMANDS), len(COMMANDS)):
                found = bereaved.run(name) or bereaved.speak(pid)
                if select.select([signals], [], [], 0)[0]:
                    found = f"a stranger got the signals {os.read(signals, 4096).decode()}"
                ended = _ended(pid)
                found = "a stranger was killed or stopped" if ended else found
                wrong += [f"pid {number} of seed {seed}, {name}: {found}"] if found else []
                if ended:
                    break
        end_guests(bereaved.root)
    return wrong


def main() -> None:
    """Prints what was not as it must be."""
    kind, trials, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory(prefix="virtctl-strangers-") as place:
        for line in {"pid": pids, "pty": ptys}[kind](trials, seed, Path(place)):
            print(line)


if __name__ == "__main__":
    main()
