"""Firmware that a document asks for by kind only (`<os firmware='efi'>`): chosen at start among the host's descriptors.

Source of the descriptors' format: QEMU's docs/interop/firmware.json.
"""

from __future__ import annotations

import fnmatch

from virtctl.domain.domain import Domain
from virtctl.domain.features import Features
from virtctl.domain.host import Firmware, Host
from virtctl.domain.os import Loader, Nvram, Os
from virtctl.errors import OperationFailed
from virtctl.qemu.board import arch_of, machine_name

INSTALL_HINT = "UEFI comes with Debian's package ovmf: apt-get install ovmf"


def choose_firmware(domain: Domain, host: Host) -> None:
    """Fills in loader and variables of a domain that is about to start, in place. Raises when none fits."""
    boot = domain.os
    if boot is None or (boot.firmware is None and not _wants_template(boot)):
        return
    if boot.firmware is None:
        _find_template(boot, host)
        return
    chosen = next((one for one in host.firmware if _fits(one, domain, boot)), None)
    if chosen is None:
        raise OperationFailed(f"Unable to find any firmware to satisfy '{boot.firmware}'", hint=INSTALL_HINT)
    _adopt(chosen, domain, boot, host)


def _wants_template(boot: Os) -> bool:
    return boot.nvram is not None and boot.nvram.template is None and boot.loader is not None


def _find_template(boot: Os, host: Host) -> None:
    """The variables that belong to a loader that the document names."""
    for one in host.firmware:
        if boot.loader is not None and boot.nvram is not None and one.executable == boot.loader.path:
            boot.nvram.template = one.nvram_template
            return


def _fits(one: Firmware, domain: Domain, boot: Os) -> bool:
    interface = "uefi" if boot.firmware == "efi" else "bios"
    machine = machine_name(domain)
    if interface not in one.interfaces or one.executable_format != "raw" or not any(
            arch == arch_of(domain) and any(fnmatch.fnmatchcase(machine, pattern) for pattern in patterns)
            for arch, patterns in one.targets):
        return False
    loader = boot.loader or Loader()
    for wanted in boot.firmware_features:
        if (wanted.name in one.features) != wanted.enabled:
            return False
    if loader.secure is not None and ("secure-boot" in one.features) != loader.secure:
        return False
    if bool(loader.stateless) != one.stateless and one.device == "flash":
        return False
    return not _asks_off(domain.features, one)


def _asks_off(features: Features | None, one: Firmware) -> bool:
    return "requires-smm" in one.features and features is not None and features.smm is False


def _adopt(one: Firmware, domain: Domain, boot: Os, host: Host) -> None:
    loader = boot.loader = boot.loader or Loader()
    loader.path = one.executable
    if one.device != "flash":
        loader.type = "rom"
        return
    loader.type, loader.readonly = "pflash", True
    if "requires-smm" in one.features:
        loader.secure = True
        domain.features = domain.features or Features()
        domain.features.smm = True
    if not one.stateless:
        store = boot.nvram = boot.nvram or Nvram()
        store.template = store.template or one.nvram_template
        if not store.placed:
            store.path = f"{host.nvram_dir}/{domain.name}_VARS.fd"
