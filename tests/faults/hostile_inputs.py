"""Documents and saved images that somebody made to do harm, one by one and without end."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
from collections.abc import Iterator
from functools import partial

_MIB = 2**20
_ENTITIES = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 10))
DOCUMENTS: dict[str, str | bytes] = {
    "an external entity": "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>",
    "an entity of the network": "<!DOCTYPE d [<!ENTITY x SYSTEM 'http://127.0.0.1:1/'>]><domain>&x;</domain>",
    "an external type": "<!DOCTYPE d SYSTEM 'http://127.0.0.1:1/d.dtd'><domain/>",
    "a parameter entity": "<!DOCTYPE d [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><domain/>",
    "a billion laughs": f"<!DOCTYPE d [<!ENTITY e0 'ha'>{_ENTITIES}]><domain><title>&e9;</title></domain>",
    "quadratic blow-up": f"<!DOCTYPE d [<!ENTITY a '{'a' * 100000}'>]><domain>{'&a;' * 10000}</domain>",
    "any document type": "<!DOCTYPE domain><domain type='qemu'/>",
    "257 levels": "<domain>" + "<a>" * 257 + "</a>" * 257 + "</domain>",
    "5,000 levels": "<domain>" + "<a>" * 5000 + "</a>" * 5000 + "</domain>",
    "two million levels": "<a>" * 2000000,
    "11 MB": f"<domain><title>{'x' * 11000000}</title></domain>",
    "an attribute of 9 MB": f"<domain a='{'x' * 9000000}'/>",
    "an attribute of 50 MB": f"<domain a='{'x' * 50000000}'/>",
    "200,000 attributes": "<domain " + " ".join(f"a{n}=''" for n in range(200000)) + "/>",
    "a million attributes": "<domain>" + f"<a {' '.join(f'b{n}=_' for n in range(900))}/>".replace("_", "''") * 1000,
    "a million elements": "<domain>" + "<a/>" * 1000000 + "</domain>",
    "two million ends": "<domain>" + "</a>" * 2000000,
    "19,000 disks": "<domain type='qemu'><name>g</name><devices>" + "<disk/>" * 19000 + "</devices></domain>",
    "19,000 parts of metadata": "<domain><metadata>" + "".join(
        f"<a:b xmlns:a='u{n}'/>" for n in range(19000)) + "</metadata></domain>",
    "comments without end": "<domain>" + "<!--" * 1000000,
    "comments before a type": "<!-- -->" * 100000 + "<!-- <!DOCTYPE d> --><!DOCTYPE domain><domain/>",
    "100,000 name spaces": "<domain " + " ".join(f"xmlns:a{n}='u:{n}'" for n in range(100000)) + "/>",
    "blanks": "<domain" + " " * 9000000 + "x",
    "references": "<domain><title>" + "&#65;" * 1500000 + "</title></domain>",
    "two roots": "<domain/><domain/>",
    "another root": "<network/>",
    "nothing": "",
    "blanks alone": " \n",
    "a NUL": "<domain>\0</domain>",
    "a control character": "<domain><name>a\x01</name></domain>",
    "an escape": "<domain><name>a\x1b[31m</name></domain>",
    "no UTF-8": b"<domain><name>a\xff</name></domain>",
    "half a character": b"<domain><name>\xc3</name></domain>",
    "UTF-16": "<?xml version='1.0' encoding='UTF-16'?><domain/>".encode("utf-16"),
    "UTF-16, it says": "<?xml version='1.0' encoding='UTF-16'?><domain/>",
    "an encoding that is none": "<?xml version='1.0' encoding='x-none'?><domain/>",
    "no text": b"\xff\xfe\x00\x01",
}
WORDS = (0, 1, 2**31, 2**32 - 1)
FIELDS = {"version": 16, "length": 20, "running": 24, "compression": 28, "cookie": 32}


def sealed_headers(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Every field of the header with values that are wrong in it."""
    for field, offset in FIELDS.items():
        real = struct.unpack_from("<I", whole, offset)[0]
        for value in sorted({*WORDS, real + 1, real - 1 & 0xFFFFFFFF} - {real}):
            yield f"{field} {value}", with_word(whole, offset, value)
    yield "a partial image", b"LibvirtQemudPart" + whole[16:]
    yield "another magic", b"LibvirtQemudXxxx" + whole[16:]
    yield "junk behind it", whole + b"junk"


def with_word(whole: bytes, offset: int, value: int) -> bytes:
    """The image with another word in its header."""
    return whole[:offset] + struct.pack("<I", value) + whole[offset + 4:]


def parts(whole: bytes) -> tuple[bytes, bytes]:
    """The document inside an image, and the memory."""
    end = 92 + struct.unpack_from("<I", whole, 20)[0]
    return whole[92:end].partition(b"\0")[0], whole[end:]


