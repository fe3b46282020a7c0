"""The TPM on QEMU's command line, and the program that emulates one."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.devices.tpm import Backend, Tpm
from virtctl.errors import UnsupportedConfig
from virtctl.qemu.build import builds, device_opt
from virtctl.qemu.plan import Plan

TPM_SOCKET = "swtpm.sock"


@builds(Tpm)
def build_tpm(tpm: Tpm, plan: Plan) -> Iterator[Opt]:
    """A TPM: the host's own, or one behind a socket: the emulator that `prepare` started, or somebody else's."""
    backend = tpm.backend or Backend()
    name: tuple[str, Value] = ("id", f"tpm-{tpm.id}")
    if backend.type == "passthrough":
        yield Opt("tpmdev", props("passthrough", [name, ("path", backend.device)]))
    elif backend.type in ("emulator", "external"):
        outside = backend.source.path if backend.source and backend.type == "external" else None
        yield Opt("chardev", props("socket", [("id", "chrtpm"), ("path", outside or TPM_SOCKET)]))
        yield Opt("tpmdev", props("emulator", [name, ("chardev", "chrtpm")]))
    else:
        raise UnsupportedConfig(f"TPM backend '{backend.type}' is not supported at start")
    yield device_opt(tpm.model or "tpm-tis", tpm, plan, [("tpmdev", f"tpm-{tpm.id}")])
