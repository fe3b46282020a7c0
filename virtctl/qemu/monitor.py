"""One exchange with QEMU's human monitor, over the pty that QEMU owns.

The prompt proves nothing: a file name may hold one, an opened pty prints two, a killed process leaves half a line. So:

1. `\\x01\\x01\\x01zzNONCE \\n` gets rid of what stands on the line, whatever it is: the cursor goes home, and the line
   becomes an unknown command. The answer `unknown command: 'zzNONCE'` and a prompt mean: in step, empty line.
2. The command is typed without Enter and its echo read back, so that Enter only ever runs what was meant.
3. Enter and a line `zzNONCE`: all up to `unknown command: 'zzNONCE'` is the answer, whatever it contains.

What somebody else types in between spoils 1 and 2, which are tried again: nothing has been run by then. Nonces are
random, so a late answer is never taken for the next one. This module loads pexpect: import it only where a guest runs.
"""

from __future__ import annotations

import errno
import math
import os
import select
import termios
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
from pexpect.fdpexpect import fdspawn

from virtctl.errors import MonitorError, MonitorGone, MonitorTimeout, OperationTimeout, SystemFault, VirtctlError
from virtctl.qemu.process import holds_open, pty_belongs_to, slave_of
from virtctl.state.liveness import start_time
from virtctl.state.lock import FileLock, describe_holder

MAX_COMMAND = 400  # bytes; readline's echo grows with the square of the length
MAX_ARGUMENT = 1023  # bytes; QEMU cuts a longer one without a word
DEADLINE = 2.5  # seconds for one command, where the caller names none
TYPING = 10.0  # seconds until a command is typed, however long it may run: nothing has happened by then
RETYPE = 0.25  # seconds of silence after which what is not echoed is typed again; then twice as long, and so on
_PROMPT = b"(qemu) "
_BANNER = b"monitor - type 'help' for more information\r\n" + _PROMPT
_HOME = b"\x01\x01\x01"  # three times: the first two may end an unfinished escape sequence
_ESCAPES = {0x0A: b"\\n", 0x0D: b"\\r", 0x22: b'\\"', 0x5C: b"\\\\"}
_UNSENDABLE = frozenset(range(0x20)) | {0x7F, 0x9B}


def quote(argument: str | bytes) -> str:
    """A string argument of a monitor command, quoted.

    Raises MonitorError for what the monitor would drop, obey or cut: control bytes other than newline and carriage
    return, 0x7f, 0x9b (also inside a UTF-8 character), more than 1023 bytes. Use `short_path` for such a file.
    """
    data = os.fsencode(argument)
    if len(data) > MAX_ARGUMENT:
        raise MonitorError(f"argument of {len(data)} bytes is too long for the monitor of QEMU: {argument[:60]!r}...")
    quoted = bytearray(b'"')
    for byte in data:
        if byte in _UNSENDABLE and byte not in _ESCAPES:
            raise MonitorError(f"byte {byte:#04x} cannot be sent to the monitor of QEMU: {argument!r}")
        quoted += _ESCAPES.get(byte, bytes((byte,)))
    return os.fsdecode(bytes(quoted + b'"'))


def short_path(runtime_dir: Path, target: Path) -> str:
    """A short, clean name for a file of any name: a symbolic link in QEMU's working folder, relative to it.

    The link is the caller's to remove (`runtime_dir / name`) when QEMU has opened the file.
    """
    name = f"path-{os.urandom(8).hex()}"
    try:
        (runtime_dir / name).symlink_to(target.absolute())
    except OSError as cause:
        raise SystemFault(f"cannot make a link to '{target}' in '{runtime_dir}'", cause) from cause
    return name


if TYPE_CHECKING:
    from virtctl.qemu.spawn import Spawned
    _Spawn = fdspawn[bytes]
else:
    _Spawn = fdspawn


class _Wire(_Spawn):
    """The open pty. All waiting ends at `limit`, a time of the monotonic clock: the host's clock may jump.

    It also ends after `silence` seconds in which nothing comes.
    """

    limit = 0.0
    silence = math.inf

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> bytes:
        """Reads what has come, waiting until `limit`; the given timeout is a wall clock's and is not used."""
        while True:
            with suppress(BlockingIOError):
                left = min(self.silence, max(0.0, self.limit - time.monotonic()))
                data: bytes = super().read_nonblocking(size, left)
                return data

    def feed(self, data: bytes) -> None:
        """Writes all of `data`. Raises pexpect's TIMEOUT when QEMU does not take it, EOF when QEMU is gone."""
        poller = select.poll()
        poller.register(self.child_fd, select.POLLOUT)
        while data:
            if not poller.poll(max(0.0, self.limit - time.monotonic()) * 1000):
                raise pexpect.TIMEOUT("not taken")
            try:
                data = data[os.write(self.child_fd, data) :]
            except BlockingIOError:
                continue
            except OSError as cause:
                raise pexpect.EOF("gone") from cause


