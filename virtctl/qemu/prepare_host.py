"""What a guest that is about to start asks of the host: the accelerator, huge pages, NUMA nodes, host devices."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from virtctl.domain.devices import Devices
from virtctl.domain.devices.hostdev import Hostdev, PciHostdev, ScsiHostdev, UsbHostdev
from virtctl.domain.devices.hostdev_source import UsbSource
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import InternalError, OperationFailed, SystemFault, UnsupportedConfig, VirtctlError
from virtctl.qemu.nvram import check_nvram
from virtctl.qemu.plan import Plan

KVM = "/dev/kvm"
KVM_HINT = "load the module kvm_intel or kvm_amd, join the group kvm, or use <domain type='qemu'>"
_KVM_GET_API_VERSION, _KVM_API = 0xAE00, 12
USB_DEVICES = Path("/sys/bus/usb/devices")


def check_accelerator(domain: Domain) -> None:
    """A kvm domain never becomes an emulated one in silence."""
    if domain.type != "kvm":
        return
    try:
        fd = os.open(KVM, os.O_RDWR | os.O_CLOEXEC)
        try:
            version = fcntl.ioctl(fd, _KVM_GET_API_VERSION)
        finally:
            os.close(fd)
    except OSError as error:
        raise SystemFault(f"Domain of type 'kvm' needs {KVM}, which cannot be used", error, hint=KVM_HINT) from error
    if version != _KVM_API:
        raise UnsupportedConfig(f"Domain of type 'kvm' needs {KVM}, which speaks version {version} instead of "
                                f"{_KVM_API}", hint=KVM_HINT)


def look(plan: Plan, devices: Devices, host: Host) -> None:
    """Finds what the command line names of the host; nothing is refused that a printed one may say."""
    plan.hugetlbfs, plan.huge_page_default = huge_page_folders()
    for device in devices.all(Hostdev):
        if isinstance(device, UsbHostdev) and device.source is not None:
            found = find_usb(device.source)
            if found is not None or device.source.bus:
                bus, number = found or (device.source.bus or 0, device.source.device or 0)
                plan.host_paths[device.id] = f"/dev/bus/usb/{bus:03d}/{number:03d}"


def check(plan: Plan, devices: Devices, host: Host) -> None:
    """Refuses what the host lacks."""
    _check_nodes(plan.domain, host)
    odd = check_nvram(plan.domain)
    plan.warnings += [odd] if odd else []
    for device in devices.all(Hostdev):
        if isinstance(device, UsbHostdev) and device.source is not None:
            _check_usb(device, device.source, plan)
        elif isinstance(device, PciHostdev):
            _check_pci(device)
        elif isinstance(device, ScsiHostdev) and device.source is not None and device.source.protocol != "iscsi":
            plan.host_paths[device.id] = scsi_generic(device)


def huge_page_folders(mounts: Path = Path("/proc/self/mounts")) -> tuple[dict[int, str], int]:
    """Where each size of huge pages (KiB) is mounted, and the host's default size."""
    default = 2048
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("Hugepagesize:"):
            default = int(line.split()[1])
    found: dict[int, str] = {}
    for line in mounts.read_text(errors="surrogateescape").splitlines():
        _, folder, kind, options = line.split()[:4]
        if kind == "hugetlbfs":
            size = next((word for word in options.split(",") if word.startswith("pagesize=")), "")
            found.setdefault(_page_size(size.partition("=")[2]) or default, folder.encode().decode("unicode_escape"))
    return found, default


def _page_size(text: str) -> int:
    units = {"K": 1, "M": 1024, "G": 1024 * 1024}
    return int(text[:-1]) * units[text[-1].upper()] if text and text[-1].upper() in units else 0


def _check_nodes(domain: Domain, host: Host) -> None:
    tune = domain.numatune
    if tune is None:
        return
    if tune.placement == "auto" or domain.vcpu_placement == "auto":
        raise InternalError("Advice from numad is needed in case of automatic numa placement",
                            hint="name the nodes yourself: <memory nodeset='0'/>")
    wanted = set(tune.nodeset or ()) | {node for one in tune.nodes for node in one.nodeset or ()}
    for node in sorted(wanted):
        if node >= host.node_count:
            raise UnsupportedConfig(f"NUMA node {node} is unavailable")


def find_usb(source: UsbSource) -> tuple[int, int] | None:
    """Bus and device number of the host's USB device that the source names, None when it is not there."""
    for place in sorted(USB_DEVICES.glob("*/devnum")):
        folder = place.parent
        bus, number = (int((folder / name).read_text()) for name in ("busnum", "devnum"))
        if source.bus and source.device:
            if (bus, number) == (source.bus, source.device):
                return bus, number
            continue
        ids = tuple(int((folder / name).read_text(), 16) for name in ("idVendor", "idProduct"))
        if ids == (source.vendor, source.product):
            return bus, number
    return None


def _check_usb(device: UsbHostdev, source: UsbSource, plan: Plan) -> None:
    if find_usb(source) is not None:
        return
    name = f"{source.vendor or 0:04x}:{source.product or 0:04x}"
    where = f" bus:{source.bus} device:{source.device}" if source.bus and source.device else ""
    error = OperationFailed(f"Did not find USB device {name}{where}")
    if source.startup_policy != "optional":
        raise error
    plan.omitted.add(device.id)
    plan.warnings.append(f"{error}; the guest starts without it (startupPolicy='optional')")


def _check_pci(device: PciHostdev) -> None:
    place = Path("/sys/bus/pci/devices", str(device.source))
    if not place.exists():
        raise OperationFailed(f"Device {device.source} not found: could not access {place}/config: "
                              "No such file or directory")
    driver = place / "driver"
    if not driver.exists() or driver.resolve().name != "vfio-pci":
        raise _unbound(device)


def _unbound(device: PciHostdev) -> VirtctlError:
    return UnsupportedConfig(f"PCI device {device.source} is not bound to vfio-pci",
                             hint=f"virtctl does not detach host devices; as root: driverctl set-override "
                                  f"{device.source} vfio-pci")


def scsi_generic(device: ScsiHostdev) -> str:
    """The node of a SCSI unit of the host."""
    source = device.source
    if source is None:
        raise InternalError(f"hostdev '{device.id}' has no source")
    adapter = (source.adapter or "").removeprefix("scsi_host")
    folder = Path(f"/sys/bus/scsi/devices/{adapter}:{source.bus}:{source.target}:{source.unit}/scsi_generic")
    try:
        name = sorted(os.listdir(folder))[0]  # noqa: PTH208 - a name is wanted
    except (OSError, IndexError) as error:
        raise SystemFault(f"cannot open directory '{folder}'", FileNotFoundError(2, "No such file or directory")
                          ) from error
    return f"/dev/{name}"
