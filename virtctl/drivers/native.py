"""Documents of other programs, to and from: QEMU's command line and Xen's three kinds of configuration."""

from __future__ import annotations

import shlex

from virtctl.errors import InvalidArgument
from virtctl.qemu.context import Context

XEN = ("xen-sxpr", "xen-xm", "xen-xl")


def to_native(context: Context, format: str, xml: str | bytes, xend_version: int | None = None) -> str:
    """The document in `format`; what it cannot say there is an error that names it, what it says otherwise a warning.

    `xend_version` is 1 to 4: how old the xend is that is to read an s-expression.
    """
    if format == "qemu-argv":
        return _qemu_argv(context, xml)
    if format in XEN:
        from virtctl.xen.convert import to_format
        from virtctl.xen.from_sexpr import NEWEST

        notes: list[str] = []
        text = to_format(format, xml, xend_version or NEWEST, notes)
        for note in notes:
            context.warn(note)
        return text
    raise InvalidArgument(f"unsupported config type {format}")


def from_native(context: Context, format: str, text: str, xend_version: int | None = None) -> str:
    """A document made of `text`, with a warning for what reads otherwise than it stands."""
    if format in XEN:
        from virtctl.xen.convert import from_format
        from virtctl.xen.from_sexpr import NEWEST

        notes: list[str] = []
        xml = from_format(format, text, xend_version or NEWEST, notes)
        for note in notes:
            context.warn(note)
        return xml
    raise InvalidArgument(f"unsupported config type {format}")


def _qemu_argv(context: Context, xml: str | bytes) -> str:
    from virtctl.domain.pipeline import complete
    from virtctl.qemu.build import build_argv
    from virtctl.qemu.startup import dry_plan

    words = build_argv(dry_plan(context, complete(xml, context.host)))
    return " ".join(shlex.quote(word) for word in words)
