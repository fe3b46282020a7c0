"""Saved images of guests in libvirt's file format: writing, checking, reading and editing.

An image is written under another name and gets its own only when all of it is on the disk. It is checked before a guest
runs from it, and the descriptor that is checked is the one that QEMU reads. The form of 2007 (a bare stream that
ends in a magic and the domain's uuid) is read too. See `saveheader` for the layout.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from virtctl.errors import ImageError, OperationTimeout, SystemFault, VirtctlError
from virtctl.qemu import compress, saveheader
from virtctl.qemu.saveheader import Header, Seal
from virtctl.state.atomic import remove_file, write_all, write_file

LEGACY_TRAILER = b"LibvirtQemudUUID\0"  # with its NUL, as the C of 2007 wrote it; the 16 raw bytes of the uuid follow
_LEGACY_SIZE = len(LEGACY_TRAILER) + 16
_REDO_MAGIC = b"virtctl save head redo 1\n"
_BUSY_TIMEOUT = 10.0


class SaveImage:
    """An open image. `xml` is None and `uuid` is set for the form of 2007, which has no definition of its own."""

    def __init__(self, path: Path, fd: int, size: int) -> None:
        self.path = path
        self.fd = fd
        self.size = size
        self.header: Header | None = None
        self.xml: str | None = None
        self.cookie: str | None = None
        self.uuid: str | None = None
        self.seal: Seal | None = None
        self.stream_offset = 0
        self.stream_length = 0

    def __enter__(self) -> SaveImage:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the descriptor."""
        if self.fd >= 0:
            with suppress(OSError):
                os.close(self.fd)
            self.fd = -1

    @property
    def was_running(self) -> bool:
        """Whether the guest ran when it was saved; unknown in the form of 2007, which always paused it first."""
        return self.header is not None and bool(self.header.was_running)

    @property
    def compression(self) -> str:
        """One of `saveheader.COMPRESSIONS`."""
        return self.header.compression if self.header else "raw"

    def verify(self, progress: Callable[[int, int], object] | None = None) -> bool:
        """Reads the whole stream and compares it with the seal; False when the image has none (libvirt's have not).

        `progress` is called with the bytes done and the bytes in all. Raises `ImageError`, `SystemFault`.
        """
        if self.seal is None:
            return False
        import hashlib

        from virtctl.qemu.chunkdigest import ChunkDigest

        digest = ChunkDigest() if self.seal.marker == saveheader.CHUNKED else hashlib.sha256()
        view = memoryview(bytearray(compress.CHUNK))
        done = 0
        while done < self.stream_length:
            count = self._read_into(view[: self.stream_length - done], self.stream_offset + done)
            digest.update(view[:count])
            done += count
            if progress is not None:
                progress(done, self.stream_length)
        if digest.digest() != self.seal.stream_hash:
            raise ImageError("save image is damaged: the memory in it does not match its checksum")
        return True

    def drop_cache(self) -> None:
        """Makes room for other files in the host's page cache, where the host is willing."""
        with suppress(OSError):
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def _read_into(self, view: memoryview, offset: int) -> int:
        try:
            count = os.preadv(self.fd, [view], offset)
        except OSError as cause:
            raise SystemFault(f"cannot read save image '{self.path}'", cause) from cause
        if count == 0:
            raise ImageError("save image is damaged: it became shorter while it was read")
        return count

    def open_stream(self, folder: Path, limit: int) -> int:
        """A descriptor for `-incoming fd:N` at the start of the stream, which the caller closes.

        A compressed stream is unpacked into a nameless file in `folder` first, so that damage shows before QEMU starts;
        `limit` is the most bytes it may unpack to. Raises `ImageError`, `OperationFailed`, `SystemFault`.
        """
        if self.compression == "raw":
            fd = os.dup(self.fd)
            os.lseek(fd, self.stream_offset, os.SEEK_SET)
            return fd
        try:
            fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as cause:
            raise SystemFault(f"cannot create a file in '{folder}'", cause) from cause
        try:
            compress.decompress(self.compression, self.fd, self.stream_offset, _checked_writer(fd), limit)
            _check_start("raw", os.pread(fd, 16, 0))
            os.lseek(fd, 0, os.SEEK_SET)
        except OSError as cause:
            os.close(fd)
            raise SystemFault(f"cannot unpack save image '{self.path}' into '{folder}'", cause) from cause
        except BaseException:
            os.close(fd)
            raise
        return fd


