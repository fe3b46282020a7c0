"""The qemu driver's verbs about running guests and the host that programs other than people ask for."""

from __future__ import annotations

from virtctl.drivers.qemu_base import Connected
from virtctl.values import Affect, JobInfo, MemoryStats, WantedCapabilities


class LiveVerbs(Connected):
    """Jobs on a guest's memory, what the host can do, and small changes of a guest."""

    def job_info(self, ref: str) -> JobInfo | None:
        """The save or dump that another command is at."""
        from virtctl.qemu import jobinfo

        return jobinfo.job_info(self.context, self._find(ref))

    def abort_job(self, ref: str) -> None:
        """Ends it; the guest goes on."""
        from virtctl.qemu import jobinfo

        jobinfo.abort_job(self.context, self._change(ref))

    # The host

    def capabilities(self) -> str:
        """What the host offers, as a document."""
        from virtctl.qemu import hostcaps

        return hostcaps.capabilities(self.context)

    def domain_capabilities(self, wanted: WantedCapabilities) -> str:
        """What a guest can be given, as a document."""
        from virtctl.qemu import domaincaps

        return domaincaps.domain_capabilities(self.context, wanted)

    def cells(self) -> list[int]:
        """The NUMA cells."""
        from virtctl.qemu import nodememory

        return nodememory.cells()

    def free_memory(self, cell: int | None = None) -> int:
        """Free memory of a cell or of the host."""
        from virtctl.qemu import nodememory

        return nodememory.free(cell)

    def node_memory(self, cell: int | None = None) -> MemoryStats:
        """The memory of a cell or of the host."""
        from virtctl.qemu import nodememory

        return nodememory.stats(cell)

    # What stands in a domain for others

    def description(self, ref: str, *, title: bool = False, inactive: bool = False) -> str | None:
        """Its description or title."""
        from virtctl.qemu import describing

        return describing.description(self.context, self._find(ref), title=title, inactive=inactive)

    def describe(self, ref: str, text: str, affect: Affect, *, title: bool = False) -> None:
        """Sets one of them."""
        from virtctl.qemu import describing

        describing.describe(self.context, self._change(ref), text, affect, title=title)

    def metadata(self, ref: str, uri: str, affect: Affect) -> str:
        """The metadata of a name space."""
        from virtctl.qemu import describing

        return describing.metadata(self.context, self._find(ref), uri, affect)

    def set_metadata(self, ref: str, uri: str, new: tuple[str, str] | None, affect: Affect) -> None:
        """Sets it, or removes it."""
        from virtctl.qemu import describing

        describing.set_metadata(self.context, self._change(ref), uri, new, affect)

    def rename(self, ref: str, new: str) -> None:
        """Gives a domain that does not run another name."""
        from virtctl.qemu import describing

        describing.rename(self.context, self._change(ref), new)

    # Memory and figures

    def set_memory(self, ref: str, size: int, affect: Affect) -> None:
        """What memory the guest has, in KiB."""
        from virtctl.qemu import memsize

        memsize.set_memory(self.context, self._change(ref), size, affect)

    def set_max_memory(self, ref: str, size: int, affect: Affect) -> None:
        """What memory it can have, in KiB."""
        from virtctl.qemu import memsize

        memsize.set_max_memory(self.context, self._change(ref), size, affect)

    def set_memory_period(self, ref: str, seconds: int, affect: Affect) -> None:
        """How often its driver is asked for statistics."""
        from virtctl.qemu import memsize

        memsize.set_period(self.context, self._change(ref), seconds, affect)

    def memory_stats(self, ref: str) -> dict[str, int]:
        """`dommemstat`, in virsh's order."""
        from virtctl.qemu import memsize

        return memsize.memory_stats(self.context, self._find(ref))

    def block_errors(self, ref: str) -> dict[str, str]:
        """What is wrong with each failed disk."""
        from virtctl.qemu import blockinfo

        return blockinfo.block_errors(self.context, self._find(ref))

    def set_vcpus(self, ref: str, count: int, affect: Affect) -> None:
        """How many processors there are."""
        from virtctl.qemu import vcpus

        vcpus.set_count(self.context, self._change(ref), count, affect)

    def set_max_vcpus(self, ref: str, count: int) -> None:
        """How many there can be."""
        from virtctl.qemu import vcpus

        vcpus.set_maximum(self.context, self._change(ref), count)

    def statistics(self, ref: str, groups: frozenset[str]) -> dict[str, object]:
        """`domstats`: figures under libvirt's names."""
        from virtctl.qemu import statistics

        return statistics.statistics(self.context, self._find(ref), groups)

    # Keys, media, cables

    def send_keys(self, ref: str, codes: list[int], codeset: str, hold: int) -> None:
        """Presses keys, for `hold` milliseconds."""
        from virtctl.qemu import keys

        keys.send_keys(self.context, self._change(ref), codes, codeset, hold)

    def inject_nmi(self, ref: str) -> None:
        """Sends a non-maskable interrupt."""
        from virtctl.qemu import keys

        keys.inject_nmi(self.context, self._change(ref))

    def wake_up(self, ref: str) -> None:
        """Wakes a guest that sleeps."""
        from virtctl.qemu import keys

        keys.wake_up(self.context, self._change(ref))

    def screenshot(self, ref: str, screen: int) -> tuple[bytes, str]:
        """A picture of what the guest shows, and its kind."""
        from virtctl.qemu import keys

        return keys.screenshot(self.context, self._change(ref), screen)

    def change_media(self, ref: str, target: str, source: str | None, affect: Affect, *, force: bool = False) -> None:
        """Puts an image into a drive, or takes it out."""
        from virtctl.qemu import media

        media.change_media(self.context, self._change(ref), target, source, affect, force=force)

    def attach_device(self, ref: str, xml: str | bytes, affect: Affect) -> None:
        """Adds a device."""
        from virtctl.qemu import hotplug

        hotplug.attach(self.context, self._change(ref), xml, affect)

    def detach_device(self, ref: str, xml: str | bytes, affect: Affect) -> None:
        """Takes out the device that a document describes."""
        from virtctl.domain import plugging
        from virtctl.qemu import hotplug

        wanted = plugging.read_device(xml)
        hotplug.detach(self.context, self._change(ref), lambda root: plugging.find_device(root, wanted), affect)

    def detach_alias(self, ref: str, alias: str, affect: Affect) -> None:
        """Takes out the device of that alias."""
        from virtctl.domain import plugging
        from virtctl.qemu import hotplug

        hotplug.detach(self.context, self._change(ref), lambda root: plugging.find_alias(root, alias), affect)

    def update_device(self, ref: str, xml: str | bytes, affect: Affect, *, force: bool = False) -> None:
        """Changes the device that a document describes."""
        from virtctl.qemu import updating

        updating.update(self.context, self._change(ref), xml, affect, force=force)

    def link_state(self, ref: str, interface: str, *, inactive: bool = False) -> str | None:
        """`up` or `down`, None when there is no such card."""
        from virtctl.qemu import media

        return media.link_state(self.context, self._find(ref), interface, inactive=inactive)

    def set_link(self, ref: str, interface: str, state: str, affect: Affect) -> None:
        """Plugs the cable of a network card in or out."""
        from virtctl.qemu import media

        media.set_link(self.context, self._change(ref), interface, state, affect)

    def need_agent(self, ref: str) -> None:
        """Refuses what needs an agent in the guest."""
        from virtctl.errors import ArgumentUnsupported

        if self._find(ref).active:
            raise ArgumentUnsupported("QEMU guest agent is not configured")
