"""Pictures as PNG: film strips and overlays."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from imprint.reports.pictures import PER_LINE, film, overlay, png, strip


def decoded(content: bytes) -> np.ndarray:
    """Pixels of a PNG as :func:`png` writes it, checksums verified."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    at, body, shape = 8, b"", (0, 0, 0)
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4])
        kind, data = content[at + 4 : at + 8], content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + data)
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", data[:10])
            shape = (height, width, {2: 3, 6: 4}[colour])
        body += data if kind == b"IDAT" else b""
        at += 12 + size
    rows = np.frombuffer(zlib.decompress(body), dtype=np.uint8).reshape(shape[0], -1)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape(shape)


@pytest.mark.parametrize("channels", [3, 4])
def test_a_picture_survives_its_file(channels: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(png(picture)), picture)


def test_a_picture_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="came float64"):
        png(np.zeros((2, 2, 3)))


def test_a_strip_shows_every_frame_and_marks_one() -> None:
    frames = np.stack([np.full((2, 3, 3), 10 * i, dtype=np.uint8) for i in range(12)])
    sheet = strip(frames, marked=11, width=30)
    shown = set(np.unique(sheet[..., 0][sheet[..., 3] == 255]))
    assert shown == {10 * i for i in range(12)} | {120}
    assert sheet.shape == (2 * (2 + 8), 10 * (3 + 4) - 4, 4)
    unmarked = strip(frames, width=30)
    assert (sheet[..., 3] > 0).sum() - (unmarked[..., 3] > 0).sum() == 3 * 4


def test_an_overlay_shows_sign_and_strength() -> None:
    frames, attribution = np.full((1, 4, 4, 3), 128, dtype=np.uint8), np.zeros((1, 4, 4))
    np.testing.assert_array_equal(np.ptp(overlay(frames, attribution)), 0)
    attribution[0, 0, 0], attribution[0, 3, 3] = 1.0, -1.0
    shown = overlay(frames, attribution)[0]
    assert shown[0, 0, 2] > shown[0, 0, 0] and shown[3, 3, 0] > shown[3, 3, 2]
    np.testing.assert_array_equal(shown[1, 1], shown[2, 2])


def test_a_film_holds_every_frame_to_the_pixel() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (13, 5, 7, 3)).astype(np.uint8)
    for steps in (1, 9, 10, 13):
        sheet = film(frames[:steps])
        for step in range(steps):
            top, left = step // PER_LINE * 5, step % PER_LINE * 7
            np.testing.assert_array_equal(sheet[top : top + 5, left : left + 7], frames[step])
