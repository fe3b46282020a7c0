"""Names and paths of every kind through the whole life of a domain: exactly that name, or refused before any effect."""

from __future__ import annotations

from xml.sax.saxutils import escape

import pytest

from tests.faults.sweep import audit, fresh_driver, guests
from tests.faults.verbs import NAME, Lab, document
from virtctl.errors import VirtctlError
from virtctl.values import DumpOptions, ListFilter, RestoreOptions, SaveOptions, StartOptions, UndefineOptions

pytestmark = pytest.mark.qemu

EVERY = ListFilter(inactive=True)
NAMES = ["two words", "a,b=c,,d", "it's \"quoted\"", "back\\slash\\n", "Ûber-ěšč-☃", "%s%n$(id)`id`", "x" * 200, "...",
         ".hidden", "autostart", "g.xml", "#;&|<>", "d:e", "~", "* ?"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_lives_a_whole_life(lab: Lab, name: str) -> None:
    root, driver = lab.folder.parent, lab.driver
    disk = lab.folder / f"{name[:150]}.img"
    disk.write_bytes(bytes(65536))
    disk.chmod(0o600)
    image = lab.folder / f"{name[:150]}.save"
    text = document(lab.disk).replace(f"<name>{NAME}</name>", f"<name>{escape(name)}</name>")
    driver.define(text.replace(str(lab.disk), escape(str(disk), {"'": "&apos;"})))
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
    names = {path.name for path in lab.folder.iterdir()}
    assert names == {"disk.img", disk.name, image.name}
    assert not [path for path in lab.folder.parent.parent.iterdir() if path.name != "root"]


@pytest.mark.parametrize("name", ["", "a/b", "../../etc/x", "a\nb", "-x", "x" * 252], ids=repr)
def test_a_name_that_no_file_can_have_is_refused(lab: Lab, name: str) -> None:
    text = document(lab.disk).replace(f"<name>{NAME}</name>", f"<name>{name}</name>")
    before = sorted(lab.folder.parent.rglob("*.xml"))
    with pytest.raises(VirtctlError):
        lab.driver.define(text)
    assert sorted(lab.folder.parent.rglob("*.xml")) == before
