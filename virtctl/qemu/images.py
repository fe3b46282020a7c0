"""Image files: making new ones, and what `qemu-img` says of those that are there."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from virtctl.errors import OperationFailed, SystemFault
from virtctl.state.atomic import create_temp, discard, sync_folder

INSTALL_HINT = "qemu-img comes with Debian's package qemu-utils: apt-get install qemu-utils"
DEADLINE = 60.0


def create(path: Path, format: str, size: int, *, backing: tuple[str, str] | None = None,
           note: Callable[[os.stat_result], None] = lambda found: None) -> None:
    """Makes a new image of `size` bytes, durably, with mode 0600; never over anything that is there.

    `backing` is path and format of the image below it. `note` is told which file it is before it has its name. Raises
    SystemFault, OperationFailed.
    """
    fd, temp = create_temp(path)
    try:
        fill(fd, temp, format, size, backing=backing, called=path)
        note(os.fstat(fd))
        _give_name(temp, path)
    except BaseException:
        discard(fd, temp)
        raise
    os.close(fd)
    sync_folder(path.parent)


def _give_name(temp: Path, path: Path) -> None:
    """Renames, but never over anything; by a link, for that cannot be raced."""
    try:
        try:
            path.hardlink_to(temp)
        except OSError as cause:
            if cause.errno not in (errno.EPERM, errno.EOPNOTSUPP) or os.path.lexists(path):
                raise
            temp.rename(path)  # a file system without links
        else:
            temp.unlink()
    except OSError as cause:
        raise SystemFault(f"cannot create image '{path}'", cause) from cause


def fill(fd: int, path: Path, format: str, size: int, *, backing: tuple[str, str] | None = None,
         called: Path | None = None) -> None:
    """Makes an image of the empty file that is open as `fd`; `called` is what errors call it."""
    called = called or path
    what = f"cannot create image '{called}'"
    if format != "raw":
        below = ["-b", backing[0], "-F", backing[1]] if backing else []
        try:
            _qemu_img("create", "-q", "-f", format, *below, str(path), str(size), what=what)
        except OperationFailed as error:
            raise OperationFailed(error.message.replace(str(path), str(called))) from error
    try:
        if format == "raw":
            os.ftruncate(fd, size)
        os.fsync(fd)
    except OSError as cause:
        raise SystemFault(what, cause) from cause


def info(path: str, format: str | None = None) -> dict[str, Any]:
    """What `qemu-img info` says of an image, which a guest may be using; without `format` it is probed."""
    import json

    form = ["-f", format] if format else []
    words = _qemu_img("info", "-U", "--output=json", *form, path, what=f"cannot look at image '{path}'")
    found = json.loads(words)
    if not isinstance(found, dict):
        raise OperationFailed(f"cannot look at image '{path}': qemu-img said nothing of use")
    return found


def chain(path: str, format: str | None = None) -> list[dict[str, Any]]:
    """The same of an image and all those below it, itself first."""
    import json

    form = ["-f", format] if format else []
    words = _qemu_img("info", "-U", "--backing-chain", "--output=json", *form, path,
                      what=f"cannot look at image '{path}'")
    return list(json.loads(words))


def _qemu_img(*words: str, what: str) -> str:
    import subprocess

    from virtctl.qemu.spawn import CLEAN_PATH

    environment = {"LC_ALL": "C", "PATH": CLEAN_PATH}
    try:
        done = subprocess.run(["qemu-img", *words], env=environment, capture_output=True, timeout=DEADLINE,
                              stdin=subprocess.DEVNULL, umask=0o077, check=False)
    except subprocess.TimeoutExpired as cause:
        raise OperationFailed(f"{what}: qemu-img did not end within {DEADLINE:g} seconds") from cause
    except OSError as cause:
        raise SystemFault(f"{what}: cannot run qemu-img", cause, hint=INSTALL_HINT) from cause
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().removeprefix("qemu-img: ").replace("\n", "; ")
        raise OperationFailed(f"{what}: {said or f'qemu-img ended with status {done.returncode}'}")
    return done.stdout.decode(errors="surrogateescape")
