"""The goals that have to do with the monitor and with who is who, at a few trials each."""

from __future__ import annotations

import os

import pytest

from tests.faults.goals import g07_monitor_kills, g11_identity

pytestmark = pytest.mark.qemu


@pytest.mark.fault(62, 73)
def test_killed_clients_of_the_monitor() -> None:
    result = g07_monitor_kills.measure(150, 73)
    assert not result.violations
    assert " 0 lines were left half typed" not in result.figures


@pytest.mark.fault(61, 94)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs a pid namespace of its own")
def test_strangers_with_the_pid_and_the_pty_of_a_dead_guest() -> None:
    assert not g11_identity.measure(2, 61).violations
