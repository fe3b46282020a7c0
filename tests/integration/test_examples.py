"""Everything in examples/ does what it says."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import guests
from tests.support.program import Program, Result
from tests.support.waiting import eventually

pytestmark = pytest.mark.qemu

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
IMAGES = "/var/lib/virtctl/images"  # where the examples keep their disks; the tests put them elsewhere


def placed(example: str, folder: Path) -> Path:
    """An example's document with its disks, kernel and logs in `folder`."""
    text = (EXAMPLES / example).read_text(encoding="utf-8")
    document = folder / example
    document.write_text(text.replace(IMAGES, str(folder)), encoding="utf-8")
    return document


def prepare(folder: Path, linux: tuple[Path, Path]) -> None:
    """Puts all that the examples boot into `folder`."""
    guests.counter_image(folder / "counter.img")
    for name in ("linux.img", "uefi.img"):
        guests.write_image(folder / name, b"", 8 * 2**20)
    shutil.copy(linux[0], folder / "vmlinuz")
    shutil.copy(linux[1], folder / "initramfs")


@pytest.mark.parametrize("example", sorted(path.name for path in EXAMPLES.glob("*.xml")))
def test_document_is_defined_started_and_destroyed(
    virtctl: Program, tmp_path: Path, linux: tuple[Path, Path], example: str
) -> None:
    prepare(tmp_path, linux)
    virtctl.ok("define", placed(example, tmp_path))
    name = virtctl.ok("list", "--all", "--name").split()[0]
    once = virtctl.ok("dumpxml", name, "--inactive")
    again = tmp_path / "again.xml"
    again.write_text(once, encoding="utf-8")
    virtctl.ok("define", again)
    assert sorted(virtctl.ok("dumpxml", name, "--inactive").splitlines()) == sorted(once.splitlines())
    assert virtctl("start", name).status == 0
    assert virtctl.ok("domstate", name).strip() == "running"
    virtctl.ok("destroy", name)
    assert virtctl("undefine", name, "--nvram").status == 0


def test_linux_example_boots(virtctl: Program, tmp_path: Path, linux: tuple[Path, Path]) -> None:
    prepare(tmp_path, linux)
    virtctl.ok("define", placed("linux-direct-kernel.xml", tmp_path))
    virtctl.ok("start", "linux")
    eventually(lambda: guests.written_last(tmp_path / "linux.img") > 2, "Linux writes its disk", seconds=60)


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.virsh")))
def test_batch_script_runs_to_its_end(virtctl: Program, tmp_path: Path, script: str) -> None:
    guests.counter_image(tmp_path / "counter.img")
    document = placed("counter.xml", tmp_path)
    commands = (EXAMPLES / script).read_text(encoding="utf-8").replace("examples/counter.xml", str(document))
    result: Result = virtctl(stdin=commands)
    assert result.status == 0, result.err
    assert "error" not in result.err
    assert "Domain 'counter' has been undefined" in result.out
    assert virtctl.ok("list", "--all", "--name").split() == []


@pytest.mark.xdist_group("quickstart")
def test_quickstart_holds(tmp_path: Path) -> None:
    assert (ROOT / ".venv" / "bin" / "virtctl").exists(), "the quickstart would make .venv/ anew; use tests/run.sh"
    done = subprocess.run(
        ["sh", EXAMPLES / "quickstart.sh"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("=== All of it held.\n")
