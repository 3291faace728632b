"""PNGs of windows: written so that their pixels are read, not decoded.

They are ordinary RGBA PNGs. Each row of pixels is a stored (not compressed)
block of the zlib stream, so all rows have the same distance in the file.
Others, as libraries write them, take several times as long, also at
compression level 0.
"""

import struct
import zlib

import cv2
import numpy as np

_SIGNATURE = b'\x89PNG\r\n\x1a\n'
# After width and height: 8 bits, RGBA, deflate, filters, not interlaced.
_RGBA = bytes([8, 6, 0, 0, 0])
# Where the rows begin: after signature, IHDR (25 bytes), length and name of
# IDAT, and the header of the zlib stream.
_ROWS = 8 + 25 + 8 + 2
# The checksum of IDAT is of its name and its data.
_IDAT = _ROWS - 6
# Last byte of a row's header, which is no filter; before it, whether this is
# the last block, the length of the block and its complement.
_HEADER = 6


def encode_png(pixels: np.ndarray) -> bytes:
    """A PNG of BGRA pixels, uint8 (H, W, 4); W is at most 16,383."""
    h, w = pixels.shape[:2]
    rows = np.empty((h, _HEADER + 4 * w), np.uint8)
    rows[:, :_HEADER] = _row_header(w)
    rows[-1, 0] = 1
    rows[:, _HEADER:] = pixels[..., [2, 1, 0, 3]].reshape(h, 4 * w)
    checksum = struct.pack('>I', zlib.adler32(rows[:, 5:].tobytes()))
    chunks = (
        (b'IHDR', struct.pack('>II', w, h) + _RGBA),
        (b'IDAT', b'\x78\x01' + rows.tobytes() + checksum),
        (b'IEND', b''),
    )
    return _SIGNATURE + b''.join(
        struct.pack('>I', len(data))
        + name
        + data
        + struct.pack('>I', zlib.crc32(name + data))
        for name, data in chunks
    )


def _row_header(w: int) -> np.ndarray:
    length = 1 + 4 * w
    data = struct.pack('<BHHB', 0, length, 0xFFFF - length, 0)
    return np.frombuffer(data, np.uint8)


def decode_png(data: bytes) -> np.ndarray | None:
    """Decodes an RGBA PNG, those of :func:`encode_png` at once.

    Returns:
        np.ndarray | None: RGBA uint8 (H, W, 4), perhaps read-only; None if
        it is damaged or something else.
    """
    if len(data) > _ROWS and data[24:29] == _RGBA:
        w, h = struct.unpack('>II', data[16:24])
        step = _HEADER + 4 * w
        # Checksums follow the rows, and IEND.
        end = _ROWS + h * step + 4
        if len(data) == end + 4 + 12:
            (checksum,) = struct.unpack('>I', data[end : end + 4])
            rows = np.frombuffer(data, np.uint8, h * step, _ROWS)
            rows = rows.reshape(h, step)
            if (
                zlib.crc32(memoryview(data)[_IDAT:end]) == checksum
                and (rows[:-1, :_HEADER] == _row_header(w)).all()
            ):
                return rows[:, _HEADER:].reshape(h, w, 4)
    buffer = np.frombuffer(data, np.uint8)
    pixels = cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED) if data else None
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
        return None
    return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA)
