"""Readers that go away, outputs that are closed or full: said where it can be, and nothing is half done."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.faults.sweep import audit
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import PROGRAM, Program
from virtctl.values import ListFilter

FULL = "error: cannot write the output: No space left on device\n"


def in_shell(lab: Lab, line: str) -> subprocess.CompletedProcess[str]:
    """The line with `$v` for the program, in a shell that tells how the first of a pipe ended."""
    command = ["bash", "-c", line, "bash"]
    environment = {**Program(lab.folder.parent).environ(), "v": PROGRAM}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def defined(lab: Lab) -> list[str]:
    return [row.name for row in lab.driver.rows(ListFilter(inactive=True))]


@pytest.mark.fault(13)
def test_a_reader_that_went_away_ends_a_listing_like_any_program(lab: Lab) -> None:
    lab.define()
    done = in_shell(lab, '"$v" list --all | head -1; echo "${PIPESTATUS[0]}"')
    assert done.stdout.splitlines()[0].split() == ["Id", "Name", "State"]
    assert done.stdout.splitlines()[1] in ("0", str(128 + signal.SIGPIPE)), "it may be done before the reader is gone"
    assert done.stderr == ""
    reader, writer = os.pipe()
    os.close(reader)
    gone = subprocess.run([PROGRAM, "list", "--all"], env=Program(lab.folder.parent).environ(), stdout=writer,
                          stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (gone.returncode, gone.stderr) == (-signal.SIGPIPE, b"")


@pytest.mark.fault(13)
@pytest.mark.parametrize("words", ["list --all", f"dumpxml {NAME}", "help", "list --all --output json"])
def test_an_output_that_is_full_is_said_and_fails(lab: Lab, words: str) -> None:
    lab.define()
    done = in_shell(lab, f'"$v" {words} > /dev/full')
    assert (done.returncode, done.stderr) == (1, FULL)


@pytest.mark.fault(13)
@pytest.mark.parametrize("place", ["> /dev/full", ">&- 2>&- <&-", "2>/dev/full"])
def test_a_definition_is_whole_or_absent_wherever_the_message_goes(lab: Lab, place: str) -> None:
    """The change is made before it is told: what failed is the telling, and the same command may be repeated."""
    source = lab.folder / "g.xml"
    source.write_text(document(lab.disk))
    source.chmod(0o600)
    done = in_shell(lab, f'"$v" define {source} {place}')
    assert done.returncode == (place == "> /dev/full")
    assert defined(lab) == [NAME]
    assert audit(lab.folder.parent) == []
    stored = lab.folder.parent / "etc" / "qemu" / "g.xml"
    assert stored.read_text().startswith("<domain"), "nothing that was printed went into a file of ours"
    assert in_shell(lab, f'"$v" undefine {NAME} {place}').returncode == done.returncode
    assert defined(lab) == []


@pytest.mark.qemu
@pytest.mark.fault(13)
@pytest.mark.parametrize("place", ["> /dev/full", ">&-"])
def test_a_guest_whose_start_cannot_be_told_runs(lab: Lab, place: str) -> None:
    lab.define()
    done = in_shell(lab, f'"$v" start {NAME} {place}')
    assert done.returncode == (place == "> /dev/full")
    assert done.stderr == (FULL if done.returncode else "")
    assert lab.driver.state(NAME).state == "running"
    done = in_shell(lab, f'"$v" save {NAME} {lab.image} --verbose {place}')
    assert done.returncode == (place == "> /dev/full")
    assert lab.driver.state(NAME).state == "shut off"
    assert lab.image.exists()
    assert audit(lab.folder.parent) == []


@pytest.mark.fault(13)
def test_a_screen_that_cannot_be_written_leaves_no_descriptor_for_our_files(lab: Lab) -> None:
    """With the three streams closed, the first file that is opened would get number 1, and be printed into."""
    lab.define()
    before = {path: path.read_bytes() for path in Path(lab.folder.parent / "etc").rglob("*.xml")}
    assert before
    in_shell(lab, f'"$v" "list --all; dumpxml {NAME}; desc {NAME} --config" <&- >&- 2>&-')
    assert {path: path.read_bytes() for path in before} == before
    assert lab.disk.read_bytes() == bytes(65536)
