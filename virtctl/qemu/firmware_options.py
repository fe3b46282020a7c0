"""Firmware on QEMU's command line: BIOS and UEFI images, the variable store, SMBIOS and fw_cfg tables."""

from __future__ import annotations

from collections.abc import Iterator

from virtctl.argv import Opt, Value, props
from virtctl.domain.domain import Domain
from virtctl.domain.os import Nvram
from virtctl.domain.sysinfo import Entry, Sysinfo
from virtctl.qemu.drive_sources import Pairs, Place, image_pairs
from virtctl.qemu.plan import Plan

NVRAM_SET = 1000  # the number of its set of descriptors, above those of the logs


def firmware_options(plan: Plan) -> Iterator[Opt]:
    """The loader and its variables."""
    boot = plan.domain.os
    loader = boot.loader if boot else None
    if loader is not None and loader.path:
        if loader.type != "pflash":
            yield Opt("bios", loader.path)
            return
        yield Opt("drive", props(None, [("if", "pflash"), ("unit", 0), ("format", "raw"),
                                        ("readonly", loader.readonly is True), ("file", loader.path)]))
        if loader.secure:
            yield Opt("global", "driver=cfi.pflash01,property=secure,value=on")
    if boot is not None and boot.nvram is not None and boot.nvram.placed:
        yield Opt("drive", props(None, [("if", "pflash"), ("unit", 1), ("format", "raw"),
                                        *_variables(boot.nvram, plan)]))


def _variables(store: Nvram, plan: Plan) -> Pairs:
    if plan.nvram_fds:
        return [("file", f"/dev/fdset/{NVRAM_SET}")]
    if store.source is None:
        return [("file", store.path)]
    return image_pairs(Place(store.type or "file", store.source, "nvram", "pflash1"), writable=True)


def table_options(domain: Domain) -> Iterator[Opt]:
    """SMBIOS and fw_cfg."""
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
    groups: list[tuple[int, list[Entry]]] = [(0, table.bios.entries if table.bios else []),
                                             (1, table.system.entries if table.system else [])]
    groups += [(2, board.entries) for board in table.boards]
    groups.append((3, table.chassis.entries if table.chassis else []))
    for number, entries in groups:
        if entries:
            named = [(entry.name or "", entry.value) for entry in entries]
            yield Opt("smbios", props(None, [("type", number), *named]))
    if table.oem_strings is not None and table.oem_strings.entries:
        strings = [("value", entry.value) for entry in table.oem_strings.entries]
        yield Opt("smbios", props(None, [("type", 11), *strings]))
