"""The catalogue of faults: one line for each of its rows, and which tests cover it.

    python -m tests.faults.catalogue             # every row with its tests
    python -m tests.faults.catalogue 19 41       # some rows

A test says which rows it covers by `@pytest.mark.fault(19, 20)`, on itself or for all of a module as `pytestmark`; it
does so when it asserts all that a row asks for. The tests are read, not run.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]

ROWS = {
    # The command is killed
    1: "define killed at any call: the old document or the new one",
    2: "undefine killed between the document, the mark for autostart and the firmware's variables",
    3: "start killed before, while and after QEMU is made: one QEMU or none, and the state told truly",
    4: "save killed at any call: the guest goes on at once, or its image is whole",
    5: "managedsave killed at any call: listed as saved only when the image is whole",
    6: "restore, or start from a managed save, killed: the memory neither lost nor used twice",
    7: "blockcopy killed: the job is there for the next command, the copy keeps its name",
    8: "pivot killed at any call: the guest and its definition agree after the next command",
    9: "snapshots made, gone back to and deleted under kills",
    10: "a live change killed between the guest and its documents: each is told as it is",
    11: "shutdown, reboot, destroy killed while they wait: they can be given again",
    12: "a command told to end by a signal: taken back or complete, and its status says so",
    13: "output that is full, closed or read by nobody",
    14: "a command that stands still with the lock: the others give up in time and name it",
    # QEMU dies or stands still
    15: "an idle QEMU is killed: crashed at once, and it can be started",
    16: "QEMU is told to end from outside: shut off, and the reason known",
    17: "QEMU crashes during a command: how it ended, with its last words",
    18: "QEMU is killed at any wait of a command",
    19: "QEMU is stopped: listings stay quick, questions have a deadline, destroy works",
    20: "QEMU is frozen by a cgroup: destroy says what it could not do",
    21: "QEMU ends between two commands of its monitor",
    22: "QEMU is killed for want of memory",
    23: "the guest turns itself off, panics or resets in the middle of an operation",
    24: "the guest waits for space on its disk: told, and resumed when there is some",
    25: "errors of the guest's disk are met as the document says",
    26: "pivots under writes on each bus: QEMU never aborts",
    # Files
    27: "no space or no inodes at any call of any command",
    28: "input and output errors at any sync, close, write and read",
    29: "writes that take a few bytes at a time",
    30: "a write that succeeds and a sync that fails: the old file stays, no second sync",
    31: "calls that are interrupted or asked to be made again",
    32: "files that may not grow: quotas and limits of size",
    33: "folders that are mounted read-only: reading works, changes happen whole or not at all",
    34: "a definition that is immutable",
    35: "files, folders, FIFOs, devices and sockets in each other's place",
    36: "parents that are missing, names too long, links in a circle",
    37: "a save over an older image on a disk that fills at any block",
    38: "targets of a save that are no files, slow files and files on read-only disks",
    39: "a save onto a disk that is short of any number of blocks",
    40: "too few descriptors, too little memory, no more processes",
    41: "loss of power at any moment: what was not synced is gone",
    42: "a log that cannot be opened at start, under each startupPolicy",
    43: "a log disk that fills while the guest runs",
    44: "a guest that floods its serial port",
    45: "a log that is a link to somebody's file",
    46: "images that are missing, unreadable, of another format, damaged or linked in a circle",
    47: "a disc removed from under the guest, ejected and inserted",
    48: "the firmware's variables missing, empty, of the wrong size, read-only",
    # Many at once
    49: "one domain defined by many at once: one document of them, whole",
    50: "one name with many uuids, one uuid with many names: one winner",
    51: "one domain started by many at once: one QEMU",
    52: "a random mix of changes whose results some order explains",
    53: "two domains with one disk: the second start names image and owner",
    54: "one image under several names",
    55: "a guest started on the disk of one that is being saved",
    56: "two copies of one disk, and copies onto a disk in use",
    57: "listings while guests come and go",
    58: "a lock file removed or replaced while it is held",
    59: "no lock is inherited by QEMU",
    60: "the pid of a dead holder of a lock is used again",
    # The monitor
    61: "a pty that belongs to somebody else now: not a byte is written to it",
    62: "a half-typed line left by a killed command is never carried out",
    63: "names and paths that look like the monitor's prompt",
    64: "two banners, or none",
    65: "names of any byte: the exact file, or a refusal first",
    66: "paths near the longest line of the monitor",
    67: "lines too long, and answers of a megabyte",
    68: "a slow monitor whose late answers belong to nobody",
    69: "others who write to the monitor's pty",
    70: "a monitor that is busy for long",
    71: "a pty that is gone, forbidden or one too many",
    72: "answers in words nobody knows",
    73: "a thousand sessions, and clients killed by the hundred",
    74: "the state of an older migration taken for this one's",
    75: "names of disks and files with blanks, quotes and dashes",
    # Documents and words
    76: "documents that are bombs",
    77: "documents that are not text, or end too early",
    78: "names that are paths, options or twins",
    79: "commas and options in values that reach QEMU's command line",
    80: "file names that are protocols",
    81: "a raw disk that looks like another format",
    82: "numbers that are none, too small or too large",
    83: "elements that this program cannot honour",
    84: "a definition changed over a running guest, or from outside",
    85: "file names that a shell would understand",
    86: "environments that lead astray",
    # Saved images and configurations
    87: "images with flipped bits or cut short",
    88: "image headers with any field wrong, or of another domain",
    89: "images that are compressed in another way than they say",
    90: "images of another machine, sparse images, images on broken disks",
    91: "an image replaced between its check and its use",
    92: "s-expressions that are bombs",
    93: "configurations of Xen that are programs",
    # Identity, time, host
    94: "a pid that was given to another process",
    95: "pid files that say anything",
    96: "the host rebooted",
    97: "the run folder or the guests gone, one without the other",
    98: "the clock jumps by years",
    99: "QEMU missing, of another kind, hanging or replaced",
    100: "tools of the host missing",
    101: "KVM missing or forbidden",
    102: "more memory than the host has",
    103: "a user who may not write",
    104: "links and files put in our way by others",
    105: "modes of all files after every command",
    106: "secrets in no place where others look",
    107: "the end of the caller's session does not end the guest",
    108: "broken definitions among many good ones",
    109: "marks for autostart that lead nowhere, and state of another version",
    110: "terminals of any kind, and names that would drive them",
}

# Rows that no test covers, each with the reason.
OPEN = {
    9: "there are no commands for snapshots",
}


def covered(tests: Path = TESTS) -> dict[int, list[str]]:
    """The tests of each row, `folder/test_file.py::test_name`."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(tests.rglob("test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        everywhere = [row for node in module.body if _is_pytestmark(node) for row in _rows(node)]
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = [row for decorator in node.decorator_list for row in _rows(decorator)]
                for row in dict.fromkeys([*everywhere, *own]):
                    found[row].append(f"{path.relative_to(tests)}::{node.name}")
    return found


def _is_pytestmark(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(name, ast.Name) and name.id == "pytestmark" for name in node.targets)


def _rows(node: ast.AST) -> Iterator[int]:
    """The numbers in every `pytest.mark.fault(...)` below a node."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "fault":
            yield from (word.value for word in call.args if isinstance(word, ast.Constant)
                        and isinstance(word.value, int))


def main(words: list[str]) -> int:
    """Prints them; 1 when a row has neither a test nor a reason."""
    tests = covered()
    rows = [int(word) for word in words] or list(ROWS)
    for row in rows:
        print(f"{row:3} {ROWS[row]}")
        for test in tests.get(row, []):
            print(f"      {test}")
        if row in OPEN:
            print(f"      none: {OPEN[row]}")
    lost = [row for row in rows if not tests.get(row) and row not in OPEN]
    print(f"{sum(bool(tests.get(row)) for row in rows)} of {len(rows)} rows have tests"
          + (f"; neither a test nor a reason: {', '.join(map(str, lost))}" if lost else ""))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
