"""Keys, screenshots, media and cables of a guest."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.program import Program

pytestmark = pytest.mark.qemu

MAC = "52:54:00:aa:bb:cc"
MORE = (f"<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/><readonly/></disk><interface type='user'>"
        f"<mac address='{MAC}'/><model type='virtio'/></interface><graphics type='vnc' port='-1' autoport='yes'/>")
OFF = "error: Requested operation is not valid: domain is not running\n"


@pytest.fixture
def guest(virtctl: Program, tmp_path: Path) -> Program:
    """The program, with a domain `vm` defined that has a drive, a card and a screen."""
    image, document = guests.counter_image(tmp_path / "vm.img"), tmp_path / "vm.xml"
    document.write_text(documents.machine("vm", image, log=tmp_path / "vm.log", extra=MORE))
    virtctl.ok("define", document)
    return virtctl


def test_keys_and_buttons(guest: Program) -> None:
    assert guest.error("send-key", "vm", "KEY_A") == OFF
    guest.ok("start", "vm")
    assert guest.ok("send-key", "vm", "KEY_LEFTCTRL", "KEY_LEFTALT", "KEY_DELETE") == "\n"
    assert guest.ok("send-key", "vm", "--codeset", "linux", "--holdtime", "10", "28") == "\n"
    assert guest.error("send-key", "vm", "BOGUS") == "error: invalid keycode: 'BOGUS'\n"
    assert guest.error("send-key", "vm", "--codeset", "bogus", "30") == "error: unknown codeset: 'bogus'\n"
    assert guest.ok("inject-nmi", "vm") == "\n"
    assert "error: Domain 'vm' could not be woken up\n" in guest.error("dompmwakeup", "vm")
    agent = "error: argument unsupported: QEMU guest agent is not configured\n"
    assert guest.error("domtime", "vm", "--sync") == agent
    assert guest.error("domfsinfo", "vm") == f"error: Unable to get filesystem information\n{agent}"


def test_a_picture_of_the_screen(guest: Program, tmp_path: Path) -> None:
    picture = tmp_path / "an odd 'name'\n.png"
    assert guest.error("screenshot", "vm", picture) == f"error: could not take a screenshot of vm\n{OFF}"
    guest.ok("start", "vm")
    said = guest.ok("screenshot", "vm", picture)
    assert said == f"Screenshot saved to {picture}, with type of image/png\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o600
    assert guest.error("screenshot", "vm", "/nonexistent/s.png") == "error: cannot create file /nonexistent/s.png\n"
    assert "no such screen ID" in guest.error("screenshot", "vm", picture, "--screen", "1")
    assert not list((guest.root / "run").rglob("*screen*"))


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_media(guest: Program, tmp_path: Path, running: bool) -> None:
    disc = tmp_path / "a disc's \"image\".iso"
    disc.write_bytes(bytes(2**20))
    if running:
        guest.ok("start", "vm")
    empty = "error: The disk device 'hdc' doesn't have media\n"
    assert guest.error("change-media", "vm", "hdc", "--eject") == empty
    assert guest.ok("change-media", "vm", "hdc", disc) == "Successfully updated media.\n"
    assert str(disc) in guest.ok("domblklist", "vm")
    if running:
        assert "not inserted" not in guest.ok("qemu-monitor-command", "vm", "--hmp", "info block drive-ide0-1-0")
        assert str(disc) not in guest.ok("domblklist", "vm", "--inactive")
    assert "already has media" in guest.error("change-media", "vm", "hdc", disc, "--insert")
    assert guest.ok("change-media", "vm", "hdc", "--eject") == "Successfully ejected media.\n"
    assert guest.ok("change-media", "vm", "hdc", disc, "--insert", "--config") == "Successfully inserted media.\n"
    assert str(disc) in guest.ok("domblklist", "vm", "--inactive")
    assert guest.error("change-media", "vm", "vda", "--eject") == (
        "error: No disk found whose source path or target is vda\n")
    missing = guest.error("change-media", "vm", "hdc", "/nonexistent.iso", "--config")
    assert missing == ("error: Failed to complete action update on media\n"
                       "error: Cannot access storage file '/nonexistent.iso': No such file or directory\n")


@pytest.mark.parametrize("running", [False, True], ids=["off", "running"])
def test_a_cable(guest: Program, running: bool) -> None:
    if running:
        guest.ok("start", "vm")
    assert guest.ok("domif-getlink", "vm", MAC) == f"{MAC} up\n"
    assert guest.ok("domif-setlink", "vm", MAC, "down") == "Device updated successfully\n\n"
    assert guest.ok("domif-getlink", "vm", MAC) == f"{MAC} down\n"
    assert guest.ok("domif-getlink", "vm", MAC, "--config") == f"{MAC} {'up' if running else 'down'}\n"
    assert guest.ok("domif-setlink", "vm", MAC, "up") == "Device updated successfully\n\n"
    assert guest.error("domif-setlink", "vm", MAC, "loose") == "error: invalid link state 'loose'\n"
    assert guest.error("domif-getlink", "vm", "vnet9") == "error: Interface (dev: vnet9) not found.\n"
    assert guest.error("domif-setlink", "vm", "vnet9", "up") == "error: interface 'vnet9' not found\n"
