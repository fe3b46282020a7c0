"""What is printed where: formats, quiet, terminals, and streams that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pexpect
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.program import PROGRAM, Program
from virtctl.render.json import json_text
from virtctl.render.plain import Table, safe, table, width
from virtctl.render.yaml import yaml_text

TEST = ("-c", "test:///default")

REPORTING = [
    "list --all", "domstate test", "dominfo test", "domid test", "domname 1", "domuuid test", "domblklist test",
    "domiflist test", "version", "uri", "hostname", "nodeinfo", "history test", "recover",
]


@pytest.mark.parametrize("command", REPORTING)
def test_every_report_is_also_json_and_yaml(virtctl: Program, command: str) -> None:
    before = json.loads(virtctl.ok(*TEST, "--output", "json", command))
    after = json.loads(virtctl.ok(*TEST, *command.split(), "--output=json"))
    for value in (before, after):
        if isinstance(value, dict):
            value.pop("cpu_time", None)
    assert before == after
    assert virtctl.ok(*TEST, "--output", "yaml", command).count("\n") >= 1


def test_json_has_what_list_knows(virtctl: Program) -> None:
    rows = json.loads(virtctl.ok(*TEST, "list", "--output", "json"))
    assert [(row["id"], row["name"], row["state"], row["persistent"]) for row in rows] == [(1, "test", "running", True)]


def test_messages_of_success_stay_out_of_json(virtctl: Program) -> None:
    out = virtctl.ok(*TEST, "--output", "json", "suspend test; domstate test; resume test")
    assert json.loads(out)["state"] == "paused"


def test_an_unknown_format_is_refused(virtctl: Program) -> None:
    message = "error: unknown output format 'xml', expecting 'table', 'json' or 'yaml'\n"
    assert virtctl.error("--output", "xml", "list") == message
    assert virtctl.error("list", "--output", "xml") == message


def test_commands_that_report_nothing_take_no_format(virtctl: Program) -> None:
    assert virtctl.error(*TEST, "suspend", "test", "--output=json") == (
        "error: command 'suspend' doesn't support option --output\n"
    )


@pytest.mark.parametrize("words", [["list"], ["help"], ["-h"], ["-v"]])
def test_a_full_disk_is_told(virtctl: Program, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([PROGRAM, *TEST, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output: No space left on device\n"


def test_a_reader_that_went_away_is_no_error(virtctl: Program) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{PROGRAM} -c test:///default 'help;help;help;help' | head -1"],
        capture_output=True, text=True, check=False,
    )
    assert done.stdout == "Grouped commands:\n"
    assert done.stderr == ""


def test_closed_streams_do_no_harm(virtctl: Program, tmp_path: Path) -> None:
    script = f"{PROGRAM} -c test:///default list <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 0
    script = f"{PROGRAM} -c test:///default 'save test {tmp_path}/saved' >&-"
    assert subprocess.run(["sh", "-c", script], check=False).returncode == 0
    assert (tmp_path / "saved").read_text().startswith("<domain")


def test_an_unknown_domain_on_a_terminal_cannot_drive_it(virtctl: Program) -> None:
    child = pexpect.spawn(str(PROGRAM), [*TEST, "start", "\x1b]0;owned\x07"], encoding="utf-8", timeout=20,
                          env=virtctl.environ())  # fmt: skip
    child.expect(pexpect.EOF)
    assert "failed to get domain '\\x1b]0;owned\\x07'" in child.before


def test_people_get_colour_and_scripts_and_virsh_do_not(virtctl: Program, tmp_path: Path) -> None:
    link = tmp_path / "virsh"
    link.symlink_to(PROGRAM)

    def on_terminal(program: str, *words: str) -> str:
        env = {**virtctl.environ(), "TERM": "xterm"}
        env.pop("NO_COLOR", None)
        child = pexpect.spawn(program, [*TEST, *words], encoding="utf-8", timeout=20, env=env)
        child.expect(pexpect.EOF)
        assert child.before is not None
        return str(child.before)

    assert "\x1b[32mrunning" in on_terminal(str(PROGRAM), "list")
    assert " 1    test   running\r\n" in on_terminal(str(PROGRAM), "--plain", "list")
    assert " 1    test   running\r\n" in on_terminal(str(link), "list")
    assert "\x1b" not in on_terminal(str(link), "list")


def test_debug_shows_where_an_error_comes_from(virtctl: Program) -> None:
    assert "Traceback" not in virtctl(*TEST, "resume", "test").err
    assert "Traceback" in virtctl(*TEST, "--debug", "resume", "test").err


def test_log_keeps_errors(virtctl: Program, tmp_path: Path) -> None:
    virtctl(*TEST, "-l", tmp_path / "log", "resume", "test")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "error: Failed to resume domain 'test'",
        "error: internal error: domain 'test' not paused",
    ]


def test_readonly_changes_nothing(virtctl: Program) -> None:
    for command in ("suspend test", "undefine test", "define /etc/hostname", "save test /tmp/never"):
        assert "operation forbidden: read only access prevents" in virtctl.error(*TEST, "-r", command)


@given(st.lists(st.lists(st.text(), min_size=3, max_size=3)))
def test_a_table_has_one_line_a_row(rows: list[list[str]]) -> None:
    text = table(Table(["Id", "Name", "State"], rows))
    assert text.count("\n") == len(rows) + 2
    assert all(char.isprintable() for char in text.replace("\n", ""))


def test_width_counts_columns_of_a_terminal() -> None:
    assert (width("abc"), width("漢字"), width("e\u0301")) == (3, 4, 1)
    assert safe("a\x1bb\udcff") == "a\\x1bb\\xff"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=10,
)


@given(VALUES)
def test_json_comes_back(value: object) -> None:
    assert json.loads(json_text(value)) == value


@given(st.text())
def test_yaml_quotes_what_could_be_something_else(text: str) -> None:
    line = yaml_text({"key": text}).removeprefix("key: ").removesuffix("\n")
    assert json.loads(line) == text if line.startswith('"') else line == text
    assert os.linesep not in line


def test_yaml_of_nested_values() -> None:
    assert yaml_text([{"name": "a", "disks": [], "id": 1}, {"name": "no", "tags": ["x", {"y": None}]}]) == (
        '- name: a\n  disks: []\n  id: 1\n- name: "no"\n  tags:\n    - x\n    - "y": null\n'
    )
