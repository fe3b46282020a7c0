"""The daemon that the other tests compare with works, and is private."""

from __future__ import annotations

import pytest

from tests.support import documents, guests
from tests.support.libvirtd import PrivateLibvirtd
from tests.support.waiting import eventually

pytestmark = [pytest.mark.libvirt, pytest.mark.xdist_group("libvirtd")]


def test_it_runs_the_embedded_guest(libvirtd: PrivateLibvirtd) -> None:
    image = guests.counter_image(libvirtd.files / "private.img")
    document = libvirtd.files / "private.xml"
    document.write_text(documents.machine("private", image), encoding="utf-8")
    libvirtd.share(image)
    assert libvirtd.virsh.ok("list", "--all", "--name").split() == []
    libvirtd.virsh.ok("create", document)
    eventually(lambda: guests.counter_on_disk(image) > 2, "the guest counts")
    libvirtd.virsh.ok("destroy", "private")
