"""Processor models, NUMA cells, features, firmware, tables, metadata and QEMU's own name space."""

from __future__ import annotations

import pytest

from tests.unit.general_samples import define, part, refusal, written

ACPI = "<features><acpi/></features>"
CODE = "/usr/share/OVMF/OVMF_CODE.fd"
HASWELL = "<model fallback='allow'>Haswell</model>"


@pytest.mark.parametrize(("given", "type", "wanted"), [
    ("<cpu/>", "qemu", "<cpu mode='custom' match='exact' check='none'>\n  <model "
     "fallback='forbid'>qemu64</model>\n</cpu>"),
    ("<cpu><model>Haswell</model></cpu>", "qemu",
     f"<cpu mode='custom' match='exact' check='none'>\n  {HASWELL}\n</cpu>"),
    ("<cpu><model>Haswell</model></cpu>", "kvm",
     f"<cpu mode='custom' match='exact' check='partial'>\n  {HASWELL}\n</cpu>"),
    ("<cpu mode='host-passthrough' match='exact'><model>Haswell</model></cpu>", "qemu",
     "<cpu mode='host-passthrough' check='none' migratable='on'/>"),
    ("<cpu mode='host-model'><model fallback='forbid'/></cpu>", "kvm", "<cpu mode='host-model' check='partial'/>"),
    ("<cpu mode='maximum' migratable='off'/>", "kvm", "<cpu mode='maximum' check='none' migratable='off'/>"),
    ("<cpu><model>Haswell</model><feature name='vmx'/></cpu>", "qemu",
     f"<cpu mode='custom' match='exact' check='none'>\n  {HASWELL}\n  <feature policy='require' name='vmx'/>\n</cpu>"),
])
def test_processor_models(given, type, wanted):
    assert part("cpu", given, type=type) == wanted


@pytest.mark.parametrize(("given", "words"), [
    ("<vendor>Intel</vendor>", "XML error: CPU vendor specified without CPU model"),
    ("<feature name='vmx'/>", "XML error: Non-empty feature list specified without CPU model"),
    ("<model vendor_id='short'>Haswell</model>", "XML error: vendor_id must be exactly 12 characters long"),
    ("<model>Haswell</model><feature name='a'/><feature name='a'/>",
     "XML error: CPU feature 'a' specified more than once"),
    ("<cache mode='emulate' level='2'/>",
     "unsupported configuration: CPU cache mode 'emulate' can only be used with level='3'"),
    ("<cache mode='disable' level='4'/>", "XML error: invalid CPU cache level, must be in range [1,3]"),
    ("<maxphysaddr mode='emulate'/>", "unsupported configuration: if using CPU maximum physical address "
     "mode='emulate', bits= must be specified too"),
    ("<numa/>", "XML error: NUMA topology defined without NUMA cells"),
    ("<numa><cell cpus='0'/></numa>", "XML error: missing element or attribute './@memory'"),
    ("<numa><cell id='1' memory='5'/></numa>", "XML error: Exactly one 'cell' element per guest NUMA cell allowed, "
     "non-contiguous ranges or ranges not starting from 0 are not allowed"),
    ("<numa><cell cpus='0' memory='5'/><cell cpus='0' memory='5'/></numa>",
     "unsupported configuration: NUMA cells 1 and 0 have overlapping vCPU ids"),
    ("<numa><cell cpus='0-4' memory='5'/></numa>",
     "internal error: Number of CPUs in <numa> exceeds the <vcpu> count"),
    ("<numa><cell memory='5'><distances><sibling id='0' value='11'/></distances></cell></numa>",
     "XML error: 'value 11' is invalid for 'sibling id 0' under NUMA 'cell id 0'"),
    ("<numa><cell memory='5'/><interconnects><latency initiator='0' target='1' type='read' value='1'/></interconnects>"
     "</numa>", "XML error: 'target' refers to a non-existent NUMA node"),
])
def test_impossible_processors(given, words):
    assert refusal(f"<cpu>{given}</cpu>") == words


