"""What others may see: no file of ours, no password anywhere, no lock of ours in QEMU's hands."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.faults.sweep import guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import PROGRAM, Program
from virtctl.values import BlockCopy

pytestmark = pytest.mark.qemu

PASSWORD = "pA5sW0rD"


def open_to_others(root: Path) -> list[str]:
    return [f"{path.relative_to(root)} {stat.filemode(path.lstat().st_mode)}" for path in root.rglob("*")
            if not path.is_symlink() and path.lstat().st_mode & 0o077]


@pytest.mark.fault(105)
def test_nothing_is_open_to_others_whatever_the_umask(lab: Lab) -> None:
    root = lab.folder.parent
    lab.disk.chmod(0o600)
    lab.nothing()
    program = Program(root, ("sh", "-c", 'umask 000; exec "$@"', "sh", PROGRAM))
    lab.disk.chmod(0o600)
    text = lab.folder / "g.xml"
    text.write_text(document(lab.disk))
    text.chmod(0o600)
    for words in (["define", text], ["autostart", NAME], ["start", NAME], ["suspend", NAME], ["resume", NAME],
                  ["blockcopy", NAME, "vda", lab.copy, "--transient-job"], ["blockjob", NAME, "vda", "--abort"],
                  ["dump", NAME, lab.core, "--memory-only"], ["save", NAME, lab.image], ["restore", lab.image],
                  ["managedsave", NAME], ["start", NAME], ["destroy", NAME], ["define", text], ["undefine", NAME]):
        result = program(*words)
        assert result.status == 0, f"{words}: {result.err}"
        assert open_to_others(root) == [], words


@pytest.mark.fault(106)
def test_a_password_is_seen_by_nobody_who_does_not_ask(lab: Lab, program: Program) -> None:
    root = lab.folder.parent
    shown = f"<graphics type='vnc' autoport='yes' passwd='{PASSWORD}'/></devices>"
    lab.disk.chmod(0o600)
    text = lab.folder / "g.xml"
    text.write_text(document(lab.disk).replace("</devices>", shown))
    text.chmod(0o600)
    program.ok("define", text)
    program.ok("start", NAME)
    (pid,) = guests(root)
    secret = PASSWORD.encode()
    for name in ("cmdline", "environ"):
        assert secret not in Path(f"/proc/{pid}/{name}").read_bytes()
    for words in (["dumpxml", NAME], ["dumpxml", NAME, "--inactive"], ["domdisplay", NAME], ["history", NAME],
                  ["vncdisplay", NAME], ["domxml-to-native", "qemu-argv", "--domain", NAME]):
        result = program(*words)
        assert PASSWORD not in result.out + result.err, words
    assert PASSWORD in program.ok("dumpxml", NAME, "--security-info")
    program("save", NAME, "/nowhere/image")
    program.ok("managedsave", NAME)
    program.ok("start", NAME)
    for place in ("log", "run/locks", "lib/qemu/history", "lib/qemu/journal"):
        for path in (root / place).rglob("*"):
            if path.is_file():
                assert secret not in path.read_bytes(), path
    assert open_to_others(root) == []


def test_qemu_holds_no_lock_and_no_file_of_ours(lab: Lab) -> None:
    lab.running()
    lab.driver.blockcopy(NAME, "vda", BlockCopy(str(lab.copy)))
    (pid,) = guests(lab.folder.parent)
    held = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    assert not [path for path in held if path.endswith((".lock", ".json", ".xml"))]
    inodes = {path.stat().st_ino for path in lab.folder.parent.rglob("*.lock")}
    locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    assert not [words for words in locks if "->" not in words and int(words[-3].split(":")[2]) in inodes]
