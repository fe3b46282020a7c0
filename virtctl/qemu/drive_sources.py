"""Where the bytes of a drive are, as QEMU's block options: files, devices, and what lies on other hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices.disk_source import DiskSource
from virtctl.errors import UnsupportedConfig

Pairs = list[tuple[str, Value]]
NBD_TLS = "/etc/pki/qemu"


class Place(NamedTuple):
    """A source with what messages need: `what` names it (`disk 'vda'`), `id` names QEMU's objects for it."""

    type: str
    source: DiskSource
    what: str
    id: str


def image_pairs(place: Place, *, floppy: bool = False, writable: bool = False) -> Pairs:
    """The `file=` or `file.*` options. An absolute path is never taken for a protocol."""
    source = place.source
    if source.encryption or source.auth:
        raise UnsupportedConfig(f"{place.what}: encryption and authentication need a secret store, "
                                "which this connection does not have")
    if source.fdgroup:
        raise UnsupportedConfig(f"{place.what}: descriptors cannot be passed in (fdgroup)")
    if place.type in ("file", "block"):
        path = source.file if place.type == "file" else source.dev
        if path is None or not path.startswith("/"):
            raise UnsupportedConfig(f"{place.what}: path '{path}' is not absolute")
        return [("file", path), *_reservations(place)]
    if place.type == "network":
        protocol = _PROTOCOLS.get(source.protocol or "")
        if protocol is None:
            raise UnsupportedConfig(f"{place.what}: protocol '{source.protocol}' is not supported by this QEMU")
        return [("file.driver", source.protocol), *protocol(source, place)]
    if place.type == "dir":
        return [("file.driver", "vvfat"), ("file.dir", source.dir), ("file.floppy", floppy), ("file.rw", writable)]
    return _rare(place)


def _rare(place: Place) -> Pairs:
    source = place.source
    if place.type == "nvme" and source.address is not None:
        return [("file.driver", "nvme"), ("file.device", str(source.address)), ("file.namespace", source.namespace)]
    if place.type == "volume":
        raise UnsupportedConfig(f"{place.what}: volume '{source.volume}' of pool '{source.pool}' cannot be found: "
                                "virtctl has no storage pools", hint="name the file or device itself")
    raise UnsupportedConfig(f"{place.what}: source type '{place.type}' is not supported at start")


def object_options(place: Place) -> list[Opt]:
    """The `-object` options that a source refers to."""
    source, found = place.source, []
    if place.type == "network" and source.protocol == "nbd" and source.tls:
        found.append(Opt("object", props("tls-creds-x509", [
            ("id", f"{place.id}-tls"), ("dir", NBD_TLS), ("endpoint", "client"), ("verify-peer", True)])))
    if place.type == "network" and source.cookies:
        found.append(Opt("object", props("secret", [("id", f"{place.id}-cookies"), ("file", cookie_file(place.id))])))
    if source.reservations is not None:
        helper = source.reservations.source
        if source.reservations.managed or helper is None:
            raise UnsupportedConfig(f"{place.what}: a managed reservation helper is not started by virtctl",
                                    hint="start qemu-pr-helper yourself and name its socket: managed='no'")
        found.append(Opt("object", props("pr-manager-helper", [("id", f"{place.id}-pr"), ("path", helper.path)])))
    return found


def cookie_file(name: str) -> str:
    """Where cookies wait for QEMU, in its own folder: they are nothing for a command line."""
    return f"{name}.cookies"


def cookie_text(source: DiskSource) -> str:
    """The cookies as a web server wants them."""
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in source.cookies)


def _reservations(place: Place) -> Pairs:
    return [("file.pr-manager", f"{place.id}-pr")] if place.source.reservations is not None else []


def _server(source: DiskSource, prefix: str) -> Pairs:
    host = source.hosts[0] if source.hosts else None
    if host is not None and host.transport == "unix":
        return [(f"{prefix}.type", "unix"), (f"{prefix}.path", host.socket)]
    name, port = (host.name, host.port) if host is not None else (None, None)
    return [(f"{prefix}.type", "inet"), (f"{prefix}.host", name), (f"{prefix}.port", port)]


