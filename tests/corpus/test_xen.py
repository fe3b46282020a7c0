"""Scores the Xen conversions against a corpus of libvirt's, where one is at hand; a lower score than before fails.

A folder holds NAME.in.* and NAME.out.*. From native, the document must be the same text. To native, the text must be
the same too (space between parentheses apart), or mean the same: several texts mean one document (`cmdline` or `extra`,
disks by position or by name), and only one of them can be written.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from virtctl.errors import VirtctlError
from virtctl.schema.node import to_text
from virtctl.schema.xmlio import read
from virtctl.xen.convert import from_native, to_native

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("VIRTCTL_CORPUS", ROOT.parent / "shared" / "corpus")) / "xen"
# folder: (form, file ending, lowest share of same texts, lowest share of same meanings), in percent
FOLDERS = {
    "xen-sxpr-from": ("xen-sxpr", "sexpr", 100, 100),
    "xen-sxpr-to": ("xen-sxpr", "sexpr", 100, 100),
    "xen-xm-from": ("xen-xm", "xm", 100, 100),
    "xen-xm-to": ("xen-xm", "xm", 100, 100),
    "xen-xl-from": ("xen-xl", "xl", 95, 95),
    "xen-xl-to": ("xen-xl", "xl", 73, 100),
}

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of Xen conversions")


def squeezed(text: str) -> str:
    return re.sub(r"\s*([()])\s*", r"\1", text).strip()


def document(form: str, text: str) -> str:
    return to_text(from_native(form, text))


def attempt(convert: Callable[[], str]) -> str:
    try:
        return convert()
    except VirtctlError as error:
        return str(error)


def judge_from(form: str, given: str, wanted: str) -> str:
    return "same" if attempt(lambda: document(form, given)) == wanted else "different"


def judge_to(form: str, given: str, wanted: str) -> str:
    made = attempt(lambda: to_native(form, read(given)))
    if made == wanted or (form == "xen-sxpr" and squeezed(made) == squeezed(wanted)):
        return "same"
    ours, theirs = attempt(lambda: document(form, made)), attempt(lambda: document(form, wanted))
    return "same meaning" if ours == theirs and ours.startswith("<domain") else "different"


@pytest.mark.parametrize("folder", FOLDERS)
def test_conversions(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    form, ending, least_same, least_right = FOLDERS[folder]
    ends = (f".in.{ending}", ".out.xml") if folder.endswith("-from") else (".in.xml", f".out.{ending}")
    judge = judge_from if folder.endswith("-from") else judge_to
    verdicts = {}
    for path in sorted((CORPUS / folder).glob(f"*{ends[0]}")):
        name = path.name.removesuffix(ends[0])
        verdicts[name] = judge(form, path.read_text(), (CORPUS / folder / f"{name}{ends[1]}").read_text())
    if not verdicts:
        pytest.skip("an empty folder")
    same = 100 * sum(verdict == "same" for verdict in verdicts.values()) / len(verdicts)
    right = 100 * sum(verdict != "different" for verdict in verdicts.values()) / len(verdicts)
    others = [f"{name} ({verdict})" for name, verdict in verdicts.items() if verdict != "same"]
    with capsys.disabled():
        print(f"\n{folder}: of {len(verdicts)}, {same:.0f} % the same text, {right:.0f} % the same meaning; "
              f"not the same text: {', '.join(others) or 'none'}")
    assert same >= least_same
    assert right >= least_right
