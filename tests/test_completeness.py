"""Nothing is half done: each command loads, is explained and is tried, each error is met by some test."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from functools import cache

import click
import pytest

from tests.support.sources import ROOT, sources
from virtctl import errors
from virtctl.cli.table import BY_NAME

MAN_PAGE = ROOT / "man" / "virtctl.1"

ERRORS = {
    name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, errors.VirtctlError)
}


@cache
def words_of_tests() -> frozenset[str]:
    """Every word of every text in the tests, and every name they use."""
    words: set[str] = set()
    for source in sources("tests"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update(re.split(r"[\s;]+", node.value))
            elif isinstance(node, ast.Name):
                words.add(node.id)
            elif isinstance(node, ast.Attribute):
                words.add(node.attr)
    return frozenset(words)


@pytest.mark.parametrize("name", BY_NAME)
def test_command_loads_and_is_explained(name: str) -> None:
    module, function = BY_NAME[name].target.split(":")
    command = getattr(importlib.import_module(f"virtctl.cli.commands.{module}"), function)
    assert isinstance(command, click.Command)
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert not [option.name for option in options if not option.help]


def test_every_command_has_its_place_in_the_man_page() -> None:
    page = MAN_PAGE.read_text(encoding="utf-8").replace("\\-", "-")
    headings = {line.split(None, 1)[1].strip('"') for line in page.splitlines() if line.startswith((".SS ", ".TP "))}
    words = {word.strip('"') for heading in headings for word in heading.split()}
    words |= set(re.findall(r"(?:\\fB|\.B )([a-z-]+)", page))
    unexplained = sorted(set(BY_NAME) - words)
    assert not unexplained


def test_every_command_is_tried_by_some_test() -> None:
    untried = sorted(set(BY_NAME) - words_of_tests())
    assert not untried


def test_every_error_is_met_by_some_test() -> None:
    unmet = sorted(ERRORS - words_of_tests())
    assert not unmet
