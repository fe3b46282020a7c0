"""What libvirt refuses although each element by itself is legal: one function a rule, in libvirt's order."""

from __future__ import annotations

from collections.abc import Callable

from virtctl.domain.defaults import numa
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.rules import (
    addresses,
    boot,
    chardevs,
    controllers,
    disks,
    filesystems,
    general,
    graphics,
    hostdevs,
    inputs,
    interfaces,
    placement,
    small,
    videos,
)

Rule = Callable[[Domain, Host], None]
WHOLE: list[Rule] = [  # about the guest as a whole: these come before what single elements refuse
    general.emulator,
    general.words,
    boot.secure,
    general.life_cycle,
    general.processors,
    general.hotplug,
    small.slots,
    general.features,
    general.timers,
    general.resource_control,
    general.launch,
]
RULES: list[Rule] = [
    general.identity,
    small.panics,
    small.sounds,
    small.tpms,
    small.iommus,
    small.modules,
    boot.serial_output,
    boot.selection,
    disks.disks,
    interfaces.interfaces,
    chardevs.chardevs,
    filesystems.filesystems,
    hostdevs.check_hostdevs,
    videos.check_videos,
    controllers.check_controllers,
    controllers.check_redirection,
    inputs.check_inputs,
    graphics.check_graphics,
    placement.placement,
    addresses.check_addresses,
    disks.beside,
    placement.aliases,
    numa.page_sizes,
    numa.page_cells,
]


def check(domain: Domain, host: Host) -> None:
    """Raises the first refusal: of the whole guest, inside each element, then across elements."""
    for rule in WHOLE:
        rule(domain, host)
    for element in domain.walk():
        element.check()
    for rule in RULES:
        rule(domain, host)
