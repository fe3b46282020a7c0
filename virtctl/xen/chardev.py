"""The strings by which Xen names the host's side of a serial or parallel port: `pty`, `tcp:host:port,server`, ..."""

from __future__ import annotations

from virtctl.errors import UnsupportedConfig
from virtctl.xen.guest import Chardev

_BARE = ("pty", "null", "stdio", "vc")
_LISTENING = ",server,nowait"


def _malformed(text: str) -> UnsupportedConfig:
    return UnsupportedConfig(f"malformed char device string '{text}'")


def _host_port(text: str) -> tuple[str | None, str | None]:
    host, _, service = text.rpartition(":")
    return host.strip("[]") or None, service or None


def _udp(rest: str) -> Chardev:
    remote, at, local = rest.partition("@")
    host, service = _host_port(remote)
    bind_host, bind_service = _host_port(local) if at else (None, None)
    return Chardev("udp", host=host, service=service, bind_host=bind_host, bind_service=bind_service)


def _stream(kind: str, rest: str) -> Chardev:
    where, _, options = rest.partition(",")
    listen = any(option.partition("=")[0] == "server" and not option.endswith("=off") for option in options.split(","))
    if kind == "unix":
        return Chardev("unix", path=where, listen=listen)
    if ":" not in where:
        raise _malformed(f"{kind}:{rest}")
    host, service = _host_port(where)
    return Chardev("tcp", host=host, service=service, listen=listen, telnet=kind == "telnet")


def parse_chardev(text: str) -> Chardev:
    """The meaning of a serial string. Raises UnsupportedConfig for one that nobody knows."""
    if text.startswith("/"):
        return Chardev("dev", path=text)
    kind, _, rest = text.partition(":")
    if kind in _BARE:
        return Chardev(kind)
    if kind not in ("file", "pipe", "tcp", "telnet", "udp", "unix"):
        raise UnsupportedConfig(f"unknown chr device type '{kind}'")
    if not rest:
        raise _malformed(text)
    if kind in ("file", "pipe"):
        return Chardev(kind, path=rest)
    return _udp(rest) if kind == "udp" else _stream(kind, rest)


def _with_port(host: str | None, service: str | None) -> str:
    shown = f"[{host}]" if host and ":" in host else host or ""
    return f"{shown}:{service or ''}"


def format_chardev(chardev: Chardev) -> str:
    """The string; UnsupportedConfig for a kind that Xen does not have."""
    kind, path = chardev.kind, chardev.path or ""
    if kind in _BARE:
        return kind
    if kind == "dev":
        return path
    if kind in ("file", "pipe"):
        return f"{kind}:{path}"
    tail = _LISTENING if chardev.listen else ""
    if kind == "tcp":
        return ("telnet:" if chardev.telnet else "tcp:") + _with_port(chardev.host, chardev.service) + tail
    if kind == "udp":
        local = _with_port(chardev.bind_host, chardev.bind_service)
        return f"udp:{_with_port(chardev.host, chardev.service)}@{local}"
    if kind == "unix":
        return f"unix:{path}{tail}"
    raise UnsupportedConfig(f"unsupported chr device type '{kind}'")
