"""Others on the host: what they may not see, what they may have put in our way, and what we may not do ourselves."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.goals import g16_confidentiality, g17_confinement
from tests.faults.sweep import fresh_driver, guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import PROGRAM, Program, end_guests
from virtctl.values import SaveOptions

pytestmark = pytest.mark.qemu

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's files")


@pytest.fixture
def text(lab: Lab) -> Path:
    """The document of the domain, in a file."""
    path = lab.folder / "g.xml"
    path.write_text(document(lab.disk))
    return path


# Definitions that change under a running guest, and definitions of others


@pytest.mark.fault(84)
@pytest.mark.parametrize("transient", [False, True])
def test_a_running_guest_keeps_its_name_and_uuid(lab: Lab, program: Program, text: Path, *, transient: bool) -> None:
    program.ok("create" if transient else "define", text)
    if not transient:
        program.ok("start", NAME)
    (pid,) = guests(lab.folder.parent)
    was = program.ok("domuuid", NAME).strip()
    other = str(uuid.uuid4())
    before = text.read_text()
    text.write_text(before.replace(was, other))
    assert f"domain '{NAME}' already exists with uuid {was}" in program.error("define", text)
    text.write_text(before.replace(f"<name>{NAME}</name>", "<name>renamed</name>"))
    assert f"domain '{NAME}' is already defined with uuid {was}" in program.error("define", text)
    assert program.ok("list", "--all", "--name").split() == [NAME]
    assert program.ok("domuuid", NAME).strip() == was
    text.write_text(before.replace("old", "new"))
    program.ok("define", text)
    assert guests(lab.folder.parent) == [pid]
    assert "<description>old</description>" in program.ok("dumpxml", NAME)
    assert "<description>new</description>" in program.ok("dumpxml", NAME, "--inactive")


def _writable(path: Path) -> None:
    path.chmod(0o666)


def _foreign(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


def _linked(path: Path) -> None:
    elsewhere = path.with_suffix(".elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@as_root
@pytest.mark.fault(84)
@pytest.mark.parametrize(("spoil", "reason"), [
    (_writable, "can be written by others, it is not read"),
    (_foreign, f"belongs to user {NOBODY}, it is not read"),
    (_linked, "Too many levels of symbolic links"),
])
def test_a_definition_that_others_could_have_written_is_not_believed(lab: Lab, program: Program, spoil: object,
                                                                     reason: str) -> None:
    lab.define()
    path = lab.folder.parent / "etc" / "qemu" / f"{NAME}.xml"
    before = path.read_bytes()
    assert callable(spoil)
    spoil(path)
    for words in (["start", NAME], ["edit", NAME], ["dumpxml", NAME]):
        said = program.error(*words)
        assert str(path) in said, words
        assert reason in said, words
    listed = program("list", "--all")
    assert listed.status == 0
    assert f"ignoring broken definition '{path}'" in listed.err
    assert guests(lab.folder.parent) == []
    assert path.read_bytes() == before


# The accelerator and the memory


@pytest.fixture
def wanting(lab: Lab, program: Program) -> Iterator[Program]:
    """A domain that wants what the host does not have; nothing may be left of its start."""
    yield program
    assert program.ok("domstate", NAME, "--reason").strip() == "shut off (failed)"
    assert guests(lab.folder.parent) == []
    assert not list((lab.folder.parent / "run" / "qemu").iterdir())


@pytest.mark.fault(102)
def test_more_memory_than_the_host_can_give(lab: Lab, wanting: Program, text: Path) -> None:
    text.write_text(document(lab.disk).replace("<memory unit='MiB'>8<", "<memory unit='TiB'>400<"))
    wanting.ok("define", text)
    have = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20
    assert wanting.error("start", NAME) == (
        f"error: Failed to start domain '{NAME}'\n"
        "error: internal error: process exited while connecting to monitor: cannot set up guest memory 'pc.ram': "
        f"Cannot allocate memory\nhint: the host has {have} MiB of memory: give the guest less with setmaxmem\n")


@as_root
@pytest.mark.fault(102)
def test_huge_pages_of_which_there_are_none(lab: Lab, wanting: Program, text: Path) -> None:
    if Path("/proc/sys/vm/nr_hugepages").read_text().strip() != "0":
        pytest.skip("this host has huge pages")
    text.write_text(document(lab.disk).replace("<vcpu>", "<memoryBacking><hugepages/></memoryBacking><vcpu>"))
    wanting.ok("define", text)
    place = lab.folder / "huge"
    place.mkdir()
    mounted = Program(wanting.root, ("unshare", "-m", "sh", "-ec", 'mount -t hugetlbfs none "$0"; exec "$@"',
                                     str(place), PROGRAM))
    said = mounted.error("start", NAME)
    assert "unable to map backing store for guest RAM: Cannot allocate memory" in said
    assert "hint: the host has 0 free huge pages: write more to /proc/sys/vm/nr_hugepages" in said


# What we may not do


@pytest.fixture
def reachable() -> Iterator[Lab]:
    """A lab in a place that every user can reach, which pytest's own folders are not."""
    place = Path(tempfile.mkdtemp(prefix="virtctl-reachable-"))
    place.chmod(0o755)
    made = Lab(place / "root" / "lab", fresh_driver(place / "root"))
    made.folder.mkdir(parents=True, mode=0o755)
    made.disk.write_bytes(bytes(65536))
    (made.folder / "g.xml").write_text(document(made.disk))
    (made.folder / "g.xml").chmod(0o644)
    yield made
    end_guests(place)
    shutil.rmtree(place)


