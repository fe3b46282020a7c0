"""Fixtures and options that every test area shares. What they are made of stands in tests/support/."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.golden import Golden
from tests.support.program import Program, end_guests

# Where a change is judged, the same examples are tried each time; at a desk, new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files anew from what the tests see")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: a mistake shows before any QEMU is started."""
    items.sort(key=lambda item: any(item.get_closest_marker(name) for name in ("qemu", "libvirt", "slow")))


@pytest.fixture
def virtctl(tmp_path: Path) -> Iterator[Program]:
    """The program, with all its state in a folder of this test; guests that are left behind are ended."""
    root = tmp_path / "root"
    yield Program(root)
    end_guests(root)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares text with a golden file: `golden(path, text)`."""
    return Golden(regenerate=bool(request.config.getoption("--regenerate")))
