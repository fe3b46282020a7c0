"""Starts a QEMU process: what it inherits, where it prints, and its own words when it does not come up."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from virtctl.errors import InvalidArgument, OperationTimeout, QemuFailed, SystemFault
from virtctl.qemu.logfiles import open_own_log
from virtctl.qemu.privilege import Account, as_account
from virtctl.qemu.process import ProcessId, ended_within, identify, pty_belongs_to, terminate

INSTALL_HINT = "QEMU comes with Debian's package qemu-system-x86: apt-get install qemu-system-x86"
MONITOR_LABEL = "charmonitor"
GATE_ID = "gate"  # a character device that is of no use once QEMU is up
CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MAX_WORDS = 1 << 20  # bytes of the log that are read for QEMU's words
_REDIRECTED = re.compile(rb"^char device redirected to (/dev/pts/\d+) \(label ([^)\n]*)\)\s*$", re.MULTILINE)
_NOISE = re.compile(r"^(?:\d{4}-\d\d-\d\dT[\d:.]+Z\s+)?(?:[\w./-]*(?:qemu|kvm)[\w.-]*: )?")


class Spawned:
    """A QEMU that has just been started, still our child: where its monitor is, and its words if it fails.

    `slave` is the open slave side of the monitor pty: as long as it is open QEMU answers at once. Close it (or
    leave the `with` block) when the monitor has been reached.
    """

    def __init__(self, identity: ProcessId, pidfd: int, log: int, offset: int) -> None:
        self.identity = identity
        self.pts = ""
        self.slave = -1
        self.pidfd = pidfd
        self._log = log
        self._offset = offset

    def __enter__(self) -> Spawned:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def ptys(self) -> dict[str, str]:
        """The pty of each character device that QEMU has reported so far, by label."""
        return {label.decode(): pts.decode() for pts, label in _REDIRECTED.findall(self._printed())}

    def ended(self, seconds: float = 0.0) -> bool:
        """Whether QEMU has ended, waiting up to `seconds` for it."""
        return ended_within(self.pidfd, seconds)

    def failure(self) -> QemuFailed:
        """Why QEMU ended, in its own words; call it once `ended`."""
        words = last_words(self._printed())
        return QemuFailed(f"process exited while connecting to monitor: {words or self._status()}")

    def kill(self) -> None:
        """Ends a start that did not work out; only for a guest that never ran."""
        terminate(self.identity, deadline=5.0)

    def close(self) -> None:
        """Leaves QEMU to itself."""
        for fd in (self.slave, self.pidfd, self._log):
            if fd >= 0:
                os.close(fd)
        self.slave = self.pidfd = self._log = -1

    def _printed(self) -> bytes:
        return os.pread(self._log, _MAX_WORDS, self._offset)

    def _status(self) -> str:
        try:
            _, status = os.waitpid(self.identity.pid, os.WNOHANG)
        except ChildProcessError:
            return "it said nothing"
        code = os.waitstatus_to_exitcode(status)
        return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


class Gate:
    """Holds QEMU between opening its monitor's pty and looking whether anybody has the other side open.

    QEMU looks once, a fraction of a millisecond after it prints the pty's name, and then only after a second. So it
    gets one more character device right behind: a connection to a socket of ours whose queue is full, which waits
    until we have opened the pty. If we die meanwhile it is refused and QEMU ends, nothing is left hanging.
    """

    def __init__(self) -> None:
        import socket

        self._name = f"virtctl-gate-{os.urandom(8).hex()}"
        try:
            self._door = socket.socket(socket.AF_UNIX)
            self._first = socket.socket(socket.AF_UNIX)
            self._door.bind(f"\0{self._name}")
            self._door.listen(0)
            self._first.connect(f"\0{self._name}")  # the one place in the queue is taken
        except OSError as cause:
            raise SystemFault("cannot make a socket to start QEMU with", cause) from cause

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self._first.close()
        self._door.close()

    def bar(self, argv: Sequence[str]) -> list[str]:
        """The command line with the gate in it."""
        barred = list(argv)
        for index, word in enumerate(barred):
            if word.startswith(f"pty,id={MONITOR_LABEL}"):
                gate = f"socket,id={GATE_ID},path={self._name},abstract=on"
                return [*barred[: index + 1], "-chardev", gate, *barred[index + 1 :]]
        return barred

    def open(self, child: Spawned, limit: float) -> None:
        """Lets QEMU pass."""
        self._door.accept()[0].close()
        poller = select.poll()
        poller.register(self._door, select.POLLIN)
        poller.register(child.pidfd, select.POLLIN)
        ready = poller.poll(max(0.0, min(limit - time.monotonic(), 1.0)) * 1000)
        if any(fd == self._door.fileno() for fd, _ in ready):
            self._door.accept()[0].close()


def shut_out_others(pid: int, ptys: Iterable[str]) -> None:
    """Takes from the guest's ptys the right of group `tty` to write to them, which a terminal has."""
    for pts in ptys:
        if pty_belongs_to(pid, pts):
            with contextlib.suppress(OSError):  # it has gone, and its guest with it
                Path(pts).chmod(0o600)


def monitor_in(printed: bytes) -> str | None:
    """The pty of the monitor of the QEMU that wrote last into this log."""
    found = [pts.decode() for pts, label in _REDIRECTED.findall(printed) if label == MONITOR_LABEL.encode()]
    return found[-1] if found else None


def last_run(printed: bytes) -> bytes:
    """What the QEMU that wrote last into this log printed since it opened its monitor."""
    begun = [found.end() for found in _REDIRECTED.finditer(printed) if found[2] == MONITOR_LABEL.encode()]
    return printed[begun[-1] :] if begun else b""