@pytest.fixture
def nobody(reachable: Lab) -> Program:
    """The program as a user without any right."""
    if os.geteuid() != 0:
        pytest.skip("needs to become another user")
    ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    program = Program(reachable.folder.parent, ("setpriv", *ids, PROGRAM), {"HOME": "/nonexistent"})
    if program("uri").status:
        pytest.skip("the interpreter that runs the tests is out of reach for others")
    return program


def _tree(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_uid, path.lstat().st_mode) for path in root.rglob("*")}


@pytest.mark.fault(103)
def test_a_state_of_roots_is_clearly_refused_to_others(reachable: Lab, nobody: Program) -> None:
    reachable.running()
    root = reachable.folder.parent
    before = _tree(root)
    for words in (["define", str(reachable.folder / "g.xml")], ["start", NAME], ["destroy", NAME], ["undefine", NAME],
                  ["save", NAME, "/tmp/x"], ["list", "--all"]):
        said = nobody(*words)
        assert said.status == 1, words
        assert "Traceback" not in said.err
        assert "Permission denied" in said.err, words
        assert str(root) in said.err, words
    assert _tree(root) == before
    assert len(guests(root)) == 1


@pytest.mark.fault(103)
def test_where_nothing_may_be_made_nothing_is_left_half_made(reachable: Lab, nobody: Program) -> None:
    root, text = reachable.folder.parent, reachable.folder / "g.xml"
    reachable.nothing()
    before = _tree(root)
    said = nobody.error("define", text)
    assert f"cannot create folder '{root}" in said
    assert "Permission denied" in said
    assert _tree(root) == before
    root.chmod(0o777)  # a folder that others made, in which we may write
    nobody("define", text)
    made = [path for path in _tree(root) if path not in before]
    assert made
    assert {Path(path).lstat().st_uid for path in made} == {NOBODY}


# What others may have put in our way


@as_root
@pytest.mark.fault(104)
@pytest.mark.parametrize("name", ["run", "lib", "etc", "log", "run/qemu", "run/locks", "lib/qemu/save"])
def test_a_folder_that_a_stranger_made_first_is_not_used(lab: Lab, program: Program, text: Path, name: str) -> None:
    root = lab.folder.parent
    lab.nothing()
    root.chmod(0o1777)
    trap = root / name
    trap.mkdir(parents=True, mode=0o777)
    trap.chmod(0o777)
    os.chown(trap, NOBODY, NOBODY)
    said = "".join(program(*words).err for words in (["define", text], ["start", NAME], ["managedsave", NAME]))
    assert f"folder '{trap}' belongs to user {NOBODY}, not to user 0" in said
    assert list(trap.iterdir()) == []
    found = trap.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (NOBODY, 0o777)


