"""The table of commands, and what is generated from it: help, the manual page, completion."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from tests.support.golden import Golden
from tests.support.program import Program
from virtctl.cli.help import command_help, in_options, in_synopsis
from virtctl.cli.lazygroup import LazyGroup
from virtctl.cli.manual import manual
from virtctl.cli.operands import Choice, Flag, Number, Text, VirshCommand
from virtctl.cli.table import BY_NAME, GROUPS, ROWS, Row

ROOT = Path(__file__).parents[2]


def load(name: str) -> VirshCommand:
    group = LazyGroup(name="virtctl")
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_loads_and_is_explained(row: Row) -> None:
    command = load(row.name)
    assert command.help, "a command without description"
    assert row.summary == row.summary.strip(".")
    for parameter in command.own():
        assert parameter.help, f"{parameter.word} without explanation"
        assert parameter.word == parameter.word.lower()
    assert row.group in {group.keyword for group in GROUPS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_callbacks_take_what_is_declared(row: Row) -> None:
    import inspect

    command = load(row.name)
    taken = inspect.signature(inspect.unwrap(command.callback)).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        assert {str(parameter.name) for parameter in command.own()} == set(taken) - {"session"}


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(ROWS)


def test_the_manual_page_is_up_to_date(golden: Golden) -> None:
    golden(ROOT / "man/virtctl.1", manual(load))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_manual_page_has_every_command(row: Row) -> None:
    page = (ROOT / "man/virtctl.1").read_text().replace("\\-", "-")
    assert f"\n.SS {row.name}\n" in page
    assert all(f"\n.B {in_options(parameter)}\n" in page for parameter in load(row.name).own())


@pytest.mark.parametrize(
    ("parameter", "synopsis", "option"),
    [
        (Flag("all", ""), "[--all]", "--all"),
        (Text("domain", "", required=True), "<domain>", "[--domain] <string>"),
        (Text("xml", ""), "[--xml <string>]", "--xml <string>"),
        (Number("count", "", required=True), "<count>", "[--count] <number>"),
        (Choice("mode", "", ("a", "b")), "[--mode <string>]", "--mode <string>"),
        (Text("cmd", "", required=True, many=True), "{[--cmd] <string>}...", "[--cmd] <string>"),
        (Text("desc", "", many=True), "[[--desc] <string>]...", "[--desc] <string>"),
        (Text("arg", "", many=True, anonymous=True), "[<string>]...", "<string>"),
    ],
)
def test_help_is_laid_out_as_that_of_virsh(parameter: Flag | Text, synopsis: str, option: str) -> None:
    assert in_synopsis(parameter) == synopsis
    assert in_options(parameter) == option


def test_help_of_a_command() -> None:
    command = VirshCommand("x", params=[Text("domain", "which", required=True), Flag("reason", "why")], help="Looks.")
    assert command_help("x", "look", command) == (
        "  NAME\n    x - look\n\n  SYNOPSIS\n    x <domain> [--reason]\n\n  DESCRIPTION\n    Looks.\n\n"
        "  OPTIONS\n    [--domain] <string>  which\n    --reason         why\n\n"
    )


def test_help_lists_every_command_as_clients_read_it(virtctl: Program) -> None:
    listed = re.findall(r"^    ([a-z-]+)\s+\S", virtctl.ok("help"), re.MULTILINE)
    assert listed == [row.name for group in GROUPS for row in ROWS if row.group == group.keyword]
    assert set(re.findall(r"help keyword '(\w+)'", virtctl.ok("help"))) == {group.keyword for group in GROUPS}


def test_help_of_a_group_and_of_a_command_in_two_ways(virtctl: Program) -> None:
    assert virtctl.ok("help", "host").startswith(" Host and Hypervisor (help keyword 'host'):\n    capabilities ")
    assert virtctl.ok("help", "start") == virtctl.ok("start", "--help") == virtctl.ok("start", "vm1", "--help")


def test_the_program_calls_itself_what_it_was_called(virtctl: Program, tmp_path: Path) -> None:
    link = tmp_path / "virsh"
    link.symlink_to(virtctl.command[0])
    virsh = Program(virtctl.root, (str(link),))
    assert virsh.ok("-h").startswith("\nvirsh [options]... [<command_string>]\n")
    assert virtctl.ok("-h").startswith("\nvirtctl [options]... [<command_string>]\n")
    assert " Virsh itself (help keyword 'virsh'):" in virsh.ok("help")
    assert virsh("-c", "test:///default", stdin="quit\n").out.startswith("Welcome to virsh, the virtualization")
    assert (virsh.ok("-v"), virtctl.ok("-v")) == ("9.0.0\n", "0.1.0\n")


def complete(virtctl: Program, line: str) -> list[str]:
    """What bash is offered for a line whose last word is not finished."""
    environment = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_VIRTCTL_COMPLETE": "bash_complete",
    }
    program = Program(virtctl.root, virtctl.command, environment)
    return [item.partition(",")[2] for item in program.ok().splitlines() if item]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("virtctl domx", ["domxml-from-native", "domxml-to-native"]),
        ("virtctl -c test:///default domstate t", ["test"]),
        ("virtctl -c test:///default domstate ", ["test"]),
        ("virtctl domstate --r", ["--reason"]),
        ("virtctl list --state-p", ["--state-paused"]),
        ("virtctl list --out", ["--output"]),
        ("virtctl -c test:///default shutdown test --mode a", ["acpi", "agent"]),
        ("virtctl -c test:///default blockjob test ", ["vda"]),
        ("virtctl -c test:///default domstate test --domain", []),
        ("virtctl completion z", ["zsh"]),
        ("virtctl --read", ["--readonly"]),
        ("virtctl nonsense ", [row.name for row in ROWS]),
    ],
)
def test_completion(virtctl: Program, line: str, words: list[str]) -> None:
    assert complete(virtctl, line) == words


def test_files_are_left_to_the_shell(virtctl: Program) -> None:
    environment = {"COMP_WORDS": "virtctl define x", "COMP_CWORD": "2", "_VIRTCTL_COMPLETE": "bash_complete"}
    assert Program(virtctl.root, virtctl.command, environment).ok() == "file,x\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(virtctl: Program, shell: str) -> None:
    assert f"_VIRTCTL_COMPLETE={shell}_complete" in virtctl.ok("completion", shell)


def test_no_script_for_other_shells(virtctl: Program) -> None:
    assert virtctl.error("completion", "csh") == "error: Unknown shell 'csh', expecting 'bash', 'zsh' or 'fish'\n"
