"""Host devices handed to the guest, and folders shared with it, on QEMU's command line."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.address import DriveAddress
from virtctl.domain.devices.filesystem import Filesystem
from virtctl.domain.devices.hostdev import (
    Hostdev,
    MdevHostdev,
    PciHostdev,
    ScsiHostdev,
    ScsiHostHostdev,
    UsbHostdev,
)
from virtctl.domain.devices.redirdev import Redirdev, RedirFilter, UsbRule
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, controller_id, device_opt
from virtctl.qemu.chardevs import chardev_opt
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.plan import Plan


@builds(Filesystem)
def build_filesystem(shared: Filesystem, plan: Plan) -> Iterator[Opt]:
    """A folder of the host, over 9p, or over virtiofs with the program that `prepare` started."""
    if shared.type == "mount" and shared.driver_type == "virtiofs":
        yield from _virtiofs(shared, plan)
        return
    if shared.type != "mount" or shared.driver_type not in (None, "path"):
        raise UnsupportedConfig(f"filesystem driver '{shared.driver_type or shared.type}' is not supported by QEMU")
    model = {"passthrough": "passthrough", "mapped": "mapped", "squash": "none"}[shared.accessmode or "passthrough"]
    source = shared.source.dir if shared.source else None
    yield Opt("fsdev", props("local", [
        ("security_model", model), ("multidevs", shared.multidevs), ("id", f"fsdev-{shared.id}"), ("path", source),
        ("fmode", f"{shared.fmode:04o}" if shared.fmode is not None else None),
        ("dmode", f"{shared.dmode:04o}" if shared.dmode is not None else None),
        ("writeout", shared.wrpolicy), ("readonly", True if shared.readonly else None)]))
    yield device_opt(virtio_name("virtio-9p", shared.model), shared, plan, [
        *virtio_props(shared), ("fsdev", f"fsdev-{shared.id}"), ("mount_tag", shared.target)])


def virtiofs_socket(shared: Filesystem) -> str:
    """The socket of the program that serves the folder: another's, or ours in QEMU's folder."""
    return (shared.source.socket if shared.source else None) or f"{shared.id}-fs.sock"


def _virtiofs(shared: Filesystem, plan: Plan) -> Iterator[Opt]:
    name = f"chr-vu-{shared.id}"
    yield Opt("chardev", props("socket", [("id", name), ("path", virtiofs_socket(shared))]))
    yield device_opt("vhost-user-fs-pci", shared, plan, [
        *virtio_props(shared), ("chardev", name), ("queue-size", shared.queue),
        ("tag", shared.target)])


@builds(Hostdev)
def build_hostdev(device: Hostdev, plan: Plan) -> Iterator[Opt]:
    """A device of the host. One whose address is `unassigned` is kept from the host and not shown to the guest."""
    if device.address is not None and device.address.type == "unassigned":
        return
    if isinstance(device, PciHostdev) and device.source is not None:
        yield device_opt("vfio-pci", device, plan, [
            ("host", str(device.source)), ("failover_pair_id", device.teaming_persistent)])
    elif isinstance(device, UsbHostdev) and device.source is not None:
        yield from _usb(device, plan)
    elif isinstance(device, MdevHostdev) and device.source is not None:
        # The card with a memory framebuffer is a device of its own, and cannot be unplugged.
        driver = "vfio-pci-nohotplug" if device.ramfb else "vfio-pci"
        yield device_opt(driver, device, plan, [
            ("sysfsdev", f"/sys/bus/mdev/devices/{device.source.uuid}"), ("display", device.display),
            ("ramfb", True if device.ramfb else None)])
    elif isinstance(device, ScsiHostHostdev) and device.source is not None:
        yield device_opt(virtio_name("vhost-scsi", device.model), device, plan, [("wwpn", device.source.wwpn)])
    elif isinstance(device, ScsiHostdev):
        yield from _scsi(device, plan)
    else:
        raise UnsupportedConfig(f"hostdev mode '{device.mode}' is not supported by QEMU")


def _usb(device: UsbHostdev, plan: Plan) -> Iterator[Opt]:
    source = device.source
    reset: list[tuple[str, Value]] = []
    if source is not None and source.guest_reset is not None:
        reset = [("guest-reset", source.guest_reset != "off"),
                 ("guest-resets-all", None if source.guest_reset == "off" else source.guest_reset == "on")]
    yield device_opt("usb-host", device, plan, [("hostdevice", plan.host_paths.get(device.id)), *reset])


def _scsi(device: ScsiHostdev, plan: Plan) -> Iterator[Opt]:
    source, drive = device.source, f"drive-{device.id}"
    if source is None:
        raise UnsupportedConfig(f"hostdev '{device.id}' has no source")
    place: list[tuple[str, Value]] = [("file", plan.host_paths.get(device.id))]
    if source.protocol == "iscsi":
        if source.auth is not None:
            raise UnsupportedConfig("authentication of iSCSI host devices needs a secret store, "
                                    "which this connection does not have")
        host, (target, _, unit) = source.hosts[0], (source.name or "").rpartition("/")
        place = [("file.driver", "iscsi"), ("file.portal", f"{host.name}:{host.port or 3260}"),
                 ("file.target", target), ("file.lun", unit), ("file.transport", "tcp"),
                 ("file.initiator-name", source.initiator)]
    yield Opt("drive", props(None, [("if", "none"), ("id", drive), *place, ("format", "raw"),
                                    ("readonly", True if device.readonly else None)]))
    at = device.address if isinstance(device.address, DriveAddress) else DriveAddress()
    bus: tuple[str, Value] = ("bus", f"{controller_id(plan, 'scsi', at.controller)}.0")
    yield device_opt("scsi-generic", device, plan, [
        bus, ("channel", at.bus), ("scsi-id", at.target), ("lun", at.unit),
        ("share-rw", True if device.shareable else None), ("drive", drive)])


@builds(Redirdev)
def build_redirdev(device: Redirdev, plan: Plan) -> Iterator[Opt]:
    """A USB device that a client brings along; the filter is one for all."""
    yield chardev_opt(device, device.id, plan)
    filters = (plan.domain.devices or Devices()).all(RedirFilter)
    rules = "|".join(_rule(rule) for one in filters for rule in one.rules) or None
    yield device_opt("usb-redir", device, plan, [("chardev", f"char{device.id}"), ("filter", rules)])


def _rule(rule: UsbRule) -> str:
    def code(value: int | None, digits: int) -> str:
        return "-1" if value is None else f"0x{value:0{digits}X}"
    version = "-1" if rule.version is None else f"0x{rule.version[0]:02d}{rule.version[1]:02d}"
    words = [code(rule.usb_class, 2), code(rule.vendor, 4), code(rule.product, 4), version, str(int(rule.allow))]
    return ":".join(words)
