"""Memory, processors, tuning, life cycle and clock: what is read, filled in and refused."""

from __future__ import annotations

import pytest

from tests.unit.general_samples import HOST, define, document, part, refusal, written
from virtctl.domain.domain import write_domain
from virtctl.domain.pipeline import complete
from virtctl.errors import VirtctlError


def test_the_smallest_document_is_filled_in():
    text = complete("<domain type='qemu'><name>a</name><memory "
    "unit='MiB'>64</memory><os><type>hvm</type></os></domain>",
                    HOST)
    lines = [line.strip() for line in write_domain(text).splitlines()]
    for line in ("<memory unit='KiB'>65536</memory>", "<currentMemory unit='KiB'>65536</currentMemory>",
                 "<vcpu placement='static'>1</vcpu>", "<type arch='x86_64' machine='pc-i440fx-7.2'>hvm</type>",
                 "<boot dev='hd'/>", "<cpu mode='custom' match='exact' check='none'>",
                 "<model fallback='forbid'>qemu64</model>", "<clock offset='utc'/>",
                  "<on_poweroff>destroy</on_poweroff>",
                 "<on_reboot>restart</on_reboot>", "<on_crash>destroy</on_crash>",
                 "<emulator>/usr/bin/qemu-system-x86_64</emulator>", "<audio id='1' type='none'/>"):
        assert line in lines


@pytest.mark.parametrize(("given", "wanted"), [
    ("<memory>65536</memory>", "<memory unit='KiB'>65536</memory>"),
    ("<memory unit='bytes'>1025</memory>", "<memory unit='KiB'>2</memory>"),
    ("<memory unit='MB'>500</memory>", "<memory unit='KiB'>488282</memory>"),
    ("<memory unit='GiB' dumpCore='on'>1</memory>", "<memory dumpCore='on' unit='KiB'>1048576</memory>"),
])
def test_memory_is_written_in_kib(given, wanted):
    assert part("memory", memory=given) == wanted


@pytest.mark.parametrize(("given", "words"), [
    ("", "XML error: Memory size must be specified via <memory> or in the <numa> configuration"),
    ("<memory>abc</memory>", "XML error: Invalid value 'abc' for element or attribute './memory[1]'"),
    ("<memory unit='x'>5</memory>", "invalid argument: unknown suffix 'x'"),
    ("<memory unit='EiB'>500</memory>", "numerical overflow: value too large: 500EiB"),
    ("<memory>5</memory><currentMemory>x</currentMemory>",
     "XML error: Invalid value 'x' for element or attribute './currentMemory[1]'"),
    ("<maxMemory>1000</maxMemory><memory>10</memory>",
     "XML error: both maximum memory size and memory slot count must be specified"),
    ("<maxMemory slots='2'>5</maxMemory><memory>10</memory>",
     "XML error: maximum memory size must be equal or greater than the actual memory size"),
    ("<maxMemory slots='2'>500</maxMemory><memory>10</memory>",
     "unsupported configuration: At least one numa node has to be configured when enabling memory hotplug"),
])
def test_impossible_memory(given, words):
    assert refusal(memory=given) == words


def test_a_balloon_cannot_be_larger_than_the_memory():
    assert part("currentMemory", memory="<memory>10</memory><currentMemory>20</currentMemory>") \
        == "<currentMemory unit='KiB'>10</currentMemory>"


@pytest.mark.parametrize(("given", "wanted"), [
    ("<memoryBacking/>", ""),
    ("<memoryBacking><hugepages><page size='2' unit='MiB' nodeset='0'/></hugepages><locked/></memoryBacking>",
     "<memoryBacking>\n  <hugepages>\n    <page size='2048' unit='KiB'/>\n  </hugepages>\n  "
     "<locked/>\n</memoryBacking>"),
    ("<memoryBacking><allocation mode='immediate' threads='0'/><discard/></memoryBacking>",
     "<memoryBacking>\n  <allocation mode='immediate'/>\n  <discard/>\n</memoryBacking>"),
])
def test_what_backs_memory(given, wanted):
    assert part("memoryBacking", given) == wanted


