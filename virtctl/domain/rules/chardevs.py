"""What libvirt refuses of serial ports, consoles, channels and smart cards although each of their words is legal."""

from __future__ import annotations

from virtctl.domain.devices.chardev import Console, Serial
from virtctl.domain.devices.chardev_source import Chardev
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.smartcard import Smartcard
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import UnsupportedConfig

TARGET_OF_MODEL = {
    "isa-serial": "isa-serial", "usb-serial": "usb-serial", "pci-serial": "pci-serial",
    "spapr-vty": "spapr-vio-serial", "pl011": "system-serial", "16550a": "system-serial",
    "sclpconsole": "sclp-serial", "sclplmconsole": "sclp-serial", "isa-debugcon": "isa-debug",
}
NOT_ON_X86 = ("spapr-vty", "pl011", "16550a", "sclpconsole", "sclplmconsole")


def chardevs(domain: Domain, host: Host) -> None:
    """Every character device, then how many smart cards there are."""
    if domain.devices is None:
        return
    for device in domain.devices:
        if isinstance(device, Serial):
            serial(device)
        elif isinstance(device, Console):
            console(device)
        if isinstance(device, Chardev):
            spice(device, domain)
    if len(domain.devices.all(Smartcard)) > 1:
        raise UnsupportedConfig("this QEMU binary lacks multiple smartcard support")


def serial(one: Serial) -> None:
    """The card must be of the target's kind, and one that a PC has."""
    model = one.target_model
    if model is None:
        return
    wanted = TARGET_OF_MODEL.get(model)
    if wanted != one.target_type:
        raise UnsupportedConfig(f"Target model '{model}' requires target type '{wanted}'")
    if one.target_type in ("isa-serial", "isa-debug") and one.address is not None and one.address.type != "isa":
        raise UnsupportedConfig(f"Target type '{one.target_type}' requires address type 'isa'")
    if model in NOT_ON_X86:
        raise UnsupportedConfig(f"Serial device with target type '{one.target_type}' and target model '{model}' "
                                "not compatible with guest architecture or machine type")


def console(one: Console) -> None:
    """QEMU has serial and virtio consoles."""
    if one.target_type in ("sclp", "sclplm"):
        raise UnsupportedConfig(f"{one.target_type}console is not supported in this QEMU binary")
    if one.target_type not in ("serial", "virtio"):
        raise UnsupportedConfig(f"unsupported console target type {one.target_type}")


def spice(one: Chardev, domain: Domain) -> None:
    """A SPICE channel needs a SPICE display."""
    if one.type not in ("spicevmc", "spiceport") or domain.devices is None:
        return
    if isinstance(one, Smartcard) and one.mode != "passthrough":
        return
    if not any(graphics.type == "spice" for graphics in domain.devices.all(Graphics)):
        raise UnsupportedConfig(f"chardev '{one.type}' not supported without spice graphics")
