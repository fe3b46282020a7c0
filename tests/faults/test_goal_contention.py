"""G10 in small: one round."""

from __future__ import annotations

import pytest

from tests.faults.goals import g10_contention

pytestmark = pytest.mark.qemu


@pytest.mark.fault(49, 50, 51)
def test_of_fifty_processes_one_wins_and_the_others_know_why() -> None:
    result = g10_contention.measure(1, seed=1)
    assert not result.violations
