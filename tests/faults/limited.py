"""Tries inputs one by one, each in a child of its own: whether it was refused, what it said, its time and its memory.

The children are forked off a small process that has loaded everything, so that neither the memory of the tests nor the
start of an interpreter is counted.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

PATIENCE = 60.0  # seconds after which a child hangs
ROOM = 3 << 30  # bytes of addresses that it may have


class Answer(NamedTuple):
    """`ended` is `refused`, `taken`, `crashed` or `hung`; seconds of processor and peak of resident MiB."""

    ended: str
    words: str
    seconds: float
    peak: float


class Limited:
    """The process that forks; state of the program lies below `root`."""

    def __init__(self, root: Path) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.limited", str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, cwd=Path(__file__).parents[2])

    def __enter__(self) -> Limited:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(timeout=PATIENCE)
        self._server.stdout.close()

    def attempt(self, kind: str, path: Path) -> Answer:
        """Gives the program the file as a `document`, an `image`, or one of the Xen forms."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps([kind, str(path)]) + "\n")
        self._server.stdin.flush()
        return Answer(*json.loads(self._server.stdout.readline()))


def _actions(root: Path) -> dict[str, Callable[[str], object]]:
    from lxml import etree

    from tests.faults.sweep import fresh_driver
    from virtctl.cli.files import read_file
    from virtctl.qemu import saveimage, savestream, startup
    from virtctl.values import RestoreOptions, UndefineOptions
    from virtctl.xen.convert import FORMATS, from_format
    from virtctl.xen.importing import import_xen

    assert etree
    assert saveimage
    assert savestream
    assert startup
    driver = fresh_driver(root)
    driver.context.warn = lambda text: None

    def document(path: str) -> str:
        name = driver.define(read_file(path)).name
        driver.undefine(name, UndefineOptions())
        return name

    def image(path: str) -> str:
        name = driver.restore(Path(path), RestoreOptions(running=False))
        driver.destroy(name)
        return name

    def xen(form: str) -> Callable[[str], object]:
        def both(path: str) -> str:
            text = read_file(path).decode("utf-8", "surrogateescape")
            import_xen(text, form)
            return from_format(form, text)[:80]

        return both

    return {"document": document, "image": image, **{form: xen(form) for form in FORMATS}}


def _child(act: Callable[[str], object], path: str, out: int) -> None:
    from virtctl.errors import VirtctlError

    resource.setrlimit(resource.RLIMIT_AS, (ROOM, ROOM))
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    began = time.process_time()
    try:
        ended, words = "taken", str(act(path))
    except VirtctlError as error:
        ended, words = "refused", str(error)
    except BaseException:
        ended, words = "crashed", traceback.format_exc()
    seconds = time.process_time() - began
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    os.write(out, json.dumps([ended, words[-2000:], seconds, peak]).encode())


def _serve(root: Path) -> None:
    actions = _actions(root)
    for line in sys.stdin:
        kind, path = json.loads(line)
        mine, its = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(actions[kind], path, its)
            os._exit(0)
        os.close(its)
        with os.fdopen(mine, "rb") as answers:
            said = answers.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if not said:
            ended = "hung" if status == -signal.SIGALRM else "crashed"
            said = json.dumps([ended, f"the process ended with {status}", 0.0, 0.0]).encode()
        sys.stdout.write(said.decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