def open_image(path: Path, *, trust_head: bool = False) -> SaveImage:
    """Opens an image and checks all of it but the stream (see `verify`).

    `trust_head` is for an image whose XML another program edited; its stream has to be verified all the more.
    Raises `ImageError` in libvirt's words, `SystemFault` when the file cannot be read.
    """
    fd, size = _open(path, os.O_RDONLY)
    image = SaveImage(path, fd, size)
    try:
        _take_turn(fd, fcntl.LOCK_SH, path)
        if _redo_path(path).exists():
            _finish_edit(path)
        _load(image, trust_head)
        fcntl.flock(fd, fcntl.LOCK_UN)  # QEMU inherits this open file
    except OSError as cause:
        image.close()
        raise SystemFault(f"cannot read save image '{path}'", cause) from cause
    except BaseException:
        image.close()
        raise
    return image


def _open(path: Path, flags: int) -> tuple[int, int]:
    """Descriptor and size. The path may be a link, as for libvirt; a FIFO or device is refused, not waited for."""
    try:
        fd = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as cause:
        raise SystemFault(f"Failed to open file '{path}'", cause) from cause
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise ImageError(f"'{path}' is not a regular file")
    return fd, found.st_size


def _take_turn(fd: int, kind: int, path: Path) -> None:
    """Waits for a `save-image-define` at work on the file."""
    deadline = time.monotonic() + _BUSY_TIMEOUT
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError as cause:
            if time.monotonic() > deadline:
                raise OperationTimeout(f"save image '{path}' is being changed by another process") from cause
            time.sleep(0.005)


def _load(image: SaveImage, trust_head: bool) -> None:
    raw = os.pread(image.fd, saveheader.SIZE, 0)
    if _load_legacy(image, raw):
        return
    header = saveheader.parse(raw)
    end = saveheader.SIZE + header.data_length
    data = _read_exactly(image.fd, header.data_length, saveheader.SIZE) if end <= image.size else b""
    if len(data) < header.data_length:
        raise ImageError("failed to read domain XML")
    image.header = header
    image.stream_offset = end
    image.stream_length = image.size - end
    image.seal = saveheader.read_seal(header, data, trust_head=trust_head)
    image.xml, image.cookie = saveheader.split_data(header, data)
    kind = header.compression
    if image.seal is not None and image.seal.stream_length != image.stream_length:
        wanted = end + image.seal.stream_length
        raise ImageError(f"save image is damaged: it is {image.size} bytes long and should be {wanted}")
    _check_start(kind, os.pread(image.fd, 16, end))


def _load_legacy(image: SaveImage, raw: bytes) -> bool:
    """Recognises the form of 2007 by its last bytes."""
    if raw[:16] in (saveheader.PARTIAL, saveheader.COMPLETE) or image.size < _LEGACY_SIZE:
        return False
    trailer = os.pread(image.fd, _LEGACY_SIZE, image.size - _LEGACY_SIZE)
    if not trailer.startswith(LEGACY_TRAILER):
        return False
    digits = trailer[len(LEGACY_TRAILER) :].hex()
    image.uuid = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
    image.stream_length = image.size - _LEGACY_SIZE
    _check_start("raw", raw[: min(16, image.stream_length)])
    return True


def _read_exactly(fd: int, length: int, offset: int) -> bytes:
    data = b""
    while len(data) < length and (chunk := os.pread(fd, length - len(data), offset + len(data))):
        data += chunk
    return data


def _checked_writer(fd: int) -> Callable[[bytes], None]:
    """Writes what is unpacked; refuses at once, not at its end, what does not begin as a stream of QEMU."""
    seen = 0

    def write(data: bytes) -> None:
        nonlocal seen
        if seen < 16 <= seen + len(data):
            _check_start("raw", (os.pread(fd, 16, 0) + data)[:16])
        write_all(fd, data)
        seen += len(data)

    return write


