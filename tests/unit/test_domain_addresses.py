"""PCI addresses: the order in which devices are served, the buses that are added for them, and what is refused."""

from __future__ import annotations

import pytest

from tests.unit.address_samples import define, disk, nic, pci, placed, refusal

NO_BALLOON = "<memballoon model='none'/>"
BARE = NO_BALLOON + "<controller type='usb' model='none'/>"
USB2 = "".join(f"<controller type='usb' model='ich9-{part}'/>" for part in ("ehci1", "uhci1", "uhci2", "uhci3"))


def test_conventional_slots_are_handed_out_kind_by_kind():
    devices = ("<rng model='virtio'><backend model='random'/></rng>" + disk("vda", "virtio") + disk("sda", "scsi")
               + "<sound model='ich6'/>" + nic() + "<graphics type='vnc'/>")
    assert placed(devices) == [
        "disk 0:06.0", "disk 0-0-0-0", "scsi 0 lsilogic 0:05.0", "interface 0:03.0", "sound 0:04.0", "video 0:02.0",
        "memballoon 0:07.0", "rng 0:08.0"]


def test_express_cards_get_a_root_port_each_and_one_is_spare():
    assert placed(nic() + disk("vda", "virtio") + "<graphics type='vnc'/>", "q35") == [
        "disk 3:00.0", "usb 0 qemu-xhci 2:00.0", "pci 1 pcie-root-port 0:02.0+", "pci 2 pcie-root-port 0:02.1",
        "pci 3 pcie-root-port 0:02.2", "pci 4 pcie-root-port 0:02.3", "pci 5 pcie-root-port 0:02.4",
        "interface 1:00.0", "video 0:01.0", "memballoon 4:00.0"]


def test_without_devices_no_port_is_spare():
    assert placed(BARE, "q35") == []


def test_who_plans_ports_gets_no_spare_one():
    port = "<controller type='pci' index='1' model='pcie-root-port'/>"
    assert placed(BARE + port + nic(), "q35") == ["pci 1 pcie-root-port 0:01.0", "interface 1:00.0"]


def test_a_conventional_card_brings_a_bridge_behind_a_port_of_its_own():
    assert placed(BARE + nic("e1000"), "q35") == [
        "pci 1 pcie-root-port 0:01.0+", "pci 2 pcie-to-pci-bridge 1:00.0", "pci 3 pcie-root-port 0:01.1",
        "interface 2:01.0"]


@pytest.mark.parametrize(("model", "place"), [("virtio", "1:00.0"), ("virtio-non-transitional", "1:00.0"),
                                              ("virtio-transitional", "2:01.0"), ("e1000e", "1:00.0"),
                                              ("rtl8139", "2:01.0")])
def test_the_model_decides_between_express_and_conventional(model, place):
    assert placed(BARE + nic(model), "q35")[-1] == f"interface {place}"


def test_eight_ports_share_a_slot():
    ports = [place for place in placed(BARE + "".join(nic(number=n) for n in range(9)), "q35") if "root-port" in place]
    assert ports[0] == "pci 1 pcie-root-port 0:01.0+"
    assert ports[7:9] == ["pci 8 pcie-root-port 0:01.7", "pci 9 pcie-root-port 0:02.0+"]


@pytest.mark.parametrize(("count", "bridges"), [(29, 0), (30, 1), (59, 1)])
def test_a_full_bus_gets_a_bridge(count, bridges):
    places = placed(NO_BALLOON + "".join(nic(number=n) for n in range(count)))
    assert sum("pci-bridge" in place for place in places) == bridges


def test_buses_up_to_the_one_named_are_added():
    assert [place for place in placed(BARE + nic(more=pci(3, 0)), "q35") if "root-port" in place] == [
        "pci 1 pcie-root-port 0:01.0+", "pci 2 pcie-root-port 0:01.1", "pci 3 pcie-root-port 0:01.2"]


def test_a_switch_is_filled_before_ports_are_added():
    switch = "".join(f"<controller type='pci' index='{index}' model='{model}'/>" for index, model in enumerate(
        ("pcie-root-port", "pcie-switch-upstream-port", "pcie-switch-downstream-port"), start=1))
    places = placed(BARE + switch + nic() + nic(number=2), "q35")
    assert places[1:3] == ["pci 2 pcie-switch-upstream-port 1:00.0", "pci 3 pcie-switch-downstream-port 2:00.0"]
    assert places[-2:] == ["interface 3:00.0", "interface 4:00.0"]


@pytest.mark.parametrize(("machine", "slot"), [("pc", "02"), ("q35", "1d")])
def test_the_parts_of_a_usb2_controller_share_a_slot(machine, slot):
    assert placed(NO_BALLOON + USB2, machine) == [
        f"usb 0 ich9-ehci1 0:{slot}.7", f"usb 0 ich9-uhci1 0:{slot}.0+", f"usb 0 ich9-uhci2 0:{slot}.1",
        f"usb 0 ich9-uhci3 0:{slot}.2"]


