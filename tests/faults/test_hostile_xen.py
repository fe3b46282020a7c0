"""S-expressions and configuration files of Xen that somebody made to do harm: parsed, never run, and soon refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.limited import Answer, Limited
from tests.support.program import Program

SEXPR = "(vm (name a)(memory 4)(image (linux (kernel /k))))"
CONFIG = "name = 'a'\nuuid = 'c7a5fdb2-cdaf-9455-926a-d65c16db1809'\nmemory = 64\nkernel = '/k'\n"
MEMORY = "(memory 4)"
EXPRESSIONS: dict[str, tuple[str | bytes, str]] = {
    "a million lists": ("(" * 1000000, "more than 64 lists in one another at offset 64"),
    "lists that end": ("(" * 100000 + ")" * 100000, "at offset 64"),
    "three ends missing": (SEXPR[:-3], "3 ')' missing at offset 47"),
    "an end too many": (SEXPR + ")", "expecting the end at offset 50"),
    "an end first": (")" + SEXPR, "expecting '(' at offset 0"),
    "nothing": ("", "expecting '(' at offset 0"),
    "an atom of 100 MB": ("(vm (name " + "a" * 100000000 + "))", "Value too large"),
    "an atom of 9 MB": ("(vm (name " + "a" * 9000000 + "))", "more than 4194304"),
    "a string without end": ("(vm (name '" + "a" * 4000000 + "))", "unterminated string or junk after one at offset"),
    "a NUL": (SEXPR.replace("name a", "name a\0b"), "a NUL at offset 11 (line 1, column 12)"),
    "a NUL, escaped": (SEXPR.replace("name a", "name 'a\\000b'"), "domain/name: 'a\\x00b' holds a character"),
    "an escape": (SEXPR.replace("name a", "name 'a\\x1b[31m'"), "domain/name: 'a\\x1b[31m' holds a character"),
    "no UTF-8": (SEXPR.encode().replace(b"name a", b"name a\xff"), "at offset 11"),
    "memory beyond numbers": (SEXPR.replace(MEMORY, "(memory 99999999999999999999999)"), "memory: '999"),
    "memory below nothing": (SEXPR.replace(MEMORY, "(memory -4)"), "memory: '-4' is negative"),
    "processors beyond numbers": (SEXPR.replace(MEMORY, MEMORY + "(vcpus 4294967296)"), "4294967296 vcpus"),
    "half a million devices": (SEXPR[:-1] + "(device)" * 500000 + ")", "500000 devices: more than 2048"),
    "a program": ("(__import__('os').system('id'))", "begins with neither (domain nor (vm"),
}
VALUES: dict[str, tuple[str | bytes, str]] = {
    "an import": ("x = __import__('os').system('touch {trace}')", "expecting a value at line 5, column 5"),
    "an import statement": ("import os", "expecting '=' at line 5, column 8"),
    "a call": ("exec('1')", "expecting '=' at line 5, column 5"),
    "a formatted string": ("a = f'{1}'", "expecting a value at line 5, column 5"),
    "a function": ("a = lambda: 1", "expecting a value at line 5, column 5"),
    "a list that is computed": ("a = [x for x in 'a']", "expecting a value at line 5, column 6"),
    "a dictionary": ("a = {'b': 1}", "unexpected '{' at line 5, column 5"),
    "an attribute": ("a.b = 1", "unexpected '.' at line 5, column 2"),
    "a sum": ("a = 'b' + 'c'", "unexpected '+' at line 5, column 9"),
    "a string without end": ("a = 'b", "unterminated string at line 5, column 5"),
    "a list without end": ("disk = [ 'a'", "at line 6, column 1"),
    "a huge number": ("maxmem = " + "9" * 100000, "number too long at line 5, column 10"),
    "a large number": ("maxmem = 99999999999999999999", "number out of range at line 5, column 10"),
    "a million lists": ("a = " + "[" * 1000000, "lists in one another at line 5, column 21"),
    "a NUL": ("\0", "a NUL at offset 83 (line 5, column 1)"),
    "an escaped NUL": ("kernel = '/\\x00'", "holds a character that no document can"),
    "no UTF-8": (b"kernel = '/\xff'", "holds a character that no document can at offset 94 (line 5, column 12)"),
    "200,000 disks": ("disk = [ " + "'phy:/a,xvda,w'," * 200000 + " ]", "200000 entries of disk: more than 2048"),
    "a string of 9 MB": ("extra = '" + "a" * 9000000 + "'", "more than 4194304"),
}


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Limited]:
    with Limited(tmp_path_factory.mktemp("limited")) as server:
        yield server


def refused(answer: Answer, path: Path, said: str) -> None:
    assert answer.ended == "refused", answer
    assert said in answer.words
    assert answer.seconds <= max(1.0, path.stat().st_size / 2**20)
    assert answer.peak <= 200


@pytest.mark.fault(92)
@pytest.mark.parametrize("what", EXPRESSIONS)
def test_s_expressions(limited: Limited, tmp_path: Path, what: str) -> None:
    data, said = EXPRESSIONS[what]
    path = tmp_path / "expression"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    refused(limited.attempt("xen-sxpr", path), path, said)


@pytest.mark.fault(93)
@pytest.mark.parametrize("form", ["xen-xm", "xen-xl"])
@pytest.mark.parametrize("what", VALUES)
def test_configuration_files(limited: Limited, tmp_path: Path, form: str, what: str) -> None:
    data, said = VALUES[what]
    path, trace = tmp_path / "config", tmp_path / "trace"
    data = data.replace("{trace}", str(trace)).encode() if isinstance(data, str) else data
    path.write_bytes(CONFIG.encode() + data + b"\n")
    refused(limited.attempt(form, path), path, said)
    assert not trace.exists()


@pytest.mark.fault(92, 93)
def test_of_a_name_that_is_given_twice_one_counts_always(virtctl: Program, tmp_path: Path) -> None:
    """The first of an s-expression, as in xend; the last of an assignment, as in Python."""
    path = tmp_path / "twice"
    twice = [("xen-sxpr", SEXPR.replace(MEMORY, MEMORY + "(memory 8)"), 4096),
             ("xen-xm", CONFIG + "memory = 128\n", 131072), ("xen-xl", CONFIG + "memory = 8\n", 8192)]
    for form, text, wanted in twice:
        path.write_text(text)
        assert f"<memory unit='KiB'>{wanted}</memory>" in virtctl.ok("domxml-from-native", form, path)


@pytest.mark.fault(92, 93)
def test_the_command_says_it_in_a_line(virtctl: Program, tmp_path: Path) -> None:
    path = tmp_path / "config"
    for form, text, said in (("xen-sxpr", "(" * 1000000, "at offset 64"),
                             ("xen-xm", CONFIG + "x = __import__('os')\n", "at line 5, column 5")):
        path.write_text(text)
        words = virtctl.error("domxml-from-native", form, path)
        assert words.startswith("error: ")
        assert said in words.splitlines()[0]
        assert "\nTraceback" not in words
        assert not virtctl.ok("list", "--all", "--name").strip()
