"""PNGs of windows: any program reads them, and any PNG is read."""

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet_ddpm_moco.bank.png import decode_png, encode_png
from mmdet_ddpm_moco.bank.reader import DefectBank
from mmdet_ddpm_moco.bank.writer import BankWriter


def picture(height, width, channels=4):
    shape = (height, width, channels)
    return np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)


def from_file(data):
    return np.frombuffer(data, np.uint8)


@pytest.mark.parametrize('size', [(1, 1), (128, 128), (5, 33), (16, 700)])
def test_others_read_what_is_written(size):
    pixels = picture(*size)
    data = encode_png(pixels)
    by_opencv = cv2.imdecode(from_file(data), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(by_opencv, pixels)
    Image.open(io.BytesIO(data)).verify()  # checksums of the chunks
    by_pillow = np.array(Image.open(io.BytesIO(data)))
    assert np.array_equal(by_pillow[..., [2, 1, 0, 3]], pixels)


def test_the_checksum_of_the_stream_is_right():
    data = encode_png(picture(9, 7))
    stream = zlib.decompress(data[41 : -4 - 12])
    assert len(stream) == 9 * (1 + 4 * 7)


@pytest.mark.parametrize('size', [(1, 1), (128, 128), (5, 33)])
def test_what_is_written_is_read_without_a_copy(size):
    pixels = picture(*size)
    data = encode_png(pixels)
    found = decode_png(data)
    assert np.array_equal(found[..., [2, 1, 0, 3]], pixels)
    assert np.shares_memory(found, from_file(data))


@pytest.mark.parametrize('level', [0, 1, 9])
def test_pngs_of_older_banks_are_read(level):
    pixels = picture(48, 32)
    data = cv2.imencode('.png', pixels, [cv2.IMWRITE_PNG_COMPRESSION, level])
    found = decode_png(data[1].tobytes())
    assert np.array_equal(found[..., [2, 1, 0, 3]], pixels)


def test_what_is_no_rgba_png():
    data = encode_png(picture(9, 7))
    gray = cv2.imencode('.png', picture(9, 7, 1))[1].tobytes()
    for broken in (b'', b'nonsense' * 40, data[:50], gray):
        assert decode_png(broken) is None


def bank_of(root, pictures):
    """A bank of windows without defects, at the corner of one image."""
    writer = BankWriter(root, dict(classes=['pit', 'scratch']))
    records = [
        dict(
            number=number,
            kind='null',
            label=2,
            source='1.png',
            window=(0, 0, pixels.shape[1], pixels.shape[0]),
            box=(0, 0, 0, 0),
            replaces=None,
            rejected=None,
        )
        for number, pixels in enumerate(pictures)
    ]
    writer.write_block(0, records, pictures)
    writer.close(len(records))
    return DefectBank(root)


def test_windows_of_any_size_are_read(tmp_path):
    sizes = [(16, 16), (200, 240), (32, 16), (420, 400), (208, 240)]
    pictures = [picture(h, w) for w, h in sizes]
    bank = bank_of(tmp_path, pictures)
    found = [bank.read(window) for window in bank]
    for (pixels, alpha), written in zip(found, pictures, strict=True):
        assert np.array_equal(pixels, written[..., :3])
        assert np.array_equal(alpha, written[..., 3])


def test_a_window_without_a_painted_pixel_changes_nothing(tmp_path):
    pixels = picture(16, 24)
    pixels[..., 3] = 0
    (window,) = bank = bank_of(tmp_path, [pixels])
    image = np.pad(pixels[..., :3], ((0, 9), (0, 9), (0, 0)))
    before = image.copy()
    assert not bank.paste(window, image).any()
    assert np.array_equal(image, before)