class Monitor:
    """The human monitor of one running guest, ours alone until `close` (or the end of the `with` block)."""

    def __init__(self, wire: _Wire, lock: FileLock, name: str) -> None:
        self._wire = wire
        self._lock = lock
        self._name = name
        self._in_step = False

    @classmethod
    def connect(
        cls, pts: str, *, pid: int, lock_path: Path, name: str, deadline: float = DEADLINE, command: str = "",
        started: int | None = None
    ) -> Monitor:
        """Opens the monitor at `pts` of the QEMU `pid` that runs guest `name`, waiting for our turn.

        `command` is what others are told while we hold it; `started` is the start time of the process, where it is
        known: a later process of that pid is not spoken to.

        The first time QEMU is told to hold its own pty open, so that it answers later ones at once. Raises
        MonitorTimeout naming the holder of the lock, MonitorGone when the pty is not (or no longer) this QEMU's.
        """
        limit = time.monotonic() + deadline
        lock = _take_turn(FileLock(lock_path, command=command, timeout=deadline, for_reading=True), name)
        try:
            monitor = cls(_open(pts, pid, started, name), lock, name)
        except BaseException:
            lock.__exit__(None, None, None)
            raise
        try:
            if not holds_open(pid, pts):
                # Its answer is of no interest: without it all works, only slower.
                monitor.command(f"chardev-add serial,id=hold,path={pts}", limit - time.monotonic())
        except BaseException:
            monitor.close()
            raise
        return monitor

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Gives the monitor to the next process."""
        if not self._wire.closed:
            self._wire.close()
            self._lock.__exit__(None, None, None)

    def command(self, line: str, deadline: float = DEADLINE) -> str:
        """Runs one command line and returns its answer, lines ended by a newline; errors of QEMU are answers too.

        Raises MonitorTimeout after `deadline` seconds, MonitorGone when QEMU ends, MonitorError when the line cannot
        be sent, or when somebody else's bytes came in between so that the answer cannot be relied on. Only somebody's
        Enter, just before ours, cannot be told: it adds a prompt to the answer, which no parser takes.
        """
        data = _sendable(line)
        began = time.monotonic()
        allowed = min(deadline, TYPING)
        try:
            self._wire.limit = began + allowed
            self._type(data)
            allowed = deadline
            self._wire.limit = began + allowed
            answer = self._run()
        except pexpect.TIMEOUT:
            self._withdraw()
            raise MonitorTimeout(
                f"monitor of domain '{self._name}' did not answer '{_verb(line)}' within {allowed:g} seconds"
            ) from None
        except pexpect.EOF:
            self._in_step = False
            raise MonitorGone(f"End of file from monitor of domain '{self._name}'") from None
        if not answer.startswith(b"\r\n"):
            self._in_step = False
            raise MonitorError(f"monitor of domain '{self._name}' was disturbed while it ran '{_verb(line)}'")
        return os.fsdecode(answer[2:].replace(b"\r\n", b"\n"))

    def _synchronise(self) -> None:
        patience = RETYPE
        while not self._in_step:
            nonce = b"zz" + os.urandom(8).hex().encode()
            self._wire.feed(_HOME + nonce + b" \n")
            self._in_step = self._await(_refusal(nonce), patience=patience)[0] == 0
            patience *= 2

    def _type(self, line: bytes) -> None:
        """Types the line, without Enter, and sees it echoed; again, when QEMU's banner or a stranger spoiled it."""
        patience = RETYPE
        while True:
            self._synchronise()
            self._wire.feed(line)
            found, before = self._await(line + b"\x1b[K", _BANNER, patience=patience)
            if found == 0 and (not before or before.endswith(b"\x1b[D")):
                return
            self._in_step = False
            patience *= 2

    def _run(self) -> bytes:
        """Enter, and all that is printed before the prompt of the line that follows."""
        nonce = b"zz" + os.urandom(8).hex().encode()
        self._in_step = False
        self._wire.feed(b"\n" + nonce + b"\n")
        _, before = self._await(_refusal(nonce))
        self._in_step = True
        return before[: before.rindex(_PROMPT)] if _PROMPT in before else b""

    def _await(self, *wanted: bytes, patience: float = math.inf) -> tuple[int, bytes]:
        """Which of the texts came, and what stood before it; -1 when nothing came for `patience` seconds."""
        self._wire.silence = patience
        try:
            index = self._wire.expect_exact(list(wanted), timeout=None)
        except pexpect.TIMEOUT:
            if time.monotonic() >= self._wire.limit:
                raise
            return -1, b""
        return index, self._wire.before or b""

    def _withdraw(self) -> None:
        """Takes back what QEMU has not read yet, so that it does not run long after we gave up."""
        self._in_step = False
        with suppress(termios.error, OSError):
            termios.tcflush(self._wire.child_fd, termios.TCOFLUSH)


