"""Host devices: none twice, each with its kind of address, and what QEMU cannot assign."""

from __future__ import annotations

from virtctl.domain.controllers import find_controller
from virtctl.domain.devices.address import Address, DriveAddress
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.hostdev import (
    CapsHostdev,
    Hostdev,
    MdevHostdev,
    PciHostdev,
    ScsiHostdev,
    ScsiHostHostdev,
    UsbHostdev,
)
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import InternalError, UnsupportedConfig, VirtctlError, XmlError


def check_hostdevs(domain: Domain, host: Host) -> None:
    """Every host device."""
    devices = domain.devices.all(Hostdev) if domain.devices else []
    for device in devices:
        if isinstance(device, CapsHostdev):
            raise UnsupportedConfig("hostdev mode 'capabilities' is not supported in qemu")
        _check_address(device)
        _check_teaming(device)
        _check_kind(domain, device)
    if sum(isinstance(device, MdevHostdev) and device.ramfb is True for device in devices) > 1:
        raise UnsupportedConfig("Only one vgpu device can have 'ramfb' enabled")


def _check_address(device: Hostdev) -> None:
    """The kind of address that goes with the kind of device."""
    kind = device.address.type if device.address else "none"
    refusal: VirtctlError | None = None
    if isinstance(device, PciHostdev) and kind not in ("none", "pci", "unassigned"):
        refusal = InternalError("PCI host devices must use 'pci' or 'unassigned' address type")
    elif isinstance(device, ScsiHostdev) and kind not in ("none", "drive"):
        refusal = UnsupportedConfig("SCSI host device must use 'drive' address type")
    elif isinstance(device, ScsiHostHostdev) and kind not in ("none", "pci", "ccw"):
        refusal = UnsupportedConfig("SCSI_host host device must use 'pci' or 'ccw' address type")
    elif isinstance(device, UsbHostdev) and kind not in ("none", "usb"):
        refusal = UnsupportedConfig("USB host device must use 'usb' address type")
    elif isinstance(device, MdevHostdev) and device.model == "vfio-pci" and kind not in ("none", "pci"):
        refusal = XmlError(f"Unsupported address type '{kind}' with mediated device model 'vfio-pci'")
    if refusal is not None:
        raise refusal


def _check_teaming(device: Hostdev) -> None:
    if device.teaming_type is None:
        return
    if device.teaming_type != "transient":
        raise UnsupportedConfig("teaming hostdev devices must have type='transient'")
    if not device.teaming_persistent:
        raise UnsupportedConfig("missing required persistent attribute in hostdev teaming element")
    if not isinstance(device, PciHostdev):
        raise UnsupportedConfig("teaming is only supported for pci hostdev devices")


def _check_kind(domain: Domain, device: Hostdev) -> None:
    if isinstance(device, PciHostdev) and device.source is not None and device.source.write_filtering is not None:
        raise UnsupportedConfig("Write filtering of PCI device configuration space is not supported by qemu")
    if isinstance(device, ScsiHostdev):
        _check_scsi(domain, device, device.address)
    elif isinstance(device, ScsiHostHostdev) and device.boot is not None:
        raise UnsupportedConfig("booting from assigned devices is not supported by vhost SCSI devices")
    elif isinstance(device, MdevHostdev):
        _check_mdev(domain, device)


def _check_scsi(domain: Domain, device: ScsiHostdev, address: Address | None) -> None:
    if isinstance(address, DriveAddress):
        if address.bus:
            raise InternalError("SCSI controller only supports 1 bus")
        cont = find_controller(domain, "scsi", address.controller)
        if address.target and cont is not None and cont.model == "lsilogic":
            raise UnsupportedConfig("target must be 0 for controller model 'lsilogic'")
    if device.sgio == "unfiltered":
        raise UnsupportedConfig("unfiltered sgio is no longer supported")


def _check_mdev(domain: Domain, device: MdevHostdev) -> None:
    if device.model in ("vfio-ccw", "vfio-ap"):
        name = device.model.removeprefix("vfio-").upper()
        raise UnsupportedConfig(f"VFIO {name} device assignment is not supported by this version of QEMU")
    if device.boot is not None:
        raise UnsupportedConfig("booting from assigned devices is not supported by mediated devices of model "
                                "vfio-pci")
    displays = domain.devices.all(Graphics) if domain.devices else []
    if device.display and not displays:
        raise UnsupportedConfig("graphics device is needed for attribute value 'display=on' in <hostdev>")
