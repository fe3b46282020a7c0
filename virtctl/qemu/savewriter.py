"""Writes a saved image: under another name, marked partial, until every byte of it is on the disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import TracebackType

from virtctl.errors import ImageError, SystemFault
from virtctl.qemu import compress, saveheader
from virtctl.qemu.saveheader import COMPRESSIONS, PARTIAL, VERSION, Header, Seal
from virtctl.qemu.streamdigest import StreamDigest
from virtctl.state.atomic import create_temp, discard, sync_folder, write_all

_SEND_EVERY = 32 * 1024 * 1024


class ImageWriter:
    """A new image for `path`; `write` takes the stream piece by piece, `finish` gives the file its name.

    Leaving the `with` block without `finish` removes what was written; an older image of that name stays whole until
    the new one is. `bypass_cache` keeps the image from pushing other files out of the page cache.
    """

    def __init__(
        self, path: Path, xml: str, *, cookie: str | None = None, compression: str = "raw", bypass_cache: bool = False
    ) -> None:
        if compression not in COMPRESSIONS:
            raise ImageError(f"Invalid save image format specified: {compression}")
        self.path = path
        self.length = 0
        self._real = regular_target(path)
        self._data, offset = saveheader.pack_data(xml, cookie)
        self._header = Header(VERSION, len(self._data), 0, COMPRESSIONS.index(compression), offset, magic=PARTIAL)
        self._compressor = compress.compressor(compression)
        self._digest = StreamDigest()
        self._bypass_cache = bypass_cache
        self._sent = 0  # bytes that are on their way to the disk
        self._fd = -1
        self.temp: Path | None = None
        try:
            self._fd, self.temp = create_temp(self._real)
            write_all(self._fd, self._header.pack() + self._data)
        except BaseException as cause:
            self.abort()
            if isinstance(cause, OSError):
                raise self._fault(cause) from cause
            raise

    def __enter__(self) -> ImageWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.abort()

    def write(self, data: bytes | memoryview) -> None:
        """Takes a piece of QEMU's stream, which must not be changed before `streamdigest.BEHIND` have been taken.

        Raises `SystemFault` when the disk refuses it.
        """
        self._put(data if self._compressor is None else self._compressor.compress(data))

    def _put(self, data: bytes | memoryview) -> None:
        try:
            write_all(self._fd, data)
            self._digest.update(data)
            self.length += len(data)
            if self.length - self._sent >= _SEND_EVERY:
                self._send()
        except OSError as cause:
            raise self._fault(cause) from cause

    def _send(self) -> None:
        """The disk begins to write what it will have to; else it would wait for the sync at the end, and all with it.

        Linux answers this advice by beginning to write, and drops from its cache what is on the disk already.
        """
        if self._bypass_cache:
            os.fdatasync(self._fd)
        start = 0 if self._bypass_cache else self._sent
        os.posix_fadvise(self._fd, start, 0, os.POSIX_FADV_DONTNEED)
        self._sent = self.length

    def finish(self, *, running: bool) -> None:
        """Completes the image and makes it durable under its name. Raises `ImageError`, `SystemFault`."""
        temp = self.temp
        if temp is None:
            raise ImageError("the image is already complete or given up")
        if self._compressor is not None:
            self._put(self._compressor.flush())
            self._compressor = None
        if self.length == 0:
            raise ImageError("QEMU sent no memory to save")
        header = self._header._replace(magic=saveheader.COMPLETE, was_running=int(running))
        header = saveheader.with_seal(header, self._data, Seal(self.length, self._digest.digest()))
        try:
            if os.fstat(self._fd).st_size != saveheader.SIZE + len(self._data) + self.length:
                raise ImageError("the file is not as long as what was written to it")
            self._write_header(header.pack())
            os.fsync(self._fd)
            if self._bypass_cache:
                self._send()
            fd, self._fd = self._fd, -1
            os.close(fd)
            temp.rename(self._real)
        except OSError as cause:
            raise self._fault(cause) from cause
        self.temp = None
        sync_folder(self._real.parent)

    def _write_header(self, raw: bytes) -> None:
        done = 0
        while done < len(raw):
            done += os.pwrite(self._fd, raw[done:], done)

    def abort(self) -> None:
        """Removes what was written, unless the image is complete."""
        self._digest.close()
        close = getattr(self._compressor, "close", None)
        self._compressor = None
        if close is not None:
            close()
        if self.temp is not None:
            discard(self._fd, self.temp)
            self._fd, self.temp = -1, None

    def _fault(self, cause: OSError) -> SystemFault:
        return SystemFault(f"cannot write save image '{self.path}'", cause)


def regular_target(path: Path) -> Path:
    """The file that is to be replaced: a link is followed, as libvirt does, but not a stranger's in a shared folder."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return path
    except OSError as cause:
        raise SystemFault(f"cannot look at '{path}'", cause) from cause
    if stat.S_ISLNK(found.st_mode):
        shared = path.parent.stat().st_mode & 0o022
        if shared and found.st_uid not in (os.geteuid(), 0):
            raise ImageError(f"'{path}' is a symbolic link of another user")
        path = Path(os.path.realpath(path))
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ImageError(f"'{path}' is not a regular file")
    except FileNotFoundError:
        pass
    except OSError as cause:  # links that lead round in a circle
        raise SystemFault(f"cannot look at '{path}'", cause) from cause
    return path
