"""QEMU as another user than root: a whole life, and what is said when it cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import documents, guests
from tests.support.program import PROGRAM, Program, end_guests, pids_below
from tests.support.unprivileged import GIVEN, NOBODY, ROOTS, Site, confined, facts, images
from tests.support.waiting import eventually

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(os.geteuid() != 0, reason="only root can run QEMU as another user")]


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


BESIDE = """
<memoryBacking><source type='file'/><access mode='shared'/></memoryBacking>
<os firmware='efi'><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><devices>
  <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>
  <filesystem type='mount'><driver type='virtiofs'/><source dir='{folder}'/><target dir='shared'/></filesystem>
  <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
  <graphics type='vnc'><listen type='socket'/></graphics>
</devices>"""


@pytest.mark.skipif(not Path("/usr/share/OVMF").exists() or not Path("/usr/bin/swtpm").exists(),
                    reason="needs Debian's packages ovmf and swtpm")
def test_what_it_reaches_beside_its_images(site: Site) -> None:
    """Firmware variables, memory in a file, a TPM, a shared folder, sockets: in its own folder, or as open files."""
    path = site.images / "beside.xml"
    path.write_text("<domain type='qemu'><name>beside</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
                    f"{BESIDE.format(folder=site.images)}</domain>")
    site.program.ok("define", path)
    site.program.ok("start", "beside", "--paused")
    confined(site.pid())
    (variables,) = (site.program.root / "lib/qemu/nvram").iterdir()
    assert (variables.stat().st_uid, variables.stat().st_mode & 0o777) == (0, 0o600)
    (work,) = (site.program.root / "lib/qemu/work").iterdir()
    assert str(work / "vnc.sock") in site.program.ok("domdisplay", "beside")
    assert {entry.name for entry in work.iterdir()} >= {"vnc.sock", "swtpm.sock", "channel0.sock", "fs0-fs.sock"}
    for entry in work.iterdir():
        assert entry.is_symlink() or (entry.stat().st_uid, entry.stat().st_mode & 0o077) == (NOBODY, 0)
    memory = Path(f"/proc/{site.pid()}/maps").read_text()
    assert str(work / "qemu_back_mem") in memory
    site.program.ok("destroy", "beside")
    assert not work.exists()
