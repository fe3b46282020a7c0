"""Which firmware a machine can have, and what may be told of it."""

from __future__ import annotations

from virtctl.domain.devices.chardev import Serial
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.machine import is_q35, machine_of
from virtctl.domain.os import Loader, Os
from virtctl.errors import UnsupportedConfig, XmlDetail, XmlError


def acpi(domain: Domain, host: Host) -> None:
    """UEFI needs ACPI."""
    os, features = domain.os, domain.features
    uefi = os is not None and (os.firmware == "efi" or (os.loader is not None and os.loader.type == "pflash"))
    if uefi and not (features and features.acpi):
        raise UnsupportedConfig("UEFI requires ACPI on this architecture")


def secure(domain: Domain, host: Host) -> None:
    """Secure boot needs q35 and system management mode."""
    os, features = domain.os, domain.features
    if os is None or os.loader is None or not os.loader.secure:
        return
    if not is_q35(machine_of(domain)):
        raise UnsupportedConfig("Secure boot is supported with q35 machine types only")
    if os.arch != "x86_64":
        raise UnsupportedConfig("Secure boot is supported for x86_64 architecture only")
    if os.firmware is None and not (features and features.smm):
        raise UnsupportedConfig("Secure boot requires SMM feature enabled")


def selection(domain: Domain, host: Host) -> None:
    """Either the kind of firmware is told, or its file."""
    if domain.os is None:
        return
    if domain.os.firmware is None:
        _manual(domain.os)
    else:
        _automatic(domain.os, domain.os.loader or Loader())


def _manual(os: Os) -> None:
    if os.firmware_features:
        raise XmlDetail("cannot use feature-based firmware autoselection when firmware autoselection is disabled")
    loader = os.loader
    if loader is None:
        return
    if loader.path is None:
        raise XmlDetail("no loader path specified and firmware auto selection disabled")
    if loader.stateless:
        _stateless(os)
    elif loader.stateless is not None and loader.type != "pflash":
        raise XmlDetail("Only pflash loader type permits NVRAM")


def _stateless(os: Os) -> None:
    if os.nvram is not None and os.nvram.template is not None:
        raise XmlDetail("NVRAM template is not permitted when loader is stateless")
    if os.nvram is not None and os.nvram.placed:
        raise XmlDetail("NVRAM is not permitted when loader is stateless")


def _automatic(os: Os, loader: Loader) -> None:
    told = {"readonly": loader.readonly, "type": loader.type, "secure": None if loader.secure else loader.secure}
    for name, value in told.items():
        if value is not None:
            raise XmlDetail(f"loader attribute '{name}' cannot be specified when firmware autoselection is enabled")
    if os.nvram is not None and os.nvram.template is not None:
        raise XmlDetail("nvram attribute 'template' cannot be specified when firmware autoselection is enabled")
    wanted = {feature.name: feature.enabled for feature in os.firmware_features}
    if wanted.get("enrolled-keys") and wanted.get("secure-boot") is False:
        raise XmlDetail("firmware feature 'enrolled-keys' cannot be enabled when firmware feature 'secure-boot' "
                        "is disabled")
    if loader.stateless:
        _stateless(os)
    if os.firmware == "bios":
        _bios(os, loader)


def _bios(os: Os, loader: Loader) -> None:
    if loader.stateless is False:
        raise XmlDetail("Only EFI firmware permits NVRAM")
    if os.nvram is not None and os.nvram.placed:
        raise XmlDetail("firmware type 'bios' does not support nvram")


def serial_output(domain: Domain, host: Host) -> None:
    """A BIOS on the serial port needs one."""
    if domain.os and domain.os.use_serial and not (domain.devices and domain.devices.all(Serial)):
        raise XmlError("need at least one serial port to use BIOS serial output")


def one_order(domain: Domain, host: Host) -> None:
    """Either kinds of devices are ordered, or single devices."""
    orders = [device.boot.order for device in domain.devices or () if device.boot and device.boot.order is not None]
    for place, order in enumerate(orders):
        if order in orders[:place]:
            raise UnsupportedConfig(f"boot order '{order}' used for more than one device")
    if orders and domain.os and domain.os.boots:
        raise UnsupportedConfig("per-device boot elements cannot be used together with os/boot elements")
