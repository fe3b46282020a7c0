"""Guests for the tests that start a real QEMU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import linux_guest
from tests.support.plain_qemu import EMULATOR, PlainQemu
from tests.support.program import Program, end_guests
from tests.support.unprivileged import Site, images


@pytest.fixture
def plain_qemu(tmp_path: Path) -> Iterator[Callable[..., PlainQemu]]:
    """Starts emulators by hand, `plain_qemu("-m", "32", ...)`, and ends them with the test."""
    started: list[PlainQemu] = []

    def start(*options: str) -> PlainQemu:
        folder = tmp_path / f"plain{len(started)}"
        folder.mkdir()
        started.append(PlainQemu.start(folder, *options))
        return started[-1]

    if not Path(EMULATOR).exists():
        pytest.skip("qemu-system-x86_64 is not installed: run tests/run.sh")
    yield start
    for qemu in started:
        qemu.end()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """State in a folder that is shut to everybody else, images in one that is not; QEMU runs as nobody."""
    root = tmp_path / "root"
    root.mkdir(0o700)
    with images() as folder:
        made = Site(Program(root), folder)
        made.settings('user = "nobody"\n')
        yield made
        end_guests(root)


@pytest.fixture(scope="session")
def linux(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The kernel and the initramfs of the Linux guest."""
    kernel = linux_guest.kernel()
    if kernel is None or not linux_guest.BUSYBOX.exists():
        pytest.skip("no kernel unpacked below .venv/: run tests/run.sh")
    return kernel, linux_guest.build_initramfs(tmp_path_factory.mktemp("linux") / "initramfs")
