"""Sample configurations of every kind, there and back and to KVM, as somebody last found them right."""

from pathlib import Path

import pytest

from tests.support.golden import Golden
from virtctl.schema.node import to_text
from virtctl.xen.convert import from_format, guess_format, to_format
from virtctl.xen.importing import Boot, import_xen

SAMPLES = Path(__file__).resolve().parents[1] / "golden" / "xen"
FORMS = {".sexpr": "xen-sxpr", ".xm": "xen-xm", ".xl": "xen-xl"}
INPUTS = sorted(path for path in SAMPLES.iterdir() if path.suffix in FORMS)



@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_from_native(path: Path, golden: Golden) -> None:
    notes: list[str] = []
    document = from_format(FORMS[path.suffix], path.read_text(), notes=notes)
    golden(path.with_name(path.name + ".xml"), document)
    golden(path.with_name(path.name + ".notes"), "".join(f"{note}\n" for note in notes))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_to_native_and_again(path: Path, golden: Golden) -> None:
    form = FORMS[path.suffix]
    document = from_format(form, path.read_text())
    native = to_format(form, document)
    golden(path.with_name(path.name + ".back"), native)
    again = from_format(form, native)
    assert to_format(form, again) == native


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
@pytest.mark.parametrize("to", ["kvm", "qemu"])
def test_import(path: Path, to: str, golden: Golden) -> None:
    document, notes = import_xen(path.read_text(), FORMS[path.suffix], to)
    golden(path.with_name(f"{path.name}.{to}.xml"), to_text(document) + "".join(f"<!-- {note} -->\n" for note in notes))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_the_form_is_guessed(path: Path) -> None:
    assert guess_format(path.read_text()) == FORMS[path.suffix]


def test_a_kernel_may_be_given_for_a_guest_of_pygrub() -> None:
    text = (SAMPLES / "pygrub.xm").read_text()
    document, notes = import_xen(text, boot=Boot("/boot/vmlinuz", "/boot/initrd", None))
    assert document.get("os/kernel") == "/boot/vmlinuz"
    assert document.get("os/initrd") == "/boot/initrd"
    assert document.get("os/cmdline") == "root=/dev/vda1 ro console=ttyS0"
    assert not any("boot loader" in note for note in notes)
