"""Graphics cards: the one that a display needs, the first one's rank, sizes of memory."""

from __future__ import annotations

from virtctl.domain.addresses.topology import tagged
from virtctl.domain.devices.video import Video
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host

DEFAULT_KIB = {"vga": 16384, "cirrus": 16384, "vmvga": 16384, "qxl": 65536, "xen": 4096, "bochs": 16384,
               "gop": 16384}
QXL_VGAMEM = 16384


def sort_videos(domain: Domain, host: Host) -> None:
    """The card marked primary comes first."""
    videos = domain.devices.all(Video) if domain.devices else []
    for video in [video for video in videos if video.primary]:
        videos.remove(video)
        videos.insert(0, video)


def add_implicit_video(domain: Domain, host: Host) -> None:
    """A display without a card gets one; the first card is the primary one."""
    videos = domain.devices.all(Video) if domain.devices else []
    if not videos and tagged(domain, "graphics"):
        videos.append(Video(type="default"))
    if not videos:
        return
    if videos[0].type == "none":
        videos[0] = Video(type="none", alias=videos[0].alias)
    else:
        videos[0].primary = True
        complete_video(videos[0])


def complete_videos(domain: Domain, host: Host) -> None:
    """Types and sizes of every card."""
    for video in domain.devices.all(Video) if domain.devices else []:
        complete_video(video)


def complete_video(video: Video) -> None:
    """The type and the sizes of one card, sizes rounded up to a power of two."""
    if video.type in (None, "default"):
        video.type = "cirrus"
    if video.type == "none":
        return
    video.heads = 1 if video.heads is None else video.heads
    video.primary = video.primary or None
    if video.type == "qxl":
        video.ram = round_up(video.ram) or DEFAULT_KIB["qxl"]
        video.vgamem = video.vgamem or QXL_VGAMEM
        video.vram64 = round_up(video.vram64) if video.vram64 else None
    else:
        video.ram = video.vgamem = video.vram64 = None
    video.vram = round_up(video.vram) or DEFAULT_KIB.get(video.type or "")


def round_up(value: int | None) -> int:
    """The next power of two in 32 bits; 0 for none and for what does not fit."""
    return (1 << (value - 1).bit_length()) & 0xFFFFFFFF if value else 0
