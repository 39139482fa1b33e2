"""Small pictures from arrays: episodes as film strips, attributions laid over them, as PNG data URIs.

PNG is written with ``zlib`` and ``struct`` (RFC 2083: signature, then IHDR, IDAT and IEND chunks; 8-bit truecolour,
filter 0 on each row), so that no imaging library is needed.

Letters: T frames, H height, W width.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

GAP = 4
"""Pixels between frames of a strip."""
BAR = 4
"""Height in pixels of the bar that marks a frame."""
PER_LINE = 10
"""Frames on one line of a strip."""
AGAINST = np.array([213, 94, 0], dtype=np.float64)
TOWARDS = np.array([0, 114, 178], dtype=np.float64)
MARK = np.array([120, 120, 120], dtype=np.uint8)


def png(picture: np.ndarray) -> bytes:
    """PNG file of a ``uint8 [H, W, 3]`` or ``[H, W, 4]`` picture."""
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (3, 4):
        raise ValueError(f"a picture is uint8 [H, W, 3 or 4]; came {picture.dtype} {list(picture.shape)}")
    height, width, channels = picture.shape
    rows = np.zeros((height, 1 + width * channels), dtype=np.uint8)
    rows[:, 1:] = picture.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 6, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def data_uri(picture: np.ndarray) -> str:
    """``data:image/png;base64,...`` of a picture."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")


def strip(frames: np.ndarray, *, marked: int | None = None, width: int = 640) -> np.ndarray:
    """Frames ``uint8 [T, H, W, 3]`` side by side, enlarged to about ``width`` pixels, transparent between them.

    A grey bar runs under frame ``marked`` (the moment at which the value is read). Long episodes take several lines.
    """
    steps, height, wide, _ = frames.shape
    across = min(steps, PER_LINE)
    factor = max(1, width // max(1, across * wide))
    large = frames.repeat(factor, axis=1).repeat(factor, axis=2)
    tall, broad = height * factor, wide * factor
    line = tall + GAP + BAR
    sheet = np.zeros((line * -(-steps // across), across * (broad + GAP) - GAP, 4), dtype=np.uint8)
    for step in range(steps):
        top, left = step // across * line, step % across * (broad + GAP)
        _lay(sheet, large[step], top, left)
        if step == marked:
            _lay(sheet, np.broadcast_to(MARK, (BAR, broad, 3)), top + tall + GAP, left)
    return sheet


def film(frames: np.ndarray) -> np.ndarray:
    """Frames ``uint8 [T, H, W, 3]`` at their own size, :data:`PER_LINE` on a line and nothing between them."""
    steps, height, wide, _ = frames.shape
    across = min(steps, PER_LINE)
    sheet = np.zeros((-(-steps // across) * across, height, wide, 3), dtype=np.uint8)
    sheet[:steps] = frames
    lines = sheet.reshape(-1, across, height, wide, 3).swapaxes(1, 2)
    return lines.reshape(-1, across * wide, 3)


def _lay(sheet: np.ndarray, picture: np.ndarray, top: int, left: int) -> None:
    """Lay an opaque picture on a sheet."""
    height, width, _ = picture.shape
    sheet[top : top + height, left : left + width, :3] = picture
    sheet[top : top + height, left : left + width, 3] = 255


def overlay(frames: np.ndarray, attribution: np.ndarray) -> np.ndarray:
    """Frames in faint grey with attribution ``[T, H, W]`` over them, blue raising the value and orange lowering it.

    Strength is relative to the 99th percentile of this episode's absolute attribution. Result ``uint8 [T, H, W, 3]``.
    """
    grey = 190.0 + 0.25 * frames.astype(np.float64).mean(axis=-1, keepdims=True)
    top = float(np.percentile(np.abs(attribution), 99)) or float(np.abs(attribution).max()) or 1.0
    weight = np.clip(np.abs(attribution) / top, 0.0, 1.0)[..., None]
    colour = np.where(attribution[..., None] >= 0, TOWARDS, AGAINST)
    blended: np.ndarray = np.clip((1 - weight) * grey + weight * colour, 0, 255).astype(np.uint8)
    return blended
