"""Few trials of the goals about saved images and hostile inputs; `python -m tests.faults.goals` makes all of them."""

from __future__ import annotations

import importlib
import shutil

import pytest

pytestmark = pytest.mark.qemu


@pytest.mark.skipif(shutil.which("gcc") is None, reason="the shim that injects faults needs gcc")
def test_no_save_says_falsely_that_it_succeeded() -> None:
    assert not importlib.import_module("tests.faults.goals.g04_whole_saves").measure(8, 7).violations


@pytest.mark.fault(87)
def test_no_flip_and_no_truncation_passes() -> None:
    assert not importlib.import_module("tests.faults.goals.g05_flips").measure(150, 7).violations


def test_no_hostile_input_crashes_or_hangs_it() -> None:
    assert not importlib.import_module("tests.faults.goals.g06_hostile").measure(60, 7).violations
