"""The documents inside saved images: shown, and replaced. Managed saves are images of a known place."""

from __future__ import annotations

import os
from pathlib import Path

from virtctl.domain.domain import read_domain, write_domain
from virtctl.errors import ImageError, OperationFailed, XmlError
from virtctl.qemu.context import Context, Target
from virtctl.schema.element import Mode
from virtctl.state.atomic import reap
from virtctl.state.journal import Journal, Record

SECURE = Mode(secure=True)


def managed_path(context: Context, target: Target) -> Path:
    """Where the domain's managed save lies. Raises OperationFailed when there is none."""
    if not context.store.has_managed_save(target.name):
        raise OperationFailed("domain does not have managed save image")
    return context.store.managed_save(target.name)


def image_xml(path: Path, *, security_info: bool) -> str:
    """The document in the image."""
    from virtctl.qemu.saveimage import open_image

    with open_image(path) as image:
        if image.xml is None:
            raise ImageError("an image of the form of 2007 holds no domain XML")
        return write_domain(read_domain(image.xml, SECURE), Mode(secure=security_info))


def define_image_xml(context: Context, path: Path, xml: str | bytes, *, running: bool | None) -> None:
    """Replaces the document; it has to be of the same domain."""
    from virtctl.domain.pipeline import complete
    from virtctl.qemu.saveimage import define_xml, open_image

    with open_image(path, trust_head=True) as image:
        old = read_domain(image.xml or "", SECURE) if image.xml is not None else None
    new = complete(xml, context.host)
    if old is not None and (old.name != new.name or old.uuid != new.uuid):
        raise XmlError(f"the document is of domain '{new.name}', the image of '{old.name}'")
    real = Path(os.path.realpath(path))
    record = Journal(context.paths, command=context.command).open(
        new.uuid or "", "save-image-define", name=new.name, image=str(real))
    try:
        define_xml(path, write_domain(new, SECURE), running=running)
    finally:
        record.done()


def finish_interrupted(record: Record) -> str:
    """Clears up after an edit that was cut off; whoever opens the image next completes it where it had begun."""
    image = Path(str(record.facts["image"]))
    reap(image.parent)
    record.done()
    return f"an interrupted change of the document in '{image}' was cleared away"
