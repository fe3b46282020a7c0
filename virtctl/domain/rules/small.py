"""How many of the small devices there may be, and what they refer to."""

from __future__ import annotations

from virtctl.domain.defaults.numa import cells_of
from virtctl.domain.devices.audio import Audio
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.devices.iommu import Iommu
from virtctl.domain.devices.memballoon import Memballoon
from virtctl.domain.devices.memory import MemoryDevice
from virtctl.domain.devices.panic import Panic
from virtctl.domain.devices.sound import Sound
from virtctl.domain.devices.tpm import Tpm
from virtctl.domain.devices.vsock import Vsock
from virtctl.domain.devices.watchdog import Watchdog
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.machine import is_q35, machine_of
from virtctl.errors import InternalError, UnsupportedConfig, XmlDetail, XmlError


def single(domain: Domain, host: Host) -> None:
    """Devices of which there is one at most."""
    devices = domain.devices
    if devices is None:
        return
    if len(devices.all(Watchdog)) > 1:
        raise InternalError("only a single watchdog device is supported")
    if len(devices.all(Memballoon)) > 1:
        raise InternalError("only a single memory balloon device is supported")
    if len(devices.all(Iommu)) > 1:
        raise XmlError("only a single IOMMU device is supported")
    if len(devices.all(Vsock)) > 1:
        raise XmlError("only a single vsock device is supported")


def panics(domain: Domain, host: Host) -> None:
    """One panic device of each model."""
    models: set[str | None] = set()
    for panic in domain.devices.all(Panic) if domain.devices else ():
        if panic.model in models:
            raise XmlError(f"Multiple panic devices with model '{panic.model}'")
        models.add(panic.model)


def sounds(domain: Domain, host: Host) -> None:
    """Every card plays on a backend that there is; SPICE's needs SPICE."""
    if domain.devices is None:
        return
    audios = domain.devices.all(Audio)
    numbers: set[int] = set()
    for audio in audios:
        if audio.number in numbers:
            raise XmlError(f"audio ID {audio.number} is used multiple times")
        numbers.add(audio.number)
    for sound in domain.devices.all(Sound):
        if sound.audio_id is not None and sound.audio_id not in numbers:
            raise XmlError(f"no audio device with ID {sound.audio_id}")
    spice = any(display.type == "spice" for display in domain.devices.all(Graphics))
    if not spice and any(audio.type == "spice" for audio in audios):
        raise UnsupportedConfig("Spice audio is not supported without spice graphics")


def tpms(domain: Domain, host: Host) -> None:
    """One chip, of a version and a kind that this host can emulate."""
    found = domain.devices.all(Tpm) if domain.devices else []
    if len(found) > 1:
        raise UnsupportedConfig("only a single TPM non-proxy device is supported")
    for tpm in found:
        if tpm.model in ("tpm-spapr", "spapr-tpm-proxy"):
            emulator = domain.devices.emulator if domain.devices else ""
            raise UnsupportedConfig(f"The QEMU executable {emulator} does not support TPM model {tpm.model}")
        backend = tpm.backend
        if backend and backend.type == "emulator" and backend.version not in host.tpm_versions:
            raise UnsupportedConfig(f"TPM version '{backend.version}' is not supported")
        if backend and backend.version == "1.2" and tpm.model != "tpm-tis":
            raise UnsupportedConfig(f"Unsupported interface '{tpm.model}' for TPM 1.2")


def iommus(domain: Domain, host: Host) -> None:
    """Which board can have which, and what each needs of it."""
    iommu = next(iter(domain.devices.all(Iommu)), None) if domain.devices else None
    if domain.type == "kvm" and (domain.vcpu or 1) > 255 and not (iommu and iommu.eim):
        raise UnsupportedConfig("more than 255 vCPUs require extended interrupt mode enabled on the iommu device")
    if iommu is None:
        return
    _check_board(iommu, domain)
    if iommu.intremap and not (domain.features and domain.features.ioapic == "qemu"):
        raise UnsupportedConfig("IOMMU interrupt remapping requires split I/O APIC (ioapic driver='qemu')")
    if iommu.eim and not iommu.intremap:
        raise UnsupportedConfig("IOMMU eim requires interrupt remapping to be enabled")


def _check_board(iommu: Iommu, domain: Domain) -> None:
    told = f"IOMMU device: '{iommu.model}'"
    q35 = is_q35(machine_of(domain))
    if iommu.model == "intel" and not q35:
        raise UnsupportedConfig(f"{told} is only supported with Q35 machines")
    if iommu.model == "smmuv3":
        raise UnsupportedConfig(f"{told} is only supported with ARM Virt machines")
    if iommu.model == "virtio" and not q35:
        raise UnsupportedConfig(f"{told} is only supported with Q35 and ARM Virt machines")
    if iommu.model == "virtio" and not (domain.features and domain.features.acpi):
        raise UnsupportedConfig(f"{told} requires ACPI")


def slots(domain: Domain, host: Host) -> None:
    """Memory modules need slots."""
    if domain.devices and domain.devices.all(MemoryDevice) and not domain.max_memory:
        raise UnsupportedConfig("cannot use/hotplug a memory device when domain 'maxMemory' is not defined")


def modules(domain: Domain, host: Host) -> None:
    """Memory modules belong to cells that there are."""
    found = domain.devices.all(MemoryDevice) if domain.devices else []
    count = len(cells_of(domain))
    for module in found:
        if module.node is not None and module.node >= count:
            raise XmlDetail(f"can't add memory backend for guest node '{module.node}' as the guest has only "
                            f"'{count}' NUMA nodes configured")
