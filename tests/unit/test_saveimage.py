import hashlib
import os
import random
import stat
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from images import COOKIE, STREAM, XML, check, every_kind, libvirt_image, unpacked, write

from virtctl.errors import ImageError, SystemFault
from virtctl.qemu import chunkdigest, saveheader
from virtctl.qemu.chunkdigest import ChunkDigest
from virtctl.qemu.saveimage import define_xml, open_image


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vm.save"


def test_every_byte_is_where_libvirt_expects_it(path):
    write(path, cookie=COOKIE)
    raw = path.read_bytes()
    xml, cookie = XML.encode(), COOKIE.encode()
    length = len(xml) + 1 + len(cookie) + 1 + 65536
    assert raw[:16] == b"LibvirtQemudSave"
    assert struct.unpack("<5I", raw[16:36]) == (2, length, 1, 0, len(xml) + 1)
    assert raw[36:40] == b"vsd2"
    sums = struct.pack("<II", zlib.crc32(STREAM), len(STREAM))
    assert raw[40:80] == struct.pack("<Q", len(STREAM)) + hashlib.sha256(sums).digest()
    head = raw[:80] + raw[92 : 92 + length]
    assert raw[80:92] == hashlib.sha256(head).digest()[:12]
    assert raw[92 : 92 + length] == (xml + b"\0" + cookie + b"\0").ljust(length, b"\0")
    assert raw[92 + length :] == STREAM
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@every_kind
def test_what_is_written_is_read(path, tmp_path, kind):
    write(path, compression=kind, cookie=COOKIE, running=False)
    with open_image(path) as image:
        assert (image.xml, image.cookie, image.compression, image.was_running) == (XML, COOKIE, kind, False)
        seen = []
        assert image.verify(lambda done, total: seen.append((done, total)))
        assert seen[-1] == (image.stream_length, image.stream_length)
    assert unpacked(path, tmp_path) == STREAM
    assert [file.name for file in tmp_path.iterdir()] == ["vm.save"]


@pytest.mark.fault(91)
def test_the_descriptor_stands_at_the_stream(path, tmp_path):
    write(path)
    with open_image(path) as image:
        path.rename(path.with_suffix(".used"))  # what was checked is what is read
        fd = image.open_stream(tmp_path, 0)
        assert os.read(fd, 8) == STREAM[:8]
        os.close(fd)


@pytest.mark.parametrize("order", ["<", ">"])
def test_images_of_libvirt_are_read_unchecked(path, order):
    with open_image(libvirt_image(path, order, cookie=COOKIE.encode())) as image:
        assert (image.xml, image.cookie, image.was_running) == (XML, COOKIE, True)
        assert image.verify() is False
    with open_image(libvirt_image(path, order, version=1)) as image:
        assert image.cookie is None


@pytest.mark.fault(88)
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"magic": b"LibvirtQemudPart"}, "save image is incomplete"),
        ({"magic": b"LibvirtQemudNope"}, "image magic is incorrect"),
        ({"version": 3}, "image version is not supported (50331648 > 2)"),
        ({"length": 0}, "invalid header data length: 0"),
        ({"length": 0xFFFFFFFF}, "invalid header data length: -1"),
        ({"length": 30_000_000}, "failed to read domain XML"),
        ({"compressed": 99}, "Invalid compressed save format 99"),
        ({"offset": 10_000_000}, "invalid cookie offset 10000000 in header"),
        ({"offset": 0xFFFFFFFF}, "invalid cookie offset 4294967295 in header"),
        ({"offset": 20}, "failed to read domain XML"),
        ({"xml": b""}, "failed to read domain XML"),
        ({"xml": b"<domain>\xff</domain>"}, "failed to read domain XML: it is not UTF-8"),
        ({"compressed": 1}, "save image is damaged: what follows its header is not gzip data, as its header says"),
        ({"stream": b""}, "save image is damaged: no memory follows its header"),
        ({"length": len(XML.encode())}, "failed to read domain XML"),
        ({"stream": b"\x1f\x8b08"}, "what follows its header is not a migration stream of QEMU"),
    ],
)
def test_bad_heads_are_refused_in_libvirts_words(path, words, reason):
    libvirt_image(path, **words)
    with pytest.raises(ImageError) as caught:
        open_image(path)
    assert reason in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 91])
def test_a_file_too_short_for_a_header_is_refused(path, size):
    path.write_bytes(b"LibvirtQemudSave".ljust(91, b"\0")[:size])
    with pytest.raises(ImageError, match="operation failed: failed to read qemu header"):
        open_image(path)


