"""What libvirt fills in when a document is read: one function a step, in libvirt's order."""

from __future__ import annotations

from collections.abc import Callable

from virtctl.domain.addresses import assign_addresses, drive
from virtctl.domain.defaults import (
    audio,
    basics,
    chardevs,
    controllers,
    disks,
    firmware,
    hostdevs,
    implicit_controllers,
    interfaces,
    memory,
    numa,
    processor,
    video,
)
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.rules import boot, general, small

Step = Callable[[Domain, Host], None]
STEPS: list[Step] = [
    basics.kind,
    basics.identity,
    processor.vcpus,
    processor.iothreads,
    numa.claims,
    processor.placement,
    numa.memory_nodes,
    processor.tuning,
    basics.life_cycle,
    controllers.check_usb,
    small.single,
    basics.labels,
    disks.sort_disks,
    controllers.drop_unread,
    controllers.number_controllers,
    hostdevs.reject_twins,
    video.sort_videos,
    basics.emulator,
    basics.no_bootloader,
    basics.machine,
    firmware.firmware,
    general.vcpu_order,
    general.states,
    controllers.add_default_devices,
    boot.acpi,
    processor.model,
    numa.spare_processors,
    numa.huge_pages,
    audio.backend,
    memory.memory,
    memory.module_slots,
    basics.timers,
    basics.boot_order,
    boot.one_order,
    chardevs.pair_console,
    chardevs.complete_chardevs,
    interfaces.complete_interfaces,
    disks.complete_disks,
    drive.assign_disks,
    drive.assign_scsi_hostdevs,
    video.complete_videos,
    controllers.controller_models,
    controllers.reject_duplicates,
    implicit_controllers.add_implicit_controllers,
    video.add_implicit_video,
    controllers.controller_models,
    assign_addresses,
    chardevs.mirror_console,
]


def fill(domain: Domain, host: Host) -> None:
    """Fills in, in place. Raises what libvirt raises while it fills in."""
    for step in STEPS:
        step(domain, host)
