"""Files that are given to the user of an unprivileged QEMU and back again; strangers who look like such a QEMU."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.program import PROGRAM, pids_below
from tests.support.unprivileged import GIVEN, NOBODY, ROOTS, Site
from virtctl.paths import Paths
from virtctl.qemu import process

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(os.geteuid() != 0, reason="only root can run QEMU as another user")]


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGKILL, "crashed"), (signal.SIGTERM, "shutdown")])
def test_owners_come_back_when_qemu_ends_by_itself(site: Site, number: signal.Signals, reason: str) -> None:
    machine = site.machine()
    site.program.ok("start", "counter")
    pid = site.pid()
    assert site.owners() == {GIVEN}
    who = process.identify(pid)
    process.send_signal(who, number)
    assert process.wait_end(who, 20)
    assert machine.state() == f"shut off ({reason})"
    assert site.owners() == {ROOTS}


KILLS = {"start": [("fchown", 1), ("vfork,clone3,clone", 1), ("setresuid", 3), ("rename", 4), ("rename", 7)],
         "destroy": [("fchown", 1), ("rename", 1), ("pidfd_send_signal", 1)]}


def strace(calls: str, number: int) -> list[str]:
    """Kills the program that follows at the n-th of these calls; what it starts is left alone."""
    return ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
            *(f"-einject={call}:signal=KILL:when={number}" for call in calls.split(","))]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("verb", list(KILLS))
def test_owners_come_back_after_a_command_was_killed(site: Site, verb: str) -> None:
    site.machine()
    for calls, number in KILLS[verb]:
        if verb == "destroy":
            site.program.ok("start", "counter")
        subprocess.run([*strace(calls, number), PROGRAM, verb, "counter"], env=site.program.environ(),
                       capture_output=True, check=False, timeout=60)
        state = site.program("domstate", "counter").out.strip()
        assert site.owners() == {GIVEN if state == "running" else ROOTS}, (verb, calls, number)
        assert len(pids_below(site.program.root)) == (state == "running"), (verb, calls, number)
        site.program("destroy", "counter")
        assert site.owners() == {ROOTS}, (verb, calls, number)


def test_a_shared_image_stays_given_until_the_last_guest_ends(site: Site) -> None:
    shared = guests.counter_image(site.images / "shared.img")
    shared.chmod(0o600)
    for name in ("one", "two"):
        text = documents.machine(name, shared).replace("<target", "<shareable/><target")
        path = site.images / f"{name}.xml"
        path.write_text(text)
        site.program.ok("create", path)
    assert site.owners() == {GIVEN}
    site.program.ok("destroy", "one")
    assert site.owners() == {GIVEN}
    site.program.ok("destroy", "two")
    assert site.owners() == {ROOTS}


def test_images_that_it_can_use_are_left_alone(site: Site) -> None:
    base, overlay = guests.counter_image(site.images / "base.img"), site.images / "overlay.img"
    base.chmod(0o644)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", overlay], check=True)
    overlay.chmod(0o600)
    path = site.images / "chain.xml"
    path.write_text(documents.machine("chain", overlay).replace("type='raw'", "type='qcow2'"))
    site.program.ok("define", path)
    site.program.ok("start", "chain")
    assert (base.stat().st_uid, overlay.stat().st_uid) == (0, NOBODY)
    site.program.ok("blockcommit", "chain", "vda", "--active", "--wait", "--pivot")
    assert base.stat().st_uid == NOBODY
    site.program.ok("destroy", "chain")
    site.program.ok("undefine", "chain")
    base.chmod(0o600)  # now it has to be given to be read
    site.program.ok("create", path)
    assert site.owners() == {GIVEN}
    site.program.ok("destroy", "chain")
    assert site.owners() == {ROOTS}


def test_a_wiped_run_folder_loses_neither_guest_nor_owners(site: Site, tmp_path: Path) -> None:
    machine = site.machine()
    site.program.ok("start", "counter")
    pid = site.pid()
    shutil.rmtree(site.program.root / "run")
    assert site.program("domstate", "counter").out.strip() == "running"
    assert site.pid() == pid
    site.program.ok("save", "counter", tmp_path / "save")
    assert site.owners() == {ROOTS}
    site.program.ok("restore", tmp_path / "save")
    shutil.rmtree(site.program.root / "run")
    process.terminate(process.identify(site.pid()), deadline=10)
    assert machine.state().startswith("shut off")
    assert site.owners() == {ROOTS}


STRANGER = """
mount -t tmpfs none "$1"
mkdir -p "$1/$2"
chown 65534:65534 "$1/$2"
cd "$1/$2"
exec setpriv --reuid=65534 --regid=65534 --clear-groups {python} -c 'import sys; print(1, flush=True); input()' \
    -name guest=counter -uuid "$2"
