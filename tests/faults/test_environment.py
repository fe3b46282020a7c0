"""The program in environments that are broken or hostile: it works, or says what is wrong, and runs nobody's code."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.faults.sweep import audit, guests
from tests.faults.verbs import NAME, Lab
from tests.support.program import Program, Result
from virtctl.values import DumpOptions

pytestmark = [pytest.mark.qemu, pytest.mark.fault(86)]

WHOLE_LIFE = ("start", "suspend", "resume", "managedsave", "start", "destroy")


def run(program: Program, words: str, environment: Mapping[str, str | None] = {}, before: str = "") -> Result:
    """A command below a shell that first does `before`; None takes a variable away."""
    wanted = {**program.environ(), **environment}
    line = f"{before}\nexec {shlex.join(program.command)} {words}"
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, timeout=60, check=False,
                          env={key: value for key, value in wanted.items() if value is not None})
    return Result(done.returncode, done.stdout, done.stderr)


def lives(lab: Lab, program: Program, environment: Mapping[str, str | None] = {}, before: str = "") -> None:
    """That a domain lives its whole life there, and leaves nothing that others can read."""
    lab.disk.chmod(0o600)
    document = lab.folder / "g.xml"
    if not document.exists():
        lab.define()
        document.write_text(lab.driver.dumpxml(NAME, DumpOptions()))
        document.chmod(0o600)
        program.ok("undefine", NAME)
    life = "; ".join((f"define {shlex.quote(str(document))}", *(f"{verb} {NAME}" for verb in WHOLE_LIFE), "list --all"))
    done = run(program, shlex.quote(life), environment, before)
    assert (done.status, done.err) == (0, ""), done
    assert f" -    {NAME}      shut off" in done.out
    done = run(program, f"undefine {NAME}", environment, before)
    assert (done.status, done.err) == (0, ""), done
    assert guests(lab.folder.parent) == []
    assert audit(lab.folder.parent) == []


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder of programs and modules that tell when anybody runs them."""
    place = tmp_path / "trap"
    place.mkdir()
    told = tmp_path / "sprung"
    for name in ("qemu-system-x86_64", "qemu-img", "sh", "gzip", "mkfs", "swtpm", "virtiofsd", "which", "kill"):
        (place / name).write_text(f"#!/bin/sh\necho {name} >> {told}\nexit 1\n")
        (place / name).chmod(0o755)
    for name in ("sitecustomize", "usercustomize", "json", "fcntl", "click", "lxml", "pexpect", "startup", "re"):
        (place / f"{name}.py").write_text(f"open({str(told)!r}, 'a').write({name!r})\nraise SystemExit(3)\n")
    return place


def sprung(trap: Path) -> str:
    told = trap.with_name("sprung")
    return told.read_text() if told.exists() else ""


def test_a_path_full_of_traps_runs_none_of_them(lab: Lab, program: Program, trap: Path) -> None:
    lives(lab, program, {"PATH": f"{trap}:{os.environ['PATH']}"})
    lives(lab, program, {"PATH": str(trap)})
    lives(lab, program, {"PATH": None})
    assert sprung(trap) == ""


def test_modules_of_the_environment_are_not_loaded(lab: Lab, program: Program, trap: Path) -> None:
    inside = f"cd {shlex.quote(str(trap))}"
    startup = str(trap / "startup.py")
    lives(lab, program, {"PYTHONSTARTUP": startup, "PYTHONINSPECT": "1", "PYTHONWARNINGS": "error"}, inside)
    isolated = Program(program.root, (sys.executable, "-I", "-m", "virtctl"))  # as Python leaves it out
    lives(lab, isolated, {"PYTHONPATH": str(trap), "PYTHONHOME": "/nowhere"}, inside)
    assert sprung(trap) == ""


def test_a_preloaded_library_that_is_not_there_is_no_matter_and_does_not_reach_qemu(lab: Lab, program: Program) -> None:
    lab.define()
    run(program, f"start {NAME}", {"LD_PRELOAD": "/nowhere/evil.so", "LD_LIBRARY_PATH": str(lab.folder), "EVIL": "1"})
    (pid,) = guests(lab.folder.parent)
    seen = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"LD_" not in seen
    assert b"EVIL" not in seen
    assert b"VIRTCTL" not in seen


@pytest.mark.parametrize("environment", [
    {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "TMPDIR": "/proc", "TZ": "nonsense"},
    {"LC_ALL": "C", "LANG": None, "TMPDIR": "/nowhere", "HOME": None, "USER": None, "LOGNAME": None},
    {"LC_ALL": "nonsense", "HOME": "/nowhere", "XDG_RUNTIME_DIR": "/nowhere", "XDG_CONFIG_HOME": "relative"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TMPDIR": ""},
], ids=str)
def test_variables_that_mean_nothing_here(lab: Lab, program: Program, environment: dict[str, str | None]) -> None:
    lives(lab, program, environment)


@pytest.mark.parametrize("before", ["umask 000", "umask 777", "umask 077", "ulimit -c 0; ulimit -f 100000"])
def test_umasks_and_limits(lab: Lab, program: Program, before: str) -> None:
    lives(lab, program, before=before)


def test_a_folder_that_is_gone(lab: Lab, program: Program, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    leave = f"mkdir -p {shlex.quote(str(gone))} && cd {shlex.quote(str(gone))} && rmdir {shlex.quote(str(gone))}"
    lives(lab, program, before=leave)
    lab.running()
    said = run(program, f"save {NAME} relative", before=leave)
    assert said.status == 1
    assert "Traceback" not in said.err
    assert said.err.startswith("error: ")
    assert lab.driver.state(NAME).state == "running"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_descriptors_that_are_closed_never_hold_a_file_of_ours(lab: Lab, program: Program, closed: str) -> None:
    lab.define()
    lab.disk.chmod(0o600)
    before = lab.disk.read_bytes()
    life = "; ".join(f"{verb} {NAME}" for verb in WHOLE_LIFE[:-1])
    assert run(program, f"'{life}; list --all' {closed}").status == 0
    assert run(program, f"nonsense {closed}").status == 1
    (pid,) = guests(lab.folder.parent)
    for number, name in ((0, "/dev/null"), (1, f"{NAME}.log"), (2, f"{NAME}.log")):
        assert str(Path(f"/proc/{pid}/fd/{number}").readlink()).endswith(name)
    assert lab.disk.read_bytes() == before
    assert run(program, f"destroy {NAME} {closed}").status == 0
    for path in lab.folder.parent.rglob("*"):
        if stat.S_ISREG(path.lstat().st_mode):
            assert b"Domain 'g'" not in path.read_bytes(), f"{path} holds what was meant for the terminal"
            assert b"error: unknown command" not in path.read_bytes(), path
    assert audit(lab.folder.parent) == []
