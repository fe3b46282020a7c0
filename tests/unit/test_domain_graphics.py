"""Displays and graphics cards: what is read, filled in and refused."""

from __future__ import annotations

import pytest

from tests.unit.device_samples import refusal, written
from virtctl.domain.devices.graphics import Graphics
from virtctl.domain.domain import read_domain, write_domain
from virtctl.schema.element import Mode

OS = "<os><type arch='x86_64' machine='pc'>hvm</type></os>"
LISTEN = "  <listen type='address'/>\n</graphics>"


@pytest.mark.parametrize(("given", "head"), [
    ("<graphics type='vnc'/>", "<graphics type='vnc' port='-1' autoport='yes'>"),
    ("<graphics type='vnc' port='5901'/>", "<graphics type='vnc' port='5901' autoport='no'>"),
    ("<graphics type='vnc' port='5901' autoport='yes'/>", "<graphics type='vnc' port='-1' autoport='yes'>"),
    ("<graphics type='vnc' websocket='5700'/>", "<graphics type='vnc' port='-1' autoport='yes' websocket='5700'>"),
    ("<graphics type='vnc' passwd='x' keymap='de' sharePolicy='ignore'/>",
     "<graphics type='vnc' port='-1' autoport='yes' keymap='de' sharePolicy='ignore' passwd='x'>"),
    ("<graphics type='vnc' connected='keep' tlsPort='3'/>", "<graphics type='vnc' port='-1' autoport='yes'>"),
    ("<graphics type='spice' port='-1' tlsPort='-1'/>", "<graphics type='spice' autoport='yes'>"),
    ("<graphics type='spice' port='5900'/>", "<graphics type='spice' port='5900' autoport='no'>"),
])
def test_ports(given, head):
    assert written(given, "graphics") == f"{head}\n{LISTEN}"


@pytest.mark.parametrize(("given", "wanted"), [
    ("<graphics type='spice'/>", "<graphics type='spice'>\n  <listen type='none'/>\n</graphics>"),
    ("<graphics type='vnc' socket='/a'/>",
     "<graphics type='vnc' socket='/a'>\n  <listen type='socket' socket='/a'/>\n</graphics>"),
    ("<graphics type='vnc' listen='127.0.0.1'/>",
     "<graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'>\n"
     "  <listen type='address' address='127.0.0.1'/>\n</graphics>"),
    ("<graphics type='vnc'><listen type='network' network='lan' address='1.2.3.4'/></graphics>",
     "<graphics type='vnc' port='-1' autoport='yes'>\n  <listen type='network' network='lan'/>\n</graphics>"),
    ("<graphics type='spice'><channel name='usbredir' mode='secure'/><channel name='main' mode='any'/></graphics>",
     "<graphics type='spice'>\n  <listen type='none'/>\n  <channel name='usbredir' mode='secure'/>\n</graphics>"),
    ("<graphics type='sdl' fullscreen='no' display=':0'/>", "<graphics type='sdl' display=':0'/>"),
])
def test_places(given, wanted):
    assert written(given, "graphics") == wanted


def test_a_running_guest_shows_its_port_and_a_definition_does_not():
    text = (f"<domain type='qemu'>{OS}<devices><graphics type='vnc' port='5907' autoport='yes'>"
            "<listen type='address' address='127.0.0.1'/></graphics></devices></domain>")
    domain = read_domain(text, Mode(live=True))
    assert domain.devices.all(Graphics)[0].port == 5907
    assert "port='5907' autoport='yes' listen='127.0.0.1'" in write_domain(domain, Mode(live=True))
    assert "port='-1' autoport='yes'" in write_domain(domain)


def test_a_password_is_a_secret():
    text = f"<domain type='qemu'>{OS}<devices><graphics type='vnc' passwd='s3cret'/></devices></domain>"
    assert "s3cret" not in write_domain(read_domain(text))
    assert "passwd='s3cret'" in write_domain(read_domain(text), Mode(secure=True))