def test_cells_are_put_in_order_and_completed():
    body = ("<vcpu>4</vcpu><cpu><numa><cell id='1' cpus='1' memory='1' unit='MiB'>"
            "<distances><sibling id='0' value='21'/></distances></cell>"
            "<cell id='0' cpus='0' memory='2048' memAccess='shared'/></numa></cpu>")
    assert part("cpu", body).splitlines()[2:-1] == [
        "  <numa>", "    <cell id='0' cpus='0,2-3' memory='2048' unit='KiB' memAccess='shared'>", "      <distances>",
        "        <sibling id='0' value='10'/>", "        <sibling id='1' value='21'/>", "      </distances>",
        "    </cell>", "    <cell id='1' cpus='1' memory='1024' unit='KiB'>", "      <distances>",
        "        <sibling id='0' value='21'/>", "        <sibling id='1' value='10'/>", "      </distances>",
        "    </cell>", "  </numa>"]
    assert part("memory", body) == "<memory unit='KiB'>3072</memory>"


def test_caches_and_links_of_cells():
    body = ("<cpu><numa><cell memory='5'><cache level='1' associativity='direct' policy='none'><size value='10' "
    "unit='MiB'/>"
            "<line value='8' unit='B'/></cache></cell><interconnects><bandwidth initiator='0' target='0' type='access' "
            "value='2' unit='MiB'/><latency initiator='0' target='0' cache='1' type='read' value='5'/></interconnects>"
            "</numa></cpu>")
    text = part("cpu", body)
    assert "<cache level='1' associativity='direct'>\n        <size value='10' unit='KiB'/>" in text
    assert text.index("<bandwidth initiator='0' target='0' type='access' value='2048' unit='KiB'/>") \
        < text.index("<latency initiator='0' target='0' cache='1' type='read' value='5'/>")


NUMA = "<vcpu>2</vcpu><cpu><numa><cell cpus='0' memory='5'/><cell cpus='1' memory='5'/></numa></cpu>"


@pytest.mark.parametrize(("given", "words"), [
    ("<memory mode='strict'/>", "unsupported configuration: nodeset for NUMA memory tuning must be set if 'placement' "
     "is 'static'"),
    ("<memory mode='x'/>", "unsupported configuration: Unsupported NUMA memory tuning mode 'x'"),
    ("<memnode cellid='0' mode='strict'/>", "XML error: Missing required nodeset attribute in memnode element"),
    ("<memnode cellid='5' nodeset='0'/>",
     "XML error: Argument 'cellid' in memnode element must correspond to existing guest's NUMA cell"),
    ("<memory placement='auto'/><memnode cellid='0' nodeset='0'/>",
     "unsupported configuration: Per-node binding is not compatible with automatic NUMA placement."),
])
def test_impossible_memory_nodes(given, words):
    assert refusal(f"{NUMA}<numatune>{given}</numatune>") == words


@pytest.mark.parametrize(("given", "wanted"), [
    ("<acpi state='on'/>", None), ("<hap/>", "<hap state='on'/>"), ("<pmu state='off'/>", "<pmu state='off'/>"),
    ("<ioapic driver='qemu'/>", "<ioapic driver='qemu'/>"), ("<hyperv/>", "<hyperv mode='custom'>"),
    ("<hyperv><spinlocks state='off' retries='1'/></hyperv>", "<spinlocks state='off'/>"),
    ("<kvm><hidden state='on'/></kvm>", "<hidden state='on'/>"),
    ("<tcg><tb-cache unit='MiB'>2</tb-cache></tcg>", "<tb-cache unit='KiB'>2048</tb-cache>"),
])
def test_features(given, wanted):
    lines = [line.strip() for line in part("features", f"<features>{given}</features>").splitlines()]
    assert wanted is None or wanted in lines


def test_memory_of_system_management_mode_keeps_its_unit():
    body = "<features><smm><tseg unit='MiB'>48</tseg></smm></features>"
    assert "<smm state='on'>\n    <tseg unit='MiB'>48</tseg>" in part("features", body, machine="q35")
    assert refusal(body) == "unsupported configuration: SMM TSEG is only supported with q35 machine type"


