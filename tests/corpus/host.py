"""The host on which the corpus was made: Debian 12 with QEMU 7.2.22, without swtpm."""

from virtctl.domain.host import Host

VERSIONS = [*(f"2.{minor}" for minor in range(13)), "3.0", "3.1", "4.0", "4.1", "4.2", "5.0", "5.1", "5.2",
            "6.0", "6.1", "6.2", "7.0", "7.1", "7.2"]
PC = [f"pc-i440fx-{version}" for version in ["1.4", "1.5", "1.6", "1.7", *VERSIONS]]
Q35 = [f"pc-q35-{version}" for version in [*VERSIONS[4:], "4.0.1"]]
SMALL_Q35 = ("pc-q35-2.4", "pc-q35-2.5", "pc-q35-2.6", "pc-q35-2.7")  # before 288 processors
DEBIAN12 = Host(cpu_limits=(
    ("isapc", 1), ("microvm", 288), ("none", 1), ("x-remote", 1),
    *((name, 255) for name in PC), *((name, 255 if name in SMALL_Q35 else 288) for name in Q35),
))
