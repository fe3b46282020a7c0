"""The small devices on QEMU's command line: balloon, rng, watchdog, panic, shmem, vsock, crypto, memory."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices.address import DimmAddress, IsaAddress
from virtctl.domain.devices.crypto import Crypto
from virtctl.domain.devices.iommu import Iommu
from virtctl.domain.devices.memballoon import Memballoon
from virtctl.domain.devices.memory import MemoryDevice
from virtctl.domain.devices.nvram import Nvram
from virtctl.domain.devices.panic import Panic
from virtctl.domain.devices.rng import Rng
from virtctl.domain.devices.shmem import Shmem
from virtctl.domain.devices.vsock import Vsock
from virtctl.domain.devices.watchdog import Watchdog
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.chardevs import chardev_opt
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.memory_options import MODULE_ALIGNMENT, Backend, round_up
from virtctl.qemu.plan import Plan

Pairs = list[tuple[str, Value]]
SHMEM_SIZE = 4 << 20  # bytes; libvirt's default


@builds(Memballoon)
def build_memballoon(balloon: Memballoon, plan: Plan) -> Iterator[Opt]:
    """The balloon."""
    if balloon.model != "none":
        yield device_opt(virtio_name("virtio-balloon", balloon.model), balloon, plan, [
            *virtio_props(balloon), ("deflate-on-oom", balloon.autodeflate),
            ("free-page-reporting", balloon.free_page_reporting)])


@builds(Rng)
def build_rng(rng: Rng, plan: Plan) -> Iterator[Opt]:
    """Randomness: the host's source and the guest's card."""
    name = f"obj{rng.id}"
    if rng.backend == "egd":
        yield chardev_opt(rng.source, rng.id, plan)
        yield Opt("object", props("rng-egd", [("id", name), ("chardev", f"char{rng.id}")]))
    elif rng.backend == "builtin":
        yield Opt("object", props("rng-builtin", [("id", name)]))
    else:
        yield Opt("object", props("rng-random", [("id", name), ("filename", rng.file or "/dev/urandom")]))
    period: Value = (rng.period or 1000) if rng.bytes else None
    yield device_opt(virtio_name("virtio-rng", rng.model), rng, plan,
                     [("rng", name), *virtio_props(rng), ("max-bytes", rng.bytes or None), ("period", period)])


@builds(Watchdog)
def build_watchdog(watchdog: Watchdog, plan: Plan) -> Iterator[Opt]:
    """A watchdog and what it does; q35 has `itco` built in."""
    if watchdog.model == "itco":
        yield Opt("global", "ICH9-LPC.noreboot=off")
    else:
        yield device_opt(watchdog.model, watchdog, plan)
    action = {"dump": "pause"}.get(watchdog.action, watchdog.action)
    yield Opt("action", f"watchdog={action}")


@builds(Panic)
def build_panic(panic: Panic, plan: Plan) -> Iterator[Opt]:
    """The device to which the guest reports a crash; the Hyper-V one is a feature of the processor."""
    if panic.model == "hyperv":
        return
    port = panic.address.iobase if isinstance(panic.address, IsaAddress) else None
    yield Opt("device", props("pvpanic", [("ioport", port)]))


@builds(Vsock)
def build_vsock(vsock: Vsock, plan: Plan) -> Iterator[Opt]:
    """Sockets between host and guest."""
    yield device_opt(virtio_name("vhost-vsock", vsock.model), vsock, plan, [
        *virtio_props(vsock), ("guest-cid", vsock.cid or 0)])


@builds(Shmem)
def build_shmem(shmem: Shmem, plan: Plan) -> Iterator[Opt]:
    """Memory shared with other guests."""
    if shmem.model == "ivshmem-doorbell":
        # Where the users of ivshmem-server expect it when nothing is said.
        path = (shmem.server.path if shmem.server else None) or f"/var/lib/libvirt/shmem-{shmem.name}-sock"
        yield Opt("chardev", props("socket", [("id", f"char{shmem.id}"), ("path", path)]))
        msi = shmem.msi
        yield device_opt("ivshmem-doorbell", shmem, plan, [
            ("chardev", f"char{shmem.id}"), ("vectors", msi.vectors if msi else None),
            ("ioeventfd", msi.ioeventfd if msi else None), ("master", True if shmem.role == "master" else None)])
        return
    yield Opt("object", props("memory-backend-file", [
        ("id", f"shmmem-{shmem.id}"), ("mem-path", f"/dev/shm/{shmem.name}"), ("size", shmem.size or SHMEM_SIZE),
        ("share", True)]))
    yield device_opt("ivshmem-plain", shmem, plan, [("memdev", f"shmmem-{shmem.id}"), ("master", _master(shmem))])


def _master(shmem: Shmem) -> bool | None:
    return None if shmem.role is None else shmem.role == "master"


@builds(Crypto)
def build_crypto(crypto: Crypto, plan: Plan) -> Iterator[Opt]:
    """A crypto card."""
    yield Opt("object", props(f"cryptodev-backend-{crypto.backend}", [("id", f"obj{crypto.id}"),
                                                                      ("queues", crypto.queues)]))
    yield device_opt("virtio-crypto-pci", crypto, plan, [("cryptodev", f"obj{crypto.id}"), *virtio_props(crypto)])


@builds(Nvram)
def build_nvram(nvram: Nvram, plan: Plan) -> Iterator[Opt]:
    """Only pseries has it."""
    raise UnsupportedConfig("nvram device is only supported for PPC64")


@builds(Iommu)
def build_iommu(iommu: Iommu, plan: Plan) -> Iterator[Opt]:
    """An emulated IOMMU."""
    if iommu.model == "virtio":
        yield device_opt("virtio-iommu", iommu, plan)
        return
    yield Opt("device", props("intel-iommu", [
        ("id", iommu.id), ("intremap", iommu.intremap), ("caching-mode", iommu.caching_mode), ("eim", iommu.eim),
        ("device-iotlb", iommu.iotlb), ("aw-bits", iommu.aw_bits)]))


@builds(MemoryDevice)
def build_memory(module: MemoryDevice, plan: Plan) -> Iterator[Opt]:
    """A memory module and what stands behind it."""
    drivers = {"dimm": "pc-dimm", "nvdimm": "nvdimm", "virtio-pmem": "virtio-pmem-pci", "virtio-mem": "virtio-mem-pci"}
    if module.model not in drivers:
        raise UnsupportedConfig(f"memory device model '{module.model}' is not supported by this QEMU")
    backend = Backend(plan, f"mem{module.id}", round_up(module.size or 0, MODULE_ALIGNMENT), module=module)
    yield backend.option()
    ready = True if module.model == "virtio-mem" and backend.prealloc else None
    yield device_opt(drivers[module.model], module, plan, [
        *_module(module), ("prealloc", ready), ("memdev", backend.name)])


def _module(module: MemoryDevice) -> Pairs:
    def size(value: int | None) -> Value:
        return value * 1024 if value is not None else None
    pairs: Pairs = [("node", module.node), ("label-size", size(module.label_size)), ("block-size", size(module.block)),
                    ("requested-size", size(module.requested)), ("uuid", module.uuid),
                    ("unarmed", True if module.readonly else None)]
    if isinstance(module.address, DimmAddress):
        pairs += [("slot", module.address.slot), ("addr", module.address.base)]
    return pairs
