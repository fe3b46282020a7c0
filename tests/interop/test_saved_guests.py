"""Guests saved by virsh are restored by the program and the other way round, and go on counting where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.program import Program
from tests.support.waiting import eventually

pytestmark = [pytest.mark.libvirt, pytest.mark.qemu, pytest.mark.xdist_group("libvirtd")]

TARGETS = {"virtio": "vda", "ide": "hda"}


@pytest.fixture(params=TARGETS)
def machine(request: pytest.FixtureRequest, libvirtd: PrivateLibvirtd) -> tuple[Path, Path]:
    """The document and the disk of a counting guest that both sides may use."""
    name = f"traveller-{request.param}"
    image = guests.counter_image(libvirtd.files / f"{name}.img")
    document = libvirtd.files / f"{name}.xml"
    text = documents.machine(name, image, target=TARGETS[request.param], bus=request.param)
    document.write_text(text, encoding="utf-8")
    libvirtd.share(image, document)
    return document, image


def travelling(daemon: PrivateLibvirtd, name: str) -> tuple[Path, Path]:
    """The document and the disk of a counting guest on virtio that this daemon may use as well."""
    image = guests.counter_image(daemon.files / f"{name}.img")
    document = daemon.files / f"{name}.xml"
    document.write_text(documents.machine(name, image), encoding="utf-8")
    daemon.share(image, document)
    return document, image


def compression_of(saved: Path) -> int:
    """The number of the compression in the image's header."""
    return int.from_bytes(saved.read_bytes()[28:32], "little")


def goes_on(image: Path, saved_at: int) -> None:
    """The guest writes again, and began with the next number."""
    seen = eventually(
        lambda: number if (number := guests.counter_on_disk(image)) > saved_at else 0, f"it counts beyond {saved_at}"
    )
    assert seen - saved_at < 50


def test_saved_by_virsh_restored_here(virtctl: Program, libvirtd: PrivateLibvirtd, machine: tuple[Path, Path]) -> None:
    document, image = machine
    name, saved = document.stem, document.with_suffix(".virsh-save")
    libvirtd.virsh.ok("create", document)
    eventually(lambda: guests.counter_on_disk(image) > 10, "it counts")
    libvirtd.virsh.ok("save", name, saved)
    virtctl.ok("restore", saved)
    goes_on(image, guests.counter_on_disk(image))
    virtctl.ok("destroy", name)


def test_saved_here_restored_by_virsh(virtctl: Program, libvirtd: PrivateLibvirtd, machine: tuple[Path, Path]) -> None:
    document, image = machine
    name, saved = document.stem, document.with_suffix(".virtctl-save")
    virtctl.ok("create", document)
    eventually(lambda: guests.counter_on_disk(image) > 10, "it counts")
    virtctl.ok("save", name, saved)
    libvirtd.share(saved)
    libvirtd.virsh.ok("restore", saved)
    goes_on(image, guests.counter_on_disk(image))
    libvirtd.virsh.ok("destroy", name)


def test_saved_paused_by_virsh_is_paused_here(
    virtctl: Program, libvirtd: PrivateLibvirtd, machine: tuple[Path, Path]
) -> None:
    document, image = machine
    name, saved = document.stem, document.with_suffix(".virsh-save")
    libvirtd.virsh.ok("create", document)
    eventually(lambda: guests.counter_on_disk(image) > 3, "it counts")
    libvirtd.virsh.ok("save", name, saved, "--paused")
    virtctl.ok("restore", saved)
    assert virtctl.ok("domstate", name).strip() == "paused"
    virtctl.ok("destroy", name)


@pytest.mark.parametrize(("form", "number"), [("gzip", 1), ("bzip2", 2), ("xz", 3), ("lzop", 4)])
def test_compressed_images_travel_both_ways(virtctl: Program, form: str, number: int) -> None:
    """Compressed by virsh and restored here; compressed here, as qemu.conf says, and restored by virsh."""
    daemon = PrivateLibvirtd.start(save_image_format=form)
    try:
        document, image = travelling(daemon, f"traveller-{form}")
        name, theirs, ours = document.stem, document.with_suffix(".virsh"), document.with_suffix(".virtctl")
        daemon.virsh.ok("create", document)
        eventually(lambda: guests.counter_on_disk(image) > 3, "it counts")
        daemon.virsh.ok("save", name, theirs)
        assert compression_of(theirs) == number
        virtctl.ok("restore", theirs)
        goes_on(image, guests.counter_on_disk(image))
        settings = virtctl.root / "etc" / "qemu.conf"
        settings.parent.mkdir(mode=0o700, exist_ok=True)
        settings.write_text(f'save_image_format = "{form}"\n', encoding="utf-8")
        settings.chmod(0o600)
        virtctl.ok("save", name, ours)
        assert compression_of(ours) == number
        daemon.share(ours)
        daemon.virsh.ok("restore", ours)
        goes_on(image, guests.counter_on_disk(image))
    finally:
        daemon.end()


def test_around_the_cache_images_travel_both_ways(virtctl: Program, libvirtd: PrivateLibvirtd) -> None:
    document, image = travelling(libvirtd, "traveller-direct")
    name, saved = document.stem, document.with_suffix(".save")
    libvirtd.virsh.ok("create", document)
    eventually(lambda: guests.counter_on_disk(image) > 3, "it counts")
    libvirtd.virsh.ok("save", name, saved, "--bypass-cache")
    virtctl.ok("restore", saved, "--bypass-cache")
    goes_on(image, guests.counter_on_disk(image))
    saved.unlink()
    virtctl.ok("save", name, saved, "--bypass-cache")
    libvirtd.share(saved)
    libvirtd.virsh.ok("restore", saved, "--bypass-cache")
    goes_on(image, guests.counter_on_disk(image))
    libvirtd.virsh.ok("destroy", name)
