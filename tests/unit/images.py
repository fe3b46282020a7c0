"""Saved images for the tests: our own, and libvirt's built byte by byte."""

import os
import shutil
import struct
from pathlib import Path

import pytest

from virtctl.qemu.saveimage import open_image
from virtctl.qemu.savewriter import ImageWriter

ROOT = Path(__file__).parents[2]
XML = "<domain type='qemu'>\n  <name>vm</name>\n  <title>é</title>\n</domain>\n"
COOKIE = "<qemusave><cpu/></qemusave>"
STREAM = b"QEVM\0\0\0\3" + bytes(range(256)) * 300
KINDS = ["raw", "gzip", "bzip2", "xz", "lzop", "zstd"]


def available(kind: str):
    missing = kind in ("lzop", "zstd") and not shutil.which(kind)
    return pytest.param(kind, marks=pytest.mark.skipif(missing, reason=f"{kind} is not installed"))


every_kind = pytest.mark.parametrize("kind", [available(kind) for kind in KINDS])


def write(path: Path, stream: bytes = STREAM, *, running: bool = True, **options) -> Path:
    with ImageWriter(path, options.pop("xml", XML), **options) as writer:
        for start in range(0, len(stream), 10000):
            writer.write(stream[start : start + 10000])
        writer.finish(running=running)
    return path


def libvirt_image(path: Path, order: str = "<", *, xml: bytes = XML.encode(), cookie: bytes = b"", **words) -> Path:
    """An image as libvirt writes it, built here byte by byte."""
    data = xml + b"\0" + (cookie + b"\0" if cookie else b"") + bytes(65536)
    fields = {"version": 2, "length": len(data), "running": 1, "compressed": 0, "offset": len(xml) + 1 if cookie else 0}
    head = words.pop("magic", b"LibvirtQemudSave")
    stream = words.pop("stream", STREAM)
    fields |= words
    path.write_bytes(head + struct.pack(f"{order}5I", *fields.values()) + bytes(56) + data + stream)
    return path


def unpacked(path: Path, folder: Path, limit: int = 1 << 24) -> bytes:
    with open_image(path) as image:
        fd = image.open_stream(folder, limit)
    try:
        return os.read(fd, limit + 1 if limit else 1 << 24)
    finally:
        os.close(fd)


def check(path: Path) -> None:
    with open_image(path) as image:
        if not image.verify():
            raise AssertionError("the image passed for one without a seal")
