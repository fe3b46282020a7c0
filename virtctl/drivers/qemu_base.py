"""What the parts of the qemu driver share: the connection, and how a reference becomes a domain."""

from __future__ import annotations

from virtctl.errors import OperationForbidden
from virtctl.qemu.context import Context, Target


class Connected:
    """A connection that may be read only."""

    def __init__(self, context: Context, readonly: bool) -> None:
        self.context = context
        self.readonly = readonly

    def _find(self, ref: str) -> Target:
        return self.context.find(ref)

    def _change(self, ref: str) -> Target:
        self._may_write()
        return self.context.find(ref)

    def _may_write(self) -> None:
        if self.readonly:
            raise OperationForbidden("read only access prevents this operation")