def test_the_first_card_takes_another_slot_when_its_own_is_taken():
    assert placed(NO_BALLOON + nic(more=pci(0, 2)) + "<graphics type='vnc'/>") == ["interface 0:02.0", "video 0:03.0"]


def test_a_shared_slot_is_marked():
    assert placed(NO_BALLOON + nic(more=pci(0, 5)) + nic(more=pci(0, 5, 1), number=2)) == [
        "interface 0:05.0+", "interface 0:05.1"]


def test_controllers_are_completed():
    added = [one for one in define(BARE + nic("e1000"), "q35").devices.by_tag["controller"] if one.type == "pci"]
    assert [(one.model_name, one.chassis, one.port) for one in added] == [
        (None, None, None), ("pcie-root-port", 1, 8), ("pcie-pci-bridge", None, None), ("pcie-root-port", 3, 9)]


def test_expander_buses_count_down():
    buses = "".join(f"<controller type='pci' index='{index}' model='pci-expander-bus'/>" for index in (1, 2))
    controllers = define(buses).devices.by_tag["controller"]
    assert [one.bus_nr for one in controllers if one.model == "pci-expander-bus"] == [254, 252]


REFUSED = [
    (nic(more=pci(0, 5)) + nic(more=pci(0, 5), number=2), "pc",
     "XML error: Attempted double use of PCI Address 0000:00:05.0"),
    (nic(more=pci(0, 1)), "pc", "XML error: Attempted double use of PCI Address 0000:00:01.0"),
    (nic(more=pci(0, 0x1F)), "q35", "XML error: Attempted double use of PCI Address 0000:00:1f.0"),
    (nic(more=pci(1, 0)), "pc", "XML error: Invalid PCI address 0000:01:00.0. slot must be >= 1"),
    (nic(more=pci(1, 1)), "q35", "XML error: Invalid PCI address 0000:01:01.0. slot must be <= 0"),
    (nic(more=pci(0, 32)), "pc", "XML error: Invalid PCI address slot='0x20', must be <= 0x1F"),
    (nic(more=pci(0x100, 1)), "pc", "XML error: Invalid PCI address bus='0x100', must be <= 0xFF"),
    (nic(more=pci(0, 3, 8)), "pc", "XML error: Invalid PCI address function=0x8, must be <= 7"),
    (nic(more="<address type='pci' domain='1' slot='3'/>"), "pc",
     "XML error: Invalid PCI address 0001:00:03.0. Only PCI domain 0 is available"),
    (f"<controller type='ide'>{pci(0, 4)}</controller>", "pc",
     "internal error: Primary IDE controller must have PCI address 0:0:1.1"),
    (f"<controller type='sata'>{pci(0, 4)}</controller>", "q35",
     "internal error: Primary SATA controller must have PCI address 0:0:1f.2"),
    (f"<controller type='pci' index='1' model='pcie-root-port'/><controller type='pci' index='2' "
     f"model='pcie-switch-downstream-port'>{pci(1, 0)}</controller>", "q35",
     "XML error: The device at PCI address 0000:01:00.0 cannot be plugged into the PCI controller with index='1'. "
     "It requires a controller that accepts a pcie-switch-downstream-port."),
    ("<controller type='pci' index='1' model='pcie-switch-downstream-port'/>", "q35",
     "internal error: a PCI slot is needed to connect a PCI controller model='pcie-switch-downstream-port', "
     "but none is available, and it cannot be automatically added"),
    ("<controller type='pci' index='1' model='pcie-to-pci-bridge'/>", "q35",
     "internal error: Cannot automatically add a new PCI bus for a device with connect flags 2000"),
    ("<controller type='pci' index='1' model='pci-bridge'/><controller type='pci' index='1' model='pci-bridge'/>",
     "pc", "XML error: Multiple 'pci' controllers with index '1'"),
    ("<controller type='pci' index='0' model='pcie-root'/>", "pc",
     "XML error: The PCI controller with index='0' must be model='pci-root' for this machine type, "
     "but model='pcie-root' was found instead"),
    ("<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='255'/></controller>", "q35",
     "unsupported configuration: PCI controller busNr '255' out of range - must be 1-254"),
    ("<controller type='pci' index='1' model='pcie-root-port'><target busNr='3'/></controller>", "q35",
     "unsupported configuration: Option 'busNr' is not valid for PCI controller with index '1', "
     "model 'pcie-root-port' and modelName 'pcie-root-port'"),
    (nic(), "isapc", "XML error: No PCI buses available"),
]


@pytest.mark.parametrize(("devices", "machine", "words"), REFUSED)
def test_refused(devices, machine, words):
    assert refusal(devices, machine) == words
