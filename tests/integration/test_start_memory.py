"""Memory and processors of every shape really start: cells, modules, shared backing, processors that come later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.devices import Bench
from tests.support.program import Program

pytestmark = pytest.mark.qemu


@pytest.fixture
def bench(virtctl: Program, tmp_path: Path) -> Bench:
    return Bench(virtctl, tmp_path)


CELLS = ("<cpu><numa><cell id='0' cpus='0-1' memory='65537' unit='KiB'><distances><sibling id='0' value='10'/>"
         "<sibling id='1' value='21'/></distances></cell><cell id='1' cpus='2,3' memory='65536' unit='KiB' "
         "memAccess='shared' discard='yes'/></numa></cpu>")


def test_numa(bench: Bench) -> None:
    bench.start("", memory="<memory unit='MiB'>128</memory>", vcpu=4, extra=CELLS +
                "<memoryBacking><nosharepages/><allocation mode='immediate' threads='2'/></memoryBacking>"
                "<numatune><memory mode='strict' nodeset='0'/></numatune>")
    assert "node 0 size: 65 MB" in bench.monitor("info numa")
    assert "ram-node1" in bench.monitor("info memdev")


def test_numa_of_old_machines_is_one_block(bench: Bench) -> None:
    cells = "".join(f"<cell id='{number}' cpus='{number}' memory='65536' unit='KiB'/>" for number in (0, 1))
    bench.start("", machine="pc-i440fx-4.2", memory="<memory unit='MiB'>128</memory>", vcpu=2,
                extra=f"<cpu><numa>{cells}</numa></cpu>")
    assert "pc.ram" in bench.monitor("info ramblock")


def test_memory_modules(bench: Bench) -> None:
    size = "<size unit='KiB'>65536</size>"
    bench.start(
        f"<memory model='dimm'><target>{size}<node>0</node></target></memory>"
        f"<memory model='nvdimm' access='shared'><source><path>{bench.image('nv', 64 << 20)}</path></source>"
        f"<target>{size}<node>0</node><label><size unit='KiB'>128</size></label></target></memory>"
        f"<memory model='virtio-pmem' access='shared'><source><path>{bench.image('pm', 64 << 20)}</path></source>"
        f"<target>{size}</target></memory><memory model='virtio-mem'><target><size unit='KiB'>131072</size>"
        "<node>0</node><block unit='KiB'>2048</block><requested unit='KiB'>65536</requested></target></memory>",
        memory="<maxMemory slots='8' unit='KiB'>1048576</maxMemory><memory unit='KiB'>393216</memory>",
        extra="<cpu><numa><cell id='0' cpus='0' memory='65536' unit='KiB'/></numa></cpu>")
    found = bench.monitor("info memory-devices")
    for kind in ("dimm", "nvdimm", "virtio-pmem", "virtio-mem"):
        assert f'Memory device [{kind}]' in found


@pytest.mark.parametrize("kind", ["memfd", "file"])
def test_shared_backing(bench: Bench, kind: str) -> None:
    bench.start("", extra=f"<memoryBacking><source type='{kind}'/><access mode='shared'/></memoryBacking>")


def test_processors_that_come_later(bench: Bench) -> None:
    spare = "".join(f"<vcpu id='{number}' enabled='no' hotpluggable='yes'/>" for number in range(3, 8))
    counts = ("<vcpu current='3'>8</vcpu><vcpus><vcpu id='0' enabled='yes' hotpluggable='no' order='1'/>"
              "<vcpu id='1' enabled='yes' hotpluggable='yes' order='3'/>"
              f"<vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/>{spare}</vcpus>")
    document = bench.document("", extra=(
        "<iothreads>2</iothreads><iothreadids><iothread id='3' thread_pool_min='2' thread_pool_max='16'/></iothreadids>"
        "<defaultiothread thread_pool_min='8' thread_pool_max='32'/>"
        "<cpu mode='custom' match='exact'><model>Nehalem</model><topology sockets='2' dies='1' cores='2' threads='2'/>"
        "<feature policy='disable' name='lahf_lm'/><cache level='3' mode='emulate'/></cpu>"))
    document.write_text(document.read_text().replace("<vcpu>1</vcpu>", counts))
    bench.program.ok("create", document, "--paused")
    assert bench.monitor("info cpus").count("CPU #") == 3
    assert 'vcpus_count: "1"' in bench.monitor("info hotpluggable-cpus")