def _check_start(kind: str, start: bytes) -> None:
    """Refuses a stream that QEMU or the decompressor would wait on for ever, or misread."""
    if not start:
        raise ImageError("save image is damaged: no memory follows its header")
    if not start.startswith(compress.MAGICS[kind]):
        what = "a migration stream of QEMU" if kind == "raw" else f"{kind} data, as its header says"
        raise ImageError(f"save image is damaged: what follows its header is not {what}")


# Editing


def define_xml(path: Path, xml: str, *, running: bool | None = None) -> None:
    """Replaces the domain XML in an image, and with `running` the state that a restore gives the guest.

    The head is rewritten where it lies, since the stream may be huge. Its new bytes are put beside the image first, so
    that a crash in the middle is finished by whoever opens the image next. An image whose head is damaged, or was
    edited by another program, is made good when its stream proves whole. Raises `ImageError`, `SystemFault`.
    """
    with _open_for_edit(path) as image:
        if image.header is None:
            raise ImageError("an image of the form of 2007 holds no domain XML")
        header = image.header
        data, offset = saveheader.pack_data(xml, image.cookie, header.data_length)
        was_running = header.was_running if running is None else int(running)
        header = header._replace(cookie_offset=offset, was_running=was_running)
        if image.seal is not None:
            header = saveheader.with_seal(header, data, image.seal)
        _replace_head(path, header.pack() + data)


def _open_for_edit(path: Path) -> SaveImage:
    try:
        return open_image(path)
    except ImageError:
        image = open_image(path, trust_head=True)
        try:
            image.verify()
        except BaseException:
            image.close()
            raise
        return image


def _replace_head(path: Path, head: bytes) -> None:
    fd, size = _open(path, os.O_RDWR)
    redo = _redo_path(path)
    try:
        _take_turn(fd, fcntl.LOCK_EX, path)
        old = _read_exactly(fd, len(head), 0)
        write_file(redo, _pack_redo(os.fstat(fd).st_ino, size, head))
        try:
            _write_head(fd, head)
        except OSError as cause:
            with suppress(OSError, VirtctlError):  # if this fails too, the next to open it completes the change
                _write_head(fd, old)
                remove_file(redo)
            raise SystemFault(f"cannot write save image '{path}'", cause) from cause
        remove_file(redo)
    finally:
        os.close(fd)


def _write_head(fd: int, head: bytes) -> None:
    done = 0
    while done < len(head):
        done += os.pwrite(fd, memoryview(head)[done:], done)
    os.fsync(fd)


def _redo_path(path: Path) -> Path:
    import hashlib

    real = Path(os.path.realpath(path))
    return real.with_name(f".{hashlib.sha256(os.fsencode(real.name)).hexdigest()[:24]}.redo")


def _pack_redo(inode: int, size: int, head: bytes) -> bytes:
    import hashlib

    text = _REDO_MAGIC + inode.to_bytes(8, "little") + size.to_bytes(8, "little") + head
    return text + hashlib.sha256(text).digest()


def _finish_edit(path: Path) -> None:
    """Completes an edit that was cut off; one that belongs to another file of that name is dropped."""
    import hashlib

    redo = _redo_path(path)
    fd, size = _open(path, os.O_RDWR)
    try:
        text = redo.read_bytes()
        fixed = _REDO_MAGIC + os.fstat(fd).st_ino.to_bytes(8, "little") + size.to_bytes(8, "little")
        if text.startswith(fixed) and hashlib.sha256(text[:-32]).digest() == text[-32:]:
            _write_head(fd, text[len(fixed) : -32])
        remove_file(redo)
    except FileNotFoundError:
        return
    finally:
        os.close(fd)


def remove_image(path: Path) -> bool:
    """Removes an image and what an interrupted edit left beside it; says whether there was one. `SystemFault`."""
    remove_file(_redo_path(path), sync=False)
    return remove_file(path)
