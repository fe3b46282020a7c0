"""The one tree of errors. Each class fixes the prefix that libvirt prints for the same failure.

An error carries what was wrong (`message`), and optionally what was attempted (`attempt`, set by
`attempting`) and the cure (`hint`). `cli/report.py` is the only place that prints one. This module imports
nothing of the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class VirtctlError(Exception):
    """Base of every failure that a user may see. `str(error)` is the prefixed one-line text."""

    prefix = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.attempt: str | None = None

    def __str__(self) -> str:
        return f"{self.prefix}: {self.message}" if self.prefix else self.message


class UsageError(VirtctlError):
    """The command line itself is wrong: unknown command or option, missing or surplus operand."""


class XmlError(VirtctlError):
    """A document that is well-formed but says something impossible."""

    prefix = "XML error"


class XmlSyntaxError(VirtctlError):
    """A document that is not well-formed, or that uses what we refuse to read (DOCTYPE, entities)."""


class XmlSchemaError(VirtctlError):
    """A document that `--validate` refuses."""

    prefix = "XML document failed to validate against schema"


class ConfigSyntaxError(VirtctlError):
    """A Xen configuration (s-expression, xm or xl file) that cannot be read; the message ends with the place."""

    prefix = "configuration file syntax error"


class UnsupportedConfig(VirtctlError):
    """A legal document that this QEMU, machine type or program cannot carry out."""

    prefix = "unsupported configuration"


class InvalidOperation(VirtctlError):
    """The domain is in the wrong state for the verb."""

    prefix = "Requested operation is not valid"


class OperationFailed(VirtctlError):
    """The verb was tried and did not succeed."""

    prefix = "operation failed"


class OperationTimeout(VirtctlError):
    """A deadline passed: a lock was not released, or the monitor did not answer."""

    prefix = "Timed out during operation"


class OperationAborted(VirtctlError):
    """The user or another process cancelled the work."""

    prefix = "operation aborted"


class OperationUnsupported(VirtctlError):
    """A verb that does not exist for this kind of domain."""

    prefix = "Operation not supported"


class OperationForbidden(VirtctlError):
    """The connection is read only."""

    prefix = "operation forbidden"


class NoSupport(VirtctlError):
    """A verb that the connection driver does not have."""

    prefix = "this function is not supported by the connection driver"


class InvalidArgument(VirtctlError):
    """An argument of a verb is out of range or malformed."""

    prefix = "invalid argument"


class ValueOverflow(VirtctlError):
    """A number that does not fit where it is kept."""

    prefix = "numerical overflow"


class XmlDetail(VirtctlError):
    """A document that says something impossible, where libvirt gives the reason without a prefix."""


class ArgumentUnsupported(VirtctlError):
    """A value that is legal but more than QEMU can take."""

    prefix = "argument unsupported"


class InternalError(VirtctlError):
    """Something that should not happen, or what QEMU said when it failed."""

    prefix = "internal error"


class NoDomain(VirtctlError):
    """No domain of that name, uuid or id."""

    prefix = "Domain not found"


class NoConnection(VirtctlError):
    """The connection URI names no driver we have."""

    prefix = "no connection driver available for"

    def __str__(self) -> str:
        return f"{self.prefix} {self.message}"


class NoMetadata(VirtctlError):
    """The requested metadata element is absent."""

    prefix = "metadata not found"


class DeviceMissing(VirtctlError):
    """The named device is not in the domain."""

    prefix = "device not found"


class BlockCopyActive(VirtctlError):
    """A verb that cannot run while a disk is being copied."""

    prefix = "block copy still active"


class ResourceBusy(VirtctlError):
    """Somebody else holds the resource."""

    prefix = "resource busy"


class SystemFault(VirtctlError):
    """A system call failed: `message` names what was done to which path, `cause` is the kernel's word."""

    def __init__(self, message: str, cause: OSError, *, hint: str | None = None) -> None:
        super().__init__(f"{message}: {cause.strerror or cause}", hint=hint)
        self.errno = cause.errno


class MonitorError(InternalError):
    """The human monitor refused a command, answered in unknown words, or is gone."""


class MonitorGone(MonitorError):
    """QEMU ended, or left its monitor, while it was being asked."""


class MonitorTimeout(OperationTimeout):
    """The human monitor did not answer within its deadline; the guest was left as it was."""


class QemuFailed(InternalError):
    """QEMU ended at start; the message ends with QEMU's own words."""


class ImageError(OperationFailed):
    """A saved image that is incomplete, damaged or not an image."""


@contextmanager
def attempting(text: str) -> Iterator[None]:
    """Names what was attempted, for the first of the two lines that a failure prints.

    The innermost `attempting` wins; usage errors keep their single line. An error of the system bears it as a note.
    """
    try:
        yield
    except OSError as error:
        error.add_note(text)
        raise
    except VirtctlError as error:
        if error.attempt is None and not isinstance(error, UsageError):
            error.attempt = text
        raise
