"""The standard streams: written in order, safe for a terminal, and never lost without a word."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
from typing import TextIO

# Control characters, bytes that are no letters, and what turns the direction of writing round; a carriage return only
# begins a text (progress that is written over) or ends a line.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]"
                      "|(?<!\\A)\r(?!\n)")


def shown(text: str) -> str:
    """The text with such characters spelled out, so that no name or message can drive a terminal."""
    return _CONTROL.sub(lambda found: _spelled(ord(found[0])), text)


def _spelled(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is no letter
        code &= 0xFF
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class OutputLost(Exception):
    """What was printed cannot reach its reader; the text says why."""


class Stream:
    """One of the two output streams; a terminal gets control characters spelled out."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.terminal = file.isatty()

    def write(self, text: str) -> None:
        """Writes text; it may wait in a buffer until `flush`. Raises as `flush` does."""
        try:
            self.file.write(shown(text) if self.terminal else text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(error.strerror) from error

    def flush(self) -> None:
        """Brings what was written to its reader. Raises BrokenPipeError when it went away, OutputLost otherwise."""
        try:
            self.file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputLost(error.strerror) from error


def open_streams() -> tuple[Stream, Stream]:
    """Standard output and error. Descriptors that the caller closed are opened on /dev/null, so that no file of ours
    can ever take their place, and what was printed by mistake would end up in a disk image.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open("/dev/null", mode)
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))
    sys.stdout, sys.stderr = _buffered(sys.stdout), _buffered(sys.stderr)
    for file in (sys.stdout, sys.stderr):
        if hasattr(file, "reconfigure"):
            file.reconfigure(errors="surrogateescape")
    return Stream(sys.stdout), Stream(sys.stderr)


def _buffered(file: TextIO) -> TextIO:
    """The same stream with a buffer: without one (PYTHONUNBUFFERED), Python drops what a short write has left over."""
    raw = getattr(file, "buffer", None)
    if not isinstance(raw, io.RawIOBase) or not isinstance(file, io.TextIOWrapper):
        return file
    encoding = file.encoding
    file.detach()
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, line_buffering=raw.isatty())


def abandon(stream: Stream) -> None:
    """Points a stream that cannot be written to /dev/null, so that Python's own flush at exit stays silent."""
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, stream.file.fileno())
    os.close(null)


def die_of_broken_pipe() -> None:
    """Ends as every program ends whose reader went away."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
