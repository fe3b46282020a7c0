#!/usr/bin/env python3
"""Writes a disk image that boots by itself and counts: a whole guest in one sector, with nothing to download.

About nine times a second it prints `counter 00000001` on its first serial port and writes the same line to the
second sector of its disk (on BIOS machines: pc or q35, disk on ide, sata, scsi, virtio or usb). It starts at 1 at
each boot, so a count that goes on after `restore` proves that the memory came back.

    python3 examples/counter_guest.py DISK.img
"""

from __future__ import annotations

import argparse
from pathlib import Path

SECTOR = 512
LOAD_ADDRESS = 0x7C00  # where the BIOS puts the boot sector
BUFFER = 0x7E00  # the sector that is written: just behind the boot sector
TICKS = 0x046C  # the BIOS counts timer ticks here, 18.2 in a second
COM1 = 0x3F8


class Code:
    """A 16-bit assembler of the smallest kind: bytes in, labels remembered, references filled in at the end."""

    def __init__(self, origin: int = LOAD_ADDRESS) -> None:
        self.origin = origin
        self.code = bytearray()
        self.labels: dict[str, int] = {}
        self.fixups: list[tuple[int, str, bool]] = []  # position, label, True for a relative byte

    def __call__(self, *opcode: int, word: int | None = None, to: str = "", at: str = "") -> None:
        """One instruction: its bytes, then a 16-bit number, a short jump `to` a label, or the address `at` one."""
        self.code += bytes(opcode)
        if word is not None:
            self.code += word.to_bytes(2, "little")
        if to or at:
            self.fixups.append((len(self.code), to or at, bool(to)))
            self.code += bytes(1 if to else 2)

    def call(self, label: str) -> None:
        """`call label`: a 16-bit relative call."""
        self.code.append(0xE8)
        self.fixups.append((len(self.code), f"call {label}", True))
        self.code += bytes(2)

    def label(self, name: str) -> None:
        """Gives the next byte a name."""
        self.labels[name] = self.origin + len(self.code)

    def boot_sector(self) -> bytes:
        """The finished 512 bytes, references filled in, with the mark that makes a BIOS boot them."""
        for position, name, relative in self.fixups:
            called = name.removeprefix("call ")
            size = 1 if relative and called == name else 2
            value = self.labels[called]
            if relative:
                value -= self.origin + position + size
            self.code[position : position + size] = value.to_bytes(size, "little", signed=relative)
        assert len(self.code) <= SECTOR - 2, "the code does not fit in a boot sector"
        return bytes(self.code.ljust(SECTOR - 2, b"\0")) + b"\x55\xaa"


def begin(code: Code, line: bytes) -> None:
    """Sets up segments and stack, remembers the disk we came from, and puts `line` in the empty write buffer."""
    code(0xFA)  # cli
    code(0x31, 0xC0)  # xor ax, ax
    code(0x8E, 0xD8)  # mov ds, ax
    code(0x8E, 0xC0)  # mov es, ax
    code(0x8E, 0xD0)  # mov ss, ax
    code(0xBC, word=LOAD_ADDRESS)  # mov sp, 0x7c00
    code(0xFB)  # sti
    code(0xFC)  # cld
    code(0x88, 0x16, at="drive")  # mov [drive], dl
    code(0xBF, word=BUFFER)  # mov di, BUFFER
    code(0xB9, word=SECTOR // 2)  # mov cx, 256
    code(0xF3, 0xAB)  # rep stosw: zeros
    code(0xBE, at="line")  # mov si, line
    code(0xBF, word=BUFFER)  # mov di, BUFFER
    code(0xB9, word=len(line))  # mov cx, length of line
    code(0xF3, 0xA4)  # rep movsb


def count(code: Code, last_digit: int) -> None:
    """Adds one to the decimal number in the buffer that ends at offset `last_digit`."""
    code(0xBB, word=BUFFER + last_digit)  # mov bx, address of the last digit
    code.label("digit")
    code(0xFE, 0x07)  # inc byte [bx]
    code(0x80, 0x3F, ord("9"))  # cmp byte [bx], '9'
    code(0x76, to="counted")  # jbe counted
    code(0xC6, 0x07, ord("0"))  # mov byte [bx], '0'
    code(0x4B)  # dec bx
    code(0xEB, to="digit")  # jmp digit: carry one
    code.label("counted")


def print_routine(code: Code) -> None:
    """`print`: sends the zero-terminated text at SI to COM1."""
    code.label("print")
    code(0xBA, word=COM1 + 5)  # mov dx, line status register
    code.label("busy")
    code(0xEC)  # in al, dx
    code(0xA8, 0x20)  # test al, 0x20: transmitter empty?
    code(0x74, to="busy")  # jz busy
    code(0xAC)  # lodsb
    code(0x84, 0xC0)  # test al, al
    code(0x74, to="printed")  # jz printed
    code(0xBA, word=COM1)  # mov dx, COM1
    code(0xEE)  # out dx, al
    code(0xEB, to="print")  # jmp print
    code.label("printed")
    code(0xC3)  # ret


def sleep(code: Code, ticks: int) -> None:
    """Waits for so many timer ticks, halted, so that the host's processor is free meanwhile."""
    code(0xB9, word=ticks)  # mov cx, ticks
    code.label("tick")
    code(0xA1, word=TICKS)  # mov ax, [TICKS]
    code.label("wait")
    code(0xF4)  # hlt: until the next interrupt
    code(0x3B, 0x06, word=TICKS)  # cmp ax, [TICKS]
    code(0x74, to="wait")  # je wait
    code(0xE2, to="tick")  # loop tick


def counter_sector() -> bytes:
    """The boot sector of the counting guest."""
    line = b"counter 00000000\r\n"
    code = Code()
    begin(code, line)
    code.label("loop")
    count(code, line.index(b"\r") - 1)
    code(0xB8, word=0x0301)  # mov ax, write one sector
    code(0xBB, word=BUFFER)  # mov bx, BUFFER
    code(0xB9, word=0x0002)  # mov cx, cylinder 0, sector 2 (they are counted from 1)
    code(0xB6, 0x00)  # mov dh, head 0
    code(0x8A, 0x16, at="drive")  # mov dl, [drive]
    code(0xCD, 0x13)  # int 0x13
    code(0xBE, at="failed")  # mov si, failed
    code(0x72, to="say")  # jc say
    code(0xBE, word=BUFFER)  # mov si, BUFFER
    code.label("say")
    code.call("print")  # call print
    sleep(code, ticks=2)
    code(0xEB, to="loop")  # jmp loop
    print_routine(code)
    code.label("drive")
    code.code += b"\0"
    code.label("line")
    code.code += line
    code.label("failed")
    code.code += b"the disk cannot be written\r\n\0"
    return code.boot_sector()


def write_image(path: Path, sector: bytes, size: int) -> None:
    """Makes a sparse raw image of `size` bytes that starts with `sector`."""
    with path.open("wb") as image:
        image.write(sector)
        image.truncate(size)


def main() -> None:
    """Reads the command line and writes the image."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", type=Path, help="file to write; an older one is replaced")
    parser.add_argument("--mib", type=int, default=1, help="size of the disk in MiB (default: 1)")
    options = parser.parse_args()
    write_image(options.image, counter_sector(), options.mib * 2**20)


if __name__ == "__main__":
    main()