@pytest.mark.parametrize(("given", "words"), [
    ("<hugepages><page size='1'/><page size='2'/></hugepages>", "two master hugepages detected: 2 and 1"),
    ("<hugepages><page size='0'/></hugepages>", "hugepage size can't be zero"),
    ("<hugepages><page size='2' nodeset='1'/></hugepages>", "hugepages: node 1 not found"),
    ("<hugepages/><allocation mode='ondemand'/>",
     "unsupported configuration: hugepages are not allowed with memory allocation ondemand"),
    ("<source type='x'/>", "unsupported configuration: unknown memoryBacking/source/type 'x'"),
])
def test_impossible_backing(given, words):
    assert refusal(f"<memoryBacking>{given}</memoryBacking>") == words


def test_no_limit_is_not_written():
    assert part("memtune", "<memtune><hard_limit>9007199254740991</hard_limit></memtune>") == ""
    assert "<soft_limit unit='KiB'>5120</soft_limit>" in part(
        "memtune", "<memtune><soft_limit unit='MiB'>5</soft_limit></memtune>")


@pytest.mark.parametrize(("given", "wanted"), [
    ("<vcpu current='2'>2</vcpu>", "<vcpu placement='static'>2</vcpu>"),
    ("<vcpu current='1' cpuset='0-3,^2'>2</vcpu>", "<vcpu placement='static' cpuset='0-1,3' current='1'>2</vcpu>"),
    ("<vcpu placement='auto' cpuset='1'>2</vcpu>", "<vcpu placement='auto'>2</vcpu>"),
    ("<numatune><memory placement='auto'/></numatune>", "<vcpu placement='auto'>1</vcpu>"),
    ("<vcpu cpuset='0'>1</vcpu><numatune><memory placement='auto'/></numatune>",
     "<vcpu placement='static' cpuset='0'>1</vcpu>"),
])
def test_processors_and_their_places(given, wanted):
    assert part("vcpu", given) == wanted


def test_single_processors_get_their_states():
    body = "<vcpu>3</vcpu><vcpus><vcpu id='0' enabled='yes'/><vcpu id='2' enabled='yes' hotpluggable='yes'/></vcpus>"
    assert part("vcpus", body) == ("<vcpus>\n  <vcpu id='0' enabled='yes' hotpluggable='no'/>\n"
                                   "  <vcpu id='1' enabled='no' hotpluggable='yes'/>\n"
                                   "  <vcpu id='2' enabled='yes' hotpluggable='yes'/>\n</vcpus>")
    assert part("vcpu", body) == "<vcpu placement='static' current='2'>3</vcpu>"


