"""QEMU as another user than root: a whole life, whose its files are meanwhile, and what is said when it cannot be."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.machines import Machine
from tests.support.program import PROGRAM, Program, end_guests, pids_below
from tests.support.waiting import eventually
from virtctl.paths import Paths
from virtctl.qemu import process

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(os.geteuid() != 0, reason="only root can run QEMU as another user")]

NOBODY = 65534
ROOTS = (0, 0)
GIVEN = (NOBODY, NOBODY)


@dataclass(frozen=True)
class Site:
    """State in a folder that is shut to everybody else, and images in one that others may pass through."""

    program: Program
    images: Path

    def settings(self, text: str) -> None:
        folder = self.program.root / "etc"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (folder / "qemu.conf").write_text(text)
        (folder / "qemu.conf").chmod(0o600)

    def machine(self, name: str = "counter", **how: str) -> Machine:
        machine = Machine.make(self.program, self.images, name, **how)
        machine.image.chmod(0o600)
        return machine

    def pid(self) -> int:
        (pid,) = pids_below(self.program.root)
        return pid

    def owners(self) -> set[tuple[int, int]]:
        found = [path.stat() for path in self.images.glob("*.img")]
        return {(one.st_uid, one.st_gid) for one in found}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    root = tmp_path / "root"
    root.mkdir(0o700)
    with images() as folder:
        made = Site(Program(root), folder)
        made.settings('user = "nobody"\n')
        yield made
        end_guests(root)


@contextmanager
def images() -> Iterator[Path]:
    """A folder through which others may pass, which none of pytest's is."""
    folder = Path(tempfile.mkdtemp(prefix="virtctl-images-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def facts(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: " ".join(rest.split()) for name, _, rest in (line.partition(":") for line in lines)}


def confined(pid: int) -> None:
    """The process is nobody's, can do nothing more, and never will."""
    found = facts(pid)
    assert found["Uid"].split() == [str(NOBODY)] * 4
    assert found["Gid"].split() == [str(NOBODY)] * 4
    assert found["Groups"].split() == [str(NOBODY)]
    for powers in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(found[powers], 16) == 0, powers
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


@pytest.mark.fault(105)
def test_a_whole_life(site: Site, tmp_path: Path) -> None:
    program, machine, save = site.program, site.machine(), tmp_path / "save"
    machine.start()
    confined(site.pid())
    assert site.owners() == {GIVEN}
    program.ok("suspend", "counter")
    program.ok("resume", "counter")
    program.ok("save", "counter", save)
    assert machine.state() == "shut off (saved)"
    assert site.owners() == {ROOTS}
    program.ok("restore", save)
    confined(site.pid())
    machine.counts()
    core = tmp_path / "core"
    program.ok("dump", "counter", core, "--memory-only")
    assert core.read_bytes()[:4] == b"\x7fELF"
    assert (core.stat().st_uid, core.stat().st_mode & 0o777) == (0, 0o600)
    copy = site.images / "copy.img"
    program.ok("blockcopy", "counter", "vda", copy, "--transient-job", "--wait", "--pivot")
    assert str(copy) in program.ok("domblklist", "counter")
    machine.counts(machine.counts())
    program.ok("managedsave", "counter")
    assert site.owners() == {ROOTS}
    program.ok("start", "counter")
    assert machine.state() == "running (restored)"
    confined(site.pid())
    assert site.owners() == {GIVEN, ROOTS}  # the first image is nobody's business any more
    program.ok("destroy", "counter")
    assert machine.state() == "shut off (destroyed)"
    assert site.owners() == {ROOTS}
    assert guests.counter_on_disk(copy) > 0
    assert not list((program.root / "lib/qemu/work").iterdir())
    assert not list((program.root / "lib/qemu/owners").iterdir())


def test_a_screen_is_shown_and_a_console_answers(site: Site) -> None:
    image = guests.counter_image(site.images / "screen.img")
    more = "<serial type='pty'/><video><model type='vga'/></video><graphics type='vnc' autoport='yes'/>"
    text = documents.machine("screen", image).replace("</devices>", f"{more}</devices>")
    path = site.images / "screen.xml"
    path.write_text(text)
    site.program.ok("create", path)
    picture = site.images / "picture"
    site.program.ok("screenshot", "screen", picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    pty = Path(site.program.ok("ttyconsole", "screen").strip())
    assert pty.stat().st_uid == NOBODY
    with pty.open("rb", buffering=0) as console:
        eventually(lambda: b"counter" in console.read(200), "it counts on its console")
    site.program.ok("qemu-monitor-command", "screen", "--hmp", "info version")
    site.program.ok("destroy", "screen")


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


def test_without_dynamic_ownership_it_is_said_what_cannot_be_used(site: Site) -> None:
    site.settings('user = "nobody"\ndynamic_ownership = 0\n')
    machine = site.machine()
    conf = site.program.root / "etc" / "qemu.conf"
    assert site.program.error("start", "counter") == (
        "error: Failed to start domain 'counter'\n"
        f"error: Cannot access storage file '{machine.image}' (as uid:{NOBODY}, gid:{NOBODY}): Permission denied\n"
        f"hint: chown nobody '{machine.image}', or set dynamic_ownership = 1 in {conf}\n")
    assert site.owners() == {ROOTS}
    assert machine.state() == "shut off (failed)"
    os.chown(machine.image, *GIVEN)
    machine.start()
    copy = site.images / "copy.img"
    site.program.ok("blockcopy", "counter", "vda", copy, "--transient-job", "--wait", "--pivot")
    site.program.ok("destroy", "counter")
    assert site.owners() == {GIVEN}  # what was made for it is its user's, for nobody else could start it again


@pytest.mark.fault(101)
@pytest.mark.parametrize("mode", ["000", "600"])
def test_a_kvm_that_it_may_not_use_is_named_and_nothing_is_emulated(site: Site, mode: str) -> None:
    if not Path("/dev/kvm").exists():
        pytest.skip("there is no /dev/kvm to be shut")
    text = documents.machine("fast", guests.counter_image(site.images / "fast.img")).replace("'qemu'>", "'kvm'>", 1)
    assert "type='kvm'" in text
    (site.images / "fast.xml").write_text(text)
    shut = 'mknod "$0" c 10 232; chmod "$1" "$0"; mount --bind "$0" /dev/kvm; shift; exec "$@"'
    inside = Program(site.program.root, ("unshare", "-m", "sh", "-ec", shut, str(site.images / "kvm"), mode, PROGRAM))
    said = inside.error("create", site.images / "fast.xml")
    assert "error: Domain of type 'kvm' needs /dev/kvm, which cannot be used: Permission denied\n" in said
    assert "hint: load the module kvm_intel or kvm_amd, join the group kvm" in said
    assert not pids_below(site.program.root)
    assert site.owners() == {ROOTS}


def test_a_folder_that_is_shut_to_it_is_named(site: Site) -> None:
    machine = site.machine()
    site.images.chmod(0o700)
    said = site.program.error("start", "counter")
    assert f"Cannot access storage file '{machine.image}' (as uid:{NOBODY}, gid:{NOBODY}): Permission denied" in said
    assert f"folder '{site.images}' is shut to user 'nobody'" in said
    assert site.owners() == {ROOTS}
    assert not pids_below(site.program.root)


@pytest.mark.parametrize(("text", "said"), [
    ('user = "nosuch"\n', "setting 'user': no user is called 'nosuch'"),
    ('user = "nobody"\ngroup = "nosuch"\n', "setting 'group': no group is called 'nosuch'"),
    ('user = "+4242"\n', "setting 'user': user +4242 has no group of its own"),
])
def test_an_account_that_is_not_there(site: Site, text: str, said: str) -> None:
    machine = site.machine()
    site.settings(text)
    before = set(site.program.root.rglob("*"))
    found = site.program.error("start", "counter").splitlines()
    conf = site.program.root / "etc" / "qemu.conf"
    assert found[:2] == ["error: Failed to start domain 'counter'",
                         f"error: configuration file syntax error: {conf}: {said}"]
    assert [path for path in site.program.root.rglob("*") if path not in before and path.suffix != ".lock"] == []
    assert machine.state().startswith("shut off")


def test_only_root_may_become_somebody_else() -> None:
    with images() as folder:
        root = folder / "root"
        root.mkdir()
        os.chown(root, *GIVEN)
        ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        nobody = Program(root, ("setpriv", *ids, PROGRAM), {"HOME": str(root)})
        if nobody("uri").status:
            pytest.skip("the interpreter that runs the tests is out of reach for others")
        image = guests.counter_image(folder / "counter.img")
        os.chown(image, *GIVEN)
        (folder / "counter.xml").write_text(documents.machine("counter", image))
        nobody.ok("define", folder / "counter.xml")
        conf = root / "etc" / "qemu.conf"
        conf.write_text('user = "daemon"\n')
        os.chown(conf, *GIVEN)
        said = nobody.error("start", "counter").splitlines()
        assert said[1] == (f"error: unsupported configuration: {conf}: setting 'user': only root can run QEMU as user "
                           "'daemon'")
        conf.write_text('user = "nobody"\n')
        nobody.ok("start", "counter")
        (pid,) = pids_below(root)
        assert facts(pid)["Uid"].split() == [str(NOBODY)] * 4
        assert nobody.ok("domstate", "counter").strip() == "running"
        nobody.ok("destroy", "counter")
        end_guests(root)


def test_root_may_name_itself(site: Site) -> None:
    site.settings('user = "root"\ngroup = "+0"\n')
    site.machine()
    site.program.ok("start", "counter")
    assert facts(site.pid())["Uid"].split() == ["0"] * 4
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


def test_images_that_come_later_are_given_as_well(site: Site) -> None:
    """A disk that is plugged in, under a name that no monitor can carry; a medium that is changed."""
    image, medium = site.images / 'plugged "in"\n.img', site.images / "medium.img"
    for path in (image, medium):
        path.write_bytes(bytes(1 << 20))
        path.chmod(0o600)
    disk = guests.counter_image(site.images / "disk.img")
    drive = "<disk type='file' device='cdrom'><target dev='hdc' bus='ide'/></disk></devices>"
    text = documents.machine("later", disk).replace("</devices>", drive)
    (site.images / "d.xml").write_text(text.replace("<devices>", "<features><acpi/></features><devices>"))
    site.program.ok("create", site.images / "d.xml")
    (site.images / "disk.xml").write_text(
        "<disk type='file'><driver name='qemu' type='raw'/><source file='" +
        str(image).replace('"', "&quot;").replace("\n", "&#10;") + "'/><target dev='vdb' bus='virtio'/></disk>")
    site.program.ok("attach-device", "later", site.images / "disk.xml")
    assert image.stat().st_uid == NOBODY
    site.program.ok("change-media", "later", "hdc", medium, "--live")
    assert medium.stat().st_uid == NOBODY
    confined(site.pid())
    site.program.ok("destroy", "later")
    assert site.owners() == {ROOTS}