"""


@pytest.mark.parametrize("place", ["run/qemu", "lib/qemu/work"])
def test_a_stranger_who_looks_like_a_guest_is_not_believed(site: Site, place: str) -> None:
    """One of the very user that QEMU runs as, in a folder of that name in a mount namespace of its own."""
    site.machine()
    site.program.ok("start", "counter")
    site.program.ok("destroy", "counter")
    paths = Paths.under(site.program.root)
    uuid = site.program.ok("domuuid", "counter").strip()
    folder = site.program.root / place
    folder.mkdir(exist_ok=True)
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("needs an interpreter that every user can run")
    command = ["unshare", "-m", "sh", "-ec", STRANGER.format(python=python), "sh", str(folder), uuid]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as stranger:
        assert stranger.stdout is not None
        assert stranger.stdout.readline() == b"1\n"
        assert Path(f"/proc/{stranger.pid}/cwd").readlink() == folder / uuid
        assert process.find_strays(paths.runtime, work=paths.work) == []
        site.program.ok("start", "counter")
        assert site.program("recover").status == 0
        site.program.ok("destroy", "counter")
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_a_rewritten_folder_of_qemu_misleads_nobody(site: Site, tmp_path: Path) -> None:
    """What QEMU could put into its own folder: links where we make sockets and pictures, records of other processes."""
    machine = site.machine()
    site.program.ok("start", "counter")
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (work,) = (site.program.root / "lib/qemu/work").iterdir()
    for name in ("save.sock", "screen", "status.json", "live.xml", "ending", "save.aborted", "qemu.pid"):
        (work / name).symlink_to(precious)
        os.chown(work / name, *GIVEN, follow_symlinks=False)
    (work / "folder").mkdir()
    site.program.ok("save", "counter", tmp_path / "save")
    assert precious.read_text() == "precious"
    assert precious.stat().st_uid == 0
    assert machine.state() == "shut off (saved)"
    assert not work.exists()


def test_what_cannot_be_given_back_is_said_and_tried_again(site: Site) -> None:
    machine = site.machine()
    site.program.ok("start", "counter")
    mount = subprocess.run(["mount", "--bind", site.images, site.images], capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("needs the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", site.images], check=True)
        said = site.program("destroy", "counter")
        assert said.status == 0
        assert "images of domain 'counter' could not be given back to their owners" in said.err
        assert (f"'{machine.image}' could not be given back to its owner 0:0: Read-only file system"
                in site.program("recover").out)
        assert site.owners() == {GIVEN}
    finally:
        subprocess.run(["umount", "-l", site.images], check=True)
    site.program.ok("recover")
    assert site.owners() == {ROOTS}


def test_a_folder_of_a_start_that_died_early_is_cleared_away(site: Site) -> None:
    machine = site.machine()
    uuid = site.program.ok("domuuid", "counter").strip()
    folder = site.program.root / "lib/qemu/work" / uuid
    folder.mkdir(parents=True, mode=0o700)
    os.chown(folder, *GIVEN)
    (folder / "running.sock").symlink_to("/etc/passwd")
    site.program.ok("recover")
    assert not folder.exists()
    assert machine.state().startswith("shut off")
