"""Firmware is found by what a guest wants of it."""

from __future__ import annotations

import json

import pytest

from tests.unit.general_samples import HOST, document
from virtctl.domain.domain import Domain
from virtctl.domain.firmware import fill_firmware
from virtctl.domain.pipeline import complete
from virtctl.errors import InvalidOperation, OperationFailed
from virtctl.qemu.hostfacts import firmware_descriptors, host_facts


def descriptor(name: str, *features: str, machines: tuple[str, ...] = ("pc-q35-*",), mode: str = "split") -> dict:
    return {"interface-types": ["uefi"], "features": list(features),
            "mapping": {"device": "flash", "mode": mode, "executable": {"filename": f"/{name}.fd", "format": "raw"},
                        "nvram-template": {"filename": f"/{name}_VARS.fd", "format": "raw"}},
            "targets": [{"architecture": "x86_64", "machines": list(machines)}]}


@pytest.fixture
def host(tmp_path):
    stock, own = tmp_path / "stock", tmp_path / "own"
    stock.mkdir()
    own.mkdir()
    for name, told in {
        "10-hidden": descriptor("hidden"),
        "40-enrolled": descriptor("enrolled", "secure-boot", "enrolled-keys", "requires-smm"),
        "50-secure": descriptor("secure", "secure-boot", "requires-smm"),
        "60-plain": descriptor("plain", machines=("pc-i440fx-*", "pc-q35-*")),
        "70-stateless": descriptor("stateless", mode="stateless"),
        "99-broken": {"mapping": {}},
    }.items():
        (stock / f"{name}.json").write_text(json.dumps(told))
    (own / "10-hidden.json").write_text("")
    (stock / "README").write_text("not a descriptor")
    return HOST._replace(firmware=tuple(firmware_descriptors((own, stock))), nvram_dir="/nv")


def chosen(host, os: str = "", *, machine: str = "q35", kind: str = "efi", body: str = "") -> Domain:
    text = document(f"<features><acpi/></features>{body}", os=os, machine=machine, firmware=f" firmware='{kind}'")
    domain = complete(text, host)
    fill_firmware(domain, host)
    return domain


def test_the_first_that_suits_is_taken_and_gets_what_it_needs(host):
    domain = chosen(host)
    assert domain.os.loader.path == "/enrolled.fd"
    assert (domain.os.loader.type, domain.os.loader.readonly, domain.os.loader.secure) == ("pflash", True, True)
    assert (domain.os.nvram.path, domain.os.nvram.template) == ("/nv/sample_VARS.fd", "/enrolled_VARS.fd")
    assert domain.features.smm


@pytest.mark.parametrize(("os", "wanted"), [
    ("<firmware><feature enabled='no' name='enrolled-keys'/></firmware>", "/secure.fd"),
    ("<firmware><feature enabled='no' name='secure-boot'/></firmware>", "/plain.fd"),
    ("<loader stateless='yes'/>", "/stateless.fd"),
    ("<loader secure='yes'/>", "/enrolled.fd"),
])
def test_features_decide(host, os, wanted):
    assert chosen(host, os).os.loader.path == wanted


def test_what_the_user_turned_off_is_not_turned_on(host):
    text = document("<features><acpi/><smm state='off'/></features>", machine="q35", firmware=" firmware='efi'")
    domain = complete(text, host)
    with pytest.raises(InvalidOperation, match="domain has SMM turned off but chosen firmware requires it"):
        fill_firmware(domain, host)


def test_the_machine_decides(host):
    assert chosen(host, machine="pc").os.loader.path == "/plain.fd"


def test_the_users_own_variables_are_kept(host):
    assert chosen(host, "<nvram>/mine</nvram>").os.nvram.path == "/mine"


def test_nothing_that_suits_is_an_error(host):
    with pytest.raises(OperationFailed, match="Unable to find any firmware to satisfy 'bios'"):
        chosen(host, kind="bios")


def test_the_variables_that_belong_to_a_loader_are_found(host):
    text = document("<features><acpi/></features>", os="<loader type='pflash' readonly='yes'>/plain.fd</loader>")
    domain = complete(text, host)
    fill_firmware(domain, host)
    assert domain.os.nvram.template == "/plain_VARS.fd"


def test_a_guest_with_its_own_loader_is_left_alone(host):
    domain = complete(document(os="<loader type='rom'>/bios.bin</loader>"), host)
    fill_firmware(domain, host)
    assert domain.os.loader.path == "/bios.bin"


@pytest.mark.qemu
def test_the_real_host(tmp_path):
    from virtctl.paths import Paths

    facts = host_facts(Paths.under(tmp_path))
    assert facts.emulator("x86_64")
    assert facts.machine("q35").startswith("pc-q35-")
    assert facts.has_machine(facts.machine(None))
    assert facts.max_cpus(facts.machine("q35"))
    assert facts.cpu_count >= 1
    assert facts.node_count >= 1
