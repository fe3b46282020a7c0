"""The host on which the corpus was made: Debian 12 with QEMU 7.2."""

from virtctl.domain.host import Host

DEBIAN12 = Host()
