"""Pids, pidfiles, boots, wiped folders and clocks: whom a record means, and what time it is."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from tests.faults.sweep import audit, guests
from tests.faults.test_state_folder import apart
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import PROGRAM, Program
from tests.support.waiting import eventually
from virtctl.values import ListFilter, StartOptions

pytestmark = pytest.mark.qemu

REUSE = """
"$1" start g
old=$(cat "$2"/run/qemu/*/qemu.pid)
kill -9 $old
while [ -e /proc/$old ]; do :; done
for try in 1 2 3 4 5 6 7 8 9; do
    echo $((old - 1)) > /proc/sys/kernel/ns_last_pid
    sleep 1000 & new=$!
    [ $new = $old ] && break
    kill $new
done
[ $new = $old ] || exit 77
"$1" list --all
"$1" domstate --reason g
"$1" destroy g && exit 1
"$1" suspend g && exit 1
kill -0 $new
"$1" start g
"$1" destroy g
kill -0 $new
kill $new
"""


@pytest.mark.fault(94)
def test_a_pid_that_is_reused_is_nobody_of_ours(lab: Lab) -> None:
    lab.define()
    if os.geteuid() or not Path("/proc/sys/kernel/ns_last_pid").exists():
        pytest.skip("needs root, and a kernel that lets a pid be chosen")
    command = ["unshare", "-pf", "--mount-proc", "sh", "-ec", REUSE, "sh", PROGRAM, str(lab.folder.parent)]
    environment = {**os.environ, "VIRTCTL_ROOT": str(lab.folder.parent), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("the pid could not be had again")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "shut off (crashed)" in done.stdout
    assert done.stderr.count("domain is not running") == 2


def edit(pidfile: Path, content: str, victim: Path) -> None:
    """Puts something else in the place of a pidfile."""
    pidfile.unlink()
    if content == "fifo":
        os.mkfifo(pidfile, 0o600)
    elif content == "link":
        pidfile.symlink_to(victim)
    elif content == "large":
        pidfile.write_bytes(b"1" * (10 << 20))
    else:
        pidfile.write_text(content)
    if content != "link":
        pidfile.chmod(0o600)


@pytest.mark.fault(95)
@pytest.mark.parametrize("content", ["1", "0", "-1", "own", "no number\n", "", "large", "fifo", "link"])
def test_a_pidfile_is_not_believed(lab: Lab, content: str) -> None:
    victim = lab.folder / "victim"
    victim.write_text("precious\n")
    victim.chmod(0o600)
    content = str(os.getpid()) if content == "own" else content
    lab.running()
    (pid,) = guests(lab.folder.parent)
    (pidfile,) = (lab.folder.parent / "run" / "qemu").glob("*/qemu.pid")
    edit(pidfile, content, victim)
    began = time.monotonic()
    assert [row.name for row in lab.driver.rows(ListFilter())] == [NAME]
    assert lab.driver.state(NAME).state == "running"
    assert guests(lab.folder.parent) == [pid]
    lab.driver.destroy(NAME)
    assert guests(lab.folder.parent) == []
    lab.driver.start(NAME, StartOptions())
    os.kill(guests(lab.folder.parent)[0], signal.SIGKILL)
    eventually(lambda: not guests(lab.folder.parent), "QEMU is dead")
    edit(pidfile, content, victim)
    assert lab.driver.state(NAME).reason == "crashed"
    lab.driver.start(NAME, StartOptions())
    assert time.monotonic() - began < 10
    assert victim.read_text() == "precious\n"
    assert audit(lab.folder.parent) == []


def saver_of(root: Path) -> list[int]:
    """The processes that are at a save: the command and its guard."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"save" in words and f"VIRTCTL_ROOT={root}".encode() in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


REBOOTED = """
mount --bind "$3" /proc/sys/kernel/random/boot_id
"$1" list --all; "$1" recover; for name in runs saving saved; do "$1" domstate $name --reason; done
"$1" autostart-run; "$1" start saved; "$1" start runs; "$1" start saving; "$1" list
"""


def host_with_guests(lab: Lab, program: Program) -> None:
    """A domain runs, another too (and is about to be saved), one is saved, one starts with the host."""
    for name in ("runs", "saving", "saved", "auto"):
        disk, path = lab.folder / f"{name}.img", lab.folder / f"{name}.xml"
        disk.write_bytes(bytes(65536))
        text = document(disk).replace("<name>g<", f"<name>{name}<")
        path.write_text(text.partition("<uuid>")[0] + text.partition("</uuid>")[2])
        program.ok("define", path)
        program.ok("start", name)
    program.ok("autostart", "auto")
    program.ok("managedsave", "saved")


def power_failure_during_save(lab: Lab, program: Program) -> bool:
    """Everything dies while a guest is being saved; whether its image was complete all the same."""
    runtime = lab.folder.parent / "run" / "qemu" / program.ok("domuuid", "saving").strip()
    with subprocess.Popen([PROGRAM, "save", "saving", lab.image], env=program.environ(), stderr=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL) as saver:
        eventually(lambda: (runtime / "save.sock").exists() or saver.poll() is not None, "the save has begun")
        with suppress(OSError):
            os.kill(int((runtime / "qemu.pid").read_text()), signal.SIGSTOP)
        for one in {*saver_of(lab.folder.parent), saver.pid}:
            os.kill(one, signal.SIGKILL)
    end_all(lab.folder.parent)
    return lab.image.exists()


@pytest.mark.fault(96)
def test_after_a_reboot_all_is_as_it_was_on_the_disk(lab: Lab, program: Program) -> None:
    root, boot = lab.folder.parent, lab.folder / "boot_id"
    host_with_guests(lab, program)
    complete = power_failure_during_save(lab, program)
    shutil.rmtree(root / "run")
    boot.write_text(f"{uuid.uuid4()}\n")
    done = apart(REBOOTED, root, str(boot))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("shut off (unknown)") + done.stdout.count("shut off (saved)") == 3
    first, last = done.stdout.partition("shut off (")[0], done.stdout.rpartition("State")[2]
    assert first.count("shut off") == 4
    assert "running" not in first
    assert last.count("running") == 4
    assert lab.image.exists() == complete
    assert not list((root / "lib" / "qemu" / "journal").iterdir())
    assert not list(root.rglob(".tmp-*"))


def end_all(root: Path) -> None:
    """Kills every QEMU below this root, as a power failure does."""
    from tests.support.program import end_guests, pids_below

    end_guests(root)
    eventually(lambda: not pids_below(root), "all are dead")


@pytest.mark.fault(97)
def test_a_run_folder_that_outlived_its_guests(lab: Lab, program: Program) -> None:
    lab.running()
    end_all(lab.folder.parent)
    assert program.ok("list", "--all").split()[-2:] == ["shut", "off"]
    assert program.ok("domstate", NAME, "--reason").strip() == "shut off (crashed)"
    program.ok("start", NAME)
    assert len(guests(lab.folder.parent)) == 1


@pytest.mark.fault(98)
def test_a_clock_that_jumps_changes_nothing(lab: Lab, program: Program, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("the clock that jumps needs gcc")
    library = tmp_path / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-O1", "-fPIC", "-shared", "-o", library, source, "-ldl"], check=True)
    jumping = Program(program.root, environment={"LD_PRELOAD": str(library)})
    lab.define()
    for age, path in zip((0, 4e9), (lab.folder.parent / "etc").rglob("*"), strict=False):
        os.utime(path, (age, age))
    jumping.ok("start", NAME, seconds=10)
    assert jumping.ok("list", seconds=5).split()[-1] == "running"
    jumping.ok("blockcopy", NAME, "vda", lab.copy, "--transient-job", "--wait", "--pivot", seconds=15)
    jumping.ok("save", NAME, lab.image, seconds=15)
    jumping.ok("restore", lab.image, seconds=15)
    assert jumping.ok("domstate", NAME, "--reason", seconds=5).strip() == "running (restored)"
    (pid,) = guests(lab.folder.parent)
    os.kill(pid, signal.SIGSTOP)
    assert f"process {pid} is stopped" in jumping.error("suspend", NAME, seconds=10)
    os.kill(pid, signal.SIGCONT)
    jumping.ok("destroy", NAME, seconds=10)


@pytest.mark.fault(107)
def test_the_end_of_a_session_does_not_end_its_guests(lab: Lab) -> None:
    """A shell on a terminal starts a guest; then its terminal hangs up and all of its session is told to end."""
    lab.define()
    root = lab.folder.parent
    pid, terminal = os.forkpty()
    if pid == 0:
        os.environ["VIRTCTL_ROOT"] = str(root)
        os.execvp("sh", ["sh", "-c", f"'{PROGRAM}' start {NAME}; read -r never"])
    eventually(lambda: guests(root) and lab.driver.state(NAME).state == "running", "the guest runs")
    (guest,) = guests(root)
    assert os.getsid(guest) == guest != os.getsid(pid)
    os.close(terminal)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert lab.driver.state(NAME).state == "running"
    assert guests(root) == [guest]
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert all(word in readme for word in ("KillUserProcesses", "systemd-run --scope", "stop of a container"))
