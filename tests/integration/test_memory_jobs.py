"""domjobinfo and domjobabort beside a save that another process is at."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.program import Program
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu

SAVE = """
import sys
from pathlib import Path
from virtctl.errors import VirtctlError
from virtctl.paths import Paths
from virtctl.qemu.context import Context
from virtctl.qemu.saving import save
from virtctl.values import SaveOptions

def wait(done, total):
    print("streaming", flush=True)
    sys.stdin.readline()

context = Context(Paths.under(Path(sys.argv[1])), command="save")
try:
    save(context, context.find("big"), Path(sys.argv[2]), SaveOptions(progress=wait))
except VirtctlError as error:
    print(error, flush=True)
"""
IDLE = "Job type:         None        \n\n"


@pytest.fixture
def saver(virtctl: Program, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A guest of so much memory that its stream does not fit into a socket, and a save that waits in the middle."""
    image, document = guests.counter_image(tmp_path / "big.img"), tmp_path / "big.xml"
    devices = documents.disk(image, "vda", "virtio") + documents.serial(tmp_path / "big.log")
    document.write_text(documents.document("big", devices=devices, memory=1024))
    virtctl.ok("create", document)
    eventually(lambda: guests.last_printed(tmp_path / "big.log"), "the guest counts")
    assert virtctl.ok("domjobinfo", "big") == IDLE
    words = [sys.executable, "-c", SAVE, str(virtctl.root), str(tmp_path / "big.save")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "streaming\n"
        yield process
        process.kill()


def test_a_save_is_seen_and_ended(virtctl: Program, tmp_path: Path, saver: subprocess.Popen[str]) -> None:
    said = virtctl.ok("domjobinfo", "big").splitlines()
    assert said[:2] == ["Job type:         Unbounded   ", "Operation:        Save        "]
    assert said[2].split()[:2] == ["Time", "elapsed:"]
    assert any(line.startswith("Data processed:   ") and line.endswith("iB") for line in said)
    assert [line for line in said if line.startswith("Memory total:     1.0")]
    assert "data_total: 10" in virtctl.ok("domjobinfo", "big", "--rawstats")
    assert "read only" in virtctl.error("-r", "domjobabort", "big")
    assert virtctl.ok("domjobabort", "big") == "\n"
    told, _ = saver.communicate("\n" * 1000, timeout=60)
    assert "operation aborted: job 'domain save' canceled by client\n" in told
    assert not (tmp_path / "big.save").exists()
    before = guests.last_printed(tmp_path / "big.log")
    eventually(lambda: guests.last_printed(tmp_path / "big.log") > before, "the guest goes on")
    assert virtctl.ok("domstate", "big") == "running\n\n"
    assert virtctl.ok("domjobinfo", "big") == IDLE
    assert virtctl.error("domjobabort", "big") == (
        "error: Requested operation is not valid: no job is active on the domain\n")
