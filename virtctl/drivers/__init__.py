"""What stands behind a connection URI. Commands call a driver; a driver knows how its kind of host does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from virtctl.errors import InternalError, NoConnection
from virtctl.paths import Paths

if TYPE_CHECKING:
    from virtctl.drivers.base import Driver

QEMU_URIS = ("qemu:///system", "qemu:///session", "qemu:///embed")


def open_driver(uri: str, paths: Paths, *, command: str = "", lock_timeout: float = 30.0, readonly: bool = False,
                warn: Callable[[str], None] = lambda text: None) -> Driver:
    """The driver for a URI; `paths` are the folders of a qemu connection. Raises NoConnection, and
    OperationFailed when they are a stranger's.
    """
    base = uri.partition("?")[0]
    if base in QEMU_URIS or base == "qemu:":
        from virtctl.drivers.qemu import QemuDriver
        from virtctl.state.roots import refuse_strangers

        refuse_strangers(paths)
        return QemuDriver(paths, uri=base, command=command, lock_timeout=lock_timeout, readonly=readonly, warn=warn)
    if base == "test:///default":
        from virtctl.drivers.test import TestDriver

        return TestDriver(base, readonly=readonly)
    if base.startswith("qemu:///"):
        raise InternalError(f"unexpected qemu URI path '{base[7:]}', try qemu:///system")
    raise NoConnection(uri)
