"""Saved images that are damaged, forged or no images: detected before a guest runs, soon and in little memory."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.attempts import UUID
from tests.faults.hostile_inputs import foreign, parts, sealed_headers, unsealed, with_word
from tests.faults.limited import Limited
from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.qemu.saveimage import SaveImage
from virtctl.values import RestoreOptions, SaveOptions, StartOptions

pytestmark = pytest.mark.qemu
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
_MIB = 2**20


@pytest.fixture
def limited(lab: Lab) -> Iterator[Limited]:
    with Limited(lab.folder.parent) as server:
        yield server


def refused(lab: Lab, image: Path, what: str, said: str = "") -> None:
    with pytest.raises(VirtctlError) as caught:
        print(what, lab.driver.restore(image, RestoreOptions()))
    assert said in str(caught.value), what
    assert guests(lab.folder.parent) == [], what


def refused_in_limits(lab: Lab, limited: Limited, data: bytes, what: str) -> str:
    lab.image.write_bytes(data)
    answer = limited.attempt("image", lab.image)
    assert answer.ended == "refused", (what, answer)
    assert answer.seconds <= 2, what
    assert answer.peak <= 200, what
    assert guests(lab.folder.parent) == [], what
    return answer.words


@pytest.mark.fault(87)
def test_a_damaged_image_starts_nothing(lab: Lab) -> None:
    """1000 flips and 500 truncations are made by the goal G5; these are some of each."""
    lab.saved()
    whole = lab.image.read_bytes()
    chance = random.Random(11)
    changed = [(f"cut to {size}", whole[:size]) for size in
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


@pytest.mark.fault(88)
def test_wrong_words_in_a_header(lab: Lab, limited: Limited) -> None:
    lab.saved()
    for what, data in sealed_headers(lab.image.read_bytes()):
        refused_in_limits(lab, limited, data, what)


@pytest.mark.fault(88, 89, 90)
def test_images_of_other_programs(lab: Lab, limited: Limited) -> None:
    """Without a seal everything else still has to be right."""
    lab.saved()
    for what, data in unsealed(lab.image.read_bytes()):
        refused_in_limits(lab, limited, data, what)


@pytest.mark.fault(88)
def test_an_image_of_the_other_byte_order_or_an_older_version(lab: Lab) -> None:
    lab.saved()
    xml, stream = parts(lab.image.read_bytes())
    for data in (foreign(xml, stream, order=">"), foreign(xml, stream, version=1), foreign(xml, stream, version=0)):
        lab.image.write_bytes(data)
        assert lab.driver.restore(lab.image, RestoreOptions()) == NAME
        lab.driver.destroy(NAME)


@pytest.mark.fault(88)
@pytest.mark.parametrize(("old", "new", "said"), [
    (b"<name>g<", b"<name>h<", "is already defined with uuid|already exists with uuid"),
    (b"<name>g<", b"<name>../../g<", "cannot contain '/'"), (b"<uuid>", b"<uuid>1", "uuid"),
    (UUID.encode(), b"0f0f0f0f-5e0a-4c1b-9d6f-2b1d3f4a5c6e", "already")])
def test_an_image_of_another_domain_takes_nobodys_name(lab: Lab, old: bytes, new: bytes, said: str) -> None:
    lab.saved()
    xml, stream = parts(lab.image.read_bytes())
    assert old in xml
    lab.image.write_bytes(foreign(xml.replace(old, new, 1), stream))
    with pytest.raises(VirtctlError, match=said):
        lab.driver.restore(lab.image, RestoreOptions())
    assert guests(lab.folder.parent) == []


@pytest.mark.fault(89)
def test_a_bomb_ends_at_the_memory_of_its_guest(lab: Lab, limited: Limited) -> None:
    lab.saved()
    xml, stream = parts(lab.image.read_bytes())
    zeros = gzip.compress(bytes(16 * _MIB))
    bomb = gzip.compress(stream[:4096]) + zeros * 128  # 2 GiB in 2 MiB
    assert "unpacks to more than" in refused_in_limits(lab, limited, foreign(xml, bomb, compressed=1), "a bomb")
    assert "not a migration stream" in refused_in_limits(lab, limited, foreign(xml, zeros * 128, compressed=1), "zeros")


@pytest.mark.fault(89)
@pytest.mark.parametrize(("kind", "number", "magic"), [("lzop", 4, b"\x89LZO\0\r\n\x1a\n"),
                                                       ("zstd", 5, b"\x28\xb5\x2f\xfd")])
def test_a_program_that_is_not_there(lab: Lab, monkeypatch: pytest.MonkeyPatch, kind: str, number: int,
                                     magic: bytes) -> None:
    lab.saved()
    xml, _ = parts(lab.image.read_bytes())
    lab.image.write_bytes(foreign(xml, magic + bytes(1000), compressed=number))
    monkeypatch.setenv("PATH", str(lab.folder))
    refused(lab, lab.image, kind, f"compression program '{kind}' cannot be run: No such file or directory")


@pytest.mark.fault(89)
def test_xz_needs_no_program(lab: Lab, program: Program) -> None:
    lab.running()
    lab.driver.save(NAME, lab.image, SaveOptions(compression="xz"))
    bare = Program(program.root, program.command, {"PATH": "/nowhere"})
    assert bare("restore", lab.image).status == 0


@pytest.mark.fault(90)
def test_what_is_no_image_starts_nothing(lab: Lab) -> None:
    lab.define()
    pipe, huge = lab.folder / "pipe", lab.folder / "huge"
    os.mkfifo(pipe, 0o600)
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    for path in (pipe, huge, Path("/dev/zero"), Path("/dev/null"), lab.folder, lab.folder / "nowhere"):
        refused(lab, path, str(path))


@pytest.mark.fault(90)
def test_a_sparse_terabyte_behind_a_right_header(lab: Lab, limited: Limited) -> None:
    """Its length is not the one in the seal; without a seal QEMU finds nothing in the zeros."""
    lab.saved()
    xml, stream = parts(lab.image.read_bytes())
    for data in (lab.image.read_bytes(), foreign(xml, stream[:8])):
        with lab.image.open("wb") as file:
            file.write(data)
            file.truncate(1 << 40)
        answer = limited.attempt("image", lab.image)
        assert answer.ended == "refused", answer
        assert answer.seconds <= 2
        assert answer.peak <= 200


@pytest.mark.fault(90)
@pytest.mark.parametrize(("old", "new"), [
    ("machine='pc'", "machine='q35'"), ("<memory unit='MiB'>8", "<memory unit='MiB'>16"),
    ("<memballoon model='none'/>", "<memballoon model='virtio'/>")])
def test_memory_of_another_machine(lab: Lab, old: str, new: str) -> None:
    text = document(lab.disk)
    assert old in text
    lab.driver.create(text.replace(old, new), StartOptions(paused=True))
    lab.driver.save(NAME, lab.image, SaveOptions())
    _, stream = parts(lab.image.read_bytes())
    lab.image.write_bytes(foreign(text.encode(), stream))
    refused(lab, lab.image, new, "load of migration failed")


@needs_strace
@pytest.mark.fault(90)
def test_a_disk_that_cannot_be_read_at_some_byte(lab: Lab, program: Program) -> None:
    """The N-th read of the image fails: at its header, in its data, in the memory."""
    lab.saved()
    for call, number in (("pread64", 1), ("pread64", 2), ("pread64", 3), ("preadv,preadv2", 1)):
        trace = ("strace", "-qq", "-o", "/dev/null", "-P", str(lab.image), "-e", f"trace={call}", "-e",
                 f"inject={call}:error=EIO:when={number}")
        said = Program(program.root, (*trace, *program.command)).error("restore", lab.image)
        assert f"cannot read save image '{lab.image}': Input/output error" in said, (call, number)
        assert guests(lab.folder.parent) == []


@pytest.mark.fault(91)
def test_what_was_checked_is_what_is_loaded(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another image gets the name after the check; the one that was checked is restored, from one descriptor."""
    lab.saved()
    right = lab.image.read_bytes()
    verify = SaveImage.verify

    def replace(image: SaveImage, *_: object) -> bool:
        found = verify(image)
        lab.image.rename(lab.image.with_name("checked"))
        lab.image.write_bytes(with_word(right, 20, 1)[:5000])
        return found

    monkeypatch.setattr(SaveImage, "verify", replace)
    assert lab.driver.restore(lab.image, RestoreOptions()) == NAME
    assert lab.driver.state(NAME).state == "running"
    (pid,) = guests(lab.folder.parent)
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    assert words[words.index("-incoming") + 1].startswith("fd:")


@needs_strace
@pytest.mark.fault(91)
def test_the_image_is_opened_once(lab: Lab, program: Program) -> None:
    lab.saved()
    trace = lab.folder / "trace"
    subprocess.run(["strace", "-qq", "-o", str(trace), "-e", "trace=open,openat", *program.command, "restore",
                    str(lab.image)], env=program.environ(), check=True, capture_output=True, timeout=60)
    opened = [line for line in trace.read_text().splitlines() if f'"{lab.image}"' in line]
    assert len(opened) == 1
    assert "O_NONBLOCK" in opened[0]
