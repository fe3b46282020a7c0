"""A guest that runs Debian's cloud kernel, with an initramfs of busybox and one script.

`tests/run.sh` unpacks the kernel package below .venv/; nothing of it is installed. What the guest says on ttyS0:

    READY                     once its modules are loaded and it listens to the power button
    sector 00000001           after each sector of its disk that it wrote and synced, about ten times a second
    heard: TEXT               for each line typed on its console; `off`, `reboot` and `crash` are obeyed,
                              `devices` answers `devices: ...` with the disks and network cards
    power button              when ACPI asked it to stop; it then does
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from tests.support.guests import WRITER_FIRST, WRITER_SPAN

KERNEL_FOLDER = Path(__file__).parents[2] / ".venv" / "share" / "virtctl-tests" / "kernel"
BUSYBOX = Path("/bin/busybox")
CMDLINE = "console=ttyS0 quiet panic=-1"
MODULES = ("virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "ata_piix", "virtio_net", "button", "evdev")
APPLETS = ("sh", "mount", "insmod", "cat", "head", "dd", "printf", "sleep", "poweroff", "reboot", "tr", "ls", "grep")

INIT = f"""#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for module in $(cat /modules/order); do insmod "/modules/$module"; done
disk=/dev/vda
for candidate in /dev/vda /dev/sda; do [ -b "$candidate" ] && disk=$candidate && break; done
watch_button() {{
    head -c 24 "$1" >/dev/null
    echo 'power button'
    poweroff -f
}}
for name in /sys/class/input/event*/device/name; do
    event=${{name#/sys/class/input/}}
    grep -q 'Power Button' "$name" && watch_button "/dev/input/${{event%%/*}}" &
done
listen() {{
    while read -r words; do
        echo "heard: $words"
        case $words in
            devices) echo "devices:" $(ls /sys/block /sys/class/net) ;;
            off) poweroff -f ;;
            reboot) reboot -f ;;
            crash) echo c >/proc/sysrq-trigger ;;
        esac
    done
}}
listen </dev/ttyS0 &
echo READY
number=0
while :; do
    if [ -b "$disk" ]; then
        number=$((number + 1))
        line=$(printf 'sector %08d' "$number")
        printf '%s\\r\\n' "$line" |
            dd of="$disk" bs=512 seek=$(({WRITER_FIRST} + number % {WRITER_SPAN})) conv=notrunc,fsync 2>/dev/null &&
            echo "$line"
    fi
    sleep 0.1
done
"""


def kernel() -> Path | None:
    """The unpacked kernel image, None where tests/run.sh has not fetched one."""
    return next(iter(sorted(KERNEL_FOLDER.glob("boot/vmlinuz-*"), reverse=True)), None)


def build_initramfs(target: Path) -> Path:
    """Writes the initramfs: busybox, the modules in the order of their dependencies, and /init."""
    found = {path.stem.replace("-", "_"): path for path in KERNEL_FOLDER.glob("lib/modules/*/kernel/**/*.ko")}
    order = in_order(found)
    files = {
        "init": INIT.encode(),
        "bin/busybox": BUSYBOX.read_bytes(),
        "modules/order": "\n".join(f"{name}.ko" for name in order).encode(),
        **{f"modules/{name}.ko": found[name].read_bytes() for name in order},
    }
    with target.open("wb") as archive:
        for folder in ("bin", "dev", "modules", "proc", "sys"):
            archive.write(entry(folder, stat.S_IFDIR | 0o755))
        archive.write(entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)))
        for name, content in files.items():
            archive.write(entry(name, stat.S_IFREG | 0o755, content))
        for applet in APPLETS:
            archive.write(entry(f"bin/{applet}", stat.S_IFLNK | 0o777, b"busybox"))
        archive.write(entry("TRAILER!!!", 0))
    return target


def in_order(found: dict[str, Path]) -> list[str]:
    """The wanted modules that this kernel has as files, each behind what it depends on."""
    order: list[str] = []

    def add(name: str) -> None:
        if name not in found or name in order:
            return
        depends = re.search(rb"\0depends=([^\0]*)\0", found[name].read_bytes())
        for dependency in filter(None, (depends[1].decode() if depends else "").split(",")):
            add(dependency.replace("-", "_"))
        order.append(name)

    for name in MODULES:
        add(name)
    return order


def entry(name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> bytes:
    """One member of a cpio archive in the kernel's `newc` form: 13 hexadecimal fields, name, content, both padded."""
    encoded = os.fsencode(name) + b"\0"
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
    header = b"070701" + b"".join(b"%08x" % field for field in fields)
    return padded(header + encoded) + padded(content)


def padded(data: bytes) -> bytes:
    """The data, with zeros up to a multiple of four."""
    return data + bytes(-len(data) % 4)
