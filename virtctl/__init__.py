"""virtctl: libvirt's XML and virsh's commands on top of QEMU, without a daemon."""

__version__ = "0.1.0"
