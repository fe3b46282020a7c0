"""Graphics cards: which models QEMU has, which may stand beside others, and what each can be told."""

from __future__ import annotations

from virtctl.domain.devices.video import Video
from virtctl.domain.domain import Domain
from virtctl.domain.host import Host
from virtctl.errors import UnsupportedConfig, XmlError

FOREIGN = ("xen", "vbox", "parallels", "gop")
SECONDARY = ("qxl", "virtio", "none")
WITH_HEADS = ("qxl", "virtio")
WITH_RESOLUTION = ("vga", "qxl", "bochs", "gop", "virtio")
MIN_KIB = 1024


def check_videos(domain: Domain, host: Host) -> None:
    """Every graphics card."""
    videos = domain.devices.all(Video) if domain.devices else []
    if len(videos) > 1 and any(video.type == "none" for video in videos):
        raise UnsupportedConfig("a 'none' video type must be the only video device defined for the domain")
    for video in videos:
        if video.type == "ramfb" and video.address is not None:
            raise UnsupportedConfig("address not supported for video type ramfb")
        if video.type in FOREIGN:
            raise UnsupportedConfig(f"domain configuration does not support video model '{video.type}'")
        _check_driver(video)
        _check_screen(video)
        _check_memory(video)
        if not video.primary and video.type not in SECONDARY:
            raise UnsupportedConfig(f"video type '{video.type}' is only valid as primary video device")
    if sum(video.primary is True for video in videos) > 1:
        raise UnsupportedConfig("Only one primary video device is supported")


def _check_driver(video: Video) -> None:
    if video.driver == "vhostuser" and video.type != "virtio":
        raise UnsupportedConfig("'vhostuser' driver is only supported with 'virtio' device")
    if video.rendernode is not None and video.driver != "vhostuser":
        raise UnsupportedConfig("unsupported rendernode accel attribute without 'vhostuser'")
    if video.type != "virtio":
        for name in ("iommu", "ats", "packed", "page_per_vq"):
            if getattr(video, name) is not None:
                raise UnsupportedConfig(f"{name} driver option is only supported for virtio devices")
    if video.accel2d:
        raise UnsupportedConfig("qemu does not support the accel2d setting")
    if video.accel3d and video.type != "virtio":
        raise UnsupportedConfig("3d acceleration is supported only with 'virtio' video device")


def _check_screen(video: Video) -> None:
    if video.type not in (*WITH_HEADS, "none") and video.heads != 1:
        raise UnsupportedConfig(f"video type '{video.type}' doesn't support multiple 'heads'")
    if video.x is not None or video.y is not None:
        if not video.x or not video.y:
            raise UnsupportedConfig("video resolution values must be greater than 0")
        if video.type not in WITH_RESOLUTION:
            raise XmlError("model resolution is not supported")


def _check_memory(video: Video) -> None:
    if video.vram is not None and video.vram < MIN_KIB:
        raise UnsupportedConfig("value for 'vram' must be at least 1 MiB (1024 KiB)")
    if video.vgamem is not None:
        if video.vgamem < MIN_KIB:
            raise UnsupportedConfig("value for 'vgamem' must be at least 1 MiB (1024 KiB)")
        if video.vgamem & (video.vgamem - 1):
            raise UnsupportedConfig("value for 'vgamem' must be power of two")
