"""A few trials of the goals about savers that die, guests that stand still, and hosts that reboot."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.faults.goals import g02_saver_dies, g12_stalled, g14_reboot


@pytest.mark.qemu
@pytest.mark.parametrize(("goal", "trials"), [(g02_saver_dies, 6), (g12_stalled, 3), (g14_reboot, 2)],
                         ids=["G2", "G12", "G14"])
def test_the_goal_is_reached(goal: ModuleType, trials: int) -> None:
    found = goal.measure(trials, 1)
    assert found.trials == trials
    assert found.violations == []