@pytest.mark.parametrize(("given", "words"), [
    ("<graphics type='vnc' port='x'/>", "internal error: cannot parse vnc port x"),
    ("<graphics type='vnc' passwd='123456789'/>",
     "unsupported configuration: VNC password is 9 characters long, only 8 permitted"),
    ("<graphics type='vnc' passwd='a' connected='fail'/>",
     "unsupported configuration: VNC supports connected='keep' only"),
    ("<graphics type='vnc' passwd='a' passwdValidTo='tomorrow'/>",
     "internal error: cannot parse password validity time 'tomorrow', expect YYYY-MM-DDTHH:MM:SS"),
    ("<graphics type='vnc' listen='1.1.1.1'><listen type='address' address='2.2.2.2'/></graphics>",
     "unsupported configuration: graphics 'listen' attribute '1.1.1.1' must match 'address' attribute of first "
     "listen element (found '2.2.2.2')"),
    ("<graphics type='vnc'><listen type='network'/></graphics>",
     "XML error: 'network' attribute is required for listen type 'network'"),
    ("<graphics type='vnc'><audio id='7'/></graphics>", "XML error: no audio device with ID 7"),
    ("<graphics type='spice'><mouse/></graphics>", "XML error: Missing required attribute 'mode' in element 'mouse'"),
    ("<graphics type='spice'><gl/></graphics>", "XML error: Missing required attribute 'enable' in element 'gl'"),
    ("<graphics type='spice' port='5900' tlsPort='5901'/>",
     "unsupported configuration: spice TLS port set in XML configuration, but TLS is disabled in qemu.conf"),
    ("<graphics type='dbus' p2p='yes' address='unix:path=/a'/>",
     "XML error: D-Bus p2p with an address is not supported"),
    ("<graphics type='rdp'/>", "unsupported configuration: rdp graphics are not supported with this QEMU"),
    ("<graphics type='sdl'/><graphics type='egl-headless'/>",
     "unsupported configuration: graphics type 'egl-headless' is only supported with one of: 'vnc', 'spice' "
     "graphics types"),
    ("<graphics type='spice'><gl enable='yes'/></graphics><graphics type='egl-headless'/>",
     "unsupported configuration: multiple OpenGL displays are not supported by QEMU"),
])
def test_displays_refused(given, words):
    assert refusal(given) == words


@pytest.mark.parametrize(("given", "model"), [
    ("<graphics type='vnc'/>", "<model type='cirrus' vram='16384' heads='1' primary='yes'/>"),
    ("<video><model type='vga' vram='9000'/></video>", "<model type='vga' vram='16384' heads='1' primary='yes'/>"),
    ("<video><model type='qxl'/></video>",
     "<model type='qxl' ram='65536' vram='65536' vgamem='16384' heads='1' primary='yes'/>"),
    ("<video><model type='virtio' heads='2'/></video>", "<model type='virtio' heads='2' primary='yes'/>"),
    ("<video><model type='none'/></video>", "<model type='none'/>"),
])
def test_cards_are_completed(given, model):
    assert model in written(given, "video")


def test_the_primary_card_comes_first():
    cards = written("<video><model type='qxl'/></video><video><model type='vga' primary='yes'/></video>", "video")
    assert cards.index("'vga'") < cards.index("'qxl'")


@pytest.mark.parametrize(("given", "words"), [
    ("<video><model type='vga'/></video><video><model type='cirrus'/></video>",
     "unsupported configuration: video type 'cirrus' is only valid as primary video device"),
    ("<video><model type='none'/></video><video><model type='qxl'/></video>",
     "unsupported configuration: a 'none' video type must be the only video device defined for the domain"),
    ("<video><model type='vga' heads='2'/></video>",
     "unsupported configuration: video type 'vga' doesn't support multiple 'heads'"),
    ("<video><model type='vga' vram='x'/></video>", "XML error: cannot parse video vram 'x'"),
    ("<video><model type='vga' ram='1024'/></video>",
     "unsupported configuration: ram attribute only supported for video type qxl"),
    ("<video><model type='qxl' vgamem='9216'/></video>",
     "unsupported configuration: value for 'vgamem' must be power of two"),
    ("<video><model type='vga'><acceleration accel3d='yes'/></model></video>",
     "unsupported configuration: 3d acceleration is supported only with 'virtio' video device"),
    ("<video><model type='cirrus'><resolution x='1' y='1'/></model></video>",
     "XML error: model resolution is not supported"),
    ("<video><driver iommu='on'/><model type='vga'/></video>",
     "unsupported configuration: iommu driver option is only supported for virtio devices"),
])
def test_cards_refused(given, words):
    assert refusal(given) == words
