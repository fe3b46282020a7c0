"""A conversation between this terminal and a guest's console, driven by pexpect."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
import struct
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from pexpect import EOF, TIMEOUT, fdpexpect

from virtctl.errors import OperationFailed, SystemFault
from virtctl.values import ConsolePlace

if TYPE_CHECKING:
    Console = fdpexpect.fdspawn[bytes]

CHUNK = 4096
FORCE_SECONDS = 2.0


def escape_byte(escape: str) -> bytes:
    """The byte that leaves: `^]` is Control and `]`; a single character is itself."""
    return bytes([ord(escape[1].upper()) ^ 0x40]) if len(escape) == 2 else escape.encode()


class Link:
    """An open console. Only one session has it at a time: a lock on the terminal device says so, and whose."""

    def __init__(self, place: ConsolePlace, *, force: bool) -> None:
        self.place = place
        self.force = force

    def __enter__(self) -> Console:
        """Connects. Raises OperationFailed when somebody else is connected, SystemFault when it cannot be opened."""
        try:
            self.descriptor = self._open()
        except OSError as error:
            raise SystemFault(f"cannot open the console '{self.place.path}'", error) from error
        if self.place.kind == "pty":
            self._take_turn()
        return fdpexpect.fdspawn(self.descriptor)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.descriptor)

    def _open(self) -> int:
        if self.place.kind == "pty":
            return os.open(self.place.door or self.place.path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        link = socket.socket(socket.AF_UNIX)
        link.connect(self.place.path)
        return link.detach()

    def _take_turn(self) -> None:
        deadline = time.monotonic() + FORCE_SECONDS
        while not self._lock():
            owner = self._owner()
            if not self.force or time.monotonic() > deadline:
                os.close(self.descriptor)
                raise OperationFailed("Active console session exists for this domain")
            if owner > 0:  # 0 is out of our sight, -1 nobody in particular: those words would reach many others
                os.kill(owner, signal.SIGHUP)
            time.sleep(0.02)

    def _lock(self) -> bool:
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):
                return False
            raise SystemFault(f"cannot lock the console '{self.place.path}'", error) from error
        return True

    def _owner(self) -> int:
        """The process that has the console, 0 when it just left."""
        layout = "hhqqi4x"
        asked = struct.pack(layout, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = struct.unpack(layout, fcntl.fcntl(self.descriptor, fcntl.F_GETLK, asked))
        return int(found[4]) if found[0] != fcntl.F_UNLCK else 0


@contextmanager
def unechoed() -> Iterator[None]:
    """The terminal does not echo: what is typed as soon as the connection is told of belongs to the guest."""
    before = termios.tcgetattr(0)
    quiet = [*before[:3], before[3] & ~termios.ECHO, *before[4:]]
    termios.tcsetattr(0, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def talk(link: Console, escape: bytes) -> None:
    """Passes bytes both ways until the escape key, the end of the guest, or a signal that ends us."""
    before = termios.tcgetattr(0)
    handlers = {number: signal.signal(number, _leave) for number in (signal.SIGHUP, signal.SIGTERM)}
    tty.setraw(0, termios.TCSADRAIN)  # what was typed already is not lost
    try:
        while _pass(link, escape):
            pass
    except _Leave:
        return
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


class _Leave(Exception):
    pass


def _leave(number: int, frame: FrameType | None) -> None:
    raise _Leave


def _pass(link: Console, escape: bytes) -> bool:
    """One round; False when the conversation is over."""
    ready, _, _ = select.select([0, link.child_fd], [], [])
    if link.child_fd in ready:
        try:
            _write_all(1, link.read_nonblocking(CHUNK, 0))
        except TIMEOUT:
            return True
        except EOF:
            return False
    if 0 not in ready:
        return True
    typed = os.read(0, CHUNK)
    before, found, _ = typed.partition(escape)
    try:
        _write_all(link.child_fd, before)
    except OSError:
        return False  # the guest has just ended
    return bool(typed) and not found


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
