"""Compression of saved images: gzip, bzip2 and xz by Python's own modules, lzop and zstd by their programs.

Both directions stream, and what comes out is bounded: an image of a few kilobytes that unpacks to terabytes is refused
when it passes the caller's limit, not when the disk is full.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from virtctl.errors import ImageError, OperationFailed
from virtctl.state.atomic import write_all

if TYPE_CHECKING:
    import subprocess

CHUNK = 1024 * 1024
MAGICS = {
    "raw": b"QEVM",
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "lzop": b"\x89LZO\0\r\n\x1a\n",
    "zstd": b"\x28\xb5\x2f\xfd",
}
_PROGRAMS = {"lzop": ["lzop"], "zstd": ["zstd", "-q"]}


class Compressor(Protocol):
    """Takes pieces of the stream, gives pieces of the compressed one."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """What came out so far; may be empty."""
        ...

    def flush(self) -> bytes:
        """The rest. Raises `OperationFailed` when the program failed."""
        ...


class _Decoder(Protocol):
    """The shape that bz2 and lzma share."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gunzip:
    """zlib's decompressor in that shape."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def compressor(kind: str) -> Compressor | None:
    """A fresh compressor for one of `saveheader.COMPRESSIONS`, None for `raw`. Raises `OperationFailed`."""
    if kind == "raw":
        return None
    if kind == "gzip":
        return zlib.compressobj(wbits=31)
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Compressor()
    if kind == "xz":
        import lzma

        return lzma.LZMACompressor(preset=3)
    return _Program(kind)


class _Program:
    """A compressing program between two pipes; a thread empties its output, so that neither side waits for ever."""

    def __init__(self, kind: str) -> None:
        import queue
        import subprocess
        import threading

        self._kind = kind
        self._child = _spawn(kind, ["-c"], subprocess.PIPE)
        self._out: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        assert self._child.stdout is not None
        while chunk := os.read(self._child.stdout.fileno(), CHUNK):
            self._out.put(chunk)

    def compress(self, data: bytes | memoryview, /) -> bytes:
        assert self._child.stdin is not None
        try:
            write_all(self._child.stdin.fileno(), data)
        except BrokenPipeError as cause:
            raise OperationFailed(f"compression program '{self._kind}' ended too early") from cause
        return self._drain()

    def flush(self) -> bytes:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        self._reader.join()
        self._child.stdout.close()
        if self._child.wait() != 0:
            raise OperationFailed(f"compression program '{self._kind}' failed with status {self._child.returncode}")
        return self._drain()

    def _drain(self) -> bytes:
        pieces = []
        while not self._out.empty():
            pieces.append(self._out.get())
        return b"".join(pieces)

    def close(self) -> None:
        """Ends the program of a compression that was given up."""
        if self._child.poll() is None:
            self._child.kill()
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        self._reader.join()
        self._child.stdout.close()
        self._child.wait()


def _spawn(kind: str, arguments: list[str], source: int) -> subprocess.Popen[bytes]:
    import subprocess

    try:
        return subprocess.Popen(
            [*_PROGRAMS[kind], *arguments],
            stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
        )  # fmt: skip
    except OSError as cause:
        hint = f"install the package {kind}"
        raise OperationFailed(f"compression program '{kind}' cannot be run: {cause.strerror}", hint=hint) from cause


def decompress(kind: str, fd: int, offset: int, write: Callable[[bytes], object], limit: int) -> int:
    """Unpacks the file from `offset` to its end, piece by piece, into `write`; gives the unpacked length.

    Raises `ImageError` when the data are damaged, cut short, followed by junk, or unpack to more than `limit` bytes.
    """
    total = 0
    for chunk in _pieces(kind, fd, offset):
        total += len(chunk)
        if total > limit:
            raise ImageError(f"save image unpacks to more than {limit} bytes, more than its domain can have written")
        write(chunk)
    return total


def _pieces(kind: str, fd: int, offset: int) -> Iterator[bytes]:
    if kind in _PROGRAMS:
        yield from _by_program(kind, fd, offset)
        return
    import lzma

    try:
        yield from _by_module(kind, fd, offset)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as cause:
        if isinstance(cause, OSError) and cause.errno is not None:  # the file, not what is in it: bz2 raises a bare one
            raise
        raise ImageError(f"save image is damaged: its {kind} data cannot be unpacked: {cause}") from cause


def _decoder(kind: str) -> _Decoder:
    if kind == "gzip":
        return _Gunzip()
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor()
    import lzma

    return lzma.LZMADecompressor(memlimit=512 * 1024 * 1024)


def _by_module(kind: str, fd: int, offset: int) -> Iterator[bytes]:
    decoder = _decoder(kind)
    while True:
        data = b""
        if decoder.needs_input:
            data = os.pread(fd, CHUNK, offset)
            offset += len(data)
            if not data:
                raise EOFError("they are cut short")
        yield decoder.decompress(data, CHUNK)
        if decoder.eof:
            rest = decoder.unused_data or os.pread(fd, CHUNK, offset)
            if not rest:
                return
            if not rest.startswith(MAGICS[kind][: len(rest)]):
                raise EOFError("junk follows them")
            offset -= len(decoder.unused_data)  # a further member: gzip and its like may be concatenated
            decoder = _decoder(kind)


def _by_program(kind: str, fd: int, offset: int) -> Iterator[bytes]:
    source = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)  # a file position of its own
    try:
        os.lseek(source, offset, os.SEEK_SET)
        child = _spawn(kind, ["-d", "-c"], source)
    finally:
        os.close(source)
    assert child.stdout is not None
    try:
        while chunk := os.read(child.stdout.fileno(), CHUNK):
            yield chunk
        if child.wait() != 0:
            raise ImageError(f"save image is damaged: its {kind} data cannot be unpacked")
    finally:
        if child.poll() is None:
            child.kill()
        child.stdout.close()
        child.wait()
