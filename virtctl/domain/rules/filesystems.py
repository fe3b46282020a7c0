"""What libvirt refuses of a file system although each of its words is legal."""

from __future__ import annotations

from virtctl.domain.devices.filesystem import Filesystem
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import UnsupportedConfig


def filesystems(domain: Domain, host: Host) -> None:
    """Every file system by itself."""
    found = domain.devices.all(Filesystem) if domain.devices else []
    for one in found:
        kind(one)
        if one.driver_type == "virtiofs":
            virtiofs(one)
            if not shares_memory(domain):
                raise UnsupportedConfig("'virtiofs' requires shared memory")
            if sum(other.target == one.target and other.driver_type == "virtiofs" for other in found) > 1:
                raise UnsupportedConfig(f"filesystem target '{one.target}' specified twice")


def kind(one: Filesystem) -> None:
    """QEMU shares folders, by 9p or virtiofs."""
    if one.accessmode != "mapped" and (one.fmode is not None or one.dmode is not None):
        raise UnsupportedConfig("fmode and dmode must be used with accessmode=mapped")
    if one.type != "mount":
        raise UnsupportedConfig("only supports mount filesystem type")
    if one.driver_type == "handle" and one.accessmode != "passthrough":
        raise UnsupportedConfig("only supports passthrough accessmode")
    if one.boot is not None and one.driver_type != "virtiofs":
        raise UnsupportedConfig("boot order is only supported for virtiofs")
    if one.driver_type not in (None, "path", "handle", "virtiofs"):
        raise UnsupportedConfig("Filesystem driver type not supported")


def virtiofs(one: Filesystem) -> None:
    """virtiofsd does the work, and knows little of what 9p can be told."""
    if one.readonly and (one.source is None or one.source.socket is None):
        raise UnsupportedConfig("virtiofs does not yet support read-only mode")
    if one.accessmode not in (None, "passthrough"):
        raise UnsupportedConfig("virtiofs only supports passthrough accessmode")
    if one.wrpolicy is not None:
        raise UnsupportedConfig("virtiofs does not support wrpolicy")
    if one.model is not None:
        raise UnsupportedConfig("virtiofs does not support model")
    if one.format is not None:
        raise UnsupportedConfig("virtiofs does not support format")
    if one.multidevs is not None:
        raise UnsupportedConfig("virtiofs does not support multidevs")


def shares_memory(domain: Domain) -> bool:
    """Whether another process may map all of the guest's memory."""
    default = domain.memory_backing.access if domain.memory_backing else None
    cells = domain.cpu.numa.cells if domain.cpu and domain.cpu.numa else []
    return all((access or default) == "shared" for access in [cell.access for cell in cells] or [None])
