"""Documents of other programs, to and from: QEMU's command line and Xen's three kinds of configuration."""

from __future__ import annotations

import shlex

from virtctl.errors import InvalidArgument
from virtctl.qemu.context import Context

XEN = ("xen-sxpr", "xen-xm", "xen-xl")


def to_native(context: Context, format: str, xml: str | bytes) -> str:
    """The document in `format`; what it cannot say there is an error that names it."""
    if format == "qemu-argv":
        return _qemu_argv(context, xml)
    if format in XEN:
        from virtctl.xen.convert import to_format

        return to_format(format, xml)
    raise InvalidArgument(f"unsupported config type {format}")


def from_native(format: str, text: str) -> str:
    """A document made of `text`."""
    if format in XEN:
        from virtctl.xen.convert import from_format

        return from_format(format, text)
    raise InvalidArgument(f"unsupported config type {format}")


def _qemu_argv(context: Context, xml: str | bytes) -> str:
    from virtctl.domain.pipeline import complete
    from virtctl.qemu.build import build_argv
    from virtctl.qemu.startup import dry_plan

    words = build_argv(dry_plan(context, complete(xml, context.host)))
    return " ".join(shlex.quote(word) for word in words)
