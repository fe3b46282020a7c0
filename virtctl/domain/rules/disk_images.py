"""What libvirt refuses of a disk's images: formats, encryption, authentication, limits."""

from __future__ import annotations

from virtctl.domain.devices.disk import Disk
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.domain.devices.secret import Auth, Encryption, check_auth
from virtctl.errors import ArgumentUnsupported, UnsupportedConfig

HIGHEST_LIMIT = 1_000_000_000_000_000


def source(disk: Disk) -> None:
    """The source of the disk itself."""
    one = disk.source
    if disk.type == "nvme" and one is not None and one.namespace == 0:
        raise UnsupportedConfig("NVMe namespace can't be zero")
    protocol = one.protocol if one is not None and disk.type == "network" else None
    if one is not None and protocol is not None:
        network(one, disk.auth or one.auth)
    image_format(disk, disk.type, disk.format)
    encryption(disk.encryption or (one.encryption if one else None), disk.format, protocol)


def network(one: DiskSource, auth: Auth | None) -> None:
    """A protocol that QEMU speaks, and an identity that it takes."""
    error = check_auth(auth, one.protocol)
    if error is not None:
        raise error
    if one.protocol == "nfs":
        _nfs(one)
    if one.protocol == "tftp":
        raise UnsupportedConfig("'tftp' protocol is not supported with this QEMU binary")


def _nfs(one: DiskSource) -> None:
    if len(one.hosts) != 1:
        raise UnsupportedConfig("'nfs' protocol requires the usage of exactly one host")
    if one.hosts[0].transport is not None:
        raise UnsupportedConfig("'nfs' host must use TCP protocol")


def chain(disk: Disk) -> None:
    """The images below the disk's."""
    store = disk.backing
    while store is not None and store.type is not None:
        format_name = store.format.type if store.format else None
        image_format(disk, store.type, format_name)
        if store.source is not None and store.type == "network":
            network(store.source, store.source.auth)
        if store.source is not None:
            encryption(store.source.encryption, format_name, _protocol(store.source, store.type))
        store = store.backing


def _protocol(one: DiskSource, type: str) -> str | None:
    return one.protocol if type == "network" else None


def image_format(disk: Disk, type: str, name: str | None) -> None:
    """A format that QEMU reads, from a source that can hold it."""
    if name == "cow":
        raise UnsupportedConfig("'cow' storage format is not supported")
    if name == "iso":
        raise UnsupportedConfig("storage format 'iso' is not directly supported by QEMU, use 'raw' instead")
    if name == "dir":
        raise UnsupportedConfig("'directory' storage format is not directly supported by QEMU, use 'dir' disk type "
                                "instead")
    if type == "dir" and name != "fat":
        raise UnsupportedConfig("storage type 'dir' requires use of storage format 'fat'")
    if name != "fat":
        return
    if type != "dir":
        raise UnsupportedConfig("storage format 'fat' is supported only with 'dir' storage type")
    if not disk.readonly:
        raise UnsupportedConfig("virtual FAT storage can't be accessed in read-write mode")


def encryption(one: Encryption | None, name: str | None, protocol: str | None) -> None:
    """Encryption that QEMU, or the RBD library, can undo."""
    if one is None:
        return
    if one.cipher is not None or one.ivgen is not None:
        raise UnsupportedConfig("supplying <cipher> for domain disk definition is unnecessary")
    if one.format in ("default", "qcow"):
        raise UnsupportedConfig("old qcow/qcow2 encryption is not supported")
    if one.engine == "librbd":
        if protocol != "rbd":
            raise UnsupportedConfig("librbd encryption is supported only with RBD backed disks")
        return
    if one.format == "luks2":
        raise UnsupportedConfig("luks2 is currently not supported by the qemu encryption engine")
    if name not in ("raw", "qcow2"):
        raise UnsupportedConfig("encryption is supported only with 'raw' and 'qcow2' image format")


def limits(disk: Disk) -> None:
    """Limits that QEMU can count to."""
    if disk.iotune is not None and any(value > HIGHEST_LIMIT for value in disk.iotune.limits.values()):
        raise ArgumentUnsupported(f"block I/O throttle limit must be no more than {HIGHEST_LIMIT} using QEMU")
