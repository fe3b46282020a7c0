"""Interfaces: what is read, filled in and refused."""

from __future__ import annotations

import re

import pytest

from tests.unit.device_samples import HOST, define, refusal, written
from virtctl.domain.devices.interface import Interface
from virtctl.domain.domain import write_domain
from virtctl.domain.pipeline import complete
from virtctl.schema.element import Mode

MAC = "<mac address='52:54:00:aa:bb:cc'/>"
ID = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"


def test_a_bare_interface_gets_address_and_card():
    text = written("<interface/>", "interface")
    assert re.fullmatch(r"""<interface type='user'>
  <mac address='52:54:00(:[0-9a-f]{2}){3}'/>
  <model type='rtl8139'/>
  <address type='pci' domain='0x0000' bus='0x00' slot='0x\d\d' function='0x0'/>
</interface>""", text)


EVERYTHING = f"""<interface type='network'>{MAC}
<source network='default' portgroup='pg' bridge='virbr0'/>
<virtualport type='openvswitch'><parameters interfaceid='{ID}' profileid='x'/></virtualport>
<bandwidth><outbound average='1'/><inbound average='1' peak='2' burst='3' floor='4'/></bandwidth>
<vlan><tag id='3' nativeMode='untagged'/><tag id='4'/></vlan>
<model type='Virtio'/><target dev='vt0'/><script path='/s'/>
<driver name='vhost' txmode='iothread' queues='3' rx_queue_size='256' rss='on' ats='on'>
<guest csum='on' ufo='off'/><host csum='on' mrg_rxbuf='off'/></driver><backend tap='/dev//tap' vhost='/dev/vhost'/>
<filterref filter='f'><parameter name='B' value='1'/><parameter name='A' value='2'/></filterref>
<tune><sndbuf>3</sndbuf></tune><link state='down'/><mtu size='1500'/>
<coalesce><rx><frames max='3'/></rx></coalesce><teaming type='persistent'/><boot order='1'/></interface>"""


WRITTEN = f"""\
<interface type='network'>
  <mac address='52:54:00:aa:bb:cc'/>
  <source network='default' portgroup='pg'/>
  <vlan trunk='yes'>
    <tag id='3' nativeMode='untagged'/>
    <tag id='4'/>
  </vlan>
  <virtualport type='openvswitch'>
    <parameters interfaceid='{ID}' profileid='x'/>
  </virtualport>
  <bandwidth>
    <inbound average='1' peak='2' floor='4' burst='3'/>
    <outbound average='1'/>
  </bandwidth>
  <script path='/s'/>
  <target dev='vt0'/>
  <model type='virtio'/>
  <driver name='vhost' txmode='iothread' queues='3' rx_queue_size='256' rss='on' ats='on'>
    <host csum='on' mrg_rxbuf='off'/>
    <guest csum='on' ufo='off'/>
  </driver>
  <backend tap='/dev/tap' vhost='/dev/vhost'/>
  <filterref filter='f'>
    <parameter name='A' value='2'/>
    <parameter name='B' value='1'/>
  </filterref>
  <tune>
    <sndbuf>3</sndbuf>
  </tune>
  <teaming type='persistent'/>
  <link state='down'/>
  <mtu size='1500'/>
  <coalesce>
    <rx>
      <frames max='3'/>
    </rx>
  </coalesce>
  <boot order='1'/>
"""


def test_everything_in_libvirts_order():
    assert written(EVERYTHING, "interface").rpartition("  <address")[0] == WRITTEN


@pytest.mark.parametrize(("given", "kept"), [
    ("<interface type='bridge'><source bridge='b' network='n'/>", "<source bridge='b'/>"),
    ("<interface type='direct'><source dev='e'/>", "<source dev='e' mode='vepa'/>"),
    ("<interface type='server'><source address='1.2.3.4' port='5'/>", "<source address='1.2.3.4' port='5'/>"),
    ("<interface type='udp'><source address='1.2.3.4' port='5'><local address='1.2.3.5' port='6'/></source>",
     "<source address='1.2.3.4' port='5'>\n    <local address='1.2.3.5' port='6'/>\n  </source>"),
    ("<interface type='vhostuser'><source type='unix' path='/s' mode='client'/><model type='virtio'/>",
     "<source type='unix' path='/s' mode='client'/>"),
    ("<interface type='vdpa'><source dev='/dev/v'/>", "<source dev='/dev/v'/>"),
    ("<interface type='ethernet'><source><ip address='1.2.3' prefix='24' peer='2.3.4.5'/>"
     "<route address='0.0.0.0' gateway='1.2.3.4'/></source>",
     "<source>\n    <ip address='1.2.0.3' family='ipv4' prefix='24' peer='2.3.4.5'/>\n"
     "    <route address='0.0.0.0' gateway='1.2.3.4'/>\n  </source>"),
])
def test_a_source_keeps_what_its_type_reads(given, kept):
    assert f"  {kept}\n" in written(f"{given}{MAC}</interface>", "interface")


def test_an_assigned_card_names_its_driver_first():
    given = f"<interface type='hostdev' managed='yes'>{MAC}<source><address type='pci' bus='1'/></source>" \
            "<driver name='vfio' queues='3'/></interface>"
    assert written(given, "interface").startswith("""\
<interface type='hostdev' managed='yes'>
  <mac address='52:54:00:aa:bb:cc'/>
  <driver name='vfio'/>
  <source>
    <address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>
  </source>
""")


