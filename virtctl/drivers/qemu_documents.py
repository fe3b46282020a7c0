"""The qemu driver's verbs about documents: other formats, checks, comparisons, and what saved images hold."""

from __future__ import annotations

from pathlib import Path

from virtctl.drivers.qemu_base import Connected
from virtctl.errors import NoDomain
from virtctl.values import DumpCoreOptions, DumpOptions, XenImport


class DocumentVerbs(Connected):
    """Everything that is about text first."""

    def to_native(self, format: str, xml: str | bytes | None, ref: str | None = None,
                  xend_version: int | None = None) -> str:
        """A document, or a stored domain, in another program's format."""
        from virtctl.drivers import native

        if xml is None:
            if ref is None:
                raise NoDomain("neither a document nor a domain was named")
            xml = self._stored_text(ref)
        return native.to_native(self.context, format, xml, xend_version)

    def from_native(self, format: str, text: str, xend_version: int | None = None) -> str:
        """Another program's format as a document."""
        from virtctl.drivers import native

        return native.from_native(self.context, format, text, xend_version)

    def import_xen(self, text: str, wanted: XenImport) -> tuple[str, list[str]]:
        """A Xen configuration as a domain that starts here, and what a person should know."""
        from virtctl.schema.node import to_text
        from virtctl.xen.importing import Boot, import_xen

        boot = Boot(wanted.kernel, wanted.initrd, wanted.cmdline)
        node, notes = import_xen(text, wanted.format, wanted.to, boot)
        return to_text(node), notes

    def problems(self, xml: str | bytes, what: str) -> list[str]:
        """Everything that is wrong with a document, a line each."""
        from virtctl.domain.validate import problems

        return [str(problem) for problem in problems(xml, self.context.host, what)]

    def compare(self, one: str | bytes, other: str | bytes) -> list[str]:
        """What differs in meaning between two documents, a line each."""
        from virtctl.domain.difference import compare_texts

        return [str(change) for change in compare_texts(one, other, self.context.host)]

    def _stored_text(self, ref: str) -> str:
        from virtctl.qemu import documents

        return documents.dumpxml(self.context, self._find(ref), DumpOptions(inactive=True, security_info=True))

    # What saved images hold

    def image_xml(self, path: Path, *, security_info: bool = False) -> str:
        """The document inside a saved image."""
        from virtctl.qemu import imagefiles

        if security_info:
            self._may_write()
        return imagefiles.image_xml(path, security_info=security_info)

    def define_image_xml(self, path: Path, xml: str | bytes, *, running: bool | None = None) -> None:
        """Replaces that document."""
        from virtctl.qemu import imagefiles

        self._may_write()
        imagefiles.define_image_xml(self.context, path, xml, running=running)

    def managed_image(self, ref: str) -> Path:
        """Where the domain's managed save lies."""
        from virtctl.qemu import imagefiles

        return imagefiles.managed_path(self.context, self._find(ref))

    def dump(self, ref: str, path: Path, options: DumpCoreOptions) -> None:
        """The guest's memory as a core file."""
        from virtctl.qemu import coredump

        coredump.dump(self.context, self._change(ref), path, options)
