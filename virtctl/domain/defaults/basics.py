"""What kind of guest it is: hypervisor, architecture, emulator, machine; and its identity and life cycle."""

from __future__ import annotations

from uuid import uuid4

from virtctl.domain.clock import Clock
from virtctl.domain.devices import Devices
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.os import Boot, Os
from virtctl.domain.seclabel import complete_labels
from virtctl.errors import UnsupportedConfig, VirtctlError, XmlError


def kind(domain: Domain, host: Host) -> None:
    """The host's architecture where none is told."""
    _os(domain).arch = _os(domain).arch or host.arch
    _devices(domain)


def identity(domain: Domain, host: Host) -> None:
    """A name must be there; a uuid and a generation are made up."""
    if not domain.name:
        raise VirtctlError("missing name information")
    if domain.uuid is None:
        domain.uuid = str(uuid4())
    if domain.genid is not None and domain.genid.value is None:
        domain.genid.value = str(uuid4())


def emulator(domain: Domain, host: Host) -> None:
    """The QEMU program for the architecture; one that the user names must be able to run the guest."""
    os, devices = _os(domain), _devices(domain)
    arch = os.arch or host.arch
    devices.emulator = devices.emulator or host.emulator(arch)
    if devices.emulator is None:
        raise UnsupportedConfig(f"No emulator found for arch '{arch}'")
    if host.arches_of(devices.emulator) is None and host.is_file(devices.emulator):
        raise VirtctlError(f"QEMU binary {devices.emulator} is not executable: Permission denied",
                           hint=f"chmod +x {devices.emulator}")
    if host.arches_of(devices.emulator) is None:
        raise VirtctlError(f"Cannot check QEMU binary {devices.emulator}: No such file or directory",
                           hint="install Debian's package qemu-system-x86")


def machine(domain: Domain, host: Host) -> None:
    """The full name of the machine type."""
    os = _os(domain)
    os.machine = host.machine(os.machine)


def labels(domain: Domain, host: Host) -> None:
    """The host's security driver where the document names none."""
    complete_labels(domain.seclabels, host.security_model)


def timers(domain: Domain, host: Host) -> None:
    """What each kind of timer can be told."""
    for timer in domain.clock.timers if domain.clock else ():
        timer.check_told()


def no_bootloader(domain: Domain, host: Host) -> None:
    """A boot loader on the host is Xen's."""
    if domain.bootloader or domain.bootloader_args:
        raise UnsupportedConfig("bootloader is not supported by QEMU")


def life_cycle(domain: Domain, host: Host) -> None:
    """What follows a power off, reboot or crash, and the clock."""
    domain.on_poweroff = domain.on_poweroff or "destroy"
    domain.on_reboot = domain.on_reboot or "restart"
    domain.on_crash = domain.on_crash or "destroy"
    if domain.clock is None:
        domain.clock = Clock(offset="utc")


def boot_order(domain: Domain, host: Host) -> None:
    """Without any word on booting, the first hard disk."""
    os = _os(domain)
    if os.boots:
        return
    if not any(device.boot is not None for device in _devices(domain)):
        os.boots = [Boot(dev="hd")]


def _os(domain: Domain) -> Os:
    if domain.os is None:
        raise XmlError("an os <type> must be specified")
    return domain.os


def _devices(domain: Domain) -> Devices:
    if domain.devices is None:
        domain.devices = Devices()
    return domain.devices
