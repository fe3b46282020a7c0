"""Which address each device gets: PCI, drive, USB, virtio-serial, CCID, DIMM."""
