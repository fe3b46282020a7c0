"""Each kind of error where a user meets it: the class, and libvirt's prefix before the words."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtctl import errors
from virtctl.domain.host import Host
from virtctl.domain.pipeline import complete
from virtctl.drivers import open_driver
from virtctl.errors import (
    ArgumentUnsupported,
    DeviceMissing,
    NoConnection,
    NoMetadata,
    NoSupport,
    OperationAborted,
    OperationForbidden,
    OperationUnsupported,
    QemuFailed,
    ResourceBusy,
    ValueOverflow,
    VirtctlError,
    XmlDetail,
)
from virtctl.paths import Paths
from virtctl.qemu.failures import explain
from virtctl.values import Affect, DumpCoreOptions


def document(memory: str = "<memory>8192</memory>", os: str = "", devices: str = "") -> str:
    return (f"<domain type='qemu'><name>a</name>{memory}<os><type arch='x86_64'>hvm</type>{os}</os>"
            f"<devices>{devices}</devices></domain>")


def test_amounts_beyond_what_can_be_counted() -> None:
    with pytest.raises(ValueOverflow):
        complete(document("<memory unit='EiB'>9000</memory>"), Host())


def test_a_loader_without_a_file() -> None:
    with pytest.raises(XmlDetail, match="no loader path specified"):
        complete(document(os="<loader readonly='yes'/>"), Host())


def test_limits_that_qemu_cannot_count_to() -> None:
    disk = ("<disk type='file'><source file='/a'/><target dev='vda'/>"
            "<iotune><total_bytes_sec>2000000000000000</total_bytes_sec></iotune></disk>")
    with pytest.raises(ArgumentUnsupported, match="throttle limit"):
        complete(document(devices=disk), Host())


def test_a_connection_that_nobody_has(tmp_path: Path) -> None:
    with pytest.raises(NoConnection, match="bogus:///"):
        open_driver("bogus:///", Paths.under(tmp_path))


def test_a_verb_that_a_connection_lacks(tmp_path: Path) -> None:
    with pytest.raises(NoSupport):
        open_driver("test:///default", Paths.under(tmp_path)).managed_image("test")


def test_a_connection_that_may_only_look(tmp_path: Path) -> None:
    driver = open_driver("qemu:///system", Paths.under(tmp_path), readonly=True)
    with pytest.raises(OperationForbidden):
        driver.define(document())


def test_a_dump_of_more_than_memory(tmp_path: Path) -> None:
    driver = open_driver("qemu:///system", Paths.under(tmp_path))
    driver.define(document())
    with pytest.raises(OperationUnsupported, match="memory-only"):
        driver.dump("a", tmp_path / "core", DumpCoreOptions())


def test_metadata_that_nobody_set(tmp_path: Path) -> None:
    driver = open_driver("qemu:///system", Paths.under(tmp_path))
    driver.define(document())
    with pytest.raises(NoMetadata, match="not present"):
        driver.metadata("a", "http://example.com/one", Affect())


def test_a_cable_of_a_card_that_is_not_there(tmp_path: Path) -> None:
    driver = open_driver("qemu:///system", Paths.under(tmp_path))
    driver.define(document())
    with pytest.raises(DeviceMissing, match="52:54:00:00:00:01"):
        driver.set_link("a", "52:54:00:00:00:01", "down", Affect())


def test_a_save_that_is_called_off_says_so() -> None:
    # tests/integration/test_memory_jobs.py calls a real one off.
    assert str(OperationAborted("words")) == "operation aborted: words"


def test_an_image_that_another_process_has_locked(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"")
    words = QemuFailed(f'Failed to get "write" lock; Is another process using the image [{image}]?')
    assert isinstance(explain(words, Paths.under(tmp_path)), ResourceBusy)
    assert explain(QemuFailed("something else"), Paths.under(tmp_path)).message == "something else"


KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VirtctlError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_prefix_comes_first_and_the_cure_last(kind: type[VirtctlError]) -> None:
    error = kind("words", OSError(28, "No space left on device")) if kind is errors.SystemFault else kind("words")
    assert "words" in str(error)
    assert str(error).startswith(kind.prefix) or kind is NoConnection
    assert error.hint is None
