"""The small devices: sound, watchdogs, balloons, memory modules, TPMs and the like."""

from __future__ import annotations

import pytest

from tests.unit.device_samples import refusal, written
from tests.unit.general_samples import define
from virtctl.domain.devices.audio import Audio

CELL = "<maxMemory slots='2' unit='MiB'>4096</maxMemory><cpu><numa><cell memory='65536'/></numa></cpu>"
TARGET = "<target><size unit='MiB'>16</size><node>0</node></target>"


@pytest.mark.parametrize(("displays", "wanted"), [
    ([], ["none"]), (["spice"], ["spice"]), (["vnc", "spice"], ["spice"]), (["spice", "vnc"], ["none"]), (["sdl"], []),
    (["sdl", "vnc"], ["none"]),
])
def test_displays_bring_sound(displays, wanted):
    domain = define(devices="".join(f"<graphics type='{kind}'/>" for kind in displays))
    assert [audio.type for audio in domain.devices.all(Audio)] == wanted


@pytest.mark.parametrize(("given", "tag", "wanted"), [
    ("<watchdog model='ib700'/>", "watchdog", "<watchdog model='ib700' action='reset'/>"),
    ("<panic/>", "panic", "<panic model='isa'/>"),
    ("<sound model='sb16'/>", "sound", "<sound model='sb16'/>"),
    ("<audio id='3' type='oss' tryMMap='yes' path='/x'><input/><output fixedSettings='yes' "
     "mixingEngine='yes'/></audio>",
     "audio", "<audio id='3' type='oss' tryMMap='yes'>\n  <output mixingEngine='yes' fixedSettings='yes'>\n"
     "    <settings/>\n  </output>\n</audio>"),
    ("<tpm><backend type='passthrough' version='2.0'/></tpm>", "tpm",
     "<tpm model='tpm-tis'>\n  <backend type='passthrough'>\n    <device path='/dev/tpm0'/>\n  </backend>\n</tpm>"),
])
def test_small_devices(given, tag, wanted):
    assert written(given, tag) == wanted


@pytest.mark.parametrize(("given", "tag", "wanted"), [
    ("<rng model='virtio'><rate bytes='5'/><backend model='random'/></rng>", "rng",
     ["<rate bytes='5'/>", "<backend model='random'>/dev/random</backend>"]),
    ("<rng model='virtio'><rate period='5'/><backend model='egd' type='unix'><source path='/s'/></backend></rng>",
     "rng",
     ["<backend model='egd' type='unix'>", "<source mode='connect' path='/s'/>", "</backend>"]),
    ("<vsock><cid address='7'/></vsock>", "vsock", ["<cid auto='no' address='7'/>"]),
    ("<shmem name='a'><model type='ivshmem-plain'/></shmem>", "shmem",
     ["<model type='ivshmem-plain'/>", "<size unit='M'>4</size>"]),
    ("<shmem name='a'><model type='ivshmem-doorbell'/><server/></shmem>", "shmem",
     ["<model type='ivshmem-doorbell'/>", "<server/>", "<msi ioeventfd='on'/>"]),
])
def test_devices_on_the_bus(given, tag, wanted):
    inside = [line.strip() for line in written(given, tag).splitlines()[1:-1]]
    assert [line for line in inside if not line.startswith("<address")] == wanted


def test_memory_modules_get_slots_and_add_up():
    given = (f"<memory model='dimm'>{TARGET}</memory><memory model='nvdimm'><source><path>/n</path></source>{TARGET}"
             "<address type='dimm' slot='0'/></memory>")
    text = written(given, "memory", CELL)
    assert text.count("<address type='dimm' slot='1'/>") == 1
    assert text.index("slot='1'") < text.index("slot='0'")
    assert define(CELL, devices=f"<memory model='dimm'>{TARGET}</memory>").memory == 65536 + 16384


@pytest.mark.parametrize(("given", "words"), [
    ("<watchdog model='x'/>", "unsupported configuration: unknown watchdog model 'x'"),
    ("<watchdog model='ib700'/><watchdog model='ib700'/>",
     "internal error: only a single watchdog device is supported"),
    ("<watchdog model='ib700'><address type='isa' iobase='0x5'/></watchdog>",
     "unsupported configuration: ib700 model of watchdog does not support configuring the address"),
    ("<panic model='isa'/><panic/>", "XML error: Multiple panic devices with model 'isa'"),
    ("<panic model='hyperv'><address type='isa' iobase='0x505'/></panic>",
     "unsupported configuration: setting the panic device address is not supported for model 'hyperv'"),
    ("<sound model='ich6'><codec type='x'/></sound>", "unsupported configuration: unknown codec type 'x'"),
    ("<sound model='sb16'><audio id='9'/></sound>", "XML error: no audio device with ID 9"),
    ("<audio id='1' type='none'/><audio id='1' type='none'/>", "XML error: audio ID 1 is used multiple times"),
    ("<audio id='1' type='spice'/>", "unsupported configuration: Spice audio is not supported without spice graphics"),
    ("<audio id='1' type='alsa'><input fixedSettings='yes'/></audio>",
     "unsupported configuration: fixed audio settings requires mixing engine"),
    ("<rng model='virtio'/>", "XML error: only one RNG backend is supported"),
    ("<rng model='virtio'><backend model='egd'/></rng>", "XML error: missing EGD backend type"),
    ("<vsock><cid address='2'/></vsock>", "unsupported configuration: guest CIDs must be >= 3"),
    ("<shmem name='a/b'><model type='ivshmem-plain'/></shmem>",
     "unsupported configuration: shmem name cannot include '/' character"),
    ("<shmem name='a'><model type='ivshmem-plain'/><server/></shmem>",
     "unsupported configuration: shmem model 'ivshmem-plain' is supported only with server option disabled"),
    ("<nvram/>", "unsupported configuration: nvram device is only supported for PPC64"),
    ("<iommu model='intel'/>", "unsupported configuration: IOMMU device: 'intel' is only supported with Q35 machines"),
    ("<tpm/>", "XML error: missing TPM device backend"),
    ("<tpm><backend type='emulator'/></tpm>", "unsupported configuration: TPM version '1.2' is not supported"),
    ("<memory model='dimm'/>", "XML error: missing <target> element for <memory> device"),
    (f"<memory model='nvdimm'>{TARGET}</memory>", "path is required for model 'nvdimm'"),
    (f"<memory model='dimm'>{TARGET}</memory>",
     "unsupported configuration: cannot use/hotplug a memory device when domain 'maxMemory' is not defined"),
])
def test_impossible_devices(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize(("given", "words"), [
    (f"<memory model='dimm'>{TARGET}</memory>" * 3, "internal error: failed to find an empty memory slot"),
    (f"<memory model='dimm'>{TARGET}<address type='dimm' slot='2'/></memory>",
     "unsupported configuration: memory device slot '2' exceeds slots count '2'"),
    ("<memory model='dimm'><target><size>5</size><node>1</node></target></memory>",
     "can't add memory backend for guest node '1' as the guest has only '1' NUMA nodes configured"),
    ("<memory model='virtio-mem'><target><size>4096</size><node>0</node><block>3</block></target></memory>",
     "block size must be a power of two"),
])
def test_impossible_modules(given, words):
    assert refusal(given, CELL) == words