@pytest.mark.parametrize(("given", "words"), [
    ("<vcpu/>", "XML error: maximum vcpus count must be an integer"),
    ("<vcpu current='3'>2</vcpu>",
     "unsupported configuration: maximum vCPU count must not be less than current vCPU count"),
    ("<vcpu cpuset='x'>2</vcpu>", "invalid argument: Failed to parse bitmap 'x'"),
    ("<vcpu cpuset='1,^1'>2</vcpu>", "unsupported configuration: Invalid value of 'cpuset': 1,^1"),
    ("<vcpu>256</vcpu>", "unsupported configuration: Maximum CPUs greater than specified machine type limit 255"),
    ("<vcpu>2</vcpu><vcpus><vcpu id='0' enabled='no'/></vcpus>",
     "unsupported configuration: vcpu 0 can't be offline"),
    ("<vcpu>2</vcpu><vcpus><vcpu id='2' enabled='no'/></vcpus>",
     "XML error: vcpu id '2' is out of range of maximum vcpu count"),
    ("<vcpu>2</vcpu><vcpus><vcpu id='1' enabled='no' hotpluggable='no'/><vcpu id='0' enabled='yes'/></vcpus>",
     "unsupported configuration: vcpu '1' is both offline and not hotpluggable"),
    ("<cpu><topology sockets='2' cores='1' threads='1'/></cpu>",
     "unsupported configuration: CPU topology doesn't match maximum vcpu count"),
    ("<cpu><topology sockets='0' cores='1' threads='1'/></cpu>",
     "XML error: Invalid value for attribute 'sockets' in element 'topology': Zero is not permitted"),
])
def test_impossible_processors(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize(("given", "wanted"), [
    ("<iothreads>2</iothreads>", ""),
    ("<iothreads>3</iothreads><iothreadids><iothread id='2'/></iothreadids>",
     "<iothreadids>\n  <iothread id='2'/>\n  <iothread id='1'/>\n  <iothread id='3'/>\n</iothreadids>"),
])
def test_threads_for_io(given, wanted):
    assert part("iothreadids", given) == wanted


@pytest.mark.parametrize(("given", "words"), [
    ("<iothreads>x</iothreads>", "XML error: invalid iothreads count 'x'"),
    ("<iothreadids><iothread id='5'/><iothread id='5'/></iothreadids>", "XML error: duplicate iothread id '5' found"),
    ("<iothreadids><iothread id='5' thread_pool_max='0'/></iothreadids>",
     "unsupported configuration: thread_pool_max must be a positive integer"),
    ("<defaultiothread thread_pool_min='3'/>",
     "unsupported configuration: thread_pool_min must be smaller or equal to thread_pool_max"),
])
def test_impossible_threads(given, words):
    assert refusal(given) == words


def test_pins_and_schedulers_are_told_of_each_thread():
    body = ("<vcpu>2</vcpu><iothreads>2</iothreads><cputune><quota>0</quota><vcpupin vcpu='1' cpuset='3'/>"
            "<vcpupin vcpu='0' cpuset='2'/><vcpupin vcpu='7' cpuset='1'/><vcpusched vcpus='0-1' scheduler='fifo' "
            "priority='4'/>"
            "<iothreadsched iothreads='1,2' scheduler='batch' priority='9'/></cputune>")
    assert part("cputune", body).splitlines()[1:-1] == [
        "  <vcpupin vcpu='0' cpuset='2'/>", "  <vcpupin vcpu='1' cpuset='3'/>",
        "  <vcpusched vcpus='0' scheduler='fifo' priority='4'/>",
         "  <vcpusched vcpus='1' scheduler='fifo' priority='4'/>",
        "  <iothreadsched iothreads='1' scheduler='batch'/>", "  <iothreadsched iothreads='2' scheduler='batch'/>"]


@pytest.mark.parametrize(("given", "words"), [
    ("<shares>1</shares>", "unsupported configuration: Value of cputune 'shares' must be in range [2, 262144]"),
    ("<shares>x</shares>", "XML error: can't parse cputune shares value"),
    ("<period>5</period>", "unsupported configuration: Value of cputune 'period' must be in range [1000, 1000000]"),
    ("<vcpupin vcpu='0' cpuset='1'/><vcpupin vcpu='0' cpuset='2'/>", "internal error: duplicate vcpupin for vcpu '0'"),
    ("<vcpupin vcpu='0'/>", "internal error: missing cpuset for vcpupin"),
    ("<emulatorpin cpuset='1'/><emulatorpin cpuset='2'/>", "XML error: only one emulatorpin is supported"),
    ("<iothreadpin iothread='1' cpuset='1'/>", "unsupported configuration: Cannot find 'iothread' : 1"),
    ("<vcpusched vcpus='0' scheduler='rr'/>",
     "XML error: Missing required attribute 'priority' in element 'vcpusched'"),
    ("<vcpusched vcpus='0' scheduler='idle'/><vcpusched vcpus='0' scheduler='idle'/>",
     "'vcpusched' attributes 'vcpus' must not overlap"),
    ("<memorytune vcpus='0'><node id='0' bandwidth='60'/></memorytune>",
     "unsupported configuration: cachetune is only supported for KVM domains"),
    ("<cachetune vcpus='0'><cache id='0' level='3' type='both' size='1'/><cache id='0' level='3' type='code' size='1'/>"
     "</cachetune>", "XML error: Colliding cache allocations for cache level '3' id '0', type 'code'"),
])
def test_impossible_tuning(given, words):
    assert refusal(f"<cputune>{given}</cputune>") == words


def test_block_devices_without_limits_are_not_written():
    body = ("<blkiotune><weight>500</weight><device><path>/dev/a</path></device>"
            "<device><path>/dev/b</path><write_iops_sec>7</write_iops_sec></device></blkiotune>")
    assert "/dev/a" not in part("blkiotune", body)
    assert "<write_iops_sec>7</write_iops_sec>" in part("blkiotune", body)
    assert refusal("<blkiotune><device><weight>500</weight></device></blkiotune>") \
        == "unsupported configuration: missing per-device path"


@pytest.mark.parametrize(("given", "words"), [
    ("<on_poweroff>x</on_poweroff>", "unsupported configuration: unknown on_poweroff action: x"),
    ("<on_poweroff>preserve</on_poweroff>", "unsupported configuration: qemu driver doesn't support the 'preserve' "
     "action for 'on_reboot'/'on_poweroff'"),
    ("<on_reboot>coredump-destroy</on_reboot>",
     "unsupported configuration: Lifecycle event 'reboot' doesn't support 'coredump-destroy' action"),
    ("<title>a\nb</title>", "XML error: Domain title can't contain newlines"),
    ("<genid>x</genid>", "internal error: malformed genid element"),
    ("<bootloader>/x</bootloader>", "unsupported configuration: bootloader is not supported by QEMU"),
    ("<perf><event name='cmt' enabled='yes'/><event name='cmt' enabled='no'/></perf>",
     "XML error: perf event 'cmt' was already specified"),
    ("<idmap><uid start='1' target='5' count='1'/><gid start='0' target='5' count='1'/></idmap>",
     "unsupported configuration: You must map the root user of container"),
    ("<launchSecurity type='sev'/>", "XML error: failed to get launch security policy"),
    ("<launchSecurity type='sev'><policy>0x1</policy></launchSecurity>",
     "unsupported configuration: SEV launch security is not supported with this QEMU binary"),
    ("<seclabel type='dynamic' relabel='no'/>",
     "unsupported configuration: dynamic label type must use resource relabeling"),
    ("<seclabel type='static' model='dac'/>", "XML error: security label is missing"),
    ("<seclabel type='none'/><seclabel type='none' model='dac'/>",
     "XML error: missing security model when using multiple labels"),
])
def test_other_impossible_words(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize(("given", "wanted"), [
    ("<clock offset='variable'/>", "<clock offset='variable' adjustment='0' basis='utc'/>"),
    ("<clock offset='localtime' adjustment='60'/>", "<clock offset='variable' adjustment='60' basis='localtime'/>"),
    ("<clock offset='utc' adjustment='reset' timezone='x'/>", "<clock offset='utc' adjustment='reset'/>"),
    ("<clock offset='absolute' start='7'/>", "<clock offset='absolute' start='7'/>"),
    ("<clock><timer name='tsc' frequency='0'/></clock>", "<clock offset='utc'>\n  <timer name='tsc'/>\n</clock>"),
])
def test_clocks(given, wanted):
    assert part("clock", given) == wanted


@pytest.mark.parametrize(("given", "words"), [
    ("<clock offset='timezone'/>", "internal error: missing 'timezone' attribute for clock with offset='timezone'"),
    ("<clock offset='utc' adjustment='x'/>", "XML error: unknown clock adjustment 'x'"),
    ("<clock><timer name='pit' tickpolicy='merge'/></clock>",
     "unsupported configuration: unsupported pit tickpolicy 'merge'"),
    ("<clock><timer name='hpet' mode='auto'/></clock>",
     "unsupported configuration: timer hpet doesn't support setting of timer mode"),
    ("<clock><timer name='rtc'><catchup slew='2'/></timer></clock>",
     "XML error: setting of timer catchup policies is only supported with tickpolicy='catchup'"),
])
def test_impossible_clocks(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize(("change", "words"), [
    (("type='qemu'", "type='foo'"), "unsupported configuration: invalid domain type foo"),
    ((" type='qemu'", ""), "internal error: missing domain type attribute"),
    (("arch='x86_64'", "arch='ppc64'"), "unsupported configuration: No emulator found for arch 'ppc64'"),
    (("arch='x86_64'", "arch='foo'"), "unsupported configuration: Unknown architecture foo"),
    ((">hvm<", ">foo<"), "unsupported configuration: unknown OS type 'foo'"),
    (("machine='pc'", "machine='pc-i440fx-0.1'"),
     "unsupported configuration: Emulator '/usr/bin/qemu-system-x86_64' does not support machine type 'pc-i440fx-0.1'"),
    (("<name>sample</name>", ""), "missing name information"),
    (("<domain ", "<host "), "XML error: expecting root element of 'domain', not 'host'"),
    (("<devices>", "<devices><emulator>/opt/qemu</emulator>"),
     "Cannot check QEMU binary /opt/qemu: No such file or directory"),
])
def test_guests_that_this_host_cannot_have(change, words):
    text = document().replace(*change)
    with pytest.raises(VirtctlError) as caught:
        complete(text.replace("</domain>", "</host>") if "<host" in text else text, HOST)
    assert str(caught.value) == words


def test_generated_values_are_there_and_kept():
    text = written("<genid/>")
    assert "<genid>" in text
    assert define().genid is None