@pytest.mark.parametrize(("given", "words"), [
    ("<foo/>", "unsupported configuration: unexpected feature 'foo'"),
    ("<hyperv><relaxed/></hyperv>", "XML error: Missing required attribute 'state' in element 'relaxed'"),
    ("<hyperv><foo state='on'/></hyperv>", "unsupported configuration: unsupported HyperV Enlightenment feature: foo"),
    ("<hyperv><spinlocks state='on' retries='1'/></hyperv>",
     "XML error: HyperV spinlock retry count must be at least 4095"),
    ("<hyperv><vendor_id state='on' value='1234567890123'/></hyperv>",
     "XML error: HyperV vendor_id value must not be more than 12 characters."),
    ("<kvm><dirty-ring state='on' size='1000'/></kvm>",
     "XML error: dirty ring must be power of 2 and ranges [1024, 65536]"),
    ("<gic version='2'/>", "unsupported configuration: The 'gic' feature is not supported for architecture 'x86_64' or "
     "machine type 'pc-i440fx-7.2'"),
    ("<msrs/>", "XML error: Missing required attribute 'unknown' in element 'msrs'"),
    ("<tcg><tb-cache>5</tb-cache></tcg>",
     "unsupported configuration: tb-cache size must be an integer multiple of MiB"),
])
def test_impossible_features(given, words):
    assert refusal(f"<features>{given}</features>") == words


@pytest.mark.parametrize(("os", "firmware", "wanted"), [
    (f"<loader>{CODE}</loader>", "", [f"<loader type='rom'>{CODE}</loader>"]),
    (f"<loader type='pflash' readonly='yes'>{CODE}</loader>", "",
     [f"<loader readonly='yes' type='pflash'>{CODE}</loader>",
      "<nvram>/var/lib/libvirt/qemu/nvram/sample_VARS.fd</nvram>"]),
    (f"<loader type='pflash' readonly='yes' stateless='yes'>{CODE}</loader>", "",
     [f"<loader readonly='yes' type='pflash' stateless='yes'>{CODE}</loader>"]),
    (f"<loader type='pflash'>{CODE}</loader><nvram type='file'><source file='/v'/></nvram>", "",
     [f"<loader type='pflash'>{CODE}</loader>", "<nvram type='file'>", "<source file='/v'/>", "</nvram>"]),
    ("<firmware><feature enabled='yes' name='enrolled-keys'/></firmware>", " firmware='efi'",
     ["<firmware>", "<feature enabled='yes' name='enrolled-keys'/>", "<feature enabled='yes' name='secure-boot'/>",
      "</firmware>"]),
    ("<bootmenu enable='no' timeout='5'/><bios rebootTimeout='-1'/>", "",
     ["<bootmenu enable='no'/>", "<bios rebootTimeout='-1'/>"]),
])
def test_firmware_in_a_definition(os, firmware, wanted):
    lines = [line.strip() for line in part("os", ACPI, os=os, firmware=firmware).splitlines()[2:-1]]
    assert [line for line in lines if line != "<boot dev='hd'/>"] == wanted


@pytest.mark.parametrize(("os", "firmware", "words"), [
    ("<loader/>", "", "no loader path specified and firmware auto selection disabled"),
    ("", " firmware='x'", "XML error: unknown firmware value x"),
    (f"<loader type='pflash' secure='yes'>{CODE}</loader>", "",
     "unsupported configuration: Secure boot is supported with q35 machine types only"),
    (f"<loader type='rom' stateless='no'>{CODE}</loader>", "", "Only pflash loader type permits NVRAM"),
    (f"<loader type='pflash' stateless='yes'>{CODE}</loader><nvram>/v</nvram>", "",
     "NVRAM is not permitted when loader is stateless"),
    ("<loader readonly='yes'/>", " firmware='efi'",
     "loader attribute 'readonly' cannot be specified when firmware autoselection is enabled"),
    ("<nvram>/v</nvram>", " firmware='bios'", "firmware type 'bios' does not support nvram"),
    ("<firmware><feature enabled='yes' name='secure-boot'/></firmware>", "",
     "cannot use feature-based firmware autoselection when firmware autoselection is disabled"),
    ("<bootmenu enable='yes' timeout='65536'/>", "",
     "unsupported configuration: invalid value for boot menu timeout, must be in range [0,65535]"),
    ("<bios useserial='yes'/>", "", "XML error: need at least one serial port to use BIOS serial output"),
    ("<smbios mode='x'/>", "", "unsupported configuration: unknown smbios mode 'x'"),
    ("<acpi><table>/t</table></acpi>", "", "XML error: Missing acpi table type"),
    ("<boot dev='tape'/>", "", "XML error: Invalid value for attribute 'dev' in element 'boot': 'tape'."),
])
def test_impossible_firmware(os, firmware, words):
    assert refusal(ACPI, os=os, firmware=firmware) == words


