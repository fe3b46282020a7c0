"""Serial logs on places that cannot be written: `startupPolicy` decides whether the guest may do without."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.program import Program
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu


def define(virtctl: Program, folder: Path, log: Path, policy: str) -> Path:
    """A counting guest whose log is `log`; its disk is handed back."""
    image = guests.counter_image(folder / "logging.img")
    devices = documents.disk(image, "vda", "virtio") + documents.serial(log, policy)
    document = folder / "logging.xml"
    document.write_text(documents.document("logging", devices=devices), encoding="utf-8")
    virtctl.ok("define", document)
    return image


@pytest.fixture(params=["missing-folder", "is-a-folder"])
def unwritable(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A log that nobody can open, not even root."""
    if request.param == "missing-folder":
        return tmp_path / "failed-disk" / "guest.log"
    place = tmp_path / "guest.log"
    place.mkdir()
    return place


@pytest.mark.fault(42)
def test_optional_log_is_done_without_and_stays_in_the_definition(
    virtctl: Program, tmp_path: Path, unwritable: Path
) -> None:
    image = define(virtctl, tmp_path, unwritable, "optional")
    stored = virtctl.ok("dumpxml", "logging")
    result = virtctl("start", "logging")
    assert result.status == 0, result.err
    assert "Domain 'logging' started" in result.out
    assert str(unwritable) in result.err
    eventually(lambda: guests.counter_on_disk(image) > 2, "the guest runs")
    assert "<source path='/dev/null'" in virtctl.ok("dumpxml", "logging")
    assert virtctl.ok("dumpxml", "logging", "--inactive") == stored
    assert str(unwritable) in stored


@pytest.mark.fault(42)
@pytest.mark.parametrize("policy", ["mandatory", "requisite", ""])
def test_any_other_log_must_be_there(virtctl: Program, tmp_path: Path, unwritable: Path, policy: str) -> None:
    define(virtctl, tmp_path, unwritable, policy)
    said = virtctl.error("start", "logging")
    assert said.startswith("error: Failed to start domain 'logging'\nerror: ")
    assert str(unwritable) in said
    assert ("No such file or directory" in said) or ("Is a directory" in said)
    assert virtctl.ok("domstate", "logging").strip() == "shut off"


def test_log_that_can_be_written_is_private_and_used(virtctl: Program, tmp_path: Path) -> None:
    log = tmp_path / "guest.log"
    define(virtctl, tmp_path, log, "optional")
    virtctl.ok("start", "logging")
    eventually(lambda: guests.last_printed(log) > 2, "the log grows")
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.fault(45)
def test_log_is_never_opened_through_a_symbolic_link(virtctl: Program, tmp_path: Path) -> None:
    victim = tmp_path / "precious"
    victim.write_text("precious", encoding="utf-8")
    log = tmp_path / "guest.log"
    log.symlink_to(victim)
    define(virtctl, tmp_path, log, "mandatory")
    assert str(log) in virtctl.error("start", "logging")
    assert victim.read_text(encoding="utf-8") == "precious"
