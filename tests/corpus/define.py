"""Scores define against the practice corpus: `python -m tests.corpus.define [-v] [NAME...]`.

Each NAME.in.xml stands beside NAME.out.xml (the definition that libvirt made of it) or NAME.err (its refusal).
Generated MAC addresses and uuids are masked where the input has none.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from collections import Counter
from pathlib import Path

from virtctl.domain.domain import write_domain
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError
from virtctl.schema.element import Mode

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("VIRTCTL_CORPUS", ROOT.parent / "shared" / "corpus")) / "define"
SECURE = Mode(secure=True)
MASKS = [(re.compile(r"<mac address='[^']*'"), "<mac address='*'"), (re.compile(r"<uuid>.*?</uuid>"), "<uuid>*</uuid>"),
         (re.compile(r"<genid>.*?</genid>"), "<genid>*</genid>")]


def mask(text: str, given: str) -> str:
    for pattern, word in MASKS:
        known = {found.lower().replace('"', "'") for found in pattern.findall(given.replace('"', "'"))}
        text = pattern.sub(lambda m, k=known, w=word: m.group(0) if m.group(0).lower() in k else w, text)
    return text


def judge(name: str) -> tuple[str, str]:
    """(verdict, detail) of one case."""
    from tests.corpus.host import DEBIAN12

    given = (CORPUS / f"{name}.in.xml").read_text()
    wanted_file, refusal = CORPUS / f"{name}.out.xml", CORPUS / f"{name}.err"
    try:
        made = write_domain(complete(given, DEBIAN12), SECURE)
    except VirtctlError as error:
        if refusal.exists():
            same = str(error).strip() == refusal.read_text().strip()
            return ("rightly refused" if same else "rightly refused, other words"), \
                f"ours:   {error}\ntheirs: {refusal.read_text().strip()}"
        return "wrongly refused", str(error)
    except Exception:
        return "crashed", traceback.format_exc()
    if refusal.exists():
        return "wrongly accepted", refusal.read_text()
    wanted, made = mask(wanted_file.read_text(), given), mask(made, given)
    if made.strip() == wanted.strip():
        return "identical", ""
    diff = "\n".join(difflib.unified_diff(wanted.strip().splitlines(), made.strip().splitlines(), "libvirt", "virtctl",
                                          lineterm="", n=1))
    if sorted(wanted.split()) == sorted(made.split()):
        return "same but for order", diff
    return "different", diff


def names() -> list[str]:
    return sorted(path.name.removesuffix(".in.xml") for path in CORPUS.glob("*.in.xml"))


def score() -> tuple[Counter[str], dict[str, str]]:
    """How many cases got each verdict, and the verdict of each."""
    verdicts = {name: judge(name)[0] for name in names()}
    return Counter(verdicts.values()), verdicts


def main(words: list[str]) -> None:
    verbose = "-v" in words
    chosen = [word for word in words if word != "-v"] or names()
    count: Counter[str] = Counter()
    for name in chosen:
        verdict, detail = judge(name)
        count[verdict] += 1
        if verbose and verdict != "identical" and verdict != "rightly refused":
            print(f"=== {name}: {verdict}\n{detail}")
    for verdict, number in count.most_common():
        print(f"{number:5} {verdict}")
    right = count["identical"] + count["rightly refused"] + count["rightly refused, other words"]
    print(f"{right} of {sum(count.values())} right")


if __name__ == "__main__":
    main(sys.argv[1:])
