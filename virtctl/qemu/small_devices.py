"""The small devices on QEMU's command line: balloon, rng, watchdog, sound, tpm, panic, shmem, vsock, crypto, memory."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices import Devices
from virtctl.domain.devices.address import DimmAddress, IsaAddress
from virtctl.domain.devices.audio import Audio, Stream
from virtctl.domain.devices.crypto import Crypto
from virtctl.domain.devices.iommu import Iommu
from virtctl.domain.devices.memballoon import Memballoon
from virtctl.domain.devices.memory import MemoryDevice
from virtctl.domain.devices.nvram import Nvram
from virtctl.domain.devices.panic import Panic
from virtctl.domain.devices.rng import Rng
from virtctl.domain.devices.shmem import Shmem
from virtctl.domain.devices.sound import Sound
from virtctl.domain.devices.tpm import Tpm
from virtctl.domain.devices.vsock import Vsock
from virtctl.domain.devices.watchdog import Watchdog
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.controllers import virtio_name, virtio_props
from virtctl.qemu.plan import Plan

Pairs = list[tuple[str, Value]]


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
        raise UnsupportedConfig("rng backend 'egd' is not supported at start", hint="use model='random' or 'builtin'")
    if rng.backend == "builtin":
        yield Opt("object", props("rng-builtin", [("id", name)]))
    else:
        yield Opt("object", props("rng-random", [("id", name), ("filename", rng.file or "/dev/urandom")]))
    period: Value = (rng.period or 1000) if rng.bytes is not None else None
    yield device_opt(virtio_name("virtio-rng", rng.model), rng, plan,
                     [("rng", name), *virtio_props(rng), ("max-bytes", rng.bytes), ("period", period)])


@builds(Watchdog)
def build_watchdog(watchdog: Watchdog, plan: Plan) -> Iterator[Opt]:
    """A watchdog and what it does; q35 has `itco` built in."""
    if watchdog.model == "itco":
        yield Opt("global", "ICH9-LPC.noreboot=off")
    else:
        yield device_opt(watchdog.model, watchdog, plan)
    action = {"dump": "pause"}.get(watchdog.action, watchdog.action)
    yield Opt("action", f"watchdog={action}")


def _stream(prefix: str, stream: Stream | None, type: str) -> Pairs:
    if stream is None:
        return []
    own: Value = stream.dev if type in ("alsa", "oss") else stream.name if type == "pulseaudio" else None
    return [(f"{prefix}.mixing-engine", stream.mixing_engine), (f"{prefix}.fixed-settings", stream.fixed_settings),
            (f"{prefix}.voices", stream.voices), (f"{prefix}.buffer-length", stream.buffer_length),
            (f"{prefix}.frequency", stream.frequency), (f"{prefix}.channels", stream.channels),
            (f"{prefix}.format", stream.format), (f"{prefix}.{'dev' if type != 'pulseaudio' else 'name'}", own)]


@builds(Audio)
def build_audio(audio: Audio, plan: Plan) -> Iterator[Opt]:
    """A host backend for sound."""
    driver = {"pulseaudio": "pa", "file": "wav"}.get(audio.type, audio.type)
    yield Opt("audiodev", props(driver, [
        ("id", f"audio{audio.number}"), ("timer-period", audio.timer_period), *_stream("in", audio.input, audio.type),
        *_stream("out", audio.output, audio.type), ("path", audio.path if audio.type == "file" else None),
        ("server", audio.server_name if audio.type == "pulseaudio" else None)]))


_HDA = {"ich6": "intel-hda", "ich9": "ich9-intel-hda"}
_CODECS = {"duplex": "hda-duplex", "micro": "hda-micro", "output": "hda-output"}
_CARDS = {"es1370": "ES1370", "ac97": "AC97", "sb16": "sb16", "usb": "usb-audio"}


def audio_name(plan: Plan, number: int | None) -> str | None:
    """QEMU's id of a host audio backend; of the first where none is named."""
    backends = (plan.domain.devices or Devices()).all(Audio)
    if number is None and backends:
        number = backends[0].number
    return None if number is None else f"audio{number}"


@builds(Sound)
def build_sound(sound: Sound, plan: Plan) -> Iterator[Opt]:
    """A sound card; HDA ones with their codecs."""
    backend: Pairs = [("audiodev", audio_name(plan, sound.audio_id))]
    if sound.model == "pcspk":
        yield Opt("machine", f"pcspk-audiodev=audio{sound.audio_id or 1}")
    elif sound.model in _HDA:
        yield device_opt(_HDA[sound.model], sound, plan)
        kinds = [codec.type for codec in sound.codecs] or ["duplex"]
        for number, kind in enumerate(kinds):
            yield Opt("device", props(_CODECS[kind], [("id", f"{sound.id}-codec{number}"), ("bus", f"{sound.id}.0"),
                                                      ("cad", number), *backend]))
    elif sound.model in _CARDS:
        multi: Pairs = [("multi", sound.multichannel if sound.model == "usb" else None)]
        yield device_opt(_CARDS[sound.model], sound, plan, [*multi, *backend])
    else:
        raise UnsupportedConfig(f"sound card model '{sound.model}' is not supported by qemu")


