"""How saved memory is compressed: by the command, by the site's qemu.conf, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import guests
from tests.support.machines import Machine
from tests.support.program import Program
from tests.support.waiting import eventually
from virtctl.qemu.compress import MAGICS
from virtctl.qemu.saveimage import open_image

pytestmark = pytest.mark.qemu

UNKNOWN = "Invalid save image format specified: rar"


def format_of(saved: Path) -> str:
    """What its header says, once it is seen that the stream is that."""
    with open_image(saved) as image:
        assert image.verify()
        data = saved.read_bytes()
        assert data[image.stream_offset :].startswith(MAGICS[image.compression])
        return image.compression


def configure(virtctl: Program, form: str) -> None:
    """The site's choice."""
    settings = virtctl.root / "etc" / "qemu.conf"
    settings.write_text(f'save_image_format = "{form}"\n', encoding="utf-8")
    settings.chmod(0o600)


def test_a_guest_goes_on_from_a_compressed_image(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    sizes = {}
    for form in ("raw", "gzip", "zstd"):  # the others: tests/interop/test_saved_guests.py
        saved = tmp_path / f"{form}.save"
        virtctl.ok("save", "counter", saved, "--image-format", form)
        assert format_of(saved) == form
        sizes[form] = saved.stat().st_size
        count = guests.counter_on_disk(machine.image)
        virtctl.ok("restore", saved)
        seen = eventually(lambda count=count: max(guests.counter_on_disk(machine.image) - count, 0), "it goes on")
        assert seen < 50
    assert max(size for form, size in sizes.items() if form != "raw") < sizes["raw"]


def test_the_site_says_how_unless_the_command_does(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    managed = virtctl.root / "lib" / "qemu" / "save" / "counter.save"
    configure(virtctl, "zstd")
    virtctl.ok("managedsave", "counter")
    assert format_of(managed) == "zstd"
    virtctl.ok("start", "counter")
    virtctl.ok("managedsave", "counter", "--image-format", "raw")
    assert format_of(managed) == "raw"
    virtctl.ok("start", "counter")


def test_an_unknown_format_is_refused_and_the_guest_runs_on(virtctl: Program, tmp_path: Path) -> None:
    machine = Machine.make(virtctl, tmp_path)
    machine.start()
    saved = tmp_path / "counter.save"
    assert UNKNOWN in virtctl.error("save", "counter", saved, "--image-format", "rar")
    configure(virtctl, "rar")
    assert UNKNOWN in virtctl.error("save", "counter", saved)
    assert not saved.exists()
    assert machine.state().startswith("running")
    machine.counts(beyond=guests.last_printed(machine.log))
