"""G8 in small: the known troublemakers and some hundred names of chance."""

from __future__ import annotations

import pytest

from tests.faults.goals import g08_names

pytestmark = pytest.mark.qemu


@pytest.mark.fault(65, 78)
def test_every_name_is_exactly_that_file_or_refused() -> None:
    result = g08_names.measure(480, seed=8)
    assert not result.violations
