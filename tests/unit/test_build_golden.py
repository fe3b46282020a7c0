"""The command line of each document in tests/golden/qemu, an option a line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.golden import Golden
from virtctl.domain.host import Firmware, Host
from virtctl.domain.pipeline import complete
from virtctl.paths import Paths
from virtctl.qemu.build import build_argv
from virtctl.qemu.context import Context
from virtctl.qemu.startup import dry_plan

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "qemu"
EMULATOR = "/usr/bin/qemu-system-x86_64"
OVMF = "/usr/share/OVMF"
NOW = re.compile(r"base=\d{4}-\d\d-\d\dT[\d:]+")


def _firmware(name: str, *features: str) -> Firmware:
    return Firmware(
        name, ("uefi",), "flash", f"{OVMF}/OVMF_CODE_4M{name}.fd", "raw", f"{OVMF}/OVMF_VARS_4M.fd", "raw",
        (("x86_64", ("pc-q35-*",)),), frozenset(features),
    )


HOST = Host(
    emulators=(("x86_64", EMULATOR), ("i686", EMULATOR)),
    firmware=(_firmware(".ms", "requires-smm", "secure-boot", "enrolled-keys"),
              _firmware(".secboot", "requires-smm", "secure-boot"), _firmware("")),
    nvram_dir="/state/lib/qemu/nvram",
    tpm_versions=("1.2", "2.0"),
)


def lines(document: Path) -> str:
    """An option with its value a line; what depends on the day or the machine is taken out."""
    context = Context(Paths.under(Path("/state")))
    context.__dict__["host"] = HOST
    plan = dry_plan(context, complete(document.read_bytes(), HOST))
    plan.hugetlbfs, plan.huge_page_default = {2048: "/dev/hugepages", 1048576: "/dev/hugepages1G"}, 2048
    out: list[str] = []
    for word in build_argv(plan):
        if out and not word.startswith("-"):
            out[-1] += f" {word}"
        else:
            out.append(word)
    text = "\n".join(out) + "\n"
    return text if "start=" in document.read_text() else NOW.sub("base=NOW", text)


@pytest.mark.parametrize("document", sorted(FOLDER.glob("*.xml")), ids=lambda path: path.stem)
def test_command_line(document: Path, golden: Golden) -> None:
    golden(document.with_suffix(".args"), lines(document))
