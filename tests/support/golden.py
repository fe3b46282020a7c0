"""Golden files: what a text looked like when somebody last read it and found it right."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Golden:
    """Writes a golden file that is missing, rewrites all with --regenerate, and shows any other change as a diff."""

    regenerate: bool = False

    def __call__(self, path: Path, text: str) -> None:
        if self.regenerate or not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            return
        expected = path.read_text(encoding="utf-8")
        diff = difflib.unified_diff(expected.splitlines(), text.splitlines(), str(path), "now", lineterm="")
        assert text == expected, "\n".join(diff)
