"""What a verb does to the file system, recorded with strace: creations, writes, syncs and names, in their order.

    python -m tests.faults.disktrace ROOT VERB       # what `record` runs: the verb on the lab below ROOT
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.faults.sweep import fresh_driver
from tests.faults.verbs import Lab
from tests.faults.verbs_small import EVERY

MARK = "/the-verb-begins-here"
NAMES = ("openat,close,write,pwrite64,sendto,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat,"
         "mkdir,mkdirat,rmdir,symlink,symlinkat,ftruncate,fchmod,pidfd_send_signal,?stat,?newfstatat,?access")
TOP = Path(__file__).resolve().parents[2]
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+)?(?:<([^>]*)>)?")
_WORD = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')


class Call(NamedTuple):
    """One call that succeeded: its name, the descriptor it is about, its strings, the rest as text, what it gave."""

    name: str
    fd: int
    strings: list[bytes]
    text: str
    result: int
    path: bytes = b""  # of the descriptor that an openat gave

    @property
    def last(self) -> int:
        """The last argument as a number."""
        word = self.text.rpartition(",")[2].strip()
        return int(word, 8 if word.startswith("0") else 10)


def record(root: Path, verb: str, log: Path) -> list[Call]:
    """Carries the verb out on the lab below `root` and gives its calls."""
    command = ["strace", "-qq", "-y", "-xx", "-s", "4000000", "-o", str(log), "-e", f"trace={NAMES}", sys.executable,
               "-m", "tests.faults.disktrace", str(root), verb]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return list(read(log.read_text(encoding="ascii")))


def read(text: str) -> Iterator[Call]:
    """The calls after the mark."""
    begun = False
    mark = "".join(f"\\x{letter:02x}" for letter in MARK.encode())
    for line in text.splitlines():
        begun = begun or mark in line
        match = _CALL.match(line)
        if not begun or match is None or match[3] is None or match[3].startswith("-"):
            continue
        strings = [_bytes(found[1]) for found in _WORD.finditer(match[2])]
        first = re.match(r"(\d+)<", match[2])
        rest = re.sub(r"<[^>]*>", "", _WORD.sub('""', match[2]))
        yield Call(match[1], int(first[1]) if first else -1, strings, rest, int(match[3]), _bytes(match[4] or ""))


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", "")) if re.fullmatch(r"(\\x[0-9a-f]{2})*", escaped) else b""


def main(root: str, name: str) -> int:
    """The verb, after the mark."""
    verb = next(one for one in EVERY if one.name == name)
    lab = Lab(Path(root) / "lab", fresh_driver(Path(root)))
    act = verb.act(lab)
    os.path.exists(MARK)  # noqa: PTH110 - a single call, for strace to see
    act(lab.driver)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