def last_words(printed: bytes) -> str:
    """What QEMU said, without its time stamps, its program name and the lines about ptys; at most ten lines."""
    lines = _REDIRECTED.sub(b"", printed).decode(errors="replace").splitlines()
    said = [_NOISE.sub("", line).strip() for line in lines]
    return "; ".join([line for line in said if line][-10:])


def spawn(
    argv: Sequence[str],
    *,
    cwd: Path,
    log_path: Path,
    pass_fds: Sequence[int] = (),
    env: Mapping[str, str] | None = None,
    deadline: float = 30.0,
    account: Account | None = None,
) -> Spawned:
    """Starts QEMU in its own session and waits until it has opened its monitor's pty.

    `argv[0]` is the path of the emulator. The child inherits nothing but 0 (/dev/null), 1 and 2 (appended to the log)
    and `pass_fds` (same numbers); `env` replaces a small clean environment; `account` is whom it runs as. Raises
    QemuFailed with QEMU's own words when it ends first, OperationTimeout after `deadline` seconds (the
    child is ended then).
    """
    if any(fd < 3 for fd in pass_fds):
        raise InvalidArgument("file descriptors 0, 1 and 2 cannot be passed to QEMU")
    limit = time.monotonic() + deadline
    with contextlib.ExitStack() as undo:
        log = open_own_log(log_path)
        undo.callback(os.close, log)
        gate = undo.enter_context(Gate())
        offset = os.fstat(log).st_size
        words = [*(as_account(account) if account is not None else ()), *gate.bar(argv)]
        child = _adopt(_launch(words, cwd, log, pass_fds, env or clean_environment(cwd)), log, offset)
        try:
            _await_monitor(child, limit, deadline)
            gate.open(child, limit)
        except BaseException:
            child.kill()
            child.close()
            raise
    return child


def _adopt(pid: int, log: int, offset: int) -> Spawned:
    try:
        reader = os.open(f"/proc/self/fd/{log}", os.O_RDONLY | os.O_CLOEXEC)
        return Spawned(identify(pid), os.pidfd_open(pid), reader, offset)
    except OSError as cause:  # out of descriptors; a child that nobody has reaped cannot be a stranger
        os.kill(pid, signal.SIGKILL)
        raise SystemFault(f"cannot watch process {pid}", cause) from cause


def clean_environment(home: Path) -> dict[str, str]:
    """What QEMU gets to see of the environment: nothing of the caller's."""
    folder = str(home)
    return {
        "LC_ALL": "C",
        "PATH": CLEAN_PATH,
        "HOME": folder,
        "XDG_DATA_HOME": folder,
        "XDG_CACHE_HOME": folder,
        "XDG_CONFIG_HOME": folder,
    }


def _launch(argv: Sequence[str], cwd: Path, log: int, pass_fds: Sequence[int], env: Mapping[str, str]) -> int:
    """Forks and executes; posix_spawn has no folder and no umask of its own, so ours are borrowed for a moment."""
    try:
        back = os.open(".", os.O_PATH | os.O_CLOEXEC)
    except OSError:  # where we stand is gone: there is no way back, nor a need of one
        back = -1
    mask = os.umask(0o077)
    try:
        try:
            os.chdir(cwd)
        except OSError as cause:
            raise SystemFault(f"cannot enter folder '{cwd}'", cause) from cause
        return os.posix_spawn(
            argv[0],
            list(argv),
            dict(env),
            file_actions=_descriptors(log, pass_fds),
            setsid=True,
            setsigmask=[],
            setsigdef=signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP},
        )
    except OSError as cause:
        raise SystemFault(f"Cannot run emulator '{argv[0]}'", cause, hint=INSTALL_HINT) from cause
    finally:
        os.umask(mask)
        if back >= 0:
            os.fchdir(back)
            os.close(back)


def _descriptors(log: int, pass_fds: Sequence[int]) -> list[tuple[int, ...] | tuple[int, int, str, int, int]]:
    """What the child does with its descriptors: log on 1 and 2, those passed kept, all others closed."""
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    for fd in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - the numbers are wanted, not paths
        with contextlib.suppress(OSError):  # the descriptor of the listing itself is gone again
            if fd > 2 and fd not in pass_fds and os.get_inheritable(fd):
                actions.append((os.POSIX_SPAWN_CLOSE, fd))
    actions += [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in pass_fds]  # onto itself: clears close-on-exec
    return actions


def _await_monitor(child: Spawned, limit: float, deadline: float) -> None:
    began = time.monotonic()
    while True:
        over = child.ended(min(max(0.001, (time.monotonic() - began) / 20), 0.02))
        pts = child.ptys.get(MONITOR_LABEL)
        if pts is not None and not over:
            _hold_slave(child, pts)
            return
        if over:
            raise child.failure()
        if time.monotonic() > limit:
            raise OperationTimeout(f"QEMU did not open its monitor within {deadline:g} seconds")


def _hold_slave(child: Spawned, pts: str) -> None:
    """Opens the slave at once, so that QEMU finds it connected, and shuts out the group that devpts lets in."""
    try:
        slave = os.open(pts, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as cause:
        if child.ended(0.2):
            raise child.failure() from cause
        raise SystemFault(f"cannot open monitor '{pts}' of process {child.identity.pid}", cause) from cause
    child.pts, child.slave = pts, slave
    if not pty_belongs_to(child.identity.pid, pts):
        if child.ended(0.2):
            raise child.failure()
        raise QemuFailed(f"monitor '{pts}' does not belong to process {child.identity.pid}")
    try:
        os.fchmod(slave, 0o600)
    except OSError as cause:
        raise SystemFault(f"cannot change the mode of monitor '{pts}'", cause) from cause
