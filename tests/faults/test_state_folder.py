"""A state folder that cannot be written, strange files among the definitions, another boot, wiped run folders."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.faults.sweep import audit, guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import PROGRAM, Program
from virtctl.values import SaveOptions

pytestmark = pytest.mark.qemu


def apart(script: str, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A shell script in a mount namespace of its own; `$1` is the program, the others follow."""
    command = ["unshare", "-m", "sh", "-ec", script, "sh", PROGRAM, str(root), *words]
    environment = {**os.environ, "VIRTCTL_ROOT": str(root), "LC_ALL": "C.UTF-8"}
    if os.geteuid() or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a mount namespace")
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.mark.fault(33)
def test_what_only_reads_works_in_a_folder_that_cannot_be_written(lab: Lab) -> None:
    lab.running()
    root = lab.folder.parent
    readonly = 'mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"; '
    for words in ("list --all", f"dumpxml {NAME}", f"domstate {NAME}", f"dominfo {NAME}", f"domblklist {NAME}",
                  f"history {NAME}"):
        done = apart(readonly + f'"$1" {words}', root)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        assert NAME in done.stdout or "running" in done.stdout
    for words in (f"suspend {NAME}", f"undefine {NAME}", f"destroy {NAME}", f"save {NAME} {lab.image}"):
        done = apart(readonly + f'"$1" {words}', root)
        assert done.returncode == 1
        assert "Read-only file system" in done.stderr
    assert lab.driver.state(NAME).state == "running"
    assert len(guests(root)) == 1


@pytest.mark.fault(35)
def test_strange_files_among_the_definitions_hide_nobody(lab: Lab, program: Program) -> None:
    lab.define()
    folder = lab.folder.parent / "etc" / "qemu"
    os.mkfifo(folder / "fifo.xml", 0o600)
    (folder / "folder.xml").mkdir(mode=0o700)
    (folder / "link.xml").symlink_to("/etc/passwd")
    (folder / "loop.xml").symlink_to("loop.xml")
    (folder / "device.xml").symlink_to("/dev/zero")
    (folder / "empty.xml").touch(mode=0o600)
    (folder / "torn.xml").write_bytes(document(lab.disk).encode()[:200])
    (folder / "other.xml").write_bytes(document(lab.disk).encode())
    (folder / "binary.xml").write_bytes(bytes(range(256)))
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "socket.xml"))
    for path in folder.glob("*.xml"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o600)
    shown = program("list", "--all", seconds=5)
    assert shown.status == 0
    assert [line.split()[1] for line in shown.lines()[2:]] == [NAME]
    for name in ("fifo", "folder", "link", "loop", "device", "empty", "torn", "other", "binary", "socket"):
        assert shown.err.count(f"broken definition '{folder / name}.xml'") == 1, shown.err
    program("start", NAME)
    assert lab.driver.state(NAME).state == "running"


def test_after_a_reboot_no_guest_runs(lab: Lab) -> None:
    lab.running()
    root = lab.folder.parent
    other = lab.folder / "boot_id"
    other.write_text(f"{uuid.uuid4()}\n")
    rebooted = 'mount --bind "$3" /proc/sys/kernel/random/boot_id; '
    done = apart(rebooted + '"$1" list --all; "$1" domstate --reason g', root, str(other))
    assert done.returncode == 0, done.stderr
    assert "shut off" in done.stdout
    assert "running" not in done.stdout


@pytest.mark.fault(97)
def test_a_wiped_run_folder_loses_no_guest(lab: Lab, program: Program) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    subprocess.run(["rm", "-rf", str(lab.folder.parent / "run")], check=True)
    assert program("domstate", NAME).out.strip() == "running"
    assert "already" in program("start", NAME).err
    assert guests(lab.folder.parent) == [pid]
    lab.driver.save(NAME, lab.image, SaveOptions())
    assert guests(lab.folder.parent) == []


@pytest.mark.fault(94)
def test_another_process_with_the_pid_of_a_guest_is_left_alone(lab: Lab, program: Program) -> None:
    lab.running()
    (pid,) = guests(lab.folder.parent)
    record = next((lab.folder.parent / "run" / "qemu").glob("*/status.json"))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        os.kill(pid, 9)
        record.write_text(record.read_text().replace(f'"pid": {pid}', f'"pid": {stranger.pid}'))
        assert program("domstate", NAME).out.strip() == "shut off"
        program("destroy", NAME)
        program.ok("start", NAME)
        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert audit(lab.folder.parent) == []
