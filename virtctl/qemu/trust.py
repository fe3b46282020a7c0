"""What the document inside a saved image would run on this host, and whether somebody here agreed to it.

An image may come from anywhere, and its checksum proves that it is whole, not who made it. The emulators of this host
and what the domain's own definition names are known; anything else needs a word of the user's.
"""

from __future__ import annotations

import os

from virtctl.domain.devices.filesystem import Filesystem
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import OperationFailed

HINT = ("restore --trust runs it; --xml FILE restores with a document of your own; save-image-dumpxml shows the one in "
        "the image")


def refuse_strangers(image: Domain, definition: Domain | None, host: Host, path: str) -> None:
    """Raises OperationFailed that names what the image in `path` would run and nobody here knows."""
    known = _programs(definition) if definition is not None else set()
    emulators = {os.path.realpath(emulator) for _, emulator in host.emulators}
    strange = [words for words in sorted(_programs(image) - known)
               if not (words[0] == "emulator" and os.path.realpath(words[1]) in emulators)]
    if strange:
        named = ", ".join(f"{kind} '{value}'" for kind, value in strange)
        raise OperationFailed(f"save image '{path}' would run what domain '{image.name}' is not known here to run: "
                              f"{named}", hint=HINT)


def _programs(domain: Domain) -> set[tuple[str, str]]:
    """(kind, value) of every program, and of what can make QEMU run one."""
    found: list[tuple[str, str | None]] = []
    if domain.devices is not None:
        found.append(("emulator", domain.devices.emulator))
        for card in domain.devices.all(Interface):
            found += [("script", card.script), ("script", card.downscript)]
        found += [("virtiofsd", shared.binary) for shared in domain.devices.all(Filesystem)]
    if domain.commandline is not None:
        found += [("argument", " ".join(arg.value for arg in domain.commandline.args) or None)]
        found += [("environment", f"{env.name}={env.value or ''}") for env in domain.commandline.envs]
    return {(kind, value) for kind, value in found if value}
