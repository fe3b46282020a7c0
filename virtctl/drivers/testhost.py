"""What the test host holds: guests that are only remembered, and verbs that it does not have."""

from __future__ import annotations

from pathlib import Path

from virtctl.errors import InternalError, InvalidArgument, NoSupport, VirtctlError
from virtctl.values import (
    Affect,
    BlockCommit,
    BlockCopy,
    BlockJob,
    BlockSizes,
    ConsolePlace,
    Defined,
    DomainRow,
    DomainState,
    DumpCoreOptions,
    JobInfo,
    ListFilter,
    MemoryStats,
    WantedCapabilities,
    XenImport,
)

GUEST = """\
<domain type='test'{id}>
  <name>test</name>
  <uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid>
  <memory unit='KiB'>8388608</memory>
  <currentMemory unit='KiB'>2097152</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='i686'>hvm</type>
    <boot dev='hd'/>
  </os>
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type='file' device='disk'>
      <source file='/guest/diskimage1'/>
      <target dev='vda' bus='virtio'/>
      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
    </disk>
    <interface type='network'>
      <mac address='aa:bb:cc:dd:ee:ff'/>
      <source network='default'/>
      <target dev='testnet0'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0'/>
    </interface>
    <memballoon model='virtio'>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x02' function='0x0'/>
    </memballoon>
  </devices>
</domain>
"""


class Guest:
    """A domain of the test host. `xml` has a place `{id}` where a running guest shows its number."""

    def __init__(self, name: str, uuid: str, xml: str) -> None:
        self.name = name
        self.uuid = uuid
        self.xml = xml
        self.id: int | None = None
        self.state = DomainState("shut off", "unknown")
        self.persistent = True
        self.autostart = False
        self.managed_save = False

    def text(self, *, inactive: bool) -> str:
        """The document."""
        return self.xml.replace("{id}", "" if inactive or self.id is None else f" id='{self.id}'", 1)

    def title(self) -> str:
        """Its title, empty without one."""
        from virtctl.schema.xmlio import read

        title = read(self.text(inactive=True)).find("title")
        return (title.text or "") if title else ""

    def devices(self, tag: str) -> list[dict[str, str]]:
        """Each device of a kind as a table of its attributes, `element@attribute`."""
        from virtctl.schema.xmlio import read

        devices = read(self.text(inactive=True)).find("devices")
        return [
            {f"{node.tag}@{key}": value for node in (device, *device.children) for key, value in node.attrs.items()}
            for device in (devices.children if devices else [])
            if device.tag == tag
        ]


def matches(row: DomainRow, wanted: ListFilter) -> bool:
    """Whether `list` shows a domain. Like libvirt's test driver it knows no managed save filter."""
    if not (wanted.active if row.id is not None else wanted.inactive):
        return False
    if wanted.states and row.state not in wanted.states:
        return False
    asked = (
        (wanted.persistent, row.persistent),
        (wanted.autostart, row.autostart),
        (wanted.managed_save, row.managed_save),
        (wanted.snapshots, bool(row.snapshots)),
        (wanted.checkpoints, bool(row.checkpoints)),
    )
    return all(want is None or want == have for want, have in asked)


