"""The digest that is worked out beside the stream is that of the stream, whatever becomes of the buffers."""

from __future__ import annotations

import os
import threading

import pytest

from virtctl.qemu.chunkdigest import ChunkDigest
from virtctl.qemu.streamdigest import ALONE, BEHIND, StreamDigest

PIECE = 1 << 20


@pytest.mark.parametrize("pieces", [0, 1, ALONE // PIECE, ALONE // PIECE + 40])
def test_buffers_are_used_again_as_soon_as_is_allowed(pieces: int) -> None:
    room = [memoryview(bytearray(PIECE)) for _ in range(BEHIND)]
    whole, digest = ChunkDigest(), StreamDigest()
    for number in range(pieces):
        view = room[number % BEHIND]
        view[:] = os.urandom(64) * (PIECE // 64)
        part = view[: PIECE - number]
        whole.update(part)
        digest.update(part)
    assert digest.digest() == whole.digest()


def test_one_that_is_given_up_leaves_no_thread() -> None:
    before = threading.active_count()
    digest = StreamDigest()
    for _ in range(ALONE // PIECE + 3):
        digest.update(bytes(PIECE))
    assert threading.active_count() == before + 1
    digest.close()
    digest.close()
    assert threading.active_count() == before


def test_without_a_thread_it_is_worked_out_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    digest = StreamDigest()
    for _ in range(ALONE // PIECE + 3):
        digest.update(b"x" * PIECE)
    whole = ChunkDigest()
    whole.update(b"x" * (ALONE + 3 * PIECE))
    assert digest.digest() == whole.digest()
