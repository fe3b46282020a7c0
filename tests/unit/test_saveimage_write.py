import os
import subprocess
import sys

import pytest
from images import KINDS, ROOT, STREAM, XML, check, every_kind, libvirt_image, unpacked, write

from virtctl.errors import ImageError, OperationFailed, SystemFault
from virtctl.qemu import compress, saveheader
from virtctl.qemu.saveimage import open_image
from virtctl.qemu.savewriter import ImageWriter


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vm.save"


def test_an_image_given_up_leaves_the_older_one(path, tmp_path):
    write(path)
    old = path.read_bytes()
    for kind in ("raw", "gzip"):
        with ImageWriter(path, XML, compression=kind) as writer:
            writer.write(b"QEVM" * 1000)
            assert writer.temp.read_bytes()[:16] == b"LibvirtQemudPart"
    with pytest.raises(ImageError, match="QEMU sent no memory"), ImageWriter(path, XML) as writer:
        writer.finish(running=True)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_no_partial_image_passes_for_a_whole_one(path):
    with ImageWriter(path, XML) as writer:
        writer.write(STREAM)
        with pytest.raises(ImageError, match="save image is incomplete"):
            open_image(writer.temp)


def test_a_full_disk_names_the_image_and_removes_it(path, tmp_path):
    program = (
        "import resource, sys; from pathlib import Path; from virtctl.qemu.savewriter import ImageWriter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))\n"
        "with ImageWriter(Path(sys.argv[1]), '<domain/>') as w:\n"
        "    for _ in range(10): w.write(b'QEVM' * 10000)"
    )
    done = subprocess.run([sys.executable, "-c", program, path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"cannot write save image '{path}': File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_only_a_regular_file_is_replaced(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/full")
    for name in ("fifo", "folder", "device"):
        with pytest.raises(ImageError, match="is not a regular file"):
            ImageWriter(tmp_path / name, XML)
    with pytest.raises(SystemFault, match="No such file or directory"):
        ImageWriter(tmp_path / "none" / "x", XML)
    with pytest.raises(SystemFault, match="File name too long"), ImageWriter(tmp_path / ("n" * 256), XML):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["device", "fifo", "folder"]


def test_a_link_of_ours_is_followed(tmp_path):
    (tmp_path / "disk2").mkdir()
    (tmp_path / "link").symlink_to("disk2/real.save")
    for _ in range(2):
        write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    check(tmp_path / "disk2" / "real.save")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's link")
def test_a_link_of_another_user_in_a_shared_folder_is_refused(tmp_path):
    tmp_path.chmod(0o1777)
    (tmp_path / "link").symlink_to("victim")
    os.chown(tmp_path / "link", 12345, 12345, follow_symlinks=False)
    with pytest.raises(ImageError, match="is a symbolic link of another user"):
        ImageWriter(tmp_path / "link", XML)


@pytest.mark.parametrize("xml", ["a\0b", "x" * (saveheader.MAX_XML + 1)])
def test_xml_that_does_not_fit_is_refused_before_anything_is_written(tmp_path, xml):
    with pytest.raises(ImageError):
        ImageWriter(tmp_path / "x", xml)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_compression_is_refused(path):
    with pytest.raises(ImageError, match="Invalid save image format specified: rar"):
        ImageWriter(path, XML, compression="rar")


@pytest.mark.fault(89)
@pytest.mark.parametrize("kind", ["lzop", "zstd"])
def test_a_missing_program_is_named_with_its_package(path, tmp_path, kind, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationFailed, match=f"compression program '{kind}' cannot be run") as caught:
        ImageWriter(path, XML, compression=kind)
    assert caught.value.hint == f"install the package {kind}"
    libvirt_image(path, compressed=KINDS.index(kind), stream=compress.MAGICS[kind] + bytes(100))
    with pytest.raises(OperationFailed, match=f"compression program '{kind}' cannot be run"):
        unpacked(path, tmp_path)


def test_passing_by_the_cache_changes_nothing_in_the_file(path, tmp_path, monkeypatch):
    monkeypatch.setattr("virtctl.qemu.savewriter._SEND_EVERY", 20000)
    check(write(path, bypass_cache=True))
    assert unpacked(path, tmp_path) == STREAM


# Reading compressed streams


@pytest.mark.fault(89)
@every_kind
def test_a_bomb_is_refused_at_its_limit(path, tmp_path, kind):
    write(path, b"QEVM" + bytes(3_000_000), compression=kind)
    assert unpacked(path, tmp_path, 3_000_004)
    if kind != "raw":
        assert path.stat().st_size < 200_000
        with pytest.raises(ImageError, match="unpacks to more than 1000000 bytes"):
            unpacked(path, tmp_path, 1_000_000)


@pytest.mark.fault(89)
@every_kind
def test_damaged_compressed_data_of_libvirt_are_an_error_not_a_wait(path, tmp_path, kind):
    if kind == "raw":
        return
    write(path, compression=kind)
    with open_image(path) as image:
        packed = path.read_bytes()[image.stream_offset :]
    number = KINDS.index(kind)
    assert unpacked(libvirt_image(path, compressed=number, stream=packed), tmp_path) == STREAM
    bad = [packed[: len(packed) // 2], packed[:-1], packed[:40] + b"!!!!" + packed[44:], packed + b"junk"]
    for stream in bad:
        libvirt_image(path, compressed=number, stream=stream)
        with pytest.raises(ImageError, match=f"its {kind} data cannot be unpacked"):
            unpacked(path, tmp_path)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz"])
def test_concatenated_members_are_one_stream(path, tmp_path, kind):
    def pack(data: bytes) -> bytes:
        packer = compress.compressor(kind)
        return packer.compress(data) + packer.flush()

    stream = pack(STREAM) + pack(b"more")
    libvirt_image(path, compressed=KINDS.index(kind), stream=stream)
    assert unpacked(path, tmp_path) == STREAM + b"more"


def test_what_unpacks_to_something_else_is_refused(path, tmp_path):
    packer = compress.compressor("gzip")
    libvirt_image(path, compressed=1, stream=packer.compress(b"not memory") + packer.flush())
    with pytest.raises(ImageError, match="not a migration stream of QEMU"):
        unpacked(path, tmp_path)
