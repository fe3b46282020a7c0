"""The shape that .github/CONTRIBUTING.md draws: who imports whom, who touches the world, how long things are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.sources import Source, sources

LONGEST_FILE = 400
LONGEST_FUNCTION = 40

MAY_IMPORT = {
    "errors": set(),
    "argv": {"errors"},
    "paths": set(),
    "values": set(),
    "schema": {"argv", "errors"},
    "domain": {"schema", "argv", "errors"},
    "state": {"domain", "schema", "argv", "errors", "paths"},
    "storage": {"state", "domain", "schema", "argv", "errors", "paths"},
    "network": {"state", "domain", "schema", "argv", "errors", "paths"},
    "xen": {"domain", "schema", "argv", "errors"},
    "qemu": {"storage", "network", "state", "domain", "schema", "argv", "errors", "paths", "values"},
    "drivers": {"values", "qemu", "storage", "network", "xen", "state", "domain", "schema", "argv", "errors", "paths"},
    "render": {"argv", "errors"},
}
EVERYTHING = {"cli", "__main__", "__init__"}

ONLY_IN = {
    "lxml": {"virtctl/schema/xmlio.py"},
    "pexpect": {"virtctl/qemu/monitor.py", "virtctl/qemu/console.py", "virtctl/cli/console.py"},
    "rich": {"virtctl/render/pretty.py"},
    "click": {"virtctl/cli/"},
}

FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "common", "manager", "misc", "base_manager"}

WORLD_NAMES = {"print", "input", "exit", "quit", "SystemExit"}
WORLD_ATTRIBUTES = {
    *("os.environ", "os.getenv", "os.putenv"),
    *("sys.exit", "sys.argv", "sys.stdin", "sys.stdout", "sys.stderr"),
}

IGNORED = re.compile(r"#\s*(noqa|type:\s*ignore|pragma)(?P<codes>\[[^\]]*\]|:\s*[A-Z]+[0-9]+(,\s*[A-Z]+[0-9]+)*)?")


def test_imports_point_downwards() -> None:
    wrong = []
    for source in sources("virtctl"):
        if source.package in EVERYTHING:
            continue
        allowed = MAY_IMPORT[source.package] | {source.package, "__version__"}
        for line, name in source.imports():
            if name.startswith("virtctl.") and name.split(".")[1] not in allowed:
                wrong.append(f"{source.name}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_rendering_is_called_by_the_command_line_only() -> None:
    wrong = [
        f"{source.name}:{line} imports {name}"
        for source in sources("virtctl")
        if source.package not in {"cli", "render"}
        for line, name in source.imports()
        if name.startswith("virtctl.render")
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_stay_in_their_place() -> None:
    wrong = []
    for source in sources("virtctl"):
        for line, name in source.imports():
            places = ONLY_IN.get(name.split(".")[0])
            if places is not None and not source.name.startswith(tuple(places)):
                wrong.append(f"{source.name}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_only_the_command_line_prints_prompts_exits_and_reads_the_environment() -> None:
    wrong = [
        f"{source.name}:{line} uses {name}"
        for source in sources("virtctl")
        if source.package not in {"cli", "__main__"}
        for line, name in touches_of_the_world(source)
    ]
    assert not wrong, "\n".join(wrong)


def touches_of_the_world(source: Source) -> Iterator[tuple[int, str]]:
    """Each place that prints, prompts, exits, or looks at the environment or the standard streams."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Name) and node.id in WORLD_NAMES and isinstance(node.ctx, ast.Load):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in WORLD_ATTRIBUTES:
            yield node.lineno, ast.unparse(node)


def test_no_file_is_long() -> None:
    lengths = {source.name: len(source.text.splitlines()) for source in sources()}
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE}


def test_no_function_is_long() -> None:
    wrong = []
    for source in sources():
        for function in source.functions():
            assert function.end_lineno is not None
            lines = function.end_lineno - function.lineno + 1
            if lines > LONGEST_FUNCTION:
                wrong.append(f"{source.name}:{function.lineno} {function.name} has {lines} lines")
    assert not wrong, "\n".join(wrong)


def test_names_say_what_a_thing_is() -> None:
    wrong = []
    for source in sources():
        words = set(re.split(r"[/_.]", source.name))
        classes = (node.name for node in ast.walk(source.tree) if isinstance(node, ast.ClassDef))
        words |= {word.lower() for name in classes for word in re.findall(r"[A-Z][a-z]+", name)}
        wrong += [f"{source.name}: {word}" for word in words & FORBIDDEN_NAMES]
    assert not wrong, "\n".join(wrong)


def test_every_ignore_has_its_reason_beside_it() -> None:
    wrong = []
    for source in sources():
        for number, line in enumerate(source.text.splitlines(), start=1):
            found = IGNORED.search(line)
            if found and "IGNORED" not in line:
                reason = line[found.end() :].strip(" -#:")
                if not found["codes"] or not reason.split():
                    wrong.append(f"{source.name}:{number}: {line.strip()}")
    assert not wrong, "\n".join(wrong)


def test_modules_say_what_they_are_for() -> None:
    assert not [source.name for source in sources("virtctl") if not ast.get_docstring(source.tree)]


@pytest.mark.parametrize("folder", ["virtctl", "tests", "examples"])
def test_there_is_something_to_look_at(folder: str) -> None:
    assert sources(folder)