def foreign(xml: bytes, stream: bytes, *, order: str = "<", magic: bytes = b"LibvirtQemudSave", version: int = 2,
            compressed: int = 0, length: int | None = None, cookie: int = 0, tail: bytes = bytes(4096)) -> bytes:
    """An image as libvirt makes one, without a seal."""
    data = xml + b"\0" + tail
    words = (version, len(data) if length is None else length, 1, compressed, cookie)
    return magic + struct.pack(f"{order}5I", *words) + bytes(56) + data + stream


def unsealed(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Images that no checksum protects, each wrong in one way."""
    xml, stream = parts(whole)
    make = partial(foreign, xml, stream)
    size = len(xml) + 1 + 4096
    for value in (*WORDS[2:], size + 1, size + 2**20, 32 * _MIB):
        yield f"cookie at {value}", make(cookie=value)
    yield "data of 4 GiB", make(length=2**32 - 1)
    yield "data of 2 GiB", make(length=2**31)
    yield "data of 33 MiB", make(length=33 * _MIB)
    yield "data of nothing", make(length=0)
    yield "version 3", make(version=3)
    yield "no NUL", foreign(xml, b"", length=len(xml), tail=b"")
    yield "NULs inside", foreign(xml.replace(b"<vcpu", b"\0<vcpu"), stream)
    yield "no document", foreign(b"", stream)
    yield "another root", foreign(b"<network/>", stream)
    yield "no UTF-8", foreign(xml.replace(b"<name>g", b"<name>\xff"), stream)
    yield "an entity", foreign(b"<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + xml, stream)
    yield "a document of a million elements", foreign(b"<domain>" + b"<a/>" * 1000000 + b"</domain>", stream)
    yield "partial", make(magic=b"LibvirtQemudPart")
    yield "no memory", foreign(xml, b"")
    yield "junk for memory", foreign(xml, b"junk" * 1000)
    yield "half of the memory", foreign(xml, stream[:len(stream) // 2])
    yield "a wrong emulator", foreign(xml.replace(b"<devices>", b"<devices><emulator>/tmp/evil</emulator>"), stream)
    yield "more memory", foreign(xml.replace(b"</memory>", b"0</memory>"), stream)
    for number, (kind, pack) in enumerate((("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)), 1):
        packed = pack(stream[:200000])
        yield f"{kind}, it says", make(compressed=number)
        yield f"{kind} for raw", foreign(xml, packed)
        yield f"{kind} cut short", foreign(xml, packed[:-9], compressed=number)
        yield f"{kind} and junk", foreign(xml, packed + b"junk", compressed=number)
        yield f"{kind} of zeros", foreign(xml, pack(bytes(8 * _MIB)), compressed=number)
        yield f"{kind} of something else", foreign(xml, pack(b"junk" * 100), compressed=number)
    for number in (4, 5, 6, 99):
        yield f"compression {number}", make(compressed=number)


def damaged_documents(samples: list[str], chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Documents without end, each made of a sample by a few changes."""
    pieces = ["", "<", ">", "&", "'", "<a>", "</domain>", "<a/>" * 300, "<![CDATA[", "]]>", "<!--", "&#0;", "&x;", "-1",
              "99999999999999999999", "\0", "\x1b", "../../etc/passwd", ",", "é" * 50, "<?xml?>", "x" * 5000]
    number = 0
    while True:
        number += 1
        text = chance.choice(samples)
        for _ in range(chance.randint(1, 5)):
            at, length = chance.randrange(len(text) + 1), chance.choice((0, 1, 4, 30, 300))
            piece = chance.choice(pieces)
            if chance.random() < 0.03:
                piece = (piece or "<a b='c'/>") * chance.randrange(1, 200000)
            text = text[:at] + piece + text[at + length:]
        yield f"changed document {number}", text[:12 * _MIB].encode(errors="replace")


def damaged_images(whole: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Images without end: bits flipped, cut, lengthened, with words changed, sealed or not."""
    bare = whole[:36] + bytes(56) + whole[92:]
    head = 92 + struct.unpack_from("<I", whole, 20)[0]
    number = 0
    while True:
        number += 1
        data = bytearray(whole if chance.random() < 0.6 else bare)
        for _ in range(chance.randint(1, 4)):
            end = chance.choice((92, head, head + 200, len(data)))
            data[chance.randrange(min(end, len(data)))] ^= 1 << chance.randrange(8)
        how = chance.random()
        if how < 0.2:
            del data[chance.randrange(len(data)):]
        elif how < 0.3:
            data += chance.randbytes(chance.randrange(1, 5000))
        yield f"changed image {number}", bytes(data)
