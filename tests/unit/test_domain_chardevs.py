"""Serial ports, consoles, channels and smart cards: what is read, filled in and refused."""

from __future__ import annotations

import pytest

from tests.unit.device_samples import HOST, define, refusal, written
from virtctl.domain.defaults.chardevs import mirror_console
from virtctl.domain.devices.chardev import Channel, Console, Serial
from virtctl.domain.devices.chardev_source import ChardevSource
from virtctl.domain.domain import Domain, read_domain, write_domain
from virtctl.schema.element import Mode

PAIR = """<serial type='pty'>
  <target type='isa-serial' port='0'>
    <model name='isa-serial'/>
  </target>
</serial>"""


@pytest.mark.parametrize("given", ["<serial/>", "<serial type='pty'><source path='/dev/pts/3'/></serial>",
                                   "<console/>", "<console type='pty'><target port='7'/></console>"])
def test_a_serial_port_and_a_console_make_each_other(given):
    assert written(given, "serial") == PAIR
    assert written(given, "console") == "<console type='pty'>\n  <target type='serial' port='0'/>\n</console>"


def test_only_the_first_console_is_serial():
    assert refusal("<console/><console/>") == \
        "unsupported configuration: Only the first console can be a serial port"


def test_virtio_consoles_keep_their_place():
    ports = [one.port for one in define("<serial/><console><target type='virtio'/></console>").devices.all(Console)]
    assert ports == [0, 0]


def test_a_pci_card_is_no_console():
    assert written("<serial><target type='pci-serial'/></serial>", "console") == ""


@pytest.mark.parametrize(("given", "kept"), [
    ("<serial type='file'><source path='/a' append='on' mode='nonsense'/></serial>",
     "<source path='/a' append='on'/>"),
    ("<serial type='unix'><source path='/s' mode='bind'/></serial>", "<source mode='bind' path='/s'/>"),
    ("<serial type='tcp'><source host='h' service='1'/></serial>",
     "<source mode='connect' host='h' service='1'/>\n  <protocol type='raw'/>"),
    ("<serial type='udp'><source mode='connect' service='5'/><source mode='bind' host='h'/></serial>",
     "<source mode='bind' host='h'/>\n  <source mode='connect' service='5'/>"),
    ("<serial type='null'><source path='/x'/><log file='/l' append='off'/></serial>",
     "<log file='/l' append='off'/>"),
    ("<serial type='dbus'><source channel='org.x'/></serial>", "<source channel='org.x'/>"),
    ("<serial type='tcp'><source host='h' service='1' tls='yes'><reconnect enabled='yes' timeout='3'/></source>"
     "<protocol type='telnet'/></serial>",
     "<source mode='connect' host='h' service='1' tls='yes'>\n    <reconnect enabled='yes' timeout='3'/>\n"
     "  </source>\n  <protocol type='telnet'/>"),
])
def test_a_source_keeps_what_its_kind_reads(given, kept):
    kind = define(given).devices.all(Serial)[0].type
    assert written(given, "serial") == f"<serial type='{kind}'>\n  {kept}\n" + PAIR.partition("\n")[2]