@as_root
@pytest.mark.fault(104)
@pytest.mark.parametrize("name", ["status.json", "live.xml", "monitor.lock", "save.sock"])
def test_a_link_in_the_place_of_a_record_is_not_followed(lab: Lab, program: Program, name: str) -> None:
    lab.running()
    shadow = lab.folder / "shadow"
    shadow.write_text("root:*:19000:0:99999:7:::\n")
    shadow.chmod(0o600)
    os.chown(shadow, NOBODY, NOBODY)
    (place,) = (lab.folder.parent / "run" / "qemu").iterdir()
    (place / name).unlink(missing_ok=True)
    (place / name).symlink_to(shadow)
    for words in (["domstate", NAME], ["dumpxml", NAME], ["save", NAME, lab.image], ["destroy", NAME]):
        said = program(*words)
        assert "root:*" not in said.out + said.err
        assert "Traceback" not in said.err
    assert shadow.read_text() == "root:*:19000:0:99999:7:::\n"
    found = shadow.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (NOBODY, 0o600)


@pytest.mark.fault(104)
def test_a_save_follows_a_link_to_its_target_only(lab: Lab, program: Program) -> None:
    lab.running()
    target, link = lab.folder / "real.save", lab.folder / "link.save"
    target.write_bytes(b"older")
    link.symlink_to(target)
    program.ok("save", NAME, link)
    assert link.is_symlink()
    assert target.read_bytes().startswith(b"LibvirtQemudSave")
    assert target.stat().st_mode & 0o777 == 0o600
    program.ok("restore", link)
    victim = lab.folder / "victim"
    victim.write_text("victim")
    other = lab.folder / "hard.save"
    other.hardlink_to(victim)
    program.ok("save", NAME, other)
    assert victim.read_text() == "victim"  # the name was taken away from it, not the content
    program.ok("restore", other)


@pytest.mark.fault(104)
def test_temporary_names_cannot_be_foreseen(lab: Lab) -> None:
    """Each file is made anew under a name that holds 64 random bits, and never where something is already."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    lab.running()
    trace = lab.folder / "trace"
    words = ["strace", "-f", "-qq", "-e", "trace=openat,open,creat", "-o", str(trace), PROGRAM, "save", NAME,
             str(lab.image)]
    done = subprocess.run(words, env=Program(lab.folder.parent).environ(), capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    made = [line for line in trace.read_text().splitlines() if "O_CREAT" in line and f'"{lab.folder.parent}' in line]
    assert any(".tmp-" in line for line in made)
    for line in made:
        assert "O_NOFOLLOW" in line, line
        if ".tmp-" in line:
            assert "O_EXCL" in line, line
            assert len(line.partition('"')[2].partition('"')[0].rpartition("-")[2]) == 16, line


@as_root
@pytest.mark.fault(104)
def test_a_log_that_is_another_name_of_a_strangers_file_is_not_written(lab: Lab, program: Program) -> None:
    lab.define()
    victim = lab.folder / "victim"
    victim.write_text("victim")
    log = lab.folder.parent / "log" / "qemu" / f"{NAME}.log"
    log.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    for make in (log.symlink_to, log.hardlink_to):
        log.unlink(missing_ok=True)
        make(victim)
        assert str(log) in program.error("start", NAME)
        assert victim.read_text() == "victim"
    log.unlink()
    program.ok("start", NAME)


@pytest.mark.fault(105)
def test_the_image_of_a_save_is_closed_to_others_from_its_first_byte(lab: Lab) -> None:
    lab.running()
    seen: set[int] = set()

    def look(done: int, total: int) -> None:
        seen.update(path.stat().st_mode & 0o077 for path in lab.folder.glob(".tmp-*"))

    before = os.umask(0)
    try:
        lab.driver.save(NAME, lab.image, SaveOptions(progress=look))
    finally:
        os.umask(before)
    assert seen <= {0}
    assert lab.image.stat().st_mode & 0o777 == 0o600


@pytest.mark.fault(105, 106)
def test_no_command_of_a_whole_life_shows_anything() -> None:
    result = g16_confidentiality.measure(1, seed=4)
    assert result.trials > 25
    assert not result.violations


def test_a_guest_is_confined_in_every_state() -> None:
    result = g17_confinement.measure(1, seed=3)
    assert result.trials > 10
    assert not result.violations
