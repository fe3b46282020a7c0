"""Host devices handed to the guest, and folders shared with it, on QEMU's command line."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices.chardev_source import Chardev
from virtctl.domain.devices.filesystem import Filesystem
from virtctl.domain.devices.hostdev import Hostdev
from virtctl.domain.devices.redirdev import Redirdev
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.chardevs import chardev_opt
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.plan import Plan


@builds(Filesystem)
def build_filesystem(shared: Filesystem, plan: Plan) -> Iterator[Opt]:
    """A folder of the host, over 9p."""
    if shared.type != "mount" or shared.driver_type not in (None, "path"):
        raise UnsupportedConfig(f"filesystem driver '{shared.driver_type or shared.type}' is not supported at start")
    model = {"passthrough": "passthrough", "mapped": "mapped", "squash": "none"}[shared.accessmode]
    source = shared.source.dir if shared.source else None
    yield Opt("fsdev", props("local", [
        ("security_model", model), ("multidevs", shared.multidevs), ("id", f"fsdev-{shared.id}"), ("path", source),
        ("fmode", f"{shared.fmode:04o}" if shared.fmode is not None else None),
        ("dmode", f"{shared.dmode:04o}" if shared.dmode is not None else None),
        ("writeout", shared.wrpolicy), ("readonly", True if shared.readonly else None)]))
    yield device_opt(virtio_name("virtio-9p", shared.model), shared, plan, [
        *virtio_props(shared), ("fsdev", f"fsdev-{shared.id}"), ("mount_tag", shared.target)])


@builds(Hostdev)
def build_hostdev(device: Hostdev, plan: Plan) -> Iterator[Opt]:
    """A PCI or USB device of the host."""
    node = device.to_node()
    kind = node.attrs.get("type")
    if kind == "pci":
        place = node.find("source/address")
        attrs = place.attrs if place is not None else {}
        parts = [int(attrs.get(name, "0"), 0) for name in ("domain", "bus", "slot", "function")]
        yield device_opt("vfio-pci", device, plan, [("host", "{:04x}:{:02x}:{:02x}.{:x}".format(*parts))])
    elif kind == "usb":
        yield device_opt("usb-host", device, plan, [
            ("vendorid", node.get("source/vendor/@id")), ("productid", node.get("source/product/@id")),
            ("hostbus", node.get("source/address/@bus")), ("hostaddr", node.get("source/address/@device"))])
    else:
        raise UnsupportedConfig(f"hostdev type '{kind}' is not supported at start")


@builds(Redirdev)
def build_redirdev(device: Redirdev, plan: Plan) -> Iterator[Opt]:
    """A USB device that a client brings along."""
    if not isinstance(device, Chardev):
        raise UnsupportedConfig("redirdev is not supported at start")
    yield chardev_opt(device, device.id, plan)
    chardev: Value = f"char{device.id}"
    yield device_opt("usb-redir", device, plan, [("chardev", chardev)])
