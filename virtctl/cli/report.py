"""The only printer of errors: virsh's one or two `error:` lines, a hint on top, a traceback with --debug only."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from virtctl.errors import UsageError, VirtctlError


class LookupFailed(VirtctlError):
    """A reference that names no domain; virsh says this in a single line."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"failed to get domain '{ref}'")


class Failed(VirtctlError):
    """A command that failed and has said all there is to say."""

    def __init__(self) -> None:
        super().__init__("")


def lines(error: BaseException, *, hints: bool) -> Iterator[str]:
    """What is printed for a failure."""
    if isinstance(error, UsageError):
        yield from (f"error: {line}" for line in error.message.split("\n"))
    elif isinstance(error, VirtctlError):
        if error.attempt:
            yield f"error: {error.attempt}"
        if str(error):
            yield f"error: {error}"
        if error.hint and hints:
            yield f"hint: {error.hint}"
    elif isinstance(error, OSError):
        yield from (f"error: {text}" for text in getattr(error, "__notes__", [])[:1])  # what was attempted
        yield f"error: {_os_error(error)}"
    else:
        yield from _unforeseen(error)


def _unforeseen(error: BaseException) -> Iterator[str]:
    if isinstance(error, RecursionError):
        yield "error: internal error: the input is nested too deeply"
    elif isinstance(error, MemoryError):
        yield "error: out of memory"
    elif isinstance(error, ImportError):  # for want of memory or descriptors, or in a broken installation
        yield f"error: internal error: a part of the program cannot be loaded: {error}"
    else:
        yield f"error: internal error: {type(error).__name__}: {error}"
        yield "hint: this is a mistake of the program; --debug shows where"


def _os_error(error: OSError) -> str:
    what = error.strerror or str(error)
    return what if error.filename is None else f"'{error.filename}': {what}"


def report(error: BaseException, write: Callable[[str], None], *, debug: bool, hints: bool) -> None:
    """Prints a failure through `write`."""
    if debug and not isinstance(error, (UsageError, LookupFailed)):
        import traceback

        write("".join(traceback.format_exception(error)))
    for line in lines(error, hints=hints):
        write(f"{line}\n")
