"""Which firmware a guest gets that only says its kind: the first descriptor of the host that suits."""

from __future__ import annotations

from fnmatch import fnmatchcase

from virtctl.domain.domain import Domain
from virtctl.domain.features import Features
from virtctl.domain.host import Firmware, Host
from virtctl.domain.os import Loader, Nvram, Os
from virtctl.errors import InvalidOperation, OperationFailed

INTERFACES = {"efi": "uefi", "bios": "bios"}


def choose(domain: Domain, host: Host) -> Firmware | None:
    """The firmware for a domain; None where it names its own, or none. Raises OperationFailed when none suits."""
    os = domain.os
    if os is None or os.firmware is None or (os.loader is not None and os.loader.path is not None):
        return None
    for firmware in host.firmware:
        if _suits(firmware, domain, os):
            return firmware
    raise OperationFailed(f"Unable to find any firmware to satisfy '{os.firmware}'",
                          hint="UEFI comes with Debian's package ovmf: apt-get install ovmf")


def fill_firmware(domain: Domain, host: Host) -> None:
    """Puts the chosen firmware's files into a domain that is about to start, and what it needs of the machine.

    Raises OperationFailed when none suits, InvalidOperation when it needs what the user turned off.
    """
    firmware = choose(domain, host)
    if domain.os is None:
        return
    if firmware is None:
        _find_template(domain.os, host)
        return
    domain.os.firmware = None  # what it is does no longer depend on the host's descriptors
    loader = domain.os.loader = domain.os.loader or Loader()
    loader.path = firmware.executable
    if firmware.device == "memory":
        loader.type = "rom"
        return
    loader.type, loader.readonly = "pflash", True
    if not loader.stateless:
        nvram = domain.os.nvram = domain.os.nvram or Nvram()
        nvram.template = nvram.template or firmware.nvram_template
        if not nvram.placed:
            nvram.path = f"{host.nvram_dir}/{domain.name}_VARS.fd"
    if "requires-smm" in firmware.features:
        domain.features = domain.features or Features()
        if domain.features.smm is False:
            raise InvalidOperation("domain has SMM turned off but chosen firmware requires it")
        domain.features.smm = True
        loader.secure = True


def _find_template(os: Os, host: Host) -> None:
    """The variables that belong to a loader that the document names."""
    if os.loader is None or os.nvram is None or os.nvram.template is not None:
        return
    for firmware in host.firmware:
        if firmware.executable == os.loader.path:
            os.nvram.template = firmware.nvram_template
            return


def _suits(firmware: Firmware, domain: Domain, os: Os) -> bool:
    return (INTERFACES.get(os.firmware or "") in firmware.interfaces
            and _for_machine(firmware, os.arch or "", os.machine or "")
            and _has_features(firmware, domain, os)
            and _mapped(firmware, os.loader))


def _for_machine(firmware: Firmware, arch: str, machine: str) -> bool:
    return any(arch == known and any(fnmatchcase(machine, pattern) for pattern in machines)
               for known, machines in firmware.targets)


def _has_features(firmware: Firmware, domain: Domain, os: Os) -> bool:
    for wanted in os.firmware_features:
        if wanted.enabled != (wanted.name in firmware.features):
            return False
    if os.loader is not None and os.loader.secure and "secure-boot" not in firmware.features:
        return False
    sleeps = {"acpi-s3": domain.pm.suspend_to_mem, "acpi-s4": domain.pm.suspend_to_disk} if domain.pm else {}
    return all(name in firmware.features for name, wanted in sleeps.items() if wanted)


def _mapped(firmware: Firmware, loader: Loader | None) -> bool:
    stateless = loader.stateless if loader is not None else None
    if firmware.device == "flash":
        return firmware.executable_format == "raw" and bool(stateless) == firmware.stateless
    return firmware.device == "memory" and stateless is not False
