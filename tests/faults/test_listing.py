"""Lists among guests that come and go, among broken definitions, and on terminals of every kind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import random
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping

import pytest

from tests.faults.sweep import fresh_driver
from tests.faults.verbs import NAME, Lab, document
from tests.support.program import Program
from virtctl.errors import VirtctlError
from virtctl.state import liveness
from virtctl.values import DomainRow, DumpOptions, ListFilter, StartOptions

DOMAINS, WORKERS = 20, 3
STATES = {"running", "shut off", "paused", "in shutdown"}


def named(lab: Lab, name: str, number: int) -> str:
    return document(lab.folder / f"{name}.img").replace("<name>g<", f"<name>{name}<").replace(
        "2a11</uuid>", f"{number:04x}</uuid>")


LIMIT = 60.0  # seconds that only a failure needs


def come_and_go(lab: Lab, names: list[str], chance: random.Random) -> int:
    """A process that starts and ends these domains all the time, until there is a file `enough`."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        limit = time.monotonic() + LIMIT
        while not (lab.folder / "enough").exists() and time.monotonic() < limit:
            driver, name = fresh_driver(lab.folder.parent), chance.choice(names)
            try:
                driver.destroy(name) if chance.random() < 0.5 else driver.start(name, StartOptions())
            except VirtctlError as error:
                if "already running" not in str(error) and "is not running" not in str(error):
                    raise
        status = 0
    finally:
        os._exit(status)


@pytest.mark.qemu
@pytest.mark.fault(57)
def test_a_list_among_guests_that_come_and_go_is_whole(lab: Lab, program: Program) -> None:
    names = [f"vm{number:02d}" for number in range(DOMAINS)]
    for number, name in enumerate(names):
        (lab.folder / f"{name}.img").write_bytes(bytes(65536))
        lab.driver.define(named(lab, name, number))
    pids = [come_and_go(lab, names[number::WORKERS], random.Random(number)) for number in range(WORKERS)]
    seen: set[tuple[str, str]] = set()
    lists, limit = 0, time.monotonic() + LIMIT
    while lists < 40 or len([one for one in seen if one[1] == "running"]) <= DOMAINS // 2:
        assert time.monotonic() < limit
        rows = rows_of(lab)
        assert sorted(row.name for row in rows) == names
        assert all((row.id is not None) == (row.state != "shut off") for row in rows), rows
        assert {row.state for row in rows} <= STATES
        seen |= {(row.name, row.state) for row in rows}
        lists += 1
        if lists % 10 == 0:
            shown = program("list", "--all")
            assert (shown.status, shown.err) == (0, "")
            rows_shown = [re.fullmatch(r" (\d+|-) +(vm\d\d) +(running|paused|shut off|in shutdown)", line)
                          for line in shown.lines()[2:]]
            assert sorted(row[2] for row in rows_shown if row) == names, shown.out
    (lab.folder / "enough").touch()
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * WORKERS


def rows_of(lab: Lab) -> list[DomainRow]:
    """What a new command lists; it has nothing to warn of."""
    said: list[str] = []
    driver = fresh_driver(lab.folder.parent)
    driver.context.warn = said.append
    rows = driver.rows(ListFilter(inactive=True))
    assert said == []
    return rows


@pytest.mark.qemu
@pytest.mark.fault(57)
def test_what_is_read_of_a_guest_that_comes_and_goes_is_whole(lab: Lab) -> None:
    lab.define()
    pid = come_and_go(lab, [NAME], random.Random(1))
    states: set[str] = set()
    looks, limit = 0, time.monotonic() + LIMIT
    while looks < 40 or not {"running", "shut off"} <= states:
        assert time.monotonic() < limit
        driver = fresh_driver(lab.folder.parent)
        assert f"<name>{NAME}</name>" in driver.dumpxml(NAME, DumpOptions())
        assert driver.info(NAME).max_memory == 8192
        assert [row.target for row in driver.block_rows(NAME)] == ["vda"]
        assert driver.interface_rows(NAME) == []
        states.add(driver.state(NAME).state)
        looks += 1
    (lab.folder / "enough").touch()
    assert os.waitpid(pid, 0)[1] == 0
    assert states <= STATES


