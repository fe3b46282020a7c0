"""The project's own Python, parsed once: what the architecture tests look at."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("virtctl", "tests", "examples")


@dataclass(frozen=True)
class Source:
    """One Python file: where it stands and what it says."""

    path: Path

    @property
    def name(self) -> str:
        """Its path inside the project, as text: `virtctl/qemu/build.py`."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def package(self) -> str:
        """What it belongs to inside virtctl: `qemu` for a file there, `errors` for virtctl/errors.py."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return parts[1] if parts[0] == "virtctl" else ""

    @cached_property
    def text(self) -> str:
        """The whole file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.text)

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and full dotted name of all that it imports, wherever in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}:{node.lineno}: a relative import"
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file of these folders of the project (of all, when none is named)."""
    found = (path for folder in folders or FOLDERS for path in (ROOT / folder).rglob("*.py"))
    return tuple(Source(path) for path in sorted(found))