@pytest.mark.fault(90)
def test_a_missing_file_a_folder_and_a_fifo_are_named(tmp_path):
    with pytest.raises(SystemFault, match=r"Failed to open file '.*none': No such file or directory"):
        open_image(tmp_path / "none")
    os.mkfifo(tmp_path / "fifo")
    for other in (tmp_path, tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(ImageError, match="is not a regular file"):
            open_image(other)


@pytest.mark.fault(87)
@every_kind
def test_every_flipped_bit_and_every_truncation_is_refused(path, kind):
    write(path, os.urandom(8).join([b"QEVM", os.urandom(30000)]), compression=kind)
    whole = path.read_bytes()
    dice = random.Random(20070809)
    count = 1000 if kind == "raw" else 100
    head = [(place, bit) for place in range(92) for bit in range(8)]  # every bit of the header
    flips = head + [(dice.randrange(len(whole)), dice.randrange(8)) for _ in range(count)]
    with path.open("r+b", buffering=0) as file:
        for place, bit in flips:
            os.pwrite(file.fileno(), bytes([whole[place] ^ (1 << bit)]), place)
            with pytest.raises(ImageError):
                check(path)
            os.pwrite(file.fileno(), whole[place : place + 1], place)
        check(path)
        lengths = {0, 91, 92, len(whole) - 1} | {dice.randrange(len(whole)) for _ in range(count // 2)}
        for length in sorted(lengths, reverse=True):
            file.truncate(length)
            with pytest.raises(ImageError):
                check(path)
    path.write_bytes(whole + b"junk")
    with pytest.raises(ImageError, match=r"it is \d+ bytes long and should be \d+"):
        check(path)


def test_bytes_moved_or_doubled_are_refused(path):
    write(path)
    whole = path.read_bytes()
    for other in (whole[:-8] + whole[-16:-8], whole[:70000] + bytes(4096) + whole[70000 + 4096 :]):
        path.write_bytes(other)
        with pytest.raises(ImageError):
            check(path)


@given(
    st.integers(1, 2), st.integers(1, saveheader.MAX_DATA), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1),
    st.binary(min_size=56, max_size=56), st.sampled_from("<>"), st.data(),
)  # fmt: skip
def test_headers_survive_packing(version, length, running, compressed, unused, order, data):
    offset = data.draw(st.integers(0, length))
    header = saveheader.Header(version, length, running, compressed, offset, unused, order)
    parsed = saveheader.parse(header.pack())
    assert parsed == header


@given(st.binary(max_size=300))
def test_any_bytes_are_a_header_or_refused(raw):
    for bytes_ in (raw, b"LibvirtQemudSave" + raw):
        try:
            header = saveheader.parse(bytes_)
        except ImageError:
            continue
        assert header.cookie_offset <= header.data_length <= saveheader.MAX_DATA


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    st.none() | st.text("abc<>", min_size=1),
)
def test_data_survive_packing(xml, cookie):
    data, offset = saveheader.pack_data(xml, cookie)
    header = saveheader.Header(2, len(data), 0, 0, offset)
    assert saveheader.split_data(header, data) == (xml, cookie)
    sealed = saveheader.with_seal(header, data, saveheader.Seal(7, bytes(32)))
    assert saveheader.read_seal(sealed, data) == saveheader.Seal(7, bytes(32))


# The form of 2007

UUID = "6695eb01-f6a4-8304-79aa-97f2502e193f"


def legacy(path: Path, stream: bytes = STREAM) -> Path:
    path.write_bytes(stream + b"LibvirtQemudUUID\0" + bytes.fromhex(UUID.replace("-", "")))
    return path


def test_the_form_of_2007_names_its_domain_by_uuid(path, tmp_path):
    with open_image(legacy(path)) as image:
        assert (image.uuid, image.xml, image.compression) == (UUID, None, "raw")
        assert (image.stream_offset, image.stream_length) == (0, len(STREAM))
        assert image.was_running is False
        assert image.verify() is False
    assert unpacked(path, tmp_path).startswith(STREAM)
    with pytest.raises(ImageError, match="holds no domain XML"):
        define_xml(path, XML)


def test_the_form_of_2007_is_refused_when_cut_or_empty(path):
    whole = legacy(path).read_bytes()
    for cut in (1, 16, 17, 33):
        path.write_bytes(whole[:-cut])
        with pytest.raises(ImageError, match="image magic is incorrect"):
            open_image(path)
    with pytest.raises(ImageError, match="no memory follows"):
        open_image(legacy(path, b""))
    with pytest.raises(ImageError, match="not a migration stream"):
        open_image(legacy(path, b"something else"))


def test_an_image_of_an_older_version_is_checked_by_its_own_rule(path):
    write(path)
    raw = path.read_bytes()
    with open_image(path) as image:
        header = image.header
    data = raw[92 : 92 + header.data_length]
    seal = saveheader.Seal(len(STREAM), hashlib.sha256(STREAM).digest(), saveheader.PLAIN)
    old = saveheader.with_seal(header, data, seal)
    path.write_bytes(old.pack() + raw[92:])
    with open_image(path) as image:
        assert image.verify()
    path.write_bytes(old.pack() + raw[92:-1] + bytes([raw[-1] ^ 1]))
    with open_image(path) as image, pytest.raises(ImageError, match="memory in it does not match"):
        image.verify()


@given(st.lists(st.binary(max_size=40)), st.integers(1, 64))
def test_the_digest_does_not_depend_on_how_it_is_cut(pieces, chunk):
    whole, cut = ChunkDigest(), ChunkDigest()
    with pytest.MonkeyPatch.context() as small:
        small.setattr(chunkdigest, "CHUNK", chunk)
        for piece in pieces:
            cut.update(piece)
        whole.update(b"".join(pieces))
        assert cut.digest() == whole.digest()
        whole.update(b"\0")
        assert cut.digest() != whole.digest()