GOOD, BAD = 450, 50


def breakage(number: int, text: str) -> bytes:
    """A file that is no definition, each of another kind."""
    kinds = [b"", text.encode()[:150], bytes(range(256)), b"<domain/>", b"<domain><name>x</name></domain>",
             text.encode()[:-5], b"<!DOCTYPE domain []>" + text.encode(),
             text.replace("<name>", "<name>other").encode(), b"<a>" * 3000, text.encode() * 2]
    return kinds[number % len(kinds)]


@pytest.mark.fault(108)
def test_broken_definitions_among_many_are_told_once_each_and_hide_nobody(lab: Lab, program: Program) -> None:
    folder = lab.driver.context.paths.definitions
    lab.define()
    for number in range(1, GOOD):
        (folder / f"good{number:03d}.xml").write_text(named(lab, f"good{number:03d}", number))
    for number in range(BAD):
        (folder / f"bad{number:03d}.xml").write_bytes(breakage(number, named(lab, f"bad{number:03d}", number + GOOD)))
    for path in folder.glob("*.xml"):
        path.chmod(0o600)
    names = sorted([NAME, *(f"good{number:03d}" for number in range(1, GOOD))])
    for words in (["list", "--all", "--name"], ["list", "--all", "--output", "json"], ["list", "--inactive", "--name"]):
        shown = program(*words)
        assert shown.status == 0, shown.err
        found = [row["name"] for row in json.loads(shown.out)] if "json" in words else shown.out.split()
        assert sorted(found) == names
        warnings = shown.err.splitlines()
        assert len(warnings) == BAD
        for number in range(BAD):
            start = f"warning: ignoring broken definition '{folder}/bad{number:03d}.xml': "
            assert len([line for line in warnings if line.startswith(start)]) == 1
    assert "Domain 'good007' has been undefined" in program("undefine", "good007").out
    assert "bad001" in program.error("start", "bad001")


@pytest.mark.fault(109)
def test_autostart_links_that_dangle_point_elsewhere_or_twice_start_nothing(lab: Lab, program: Program) -> None:
    lab.define()
    paths = lab.driver.context.paths
    lab.driver.set_autostart(NAME, True)
    outside = lab.folder / "evil.xml"
    outside.write_text(named(lab, "evil", 7))
    (paths.autostart / "gone.xml").symlink_to("../gone.xml")
    (paths.autostart / "evil.xml").symlink_to(outside)
    (paths.autostart / "twice.xml").symlink_to(f"../{NAME}.xml")
    (paths.autostart / "loop.xml").symlink_to("loop.xml")
    (paths.autostart / "plain.xml").write_text(named(lab, "plain", 8))
    for words in (["list", "--all", "--autostart", "--name"], ["list", "--all", "--name"]):
        assert program.ok(*words).split() == [NAME]
    program.ok("autostart", "--disable", NAME)
    assert not program.ok("list", "--all", "--autostart", "--name").strip()
    assert not program.ok("autostart-run").strip()
    assert outside.read_text() == named(lab, "evil", 7)


@pytest.mark.qemu
@pytest.mark.fault(109)
def test_autostart_starts_one_domain_once_and_no_stranger(lab: Lab, program: Program) -> None:
    lab.define()
    paths = lab.driver.context.paths
    lab.driver.set_autostart(NAME, True)
    (paths.autostart / "twice.xml").symlink_to(f"../{NAME}.xml")
    (paths.autostart / "gone.xml").symlink_to("../gone.xml")
    assert program.ok("autostart-run").strip() == f"Domain '{NAME}' started"
    assert not program.ok("autostart-run").strip()
    assert program.ok("list", "--name").split() == [NAME]


