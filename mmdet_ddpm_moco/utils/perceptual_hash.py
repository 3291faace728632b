"""Fingerprints of images: a hash of the file and a perceptual hash.

The perceptual hash is 256 bits that hardly change when the image is
compressed, made brighter or scaled, and that are mirrored or rotated with it:
a block mean hash (Yang et al., "Block Mean Value Based Image Perceptual
Hashing", IIH-MSP 2006), taken after shading and straight lines, which images
of one kind of surface share, are removed.
"""

import io
from collections.abc import Sequence
from functools import lru_cache, reduce
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

HASH_SIDE = 16

_ONE = np.ones(1)

# Side in pixels of the square that the perceptual hash is taken from.
_SIDE = 64

# Sigma of the blurs that remove shading and lines, in pixels of that square.
_DETAIL = 4.0

# Mean contrast in gray levels below which the hash would be that of the
# sensor's noise or of vignetting.
_MIN_CONTRAST = 0.5

# Share of bits that are set where structure fills the image. The hash of an
# image that is blank for the most part is that of any other such image.
_BALANCED = (0.3, 0.7)

# Hashes that are compared at once: products of this size stay in the cache.
_BLOCK = 256


class Fingerprint(NamedTuple):
    """What an image is recognized by."""

    name: str  # file name without folders
    content: str  # hash of the file's bytes, 16 hexadecimal digits
    phash: str | None  # of perceptual_hash(), 64 hexadecimal digits


def fingerprint(path: str | Path) -> Fingerprint:
    """Takes the fingerprint of a local file, cached while it is unchanged.

    A file that is no readable image has no perceptual hash.

    Raises:
        OSError: It cannot be read.
    """
    stat = Path(path).stat()
    return _fingerprint(str(path), stat.st_mtime_ns, stat.st_size)


def perceptual_hash(image: np.ndarray) -> str | None:
    """Takes the perceptual hash of a gray image, uint8 (H, W).

    Returns:
        str | None: ``HASH_SIDE`` x ``HASH_SIDE`` bits, row by row, in
        hexadecimal digits; None for an image with too little structure.
    """
    square = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(square.astype(np.float32), (0, 0), _DETAIL)
    if np.abs(square - smooth).mean() < _MIN_CONTRAST:
        return None
    flat = flatten(square, _SIDE, detail=_DETAIL, spread=_DETAIL)
    cells = flat.reshape(HASH_SIDE, _SIDE // HASH_SIDE, HASH_SIDE, -1)
    bits = cells.mean(axis=(1, 3)) > 0
    if not _BALANCED[0] < bits.mean() < _BALANCED[1]:
        return None
    return np.packbits(bits).tobytes().hex()


def signs(hashes: Sequence[str]) -> np.ndarray:
    """Perceptual hashes as +1 and -1, float32 (N, HASH_SIDE, HASH_SIDE)."""
    packed = np.frombuffer(bytes.fromhex(''.join(hashes)), np.uint8)
    bits = np.unpackbits(packed).reshape(-1, HASH_SIDE, HASH_SIDE)
    return bits.astype(np.float32) * 2 - 1


def agreement(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Highest product of hashes over the eight flips and rotations.

    Args:
        first (np.ndarray): From :func:`signs`, (M, side, side).
        second (np.ndarray): Likewise, (N, side, side).

    Returns:
        np.ndarray: float32 (M, N): bits that agree minus those that differ.
    """
    turns = [_by_symmetry(first), _by_symmetry(first.transpose(0, 2, 1))]
    columns = [part.T for part in _by_symmetry(second)]
    best = np.empty((len(first), len(second)), np.float32)
    for row, col in product(*(range(0, n, _BLOCK) for n in best.shape)):
        down, right = slice(row, row + _BLOCK), slice(col, col + _BLOCK)
        found = []
        for rows in turns:
            # A flip along the rows turns the sign of what is odd there.
            even, wide, tall, both = (
                a[down] @ b[:, right] for a, b in zip(rows, columns)
            )
            found += [
                even + both + np.abs(wide + tall),
                even - both + np.abs(wide - tall),
            ]
        best[down, right] = reduce(np.maximum, found)
    return best


def _by_symmetry(hashes: np.ndarray) -> list[np.ndarray]:
    """Splits hashes into what is even or odd along rows and columns.

    A product of hashes is the sum of the products of their four parts, and
    a part is a quarter as long: that of all flips takes no longer than one.

    Args:
        hashes (np.ndarray): From :func:`signs`, (N, side, side).

    Returns:
        list[np.ndarray]: float32 (N, side**2 / 4) each: even, odd along the
        columns, odd along the rows, odd along both.
    """
    half = HASH_SIDE // 2
    top, bottom = hashes[:, :half], hashes[:, : half - 1 : -1]
    parts = []
    for folded in (top + bottom, top - bottom):
        left, right = folded[..., :half], folded[..., : half - 1 : -1]
        parts += [left + right, left - right]
    return [part.reshape(len(hashes), -1) / 2 for part in parts]


# Bank and backbone are checked against the same images.
@lru_cache(maxsize=2**17)
def _fingerprint(path: str, changed: int, size: int) -> Fingerprint:
    data = Path(path).read_bytes()
    digest = blake2b(data, digest_size=8).hexdigest()
    pixels = _decode(data)
    return Fingerprint(
        Path(path).name,
        digest,
        None if pixels is None else perceptual_hash(pixels),
    )


def _decode(data: bytes) -> np.ndarray | None:
    """Gray uint8 (H, W) pixels; a large JPEG is decoded at reduced size."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            shorter = min(image.size)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    flag = cv2.IMREAD_GRAYSCALE
    for scale, reduced in (
        (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
        (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
        (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
    ):
        if shorter >= 2 * _SIDE * scale:
            flag = reduced
            break
    return cv2.imdecode(
        np.frombuffer(data, np.uint8), flag | cv2.IMREAD_IGNORE_ORIENTATION
    )


def flatten(
    image: np.ndarray, side: int, detail: float, spread: float
) -> np.ndarray:
    """Removes shading and straight lines, and equalizes local contrast.

    Args:
        image (np.ndarray): Gray image (uint8, shape (H, W)).
        side (int): Longer side of the result in pixels, if it is smaller.
        detail (float): Sigma of the blurs along columns and along rows that
            are subtracted, in pixels of the result.
        spread (float): Sigma of the window that contrast is measured in, in
            pixels of the result.

    Returns:
        np.ndarray: float32 with mean 0 and standard deviation 1; all 0 for
        an image without structure.
    """
    small: np.ndarray = reduced(image, side).astype(np.float32)
    kernel = cv2.getGaussianKernel(int(6 * detail) | 1, detail)
    small = small - cv2.sepFilter2D(small, -1, _ONE, kernel)
    small = small - cv2.sepFilter2D(small, -1, kernel, _ONE)
    # The 1 keeps noise below one gray level from being amplified.
    power = cv2.GaussianBlur(small * small, (0, 0), spread)
    small /= np.sqrt(power + 1)
    small -= small.mean()
    strength = float(small.std())
    return small / strength if strength > 1e-3 else np.zeros_like(small)


def reduced(image: np.ndarray, side: int) -> np.ndarray:
    """The image with its longer side at most ``side`` pixels."""
    scale = side / max(image.shape)
    if scale >= 1:
        return image
    height, width = (max(1, round(n * scale)) for n in image.shape)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
