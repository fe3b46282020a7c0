"""Controllers that QEMU or the machine type does not have, and options that only some take."""

from __future__ import annotations

from virtctl.domain.controllers import all_controllers
from virtctl.domain.devices.controller import Controller
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.domain.machine import is_i440fx, machine_of
from virtctl.domain.rules.pci_controllers import check_pci_controller
from virtctl.errors import InternalError, UnsupportedConfig, XmlError

MAX_XHCI_PORTS = 15
VIRTIO_SCSI = ("virtio-scsi", "virtio-transitional", "virtio-non-transitional")
_TUNED = ("queues", "cmd_per_lun", "max_sectors", "ioeventfd")


def check_redirection(domain: Domain, host: Host) -> None:
    """One filter for all redirectors."""
    if domain.devices and len(domain.devices.by_tag.get("redirfilter", ())) > 1:
        raise InternalError("only one set of redirection filter rule is supported")


def check_controllers(domain: Domain, host: Host) -> None:
    """Every controller."""
    for cont in all_controllers(domain):
        _check_options(domain, cont)
        if cont.type == "pci":
            check_pci_controller(domain, cont)
        elif cont.type == "scsi":
            _check_scsi(cont)
        elif cont.type == "usb":
            _check_usb(domain, cont)
        elif cont.type == "ide":
            _check_ide(domain, cont)


def _check_options(domain: Domain, cont: Controller) -> None:
    if cont.type == "scsi" and cont.model in VIRTIO_SCSI:
        if cont.iothread is not None and cont.iothread not in domain.iothread_numbers():
            raise UnsupportedConfig(f"controller iothread '{cont.iothread}' not defined in iothreadid")
        return
    for name in _TUNED:
        if getattr(cont, name) is not None:
            raise UnsupportedConfig(f"'{name}' is only supported by virtio-scsi controller")
    if cont.iothread is not None:
        raise XmlError("'iothread' attribute only supported for virtio scsi controllers")


def _check_scsi(cont: Controller) -> None:
    if cont.model == "ncr53c90":
        raise UnsupportedConfig("ncr53c90 SCSI controller is not a built-in for this machine")
    if cont.model == "buslogic":
        raise UnsupportedConfig("Unsupported controller model: buslogic")


def _check_usb(domain: Domain, cont: Controller) -> None:
    if cont.model in ("qusb1", "qusb2"):
        raise UnsupportedConfig("USB controller model type 'qusb1' or 'qusb2' is not supported in "
                                f"{domain.type}")
    if cont.model in ("nec-xhci", "qemu-xhci") and (cont.ports or 0) > MAX_XHCI_PORTS:
        raise UnsupportedConfig(f"'{cont.model}' controller only supports up to '{MAX_XHCI_PORTS}' ports")


def _check_ide(domain: Domain, cont: Controller) -> None:
    if not is_i440fx(machine_of(domain)):
        raise UnsupportedConfig("IDE controllers are unsupported for this QEMU binary or machine type")
    if cont.index != 0:
        raise UnsupportedConfig("Only a single IDE controller is supported for this machine type")
