"""The head of libvirt's save file: 92 bytes of header, then the domain XML, a cookie and room for both to grow.

    0  magic, 16 bytes: LibvirtQemudPart while it is being written, LibvirtQemudSave when it is complete
   16  version, data length, was running, compression, cookie offset: 32-bit words in the writer's byte order
   36  14 unused words
   92  the data: XML NUL cookie NUL zeros; the stream of QEMU follows it

libvirt leaves the unused words zero and does not read them. virtctl keeps its seal there, which covers the whole file:

   36  marker, 4 bytes
   40  length of the stream, 8 bytes, little endian
   48  digest of the stream, by the marker: `vsd2` see `chunkdigest`; `vsd1`, of older images, its SHA-256
   80  the first 12 bytes of the SHA-256 of the 80 bytes before (with the complete magic) and the data

A file whose unused words are all zero has no seal and is read unchecked, as libvirt does. Anything else there must be
a right seal, so that a damaged seal never passes for none.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from virtctl.errors import ImageError

PARTIAL = b"LibvirtQemudPart"
COMPLETE = b"LibvirtQemudSave"
VERSION = 2
SIZE = 92
PADDING = 65536
MAX_XML = 16 * 1024 * 1024
MAX_DATA = 2 * MAX_XML + PADDING + 2
COMPRESSIONS = ("raw", "gzip", "bzip2", "xz", "lzop", "zstd")  # the index is the number in the header
PLAIN, CHUNKED = b"vsd1", b"vsd2"
_WORDS = 5
_UNUSED = SIZE - 16 - 4 * _WORDS
_SEAL = struct.Struct("<4sQ32s12s")


class Header(NamedTuple):
    """The fixed part. `order` is the byte order of its words, `<` or `>`; `unused` are the last 56 bytes."""

    version: int
    data_length: int
    was_running: int
    compressed: int
    cookie_offset: int
    unused: bytes = bytes(_UNUSED)
    order: str = "<"
    magic: bytes = COMPLETE

    def pack(self) -> bytes:
        """The 92 bytes as they stand in the file."""
        words = (self.version, self.data_length, self.was_running, self.compressed, self.cookie_offset)
        return self.magic + struct.pack(f"{self.order}{_WORDS}I", *words) + self.unused

    @property
    def compression(self) -> str:
        """The name of the compression. Raises `ImageError` for a number that nobody gave a meaning."""
        if self.compressed >= len(COMPRESSIONS):
            raise ImageError(f"Invalid compressed save format {self.compressed}")
        return COMPRESSIONS[self.compressed]


class Seal(NamedTuple):
    """What the seal says of the stream: its length in bytes and its digest, by a rule of that marker."""

    stream_length: int
    stream_hash: bytes
    marker: bytes = CHUNKED


def parse(raw: bytes) -> Header:
    """Reads the fixed part. Raises `ImageError` in libvirt's words."""
    if len(raw) < SIZE:
        raise ImageError("failed to read qemu header")
    magic = raw[:16]
    if magic == PARTIAL:
        raise ImageError("save image is incomplete")
    if magic != COMPLETE:
        raise ImageError("image magic is incorrect")
    order = "<"
    words = struct.unpack_from(f"<{_WORDS}I", raw, 16)
    if words[0] > VERSION:  # written on a machine of the other byte order, or by a newer libvirt
        order = ">"
        words = struct.unpack_from(f">{_WORDS}I", raw, 16)
    version, length, running, kind, cookie_offset = words
    header = Header(version, length, running, kind, cookie_offset, raw[36:SIZE], order)
    if header.version > VERSION:
        raise ImageError(f"image version is not supported ({header.version} > {VERSION})")
    if not 0 < header.data_length <= MAX_DATA:
        signed = header.data_length - (1 << 32 if header.data_length >> 31 else 0)
        raise ImageError(f"invalid header data length: {signed}")
    if header.cookie_offset > header.data_length:
        raise ImageError(f"invalid cookie offset {header.cookie_offset} in header")
    return header


def pack_data(xml: str, cookie: str | None, length: int | None = None) -> tuple[bytes, int]:
    """The data part and the offset of the cookie in it (0 without one).

    `length` is that of an existing file, which cannot change; without it, room is left for the XML to grow.
    Raises `ImageError` when the data do not fit.
    """
    data = _encode(xml, "XML") + b"\0"
    offset = 0
    if cookie is not None:
        offset = len(data)
        data += _encode(cookie, "cookie") + b"\0"
    if length is None:
        length = len(data) + PADDING
    if len(data) > length:
        raise ImageError("new xml too large to fit in file")
    return data.ljust(length, b"\0"), offset


def _encode(text: str, what: str) -> bytes:
    data = text.encode()
    if len(data) > MAX_XML:
        raise ImageError(f"the domain's {what} is larger than {MAX_XML} bytes")
    if b"\0" in data:
        raise ImageError(f"the domain's {what} holds a NUL")
    return data


def split_data(header: Header, data: bytes) -> tuple[str, str | None]:
    """The XML and the cookie, None without one. Raises `ImageError`."""
    end = header.cookie_offset or header.data_length
    xml = data[:end].partition(b"\0")[0]
    cookie = data[end:].partition(b"\0")[0] if header.cookie_offset else None
    if not xml or len(xml) > MAX_XML or len(xml) == end:  # the last: no NUL ends it
        raise ImageError("failed to read domain XML")
    try:
        return xml.decode(), cookie.decode() if cookie else None
    except UnicodeDecodeError as cause:
        raise ImageError("failed to read domain XML: it is not UTF-8") from cause


def with_seal(header: Header, data: bytes, seal: Seal) -> Header:
    """The header with its seal in the unused words."""
    bare = _SEAL.pack(seal.marker, seal.stream_length, seal.stream_hash, bytes(12))
    header = header._replace(unused=bare)
    return header._replace(unused=bare[:-12] + _head_hash(header, data))


def read_seal(header: Header, data: bytes, *, trust_head: bool = False) -> Seal | None:
    """The seal, None when there is none. Raises `ImageError` when header, data or seal were changed.

    `trust_head` takes the part about the stream although header or data were changed (virsh edits so).
    """
    if not any(header.unused):
        return None
    marker, length, stream_hash, head_hash = _SEAL.unpack(header.unused)
    if marker not in (PLAIN, CHUNKED) or not (trust_head or head_hash == _head_hash(header, data)):
        raise ImageError(
            "save image is damaged: its header and domain XML do not match their checksum",
            hint="if another program edited the XML in it, save-image-define with the right XML makes it good again",
        )
    return Seal(length, stream_hash, marker)


def _head_hash(header: Header, data: bytes) -> bytes:
    import hashlib

    bare = header._replace(magic=COMPLETE).pack()[:-12]
    return hashlib.sha256(bare + data).digest()[:12]
