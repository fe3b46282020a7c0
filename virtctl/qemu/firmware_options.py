"""Firmware on QEMU's command line: BIOS and UEFI images, the variable store, SMBIOS and fw_cfg tables."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.domain import Domain
from virtctl.domain.sysinfo import Entry, Sysinfo
from virtctl.qemu.board import nvram_path
from virtctl.qemu.plan import Plan

_SMBIOS_KEYS = {"vendor": "vendor", "version": "version", "date": "date", "release": "release",
                "manufacturer": "manufacturer", "product": "product", "serial": "serial", "uuid": "uuid",
                "sku": "sku", "family": "family", "asset": "asset", "location": "location"}


def firmware_options(plan: Plan) -> Iterator[Opt]:
    """The loader, its variables, and what the tables say."""
    domain = plan.domain
    loader = domain.os.loader if domain.os else None
    if loader is not None and loader.path:
        if loader.type == "pflash":
            yield Opt("drive", props(None, [("if", "pflash"), ("unit", 0), ("format", loader.format or "raw"),
                                            ("readonly", loader.readonly is not False), ("file", loader.path)]))
            if loader.secure:
                yield Opt("global", "driver=cfi.pflash01,property=secure,value=on")
        else:
            yield Opt("bios", loader.path)
    store = nvram_path(domain)
    if store is not None and domain.os is not None and domain.os.nvram is not None:
        yield Opt("drive", props(None, [("if", "pflash"), ("unit", 1), ("format", domain.os.nvram.format or "raw"),
                                        ("file", store)]))
    yield from _tables(domain)


def _tables(domain: Domain) -> Iterator[Opt]:
    for table in domain.sysinfo:
        if table.type == "fwcfg":
            yield from _fw_cfg(table)
        elif domain.os is not None and domain.os.smbios == "sysinfo":
            yield from _smbios(table)


def _fw_cfg(table: Sysinfo) -> Iterator[Opt]:
    for entry in table.entries:
        source: tuple[str, Value] = ("file", entry.file) if entry.file else ("string", entry.value)
        yield Opt("fw_cfg", props(None, [("name", entry.name), source]))


def _smbios(table: Sysinfo) -> Iterator[Opt]:
    groups: list[tuple[int, list[Entry]]] = [(0, table.bios), (1, table.system)]
    groups += [(2, board.entries) for board in table.boards] + [(3, table.chassis)]
    for number, entries in groups:
        if entries:
            pairs: list[tuple[str, Value]] = [(_SMBIOS_KEYS.get(entry.name or "", entry.name or ""), entry.value)
                                              for entry in entries]
            yield Opt("smbios", props(None, [("type", number), *pairs]))
    if table.oem_strings:
        yield Opt("smbios", props(None, [("type", 11), *(("value", entry.value) for entry in table.oem_strings)]))
