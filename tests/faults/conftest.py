"""What the fault tests share: a lab with its driver in this process, small file systems, the shim."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.attempts import build_shim
from tests.faults.sweep import fresh_driver
from tests.faults.verbs import Lab
from tests.support.program import Program, end_guests


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """One domain `g` and its disk; all state below `lab.folder.parent`."""
    root = tmp_path / "root"
    made = Lab(root / "lab", fresh_driver(root))
    made.folder.mkdir(parents=True, mode=0o700)
    made.disk.write_bytes(bytes(65536))
    yield made
    end_guests(root)


@pytest.fixture
def program(lab: Lab) -> Program:
    """The command line on the same state."""
    return Program(lab.folder.parent)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=700", "small", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """shim.c, built."""
    if shutil.which("gcc") is None:
        pytest.skip("the shim that injects faults needs gcc")
    return build_shim(tmp_path_factory.mktemp("shim"))
