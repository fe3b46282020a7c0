"""The power goes at drawn moments of drawn verbs: what the disk holds is old or new, and no memory is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import powerloss
from tests.faults.verbs_small import EVERY
from tests.support.program import end_guests
from tests.unit.sweep import needs_strace

pytestmark = [pytest.mark.qemu, needs_strace]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "root"
    place.mkdir(mode=0o700)
    yield place
    end_guests(place)


@pytest.mark.fault(41)
def test_what_was_not_synced_may_be_gone_at_any_moment(root: Path) -> None:
    verbs = ["redefine", "undefine-nvram", "save-over", "managedsave", "start-managed", "pivot"]
    found = powerloss.measure(root, verbs, 36, 1)
    assert found.violations == []
    assert found.trials == 36


@pytest.mark.fault(41)
@pytest.mark.parametrize("name", ["redefine", "save"])
def test_a_verb_that_synced_nothing_would_be_found_out(root: Path, name: str) -> None:
    """The same moments without the syncs: the model must see that what was told to be done is not on the disk."""
    story = powerloss.tell(root, next(verb for verb in EVERY if verb.name == name))
    calls = [call for call in story.calls if not call.name.endswith("sync")]
    lazy = story._replace(calls=calls)
    wrong = [line for policy in ("strict", "names")
             for line in powerloss.try_one(root, lazy, len(calls), policy, 1, start=False)]
    assert len(wrong) >= 2