def test_uefi_needs_acpi():
    assert refusal(firmware=" firmware='efi'") == "unsupported configuration: UEFI requires ACPI on this architecture"


def test_tables_keep_what_is_known_in_order():
    body = ("<sysinfo type='smbios'><bios><entry name='date'>01/02/2020</entry><entry name='vendor'>V</entry>"
            "<entry name='colour'>red</entry></bios><oemStrings><entry>a</entry></oemStrings></sysinfo>")
    assert part("sysinfo", body) == (
        "<sysinfo type='smbios'>\n  <bios>\n    <entry name='vendor'>V</entry>\n    <entry "
        "name='date'>01/02/2020</entry>\n"
        "  </bios>\n  <oemStrings>\n    <entry>a</entry>\n  </oemStrings>\n</sysinfo>")


@pytest.mark.parametrize(("given", "words"), [
    ("<sysinfo type='smbios'><bios><entry name='date'>2020-01-01</entry></bios></sysinfo>",
     "Invalid BIOS 'date' format"),
    ("<sysinfo type='smbios'><system><entry "
     "name='uuid'>e9392370-2917-565e-692b-d057f46512d6</entry></system></sysinfo>",
     "UUID mismatch between <uuid> and <sysinfo>"),
    ("<sysinfo type='fwcfg'><entry name='opt/a'/></sysinfo>",
     "XML error: Firmware entry must have either value or 'file' attribute"),
    ("<sysinfo type='fwcfg'><entry name='opt/ovmf/x'>y</entry></sysinfo>",
     "unsupported configuration: That firmware name is reserved"),
])
def test_impossible_tables(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize(("given", "wanted"), [
    ("<metadata/>", "<metadata/>"), ("<metadata><plain>x</plain></metadata>", "<metadata/>"),
    ("<metadata>\n\n<a:x xmlns:a='u:a'><a:y   b='1'/> <a:z>t</a:z></a:x><b xmlns='u:a'/></metadata>",
     "<metadata>\n  <a:x xmlns:a=\"u:a\">\n    <a:y b=\"1\"/>\n    <a:z>t</a:z>\n  </a:x>\n</metadata>"),
    ("<metadata><!-- c --><x xmlns='u:a'><![CDATA[<&>]]></x></metadata>",
     "<metadata>\n  <x xmlns=\"u:a\"><![CDATA[<&>]]></x>\n</metadata>"),
])
def test_metadata(given, wanted):
    assert part("metadata", given) == wanted


def test_qemus_name_space():
    text = written("<c:commandline xmlns:c='http://libvirt.org/schemas/domain/qemu/1.0'><c:env name='A'/>"
                   "<c:arg value='-x'/></c:commandline>")
    assert text.startswith("<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n")
    assert ("  <qemu:commandline>\n    <qemu:arg value='-x'/>\n    <qemu:env name='A'/>\n  </qemu:commandline>\n"
            in text)


@pytest.mark.parametrize(("given", "words"), [
    ("<q:commandline><q:arg/></q:commandline>", "internal error: No qemu command-line argument specified"),
    ("<q:commandline><q:env name='1'/></q:commandline>",
     "internal error: Invalid environment name, it must begin with a letter or underscore"),
    ("<q:override><q:device alias='ua-a'><q:frontend><q:property name='a' type='bool' "
     "value='x'/></q:frontend></q:device>"
     "</q:override>", "XML error: invalid value 'x' of 'value' attribute of 'qemu:property'"),
])
def test_impossible_words_of_qemu(given, words):
    inside = given.replace("<q:", "<q:").replace(">", " xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>", 1)
    assert refusal(inside) == words


def test_what_nobody_knows_is_kept():
    text = written("<shininess level='9'><deep/></shininess><vcpu colour='red'>1</vcpu>")
    assert "  <shininess level='9'>\n    <deep/>\n  </shininess>\n" in text
    assert "<vcpu placement='static' colour='red'>1</vcpu>" in text
    assert [extra.path for extra in define("<shininess/>").extras] == ["shininess"]