@builds(Panic)
def build_panic(panic: Panic, plan: Plan) -> Iterator[Opt]:
    """The device to which the guest reports a crash."""
    if panic.model == "hyperv":
        return
    if panic.model == "pvpanic":
        yield device_opt("pvpanic-pci", panic, plan)
        return
    port = panic.address.iobase if isinstance(panic.address, IsaAddress) else None
    yield Opt("device", props("pvpanic", [("ioport", port)]))


@builds(Tpm)
def build_tpm(tpm: Tpm, plan: Plan) -> Iterator[Opt]:
    """A TPM: the host's own, or the emulator that `prepare` started."""
    if tpm.backend == "passthrough":
        yield Opt("tpmdev", props("passthrough", [("id", f"tpm-{tpm.id}"), ("path", tpm.device or "/dev/tpm0")]))
    else:
        socket = plan.sockets.get(tpm.id)
        if socket is None:
            raise UnsupportedConfig(f"TPM backend '{tpm.backend}' is not supported at start")
        yield Opt("chardev", props("socket", [("id", "chrtpm"), ("path", socket)]))
        yield Opt("tpmdev", props("emulator", [("id", f"tpm-{tpm.id}"), ("chardev", "chrtpm")]))
    yield device_opt(tpm.model or "tpm-tis", tpm, plan, [("tpmdev", f"tpm-{tpm.id}")])


@builds(Vsock)
def build_vsock(vsock: Vsock, plan: Plan) -> Iterator[Opt]:
    """Sockets between host and guest."""
    yield device_opt(virtio_name("vhost-vsock", vsock.model), vsock, plan, [
        *virtio_props(vsock), ("guest-cid", vsock.cid if vsock.cid is not None else 3)])


@builds(Shmem)
def build_shmem(shmem: Shmem, plan: Plan) -> Iterator[Opt]:
    """Memory shared with other guests."""
    if shmem.model == "ivshmem-doorbell":
        path = shmem.server.path if shmem.server else None
        yield Opt("chardev", props("socket", [("id", f"char{shmem.id}"), ("path", path)]))
        msi = shmem.msi
        yield device_opt("ivshmem-doorbell", shmem, plan, [
            ("chardev", f"char{shmem.id}"), ("vectors", msi.vectors if msi else None),
            ("ioeventfd", msi.ioeventfd if msi else None), ("master", _master(shmem))])
        return
    megabytes = max((shmem.size or 4 << 20) >> 20, 1)
    yield Opt("object", props("memory-backend-file", [
        ("id", f"shmmem-{shmem.id}"), ("mem-path", f"/dev/shm/{shmem.name}"), ("size", f"{megabytes}M"),
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
        ("intremap", iommu.intremap), ("caching-mode", iommu.caching_mode), ("eim", iommu.eim),
        ("device-iotlb", iommu.iotlb), ("aw-bits", iommu.aw_bits)]))


@builds(MemoryDevice)
def build_memory(module: MemoryDevice, plan: Plan) -> Iterator[Opt]:
    """A memory module and what stands behind it."""
    drivers = {"dimm": "pc-dimm", "nvdimm": "nvdimm", "virtio-pmem": "virtio-pmem-pci", "virtio-mem": "virtio-mem-pci"}
    if module.model not in drivers:
        raise UnsupportedConfig(f"memory device model '{module.model}' is not supported at start")
    name, size = f"mem{module.id}", (module.size or 0) * 1024
    source: Pairs = [("mem-path", module.path), ("share", module.access != "private")]
    head = "memory-backend-file" if module.path else "memory-backend-ram"
    yield Opt("object", props(head, [("id", name), *(source if module.path else []), ("size", size),
                                     ("align", module.alignsize * 1024 if module.alignsize else None),
                                     ("pmem", True if module.pmem else None),
                                     ("readonly", True if module.readonly and module.path else None)]))
    yield device_opt(drivers[module.model], module, plan, [*_module_place(module), ("memdev", name)])


def _module_place(module: MemoryDevice) -> Pairs:
    slot: Pairs = []
    if isinstance(module.address, DimmAddress):
        slot = [("slot", module.address.slot), ("addr", module.address.base)]
    label: Pairs = [("label-size", module.label_size * 1024 if module.label_size else None)]
    block: Pairs = [("block-size", module.block * 1024 if module.block else None),
                    ("requested-size", module.requested * 1024 if module.requested is not None else None)]
    return [("node", module.node), *label, *block, *slot]


