"""Strings of commands, and the grammar of one command."""

from __future__ import annotations

import shlex
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtctl.cli.grammar import Reading
from virtctl.cli.operands import Flag, Number, Scaled, Text, Values
from virtctl.cli.words import split_commands
from virtctl.errors import UsageError, VirtctlError

OWN = [
    Text("domain", "", required=True),
    Text("path", ""),
    Text("title", "", by_name=True),
    Flag("all", ""),
    Flag("with-title", ""),
    Flag("with-name", ""),
]


def read(*words: str, own: list[Flag | Text] | None = None) -> Values:
    reading = Reading("try", own or OWN)
    reading.read(words)
    return reading.values


@given(st.lists(st.lists(st.text(st.characters(blacklist_characters="\0")), min_size=1), min_size=1))
def test_quoted_words_come_back(commands: list[list[str]]) -> None:
    text = ";".join(" ".join(map(shlex.quote, words)) for words in commands)
    assert split_commands(text) == commands


@given(st.text())
def test_any_string_is_split_or_refused(text: str) -> None:
    with suppress(UsageError):
        assert all(words for words in split_commands(text))


@pytest.mark.parametrize(("text", "message"), [('echo "a', 'missing "'), ("echo a\\", "dangling \\")])
def test_unfinished_strings(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        split_commands(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["vm1"], {"domain": "vm1"}),
        (["vm1", "/x"], {"domain": "vm1", "path": "/x"}),
        (["--path", "/x", "vm1"], {"domain": "vm1", "path": "/x"}),
        (["--domain=vm1", "--all"], {"domain": "vm1", "all": True}),
        (["--domain", "--all"], {"domain": "--all"}),
        (["--", "--all"], {"domain": "--all"}),
        (["--dom", "vm1", "--with-t"], {"domain": "vm1", "with-title": True}),
        (["vm1", "--title", "a b"], {"domain": "vm1", "title": "a b"}),
        (["--domain="], {"domain": ""}),
    ],
)
def test_words_become_values(words: list[str], values: Values) -> None:
    assert read(*words) == values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "command 'try' requires <domain> option"),
        (["--bogus"], "command 'try' doesn't support option --bogus"),
        (["vm1", "--with"], "command 'try' doesn't support option --with"),
        (["vm1", "/x", "y"], "unexpected data 'y'"),
        (["--all=1"], "invalid '=' after option --all"),
        (["--all", "--all"], "option --all already seen"),
        (["--domain"], "expected syntax: --domain <string>"),
    ],
)
def test_mistakes_are_told_in_the_words_of_virsh(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(*words)
    assert caught.value.message == message


def test_all_missing_operands_are_named() -> None:
    own: list[Flag | Text] = [Text("domain", "", required=True), Text("key", "", required=True, by_name=True)]
    with pytest.raises(UsageError) as caught:
        read(own=own)
    assert caught.value.message == "command 'try' requires <domain> option\ncommand 'try' requires --key option"


@pytest.mark.parametrize(("given", "number"), [("0", 0), ("+7", 7), (" 12", 12), ("99999999999999999999", 10**20 - 1)])
def test_numbers(given: str, number: int) -> None:
    assert Number("n", "").convert(given) == number


@pytest.mark.parametrize("given", ["", "x", "1.5", "-1", "0x10", "1 "])
def test_malformed_numbers(given: str) -> None:
    with pytest.raises(VirtctlError, match="malformed or out of range"):
        Number("n", "").convert(given)


@pytest.mark.parametrize(
    ("given", "value"),
    [("5", (5, None)), ("5b", (5, 1)), ("5k", (5, 1024)), ("5KiB", (5, 1024)), ("5MB", (5, 10**6)), ("2G", (2, 2**30))],
)
def test_scaled_numbers(given: str, value: tuple[int, int | None]) -> None:
    assert Scaled("n", "").convert(given) == value