def _refusal(nonce: bytes) -> bytes:
    return b"unknown command: '" + nonce + b"'\r\n" + _PROMPT


def _verb(line: str) -> str:
    """The command without its arguments, which may hold a secret."""
    words = line.split()
    return " ".join(words[:2] if words[0] == "info" else words[:1])


def _sendable(line: str) -> bytes:
    data = line.encode(errors="surrogateescape")
    if not line.strip():
        raise MonitorError("an empty command cannot be sent to the monitor of QEMU")
    if len(data) > MAX_COMMAND:
        raise MonitorError(f"command of {len(data)} bytes is too long for the monitor of QEMU: '{line[:60]}...'")
    bad = _UNSENDABLE.intersection(data)
    if bad:
        raise MonitorError(f"byte {min(bad):#04x} cannot be sent to the monitor of QEMU: '{_verb(line)}'")
    if line.split()[:2] == ["change", "vnc"] and len(line.split()) < 4:
        raise MonitorError("'change vnc' without its value would ask for it on the monitor")
    return data


def _take_turn(lock: FileLock, name: str) -> FileLock:
    try:
        held = lock.__enter__()
    except OperationTimeout as cause:
        raise MonitorTimeout(f"monitor of domain '{name}' is in use ({describe_holder(lock.path)})") from cause
    except SystemFault as cause:
        if cause.errno == errno.ENOENT:
            raise MonitorGone(f"domain '{name}' has ended, its monitor is gone") from cause
        raise
    if held is not lock:
        lock.__exit__(None, None, None)
        raise MonitorError(f"monitor of domain '{name}' is in use by this very process")
    return lock


def _open(pts: str, pid: int, started: int | None, name: str) -> _Wire:
    """Opens the slave side once it is known to be this QEMU's; while we hold it open it cannot become another's.

    What the dead left there, in both directions, is thrown away.
    """
    gone = MonitorGone(f"monitor '{pts}' does not belong to the QEMU of domain '{name}' (pid {pid})")
    try:
        if not pty_belongs_to(pid, pts):
            raise gone
        fd = os.open(slave_of(pid, pts), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as cause:
        raise SystemFault(f"cannot open monitor '{pts}' of domain '{name}'", cause) from cause
    try:
        if not pty_belongs_to(pid, pts) or started not in (None, start_time(pid)):
            raise gone
        _make_raw(fd)
        with suppress(termios.error):
            termios.tcflush(fd, termios.TCIOFLUSH)
        wire = _Wire(fd, maxread=65536, use_poll=True)
        wire.delayafterread = None  # pexpect would sleep after every read; what it waits for there, a pty has not
        return wire
    except BaseException:
        os.close(fd)
        raise


def _make_raw(fd: int) -> None:
    """QEMU made the pty raw; a terminal program that was let loose on it may have changed that."""
    try:
        mode = termios.tcgetattr(fd)
        raw = [0, 0, (mode[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8, 0, *mode[4:6]]
        if mode[0] or mode[1] & termios.OPOST or mode[3] & (termios.ECHO | termios.ICANON | termios.ISIG):
            termios.tcsetattr(fd, termios.TCSANOW, [*raw, mode[6]])
    except termios.error as cause:
        raise MonitorError(f"cannot set the monitor's terminal: {cause}") from cause


def first_contact(child: Spawned, *, lock_path: Path, name: str, deadline: float = 30.0) -> Monitor:
    """The monitor of a QEMU that was just spawned, once it answers.

    Raises QemuFailed with QEMU's own words when it ends instead, as it does for most faults of its command line.
    """
    try:
        monitor = Monitor.connect(child.pts, pid=child.identity.pid, lock_path=lock_path, name=name, deadline=deadline,
                                  started=child.identity.start_time)
        try:
            from virtctl.qemu.spawn import GATE_ID  # not above: every command that asks a guest would load it

            monitor.command(f"chardev-remove {GATE_ID}", deadline)
        except BaseException:
            monitor.close()
            raise
    except VirtctlError as cause:
        if isinstance(cause, MonitorGone | SystemFault) and child.ended(1.0):
            raise child.failure() from cause
        raise
    return monitor