def _nbd(source: DiskSource, place: Place) -> Pairs:
    creds = f"{place.id}-tls" if source.tls else None
    return [*_server(source, "file.server"), ("file.export", source.name), ("file.tls-creds", creds),
            ("file.tls-hostname", source.tls_hostname)]


def _web(source: DiskSource, place: Place) -> Pairs:
    host = source.hosts[0] if source.hosts else None
    name = host.name or "" if host else ""
    place_of = f"[{name}]" if ":" in name else name
    query = f"?{source.query}" if source.query else ""
    url = f"{source.protocol}://{place_of}:{host.port if host else ''}/{(source.name or '').lstrip('/')}{query}"
    cookies = f"{place.id}-cookies" if source.cookies else None
    return [("file.url", url), ("file.sslverify", source.ssl_verify), ("file.cookie-secret", cookies),
            ("file.readahead", source.readahead), ("file.timeout", source.timeout)]


def _iscsi(source: DiskSource, place: Place) -> Pairs:
    host = source.hosts[0] if source.hosts else None
    target, _, unit = (source.name or "").rpartition("/")
    if not target:
        target, unit = unit, "0"
    portal = f"{host.name}:{host.port}" if host else ""
    return [("file.portal", portal), ("file.target", target), ("file.lun", unit), ("file.transport", "tcp"),
            ("file.initiator-name", source.initiator)]


def _rbd(source: DiskSource, place: Place) -> Pairs:
    pool, _, image = (source.name or "").partition("/")
    namespace, _, image = image.rpartition("/")
    servers: Pairs = []
    for number, host in enumerate(source.hosts):
        servers += [(f"file.server.{number}.host", host.name), (f"file.server.{number}.port", host.port or 6789)]
    return [("file.pool", pool), ("file.namespace", namespace or None), ("file.image", image), *servers,
            ("file.snapshot", source.snapshot), ("file.conf", source.config)]


def _ssh(source: DiskSource, place: Place) -> Pairs:
    host = source.hosts[0] if source.hosts else None
    return [("file.path", source.name), ("file.server.host", host.name if host else None),
            ("file.server.port", host.port if host else None)]


def _nfs(source: DiskSource, place: Place) -> Pairs:
    host = source.hosts[0] if source.hosts else None
    ids = [(who or "").removeprefix("+") for who in (source.nfs_user, source.nfs_group)]
    if any(number and not number.isdecimal() for number in ids):
        raise UnsupportedConfig(f"{place.what}: user and group of an NFS source must be numbers: +{ids[0]}, +{ids[1]}")
    return [("file.server.host", host.name if host else None), ("file.server.type", "inet"),
            ("file.path", f"/{(source.name or '').lstrip('/')}"), ("file.user", ids[0] or None),
            ("file.group", ids[1] or None)]


def _gluster(source: DiskSource, place: Place) -> Pairs:
    volume, _, path = (source.name or "").lstrip("/").partition("/")
    servers: Pairs = []
    for number, host in enumerate(source.hosts):
        prefix = f"file.server.{number}"
        servers += [(f"{prefix}.type", "unix"), (f"{prefix}.path", host.socket)] if host.transport == "unix" else [
            (f"{prefix}.type", "inet"), (f"{prefix}.host", host.name), (f"{prefix}.port", host.port)]
    return [("file.volume", volume), ("file.path", path), *servers, ("file.debug", 4)]


_PROTOCOLS: dict[str, Callable[[DiskSource, Place], Pairs]] = {
    "nbd": _nbd, "http": _web, "https": _web, "ftp": _web, "ftps": _web, "iscsi": _iscsi, "rbd": _rbd, "ssh": _ssh,
    "nfs": _nfs, "gluster": _gluster}
