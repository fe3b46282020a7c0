"""A guest of one boot sector that fills its memory with random words, and then counts on its disk.

What a saved image of it holds cannot be compressed, left out or taken from somewhere else.
"""

from __future__ import annotations

from pathlib import Path

from examples.counter_guest import BUFFER, Code, begin, count, print_routine, sleep, write_image

FIRST = 1 << 20  # the guest fills from here ...
SPARE = 4 << 20  # ... to so many bytes below the end, where the BIOS keeps its tables


def random_image(path: Path, memory: int) -> Path:
    """A disk whose guest fills `memory` MiB and then counts about nine times a second, as the counting guest does."""
    write_image(path, random_sector((memory << 20) - SPARE), 2**20)
    return path


def random_sector(end: int) -> bytes:
    """The boot sector of the guest that fills its memory up to address `end`."""
    line = b"counter 00000000\r\n"
    code = Code()
    begin(code, line)
    reach_all_memory(code)
    fill(code, end)
    code.label("loop")
    count(code, line.index(b"\r") - 1)
    code(0xB8, word=0x0301)  # mov ax, write one sector
    code(0xBB, word=BUFFER)  # mov bx, BUFFER
    code(0xB9, word=0x0002)  # mov cx, cylinder 0, sector 2
    code(0xB6, 0x00)  # mov dh, head 0
    code(0x8A, 0x16, at="drive")  # mov dl, [drive]
    code(0xCD, 0x13)  # int 0x13
    code(0xBE, word=BUFFER)  # mov si, BUFFER
    code.call("print")
    sleep(code, ticks=2)
    code(0xEB, to="loop")  # jmp loop
    print_routine(code)
    code.label("drive")
    code.code += b"\0"
    code.label("line")
    code.code += line
    code.label("gdt")  # nothing, and a segment of data that is 4 GiB long
    code.code += bytes(8) + bytes.fromhex("ffff0000 0092cf00")
    code.label("gdtr")
    code.code += (15).to_bytes(2, "little")
    code(at="gdt")
    code.code += bytes(2)
    return code.boot_sector()


def reach_all_memory(code: Code) -> None:
    """Gives ES the length of 4 GiB by a moment in protected mode; interrupts stay off until the memory is full."""
    code(0xFA)  # cli
    code(0xE4, 0x92)  # in al, 0x92
    code(0x0C, 0x02)  # or al, 2: address line 20
    code(0xE6, 0x92)  # out 0x92, al
    code(0x06)  # push es
    code(0x0F, 0x01, 0x16, at="gdtr")  # lgdt [gdtr]
    code(0x0F, 0x20, 0xC0)  # mov eax, cr0
    code(0x0C, 0x01)  # or al, 1
    code(0x0F, 0x22, 0xC0)  # mov cr0, eax
    code(0xBB, word=8)  # mov bx, 8
    code(0x8E, 0xC3)  # mov es, bx
    code(0x24, 0xFE)  # and al, ~1
    code(0x0F, 0x22, 0xC0)  # mov cr0, eax
    code(0x07)  # pop es


def fill(code: Code, end: int) -> None:
    """Marsaglia's xorshift of 32 bits: no word comes twice in 16 GiB."""
    code(0x66, 0xBF, *FIRST.to_bytes(4, "little"))  # mov edi, FIRST
    code(0x66, 0xB9, *((end - FIRST) // 4).to_bytes(4, "little"))  # mov ecx, words
    code(0x66, 0xB8, *(2463534242).to_bytes(4, "little"))  # mov eax, seed
    code.label("fill")
    for shift, bits in ((0xE2, 13), (0xEA, 17), (0xE2, 5)):
        code(0x66, 0x89, 0xC2)  # mov edx, eax
        code(0x66, 0xC1, shift, bits)  # shl or shr edx, bits
        code(0x66, 0x31, 0xD0)  # xor eax, edx
    code(0x67, 0x66, 0xAB)  # stosd to ES:EDI
    code(0x66, 0x49)  # dec ecx
    code(0x75, to="fill")  # jnz fill
    code(0xFB)  # sti
