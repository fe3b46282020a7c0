"""Names and paths of every kind through the whole life of a domain: exactly that name, or refused before any effect."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from tests.faults.sweep import audit, fresh_driver, guests
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.values import (
    DumpCoreOptions,
    DumpOptions,
    ListFilter,
    RestoreOptions,
    SaveOptions,
    StartOptions,
    UndefineOptions,
)

pytestmark = pytest.mark.qemu

EVERY = ListFilter(inactive=True)
NAMES = ["two words", "a,b=c,,d", "it's \"quoted\"", "back\\slash\\n", "Ûber-ěšč-☃", "%s%n$(id)`id`", "x" * 200, "...",
         ".hidden", "autostart", "g.xml", "#;&|<>", "d:e", "~", "* ?", "..", ".", "a\tb", "   ", "a=b", "123456",
         "7d4f1f0e-0f0a-4c4b-9a55-1c5f0f9b2a12", "\u202eabc\u200b", "%n%n%n%n", "a\x7f\x9bb"]


@pytest.mark.fault(65, 78)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_lives_a_whole_life(lab: Lab, name: str) -> None:
    root, driver = lab.folder.parent, lab.driver
    disk = lab.folder / f"{name[:150]}.img"
    disk.write_bytes(bytes(65536))
    disk.chmod(0o600)
    image = lab.folder / f"{name[:150]}.save"
    text = document(lab.disk).replace(f"<name>{NAME}</name>", f"<name>{escape(name)}</name>")
    driver.define(text.replace(str(lab.disk), escape(str(disk), {"'": "&apos;", "\t": "&#9;"})))
    assert [row.name for row in driver.rows(EVERY)] == [name]
    driver.start(name, StartOptions())
    driver.save(name, image, SaveOptions())
    assert image.exists()
    assert driver.restore(image, RestoreOptions()) == name
    driver.managedsave(name, SaveOptions())
    driver.start(name, StartOptions())
    assert escape(name, {"'": "&apos;", '"': "&quot;"}) in driver.dumpxml(name, DumpOptions())
    driver.destroy(name)
    assert guests(root) == []
    assert audit(root) == []
    driver.undefine(name, UndefineOptions())
    assert fresh_driver(root).rows(EVERY) == []
    assert not (root / "etc" / "x").exists()
    names = {path.name for path in lab.folder.iterdir()}
    assert names == {"disk.img", disk.name, image.name}
    assert not [path for path in lab.folder.parent.parent.iterdir() if path.name != "root"]


@pytest.mark.fault(78)
@pytest.mark.parametrize("name", ["", "a/b", "../../etc/x", "/etc/x", "a\nb", "-x", "--help", "x" * 252, "x" * 255,
                                  "é" * 128, "x" * 4096, "a&#13;\nb", "a\x1bb", "&#27;[2J", "&#0;",
                                  ".tmp-1-2-3"], ids=repr)
def test_a_name_that_no_file_can_have_is_refused(lab: Lab, name: str) -> None:
    text = document(lab.disk).replace(f"<name>{NAME}</name>", f"<name>{name}</name>")
    before = sorted(lab.folder.parent.rglob("*.xml"))
    with pytest.raises(VirtctlError):
        lab.driver.define(text)
    assert sorted(lab.folder.parent.rglob("*.xml")) == before


@pytest.mark.fault(78)
def test_names_that_look_alike_are_two_domains(lab: Lab, program: Program) -> None:
    pairs = ["é", "e\u0301", "vm", "VM", "vm ", "vm\u200b", "12"]
    for number, name in enumerate(pairs):
        text = document(lab.disk, f"note {number}").replace(f"<name>{NAME}<", f"<name>{name}<")
        lab.driver.define(text.replace("2a11</uuid>", f"{number:04x}</uuid>"))
    assert {row.name for row in lab.driver.rows(EVERY)} == set(pairs)
    for number, name in enumerate(pairs):
        assert lab.driver.uuid_of(name).endswith(f"{number:04x}")
        assert f"note {number}" in program.ok("dumpxml", "--domain", name)


@pytest.mark.fault(78)
def test_a_name_that_is_the_number_of_another_guest_is_found_by_its_uuid(lab: Lab, program: Program) -> None:
    lab.running()
    other = document(lab.disk, "other").replace(f"<name>{NAME}<", f"<name>{lab.driver.id_of(NAME)}<")
    lab.driver.define(other.replace("2a11</uuid>", "2a12</uuid>"))
    number = str(lab.driver.id_of(NAME))
    assert program.ok("domname", number).strip() == NAME  # as virsh has it: a number is an id first
    uuid = lab.driver.uuid_of(NAME)[:-4] + "2a12"
    assert "other" in program.ok("dumpxml", uuid)
    program.ok("undefine", uuid)
    assert program.ok("list", "--all", "--name").split() == [NAME]


PATHS = ["two words", "a,b=c", "it's", 'quo"te', "back\\slash", "$HOME", "$(id)", "`id`", "new\nline", "tab\t", "-dash",
         "--help", "*", "?[a-z]", "~", "a;b", "|cat", ">x", "#x", "%s", "\x1b[2J", "\x7f", "Û", "\x9b",
         "\udcff\udc9b"]


def shown(lab: Lab, place: Path, path: str, *verbs: Callable[[], object]) -> None:
    """That each of these makes exactly that file in the folder."""
    for verb in verbs:
        verb()
        assert [found.name for found in place.iterdir()] == [Path(path).name]
        (place / path).unlink()
    assert lab.driver.state(NAME).state == "running"


@pytest.fixture
def place(lab: Lab) -> Path:
    """An empty folder, and a guest with a screen."""
    lab.driver.define(document(lab.disk).replace("<memballoon", "<video><model type='vga'/></video><memballoon"))
    lab.driver.start(NAME, StartOptions())
    made = lab.folder / "place"
    made.mkdir(mode=0o700)
    return made


@pytest.mark.fault(65, 85)
def test_a_path_of_any_letters_is_that_file(lab: Lab, place: Path) -> None:
    driver = lab.driver

    def save_and_restore(path: Path) -> None:
        driver.save(NAME, path, SaveOptions())
        driver.restore(path, RestoreOptions())

    for name in PATHS:
        path = place / name
        shown(lab, place, name, lambda path=path: save_and_restore(path),
              lambda path=path: driver.dump(NAME, path, DumpCoreOptions(memory_only=True)))


@pytest.mark.fault(65, 85)
@pytest.mark.parametrize("name", ["$(id)", "new\nline", "--help", "\udcff\udc9b", "ABSOLUTE"], ids=ascii)
def test_a_path_on_the_command_line_is_that_file(lab: Lab, program: Program, place: Path, name: str) -> None:
    inside = Inside(program, place)
    path = str(place / "x") if name == "ABSOLUTE" else name
    inside.ok("save", NAME, "--file", path)
    assert [found.name for found in place.iterdir()] == [Path(path).name]
    inside.ok("restore", "--file", path)
    (place / path).unlink()
    shown(lab, place, path, lambda: inside.ok("dump", NAME, "--file", path, "--memory-only"),
          lambda: inside.ok("screenshot", NAME, "--file", path))


class Inside:
    """The program, run in a folder."""

    def __init__(self, program: Program, folder: Path) -> None:
        self.program, self.folder = program, folder

    def ok(self, *words: str) -> None:
        """Runs it; it must succeed."""
        done = subprocess.run([*self.program.command, *words], cwd=self.folder, env=self.program.environ(),
                              capture_output=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, b""), (words, done)


@pytest.mark.fault(85)
@pytest.mark.parametrize("words", ["save g {0}; restore {0}; dump g {0}", "blockcopy g vda {}", "attach-disk g {} vdb"])
def test_a_path_with_a_nul_is_refused_and_not_cut(lab: Lab, program: Program, words: str) -> None:
    lab.running()
    (lab.folder / "a").write_text("precious")
    (lab.folder / "ab").write_text("precious")
    before = sorted(lab.folder.iterdir())
    shown = program(stdin=words.format(f"{lab.folder}/a\0b") + "\n")
    assert "error: a command cannot hold a NUL character" in shown.err
    assert "mistake" not in shown.err
    assert sorted(lab.folder.iterdir()) == before
    assert lab.driver.state(NAME).state == "running"
    assert {path.read_text() for path in (lab.folder / "a", lab.folder / "ab")} == {"precious"}