@pytest.mark.parametrize(("given", "words"), [
    ("<serial type='odd'/>", "unsupported configuration: unknown type presented to host for character device: odd"),
    ("<serial type='file'/>", "internal error: Missing source path attribute for char device"),
    ("<serial type='tcp'><source host='h'/></serial>",
     "internal error: Missing source service attribute for char device"),
    ("<serial type='udp'><source mode='bind' host='h'/></serial>",
     "internal error: Missing source service attribute for char device"),
    ("<serial type='tcp'><source host='h' service='1'/><protocol type='odd'/></serial>",
     "unsupported configuration: Unknown protocol 'odd'"),
    ("<serial type='unix'><source path='/s'><reconnect enabled='yes'/></source></serial>",
     "XML error: Missing required attribute 'timeout' in element 'reconnect'"),
    ("<serial type='unix'><source path='/s'><reconnect enabled='yes' timeout='0'/></source></serial>",
     "invalid argument: chardev reconnect source timeout cannot be '0'"),
    ("<serial type='unix'><source path='/s' mode='bind'><reconnect enabled='yes' timeout='1'/></source></serial>",
     "internal error: chardev reconnect is possible only for connect mode"),
    ("<serial type='file'><source path='/a'/><source path='/b'/></serial>",
     "XML error: only one source element is allowed for character device"),
    ("<serial type='spiceport'><source channel='a b'/></serial>",
     "invalid argument: Invalid character in source channel for char device"),
    ("<serial type='spicevmc'/>", "unsupported configuration: spicevmc device type only supports virtio"),
    ("<serial><target port='x'/></serial>", "XML error: Invalid port number: x"),
    ("<serial><target type='isa-serial'><model name='isa-debugcon'/></target></serial>",
     "unsupported configuration: Target model 'isa-debugcon' requires target type 'isa-debug'"),
    ("<console><target type='sclp'/></console>",
     "unsupported configuration: sclpconsole is not supported in this QEMU binary"),
    ("<channel/>", "XML error: target type must be specified for channel device"),
    ("<channel><target type='guestfwd' address='::1' port='1'/></channel>",
     "unsupported configuration: guestfwd channel only supports IPv4 addresses"),
    ("<channel type='spicevmc'><target type='virtio'/></channel>",
     "unsupported configuration: chardev 'spicevmc' not supported without spice graphics"),
    ("<smartcard mode='passthrough'/>", "XML error: passthrough mode requires a character device type attribute"),
    ("<smartcard mode='host-certificates'/>",
     "XML error: host-certificates mode needs exactly three certificates"),
])
def test_refusals(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize("policy", ["mandatory", "requisite", "optional"])
@pytest.mark.parametrize("tag", ["serial", "parallel", "console", "channel"])
def test_startup_policy_of_a_file_is_kept_after_its_path(tag, policy):
    target = "<target type='virtio' name='x'/>" if tag == "channel" else ""
    given = f"<{tag} type='file'><source append='on' startupPolicy='{policy}' path='/log'/>{target}</{tag}>"
    assert f"<source path='/log' startupPolicy='{policy}' append='on'/>" in written(given, tag)


@pytest.mark.parametrize("source", [
    "pty'><source", "unix'><source path='/s'", "tcp'><source host='h' service='1'", "udp'><source service='1'",
    "null'><source", "stdio'><source", "pipe'><source path='/p'", "dev'><source path='/d'"])
def test_startup_policy_is_refused_on_what_is_no_file(source):
    kind = source.partition("'")[0]
    assert refusal(f"<serial type='{source} startupPolicy='optional'/></serial>") == \
        f"unsupported configuration: startupPolicy is only supported for a source of type 'file', not '{kind}'"


def test_startup_policy_must_be_a_known_one():
    assert refusal("<serial type='file'><source path='/l' startupPolicy='never'/></serial>") == \
        "XML error: Invalid value for attribute 'startupPolicy' in element 'source': 'never'."


def test_a_socket_whose_path_was_made_up_has_none():
    given = "<channel type='unix'><source path='/var/lib/x/channel/target/domain-1-a/org.q'/>" \
            "<target type='virtio' name='org.q'/></channel>"
    assert define(given).devices.all(Channel)[0].sources == []


def test_ports_are_numbered_after_the_highest():
    given = "<parallel/><parallel><target port='3'/></parallel><parallel/><parallel><target port='-1'/></parallel>"
    assert [one.port for one in define(given).devices.by_tag["parallel"]] == [0, 3, 4, 5]
    given = "<serial/><serial><target port='2'/></serial><serial/>"
    assert [one.port for one in define(given).devices.by_tag["serial"]] == [3, 2, 4]


def live_domain() -> Domain:
    """A running guest whose first serial port has a pty."""
    domain = define("<serial/><channel type='unix'><target type='virtio' name='a'/></channel>")
    domain.devices.all(Serial)[0].sources = [ChardevSource(path="/dev/pts/9")]
    domain.devices.all(Channel)[0].target.state = "connected"
    mirror_console(domain, HOST)
    return domain


def test_a_running_guest_shows_its_pty_and_state():
    text = write_domain(live_domain(), Mode(live=True))
    assert "<console type='pty' tty='/dev/pts/9'>\n      <source path='/dev/pts/9'/>" in text
    assert "<target type='virtio' name='a' state='connected'/>" in text
    again = read_domain(text, Mode(live=True))
    assert write_domain(again, Mode(live=True)) == text


def test_a_definition_does_not_show_them():
    text = write_domain(live_domain())
    assert "/dev/pts" not in text
    assert "state=" not in text


ISA = "<serial><target type='isa-serial'{}/></serial>"


def test_ports_that_the_document_puts_on_the_isa_bus_come_first():
    given = "<serial/>" + ISA.format("") + ISA.format(" port='2'") + "<serial><target type='pci-serial'/></serial>"
    assert [one.port for one in define(given).devices.all(Serial)] == [3, 0, 2, 4]
    assert refusal(ISA.format(" port='4'")) == "internal error: Maximum supported number of ISA serial ports is '4'"
    assert refusal(ISA.format("") * 5) == "internal error: Maximum supported number of ISA serial ports is '4'"
    assert refusal(ISA.format(" port='1'") * 2) == "internal error: target port '1' already allocated"
