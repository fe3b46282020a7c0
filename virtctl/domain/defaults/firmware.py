"""What the firmware's file and its variables leave open."""

from __future__ import annotations

from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.os import Nvram


def firmware(domain: Domain, host: Host) -> None:
    """A loader without a type is a ROM; one that the guest cannot write gets a file for its variables."""
    os = domain.os
    if os is None or os.loader is None:
        return
    loader = os.loader
    if loader.path is not None and loader.type is None:
        loader.type = "rom"
    if os.firmware is None and loader.type == "pflash" and loader.path is not None \
            and loader.readonly and not loader.stateless:
        os.nvram = os.nvram or Nvram()
        if not os.nvram.placed:
            os.nvram.path = f"{host.nvram_dir}/{domain.name}_VARS.fd"