class NotThere:
    """The verbs that the test host does not have."""

    def ttyconsole(self, ref: str) -> str | None:
        """No console."""
        return None

    def console(self, ref: str, device: str | None = None, *, force: bool = False, safe: bool = False) -> ConsolePlace:
        """No console."""
        raise InternalError("cannot find console device")

    def vncdisplay(self, ref: str) -> str:
        """No display."""
        raise VirtctlError("Failed to get VNC port. Is this domain using VNC?")

    def displays(self, ref: str, *, type: str | None = None, include_password: bool = False) -> list[str]:
        """No display."""
        return []

    def to_native(self, format: str, xml: str | bytes | None, ref: str | None = None,
                  xend_version: int | None = None) -> str:
        """Cannot be done."""
        raise NoSupport("virConnectDomainXMLToNative")

    def from_native(self, format: str, text: str, xend_version: int | None = None) -> str:
        """Cannot be done."""
        raise NoSupport("virConnectDomainXMLFromNative")

    def import_xen(self, text: str, wanted: XenImport) -> tuple[str, list[str]]:
        """Cannot be done."""
        raise NoSupport("virtctl import")

    def problems(self, xml: str | bytes, what: str) -> list[str]:
        """Everything that is wrong with a document, for a host like the default one."""
        from virtctl.domain.validate import problems

        return [str(problem) for problem in problems(xml, what=what)]

    def compare(self, one: str | bytes, other: str | bytes) -> list[str]:
        """What differs in meaning between two documents, for a host like the default one."""
        from virtctl.domain.difference import compare_texts
        from virtctl.domain.host import Host

        return [str(change) for change in compare_texts(one, other, Host())]

    def start_argv(self, ref: str) -> str:
        """There is no command line."""
        raise NoSupport("virConnectDomainXMLToNative")

    def image_xml(self, path: Path, *, security_info: bool = False) -> str:
        """Cannot be done."""
        raise NoSupport("virDomainSaveImageGetXMLDesc")

    def define_image_xml(self, path: Path, xml: str | bytes, *, running: bool | None = None) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSaveImageDefineXML")

    def managed_image(self, ref: str) -> Path:
        """Cannot be done."""
        raise NoSupport("virDomainManagedSaveGetXMLDesc")

    def dump(self, ref: str, path: Path, options: DumpCoreOptions) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainCoreDump")

    def blockcopy(self, ref: str, disk: str, copy: BlockCopy) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainBlockCopy" if copy.granularity or copy.buffer else "virDomainBlockRebase")

    def blockjob(self, ref: str, disk: str) -> BlockJob | None:
        """Cannot be done."""
        raise NoSupport("virDomainGetBlockJobInfo")

    def blockjob_abort(self, ref: str, disk: str, *, asynchronous: bool = False) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainBlockJobAbort")

    def blockjob_pivot(self, ref: str, disk: str) -> float:
        """Cannot be done."""
        raise NoSupport("virDomainBlockJobAbort")

    def blockjob_speed(self, ref: str, disk: str, bandwidth: int) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainBlockJobSetSpeed")

    def blockpull(self, ref: str, disk: str, *, base: str | None = None, bandwidth: int = 0) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainBlockPull")

    def blockcommit(self, ref: str, disk: str, commit: BlockCommit) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainBlockCommit")

    def blockresize(self, ref: str, disk: str, size: int) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainBlockResize")

    def block_sizes(self, ref: str, disk: str) -> BlockSizes:
        """Cannot be done."""
        raise NoSupport("virDomainGetBlockInfo")

    def capabilities(self) -> str:
        """Cannot be done."""
        raise NoSupport("virConnectGetCapabilities")

    def domain_capabilities(self, wanted: WantedCapabilities) -> str:
        """Cannot be done."""
        raise NoSupport("virConnectGetDomainCapabilities")

    def cells(self) -> list[int]:
        """Two."""
        return [0, 1]

    def free_memory(self, cell: int | None = None) -> int:
        """Always the same."""
        if cell is not None and cell > 1:
            raise InvalidArgument("Range exceeds available cells")
        return 3072 if cell is None else 2048 * (cell + 1)

    def node_memory(self, cell: int | None = None) -> MemoryStats:
        """Cannot be done."""
        raise NoSupport("virNodeGetMemoryStats")

    def description(self, ref: str, *, title: bool = False, inactive: bool = False) -> str | None:
        """Cannot be done."""
        raise NoSupport("virDomainGetMetadata")

    def describe(self, ref: str, text: str, affect: Affect, *, title: bool = False) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSetMetadata")

    def metadata(self, ref: str, uri: str, affect: Affect) -> str:
        """Cannot be done."""
        raise NoSupport("virDomainGetMetadata")

    def set_metadata(self, ref: str, uri: str, new: tuple[str, str] | None, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSetMetadata")

    def rename(self, ref: str, new: str) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainRename")

    def set_memory(self, ref: str, size: int, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSetMemoryFlags")

    def set_max_memory(self, ref: str, size: int, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSetMaxMemory")

    def set_memory_period(self, ref: str, seconds: int, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSetMemoryStatsPeriod")

    def memory_stats(self, ref: str) -> dict[str, int]:
        """Cannot be done."""
        raise NoSupport("virDomainMemoryStats")

    def statistics(self, ref: str, groups: frozenset[str]) -> dict[str, object]:
        """Cannot be done."""
        raise NoSupport("virConnectGetAllDomainStats")

    def send_keys(self, ref: str, codes: list[int], codeset: str, hold: int) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSendKey")

    def inject_nmi(self, ref: str) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainInjectNMI")

    def wake_up(self, ref: str) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainPMWakeup")

    def screenshot(self, ref: str, screen: int) -> tuple[bytes, str]:
        """Cannot be done."""
        raise NoSupport("virDomainScreenshot")

    def block_errors(self, ref: str) -> dict[str, str]:
        """Cannot be done."""
        raise NoSupport("virDomainGetDiskErrors")

    def set_vcpus(self, ref: str, count: int, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSetVcpusFlags")

    def set_max_vcpus(self, ref: str, count: int) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainSetVcpusFlags")

    def attach_device(self, ref: str, xml: str | bytes, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainAttachDevice" + ("Flags" if affect != Affect(live=True) else ""))

    def detach_device(self, ref: str, xml: str | bytes, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainDetachDevice" + ("Flags" if affect != Affect(live=True) else ""))

    def update_device(self, ref: str, xml: str | bytes, affect: Affect, *, force: bool = False) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainUpdateDeviceFlags")

    def detach_alias(self, ref: str, alias: str, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainDetachDeviceAlias")

    def change_media(self, ref: str, target: str, source: str | None, affect: Affect, *, force: bool = False) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainUpdateDeviceFlags")

    def link_state(self, ref: str, interface: str, *, inactive: bool = False) -> str | None:
        """Cannot be done."""
        raise NoSupport("virDomainGetXMLDesc")

    def set_link(self, ref: str, interface: str, state: str, affect: Affect) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainUpdateDeviceFlags")

    def need_agent(self, ref: str) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainGetTime")

    def job_info(self, ref: str) -> JobInfo | None:
        """Cannot be done."""
        raise NoSupport("virDomainGetJobInfo")

    def abort_job(self, ref: str) -> None:
        """Cannot be done."""
        raise NoSupport("virDomainAbortJob")

    def monitor_hmp(self, ref: str, command: str) -> str:
        """Cannot be done."""
        raise NoSupport("virDomainQemuMonitorCommand")

    def monitor_qmp(self, ref: str, command: str) -> str:
        """Cannot be done."""
        raise NoSupport("virDomainQemuMonitorCommand")

    def recover(self, ref: str | None = None) -> list[str]:
        """Nothing is ever interrupted."""
        return []

    def history(self, ref: str) -> list[dict[str, object]]:
        """Nothing is written down."""
        return []

    def undo(self, ref: str) -> Defined:
        """Cannot be done."""
        raise NoSupport("undo")
