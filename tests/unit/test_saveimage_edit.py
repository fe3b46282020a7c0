import os

import pytest
from images import COOKIE, XML, check, libvirt_image, write
from sweep import needs_strace, sweep

from virtctl.errors import ImageError, OperationTimeout
from virtctl.qemu import saveimage
from virtctl.qemu.saveimage import define_xml, open_image, remove_image
from virtctl.state.atomic import reap


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vm.save"


@pytest.mark.parametrize("make", [write, libvirt_image])
def test_the_xml_is_replaced_in_place(path, make, tmp_path):
    make(path)
    before, inode = path.stat().st_size, path.stat().st_ino
    define_xml(path, XML.replace("vm", "other"), running=False)
    with open_image(path) as image:
        assert image.xml == XML.replace("vm", "other")
        assert image.was_running is False
        assert image.verify() is (make is write)
    define_xml(path, XML, running=True)
    assert (path.stat().st_size, path.stat().st_ino) == (before, inode)
    assert path.read_bytes() == make(tmp_path / "again").read_bytes()


def test_xml_may_grow_into_the_padding_and_no_further(path):
    write(path, cookie=COOKIE)
    define_xml(path, XML + "<!-- -->" * 8000)
    with open_image(path) as image:
        assert image.cookie == COOKIE
    whole = path.read_bytes()
    with pytest.raises(ImageError, match="operation failed: new xml too large to fit in file"):
        define_xml(path, XML + "<!-- -->" * 9000)
    assert path.read_bytes() == whole


def test_what_another_program_edited_is_refused_until_it_gets_its_xml_again(path):
    write(path)
    with path.open("r+b") as file:
        file.seek(92)
        file.write(XML.replace("vm", "ab").encode())
    with pytest.raises(ImageError, match="do not match their checksum") as caught:
        open_image(path)
    assert "save-image-define" in caught.value.hint
    define_xml(path, XML)
    check(path)
    with path.open("r+b") as file:  # but never over memory that is damaged too
        file.seek(100)
        file.write(b"?")
        file.seek(-5, os.SEEK_END)
        file.write(b"?")
    with pytest.raises(ImageError, match="the memory in it does not match"):
        define_xml(path, XML)


def test_an_edit_waits_for_readers_and_says_so(path, monkeypatch):
    write(path)
    monkeypatch.setattr(saveimage, "_BUSY_TIMEOUT", 0.05)
    with path.open("rb") as other:
        saveimage.fcntl.flock(other, saveimage.fcntl.LOCK_EX)
        with pytest.raises(OperationTimeout, match="is being changed by another process"):
            open_image(path)


def test_an_edit_left_for_another_file_is_dropped(path, tmp_path):
    write(path)
    redo = saveimage._redo_path(path)
    head = path.read_bytes()[:80000]
    redo.write_bytes(saveimage._pack_redo(path.stat().st_ino + 1, path.stat().st_size, head.replace(b"vm", b"xx")))
    check(path)
    assert not redo.exists()
    redo.write_text("garbage")
    assert remove_image(path)
    assert list(tmp_path.iterdir()) == []
    assert not remove_image(path)


@needs_strace
@pytest.mark.slow
def test_an_edit_is_whole_at_every_fault(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    path, new = folder / "vm.save", XML.replace("vm", "other")
    write(path)
    original = path.read_bytes()

    def reset():
        for stray in folder.iterdir():
            stray.unlink()
        path.write_bytes(original)

    body = f"define_xml(Path({str(path)!r}), {new!r})"
    imports = "import hashlib\nfrom virtctl.qemu.saveimage import define_xml"
    for injection in sweep(tmp_path, imports, body, ("KILL", "EIO", "ENOSPC"), reset):
        with open_image(path) as image:
            assert image.xml in (XML, new), str(injection)
            assert image.xml == new or injection.status != 0, str(injection)
            assert image.verify(), str(injection)
        define_xml(path, new)
        check(path)
        reap(folder)
        assert [file.name for file in folder.iterdir()] == ["vm.save"], str(injection)


@needs_strace
@pytest.mark.slow
def test_a_save_is_old_or_new_at_every_fault(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    path = folder / "vm.save"
    write(path, b"QEVM old")
    old = path.read_bytes()

    def reset():
        for stray in folder.iterdir():
            stray.unlink()
        path.write_bytes(old)

    body = f"save(Path({str(path)!r}))"
    imports = """
import hashlib
from virtctl.qemu.savewriter import ImageWriter
def save(path):
    with ImageWriter(path, '<domain/>') as writer:
        for _ in range(3):
            writer.write(b'QEVM' * 1000)
        writer.finish(running=True)
"""
    for injection in sweep(tmp_path, imports, body, ("KILL", "EIO", "ENOSPC", "EDQUOT"), reset):
        check(path)
        is_new = path.read_bytes() != old
        assert is_new or injection.status != 0, str(injection)
        if injection.fault == "KILL":
            reap(folder)
        assert [file.name for file in folder.iterdir()] == ["vm.save"], str(injection)
