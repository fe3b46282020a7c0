"""Guests of one boot sector for tests, and how to read what they left on their disk."""

from __future__ import annotations

import re
from pathlib import Path

from examples.counter_guest import BUFFER, SECTOR, Code, begin, count, counter_sector, print_routine, write_image

WRITER_SPAN = 4096  # the writer goes round over so many sectors ...
WRITER_FIRST = 4096  # ... that begin here: sector number = WRITER_FIRST + count % WRITER_SPAN
WRITER_SAYS_EVERY = 64  # it prints one line for so many sectors written

_NUMBERED = re.compile(rb"(?:counter|sector) (\d{8})\r\n")


def counter_image(path: Path, mib: int = 1) -> Path:
    """A disk whose guest counts about nine times a second (see examples/counter_guest.py)."""
    write_image(path, counter_sector(), mib * 2**20)
    return path


def writer_image(path: Path, mib: int = 8) -> Path:
    """A disk whose guest writes numbered sectors as fast as it can, and prints each 64th number."""
    write_image(path, writer_sector(), mib * 2**20)
    return path


def writer_sector() -> bytes:
    """The boot sector of the guest that never stops writing; it uses the BIOS's extended write by sector number."""
    line = b"sector 00000000\r\n"
    code = Code()
    begin(code, line)
    code.label("loop")
    count(code, line.index(b"\r") - 1)
    code(0xFF, 0x06, at="number")  # inc word [number]
    code(0xA1, at="number")  # mov ax, [number]
    code(0x25, word=WRITER_SPAN - 1)  # and ax, span - 1
    code(0x05, word=WRITER_FIRST)  # add ax, first
    code(0xA3, at="lba")  # mov [lba], ax
    code(0xB8, word=0x4300)  # mov ax, extended write
    code(0xBE, at="packet")  # mov si, packet
    code(0x8A, 0x16, at="drive")  # mov dl, [drive]
    code(0xCD, 0x13)  # int 0x13
    code(0xBE, at="failed")  # mov si, failed
    code(0x72, to="say")  # jc say
    code(0xF6, 0x06, at="number")  # test byte [number], ...
    code(WRITER_SAYS_EVERY - 1)  # ... every - 1
    code(0x75, to="loop")  # jnz loop
    code(0xBE, word=BUFFER)  # mov si, BUFFER
    code.label("say")
    code.call("print")
    code(0xEB, to="loop")  # jmp loop
    print_routine(code)
    code.label("drive")
    code.code += b"\0"
    code.label("number")
    code.code += b"\0\0"
    code.label("line")
    code.code += line
    code.label("failed")
    code.code += b"the disk cannot be written\r\n\0"
    code.label("packet")
    code.code += b"\x10\0\1\0" + BUFFER.to_bytes(2, "little") + b"\0\0"  # size, sectors, address
    code.label("lba")
    code.code += bytes(8)
    return code.boot_sector()


FLOOD_LINE = b"counter %08d\r\n"
FLOOD_WRITES_EVERY = 1024  # lines


def flood_image(path: Path) -> Path:
    """A disk whose guest prints numbered lines as fast as it can, and writes each 1024th to its second sector."""
    write_image(path, flood_sector(), 2**20)
    return path


def flood_sector() -> bytes:
    """The boot sector of the guest that never stops printing."""
    line = FLOOD_LINE % 0
    code = Code()
    begin(code, line)
    code.label("loop")
    count(code, line.index(b"\r") - 1)
    code(0xFF, 0x06, at="number")  # inc word [number]
    code(0xF7, 0x06, at="number")  # test word [number], ...
    code.code += (FLOOD_WRITES_EVERY - 1).to_bytes(2, "little")  # ... every - 1
    code(0x75, to="say")  # jnz say
    code(0xB8, word=0x0301)  # mov ax, write one sector
    code(0xBB, word=BUFFER)  # mov bx, BUFFER
    code(0xB9, word=0x0002)  # mov cx, cylinder 0, sector 2
    code(0xB6, 0x00)  # mov dh, head 0
    code(0x8A, 0x16, at="drive")  # mov dl, [drive]
    code(0xCD, 0x13)  # int 0x13
    code.label("say")
    code(0xBE, word=BUFFER)  # mov si, BUFFER
    code.call("print")
    code(0xEB, to="loop")  # jmp loop
    print_routine(code)
    code.label("drive")
    code.code += b"\0"
    code.label("number")
    code.code += b"\0\0"
    code.label("line")
    code.code += line
    return code.boot_sector()


def printed_numbers(log: Path) -> list[int]:
    """The numbers of the whole lines that a guest printed, in order."""
    return [int(number) for number in _NUMBERED.findall(log.read_bytes())] if log.exists() else []


def last_printed(log: Path) -> int:
    """The last number that a guest printed, 0 before the first."""
    return (printed_numbers(log) or [0])[-1]


def number_in(image: Path, sector: int) -> int:
    """The number that a guest wrote to this sector of its raw disk, 0 for none."""
    with image.open("rb") as disk:
        disk.seek(sector * SECTOR)
        found = _NUMBERED.match(disk.read(SECTOR))
    return int(found[1]) if found else 0


def counter_on_disk(image: Path) -> int:
    """The count that the counting guest last wrote to its raw disk."""
    return number_in(image, 1)


def written_last(image: Path) -> int:
    """The highest number that the writing guest put on its raw disk, once it is seen that none before it is missing."""
    numbers = [number_in(image, WRITER_FIRST + place) for place in range(WRITER_SPAN)]
    last = max(numbers)
    for number in range(max(1, last - WRITER_SPAN + 1), last + 1):
        assert numbers[number % WRITER_SPAN] == number, f"write {number} of {last} is not on {image}"
    return last
