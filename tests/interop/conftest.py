"""A real libvirtd beside the program. Without one installed these tests are skipped."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.libvirtd import PrivateLibvirtd, missing


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[PrivateLibvirtd]:
    """One daemon for all tests of this worker."""
    if missing():
        pytest.skip(f"not installed: {missing()}; run tests/run.sh")
    daemon = PrivateLibvirtd.start()
    yield daemon
    daemon.end()