@pytest.mark.qemu
@pytest.mark.fault(109)
def test_what_a_newer_version_wrote_is_refused_by_name(lab: Lab, program: Program) -> None:
    lab.running()
    paths = lab.driver.context.paths
    record = next(paths.runtime.glob("*/status.json"))
    old = record.read_text()
    newer = json.loads(old) | {"format": 2, "more": {}}
    record.write_text(json.dumps(newer))
    for words in (["destroy", NAME], ["start", NAME], ["suspend", NAME]):
        said = program.error(*words)
        assert f"'{record}' was written by a newer virtctl" in said, said
    assert liveness.is_alive(newer["pid"], newer["start_time"], newer["boot_id"])
    assert json.loads(record.read_text()) == newer
    record.write_text(old)
    journal = paths.journal
    journal.mkdir(mode=0o700, exist_ok=True)
    note = journal / f"{lab.driver.uuid_of(NAME)}.pivot.00000000.json"
    note.write_text(json.dumps({"format": 2, "op": "pivot"}))
    note.chmod(0o600)
    refusal = f"error: operation failed: journal record '{note}' was written by a newer virtctl"
    for words in (["destroy", NAME], ["suspend", NAME], ["undefine", NAME]):
        assert refusal in program.error(*words)
    shown = program("dominfo", NAME)
    assert (shown.status, "running" in shown.out) == (0, True)
    assert f"journal record '{note}' was written by a newer virtctl" in shown.err
    assert note.exists()
    note.unlink()
    program.ok("destroy", NAME)


def on_terminal(program: Program, *words: str, columns: int = 80, environment: Mapping[str, str | None]) -> str:
    """What a terminal of that width gets to see."""
    wanted = {**program.environ(), **environment}
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen([*program.command, *words], stdin=follower, stdout=follower, stderr=follower,
                          env={key: value for key, value in wanted.items() if value is not None}) as command:
        os.close(follower)
        shown = b""
        while select.select([leader], [], [], 30)[0]:
            try:
                piece = os.read(leader, 65536)
            except OSError:  # the other side is closed
                break
            shown += piece
        os.close(leader)
    assert command.returncode == 0, shown
    return shown.decode()


ODD = "a\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\x08\rb"
PRINTABLE = re.compile(r"(?:[^\x00-\x1f\x7f-\x9f]|\r\n|\x1b\[[0-9;]*m)*")


@pytest.mark.fault(110)
@pytest.mark.parametrize("columns", [20, 80])
@pytest.mark.parametrize("environment", [
    {"TERM": None}, {"TERM": "dumb"}, {"TERM": "xterm-256color"}, {"TERM": "nonsense"}, {"TERM": ""},
    {"TERM": "xterm", "COLUMNS": "0"}, {"TERM": "xterm", "COLUMNS": "-5", "LINES": "x"}], ids=str)
def test_a_terminal_of_any_kind_shows_every_name_and_nothing_drives_it(
    lab: Lab, program: Program, columns: int, environment: dict[str, str | None]
) -> None:
    lab.define()
    folder = lab.driver.context.paths.definitions
    written = "".join(f"&#{ord(letter)};" if letter in "\r\x7f\x9b" else letter for letter in "a\x7f\x9b31m\rb\u202e")
    odd = folder / "a\x7f\x9b31m\rb\u202e.xml"
    odd.write_text(named(lab, written, 7))
    broken = folder / f"{ODD}.xml"
    broken.write_text("no")
    for path in (odd, broken):
        path.chmod(0o600)
    shown = on_terminal(program, "list", "--all", columns=columns, environment=environment)
    assert PRINTABLE.fullmatch(shown), repr(shown)
    assert "\\x1b]0;owned\\x07\\x1b[2J" in shown.replace("\r\n", "")
    squeezed = re.sub(r"\x1b\[[0-9;]*m|\s", "", shown)
    assert f"-{NAME}" in squeezed
    assert "shutoff" in squeezed
    assert "\\xe2\\x80\\xae" in squeezed  # what would turn the rest of the line round


@pytest.mark.fault(110)
def test_errors_about_odd_names_do_not_drive_a_terminal_either(lab: Lab, program: Program) -> None:
    lab.define()
    command = f"domstate '{ODD}'; list --all"
    shown = on_terminal(program, command, environment={"TERM": "xterm"})
    assert PRINTABLE.fullmatch(shown), repr(shown)
    assert "failed to get domain 'a\\x1b]0;owned" in shown
