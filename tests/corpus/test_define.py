"""The practice corpus must stay as right as it has been; where it is not present, there is nothing to compare with."""

import pytest

from tests.corpus.define import CORPUS, score

RIGHT = ("identical", "rightly refused", "rightly refused, other words")
FLOOR = 425  # only ever raised
IN_ITS_WORDS = 425  # refused with libvirt's own words, or identical


@pytest.mark.skipif(not CORPUS.is_dir(), reason=f"{CORPUS} is not present")
def test_as_many_documents_are_right_as_ever():
    count, verdicts = score()
    table = "\n".join(f"{number:5} {verdict}" for verdict, number in count.most_common())
    print(table)
    wrong = sorted(name for name, verdict in verdicts.items() if verdict not in RIGHT)
    assert sum(count[verdict] for verdict in RIGHT) >= FLOOR, f"{table}\nwrong: {', '.join(wrong)}"
    other = sorted(name for name, verdict in verdicts.items() if verdict.endswith("other words"))
    assert count["identical"] + count["rightly refused"] >= IN_ITS_WORDS, f"{table}\nother words: {', '.join(other)}"
