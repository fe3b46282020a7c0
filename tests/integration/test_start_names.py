"""Names that need care: commas, quotes, backslashes, blanks, foreign letters and dashes reach QEMU as they are; what
looks like one of its protocols is a file; no secret is ever on a command line.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from tests.support.devices import Bench
from tests.support.program import Program, pids_below

pytestmark = pytest.mark.qemu

NAMES = [
    "a,b", "a,readonly=on,c", ",", "a,,b", 'quote"d', "apo'strophe", "back\\slash", "two  blanks", " first", "last ",
    "-dash", "--help", "json:{}", "fat:x", "nbd:h:1", "null-co:x", "a:b", "%s%n", "$HOME;`id`", "new\nline",
    "tab\there", "Ûnïcödé ě 名前", "\u009b[2J", "x" * 200,
]


@pytest.fixture
def bench(virtctl: Program, tmp_path: Path) -> Bench:
    return Bench(virtctl, tmp_path)


def attribute(text: str | Path) -> str:
    """An attribute's value; line ends and tabs must be spelled out or XML makes blanks of them."""
    return quoteattr(str(text), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


@pytest.mark.fault(79, 80)
@pytest.mark.parametrize("name", NAMES, ids=[str(number) for number in range(len(NAMES))])
def test_paths_reach_qemu_as_they_are(bench: Bench, name: str) -> None:
    image, disc, log = bench.image(f"{name}.img"), bench.image(f"{name}.iso"), bench.folder / f"{name}.log"
    bench.start(
        f"<disk type='file'><driver name='qemu' type='raw'/><source file={attribute(image)}/><target dev='vda'/></disk>"
        f"<disk type='file' device='cdrom'><source file={attribute(disc)}/><target dev='hda' bus='ide'/></disk>"
        f"<serial type='file'><source path={attribute(log)}/></serial>")
    assert {str(image), str(disc)} <= bench.opened()
    assert log.exists()  # the log keeper has it open
    doubled = str(image).replace(",", ",,")
    assert any(f",file={doubled}," in word for word in bench.words())


@pytest.mark.fault(79)
@pytest.mark.parametrize("name", ["odd, name=x", 'quo"te', "back\\slash", "two  blanks", "$HOME", "ě名前", "a=b,S=x"])
def test_domains_of_any_name(bench: Bench, name: str) -> None:
    document = bench.document("")
    document.write_text(document.read_text().replace("<name>bench</name>", f"<name>{name}</name>"), encoding="utf-8")
    bench.program.ok("define", document)
    bench.program.ok("start", "--domain", name, "--paused")
    assert f"guest={name.replace(',', ',,')},debug-threads=on" in bench.words()
    bench.program.ok("destroy", "--domain", name)
    bench.program.ok("undefine", "--domain", name)


@pytest.mark.fault(79)
def test_a_kernel_of_any_name(bench: Bench) -> None:
    kernel = bench.folder / "vm, linuz"
    kernel.write_bytes(boot_sector())
    bench.start("", os=f"<kernel>{kernel}</kernel><cmdline>a=\"b,c\" -- 'd' \\e</cmdline>")
    words = bench.words()
    assert words[words.index("-kernel") + 1] == str(kernel)
    assert words[words.index("-append") + 1] == "a=\"b,c\" -- 'd' \\e"


def boot_sector() -> bytes:
    """The least that QEMU takes for a Linux kernel: a header of version 2.6."""
    header = bytearray(4096)
    header[0x1F1] = 1
    header[0x1FE:0x200] = b"\x55\xaa"
    header[0x202:0x206] = b"HdrS"
    header[0x206:0x208] = (0x206).to_bytes(2, "little")
    header[0x211] = 1
    return bytes(header)


@pytest.mark.fault(80)
def test_relative_paths_are_refused(bench: Bench) -> None:
    for source in ("json:{}", "fat:/etc", "nbd:localhost:1", "relative.img"):
        words = bench.refused(f"<disk type='file'><source file={attribute(source)}/><target dev='vda'/></disk>")
        assert source in words


@pytest.mark.fault(81)
def test_a_guest_cannot_make_its_raw_disk_something_else(bench: Bench) -> None:
    """A raw disk into which the guest wrote the header of another format stays raw."""
    image = bench.image("a")
    image.write_bytes(b"QFI\xfb" + b"\0\0\0\x03" + bytes(1 << 20))
    bench.start(f"<disk type='file'><source file='{image}'/><target dev='vda'/></disk>")
    assert f"{image} (raw)" in bench.monitor("info block")


@pytest.mark.parametrize("kind", ["vnc", "spice"])
def test_passwords_are_never_on_a_command_line(bench: Bench, kind: str) -> None:
    if kind == "spice" and not list(Path("/usr/lib").glob("*/qemu/ui-spice-core.so")):
        pytest.skip("the SPICE module of QEMU is not installed")
    bench.start(f"<graphics type='{kind}' autoport='yes' passwd='s3samE' passwdValidTo='2037-01-01T00:00:00'/>")
    assert not any("s3samE" in word for word in bench.words())
    assert "s3samE" not in bench.log()
    assert "s3samE" not in bench.program.ok("dumpxml", "bench")
    assert "s3samE" in bench.program.ok("dumpxml", "bench", "--security-info")
    (pid,) = pids_below(bench.program.root)
    assert b"s3samE" not in Path(f"/proc/{pid}/environ").read_bytes()
    if kind == "vnc":
        assert "Auth: vnc" in bench.monitor("info vnc")


@pytest.mark.fault(79)
def test_vnc_on_a_socket_of_any_name(bench: Bench) -> None:
    folder = Path(f"/tmp/virtctl-{os.getpid()}")  # short, as sockets need it
    folder.mkdir()
    place = folder / "vnc=1,a.sock"
    try:
        bench.start(f"<graphics type='vnc' socket='{place}'/>")
        assert place.is_socket()
        bench.end()
        bench.start(f"<graphics type='vnc' socket='{place}'/>")  # what the first left behind is no obstacle
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_vnc_for_web_browsers(bench: Bench) -> None:
    bench.start("<graphics type='vnc' autoport='yes' websocket='-1'/>")
    shown = bench.program.ok("dumpxml", "bench", "--xpath", "//graphics/@websocket")
    assert "5" in shown
    assert "(Websocket)" in bench.monitor("info vnc")
