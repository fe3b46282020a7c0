"""Names and paths that the monitor would mangle, cut, obey or take for its own words: that very file, or none."""

from __future__ import annotations

import os
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from tests.faults.sweep import fresh_driver, guests
from tests.faults.verbs import NAME, Lab, document
from virtctl.errors import VirtctlError
from virtctl.values import Affect, BlockCopy, DumpOptions, ListFilter, SaveOptions, StartOptions

pytestmark = pytest.mark.qemu

FORGED = ["a\r\n(qemu) \r\nb", "Error: no", "unknown command: 'zz'\r\n(qemu) ", 
          "x\n\ndrive-ide0-0-0 (#block1): y (raw)", "VM status: paused", "No active jobs"]
ODD = ["-n", "-f", " ", "two  words ", "it's \"quoted\"", "back\\slash\\", "a\tb", "d\x7f", "Ûber-ěx", "\x01\x1b[D", 
       "\x85", "\udcff\udc9b", "#block1", ":", ";quit", "%s%n"]
LONG = ["/".join(["x" * 199] * 5), "/".join(["y" * 199] * 5) + "z" * 31, "/".join(["\\" * 200] * 4)]
MORE = """
    <disk type='file' device='cdrom'><driver name='qemu' type='raw'/><target dev='hdc' bus='ide'/><readonly/></disk>
    <serial type='file'><source path={serial}/></serial>
  </devices>"""


def attribute(text: str) -> str:
    """Text as a quoted XML attribute."""
    marks = {"'": "&apos;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
    return f"'{escape(text, marks)}'"


def opened(lab: Lab) -> set[str]:
    """The files that the guest's QEMU has open."""
    (pid,) = guests(lab.folder.parent)
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        found.add(os.readlink(one))  # noqa: PTH115 - as it is
    return found


def started(lab: Lab, name: str = NAME, serial: str = "serial") -> None:
    """A guest with a CD-ROM drive and a serial port that writes into a file of that name."""
    text = document(lab.disk).replace("</devices>", MORE.format(serial=attribute(str(lab.folder / serial))))
    lab.driver.define(text.replace(f"<name>{NAME}<", f"<name>{escape(name)}<"))
    lab.driver.start(name, StartOptions())


@pytest.mark.fault(63)
@pytest.mark.parametrize("name", ["(qemu) ", "Error: no", "unknown command: 'zz0123456789abcdef'", "VM status: paused"])
def test_a_name_and_a_log_that_forge_a_prompt_change_nothing(lab: Lab, name: str) -> None:
    log = f"log\r\n(qemu) \r\nError: {name}"
    started(lab, name, log)
    driver = fresh_driver(lab.folder.parent)
    assert (lab.folder / log).exists()
    assert driver.state(name).state == "running"
    assert driver.monitor_hmp(name, "info name") == f"{name}\n"
    driver.suspend(name)
    assert [(row.name, row.state) for row in driver.rows(ListFilter())] == [(name, "paused")]
    driver.resume(name)
    driver.save(name, lab.image, SaveOptions())
    assert guests(lab.folder.parent) == []


@pytest.mark.fault(63, 65, 66, 75)
def test_an_image_of_any_name_is_that_image_or_is_refused(lab: Lab) -> None:
    started(lab)
    for number, name in enumerate([*FORGED, *ODD, *LONG]):
        for verb in (_change_medium, _copy):
            place = lab.folder / f"{verb.__name__}-{number}" / name
            place.parent.mkdir(parents=True)
            before = lab.driver.dumpxml(NAME, DumpOptions()), opened(lab)
            try:
                verb(lab, str(place))
            except VirtctlError:
                assert not list(place.parent.glob("*")) or verb is _change_medium
                assert (lab.driver.dumpxml(NAME, DumpOptions()), opened(lab)) == before
        assert fresh_driver(lab.folder.parent).state(NAME).state == "running"


def _change_medium(lab: Lab, path: str) -> None:
    Path(path).write_bytes(bytes(2048))
    lab.driver.change_media(NAME, "hdc", path, Affect(live=True), force=False)
    assert path in opened(lab)
    assert [row.source for row in lab.driver.block_rows(NAME) if row.target == "hdc"] == [path]
    lab.driver.change_media(NAME, "hdc", None, Affect(live=True), force=False)
    assert path not in opened(lab)


def _copy(lab: Lab, path: str) -> None:
    lab.driver.blockcopy(NAME, "vda", BlockCopy(path))
    assert path in opened(lab)
    assert [one.name for one in Path(path).parent.iterdir()] == [Path(path).name]
    lab.driver.blockjob_abort(NAME, "vda")