def test_what_only_virtio_cards_have_is_left_out():
    assert "driver" not in written(f"<interface>{MAC}<driver queues='odd' name='odd'/></interface>", "interface")


def test_a_generated_name_belongs_to_the_running_guest():
    given = f"<interface>{MAC}<target dev='vnet3'/></interface>"
    assert define(given).devices.all(Interface)[0].target is None
    live = complete(write_domain(define(given)).replace("<model", "<target dev='vnet3'/>\n<model"), HOST,
                    Mode(live=True))
    assert live.devices.all(Interface)[0].target == "vnet3"


@pytest.mark.parametrize(("kind", "name"), [("openvswitch", "interfaceid"), ("802.1Qbg", "instanceid")])
def test_a_port_gets_an_identity(kind, name):
    given = f"<interface type='bridge'>{MAC}<source bridge='b'/><virtualport type='{kind}'>" \
            "<parameters managerid='1' typeid='2' typeidversion='3'/></virtualport></interface>"
    if kind == "openvswitch":
        given = given.replace("<parameters managerid='1' typeid='2' typeidversion='3'/>", "")
    assert re.search(f"{name}='[0-9a-f-]{{36}}'", written(given, "interface"))


@pytest.mark.parametrize(("inside", "words"), [
    ("<interface type='odd'>", "XML error: Invalid value for attribute 'type' in element 'interface': 'odd'."),
    ("<interface type='network'>", "XML error: interface type='network' requires a 'source' element"),
    ("<interface type='bridge'><source/>", "XML error: Missing required attribute 'bridge' in element 'source'"),
    ("<interface type='direct'><source dev='e' mode='odd'/>",
     "XML error: Invalid value for attribute 'mode' in element 'source': 'odd'."),
    ("<interface type='udp'><source address='1.2.3.4' port='5'/>",
     "XML error: '<local>' element missing for 'udp' socket interface"),
    ("<interface type='vhostuser'><source type='unix' path='/s' mode='client'/>",
     "internal error: Wrong or no <model> 'type' attribute specified with <interface type='vhostuser'/>. "
     "vhostuser requires the virtio-net* frontend"),
    ("<interface><mac address='odd'/>", "XML error: unable to parse mac address 'odd'"),
    ("<interface><mac address='01:00:00:00:00:01'/>",
     "XML error: expected unicast mac address, found multicast '01:00:00:00:00:01'"),
    ("<interface><model type='a b'/>", "invalid argument: Model name contains invalid characters"),
    ("<interface><model type='virtio'/><driver rx_queue_size='3'/>",
     "unsupported configuration: rx_queue_size has to be a power of two"),
    ("<interface><driver ats='on'/>",
     "unsupported configuration: ats driver option is only supported for virtio devices"),
    ("<interface><mtu size='9000'/>",
     "unsupported configuration: setting MTU on interface type user is not supported yet"),
    ("<interface><link state='odd'/>", "unsupported configuration: unknown interface link state 'odd'"),
    ("<interface><virtualport type='openvswitch'/>",
     "unsupported configuration: <virtualport> element unsupported for <interface type='user'>"),
    ("<interface type='bridge'><source bridge='b'/><virtualport/>", "XML error: missing required virtualport type"),
    ("<interface type='bridge'><source bridge='b'/><virtualport type='802.1Qbh'><parameters profileid='x' "
     "managerid='1'/></virtualport>", "XML error: extra managerid unsupported in <virtualport type='802.1Qbh'>"),
    ("<interface type='bridge'><source bridge='b'/><vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>",
     "XML error: invalid \"trunk='no'\" in <vlan> - trunk='yes' is required for more than one vlan tag"),
    ("<interface type='bridge'><source bridge='b'/><vlan><tag id='5000'/></vlan>",
     "XML error: vlan tag id 5000 too large (maximum 4095)"),
    ("<interface><bandwidth><inbound/></bandwidth>", "Missing mandatory average or floor attributes"),
    ("<interface type='bridge'><source bridge='b'/><bandwidth><inbound floor='1'/></bandwidth>",
     "unsupported configuration: floor attribute is not supported for this config"),
    ("<interface><ip address='1.2.3.4' prefix='33'/>", "XML error: Invalid prefix value '33' in <ip>"),
    ("<interface><ip address='1.2.3.4'/><ip address='1.2.3.5'/>",
     "unsupported configuration: Only one IPv4 address per interface is allowed"),
    ("<interface type='bridge'><source bridge='b'/><ip address='1.2.3.4'/>",
     "unsupported configuration: Invalid attempt to set network interface guest-side IP route and/or address info, "
     "not supported by QEMU"),
    ("<interface type='ethernet'><source><route address='10.0.0.1' gateway='1.2.3.4'/></source>",
     "XML error: interface host IP: Address '10.0.0.1' in route definition is not a network address"),
    ("<interface><teaming type='transient'/>",
     "unsupported configuration: teaming persistent attribute must be set if teaming type is 'transient'"),
    ("<interface><port isolated='yes'/><mac address='52:54:00:aa:bb:cc'/>",
     "unsupported configuration: interface 52:54:00:aa:bb:cc - <port isolated='yes'/> is not supported for network "
     "interfaces with type='user'"),
])
def test_refusals(inside, words):
    assert refusal(f"{inside}</interface>") == words
