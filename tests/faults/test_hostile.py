"""Documents and images that somebody made to do harm: refused, soon, and before any QEMU is started."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.sweep import audit, guests
from tests.faults.verbs import NAME, Lab, document
from virtctl.errors import VirtctlError
from virtctl.values import ListFilter, RestoreOptions, StartOptions

pytestmark = pytest.mark.qemu

ENTITIES = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 10))
DOCUMENTS: dict[str, str | bytes] = {
    "an external entity": "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain><name>&x;</name></domain>",
    "an external type": "<!DOCTYPE d SYSTEM 'http://127.0.0.1:1/d.dtd'><domain/>",
    "a parameter entity": "<!DOCTYPE d [<!ENTITY % x SYSTEM 'file:///etc/passwd'> %x;]><domain/>",
    "a billion laughs": f"<!DOCTYPE d [<!ENTITY e0 'ha'>{ENTITIES}]><domain><title>&e9;</title></domain>",
    "quadratic blow-up": f"<!DOCTYPE d [<!ENTITY a '{'a' * 100000}'>]><domain>{'&a;' * 10000}</domain>",
    "any document type": "<!DOCTYPE domain><domain type='qemu'/>",
    "300 levels": "<domain>" + "<a>" * 300 + "</a>" * 300 + "</domain>",
    "a million levels": "<a>" * 1000000,
    "11 MB": f"<domain><title>{'x' * 11000000}</title></domain>",
    "100,000 attributes": "<domain " + " ".join(f"a{n}=''" for n in range(100000)) + "/>",
    "comments without end": "<domain>" + "<!--" * 1000000,
    "comments before a type": "<!-- -->" * 100000 + "<!-- <!DOCTYPE d> --><!DOCTYPE domain><domain/>",
    "100,000 name spaces": "<domain " + " ".join(f"xmlns:a{n}='u:{n}'" for n in range(100000)) + "/>",
    "blanks": "<domain" + " " * 9000000 + "x",
    "two roots": "<domain/><domain/>",
    "another root": "<network/>",
    "nothing": "",
    "a NUL": "<domain>\0</domain>",
    "no text": b"\xff\xfe\x00\x01",
}
FOUR = [0, 1, 2**31, 2**32 - 1]


@pytest.mark.parametrize("what", DOCUMENTS)
def test_a_hostile_document_is_refused_at_once(lab: Lab, what: str) -> None:
    began = time.process_time()
    with pytest.raises(VirtctlError) as caught:
        lab.driver.define(DOCUMENTS[what])
    assert time.process_time() - began < 0.5
    assert len(str(caught.value)) < 2000
    assert "root:" not in str(caught.value)
    assert lab.driver.rows(ListFilter(inactive=True)) == []


def refused(lab: Lab, image: Path, what: str) -> None:
    began = time.process_time()
    with pytest.raises(VirtctlError):
        print(what, lab.driver.restore(image, RestoreOptions()))
    assert time.process_time() - began < 2, what
    assert guests(lab.folder.parent) == [], what


def headers(whole: bytes) -> Iterator[tuple[str, bytes]]:
    """Every field of the header with values that are wrong in it, and data that do not fit it."""
    for offset, field in ((16, "version"), (20, "length"), (28, "compression"), (32, "cookie")):
        real = struct.unpack_from("<I", whole, offset)[0]
        for value in {*FOUR, real + 1, real - 1 & 0xFFFFFFFF} - {real}:
            yield f"{field} {value}", whole[:offset] + struct.pack("<I", value) + whole[offset + 4:]
    yield "a partial image", b"LibvirtQemudPart" + whole[16:]
    yield "another magic", b"LibvirtQemudXxxx" + whole[16:]
    yield "another emulator", whole.replace(b"/usr/bin/qemu-system", b"/tmp/xxx/qemu-system", 1)
    yield "junk behind it", whole + b"junk"
    yield "compressed, it says", whole[:28] + struct.pack("<I", 1) + whole[32:]


def test_a_damaged_image_starts_nothing(lab: Lab) -> None:
    lab.saved()
    whole = lab.image.read_bytes()
    chance = random.Random(11)
    changed = list(headers(whole))
    changed += [(f"cut to {size}", whole[:size]) for size in
                [*range(0, 200, 7), *sorted(chance.randrange(200, len(whole)) for _ in range(60))]]
    for _ in range(100):
        place, bit = chance.randrange(len(whole)), chance.randrange(8)
        changed.append((f"bit {bit} of byte {place}",
                        whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1:]))
    for what, data in changed:
        lab.image.write_bytes(data)
        refused(lab, lab.image, what)
    lab.image.write_bytes(whole)
    assert lab.driver.restore(lab.image, RestoreOptions()) == NAME


def test_what_is_no_image_starts_nothing(lab: Lab) -> None:
    lab.define()
    pipe, huge = lab.folder / "pipe", lab.folder / "huge"
    os.mkfifo(pipe, 0o600)
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    for path in (pipe, huge, Path("/dev/zero"), Path("/dev/null"), lab.folder, lab.folder / "nowhere"):
        refused(lab, path, str(path))
    huge.unlink()


@pytest.mark.parametrize(("old", "new"), [
    ("<name>g</name>", "<name>../../../etc/g</name>"),
    ("<vcpu>1</vcpu>", "<vcpu>4294967296</vcpu>"),
    ("<memory unit='MiB'>8", "<memory unit='MiB'>-8"),
    ("<memory unit='MiB'>8", "<memory unit='EiB'>17"),
    ("<memory unit='MiB'>8", "<memory unit='MiB'>1e9"),
    ("dev='vda'", "dev='vda,readonly=on'"),
    ("type='raw'", "type='raw,file=/etc/passwd'"),
    ("machine='pc'", "machine='pc,accel=x'"),
])
def test_a_value_that_would_say_more_is_refused(lab: Lab, old: str, new: str) -> None:
    text = document(lab.disk)
    assert old in text
    with pytest.raises(VirtctlError):
        lab.driver.create(text.replace(old, new), StartOptions())
    assert guests(lab.folder.parent) == []
    assert audit(lab.folder.parent) == []
