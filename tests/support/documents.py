"""Documents of the machines that the embedded guests run on."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

BOOT = "<boot dev='hd'/>"


def machine(
    name: str, image: Path, *, log: Path | None = None, target: str = "vda", bus: str = "virtio", extra: str = ""
) -> str:
    """A small pc with one raw disk and a serial port, in the file `log` or on a pty; `extra` goes into devices."""
    return document(name, devices=disk(image, target, bus) + serial(log) + extra)


def linux_machine(
    name: str, image: Path, log: Path | None, kernel: tuple[Path, Path], cmdline: str, form: str = "raw"
) -> str:
    """A pc that runs Linux straight from a kernel and an initramfs; `form` is its image's."""
    boot = f"<kernel>{kernel[0]}</kernel><initrd>{kernel[1]}</initrd><cmdline>{escape(cmdline)}</cmdline>"
    devices = disk(image, "vda", "virtio", form) + serial(log)
    return document(name, boot=boot, memory=128, devices=devices, extra="<features><acpi/><apic/></features>")


def document(name: str, *, devices: str, boot: str = BOOT, memory: int = 32, extra: str = "") -> str:
    """A whole document; memory in MiB."""
    return (
        f"<domain type='qemu'>\n<name>{escape(name)}</name>\n<memory unit='MiB'>{memory}</memory><vcpu>1</vcpu>"
        f"<os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os>{extra}"
        f"<devices>{devices}</devices></domain>"
    )


def disk(image: Path, target: str, bus: str, form: str = "raw") -> str:
    """A disk in a file."""
    source = escape(str(image), {"'": "&apos;"})
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{form}'/>"
        f"<source file='{source}'/><target dev='{target}' bus='{bus}'/></disk>"
    )


def serial(log: Path | None, policy: str = "") -> str:
    """A serial port that writes to a file, or a pty without one."""
    if log is None:
        return "<serial type='pty'/>"
    chosen = f" startupPolicy='{policy}'" if policy else ""
    return f"<serial type='file'><source path='{escape(str(log))}'{chosen}/></serial>"
